/* SPDX-License-Identifier: MIT */
/* test_nnrt_metrics.c: guards what is made of sums and of kept scores: areas under curves with ties, classes that
 * nobody has, averages of classes, calibration, the confusion matrix and curves, all against numbers worked out by
 * hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "nnrt_program.h"

#define NEAR(a, b) cr_expect_float_eq(a, b, 1e-12, "%.15g, not %.15g", (double)(a), (double)(b))

/* A model of one metric, and a score with `n` samples of what it keeps. */
typedef struct Kit {
    nnrt_metric metric;
    int64_t kept[2];
    nnrt_model model;
    nnrt_score score;
    nnrt_fault fault;
} Kit;

static void kit_open(Kit *k, nnrt_metric metric, int64_t scores, int64_t rows)
{
    *k = (Kit){.metric = metric, .kept = {scores, 1}};
    k->model = (nnrt_model){.name = "kit",
                            .n_metrics = 1,
                            .n_sums = metric.n_sums,
                            .metrics = &k->metric,
                            .n_kept = metric.n_kept,
                            .kept = k->kept};
    cr_assert_eq(nnrt_score_open(&k->score, &k->model, rows, 0, &k->fault), 0);
}

static double kit_value(const Kit *k)
{
    nnrt_figure figures[2];
    cr_assert_eq(nnrt_score_figures(&k->model, &k->score, "", figures), 2);
    return figures[1].value;
}

/* The figure of scores and targets, kept a batch of two samples at a time. */
static double of_scores(nnrt_finish finish, int64_t classes, int logits, int n, const float *scores,
                        const float *targets)
{
    Kit k;
    nnrt_instance m = {0};
    int each = classes ? (int)classes : 1;
    nnrt_metric metric = {.name = "it",
                          .finish = finish,
                          .n_kept = 2,
                          .scores = 1,
                          .classes = classes,
                          .logits = logits};
    kit_open(&k, metric, each, n);
    for (int at = 0; at < n; at += 2) {
        int more = n - at < 2 ? n - at : 2;
        nnrt_score_aim(&k.score, more, &m);
        nnrt_keep(&m, 0, scores + at * each, (size_t)(more * each));
        nnrt_keep(&m, 1, targets + at, (size_t)more);
        nnrt_score_add(&k.score, 1, more);
    }
    double value = kit_value(&k);
    nnrt_score_close(&k.score);
    return value;
}

#define F(...) ((const float[]){__VA_ARGS__})

Test(nnrt_metrics, auc_counts_pairs)
{
    /* 3 with, 2 without: pairs right: 0.9 both, 0.4 none and half of a tie, 0.6 both: 4.5 of 6 */
    NEAR(of_scores(NNRT_METRIC_AUC, 0, 0, 5, F(0.9f, 0.4f, 0.4f, 0.6f, 0.5f), F(1, 1, 0, 1, 0)),
         4.5 / 6);
    NEAR(of_scores(NNRT_METRIC_AUC, 0, 0, 4, F(7, 7, 7, 7), F(1, 0, 1, 0)), 0.5);
    NEAR(of_scores(NNRT_METRIC_AUC, 0, 0, 4, F(-2, -1, 1, 2), F(0, 0, 1, 1)), 1);
    NEAR(of_scores(NNRT_METRIC_AUC, 0, 0, 4, F(-2, -1, 1, 2), F(1, 1, 0, 0)), 0);
}

Test(nnrt_metrics, auc_that_is_not_defined)
{
    cr_expect(isnan(of_scores(NNRT_METRIC_AUC, 0, 0, 3, F(1, 2, 3), F(1, 1, 1))));
    cr_expect(isnan(of_scores(NNRT_METRIC_AUC, 0, 0, 3, F(1, 2, 3), F(0, 0, 0))));
    cr_expect(isnan(of_scores(NNRT_METRIC_AUC, 0, 0, 2, F(1, NAN), F(0, 1))));
    cr_expect(isnan(of_scores(NNRT_METRIC_AVERAGE_PRECISION, 0, 0, 2, F(1, 2), F(0, 0))));
    cr_expect(isnan(of_scores(NNRT_METRIC_AUC, 3, 0, 1, F(1, 0, 0), F(-1))));
}

Test(nnrt_metrics, average_precision_takes_ties_at_once)
{
    /* thresholds 0.9: 1/1, 0.6: 2/3 of three; recall 1/2, then 1 */
    NEAR(
        of_scores(NNRT_METRIC_AVERAGE_PRECISION, 0, 0, 4, F(0.9f, 0.6f, 0.6f, 0.1f), F(1, 0, 1, 0)),
        0.5 * 1 + 0.5 * 2 / 3);
}

