/* SPDX-License-Identifier: MIT */
/* nnrt_classes.c: how a classifier did on a set, class by class: confusion matrix, precision, recall, f1 and support,
 * curves, calibration. Made of the scores and targets that a metric keeps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* The first metric that keeps scores and targets, all of which are there; NULL: none. */
static const nnrt_metric *classes_metric(const nnrt_score *score)
{
    for (int i = 0; i < score->model->n_metrics; i++) {
        const nnrt_metric *m = &score->model->metrics[i];
        if (m->n_kept == 2 && m->scores && score->kept[m->kept] && score->kept[m->kept + 1])
            return m;
    }
    return NULL;
}

/* What one target is taken for, and its highest probability; of one score: 1 above a half, and the probability of 1. */
static int64_t classes_taken(const nnrt_metric *m, const float *scores, double *confidence)
{
    int64_t best = 0;
    if (!m->classes) {
        *confidence = (double)scores[0];
        return scores[0] > 0.5f;
    }
    for (int64_t k = 1; k < m->classes; k++)
        if (scores[k] > scores[best])
            best = k;
    *confidence = nnrt_score_probability(m, scores, best);
    return best;
}

/* Adds a target to the matrix and to its bin. Bins are [low, high), the last one has its end as well. */
static void classes_count(nnrt_classes *c, const float *scores, int64_t target)
{
    double confidence;
    int64_t taken = classes_taken(c->metric, scores, &confidence);
    int bin = (int)(confidence * NNRT_BINS);
    nnrt_bin *b = &c->bins[bin < 0 ? 0 : bin < NNRT_BINS ? bin : NNRT_BINS - 1];
    c->confusion[target * c->n + taken]++;
    b->count++;
    b->confidence += confidence;
    b->accuracy += c->metric->classes ? taken == target : (double)target;
    c->targets++;
}

static double classes_over(double a, double b)
{
    return b > 0 ? a / b : 0;
}

nnrt_class_figures nnrt_classes_figures(int64_t n, const int64_t *confusion, int64_t k)
{
    nnrt_class_figures at = {.right = confusion[k * n + k], .auc = NAN, .average_precision = NAN};
    for (int64_t j = 0; j < n; j++) {
        at.support += confusion[k * n + j];
        at.taken += confusion[j * n + k];
    }
    at.precision = classes_over((double)at.right, (double)at.taken);
    at.recall = classes_over((double)at.right, (double)at.support);
    at.f1 = classes_over(2 * (double)at.right, (double)(at.taken + at.support));
    return at;
}

static void classes_finish(nnrt_classes *c)
{
    int64_t right = 0;
    for (int64_t k = 0; k < c->n; k++) {
        c->at[k] = nnrt_classes_figures(c->n, c->confusion, k);
        right += c->at[k].right;
    }
    c->accuracy = (double)right / (double)c->targets;
    for (int i = 0; i < NNRT_BINS; i++) {
        nnrt_bin *b = &c->bins[i];
        c->ece += fabs(b->confidence - b->accuracy) / (double)c->targets;
        b->low = (double)i / NNRT_BINS;
        b->high = (double)(i + 1) / NNRT_BINS;
        b->confidence = classes_over(b->confidence, (double)b->count);
        b->accuracy = classes_over(b->accuracy, (double)b->count);
    }
}

int nnrt_classes_open(nnrt_classes *c, const nnrt_score *score, nnrt_fault *fault)
{
    const nnrt_metric *m = classes_metric(score);
    *c = (nnrt_classes){.metric = m};
    if (!m)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "no metric of classes: give the model accuracy(logits, label) or auc");
    c->n = m->classes ? m->classes : 2;
    c->confusion = calloc((size_t)(c->n * c->n), sizeof *c->confusion);
    c->at = calloc((size_t)c->n, sizeof *c->at);
    if (!c->confusion || !c->at) {
        nnrt_classes_close(c);
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for %lld classes", (long long)c->n);
    }
    const float *scores = score->kept[m->kept], *target = score->kept[m->kept + 1];
    int64_t n = score->model->kept[m->kept + 1] * (int64_t)score->samples;
    int64_t each = m->classes ? m->classes : 1;
    for (int64_t i = 0; i < n; i++)
        if (target[i] >= 0 && target[i] < (float)c->n)
            classes_count(c, scores + i * each, (int64_t)target[i]);
    classes_finish(c);
    for (int64_t k = 0; k < c->n; k++)
        nnrt_score_areas(score, m, k, &c->at[k].auc, &c->at[k].average_precision);
    return 0;
}

void nnrt_classes_close(nnrt_classes *c)
{
    free(c->confusion);
    free(c->at);
    c->confusion = NULL;
    c->at = NULL;
}

nnrt_curve_point *nnrt_classes_curve(const nnrt_classes *c, const nnrt_score *score, int64_t k,
                                     int64_t *n)
{
    int64_t positive, hits = 0, all = nnrt_score_ranked(score, c->metric, k, &positive);
    const nnrt_scored *ranked = score->work;
    nnrt_curve_point *points = malloc(((size_t)(all < 0 ? 0 : all) + 1) * sizeof *points);
    *n = 0;
    if (!points)
        return NULL;
    points[(*n)++] = (nnrt_curve_point){.threshold = INFINITY, .precision = 1};
    for (int64_t i = 0; i < all; i++) {
        hits += ranked[i].positive;
        if (i + 1 < all && ranked[i + 1].score == ranked[i].score)
            continue;
        points[(*n)++] = (nnrt_curve_point){
            .threshold = ranked[i].score,
            .precision = (double)hits / (double)(i + 1),
            .recall = classes_over((double)hits, (double)positive),
            .false_positive_rate = classes_over((double)(i + 1 - hits), (double)(all - positive))};
    }
    return points;
}
