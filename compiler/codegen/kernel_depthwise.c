/* SPDX-License-Identifier: MIT */
/* kernel_depthwise.c: the body of the kernel of a convolution whose channels stand alone.
 *
 * Threads share parts of the rows, as they do before and after, and panels of channels; in a part rows that follow
 * each other read the same rows of x, which stay in the first cache. Pixels at an edge are summed one by one, of
 * the taps that lie on x. Where tiles do not divide what is between the edges the last begins early, but stores
 * only what is new. */
#include "kernel_conv.h"

/* The weight, as [taps][channels]. */
void emit_depthwise_pack(Conv *c)
{
    static const char *const names[SPATIAL_MAX] = {"k0", "k1", "k2"};
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    Ix at[RANK_MAX];
    int d = 0, opened = 0;
    const char *row = "0";
    for (int a = SPATIAL_MAX - p->spatial; a < SPATIAL_MAX; a++)
        at[d++] = ix_loop(&e->space, names[a], p->taps[a]);
    at[d++] = ix_const(0);
    at[d] = ix_loop(&e->space, "j", p->units);
    emit_share(e, 1);
    for (int a = SPATIAL_MAX - p->spatial; a < SPATIAL_MAX; a++) {
        if (p->taps[a] == 1)
            continue;
        out_open(e->out, "for (int %s = 0; %s < %lld; %s++)", names[a], names[a],
                 (long long)p->taps[a], names[a]);
        row = opened++
                  ? arena_format(e->arena, "(%s * %lld + %s)", row, (long long)p->taps[a], names[a])
                  : names[a];
    }
    out_open(e->out, "for (int j = 0; j < %lld; j++)", (long long)p->units);
    const char *to = conv_packed(c, PART_other);
    int known = e->known.n;
    const char *value = emit_value(e, c->y->in[1], at);
    out_line(e->out, "(%s)[%s * %lld + j] = %s;", to, row, (long long)p->units,
             emit_bare(e, value));
    e->known.n = known;
    out_close(e->out);
    while (opened--)
        out_close(e->out);
}

/* "3": the first tap along an axis on which x begins, for what begins at pixel `at`; the same of where x ends. */
static const char *first_tap(Conv *c, int axis, const char *at)
{
    const ConvPlan *p = c->plan;
    long long pad = p->depthwise.pad[axis], step = p->stride[axis];
    if (!pad)
        return "0";
    return arena_format(c->e->arena, "%s * %lld < %lld ? %lld - %s * %lld : 0", at, step, pad, pad,
                        at, step);
}

static const char *last_tap(Conv *c, int axis, const char *at)
{
    const ConvPlan *p = c->plan;
    long long end = p->depthwise.in[axis] + p->depthwise.pad[axis], step = p->stride[axis];
    long long taps = p->taps[axis];
    if ((p->out[axis] - 1) * step + taps <= end)
        return conv_text(c, "%lld", taps);
    return arena_format(c->e->arena, "%s * %lld + %lld > %lld ? %lld - %s * %lld : %lld", at, step,
                        taps, end, end, at, step, taps);
}

/* The pixels from w0 on, `wide` of them, from v0 on in the tile. */
static void store_row(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    out_open(e->out, "for (int w = w0 - v0; w < w0 - v0 + wide; w++)");
    size_t i = out_index(e->out, "i", "v0 + w");
    out_open(e->out, "for (int v = 0; v < %d; v++)", p->tile_n);
    size_t j = out_index(e->out, "j", "j0 + v");
    conv_store(c, arena_format(e->arena, "tile[w * %d + v]", p->tile_n));
    out_unindex(e->out, j, "j");
    out_close(e->out);
    out_unindex(e->out, i, "i");
    out_close(e->out);
}

