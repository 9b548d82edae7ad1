/* SPDX-License-Identifier: MIT */
/* test_build.c: guards the short forms: the nodes they add have the shapes and the values, computed
 * by the interpreter, that plain loops give; wrong axes are reported once. */
#include "graph_fixture.h"

/* What the node is worth, with SAMPLES samples. */
static Tensor value_of(Fixture *f, Node *y)
{
    cr_assert_not_null(y, "%s", fixture_said(f));
    f->g->roots.n = 0;
    graph_root(f->g, ROOT_output, 0, y);
    return run(f)[0];
}

static void expect_values(Fixture *f, Node *y, int64_t n, const double *wants)
{
    Tensor t = value_of(f, y);
    cr_assert_eq(shape_count(&t.shape), n);
    for (int64_t i = 0; i < n; i++)
        cr_expect(close_to(t.data[i], wants[i], 1e-12, 1e-12), "at %d: %g, not %g", (int)i,
                  t.data[i], wants[i]);
}

static void expect_shape(const Node *y, Shape wants)
{
    char a[128], b[128];
    cr_expect(y && shape_equal(&y->shape, &wants), "%s, not %s",
              y ? shape_text(&y->shape, a) : "none", shape_text(&wants, b));
}

/* 0, 1, 2, ... in an input of that shape. */
static Node *counting(Fixture *f, Shape shape)
{
    Node *x = random_input(f, shape, 0, 1);
    double *data = f->inputs[f->p->inputs.n - 1];
    for (int64_t i = 0; i < shape_elements(&shape, SAMPLES); i++)
        data[i] = (double)i;
    return x;
}

/* --- leaves ----------------------------------------------------------------------------------- */

Test(build, constants)
{
    Fixture *f = fixture_new(FN_predict);
    expect_values(f, build_const(f->g, 2.5), 1, (double[]){2.5});
    expect_shape(build_const(f->g, 2.5), shape_scalar());
    expect_values(f, build_fill(f->g, &SHAPE(0, 1, 2), 7), 6, (double[]){7, 7, 7, 7, 7, 7});
    double data[] = {1, 2, 3};
    Node *y = build_data(f->g, &SHAPE(-1, 3), data);
    data[1] = 9; /* the node has a copy */
    expect_values(f, y, 3, (double[]){1, 2, 3});
    fixture_free(f);
}

Test(build, leaves)
{
    Fixture *f = fixture_new(FN_train);
    Input label = {.name = "label", .dtype = DT_i32, .shape = SHAPE(0, 1)};
    vec_push(f->ctx.arena, &f->p->inputs, label);
    f->inputs[0] = (double[SAMPLES]){0};
    Node *c = build_input(f->g, 0);
    cr_expect_eq(c->dtype, DT_i32);
    expect_shape(c, SHAPE(0, 1));
    Var *w = random_var(f, "w", VAR_weight, SHAPE(-1, 2, 3));
    expect_shape(build_var(f->g, w), SHAPE(-1, 2, 3));
    expect_values(f, build_var(f->g, w), 6, f->vars[0]);
    expect_values(f, build_scalar(f->g, SCALAR_n), 1, (double[]){SAMPLES});
    expect_values(f, build_scalar(f->g, SCALAR_lr), 1, (double[]){0.1});
    expect_values(f, build_scalar(f->g, SCALAR_step), 1, (double[]){1});
    expect_values(f, build_iota(f->g, &SHAPE(-1, 2, 3), -1), 6, (double[]){0, 1, 2, 0, 1, 2});
    expect_values(f, build_iota(f->g, &SHAPE(-1, 2, 3), 0), 6, (double[]){0, 0, 0, 1, 1, 1});
    expect_shape(build_random(f->g, OP_random_uniform, &SHAPE(0, 1, 5), 3), SHAPE(0, 1, 5));
    fixture_free(f);
}

Test(build, sizes_with_and_without_samples)
{
    Fixture *f = fixture_new(FN_train);
    expect_values(f, build_size(f->g, &SHAPE(-1, 2, 3)), 1, (double[]){6});
    expect_values(f, build_size(f->g, &SHAPE(0, 2, 5)), 1, (double[]){10 * SAMPLES});
    fixture_free(f);
}

/* --- reductions ------------------------------------------------------------------------------- */

Test(build, reductions_keep_their_axes)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = counting(f, SHAPE(0, 1, 2, 2));
    int last = -1, two[] = {2, -3};
    Node *y = build_reduce(f->g, OP_reduce_sum, x, 1, &last);
    expect_shape(y, SHAPE(0, 1, 2, 1));
    expect_values(f, y, 6, (double[]){1, 5, 9, 13, 17, 21});
    y = build_reduce(f->g, OP_reduce_max, x, 2, two);
    expect_shape(y, SHAPE(-1, 1, 2, 1));
    cr_expect(y->attr->axes[0] == 0 && y->attr->axes[1] == 2);
    expect_values(f, y, 2, (double[]){9, 11});
    y = build_reduce(f->g, OP_reduce_sum, x, 0, NULL);
    expect_shape(y, SHAPE(-1, 1, 1, 1));
    expect_values(f, y, 1, (double[]){66});
    Node *scalar = build_const(f->g, 3);
    cr_expect_eq(build_reduce(f->g, OP_reduce_sum, scalar, 0, NULL), scalar);
    cr_expect_eq(build_mean(f->g, scalar, 0, NULL), scalar);
    fixture_free(f);
}

