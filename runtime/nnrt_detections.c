/* SPDX-License-Identifier: MIT */
/* nnrt_detections.c: average precision of the boxes that were detected in a set: detections of a class, the best score
 * first, are right where they overlap a box of the class that no better one has found; then the area under precision,
 * made monotone, over recall, at every recall that occurs (Everingham et al., PASCAL VOC, 2010 on). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_boxes.h"
#include "nnrt_program.h"

enum { DETECTIONS_BOX = 5 }; /* class, x0, y0, x1, y1 */

typedef struct detections_found {
    double score;
    int64_t order; /* of equal scores the earlier counts first */
    const float *box;
    int64_t sample;
    int right;
} detections_found;

typedef struct detections_set {
    const float *detected, *boxes;
    int64_t samples, top, most; /* rows a sample of each */
    double iou;
    detections_found *found; /* samples * top */
    unsigned char *taken;    /* samples * most */
} detections_set;

static int detections_by_score(const void *a, const void *b)
{
    const detections_found *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

/* All detections of class k, the best first: how many. */
static int64_t detections_of(detections_set *s, float k)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->samples * s->top; i++) {
        const float *row = s->detected + i * NNRT_BOX_ROW;
        if (row[0] == k && !isnan(row[1]))
            s->found[n++] = (detections_found){(double)row[1], i, row + 2, i / s->top, 0};
    }
    if (n)
        qsort(s->found, (size_t)n, sizeof *s->found, detections_by_score);
    return n;
}

/* Takes the box of class k that it overlaps most, of those that are left, if by enough. */
static int detections_take(detections_set *s, const detections_found *d, float k)
{
    double best = s->iou;
    int64_t at = -1;
    for (int64_t i = d->sample * s->most; i < (d->sample + 1) * s->most; i++) {
        const float *box = s->boxes + i * DETECTIONS_BOX;
        if (box[0] != k || s->taken[i])
            continue;
        double iou = (double)nnrt_box_iou(box + 1, d->box);
        if (iou > best || (iou == best && at < 0)) {
            best = iou;
            at = i;
        }
    }
    if (at >= 0)
        s->taken[at] = 1;
    return at >= 0;
}

/* NaN where there is no box of the class. */
static double detections_precision(detections_set *s, float k)
{
    int64_t has = 0, right = 0, n = detections_of(s, k);
    double best = 0, area = 0;
    memset(s->taken, 0, (size_t)(s->samples * s->most));
    for (int64_t i = 0; i < s->samples * s->most; i++)
        has += s->boxes[i * DETECTIONS_BOX] == k;
    if (!has)
        return NAN;
    for (int64_t i = 0; i < n; i++)
        right += s->found[i].right = detections_take(s, &s->found[i], k);
    for (int64_t i = n - 1; i >= 0; i--) { /* the best precision at this recall or a larger one */
        double precision = (double)right / (double)(i + 1);
        best = precision > best ? precision : best;
        area += s->found[i].right ? best : 0;
        right -= s->found[i].right;
    }
    return area / (double)has;
}

double nnrt_detections_figure(const nnrt_score *score, const nnrt_metric *m)
{
    const nnrt_model *model = score->model;
    detections_set s = {.detected = score->kept[m->kept],
                        .boxes = score->kept[m->kept + 1],
                        .samples = (int64_t)score->samples,
                        .top = model->kept[m->kept] / NNRT_BOX_ROW,
                        .most = model->kept[m->kept + 1] / DETECTIONS_BOX,
                        .iou = m->threshold};
    double sum = 0, count = 0;
    if (!s.detected || !s.boxes || s.samples > score->room)
        return NAN;
    s.found = malloc(sizeof *s.found * (size_t)(s.samples * s.top + 1));
    s.taken = malloc((size_t)(s.samples * s.most + 1));
    for (int64_t k = 0; s.found && s.taken && k < m->classes; k++) {
        double precision =
            !m->one_class || k + 1 == m->one_class ? detections_precision(&s, (float)k) : NAN;
        sum += isnan(precision) ? 0 : precision;
        count += !isnan(precision);
    }
    free(s.found);
    free(s.taken);
    return count > 0 ? sum / count : NAN;
}
