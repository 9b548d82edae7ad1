/* SPDX-License-Identifier: MIT */
/* nnrt_elastic.c: the field of an elastic deformation (Simard, Steinkraus, Platt 2003): a random step for each pixel,
 * smoothed by a Gaussian, times a factor. */
#include <math.h>

#include "nnrt_augmenting.h"

enum { ELASTIC_RADIUS = 256 }; /* pixels of a Gaussian to each side, at most */

/* One axis: n numbers, `step` apart, of `in` to `out`; beyond the ends there is nothing. */
static void elastic_smooth(const float *kernel, int radius, int64_t n, int64_t step,
                           const float *in, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t from = i < radius ? -i : -radius, to = n - 1 - i < radius ? n - 1 - i : radius;
        float sum = 0;
        for (int64_t k = from; k <= to; k++)
            sum += kernel[k < 0 ? -k : k] * in[(i + k) * step];
        out[i * step] = sum;
    }
}

void nnrt_elastic_field(const nnrt_augment *t, const nnrt_augment_draw *d, int64_t h, int64_t w,
                        float *room)
{
    float kernel[ELASTIC_RADIUS + 1], *between = room + 2 * h * w;
    double alpha = t->high, sigma = t->low, sum = 0;
    int radius = (int)ceil(3 * sigma) < ELASTIC_RADIUS ? (int)ceil(3 * sigma) : ELASTIC_RADIUS;
    uint64_t first = d->row * (uint64_t)(2 * h * w);
    for (int k = 0; k <= radius; k++)
        sum += (k ? 2 : 1) * exp(-k * k / (2 * sigma * sigma));
    for (int k = 0; k <= radius; k++)
        kernel[k] = (float)(exp(-k * k / (2 * sigma * sigma)) / sum);
    for (int axis = 0; axis < 2; axis++) {
        float *field = room + axis * h * w;
        for (int64_t i = 0; i < h * w; i++)
            field[i] = 2 * nnrt_rand_uniform(d->key, first + (uint64_t)(axis * h * w + i)) - 1;
        for (int64_t y = 0; y < h; y++)
            elastic_smooth(kernel, radius, w, 1, field + y * w, between + y * w);
        for (int64_t x = 0; x < w; x++)
            elastic_smooth(kernel, radius, h, w, between + x, field + x);
        for (int64_t i = 0; i < h * w; i++)
            field[i] *= (float)alpha;
    }
}
