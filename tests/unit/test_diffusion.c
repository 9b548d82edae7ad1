/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/functions_diffusion.c: DDPM's sampler draws new noise in each step and follows its posterior,
 * written out here; memory is that of one step. Schedules, DDIM and gradients: tests/torch/cases_diffusion.py.
 */
#include "../../runtime/nnrt_rand.h"
#include "rows_run.h"

enum { TIMES = 6, WIDE = 3, SAMPLES = 2 };

static const char *const text =
    "model: m\ninputs: {z: {shape: [3]}}\nnetworks:\n  net:\n    inputs: [x, t]\n    layers:\n"
    "      - {name: e, expr: \"0.3 * x + 0.01 * unsqueeze(t, axis=1)\"}\n"
    "layers:\n  - dense: {units: 1, name: d, input: z}\n"
    "loss: \"sum(square(denoise(net, start=z, steps=6, sampler=ddpm, beta_end=0.3))) + 0 * "
    "sum(d)\"\n"
    "train: {optimizer: adam}\n";

/* The loss of samples that begin at z, as Ho et al. (2020) have it: algorithm 2 with the smaller variance. */
static double sampled(const double *z, uint64_t seed)
{
    double x[SAMPLES * WIDE], beta[TIMES], kept[TIMES], sum = 0;
    for (int t = 0; t < TIMES; t++) {
        beta[t] = 1e-4 + (0.3 - 1e-4) * t / (TIMES - 1);
        kept[t] = (t ? kept[t - 1] : 1) * (1 - beta[t]);
    }
    memcpy(x, z, sizeof x);
    for (int turn = 0; turn < TIMES; turn++) {
        int t = TIMES - 1 - turn;
        double before = t ? kept[t - 1] : 1;
        nnrt_rand_key key = nnrt_rand_key_turn(nnrt_rand_key_of(seed, 5, 0), (uint64_t)turn);
        for (int i = 0; i < SAMPLES * WIDE; i++) {
            double noise = 0.3 * x[i] + 0.01 * t;
            double clean = (x[i] - sqrt(1 - kept[t]) * noise) / sqrt(kept[t]);
            clean = fmin(fmax(clean, -1), 1);
            x[i] = sqrt(before) * beta[t] / (1 - kept[t]) * clean +
                   sqrt(1 - beta[t]) * (1 - before) / (1 - kept[t]) * x[i] +
                   sqrt(beta[t] * (1 - before) / (1 - kept[t])) *
                       (double)nnrt_rand_normal(key, (uint64_t)i);
        }
    }
    for (int i = 0; i < SAMPLES * WIDE; i++)
        sum += x[i] * x[i];
    return sum;
}

Test(diffusion, ddpm_draws_in_each_step)
{
    Run run = run_of(text, SAMPLES);
    for (int i = 0; i < SAMPLES * WIDE; i++)
        run.in[0][i] = 0.4 * i - 1;
    for (uint64_t seed = 1; seed < 4; seed++) {
        Graph *g = graph_of(&run, FN_eval);
        InterpInput in = {
            .n = run.n, .inputs = run.in, .vars = run.var, .step = 1, .seed = seed, .calls = 5};
        Tensor *t = graph_interpret(g, &in, ctx.arena);
        double loss = 0;
        for (int i = 0; i < g->roots.n; i++)
            loss = g->roots.at[i].kind == ROOT_loss ? t[i].data[0] : loss;
        cr_expect_float_eq(loss, sampled(run.in[0], seed), 1e-5);
    }
}

/* Gradients through the loop draw the same numbers as the loop itself. */
Test(diffusion, gradients_through_the_sampler)
{
    Run run = run_of(text, 1);
    for (int i = 0; i < WIDE; i++)
        run.in[0][i] = 0.1 * i;
    check_gradients(&run);
}
