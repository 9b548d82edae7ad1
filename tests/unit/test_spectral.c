/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/spectral.c: what a weight is divided by, what a step keeps, who takes it.
 * tests/torch/cases_spectral.py compares it with torch.nn.utils.spectral_norm. */
#include "rows_run.h"

static void set_var(Run *run, const char *name, int n, const double *from)
{
    memcpy(run->var[var_index(run, name)], from, sizeof *from * (size_t)n);
}

/* diag(4, 3), its vectors given as (0.6, 0.8) and (1, 0). */
static Run diagonal(const char *layers)
{
    Run run = run_of(model_of("[2]", layers), 1);
    set_var(&run, "a.weight_orig", 4, (double[]){4, 0, 0, 3});
    set_var(&run, "a.weight_u", 2, (double[]){0.6, 0.8});
    set_var(&run, "a.weight_v", 2, (double[]){1, 0});
    SET(&run, 0, 1, 1);
    return run;
}

static const char one[] = "  - dense: {units: 2, bias: false, spectral_norm: true, name: a}\n";

Test(spectral, by_what_is_kept_in_inference)
{
    Run run = diagonal(one);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 4 / 2.4, 3 / 2.4); /* u W v */
    cr_expect_null(
        graph_find_root(graph_of(&run, FN_eval), ROOT_assign, var_index(&run, "a.weight_u")));
}

static double loss_by(double a, double b)
{
    return (a * a * a + a + b * b * b + b) / 2;
}

Test(spectral, an_iteration_a_training_step)
{
    Run run = diagonal(one);
    const double r = sqrt(0.5); /* v = (2.4, 2.4), W v = (4, 3) r, over their lengths */
    const double want = loss_by(0.8 / r, 0.6 / r);
    cr_expect_float_eq(loss_of(&run), want, 1e-12); /* grad takes one as well, and keeps nothing */
    Graph *g = graph_of(&run, FN_train);
    const Tensor *t = evaluate(&run, g);
    EXPECT_NUMBERS(assigned(&run, g, t, "a.weight_v"), 1e-12, r, r);
    EXPECT_NUMBERS(assigned(&run, g, t, "a.weight_u"), 1e-12, 0.8, 0.6);
    cr_expect_null(
        graph_find_root(graph_of(&run, FN_grad), ROOT_assign, var_index(&run, "a.weight_u")));
}

/* Each place goes on from where the one before left off. */
Test(spectral, shared)
{
    static char two[256];
    snprintf(two, sizeof two, "%s  - dense: {units: 2, bias: false, shared: a}\n", one);
    Run run = diagonal(two);
    const double to = sqrt(3.2 * 3.2 + 1.8 * 1.8); /* W (0.8, 0.6) */
    EXPECT_NUMBERS(
        root_of(&run, graph_of(&run, FN_train), ROOT_assign, var_index(&run, "a.weight_v"))->data,
        1e-12, 3.2 / to, 1.8 / to);
}

Test(spectral, variables)
{
    Program *p = good_model(model_of(
        "[2, 4, 4]", "  - conv_transpose2d: {out: 3, kernel: 2, spectral_norm: true, name: c}\n"));
    const Var *w = program_find_var(p, "c.weight_orig"), *u = program_find_var(p, "c.weight_u"),
              *v = program_find_var(p, "c.weight_v");
    cr_assert(w && u && v && !program_find_var(p, "c.weight"));
    cr_expect(w->kind == VAR_weight && u->kind == VAR_buffer && v->kind == VAR_buffer);
    cr_expect_eq(u->shape.dim[0], 3); /* [2, 3, 2, 2]: by output channel */
    cr_expect_eq(v->shape.dim[0], 8);
}
