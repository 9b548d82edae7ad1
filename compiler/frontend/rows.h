/* SPDX-License-Identifier: MIT */
/* rows.h: what the build functions of layers, losses, functions and metrics share: how rows of
 * arguments are written, operands as numbers, pairs of operands, class indices.
 *
 * All of them give NULL (or false) where an operand is NULL or after a report.
 */
#ifndef NNCC_ROWS_H
#define NNCC_ROWS_H

#include "frontend.h"

/* Rows of arguments: one that must be given; one with a default ("": it may be absent); one of some
 * words. */
#define NEEDS(name, type)                                                                          \
    {                                                                                              \
        name, ARG_##type, NULL, NULL                                                               \
    }
#define TAKES(name, type, otherwise)                                                               \
    {                                                                                              \
        name, ARG_##type, otherwise, NULL                                                          \
    }
#define WORDS(name, otherwise, words)                                                              \
    {                                                                                              \
        name, ARG_word, otherwise, words                                                           \
    }

/* Ends a table of rows; the only one of a call without arguments. */
#define NOTHING TAKES(NULL, int, NULL)

enum { EXACT = 1 << 24 }; /* whole numbers up to here are f32 */

/* --- rows.c ----------------------------------------------------------------------------------- */

/* x as f32; bytes and class indices are converted. */
Node *rows_f32(Graph *, Node *x);
Node *rows_operand(Call *, int i); /* operand i as f32 */
/* x + k, k * x, 1 where x > k else 0. */
Node *rows_plus(Graph *, Node *x, double k);
Node *rows_times(Graph *, Node *x, double k);
Node *rows_above(Graph *, Node *x, double k);
/* max(0, min(x, 6)), whose gradient is 0 at 0 and at 6, as PyTorch's. */
Node *rows_relu6(Graph *, Node *x);
/* The sum, or the mean, of all numbers: rank 0. */
Node *rows_sum(Graph *, Node *x);
Node *rows_mean(Graph *, Node *x);
/* The elements of a loss, each times the call's weight where it has one: that is of the loss's shape, or broadcasts to
 * it, or is one number a sample. Reports others. */
Node *rows_weighted(Call *, Node *loss);
/* The same as `reduction` says: their mean (over how many they are, as PyTorch's `weight`), their sum, themselves. */
Node *rows_reduce(Call *, const Arg *reduction, Node *x);
/* x, one number a sample, as [N] f32; `name`: what it is called in the report of another shape, at `loc`.
 * NULL after that. */
Node *rows_each(Call *, Node *x, Loc loc, const char *name);
/* Operands 0 and 1 as f32, so that they broadcast. Shapes that differ in axes of length 1 alone, as
 * [N, 1] and [N], are the same: the second takes the first's. Reports others. */
bool rows_pair(Call *, Node **prediction, Node **target);
/* x weight^T, and + bias unless that is NULL, on the last axis; weight [units, in]. */
Node *rows_linear(Graph *, Node *x, Node *weight, Node *bias);
/* PyTorch's for a dense layer: kaiming_uniform(a = sqrt 5) of the weight and the same bound of the bias
 * come to U(-1 / sqrt(in), 1 / sqrt(in)). */
Init rows_uniform(int64_t in);
/* `value`, exactly, with the gradient of x. (functions_random.c) */
Node *rows_straight_through(Graph *, Node *value, Node *x);
/* x with dropout of probability p in training. (layers_random.c) */
Node *rows_dropout(Call *, Node *x, double p);
/* Whether what is random is drawn in the function at hand, and not its mean. (functions_random.c) */
bool rows_draws(const Call *);
/* The shape [N, ...] of which argument shape= says what a sample is; reports, then false. (functions_random.c) */
bool rows_shape(Call *, const Arg *, Shape *out);
/* Layernorm over the last axis, its weights `name`.weight and `name`.bias. (layers_norm.c) */
Node *rows_layernorm(Call *, const char *name, Node *x, double eps);
/* A note at each operand: where it was made. */
void rows_notes(const Call *);

/* --- classes.c: class indices against numbers a class ----------------------------------------- */

