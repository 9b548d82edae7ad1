/* SPDX-License-Identifier: MIT */
/* kernel_winograd.c: the body of a convolution by Winograd's F(4x4, 3x3) (templates/winograd.c).
 *
 * The weight's taps are transformed first, all at once. Then threads share pieces: `block` patches of 6 x 6
 * pixels, and some panels of channels out. A piece transforms its patches, multiplies them, a register
 * tile of patches at each of the 36 points, and makes of each patch's products its 4 x 4 pixels of the
 * result. It works in a slice of the packed memory; there are slices for so many threads. */
#include <stdlib.h>
#include <string.h>

#include "kernel_conv.h"

const char *winograd_name(Conv *c, const char *what)
{
    return arena_format(c->e->arena, "%s_winograd_%s", c->e->p->name, what);
}

/* Where patch r is: its sample and first pixel. */
static void let_patch(Conv *c)
{
    const WinogradPlan *w = &c->plan->winograd;
    conv_let(c, "l0", conv_part(c, "r", w->high * w->wide, -1));
    conv_let(c, "h0", conv_first(c, conv_part(c, "r", w->wide, w->high), WINOGRAD_PIXELS));
    conv_let(c, "w0", conv_first(c, conv_part(c, "r", 1, w->wide), WINOGRAD_PIXELS));
}

/* Patches of an operand: what they are read of, how many pixels a side they have, and which function
 * transforms so many channels of one; where it puts them: 36 places `distance` apart, of each channel. */
typedef struct Patches {
    const Node *x;
    const int64_t *extent;
    int size, chunk;
    bool panels; /* whole ones: chunks are not shorter */
    const char *function, *to;
    int64_t distance;
    Ix at[RANK_MAX];
} Patches;

/* One element of a patch: k1, k2, and v of its channels. Beyond the last pixel there are zeros. */
static void load_pixel(Conv *c, const Patches *from, int chunk)
{
    Emit *e = c->e;
    const char *place = arena_format(e->arena, "patch[(k1 * %d + k2) * %d + v]", from->size, chunk);
    bool beyond_h = c->plan->out[H] % WINOGRAD_PIXELS, beyond_w = c->plan->out[W] % WINOGRAD_PIXELS;
    if (beyond_h || beyond_w) {
        out_line(e->out, "%s = 0.0f;", place);
        out_open(e->out, "if (%s%s%s)", beyond_h ? conv_text(c, "l2 < %lld", from->extent[H]) : "",
                 beyond_h && beyond_w ? " && " : "",
                 beyond_w ? conv_text(c, "i < %lld", from->extent[W]) : "");
    }
    int known = e->known.n;
    const char *value = emit_value(e, from->x, from->at);
    out_line(e->out, "%s = %s;", place, emit_bare(e, value));
    e->known.n = known;
    if (beyond_h || beyond_w)
        out_close(e->out);
}

/* The channels from j0 on of patch l0, h0, w0, copied and transformed. */
static void transform_copy(Conv *c, const Patches *from, int chunk)
{
    Emit *e = c->e;
    int64_t channels = from->x->shape.dim[3];
    bool whole = channels % chunk == 0;
    int lets = c->n_lets;
    out_line(e->out, "_Alignas(64) float patch[%d]%s;", from->size * from->size * chunk,
             whole ? "" : " = {0}");
    out_open(e->out, "for (int k1 = 0; k1 < %d; k1++)", from->size);
    conv_let(c, "l2", "h0 + k1");
    out_open(e->out, "for (int k2 = 0; k2 < %d; k2++)", from->size);
    conv_let(c, "i", "w0 + k2");
    out_open(e->out, "for (int v = 0; v < %d%s; v++)", chunk,
             whole ? "" : conv_text(c, " && j0 + v < %lld", channels));
    conv_let(c, "j", "j0 + v");
    load_pixel(c, from, chunk);
    while (c->n_lets > lets) {
        conv_unlet(c, c->n_lets - 1);
        out_close(e->out);
    }
    out_wrap(e->out, "%s(patch, %d, %d, %d, %s, %lld);", from->function, from->size * chunk, chunk,
             chunk, from->to, (long long)from->distance);
}

