/* SPDX-License-Identifier: MIT */
/* metrics.c: the table of metrics and what each sums over a batch. The program adds the sums of all
 * batches and only then divides, so a metric is that of the whole set.
 */
#include "rows.h"

#include <string.h>

/* --- sums ------------------------------------------------------------------------------------- */

/* The sum of x and how many numbers that is; or, where some do not count, how many do. */
static bool sum_and_count(Call *c, Node *x, Node *counts, Node **sums)
{
    Graph *g = c->g;
    if (!x)
        return false;
    sums[0] = rows_sum(g, counts ? build_binary(g, OP_mul, x, counts) : x);
    sums[1] = counts ? rows_sum(g, counts) : build_size(g, &x->shape);
    return sums[0] && sums[1];
}

/* How many classes come before the one of the index when they are sorted by logit, the first of
 * equals first, NaN before all: 0 where argmax gives the index.
 * A NaN at the index itself: all do. */
static Node *rank_of(Graph *g, const Classes *k)
{
    Node *own = classes_pick(g, k, k->logits), *one = build_const(g, 1);
    Node *larger = build_binary(g, OP_sub, one, build_binary(g, OP_less_equal, k->logits, own));
    Shape along = {.rank = k->logits->shape.rank, .batch = -1};
    for (int i = 0; i < along.rank; i++)
        along.dim[i] = i == k->axis ? k->count : 1;
    Node *before = build_binary(g, OP_less, build_iota(g, &along, k->axis), k->indices);
    Node *tied = build_binary(g, OP_mul, build_binary(g, OP_equal, k->logits, own), before);
    return build_reduce(g, OP_reduce_sum, build_binary(g, OP_add, larger, tied), 1, &k->axis);
}

/* --- accuracy, top_k -------------------------------------------------------------------------- */

/* Probabilities against targets 0 or 1: both above 0.5, or neither. */
static bool binary_accuracy(Call *c, Node **sums)
{
    Graph *g = c->g;
    Node *p, *t, *half = build_const(g, 0.5);
    if (c->arg[0].given) {
        diag_error(&c->ctx->diag, c->arg[0].loc,
                   "accuracy: ignore: targets are 0 or 1, not classes");
        return false;
    }
    if (!rows_pair(c, &p, &t))
        return false;
    Node *right =
        build_where(g, build_binary(g, OP_greater, t, half), build_binary(g, OP_greater, p, half),
                    build_binary(g, OP_less_equal, p, half));
    return sum_and_count(c, right, NULL, sums);
}

static bool accuracy(Call *c, Node **sums)
{
    Classes k;
    if (classes_one_each(c))
        return binary_accuracy(c, sums);
    if (!classes_read(c, &c->arg[1], &c->arg[0], &k))
        return false;
    Node *right = build_binary(c->g, OP_equal, rank_of(c->g, &k), build_const(c->g, 0));
    return sum_and_count(c, right, k.counts, sums);
}

/* The same operands for `eval --details`, unless a sample has too many numbers. */
static bool accuracy_keeps(Call *c, Node **kept, Metric *metric)
{
    enum { NUMBERS_MAX = 1 << 20 };
    metric->report = true;
    if (c->in[0]->shape.batch == 0 && shape_count(&c->in[0]->shape) <= NUMBERS_MAX)
        return metric_scores(c, &c->arg[1], &c->arg[0], kept, metric);
    metric->n_kept = 0;
    return true;
}

static bool top_k(Call *c, Node **sums)
{
    Classes k;
    int64_t most = c->arg[0].i;
    if (!classes_read(c, &c->arg[2], &c->arg[1], &k))
        return false;
    if (most < 1 || most > k.count) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "top_k: k is %lld; there are %lld classes",
                   (long long)most, (long long)k.count);
        return false;
    }
    Node *right = build_binary(c->g, OP_less, rank_of(c->g, &k), build_const(c->g, (double)most));
    return sum_and_count(c, right, k.counts, sums);
}

/* --- of numbers ------------------------------------------------------------------------------- */

static bool rmse(Call *c, Node **sums)
{
    Node *p, *t;
    if (!rows_pair(c, &p, &t))
        return false;
    Node *d = build_binary(c->g, OP_sub, p, t);
    return sum_and_count(c, build_binary(c->g, OP_mul, d, d), NULL, sums);
}

static bool mae(Call *c, Node **sums)
{
    Node *p, *t;
    if (!rows_pair(c, &p, &t))
        return false;
    return sum_and_count(c, build_unary(c->g, OP_abs, build_binary(c->g, OP_sub, p, t)), NULL,
                         sums);
}

/* sum (t - p)^2, sum t, sum t^2, count */
static bool r2(Call *c, Node **sums)
{
    Graph *g = c->g;
    Node *p, *t;
    if (!rows_pair(c, &p, &t))
        return false;
    Node *d = build_binary(g, OP_sub, t, p);
    if (!d)
        return false;
    t = build_expand(g, t, &d->shape);
    sums[0] = rows_sum(g, build_binary(g, OP_mul, d, d));
    sums[1] = rows_sum(g, t);
    sums[2] = rows_sum(g, build_binary(g, OP_mul, t, t));
    sums[3] = build_size(g, &d->shape);
    return sums[0] && sums[1] && sums[2];
}

/* --- rows ------------------------------------------------------------------------------------- */

const MetricRow metric_accuracy = {
    .name = "accuracy",
    .n_in = 2,
    .arg = {TAKES("ignore", int, ""), TAKES("axis", int, "")},
    .finish = FINISH_mean,
    .n_sums = 2,
    .build = accuracy,
    .n_kept = 2,
    .keep = accuracy_keeps,
    .larger = true,
    .text = "the share of logits whose largest is the class; of probabilities on the target's side "
            "of 0.5",
};

const MetricRow metric_top_k = {
    .name = "top_k",
    .n_in = 2,
    .arg = {TAKES("k", int, "5"), TAKES("ignore", int, ""), TAKES("axis", int, "")},
    .finish = FINISH_mean,
    .n_sums = 2,
    .build = top_k,
    .larger = true,
    .text = "the share of logits of which the class is among the k largest",
};

const MetricRow metric_rmse = {.name = "rmse",
                               .n_in = 2,
                               .finish = FINISH_root_mean,
                               .n_sums = 2,
                               .build = rmse,
                               .text = "sqrt(mean((p - t)^2))"};
const MetricRow metric_mae = {.name = "mae",
                              .n_in = 2,
                              .finish = FINISH_mean,
                              .n_sums = 2,
                              .build = mae,
                              .text = "mean(|p - t|)"};
const MetricRow metric_r2 = {.name = "r2",
                             .n_in = 2,
                             .finish = FINISH_r2,
                             .n_sums = 4,
                             .build = r2,
                             .larger = true,
                             .text = "1 - sum((t - p)^2) / sum((t - mean(t))^2)"};

/* --- the table -------------------------------------------------------------------------------- */

#define METRIC(name) extern const MetricRow metric_##name;
#include "metrics.def"
#undef METRIC

static const MetricRow *const rows[] = {
#define METRIC(name) &metric_##name,
#include "metrics.def"
#undef METRIC
};

int metric_count(void)
{
    return COUNT(rows);
}

const MetricRow *metric_at(int i)
{
    return rows[i];
}

const MetricRow *metric_find(const char *name)
{
    for (int i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i]->name, name) == 0)
            return rows[i];
    return NULL;
}
