/* SPDX-License-Identifier: MIT */
/* simplify: folds constants, applies algebra that changes no value.
 *
 * needs   shapes
 * gives   a graph that none of the rules below changes any more
 * breaks  nothing
 *
 * A list of rules, each on one node and what it reads; the first that gives another node wins, and
 * walks over the graph go on until none does. "Changes no value" is meant strictly for NaN and
 * infinity (so x * 0 and x - x stay) and for rounding, but for these: x + 0 is x even if x is -0;
 * x ** 0.5 and x ** 3 become sqrt and products, as PyTorch computes them; and the sum of k equal
 * numbers is k times the number, rounded once.
 */
#include "../ops/ops.h"
#include "passes.h"

#include <math.h>

/* --- what rules ask and build ----------------------------------------------------------------- */

/* One number everywhere. */
static bool is_fill(const Node *x)
{
    return x->op == OP_const && !x->attr->data;
}

static bool is_number(const Node *x, double value)
{
    return is_fill(x) && x->attr->value == value;
}

static bool is_power_of_two(double value)
{
    int exponent;
    return isfinite(value) && fabs(frexp(value, &exponent)) == 0.5;
}

/* x as it would be broadcast in y's place. */
static Node *in_place_of(Graph *g, const Node *y, Node *x)
{
    return shape_equal(&x->shape, &y->shape) ? x : build_expand(g, x, &y->shape);
}

static Node *operand_for(Graph *g, Node *y, int i)
{
    return in_place_of(g, y, y->in[i]);
}

/* --- constants -------------------------------------------------------------------------------- */

/* An elementwise op of constants. Rank 0 is what the host computes in double; else every number is
 * a float. What is not finite stays where it arises. */
static Node *fold(Graph *g, Node *y)
{
    double in[3];
    bool exact = y->shape.rank == 0;
    if (op_rows[y->op].cls != CLASS_EW || y->dtype != DT_f32 || y->op == OP_cast)
        return NULL;
    for (int i = 0; i < y->n_in; i++) {
        if (!is_fill(y->in[i]))
            return NULL;
        in[i] = exact ? y->in[i]->attr->value : (float)y->in[i]->attr->value;
    }
    double value = op_impls[y->op]->ew(in);
    value = exact ? value : (float)value;
    return isfinite((float)value) ? build_fill(g, &y->shape, value) : NULL;
}

/* The same number in another shape. */
static Node *move_fill(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    if (!is_fill(x) || (y->op == OP_pad && x->attr->value != y->attr->value))
        return NULL;
    return build_fill(g, &y->shape, x->attr->value);
}

/* --- arithmetic ------------------------------------------------------------------------------- */

static Node *add_zero(Graph *g, Node *y)
{
    if (is_number(y->in[1], 0))
        return operand_for(g, y, 0);
    return is_number(y->in[0], 0) ? operand_for(g, y, 1) : NULL;
}

static Node *sub_zero(Graph *g, Node *y)
{
    return is_number(y->in[1], 0) ? operand_for(g, y, 0) : NULL;
}

static Node *mul_one(Graph *g, Node *y)
{
    if (is_number(y->in[1], 1))
        return operand_for(g, y, 0);
    return is_number(y->in[0], 1) ? operand_for(g, y, 1) : NULL;
}

static Node *div_one(Graph *g, Node *y)
{
    return is_number(y->in[1], 1) ? operand_for(g, y, 0) : NULL;
}

static Node *mul_minus_one(Graph *g, Node *y)
{
    for (int i = 0; i < 2; i++)
        if (is_number(y->in[1 - i], -1))
            return build_unary(g, OP_neg, operand_for(g, y, i));
    return NULL;
}

static Node *neg_neg(Graph *g, Node *y)
{
    (void)g;
    return y->in[0]->op == OP_neg ? y->in[0]->in[0] : NULL;
}

/* a + -b = a - b, -a + b = b - a */
static Node *add_neg(Graph *g, Node *y)
{
    for (int i = 1; i >= 0; i--)
        if (y->in[i]->op == OP_neg)
            return build_binary(g, OP_sub, y->in[1 - i], y->in[i]->in[0]);
    return NULL;
}

/* a - -b = a + b */
static Node *sub_neg(Graph *g, Node *y)
{
    if (y->in[1]->op != OP_neg)
        return NULL;
    return build_binary(g, OP_add, y->in[0], y->in[1]->in[0]);
}

