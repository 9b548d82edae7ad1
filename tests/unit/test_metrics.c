/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/metrics.c: the sums of every metric against counts made by hand, ties
 * and NaN among the logits, ignored classes, 0/1 targets, and what is said of wrong calls.
 */
#include "rows_run.h"

static const char *metric_model(const char *x, const char *t, const char *metric)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {%s}, t: {%s}}\nlayers:\n  - identity: {input: x, name: p}\n"
             "loss: sum(p)\nmetrics: {it: \"%s\"}\ntrain: {optimizer: adam}\n",
             x, t, metric);
    return text;
}

static Run metric_run(const char *x, const char *t, const char *metric, int64_t n)
{
    return run_of(metric_model(x, t, metric), n);
}

static void expect_share(Run *run, double right, double count)
{
    cr_expect_eq(sum_of(run, 0), right, "%g are right, not %g", sum_of(run, 0), right);
    cr_expect_eq(sum_of(run, 1), count);
    cr_expect_eq(run->p->metrics.at[0].finish, FINISH_mean);
    cr_expect_eq(run->p->n_sums, 2);
}

#define WRONG(x, t, metric, expected) wrong_model(metric_model(x, t, metric), expected)

/* Of equal logits the first counts, as argmax has it; a NaN comes before all numbers. */
#define LOGITS                                                                                     \
    1, 3, 3, 0,       /* 1: right */                                                               \
        1, 3, 3, 0,   /* 2: tied, second */                                                        \
        2, 2, 2, 2,   /* 0: right */                                                               \
        0, NAN, 5, 0, /* 2: behind the NaN */                                                      \
        0, NAN, 5, 0, /* 1: NaN itself */                                                          \
        5, 1, 0, 9    /* 3: right */

Test(metrics, accuracy_of_classes)
{
    Run run = metric_run("shape: [4]", "classes: 4", "accuracy(p, t)", 6);
    SET(&run, 0, LOGITS);
    SET(&run, 1, 1, 2, 0, 2, 1, 3);
    expect_share(&run, 3, 6);
    Run some = metric_run("shape: [4]", "classes: 4", "accuracy(p, t, ignore=1)", 6);
    SET(&some, 0, LOGITS);
    SET(&some, 1, 1, 2, 0, 2, 1, 3);
    expect_share(&some, 2, 4);
    cr_expect(some.p->inputs.at[1].has_ignore && some.p->inputs.at[1].ignore == 1);
    Run none = metric_run("shape: [4]", "classes: 4", "accuracy(p, t, ignore=-1)", 6);
    SET(&none, 1, -1, -1, -1, -1, -1, -1);
    expect_share(&none, 0, 0);
}

Test(metrics, accuracy_along_another_axis)
{
    Run run = metric_run("shape: [3, 2]", "classes: 3, shape: [2]", "accuracy(p, t)", 1);
    SET(&run, 0, 1, 9, 2, 8, 3, 7);
    SET(&run, 1, 2, 1);
    expect_share(&run, 1, 2);
    Run named = metric_run("shape: [2, 2]", "classes: 2, shape: [2]", "accuracy(p, t, axis=2)", 1);
    SET(&named, 0, 1, 2, 4, 3);
    SET(&named, 1, 1, 1);
    expect_share(&named, 1, 2);
}

Test(metrics, accuracy_of_probabilities)
{
    Run run = metric_run("shape: [2]", "shape: [2]", "accuracy(p, t)", 3);
    SET(&run, 0, 0.6, 0.5, 0.4, 0.9, NAN, NAN);
    SET(&run, 1, 1, 1, 0, 0, 1, 0);
    expect_share(&run, 2, 6);
    Run label = metric_run("shape: [1]", "classes: 2", "accuracy(p, t)", 4);
    SET(&label, 0, 0.6, 0.5, 0.5, 0.1);
    SET(&label, 1, 1, 1, 0, 1);
    expect_share(&label, 2, 4);
    Run list = metric_run("shape: []", "classes: 2", "accuracy(p, t)", 2);
    SET(&list, 0, 0.6, 0.7);
    SET(&list, 1, 1, 0);
    expect_share(&list, 1, 2);
}

Test(metrics, top_k)
{
    Run two = metric_run("shape: [4]", "classes: 4", "top_k(p, t, k=2)", 6);
    SET(&two, 0, LOGITS);
    SET(&two, 1, 1, 2, 2, 2, 1, 0);
    expect_share(&two, 4, 6);
    Run one = metric_run("shape: [4]", "classes: 4", "top_k(p, t, k=1)", 6);
    SET(&one, 0, LOGITS);
    SET(&one, 1, 1, 2, 0, 2, 1, 3);
    expect_share(&one, 3, 6);
    Run some = metric_run("shape: [6]", "classes: 6", "top_k(p, t, ignore=5)", 2);
    SET(&some, 0, 1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1);
    SET(&some, 1, 0, 5);
    expect_share(&some, 0, 1);
}

