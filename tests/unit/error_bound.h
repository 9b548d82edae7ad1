/* SPDX-License-Identifier: MIT */
/* error_bound.h: the interpreter's values with how far a program in floats may be from them.
 *
 * A running error analysis: each node has a value in double and, an element, a bound of the
 * distance of what a correct kernel computes, whatever it fuses, contracts or adds up in another
 * order:
 *
 *   movement            the operand's bound
 *   elementwise         what the op makes of operands moved by their bounds (all corners), and 1
 *                       unit in the last place more, 4 where the op is COSTLY (a polynomial)
 *   sum, product        the operands' bounds, and 4 u (k + 8) sum |a| |b| over the k terms,
 *                       u = 2^-24
 *
 * An element whose bound is infinite (a comparison that may go either way, say, and then a
 * division by it; what a float cannot hold) is not compared. Contiguous jumps count: where a and b
 * may be equal or not, equal(a, b) has a bound of 1. */
#ifndef ERROR_BOUND_H
#define ERROR_BOUND_H

#include "graph_fixture.h"

#include <float.h>

static const double bound_unit = 0x1p-24;
static const double bound_least = 1e-30; /* of whatever is computed: what underflows */

typedef struct Bound {
    Tensor value, error;
} Bound;

FIXTURE Tensor bound_tensor(Arena *arena, const Shape *shape, int64_t n)
{
    Tensor t = {.shape = *shape};
    if (shape->batch >= 0)
        t.shape.dim[shape->batch] *= n;
    t.shape.batch = -1;
    t.data = arena_take(arena, sizeof *t.data * (size_t)(shape_count(&t.shape) + 1));
    return t;
}

/* The element of a broadcast operand that stands at position `at` of y. */
FIXTURE int64_t bound_broadcast(const Shape *y, const Shape *x, int64_t at)
{
    int64_t position = 0, stride = 1;
    for (int i = x->rank - 1, k = y->rank - 1; i >= 0; i--, k--) {
        int64_t index = at % y->dim[k];
        at /= y->dim[k];
        position += x->dim[i] == 1 ? 0 : index * stride;
        stride *= x->dim[i];
    }
    return position;
}

/* The farthest that f may be from f(x) where operand i is within e[i] of x[i]. */
FIXTURE double bound_corners(OpKind op, int n, const double *x, const double *e, double y)
{
    double most = 0, moved[3];
    EwEval *f = op_impls[op]->ew;
    if (op == OP_equal || op == OP_not_equal)
        return fabs(x[0] - x[1]) <= e[0] + e[1] && e[0] + e[1] > 0;
    int corners = 1;
    for (int i = 0; i < n; i++)
        corners *= 3;
    for (int c = 0; c < corners; c++) {
        for (int i = 0, rest = c; i < n; i++, rest /= 3) {
            if (rest % 3 && e[i] == 0)
                goto next;
            moved[i] = x[i] + (rest % 3 == 0 ? 0 : rest % 3 == 1 ? e[i] : -e[i]);
        }
        double d = fabs(f(moved) - y);
        if (isnan(d))
            return INFINITY;
        most = d > most ? d : most;
    next:;
    }
    return most;
}

FIXTURE void bound_elementwise(const Node *y, Bound *const *in, Bound *out)
{
    EwEval *f = op_impls[y->op]->ew;
    double units = op_rows[y->op].flags & COSTLY ? 4 : 1;
    for (int64_t i = 0, n = shape_count(&out->value.shape); i < n; i++) {
        double x[3], e[3];
        bool any = false, good = true;
        for (int k = 0; k < y->n_in; k++) {
            int64_t at = bound_broadcast(&out->value.shape, &in[k]->value.shape, i);
            x[k] = in[k]->value.data[at];
            e[k] = in[k]->error.data[at];
            any |= e[k] != 0;
            good &= isfinite(e[k]) != 0;
        }
        double v = out->value.data[i] = f(x);
        double error = !good ? INFINITY : any ? bound_corners(y->op, y->n_in, x, e, v) : 0;
        bool exact = v == 0 || v == 1 || y->op == OP_max || y->op == OP_min || y->op == OP_neg ||
                     y->op == OP_abs || y->op == OP_relu || y->op == OP_where ||
                     y->op == OP_stop_gradient || y->op == OP_cast || y->op == OP_floor ||
                     y->op == OP_ceil || y->op == OP_round || y->op == OP_sign;
        if ((y->op == OP_where && good && x[0] != 0 && e[0] == 0 && e[1] == 0) ||
            (y->op == OP_where && good && x[0] == 0 && e[0] == 0 && e[2] == 0))
            error = 0;
        if (!exact || (op_rows[y->op].flags & COSTLY))
            error += units * 2 * bound_unit * fabs(v) + bound_least;
        out->error.data[i] = fabs(v) > FLT_MAX || isnan(v) ? INFINITY : error;
    }
}

