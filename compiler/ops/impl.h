/* SPDX-License-Identifier: MIT */
/* impl.h: what the files of ops/ share among themselves. */
#ifndef NNCC_OPS_IMPL_H
#define NNCC_OPS_IMPL_H

#include "../../runtime/nnrt_rand.h"
#include "ops.h"

/* Reports at g->loc, after the name by which a reader knows y; gives false, as shape rules do. */
bool op_error(Graph *g, const Node *y, const char *format, ...) PRINTF(3, 4);
/* Reports and gives false unless y's first operand holds f32. */
bool op_wants_f32(Graph *g, const Node *y);
/* Distances between neighbours along each axis of a row-major tensor without a batch axis. */
void op_strides(const Shape *shape, int64_t stride[RANK_MAX]);
/* Advances a row-major index; false after the last. Start from all zeros. */
bool op_next(const Shape *shape, int64_t at[RANK_MAX]);

/* The key of the numbers that y draws in this call; in a body, of this step. */
nnrt_rand_key op_key(const Node *y, const InterpInput *);

/* How many windows of y->attr->taps go over each spatial axis of x, [N, spatial.., C]; reports what
 * does not fit, then false. */
bool op_taps(Graph *g, const Node *y, const Shape *x, int64_t windows[SPATIAL_MAX]);
/* size, stride and dilation of the first `spatial` axes, nothing else. */
Taps op_only_taps(const Taps *, int spatial);

/* ctc.c: whether x is one number a sample, of as many samples as `of` has, or one for all; the length that it
 * gives a sample, 0 to `most`. */
bool op_per_sample(const Node *x, const Shape *of);
int64_t op_length(const Tensor *x, int64_t sample, int64_t most);

/* attention_twice.c: the gradient of y, an attention_grad: dparts are the gradients of what it gives for q, k and v, each
 * of that operand's shape. */
void attention_grad_again(Graph *, Node *y, Node *const *dparts, const bool *want, Node **dx);

/* conv_phases.c: part of build_conv_input's result, as build_conv_input_part; whether it is less work
 * phase by phase. */
bool conv_phases_pay(const Shape *dy, const Shape *w, const Taps *, const int64_t *from,
                     const int64_t *length);
Node *conv_input_by_phases(Graph *, Node *dy, Node *w, const Taps *, const int64_t *from,
                           const int64_t *length);

#endif