Test(metrics, of_numbers)
{
    Run rmse = metric_run("shape: [2]", "shape: [2]", "rmse(p, t)", 2);
    SET(&rmse, 0, 1, 2, 3, 4);
    SET(&rmse, 1, 1, 0, 6, 4);
    cr_expect_eq(sum_of(&rmse, 0), 13);
    cr_expect_eq(sum_of(&rmse, 1), 4);
    cr_expect_eq(rmse.p->metrics.at[0].finish, FINISH_root_mean);
    Run mae = metric_run("shape: [1]", "shape: []", "mae(p, t)", 3);
    SET(&mae, 0, 1, 2, 3);
    SET(&mae, 1, 3, 2, 2);
    expect_share(&mae, 3, 3);
    Run r2 = metric_run("shape: []", "shape: []", "r2(p, t)", 3);
    SET(&r2, 0, 1, 2, 3);
    SET(&r2, 1, 3, 2, -2);
    static const double want[] = {29, 3, 17, 3};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(sum_of(&r2, i), want[i]);
    cr_expect_eq(r2.p->metrics.at[0].finish, FINISH_r2);
    cr_expect_eq(r2.p->n_sums, 4);
}

/* Sums a class: right, taken for it, having it; then how many count. */
Test(metrics, counts_of_classes)
{
    Run run = metric_run("shape: [4]", "classes: 4", "precision(p, t)", 6);
    SET(&run, 0, LOGITS);
    SET(&run, 1, 1, 2, 0, 2, 1, 3);
    cr_expect_eq(run.p->n_sums, 13);
    cr_expect_eq(run.p->metrics.at[0].classes, 4);
    cr_expect(run.p->metrics.at[0].larger);
    /* right: 0, 1, 3; taken: 0 and 3 once, 1 twice (the NaNs for none); having it: 1, 2, 2, 1 */
    static const double right[] = {1, 1, 0, 1}, taken[] = {1, 2, 0, 1}, has[] = {1, 2, 2, 1};
    const double *const sums[] = {right, taken, has};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            cr_expect_eq(root_of(&run, graph_of(&run, FN_eval), ROOT_metric, 4 * i)->data[k],
                         sums[i][k]);
    cr_expect_eq(sum_of(&run, 12), 6);
}

Test(metrics, counts_of_pairs)
{
    static const double want[] = {2, 3, 2, 4};
    Run run = metric_run("shape: [2]", "shape: [2]", "f1(p, t, threshold=0.3)", 2);
    SET(&run, 0, 0.4, 0.5, 0.2, 0.9);
    SET(&run, 1, 1, 0, 0, 1);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(sum_of(&run, i), want[i]);
    cr_expect_eq(run.p->metrics.at[0].classes, 0);
}

/* 3 probabilities of class 0 and 1: bins of a half, the last one with its end. */
Test(metrics, bins_of_confidence)
{
    Run run = metric_run("shape: [2]", "classes: 2", "ece(p, t, bins=4, from_logits=false)", 3);
    SET(&run, 0, 0.5, 0.5, 0.25, 0.75, 0, 1);
    SET(&run, 1, 1, 1, 1);
    static const double count[] = {0, 0, 1, 2}, said[] = {0, 0, 0.5, 1.75}, right[] = {0, 0, 0, 2};
    const double *const sums[] = {count, said, right};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            cr_expect_eq(root_of(&run, graph_of(&run, FN_eval), ROOT_metric, 4 * i)->data[k],
                         sums[i][k]);
}

/* What a program keeps: scores with the classes last, targets, -1 where they do not count; accuracy its own for a
 * report, but not in training. A library keeps nothing. */
Test(metrics, what_is_kept)
{
    const char *text =
        metric_model("shape: [2, 2]", "classes: 2, shape: [2]", "auc(p, t, axis=1, ignore=1)");
    Run run = run_of(text, 1);
    cr_expect_eq(run.p->kept.n, 0);
    ModelOptions options = {.program = true};
    start(text, strlen(text));
    run.p = model_read(&ctx, &options, text, strlen(text));
    cr_assert_not_null(run.p, "%s", reports());
    SET(&run, 0, 1, 2, 3, 4);
    SET(&run, 1, 0, 1);
    cr_assert_eq(run.p->kept.n, 2);
    cr_expect(run.p->kept.at[0].count == 4 && run.p->kept.at[1].count == 2);
    static const double scores[] = {1, 3, 2, 4}, targets[] = {0, -1};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(root_of(&run, graph_of(&run, FN_train), ROOT_kept, 0)->data[i], scores[i]);
    for (int i = 0; i < 2; i++)
        cr_expect_eq(root_of(&run, graph_of(&run, FN_eval), ROOT_kept, 1)->data[i], targets[i]);
    text = metric_model("shape: [3]", "classes: 3", "accuracy(p, t)");
    start(text, strlen(text));
    run.p = model_read(&ctx, &options, text, strlen(text));
    cr_assert(run.p && run.p->kept.n == 2 && run.p->metrics.at[0].report);
    cr_expect_not_null(graph_find_root(graph_of(&run, FN_eval), ROOT_kept, 1));
    cr_expect_null(graph_find_root(graph_of(&run, FN_train), ROOT_kept, 0));
}

