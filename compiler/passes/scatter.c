/* SPDX-License-Identifier: MIT */
/* scatter.c: how a kernel adds up rows by their indices, and whether it may leave out the rows that
 * do not occur. */
#include "../ops/ops.h"
#include "lower.h"

/* What a node of the kernel is in a row that does not occur. */
typedef enum { REST_zero, REST_nan, REST_old /* a variable, as it was */, REST_other } Rest;

typedef struct Resting {
    Rest rest;
    const Var *var;
} Resting;

static Resting resting(const Kernel *k, const Node *y);

static Resting zero_or(bool zero)
{
    return (Resting){zero ? REST_zero : REST_other, NULL};
}

static Resting resting_sum(const Kernel *k, const Node *y)
{
    Resting a = resting(k, y->in[0]), b = resting(k, y->in[1]);
    if (b.rest == REST_zero)
        return a;
    return a.rest == REST_zero && y->op == OP_add ? b : zero_or(false);
}

static Resting resting_movement(const Kernel *k, const Node *y)
{
    if (y->op == OP_assign || shape_equal(&y->shape, &y->in[0]->shape))
        return resting(k, y->in[0]);
    return zero_or(resting(k, y->in[0]).rest == REST_zero && y->op != OP_pad);
}

/* Equal to itself: all but NaN. */
static Resting resting_equal(const Kernel *k, const Node *y)
{
    return zero_or(y->in[0] == y->in[1] && resting(k, y->in[0]).rest == REST_nan);
}

static Resting resting_choice(const Kernel *k, const Node *y)
{
    return resting(k, y->in[0]).rest == REST_zero ? resting(k, y->in[2]) : zero_or(false);
}

/* Weights are taken as finite: 0 times one is 0. */
static Resting resting(const Kernel *k, const Node *y)
{
    if (y == k->product && y->attr->value != 0)
        return (Resting){y->attr->value != y->attr->value ? REST_nan : REST_other, NULL};
    if (y == k->product || (y->op == OP_const && !y->attr->data && y->attr->value == 0))
        return zero_or(true);
    if (y->op == OP_var)
        return (Resting){REST_old, y->attr->var};
    if (y->n_in == 0 || (y->kernel && y->kernel != k))
        return zero_or(false);
    switch (y->op) {
    case OP_add:
    case OP_sub: return resting_sum(k, y);
    case OP_mul:
        return zero_or(resting(k, y->in[0]).rest == REST_zero ||
                       resting(k, y->in[1]).rest == REST_zero);
    case OP_div: return zero_or(resting(k, y->in[0]).rest == REST_zero);
    case OP_neg: return zero_or(resting(k, y->in[0]).rest == REST_zero);
    case OP_equal: return resting_equal(k, y);
    case OP_where: return resting_choice(k, y);
    case OP_reshape:
    case OP_expand:
    case OP_assign: return resting_movement(k, y);
    default: return zero_or(false);
    }
}

/* All that the kernel stores are variables that keep their values where a row does not occur. */
static bool leaves_others(const Kernel *k)
{
    for (int i = 0; i < k->stores.n; i++) {
        const Node *y = k->stores.at[i];
        if (y->op != OP_assign)
            return false;
        Resting at = resting(k, y);
        if (at.rest != REST_old || at.var != y->attr->var)
            return false;
    }
    return k->stores.n > 0;
}

ScatterPlan scatter_plan(const Graph *g, const Kernel *k)
{
    const Shape *s = &k->product->in[1]->shape;
    ScatterPlan p = {.slots = k->product->shape.dim[0], .sparse = leaves_others(k)};
    p.positions = s->dim[0] * (s->batch < 0 ? 1 : g->program->train.batch);
    if (p.sparse && p.slots > 4 * p.positions)
        for (p.slots = 2; p.slots < 2 * p.positions;)
            p.slots *= 2;
    p.words = 1 + 2 * p.positions + p.slots + (p.sparse ? p.positions : 0);
    return p;
}
