/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/cse.c: which nodes are one, and which look alike but are not. */
#include "graph_fixture.h"

/* Whether a and b, given as two outputs, become one node. */
static bool merges(Fixture *f, Node *a, Node *b)
{
    cr_assert(a && b, "%s", fixture_said(f));
    f->g->roots.n = 0;
    graph_root(f->g, ROOT_output, 0, a);
    graph_root(f->g, ROOT_output, 1, b);
    pass_cse(f->g);
    graph_verify(f->g, "cse");
    cr_assert_eq(f->g->roots.n, 2);
    return f->g->roots.at[0].node == f->g->roots.at[1].node;
}

Test(cse, equal_nodes_of_equal_operands)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(0, 1, 4), -1, 1), *again = build_input(g, 0);
    Node *a = build_unary(g, OP_exp, build_binary(g, OP_sub, x, build_const(g, 2)));
    Node *b = build_unary(g, OP_exp, build_binary(g, OP_sub, again, build_const(g, 2)));
    cr_expect(merges(f, a, b));
    cr_expect_eq(g->nodes.n, 4);
    fixture_free(f);
}

Test(cse, order_matters_where_it_does)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(0, 1, 4), -1, 1), *y = random_input(f, SHAPE(0, 1, 4), -1, 1);
    cr_expect(merges(f, build_binary(g, OP_add, x, y), build_binary(g, OP_add, y, x)));
    cr_expect(merges(f, build_binary(g, OP_max, x, y), build_binary(g, OP_max, y, x)));
    cr_expect_not(merges(f, build_binary(g, OP_sub, x, y), build_binary(g, OP_sub, y, x)));
    cr_expect_not(merges(f, build_binary(g, OP_add, x, y), build_binary(g, OP_add, x, x)));
    fixture_free(f);
}

Test(cse, constants)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Shape three = SHAPE(-1, 3), column = SHAPE(-1, 3, 1), batch = SHAPE(0, 3);
    static const double p[] = {1, 2, 3}, q[] = {1, 2, 4};
    cr_expect(merges(f, build_fill(g, &three, 0.5), build_fill(g, &three, 0.5)));
    cr_expect(merges(f, build_fill(g, &three, NAN), build_fill(g, &three, NAN)));
    cr_expect_not(merges(f, build_fill(g, &three, 0.5), build_fill(g, &column, 0.5)));
    cr_expect_not(merges(f, build_fill(g, &three, 0.5), build_fill(g, &batch, 0.5)));
    cr_expect_not(merges(f, build_fill(g, &three, 0.0), build_fill(g, &three, -0.0)));
    cr_expect(merges(f, build_data(g, &three, p), build_data(g, &three, p)));
    cr_expect_not(merges(f, build_data(g, &three, p), build_data(g, &three, q)));
    cr_expect_not(merges(f, build_data(g, &three, p), build_fill(g, &three, 0)));
    cr_expect_not(merges(f, build_scalar(g, SCALAR_n), build_scalar(g, SCALAR_lr)));
    fixture_free(f);
}

Test(cse, attributes)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(-1, 4, 4), -1, 1), *z = random_input(f, SHAPE(-1, 4, 4), -1, 1);
    Shape line = SHAPE(-1, 16), cube = SHAPE(-1, 2, 8), full = SHAPE(-1, 2, 4, 4);
    cr_expect_not(merges(f, x, z));
    cr_expect_not(merges(f, build_reduce(g, OP_reduce_sum, x, 1, (int[]){0}),
                         build_reduce(g, OP_reduce_sum, x, 2, (int[]){0, 1})));
    cr_expect_not(merges(f, build_slice(g, x, 0, 0, 3, 1), build_slice(g, x, 0, 1, 4, 1)));
    cr_expect_not(merges(f, build_slice(g, x, 0, 0, 3, 2), build_slice(g, x, 0, 0, 3, 1)));
    cr_expect_not(merges(f, build_slice(g, x, 0, 0, 4, 2), build_slice(g, x, 0, 0, 4, 3)));
    cr_expect(merges(f, build_slice(g, x, 0, 0, 3, 2), build_slice(g, x, 0, 0, 3, 2)));
    cr_expect_not(merges(f, build_reshape(g, x, &line), build_reshape(g, x, &cube)));
    cr_expect(merges(f, build_expand(g, x, &full), build_expand(g, x, &full)));
    cr_expect_not(merges(f, build_swap(g, x), x));
    Attr zeros = {.step = {1, 1}, .start = {1, 0}},
         ones = {.step = {1, 1}, .start = {1, 0}, .value = 1};
    cr_expect_not(
        merges(f, graph_add(g, OP_pad, 1, &x, &zeros), graph_add(g, OP_pad, 1, &x, &ones)));
    fixture_free(f);
}

Test(cse, variables_and_random_numbers)
{
    Fixture *f = fixture_new(FN_train);
    Graph *g = f->g;
    Var *v = random_var(f, "v", VAR_weight, SHAPE(-1, 3)),
        *w = random_var(f, "w", VAR_weight, SHAPE(-1, 3));
    cr_expect(merges(f, build_var(g, v), build_var(g, v)));
    cr_expect_not(merges(f, build_var(g, v), build_var(g, w)));
    cr_expect(merges(f, build_random(g, OP_random_uniform, &v->shape, 4),
                     build_random(g, OP_random_uniform, &v->shape, 4)));
    cr_expect_not(merges(f, build_random(g, OP_random_uniform, &v->shape, 4),
                         build_random(g, OP_random_uniform, &v->shape, 5)));
    cr_expect_not(merges(f, build_random(g, OP_random_uniform, &v->shape, 4),
                         build_random(g, OP_random_normal, &v->shape, 4)));
    fixture_free(f);
}

Test(cse, effects_stay)
{
    Fixture *f = fixture_new(FN_train);
    Var *v = random_var(f, "v", VAR_weight, SHAPE(-1, 3)),
        *w = random_var(f, "w", VAR_weight, SHAPE(-1, 3));
    build_assign(f->g, v, build_fill(f->g, &v->shape, 1));
    build_assign(f->g, w, build_fill(f->g, &w->shape, 1));
    pass_cse(f->g);
    cr_expect_eq(count_ops(f->g, OP_assign), 2);
    cr_expect_eq(count_ops(f->g, OP_const), 1);
    fixture_free(f);
}

/* The first of two equal nodes stays, and has a name if either had. */
Test(cse, names_stay)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(0, 1, 4), -1, 1);
    Node *a = build_unary(f->g, OP_exp, x), *b = build_unary(f->g, OP_exp, x);
    b->name = "weights";
    cr_assert(merges(f, a, b));
    cr_expect_eq(f->g->roots.at[0].node, a);
    cr_expect_str_eq(a->name, "weights");
    fixture_free(f);
}

/* Many nodes that differ in a constant alone: each is found, and soon. */
Test(cse, many)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(0, 1, 4), -1, 1), *sum = x;
    for (int i = 0; i < 20000; i++)
        sum = build_binary(f->g, OP_add, sum,
                           build_binary(f->g, OP_mul, x, build_const(f->g, i % 5000)));
    graph_root(f->g, ROOT_output, 0, sum);
    pass_cse(f->g);
    cr_expect_eq(count_ops(f->g, OP_const), 5000);
    cr_expect_eq(count_ops(f->g, OP_mul), 5000);
    fixture_free(f);
}
