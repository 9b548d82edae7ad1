/* SPDX-License-Identifier: MIT */
/* kernel_conv.c: the body of a convolution's kernel and of that of its weight's gradient.
 *
 * x is read where it stands, or packed first with its border, channels last, through whatever load
 * expression it is; so is the other operand. Then threads share tiles of pixels and channels: of
 * rows of pixels for a convolution, of the weight for its gradient. Where tiles do not divide an
 * axis the last begins early and computes some numbers again, but stores only what is new. */
#include <string.h>

#include "kernel_conv.h"

const char *conv_text(Conv *c, const char *format, int64_t x)
{
    return arena_format(c->e->arena, format, (long long)x);
}

const char *conv_samples(const Conv *c, const Node *x)
{
    return emit_extent(c->e, x->shape.dim[0], x->shape.batch == 0);
}

const char *conv_times(const Conv *c, const char *count, int64_t each)
{
    return each == 1 ? count : arena_format(c->e->arena, "%s * %lld", count, (long long)each);
}

const char *conv_part(const Conv *c, const char *t, int64_t each, int64_t of)
{
    if (of == 1)
        return "0";
    const char *quotient =
        each == 1 ? t : arena_format(c->e->arena, "%s / %lld", t, (long long)each);
    return of < 0 ? quotient : arena_format(c->e->arena, "%s %% %lld", quotient, (long long)of);
}

const char *conv_first(const Conv *c, const char *part, int64_t each)
{
    if (strcmp(part, "0") == 0 || each == 1)
        return part;
    return arena_format(c->e->arena, "%s * %lld", part, (long long)each);
}

/* " + l0 * (ptrdiff_t)784" */
static const char *far(const Conv *c, const char *index, int64_t distance)
{
    if (distance == 0)
        return "";
    return arena_format(c->e->arena, " + %s * (ptrdiff_t)%lld", index, (long long)distance);
}

void conv_let(Conv *c, const char *name, const char *value)
{
    c->lets[c->n_lets++] = (struct Let){out_index(c->e->out, name, value), name};
}

void conv_unlet(Conv *c, int n)
{
    while (c->n_lets > n) {
        c->n_lets--;
        out_unindex(c->e->out, c->lets[c->n_lets].line, c->lets[c->n_lets].name);
    }
}

void conv_columns(Conv *c, const char *count)
{
    const ConvPlan *p = c->plan;
    int64_t units = p->units / p->groups;
    const char *panel = conv_part(c, "p", 1, p->groups == 1 && p->panels > 1 ? -1 : p->panels);
    const char *from = conv_first(c, panel, p->tile_n);
    if (p->groups > 1) {
        conv_let(c, "g", conv_part(c, "p", p->panels, -1));
        conv_let(c, "j0", arena_format(c->e->arena, "g * %lld + %s", (long long)units, from));
    } else {
        conv_let(c, "j0", from);
    }
    if (units % p->tile_n == 0)
        return;
    if (p->panels == 1)
        conv_let(c, count, conv_text(c, "%lld", units));
    else
        conv_let(c, count,
                 arena_format(c->e->arena, "%s < %lld ? %d : %lld", panel,
                              (long long)(p->panels - 1), p->tile_n,
                              (long long)(units % p->tile_n)));
}

/* --- packing ---------------------------------------------------------------------------------- */

void conv_pixels(Conv *c, const Node *x, const int64_t *extent, Ix *at)
{
    static const char *const names[SPATIAL_MAX] = {"l1", "l2", "i"};
    IxSpace *s = &c->e->space;
    c->sample = ix_loop(s, "l0", axis_extent(s, &x->shape, 0));
    at[0] = c->sample;
    for (int a = 0; a < SPATIAL_MAX; a++) {
        c->axis[a] = ix_loop(s, names[a], extent[a]);
        if (a >= SPATIAL_MAX - c->plan->spatial)
            at[1 + a - (SPATIAL_MAX - c->plan->spatial)] = c->axis[a];
    }
    c->channel = ix_loop(s, "j", x->shape.dim[x->shape.rank - 1]);
    at[x->shape.rank - 1] = c->channel;
}

/* Opens the loop over rows of an operand: `t` is the row, l0, l1 and l2 its sample and place. */
static void open_rows(Conv *c, const Node *x, const int64_t *extent)
{
    emit_share(c->e, 1);
    out_open(c->e->out, "for (int t = 0; t < %s; t++)",
             conv_times(c, conv_samples(c, x), extent[D] * extent[H]));
    conv_let(c, "l0", conv_part(c, "t", extent[D] * extent[H], -1));
    conv_let(c, "l1", conv_part(c, "t", extent[H], extent[D]));
    conv_let(c, "l2", conv_part(c, "t", 1, extent[H]));
}