/* x / 2^k = x * 2^-k, if that is a normal float. */
static Node *div_power_of_two(Graph *g, Node *y)
{
    if (!is_fill(y->in[1]) || y->shape.rank == 0)
        return NULL;
    double value = y->in[1]->attr->value;
    if (!is_power_of_two(value) || fabs(value) > 0x1p126 || fabs(value) < 0x1p-126)
        return NULL;
    return build_binary(g, OP_mul, y->in[0], build_fill(g, &y->in[1]->shape, 1 / value));
}

/* The operand of a product that is a constant power of two, or -1. */
static int scale_of(const Node *y)
{
    for (int i = 0; i < 2; i++)
        if (y->op == OP_mul && is_fill(y->in[i]) && y->in[i]->shape.rank == 0 &&
            is_power_of_two(y->in[i]->attr->value))
            return i;
    return -1;
}

/* (x * 2^i) * 2^j = x * 2^(i + j), both up or both down so that nothing overflows in between. */
static Node *mul_scales(Graph *g, Node *y)
{
    int outer = scale_of(y);
    if (outer < 0)
        return NULL;
    const Node *x = y->in[1 - outer];
    int inner = scale_of(x);
    if (inner < 0)
        return NULL;
    double p = y->in[outer]->attr->value, q = x->in[inner]->attr->value;
    bool up = fabs(p) >= 1 && fabs(q) >= 1, down = fabs(p) <= 1 && fabs(q) <= 1;
    if (!(up || down) || fabs(p * q) > 0x1p126 || fabs(p * q) < 0x1p-126)
        return NULL;
    return build_binary(g, OP_mul, x->in[1 - inner], build_const(g, p * q));
}

static Node *pow_constant(Graph *g, Node *y)
{
    if (!is_fill(y->in[1]))
        return NULL;
    Node *x = operand_for(g, y, 0);
    double exponent = y->in[1]->attr->value;
    if (exponent == 0)
        return build_fill(g, &y->shape, 1);
    if (exponent == 1)
        return x;
    if (exponent == 0.5)
        return build_unary(g, OP_sqrt, x);
    if (exponent == -1)
        return build_unary(g, OP_reciprocal, x);
    Node *square = exponent == 2 || exponent == 3 ? build_binary(g, OP_mul, x, x) : NULL;
    return exponent == 3 ? build_binary(g, OP_mul, square, x) : square;
}

static Node *where_constant(Graph *g, Node *y)
{
    if (y->in[1] == y->in[2])
        return operand_for(g, y, 1);
    if (!is_fill(y->in[0]))
        return NULL;
    return operand_for(g, y, is_number(y->in[0], 0) ? 2 : 1);
}

/* stop_gradient, once gradients are built, and casts that change no type. */
static Node *drop_identity(Graph *g, Node *y)
{
    (void)g;
    return y->in[0]->dtype == y->dtype ? y->in[0] : NULL;
}

/* What x repeats: a constant's number, an expand's operand, or x itself. */
static Node *core_of(Graph *g, Node *x)
{
    if (is_fill(x) && x->shape.rank > 0)
        return build_const(g, x->attr->value);
    return x->op == OP_expand ? x->in[0] : x;
}

/* Operands that repeat need not be expanded where broadcasting does it; and where nothing but
 * expanding gives the result its shape, that is done last. */
static Node *expand_last(Graph *g, Node *y)
{
    Node *in[3];
    bool any = false;
    Shape shape = shape_scalar();
    if (op_rows[y->op].cls != CLASS_EW)
        return NULL;
    for (int i = 0; i < y->n_in; i++) {
        Shape before = shape;
        int a, b;
        in[i] = core_of(g, y->in[i]);
        any = any || in[i] != y->in[i];
        if (!shape_broadcast(&before, &in[i]->shape, &shape, &a, &b))
            BUG("operands of %s do not broadcast", op_rows[y->op].name);
    }
    if (!any)
        return NULL;
    return in_place_of(g, y, graph_add_as(g, y->op, y->n_in, in, y->attr, &shape, y->dtype));
}

/* --- movement --------------------------------------------------------------------------------- */

