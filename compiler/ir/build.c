/* SPDX-License-Identifier: MIT */
/* build.c: short forms for adding nodes, used by layers, gradients and passes.
 *
 * Nothing is folded here: the passes do that. A NULL operand gives NULL.
 */
#include "ir.h"

#include <string.h>

/* --- leaves ----------------------------------------------------------------------------------- */

static Node *leaf(Graph *g, OpKind op, const Attr *attr, const Shape *shape, DType dtype)
{
    return graph_add_as(g, op, 0, NULL, attr, shape, dtype);
}

Node *build_fill(Graph *g, const Shape *shape, double value)
{
    Attr attr = {.value = value};
    return leaf(g, OP_const, &attr, shape, DT_f32);
}

Node *build_const(Graph *g, double value)
{
    Shape shape = shape_scalar();
    return build_fill(g, &shape, value);
}

Node *build_data(Graph *g, const Shape *shape, const double *data)
{
    if (shape->batch >= 0)
        BUG("build_data: constants have no batch axis");
    size_t size = sizeof *data * (size_t)shape_count(shape);
    Attr attr = {.data = memcpy(arena_take(g->program->ctx->arena, size), data, size)};
    return leaf(g, OP_const, &attr, shape, DT_f32);
}

Node *build_input(Graph *g, int input)
{
    if (input < 0 || input >= g->program->inputs.n)
        BUG("build_input: no input %d", input);
    const Input *source = &g->program->inputs.at[input];
    Attr attr = {.input = input};
    return leaf(g, OP_input, &attr, &source->shape, source->dtype);
}

Node *build_var(Graph *g, Var *var)
{
    Attr attr = {.var = var};
    Shape shape = var_kept_shape(var);
    return leaf(g, OP_var, &attr, &shape, DT_f32);
}

Node *build_updated(Graph *g, Var *var, int turn)
{
    const Attr attr = {.var = var, .part = turn};
    Shape shape = var_kept_shape(var);
    return leaf(g, OP_updated, &attr, &shape, DT_f32);
}

Node *build_scalar(Graph *g, Scalar scalar)
{
    Attr attr = {.scalar = scalar};
    Shape shape = shape_scalar();
    return leaf(g, OP_scalar, &attr, &shape, DT_f32);
}

Node *build_random(Graph *g, OpKind op, const Shape *shape, uint32_t stream)
{
    Attr attr = {.stream = stream};
    return leaf(g, op, &attr, shape, DT_f32);
}

Node *build_size(Graph *g, const Shape *shape)
{
    Node *count = build_const(g, (double)shape_count(shape));
    return shape->batch < 0 ? count : build_binary(g, OP_mul, count, build_scalar(g, SCALAR_n));
}

/* --- elementwise ------------------------------------------------------------------------------ */

Node *build_unary(Graph *g, OpKind op, Node *x)
{
    return graph_add(g, op, 1, &x, NULL);
}

Node *build_binary(Graph *g, OpKind op, Node *a, Node *b)
{
    return graph_add(g, op, 2, (Node *[]){a, b}, NULL);
}

Node *build_where(Graph *g, Node *condition, Node *yes, Node *no)
{
    return graph_add(g, OP_where, 3, (Node *[]){condition, yes, no}, NULL);
}

Node *build_cast(Graph *g, Node *x, DType dtype)
{
    Shape shape = shape_scalar();
    return graph_add_as(g, OP_cast, 1, &x, NULL, &shape, dtype);
}

/* --- axes ------------------------------------------------------------------------------------- */

/* An axis as it may be written, -rank to rank - 1, as 0 to rank - 1; reports, then -1. */
static int checked_axis(Graph *g, const char *op, int axis, int rank)
{
    if (axis >= -rank && axis < rank)
        return axis < 0 ? axis + rank : axis;
    diag_error(&g->program->ctx->diag, g->loc, "%s: axis %d is outside a tensor of %d axes",
               g->what ? g->what : op, axis, rank);
    return -1;
}

/* Marks the axes that are named; false after a report. */
static bool mark_axes(Graph *g, const char *op, int rank, int n, const int *axes, bool *marked)
{
    memset(marked, 0, RANK_MAX);
    for (int i = 0; i < n; i++) {
        int axis = checked_axis(g, op, axes[i], rank);
        if (axis < 0)
            return false;
        if (marked[axis]) {
            diag_error(&g->program->ctx->diag, g->loc, "%s: axis %d is named twice",
                       g->what ? g->what : op, axis);
            return false;
        }
        marked[axis] = true;
    }
    return true;
}

/* --- reductions ------------------------------------------------------------------------------- */

