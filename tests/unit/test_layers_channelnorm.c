/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_channelnorm.c: batchnorm, groupnorm and instancenorm against
 * their formulas worked out here, in training and inference, gradients against differences, the
 * running statistics after a step, and what is said of wrong arguments.
 */
#include "rows_run.h"

#define WRONG(shape, layers, expected) wrong_model(model_of(shape, layers), expected)

typedef struct Moments { /* var is biased */
    double mean, var;
} Moments;

/* Of channels c to c + n_c - 1 of samples s to s + n_s - 1 in x [.., C, pixels]. */
static Moments moments_of(const double *x, int channels, int pixels, int s, int n_s, int c, int n_c)
{
    Moments m = {0};
    int count = n_s * n_c * pixels;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < count; i++) {
            int at =
                ((s + i / (n_c * pixels)) * channels + c + i / pixels % n_c) * pixels + i % pixels;
            if (pass == 0)
                m.mean += x[at] / count;
            else
                m.var += (x[at] - m.mean) * (x[at] - m.mean) / count;
        }
    return m;
}

static const double *var_of(Run *run, const char *name)
{
    return run->var[var_index(run, name)];
}

/* The loss of model_of for what the layers give. */
static double loss_by(const double *y, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (y[i] * y[i] * y[i] + y[i]) / n;
    return sum;
}

/* --- batchnorm -------------------------------------------------------------------------------- */

static void check_training(const char *shape, int n, int channels, int pixels, bool affine)
{
    char layer[128];
    snprintf(layer, sizeof layer, "  - batchnorm: {eps: 0.25, affine: %s, name: bn}\n",
             affine ? "true" : "false");
    Run run = run_of(model_of(shape, layer), n);
    double y[256];
    for (int i = 0; i < n * channels * pixels; i++) {
        int c = i / pixels % channels;
        Moments m = moments_of(run.in[0], channels, pixels, 0, n, c, 1);
        y[i] = (run.in[0][i] - m.mean) / sqrt(m.var + 0.25);
        if (affine)
            y[i] = y[i] * var_of(&run, "bn.weight")[c] + var_of(&run, "bn.bias")[c];
    }
    double want = loss_by(y, n * channels * pixels);
    cr_expect(near(loss_of(&run), want, 1e-12), "%s: %.12g, not %.12g", shape, loss_of(&run), want);
    cr_expect_eq(run.p->vars.n, affine ? 4 : 2);
    check_gradients(&run);
}

Test(layers_channelnorm, batchnorm_in_training)
{
    check_training("[3]", 4, 3, 1, true);
    check_training("[3, 2]", 3, 3, 2, true);
    check_training("[2, 3, 2]", 2, 2, 6, true);
    check_training("[2, 2, 1, 2]", 2, 2, 4, false);
    check_training("[2, 2, 2]", 1, 2, 4, true);
    check_training("[3]", 1, 3, 1, true); /* one value a channel: its deviation is 0 */
}

Test(layers_channelnorm, batchnorm_in_inference)
{
    Run run = run_of(model_of("[2, 2, 2]", "  - batchnorm: {eps: 0.5, name: bn}\n"), 2);
    const double *w = var_of(&run, "bn.weight"), *b = var_of(&run, "bn.bias"),
                 *mean = var_of(&run, "bn.running_mean");
    double *var = run.var[var_index(&run, "bn.running_var")];
    var[0] = 3;
    var[1] = 0.25;
    const Tensor *y = output_of(&run);
    expect_shape(y, "[2, 2, 2, 2]");
    for (int i = 0; i < 16; i++) {
        int c = i / 4 % 2;
        double want = (run.in[0][i] - mean[c]) / sqrt(var[c] + 0.5) * w[c] + b[c];
        cr_expect(near(y->data[i], want, 1e-12), "%d: %g, not %g", i, y->data[i], want);
    }
}

Test(layers_channelnorm, batchnorm_begins_as_in_pytorch)
{
    Program *p = good_model(model_of("[3, 2, 2]", "  - batchnorm: {name: bn}\n"));
    static const char *const names[] = {"bn.weight", "bn.bias", "bn.running_mean",
                                        "bn.running_var"};
    for (int i = 0; i < 4; i++) {
        const Var *var = p->vars.at[i];
        cr_expect_str_eq(var->name, names[i]);
        cr_expect(var->init.kind == INIT_constant && var->init.a == (i == 0 || i == 3));
        cr_expect_eq(var->kind, i < 2 ? VAR_weight : VAR_buffer);
        cr_expect(var->shape.rank == 1 && var->shape.dim[0] == 3);
    }
}