static Node *move_nothing(Graph *g, Node *y)
{
    (void)g;
    bool same = shape_equal(&y->shape, &y->in[0]->shape);
    for (int i = 0; y->op == OP_transpose && i < y->shape.rank; i++)
        same = same && y->attr->axes[i] == i;
    return same ? y->in[0] : NULL;
}

/* A number that repeats, in another shape. */
static Node *move_number(Graph *g, Node *y)
{
    Node *x = y->in[0]->op == OP_expand ? y->in[0]->in[0] : y->in[0];
    return x->shape.rank == 0 ? build_expand(g, x, &y->shape) : NULL;
}

static Node *reshape_reshape(Graph *g, Node *y)
{
    return y->in[0]->op == OP_reshape ? build_reshape(g, y->in[0]->in[0], &y->shape) : NULL;
}

static Node *expand_expand(Graph *g, Node *y)
{
    return y->in[0]->op == OP_expand ? build_expand(g, y->in[0]->in[0], &y->shape) : NULL;
}

static Node *transpose_transpose(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    int perm[RANK_MAX];
    if (x->op != OP_transpose)
        return NULL;
    for (int i = 0; i < y->shape.rank; i++)
        perm[i] = x->attr->axes[y->attr->axes[i]];
    return build_transpose(g, x->in[0], perm);
}

/* A slice of a slice. */
static Node *slice_slice(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    Attr attr = *y->attr;
    if (x->op != OP_slice)
        return NULL;
    for (int i = 0; i < y->shape.rank; i++) {
        int64_t step = x->shape.dim[i] > 1 ? x->attr->step[i] : 1;
        attr.start[i] = x->attr->start[i] + y->attr->start[i] * step;
        attr.step[i] = y->shape.dim[i] > 1 ? y->attr->step[i] * step : 1;
        attr.end[i] = attr.start[i] + (y->shape.dim[i] - 1) * attr.step[i] + 1;
    }
    return graph_add(g, OP_slice, 1, x->in, &attr);
}

/* Padding around padding, or between what has none around it, with the same number. */
static Node *pad_pad(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    Attr attr = *y->attr;
    if (x->op != OP_pad || x->attr->value != attr.value)
        return NULL;
    for (int i = 0; i < y->shape.rank; i++) {
        int64_t before = x->attr->start[i], after = x->attr->end[i];
        if (attr.step[i] != 1 && (before || after))
            return NULL;
        attr.start[i] += before;
        attr.end[i] += after;
        attr.step[i] = x->in[0]->shape.dim[i] > 1 ? attr.step[i] * x->attr->step[i] : 1;
    }
    return graph_add(g, OP_pad, 1, x->in, &attr);
}

/* Where padding begins before or ends behind what is taken of it, less is padded. */
static Node *slice_pad(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    if (x->op != OP_pad)
        return NULL;
    const Shape *inner = &x->in[0]->shape;
    Attr part = {0}, pad = {.value = x->attr->value};
    for (int i = 0; i < y->shape.rank; i++) {
        if (y->attr->step[i] != 1 || (x->attr->step[i] != 1 && y->shape.dim[i] != x->shape.dim[i]))
            return NULL;
        int64_t from = y->attr->start[i] - x->attr->start[i];
        int64_t to = y->attr->end[i] - x->attr->start[i];
        int64_t length = (inner->dim[i] - 1) * x->attr->step[i] + 1;
        if (to <= 0 || from >= length)
            return NULL;
        pad.start[i] = from < 0 ? -from : 0;
        pad.end[i] = to > length ? to - length : 0;
        pad.step[i] = x->attr->step[i];
        part.step[i] = 1;
        part.start[i] = from < 0 ? 0 : from;
        part.end[i] = pad.step[i] != 1 || to > length ? inner->dim[i] : to;
    }
    Node *of = graph_add(g, OP_slice, 1, x->in, &part);
    return build_pad(g, of, pad.start, pad.end, pad.step, pad.value);
}

