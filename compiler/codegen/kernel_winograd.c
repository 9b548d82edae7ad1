/* SPDX-License-Identifier: MIT */
/* kernel_winograd.c: the body of a convolution by Winograd's F(4x4, 3x3) (templates/winograd.c).
 *
 * The weight's taps are transformed first, all at once. Then threads share pieces: `block` patches of 6 x 6
 * pixels, and some panels of channels out. A piece transforms its patches, multiplies them, a register
 * tile of patches at each of the 36 points, and makes of each patch's products its 4 x 4 pixels of the
 * result. It works in a slice of the packed memory; there are slices for so many threads. */
#include "kernel_conv.h"

static const char *name(Conv *c, const char *what)
{
    return arena_format(c->e->arena, "%s_winograd_%s", c->e->p->name, what);
}

/* The weight, transformed: [panels][36][channels][tile_n]. */
static void transform_weight(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const Node *w = c->y->in[1];
    bool whole = p->units % p->tile_n == 0;
    Ix at[RANK_MAX] = {ix_loop(&e->space, "k1", 3), ix_loop(&e->space, "k2", 3),
                       ix_loop(&e->space, "k", p->channels), ix_loop(&e->space, "j", p->units)};
    conv_share(c);
    out_open(e->out, "for (int t = 0; t < %lld; t++)", (long long)(p->panels * p->channels));
    conv_let(c, "p", conv_part(c, "t", p->channels, -1));
    conv_let(c, "k", conv_part(c, "t", 1, p->channels));
    conv_columns(c, "width");
    out_line(e->out, "_Alignas(64) float taps[%d]%s;", 9 * p->tile_n, whole ? "" : " = {0}");
    out_open(e->out, "for (int k1 = 0; k1 < 3; k1++)");
    out_open(e->out, "for (int k2 = 0; k2 < 3; k2++)");
    out_open(e->out, "for (int v = 0; v < %s; v++)",
             whole ? conv_text(c, "%lld", p->tile_n) : "width");
    size_t j = out_index(e->out, "j", "j0 + v");
    int known = e->known.n;
    const char *value = emit_value(e, w, at);
    out_line(e->out, "taps[(k1 * 3 + k2) * %d + v] = %s;", p->tile_n, emit_bare(e, value));
    e->known.n = known;
    out_unindex(e->out, j, "j");
    out_close(e->out);
    out_close(e->out);
    out_close(e->out);
    out_wrap(e->out, "%s(taps, %d, %s + ((size_t)p * %lld + k) * %d, %lld);", name(c, "taps"),
             p->tile_n, conv_packed(c, p->x_floats), (long long)(WINOGRAD_POINTS * p->channels),
             p->tile_n, (long long)(p->channels * p->tile_n));
    conv_unlet(c, 0);
    out_close(e->out);
}

/* Where patch r is: its sample and first pixel. */
static void let_patch(Conv *c)
{
    const WinogradPlan *w = &c->plan->winograd;
    conv_let(c, "l0", conv_part(c, "r", w->high * w->wide, -1));
    conv_let(c, "h0", conv_first(c, conv_part(c, "r", w->wide, w->high), WINOGRAD_PIXELS));
    conv_let(c, "w0", conv_first(c, conv_part(c, "r", 1, w->wide), WINOGRAD_PIXELS));
}

/* One element of a patch: k1, k2, and v of its channels. */
static void load_pixel(Conv *c, const Ix *at)
{
    Emit *e = c->e;
    const char *place = conv_text(c, "patch[(k1 * 6 + k2) * %lld + v]", c->plan->winograd.chunk);
    const Node *x = c->y->in[0];
    const char *beyond_h =
        c->plan->out[H] % WINOGRAD_PIXELS ? conv_text(c, "l2 < %lld", c->plan->in[H]) : "";
    const char *beyond_w =
        c->plan->out[W] % WINOGRAD_PIXELS ? conv_text(c, "i < %lld", c->plan->in[W]) : "";
    bool guarded = *beyond_h || *beyond_w;
    if (guarded) {
        out_line(e->out, "%s = 0.0f;", place);
        out_open(e->out, "if (%s%s%s)", beyond_h, *beyond_h && *beyond_w ? " && " : "", beyond_w);
    }
    int known = e->known.n;
    const char *value = emit_value(e, x, at);
    out_line(e->out, "%s = %s;", place, emit_bare(e, value));
    e->known.n = known;
    if (guarded)
        out_close(e->out);
}

/* The piece's patches, transformed: [36][block][channels]. What is left over of the last piece is its
 * last patch once more. */