/* What is read of an operand at every index in reach, and where, as `at` then says; NULL: there is no such. */
static const Node *covering(Conv *c, const Node *x, Ix *at)
{
    Ix operand[RANK_MAX];
    Guard guards[RANK_MAX];
    while (!x->kernel && (x->op == OP_pad || x->op == OP_concat)) {
        int n = 1, i = -1;
        while (n && ++i < x->n_in)
            index_operand(&c->e->space, x, i, at, operand, guards, &n);
        if (n)
            return NULL;
        x = x->in[i];
        memcpy(at, operand, sizeof operand);
    }
    return x;
}

/* The same, read where they stand; false: they do not. */
static bool transform_standing(Conv *c, const Patches *from, int chunk)
{
    Emit *e = c->e;
    int64_t offset, stride[RANK_MAX];
    Ix at[RANK_MAX];
    memcpy(at, from->at, sizeof at);
    const Node *base, *x = covering(c, from->x, at);
    if (!x || from->x->shape.dim[3] % chunk ||
        !pixel_strides(&e->space, x, at, &base, &offset, stride))
        return false;
    const char *sign = offset < 0 ? "-" : "+";
    out_wrap(e->out,
             "%s(%s + (l0 * (ptrdiff_t)%lld + h0 * %lld + w0 * %lld + j0 %s %lld), %lld, %lld, %d, "
             "%s, %lld);",
             from->function, emit_buffer(e, node_buffer(e->g, base), false), (long long)stride[0],
             (long long)stride[1], (long long)stride[2], sign, llabs(offset), (long long)stride[1],
             (long long)stride[2], chunk, from->to, (long long)from->distance);
    return true;
}

/* "h0 >= 1 && h0 < 60": where a patch that begins at `name`, at most at `last`, lies in from .. to - 1. */
static const char *inside_text(Conv *c, const char *name, const Patches *p, int64_t last,
                               const int64_t *range)
{
    const char *low =
        range[0] > 0 ? arena_format(c->e->arena, "%s >= %lld", name, (long long)range[0]) : "";
    if (last + p->size <= range[1])
        return low;
    return arena_format(c->e->arena, "%s%s%s <= %lld", low, *low ? " && " : "", name,
                        (long long)(range[1] - p->size));
}

/* Patches that lie inside, where no pixel has to be asked for, and those at the border. */
static void transform_chunk(Conv *c, const Patches *from, int chunk)
{
    Emit *e = c->e;
    const WinogradPlan *w = &c->plan->winograd;
    int64_t h[2] = {0, from->extent[H]}, l[2] = {0, from->extent[W]};
    pieces_inside(e, from->x, from->at, &c->axis[H], &h[0], &h[1]);
    pieces_inside(e, from->x, from->at, &c->axis[W], &l[0], &l[1]);
    const char *high = inside_text(c, "h0", from, (w->high - 1) * WINOGRAD_PIXELS, h);
    const char *wide = inside_text(c, "w0", from, (w->wide - 1) * WINOGRAD_PIXELS, l);
    bool border = *high || *wide;
    if (h[1] - h[0] < from->size || l[1] - l[0] < from->size) {
        transform_copy(c, from, chunk);
        return;
    }
    if (border)
        out_open(e->out, "if (%s%s%s)", high, *high && *wide ? " && " : "", wide);
    IxNarrow was_h = ix_narrow(&e->space, c->axis[H].t[0].atom, h[0], h[1]);
    IxNarrow was_l = ix_narrow(&e->space, c->axis[W].t[0].atom, l[0], l[1]);
    if (!transform_standing(c, from, chunk))
        transform_copy(c, from, chunk);
    ix_widen(&e->space, &was_l);
    ix_widen(&e->space, &was_h);
    if (border) {
        out_close(e->out);
        out_open(e->out, "else");
        transform_copy(c, from, chunk);
        out_close(e->out);
    }
}