/* value: attr.value of the op, where it has one. */
static Node *reduce(Graph *g, OpKind op, Node *x, int n, const int *axes, double value)
{
    bool marked[RANK_MAX];
    if (!x || !mark_axes(g, "reduce", x->shape.rank, n, axes, marked))
        return NULL;
    if (x->shape.rank == 0)
        return x;
    Attr attr = {.value = value};
    for (int i = 0; i < x->shape.rank; i++)
        if (n == 0 || marked[i])
            attr.axes[attr.n_axes++] = i;
    return graph_add(g, op, 1, &x, &attr);
}

Node *build_reduce(Graph *g, OpKind op, Node *x, int n, const int *axes)
{
    return reduce(g, op, x, n, axes, 0);
}

Node *build_pool_max(Graph *g, Node *x, int n, const int *axes)
{
    return reduce(g, OP_reduce_max, x, n, axes, 1);
}

Node *build_reduce_as(Graph *g, const Node *y, Node *x, int n, const int *axes)
{
    return reduce(g, y->op, x, n, axes, y->attr->value);
}

Node *build_mean(Graph *g, Node *x, int n, const int *axes)
{
    Node *sum = build_reduce(g, OP_reduce_sum, x, n, axes);
    if (!sum || sum == x)
        return sum;
    Shape reduced = shape_scalar(); /* the axes that went */
    for (int i = 0; i < sum->attr->n_axes; i++) {
        int axis = sum->attr->axes[i];
        if (axis == x->shape.batch)
            reduced.batch = reduced.rank;
        reduced.dim[reduced.rank++] = x->shape.dim[axis];
    }
    if (reduced.batch >= 0)
        return build_binary(g, OP_div, sum, build_size(g, &reduced));
    return build_binary(g, OP_mul, sum, build_const(g, 1.0 / (double)shape_count(&reduced)));
}

Node *build_softmax(Graph *g, Node *x, int axis)
{
    Node *most = build_unary(g, OP_stop_gradient, build_reduce(g, OP_reduce_max, x, 1, &axis));
    Node *e = build_unary(g, OP_exp, build_binary(g, OP_sub, x, most));
    return build_binary(g, OP_div, e, build_reduce(g, OP_reduce_sum, e, 1, &axis));
}

Node *build_log_softmax(Graph *g, Node *x, int axis)
{
    Node *most = build_unary(g, OP_stop_gradient, build_reduce(g, OP_reduce_max, x, 1, &axis));
    Node *shifted = build_binary(g, OP_sub, x, most);
    Node *sum = build_reduce(g, OP_reduce_sum, build_unary(g, OP_exp, shifted), 1, &axis);
    return build_binary(g, OP_sub, shifted, build_unary(g, OP_log, sum));
}

/* --- movement --------------------------------------------------------------------------------- */

Node *build_reshape(Graph *g, Node *x, const Shape *shape)
{
    return x ? graph_add_as(g, OP_reshape, 1, &x, NULL, shape, x->dtype) : NULL;
}

Node *build_expand(Graph *g, Node *x, const Shape *shape)
{
    return x ? graph_add_as(g, OP_expand, 1, &x, NULL, shape, x->dtype) : NULL;
}

Node *build_squeeze(Graph *g, Node *x, int n, const int *axes)
{
    bool marked[RANK_MAX];
    if (!x || !mark_axes(g, "squeeze", x->shape.rank, n, axes, marked))
        return NULL;
    Shape shape = shape_scalar();
    for (int i = 0; i < x->shape.rank; i++) {
        bool one = x->shape.dim[i] == 1 && i != x->shape.batch;
        if (marked[i] && !one) {
            char text[128];
            diag_error(&g->program->ctx->diag, g->loc, "%s: axis %d of %s is not of length 1",
                       g->what ? g->what : "squeeze", i, shape_text(&x->shape, text));
            return NULL;
        }
        if (marked[i] || (n == 0 && one))
            continue;
        if (i == x->shape.batch)
            shape.batch = shape.rank;
        shape.dim[shape.rank++] = x->shape.dim[i];
    }
    return build_reshape(g, x, &shape);
}

Node *build_unsqueeze(Graph *g, Node *x, int axis)
{
    if (!x)
        return NULL;
    int rank = x->shape.rank + 1;
    if (rank > RANK_MAX) {
        diag_error(&g->program->ctx->diag, g->loc, "%s: a tensor has at most %d axes",
                   g->what ? g->what : "unsqueeze", RANK_MAX);
        return NULL;
    }
    axis = checked_axis(g, "unsqueeze", axis, rank);
    if (axis < 0)
        return NULL;
    Shape shape = {.rank = rank, .batch = x->shape.batch + (x->shape.batch >= axis)};
    for (int i = 0; i < rank; i++)
        shape.dim[i] = i == axis ? 1 : x->shape.dim[i - (i > axis)];
    return build_reshape(g, x, &shape);
}

