/* SPDX-License-Identifier: MIT */
/* tile_depthwise.c: which convolutions whose channels stand alone run in register tiles, and in which. */
#include "../ops/ops.h"
#include "lower.h"

enum { TAPS_MAX = 7, PIXELS_MAX = 14 };

bool depthwise_suits(const Target *t, const Taps *taps, const Shape *x, const Shape *y)
{
    int64_t channels = x->dim[x->rank - 1];
    int spatial = x->rank - 2;
    bool suits = t && spatial <= 2 && taps->groups == channels && y->dim[y->rank - 1] == channels &&
                 t->vector_bytes >= 16 && channels % tile_lanes(t) == 0 &&
                 taps->size[spatial - 1] <= TAPS_MAX;
    for (int a = 0; a < spatial; a++)
        suits = suits && taps->dilation[a] == 1;
    return suits;
}

/* A pad with zeros around pixels is not made: its places are left out of sums. */
static bool is_border(const Node *x)
{
    int channels = x->shape.rank - 1;
    if (x->op != OP_pad || x->attr->value != 0)
        return false;
    for (int axis = 0; axis <= channels; axis++)
        if (x->attr->start[axis] < 0 || x->attr->end[axis] < 0)
            return false;
    return x->shape.dim[0] == x->in[0]->shape.dim[0] &&
           x->shape.dim[channels] == x->in[0]->shape.dim[channels];
}

/* What is read, where it stands; else x is packed, border and all. */
static void choose_x(const Graph *g, const Node *x, ConvPlan *p)
{
    DepthwisePlan *d = &p->depthwise;
    int64_t stride[RANK_MAX];
    int first = SPATIAL_MAX - p->spatial;
    bool border = is_border(x) && conv_stands(g, x->in[0], stride);
    d->x = border ? x->in[0] : x;
    for (int a = 0; a < SPATIAL_MAX; a++) {
        d->in[a] = border && a >= first ? d->x->shape.dim[1 + a - first] : p->in[a];
        d->pad[a] = border && a >= first ? x->attr->start[1 + a - first] : 0;
    }
    p->pack_x = !conv_stands(g, d->x, stride);
    enum { LINE = 16 };
    if (p->pack_x)
        p->x_floats =
            tile_round_up(tile_samples(g, x) * op_product(&x->shape, 1, x->shape.rank), LINE);
}

/* The pixels of a row that no edge cuts. */
static void find_edges(ConvPlan *p)
{
    DepthwisePlan *d = &p->depthwise;
    int axis = SPATIAL_MAX - 1;
    int64_t step = p->stride[axis], last = d->in[axis] + d->pad[axis] - p->taps[axis];
    d->left = tile_pieces(d->pad[axis], step);
    d->right = last < 0 ? 0 : last / step + 1;
    if (d->right > p->out[axis])
        d->right = p->out[axis];
    if (d->right < d->left)
        d->left = d->right = p->out[axis];
}

/* Pixels of a tile: sums, a row of taps and a column of x fit in registers. */
static int choose_pixels(const Target *t, const ConvPlan *p, int vectors)
{
    int64_t taps = p->taps[SPATIAL_MAX - 1], length = p->depthwise.right - p->depthwise.left;
    int64_t most = (t->registers - 1 - (taps + 1) * vectors) / vectors, best = INT64_MAX;
    int pixels = 1;
    for (int64_t m = 1; m <= most && m <= PIXELS_MAX && m <= length; m++) {
        int64_t cost = tile_pieces(length, m) * (m * taps + m + 2 * taps);
        if (cost > best)
            continue;
        best = cost;
        pixels = (int)m;
    }
    return pixels;
}

void depthwise_plan(const Graph *g, const Node *y, ConvPlan *p)
{
    enum { MANY_REGISTERS = 32, PARTS = 2, FEW_ROWS = 8 };
    const Target *t = g->program->target;
    const Node *x = y->in[0], *w = y->in[1];
    if (!depthwise_suits(t, &y->attr->taps, &x->shape, &y->shape))
        return;
    p->depthwise.used = true;
    int vectors = t->registers >= MANY_REGISTERS && p->channels % (2 * tile_lanes(t)) == 0 ? 2 : 1;
    p->tile_n = vectors * tile_lanes(t);
    p->panels = p->channels / p->tile_n;
    p->tile_h = 1;
    p->depthwise.rows = tile_pieces(p->out[1], p->out[1] > FEW_ROWS ? PARTS : 1);
    choose_x(g, x, p);
    find_edges(p);
    p->tile_w = choose_pixels(t, p, vectors);
    p->pack_other = !conv_plain_weight(g, p, w);
    p->other_floats = p->pack_other ? p->inner * p->channels : 0;
}
