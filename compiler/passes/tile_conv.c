/* SPDX-License-Identifier: MIT */
/* tile_conv.c: the sizes of a convolution's kernels: register tiles, what is packed, in which pieces.
 */
#include <string.h>

#include "../ops/ops.h"
#include "lower.h"

/* Spatial axes are counted as depth, height, width; those that a network lacks are 1 long. */
static void fill_axes(int64_t *to, const int64_t *from, int spatial)
{
    for (int i = 0; i < SPATIAL_MAX; i++)
        to[i] = i < SPATIAL_MAX - spatial ? 1 : from[i - (SPATIAL_MAX - spatial)];
}

enum { AXES_TEXT = 64 }; /* of SPATIAL_MAX numbers */
enum { LINE = 16 };      /* floats of a cache line: where each part of the packed memory begins */

static int64_t product(const int64_t *list)
{
    return list[0] * list[1] * list[2];
}

bool pixel_strides(IxSpace *s, const Node *x, const Ix *at, const Node **base, int64_t *offset,
                   int64_t *stride)
{
    Ix linear;
    int atoms[RANK_MAX], rank = x->shape.rank;
    for (int i = 0; i < rank; i++)
        atoms[i] = at[i].n ? at[i].t[0].atom : -1;
    if (!operand_strides(s, x, at, atoms[rank - 2], atoms[rank - 1], base, &linear))
        return false;
    *offset = linear.c;
    memset(stride, 0, sizeof *stride * (size_t)rank);
    for (int k = 0; k < linear.n; k++) {
        int axis = rank - 1;
        while (axis >= 0 && atoms[axis] != linear.t[k].atom)
            axis--;
        if (axis < 0)
            return false;
        stride[axis] = linear.t[k].k;
    }
    return stride[rank - 1] == 1 || atoms[rank - 1] < 0;
}

bool conv_stands(const Graph *g, const Node *x, int64_t *stride)
{
    Arena *scratch = arena_new();
    IxSpace s = ix_space(scratch, g->program->train.batch);
    Ix at[RANK_MAX] = {0};
    const Node *base;
    int64_t offset;
    for (int i = 0; i < x->shape.rank; i++)
        at[i] = ix_loop(&s, "i", axis_extent(&s, &x->shape, i));
    bool plain = pixel_strides(&s, x, at, &base, &offset, stride);
    arena_free(scratch);
    return plain;
}

static void fill_extents(ConvPlan *p, const Node *x, const Node *y, const Taps *t)
{
    int spatial = x->shape.rank - 2;
    p->spatial = spatial;
    fill_axes(p->in, &x->shape.dim[1], spatial);
    fill_axes(p->out, &y->shape.dim[1], spatial);
    fill_axes(p->taps, t->size, spatial);
    fill_axes(p->stride, t->stride, spatial);
    fill_axes(p->dilation, t->dilation, spatial);
    p->groups = t->groups;
    p->channels = x->shape.dim[spatial + 1];
    p->units = y->shape.dim[spatial + 1];
}

/* "4x3", of the axes that the network has. */
static const char *axes_text(const ConvPlan *p, const int64_t *list, char *text)
{
    size_t n = 0;
    for (int i = SPATIAL_MAX - p->spatial; i < SPATIAL_MAX; i++)
        n += (size_t)snprintf(text + n, AXES_TEXT - n, "%s%lld", n ? "x" : "", (long long)list[i]);
    return text;
}

/* The key of the plan. */
static void begin(const Graph *g, ConvPlan *p, const Node *y, const char *other, bool kept)
{
    char in[AXES_TEXT], out[AXES_TEXT], taps[AXES_TEXT], stride[AXES_TEXT], dilation[AXES_TEXT];
    int64_t ignored[RANK_MAX];
    const Node *x = y->in[0];
    p->choosing = choosing_begin(
        g->program,
        "%s:%lldx%sx%lld,taps=%s,out=%sx%lld,stride=%s,dilation=%s,groups=%lld,a=%s,b=%s%s%s",
        op_rows[y->op].name, (long long)tile_samples(g, x), axes_text(p, p->in, in),
        (long long)p->channels, axes_text(p, p->taps, taps), axes_text(p, p->out, out),
        (long long)p->units, axes_text(p, p->stride, stride), axes_text(p, p->dilation, dilation),
        (long long)p->groups, conv_stands(g, x, ignored) ? "plain" : "made", other,
        kept ? ",kept" : "", g->program->exact ? ",exact" : "");
}

/* The most numbers of a tile of so many vectors of columns: accumulators, a row of the panel and a
 * broadcast fit in registers. */
