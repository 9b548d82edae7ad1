/* SPDX-License-Identifier: MIT */
/* metrics_count.c: metrics that are made of counts a class: precision, recall, f1, specificity, balanced_accuracy, iou,
 * mcc. Every one sums the same: targets that have the class and are taken for it, that are taken for it, that have it.
 */
#include "rows.h"

#include <string.h>

/* x summed over all axes but `axis`, which alone is left. */
static Node *sum_a_class(Graph *g, Node *x, int axis)
{
    int axes[RANK_MAX], n = 0;
    if (!x)
        return NULL;
    for (int i = 0; i < x->shape.rank; i++)
        if (i != axis)
            axes[n++] = i;
    const Shape classes = shape_of(1, &x->shape.dim[axis]);
    return build_reshape(g, build_reduce(g, OP_reduce_sum, x, n, axes), &classes);
}

Node *classes_predicted(Graph *g, const Classes *k)
{
    Shape along = {.rank = k->logits->shape.rank, .batch = -1};
    for (int i = 0; i < along.rank; i++)
        along.dim[i] = i == k->axis ? k->count : 1;
    Node *index = build_iota(g, &along, k->axis), *none = build_const(g, (double)k->count);
    Node *most = build_reduce(g, OP_reduce_max, k->logits, 1, &k->axis);
    Node *where = build_where(g, build_binary(g, OP_equal, k->logits, most), index, none);
    return build_binary(g, OP_equal, build_reduce(g, OP_reduce_min, where, 1, &k->axis), index);
}

/* Three numbers a class. */
static bool count_classes(Call *c, const Classes *k, Node **sums)
{
    Graph *g = c->g;
    Node *taken = classes_predicted(g, k), *has = k->hit;
    if (k->counts) {
        taken = build_binary(g, OP_mul, taken, k->counts);
        has = build_binary(g, OP_mul, has, k->counts);
    }
    sums[0] = sum_a_class(g, build_binary(g, OP_mul, taken, has), k->axis);
    sums[1] = sum_a_class(g, taken, k->axis);
    sums[2] = sum_a_class(g, has, k->axis);
    return true;
}

/* The same three numbers, of what is above the threshold. */
static bool count_pairs(Call *c, const Arg *threshold, Node **sums)
{
    Graph *g = c->g;
    Node *p, *t;
    if (!rows_pair(c, &p, &t))
        return false;
    Node *taken = rows_above(g, p, threshold->r), *has = rows_above(g, t, 0.5);
    Node *both = build_binary(g, OP_mul, taken, has);
    if (!both)
        return false;
    sums[0] = rows_sum(g, both);
    sums[1] = rows_sum(g, build_expand(g, taken, &both->shape));
    sums[2] = rows_sum(g, build_expand(g, has, &both->shape));
    sums[3] = build_size(g, &both->shape);
    return true;
}

/* The arguments of all rows: their places. */
enum { COUNT_threshold, COUNT_ignore, COUNT_axis, COUNT_average, COUNT_class };

static bool count(Call *c, Node **sums)
{
    Classes k;
    if (classes_one_each(c))
        return count_pairs(c, &c->arg[COUNT_threshold], sums);
    if (!classes_read(c, &c->arg[COUNT_axis], &c->arg[COUNT_ignore], &k))
        return false;
    sums[3] = k.counts ? rows_sum(c->g, k.counts) : build_size(c->g, &k.indices->shape);
    return count_classes(c, &k, sums);
}

/* Reports an argument that the targets have no use for. */
static bool refuse(Call *c, const Arg *arg, const char *name, const char *why)
{
    diag_error(&c->ctx->diag, arg->loc, "%s: %s: %s", c->row->name, name, why);
    return false;
}

/* Of targets 0 and 1. */
static bool details_of_pairs(Call *c)
{
    static const char why[] = "targets are 0 or 1, not classes";
    bool good = true;
    if (c->arg[COUNT_ignore].given)
        good = refuse(c, &c->arg[COUNT_ignore], "ignore", why);
    if (c->arg[COUNT_class].given)
        good = refuse(c, &c->arg[COUNT_class], "class", why);
    return good;
}

/* Which classes' figures are joined, and how; or which one is meant. */
static bool details(Call *c, Metric *metric)
{
    static const char *const words[] = {"macro", "micro", "weighted"};
    const Arg *average = &c->arg[COUNT_average], *one = &c->arg[COUNT_class];
    if (classes_one_each(c))
        return details_of_pairs(c);
    int axis = classes_axis(c, &c->arg[COUNT_axis]);
    if (axis < 0)
        return false;
    if (c->arg[COUNT_threshold].r != 0.5)
        return refuse(c, &c->arg[COUNT_threshold], "threshold", "the largest logit counts");
    metric->classes = c->in[0]->shape.dim[axis];
    for (int i = 0; average->s && i < COUNT(words); i++)
        if (strcmp(words[i], average->s) == 0)
            metric->average = i;
    if (!one->given)
        return true;
    if (one->i < 0 || one->i >= metric->classes) {
        diag_error(&c->ctx->diag, one->loc, "%s: class: %lld is none of %lld classes, from 0 on",
                   c->row->name, (long long)one->i, (long long)metric->classes);
        return false;
    }
    metric->one_class = one->i + 1;
    return !metric->average || refuse(c, average, "average", "of one class there is none");
}

/* --- rows ------------------------------------------------------------------------------------- */

#define ONE_TARGET TAKES("threshold", real, "0.5"), TAKES("ignore", int, ""), TAKES("axis", int, "")
#define AVERAGED   WORDS("average", "macro", "macro micro weighted"), TAKES("class", int, "")

#define COUNTED(metric, arguments, says)                                                           \
    const MetricRow metric_##metric = {.name = #metric,                                            \
                                       .n_in = 2,                                                  \
                                       .arg = {arguments},                                         \
                                       .finish = FINISH_##metric,                                  \
                                       .larger = true,                                             \
                                       .n_sums = 4,                                                \
                                       .build = count,                                             \
                                       .details = details,                                         \
                                       .text = says}

#define EACH_CLASS ONE_TARGET, AVERAGED

COUNTED(precision, EACH_CLASS, "of what is taken for the class, the share that has it");
COUNTED(recall, EACH_CLASS, "of what has the class, the share that is taken for it");
COUNTED(f1, EACH_CLASS,
        "the harmonic mean of precision and recall; of pixels: the Dice coefficient");
COUNTED(specificity, EACH_CLASS, "of what has another class, the share that is taken for one");
COUNTED(iou, EACH_CLASS, "what has the class and is taken for it, over what is one or the other");
COUNTED(balanced_accuracy, ONE_TARGET, "the mean of the classes' recall");
COUNTED(mcc, ONE_TARGET, "Matthews' correlation of the classes with those that are taken");
