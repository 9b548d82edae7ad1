/* SPDX-License-Identifier: MIT */
/* functions.c: functions of expressions that are neither layers nor ops. */
#include "rows.h"

/* x within [min, max]; gradient 1 at the bounds themselves, as PyTorch's clamp. */
static Node *clip(Call *c)
{
    Graph *g = c->g;
    const Arg *low = &c->arg[0], *high = &c->arg[1];
    Node *y = rows_operand(c, 0);
    if ((!low->given && !high->given) || (low->given && high->given && low->r > high->r)) {
        diag_error(&c->ctx->diag, c->loc, "%s: wants min, max or both, min not above max",
                   c->row->name);
        return NULL;
    }
    if (low->given) {
        Node *bound = build_const(g, low->r);
        y = build_where(g, build_binary(g, OP_less, y, bound), bound, y);
    }
    if (high->given) {
        Node *bound = build_const(g, high->r);
        y = build_where(g, build_binary(g, OP_greater, y, bound), bound, y);
    }
    return y;
}

/* x * x */
static Node *square(Call *c)
{
    Node *x = rows_operand(c, 0);
    return build_binary(c->g, OP_mul, x, x);
}

/* 1 / sqrt(x) */
static Node *rsqrt(Call *c)
{
    return build_unary(c->g, OP_reciprocal, build_unary(c->g, OP_sqrt, rows_operand(c, 0)));
}

/* The gradient of the sum of y by x; pass gradients builds it, and reports where there is none. */
static Node *gradient(Call *c)
{
    Node *y = rows_operand(c, 0), *x = c->in[1];
    if (y && x->dtype == DT_f32)
        return build_binary(c->g, OP_gradient, y, x);
    if (y)
        diag_error(&c->ctx->diag, c->loc,
                   "gradient: the second operand holds %s, by which there is no gradient",
                   dtype_text(x->dtype));
    rows_notes(c);
    return NULL;
}

#define CLIP(row)                                                                                  \
    const CallRow call_##row = {.name = #row,                                                      \
                                .min_in = 1,                                                       \
                                .max_in = 1,                                                       \
                                .arg = {TAKES("min", real, ""), TAKES("max", real, "")},           \
                                .build = clip,                                                     \
                                .flags = CALL_function,                                            \
                                .text = "x within [min, max]"}

CLIP(clip);
CLIP(clamp);
const CallRow call_square = {.name = "square",
                             .min_in = 1,
                             .max_in = 1,
                             .build = square,
                             .flags = CALL_function,
                             .text = "x * x"};
const CallRow call_rsqrt = {.name = "rsqrt",
                            .min_in = 1,
                            .max_in = 1,
                            .build = rsqrt,
                            .flags = CALL_function,
                            .text = "1 / sqrt(x)"};
const CallRow call_gradient = {.name = "gradient",
                               .min_in = 2,
                               .max_in = 2,
                               .build = gradient,
                               .flags = CALL_function,
                               .text =
                                   "of y and a value x that y was computed from: the gradient of "
                                   "the sum of y by x, which may be differentiated again"};
