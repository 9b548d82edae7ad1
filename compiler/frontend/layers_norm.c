/* SPDX-License-Identifier: MIT */
/* layers_norm.c: normalisations over the last axis. */
#include "rows.h"

/* The last axis of the operand, or -1 after a report. */
static int last_axis(Call *c)
{
    const Shape *x = &c->in[0]->shape;
    char text[128];
    if (x->rank >= 1 && x->batch != x->rank - 1 && c->arg[0].r >= 0)
        return x->rank - 1;
    if (c->arg[0].r < 0) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "%s: eps is below 0", c->row->name);
        return -1;
    }
    diag_error(&c->ctx->diag, c->loc,
               "%s: the last axis of %s is the batch; it takes numbers a sample", c->row->name,
               shape_text(x, text));
    rows_notes(c);
    return -1;
}

/* 1 / sqrt(mean(x^2) + eps), the axis kept */
static Node *scale_of(Graph *g, Node *x, int axis, double eps)
{
    Node *square = build_mean(g, build_binary(g, OP_mul, x, x), 1, &axis);
    return build_unary(g, OP_reciprocal, build_unary(g, OP_sqrt, rows_plus(g, square, eps)));
}

static Node *weight_of(Call *c, const char *name, int64_t length, double value)
{
    const Shape shape = shape_of(1, &length);
    return call_weight(c, name, &shape, (Init){INIT_constant, value, 0}, length, length);
}

/* (x - mean) / sqrt(var + eps) * weight + bias, var biased */
static Node *normed(Call *c, Node *x, double eps, const char *weight, const char *bias)
{
    Graph *g = c->g;
    int axis = x->shape.rank - 1;
    Node *centred = build_binary(g, OP_sub, x, build_mean(g, x, 1, &axis));
    Node *y = build_binary(g, OP_mul, centred, scale_of(g, centred, axis, eps));
    if (!y || !weight)
        return y;
    y = build_binary(g, OP_mul, y, weight_of(c, weight, x->shape.dim[axis], 1));
    return build_binary(g, OP_add, y, weight_of(c, bias, x->shape.dim[axis], 0));
}

Node *rows_layernorm(Call *c, const char *name, Node *x, double eps)
{
    Arena *arena = c->ctx->arena;
    return x ? normed(c, x, eps, arena_format(arena, "%s.weight", name),
                      arena_format(arena, "%s.bias", name))
             : NULL;
}

static Node *layernorm(Call *c)
{
    if (last_axis(c) < 0)
        return NULL;
    Node *x = rows_operand(c, 0);
    return x ? normed(c, x, c->arg[0].r, c->arg[1].b ? "weight" : NULL, "bias") : NULL;
}

/* x / sqrt(mean(x^2) + eps) * weight */
static Node *rmsnorm(Call *c)
{
    Graph *g = c->g;
    int axis = last_axis(c);
    if (axis < 0)
        return NULL;
    Node *x = rows_operand(c, 0);
    Node *y = build_binary(g, OP_mul, x, scale_of(g, x, axis, c->arg[0].r));
    if (!y || !c->arg[1].b)
        return y;
    return build_binary(g, OP_mul, y, weight_of(c, "weight", x->shape.dim[axis], 1));
}

const CallRow call_layernorm = {
    .name = "layernorm",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("eps", real, "1e-5"), TAKES("affine", bool, "true")},
    .build = layernorm,
    .flags = CALL_layer | CALL_weights,
    .text = "(x - mean) / sqrt(var + eps) * weight + bias over the last axis; weight, bias: [last]",
};

const CallRow call_rmsnorm = {
    .name = "rmsnorm",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("eps", real, "1e-5"), TAKES("affine", bool, "true")},
    .build = rmsnorm,
    .flags = CALL_layer | CALL_weights,
    .text = "x / sqrt(mean(x^2) + eps) * weight over the last axis; weight: [last]",
};
