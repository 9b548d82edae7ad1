/* SPDX-License-Identifier: MIT */
/* rows_run.h: what the tests of layers, losses and metrics share: a model read from text, run by
 * the interpreter on numbers of the test, differentiated, and compared with differences.
 */
#ifndef ROWS_RUN_H
#define ROWS_RUN_H

#include <math.h>

#include "frontend_read.h"
#include "passes/passes.h"

enum { RUN_MAX = 48 };

typedef struct Run {
    Program *p;
    int64_t n; /* samples */
    double *in[RUN_MAX], *var[RUN_MAX];
} Run;

/* A number in [-1, 1) that depends on i alone. */
static UNUSED double number_of(int64_t i)
{
    uint64_t x = (uint64_t)(i + 1) * 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    return (double)(x >> 11) * 0x1p-52 - 1;
}

static UNUSED void fill(double *to, int64_t n, int64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = number_of(i + 1000 * seed);
}

/* A right model with n samples; inputs and weights hold numbers in [-1, 1), class indices 0. */
static UNUSED Run run_of(const char *text, int64_t n)
{
    Run run = {.p = good_model(text), .n = n};
    cr_assert(run.p->inputs.n <= RUN_MAX && run.p->vars.n <= RUN_MAX);
    for (int i = 0; i < run.p->inputs.n; i++) {
        const Input *input = &run.p->inputs.at[i];
        int64_t count = shape_elements(&input->shape, n);
        run.in[i] = calloc((size_t)count, sizeof **run.in);
        if (input->dtype == DT_f32)
            fill(run.in[i], count, i);
    }
    for (int i = 0; i < run.p->vars.n; i++) {
        int64_t count = shape_count(&run.p->vars.at[i]->shape);
        run.var[i] = calloc((size_t)count, sizeof **run.var);
        fill(run.var[i], count, 100 + i);
    }
    return run;
}

/* Numbers for input i. */
#define SET(run, i, ...)                                                                           \
    set_input(run, i, COUNT(((double[]){__VA_ARGS__})), (double[]){__VA_ARGS__})
static UNUSED void set_input(Run *run, int i, int64_t n, const double *from)
{
    cr_assert_eq(n, shape_elements(&run->p->inputs.at[i].shape, run->n));
    memcpy(run->in[i], from, sizeof *from * (size_t)n);
}

static UNUSED int var_index(const Run *run, const char *name)
{
    const Var *var = program_find_var(run->p, name);
    cr_assert_not_null(var, "no weight %s", name);
    return var->id;
}

static UNUSED Graph *graph_of(Run *run, Fn fn)
{
    Graph *g = model_graph(run->p, fn);
    cr_assert_not_null(g, "%s", reports());
    return g;
}

static UNUSED Tensor *evaluate(Run *run, const Graph *g)
{
    InterpInput in = {.n = run->n,
                      .inputs = run->in,
                      .vars = run->var,
                      .lr = 0.1,
                      .step = 1,
                      .seed = 7,
                      .calls = 1};
    return graph_interpret(g, &in, ctx.arena);
}

static UNUSED const Tensor *root_of(Run *run, const Graph *g, RootKind kind, int index)
{
    Tensor *t = evaluate(run, g);
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == kind && g->roots.at[i].index == index)
            return &t[i];
    cr_assert_fail("no root %d of kind %d", index, (int)kind);
    return NULL;
}

/* What an evaluation of the graph, which it changes variables by, left in one of them. */
static UNUSED const double *assigned(const Run *run, const Graph *g, const Tensor *t,
                                     const char *name)
{
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_assign && g->roots.at[i].index == var_index(run, name))
            return t[i].data;
    cr_assert_fail("%s is not assigned", name);
    return NULL;
}

static UNUSED const Tensor *output_of(Run *run)
{
    return root_of(run, graph_of(run, FN_predict), ROOT_output, 0);
}

static UNUSED double loss_of(Run *run)
{
    return root_of(run, graph_of(run, FN_grad), ROOT_loss, 0)->data[0];
}

static UNUSED double sum_of(Run *run, int i)
{
    return root_of(run, graph_of(run, FN_eval), ROOT_metric, i)->data[0];
}

/* The graph of loss and gradients. */
static UNUSED Graph *gradients_of(Run *run)
{
    Graph *g = graph_of(run, FN_grad);
    run->p->fn[FN_grad] = g;
    pass_autodiff(g);
    return g;
}

/* d loss / d input i */
static UNUSED const double *input_gradient(Run *run, int i)
{
    return root_of(run, gradients_of(run), ROOT_grad, run->p->vars.n + i)->data;
}

static UNUSED bool near(double a, double b, double tolerance)
{
    return a == b || fabs(a - b) <= tolerance * (1 + fabs(b)) || (isnan(a) && isnan(b));
}

#define EXPECT_NUMBERS(got, tolerance, ...)                                                        \
    expect_numbers(__LINE__, got, tolerance, COUNT(((double[]){__VA_ARGS__})),                     \
                   (double[]){__VA_ARGS__})
static UNUSED void expect_numbers(int line, const double *got, double tolerance, int n,
                                  const double *want)
{
    for (int i = 0; i < n; i++)
        cr_expect(near(got[i], want[i], tolerance), "line %d: number %d is %.12g, not %.12g", line,
                  i, got[i], want[i]);
}

static UNUSED void expect_shape(const Tensor *t, const char *want)
{
    char text[128];
    cr_expect_str_eq(shape_text(&t->shape, text), want);
}

/* One number of an input or weight moved up and down: the difference of the loss. */
static UNUSED double difference_at(Run *run, const Graph *g, double *at)
{
    const double step = 1e-5, here = *at;
    *at = here + step;
    double above = root_of(run, g, ROOT_loss, 0)->data[0];
    *at = here - step;
    double below = root_of(run, g, ROOT_loss, 0)->data[0];
    *at = here;
    return (above - below) / (2 * step);
}

/* Every gradient of the loss by f32 inputs and weights against differences. */
static UNUSED void check_gradients(Run *run)
{
    Graph *plain = graph_of(run, FN_grad), *g = gradients_of(run);
    int n_vars = run->p->vars.n, checked = 0;
    for (int i = 0; i < n_vars + run->p->inputs.n; i++) {
        bool is_var = i < n_vars;
        const Shape *shape =
            is_var ? &run->p->vars.at[i]->shape : &run->p->inputs.at[i - n_vars].shape;
        if (is_var ? run->p->vars.at[i]->kind != VAR_weight || run->p->vars.at[i]->frozen
                   : run->p->inputs.at[i - n_vars].dtype != DT_f32)
            continue;
        double *at = is_var ? run->var[i] : run->in[i - n_vars];
        const double *grad = root_of(run, g, ROOT_grad, i)->data;
        for (int64_t k = 0; k < shape_elements(shape, run->n); k++, checked++) {
            double want = difference_at(run, plain, &at[k]);
            cr_expect(near(grad[k], want, 1e-6),
                      "gradient of %s[%d] is %.9g; differences give %.9g",
                      is_var ? run->p->vars.at[i]->name : run->p->inputs.at[i - n_vars].name,
                      (int)k, grad[k], want);
        }
    }
    cr_assert_gt(checked, 0);
}

/* A model of one input `x`, layers, and a loss that every number of the last one is in. */
static UNUSED const char *model_of(const char *shape, const char *layers)
{
    static char text[4096];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: %s}}\nlayers:\n%s  - identity: {name: last}\noutputs: "
             "{y: last}\n"
             "loss: mean(last * last * last + last)\ntrain: {optimizer: adam}\n",
             shape, layers);
    return text;
}

#endif
