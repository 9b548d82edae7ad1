/* SPDX-License-Identifier: MIT */
/* layers_prepare.c: preprocessing in the network: standardize, impute, pca. Their weights are buffers that `train`
 * fits on the training data before the first step (fits.c, runtime/nnrt_fit.c); until then standardize and impute
 * give what they are given.
 *
 * Features are the positions of the last axis, of [N, C, H, W] and what has more axes the channels (axis 1). */
#include <string.h>

#include "rows.h"

enum { PCA_IN_MAX = 2048 }; /* the covariance is a matrix of so many rows */

/* Operand 0 as [N, ...] f32; a number a sample as [N, 1]. NULL after a report. */
static Node *operand(Call *c)
{
    const Shape *s = &c->in[0]->shape;
    char text[128];
    if (s->rank >= 1 && s->batch == 0 && s->dim[0] == 1)
        return s->rank > 1 ? rows_operand(c, 0) : build_unsqueeze(c->g, rows_operand(c, 0), 1);
    diag_error(&c->ctx->diag, c->loc, "%s takes samples, [N, ...], not %s", c->row->name,
               shape_text(s, text));
    rows_notes(c);
    return NULL;
}

/* The axis of features, by the argument or as the rank says; -1 after a report. */
static int feature_axis(Call *c, const Arg *axis, const Node *x)
{
    int rank = x->shape.rank;
    if (!axis->given)
        return rank >= 4 ? 1 : rank - 1;
    int at = call_axis(c, axis, axis->i, rank);
    if (at != 0)
        return at;
    diag_error(&c->ctx->diag, axis->loc, "%s: axis 0 is the batch", c->row->name);
    return -1;
}

/* The buffer `name`, a number a feature. */
static Node *vector(Call *c, const char *name, int64_t features, double value)
{
    const Shape shape = shape_of(1, &features);
    return call_buffer(c, name, &shape, value);
}

/* A vector so that it broadcasts along `axis` of a tensor of that rank. */
static Node *along(Graph *g, Node *vector, int axis, int rank)
{
    if (!vector || axis == rank - 1)
        return vector;
    Shape s = {.rank = rank - axis, .batch = -1, .dim = {vector->shape.dim[0]}};
    for (int i = 1; i < s.rank; i++)
        s.dim[i] = 1;
    return build_reshape(g, vector, &s);
}

/* y of x as `operand` gave it, in the shape that operand 0 has. */
static Node *as_given(Call *c, Node *y)
{
    return c->in[0]->shape.rank == 1 ? build_reshape(c->g, y, &c->in[0]->shape) : y;
}

/* --- standardize ------------------------------------------------------------------------------ */

static Node *standardize(Call *c)
{
    const Arg *eps = &c->arg[0];
    if (!(eps->r >= 0)) {
        diag_error(&c->ctx->diag, eps->loc, "standardize: eps is below 0");
        return NULL;
    }
    Node *x = operand(c);
    int axis = x ? feature_axis(c, &c->arg[1], x) : -1;
    if (axis < 0)
        return NULL;
    int rank = x->shape.rank;
    Node *mean = vector(c, "mean", x->shape.dim[axis], 0);
    Node *std = mean ? vector(c, "std", x->shape.dim[axis], 1) : NULL;
    if (!std)
        return NULL;
    Fit fit = {.kind = FIT_standardize,
               .axis = axis,
               .eps = eps->r,
               .var = {mean->attr->var, std->attr->var}};
    if (!call_fit(c, &fit, x))
        return NULL;
    Node *centred = build_binary(c->g, OP_sub, x, along(c->g, mean, axis, rank));
    return as_given(c, build_binary(c->g, OP_div, centred, along(c->g, std, axis, rank)));
}

/* --- impute ----------------------------------------------------------------------------------- */