/* Patch r of an operand, its first pixel l0, h0, w0, transformed, channels from j0 on. Those that are of other
 * parts of what is put together have a loop of their own. */
static void transform_patch(Conv *c, Patches *from)
{
    Emit *e = c->e;
    int64_t channels = from->x->shape.dim[3];
    int lanes = tile_lanes(e->p->target), chunk = from->chunk;
    conv_pixels(c, from->x, from->extent, from->at);
    Pieces pieces = pieces_whole(channels);
    pieces_cut(e, &pieces, from->x, from->at, &c->channel, from->panels ? chunk : lanes);
    for (int i = 0; i < pieces.n; i++) {
        IxNarrow was = ix_narrow(&e->space, c->channel.t[0].atom, pieces.at[i], pieces.at[i + 1]);
        int each = chunk;
        while (!from->panels && (pieces.at[i + 1] - pieces.at[i]) % each)
            each -= lanes;
        out_open(e->out, "for (int j0 = %lld; j0 < %lld; j0 += %d)", (long long)pieces.at[i],
                 (long long)pieces.at[i + 1], each);
        transform_chunk(c, from, each);
        out_close(e->out);
        ix_widen(&e->space, &was);
    }
}

/* Patch r of x, transformed, as row u of `patches`: [36][block][channels]. */
static void transform_x(Conv *c)
{
    const ConvPlan *p = c->plan;
    Patches x = {.x = c->y->in[0],
                 .extent = p->in,
                 .size = WINOGRAD_PATCH,
                 .chunk = p->winograd.chunk,
                 .function = winograd_name(c, "patch"),
                 .to = conv_text(c, "patches + u * %lld + j0", p->channels),
                 .distance = p->winograd.x_point};
    transform_patch(c, &x);
}

static void transform_row(Conv *c)
{
    let_patch(c);
    transform_x(c);
    conv_unlet(c, 0);
}

/* The piece's patches. What the last register tile lacks is the last patch once more. */
static void transform_piece(Conv *c)
{
    out_open(c->e->out, "for (int u = 0; u < each && r0 + u < filled; u++)");
    out_line(c->e->out, "const int r = r0 + u < all ? r0 + u : all - 1;");
    transform_row(c);
    out_close(c->e->out);
}

/* All patches, piece after piece. */
static void transform_all(Conv *c, const char *place)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    emit_share(c->e, 1);
    out_open(e->out, "for (int t = 0; t < filled; t++)");
    out_line(e->out, "const int u = t %% each, r = t < all ? t : all - 1;");
    out_line(e->out, "float *const patches = %s + (size_t)(t / each) * %lld;", place,
             (long long)(WINOGRAD_POINTS * p->winograd.x_point));
    transform_row(c);
    out_close(e->out);
}

/* The products of the piece's patches and panel p, at each point: [36][block][tile_n]. */
static void multiply(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    long long channels = (long long)p->channels;
    const char *tile = arena_format(e->arena, "%s_conv_1x%dx%d", e->p->name, w->rows, p->tile_n);
    out_open(e->out, "for (int k = 0; k < %d; k++)", WINOGRAD_POINTS);
    out_open(e->out, "for (int u = 0; u < each && r0 + u < all; u += %d)", w->rows);
    out_wrap(e->out,
             "%s(patches + k * %lld + u * %lld, 0, %lld, (%s_taps){1, 1, 1, %lld, 0, 0, 0}, %s + "
             "((size_t)p * %d + k) * %lld, %d, products + k * %lld + u * %d);",
             tile, (long long)w->x_point, channels, channels, tile, channels,
             conv_packed(c, PART_other), WINOGRAD_POINTS, (long long)w->w_point, p->tile_n,
             (long long)w->y_point, p->tile_n);
    out_close(e->out);
    out_close(e->out);
}

