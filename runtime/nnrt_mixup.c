/* SPDX-License-Identifier: MIT */
/* nnrt_mixup.c: mixup (Zhang et al., 2018): a batch's samples mixed with those of the batch backwards.
 *
 * Image i becomes (1 - mix) image i + mix image n-1-i; of its class the network is given both, packed in one number as
 * own + classes * (1 + other), and takes the loss of both. The share is one a batch, drawn by the seed and the call.
 */
#include <math.h>

#include "nnrt_program.h"
#include "nnrt_rand.h"

#define MIXUP_STREAM  0xFFFFFFFDu /* that no layer has */
#define MIXUP_CLASSES 1024        /* the compiler takes no more */

/* The logarithm of a draw of Gamma(a, 1) by Marsaglia and Tsang (2000), and for a < 1 Gamma(a + 1) U^(1/a);
 * *at: numbers used so far. */
static double mixup_gamma(double a, nnrt_rand_key k, uint64_t *at)
{
    double shape = a < 1 ? a + 1 : a, d = shape - 1.0 / 3, c = 1 / sqrt(9 * d), log_less = 0;
    if (a < 1)
        log_less = log(((double)nnrt_rand_bits(k, (*at)++) + 0.5) / 4294967296.0) / a;
    for (;;) {
        double x = (double)nnrt_rand_normal(k, (*at)++), v = 1 + c * x;
        double u = ((double)nnrt_rand_bits(k, (*at)++) + 0.5) / 4294967296.0;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(u) < x * x / 2 + d - d * v + d * log(v))
            return log(d * v) + log_less;
    }
}

double nnrt_mixup_share(double alpha, uint64_t seed, int64_t call)
{
    nnrt_rand_key k = nnrt_rand_key_of(seed, (uint64_t)call, MIXUP_STREAM);
    uint64_t at = 0;
    double a = mixup_gamma(alpha, k, &at), b = mixup_gamma(alpha, k, &at);
    double share = 1 / (1 + exp(b - a));     /* of Beta(alpha, alpha) */
    return share <= 0.5 ? share : 1 - share; /* the same pairs either way round */
}

static float mixup_of(float x, float y, float mix)
{
    return (1.0f - mix) * x + mix * y;
}

/* Both of a pair at once, so that each is mixed with what the other was. */
static void mixup_images(const nnrt_value *v, int n, float mix, void *images)
{
    const size_t count = (size_t)v->count;
    float *f = images;
    uint8_t *b = images;
    for (size_t i = 0, j = (size_t)n - 1; i < j; i++, j--)
        for (size_t e = 0; e < count; e++) {
            size_t p = i * count + e, q = j * count + e;
            if (v->dtype == NNRT_U8) {
                float x = b[p], y = b[q];
                b[p] = (uint8_t)lroundf(mixup_of(x, y, mix));
                b[q] = (uint8_t)lroundf(mixup_of(y, x, mix));
            } else {
                float x = f[p], y = f[q];
                f[p] = mixup_of(x, y, mix);
                f[q] = mixup_of(y, x, mix);
            }
        }
}

static void mixup_classes(const nnrt_value *v, int n, int32_t *class)
{
    const int32_t count = (int32_t)v->classes;
    for (int i = 0, j = n - 1; i <= j; i++, j--) {
        int32_t x = class[i], y = class[j];
        class[i] = x + count * (1 + y);
        class[j] = y + count * (1 + x);
    }
}

void nnrt_mixup_batch(nnrt_instance *m, int n, void *const *in)
{
    const nnrt_model *model = m->model;
    const nnrt_train *train = &model->train;
    m->mix = 0;
    if (train->mixup <= 0)
        return;
    m->mix = nnrt_mixup_share(train->mixup, m->seed, m->calls);
    mixup_images(&model->inputs[train->mixup_input], n, (float)m->mix, in[train->mixup_input]);
    for (int k = 0; k < model->n_inputs; k++) {
        const nnrt_value *v = &model->inputs[k];
        if (v->dtype == NNRT_I32 && v->rank == 0 && v->classes > 0 && v->classes <= MIXUP_CLASSES)
            mixup_classes(v, n, in[k]);
    }
}
