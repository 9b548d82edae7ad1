/* SPDX-License-Identifier: MIT */
/* kernel_conv.h: what the files that write a convolution's kernel share. */
#ifndef NNCC_KERNEL_CONV_H
#define NNCC_KERNEL_CONV_H

#include "kernel_emit.h"

typedef struct Conv {
    Emit *e;
    const Node *y;
    const ConvPlan *plan;
    Ix sample, axis[SPATIAL_MAX], channel; /* of the operand or result that is gone over */
    struct Let {
        size_t line;
        const char *name;
    } lets[16];
    int n_lets;
} Conv;

enum { D, H, W }; /* spatial axes */

/* Where an operand's numbers are: `at` and distances of samples, of neighbours along depth, height
 * and width, in floats. */
typedef struct ConvLay {
    const char *at;
    int64_t sample, axis[SPATIAL_MAX];
} ConvLay;

/* `format`, of one %lld, in the kernel's arena. */
const char *conv_text(Conv *, const char *format, int64_t x);
/* "n", "4": samples of an operand. */
const char *conv_samples(const Conv *, const Node *x);
/* "n * 26", "26 * 4": how many pieces there are with so many a sample. */
const char *conv_times(const Conv *, const char *count, int64_t each);
/* "t / 12 % 4", as short as it may be: which of `of` parts, each of `each` pieces, piece t is in;
 * of < 0: there are as many as there are. */
const char *conv_part(const Conv *, const char *t, int64_t each, int64_t of);
/* "p * 32", "0" where there is one part. */
const char *conv_first(const Conv *, const char *part, int64_t each);
/* A name for what is inside the block that is open, dropped by `conv_unlet` where nothing reads it; that
 * takes all names but the first n. */
void conv_let(Conv *, const char *name, const char *value);
void conv_unlet(Conv *, int n);
/* The columns of panel p: group g, the first, j0, and how many there are where the last is partial. */
void conv_columns(Conv *, const char *count);
/* Loop variables for [samples, spatial.., channels], and the index that they are. */
void conv_pixels(Conv *, const Node *x, const int64_t *extent, Ix *at);
/* Where a part of what is packed begins: x, the other operand (a weight's panels of columns may lie behind the
 * transformed one), what is summed between. */
typedef enum { PART_x, PART_other, PART_panels, PART_sums } ConvPart;
const char *conv_packed(Conv *, ConvPart);
/* Loop variables of the result: l0, l1, l2, i for samples and pixels, j for channels. */
void conv_result(Conv *);
/* What is at `place` in a tile of results, to where it belongs. */
void conv_store(Conv *, const char *place);

/* Where x, [samples, extent.., channels], is read: where it stands, or where it is packed, here. */
ConvLay conv_place_x(Conv *, const Node *x, const int64_t *extent);
/* A weight that is read where it stands. */
const char *conv_standing_weight(Conv *, const Node *weight);

/* kernel_depthwise.c: the bodies of a convolution whose channels stand alone, and of its weight's packing;
 * kernel_tiles.c: its register tile's name. */
void emit_depthwise_pack(Conv *);
void emit_depthwise(Conv *);

/* kernel_conv_pack.c: the loops that put a weight in panels, and that transform it. */
void emit_panels_pack(Conv *);
void emit_winograd_pack(Conv *);

/* kernel_winograd.c: the bodies of a convolution by Winograd's method and of its weight's gradient; what the
 * transform of something is called. */
void emit_winograd(Conv *);
void emit_winograd_weight(Conv *);
const char *winograd_name(Conv *, const char *what);

#endif
