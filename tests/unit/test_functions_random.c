/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/functions_random.c: what is drawn follows its distribution and differs
 * from call to call, from step to step and by seed; gradients by parameters against differences;
 * predict gives means; straight_through's value and gradient; what is reported.
 */
#include "rows_run.h"

enum { WIDTH = 5000, COUNT_OF = 2 * WIDTH }; /* numbers a sample, of two samples */

/* A model whose loss is `loss`, of inputs a and b, [WIDTH] each. */
static Run random_run(const char *loss)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "model: m\ninputs: {a: {shape: [%d]}, b: {shape: [%d]}}\nlayers:\n"
             "  - {name: y, expr: \"a + b\"}\noutputs: {y: y}\nloss: \"%s + 0 * sum(y)\"\n"
             "train: {optimizer: adam}\n",
             WIDTH, WIDTH, loss);
    Run run = run_of(text, 2);
    for (int i = 0; i < COUNT_OF; i++)
        run.in[0][i] = 1, run.in[1][i] = 0.5;
    return run;
}

/* The mean over all numbers of an expression of the draw z, which is `draw`. */
static double mean_of(const char *draw, const char *format)
{
    char loss[256];
    snprintf(loss, sizeof loss, format, draw);
    Run run = random_run(loss);
    return loss_of(&run);
}

/* Mean and variance of `draw` within five deviations of what the distribution has; kurtosis: its
 * fourth moment about the mean, by variance^2. */
static void expect_moments(const char *draw, double mean, double variance, double kurtosis)
{
    char spread[128];
    snprintf(spread, sizeof spread, "mean(square(%%s - %.17g))", mean);
    double m = mean_of(draw, "mean(%s)"), v = mean_of(draw, spread), n = COUNT_OF;
    cr_expect(fabs(m - mean) < 5 * sqrt(variance / n), "%s: mean %g", draw, m);
    cr_expect(fabs(v - variance) < 5 * variance * sqrt((kurtosis - 1) / n) + 1e-12,
              "%s: variance %g", draw, v);
}

Test(functions_random, moments)
{
    const double euler = 0.57721566490153286, gumbel = M_PI * M_PI / 6;
    expect_moments("normal_like(a)", 0, 1, 3);
    expect_moments("normal(a, b)", 1, 0.25, 3);
    expect_moments("normal(3, b)", 3, 0.25, 3);
    expect_moments("normal(a, 2)", 1, 4, 3);
    expect_moments("uniform_like(a)", 0.5, 1 / 12.0, 1.8);
    expect_moments("uniform(-a, 3)", 1, 16 / 12.0, 1.8);
    expect_moments("bernoulli(b)", 0.5, 0.25, 1);
    expect_moments("bernoulli(0.4 * b)", 0.2, 0.16, 1 / 0.16 - 3);
    expect_moments("gumbel_like(a)", euler, gumbel, 5.4);
    expect_moments("gumbel(a, b)", 1 + euler / 2, gumbel / 4, 5.4);
}

/* shape= leaves out the batch; parameters broadcast to it, numbers and values alike. */
Test(functions_random, of_a_given_shape)
{
    const double euler = 0.57721566490153286, gumbel = M_PI * M_PI / 6;
    expect_moments("normal(3, 0.5, shape=[50, 100])", 3, 0.25, 3);
    expect_moments("uniform(-1, 3, shape=5000)", 1, 16 / 12.0, 1.8);
    expect_moments("bernoulli(0.2, shape=[5000])", 0.2, 0.16, 1 / 0.16 - 3);
    expect_moments("gumbel(0, 1, shape=[5000])", euler, gumbel, 5.4);
    expect_moments("normal(a, b, shape=[5000])", 1, 0.25, 3);
    expect_moments("normal(a[:, 0:1], 0.5, shape=[5000])", 1, 0.25, 3);
    expect_moments("bernoulli(b[:, 0:1], shape=[5000])", 0.5, 0.25, 1);
}

