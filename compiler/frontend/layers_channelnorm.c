/* SPDX-License-Identifier: MIT */
/* layers_channelnorm.c: normalisations of [N, C, ...] with a weight and a bias a channel: batchnorm
 * (over all but C), groupnorm and instancenorm (of each sample).
 *
 * Ioffe and Szegedy (2015); Wu and He, "Group normalization" (2018); PyTorch's formulas. The
 * variance is taken of what is centred, in a second pass. Both statistics take part in
 * differentiation, written so that their gradient needs two sums alone, of dy and of
 * dy * (x - mean), which are also those of bias and weight: deviations sum to 0, so the mean inside
 * the variance may be held fixed, and the mean outside it stands in a term of value 0, a channel
 * long. The same term's square, taken from the variance, makes that of any fixed mean exact: so
 * gradients of gradients are right, too.
 */
#include "rows.h"

/* --- statistics ------------------------------------------------------------------------------- */

typedef struct Moments { /* reduced axes 1 long; var is biased */
    Node *mean, *fixed, *centred, *var;
} Moments;

static Moments moments_of(Graph *g, Node *x, int n, const int *axes)
{
    Moments m = {.mean = build_mean(g, x, n, axes)};
    m.fixed = build_unary(g, OP_stop_gradient, m.mean);
    m.centred = build_binary(g, OP_sub, x, m.fixed);
    m.var = build_mean(g, build_binary(g, OP_mul, m.centred, m.centred), n, axes);
    Node *zero = build_binary(g, OP_sub, m.mean, m.fixed);
    m.var = build_binary(g, OP_sub, m.var, build_binary(g, OP_mul, zero, zero));
    return m;
}

/* 1 / sqrt(var + eps) */
static Node *inverse_of(Graph *g, Node *var, double eps)
{
    return build_unary(g, OP_reciprocal, build_unary(g, OP_sqrt, rows_plus(g, var, eps)));
}

/* (x - mean) * scale + bias; bias may be NULL */
static Node *normalise(Graph *g, const Moments *m, Node *scale, Node *bias)
{
    Node *zero = build_binary(g, OP_sub, m->fixed, m->mean);
    Node *shift = build_binary(g, OP_mul, zero, scale);
    if (bias)
        shift = build_binary(g, OP_add, shift, bias);
    return build_binary(g, OP_add, build_binary(g, OP_mul, m->centred, scale), shift);
}

/* --- operands, weights ------------------------------------------------------------------------ */

/* Operand 0 with channels last; two axes where `flat` will do; reports. */
static Node *operand(Call *c, bool flat)
{
    const Shape *x = &c->in[0]->shape;
    if (!flat || x->rank > 2 || x->batch > 0)
        return spatial_operand(c, 0);
    if (x->rank == 2)
        return rows_operand(c, 0);
    char text[128];
    diag_error(&c->ctx->diag, c->loc, "%s takes [N, C, ...], not %s", c->row->name,
               shape_text(x, text));
    rows_notes(c);
    return NULL;
}

static Node *vector(Call *c, const char *name, int64_t channels, double value)
{
    const Shape shape = shape_of(1, &channels);
    return call_weight(c, name, &shape, (Init){INIT_constant, value, 0}, channels, channels);
}

/* Reports an eps below 0. */
static bool check_eps(Call *c, const Arg *eps)
{
    if (eps->r >= 0)
        return true;
    diag_error(&c->ctx->diag, eps->loc, "%s: eps is below 0", c->row->name);
    return false;
}

/* --- batchnorm -------------------------------------------------------------------------------- */

typedef struct Batchnorm {
    double momentum, eps;
    Node *weight, *bias; /* [C], or NULL */
    Node *mean, *var;    /* [C], running */
} Batchnorm;

/* buffer * (1 - rate) + statistic * (rate * unbiased) */
static void track(Call *c, Node *buffer, Node *statistic, Node *rate, Node *unbiased)
{
    Graph *g = c->g;
    Node *flat = build_reshape(g, statistic, &buffer->shape);
    Node *keep = build_binary(g, OP_sub, build_const(g, 1), rate);
    Node *old = build_binary(g, OP_mul, call_latest(c, buffer), keep);
    Node *more = build_binary(g, OP_mul, flat, build_binary(g, OP_mul, rate, unbiased));
    call_become(c, buffer, build_binary(g, OP_add, old, more));
}

/* Moves the running statistics. One value a channel has no unbiased variance: that one stays. */
static void track_both(Call *c, const Batchnorm *b, const Moments *m, const Shape *x)
{
    Graph *g = c->g;
    Shape reduced = *x;
    reduced.dim[--reduced.rank] = 0;
    Node *count = build_size(g, &reduced), *one = build_const(g, 1);
    Node *rate = build_const(g, b->momentum);
    track(c, b->mean, m->mean, rate, one);
    Node *several = rows_above(g, count, 1);
    Node *less = build_binary(g, OP_max, rows_plus(g, count, -1), one);
    track(c, b->var, m->var, build_binary(g, OP_mul, rate, several),
          build_binary(g, OP_div, count, less));
}

/* By the statistics of this batch. */
static Node *by_batch(Call *c, const Batchnorm *b, Node *x)
{
    Graph *g = c->g;
    int axes[RANK_MAX], n = x->shape.rank - 1;
    for (int i = 0; i < n; i++)
        axes[i] = i;
    const Moments m = moments_of(g, x, n, axes);
    Node *scale = inverse_of(g, m.var, b->eps);
    if (b->weight)
        scale = build_binary(g, OP_mul, scale, b->weight);
    if (fn_trains(g->fn))
        track_both(c, b, &m, &x->shape);
    return normalise(g, &m, scale, b->bias);
}