/* Writes x, [samples, extent.., channels], row by row to `to`; a pixel takes `width` floats in `groups`
 * equal parts, each filled up with zeros. */
static void pack_pixels(Conv *c, const Node *x, const int64_t *extent, int64_t groups,
                        int64_t width, const char *to)
{
    Emit *e = c->e;
    Ix at[RANK_MAX];
    int64_t channels = x->shape.dim[x->shape.rank - 1] / groups;
    conv_pixels(c, x, extent, at);
    open_rows(c, x, extent);
    out_line(e->out, "float *const row = %s + (size_t)t * %lld;", to,
             (long long)(extent[W] * width * groups));
    out_open(e->out, "for (int i = 0; i < %lld; i++)", (long long)extent[W]);
    if (groups > 1)
        out_open(e->out, "for (int g = 0; g < %lld; g++)", (long long)groups);
    const char *place = groups > 1 ? arena_format(e->arena, "row[(i * %lld + g) * %lld + v]",
                                                  (long long)groups, (long long)width)
                                   : arena_format(e->arena, "row[i * %lld + v]", (long long)width);
    out_open(e->out, "for (int v = 0; v < %lld; v++)", (long long)channels);
    size_t j = out_index(e->out, "j", groups > 1 ? conv_text(c, "g * %lld + v", channels) : "v");
    int known = e->known.n;
    const char *value = emit_value(e, x, at);
    out_line(e->out, "%s = %s;", place, emit_bare(e, value));
    e->known.n = known;
    out_unindex(e->out, j, "j");
    out_close(e->out);
    if (channels < width) {
        out_loop(e->out, "for (int v = %lld; v < %lld; v++)", (long long)channels,
                 (long long)width);
        out_line(e->out, "%s = 0.0f;", place);
        out_end(e->out);
    }
    if (groups > 1)
        out_close(e->out);
    out_close(e->out);
    conv_unlet(c, 0);
    out_close(e->out);
}

const char *conv_packed(Conv *c, ConvPart part)
{
    const ConvPlan *p = c->plan;
    Kernel *k = c->e->k;
    bool other = part == PART_other || part == PART_panels;
    int64_t offset = part == PART_x || (other && k->packed) ? 0 : p->x_floats;
    if (part == PART_panels)
        offset += p->winograd.panels_at;
    if (part == PART_sums && !k->packed)
        offset += p->other_floats;
    const char *name = other && k->packed ? emit_buffer(c->e, k->packed, k->kind == KERNEL_pack)
                                          : emit_buffer(c->e, k->workspace, true);
    return offset ? arena_format(c->e->arena, "%s + %lld", name, (long long)offset) : name;
}

static ConvLay packed_lay(Conv *c, const int64_t *extent, int64_t width, ConvPart part)
{
    ConvLay lay = {.at = conv_packed(c, part)};
    lay.axis[W] = width;
    lay.axis[H] = extent[W] * lay.axis[W];
    lay.axis[D] = extent[H] * lay.axis[H];
    lay.sample = extent[D] * lay.axis[D];
    return lay;
}

/* An operand [samples, spatial.., channels] that is read where it stands. */
static ConvLay standing_lay(Conv *c, const Node *x, const int64_t *extent)
{
    Emit *e = c->e;
    Ix at[RANK_MAX];
    const Node *base;
    int64_t offset, stride[RANK_MAX];
    conv_pixels(c, x, extent, at);
    if (!pixel_strides(&e->space, x, at, &base, &offset, stride))
        BUG("an operand without strides");
    const char *name = emit_buffer(e, node_buffer(e->g, base), false);
    ConvLay lay = {.at =
                       offset ? arena_format(e->arena, "%s + %lld", name, (long long)offset) : name,
                   .sample = stride[0]};
    for (int a = 0; a < c->plan->spatial; a++)
        lay.axis[SPATIAL_MAX - c->plan->spatial + a] = stride[1 + a];
    return lay;
}

ConvLay conv_place_x(Conv *c, const Node *x, const int64_t *extent)
{
    const ConvPlan *p = c->plan;
    if (!p->pack_x)
        return standing_lay(c, x, extent);
    ConvLay lay = packed_lay(c, extent, p->channels, PART_x);
    pack_pixels(c, x, extent, 1, p->channels, lay.at);
    return lay;
}