/* Part of a convolution's pixels, which nothing else reads, is the convolution of part of x. */
static Node *slice_conv(Graph *g, Node *y)
{
    Node *x = y->in[0];
    if (x->op != OP_conv || x->users != 1)
        return NULL;
    int rank = x->shape.rank;
    const Taps *t = &x->attr->taps;
    Node *from = x->in[0];
    Attr part = {0};
    for (int d = 0; d < rank; d++) {
        bool spatial = d > 0 && d < rank - 1;
        if (y->attr->step[d] != 1 || (!spatial && y->shape.dim[d] != x->shape.dim[d]))
            return NULL;
        int64_t stride = spatial ? t->stride[d - 1] : 1;
        int64_t span = spatial ? (t->size[d - 1] - 1) * t->dilation[d - 1] + 1 : 1;
        part.start[d] = y->attr->start[d] * stride;
        part.end[d] = spatial ? (y->attr->end[d] - 1) * stride + span : from->shape.dim[d];
        part.step[d] = 1;
    }
    return build_conv(g, graph_add(g, OP_slice, 1, &from, &part), x->in[1], t);
}

/* Turned round twice: axes that both turn are left as they are. */
static Node *flip_flip(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    bool turned[RANK_MAX] = {false};
    int axes[RANK_MAX], n = 0;
    if (x->op != OP_flip)
        return NULL;
    for (int i = 0; i < y->attr->n_axes; i++)
        turned[y->attr->axes[i]] = true;
    for (int i = 0; i < x->attr->n_axes; i++)
        turned[x->attr->axes[i]] = !turned[x->attr->axes[i]];
    for (int i = 0; i < y->shape.rank; i++)
        if (turned[i])
            axes[n++] = i;
    return build_flip(g, x->in[0], n, axes);
}

/* Axes of one element have no other end. */
static Node *flip_length_one(Graph *g, Node *y)
{
    for (int i = 0; i < y->attr->n_axes; i++)
        if (y->shape.dim[y->attr->axes[i]] == 1)
            return build_flip(g, y->in[0], y->attr->n_axes, y->attr->axes);
    return NULL;
}

/* The one axis along which `first` ends where `second` begins, both filled up with zeros alike along all
 * others; -1: there is none. */
static int joint_axis(const Node *first, const Node *second)
{
    int axis = -1;
    for (int d = 0; d < first->shape.rank; d++) {
        const Attr *a = first->attr, *b = second->attr;
        int64_t ends = a->start[d] + first->in[0]->shape.dim[d];
        if (a->step[d] > 1 || b->step[d] > 1)
            return -1;
        if (a->start[d] == b->start[d] && a->end[d] == b->end[d])
            continue;
        if (axis >= 0 || ends != b->start[d] || d == first->shape.batch)
            return -1;
        axis = d;
    }
    return axis;
}

/* Two parts that stand beside each other among zeros as one; else NULL. */
static Node *joined(Graph *g, Node *a, Node *b)
{
    if (a->op != OP_pad || b->op != OP_pad || a->attr->value != 0 || b->attr->value != 0 ||
        !shape_equal(&a->shape, &b->shape))
        return NULL;
    int axis = joint_axis(a, b);
    if (axis < 0) {
        Node *first = b;
        b = a;
        a = first;
        axis = joint_axis(a, b);
    }
    if (axis < 0)
        return NULL;
    Attr pad = *a->attr;
    pad.end[axis] = b->attr->end[axis];
    Node *both = build_concat(g, axis, 2, (Node *[]){a->in[0], b->in[0]});
    return graph_add(g, OP_pad, 1, &both, &pad);
}

/* The gradient of what was taken apart: parts among zeros, in any order, whose sum is a concatenation. */
static Node *add_parts(Graph *g, Node *y)
{
    Node *both = joined(g, y->in[0], y->in[1]);
    for (int k = 0; k < 2 && !both; k++) {
        const Node *sum = y->in[k];
        for (int i = 0; i < 2 && !both && sum->op == OP_add && sum->users == 1; i++) {
            both = joined(g, sum->in[i], y->in[1 - k]);
            both = both ? build_binary(g, OP_add, both, sum->in[1 - i]) : NULL;
        }
    }
    return both;
}

