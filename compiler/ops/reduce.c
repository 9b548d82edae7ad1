/* SPDX-License-Identifier: MIT */
/* reduce.c: reductions over attr.axes, which stay as axes of length 1. */
#include "impl.h"

#include <math.h>

/* Whole numbers up to here are floats. */
enum { FIRST_MAX = 1 << 24 };

static bool reduce_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    if (!op_wants_f32(g, y))
        return false;
    y->shape = *x;
    y->dtype = DT_f32;
    for (int i = 0; i < y->attr->n_axes; i++) {
        int axis = y->attr->axes[i];
        if (axis < 0 || axis >= x->rank || (i > 0 && axis <= y->attr->axes[i - 1]))
            return op_error(g, y, "axis %d is outside a tensor of %d axes, or out of order", axis,
                            x->rank);
        y->shape.dim[axis] = 1;
        if (axis == x->batch)
            y->shape.batch = -1;
    }
    return true;
}

static double add_up(double sum, double x)
{
    return sum + x;
}

static double larger(double most, double x)
{
    return x > most || isnan(x) ? x : most;
}

static double smaller(double least, double x)
{
    return x < least || isnan(x) ? x : least;
}

/* Combines each element of in into its place of out, which begins as `start`. */
static void reduce(const Tensor *in, Tensor *out, double start, double (*combine)(double, double))
{
    int64_t stride[RANK_MAX], at[RANK_MAX] = {0}, i = 0, n = shape_count(&out->shape);
    op_strides(&out->shape, stride);
    for (int64_t k = 0; k < n; k++)
        out->data[k] = start;
    do {
        int64_t to = 0;
        for (int k = 0; k < in->shape.rank; k++)
            to += out->shape.dim[k] == 1 ? 0 : at[k] * stride[k];
        out->data[to] = combine(out->data[to], in->data[i++]);
    } while (op_next(&in->shape, at));
}

/* --- reduce_sum ------------------------------------------------------------------------------- */

static void reduce_sum_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    reduce(in, out, 0, add_up);
}

static void reduce_sum_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    dx[0] = build_expand(g, dy, &y->in[0]->shape);
}

const OpImpl op_reduce_sum = {
    .attrs = ATTR_axes, .shape = reduce_shape, .grad = reduce_sum_grad, .eval = reduce_sum_eval};

/* --- reduce_max, reduce_min ------------------------------------------------------------------- */

/* attr.value 1: where several are equal the first takes the gradient, which is found by its position,
 * a float. */
static bool extreme_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    if (!reduce_shape(g, y))
        return false;
    if (y->attr->value != 0 && y->attr->value != 1)
        return op_error(g, y, "value is 0 or 1, not %g", y->attr->value);
    for (int i = 0; i < y->attr->n_axes && y->attr->value == 1; i++)
        if (x->dim[y->attr->axes[i]] > FIRST_MAX)
            return op_error(g, y, "axis %d is longer than %d", y->attr->axes[i], FIRST_MAX);
    return true;
}

static void reduce_max_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    reduce(in, out, -INFINITY, larger);
}

static void reduce_min_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    reduce(in, out, INFINITY, smaller);
}

/* Keeps of the 1s in `ties` those whose index is the least along y's reduced axes. `alone`: no two
 * elements that are reduced together have one index. */
static Node *least(Graph *g, const Node *y, Node *ties, Node *index, bool alone)
{
    Node *masked = build_where(g, ties, index, build_const(g, FIRST_MAX));
    Node *first = build_reduce(g, OP_reduce_min, masked, y->attr->n_axes, y->attr->axes);
    Node *kept = build_binary(g, OP_equal, index, first);
    return alone ? kept : build_where(g, ties, kept, build_const(g, 0));
}

/* Keeps the first of the 1s in row-major order: by the position along the reduced axes, of as many at
 * once as a float counts exactly; the batch, however long it is, by itself. */
static Node *first_of(Graph *g, const Node *y, Node *ties)
{
    const Shape *x = &y->in[0]->shape;
    Node *index = NULL;
    int64_t count = 1;
    bool alone = true;
    for (int i = 0; i < y->attr->n_axes; i++) {
        int axis = y->attr->axes[i];
        Shape along = {.rank = x->rank, .batch = axis == x->batch ? axis : -1};
        for (int k = 0; k < x->rank; k++)
            along.dim[k] = k == axis ? x->dim[k] : 1;
        if (along.batch < 0 && along.dim[axis] == 1)
            continue;
        if (index && (along.batch >= 0 || count * x->dim[axis] > FIRST_MAX)) {
            alone = false;
            ties = least(g, y, ties, index, alone);
            index = NULL;
            count = 1;
        }
        Node *here = build_iota(g, &along, axis);
        Node *before =
            index ? build_binary(g, OP_mul, index, build_const(g, (double)x->dim[axis])) : NULL;
        index = before ? build_binary(g, OP_add, before, here) : here;
        count = along.batch < 0 ? count * x->dim[axis] : FIRST_MAX;
    }
    return index ? least(g, y, ties, index, alone) : ties;
}

/* Those that equal the result share the gradient equally, or the first of them takes it. */
static void extreme_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    Node *x = y->in[0];
    Node *ties = build_binary(g, OP_equal, x, y);
    if (y->attr->value != 0) {
        dx[0] = build_where(g, first_of(g, y, ties), dy, build_const(g, 0));
        return;
    }
    Node *count = build_reduce(g, OP_reduce_sum, ties, y->attr->n_axes, y->attr->axes);
    dx[0] = build_where(g, ties, build_binary(g, OP_div, dy, count), build_const(g, 0));
}

const OpImpl op_reduce_max = {.attrs = ATTR_axes | ATTR_value,
                              .shape = extreme_shape,
                              .grad = extreme_grad,
                              .eval = reduce_max_eval};
const OpImpl op_reduce_min = {.attrs = ATTR_axes | ATTR_value,
                              .shape = extreme_shape,
                              .grad = extreme_grad,
                              .eval = reduce_min_eval};