/* A loop over 4 pixels, those that are in the result. */
static void open_pixels(Conv *c, const char *k, const char *from, int64_t extent)
{
    const char *inside =
        extent % WINOGRAD_PIXELS == 0
            ? ""
            : arena_format(c->e->arena, " && %s + %s < %lld", from, k, (long long)extent);
    out_open(c->e->out, "for (int %s = 0; %s < %d%s; %s++)", k, k, WINOGRAD_PIXELS, inside, k);
}

/* The pixels of the piece's patches in panel p, to where they belong. */
static void store_patches(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    int lets = c->n_lets;
    out_open(e->out, "for (int u = 0; u < each && r0 + u < all; u++)");
    out_line(e->out, "const int r = r0 + u;");
    let_patch(c);
    out_line(e->out, "_Alignas(64) float tile[%d];", WINOGRAD_PIXELS * WINOGRAD_PIXELS * p->tile_n);
    out_line(e->out, "%s(products + u * %d, %d, %lld, tile);", winograd_name(c, "results"),
             p->tile_n, p->tile_n, (long long)w->y_point);
    open_pixels(c, "k1", "h0", p->out[H]);
    conv_let(c, "l2", "h0 + k1");
    open_pixels(c, "k2", "w0", p->out[W]);
    conv_let(c, "i", "w0 + k2");
    out_open(e->out, "for (int v = 0; v < %s; v++)",
             p->units % p->tile_n ? "cols" : conv_text(c, "%lld", p->tile_n));
    conv_let(c, "j", "j0 + v");
    conv_store(c, conv_text(c, "tile[(k1 * 4 + k2) * %lld + v]", p->tile_n));
    for (int n = 0; n < 3; n++) {
        conv_unlet(c, c->n_lets - 1);
        out_close(e->out);
    }
    conv_unlet(c, lets);
    out_close(e->out);
}

/* "(s + 1) * (blocks * parts) / 16": the first of the pieces of a slice. */
static const char *first_piece(Conv *c, const char *slice, const char *pieces)
{
    return arena_format(c->e->arena, "%s * (%s) / %d", slice, pieces, c->plan->winograd.slices);
}

static void open_pieces(Conv *c, const char *place, const char *pieces)
{
    Emit *e = c->e;
    const WinogradPlan *w = &c->plan->winograd;
    emit_share(c->e, 1);
    out_open(e->out, "for (int s = 0; s < %d; s++)", w->slices);
    out_line(e->out, "float *const %s = %s + (size_t)s * %lld;",
             w->together ? "products" : "patches", place, (long long)w->slice);
    if (!w->together)
        out_line(e->out, "float *const products = patches + %lld;",
                 (long long)(WINOGRAD_POINTS * w->x_point));
    out_open(e->out, "for (int t = %s; t < %s; t++)", first_piece(c, "s", pieces),
             first_piece(c, "(s + 1)", pieces));
}

/* The products of a piece and panel p, and what becomes of them. */
static void emit_panel(Conv *c)
{
    conv_columns(c, "cols");
    multiply(c);
    conv_result(c);
    store_patches(c);
    conv_unlet(c, 0);
}

/* A piece is a block of patches, transformed at once, and one panel. */
static void emit_together(Conv *c, const char *place)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    long long slices = w->slices * w->slice;
    const char *all = arena_format(e->arena, "%s + %lld", place, slices);
    transform_all(c, all);
    emit_wait(e);
    open_pieces(c, place, conv_times(c, "blocks", p->panels));
    out_line(e->out, "const int p = t / blocks, r0 = t %% blocks * each;");
    out_line(e->out, "const float *const patches = %s + (size_t)(t %% blocks) * %lld;", all,
             (long long)(WINOGRAD_POINTS * w->x_point));
    emit_panel(c);
    out_close(e->out);
    out_close(e->out);
}

/* A piece is a block of patches, which it transforms, and some panels: all, where there are enough
 * blocks to be shared. */
