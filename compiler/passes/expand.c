/* SPDX-License-Identifier: MIT */
/* expand: makes loops of the products that are too small or too narrow for a template.
 *
 * needs   shapes
 * gives   no matmul, conv or conv_weight of few multiplications; no depthwise conv_weight, nor conv but such as
 *         has a template
 * breaks  nothing
 *
 * A product becomes a sum over elementwise products: reduce_sum(a * b). The last axis is never
 * summed over and is the longest axis of channels, since loop kernels are vectors along it; those
 * that are summed over stand before it. Where a tensor would need more axes than there are, the
 * product stays.
 */
#include "../ops/ops.h"
#include "lower.h"
#include "passes.h"

enum { SMALL = 256 /* multiply-adds a sample */ };

/* --- matmul ----------------------------------------------------------------------------------- */

/* sum over k of a[.., m, k, 1] * b[.., 1, k, n]. */
static Node *expand_matmul(Graph *g, Node *y)
{
    const Shape *a = &y->in[0]->shape, *b = &y->in[1]->shape;
    if (shape_count(&y->shape) * a->dim[a->rank - 1] > SMALL || y->shape.rank >= RANK_MAX)
        return y;
    Node *left = build_unsqueeze(g, y->in[0], a->rank);
    Node *right = build_unsqueeze(g, y->in[1], b->rank - 2);
    int axis = -2;
    Node *sum = build_reduce(g, OP_reduce_sum, build_binary(g, OP_mul, left, right), 1, &axis);
    return build_squeeze(g, sum, 1, &axis);
}

/* --- convolutions ----------------------------------------------------------------------------- */

typedef struct Conv {
    int spatial;
    Taps taps;
    int64_t channels; /* of x */
    int64_t each;     /* of x in a group */
    int64_t out;      /* channels of y */
} Conv;

/* x, w and y as of op conv. */
static Conv conv_of(const Taps *t, const Shape *x, const Shape *y)
{
    Conv c = {.spatial = x->rank - 2, .taps = *t};
    c.channels = x->dim[x->rank - 1];
    c.each = c.channels / t->groups;
    c.out = y->dim[y->rank - 1];
    c.taps.groups = 0; /* windows have none */
    return c;
}

static bool is_depthwise(const Conv *c)
{
    return c->each == 1 && c->channels > 1;
}

/* y is a sample's result, or its gradient. */
static bool is_small(const Conv *c, const Shape *y)
{
    int64_t work = shape_count(y) * c->each;
    for (int i = 0; i < c->spatial && work <= SMALL; i++)
        work *= c->taps.size[i];
    return c->each == c->channels && work <= SMALL;
}

/* How many axes of channels the products have: 1, where each channel of x gives one of y; 2,
 * several of y for each channel of x and then those of x, or all of x and then those of y. 0: the
 * product stays. */
static int channel_axes(const Conv *c, const Shape *y)
{
    if (!is_depthwise(c) && !is_small(c, y))
        return 0;
    int axes = is_depthwise(c) && c->out == c->channels ? 1 : 2;
    return 1 + 2 * c->spatial + axes <= RANK_MAX ? axes : 0;
}

/* The windows, [N, windows.., taps.., C], with another axis of channels where there are two. */
static Node *windows(Graph *g, Node *x, const Conv *c, int axes)
{
    Node *w = build_window(g, x, &c->taps);
    return axes == 2 ? build_unsqueeze(g, w, w->shape.rank - is_depthwise(c)) : w;
}

/* x as lead.. and y's channels, each the `several` of a channel of x, as lead.., several, C. */
static Node *by_channel(Graph *g, Node *x, const Conv *c, Shape lead, int axes)
{
    lead.dim[lead.rank++] = c->channels;
    if (axes == 2)
        lead.dim[lead.rank++] = c->out / c->channels;
    x = build_reshape(g, x, &lead);
    return axes == 2 ? build_swap(g, x) : x;
}