/* Neighbours in a concatenation that were neighbours in what they are slices of. */
static Node *concat_slices(Graph *g, Node *y)
{
    int axis = y->attr->axes[0];
    for (int i = 0; i + 1 < y->n_in; i++) {
        const Node *a = y->in[i], *b = y->in[i + 1];
        bool beside = a->op == OP_slice && b->op == OP_slice && a->in[0] == b->in[0];
        for (int d = 0; beside && d < y->shape.rank; d++) {
            const Attr *x = a->attr, *z = b->attr;
            beside = d == axis ? x->step[d] <= 1 && z->step[d] <= 1 && x->end[d] == z->start[d]
                               : x->start[d] == z->start[d] && x->end[d] == z->end[d] &&
                                     x->step[d] == z->step[d];
        }
        if (!beside)
            continue;
        Attr attr = *a->attr;
        attr.end[axis] = b->attr->end[axis];
        Node **in = arena_take(g->program->ctx->arena, sizeof *in * (size_t)y->n_in);
        for (int k = 0; k < y->n_in - 1; k++)
            in[k] = y->in[k < i ? k : k + 1];
        in[i] = graph_add(g, OP_slice, 1, a->in, &attr);
        return build_concat(g, axis, y->n_in - 1, in);
    }
    return NULL;
}

/* A concatenation in a concatenation along the same axis. */
static Node *concat_concat(Graph *g, Node *y)
{
    int axis = y->attr->axes[0];
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        if (x->op != OP_concat || x->attr->axes[0] != axis || x->users != 1)
            continue;
        int n = 0;
        Node **in = arena_take(g->program->ctx->arena, sizeof *in * (size_t)(y->n_in + x->n_in));
        for (int k = 0; k < y->n_in; k++)
            for (int m = 0; m < (k == i ? x->n_in : 1); m++)
                in[n++] = k == i ? x->in[m] : y->in[k];
        return build_concat(g, axis, n, in);
    }
    return NULL;
}

/* A part of a concatenation that lies in one of its operands. */
static Node *slice_concat(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    if (x->op != OP_concat)
        return NULL;
    int axis = x->attr->axes[0];
    Attr attr = *y->attr;
    for (int i = 0; i < x->n_in; i++) {
        int64_t length = x->in[i]->shape.dim[axis];
        if (attr.start[axis] >= 0 && attr.end[axis] <= length)
            return graph_add(g, OP_slice, 1, &x->in[i], &attr);
        attr.start[axis] -= length;
        attr.end[axis] -= length;
    }
    return NULL;
}

static Node *concat_one(Graph *g, Node *y)
{
    (void)g;
    return y->n_in == 1 ? y->in[0] : NULL;
}

/* --- reductions ------------------------------------------------------------------------------- */

/* Reducing an axis of length 1 does nothing. */
static Node *reduce_length_one(Graph *g, Node *y)
{
    Node *x = y->in[0];
    int axes[RANK_MAX], n = 0;
    for (int i = 0; i < y->attr->n_axes; i++) {
        int axis = y->attr->axes[i];
        if (x->shape.dim[axis] != 1 || x->shape.batch == axis)
            axes[n++] = axis;
    }
    if (n == y->attr->n_axes)
        return NULL;
    return n ? build_reduce_as(g, y, x, n, axes) : x;
}

/* Whether axis i of y, an expand, repeats what it reads. */
static bool is_repeated(const Node *y, int i)
{
    const Shape *x = &y->in[0]->shape;
    int k = i - (y->shape.rank - x->rank);
    bool was_one = k < 0 || (x->dim[k] == 1 && x->batch != k);
    return was_one && (y->shape.dim[i] != 1 || y->shape.batch == i);
}

/* `times` as build_size counts: a number, times n where the batch axis is among them. */
static Node *count_axes(Graph *g, const Node *y, const bool *counted)
{
    Shape axes = shape_scalar();
    for (int i = 0; i < y->shape.rank; i++) {
        if (!counted[i])
            continue;
        if (i == y->shape.batch)
            axes.batch = axes.rank;
        axes.dim[axes.rank++] = y->shape.dim[i];
    }
    return build_size(g, &axes);
}

/* The sum over axes that repeat is a multiple, the largest and least the number itself. */
static Node *reduce_expand(Graph *g, Node *y)
{
    const Node *e = y->in[0];
    if (e->op != OP_expand)
        return NULL;
    Node *x = e->in[0];
    bool counted[RANK_MAX] = {false}, any = false;
    int axes[RANK_MAX], n = 0, extra = e->shape.rank - x->shape.rank;
    for (int i = 0; i < y->attr->n_axes; i++) {
        int axis = y->attr->axes[i];
        counted[axis] = is_repeated(e, axis);
        any = any || counted[axis];
        if (!counted[axis] && axis >= extra)
            axes[n++] = axis - extra;
    }
    if (!any)
        return NULL;
    if (n)
        x = build_reduce_as(g, y, x, n, axes);
    if (y->op == OP_reduce_sum)
        x = build_binary(g, OP_mul, x, count_axes(g, e, counted));
    return in_place_of(g, y, x);
}

