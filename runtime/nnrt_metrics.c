/* SPDX-License-Identifier: MIT */
/* nnrt_metrics.c: what a pass over a set gathers for metrics, sums and numbers of every sample, and the figures that
 * are made of it. Everything here runs on one thread, on numbers that do not depend on how many made them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* --- what is gathered ------------------------------------------------------------------------- */

/* Whether some metric wants what the model can keep as number i; `report`: for a report, too. */
static int metrics_want(const nnrt_model *model, int i, int report)
{
    for (int k = 0; k < model->n_metrics; k++) {
        const nnrt_metric *m = &model->metrics[k];
        if (i >= m->kept && i < m->kept + m->n_kept && (report || !m->report))
            return 1;
    }
    return 0;
}

static int64_t metrics_targets(const nnrt_model *model, const nnrt_metric *m)
{
    return m->n_kept > 1 ? model->kept[m->kept + 1] : 0;
}

static void *metrics_room(int64_t rows, int64_t each, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow((size_t)rows + 1, (size_t)each, &bytes) ||
        __builtin_mul_overflow(bytes, size, &bytes))
        return NULL;
    return malloc(bytes + size);
}

int nnrt_score_open(nnrt_score *score, const nnrt_model *model, int64_t rows, int report,
                    nnrt_fault *fault)
{
    size_t kinds = (size_t)model->n_kept + 1;
    int64_t most = 0;
    *score = (nnrt_score){.model = model, .room = rows};
    score->sums = calloc((size_t)model->n_sums + 1, sizeof *score->sums);
    score->kept = calloc(kinds, sizeof *score->kept);
    score->to = calloc(kinds, sizeof *score->to);
    int ok = score->sums && score->kept && score->to;
    for (int i = 0; ok && i < model->n_kept; i++) {
        if (!metrics_want(model, i, report))
            continue;
        score->kept[i] = metrics_room(rows, model->kept[i], sizeof **score->kept);
        ok = score->kept[i] != NULL;
    }
    for (int k = 0; k < model->n_metrics; k++) {
        const nnrt_metric *m = &model->metrics[k];
        int64_t targets = report || !m->report ? metrics_targets(model, m) : 0;
        if (targets > most)
            most = targets;
    }
    if (ok && most)
        ok = (score->work = metrics_room(rows, most, sizeof *score->work)) != NULL;
    if (ok)
        return 0;
    nnrt_score_close(score);
    return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the metrics of %lld samples",
                     (long long)rows);
}

void nnrt_score_close(nnrt_score *score)
{
    for (int i = 0; score->kept && i < score->model->n_kept; i++)
        free(score->kept[i]);
    free((void *)score->kept);
    free((void *)score->to);
    free(score->sums);
    free(score->work);
    *score = (nnrt_score){0};
}

void nnrt_score_clear(nnrt_score *score)
{
    score->loss_sum = score->samples = 0;
    for (int i = 0; i < score->model->n_sums; i++)
        score->sums[i] = 0;
}

void nnrt_score_aim(const nnrt_score *score, int n, nnrt_instance *m)
{
    m->metric_kept = NULL;
    if (!score->model->n_kept || n == 0)
        return;
    int64_t at = (int64_t)score->samples;
    for (int i = 0; i < score->model->n_kept; i++)
        score->to[i] = score->kept[i] && at + n <= score->room
                           ? score->kept[i] + at * score->model->kept[i]
                           : NULL;
    m->metric_kept = score->to;
}

void nnrt_score_add(nnrt_score *score, double loss, int n)
{
    score->loss_sum += loss * n;
    score->samples += n;
}

/* --- scores of all samples -------------------------------------------------------------------- */

double nnrt_score_probability(const nnrt_metric *m, const float *scores, int64_t k)
{
    double most = (double)scores[0], sum = 0;
    if (!m->logits)
        return (double)scores[k];
    for (int64_t i = 1; i < m->classes; i++)
        if ((double)scores[i] > most)
            most = (double)scores[i];
    for (int64_t i = 0; i < m->classes; i++)
        sum += exp((double)scores[i] - most);
    return exp((double)scores[k] - most) / sum;
}

static int metrics_descending(const void *a, const void *b)
{
    double x = ((const nnrt_scored *)a)->score, y = ((const nnrt_scored *)b)->score;
    return (x < y) - (x > y);
}

int64_t nnrt_score_ranked(const nnrt_score *score, const nnrt_metric *m, int64_t k,
                          int64_t *positive)
{
    int64_t targets = metrics_targets(score->model, m) * (int64_t)score->samples, n = 0;
    const float *scores = score->kept[m->kept], *target = score->kept[m->kept + 1];
    *positive = 0;
    if (!scores || !target || (int64_t)score->samples > score->room)
        return -1;
    for (int64_t i = 0; i < targets; i++) {
        if (target[i] < 0)
            continue;
        double value =
            m->classes ? nnrt_score_probability(m, scores + i * m->classes, k) : (double)scores[i];
        if (isnan(value))
            return -1;
        int is = m->classes ? target[i] == (float)k : target[i] > 0.5f;
        score->work[n++] = (nnrt_scored){value, is};
        *positive += is;
    }
    if (n)
        qsort(score->work, (size_t)n, sizeof *score->work, metrics_descending);
    return n;
}