FIXTURE Tensor bound_absolute(Arena *arena, const Tensor *x)
{
    Tensor t = bound_tensor(arena, &x->shape, 1);
    for (int64_t i = 0, n = shape_count(&t.shape); i < n; i++)
        t.data[i] = fabs(x->data[i]);
    return t;
}

FIXTURE void bound_sum(const Node *y, const InterpInput *run, Arena *arena, Bound *const *in,
                       Bound *out)
{
    const OpImpl *sum = op_impls[OP_reduce_sum];
    Tensor size = bound_absolute(arena, &in[0]->value);
    Tensor total = bound_tensor(arena, &out->value.shape, 1);
    double k = (double)shape_count(&size.shape) / (double)shape_count(&out->value.shape);
    sum->eval(y, run, &size, &total);
    sum->eval(y, run, &in[0]->error, &out->error);
    for (int64_t i = 0, n = shape_count(&total.shape); i < n; i++)
        out->error.data[i] += 4 * bound_unit * (k + 8) * total.data[i] + bound_least;
}

/* Sums of rows: the indices are what they are. */
FIXTURE void bound_scatter(const Node *y, const InterpInput *run, Arena *arena, Bound *const *in,
                           Bound *out)
{
    const OpImpl *product = op_impls[y->op];
    Tensor total = bound_tensor(arena, &out->value.shape, 1);
    double k = (double)in[0]->value.shape.dim[0];
    product->eval(y, run, (Tensor[]){bound_absolute(arena, &in[0]->value), in[1]->value}, &total);
    product->eval(y, run, (Tensor[]){in[0]->error, in[1]->value}, &out->error);
    for (int64_t i = 0, n = shape_count(&total.shape); i < n; i++)
        out->error.data[i] += 4 * bound_unit * (k + 8) * total.data[i] + bound_least;
}

/* Attention and CTC: what its operands' errors change, and rounding of scores, weights and sums. */
FIXTURE void bound_whole(const Node *y, const InterpInput *run, Arena *arena, Bound *const *in,
                         Bound *out)
{
    const double rounding = 64 * bound_unit;
    Tensor values[6], other = bound_tensor(arena, &out->value.shape, 1);
    int64_t n = shape_count(&other.shape);
    double most = 0;
    for (int k = 0; k < y->n_in; k++)
        values[k] = in[k]->value;
    for (int64_t i = 0; i < n; i++)
        if (fabs(out->value.data[i]) < 1e29)
            most = fmax(most, fabs(out->value.data[i]));
    for (int64_t i = 0; i < n; i++)
        out->error.data[i] = rounding * (1 + most + fabs(out->value.data[i]));
    for (int k = 0; k < y->n_in; k++) {
        Tensor moved = bound_absolute(arena, &in[k]->value);
        for (int64_t i = 0; i < shape_count(&moved.shape); i++)
            moved.data[i] = in[k]->value.data[i] + in[k]->error.data[i];
        values[k] = moved;
        op_impls[y->op]->eval(y, run, values, &other);
        values[k] = in[k]->value;
        for (int64_t i = 0; i < n; i++)
            out->error.data[i] += 4 * fabs(other.data[i] - out->value.data[i]);
    }
}

/* Whether any error is not 0: where none is, its product need not be computed. */
FIXTURE bool bound_any(const Tensor *error)
{
    for (int64_t i = 0, n = shape_count(&error->shape); i < n; i++)
        if (error->data[i] != 0)
            return true;
    return false;
}