/* --- the convolution -------------------------------------------------------------------------- */

void conv_result(Conv *c)
{
    Emit *e = c->e;
    Ix at[RANK_MAX];
    int d = 0;
    conv_pixels(c, c->y, c->plan->out, at);
    for (int axis = 0; axis < c->y->shape.rank; axis++)
        if (c->y->shape.dim[axis] != 1 || c->y->shape.batch == axis)
            e->loops[d++] = at[axis];
}

/* "h0 < 22 ? h0 : 22": the first of `length` for the piece that begins at `from`, so that all `of` fit.
 */
static const char *early(Conv *c, const char *from, int64_t length, int64_t of)
{
    if (length % of == 0)
        return from;
    return arena_format(c->e->arena, "%s < %lld ? %s : %lld", from, (long long)(length - of), from,
                        (long long)(length - of));
}

void conv_store(Conv *c, const char *place)
{
    Emit *e = c->e;
    Ix at[RANK_MAX];
    emit_stand(e, c->y, at);
    int known = e->known.n;
    emit_know(e, c->y, at, place);
    emit_stores(e, e->k->stores.n, e->k->stores.at);
    e->known.n = known;
}

/* The tile's new pixels: rows u from h0 on, pixels w from w0 on, `cols` channels. */
static void store_pixels(Conv *c, bool whole_cols)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    bool tall = p->tile_h > 1, early_h = p->out[H] % p->tile_h, early_w = p->out[W] % p->tile_w;
    size_t l2 = 0, i = 0;
    if (tall) {
        out_open(e->out, "for (int u = %s; u < %d; u++)", early_h ? "h0 - u0" : "0", p->tile_h);
        l2 = out_index(e->out, "l2", early_h ? "u0 + u" : "h0 + u");
    }
    out_open(e->out, "for (int w = %s; w < %d; w++)", early_w ? "w0 - v0" : "0", p->tile_w);
    i = out_index(e->out, "i", early_w ? "v0 + w" : "w0 + w");
    out_open(e->out, "for (int v = 0; v < %s; v++)",
             whole_cols ? conv_text(c, "%lld", p->tile_n) : "cols");
    size_t j = out_index(e->out, "j", "j0 + v");
    const char *row = tall ? conv_text(c, "(u * %lld + w)", p->tile_w) : "w";
    conv_store(c, arena_format(e->arena, "tile[%s * %d + v]", row, p->tile_n));
    out_unindex(e->out, j, "j");
    out_close(e->out);
    out_unindex(e->out, i, "i");
    out_close(e->out);
    if (tall) {
        out_unindex(e->out, l2, "l2");
        out_close(e->out);
    }
}

const char *conv_standing_weight(Conv *c, const Node *w)
{
    Emit *e = c->e;
    Ix at[RANK_MAX], linear;
    const Node *base;
    for (int i = 0; i < w->shape.rank; i++)
        at[i] = ix_const(0);
    if (!operand_strides(&e->space, w, at, -1, -1, &base, &linear))
        BUG("a weight without strides");
    return arena_format(e->arena, "%s + %lld", emit_buffer(e, node_buffer(e->g, base), false),
                        (long long)linear.c);
}

/* What a piece, a row of tiles for one panel, is: its sample, rows, channels and operands. */
static void place_piece(Conv *c, const ConvLay *x, const char *w)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    int64_t high = (p->out[H] + p->tile_h - 1) / p->tile_h, all = p->groups * p->panels;
    const char *rows =
        arena_format(e->arena, "(%s)", conv_times(c, conv_samples(c, c->y), p->out[D] * high));
    if (all > 1 && p->panel_first) {
        conv_let(c, "p", arena_format(e->arena, "t / %s", rows));
        conv_let(c, "r", arena_format(e->arena, "t %% %s", rows));
    } else {
        conv_let(c, "p", conv_part(c, "t", 1, all));
        conv_let(c, "r", conv_part(c, "t", all, -1));
    }
    conv_let(c, "l0", conv_part(c, "r", p->out[D] * high, -1));
    conv_let(c, "l1", conv_part(c, "r", high, p->out[D]));
    conv_let(c, "h0", conv_first(c, conv_part(c, "r", 1, high), p->tile_h));
    bool is_early = p->out[H] % p->tile_h;
    if (is_early)
        conv_let(c, "u0", early(c, "h0", p->out[H], p->tile_h));
    if (p->tile_h == 1)
        conv_let(c, "l2", "h0");
    conv_columns(c, "cols");
    if (p->pack_other || p->panels_kept)
        out_line(e->out, "const float *const panel = %s + (size_t)p * %lld;", w,
                 (long long)(p->inner * p->tile_n));
    else
        out_line(e->out, "const float *const panel = %s + j0;", w);
    out_wrap(e->out, "const float *const x0 = %s%s%s%s%s;", x->at, far(c, "l0", x->sample),
             far(c, "l1", p->out[D] > 1 ? x->axis[D] * p->stride[D] : 0),
             far(c, is_early ? "u0" : "h0", p->out[H] > p->tile_h ? x->axis[H] * p->stride[H] : 0),
             far(c, "g", p->groups > 1 ? p->channels / p->groups : 0));
}

