/* SPDX-License-Identifier: MIT */
/* layers_quantize.c: vectors replaced by the nearest of a codebook (van den Oord et al., "Neural discrete
 * representation learning", 2017).
 *
 * The codebook is learnt by the layer's loss, or, with `ema`, follows moving averages of how many vectors each code
 * gets and of their sum (the paper's appendix; Sonnet's VectorQuantizerEMA).
 */
#include <inttypes.h>

#include "rows.h"

enum { ARG_count, ARG_dim, ARG_beta, ARG_ema, ARG_axis, ARG_eps };

typedef struct Quantizer {
    int axis; /* of the operand, along which a vector lies */
    int64_t count, dim;
    Shape table;     /* [count, dim] */
    bool follows;    /* ema: no gradient reaches the codebook */
    Node *codes;     /* the codebook as it is here */
    Node *x;         /* [vectors, dim] */
    Node *index, *q; /* [vectors] i32, [vectors, dim] */
} Quantizer;

/* --- arguments -------------------------------------------------------------------------------- */

static bool report(Call *c, Loc loc, const char *text)
{
    diag_error(&c->ctx->diag, loc, "%s: %s", c->row->name, text);
    return false;
}

/* Which axis vectors lie along: of images and their like the channels, else the last. */
static bool read_axis(Call *c, Quantizer *v)
{
    const Shape *x = &c->in[0]->shape;
    const Arg *axis = &c->arg[ARG_axis];
    char text[128];
    if (x->rank < 2 || x->batch != 0) {
        diag_error(&c->ctx->diag, c->loc, "%s takes [N, ..., C], not %s", c->row->name,
                   shape_text(x, text));
        rows_notes(c);
        return false;
    }
    v->axis = x->rank > 3 ? 1 : x->rank - 1;
    if (axis->given)
        v->axis = call_inner_axis(c, axis, axis->i, x->rank);
    if (v->axis < 0)
        return false;
    v->dim = x->dim[v->axis];
    if (!c->arg[ARG_dim].given || c->arg[ARG_dim].i == v->dim)
        return true;
    diag_error(&c->ctx->diag, c->arg[ARG_dim].loc, "%s: dim is %" PRId64 ", axis %d of %s is not",
               c->row->name, c->arg[ARG_dim].i, v->axis, shape_text(x, text));
    rows_notes(c);
    return false;
}

static bool read_arguments(Call *c, Quantizer *v)
{
    const Arg *count = &c->arg[ARG_count], *beta = &c->arg[ARG_beta], *ema = &c->arg[ARG_ema],
              *eps = &c->arg[ARG_eps];
    v->count = count->i;
    v->follows = ema->given;
    if (count->i < 1 || count->i >= EXACT)
        return report(c, count->loc, "count is from 1 to 2^24 - 1");
    if (!(beta->r >= 0))
        return report(c, beta->loc, "beta is 0 or more");
    if (v->follows && !(ema->r >= 0 && ema->r < 1))
        return report(c, ema->loc, "ema is the share of the old in the averages, 0 to below 1");
    if (!(eps->r > 0))
        return report(c, eps->loc, "eps is above 0");
    if (!read_axis(c, v))
        return false;
    v->table = shape_of(2, (int64_t[]){v->count, v->dim});
    return true;
}

/* --- the nearest code ------------------------------------------------------------------------- */

/* For each row of x [P, dim] that of the codebook that is nearest, the first of equals: [P], i32. |x|^2 is the same
 * for all codes, and left out. NaN is near to none, and gets the last. */
