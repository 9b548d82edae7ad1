/* SPDX-License-Identifier: MIT */
/* test_interp.c: guards the oracle itself: broadcasting, samples, variables that change after their
 * last read, kept order, random numbers. Values of each op are test_ops.c's. */
#include "graph_fixture.h"

#include "nnrt_rand.h"

Test(interp, broadcasts_every_operand)
{
    Fixture *f = fixture_new(FN_predict);
    Node *a = random_input(f, SHAPE(0, 1, 1, 4), -1, 1);
    Node *b = random_input(f, SHAPE(-1, 2, 1), -1, 1);
    Node *c = random_input(f, SHAPE(-1), -1, 1);
    graph_root(f->g, ROOT_output, 0, build_where(f->g, a, b, c));
    f->inputs[0][5] = 0;
    Tensor t = run(f)[0];
    cr_assert(t.shape.rank == 3 && t.shape.batch == -1);
    cr_assert(t.shape.dim[0] == SAMPLES && t.shape.dim[1] == 2 && t.shape.dim[2] == 4);
    for (int i = 0; i < SAMPLES; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < 4; k++) {
                double wants = f->inputs[0][4 * i + k] != 0 ? f->inputs[1][j] : f->inputs[2][0];
                cr_expect_eq(t.data[(2 * i + j) * 4 + k], wants);
            }
    fixture_free(f);
}

Test(interp, a_batch_axis_inside_and_with_a_factor)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(1, 2, 4), -1, 1);
    graph_root(f->g, ROOT_output, 0, build_reduce(f->g, OP_reduce_sum, x, 1, (int[]){1}));
    Tensor t = run(f)[0];
    cr_assert_eq(shape_count(&t.shape), 2);
    for (int i = 0; i < 2; i++) {
        double sum = 0;
        for (int k = 0; k < 4 * SAMPLES; k++)
            sum += f->inputs[0][i * 4 * SAMPLES + k];
        cr_expect(close_to(t.data[i], sum, 1e-12, 0));
    }
    fixture_free(f);
}

Test(interp, roots_in_their_order)
{
    Fixture *f = fixture_new(FN_predict);
    Node *one = build_const(f->g, 1), *two = build_const(f->g, 2);
    graph_root(f->g, ROOT_output, 1, two);
    graph_root(f->g, ROOT_loss, 0, one);
    graph_root(f->g, ROOT_output, 0, two);
    Tensor *t = run(f);
    cr_expect(t[0].data[0] == 2 && t[1].data[0] == 1 && t[2].data[0] == 2);
    fixture_free(f);
}

/* v, w = w, v: each reads the other as it was before the step. */
Test(interp, variables_change_after_the_step)
{
    Fixture *f = fixture_new(FN_train);
    Var *v = random_var(f, "v", VAR_weight, SHAPE(-1, 2));
    Var *w = random_var(f, "w", VAR_weight, SHAPE(-1, 2));
    double v0 = f->vars[0][0], w0 = f->vars[1][0];
    build_assign(f->g, v, build_var(f->g, w));
    build_assign(f->g, w, build_var(f->g, v));
    graph_root(f->g, ROOT_output, 0, build_var(f->g, v));
    Tensor *t = run(f);
    cr_expect(t[0].data[0] == w0 && t[1].data[0] == v0 && t[2].data[0] == v0);
    cr_expect(f->vars[0][0] == w0 && f->vars[1][0] == v0);
    run(f);
    cr_expect(f->vars[0][0] == v0 && f->vars[1][0] == w0);
    fixture_free(f);
}

/* A weight kept transposed is read and written in saved order all the same. */
Test(interp, kept_order)
{
    Fixture *f = fixture_new(FN_train);
    Var *w = random_var(f, "w", VAR_weight, SHAPE(-1, 2, 3));
    for (int i = 0; i < 6; i++)
        f->vars[0][i] = i;
    w->perm[0] = 1;
    w->perm[1] = 0;
    Node *kept = build_var(f->g, w);
    cr_assert(kept->shape.dim[0] == 3 && kept->shape.dim[1] == 2);
    graph_root(f->g, ROOT_output, 0, kept);
    double one = 1;
    Node *more = build_data(f->g, &SHAPE(-1, 1), &one);
    build_assign(f->g, w, build_binary(f->g, OP_add, kept, more));
    Tensor t = run(f)[0];
    static const double transposed[] = {0, 3, 1, 4, 2, 5};
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(t.data[i], transposed[i]);
        cr_expect_eq(f->vars[0][i], i + 1);
    }
    fixture_free(f);
}

Test(interp, random_numbers_are_the_runtimes)
{
    Fixture *f = fixture_new(FN_train);
    graph_root(f->g, ROOT_output, 0, build_random(f->g, OP_random_uniform, &SHAPE(0, 1, 5), 11));
    for (int64_t call = 1; call < 3; call++) {
        Tensor t = run_step(f, f->g, 0.1, call)[0];
        nnrt_rand_key key = nnrt_rand_key_of(7, (uint64_t)call, 11);
        for (int i = 0; i < 5 * SAMPLES; i++)
            cr_expect_eq(t.data[i], (double)nnrt_rand_uniform(key, (uint64_t)i));
    }
    fixture_free(f);
}

/* Nothing is rounded to float on the way. */
Test(interp, computes_in_double)
{
    Fixture *f = fixture_new(FN_predict);
    Node *y = build_binary(f->g, OP_add, build_const(f->g, 1), build_const(f->g, 1e-12));
    graph_root(f->g, ROOT_output, 0, build_binary(f->g, OP_sub, y, build_const(f->g, 1)));
    cr_expect(close_to(run(f)[0].data[0], 1e-12, 0, 1e-3));
    fixture_free(f);
}
