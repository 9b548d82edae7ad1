/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/gradients.c: what stands for gradient(y, x) is the slope of the sum of y, in every function and
 * in the body of a scan; its own gradients are slopes again; what cannot be is reported where it stands. */
#include "rows_run.h"

#include "ops/ops.h"

static void build(Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_scan)
            build(g->nodes.at[i]->attr->scan->body);
    pass_gradients(g);
    graph_verify(g, "gradients");
    for (int i = 0; i < g->nodes.n; i++)
        cr_assert_neq(g->nodes.at[i]->op, OP_gradient);
}

static Graph *built(Run *run, Fn fn)
{
    Graph *g = graph_of(run, fn);
    build(g);
    cr_assert_eq(ctx.diag.errors, 0, "%s", reports());
    return g;
}

static double total(const Tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < shape_count(&t->shape); i++)
        sum += t->data[i];
    return sum;
}

/* Output 1 is the gradient of the sum of output 0 by input 0. */
static void check_output(const char *text)
{
    Run run = run_of(text, 3);
    Graph *g = built(&run, FN_predict);
    const Tensor *d = root_of(&run, g, ROOT_output, 1);
    const double eps = 1e-5;
    for (int64_t i = 0, n = shape_count(&d->shape); i < n; i++) {
        double here = run.in[0][i];
        run.in[0][i] = here + eps;
        double above = total(root_of(&run, g, ROOT_output, 0));
        run.in[0][i] = here - eps;
        double below = total(root_of(&run, g, ROOT_output, 0));
        run.in[0][i] = here;
        cr_assert(near(d->data[i], (above - below) / (2 * eps), 1e-6), "%d: %g, slope %g", (int)i,
                  d->data[i], (above - below) / (2 * eps));
    }
}

/* The gradients of the loss, which is made of gradients, by every weight. */
static void check_loss(const char *text)
{
    Run run = run_of(text, 2);
    Graph *g = built(&run, FN_grad);
    pass_autodiff(g);
    graph_verify(g, "autodiff");
    cr_assert_eq(ctx.diag.errors, 0, "%s", reports());
    for (int v = 0; v < run.p->vars.n; v++) {
        const Var *var = run.p->vars.at[v];
        if (var->kind != VAR_weight)
            continue;
        const Tensor *d = root_of(&run, g, ROOT_grad, v);
        for (int64_t i = 0, n = shape_count(&var->shape); i < n; i++) {
            double slope = difference_at(&run, g, &run.var[v][i]);
            cr_assert(near(d->data[i], slope, 1e-4), "%s %d: %g, slope %g", var->name, (int)i,
                      d->data[i], slope);
        }
    }
}

#define X     "inputs: {x: {shape: [5, 3]}}\nlayers:\n"
#define IMAGE "inputs: {x: {shape: [2, 6, 5]}}\nlayers:\n"

Test(gradients, an_output)
{
    check_output(X "  - dense: {units: 4, activation: tanh, name: y}\n"
                   "outputs: {y: y, g: \"gradient(y, x)\"}\n");
    check_output(X "  - lstm: {hidden: 3, name: y}\noutputs: {y: y, g: \"gradient(y, x)\"}\n");
    check_output(X "  - {name: a, expr: x ** 3}\n  - {name: y, expr: \"gradient(a * sin(x), x)\"}\n"
                   "outputs: {y: y, g: \"gradient(y, x)\"}\n");
    check_output(
        IMAGE "  - conv2d: {out: 3, kernel: 4, stride: 2, padding: 1, activation: silu, name: y}\n"
              "outputs: {y: y, g: \"gradient(y, x)\"}\n");
    check_output(X "  - {name: y, expr: x}\noutputs: {y: y, g: \"gradient(x, x)\"}\n");
}

Test(gradients, a_penalty)
{
    check_loss(X "  - dense: {units: 4, activation: tanh, name: y}\noutputs: {y: y}\n"
                 "loss: \"mean((sqrt(sum(gradient(y, x) ** 2, axis=[1, 2])) - 1) ** 2)\"\n");
    check_loss(X "  - gru: {hidden: 2, name: y}\noutputs: {y: y}\nloss: \"mean(gradient(y * y, x) "
                 "** 2)\"\n");
    check_loss(X "  - dense: {units: 4, name: a}\n  - attention: {heads: 2, causal: true, name: "
                 "y}\noutputs: {y: y}\n"
                 "loss: \"mean(gradient(sin(y), a) ** 2)\"\n");
    check_loss(
        IMAGE
        "  - conv2d: {out: 3, kernel: 3, stride: 2, padding: 1, activation: silu}\n  - batchnorm\n"
        "  - maxpool2d: {kernel: 2, stride: 1, name: y}\noutputs: {y: y}\n"
        "loss: \"mean(gradient(sin(y), x) ** 2)\"\n");
}