static void emit_apart(Conv *c, const char *place)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    long long panels = p->panels;
    enum { ENOUGH = 16 };
    if (!e->k->packed)
        emit_wait(e);
    if (panels > 1)
        out_line(e->out,
                 "const int parts = blocks >= %d ? 1 : %d / blocks < %lld ? %d / blocks : %lld;",
                 ENOUGH, ENOUGH, panels, ENOUGH, panels);
    open_pieces(c, place, panels > 1 ? "blocks * parts" : "blocks");
    out_line(e->out, "const int r0 = %s * each;", panels > 1 ? "t / parts" : "t");
    transform_piece(c);
    if (panels > 1)
        out_open(
            e->out,
            "for (int p = t %% parts * %lld / parts; p < (t %% parts + 1) * %lld / parts; p++)",
            panels, panels);
    else
        conv_let(c, "p", "0");
    emit_panel(c);
    for (int n = panels > 1 ? 3 : 2; n > 0; n--)
        out_close(e->out);
}

/* `blocks` of `each` patches: where there are few, a number that threads divide evenly. */
static void let_pieces(Conv *c)
{
    Emit *e = c->e;
    const WinogradPlan *w = &c->plan->winograd;
    out_line(e->out, "const int least = (all + %d) / %d;", w->block - 1, w->block);
    const char *wanted = "least";
    if (w->evenly > 1) {
        out_line(e->out, "const int wanted = least < %d ? (least + %d) / %d * %d : least;",
                 WINOGRAD_SLICES, w->evenly - 1, w->evenly, w->evenly);
        wanted = "wanted";
    }
    out_line(e->out, "const int each = (all + %s * %d - 1) / (%s * %d) * %d;", wanted, w->rows,
             wanted, w->rows, w->rows);
    out_line(e->out, "const int blocks = (all + each - 1) / each;");
}

void emit_winograd(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    const char *place = conv_packed(c, PART_sums);
    if (!e->k->packed)
        emit_winograd_pack(c);
    out_line(e->out, "const int all = %s, filled = (all + %d) / %d * %d;",
             conv_times(c, conv_samples(c, c->y), w->high * w->wide), w->rows - 1, w->rows,
             w->rows);
    let_pieces(c);
    if (w->together)
        emit_together(c, place);
    else
        emit_apart(c, place);
}

/* --- the gradient of the weight --------------------------------------------------------------- */

/* The block's patches of x, [36][block][channels], and of dy, [36][panels][block][tile_n]. */
static void transform_both(Conv *c)
{
    const ConvPlan *p = c->plan;
    int block = p->winograd.block;
    Patches dy = {.x = c->y->in[1],
                  .extent = p->out,
                  .size = WINOGRAD_PIXELS,
                  .chunk = p->tile_n,
                  .panels = true,
                  .function = winograd_name(c, "errors"),
                  .to = arena_format(c->e->arena, "errors + j0 * %d + u * %d", block, p->tile_n),
                  .distance = p->winograd.w_point};
    if (p->winograd.parts == 1)
        emit_share(c->e, 1);
    out_open(c->e->out, "for (int u = 0; u < count; u++)");
    out_line(c->e->out, "const int r = r0 + u;");
    let_patch(c);
    transform_x(c);
    transform_patch(c, &dy);
    conv_unlet(c, 0);
    out_close(c->e->out);
}

/* Loop variables of the result: k1 and k2 for taps, i for channels in, j for channels out. */
static void weight_loops(Conv *c)
{
    static const char *const names[] = {"k1", "k2", "i", "j"};
    Emit *e = c->e;
    for (int axis = 0, d = 0; axis < 4; axis++)
        if (c->y->shape.dim[axis] != 1)
            e->loops[d++] = ix_loop(&e->space, names[axis], c->y->shape.dim[axis]);
}

