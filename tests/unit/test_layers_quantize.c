/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_quantize.c: which code is taken, the gradient that goes past it, what is kept.
 * tests/torch/cases_quantize.py compares training with PyTorch. */
#include "rows_run.h"

static double *var_of(const Run *run, const char *name)
{
    return run->var[var_index(run, name)];
}

/* A model whose one layer gives q, its codes and its loss; `output` is what predict gives. */
static Run run_with(const char *shape, const char *arguments, const char *output, int64_t n)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: %s}}\nlayers:\n"
             "  - vector_quantize: {count: 3%s, name: [q, k, l]}\noutputs: {y: %s}\n"
             "loss: {a: sum(q * q), b: l}\nmetrics: {used: code_perplexity(k)}\n"
             "train: {optimizer: adam}\n",
             shape, arguments, output);
    return run_of(text, n);
}

static void set_codes(Run *run)
{
    const double codes[] = {1, 0, 0, 2, -1, -1};
    memcpy(var_of(run, "q.weight"), codes, sizeof codes);
}

Test(layers_quantize, the_nearest_code)
{
    Run run = run_with("[2]", "", "k", 4);
    set_codes(&run);
    SET(&run, 0, 0.9, 0.3, 0.5, 1.6, -3, 0.4, 0, NAN);
    const Tensor *k = output_of(&run);
    expect_shape(k, "[4]");
    EXPECT_NUMBERS(k->data, 0, 0, 1, 2, 2);
    Run tie = run_with("[2]", "", "k", 2);
    const double codes[] = {-1, 0, 1, 0, 1, 0}; /* as far, and equal */
    memcpy(var_of(&tie, "q.weight"), codes, sizeof codes);
    SET(&tie, 0, 0, 5, 0.5, 0);
    EXPECT_NUMBERS(output_of(&tie)->data, 0, 0, 1);
}

Test(layers_quantize, axes)
{
    Run run = run_with("[2, 1, 2]", ", dim: 2", "q", 1);
    set_codes(&run);
    SET(&run, 0, 0.9, 0.5, 0.3, 1.6); /* channels first: (0.9, 0.3), (0.5, 1.6) */
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 1, 0, 0, 2);
    Run last = run_with("[1, 1, 2]", ", axis: -1", "k", 1);
    set_codes(&last);
    SET(&last, 0, 0.5, 1.6);
    expect_shape(output_of(&last), "[1, 1, 1]");
    EXPECT_NUMBERS(output_of(&last)->data, 0, 1);
}

/* sum(q^2) reaches x as if q were x; the rest is the loss's: mean((q - x)^2) of the codebook, 0.25 of it of x. */
Test(layers_quantize, gradients)
{
    Run run = run_with("[2]", "", "q", 1);
    set_codes(&run);
    SET(&run, 0, 0.9, 0.3);
    const double *w =
        root_of(&run, gradients_of(&run), ROOT_grad, var_index(&run, "q.weight"))->data;
    EXPECT_NUMBERS(input_gradient(&run, 0), 1e-12, 2 + 0.25 * -0.1, 0 + 0.25 * 0.3);
    EXPECT_NUMBERS(w, 1e-12, 0.1, -0.3, 0, 0, 0, 0);
    cr_expect_float_eq(loss_of(&run), 1 + 1.25 * (0.01 + 0.09) / 2, 1e-12);
}

Test(layers_quantize, averages)
{
    Run run = run_with("[2]", ", ema: 0.5, eps: 1", "q", 2);
    set_codes(&run);
    SET(&run, 0, 0.9, 0.3, 0.7, -0.1);
    const int weight = var_index(&run, "q.weight"), size = var_index(&run, "q.cluster_size"),
              sum = var_index(&run, "q.embed_avg");
    for (int i = 0; i < 3; i++)
        run.var[size][i] = 1;
    memcpy(run.var[sum], run.var[weight], 6 * sizeof(double));
    cr_expect(run.p->vars.at[weight]->frozen);
    Graph *g = graph_of(&run, FN_train);
    const Tensor *t = evaluate(&run, g);
    EXPECT_NUMBERS(assigned(&run, g, t, "q.cluster_size"), 1e-12, 1.5, 0.5, 0.5);
    EXPECT_NUMBERS(assigned(&run, g, t, "q.embed_avg"), 1e-12, 1.3, 0.1, 0, 1, -0.5, -0.5);
    const double few = 1.5 * 2.5 / 5.5,
                 many = 2.5 * 2.5 / 5.5; /* (size + eps) / (all + 3 eps) * all */
    EXPECT_NUMBERS(assigned(&run, g, t, "q.weight"), 1e-12, 1.3 / many, 0.1 / many, 0, 1 / few,
                   -0.5 / few, -0.5 / few);
    cr_expect_null(graph_find_root(graph_of(&run, FN_grad), ROOT_assign, weight));
    Run frozen = run_with("[2]", ", ema: 0.5, frozen: true", "q", 2);
    cr_expect_null(graph_find_root(graph_of(&frozen, FN_train), ROOT_assign, weight));
}

Test(layers_quantize, use_of_codes)
{
    Run run = run_with("[2]", "", "q", 4);
    set_codes(&run);
    SET(&run, 0, 0.9, 0.3, 0.5, 1.6, 1, 0, 1, 1);
    EXPECT_NUMBERS(root_of(&run, graph_of(&run, FN_eval), ROOT_metric, 0)->data, 0, 3, 1, 0);
}