#define BODY(gradient)                                                                             \
    "inputs: {x: {shape: [4, 3]}, z: {shape: [2]}}\nlayers:\n  - scan:\n      input: x\n      "    \
    "name: y\n"                                                                                    \
    "      state: {h: {shape: 2, next: n}}\n      body:\n        - concat: {input: [input, h, "    \
    "z], name: all}\n"                                                                             \
    "        - dense: {units: 2, activation: tanh, name: n}\n"                                     \
    "        - {name: g, expr: \"" gradient                                                        \
    "\"}\n        - {name: o, expr: \"sum(n, axis=1, keepdims=true) + sum(g * g, axis=1, "         \
    "keepdims=true)\"}\n"                                                                          \
    "outputs: {y: y}\nloss: mean(y * y)\n"

Test(gradients, in_the_body_of_a_scan)
{
    check_loss(BODY("gradient(n * n, input)"));
    check_loss(BODY("gradient(n * n, h)"));
    check_loss(BODY("gradient(n * n, all)"));
    check_loss(BODY("gradient(z ** 3, z)"));
}

/* --- what cannot be --------------------------------------------------------------------------- */

static void refused(const char *text, Fn fn, const char *where, const char *why)
{
    Run run = run_of(text, 2);
    Graph *g = graph_of(&run, fn);
    build(g);
    pass_autodiff(g);
    cr_expect(strstr(reports(), where) && strstr(reports(), why), "'%s' '%s': said\n%s", where, why,
              reports());
    cr_expect_eq(ctx.diag.errors, 1);
}

Test(gradients, refusals)
{
    refused(X "  - dense: {units: 4, name: y}\noutputs: {y: y, g: \"gradient(y, x * 2)\"}\n",
            FN_predict, "4:", "'y' does not depend on 'mul'");
    refused(X "  - dense: {units: 4, name: y}\noutputs: {y: y, g: \"gradient(floor(y), x)\"}\n",
            FN_predict, "4:", "'floor' does not depend on 'x'");
    refused(BODY("gradient(n * n, z)"), FN_grad, "10:", "the same in every step");
    refused("inputs: {x: {shape: [6, 4]}, t: {classes: 4, shape: [2]}}\nlayers:\n  - {name: l, "
            "expr: \"ctc(x, t)\"}\n"
            "  - dense: {units: 1, input: x, name: d}\n"
            "outputs: {d: d}\nloss: \"mean(gradient(l, x) ** 2) + mean(d)\"\n",
            FN_grad, "3:", "cannot be differentiated again");
}

/* --- decoding --------------------------------------------------------------------------------- */

Test(gradients, of_what_no_token_goes_into_may_be_decoded)
{
    Run run =
        run_of("inputs: {x: {tokens: 5, shape: [6]}, z: {shape: [6, 4]}}\nlayers:\n"
               "  - embedding: {count: 5, dim: 4, input: x, name: e}\n"
               "  - {name: s, expr: \"e * gradient(sin(z), z)\"}\n  - dense: 5\ngenerate: {}\n",
               1);
    const Graph *whole = model_scores(run.p);
    Graph *step = decode_graph(whole, FN_step, 1);
    cr_assert_not_null(step, "%s", reports());
    build(step);
    build(decode_encoder(whole));
    cr_expect_eq(ctx.diag.errors, 0, "%s", reports());
}

Test(gradients, of_tokens_are_not_decoded)
{
    Run run = run_of("inputs: {x: {tokens: 5, shape: [6]}}\nlayers:\n  - embedding: {count: 5, "
                     "dim: 4, name: e}\n"
                     "  - {name: s, expr: \"gradient(sin(e), e)\"}\n  - dense: 5\ngenerate: {}\n",
                     1);
    cr_expect_null(decode_graph(model_scores(run.p), FN_step, 1));
    cr_expect(strstr(reports(), "still to come"), "%s", reports());
}