static void transform_patches(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    Ix at[RANK_MAX];
    conv_pixels(c, c->y->in[0], p->in, at);
    out_open(e->out, "for (int u = 0; u < %d; u++)", w->block);
    out_line(e->out, "const int r = r0 + u < all ? r0 + u : all - 1;");
    let_patch(c);
    out_open(e->out, "for (int j0 = 0; j0 < %lld; j0 += %d)", (long long)p->channels, w->chunk);
    out_line(e->out, "_Alignas(64) float patch[%d];", WINOGRAD_POINTS * w->chunk);
    out_open(e->out, "for (int k1 = 0; k1 < %d; k1++)", WINOGRAD_PATCH);
    conv_let(c, "l2", "h0 + k1");
    out_open(e->out, "for (int k2 = 0; k2 < %d; k2++)", WINOGRAD_PATCH);
    conv_let(c, "i", "w0 + k2");
    out_open(e->out, "for (int v = 0; v < %d; v++)", w->chunk);
    conv_let(c, "j", "j0 + v");
    load_pixel(c, at);
    for (int n = 5; n >= 3; n--) { /* j, i, l2 */
        conv_unlet(c, c->n_lets - 1);
        out_close(e->out);
    }
    out_line(e->out, "%s(patch, %d, patches + u * %lld + j0, %lld);", name(c, "pixels"), w->chunk,
             (long long)p->channels, (long long)(w->block * p->channels));
    out_close(e->out);
    conv_unlet(c, c->n_lets - 3);
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
    out_open(e->out, "for (int u = 0; u < %d; u += %d)", w->block, w->rows);
    out_wrap(e->out,
             "%s(patches + (k * %d + u) * %lld, 0, %lld, (%s_taps){1, 1, 1, %lld, 0, 0, 0}, %s + "
             "((size_t)p * %d + k) * %lld, %d, products + (k * %d + u) * %d);",
             tile, w->block, channels, channels, tile, channels, conv_packed(c, p->x_floats),
             WINOGRAD_POINTS, channels * p->tile_n, p->tile_n, w->block, p->tile_n);
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
    out_open(e->out, "for (int u = 0; u < %d && r0 + u < all; u++)", w->block);
    out_line(e->out, "const int r = r0 + u;");
    let_patch(c);
    out_line(e->out, "_Alignas(64) float tile[%d];", WINOGRAD_PIXELS * WINOGRAD_PIXELS * p->tile_n);
    out_line(e->out, "%s(products + u * %d, %d, %d, tile);", name(c, "results"), p->tile_n,
             p->tile_n, w->block * p->tile_n);
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

/* The loop over pieces, by slices: `all` patches, r0 the first of a piece, panels p from `from` on. */
static void open_pieces(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const WinogradPlan *w = &p->winograd;
    /* So many pieces are enough to be shared; with fewer patches the panels are shared, too. */
    enum { ENOUGH = 16 };
    out_line(e->out, "const int all = %s, blocks = (all + %d) / %d;",
             conv_times(c, conv_samples(c, c->y), w->high * w->wide), w->block - 1, w->block);
    if (p->panels > 1)
        out_line(e->out,
                 "const int parts = blocks >= %d ? 1 : %d / blocks < %lld ? %d / blocks : %lld;",
                 ENOUGH, ENOUGH, (long long)p->panels, ENOUGH, (long long)p->panels);
    const char *pieces = p->panels > 1 ? "blocks * parts" : "blocks";
    conv_share(c);
    out_open(e->out, "for (int s = 0; s < %d; s++)", w->slices);
    out_line(e->out, "float *const patches = %s + (size_t)s * %lld;",
             conv_packed(c, p->x_floats + p->other_floats), (long long)w->slice);
    out_line(e->out, "float *const products = patches + %lld;",
             (long long)(WINOGRAD_POINTS * w->block * p->channels));
    out_open(e->out, "for (int t = s * (%s) / %d; t < (s + 1) * (%s) / %d; t++)", pieces, w->slices,
             pieces, w->slices);
    out_line(e->out, "const int r0 = %s * %d;", p->panels > 1 ? "t / parts" : "t", w->block);
}

void emit_winograd(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    transform_weight(c);
    open_pieces(c);
    transform_patches(c);
    if (p->panels > 1)
        out_open(
            e->out,
            "for (int p = t %% parts * %lld / parts; p < (t %% parts + 1) * %lld / parts; p++)",
            (long long)p->panels, (long long)p->panels);
    else
        conv_let(c, "p", "0");
    conv_columns(c, "cols");
    multiply(c);
    conv_result(c);
    store_patches(c);
    conv_unlet(c, 0);
    for (int n = p->panels > 1 ? 3 : 2; n > 0; n--)
        out_close(e->out);
}