typedef struct Classes {
    Node *logits;  /* f32 */
    Node *indices; /* f32, with an axis of length 1 where the classes are */
    int axis;      /* of the classes in logits */
    int64_t count;
    Node *hit;    /* logits' shape: 1 at the class of the index, else 0 */
    Node *counts; /* indices' shape: 0 where the index is ignored, else 1; NULL: none is */
} Classes;

/* Whether operand 1 holds class indices for operand 0's logits: integers, of fewer axes. */
bool classes_are_indices(const Call *);
/* Whether operand 0 has one number for each target, not one a class. */
bool classes_one_each(const Call *c);
/* The axis that is left when operand 1's shape is taken from operand 0's: the last or 1; `axis`
 * where both fit. -1 after a report. */
int classes_axis(Call *, const Arg *axis);
/* Operand 1 as integers, before a conversion to f32; NULL after a report that it has none. */
Node *classes_integers(Call *);
/* 1 more than the number of the input that operand 1 comes from; 0: it is computed. */
int classes_input(Call *);
/* Whether the input that `indices` come from has no more classes than operand 0 has along `axis`; indices
 * at and above that would match nothing, in silence. Marks an input of integers whose count was not said.
 * Reports. */
bool classes_within(Call *, Node *indices, int axis);
/* What an integer tensor can hold, by what it is computed from: class inputs, constants, sums, products, remainders. */
typedef struct Indices {
    Node *node;    /* the integers, before a conversion to f32 */
    int64_t count; /* all are from 0 to below it; 0: an input whose count is not said, `input[0]`, as it is */
    int n_inputs;
    Input *input[16]; /* that it comes from */
} Indices;

/* The indices that operand i holds. False where they are not integers, or of unknown range: not reported.
 * (indices.c) */
bool indices_read(Call *, int i, Indices *out);
/* Fills `out` from operands 0 and 1, and marks the input that the indices come from: how many
 * classes it has at most, and that it may hold `ignore`. */
bool classes_read(Call *, const Arg *axis, const Arg *ignore, Classes *out);
/* Where the indices point: the value of x (logits' shape, or broadcast to it) there; axis kept. */
Node *classes_pick(Graph *, const Classes *, Node *x);

/* --- losses_boxes.c --------------------------------------------------------------------------- */

/* Whether the arguments of nms are within their bounds; reports. */
bool nms_arguments(Call *, const Arg *iou, const Arg *top);
/* The best `top` of boxes [N, K, 4] with scores [N, K, classes]: [N, top, 6]. */
Node *nms_build(Graph *, Node *boxes, Node *scores, double iou, int64_t top);

/* --- metrics_count.c -------------------------------------------------------------------------- */

/* 1 at the class with the largest logit, the first of equal ones, else 0; a NaN among them: nowhere 1. */
Node *classes_predicted(Graph *, const Classes *);

/* --- metrics_curve.c -------------------------------------------------------------------------- */

/* Whether x is what softmax or sigmoid gave, perhaps moved about. */
bool metric_is_probability(const Node *x);
/* Operands 0 and 1 as a metric over all samples keeps them: kept[0] a score a target, or one a class along the last
 * axis; kept[1] the targets: 0 or 1, or classes, those to ignore -1. Says in the metric how many classes there are
 * (0: one score a target), and whether their scores are logits: what no softmax gave. Reports. */
bool metric_scores(Call *, const Arg *axis, const Arg *ignore, Node **kept, Metric *);

/* --- spatial.c: images and their like, [N, C, spatial..], computed on as [N, spatial.., C] ---- */

/* Operand 0, f32, channels last, if it has so many spatial axes (0: at least one); reports. */
Node *spatial_operand(Call *, int spatial);
/* [N, spatial.., C] as the model language has it: [N, C, spatial..]. */
Node *spatial_result(Graph *, Node *y);
/* Argument `i` of the row: a number, or one a spatial axis, none below `least`; reports others. */
bool spatial_arg(Call *, int i, int spatial, int64_t least, int64_t *out);
/* Whether the taps fit into x [N, spatial.., C] with `before` and `after` added to each spatial
 * axis; reports. */
bool spatial_fits(Call *, const Node *x, const Taps *, const int64_t *before, const int64_t *after);
/* x [N, spatial.., C] with so much of `value` before and after each spatial axis. */
Node *spatial_pad(Graph *, Node *x, const int64_t *before, const int64_t *after, double value);

#endif
