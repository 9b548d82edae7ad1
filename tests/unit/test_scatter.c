/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/scatter.c: with which optimisers a step goes over the rows of a table that occur
 * alone, and how the lists of positions are led to. */
#include "frontend_read.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "targets/targets.h"

/* The plan of the one table's gradient in a training step, batches of 4 samples of 3 tokens. */
static ScatterPlan plan_of(const char *count, const char *train, const char *layers)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "model: m\nvars: {count: %s}\ninputs: {x: {tokens: 5, shape: [3]}}\nlayers:\n"
             "  - embedding: {count: $count, dim: 2, name: e}\n%soutputs: {y: last}\n"
             "loss: mean(last * last)\ntrain: {batch: 4, %s}\n",
             count, layers, train);
    Program *p = good_model(text);
    p->target = target_find("x86-64-v3");
    p->fn[FN_train] = model_graph(p, FN_train);
    cr_assert_not_null(p->fn[FN_train], "%s", reports());
    const PassOptions options = {.keep_going = true};
    cr_assert(passes_run(p, &options));
    const Graph *g = p->fn[FN_train];
    for (int i = 0; i < g->kernels.n; i++)
        if (g->kernels.at[i]->kind == KERNEL_scatter)
            return ((const Lowered *)g->kernels.at[i]->lowered)->scatter;
    cr_assert_fail("no kernel adds up rows");
    return (ScatterPlan){0};
}

static const char plain[] = "  - identity: {name: last}\n";

Test(scatter, rows_that_occur)
{
    static const char *const alone[] = {
        "optimizer: {sgd: {lr: 0.1}}", "optimizer: {adagrad: {lr: 0.1}}",
        "optimizer: {adagrad: {lr: 0.1, lr_decay: 0.1}}", "optimizer: {adam: {lazy: true}}",
        "optimizer: {adam: {lazy: true, amsgrad: true, weight_decay: 0.1}}"};
    static const char *const all[] = {"optimizer: {sgd: {lr: 0.1, momentum: 0.9}}",
                                      "optimizer: {sgd: {lr: 0.1, weight_decay: 0.1}}",
                                      "optimizer: {adagrad: {lr: 0.1, weight_decay: 0.1}}",
                                      "optimizer: adam",
                                      "optimizer: adamw",
                                      "optimizer: rmsprop",
                                      "optimizer: {sgd: {lr: 0.1}}, clip_norm: 1",
                                      "optimizer: {sgd: {lr: 0.1}}, accumulate: 2"};
    for (int i = 0; i < COUNT(alone); i++)
        cr_expect(plan_of("70", alone[i], plain).sparse, "%s", alone[i]);
    for (int i = 0; i < COUNT(all); i++)
        cr_expect(!plan_of("70", all[i], plain).sparse, "%s", all[i]);
    cr_expect(
        !plan_of("70", alone[0], "  - dense: {units: 70, bias: false, shared: e, name: last}\n")
             .sparse,
        "a table that a product reads as well");
}

Test(scatter, lists)
{
    ScatterPlan few = plan_of("40", "optimizer: {sgd: {lr: 0.1}}", plain),
                many = plan_of("100000", "optimizer: {sgd: {lr: 0.1}}", plain),
                whole = plan_of("100000", "optimizer: adam", plain);
    cr_expect_eq(few.positions, 12);
    cr_expect_eq(few.slots, 40);
    cr_expect_eq(many.slots, 32);
    cr_expect_eq(many.words, 1 + 24 + 32 + 12);
    cr_expect_eq(whole.slots, 100000);
}