static void tile_row(Conv *c, const ConvLay *x)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    int64_t each = p->channels / p->groups;
    out_open(e->out, "for (int w0 = 0; w0 < %lld; w0 += %d)", (long long)p->out[W], p->tile_w);
    if (p->out[W] % p->tile_w)
        out_line(e->out, "const int v0 = %s;", early(c, "w0", p->out[W], p->tile_w));
    const char *left = p->out[W] % p->tile_w ? "v0" : "w0";
    const char *name =
        arena_format(e->arena, "%s_conv_%dx%dx%d", e->p->name, p->tile_h, p->tile_w, p->tile_n);
    out_line(e->out, "_Alignas(64) float tile[%d];", p->tile_h * p->tile_w * p->tile_n);
    int64_t along = x->axis[W] * p->stride[W], down = x->axis[H] * p->stride[H];
    const char *taps = arena_format(
        e->arena, "(%s_taps){%lld, %lld, %lld, %lld, %lld, %lld, %lld}", name,
        (long long)p->taps[D], (long long)p->taps[H], p->run_taps ? 1LL : (long long)p->taps[W],
        (long long)(p->run_taps ? p->taps[W] * each : each),
        (long long)(x->axis[D] * p->dilation[D]), (long long)(x->axis[H] * p->dilation[H]),
        (long long)(x->axis[W] * p->dilation[W]));
    const char *stride =
        conv_text(c, "%lld", p->pack_other || p->panels_kept ? p->tile_n : p->units);
    out_wrap(e->out, "%s(x0 + %s * %lld, %lld, %lld, %s, panel, %s, tile);", name, left,
             (long long)along, (long long)down, (long long)along, taps, stride);
    store_pixels(c, p->units / p->groups % p->tile_n == 0);
    out_close(e->out);
}

/* Tap by tap, in register tiles. */
static void emit_direct(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const Node *w = c->y->in[1];
    ConvLay x = conv_place_x(c, c->y->in[0], p->in);
    bool packs = p->pack_other && !e->k->packed;
    if (packs)
        emit_panels_pack(c);
    if (p->pack_x || packs)
        emit_wait(e);
    const char *weight = p->pack_other ? conv_packed(c, PART_panels) : conv_standing_weight(c, w);
    conv_result(c);
    int64_t high = (p->out[H] + p->tile_h - 1) / p->tile_h;
    emit_share(c->e, 1);
    out_open(e->out, "for (int t = 0; t < %s; t++)",
             conv_times(c, conv_samples(c, c->y), p->out[D] * high * p->groups * p->panels));
    place_piece(c, &x, weight);
    tile_row(c, &x);
    conv_unlet(c, 0);
    out_close(e->out);
}

void emit_conv(Emit *e)
{
    Conv c = {.e = e, .y = e->k->product, .plan = &e->low->conv};
    const WinogradPlan *w = &c.plan->winograd;
    if (w->few) {
        ConvPlan direct = conv_direct(c.plan);
        Conv few = {.e = e, .y = c.y, .plan = &direct};
        out_open(e->out, "if (%s <= %lld)", conv_samples(&c, c.y), (long long)w->few);
        emit_direct(&few);
        out_close(e->out);
        out_open(e->out, "else");
    }
    if (c.plan->depthwise.used)
        emit_depthwise(&c);
    else if (w->used)
        emit_winograd(&c);
    else
        emit_direct(&c);
    if (w->few)
        out_close(e->out);
}

/* --- the gradient of the weight --------------------------------------------------------------- */

