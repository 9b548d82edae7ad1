/* SPDX-License-Identifier: MIT */
/* flatten: what is computed row by row from a product of all rows takes the product's shape.
 *
 * needs   layout's order of axes
 * gives   no elementwise op, and no reduction of the last axis, that reads a product's [rows, C] reshaped to
 *         [.., C], where its other operands have as many rows or one
 * breaks  nothing
 *
 * A dense layer on [N, T, C] is one product of [N T, C], reshaped. Bias, activation, residual and normalisation
 * behind it, in the shape [N, T, C], would each go over memory once more: in the product's shape fuse.c puts them
 * into its store. What is asked for as [N, T, C], an output say, stays so. */
#include "../ops/ops.h"
#include "passes.h"

static int64_t rows_of(const Shape *s)
{
    return op_product(s, 0, s->rank - 1);
}

/* Whether x is [rows, C], reshaped to as many rows on several axes, in this shape but for the last axis. */
static bool is_of_rows(const Node *x, const Shape *s)
{
    if (x->op != OP_reshape || x->shape.rank != s->rank || s->rank < 3)
        return false;
    const Shape *from = &x->in[0]->shape;
    for (int axis = 0; axis < s->rank - 1; axis++)
        if (x->shape.dim[axis] != s->dim[axis])
            return false;
    return from->rank == 2 && from->batch <= 0 && x->shape.batch == from->batch &&
           s->batch == from->batch && from->dim[1] == x->shape.dim[s->rank - 1] &&
           from->dim[0] == rows_of(&x->shape);
}

/* One of the operands of y as rows, or NULL where it is neither as many rows nor one. */
static Node *as_rows(Graph *g, Node *x, const Shape *y)
{
    const Shape *s = &x->shape;
    bool full = s->rank == y->rank && s->batch == y->batch, one = s->batch < 0;
    if (s->rank < 2)
        return x;
    for (int axis = 0; axis < s->rank - 1; axis++) {
        full = full && s->dim[axis] == y->dim[axis];
        one = one && s->dim[axis] == 1;
    }
    if (!full && !one)
        return NULL;
    if (is_of_rows(x, y))
        return x->in[0];
    Shape rows = {.rank = 2, .batch = full ? y->batch : -1};
    rows.dim[0] = full ? rows_of(y) : 1;
    rows.dim[1] = s->dim[s->rank - 1];
    return build_reshape(g, x->op == OP_reshape ? x->in[0] : x, &rows);
}

/* Puts what was made of rows in y's place. */
static Node *in_place_of(Graph *g, const Node *y, Node *made)
{
    if (!made->name)
        made->name = y->name;
    return build_reshape(g, made, &y->shape);
}

static Node *flatten_elementwise(Graph *g, Node *y)
{
    enum { OPERANDS_MAX = 3 };
    Node *in[OPERANDS_MAX];
    bool any = false;
    for (int i = 0; i < y->n_in; i++)
        any = any || is_of_rows(y->in[i], &y->shape);
    for (int i = 0; i < y->n_in && any; i++)
        if (!(in[i] = as_rows(g, y->in[i], &y->shape)))
            return y;
    return any ? in_place_of(g, y, graph_add(g, y->op, y->n_in, in, y->attr)) : y;
}

static Node *flatten_reduction(Graph *g, Node *y)
{
    const Node *x = y->in[0];
    if (!is_of_rows(x, &x->shape) || y->attr->n_axes != 1 || y->attr->axes[0] != x->shape.rank - 1)
        return y;
    return in_place_of(g, y, build_reduce_as(g, y, x->in[0], 1, (int[]){1}));
}

static Node *flatten(Graph *g, Node *y, void *unused)
{
    (void)unused;
    if (y->shape.rank < 3 || graph_is_root(g, y))
        return y;
    switch (op_rows[y->op].cls) {
    case CLASS_EW: return flatten_elementwise(g, y);
    case CLASS_REDUCE: return flatten_reduction(g, y);
    default: return y;
    }
}

void pass_flatten(Graph *g)
{
    graph_rewrite(g, flatten, NULL);
}