Test(nnrt_metrics, auc_of_classes)
{
    /* probabilities; class 2 has no target and is left out, the last target does not count */
    const float *p = F(0.6f, 0.3f, 0.1f, 0.2f, 0.7f, 0.1f, 0.5f, 0.4f, 0.1f, 0, 0, 1);
    /* class 0: 0.6, 0.5 against 0.2 and 0.5 - targets 0, 1, 1: one of 2 pairs each: 0.6 > both: 1 */
    NEAR(of_scores(NNRT_METRIC_AUC, 3, 0, 4, p, F(0, 1, 1, -1)), 1);
    /* targets 0, 1, 0: class 0 has 0.6 and 0.5 over 0.2: 1; class 1 has 0.7 over 0.3 and 0.4: 1 */
    NEAR(of_scores(NNRT_METRIC_AUC, 3, 0, 4, p, F(0, 1, 0, -1)), 1);
    /* targets 1, 0, 1: class 0 has 0.2 under both: 0; class 1 has 0.3 and 0.4 under 0.7: 0 */
    NEAR(of_scores(NNRT_METRIC_AUC, 3, 0, 4, p, F(1, 0, 1, -1)), 0);
    /* logits whose order within class 1 is not that of the probabilities: (5, 4) says 1 less than (0, 1) */
    NEAR(of_scores(NNRT_METRIC_AUC, 2, 1, 2, F(5, 4, 0, 1), F(0, 1)), 1);
    NEAR(of_scores(NNRT_METRIC_AUC, 2, 1, 2, F(5, 4, 0, 1), F(1, 0)), 0);
}

/* The figure of counts. */
static double of_sums(nnrt_metric metric, int n, const double *sums)
{
    Kit k;
    metric.n_sums = n;
    kit_open(&k, metric, 1, 1);
    memcpy(k.score.sums, sums, sizeof *sums * (size_t)n);
    double value = kit_value(&k);
    nnrt_score_close(&k.score);
    return value;
}