/* By the running statistics: x * scale + shift, both [C]. */
static Node *by_running(Graph *g, const Batchnorm *b, Node *x)
{
    Node *scale = inverse_of(g, b->var, b->eps);
    if (b->weight)
        scale = build_binary(g, OP_mul, scale, b->weight);
    Node *moved = build_binary(g, OP_mul, b->mean, scale);
    Node *shift = b->bias ? build_binary(g, OP_sub, b->bias, moved) : build_unary(g, OP_neg, moved);
    return build_binary(g, OP_add, build_binary(g, OP_mul, x, scale), shift);
}

static Node *batchnorm(Call *c)
{
    Batchnorm b = {.momentum = c->arg[0].r, .eps = c->arg[1].r};
    if (!(b.momentum >= 0 && b.momentum <= 1)) {
        diag_error(&c->ctx->diag, c->arg[0].loc,
                   "batchnorm: momentum is the share of the new in the running statistics, 0 to 1");
        return NULL;
    }
    Node *x = check_eps(c, &c->arg[1]) ? operand(c, true) : NULL;
    if (!x)
        return NULL;
    int64_t channels = x->shape.dim[x->shape.rank - 1];
    const Shape row = shape_of(1, &channels);
    bool affine = c->arg[2].b;
    b.weight = affine ? vector(c, "weight", channels, 1) : NULL;
    b.bias = affine && b.weight ? vector(c, "bias", channels, 0) : NULL;
    if (affine && !b.bias)
        return NULL;
    b.mean = call_buffer(c, "running_mean", &row, 0);
    b.var = b.mean ? call_buffer(c, "running_var", &row, 1) : NULL;
    if (!b.var)
        return NULL;
    Node *y = c->training ? by_batch(c, &b, x) : by_running(c->g, &b, x);
    return spatial_result(c->g, y);
}

/* --- groupnorm, instancenorm ------------------------------------------------------------------ */

/* [N, .., C], each sample's `groups` runs of channels made to mean 0 and variance 1, affine. */
static Node *by_sample(Call *c, Node *x, int64_t groups, double eps, bool affine)
{
    Graph *g = c->g;
    const Shape shape = x->shape;
    int64_t channels = shape.dim[shape.rank - 1];
    int64_t pixels = 1;
    for (int i = 1; i < shape.rank - 1; i++)
        pixels *= shape.dim[i];
    const Shape split = {
        .rank = 4, .batch = shape.batch, .dim = {shape.dim[0], pixels, groups, channels / groups}};
    const Moments m = moments_of(g, build_reshape(g, x, &split), 2, (int[]){1, 3});
    Node *y = normalise(g, &m, inverse_of(g, m.var, eps), NULL);
    y = build_reshape(g, y, &shape);
    if (affine && y)
        y = build_binary(g, OP_mul, y, vector(c, "weight", channels, 1));
    if (affine && y)
        y = build_binary(g, OP_add, y, vector(c, "bias", channels, 0));
    return spatial_result(g, y);
}

static Node *groupnorm(Call *c)
{
    const Arg *groups = &c->arg[0];
    Node *x = check_eps(c, &c->arg[1]) ? operand(c, true) : NULL;
    if (!x)
        return NULL;
    int64_t channels = x->shape.dim[x->shape.rank - 1];
    if (groups->i >= 1 && channels % groups->i == 0)
        return by_sample(c, x, groups->i, c->arg[1].r, c->arg[2].b);
    diag_error(&c->ctx->diag, groups->loc, "groupnorm: groups: %lld does not divide %lld channels",
               (long long)groups->i, (long long)channels);
    rows_notes(c);
    return NULL;
}

static Node *instancenorm(Call *c)
{
    Node *x = check_eps(c, &c->arg[0]) ? operand(c, false) : NULL;
    return x ? by_sample(c, x, x->shape.dim[x->shape.rank - 1], c->arg[0].r, c->arg[1].b) : NULL;
}

/* --- rows ------------------------------------------------------------------------------------- */

const CallRow call_batchnorm = {
    .name = "batchnorm",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("momentum", real, "0.1"), TAKES("eps", real, "1e-5"),
            TAKES("affine", bool, "true")},
    .build = batchnorm,
    .flags = CALL_layer | CALL_weights,
    .text = "(x - mean) / sqrt(var + eps) * weight + bias by channel (axis 1): in training of the "
            "batch, else running; weight, bias, running_mean, running_var: [C]",
};

const CallRow call_groupnorm = {
    .name = "groupnorm",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("groups", int), TAKES("eps", real, "1e-5"), TAKES("affine", bool, "true")},
    .build = groupnorm,
    .flags = CALL_layer | CALL_weights,
    .text = "(x - mean) / sqrt(var + eps) * weight + bias, of each sample's groups of channels "
            "(axis 1); weight, bias: [C]",
};

const CallRow call_instancenorm = {
    .name = "instancenorm",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("eps", real, "1e-5"), TAKES("affine", bool, "false")},
    .build = instancenorm,
    .flags = CALL_layer | CALL_weights,
    .text = "(x - mean) / sqrt(var + eps) * weight + bias, of each channel (axis 1) of a sample; "
            "weight, bias: [C]",
};
