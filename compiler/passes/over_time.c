/* SPDX-License-Identifier: MIT */
/* over_time.c: builds, of a node of a body, the node that does the same for all steps at once: every tensor
 * that differs from step to step has one axis more, the first. */
#include "over_time.h"

#include <string.h>

#include "../ops/ops.h"

bool over_time_can(const Node *y)
{
    bool fits = y->shape.rank < RANK_MAX;
    for (int i = 0; i < y->n_in; i++)
        fits = fits && y->in[i]->shape.rank < RANK_MAX;
    switch (op_rows[y->op].cls) {
    case CLASS_EW:
    case CLASS_REDUCE: return fits;
    case CLASS_MOVE: return fits && y->op != OP_window && y->op != OP_unwindow;
    case CLASS_MAT: return fits && y->op == OP_matmul;
    case CLASS_LEAF: return y->op == OP_const || y->op == OP_iota;
    default: return false;
    }
}

/* [T, ..] with as many axes behind T as `rank` says: operands of fewer axes are aligned from the right. */
static Node *aligned(Graph *g, OverTime x, int rank)
{
    int more = rank - (x.node->shape.rank - 1);
    if (!x.stacked || more <= 0)
        return x.node;
    const Shape *s = &x.node->shape;
    Shape to = {.rank = rank + 1, .batch = s->batch < 0 ? -1 : s->batch + more, .dim = {s->dim[0]}};
    for (int i = 1; i <= more; i++)
        to.dim[i] = 1;
    memcpy(to.dim + 1 + more, s->dim + 1, sizeof *s->dim * (size_t)(s->rank - 1));
    return build_reshape(g, x.node, &to);
}

/* The attributes of movement and reductions, with the axis of time in front. */
static Attr with_time(const Node *y, int64_t length)
{
    const Attr *a = y->attr;
    Attr to = *a;
    bool whole = y->op == OP_transpose;
    int rank = y->n_in ? y->in[0]->shape.rank : 0;
    to.n_axes = a->n_axes + whole;
    for (int i = 0; i < a->n_axes; i++)
        to.axes[i + whole] = a->axes[i] + 1;
    if (whole)
        to.axes[0] = 0;
    for (int i = 0; i < rank && (op_impls[y->op]->attrs & ATTR_range); i++) {
        to.start[i + 1] = a->start[i];
        to.end[i + 1] = a->end[i];
        to.step[i + 1] = a->step[i];
    }
    to.start[0] = 0;
    to.end[0] = y->op == OP_slice ? length : 0;
    to.step[0] = 1;
    return to;
}

/* A value that all steps share, as a stack. */
static Node *repeated(Graph *g, OverTime x, int64_t length)
{
    Shape all = scan_stacked_shape(&x.node->shape, length);
    return x.stacked ? x.node : build_expand(g, x.node, &all);
}

static int deepest(const Node *y)
{
    int rank = y->shape.rank;
    for (int i = 0; i < y->n_in; i++)
        rank = y->in[i]->shape.rank > rank ? y->in[i]->shape.rank : rank;
    return rank;
}

OverTime over_time(Graph *g, const Node *y, int64_t length, const OverTime *in)
{
    Node *x[RANK_MAX * 8];
    OverTime to = {.stacked = false};
    OpClass cls = op_rows[y->op].cls;
    if (y->n_in > COUNT(x))
        BUG("%s of %d operands", op_rows[y->op].name, y->n_in);
    for (int i = 0; i < y->n_in; i++)
        to.stacked |= in[i].stacked;
    g->loc = y->loc;
    g->role = y->role;
    g->what = y->what;
    bool aligns = cls == CLASS_EW || cls == CLASS_MAT || y->op == OP_expand;
    for (int i = 0; i < y->n_in; i++)
        x[i] = !to.stacked || (!aligns && in[i].stacked) ? in[i].node
               : aligns                                  ? aligned(g, in[i], deepest(y))
                                                         : repeated(g, in[i], length);
    Shape shape = to.stacked ? scan_stacked_shape(&y->shape, length) : y->shape;
    bool moves = cls == CLASS_MOVE || cls == CLASS_REDUCE;
    Attr attr = to.stacked && moves ? with_time(y, length) : *y->attr;
    to.node = graph_add_as(g, y->op, y->n_in, x, &attr, &shape, y->dtype);
    if (!to.node)
        BUG("%s for all steps", op_rows[y->op].name);
    to.node->name = y->name;
    return to;
}

/* The first two of three axes as one; the batch may be the first, or the third. */
static Node *joined(Graph *g, Node *x)
{
    const Shape *s = &x->shape;
    Shape to = {.rank = 2,
                .batch = s->batch == 2 ? 1 : s->batch,
                .dim = {s->dim[0] * s->dim[1], s->dim[2]}};
    return build_reshape(g, x, &to);
}

Node *over_time_product(Graph *g, const OverTime *in)
{
    static const int left[3] = {2, 0, 1}, right[3] = {1, 0, 2}; /* k, T, and the other */
    Node *a = joined(g, build_transpose(g, in[0].node, left));
    Node *b = joined(g, build_transpose(g, in[1].node, right));
    return build_matmul(g, build_swap(g, a), b);
}

Node *over_time_reduce(Graph *g, const Node *y, const OverTime *in)
{
    Attr attr = with_time(y, 0);
    for (int i = attr.n_axes++; i > 0; i--)
        attr.axes[i] = attr.axes[i - 1];
    attr.axes[0] = 0;
    Node *x = in[0].node;
    return build_reshape(g, build_reduce(g, OP_reduce_sum, x, attr.n_axes, attr.axes), &y->shape);
}

Node *over_time_sum(Graph *g, OverTime x, int64_t length)
{
    int time = 0;
    if (!x.stacked)
        return build_binary(g, OP_mul, x.node, build_const(g, (double)length));
    return build_squeeze(g, build_reduce(g, OP_reduce_sum, x.node, 1, &time), 1, &time);
}
