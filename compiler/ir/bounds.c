/* SPDX-License-Identifier: MIT */
/* bounds.c: what the numbers of a node can be, by the ops they are computed with: interval arithmetic, op by op. Of
 * products, sums over axes and loops nothing is known.
 */
#include <math.h>

#include "../ops/ops.h"

static const Bounds all = {-INFINITY, INFINITY}, unit = {0, 1}, both_signs = {-1, 1};

/* 0 times infinity is NaN: then nothing is known. */
static Bounds checked(double low, double high)
{
    return low <= high ? (Bounds){low, high} : all;
}

static Bounds together(Bounds a, Bounds b)
{
    return (Bounds){fmin(a.low, b.low), fmax(a.high, b.high)};
}

static Bounds product(Bounds a, Bounds b)
{
    const double at[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < 4; i++) {
        if (isnan(at[i]))
            return all;
        low = fmin(low, at[i]);
        high = fmax(high, at[i]);
    }
    return checked(low, high);
}

static Bounds inverse(Bounds a)
{
    return a.low > 0 || a.high < 0 ? checked(1 / a.high, 1 / a.low) : all;
}

/* Where f only rises. */
static Bounds rising(double (*f)(double), Bounds a)
{
    return checked(f(a.low), f(a.high));
}

static Bounds of_const(const Node *y)
{
    if (!y->attr->data)
        return checked(y->attr->value, y->attr->value);
    Bounds b = {INFINITY, -INFINITY};
    for (int64_t i = 0; i < shape_count(&y->shape); i++)
        b = together(b, (Bounds){y->attr->data[i], y->attr->data[i]});
    return checked(b.low, b.high);
}

static Bounds of_moved(const Node *y, const Bounds *at)
{
    Bounds b = at[y->in[0]->id];
    for (int k = 1; k < y->n_in && y->op == OP_concat; k++)
        b = together(b, at[y->in[k]->id]);
    if (y->op == OP_pad)
        b = together(b, (Bounds){y->attr->value, y->attr->value});
    return b;
}

static Bounds of_node(const Node *y, const Bounds *at)
{
    Bounds a = y->n_in ? at[y->in[0]->id] : all, b = y->n_in > 1 ? at[y->in[1]->id] : all;
    switch (y->op) {
    case OP_const: return of_const(y);
    case OP_random_uniform:
    case OP_sigmoid:
    case OP_equal:
    case OP_not_equal:
    case OP_less:
    case OP_less_equal:
    case OP_greater:
    case OP_greater_equal: return unit;
    case OP_tanh:
    case OP_erf:
    case OP_sin:
    case OP_cos:
    case OP_sign: return both_signs;
    case OP_add: return checked(a.low + b.low, a.high + b.high);
    case OP_sub: return checked(a.low - b.high, a.high - b.low);
    case OP_mul: return product(a, b);
    case OP_div: return product(a, inverse(b));
    case OP_reciprocal: return inverse(a);
    case OP_neg: return checked(-a.high, -a.low);
    case OP_max: return checked(fmax(a.low, b.low), fmax(a.high, b.high));
    case OP_min: return checked(fmin(a.low, b.low), fmin(a.high, b.high));
    case OP_where: return together(b, at[y->in[2]->id]);
    case OP_relu: return checked(fmax(a.low, 0), fmax(a.high, 0));
    case OP_abs: return checked(fmax(fmax(a.low, -a.high), 0), fmax(fabs(a.low), fabs(a.high)));
    case OP_floor: return rising(floor, a);
    case OP_ceil: return rising(ceil, a);
    case OP_round: return rising(rint, a);
    case OP_exp: return rising(exp, a);
    case OP_sqrt: return a.low >= 0 ? rising(sqrt, a) : all;
    case OP_cast:
    case OP_stop_gradient:
    case OP_reduce_max:
    case OP_reduce_min: return a;
    case OP_reshape:
    case OP_transpose:
    case OP_expand:
    case OP_slice:
    case OP_pad:
    case OP_concat:
    case OP_flip:
    case OP_gather: return of_moved(y, at);
    default: return all;
    }
}

Bounds graph_bounds(const Graph *g, const Node *y, Arena *arena)
{
    Bounds *at = arena_take(arena, sizeof *at * (size_t)(y->id + 1));
    for (int i = 0; i <= y->id; i++)
        at[i] = of_node(g->nodes.at[i], at);
    return at[y->id];
}