FIXTURE void bound_product(const Node *y, const InterpInput *run, Arena *arena, Bound *const *in,
                           Bound *out)
{
    const OpImpl *product = op_impls[y->op];
    Tensor a = bound_absolute(arena, &in[0]->value), b = bound_absolute(arena, &in[1]->value);
    /* Terms of a sum: of a product along its axis, of a convolution at most all of the smaller. */
    int64_t m = shape_count(&a.shape), n_b = shape_count(&b.shape);
    double k = y->op == OP_matmul ? (double)a.shape.dim[a.shape.rank - 1]
               : y->op == OP_conv ? (double)n_b
                                  : (double)(m < n_b ? m : n_b);
    Tensor terms[3] = {bound_tensor(arena, &out->value.shape, 1),
                       bound_tensor(arena, &out->value.shape, 1),
                       bound_tensor(arena, &out->value.shape, 1)};
    product->eval(y, run, (Tensor[]){a, b}, &terms[0]);
    if (bound_any(&in[1]->error))
        product->eval(y, run, (Tensor[]){a, in[1]->error}, &terms[1]);
    for (int64_t i = 0, n = shape_count(&b.shape); i < n; i++)
        b.data[i] += in[1]->error.data[i];
    if (bound_any(&in[0]->error))
        product->eval(y, run, (Tensor[]){in[0]->error, b}, &terms[2]);
    for (int64_t i = 0, n = shape_count(&out->value.shape); i < n; i++)
        out->error.data[i] = terms[1].data[i] + terms[2].data[i] +
                             4 * bound_unit * (k + 8) * terms[0].data[i] + bound_least;
}

/* Leaves: inputs and variables hold floats; other numbers are rounded to one. A normal number is a
 * root of at most 5.77 times a cosine whose angle, of at most 2 pi, was rounded twice. */
FIXTURE void bound_leaf(const Node *y, Bound *out)
{
    const double normal = 5.77 * 2 * 6.2832 * bound_unit;
    for (int64_t i = 0, n = shape_count(&out->value.shape); i < n; i++) {
        double v = out->value.data[i];
        double rounded = (float)v == v || isnan(v) ? 0 : fabs((float)v - v);
        out->error.data[i] = y->op == OP_scalar          ? 2 * bound_unit * fabs(v)
                             : y->op == OP_random_normal ? 8 * bound_unit * fabs(v) + normal
                                                         : rounded;
    }
}

FIXTURE void bound_movement(const Node *y, const InterpInput *run, Bound *const *in, Bound *out)
{
    Tensor errors[16];
    Attr attr = *y->attr;
    Node move = *y;
    cr_assert_leq(y->n_in, COUNT(errors));
    for (int k = 0; k < y->n_in; k++)
        errors[k] = y->op == OP_gather && k == 1 ? in[k]->value : in[k]->error;
    attr.value = fabs((float)attr.value - attr.value); /* of what pad fills with */
    move.attr = &attr;
    op_impls[y->op]->eval(&move, run, errors, &out->error);
}

FIXTURE void bound_node(const Node *y, const InterpInput *run, Arena *arena, Bound *of)
{
    Bound *out = &of[y->id], *in[16];
    Tensor values[16];
    out->value = bound_tensor(arena, &y->shape, run->n);
    out->error = bound_tensor(arena, &y->shape, run->n);
    for (int k = 0; k < y->n_in; k++) {
        in[k] = &of[y->in[k]->id];
        values[k] = in[k]->value;
    }
    if (op_rows[y->op].cls == CLASS_EW) {
        bound_elementwise(y, in, out);
        return;
    }
    op_impls[y->op]->eval(y, run, values, &out->value);
    switch (op_rows[y->op].cls) {
    case CLASS_LEAF: bound_leaf(y, out); return;
    case CLASS_MAT:
        (y->op == OP_scatter_add ? bound_scatter
         : y->op == OP_attention || y->op == OP_attention_grad || op_rows[y->op].flags & BY_SAMPLE
             ? bound_whole
             : bound_product)(y, run, arena, in, out);
        break;
    case CLASS_REDUCE:
        if (y->op == OP_reduce_sum)
            bound_sum(y, run, arena, in, out);
        else
            op_impls[OP_reduce_max]->eval(y, run, &in[0]->error, &out->error);
        break;
    default: bound_movement(y, run, in, out); break;
    }
    for (int64_t i = 0, n = shape_count(&out->value.shape); i < n; i++)
        if (!(fabs(out->value.data[i]) <= FLT_MAX) || isnan(out->error.data[i]))
            out->error.data[i] = INFINITY;
}

/* One a root, in the order of g->roots; variables are not changed. */
FIXTURE Bound *bound_graph(const Graph *g, const InterpInput *run, Arena *arena)
{
    Bound *of = arena_take(arena, sizeof *of * (size_t)(g->nodes.n + 1));
    Bound *roots = arena_take(arena, sizeof *roots * (size_t)(g->roots.n + 1));
    for (int i = 0; i < g->nodes.n; i++)
        bound_node(g->nodes.at[i], run, arena, of);
    for (int i = 0; i < g->roots.n; i++)
        roots[i] = of[g->roots.at[i].node->id];
    return roots;
}

#endif
