/* SPDX-License-Identifier: MIT */
/* layers_reduce.c: arithmetic of several inputs, and reductions over axes. */
#include "rows.h"

/* --- of inputs, elementwise ------------------------------------------------------------------- */

/* ((a op b) op c) ..., broadcast */
static Node *chain(Call *c, OpKind op)
{
    Node *y = rows_operand(c, 0);
    for (int i = 1; i < c->n_in; i++)
        y = build_binary(c->g, op, y, rows_operand(c, i));
    return y;
}

static Node *add(Call *c)
{
    return chain(c, OP_add);
}

static Node *sub(Call *c)
{
    return chain(c, OP_sub);
}

static Node *mul(Call *c)
{
    return chain(c, OP_mul);
}

static Node *div_(Call *c)
{
    return chain(c, OP_div);
}

static Node *max(Call *c)
{
    return chain(c, OP_max);
}

static Node *min(Call *c)
{
    return chain(c, OP_min);
}

/* --- over axes -------------------------------------------------------------------------------- */

/* The axes that are named; n 0: all. Layers must name some: without, an expression reduces all. */
static bool read_axes(Call *c, int *n, int *axes)
{
    const Arg *arg = &c->arg[0];
    *n = 0;
    if (!arg->given && c->path) {
        diag_error(&c->ctx->diag, c->loc, "%s: 'axis' is missing (the batch is axis 0)",
                   c->row->name);
        return false;
    }
    if (!arg->given)
        return true;
    if (arg->n == 0 || arg->n > RANK_MAX) {
        diag_error(&c->ctx->diag, arg->loc, "%s: axis: from 1 to %d axes are named", c->row->name,
                   RANK_MAX);
        return false;
    }
    for (; *n < arg->n; ++*n) {
        axes[*n] = call_axis(c, arg, arg->list[*n], c->in[0]->shape.rank);
        if (axes[*n] < 0)
            return false;
    }
    return true;
}

/* Drops the axes that were reduced, unless keepdims. */
static Node *dropped(Call *c, Node *y, int n, const int *axes)
{
    Shape scalar = shape_scalar();
    if (!y || c->arg[1].b || y->shape.rank == 0)
        return y;
    return n ? build_squeeze(c->g, y, n, axes) : build_reshape(c->g, y, &scalar);
}

static Node *reduction(Call *c, OpKind op)
{
    int n, axes[RANK_MAX];
    if (!read_axes(c, &n, axes))
        return NULL;
    return dropped(c, build_reduce(c->g, op, rows_operand(c, 0), n, axes), n, axes);
}

static Node *mean(Call *c)
{
    int n, axes[RANK_MAX];
    if (!read_axes(c, &n, axes))
        return NULL;
    return dropped(c, build_mean(c->g, rows_operand(c, 0), n, axes), n, axes);
}

static Node *sum(Call *c)
{
    return reduction(c, OP_reduce_sum);
}

static Node *amax(Call *c)
{
    return reduction(c, OP_reduce_max);
}

static Node *amin(Call *c)
{
    return reduction(c, OP_reduce_min);
}

/* --- rows ------------------------------------------------------------------------------------- */

#define INPUTS(row, function, most, says)                                                          \
    const CallRow call_##row = {.name = #row,                                                      \
                                .min_in = 2,                                                       \
                                .max_in = most,                                                    \
                                .build = function,                                                 \
                                .flags = CALL_layer | CALL_function,                               \
                                .text = says}
#define REDUCES(row, says)                                                                         \
    const CallRow call_##row = {                                                                   \
        .name = #row,                                                                              \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .arg = {TAKES("axis", ints, ""), TAKES("keepdims", bool, "false")},                        \
        .build = row,                                                                              \
        .flags = CALL_layer | CALL_function,                                                       \
        .text = says}

INPUTS(add, add, -1, "a + b + ..., broadcast");
INPUTS(sub, sub, 2, "a - b, broadcast");
INPUTS(mul, mul, -1, "a * b * ..., broadcast");
INPUTS(div, div_, 2, "a / b, broadcast");
INPUTS(max, max, -1, "the largest of a, b, ... at each place");
INPUTS(min, min, -1, "the smallest of a, b, ... at each place");
REDUCES(mean, "the mean over axis; a function without axis: of everything, batch included");
REDUCES(sum, "the sum over axis; a function without axis: of everything, batch included");
REDUCES(amax, "the largest over axis; a function without axis: of everything, batch included");
REDUCES(amin, "the smallest over axis; a function without axis: of everything, batch included");
