/* SPDX-License-Identifier: MIT */
/* metrics_curve.c: metrics that need the scores of all samples at once: auc, average_precision. The graph only hands
 * out scores and targets; the program sorts them when it has them all.
 */
#include "rows.h"

#include <string.h>

bool metric_is_probability(const Node *x)
{
    while (x->n_in == 1 && (x->op == OP_reshape || x->op == OP_transpose || x->op == OP_slice))
        x = x->in[0];
    return x->what && (strcmp(x->what, "softmax") == 0 || strcmp(x->what, "sigmoid") == 0);
}

/* Samples come first in what is kept. */
static bool batch_is_first(Call *c, const Node *x)
{
    char text[128];
    if (x->shape.batch == 0)
        return true;
    diag_error(&c->ctx->diag, c->loc, "%s: samples are along axis 0, not as in %s", c->row->name,
               shape_text(&x->shape, text));
    rows_notes(c);
    return false;
}

/* One score a target: both in the shape that they broadcast to. */
static bool keep_pair(Call *c, Node **kept)
{
    Graph *g = c->g;
    Node *p, *t;
    Shape both;
    int axis_p, axis_t;
    if (!rows_pair(c, &p, &t) || !shape_broadcast(&p->shape, &t->shape, &both, &axis_p, &axis_t))
        return false;
    p = build_expand(g, p, &both);
    t = build_expand(g, t, &both);
    if (!p || !t || !batch_is_first(c, p))
        return false;
    kept[0] = p;
    kept[1] = rows_above(g, t, 0.5);
    return true;
}

/* A score a class: the classes become the last axis; ignored targets -1. */
static bool keep_classes(Call *c, const Arg *axis, const Arg *ignore, Node **kept, Metric *metric)
{
    Classes k;
    Graph *g = c->g;
    int order[RANK_MAX], n = 0;
    if (!classes_read(c, axis, ignore, &k) || !batch_is_first(c, k.logits))
        return false;
    for (int i = 0; i < k.logits->shape.rank; i++)
        if (i != k.axis)
            order[n++] = i;
    order[n] = k.axis;
    metric->classes = k.count;
    kept[0] = k.axis == n ? k.logits : build_transpose(g, k.logits, order);
    Node *none = build_const(g, -1);
    kept[1] = k.counts ? build_where(g, k.counts, k.indices, none) : k.indices;
    return true;
}

bool metric_scores(Call *c, const Arg *axis, const Arg *ignore, Node **kept, Metric *metric)
{
    metric->scores = true;
    metric->target = classes_input(c);
    if (!classes_one_each(c)) {
        metric->logits = !metric_is_probability(c->in[0]);
        return keep_classes(c, axis, ignore, kept, metric);
    }
    if (ignore->given) {
        diag_error(&c->ctx->diag, ignore->loc, "%s: ignore: targets are 0 or 1, not classes",
                   c->row->name);
        return false;
    }
    return keep_pair(c, kept);
}

static bool keep(Call *c, Node **kept, Metric *metric)
{
    if (!metric_scores(c, &c->arg[2], &c->arg[1], kept, metric))
        return false;
    if (c->arg[0].given)
        metric->logits = c->arg[0].b;
    return true;
}

#define SCORES                                                                                     \
    {                                                                                              \
        TAKES("from_logits", bool, ""), TAKES("ignore", int, ""), TAKES("axis", int, "")           \
    }

const MetricRow metric_auc = {
    .name = "auc",
    .n_in = 2,
    .arg = SCORES,
    .finish = FINISH_auc,
    .larger = true,
    .n_kept = 2,
    .keep = keep,
    .text = "the area under the ROC curve over the whole set, ties counted half; of classes the "
            "mean of each "
            "against the rest",
};

const MetricRow metric_average_precision = {
    .name = "average_precision",
    .n_in = 2,
    .arg = SCORES,
    .finish = FINISH_average_precision,
    .larger = true,
    .n_kept = 2,
    .keep = keep,
    .text = "sum((R_n - R_n-1) P_n) over the scores of the whole set as thresholds; of classes the "
            "mean of each "
            "against the rest",
};