Test(build, means_count_samples)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = counting(f, SHAPE(0, 1, 2, 2));
    int batch = 0, last = 2;
    expect_values(f, build_mean(f->g, x, 1, &last), 6, (double[]){.5, 2.5, 4.5, 6.5, 8.5, 10.5});
    expect_values(f, build_mean(f->g, x, 1, &batch), 4, (double[]){4, 5, 6, 7});
    expect_values(f, build_mean(f->g, x, 0, NULL), 1, (double[]){5.5});
    fixture_free(f);
}

Test(build, softmax_of_large_numbers)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(0, 1, 2), -1, 1);
    static const double in[] = {1000, 1001, -5, 2, 3, 3};
    double p[6], log_p[6];
    memcpy(f->inputs[0], in, sizeof in);
    for (int i = 0; i < 6; i += 2) {
        double d = in[i + 1] - in[i];
        p[i] = 1 / (1 + exp(d));
        p[i + 1] = 1 / (1 + exp(-d));
        log_p[i] = -log1p(exp(d));
        log_p[i + 1] = -log1p(exp(-d));
    }
    expect_values(f, build_softmax(f->g, x, -1), 6, p);
    expect_values(f, build_log_softmax(f->g, x, 1), 6, log_p);
    fixture_free(f);
}

/* --- movement --------------------------------------------------------------------------------- */

Test(build, squeeze_and_unsqueeze_move_the_batch_axis)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = counting(f, SHAPE(1, 1, 1, 2, 1));
    int first = 0, last = -1, both[] = {0, 3}, middle = 2, batch = 1;
    expect_shape(build_squeeze(f->g, x, 1, &first), SHAPE(0, 1, 2, 1));
    expect_shape(build_squeeze(f->g, x, 1, &last), SHAPE(1, 1, 1, 2));
    expect_shape(build_squeeze(f->g, x, 2, both), SHAPE(0, 1, 2));
    expect_shape(build_squeeze(f->g, x, 0, NULL), SHAPE(0, 1, 2)); /* all but the batch */
    cr_expect_eq(f->ctx.diag.errors, 0);
    cr_expect_null(build_squeeze(f->g, x, 1, &middle));
    cr_expect_null(build_squeeze(f->g, x, 1, &batch));
    cr_expect_eq(f->ctx.diag.errors, 2);
    Node *y = counting(f, SHAPE(0, 1, 2));
    expect_shape(build_unsqueeze(f->g, y, 0), SHAPE(1, 1, 1, 2));
    expect_shape(build_unsqueeze(f->g, y, 1), SHAPE(0, 1, 1, 2));
    expect_shape(build_unsqueeze(f->g, y, -1), SHAPE(0, 1, 2, 1));
    expect_shape(build_unsqueeze(f->g, y, 2), SHAPE(0, 1, 2, 1));
    expect_shape(build_unsqueeze(f->g, y, -3), SHAPE(1, 1, 1, 2));
    expect_shape(build_unsqueeze(f->g, build_const(f->g, 1), 0), SHAPE(-1, 1));
    cr_expect_null(build_unsqueeze(f->g, y, 3));
    cr_expect_null(
        build_unsqueeze(f->g, build_fill(f->g, &SHAPE(-1, 1, 1, 1, 1, 1, 1, 1, 1), 0), 0));
    cr_expect_eq(f->ctx.diag.errors, 4);
    fixture_free(f);
}

Test(build, transposes)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = counting(f, SHAPE(0, 1, 1, 2));
    Node *y = build_transpose(f->g, x, (int[]){-1, 0, 1});
    expect_shape(y, SHAPE(1, 2, 1, 1));
    expect_values(f, y, 6, (double[]){0, 2, 4, 1, 3, 5});
    expect_shape(build_swap(f->g, x), SHAPE(0, 1, 2, 1));
    expect_shape(build_swap(f->g, counting(f, SHAPE(0, 1, 4))), SHAPE(1, 4, 1));
    cr_expect_eq(f->ctx.diag.errors, 0);
    cr_expect_null(build_transpose(f->g, x, (int[]){0, 1, 1}));
    cr_expect_null(build_transpose(f->g, x, (int[]){0, 1, 3}));
    cr_expect_null(build_swap(f->g, build_const(f->g, 1)));
    cr_expect_eq(f->ctx.diag.errors, 3);
    fixture_free(f);
}

