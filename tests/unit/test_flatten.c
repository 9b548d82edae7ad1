/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/flatten.c: no value changes; what follows a product of all rows has its shape, and what
 * has rows of its own keeps them. */
#include "pass_check.h"

Test(flatten, random_models)
{
    check_random_models(pass_flatten, "flatten", 400);
}

/* A product of [N * 6, 5] and a weight, reshaped to [N, 2, 3, 4]. */
static Node *product(Fixture *f)
{
    Node *x = random_input(f, SHAPE(0, 6, 5), -1, 1);
    Node *w = random_input(f, SHAPE(-1, 5, 4), -1, 1);
    Shape rows = SHAPE(0, 1, 2, 3, 4);
    return build_reshape(f->g, build_matmul(f->g, x, w), &rows);
}

static Node *flattened(Fixture *f, Node *y)
{
    graph_root(f->g, ROOT_output, 0, build_reduce(f->g, OP_reduce_max, y, 2, (int[]){0, 3}));
    expect_same_values(f, pass_flatten, "flatten");
    return f->g->roots.at[0].node->in[0];
}

Test(flatten, elementwise_and_rows)
{
    Fixture *f = fixture_new(FN_eval);
    Node *y = build_binary(f->g, OP_add, product(f), random_input(f, SHAPE(-1, 4), -1, 1));
    Node *sum = build_reduce(f->g, OP_reduce_sum, y, 1, (int[]){3});
    Shape column = SHAPE(0, 1, 2, 3, 1);
    y = build_binary(f->g, OP_mul, y, build_reshape(f->g, sum, &column));
    y = build_binary(f->g, OP_add, y, random_input(f, SHAPE(0, 1, 2, 3, 4), -1, 1));
    y = flattened(f, y);
    cr_assert_eq(y->op, OP_reshape);
    cr_expect_eq(y->in[0]->op, OP_add);
    cr_expect_eq(y->in[0]->shape.rank, 2);
    fixture_free(f);
}

Test(flatten, other_rows_stay)
{
    static const int64_t rows[][2] = {{2, 1}, {1, 3}};
    for (int i = 0; i < COUNT(rows); i++) {
        Fixture *f = fixture_new(FN_eval);
        Node *b = random_input(f, SHAPE(-1, 1, rows[i][0], rows[i][1], 4), -1, 1);
        Node *y = flattened(f, build_binary(f->g, OP_add, product(f), b));
        cr_expect_eq(y->op, OP_add);
        fixture_free(f);
    }
}

Test(flatten, outputs_stay)
{
    Fixture *f = fixture_new(FN_eval);
    graph_root(f->g, ROOT_output, 0, build_unary(f->g, OP_tanh, product(f)));
    expect_same_values(f, pass_flatten, "flatten");
    cr_expect_eq(f->g->roots.at[0].node->op, OP_tanh);
    fixture_free(f);
}