/* The running statistics that a call of the function assigns; NAN where it assigns none. */
static void running(Run *run, Fn fn, double *mean, double *var)
{
    static const char *const names[] = {"bn.running_mean", "bn.running_var"};
    double *to[2] = {mean, var};
    for (int k = 0; k < 2; k++) {
        double mean_before[2], var_before[2];
        memcpy(mean_before, var_of(run, names[0]), sizeof mean_before);
        memcpy(var_before, var_of(run, names[1]), sizeof var_before);
        Graph *g = graph_of(run, fn);
        int id = var_index(run, names[k]);
        to[k][0] = to[k][1] = NAN;
        if (graph_find_root(g, ROOT_assign, id))
            memcpy(to[k], root_of(run, g, ROOT_assign, id)->data, 2 * sizeof(double));
        memcpy(run->var[var_index(run, names[0])], mean_before, sizeof mean_before);
        memcpy(run->var[var_index(run, names[1])], var_before, sizeof var_before);
    }
}

static Run run_with(const char *shape, const char *layers, int n, const double *mean,
                    const double *var)
{
    Run run = run_of(model_of(shape, layers), n);
    memcpy(run.var[var_index(&run, "bn.running_mean")], mean, 2 * sizeof *mean);
    memcpy(run.var[var_index(&run, "bn.running_var")], var, 2 * sizeof *var);
    return run;
}

Test(layers_channelnorm, running_statistics)
{
    const double old_mean[] = {0.5, -2}, old_var[] = {3, 0.5};
    Run run =
        run_with("[2, 3]", "  - batchnorm: {momentum: 0.25, name: bn}\n", 2, old_mean, old_var);
    double mean[2], var[2];
    for (int k = 0; k < 2; k++) {
        running(&run, k ? FN_train : FN_accumulate, mean, var);
        for (int c = 0; c < 2; c++) {
            Moments m = moments_of(run.in[0], 2, 3, 0, 2, c, 1);
            cr_expect(near(mean[c], 0.75 * old_mean[c] + 0.25 * m.mean, 1e-12));
            cr_expect(near(var[c], 0.75 * old_var[c] + 0.25 * m.var * 6 / 5, 1e-12));
        }
    }
    running(&run, FN_grad, mean, var);
    cr_expect(isnan(mean[0]) && isnan(var[1]), "grad moves running statistics");
    running(&run, FN_eval, mean, var);
    cr_expect(isnan(mean[0]) && isnan(var[1]), "eval moves running statistics");
}

Test(layers_channelnorm, running_variance_of_one_value)
{
    Run run = run_with("[2]", "  - batchnorm: {momentum: 0.25, name: bn}\n", 1, (double[]){0, 1},
                       (double[]){3, 5});
    SET(&run, 0, 8, -4);
    double mean[2], var[2];
    running(&run, FN_train, mean, var);
    EXPECT_NUMBERS(var, 0, 3, 5);
    EXPECT_NUMBERS(mean, 1e-12, 2, -0.25);
}

/* A shared layer that runs twice moves its statistics twice, by one assignment. */
Test(layers_channelnorm, shared_statistics)
{
    Run run = run_of(model_of("[2]", "  - batchnorm: {momentum: 0.5, name: bn}\n"
                                     "  - {name: z, expr: bn * 3 + 1}\n"
                                     "  - batchnorm: {momentum: 0.5, shared: bn}\n"),
                     2);
    Graph *g = graph_of(&run, FN_train);
    int id = var_index(&run, "bn.running_mean"), assigns = 0;
    for (int i = 0; i < g->roots.n; i++)
        assigns += g->roots.at[i].kind == ROOT_assign && g->roots.at[i].index == id;
    cr_expect_eq(assigns, 1);
    cr_expect_eq(run.p->vars.n, 4);
    const double *b = var_of(&run, "bn.bias");
    double first[2], want[2];
    for (int c = 0; c < 2; c++) {
        first[c] = (run.in[0][c] + run.in[0][2 + c]) / 2;
        want[c] = 0.5 * (0.5 * run.var[id][c] + 0.5 * first[c]) + 0.5 * (3 * b[c] + 1);
    }
    const Tensor *got = root_of(&run, g, ROOT_assign, id);
    for (int c = 0; c < 2; c++)
        cr_expect(near(got->data[c], want[c], 1e-12), "%g, not %g", got->data[c], want[c]);
    check_gradients(&run);
}

