/* SPDX-License-Identifier: MIT */
/* tile_winograd.c: which convolutions are computed by Winograd's F(4x4, 3x3), and in which pieces.
 *
 * Costs are counted in products of two vectors. */
#include "../ops/ops.h"
#include "lower.h"

/* What transforms take, a vector of channels: a patch, its pixels of the result, a weight's taps (which
 * become 36 for 9, and go to memory), the same where they are turned or gathered first, and, where that was done
 * before, reading them. */
enum { PATCH_COST = 300, RESULT_COST = 200, TAPS_COST = 900, TURNED_COST = 1300, READ_COST = 300 };

static bool suits(const Graph *g, const ConvPlan *p)
{
    int lanes = tile_lanes(g->program->target);
    bool flat = p->spatial == 2 && p->groups == 1;
    for (int a = SPATIAL_MAX - 2; flat && a < SPATIAL_MAX; a++)
        flat = p->taps[a] == 3 && p->stride[a] == 1 && p->dilation[a] == 1;
    return flat && !g->program->exact && lanes >= 4 && p->channels % lanes == 0 &&
           p->tile_n % lanes == 0;
}

/* Of all channels in and out, for so many samples: summed tap by tap, and by Winograd. */
static int64_t cost_direct(const ConvPlan *p, int64_t samples)
{
    return samples * p->out[1] * p->out[2] * 9 * p->channels * p->panels * p->tile_n;
}

static int64_t cost_winograd(const ConvPlan *p, int64_t samples, bool kept)
{
    const WinogradPlan *w = &p->winograd;
    int64_t units = p->panels * p->tile_n, patches = samples * w->high * w->wide;
    int64_t computed = tile_round_up(patches, w->rows);
    int64_t taps = p->weight_way == PACK_copied ? TAPS_COST : TURNED_COST;
    return WINOGRAD_POINTS * computed * p->channels * units +
           (kept ? READ_COST : taps) * p->channels * units +
           patches * (PATCH_COST * p->channels + RESULT_COST * units);
}

static bool pays(const ConvPlan *p, int64_t samples, bool kept)
{
    return cost_winograd(p, samples, kept) < cost_direct(p, samples);
}

/* The same of a call of fewer samples. What is made of a weight and kept is there however few they are. */
static bool pays_few(const ConvPlan *p, int64_t samples, bool readable, bool kept)
{
    enum { PANELS_COST = 300 }; /* of a vector: taps put in panels */
    int64_t panels = readable || kept ? 0 : PANELS_COST * p->channels * p->panels * p->tile_n;
    return cost_winograd(p, samples, kept) < cost_direct(p, samples) + panels;
}

/* The most patches of a piece that a choice may ask for. */
static int64_t most_patches(int64_t patches)
{
    enum { MOST = 1024 };
    return patches < MOST ? patches : MOST;
}

/* Whether Winograd's method is used: a choice where it suits, else what the cost model says. */
static bool choose_method(ConvPlan *p, bool suits, bool model)
{
    return choose(&p->choosing, CHOICE_winograd, 0, suits, 1, suits && model);
}

/* Vectors of columns: as many as leave registers for so many rows of a tile, so that a patch is seldom
 * read, and few patches are cut evenly. */
int winograd_columns(const Target *t, int64_t units)
{
    enum { ROWS = 4, VECTORS = 4 };
    int lanes = tile_lanes(t), wide = VECTORS * lanes;
    bool fits = t->registers >= VECTORS * (ROWS + 1) + 1;
    return fits && units % wide == 0 ? wide : tile_columns(t, units);
}

/* Patches of a register tile: so many that one product need not wait for another, and that a cache can
 * deliver a row of the weight meanwhile; no more, as what the last tile lacks is computed in vain. */
static int least_rows(const Target *t, int vectors)
{
    enum { UNDER_WAY = 8, LEAST = 4 };
    int rows = UNDER_WAY / vectors > LEAST ? UNDER_WAY / vectors : LEAST;
    int most = (t->registers - vectors - 1) / vectors;
    return rows < most ? rows : most < 1 ? 1 : most;
}

/* Patches of a piece: few, since they and their products go from the transforms to the tiles and back
 * through the nearest caches while the weight streams in from farther away; but many where that is from
 * beyond all caches. */
