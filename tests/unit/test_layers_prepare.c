/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_prepare.c, layers_classes.c, indices.c and fits.c: numbers worked out apart from
 * them, gradients against differences, what is fitted and on what, what is said of wrong arguments. What fitting
 * finds is test_fit.c's. */
#include "rows_run.h"

#define WRONG(shape, layers, expected) wrong_model(model_of(shape, layers), expected)

/* A variable takes these numbers. */
#define GIVE(run, name, ...)                                                                       \
    memcpy((run).var[var_index(&run, name)], (double[]){__VA_ARGS__},                              \
           sizeof((double[]){__VA_ARGS__}))

Test(prepare, standardize)
{
    Run run = run_of(model_of("[3]", "  - standardize: {name: s}\n"), 2);
    GIVE(run, "s.mean", 1, 2, 3);
    GIVE(run, "s.std", 2, 4, 1);
    SET(&run, 0, 5, 2, 0, 1, -2, 3);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 2, 0, -3, 0, -1, 0);
    check_gradients(&run);
    const Program *p = run.p;
    cr_assert_eq(p->fits.n, 1);
    cr_expect(p->fits.at[0].kind == FIT_standardize && p->fits.at[0].axis == 1);
    cr_expect_str_eq(p->fits.at[0].name, "s");
    cr_expect_eq(program_find_var(p, "s.mean")->kind, VAR_buffer);
    cr_expect_eq(program_find_var(p, "s.std")->init.a, 1);
    WRONG("[3]", "  - standardize: {eps: -1}\n", "eps is below 0");
    WRONG("[3]", "  - standardize: {axis: 0}\n", "axis 0 is the batch");
    WRONG("[3]", "  - standardize: {axis: 2}\n", "axis 2 is outside a tensor of 2 axes");
}

/* Of images by channel; a number a sample is one feature. */
Test(prepare, features)
{
    Run run = run_of(model_of("[2, 1, 2]", "  - standardize: {name: s}\n"), 2);
    GIVE(run, "s.mean", 1, 10);
    GIVE(run, "s.std", 1, 10);
    SET(&run, 0, 1, 2, 10, 20, 3, 4, 30, 0);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 0, 1, 0, 1, 2, 3, 2, -1);
    cr_expect_eq(run.p->fits.at[0].axis, 1);
    check_gradients(&run);
    run = run_of(model_of("[2, 1, 2]", "  - impute: {strategy: median, axis: -1}\n"), 2);
    cr_expect(run.p->fits.at[0].axis == 3 && run.p->fits.at[0].kind == FIT_median);
    run = run_of(model_of("[]", "  - standardize: {name: s}\n"), 2);
    expect_shape(output_of(&run), "[2]");
    GIVE(run, "s.mean", 1);
    GIVE(run, "s.std", 2);
    SET(&run, 0, 5, 0);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 2, -0.5);
}

Test(prepare, impute)
{
    Run run = run_of(model_of("[2]", "  - impute: {name: m}\n"), 3);
    GIVE(run, "m.value", 7, -7);
    SET(&run, 0, 1, NAN, NAN, 2, 3, 4);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 1, -7, 7, 2, 3, 4);
    cr_expect(run.p->inputs.at[0].may_miss);
    cr_expect_eq(run.p->fits.at[0].kind, FIT_mean);
    const double *grad = input_gradient(&run, 0); /* (3 y^2 + 1) / 6; none where y is put in */
    EXPECT_NUMBERS(grad, 1e-12, 4 / 6.0, 0, 0, 13 / 6.0, 28 / 6.0, 49 / 6.0);

    run = run_of(model_of("[2]", "  - impute: {strategy: value, value: 9, indicator: true}\n"), 2);
    cr_expect_eq(run.p->fits.n, 0);
    cr_expect_eq(program_find_var(run.p, "impute_1.value")->init.a, 9);
    GIVE(run, "impute_1.value", 9, 9);
    SET(&run, 0, 1, NAN, NAN, 2);
    expect_shape(output_of(&run), "[2, 4]");
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 1, 9, 0, 1, 9, 2, 1, 0);
    WRONG("[2]", "  - impute: {strategy: mode}\n", "mode");
    WRONG("[2]", "  - impute: {value: 3}\n", "value is of 'strategy: value', not of 'mean'");
}

