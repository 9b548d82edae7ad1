/* SPDX-License-Identifier: MIT */
/* losses_classes.c: softmax_cross_entropy and nll, PyTorch's formulas: class weights, label
 * smoothing, ignored targets, together too. One difference: where no target counts, the mean is 0,
 * not NaN.
 *
 * With lp the log-probabilities, w the class weights and y the classes:
 *     nll    = -w[y] lp[y]                         smooth = -sum over k of w[k] lp[k]
 *     loss   = (1 - s) nll + s / K smooth,         both 0 where y is ignored
 *     mean   = sum of loss / sum of w[y] over what counts
 * Targets that are probabilities q:  loss = -sum over k of w[k] ((1 - s) q[k] + s / K) lp[k],
 * whose mean is over its elements.
 *
 * Where training mixes samples (augment: mixup; Zhang et al., 2018), the loss of class indices is
 * (1 - mix) loss(own class) + mix loss(the other's).
 */
#include "builder.h"
#include "rows.h"

#include <string.h>

typedef struct Options { /* arguments of a call; nll has no smoothing */
    const Arg *weights, *ignore, *axis, *reduction;
    double smoothing;
} Options;

/* The class weights as a tensor that broadcasts along `axis`, NULL where none are given. */
static bool read_weights(Call *c, const Arg *arg, int axis, Node **out)
{
    const Shape *logits = &c->in[0]->shape;
    *out = NULL;
    if (!arg->given)
        return true;
    bool good = arg->n == logits->dim[axis];
    for (int i = 0; good && i < arg->n; i++)
        good = arg->reals[i] >= 0;
    if (!good) {
        diag_error(&c->ctx->diag, arg->loc,
                   "%s: weights: expected %lld numbers, one a class, none below 0", c->row->name,
                   (long long)logits->dim[axis]);
        return false;
    }
    Shape shape = {.rank = logits->rank, .batch = -1};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == axis ? logits->dim[axis] : 1;
    *out = build_data(c->g, &shape, arg->reals);
    return *out != NULL;
}

static Node *times(Graph *g, Node *x, Node *maybe)
{
    return maybe ? build_binary(g, OP_mul, x, maybe) : x;
}

/* x, and 0 where it does not count, even if it is infinite there */
static Node *counted(Graph *g, Node *x, const Classes *k)
{
    return k->counts ? build_where(g, k->counts, x, build_const(g, 0)) : x;
}

static Node *negative_sum(Graph *g, Node *x, int axis)
{
    return build_unary(g, OP_neg, build_reduce(g, OP_reduce_sum, x, 1, &axis));
}

/* (1 - s) a + s / K b */
static Node *smoothed(Graph *g, Node *a, Node *b, double s, int64_t count)
{
    if (s == 0)
        return a;
    return build_binary(g, OP_add, rows_times(g, a, 1 - s), rows_times(g, b, s / (double)count));
}

/* sum of loss over sum of weight; 0 where that is 0 */
static Node *weighted_mean(Graph *g, Node *loss, Node *weight)
{
    Node *total = rows_sum(g, weight);
    Node *divisor =
        total ? build_where(g, rows_above(g, total, 0), total, build_const(g, 1)) : NULL;
    return build_binary(g, OP_div, rows_sum(g, loss), divisor);
}

static Node *of_indices(Call *c, const Options *o, const Classes *k, Node *lp)
{
    Graph *g = c->g;
    Node *weights, *weight = k->counts;
    if (!lp || !read_weights(c, o->weights, k->axis, &weights))
        return NULL;
    Node *loss = build_unary(g, OP_neg, classes_pick(g, k, lp));
    if (weights) {
        Node *own = classes_pick(g, k, weights);
        loss = build_binary(g, OP_mul, loss, own);
        weight = counted(g, own, k);
    }
    if (o->smoothing > 0)
        loss = smoothed(g, loss, negative_sum(g, times(g, lp, weights), k->axis), o->smoothing,
                        k->count);
    loss = counted(g, loss, k);
    bool mean = strcmp(o->reduction->s, "mean") == 0 && weight;
    if (mean && !c->weight)
        return weighted_mean(g, loss, weight);
    loss = build_squeeze(g, loss, 1, &k->axis);
    return mean ? weighted_mean(g, rows_weighted(c, loss), weight)
                : rows_reduce(c, o->reduction, loss);
}