/* A constant is a number that repeats. */
static Node *reduce_fill(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    if (!is_fill(x))
        return NULL;
    Node *value = build_const(g, x->attr->value);
    bool counted[RANK_MAX] = {false};
    for (int i = 0; i < y->attr->n_axes; i++)
        counted[y->attr->axes[i]] = true;
    if (y->op == OP_reduce_sum)
        value = build_binary(g, OP_mul, value, count_axes(g, x, counted));
    return in_place_of(g, y, value);
}

/* --- the list --------------------------------------------------------------------------------- */

typedef struct Rule {
    OpKind op; /* OP_COUNT: any */
    Node *(*apply)(Graph *, Node *);
} Rule;

static const Rule rules[] = {
    {OP_COUNT, fold},
    {OP_add, add_zero},
    {OP_add, add_neg},
    {OP_add, add_parts},
    {OP_sub, sub_zero},
    {OP_sub, sub_neg},
    {OP_mul, mul_one},
    {OP_mul, mul_minus_one},
    {OP_mul, mul_scales},
    {OP_div, div_one},
    {OP_div, div_power_of_two},
    {OP_neg, neg_neg},
    {OP_pow, pow_constant},
    {OP_where, where_constant},
    {OP_stop_gradient, drop_identity},
    {OP_cast, drop_identity},
    {OP_COUNT, expand_last},
    {OP_reshape, move_nothing},
    {OP_transpose, move_nothing},
    {OP_expand, move_nothing},
    {OP_slice, move_nothing},
    {OP_pad, move_nothing},
    {OP_reshape, move_fill},
    {OP_transpose, move_fill},
    {OP_expand, move_fill},
    {OP_slice, move_fill},
    {OP_pad, move_fill},
    {OP_flip, move_fill},
    {OP_window, move_fill},
    {OP_reshape, move_number},
    {OP_transpose, move_number},
    {OP_slice, move_number},
    {OP_flip, move_number},
    {OP_window, move_number},
    {OP_reshape, reshape_reshape},
    {OP_expand, expand_expand},
    {OP_transpose, transpose_transpose},
    {OP_slice, slice_slice},
    {OP_slice, slice_pad},
    {OP_slice, slice_conv},
    {OP_pad, pad_pad},
    {OP_flip, flip_length_one},
    {OP_flip, flip_flip},
    {OP_slice, slice_concat},
    {OP_concat, concat_one},
    {OP_concat, concat_slices},
    {OP_concat, concat_concat},
    {OP_reduce_sum, reduce_length_one},
    {OP_reduce_max, reduce_length_one},
    {OP_reduce_min, reduce_length_one},
    {OP_reduce_sum, reduce_fill},
    {OP_reduce_max, reduce_fill},
    {OP_reduce_min, reduce_fill},
    {OP_reduce_sum, reduce_expand},
    {OP_reduce_max, reduce_expand},
    {OP_reduce_min, reduce_expand},
};

/* What the first rule that fires makes of y; NULL: none does. */
static Node *apply_rule(Graph *g, Node *y)
{
    for (int i = 0; i < COUNT(rules); i++) {
        if (rules[i].op != OP_COUNT && rules[i].op != y->op)
            continue;
        Node *other = rules[i].apply(g, y);
        if (other)
            return other;
    }
    return NULL;
}

/* Rules one after the other; what they made on the way is left to the next walk. */
static Node *simplify_node(Graph *g, Node *y, void *unused)
{
    enum { IN_A_ROW = 8 };
    (void)unused;
    for (int i = 0; i < IN_A_ROW; i++) {
        Node *other = apply_rule(g, y);
        if (!other)
            break;
        y = other;
    }
    return y;
}

/* Each walk settles at least one layer of rules; models that need this many were made to. */
enum { WALKS_MAX = 32 };

void pass_simplify(Graph *g)
{
    bool changed = true;
    for (int i = 0; i < WALKS_MAX && changed; i++) {
        graph_count_users(g);
        changed = graph_rewrite(g, simplify_node, NULL);
    }
}