static Node *nearest(Graph *g, Node *x, Node *codes)
{
    const int each = 1;
    const Shape row = {.rank = 2, .batch = -1, .dim = {1, codes->shape.dim[0]}};
    const Shape list = {.rank = 1, .batch = 0, .dim = {x->shape.dim[0]}};
    Node *square = build_binary(g, OP_mul, codes, codes);
    square = build_reshape(g, build_reduce(g, OP_reduce_sum, square, 1, &each), &row);
    Node *along = build_matmul(g, x, build_swap(g, codes));
    Node *distance = build_binary(g, OP_sub, square, rows_times(g, along, 2));
    Node *least = build_reduce(g, OP_reduce_min, distance, 1, &each);
    Node *is = build_binary(g, OP_equal, distance, least);
    Node *last = build_const(g, (double)codes->shape.dim[0] - 1);
    Node *number = build_where(g, is, build_iota(g, &row, 1), last);
    number = build_reduce(g, OP_reduce_min, number, 1, &each);
    return build_cast(g, build_reshape(g, number, &list), DT_i32);
}

/* --- moving averages -------------------------------------------------------------------------- */

/* What `buffer` becomes with a share 1 - ema of `now`. */
static Node *moved(Call *c, Node *buffer, Node *now)
{
    Graph *g = c->g;
    double keep = c->arg[ARG_ema].r;
    Node *old = rows_times(g, call_latest(c, buffer), keep);
    Node *value = build_binary(g, OP_add, old, rows_times(g, now, 1 - keep));
    call_become(c, buffer, value);
    return value;
}

/* Moves the averages, and the codebook to where they say; counts are smoothed (Laplace). */
static void follow(Call *c, const Quantizer *v, Node *weight, Node *size, Node *sum)
{
    Graph *g = c->g;
    const double eps = c->arg[ARG_eps].r;
    const Shape one = {.rank = 2, .batch = 0, .dim = {v->x->shape.dim[0], 1}},
                column = shape_of(2, (int64_t[]){v->count, 1});
    Node *ones[2] = {build_fill(g, &one, 1), v->index}, *vectors[2] = {v->x, v->index};
    Node *number = graph_add_as(g, OP_scatter_add, 2, ones, NULL, &column, DT_f32);
    Node *total = graph_add_as(g, OP_scatter_add, 2, vectors, NULL, &v->table, DT_f32);
    number = moved(c, size, build_reshape(g, number, &size->shape));
    total = moved(c, sum, total);
    Node *all = rows_sum(g, number);
    Node *share = build_binary(g, OP_div, all, rows_plus(g, all, (double)v->count * eps));
    Node *smooth = build_binary(g, OP_mul, rows_plus(g, number, eps), share);
    call_become(c, weight, build_binary(g, OP_div, total, build_reshape(g, smooth, &column)));
}

/* The averages' variables; false after a report. Sums begin as weights of their own: with a count of 1 each, the
 * codebook that a first step leaves. */
static bool averages(Call *c, const Quantizer *v, Init first, Node **size, Node **sum)
{
    const Shape counts = shape_of(1, &v->count);
    *size = call_buffer(c, "cluster_size", &counts, 1);
    if (!*size || (c->init && !init_read(c->ctx, c->scope, c->init, v->dim, v->count, &first)))
        return false;
    *sum = call_buffer_as(c, "embed_avg", &v->table, first);
    return *sum != NULL;
}

/* --- the layer -------------------------------------------------------------------------------- */

/* [vectors, dim] of the operand; perm[i]: where its axis i goes. */
static Node *as_vectors(Call *c, const Quantizer *v, Shape *moved_to)
{
    Graph *g = c->g;
    Node *x = rows_operand(c, 0);
    int perm[RANK_MAX], n = 0;
    for (int i = 0; i < x->shape.rank; i++)
        if (i != v->axis)
            perm[n++] = i;
    perm[n] = v->axis;
    x = build_transpose(g, x, perm);
    *moved_to = x->shape;
    const int64_t vectors = shape_count(&x->shape) / v->dim;
    return build_reshape(g, x, &(Shape){.rank = 2, .batch = 0, .dim = {vectors, v->dim}});
}

/* The same numbers as the operand's, again in its shape. */
static Node *as_operand(Call *c, const Quantizer *v, Node *y, const Shape *moved_to)
{
    int perm[RANK_MAX];
    for (int i = 0; i < moved_to->rank; i++)
        perm[i] = i < v->axis ? i : i - 1;
    perm[v->axis] = moved_to->rank - 1;
    return build_transpose(c->g, build_reshape(c->g, y, moved_to), perm);
}