/* The loss of the classes, and where samples are mixed its mean with that of those that they are mixed with. */
static Node *of_mixed(Call *c, const Options *o, const Classes *k, Node *lp)
{
    Graph *g = c->g;
    Node *loss = of_indices(c, o, k, lp);
    const MixedClasses *mixed = mixed_find(c->b, classes_integers(c));
    if (!loss || !mixed)
        return loss;
    if (o->ignore->given) {
        diag_error(&c->ctx->diag, o->ignore->loc, "%s: ignore: samples are mixed (augment: mixup)",
                   c->row->name);
        return NULL;
    }
    c->b->mixes = true;
    Classes other = *k;
    other.hit = build_one_hot(g, mixed->other, k->count, k->axis);
    Node *second = of_indices(c, o, &other, lp), *mix = build_scalar(g, SCALAR_mix);
    Node *rest = build_binary(g, OP_sub, build_const(g, 1), mix);
    loss = build_binary(g, OP_mul, rest, loss);
    second = build_binary(g, OP_mul, mix, second);
    return build_binary(g, OP_add, loss, second);
}

static Node *of_probabilities(Call *c, const Options *o, int axis)
{
    Graph *g = c->g;
    Node *weights;
    if (!read_weights(c, o->weights, axis, &weights))
        return NULL;
    if (o->ignore->given) {
        diag_error(&c->ctx->diag, o->ignore->loc,
                   "%s: ignore: targets are probabilities, not classes", c->row->name);
        return NULL;
    }
    Node *lp = build_log_softmax(g, rows_operand(c, 0), axis);
    Node *q =
        smoothed(g, rows_operand(c, 1), build_const(g, 1), o->smoothing, c->in[0]->shape.dim[axis]);
    Node *loss = negative_sum(g, times(g, build_binary(g, OP_mul, q, lp), weights), axis);
    return rows_reduce(c, o->reduction, build_squeeze(g, loss, 1, &axis));
}

/* Class indices, or a probability a class. */
static Node *cross_entropy(Call *c)
{
    const Options o = {.weights = &c->arg[0],
                       .smoothing = c->arg[1].r,
                       .ignore = &c->arg[2],
                       .axis = &c->arg[3],
                       .reduction = &c->arg[4]};
    if (!(o.smoothing >= 0 && o.smoothing <= 1)) {
        diag_error(&c->ctx->diag, c->arg[1].loc, "%s: smoothing is a share, 0 to 1", c->row->name);
        return NULL;
    }
    if (c->in[1]->dtype == DT_f32 && shape_equal(&c->in[0]->shape, &c->in[1]->shape)) {
        int axis = classes_axis(c, o.axis);
        return axis < 0 ? NULL : of_probabilities(c, &o, axis);
    }
    Classes k;
    if (!classes_read(c, o.axis, o.ignore, &k))
        return NULL;
    return of_mixed(c, &o, &k, build_log_softmax(c->g, k.logits, k.axis));
}

/* -log_probabilities[class] */
static Node *nll(Call *c)
{
    const Options o = {
        .weights = &c->arg[0], .ignore = &c->arg[1], .axis = &c->arg[2], .reduction = &c->arg[3]};
    Classes k;
    return classes_read(c, o.axis, o.ignore, &k) ? of_mixed(c, &o, &k, k.logits) : NULL;
}

const CallRow call_softmax_cross_entropy = {
    .name = "softmax_cross_entropy",
    .min_in = 2,
    .max_in = 2,
    .arg = {TAKES("weights", reals, ""), TAKES("smoothing", real, "0"), TAKES("ignore", int, ""),
            TAKES("axis", int, ""), WORDS("reduction", "mean", "mean sum none")},
    .build = cross_entropy,
    .flags = CALL_function | CALL_weighted,
    .text = "-log(softmax(logits)[class]); targets of the logits' shape are probabilities",
};

const CallRow call_nll = {
    .name = "nll",
    .min_in = 2,
    .max_in = 2,
    .arg = {TAKES("weights", reals, ""), TAKES("ignore", int, ""), TAKES("axis", int, ""),
            WORDS("reduction", "mean", "mean sum none")},
    .build = nll,
    .flags = CALL_function | CALL_weighted,
    .text = "-log_probabilities[class]",
};