Test(functions_random, what_is_drawn_stays_in_range)
{
    cr_expect_eq(mean_of("uniform_like(a)", "amin(%s)") < 0, false);
    cr_expect_lt(mean_of("uniform_like(a)", "amax(%s)"), 1);
    cr_expect_lt(mean_of("gumbel_like(a)", "amax(%s)"), 17.4);
    cr_expect_gt(mean_of("gumbel_like(a)", "amin(%s)"), -2.9);
    cr_expect_eq(mean_of("bernoulli(0 * a)", "amax(%s)"), 0);
    cr_expect_eq(mean_of("bernoulli(a)", "amin(%s)"), 1);
    cr_expect_eq(mean_of("bernoulli(b)", "sum(abs(%s - 0.5) != 0.5)"), 0);
}

/* Two calls in one expression, and two samples, are independent. */
Test(functions_random, calls_and_samples_are_independent)
{
    double n = COUNT_OF;
    cr_expect_lt(fabs(mean_of("", "%smean(normal_like(a) * normal_like(a))")), 5 / sqrt(n));
    cr_expect_lt(fabs(mean_of("normal_like(a)", "mean(%s * uniform_like(a))")), 5 / sqrt(3 * n));
}

/* The loss of the run with this seed at this call of a step. */
static double drawn(Run *run, Fn fn, uint64_t seed, int64_t calls)
{
    Graph *g = graph_of(run, fn);
    InterpInput in = {
        .n = run->n, .inputs = run->in, .vars = run->var, .step = 1, .seed = seed, .calls = calls};
    Tensor *t = graph_interpret(g, &in, ctx.arena);
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_loss)
            return t[i].data[0];
    cr_assert_fail("no loss");
    return 0;
}

Test(functions_random, draws_depend_on_seed_and_step_alone)
{
    Run run = random_run("sum(normal(a, b))");
    double first = drawn(&run, FN_train, 7, 1);
    cr_expect_eq(drawn(&run, FN_train, 7, 1), first);
    cr_expect_eq(drawn(&run, FN_grad, 7, 1), first);
    cr_expect_eq(drawn(&run, FN_eval, 7, 1), first, "eval draws as training does");
    cr_expect_neq(drawn(&run, FN_train, 8, 1), first);
    cr_expect_neq(drawn(&run, FN_train, 7, 2), first);
    cr_expect_neq(drawn(&run, FN_eval, 7, 2), first);
}

/* --- gradients -------------------------------------------------------------------------------- */

/* Gradients of sum(u^3 + u), u what is drawn, by x and s, as differences have them. */
static void expect_gradients(const char *draw)
{
    static char text[512];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: [3, 4]}, s: {shape: [4]}}\nlayers:\n"
             "  - {name: u, expr: \"%s\"}\nloss: mean(u * u * u + u) + 0 * sum(x) + 0 * sum(s)\n"
             "train: {optimizer: adam}\n",
             draw);
    Run run = run_of(text, 1);
    check_gradients(&run);
}

Test(functions_random, gradients_by_parameters)
{
    expect_gradients("x + exp(0.5 * x) * normal_like(x)");
    expect_gradients("normal(x, exp(0.5 * x))");
    expect_gradients("normal(x, 0.3)");
    expect_gradients("normal(0.1, x)");
    expect_gradients("uniform(x, 2 + x * x)");
    expect_gradients("gumbel(x, exp(x))");
    expect_gradients("softmax((x + gumbel_like(x)) / 0.7)");
    expect_gradients("x * bernoulli(0.5 + 0 * x)");
    expect_gradients("normal(mean(x, axis=2, keepdims=true), exp(0.5 * x), shape=[3, 4])");
    expect_gradients("x * normal(unsqueeze(s, axis=1), 1, shape=[3, 4])");
}

/* Scale of one axis fewer: broadcast forward, summed back. */
Test(functions_random, parameters_broadcast)
{
    Run run = run_of("model: m\ninputs: {x: {shape: [3, 4]}}\nlayers:\n"
                     "  - {name: s, expr: \"mean(x, axis=1, keepdims=true)\"}\n"
                     "  - {name: u, expr: \"normal(x, s)\"}\noutputs: {u: u}\n"
                     "loss: mean(u * u * u + u)\ntrain: {optimizer: adam}\n",
                     2);
    check_gradients(&run);
    expect_shape(output_of(&run), "[2, 3, 4]");
}