static int64_t piece_patches(const Graph *g, const ConvPlan *p)
{
    enum { MOST = 8, FAR = 32, PART = 8, CACHES = 8 };
    int64_t units = p->panels * p->tile_n, l2 = g->program->target->l2;
    if (4 * WINOGRAD_POINTS * p->channels * units > CACHES * l2)
        return FAR;
    int64_t room = l2 / PART / (4 * WINOGRAD_POINTS * (p->channels + p->tile_n));
    return room < 1 ? 1 : room > MOST ? MOST : room;
}

/* Pieces of whole register tiles. */
static void choose_block(const Graph *g, ConvPlan *p, int64_t patches, Choosing *c)
{
    WinogradPlan *w = &p->winograd;
    const Target *t = g->program->target;
    w->rows = (int)choose(c, CHOICE_tile_m, 1, TILE_ROWS_MAX, 1,
                          least_rows(t, p->tile_n / tile_lanes(t)));
    int64_t model = tile_round_up(piece_patches(g, p), w->rows), most = most_patches(patches);
    int64_t length = choose(c, CHOICE_patches, 1, most, 1, model < most ? model : most);
    w->block = (int)tile_round_up(length, w->rows);
}

static int choose_chunk(int64_t channels, int lanes)
{
    enum { CHUNK = 64 };
    int chunk = channels < CHUNK ? (int)channels : CHUNK / lanes * lanes;
    while (channels % chunk)
        chunk -= lanes;
    return chunk;
}

/* So many floats, in an odd number of lines: what lies so far apart falls into all sets of a cache. */
static int64_t odd_lines(int64_t floats)
{
    enum { LINE = 16 };
    return (tile_pieces(floats, LINE) | 1) * LINE;
}

enum {
    EVENLY = 4
}; /* pieces are so many times as many, so that 2 threads, or 4, have the same work */

/* The kernel's memory: x, where few samples are packed for the direct sum, the weight, pieces at work. */
static void place_parts(ConvPlan *p, int64_t samples, bool kept)
{
    WinogradPlan *w = &p->winograd;
    w->x_point = odd_lines(w->block * p->channels);
    w->w_point = odd_lines(p->channels * p->tile_n);
    w->y_point = odd_lines(w->block * p->tile_n);
    int64_t floats = WINOGRAD_POINTS * p->panels * w->w_point;
    p->x_floats = p->pack_x ? p->x_floats / samples * w->few : 0;
    p->x_floats = tile_round_up(p->x_floats, 16);
    p->pack_other = p->pack_other && w->few;
    /* What is kept serves calls of few samples and of many; else it is made for one of them. */
    int64_t panels = p->pack_other ? tile_round_up(p->units, w->few_columns) * p->inner : 0;
    w->panels_at = kept ? floats : 0;
    p->other_floats = kept ? floats + panels : floats > panels ? floats : panels;
    int64_t blocks = tile_pieces(samples * w->high * w->wide, w->block);
    w->evenly = p->panels % EVENLY == 0 ? 1 : p->panels % (EVENLY / 2) == 0 ? EVENLY / 2 : EVENLY;
    if (blocks < WINOGRAD_SLICES)
        blocks = tile_round_up(blocks, w->evenly);
    int64_t work = blocks * p->panels;
    int64_t patches = WINOGRAD_POINTS * w->x_point;
    w->together = blocks < WINOGRAD_SLICES;
    w->slices = work < WINOGRAD_SLICES ? (int)work : WINOGRAD_SLICES;
    w->slice = WINOGRAD_POINTS * w->y_point + (w->together ? 0 : patches);
    p->sum_floats = w->slices * w->slice + (w->together ? blocks * patches : 0);
}

/* Into patches and chunks; gives the samples of y. */
static int64_t cut(const Graph *g, ConvPlan *p, const Node *y)
{
    WinogradPlan *w = &p->winograd;
    w->high = tile_pieces(p->out[1], WINOGRAD_PIXELS);
    w->wide = tile_pieces(p->out[2], WINOGRAD_PIXELS);
    w->chunk = choose_chunk(p->channels, tile_lanes(g->program->target));
    return tile_samples(g, y);
}

bool winograd_pays(const Graph *g, const Node *y, ConvPlan *p, bool kept)
{
    if (!suits(g, p))
        return false;
    int64_t samples = cut(g, p, y);
    choose_block(g, p, samples * p->winograd.high * p->winograd.wide, NULL);
    return pays(p, samples, kept);
}

