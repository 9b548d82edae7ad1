/* SPDX-License-Identifier: MIT */
/* nnrt_augmenting.h: what the files of augmentation share; private to the runtime. */
#ifndef NNRT_AUGMENTING_H
#define NNRT_AUGMENTING_H

#include "nnrt_program.h"
#include "nnrt_rand.h"

enum { NNRT_AUGMENT_DRAWS = 4 }; /* indices that a sample takes of a stream */

/* What all samples of a batch share: the input that is changed, and when. */
typedef struct nnrt_augment_job {
    const nnrt_value *input;
    uint32_t input_index;
    uint64_t seed, epoch;
} nnrt_augment_job;

/* The random numbers of one transform for one sample. */
typedef struct nnrt_augment_draw {
    nnrt_rand_key key;
    uint64_t row;
} nnrt_augment_draw;

/* Uniform in [0, 1): number i of the sample. */
static inline double nnrt_augment_uniform(const nnrt_augment_draw *d, int i)
{
    return (double)nnrt_rand_uniform(d->key, d->row * NNRT_AUGMENT_DRAWS + (uint64_t)i);
}

/* An integer in 0 .. n-1. */
static inline int64_t nnrt_augment_below(const nnrt_augment_draw *d, int i, int64_t n)
{
    return (int64_t)(nnrt_augment_uniform(d, i) * (double)n);
}

/* From a place in the result to one in the image, both from the centre, y down:
 * x = xx X + xy Y + x0, y = yx X + yy Y + y0. */
typedef struct nnrt_augment_map {
    double xx, xy, x0, yx, yy, y0;
} nnrt_augment_map;

/* rotate, scale, translate, shear. */
static inline int nnrt_augment_is_affine(nnrt_augment_kind kind)
{
    return kind <= NNRT_AUGMENT_SHEAR;
}

/* --- nnrt_augment.c --------------------------------------------------------------------------- */

/* What transform `i` draws for a sample. */
nnrt_augment_draw nnrt_augment_draw_of(const nnrt_augment_job *, int i, int64_t row);
/* Transform i and the affine ones that follow it as one map; gives the next transform. */
int nnrt_augment_group(const nnrt_augment_job *, int i, int64_t row, nnrt_augment_map *);

/* --- nnrt_elastic.c --------------------------------------------------------------------------- */

/* Floats that a field of h by w takes while it is made: dx, dy [h, w] first. */
static inline size_t nnrt_elastic_room(int64_t h, int64_t w)
{
    return 3 * (size_t)(h * w);
}
/* How far from each pixel of the result it is to where it is taken from: dx[h, w], then dy[h, w]. */
void nnrt_elastic_field(const nnrt_augment *, const nnrt_augment_draw *, int64_t h, int64_t w,
                        float *room);

/* --- nnrt_along.c ----------------------------------------------------------------------------- */

/* Floats that changing what goes along with an image of h by w takes. */
static inline size_t nnrt_along_room(int64_t h, int64_t w)
{
    return nnrt_elastic_room(h, w) + 3 * (size_t)(h * w);
}
/* Changes one sample of `v`, a mask or boxes, as the image's geometric transforms have changed that. */
void nnrt_along(const nnrt_augment_job *, const nnrt_value *v, int64_t row, void *sample,
                float *room);

#endif
