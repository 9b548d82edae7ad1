/* SPDX-License-Identifier: MIT */
/* nnrt_elastic.c: the field of an elastic deformation (Simard, Steinkraus, Platt 2003): a random step for each pixel,
 * smoothed by a Gaussian, times a factor. */
#include <math.h>
#include <string.h>

#include "nnrt_augmenting.h"

enum { ELASTIC_RADIUS = 256 }; /* pixels of a Gaussian to each side, at most */

/* Along the rows (step 1) or the columns (step w) of `in`; beyond the ends there is nothing. A number of the kernel
 * after the other, so that whole rows are added. */
static void elastic_smooth(const float *kernel, int radius, int64_t h, int64_t w, int64_t step,
                           const float *in, float *out)
{
    memset(out, 0, (size_t)(h * w) * sizeof *out);
    for (int64_t y = 0; y < h; y++)
        for (int64_t k = -radius; k <= radius; k++) {
            int64_t from = step == 1 ? y : y + k, shift = step == 1 ? k : 0;
            int64_t first = shift < 0 ? -shift : 0, end = shift > 0 ? w - shift : w;
            float weight = kernel[k < 0 ? -k : k], *to = out + y * w;
            const float *row = in + from * w + shift;
            for (int64_t x = first; from >= 0 && from < h && x < end; x++)
                to[x] += weight * row[x];
        }
}

void nnrt_elastic_field(const nnrt_augment *t, const nnrt_augment_draw *d, int64_t h, int64_t w,
                        float *room)
{
    float kernel[ELASTIC_RADIUS + 1] = {0}, *between = room + 2 * h * w;
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
        elastic_smooth(kernel, radius, h, w, 1, field, between);
        elastic_smooth(kernel, radius, h, w, w, between, field);
        for (int64_t i = 0; i < h * w; i++)
            field[i] *= (float)alpha;
    }
}