/* Loop variables of the result: taps that are runs of their own, i along a run, j for channels out. */
static void weight_loops(Conv *c)
{
    static const char *const names[SPATIAL_MAX] = {"k0", "k1", "k2"};
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    int64_t each = p->channels / p->groups;
    Ix run = ix_loop(&e->space, "i", p->inner), at[RANK_MAX];
    int axes = 0, d = 0;
    for (int a = SPATIAL_MAX - p->spatial; a < SPATIAL_MAX; a++)
        at[axes++] = a == W && p->run_taps ? ix_div(&e->space, run, each)
                                           : ix_loop(&e->space, names[a], p->taps[a]);
    at[axes++] = p->run_taps ? ix_mod(&e->space, run, each) : run;
    at[axes++] = ix_loop(&e->space, "j", p->units);
    for (int axis = 0; axis < axes; axis++)
        if (c->y->shape.dim[axis] != 1)
            e->loops[d++] = at[axis];
}

/* What tile t is: taps, rows of a run, channels out, and where x and dy begin for it. */
static void place_tile(Conv *c, const ConvLay *x, const ConvLay *dy)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    int64_t parts = (p->inner + p->tile_m - 1) / p->tile_m;
    int64_t taps_w = p->run_taps ? 1 : p->taps[W], across = p->groups * p->panels;
    conv_let(c, "p", conv_part(c, "t", 1, across));
    conv_let(c, "r", conv_part(c, "t", across, -1));
    conv_let(c, "i0", conv_first(c, conv_part(c, "r", 1, parts), p->tile_m));
    bool is_early = p->inner % p->tile_m;
    if (is_early)
        conv_let(c, "u0", early(c, "i0", p->inner, p->tile_m));
    conv_let(c, "k0", conv_part(c, "r", parts * taps_w * p->taps[H], p->taps[D]));
    conv_let(c, "k1", conv_part(c, "r", parts * taps_w, p->taps[H]));
    conv_let(c, "k2", conv_part(c, "r", parts, taps_w));
    conv_columns(c, "cols");
    out_wrap(e->out, "const float *const x0 = %s + %s%s%s%s%s;", x->at, is_early ? "u0" : "i0",
             far(c, "k0", p->taps[D] > 1 ? x->axis[D] * p->dilation[D] : 0),
             far(c, "k1", p->taps[H] > 1 ? x->axis[H] * p->dilation[H] : 0),
             far(c, "k2", taps_w > 1 ? x->axis[W] * p->dilation[W] : 0),
             far(c, "g", p->groups > 1 ? p->channels / p->groups : 0));
    out_line(e->out, "const float *const y0 = %s + %s;", dy->at,
             p->pack_other ? conv_text(c, "p * %lld", p->tile_n) : "j0");
}

/* The tile's new rows, u from i0 on. */
static void store_rows(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    bool is_early = p->inner % p->tile_m;
    out_open(e->out, "for (int u = %s; u < %d; u++)", is_early ? "i0 - u0" : "0", p->tile_m);
    size_t i = out_index(e->out, "i", is_early ? "u0 + u" : "i0 + u");
    out_open(e->out, "for (int v = 0; v < %s; v++)",
             p->units / p->groups % p->tile_n ? "cols" : conv_text(c, "%lld", p->tile_n));
    size_t j = out_index(e->out, "j", "j0 + v");
    conv_store(c, conv_text(c, "tile[u * %lld + v]", p->tile_n));
    out_unindex(e->out, j, "j");
    out_close(e->out);
    out_unindex(e->out, i, "i");
    out_close(e->out);
}

