/* SPDX-License-Identifier: MIT */
/* nnrt_tiny.h: a network written by hand as nncc would emit it, for the tests of the program.
 *
 * Logistic regression, 3 numbers to 2 classes, with dropout on its input, momentum, a running count
 * as a buffer, and the weight kept transposed. TINY_INTERRUPT=n in the environment sends SIGINT
 * during call n of train_step.
 */
#ifndef NNRT_TINY_H
#define NNRT_TINY_H

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt.h"
#include "nnrt_math.h"
#include "nnrt_rand.h"

enum { TINY_BATCH = 8, TINY_VARS = 448, TINY_HEAD = (sizeof(nnrt_instance) + 63) / 64 * 64 };

static float *tiny_at(const nnrt_instance *m, size_t offset)
{
    return (float *)(void *)(m->vars + offset);
}

/* Where the vars lie, in bytes. */
enum { TINY_W = 0, TINY_B = 64, TINY_SEEN = 128, TINY_WM = 192, TINY_BM = 256, TINY_SUM = 320 };

/* Probabilities of one sample; the weight is kept [3, 2]. */
static void tiny_forward(const nnrt_instance *m, const float *x, float p[2])
{
    const float *w = tiny_at(m, TINY_W), *b = tiny_at(m, TINY_B);
    for (int j = 0; j < 2; j++) {
        p[j] = b[j];
        for (int i = 0; i < 3; i++)
            p[j] += x[i] * w[i * 2 + j];
    }
    float most = p[0] > p[1] ? p[0] : p[1];
    float e0 = nnrt_expf(p[0] - most), e1 = nnrt_expf(p[1] - most);
    p[0] = e0 / (e0 + e1);
    p[1] = e1 / (e0 + e1);
}

/* Mean loss; gradients [3, 2] and [2] into g where it is not NULL, of the input into dx. */
static float tiny_loss(nnrt_instance *m, int n, const void *const *in, const float *keep, float *g,
                       float *dx, double *sums)
{
    const float *x = in[0], *w = tiny_at(m, TINY_W);
    const int32_t *label = in[1];
    float loss = 0;
    for (int s = 0; s < n; s++) {
        float kept[3], p[2], d[2];
        for (int i = 0; i < 3; i++)
            kept[i] = x[s * 3 + i] * (keep ? keep[s * 3 + i] : 1.0f);
        tiny_forward(m, kept, p);
        loss -= nnrt_logf(p[label[s]]) / (float)n;
        for (int j = 0; j < 2; j++)
            d[j] = (p[j] - (label[s] == j)) / (float)n;
        for (int i = 0; g && i < 3; i++)
            for (int j = 0; j < 2; j++)
                g[i * 2 + j] += kept[i] * d[j];
        for (int j = 0; g && j < 2; j++)
            g[6 + j] += d[j];
        for (int i = 0; dx && i < 3; i++)
            dx[s * 3 + i] =
                (keep ? keep[s * 3 + i] : 1.0f) * (d[0] * w[i * 2] + d[1] * w[i * 2 + 1]);
        if (sums) {
            sums[0] += (p[1] > p[0]) == label[s];
            sums[1] += 1;
        }
    }
    return loss;
}

static void tiny_dropout(const nnrt_instance *m, float *keep)
{
    nnrt_rand_key k = nnrt_rand_key_of(m->seed, (uint64_t)m->calls, 0);
    for (int i = 0; i < TINY_BATCH * 3; i++)
        keep[i] = nnrt_rand_uniform(k, (uint64_t)i) < 0.9f ? 1 / 0.9f : 0;
}

static void tiny_update(nnrt_instance *m, float *g, int accumulate)
{
    float lr =
        (float)nnrt_lr(&m->model->train.schedule, m->lr, m->step, m->total_steps, m->epoch_steps);
    for (int i = 0; i < 8; i++) {
        float *w = i < 6 ? tiny_at(m, TINY_W) + i : tiny_at(m, TINY_B) + i - 6;
        float *v = i < 6 ? tiny_at(m, TINY_WM) + i : tiny_at(m, TINY_BM) + i - 6;
        *v = 0.9f * *v + g[i] / (float)accumulate;
        *w -= lr * *v;
        g[i] = 0;
    }
    m->step++;
}