Test(metrics, reports)
{
    WRONG("shape: [3]", "classes: 4", "accuracy(p, t)",
          "'t' has 4 classes, axis 1 of the logits only 3");
    WRONG("shape: [3]", "classes: 3, shape: [2]", "accuracy(p, t)", "do not match");
    WRONG("shape: [3, 3]", "classes: 3, shape: [3]", "accuracy(p, t)", "say which by axis=");
    WRONG("shape: [3]", "shape: [3]", "accuracy(p, t, ignore=1)",
          "targets are 0 or 1, not classes");
    WRONG("shape: [3]", "classes: 3", "top_k(p, t, k=4)", "top_k: k is 4; there are 3 classes");
    WRONG("shape: [3]", "classes: 3", "top_k(p, t, k=0)", "top_k: k is 0");
    WRONG("shape: [3]", "shape: [3]", "top_k(p, t, k=2)", "class indices are integers");
    WRONG("shape: [3]", "shape: [2]", "rmse(p, t)", "rmse: shapes [N, 3] and [N, 2] do not match");
    WRONG("shape: [3]", "shape: [3]", "rmsee(p, t)", "did you mean 'rmse'?");
}

/* --- rows of scores --------------------------------------------------------------------------- */

Test(metrics, hit_rate)
{
    /* ranks of the wanted: 0, 2 (a tie before it), 3 */
    Run run = metric_run("shape: [4]", "classes: 4", "hit_rate(p, t, k=2)", 3);
    SET(&run, 0, 4, 1, 2, 3, 5, 9, 5, 1, 0.5, 7, 8, 9);
    SET(&run, 1, 0, 2, 0);
    expect_share(&run, 1, 3);
    Run rows = metric_run("shape: [4]", "shape: [4]", "hit_rate(p, t, k=2)", 2);
    SET(&rows, 0, 4, 1, 2, 3, 5, 9, 5, 1);
    SET(&rows, 1, 0, 1, 0, 0.5, 0, 0, 1, 1);
    expect_share(&rows, 1, 2);
    WRONG("shape: [4]", "shape: [4]", "hit_rate(p, t, k=0)", "k is 1 or more");
    WRONG("shape: [4, 2]", "shape: [4, 2]", "ndcg(p, t)", "scores are a row a sample");
}

Test(metrics, ndcg)
{
    Run run = metric_run("shape: [4]", "classes: 4", "ndcg(p, t, k=3)", 3);
    SET(&run, 0, 4, 1, 2, 3, 5, 9, 5, 1, 0.5, 7, 8, 9);
    SET(&run, 1, 0, 2, 0);
    cr_expect(near(sum_of(&run, 0), 1 + 1 / log2(4), 1e-12));
    /* order 0, 3, 2, 1; relevances 2, 1, 0, 3: 2 + 1 / log2(3) of 3 + 2 / log2(3) */
    Run rows = metric_run("shape: [4]", "shape: [4]", "ndcg(p, t, k=2)", 2);
    SET(&rows, 0, 4, 1, 2, 3, 1, 2, 3, 4);
    SET(&rows, 1, 2, 3, 0, 1, 0, 0, 0, 0);
    cr_expect(near(sum_of(&rows, 0), (2 + 1 / log2(3)) / (3 + 2 / log2(3)), 1e-12));
    cr_expect_eq(sum_of(&rows, 1), 2);
}

Test(metrics, detections_are_kept)
{
    WRONG("shape: [3, 5]", "shape: [2, 5]", "map50(p, t, classes=2)", "detections are [N, top, 6]");
    WRONG("shape: [3, 6]", "shape: [2, 4]", "map50(p, t, classes=2)", "boxes are [N, M, 5]");
    WRONG("shape: [3, 6]", "shape: [2, 5]", "map50(p, t, classes=2, iou=0)", "iou is above 0");
    WRONG("shape: [3, 6]", "shape: [2, 5]", "map50(p, t, classes=2, class=2)", "none of 2 classes");
    WRONG("shape: [3, 6]", "shape: [2, 5]", "map50(p, t, classes=0)", "classes is 1 or more");
}