Test(prepare, pca)
{
    Run run = run_of(model_of("[3]", "  - pca: {k: 2, name: p}\n"), 1);
    GIVE(run, "p.components", 0.6, 0.8, 0, 0, 0, 1);
    GIVE(run, "p.mean", 1, 1, 1);
    GIVE(run, "p.explained_variance", 4, 0);
    SET(&run, 0, 6, 11, 3);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 11, 2);
    check_gradients(&run);
    cr_expect_eq(program_find_var(run.p, "p.components")->init.kind, INIT_orthogonal);
    run = run_of(model_of("[3]", "  - pca: {k: 2, whiten: true, name: p}\n"), 1);
    GIVE(run, "p.components", 0.6, 0.8, 0, 0, 0, 1);
    GIVE(run, "p.mean", 1, 1, 1);
    GIVE(run, "p.explained_variance", 4, 0);
    SET(&run, 0, 6, 11, 3);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 5.5, 0);
    WRONG("[3]", "  - pca: 4\n", "k: 4 is out of range: 1 to 3");
    WRONG("[3]", "  - pca: 0\n", "k: 0 is out of range");
    WRONG("[3000]", "  - pca: 4\n", "2048 are the most");
}

/* What each reads is an output of function fit, those before it applied; of a layer that is shared, once. */
Test(prepare, fits)
{
    Run run = run_of(model_of("[2]", "  - {name: twice, expr: x * 2}\n"
                                     "  - standardize: {name: s}\n"
                                     "  - impute: {name: m, strategy: median}\n"
                                     "  - standardize: {shared: s}\n"
                                     "  - pca: 1\n  - dense: 3\n"),
                     2);
    cr_assert_eq(run.p->fits.n, 3);
    GIVE(run, "s.mean", 1, 1);
    GIVE(run, "s.std", 2, 2);
    GIVE(run, "m.value", 5, 6);
    SET(&run, 0, 1, NAN, 3, 4);
    Graph *g = graph_of(&run, FN_fit);
    EXPECT_NUMBERS(root_of(&run, g, ROOT_output, 0)->data, 1e-12, 2, NAN, 6, 8);
    EXPECT_NUMBERS(root_of(&run, g, ROOT_output, 1)->data, 1e-12, 0.5, NAN, 2.5, 3.5);
    EXPECT_NUMBERS(root_of(&run, g, ROOT_output, 2)->data, 1e-12, -0.25, 2.5, 0.75, 1.25);
    cr_expect_str_eq(graph_output_name(g, 1), "m");
    WRONG("[2]", "  - dense: {units: 3, name: fc}\n  - standardize\n",
          "depends on 'fc.weight', which is trained");
    Run good = run_of(
        model_of("[2]", "  - dense: {units: 3, name: fc, frozen: true}\n  - standardize\n"), 1);
    cr_expect_not_null(model_graph(good.p, FN_fit));
}

static const char *one_output(const char *inputs, const char *layers, const char *y)
{
    static char text[2048];
    snprintf(text, sizeof text, "model: m\ninputs: {%s}\nlayers:\n%s\noutputs: {y: %s}\n", inputs,
             layers, y);
    return text;
}

Test(prepare, one_hot)
{
    Run run = run_of(one_output("c: {tokens: 3, shape: [2]}", "  - one_hot: {name: h}", "h"), 2);
    SET(&run, 0, 0, 2, 1, 1);
    expect_shape(output_of(&run), "[2, 2, 3]");
    EXPECT_NUMBERS(output_of(&run)->data, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0);
    run = run_of(one_output("c: {classes: 2}", "  - one_hot: {count: 3, name: h}", "h"), 2);
    SET(&run, 0, 1, 0);
    EXPECT_NUMBERS(output_of(&run)->data, 0, 0, 1, 0, 1, 0, 0);
    run = run_of(one_output("c: {dtype: i32, shape: [1]}", "  - one_hot: {count: 3, name: h}", "h"),
                 2);
    cr_expect_eq(run.p->inputs.at[0].classes, 3);
    wrong_model(one_output("c: {classes: 4}", "  - one_hot: {count: 3, name: h}", "h"),
                "count is 3, but there are 4 classes");
    wrong_model(one_output("c: {dtype: i32, shape: [1]}", "  - one_hot: {name: h}", "h"),
                "how many classes has 'c'? give 'count'");
    wrong_model(one_output("c: {shape: [4]}", "  - one_hot: {name: h}", "h"), "holds no classes");
}

