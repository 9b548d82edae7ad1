/* SPDX-License-Identifier: MIT */
/* metrics_rank.c: whether what a user wants is among the first k of a row of scores, and how far up (He et al., "Neural
 * collaborative filtering", 2017: one item that the user took among others; torchmetrics' retrieval metrics).
 */
#include "rows.h"

#include <math.h>

/* How many of a row [N, C] come before each, sorted by falling number, the first of equals first. */
static Node *ranks(Graph *g, Node *x)
{
    if (!x)
        return NULL;
    const int64_t count = x->shape.dim[1];
    const Shape square = {.rank = 3, .batch = -1, .dim = {1, count, count}};
    const int axis = 2;
    Node *own = build_unsqueeze(g, x, 2), *other = build_unsqueeze(g, x, 1);
    Node *number = build_iota(g, &square, 1), *of_other = build_iota(g, &square, 2);
    Node *larger = build_binary(g, OP_greater, other, own);
    Node *tied = build_binary(g, OP_equal, other, own);
    tied = build_binary(g, OP_mul, tied, build_binary(g, OP_less, of_other, number));
    Node *before = build_binary(g, OP_add, larger, tied);
    return build_squeeze(g, build_reduce(g, OP_reduce_sum, before, 1, &axis), 1, &axis);
}

/* Operands 0 and 1 as scores and how much each of them is wanted, both [N, C]; reports. */
static bool read_rows(Call *c, Node **scores, Node **wanted)
{
    const Shape *s = &c->in[0]->shape;
    char text[128];
    if (s->rank != 2 || s->batch != 0) {
        diag_error(&c->ctx->diag, c->in_loc[0],
                   "%s: scores are a row a sample, [N, C], these are %s", c->row->name,
                   shape_text(s, text));
        rows_notes(c);
        return false;
    }
    if (c->arg[0].i < 1) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "%s: k is 1 or more", c->row->name);
        return false;
    }
    if (classes_are_indices(c)) {
        Classes k;
        const Arg none = {0};
        if (!classes_read(c, &none, &none, &k))
            return false;
        *scores = k.logits;
        *wanted = k.hit;
        return *scores && *wanted;
    }
    return rows_pair(c, scores, wanted) && shape_equal(&(*scores)->shape, &(*wanted)->shape);
}

/* The sum over a row, [N]. */
static Node *row_sum(Graph *g, Node *x)
{
    const int axis = 1;
    return build_squeeze(g, build_reduce(g, OP_reduce_sum, x, 1, &axis), 1, &axis);
}

static bool mean_of(Graph *g, Node *x, Node **sums)
{
    if (!x)
        return false;
    sums[0] = rows_sum(g, x);
    sums[1] = build_size(g, &x->shape);
    return sums[0] && sums[1];
}

static bool hit_rate(Call *c, Node **sums)
{
    Graph *g = c->g;
    Node *scores, *wanted;
    if (!read_rows(c, &scores, &wanted))
        return false;
    Node *rank = ranks(g, scores);
    Node *first = build_binary(g, OP_less, rank, build_const(g, (double)c->arg[0].i));
    Node *found = row_sum(g, build_binary(g, OP_mul, first, rows_above(g, wanted, 0)));
    return mean_of(g, rows_above(g, found, 0), sums);
}

/* The sum of gains / log2(rank + 2) of the first k. */
static Node *discounted(Graph *g, Node *gain, Node *rank, double k)
{
    Node *place = build_unary(g, OP_log, rows_plus(g, rank, 2));
    place = rows_times(g, place, 1 / log(2));
    Node *first = build_binary(g, OP_less, rank, build_const(g, k));
    return row_sum(g, build_binary(g, OP_div, build_binary(g, OP_mul, gain, first), place));
}

static bool ndcg(Call *c, Node **sums)
{
    Graph *g = c->g;
    Node *scores, *wanted;
    double k = (double)c->arg[0].i;
    if (!read_rows(c, &scores, &wanted))
        return false;
    Node *got = discounted(g, wanted, ranks(g, scores), k);
    Node *best = discounted(g, wanted, ranks(g, wanted), k);
    if (!got || !best)
        return false;
    Node *any = rows_above(g, best, 0);
    Node *share = build_binary(g, OP_div, got, build_where(g, any, best, build_const(g, 1)));
    return mean_of(g, build_binary(g, OP_mul, share, any), sums);
}

#define RANK(row, says)                                                                            \
    const MetricRow metric_##row = {.name = #row,                                                  \
                                    .n_in = 2,                                                     \
                                    .arg = {TAKES("k", int, "10")},                                \
                                    .finish = FINISH_mean,                                         \
                                    .larger = true,                                                \
                                    .n_sums = 2,                                                   \
                                    .build = row,                                                  \
                                    .text = says}

RANK(hit_rate, "the share of rows of scores that have among their k largest one that is wanted: a "
               "class, or above 0 "
               "in a row of relevances");
RANK(ndcg, "the mean of sum(relevance / log2(rank + 2)) over the k largest scores of a row, over "
           "the most that could "
           "be; a class: its relevance is 1");