/* What tile t is: a panel and rows of channels; those from u0 on are computed, those from i0 on new. */
static const char *let_tile(Conv *c, const char *t)
{
    const ConvPlan *p = c->plan;
    int rows = p->winograd.rows;
    conv_let(c, "p", conv_part(c, t, 1, p->panels));
    conv_let(c, "i0", conv_first(c, conv_part(c, t, p->panels, -1), rows));
    conv_columns(c, "cols");
    if (p->channels % rows == 0)
        return "i0";
    long long last = (long long)(p->channels - rows);
    conv_let(c, "u0", arena_format(c->e->arena, "i0 < %lld ? i0 : %lld", last, last));
    return "u0";
}

/* The tile's sums over the block's patches at point k, onto those of the blocks before. */
static void sum_products(Conv *c, const char *from)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    const char *tile = arena_format(e->arena, "%s_weight_%dx%d", e->p->name, w->rows, p->tile_n);
    long long block = w->block, size = (long long)w->rows * p->tile_n;
    out_wrap(
        e->out,
        "%s(patches + k * %lld + %s, errors + k * %lld + p * %lld, (%s_pixels){1, 1, count, 0, "
        "0, %lld, 0, 0, %d}, %s, sums + k * %lld);",
        tile, (long long)w->x_point, from, (long long)w->w_point, block * p->tile_n, tile,
        (long long)p->channels, p->tile_n,
        w->one ? "0"
               : arena_format(e->arena, "r0 == %s ? 0 : sums + k * %lld",
                              w->parts > 1 ? "first" : "0", size),
        size);
}

/* The tile's change of taps, to where it belongs. */
static void store_changes(Conv *c, const char *from)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    bool early = p->channels % w->rows;
    out_line(e->out, "_Alignas(64) float taps[%d];", 9 * w->rows * p->tile_n);
    out_line(e->out, "%s(sums, %d, taps);", winograd_name(c, "changes"), w->rows * p->tile_n);
    out_open(e->out, "for (int k1 = 0; k1 < 3; k1++)");
    out_open(e->out, "for (int k2 = 0; k2 < 3; k2++)");
    out_open(e->out, "for (int u = %s; u < %d; u++)", early ? "i0 - u0" : "0", w->rows);
    conv_let(c, "i", arena_format(e->arena, "%s + u", from));
    out_open(e->out, "for (int v = 0; v < %s; v++)",
             p->units % p->tile_n ? "cols" : conv_text(c, "%lld", p->tile_n));
    conv_let(c, "j", "j0 + v");
    conv_store(
        c, arena_format(e->arena, "taps[((k1 * 3 + k2) * %d + u) * %d + v]", w->rows, p->tile_n));
    for (int n = 0; n < 2; n++) {
        conv_unlet(c, c->n_lets - 1);
        out_close(e->out);
    }
    out_close(e->out);
    out_close(e->out);
}

/* The loop over tiles, each with its sums in memory; where there is one block, as many as work at once. */
static void open_tiles(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    const char *place = conv_packed(c, PART_sums);
    long long tiles = p->tiles, slice = w->slice;
    emit_share(e, 1);
    if (!w->one) {
        out_open(e->out, "for (int t = 0; t < %lld; t++)", tiles);
        out_line(e->out, "float *const sums = %s + (size_t)t * %lld;", place, slice);
        return;
    }
    out_open(e->out, "for (int s = 0; s < %d; s++)", w->slices);
    out_line(e->out, "float *const sums = %s + (size_t)s * %lld;", place, slice);
    out_open(e->out, "for (int t = s * %lld / %d; t < (s + 1) * %lld / %d; t++)", tiles, w->slices,
             tiles, w->slices);
}

/* Threads share tiles: each sums the products at all points, and after the last block stores the change. */
static void emit_by_tiles(Conv *c)
{
    Emit *e = c->e;
    const WinogradPlan *w = &c->plan->winograd;
    open_tiles(c);
    const char *from = let_tile(c, "t");
    out_open(e->out, "for (int k = 0; k < %d; k++)", WINOGRAD_POINTS);
    sum_products(c, from);
    out_close(e->out);
    if (!w->one)
        out_open(e->out, "if (r0 + count == all)");
    weight_loops(c);
    store_changes(c, from);
    if (!w->one)
        out_close(e->out);
    conv_unlet(c, 0);
    out_close(e->out);
    if (w->one)
        out_close(e->out);
}