Node *build_transpose(Graph *g, Node *x, const int *perm)
{
    bool marked[RANK_MAX];
    if (!x || !mark_axes(g, "transpose", x->shape.rank, x->shape.rank, perm, marked))
        return NULL;
    Attr attr = {.n_axes = x->shape.rank};
    for (int i = 0; i < attr.n_axes; i++)
        attr.axes[i] = perm[i] < 0 ? perm[i] + attr.n_axes : perm[i];
    return graph_add(g, OP_transpose, 1, &x, &attr);
}

Node *build_swap(Graph *g, Node *x)
{
    if (!x)
        return NULL;
    int rank = x->shape.rank, perm[RANK_MAX];
    if (rank < 2) {
        diag_error(&g->program->ctx->diag, g->loc, "%s: needs two axes or more to swap",
                   g->what ? g->what : "swap");
        return NULL;
    }
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    return build_transpose(g, x, perm);
}

Node *build_slice(Graph *g, Node *x, int axis, int64_t start, int64_t end, int64_t step)
{
    if (!x)
        return NULL;
    Attr attr = {0};
    for (int i = 0; i < x->shape.rank; i++) {
        attr.end[i] = x->shape.dim[i];
        attr.step[i] = 1;
    }
    axis = checked_axis(g, "slice", axis, x->shape.rank);
    if (axis < 0)
        return NULL;
    attr.start[axis] = start < 0 ? start + x->shape.dim[axis] : start;
    attr.end[axis] = end < 0 ? end + x->shape.dim[axis] : end;
    attr.step[axis] = step;
    return graph_add(g, OP_slice, 1, &x, &attr);
}

Node *build_concat(Graph *g, int axis, int n, Node *const *xs)
{
    for (int i = 0; i < n; i++)
        if (!xs[i])
            return NULL;
    Attr attr = {.n_axes = 1, .axes = {n ? checked_axis(g, "concat", axis, xs[0]->shape.rank) : 0}};
    return attr.axes[0] < 0 ? NULL : graph_add(g, OP_concat, n, xs, &attr);
}

Node *build_flip(Graph *g, Node *x, int n, const int *axes)
{
    bool marked[RANK_MAX];
    if (!x || !mark_axes(g, "flip", x->shape.rank, n, axes, marked))
        return NULL;
    Attr attr = {0};
    for (int i = 0; i < x->shape.rank; i++)
        if (marked[i] && x->shape.dim[i] > 1)
            attr.axes[attr.n_axes++] = i;
    return attr.n_axes ? graph_add(g, OP_flip, 1, &x, &attr) : x;
}

Node *build_pad(Graph *g, Node *x, const int64_t *before, const int64_t *after, const int64_t *step,
                double value)
{
    if (!x)
        return NULL;
    Attr attr = {.value = value};
    bool any = false;
    for (int i = 0; i < x->shape.rank; i++) {
        attr.start[i] = before ? before[i] : 0;
        attr.end[i] = after ? after[i] : 0;
        attr.step[i] = step ? step[i] : 1;
        any |= attr.start[i] || attr.end[i] || (attr.step[i] != 1 && x->shape.dim[i] > 1);
    }
    return any ? graph_add(g, OP_pad, 1, &x, &attr) : x;
}

Node *build_matmul(Graph *g, Node *a, Node *b)
{
    return build_binary(g, OP_matmul, a, b);
}

Node *build_iota(Graph *g, const Shape *shape, int axis)
{
    Attr attr = {.n_axes = 1, .axes = {checked_axis(g, "iota", axis, shape->rank)}};
    return attr.axes[0] < 0 ? NULL : leaf(g, OP_iota, &attr, shape, DT_f32);
}

Node *build_one_hot(Graph *g, Node *classes, int64_t count, int axis)
{
    Node *column = build_unsqueeze(g, classes, axis);
    if (!column)
        return NULL;
    axis = axis < 0 ? axis + column->shape.rank : axis;
    Shape row = {.rank = column->shape.rank, .batch = -1};
    for (int i = 0; i < row.rank; i++)
        row.dim[i] = i == axis ? count : 1;
    /* One after the other: the order of nodes must not be the C compiler's choice. */
    Node *position = build_iota(g, &row, axis);
    return build_binary(g, OP_equal, build_cast(g, column, DT_f32), position);
}

/* --- effects ---------------------------------------------------------------------------------- */

Node *build_assign(Graph *g, Var *var, Node *value)
{
    Attr attr = {.var = var};
    Node *assign = graph_add(g, OP_assign, 1, &value, &attr);
    for (int i = 0; assign && i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_assign && g->roots.at[i].index == var->id) {
            g->roots.at[i].node = assign;
            return assign;
        }
    graph_root(g, ROOT_assign, var->id, assign);
    return assign;
}

Node *build_latest(Graph *g, Var *var)
{
    const Node *assigned = graph_find_root(g, ROOT_assign, var->id);
    return assigned ? assigned->in[0] : build_var(g, var);
}