/* The crossed indices, through a one_hot of as many. */
static int64_t crossed(Run *run, int64_t sample, int64_t count)
{
    const Tensor *y = output_of(run);
    cr_assert_eq(shape_count(&y->shape), run->n * count);
    for (int64_t i = 0; i < count; i++)
        if (y->data[sample * count + i] == 1)
            return i;
    return -1;
}

Test(prepare, cross)
{
    const char *inputs = "a: {classes: 3}, b: {classes: 4}, c: {classes: 5}";
    Run run = run_of(one_output(inputs,
                                "  - {name: k, expr: \"cross(a, b, c)\"}\n"
                                "  - one_hot: {name: h}",
                                "h"),
                     2);
    SET(&run, 0, 2, 1);
    SET(&run, 1, 3, 0);
    SET(&run, 2, 4, 2);
    cr_expect_eq(crossed(&run, 0, 60), (2 * 4 + 3) * 5 + 4);
    cr_expect_eq(crossed(&run, 1, 60), (1 * 4 + 0) * 5 + 2);
    /* 7 buckets: a and b are 12, so they are hashed: times 4, the largest below 0.618 * 7. */
    run = run_of(
        one_output("a: {classes: 3}, b: {classes: 4}",
                   "  - {name: k, expr: \"cross(a, b, buckets=7)\"}\n  - one_hot: {name: h}", "h"),
        12);
    for (int i = 0; i < 12; i++) {
        run.in[0][i] = i / 4;
        run.in[1][i] = i % 4;
    }
    for (int i = 0; i < 12; i++)
        cr_expect_eq(crossed(&run, i, 7), (i / 4 * 4 + i % 4) % 7);
    /* As many buckets as combinations: no hash. */
    run = run_of(
        one_output("a: {classes: 3}, b: {classes: 4}",
                   "  - {name: k, expr: \"cross(a, b, buckets=12)\"}\n  - one_hot: {name: h}", "h"),
        1);
    SET(&run, 0, 2);
    SET(&run, 1, 1);
    cr_expect_eq(crossed(&run, 0, 12), 9);
    wrong_model(one_output("a: {classes: 100000}, b: {classes: 1000}",
                           "  - {name: k, expr: \"cross(a, b)\"}\n  - one_hot: {name: h}", "h"),
                "more than 16777216 combinations: give 'buckets'");
    wrong_model(one_output("a: {classes: 3}, b: {shape: [1]}",
                           "  - {name: k, expr: \"cross(a, b)\"}\n  - one_hot: {name: h}", "h"),
                "holds no classes");
}

/* A table takes its rows by a cross, and the functions then refuse what either input may not be. */
Test(prepare, cross_of_a_table)
{
    const char *inputs = "a: {classes: 3}, b: {classes: 4}";
    Run run = run_of(one_output(inputs,
                                "  - {name: k, expr: \"cross(a, b)\"}\n"
                                "  - embedding: {count: 12, dim: 2, name: e}",
                                "e"),
                     1);
    SET(&run, 0, 2);
    SET(&run, 1, 1);
    const double *w = run.var[var_index(&run, "e.weight")];
    EXPECT_NUMBERS(output_of(&run)->data, 0, w[18], w[19]);
    cr_expect(run.p->inputs.at[0].looked_up && run.p->inputs.at[1].looked_up);
    wrong_model(one_output(inputs,
                           "  - {name: k, expr: \"cross(a, b)\"}\n"
                           "  - embedding: {count: 11, dim: 2, name: e}",
                           "e"),
                "'k' has 12 tokens, the table only 11");
}
