/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/outputs.c and compiler/ir/bounds.c: the forms of `sample:`, what its function computes, and
 * what its numbers are known to be.
 */
#include "rows_run.h"

/* A model of input x [4], a layer h and this `sample:`. */
static Program *sampled(const char *sample)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: [4]}}\nlayers:\n  - {name: h, expr: 2 * x}\n"
             "  - {name: z, expr: \"normal(h, 1)\"}\noutputs: {y: h + z}\nsample: %s\n",
             sample);
    return good_model(text);
}

/* What `sample:` gives is named so. */
static void expect_names(const char *sample, int n, const char *const *names)
{
    Program *p = sampled(sample);
    cr_assert_eq(p->samples.n, n);
    Graph *g = model_graph(p, FN_sample);
    cr_assert_not_null(g);
    cr_assert_eq(graph_output_count(g), n);
    for (int i = 0; i < n; i++) {
        cr_expect_str_eq(graph_output_name(g, i), names[i]);
        cr_expect_not_null(graph_find_root(g, ROOT_output, i));
    }
}

Test(sample, forms)
{
    expect_names("z", 1, (const char *[]){"z"});
    expect_names("[z, h]", 2, (const char *[]){"z", "h"});
    expect_names("{a: z, b: \"normal(0, 1, shape=[2, 3])\"}", 2, (const char *[]){"a", "b"});
}

/* Sample 0 of the numbers that the model draws. */
static Tensor *draw(const char *sample, uint64_t seed)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: [4]}}\nlayers:\n  - dropout: {p: 0.5, name: h}\n"
             "  - {name: z, expr: \"normal(h, 1)\"}\noutputs: {y: z}\nsample: {a: \"%s\"}\n",
             sample);
    Run run = run_of(text, 3);
    Graph *g = model_graph(run.p, FN_sample);
    InterpInput in = {.n = 3, .inputs = run.in, .vars = run.var, .seed = seed};
    return graph_interpret(g, &in, ctx.arena);
}

/* Random functions draw, dropout does not. */
Test(sample, draws_as_in_inference)
{
    Tensor *kept = draw("h", 1), *one = draw("z", 1), *same = draw("z", 1), *other = draw("z", 2);
    int equal = 0, differ = 0;
    for (int i = 0; i < 12; i++) {
        cr_expect_eq(kept->data[i], number_of(i));
        equal += one->data[i] == same->data[i];
        differ += one->data[i] != other->data[i] && one->data[i] != kept->data[i];
    }
    cr_expect_eq(equal, 12);
    cr_expect_eq(differ, 12);
}

static void expect_bounds(const char *sample, double low, double high)
{
    char text[256];
    snprintf(text, sizeof text, "{a: \"%s\"}", sample);
    Program *p = sampled(text);
    cr_assert_not_null(model_graph(p, FN_sample));
    cr_expect_eq(p->samples.at[0].bounds.low, low, "%s: %g", sample, p->samples.at[0].bounds.low);
    cr_expect_eq(p->samples.at[0].bounds.high, high, "%s: %g", sample,
                 p->samples.at[0].bounds.high);
}

Test(sample, bounds)
{
    expect_bounds("z", -INFINITY, INFINITY);
    expect_bounds("tanh(z)", -1, 1);
    expect_bounds("sigmoid(z)", 0, 1);
    expect_bounds("255 * (tanh(z) + 1) / 2", 0, 255);
    expect_bounds("1 - 3 * sigmoid(z)", -2, 1);
    expect_bounds("z > 0", 0, 1);
    expect_bounds("bernoulli(sigmoid(z))", 0, 1);
    expect_bounds("uniform(-1, 3, shape=[4])", -1, 3);
    expect_bounds("min(max(z, -2), 2)", -2, 2);
    expect_bounds("where(z > 0, tanh(z), 5)", -1, 5);
    expect_bounds("reshape(concat(tanh(z), sigmoid(z), axis=1), shape=[2, 4])", -1, 1);
    expect_bounds("relu(z)", 0, INFINITY);
    expect_bounds("relu(tanh(z))", 0, 1);
    expect_bounds("abs(2 * tanh(z))", 0, 2);
    expect_bounds("exp(tanh(z) - 1)", exp(-2), 1);
    expect_bounds("sqrt(sigmoid(z))", 0, 1);
    expect_bounds("1 / (1 + sigmoid(z))", 0.5, 1);
    expect_bounds("1 / tanh(z)", -INFINITY, INFINITY);
    expect_bounds("z * 0", -INFINITY, INFINITY);
}