static int most_rows(const Target *t, int vectors)
{
    enum { ROWS_MAX = 14 };
    int rows = (t->registers - vectors - 1) / vectors;
    return rows < 1 ? 1 : rows < ROWS_MAX ? rows : ROWS_MAX;
}

/* What a tile of so many rows takes, a step of its sum: products, at least as many as are under way
 * at once, and loads. */
static int64_t tile_cost(int64_t rows, int vectors)
{
    enum { UNDER_WAY = 8 };
    int64_t products = rows * vectors;
    return (products > UNDER_WAY ? products : UNDER_WAY) + vectors;
}

int tile_rows(const Target *t, int64_t length, int vectors)
{
    int most = most_rows(t, vectors), rows = 1;
    int64_t best = INT64_MAX;
    for (int m = 1; m <= most && m <= length; m++) {
        int64_t cost = tile_pieces(length, m) * tile_cost(m, vectors);
        if (cost > best)
            continue;
        best = cost;
        rows = m;
    }
    return rows;
}

/* Pixels of a tile, so many along a row (0: any number) and down. */
static void least_cost(const Graph *g, ConvPlan *p, int vectors, int along)
{
    /* Pixels a multiple of this many floats apart share a set of the nearest cache, which holds so many. */
    enum { SET = 1024, WAYS = 7 };
    int most = most_rows(g->program->target, vectors);
    if (p->channels * p->stride[2] % SET == 0 && most > WAYS)
        most = WAYS;
    int64_t best = INT64_MAX;
    if (along > most)
        most = along;
    for (int w = along ? along : 1; w <= (along ? along : most) && w <= p->out[2]; w++)
        for (int h = 1; h * w <= most && h <= p->out[1]; h++) {
            int64_t cost = tile_pieces(p->out[2], w) * tile_pieces(p->out[1], h) *
                           tile_cost((int64_t)w * h, vectors);
            if (cost > best || (cost == best && w < p->tile_w))
                continue;
            best = cost;
            p->tile_w = w;
            p->tile_h = h;
        }
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void choose_pixels(const Graph *g, ConvPlan *p, Choosing *c)
{
    int vectors = conv_direct(p).tile_n / tile_lanes(g->program->target);
    least_cost(g, p, vectors, 0);
    int model = p->tile_w;
    p->tile_w = (int)choose(c, CHOICE_tile_w, 1, least_of(p->out[2], TILE_ROWS_MAX), 1, p->tile_w);
    if (p->tile_w != model)
        least_cost(g, p, vectors, p->tile_w);
    p->tile_h = (int)choose(c, CHOICE_tile_h, 1, least_of(p->out[1], TILE_ROWS_MAX / p->tile_w), 1,
                            p->tile_h);
}

int tile_conv_columns(const Target *t, int64_t units, int64_t inner)
{
    /* Three vectors take the fewest loads a product of what leaves no register over. Of a short sum a small
     * tile: what is made of the last one's result runs beside the next one's sum. */
    enum { VECTORS = 3, ROWS = 9, SHORT = 128 };
    int lanes = tile_lanes(t), wide = VECTORS * lanes;
    if (t->registers >= VECTORS * (ROWS + 1) + 1 && units % wide == 0)
        return wide;
    return inner <= SHORT && units % lanes == 0 ? lanes : tile_columns(t, units);
}

/* The model's, of the direct sum. */
static int direct_columns(const Graph *g, const ConvPlan *p)
{
    return tile_conv_columns(g->program->target, p->units / p->groups, p->inner);
}

static void set_columns(ConvPlan *p, int columns)
{
    p->tile_n = columns;
    p->panels = tile_pieces(p->units / p->groups, columns);
}

static void choose_columns(const Graph *g, ConvPlan *p, int model)
{
    set_columns(p, tile_choose_columns(&p->choosing, g->program->target, model));
}

ConvPlan conv_direct(const ConvPlan *p)
{
    ConvPlan direct = *p;
    if (p->winograd.few)
        set_columns(&direct, p->winograd.few_columns);
    return direct;
}

/* Columns of a convolution's tile: those of Winograd's where that pays. */
static int model_columns(const Graph *g, const Node *y, ConvPlan p, bool kept)
{
    int direct = direct_columns(g, &p);
    set_columns(&p, winograd_columns(g->program->target, p.units / p.groups));
    return winograd_pays(g, y, &p, kept) ? p.tile_n : direct;
}

/* How a weight [taps.., channels, units] lies along its units; copied and turned only where all axes have strides. */
static PackWay weight_way(const Graph *g, const ConvPlan *p, const Node *w)
{
    Arena *scratch = arena_new();
    IxSpace s = ix_space(scratch, g->program->train.batch);
    Ix at[RANK_MAX] = {0}, linear;
    const Node *base;
    int rank = w->shape.rank;
    bool loops = p->groups == 1;
    for (int i = 0; i < rank; i++)
        at[i] = ix_loop(&s, "k", w->shape.dim[i]);
    int channel = at[rank - 2].n ? at[rank - 2].t[0].atom : -1;
    int unit = at[rank - 1].n ? at[rank - 1].t[0].atom : -1;
    PackWay way = operand_way(&s, w, at, unit, channel, &base, &linear);
    for (int k = 0; way != PACK_made && k < linear.n; k++)
        loops = loops && s.atoms.at[linear.t[k].atom].kind == ATOM_loop;
    arena_free(scratch);
    return loops ? way : PACK_made;
}

/* Whether a weight [taps.., channels, units] is one block of memory, in panels as a kernel would pack
 * them: [units / columns][taps.., channels][columns]. */
static bool in_panels(const Graph *g, const ConvPlan *p, const Node *w)
{
    if (p->groups > 1 || p->units % p->tile_n)
        return false;
    Arena *scratch = arena_new();
    IxSpace s = ix_space(scratch, g->program->train.batch);
    Ix at[RANK_MAX] = {0}, linear, packed = ix_const(0);
    const Node *base;
    int rank = w->shape.rank;
    for (int i = 0; i < rank - 1; i++) {
        at[i] = ix_loop(&s, "k", w->shape.dim[i]);
        packed = ix_add(&s, ix_scale(packed, w->shape.dim[i]), at[i]);
    }
    Ix panel = ix_loop(&s, "p", p->panels), column = ix_loop(&s, "v", p->tile_n);
    at[rank - 1] = ix_add(&s, ix_scale(panel, p->tile_n), column);
    packed = ix_add(&s, ix_add(&s, ix_scale(packed, p->tile_n), column),
                    ix_scale(panel, p->inner * p->tile_n));
    bool same = operand_strides(&s, w, at, -1, -1, &base, &linear);
    packed.c = same ? linear.c : 0;
    same = same && ix_equal(&linear, &packed);
    arena_free(scratch);
    return same;
}

bool conv_plain_weight(const Graph *g, const ConvPlan *p, const Node *w)
{
    int64_t stride[RANK_MAX];
    int rank = w->shape.rank;
    bool plain = conv_stands(g, w, stride) && p->units % p->tile_n == 0;
    for (int i = rank - 2; plain && i >= 0; i--)
        plain = w->shape.dim[i] == 1 || stride[i] == op_product(&w->shape, i + 1, rank);
    return plain;
}

/* The same, of whole panels side by side. */
static bool is_plain(const Graph *g, const ConvPlan *p, const Node *w)
{
    return p->groups == 1 && conv_plain_weight(g, p, w);
}

/* How a weight is kept, for the key of a plan. */
static const char *weight_text(const Graph *g, ConvPlan p, const Node *w)
{
    int64_t stride[RANK_MAX];
    set_columns(&p, direct_columns(g, &p));
    return in_panels(g, &p, w) ? "panels" : conv_stands(g, w, stride) ? "plain" : "made";
}

/* How many samples [samples, spatial.., channels] has at most. */
int64_t tile_samples(const Graph *g, const Node *x)
{
    return x->shape.dim[0] * (x->shape.batch == 0 ? g->program->train.batch : 1);
}

/* x is read where it stands, else packed; whether a row of taps is one run of numbers. */
static void choose_x(const Graph *g, ConvPlan *p, const Node *x, Choosing *c)
{
    int64_t stride[RANK_MAX];
    int rank = x->shape.rank;
    bool made = !conv_stands(g, x, stride);
    p->pack_x = choose(c, CHOICE_pack_a, made, 1, 1, made);
    bool joined = p->pack_x || stride[rank - 2] == p->channels || p->in[2] == 1;
    p->run_taps = joined && p->groups == 1 && p->dilation[2] == 1;
    p->x_floats =
        p->pack_x ? tile_round_up(tile_samples(g, x) * product(p->in) * p->channels, LINE) : 0;
}

ConvPlan conv_plan(const Graph *g, const Node *y, bool kept)
{
    const Node *x = y->in[0], *w = y->in[1];
    ConvPlan p = {0};
    fill_extents(&p, x, y, &y->attr->taps);
    p.inner = product(p.taps) * (p.channels / p.groups);
    depthwise_plan(g, y, &p);
    if (p.depthwise.used)
        return p;
    if (g->program->choices)
        begin(g, &p, y, weight_text(g, p, w), kept);
    p.weight_way = weight_way(g, &p, w);
    choose_columns(g, &p, model_columns(g, y, p, kept));
    ConvPlan few = p;
    p.winograd.few_columns = direct_columns(g, &p);
    set_columns(&few, p.winograd.few_columns);
    winograd_plan(g, y, &p, kept || is_plain(g, &few, w) || in_panels(g, &few, w), kept);
    ConvPlan direct = conv_direct(&p);
    p.panels_kept = in_panels(g, &direct, w);
    /* A weight of few columns is read in place; the rows of a wide one lie in the same few sets of a
     * cache. */
    enum { NARROW = 64 };
    bool plain = is_plain(g, &direct, w), narrow = plain && p.units <= NARROW;
    /* What the direct sum alone depends on. */
    Choosing *c = p.winograd.used ? NULL : &p.choosing;
    choose_pixels(g, &p, c);
    choose_x(g, &p, x, c);
    p.pack_other = !p.panels_kept && choose(c, CHOICE_pack_b, !plain, 1, 1, !narrow);
    p.other_floats = !p.pack_other ? 0 : p.groups * p.panels * p.inner * p.tile_n;
    /* All of a weight that stays in a cache is gone over for a few rows of pixels; else all pixels for
     * a panel. */
    p.panel_first =
        choose(c, CHOICE_panel_first, 0, 1, 1, 4 * p.inner * p.units > g->program->target->l2 / 2);
    winograd_place(g, y, &p, kept);
    choosing_end(&p.choosing);
    return p;
}

/* Samples, and rows of a sample, whose x and dy stay in a cache while all tiles go over them. */
static void model_block(const Graph *g, ConvPlan *p, int64_t batch)
{
    int64_t sample = 4 * (product(p->in) * p->channels + product(p->out) * p->units);
    int64_t room = g->program->target->l2 / 2;
    p->block_samples = room / sample < 1 ? 1 : room / sample < batch ? room / sample : batch;
    p->block_rows = p->out[1];
    if (sample <= room)
        return;
    int64_t row = sample * p->out[0] > 0 ? sample / p->out[1] : sample;
    p->block_rows = room / row < 1 ? 1 : room / row < p->out[1] ? room / row : p->out[1];
}

static void choose_block(const Graph *g, ConvPlan *p, int64_t batch, Choosing *c)
{
    model_block(g, p, batch);
    p->block_samples = choose(c, CHOICE_block_samples, 1, batch, 1, p->block_samples);
    p->block_rows = choose(c, CHOICE_block_rows, 1, p->out[1], 1, p->block_rows);
}

ConvPlan conv_weight_plan(const Graph *g, const Node *y)
{
    const Node *x = y->in[0], *dy = y->in[1];
    ConvPlan p = {0};
    int64_t stride[RANK_MAX];
    fill_extents(&p, x, dy, &y->attr->taps);
    if (g->program->choices)
        begin(g, &p, y, conv_stands(g, dy, stride) ? "plain" : "made", false);
    choose_columns(g, &p, tile_columns(g->program->target, p.units / p.groups));
    winograd_weight_plan(g, y, &p);
    /* What the direct sum alone depends on. */
    Choosing *c = p.winograd.used ? NULL : &p.choosing;
    choose_x(g, &p, x, c);
    int64_t run = p.channels / p.groups * (p.run_taps ? p.taps[2] : 1);
    int vectors = p.tile_n / tile_lanes(g->program->target);
    p.tile_m = (int)choose(c, CHOICE_tile_m, 1, least_of(run, TILE_ROWS_MAX), 1,
                           tile_rows(g->program->target, run, vectors));
    p.inner = run;
    p.runs = p.taps[0] * p.taps[1] * (p.run_taps ? 1 : p.taps[2]);
    bool whole = p.units / p.groups % p.tile_n == 0;
    bool must = !whole || !conv_stands(g, dy, stride);
    p.pack_other = choose(c, CHOICE_pack_b, must, 1, 1, must);
    p.other_floats =
        p.pack_other
            ? tile_round_up(tile_samples(g, dy) * product(p.out) * p.groups * p.panels * p.tile_n,
                            LINE)
            : 0;
    choose_block(g, &p, tile_samples(g, x), c);
    p.tiles = p.groups * p.panels * p.runs * tile_pieces(run, p.tile_m);
    bool one = p.block_samples >= tile_samples(g, x) && p.block_rows >= p.out[1] && p.out[0] == 1;
    p.sum_floats = one ? 0 : p.tiles * p.tile_m * p.tile_n;
    winograd_weight_place(&p);
    choosing_end(&p.choosing);
    return p;
}