Test(layers_channelnorm, frozen_statistics_move)
{
    Run run = run_of(model_of("[2]", "  - dense: 2\n  - batchnorm: {frozen: true, name: bn}\n"), 2);
    Graph *g = gradients_of(&run);
    cr_expect_null(graph_find_root(g, ROOT_grad, var_index(&run, "bn.weight")));
    g = graph_of(&run, FN_train);
    cr_expect_not_null(graph_find_root(g, ROOT_assign, var_index(&run, "bn.running_mean")));
    check_gradients(&run);
}

Test(layers_channelnorm, batchnorm_reports)
{
    WRONG("[]", "  - batchnorm\n", "batchnorm takes [N, C, ...], not [N]");
    WRONG("[3, 2]", "  - permute: [1, 0, 2]\n  - batchnorm\n", "batchnorm takes [N, C, ...]");
    WRONG("[3]", "  - batchnorm: {eps: -1e-5}\n", "batchnorm: eps is below 0");
    WRONG("[3]", "  - batchnorm: 1.5\n", "momentum is the share of the new");
    WRONG("[3]", "  - batchnorm: {momentum: -0.1}\n", "momentum is the share of the new");
}

/* --- groupnorm, instancenorm ------------------------------------------------------------------ */

static void check_sample(const char *layer, const char *shape, int channels, int pixels, int each,
                         double eps, bool affine)
{
    Run run = run_of(model_of(shape, layer), 2);
    const Tensor *y = output_of(&run);
    for (int i = 0; i < 2 * channels * pixels; i++) {
        int s = i / pixels / channels, c = i / pixels % channels;
        Moments m = moments_of(run.in[0], channels, pixels, s, 1, c / each * each, each);
        double want = (run.in[0][i] - m.mean) / sqrt(m.var + eps);
        if (affine)
            want = want * var_of(&run, "n.weight")[c] + var_of(&run, "n.bias")[c];
        cr_expect(near(y->data[i], want, 1e-12), "%s %s: number %d is %g, not %g", layer, shape, i,
                  y->data[i], want);
    }
    cr_expect_eq(run.p->vars.n, affine ? 2 : 0);
    if (affine) {
        cr_expect_eq(program_find_var(run.p, "n.weight")->init.a, 1);
        cr_expect_eq(program_find_var(run.p, "n.bias")->init.a, 0);
    }
    check_gradients(&run);
}

Test(layers_channelnorm, groupnorm)
{
    check_sample("  - groupnorm: {groups: 2, eps: 0.5, name: n}\n", "[4, 2, 3]", 4, 6, 2, 0.5,
                 true);
    check_sample("  - groupnorm: {groups: 1, name: n}\n", "[4, 2]", 4, 2, 4, 1e-5, true);
    check_sample("  - groupnorm: {groups: 2, affine: false}\n", "[6]", 6, 1, 3, 1e-5, false);
    check_sample("  - groupnorm: {groups: 3, eps: 0.5, name: n}\n", "[3, 2, 2]", 3, 4, 1, 0.5,
                 true);
}

Test(layers_channelnorm, instancenorm)
{
    check_sample("  - instancenorm\n", "[3, 4]", 3, 4, 1, 1e-5, false);
    check_sample("  - instancenorm: {eps: 0.5, affine: true, name: n}\n", "[2, 2, 3]", 2, 6, 1, 0.5,
                 true);
}

Test(layers_channelnorm, groupnorm_reports)
{
    WRONG("[6, 2]", "  - groupnorm: 4\n", "groups: 4 does not divide 6 channels");
    WRONG("[6, 2]", "  - groupnorm: 0\n", "groups: 0 does not divide 6 channels");
    WRONG("[6, 2]", "  - groupnorm: -2\n", "groups: -2 does not divide 6 channels");
    WRONG("[6, 2]", "  - groupnorm\n", "'groups' is missing");
    WRONG("[6, 2]", "  - groupnorm: {groups: 2, eps: -1}\n", "eps is below 0");
    WRONG("[6]", "  - instancenorm\n", "with one more axis at least, not [N, 6]");
}