void winograd_plan(const Graph *g, const Node *y, ConvPlan *p, bool readable, bool kept)
{
    WinogradPlan *w = &p->winograd;
    if (!suits(g, p)) {
        choose_method(p, false, false);
        return;
    }
    int64_t samples = cut(g, p, y), patches = samples * w->high * w->wide;
    choose_block(g, p, patches, NULL);
    w->used = choose_method(p, true, pays(p, samples, kept));
    if (w->used)
        choose_block(g, p, patches, &p->choosing);
    while (w->used && w->few + 1 < samples && !pays_few(p, w->few + 1, readable, kept))
        w->few++;
}

void winograd_place(const Graph *g, const Node *y, ConvPlan *p, bool kept)
{
    if (p->winograd.used)
        place_parts(p, tile_samples(g, y), kept);
}

/* Patches whose sums are added at a time: as many as the caches hold, so that sums are seldom read and
 * written. Where all sums are small, threads have parts of the patches and sums of their own, added up in
 * the end, since else they would wait for each other's patches at each block, and read half of them from
 * another core's cache. */
static void choose_sums(const Graph *g, ConvPlan *p, int64_t patches, Choosing *c)
{
    enum { LEAST = 32, MOST = 128, CACHES = 8, PARTS = 8 };
    WinogradPlan *w = &p->winograd;
    int vectors = p->tile_n / tile_lanes(g->program->target);
    int64_t l2 = g->program->target->l2, units = p->panels * p->tile_n;
    int64_t most = p->channels < TILE_ROWS_MAX ? p->channels : TILE_ROWS_MAX;
    w->rows = (int)choose(c, CHOICE_tile_m, 1, most, 1,
                          tile_rows(g->program->target, p->channels, vectors));
    int64_t sums = 4 * WINOGRAD_POINTS * tile_round_up(p->channels, w->rows) * units;
    w->parts = sums <= l2 / 2 && patches >= PARTS * LEAST ? PARTS : 1;
    int64_t part = tile_pieces(patches, w->parts);
    int64_t room =
        (w->parts > 1 ? l2 - sums : CACHES * l2) / (4 * WINOGRAD_POINTS * (p->channels + units));
    room = room < LEAST ? LEAST : room > MOST ? MOST : room;
    w->block = (int)choose(c, CHOICE_patches, 1, most_patches(part), 1,
                           tile_pieces(part, tile_pieces(part, room)));
    w->one = w->block >= patches;
    w->slice = (int64_t)WINOGRAD_POINTS * w->rows * p->tile_n;
}

void winograd_weight_plan(const Graph *g, const Node *y, ConvPlan *p)
{
    /* Of a channel in and one out: sums transformed, once; kept from block to block. */
    enum { CHANGE_COST = 150, SUM_COST = 72 };
    WinogradPlan *w = &p->winograd;
    if (!suits(g, p)) {
        choose_method(p, false, false);
        return;
    }
    int64_t samples = cut(g, p, y->in[1]), patches = samples * w->high * w->wide;
    choose_sums(g, p, patches, NULL);
    int64_t units = p->panels * p->tile_n;
    int64_t sums = WINOGRAD_POINTS * patches + CHANGE_COST +
                   (w->one ? 0 : tile_pieces(patches, w->block) * SUM_COST);
    int64_t cost =
        sums * p->channels * units + patches * (PATCH_COST * p->channels + RESULT_COST * units);
    w->used = choose_method(p, true, cost < cost_direct(p, samples));
    if (w->used)
        choose_sums(g, p, patches, &p->choosing);
}

void winograd_weight_place(ConvPlan *p)
{
    WinogradPlan *w = &p->winograd;
    if (!w->used)
        return;
    w->x_point = odd_lines(w->block * p->channels);
    w->w_point = odd_lines(w->block * p->panels * p->tile_n);
    p->x_floats = w->parts * WINOGRAD_POINTS * w->x_point;
    p->other_floats = w->parts * WINOGRAD_POINTS * w->w_point;
    p->tiles = p->panels * tile_pieces(p->channels, w->rows);
    w->slices = p->tiles < WINOGRAD_SLICES ? (int)p->tiles : WINOGRAD_SLICES;
    p->sum_floats = (w->one ? w->slices : w->parts * p->tiles) * w->slice;
}