/* One tile over the pixels of a block: samples l0 .. l0 + count, rows h0 .. h0 + high, depth l1. */
static void tile_block(Conv *c, const ConvLay *x, const ConvLay *dy, bool one, const char *count,
                       const char *high)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    int size = p->tile_m * p->tile_n;
    const char *name = arena_format(e->arena, "%s_weight_%dx%d", e->p->name, p->tile_m, p->tile_n);
    out_line(e->out, "_Alignas(64) float tile[%d];", size);
    if (!one)
        out_line(e->out, "float *const sums = %s + (size_t)t * %d;", conv_packed(c, PART_sums),
                 size);
    bool deep = !one && p->out[D] > 1, rows = !one && p->block_rows < p->out[H];
    const char *from = arena_format(e->arena, "%s%s%s", far(c, "l0", one ? 0 : x->sample),
                                    far(c, "l1", deep ? x->axis[D] * p->stride[D] : 0),
                                    far(c, "h0", rows ? x->axis[H] * p->stride[H] : 0));
    const char *dy_from =
        arena_format(e->arena, "%s%s%s", far(c, "l0", one ? 0 : dy->sample),
                     far(c, "l1", deep ? dy->axis[D] : 0), far(c, "h0", rows ? dy->axis[H] : 0));
    out_wrap(e->out,
             "%s(x0%s, y0%s, (%s_pixels){%s, %s, %lld, %lld, %lld, %lld, %lld, %lld, %lld}, %s);",
             name, from, dy_from, name, count, high, (long long)p->out[W], (long long)x->sample,
             (long long)(x->axis[H] * p->stride[H]), (long long)(x->axis[W] * p->stride[W]),
             (long long)dy->sample, (long long)dy->axis[H], (long long)dy->axis[W],
             one ? "0, tile" : "first ? 0 : sums, last ? tile : sums");
    if (!one) {
        out_loop(e->out, "if (!last)");
        out_line(e->out, "continue;");
        out_end(e->out);
    }
    store_rows(c);
}

/* The loops over blocks of pixels, which every thread runs over, for the tiles that are its own. */
static int open_blocks(Conv *c, const char *all)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const char *ends[3] = {"", "", ""};
    int opened = 1;
    out_open(e->out, "for (int l0 = 0; l0 < %s; l0 += %lld)", all, (long long)p->block_samples);
    ends[0] = arena_format(e->arena, "l0 + %lld >= %s", (long long)p->block_samples, all);
    const char *begins = "l0 == 0";
    if (p->block_samples > 1)
        out_line(e->out, "const int count = %s - l0 < %lld ? %s - l0 : %lld;", all,
                 (long long)p->block_samples, all, (long long)p->block_samples);
    if (p->out[D] > 1) {
        out_open(e->out, "for (int l1 = 0; l1 < %lld; l1++)", (long long)p->out[D]);
        ends[1] = arena_format(e->arena, " && l1 == %lld", (long long)(p->out[D] - 1));
        begins = arena_format(e->arena, "%s && l1 == 0", begins);
        opened++;
    }
    if (p->block_rows < p->out[H]) {
        out_open(e->out, "for (int h0 = 0; h0 < %lld; h0 += %lld)", (long long)p->out[H],
                 (long long)p->block_rows);
        if (p->out[H] % p->block_rows)
            out_line(e->out, "const int high = %lld - h0 < %lld ? %lld - h0 : %lld;",
                     (long long)p->out[H], (long long)p->block_rows, (long long)p->out[H],
                     (long long)p->block_rows);
        ends[2] = arena_format(e->arena, " && h0 + %lld >= %lld", (long long)p->block_rows,
                               (long long)p->out[H]);
        begins = arena_format(e->arena, "%s && h0 == 0", begins);
        opened++;
    }
    out_line(e->out, "const int first = %s, last = %s%s%s;", begins, ends[0], ends[1], ends[2]);
    return opened;
}

static void emit_direct_weight(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const Node *dy = c->y->in[1];
    int64_t width = p->panels * p->tile_n;
    ConvLay x = conv_place_x(c, c->y->in[0], p->in), y;
    if (p->pack_other) {
        y = packed_lay(c, p->out, p->groups * width, PART_other);
        pack_pixels(c, dy, p->out, p->groups, width, y.at);
    } else {
        y = standing_lay(c, dy, p->out);
    }
    if (p->pack_x || p->pack_other)
        emit_wait(e);
    weight_loops(c);
    bool one = p->sum_floats == 0;
    const char *all = conv_samples(c, dy);
    int opened = one ? 0 : open_blocks(c, all);
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < %lld; t++)", (long long)p->tiles);
    place_tile(c, &x, &y);
    const char *count = one ? all : p->block_samples > 1 ? "count" : "1";
    bool part = !one && p->block_rows < p->out[H];
    const char *high = !part                            ? conv_text(c, "%lld", p->out[H])
                       : p->out[H] % p->block_rows == 0 ? conv_text(c, "%lld", p->block_rows)
                                                        : "high";
    tile_block(c, &x, &y, one, count, high);
    conv_unlet(c, 0);
    out_close(e->out);
    while (opened--)
        out_close(e->out);
}

void emit_conv_weight(Emit *e)
{
    Conv c = {.e = e, .y = e->k->product, .plan = &e->low->conv};
    if (c.plan->winograd.used)
        emit_winograd_weight(&c);
    else
        emit_direct_weight(&c);
}
