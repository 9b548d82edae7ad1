/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/split.c: which reductions it splits, and that no value changes. */
#include "graph_fixture.h"

/* The reduction of an input of this shape over these axes, after the pass. */
static Node *split(Fixture *f, OpKind op, Shape shape, int n, const int *axes, double *before)
{
    Node *y = build_reduce(f->g, op, random_input(f, shape, -1, 1), n, axes);
    graph_root(f->g, ROOT_output, 0, y);
    *before = run(f)[0].data[0];
    pass_split(f->g);
    graph_verify(f->g, "split");
    double after = run(f)[0].data[0];
    cr_expect_float_eq(after, *before, 1e-12);
    return f->g->roots.at[0].node;
}

Test(split, batch_and_other_axes)
{
    static const OpKind ops[] = {OP_reduce_sum, OP_reduce_max, OP_reduce_min};
    for (int i = 0; i < COUNT(ops); i++) {
        Fixture *f = fixture_new(FN_eval);
        double before;
        Node *y = split(f, ops[i], SHAPE(1, 2, 1, 4, 5), 3, (int[]){0, 1, 3}, &before);
        cr_assert_eq(y->op, ops[i]);
        cr_expect_eq(y->attr->n_axes, 1);
        cr_expect_eq(y->attr->axes[0], 1);
        Node *inner = y->in[0];
        cr_assert_eq(inner->op, ops[i]);
        cr_expect_eq(inner->attr->n_axes, 2);
        cr_expect_eq(inner->attr->axes[0], 0);
        cr_expect_eq(inner->attr->axes[1], 3);
        cr_expect_eq(inner->shape.batch, 1);
        fixture_free(f);
    }
}

Test(split, nothing_else)
{
    static const struct {
        Shape shape;
        int n, axes[3];
    } whole[] = {
        {{2, 0, {1, 4}}, 1, {0}},        /* the batch alone */
        {{2, 0, {3, 4}}, 1, {0}},        /* several rows a sample in one axis */
        {{2, 0, {1, 4}}, 1, {1}},        /* not the batch */
        {{3, -1, {2, 3, 4}}, 2, {0, 1}}, /* no batch */
        {{3, 0, {1, 1, 4}}, 2, {0, 1}},  /* the other axis has one element */
    };
    for (int i = 0; i < COUNT(whole); i++) {
        Fixture *f = fixture_new(FN_eval);
        double before;
        Node *y = split(f, OP_reduce_sum, whole[i].shape, whole[i].n, whole[i].axes, &before);
        cr_expect_eq(count_ops(f->g, OP_reduce_sum), 1, "case %d", i);
        cr_expect_eq(y->attr->n_axes, whole[i].n);
        fixture_free(f);
    }
}
