/* SPDX-License-Identifier: MIT */
/* metrics_probability.c: metrics of what a classifier says as a probability: log_loss, perplexity, brier, ece.
 */
#include "rows.h"

#include <string.h>

enum { BINS_MAX = 1000 };

/* The arguments of all rows: their places. */
enum { PROBABILITY_from_logits, PROBABILITY_ignore, PROBABILITY_axis, PROBABILITY_bins };

/* Targets and the probabilities that are given to them. */
typedef struct Said {
    Classes k;     /* of classes; count 0: one probability a target, of 1 */
    Node *p, *t;   /* the shape of logits, or of the pair; t is 0 or 1 */
    Node *targets; /* rank 0: how many count */
} Said;

static bool read_classes(Call *c, Said *out)
{
    const Arg *given = &c->arg[PROBABILITY_from_logits];
    Classes *k = &out->k;
    if (!classes_read(c, &c->arg[PROBABILITY_axis], &c->arg[PROBABILITY_ignore], k))
        return false;
    bool logits = given->given ? given->b : !metric_is_probability(c->in[0]);
    out->p = logits ? build_softmax(c->g, k->logits, k->axis) : k->logits;
    out->t = k->hit;
    out->targets = k->counts ? rows_sum(c->g, k->counts) : build_size(c->g, &k->indices->shape);
    return out->p && out->targets;
}

static bool read_pair(Call *c, Said *out)
{
    const Arg *given = &c->arg[PROBABILITY_from_logits], *ignore = &c->arg[PROBABILITY_ignore];
    Graph *g = c->g;
    Node *p, *t;
    if (ignore->given) {
        diag_error(&c->ctx->diag, ignore->loc, "%s: ignore: targets are 0 or 1, not classes",
                   c->row->name);
        return false;
    }
    if (!rows_pair(c, &p, &t))
        return false;
    Node *both = build_binary(g, OP_add, p, t);
    if (!both)
        return false;
    out->p = given->given && given->b ? build_unary(g, OP_sigmoid, p) : p;
    out->p = build_expand(g, out->p, &both->shape);
    out->t = rows_above(g, build_expand(g, t, &both->shape), 0.5);
    out->targets = build_size(g, &both->shape);
    return out->p && out->t;
}

static bool read_said(Call *c, Said *out)
{
    *out = (Said){0};
    return classes_one_each(c) ? read_pair(c, out) : read_classes(c, out);
}

/* Times 1 for the targets that count, 0 for the others. */
static Node *counted(Graph *g, const Said *s, Node *x)
{
    return s->k.counts ? build_binary(g, OP_mul, x, s->k.counts) : x;
}

/* --- log_loss, perplexity --------------------------------------------------------------------- */

/* -log of the probability of what is so; that is no smaller than f32's epsilon, as scikit-learn has it. */
static bool log_loss(Call *c, Node **sums)
{
    Graph *g = c->g;
    Said s;
    if (!read_said(c, &s))
        return false;
    Node *least = build_const(g, 0x1p-23), *most = build_const(g, 1 - 0x1p-23), *of = s.p;
    if (s.k.count) {
        of = classes_pick(g, &s.k, s.p);
    } else {
        Node *other = build_binary(g, OP_sub, build_const(g, 1), s.p);
        of = build_where(g, s.t, s.p, other);
    }
    of = build_binary(g, OP_min, build_binary(g, OP_max, of, least), most);
    sums[0] = rows_sum(g, counted(g, &s, build_unary(g, OP_neg, build_unary(g, OP_log, of))));
    sums[1] = s.targets;
    return true;
}

/* --- brier ------------------------------------------------------------------------------------ */

/* (p - t)^2, of classes summed over them; of two halved, so that it is that of one probability. */
static bool brier(Call *c, Node **sums)
{
    Graph *g = c->g;
    Said s;
    if (!read_said(c, &s))
        return false;
    Node *d = build_binary(g, OP_sub, s.p, s.t);
    Node *square = counted(g, &s, build_binary(g, OP_mul, d, d));
    sums[0] = rows_sum(g, s.k.count == 2 ? rows_times(g, square, 0.5) : square);
    sums[1] = s.targets;
    return true;
}