/* How many of n ranked scores, from `at` on, are equal; *positive of them have the class. */
static int64_t metrics_tied(const nnrt_scored *ranked, int64_t n, int64_t at, int64_t *positive)
{
    int64_t end = at;
    *positive = 0;
    for (; end < n && ranked[end].score == ranked[at].score; end++)
        *positive += ranked[end].positive;
    return end - at;
}

/* The share of pairs of a positive and another in which the positive has the higher score, a tie half: the area under
 * the ROC curve (Mann and Whitney's U). Counts are whole numbers and halves, so the sum is exact. */
static double metrics_auc(const nnrt_scored *ranked, int64_t n, int64_t positive)
{
    double right = 0, others = (double)(n - positive), below = others;
    for (int64_t at = 0, tied, hits; at < n; at += tied) {
        tied = metrics_tied(ranked, n, at, &hits);
        double misses = (double)(tied - hits);
        below -= misses;
        right += (double)hits * below + 0.5 * (double)hits * misses;
    }
    return right / ((double)positive * others);
}

/* The precision at each threshold, weighted by how much recall it adds. */
static double metrics_average_precision(const nnrt_scored *ranked, int64_t n, int64_t positive)
{
    double sum = 0;
    int64_t found = 0;
    for (int64_t at = 0, tied, hits; at < n; at += tied) {
        tied = metrics_tied(ranked, n, at, &hits);
        found += hits;
        sum += (double)hits / (double)positive * ((double)found / (double)(at + tied));
    }
    return sum;
}

void nnrt_score_areas(const nnrt_score *score, const nnrt_metric *m, int64_t k, double *auc,
                      double *average_precision)
{
    int64_t positive, n = nnrt_score_ranked(score, m, k, &positive);
    *auc = n > 0 && positive > 0 && positive < n ? metrics_auc(score->work, n, positive) : NAN;
    *average_precision =
        n > 0 && positive > 0 ? metrics_average_precision(score->work, n, positive) : NAN;
}

/* Of two classes the second; of more the mean over those for which it is defined: which some targets have, and for
 * auc not all. NaN: there are none. */
static double metrics_of_scores(const nnrt_score *score, const nnrt_metric *m)
{
    int64_t first = m->classes <= 2, last = m->classes > 2 ? m->classes : 2;
    double sum = 0, count = 0;
    for (int64_t k = first; k < last; k++) {
        double auc, average_precision;
        nnrt_score_areas(score, m, k, &auc, &average_precision);
        double value = m->finish == NNRT_METRIC_AUC ? auc : average_precision;
        sum += isnan(value) ? 0 : value;
        count += !isnan(value);
    }
    return count > 0 ? sum / count : NAN;
}

/* --- counts of classes ------------------------------------------------------------------------ */

/* Of one class: right, taken for it, having it; of all targets. */
typedef struct metrics_counts {
    double right, taken, has, all;
} metrics_counts;