/* All tiles of a block of a part. */
static void sum_part(Conv *c)
{
    Emit *e = c->e;
    out_open(e->out, "for (int t = 0; t < %lld; t++)", (long long)c->plan->tiles);
    out_line(e->out, "float *const sums = own + (size_t)t * %lld;",
             (long long)c->plan->winograd.slice);
    const char *from = let_tile(c, "t");
    out_open(e->out, "for (int k = 0; k < %d; k++)", WINOGRAD_POINTS);
    sum_products(c, from);
    out_close(e->out);
    conv_unlet(c, 0);
    out_close(e->out);
}

/* The sums of all parts, one after the other, and the change that they are. */
static void emit_changes(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < %lld; t++)", (long long)p->tiles);
    out_line(e->out, "float *const sums = %s + (size_t)t * %lld;", conv_packed(c, PART_sums),
             (long long)w->slice);
    out_open(e->out, "for (int s = 1; s < %d; s++)", w->parts);
    out_open(e->out, "for (int v = 0; v < %lld; v++)", (long long)w->slice);
    out_line(e->out, "sums[v] += sums[v + s * %lld];", (long long)(p->tiles * w->slice));
    out_close(e->out);
    out_close(e->out);
    const char *from = let_tile(c, "t");
    weight_loops(c);
    store_changes(c, from);
    conv_unlet(c, 0);
    out_close(e->out);
}

/* Threads share parts of the patches, and exchange nothing before all are summed. */
static void emit_parts(Conv *c, const char *all)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    out_line(e->out, "const int all = %s;", all);
    emit_share(e, 1);
    out_open(e->out, "for (int s = 0; s < %d; s++)", w->parts);
    out_line(e->out, "float *const patches = %s + (size_t)s * %lld;", conv_packed(c, PART_x),
             (long long)(WINOGRAD_POINTS * w->x_point));
    out_line(e->out, "float *const errors = %s + (size_t)s * %lld;", conv_packed(c, PART_other),
             (long long)(WINOGRAD_POINTS * w->w_point));
    out_line(e->out, "float *const own = %s + (size_t)s * %lld;", conv_packed(c, PART_sums),
             (long long)(p->tiles * w->slice));
    out_line(e->out, "const int first = (int)((long long)all * s / %d);", w->parts);
    out_line(e->out, "const int last = (int)((long long)all * (s + 1) / %d);", w->parts);
    out_open(e->out, "for (int r0 = first; r0 == first || r0 < last; r0 += %d)", w->block);
    out_line(e->out, "const int count = last - r0 < %d ? last - r0 : %d;", w->block, w->block);
    transform_both(c);
    sum_part(c);
    out_close(e->out);
    out_close(e->out);
    emit_wait(e);
    emit_changes(c);
}

void emit_winograd_weight(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    const char *all = conv_times(c, conv_samples(c, c->y->in[1]), w->high * w->wide);
    if (w->parts > 1) {
        emit_parts(c, all);
        return;
    }
    out_line(e->out, "float *const patches = %s, *const errors = %s;", conv_packed(c, PART_x),
             conv_packed(c, PART_other));
    if (w->one) {
        out_line(e->out, "const int r0 = 0, count = %s;", all);
    } else {
        out_line(e->out, "const int all = %s;", all);
        out_open(e->out, "for (int r0 = 0; r0 < all; r0 += %d)", w->block);
        out_line(e->out, "const int count = all - r0 < %d ? all - r0 : %d;", w->block, w->block);
    }
    transform_both(c);
    emit_wait(e);
    emit_by_tiles(c);
    if (w->one)
        return;
    emit_wait(e);
    out_close(e->out);
}