static float tiny_train_step(nnrt_instance *m, int n, const void *const *in)
{
    const char *interrupt = getenv("TINY_INTERRUPT");
    int accumulate = m->model->train.accumulate > 1 ? m->model->train.accumulate : 1;
    float keep[TINY_BATCH * 3], *g = tiny_at(m, TINY_SUM);
    tiny_dropout(m, keep);
    float loss = tiny_loss(m, n, in, keep, g, NULL, m->metric_sums);
    tiny_at(m, TINY_SEEN)[0] += (float)n;
    if (interrupt && atoll(interrupt) == m->calls)
        raise(SIGINT);
    if (++m->calls % accumulate == 0)
        tiny_update(m, g, accumulate);
    return loss;
}

static float tiny_eval(nnrt_instance *m, int n, const void *const *in, double *sums)
{
    return tiny_loss(m, n, in, NULL, NULL, NULL, sums);
}

static float tiny_grad(nnrt_instance *m, int n, const void *const *in, float *grads)
{
    float keep[TINY_BATCH * 3], g[8] = {0};
    tiny_dropout(m, keep);
    float loss = tiny_loss(m, n, in, keep, g, grads + 8, NULL);
    for (int j = 0; j < 2; j++) /* saved [2, 3] */
        for (int i = 0; i < 3; i++)
            grads[j * 3 + i] = g[i * 2 + j];
    memcpy(grads + 6, g + 6, 2 * sizeof *g);
    return loss;
}

static int tiny_predict(nnrt_instance *m, int n, const void *const *in, float *const *out)
{
    const float *x = in[0];
    for (int s = 0; s < n; s++) {
        tiny_forward(m, x + s * 3, out[0] + s * 2);
        out[1][s] = 1.0f; /* depends on nothing */
    }
    return 0;
}

static const nnrt_value tiny_inputs[] = {
    {.name = "x",
     .dtype = NNRT_F32,
     .rank = 1,
     .dim = {3},
     .count = 3,
     .in_predict = 1,
     .outputs = 1},
    {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 2},
};

static const nnrt_value tiny_outputs[] = {
    {.name = "probs", .dtype = NNRT_F32, .rank = 1, .dim = {2}, .count = 2},
    {.name = "one", .dtype = NNRT_F32, .count = 1},
};

static const nnrt_var tiny_vars[] = {
    {"fc.weight", NNRT_WEIGHT, 2, {2, 3}, 6, TINY_W, {1, 0}, NNRT_INIT_UNIFORM, -0.5, 0.5, 0, {0}},
    {"fc.bias", NNRT_WEIGHT, 1, {2}, 2, TINY_B, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"seen", NNRT_BUFFER, 1, {1}, 1, TINY_SEEN, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"fc.weight.momentum", NNRT_STATE, 2, {2, 3}, 6, TINY_WM, {1, 0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"fc.bias.momentum", NNRT_STATE, 1, {2}, 2, TINY_BM, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"accumulated", NNRT_STATE, 1, {8}, 8, TINY_SUM, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
};

static const nnrt_metric tiny_metrics[] = {
    {.name = "accuracy", .finish = NNRT_METRIC_MEAN, .n_sums = 2, .larger = 1}};

/* A copy that a test may change. 3 epochs of cosine, a validation split of 0.2. */
static nnrt_model tiny_model(void)
{
    return (nnrt_model){
        .abi = NNRT_ABI,
        .name = "tiny",
        .source = "tiny.yaml",
        .target = "generic",
        .version = "nncc 0.0",
        .digest = "00ff",
        .batch = TINY_BATCH,
        .size = TINY_HEAD + TINY_VARS,
        .vars_bytes = TINY_VARS,
        .arena_bytes = TINY_VARS,
        .flops_predict = 12,
        .flops_train = 36,
        .n_inputs = 2,
        .n_outputs = 2,
        .n_vars = 6,
        .n_metrics = 1,
        .n_sums = 2,
        .inputs = tiny_inputs,
        .outputs = tiny_outputs,
        .vars = tiny_vars,
        .metrics = tiny_metrics,
        .train = {.epochs = 3,
                  .seed = 5,
                  .shuffle = 1,
                  .accumulate = 1,
                  .lr = 0.5,
                  .schedule = {.kind = NNRT_SCHEDULE_COSINE, .to = 0.01, .warmup = 2},
                  .validation_split = 0.2},
        .predict = tiny_predict,
        .train_step = tiny_train_step,
        .eval = tiny_eval,
        .grad = tiny_grad,
    };
}

#endif