/* mean((a - b)^2), b a constant for differentiation */
static Node *apart(Graph *g, Node *a, Node *b)
{
    Node *d = build_binary(g, OP_sub, a, build_unary(g, OP_stop_gradient, b));
    return rows_mean(g, build_binary(g, OP_mul, d, d));
}

/* How far codes are from what they stand for, unless they follow it, and beta times how far that is from them. */
static Node *loss_of(Call *c, const Quantizer *v)
{
    Node *commitment = rows_times(c->g, apart(c->g, v->x, v->q), c->arg[ARG_beta].r);
    return v->follows ? commitment
                      : build_binary(c->g, OP_add, apart(c->g, v->q, v->x), commitment);
}

static Node *vector_quantize(Call *c)
{
    Graph *g = c->g;
    Quantizer v = {0};
    Node *size = NULL, *sum = NULL;
    Shape shape;
    if (!read_arguments(c, &v))
        return NULL;
    const bool moves = v.follows && c->training && !c->frozen;
    const double bound =
        1 / (double)v.count; /* shorter than vectors, so that directions choose among all codes */
    const Init first = {INIT_uniform, -bound, bound};
    c->frozen = c->frozen || v.follows;
    Node *weight = call_weight(c, "weight", &v.table, first, v.dim, v.count);
    if (!weight || (v.follows && !averages(c, &v, first, &size, &sum)))
        return NULL;
    v.codes = v.follows ? call_latest(c, weight) : weight;
    v.x = as_vectors(c, &v, &shape);
    v.index = nearest(g, v.x, v.codes);
    v.q = build_binary(g, OP_gather, v.codes, v.index);
    if (moves)
        follow(c, &v, weight, size, sum);
    c->n_parts = 3;
    c->parts[0] = as_operand(c, &v, rows_straight_through(g, v.q, v.x), &shape);
    c->parts[2] = loss_of(c, &v);
    shape.rank--;
    shape.dim[shape.rank] = 0;
    c->parts[1] = build_reshape(g, v.index, &shape);
    return c->parts[0];
}

const CallRow call_vector_quantize = {
    .name = "vector_quantize",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("count", int), TAKES("dim", int, ""), TAKES("beta", real, "0.25"),
            TAKES("ema", real, ""), TAKES("axis", int, ""), TAKES("eps", real, "1e-5")},
    .build = vector_quantize,
    .flags = CALL_layer | CALL_weights | CALL_several,
    .text =
        "of each vector along axis (default: of [N, C, H, W] and more axes 1, else the last) the "
        "nearest row of weight, with the gradient of x; which row that is; the loss mean((q - "
        "x)^2), q's part "
        "of it and beta times x's; weight: [count, dim]; with ema it moves by averages: "
        "cluster_size: "
        "[count], embed_avg: [count, dim]",
};

/* --- how many codes are used ------------------------------------------------------------------ */

/* How often each code occurs. */
static bool code_perplexity(Call *c, Node **sums)
{
    Graph *g = c->g;
    Indices k;
    if (!indices_read(c, 0, &k) || !k.count)
        return report(c, c->loc, "takes codes, as vector_quantize gives them, or classes");
    const Shape counts = shape_of(1, &k.count);
    Node *hit = build_one_hot(g, k.node, k.count, -1);
    int axes[RANK_MAX], n = hit ? hit->shape.rank - 1 : 0;
    for (int i = 0; i < n; i++)
        axes[i] = i;
    sums[0] = build_reshape(g, build_reduce(g, OP_reduce_sum, hit, n, axes), &counts);
    return sums[0] != NULL;
}

const MetricRow metric_code_perplexity = {
    .name = "code_perplexity",
    .n_in = 1,
    .finish = FINISH_code_perplexity,
    .n_sums = 1,
    .build = code_perplexity,
    .larger = true,
    .text = "exp of the entropy of how often each code occurs: of codes used equally, how many "
            "there are",
};