/* --- ece -------------------------------------------------------------------------------------- */

/* x as a column [N * numbers a sample, 1], or [numbers, 1]. */
static Node *column(Graph *g, Node *x)
{
    Shape flat = {
        .rank = 2, .batch = x->shape.batch < 0 ? -1 : 0, .dim = {shape_count(&x->shape), 1}};
    return build_reshape(g, x, &flat);
}

/* Of each bin of confidence: how many targets are in it, the sum of their confidences, how many are right. */
static bool ece(Call *c, Node **sums)
{
    Graph *g = c->g;
    Said s;
    const Arg *bins = &c->arg[PROBABILITY_bins];
    if (bins->i < 1 || bins->i > BINS_MAX) {
        diag_error(&c->ctx->diag, bins->loc, "%s: bins: %lld is not from 1 to %d", c->row->name,
                   (long long)bins->i, BINS_MAX);
        return false;
    }
    if (!read_said(c, &s))
        return false;
    Node *confidence = s.p, *right = s.t;
    if (s.k.count) {
        confidence = build_reduce(g, OP_reduce_max, s.p, 1, &s.k.axis);
        right = build_binary(g, OP_mul, classes_predicted(g, &s.k), s.k.hit);
        right = build_reduce(g, OP_reduce_sum, right, 1, &s.k.axis);
    }
    if (!confidence || !right)
        return false;
    const Shape row = {.rank = 2, .batch = -1, .dim = {1, bins->i}}, list = shape_of(1, &bins->i);
    Node *last = build_const(g, (double)bins->i - 1), *number = build_iota(g, &row, 1);
    Node *of = build_unary(g, OP_floor, rows_times(g, column(g, confidence), (double)bins->i));
    Node *in = build_binary(g, OP_equal, build_binary(g, OP_min, of, last), number);
    if (s.k.counts)
        in = build_binary(g, OP_mul, in, column(g, s.k.counts));
    Node *of_bin[3] = {in, build_binary(g, OP_mul, in, column(g, confidence)), NULL};
    of_bin[2] = build_binary(g, OP_mul, in, column(g, right));
    for (int i = 0, samples = 0; i < 3; i++)
        sums[i] = build_reshape(g, build_reduce(g, OP_reduce_sum, of_bin[i], 1, &samples), &list);
    return true;
}

/* --- rows ------------------------------------------------------------------------------------- */

#define OF_PROBABILITY                                                                             \
    TAKES("from_logits", bool, ""), TAKES("ignore", int, ""), TAKES("axis", int, "")

const MetricRow metric_log_loss = {
    .name = "log_loss",
    .n_in = 2,
    .arg = {OF_PROBABILITY},
    .finish = FINISH_mean,
    .n_sums = 2,
    .build = log_loss,
    .text = "the mean of -log of the probability of what is so",
};

const MetricRow metric_perplexity = {
    .name = "perplexity",
    .n_in = 2,
    .arg = {OF_PROBABILITY},
    .finish = FINISH_perplexity,
    .n_sums = 2,
    .build = log_loss,
    .text = "exp(log_loss)",
};

const MetricRow metric_brier = {
    .name = "brier",
    .n_in = 2,
    .arg = {OF_PROBABILITY},
    .finish = FINISH_mean,
    .n_sums = 2,
    .build = brier,
    .text = "the mean of (p - t)^2, of more than two classes summed over them",
};

const MetricRow metric_ece = {
    .name = "ece",
    .n_in = 2,
    .arg = {OF_PROBABILITY, TAKES("bins", int, "15")},
    .finish = FINISH_ece,
    .n_sums = 3,
    .build = ece,
    .text = "expected calibration error: the mean distance of confidence from the share that is "
            "right, over equal "
            "bins of confidence",
};