/* One row of tiles. */
static void tile_row(Conv *c, const ConvLay *x, const char *name)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const DepthwisePlan *d = &p->depthwise;
    long long left = d->left, right = d->right, out = p->out[W], along = x->axis[W],
              down = x->axis[H];
    long long step = along * p->stride[W];
    bool edges = left > 0 || right<out, inside = right> left;
    out_open(e->out, "for (int w0 = 0, wide; w0 < %lld; w0 += wide)", out);
    if (edges)
        out_line(e->out, "const int edge = w0 < %lld || w0 >= %lld;", left, right);
    const char *most = arena_format(e->arena, "%lld - w0 < %d ? %lld - w0 : %d", right, p->tile_w,
                                    right, p->tile_w);
    out_line(e->out, "wide = %s%s;", edges ? "edge ? 1 : " : "", most);
    out_line(e->out, "const int v0 = %sw0 + %d <= %lld ? w0 : %lld;", edges ? "edge || " : "",
             p->tile_w, right, right - p->tile_w);
    out_line(e->out, "_Alignas(64) float tile[%d];", p->tile_w * p->tile_n);
    if (edges) {
        out_loop(e->out, "if (edge)");
        out_wrap(e->out,
                 "%s_edge(x0 + v0 * %lld, %lld, %lld, (%s_taps){upper, lower, %s, %s}, weight, "
                 "%lld, tile);",
                 name, step, down, along, name, first_tap(c, W, "v0"), last_tap(c, W, "v0"),
                 (long long)p->channels);
        out_end(e->out);
        if (inside)
            out_loop(e->out, "else");
    }
    if (inside)
        out_wrap(
            e->out,
            "%s(x0 + v0 * %lld, %lld, %lld, (%s_taps){upper, lower, 0, 0}, weight, %lld, tile);",
            name, step, down, along, name, (long long)p->channels);
    if (edges && inside)
        out_end(e->out);
    store_row(c);
    out_close(e->out);
}

/* The loop over the rows of a part. */
static void open_rows(Conv *c)
{
    const ConvPlan *p = c->plan;
    long long rows = p->depthwise.rows, out = p->out[H];
    const char *end = out % rows == 0
                          ? conv_text(c, "h0 + %lld", rows)
                          : arena_format(c->e->arena, "(h0 + %lld < %lld ? h0 + %lld : %lld)", rows,
                                         out, rows, out);
    out_open(c->e->out, "for (int l2 = h0; l2 < %s; l2++)", end);
}

void emit_depthwise(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const DepthwisePlan *d = &p->depthwise;
    ConvLay x = conv_place_x(c, d->x, d->in);
    bool packs = p->pack_other && !e->k->packed;
    if (packs)
        emit_depthwise_pack(c);
    if (p->pack_x || packs)
        emit_wait(e);
    const char *weight =
        p->pack_other ? conv_packed(c, PART_other) : conv_standing_weight(c, c->y->in[1]);
    const char *name = arena_format(e->arena, "%s_%s", e->p->name, depthwise_tile(e->arena, p));
    conv_result(c);
    int64_t parts = tile_pieces(p->out[H], d->rows);
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < %s; t++)",
             conv_times(c, conv_samples(c, c->y), parts * p->panels));
    conv_let(c, "l0", conv_part(c, "t", parts * p->panels, -1));
    conv_let(c, "j0", conv_first(c, conv_part(c, "t", 1, p->panels), p->tile_n));
    conv_let(c, "h0", conv_first(c, conv_part(c, "t", p->panels, parts), d->rows));
    out_line(e->out, "const float *const weight = %s + j0;", weight);
    open_rows(c);
    out_line(e->out, "const int upper = %s, lower = %s;", first_tap(c, H, "l2"),
             last_tap(c, H, "l2"));
    out_wrap(e->out,
             "const float *const x0 = %s + l0 * (ptrdiff_t)%lld + (l2 * %lld - %lld) * "
             "(ptrdiff_t)%lld - %lld + j0;",
             x.at, (long long)x.sample, (long long)p->stride[H], (long long)d->pad[H],
             (long long)x.axis[H], (long long)(d->pad[W] * x.axis[W]));
    tile_row(c, &x, name);
    out_close(e->out);
    conv_unlet(c, 0);
    out_close(e->out);
}