static Node *impute(Call *c)
{
    const char *strategy = c->arg[0].s;
    const Arg *value = &c->arg[1];
    Graph *g = c->g;
    bool fitted = strcmp(strategy, "value") != 0;
    if (fitted && value->given) {
        diag_error(&c->ctx->diag, value->loc, "impute: value is of 'strategy: value', not of '%s'",
                   strategy);
        return NULL;
    }
    Node *x = operand(c);
    int axis = x ? feature_axis(c, &c->arg[3], x) : -1;
    if (axis < 0)
        return NULL;
    Node *fill = vector(c, "value", x->shape.dim[axis], value->given ? value->r : 0);
    if (!fill)
        return NULL;
    Fit fit = {.kind = strcmp(strategy, "median") == 0 ? FIT_median : FIT_mean,
               .axis = axis,
               .var = {fill->attr->var}};
    if (fitted && !call_fit(c, &fit, x))
        return NULL;
    call_misses(c, x);
    Node *missing = build_binary(g, OP_not_equal, x, x); /* NaN alone differs from itself */
    Node *y = build_where(g, missing, along(g, fill, axis, x->shape.rank), x);
    if (!c->arg[2].b)
        return as_given(c, y);
    return build_concat(g, axis, 2, (Node *[]){y, missing});
}

/* --- pca -------------------------------------------------------------------------------------- */

/* 1 / sqrt(variance); 0 where there is none. */
static Node *whitening(Graph *g, Node *variance)
{
    Node *zero = build_const(g, 0);
    Node *some = build_binary(g, OP_greater, variance, zero);
    Node *inverse = build_unary(g, OP_reciprocal, build_unary(g, OP_sqrt, variance));
    return build_where(g, some, inverse, zero);
}

static Node *pca(Call *c)
{
    const Arg *k = &c->arg[0];
    Node *x = operand(c);
    if (!x)
        return NULL;
    int axis = x->shape.rank - 1;
    int64_t in = x->shape.dim[axis];
    if (in > PCA_IN_MAX || k->i < 1 || k->i > in) {
        if (in > PCA_IN_MAX)
            diag_error(&c->ctx->diag, c->loc, "pca: of %lld features; %d are the most",
                       (long long)in, PCA_IN_MAX);
        else
            diag_error(&c->ctx->diag, k->loc,
                       "pca: k: %lld is out of range: 1 to %lld, the features", (long long)k->i,
                       (long long)in);
        rows_notes(c);
        return NULL;
    }
    const Shape matrix = shape_of(2, (int64_t[]){k->i, in});
    Node *components = call_buffer_as(c, "components", &matrix, (Init){INIT_orthogonal, 1, 0});
    Node *mean = components ? vector(c, "mean", in, 0) : NULL;
    Node *variance = mean ? vector(c, "explained_variance", k->i, 1) : NULL;
    if (!variance)
        return NULL;
    Fit fit = {.kind = FIT_pca,
               .axis = axis,
               .var = {components->attr->var, mean->attr->var, variance->attr->var}};
    if (!call_fit(c, &fit, x))
        return NULL;
    Node *y = rows_linear(c->g, build_binary(c->g, OP_sub, x, mean), components, NULL);
    return c->arg[1].b ? build_binary(c->g, OP_mul, y, whitening(c->g, variance)) : y;
}

/* --- rows ------------------------------------------------------------------------------------- */

const CallRow call_standardize = {
    .name = "standardize",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("eps", real, "0"), TAKES("axis", int, "")},
    .build = standardize,
    .flags = CALL_layer | CALL_weights,
    .text = "(x - mean) / std by feature (last axis; of images the channel, axis 1); mean, std: "
            "fitted on "
            "the training data, NaN left out; a std of at most eps: 1",
};

const CallRow call_impute = {
    .name = "impute",
    .min_in = 1,
    .max_in = 1,
    .arg = {WORDS("strategy", "mean", "mean median value"), TAKES("value", real, ""),
            TAKES("indicator", bool, "false"), TAKES("axis", int, "")},
    .build = impute,
    .flags = CALL_layer | CALL_weights,
    .text = "x, NaN replaced by value, of each feature the training data's mean or median, or as "
            "given (0); "
            "indicator: 1 where x was NaN, else 0, behind the features",
};

const CallRow call_pca = {
    .name = "pca",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("k", int), TAKES("whiten", bool, "false")},
    .build = pca,
    .flags = CALL_layer | CALL_weights,
    .text = "(x - mean) components^T on the last axis, whiten: / sqrt(explained_variance); "
            "components [k, in], "
            "mean, explained_variance: of the training data",
};