static double metrics_over(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static double metrics_of_class(nnrt_finish finish, metrics_counts c)
{
    switch (finish) {
    case NNRT_METRIC_PRECISION: return metrics_over(c.right, c.taken);
    case NNRT_METRIC_RECALL: return metrics_over(c.right, c.has);
    case NNRT_METRIC_F1: return metrics_over(2 * c.right, c.taken + c.has);
    case NNRT_METRIC_SPECIFICITY:
        return metrics_over(c.all - c.taken - c.has + c.right, c.all - c.has);
    default: return metrics_over(c.right, c.taken + c.has - c.right);
    }
}

/* Class k of so many; of targets 0 and 1 there are two, and counts of the second alone. */
static metrics_counts metrics_class(const nnrt_metric *m, const double *s, int64_t k)
{
    int64_t n = m->classes ? m->classes : 1, at = m->classes ? k : 0;
    metrics_counts c = {s[at], s[n + at], s[2 * n + at], s[3 * n]};
    if (m->classes || k)
        return c;
    return (metrics_counts){c.all - c.taken - c.has + c.right, c.all - c.taken, c.all - c.has,
                            c.all};
}

/* Precision, recall and their like: of the class that is meant, or of all as `average` says. */
static double metrics_average(const nnrt_metric *m, const double *s)
{
    int64_t one = m->classes ? m->one_class - 1 : 1;
    metrics_counts sum = {0};
    double values = 0, weights = 0;
    if (one >= 0) {
        sum = metrics_class(m, s, one);
        return sum.all > 0 ? metrics_of_class(m->finish, sum) : NAN;
    }
    for (int64_t k = 0; k < m->classes; k++) {
        metrics_counts c = metrics_class(m, s, k);
        double weight = m->average == NNRT_WEIGHTED ? c.has : c.taken + c.has > 0;
        values += weight * metrics_of_class(m->finish, c);
        weights += weight;
        sum = (metrics_counts){sum.right + c.right, sum.taken + c.taken, sum.has + c.has,
                               sum.all + c.all};
    }
    if (weights == 0)
        return NAN;
    return m->average == NNRT_MICRO ? metrics_of_class(m->finish, sum) : values / weights;
}

/* The mean recall of the classes that some target has. */
static double metrics_balanced(const nnrt_metric *m, const double *s)
{
    double sum = 0, count = 0;
    for (int64_t k = 0; k < (m->classes ? m->classes : 2); k++) {
        metrics_counts c = metrics_class(m, s, k);
        sum += metrics_over(c.right, c.has);
        count += c.has > 0;
    }
    return sum / count;
}

/* Gorodkin 2004, of two classes that of Matthews 1975; 0 where all are one class, or taken for one. */
static double metrics_mcc(const nnrt_metric *m, const double *s)
{
    double right = 0, both = 0, taken = 0, has = 0, all = 0;
    for (int64_t k = 0; k < (m->classes ? m->classes : 2); k++) {
        metrics_counts c = metrics_class(m, s, k);
        right += c.right;
        both += c.taken * c.has;
        taken += c.taken * c.taken;
        has += c.has * c.has;
        all = c.all;
    }
    double scale = sqrt(all * all - taken) * sqrt(all * all - has);
    return all > 0 ? metrics_over(right * all - both, scale) : NAN;
}

/* Expected calibration error (Guo and others 2017): the mean distance of a bin's confidence from its share of right
 * ones, weighted by its targets. */
static double metrics_ece(const nnrt_metric *m, const double *s)
{
    int n = m->n_sums / 3;
    double distance = 0, all = 0;
    for (int i = 0; i < n; i++) {
        distance += fabs(s[n + i] - s[2 * n + i]);
        all += s[i];
    }
    return distance / all;
}

/* exp(-sum p log p) of the shares p of codes: of equal ones as many as there are. */
static double metrics_code_perplexity(const nnrt_metric *m, const double *s)
{
    double all = 0, entropy = 0;
    for (int i = 0; i < m->n_sums; i++)
        all += s[i];
    for (int i = 0; i < m->n_sums; i++)
        if (s[i] > 0)
            entropy -= s[i] / all * log(s[i] / all);
    return all > 0 ? exp(entropy) : NAN;
}

/* --- figures ---------------------------------------------------------------------------------- */

static double metrics_value(const nnrt_score *score, const nnrt_metric *m, const double *s)
{
    switch (m->finish) {
    case NNRT_METRIC_MEAN: return s[0] / s[1];
    case NNRT_METRIC_ROOT_MEAN: return sqrt(s[0] / s[1]);
    case NNRT_METRIC_R2: return 1.0 - s[0] / (s[2] - s[1] * s[1] / s[3]);
    case NNRT_METRIC_AUC:
    case NNRT_METRIC_AVERAGE_PRECISION: return metrics_of_scores(score, m);
    case NNRT_METRIC_PRECISION:
    case NNRT_METRIC_RECALL:
    case NNRT_METRIC_F1:
    case NNRT_METRIC_SPECIFICITY:
    case NNRT_METRIC_IOU: return metrics_average(m, s);
    case NNRT_METRIC_BALANCED_ACCURACY: return metrics_balanced(m, s);
    case NNRT_METRIC_MCC: return metrics_mcc(m, s);
    case NNRT_METRIC_ECE: return metrics_ece(m, s);
    case NNRT_METRIC_PERPLEXITY: return exp(s[0] / s[1]);
    case NNRT_METRIC_CODE_PERPLEXITY: return metrics_code_perplexity(m, s);
    case NNRT_METRIC_DETECTIONS: return nnrt_detections_figure(score, m);
    }
    return NAN;
}

/* NaN has no sign here: it is printed. */
static double metrics_finish(const nnrt_score *score, const nnrt_metric *m, const double *s)
{
    double value = metrics_value(score, m, s);
    return isnan(value) ? NAN : value;
}

/* Loss and metrics; `all`: also those for which all samples are sorted. */
static int metrics_figures(const nnrt_model *model, const nnrt_score *score, const char *prefix,
                           int all, nnrt_figure *out)
{
    const double *sums = score->sums;
    int n = 0;
    out[n++] = (nnrt_figure){prefix, "loss", score->loss_sum / score->samples};
    for (int i = 0; i < model->n_metrics; i++) {
        const nnrt_metric *m = &model->metrics[i];
        if (all || !m->n_kept || m->report)
            out[n++] = (nnrt_figure){prefix, m->name, metrics_finish(score, m, sums)};
        sums += m->n_sums;
    }
    return n;
}

int nnrt_score_figures(const nnrt_model *model, const nnrt_score *score, const char *prefix,
                       nnrt_figure *out)
{
    return metrics_figures(model, score, prefix, 1, out);
}

int nnrt_score_running(const nnrt_model *model, const nnrt_score *score, nnrt_figure *out)
{
    return metrics_figures(model, score, "", 0, out);
}

int nnrt_larger_is_better(const nnrt_model *model, const char *figure)
{
    if (strncmp(figure, "val_", 4) == 0)
        figure += 4;
    for (int i = 0; i < model->n_metrics; i++)
        if (strcmp(model->metrics[i].name, figure) == 0)
            return model->metrics[i].larger;
    return 0;
}