Test(build, slices_concat_reshape_expand)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = counting(f, SHAPE(0, 1, 4));
    expect_values(f, build_slice(f->g, x, 1, 1, 4, 2), 6, (double[]){1, 3, 5, 7, 9, 11});
    expect_values(f, build_slice(f->g, x, -1, -2, -1, 1), 3, (double[]){2, 6, 10});
    Node *a = build_slice(f->g, x, 1, 0, 1, 1), *b = build_slice(f->g, x, 1, 3, 4, 1);
    expect_values(f, build_concat(f->g, -1, 2, (Node *[]){b, a}), 6, (double[]){3, 0, 7, 4, 11, 8});
    expect_shape(build_reshape(f->g, x, &SHAPE(0, 1, 2, 2)), SHAPE(0, 1, 2, 2));
    expect_values(f, build_expand(f->g, a, &SHAPE(0, 1, 2)), 6, (double[]){0, 0, 4, 4, 8, 8});
    cr_expect_eq(f->ctx.diag.errors, 0);
    cr_expect_null(build_slice(f->g, x, 1, 2, 2, 1));
    cr_expect_null(build_slice(f->g, x, 1, 0, 5, 1));
    cr_expect_null(build_slice(f->g, x, 1, 0, 0, 1)); /* 0 is no end from behind */
    cr_expect_null(build_slice(f->g, x, 2, 0, 1, 1));
    cr_expect_null(build_concat(f->g, 2, 2, (Node *[]){a, b}));
    cr_expect_null(build_reshape(f->g, x, &SHAPE(0, 1, 5)));
    cr_expect_null(build_expand(f->g, x, &SHAPE(0, 1, 8)));
    cr_expect_eq(f->ctx.diag.errors, 7);
    fixture_free(f);
}

/* --- products, choices ------------------------------------------------------------------------ */

Test(build, products_and_choices)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = counting(f, SHAPE(0, 1, 2));
    static const double table[] = {1, 2, 3, 4};
    Node *k = build_data(f->g, &SHAPE(-1, 2, 2), table);
    expect_values(f, build_matmul(f->g, x, k), 6, (double[]){3, 4, 11, 16, 19, 28});
    Node *is_large = build_binary(f->g, OP_greater, x, build_const(f->g, 2));
    Node *y = build_where(f->g, is_large, x, build_unary(f->g, OP_neg, x));
    expect_values(f, y, 6, (double[]){0, -1, -2, 3, 4, 5});
    fixture_free(f);
}

Test(build, one_hot)
{
    Fixture *f = fixture_new(FN_predict);
    Input label = {.name = "label", .dtype = DT_i32, .shape = SHAPE(0, 1)};
    vec_push(f->ctx.arena, &f->p->inputs, label);
    f->inputs[0] = (double[]){2, 0, 9}; /* 9: no class */
    Node *c = build_input(f->g, 0), *y = build_one_hot(f->g, c, 3, -1);
    expect_shape(y, SHAPE(0, 1, 3));
    expect_values(f, y, 9, (double[]){0, 0, 1, 1, 0, 0, 0, 0, 0});
    y = build_one_hot(f->g, c, 2, 0);
    expect_shape(y, SHAPE(1, 2, 1));
    expect_values(f, y, 6, (double[]){0, 1, 0, 0, 0, 0});
    fixture_free(f);
}

Test(build, assigns_are_roots)
{
    Fixture *f = fixture_new(FN_train);
    random_var(f, "v", VAR_weight, SHAPE(-1, 3));
    Var *w = random_var(f, "w", VAR_weight, SHAPE(-1, 2));
    Node *assign = build_assign(f->g, w, build_fill(f->g, &SHAPE(-1, 2), 5));
    cr_expect_eq(graph_find_root(f->g, ROOT_assign, 1), assign);
    cr_expect_eq(assign->attr->var, w);
    cr_expect_null(build_assign(f->g, w, build_fill(f->g, &SHAPE(-1, 3), 5)));
    cr_expect_eq(f->g->roots.n, 1);
    cr_expect_eq(f->ctx.diag.errors, 1);
    fixture_free(f);
}

Test(build, wrong_axes_are_reported_once)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = counting(f, SHAPE(0, 1, 4));
    int two = 2, twice[] = {1, -1};
    f->g->loc = (Loc){3, 5, 1};
    f->g->what = "mean";
    cr_expect_null(build_unary(f->g, OP_exp, build_mean(f->g, x, 1, &two)));
    cr_expect_null(build_softmax(f->g, x, -3));
    cr_expect_null(build_reduce(f->g, OP_reduce_sum, x, 2, twice));
    cr_expect_str_eq(fixture_said(f),
                     "test.yaml:3:5: error: mean: axis 2 is outside a tensor of 2 axes\n"
                     "test.yaml:3:5: error: mean: axis -3 is outside a tensor of 2 axes\n"
                     "test.yaml:3:5: error: mean: axis 1 is named twice\n");
    fixture_free(f);
}