Test(functions_random, bernoulli_has_no_gradient)
{
    Run run = random_run("sum(bernoulli(b))");
    Graph *g = gradients_of(&run);
    const double *slope = root_of(&run, g, ROOT_grad, 1)->data;
    for (int i = 0; i < COUNT_OF; i++)
        cr_assert_eq(slope[i], 0);
}

/* 1 or 0 forward, as bernoulli's; backward as if it were p. */
Test(functions_random, straight_through)
{
    Run run = random_run("sum(square(straight_through(bernoulli(b), b) + a))");
    const double *slope = input_gradient(&run, 1);
    int ones = 0;
    for (int i = 0; i < COUNT_OF; i++) {
        cr_assert(slope[i] == 2 || slope[i] == 4, "slope %g", slope[i]);
        ones += slope[i] == 4;
    }
    cr_expect(ones > 4700 && ones < 5300, "%d of 10000 at p = 0.5", ones);
    Run exact = random_run("sum(straight_through(floor(a * 7), b / 3) - floor(a * 7))");
    cr_expect_eq(loss_of(&exact), 0);
}

/* --- predict ---------------------------------------------------------------------------------- */

static void expect_predicted(const char *draw, double a, double b)
{
    static char text[512];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: [2]}, s: {shape: [2]}}\nlayers:\n"
             "  - {name: u, expr: \"%s + 0 * x + 0 * s\"}\noutputs: {u: u}\nloss: mean(u)\n"
             "train: {optimizer: adam}\n",
             draw);
    Run run = run_of(text, 1);
    SET(&run, 0, 0.25, 0.75);
    SET(&run, 1, 2, 3);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, a, b);
}

Test(functions_random, predict_takes_means)
{
    const double euler = 0.57721566490153286;
    expect_predicted("normal(x, s)", 0.25, 0.75);
    expect_predicted("normal(1, s)", 1, 1);
    expect_predicted("normal_like(x)", 0, 0);
    expect_predicted("uniform(x, s)", 1.125, 1.875);
    expect_predicted("uniform_like(x)", 0.5, 0.5);
    expect_predicted("bernoulli(x)", 0.25, 0.75);
    expect_predicted("gumbel(x, s)", 0.25 + 2 * euler, 0.75 + 3 * euler);
    expect_predicted("gumbel_like(x)", euler, euler);
    expect_predicted("straight_through(bernoulli(x), x)", 0.25, 0.75);
}

/* What only the spread depends on is no part of predict. */
Test(functions_random, predict_does_not_compute_the_spread)
{
    Run run = run_of("model: m\ninputs: {x: {shape: [4]}, s: {shape: [4]}}\nlayers:\n"
                     "  - {name: u, expr: \"normal(x, exp(s))\"}\noutputs: {u: u}\n"
                     "loss: mean(u)\ntrain: {optimizer: adam}\n",
                     1);
    Graph *g = graph_of(&run, FN_predict);
    graph_sort(g);
    for (int i = 0; i < g->nodes.n; i++)
        cr_expect_neq(g->nodes.at[i]->op, OP_exp);
}

/* --- reports ---------------------------------------------------------------------------------- */

static void expect_wrong(const char *expr, const char *expected)
{
    static char layer[256];
    snprintf(layer, sizeof layer, "  - {name: u, expr: \"%s\"}\n", expr);
    wrong_model(model_of("[4]", layer), expected);
}

Test(functions_random, reports)
{
    expect_wrong("x + normal(0, 1)", "'normal_like(x)' draws as many as x holds");
    expect_wrong("x * uniform(0, 1)", "'uniform_like(x)' draws as many as x holds");
    expect_wrong("normal(x)", "normal takes 2 operands, not 1");
    expect_wrong("x + normal(x, x[:, 1:3])", "normal: shapes [N, 4] and [N, 2] do not match");
}