#define S(...)                                                                                     \
    (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (const double[])                      \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define M(f, ...) ((nnrt_metric){.name = "it", .finish = NNRT_METRIC_##f, __VA_ARGS__})

/* 10 targets, 4 of them 1; 5 are taken for 1, 3 rightly. */
Test(nnrt_metrics, counts_of_one_class)
{
    NEAR(of_sums(M(PRECISION, .classes = 0), S(3, 5, 4, 10)), 0.6);
    NEAR(of_sums(M(RECALL, .classes = 0), S(3, 5, 4, 10)), 0.75);
    NEAR(of_sums(M(F1, .classes = 0), S(3, 5, 4, 10)), 2 * 0.6 * 0.75 / (0.6 + 0.75));
    NEAR(of_sums(M(SPECIFICITY, .classes = 0), S(3, 5, 4, 10)), 4.0 / 6);
    NEAR(of_sums(M(IOU, .classes = 0), S(3, 5, 4, 10)), 0.5);
    NEAR(of_sums(M(BALANCED_ACCURACY, .classes = 0), S(3, 5, 4, 10)), (0.75 + 4.0 / 6) / 2);
    /* tp 3, fp 2, fn 1, tn 4 */
    NEAR(of_sums(M(MCC, .classes = 0), S(3, 5, 4, 10)), (3 * 4 - 2 * 1) / sqrt(5.0 * 4 * 6 * 5));
    NEAR(of_sums(M(PRECISION, .classes = 0), S(0, 0, 4, 10)), 0);
    NEAR(of_sums(M(MCC, .classes = 0), S(0, 0, 4, 10)), 0);
    cr_expect(isnan(of_sums(M(F1, .classes = 0), S(0, 0, 0, 0))));
}

/* Class 0: 2 of 3 taken, 4 have it; class 1: 1 of 3, 2; class 2: neither; 6 targets. */
#define COUNTS 2, 1, 0, 3, 3, 0, 4, 2, 0, 6

Test(nnrt_metrics, counts_of_classes)
{
    NEAR(of_sums(M(PRECISION, .classes = 3), S(COUNTS)), (2.0 / 3 + 1.0 / 3) / 2);
    NEAR(of_sums(M(PRECISION, .classes = 3, .average = NNRT_MICRO), S(COUNTS)), 0.5);
    NEAR(of_sums(M(PRECISION, .classes = 3, .average = NNRT_WEIGHTED), S(COUNTS)),
         (4 * 2.0 / 3 + 2 * 1.0 / 3) / 6);
    NEAR(of_sums(M(RECALL, .classes = 3, .one_class = 1), S(COUNTS)), 0.5);
    NEAR(of_sums(M(RECALL, .classes = 3, .one_class = 3), S(COUNTS)), 0);
    NEAR(of_sums(M(IOU, .classes = 3), S(COUNTS)), (2.0 / 5 + 1.0 / 4) / 2);
    NEAR(of_sums(M(SPECIFICITY, .classes = 3), S(COUNTS)), (1.0 / 2 + 2.0 / 4) / 2);
    NEAR(of_sums(M(BALANCED_ACCURACY, .classes = 3), S(COUNTS)), 0.5);
    /* c s - sum(p t) = 3 * 6 - (12 + 6) = 0 */
    NEAR(of_sums(M(MCC, .classes = 3), S(COUNTS)), 0);
    cr_expect(isnan(of_sums(M(IOU, .classes = 2), S(0, 0, 0, 0, 0, 0, 0))));
}

Test(nnrt_metrics, calibration)
{
    /* 3 targets said 0.6 each, 1 right; 1 said 0.9, right: (|1.8 - 1| + |0.9 - 1|) / 4 */
    NEAR(of_sums(M(ECE, .classes = 0), S(3, 1, 1.8, 0.9, 1, 1)), 0.9 / 4);
    NEAR(of_sums(M(PERPLEXITY, .classes = 0), S(3, 4)), exp(0.75));
    NEAR(of_sums(M(CODE_PERPLEXITY, .classes = 0), S(5, 5, 0, 5, 5)), 4);
    NEAR(of_sums(M(CODE_PERPLEXITY, .classes = 0), S(0, 7)), 1);
}

/* A metric that keeps scores for a report alone. */
static void details_of(Kit *k, int64_t classes, int n, const float *scores, const float *targets)
{
    nnrt_instance m = {0};
    int64_t each = classes ? classes : 1;
    *k = (Kit){.metric = {.name = "accuracy",
                          .finish = NNRT_METRIC_MEAN,
                          .n_sums = 2,
                          .n_kept = 2,
                          .report = 1,
                          .scores = 1,
                          .classes = classes},
               .kept = {each, 1}};
    k->model = (nnrt_model){
        .n_metrics = 1, .n_sums = 2, .metrics = &k->metric, .n_kept = 2, .kept = k->kept};
    cr_assert_eq(nnrt_score_open(&k->score, &k->model, n, 1, &k->fault), 0);
    nnrt_score_aim(&k->score, n, &m);
    nnrt_keep(&m, 0, scores, (size_t)(n * each));
    nnrt_keep(&m, 1, targets, (size_t)n);
    nnrt_score_add(&k->score, 0, n);
}

Test(nnrt_metrics, confusion_and_curves)
{
    Kit k;
    nnrt_classes c;
    details_of(&k, 2, 5, F(0.95f, 0.05f, 0.4f, 0.6f, 0.25f, 0.75f, 0.4f, 0.6f, 0.5f, 0.5f),
               F(0, 1, 1, 0, -1));
    cr_assert_eq(nnrt_classes_open(&c, &k.score, &k.fault), 0, "%s", k.fault.text);
    const int64_t want[] = {1, 1, 0, 2};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(c.confusion[i], want[i]);
    cr_expect_eq(c.targets, 4);
    NEAR(c.accuracy, 0.75);
    NEAR(c.at[1].precision, 2.0 / 3);
    NEAR(c.at[1].recall, 1);
    NEAR(c.at[1].auc, 0.875); /* 0.6 over 0.05, tied with 0.6; 0.75 over both */
    cr_expect_eq(c.bins[9].count, 1);
    cr_expect_eq(c.bins[6].count, 2);
    NEAR(c.bins[6].accuracy, 0.5);
    int64_t n;
    nnrt_curve_point *p = nnrt_classes_curve(&c, &k.score, 1, &n);
    cr_assert_eq(n, 4); /* above all, 0.75, 0.6, 0.05 */
    NEAR(p[1].recall, 0.5);
    NEAR(p[1].false_positive_rate, 0);
    NEAR(p[2].precision, 2.0 / 3);
    NEAR(p[2].false_positive_rate, 0.5);
    NEAR(p[3].false_positive_rate, 1);
    free(p);
    nnrt_classes_close(&c);
    nnrt_score_close(&k.score);
}

Test(nnrt_metrics, details_of_one_score)
{
    Kit k;
    nnrt_classes c;
    details_of(&k, 0, 3, F(0.9f, 0.5f, 0.2f), F(1, 1, 0));
    cr_assert_eq(nnrt_classes_open(&c, &k.score, &k.fault), 0);
    cr_expect(c.n == 2 && c.confusion[0] == 1 && c.confusion[2] == 1 && c.confusion[3] == 1);
    NEAR(c.at[0].auc, 1);
    NEAR(c.at[1].auc, 1);
    nnrt_classes_close(&c);
    nnrt_score_close(&k.score);
    kit_open(&k, M(MEAN, .n_sums = 2), 1, 3);
    cr_expect_eq(nnrt_classes_open(&c, &k.score, &k.fault), NNRT_BAD_CALL);
    nnrt_score_close(&k.score);
}

/* Names of classes of a weights file, as JSON writes them; what is broken off gives numbers. */
Test(nnrt_metrics, names_of_classes)
{
    static const char *const lists[] = {"[\"ill\",\"we\\\"ll\"]", "[\"ill\",\"we\\", "",
                                        "nonsense"};
    nnrt_value input = {.name = "y"};
    for (int i = 0; i < 4; i++) {
        Kit k;
        nnrt_classes c;
        nnrt_st_pair pair = {"nncc.labels.y", lists[i]};
        const nnrt_meta meta = {.n = 1, .at = &pair};
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        details_of(&k, 2, 2, F(1, 0, 0, 1), F(0, 1));
        k.metric.target = 1;
        k.model.inputs = &input;
        cr_assert_eq(nnrt_classes_open(&c, &k.score, &k.fault), 0);
        nnrt_details_json(f, &c, &k.model, &meta);
        fclose(f);
        cr_expect_eq(strstr(text, "\"name\": \"ill\"") != NULL, i < 2, "%s", text);
        cr_expect_eq(strstr(text, "\"name\": \"we\\\"ll\"") != NULL, i == 0, "%s", text);
        cr_expect_eq(strstr(text, "\"name\": \"1\"") != NULL, i > 0, "%s", text);
        free(text);
        nnrt_classes_close(&c);
        nnrt_score_close(&k.score);
    }
}

/* --- detections ------------------------------------------------------------------------------- */

/* Two pictures with room for 3 boxes, of which 4 were detected at most. */
static double of_detections(double iou, int64_t one, const float *found, const float *boxes)
{
    Kit k;
    nnrt_instance m = {0};
    nnrt_metric metric = {.name = "it",
                          .finish = NNRT_METRIC_DETECTIONS,
                          .n_kept = 2,
                          .classes = 3,
                          .one_class = one,
                          .threshold = iou};
    kit_open(&k, metric, 24, 2);
    k.kept[1] = 15;
    nnrt_score_close(&k.score);
    cr_assert_eq(nnrt_score_open(&k.score, &k.model, 2, 0, &k.fault), 0);
    nnrt_score_aim(&k.score, 2, &m);
    nnrt_keep(&m, 0, found, 48);
    nnrt_keep(&m, 1, boxes, 30);
    nnrt_score_add(&k.score, 1, 2);
    double value = kit_value(&k);
    nnrt_score_close(&k.score);
    return value;
}

/* Class 0: by falling score right, wrong (the box is taken), right, wrong (another picture), of three boxes: precision
 * 1, then 2 of 3. Class 1: its only box is found with 1 of 2. Class 2: no box. */
#define NO_BOX -1, -1, -1, -1, -1
#define FOUND                                                                                      \
    F(0, 0.9f, 0, 0, 10, 10, 0, 0.8f, 0, 0, 10, 9, 1, 0.7f, 0, 0, 10, 10, -1, NO_BOX, /* second */ \
      0, 0.7f, 20, 20, 30, 31, 0, 0.6f, 0, 0, 10, 10, 1, 0.6f, 40, 40, 50, 50, 2, 0.5f, 0, 0, 1,   \
      1)
#define THERE                                                                                      \
    F(0, 0, 0, 10, 10, 0, 60, 60, 70, 70, NO_BOX, /* second */ 0, 20, 20, 30, 30, 1, 40, 40, 50,   \
      50, NO_BOX)

Test(nnrt_metrics, detections)
{
    double first = (1 + 2.0 / 3) / 3, second = 0.5;
    NEAR(of_detections(0.5, 1, FOUND, THERE), first);
    NEAR(of_detections(0.5, 2, FOUND, THERE), second);
    NEAR(of_detections(0.5, 0, FOUND, THERE), (first + second) / 2);
    NEAR(of_detections(0.95, 1, FOUND, THERE), 1.0 / 3);
    cr_expect(isnan(of_detections(0.5, 3, FOUND, THERE)));
}