/* The other way: lead.., (several,) C as `shape`, in which channels of y stand. */
static Node *as_channels(Graph *g, Node *x, const Conv *c, Shape lead, int axes, const Shape *shape)
{
    if (axes == 2) {
        lead.dim[lead.rank++] = c->out / c->channels;
        lead.dim[lead.rank++] = c->channels;
        x = build_swap(g, build_reshape(g, x, &lead));
    }
    return build_reshape(g, x, shape);
}

/* The axes of s from `from` on, as many as there are spatial ones, behind those of `lead`. */
static Shape and_spatial(Shape lead, const Conv *c, const Shape *s, int from)
{
    for (int i = 0; i < c->spatial; i++)
        lead.dim[lead.rank++] = s ? s->dim[from + i] : 1;
    return lead;
}

static Shape samples(const Shape *s)
{
    return (Shape){.rank = 1, .batch = s->batch, .dim = {s->dim[0]}};
}

static const Shape nothing = {.batch = -1};

/* Sums windows * weight over the taps, and over x's channels where y's are not theirs. */
static Node *expand_conv(Graph *g, Node *y)
{
    Conv c = conv_of(&y->attr->taps, &y->in[0]->shape, &y->shape);
    int axes = channel_axes(&c, &y->shape), summed[RANK_MAX], n = 0;
    if (!axes || depthwise_suits(g->program->target, &y->attr->taps, &y->in[0]->shape, &y->shape))
        return y;
    Node *x = windows(g, y->in[0], &c, axes), *w = y->in[1];
    if (is_depthwise(&c))
        w = by_channel(g, w, &c, and_spatial(nothing, &c, &w->shape, 0), axes);
    for (int i = 0; i < c.spatial + !is_depthwise(&c); i++)
        summed[n++] = 1 + c.spatial + i;
    Node *sum = build_reduce(g, OP_reduce_sum, build_binary(g, OP_mul, x, w), n, summed);
    if (!is_depthwise(&c))
        return build_reshape(g, sum, &y->shape);
    return as_channels(g, sum, &c, and_spatial(samples(&y->shape), &c, &y->shape, 1), axes,
                       &y->shape);
}

/* dy, [N, windows.., M], in the place of the products: [N, 1.., windows.., channels]. */
static Node *gradient_axes(Graph *g, Node *dy, const Conv *c, int axes)
{
    Shape s = and_spatial(samples(&dy->shape), c, NULL, 0);
    s = and_spatial(s, c, &dy->shape, 1);
    if (is_depthwise(c))
        return by_channel(g, dy, c, s, axes);
    s.dim[s.rank++] = 1;
    s.dim[s.rank++] = c->out;
    return build_reshape(g, dy, &s);
}

/* Sums windows * dy over samples and windows, which stand behind the taps for that. */
static Node *expand_conv_weight(Graph *g, Node *y)
{
    const Shape *dy = &y->in[1]->shape;
    Conv c = conv_of(&y->attr->taps, &y->in[0]->shape, dy);
    int axes = channel_axes(&c, dy), summed[RANK_MAX] = {0}, perm[RANK_MAX], n = 1;
    if (!axes)
        return y;
    for (int i = 0; i < RANK_MAX; i++)
        perm[i] = i;
    for (int i = 0; i < c.spatial; i++) {
        perm[1 + i] = 1 + c.spatial + i;
        perm[1 + c.spatial + i] = 1 + i;
        summed[n++] = 1 + c.spatial + i;
    }
    Node *x = build_transpose(g, windows(g, y->in[0], &c, axes), perm);
    Node *product = build_binary(g, OP_mul, x, gradient_axes(g, y->in[1], &c, axes));
    Node *sum = build_reduce(g, OP_reduce_sum, product, n, summed);
    if (!is_depthwise(&c))
        return build_reshape(g, sum, &y->shape);
    return as_channels(g, sum, &c, and_spatial(nothing, &c, &y->shape, 0), axes, &y->shape);
}

static Node *expand(Graph *g, Node *y, void *unused)
{
    (void)unused;
    switch (y->op) {
    case OP_matmul: return expand_matmul(g, y);
    case OP_conv: return expand_conv(g, y);
    case OP_conv_weight: return expand_conv_weight(g, y);
    default: return y;
    }
}

void pass_expand(Graph *g)
{
    graph_rewrite(g, expand, NULL);
}
