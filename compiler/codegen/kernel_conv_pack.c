/* SPDX-License-Identifier: MIT */
/* kernel_conv_pack.c: the forms in which a convolution reads its weight: panels of columns, and the transform of
 * Winograd's method, [panels][36][channels][tile_n].
 *
 * A weight [taps.., channels, units] is read where it stands if its units are next to each other; if its channels
 * are, as in the gradient of x, squares of vectors are turned first; any other number by number. */
#include "kernel_conv.h"

/* Where a weight stands. */
typedef struct Standing {
    const char *at;                           /* of the first tap */
    int64_t taps[SPATIAL_MAX], channel, unit; /* how far apart */
} Standing;

static Standing standing(Conv *c)
{
    static const char *const names[SPATIAL_MAX] = {"k0", "k1", "k2"};
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const Node *w = c->y->in[1], *base;
    Ix at[RANK_MAX], linear;
    int rank = 0;
    for (int a = SPATIAL_MAX - p->spatial; a < SPATIAL_MAX; a++)
        at[rank++] = ix_loop(&e->space, names[a], p->taps[a]);
    at[rank++] = ix_loop(&e->space, "k", p->channels / p->groups);
    at[rank++] = ix_loop(&e->space, "j", p->units);
    if (!operand_strides(&e->space, w, at, -1, -1, &base, &linear))
        BUG("a weight without strides");
    int64_t stride[RANK_MAX] = {0};
    for (int axis = 0; axis < rank; axis++)
        if (at[axis].n)
            stride[axis] = ix_coefficient(&linear, at[axis].t[0].atom);
    Standing s = {.channel = stride[rank - 2], .unit = stride[rank - 1]};
    s.at = arena_format(e->arena, "%s + %lld", emit_buffer(e, node_buffer(e->g, base), false),
                        (long long)linear.c);
    for (int i = 0; i < p->spatial; i++)
        s.taps[SPATIAL_MAX - p->spatial + i] = stride[i];
    return s;
}

/* Opens a loop over each axis that has several taps: how many. */
static int open_taps(Conv *c)
{
    static const char *const names[SPATIAL_MAX] = {"k0", "k1", "k2"};
    const ConvPlan *p = c->plan;
    int opened = 0;
    for (int a = SPATIAL_MAX - p->spatial; a < SPATIAL_MAX; a++)
        if (p->taps[a] > 1) {
            out_open(c->e->out, "for (int %s = 0; %s < %lld; %s++)", names[a], names[a],
                     (long long)p->taps[a], names[a]);
            opened++;
        }
    return opened;
}

/* --- panels ----------------------------------------------------------------------------------- */

/* The weight in panels, [groups][panels][inner][tile_n], number by number. */
static void make_panels(Conv *c)
{
    static const char *const names[SPATIAL_MAX] = {"k0", "k1", "k2"};
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const Node *w = c->y->in[1];
    int64_t each = p->channels / p->groups, units = p->units / p->groups;
    bool whole = units % p->tile_n == 0;
    Ix at[RANK_MAX];
    int d = 0;
    for (int a = SPATIAL_MAX - p->spatial; a < SPATIAL_MAX; a++)
        at[d++] = ix_loop(&e->space, names[a], p->taps[a]);
    at[d++] = ix_loop(&e->space, "k", each);
    at[d] = ix_loop(&e->space, "j", p->units);
    emit_share(c->e, 1);
    out_open(e->out, "for (int p = 0; p < %lld; p++)", (long long)(p->groups * p->panels));
    conv_columns(c, "width");
    out_line(e->out, "float *panel = %s + (size_t)p * %lld;", conv_packed(c, PART_panels),
             (long long)(p->inner * p->tile_n));
    int opened = open_taps(c);
    out_open(e->out, "for (int k = 0; k < %lld; k++)", (long long)each);
    out_open(e->out, "for (int v = 0; v < %s; v++)",
             whole ? conv_text(c, "%lld", p->tile_n) : "width");
    size_t j = out_index(e->out, "j", "j0 + v");
    int known = e->known.n;
    const char *value = emit_value(e, w, at);
    out_line(e->out, "panel[v] = %s;", emit_bare(e, value));
    e->known.n = known;
    out_unindex(e->out, j, "j");
    out_close(e->out);
    if (!whole) {
        out_loop(e->out, "for (int v = width; v < %d; v++)", p->tile_n);
        out_line(e->out, "panel[v] = 0.0f;");
        out_end(e->out);
    }
    out_line(e->out, "panel += %d;", p->tile_n);
    out_close(e->out);
    while (opened--)
        out_close(e->out);
    conv_unlet(c, 0);
    out_close(e->out);
}

/* " + k1 * (ptrdiff_t)786432": the tap at hand. */
static const char *tap_text(Conv *c, const Standing *s)
{
    static const char *const names[SPATIAL_MAX] = {"k0", "k1", "k2"};
    Str text = str_new(c->e->arena);
    str_add(&text, "%s", "");
    for (int a = 0; a < SPATIAL_MAX; a++)
        if (c->plan->taps[a] > 1)
            str_add(&text, " + %s * (ptrdiff_t)%lld", names[a], (long long)s->taps[a]);
    return text.at;
}

/* The same of a weight whose channels are next to each other. */
static void turn_panels(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    Standing s = standing(c);
    bool whole = p->units % p->tile_n == 0;
    emit_share(e, 1);
    out_open(e->out, "for (int p = 0; p < %lld; p++)", (long long)p->panels);
    conv_columns(c, "width");
    out_line(e->out, "float *panel = %s + (size_t)p * %lld;", conv_packed(c, PART_panels),
             (long long)(p->inner * p->tile_n));
    int opened = open_taps(c);
    out_wrap(e->out, "%s_turn_%d(%s, %lld, %s%s + j0 * (ptrdiff_t)%lld, %lld, panel);", e->p->name,
             p->tile_n, whole ? conv_text(c, "%lld", p->tile_n) : "width", (long long)p->channels,
             s.at, tap_text(c, &s), (long long)s.unit, (long long)s.unit);
    out_line(e->out, "panel += %lld;", (long long)(p->channels * p->tile_n));
    while (opened--)
        out_close(e->out);
    conv_unlet(c, 0);
    out_close(e->out);
}

void emit_panels_pack(Conv *c)
{
    if (c->plan->weight_way == PACK_turned)
        turn_panels(c);
    else
        make_panels(c);
}

/* --- Winograd's transform --------------------------------------------------------------------- */

/* The weight, transformed: the taps of a channel and a panel are copied first. */
static void transform_copies(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    const Node *w = c->y->in[1];
    bool whole = p->units % p->tile_n == 0;
    Ix at[RANK_MAX] = {ix_loop(&e->space, "k1", 3), ix_loop(&e->space, "k2", 3),
                       ix_loop(&e->space, "k", p->channels), ix_loop(&e->space, "j", p->units)};
    emit_share(c->e, 1);
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
    out_wrap(e->out, "%s(taps, %d, %d, %d, %s + (size_t)p * %lld + k * %d, %lld);",
             winograd_name(c, "weight"), 3 * p->tile_n, p->tile_n, p->tile_n,
             conv_packed(c, PART_other), (long long)(WINOGRAD_POINTS * p->winograd.w_point),
             p->tile_n, (long long)p->winograd.w_point);
    conv_unlet(c, 0);
    out_close(e->out);
}

/* The transform of `width` units, those at `from`, whose taps are so far apart, to column v0 of the panel. */
static void transform_taps(Conv *c, const char *from, int64_t below, int64_t beside, int width,
                           const char *to)
{
    out_wrap(c->e->out, "%s(%s, %lld, %lld, %d, %s + (size_t)p * %lld + %s, %lld);",
             winograd_name(c, "weight"), from, (long long)below, (long long)beside, width,
             conv_packed(c, PART_other), (long long)(WINOGRAD_POINTS * c->plan->winograd.w_point),
             to, (long long)c->plan->winograd.w_point);
}

/* The same, read where it stands. */
static void transform_standing(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    Standing s = standing(c);
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < %lld; t++)", (long long)(p->panels * p->channels));
    conv_let(c, "p", conv_part(c, "t", p->channels, -1));
    conv_let(c, "k", conv_part(c, "t", 1, p->channels));
    conv_columns(c, "width");
    transform_taps(
        c, arena_format(e->arena, "%s + k * (ptrdiff_t)%lld + j0", s.at, (long long)s.channel),
        s.taps[H], s.taps[W], p->tile_n, conv_text(c, "k * %lld", p->tile_n));
    conv_unlet(c, 0);
    out_close(e->out);
}

/* The same of a weight whose channels are next to each other: of a vector of channels, and one of units, at a time. */
static void transform_turned(Conv *c)
{
    Emit *e = c->e;
    const ConvPlan *p = c->plan;
    int lanes = tile_lanes(e->p->target), square = lanes * lanes;
    int64_t parts = p->channels / lanes;
    Standing s = standing(c);
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < %lld; t++)", (long long)(p->panels * parts));
    conv_let(c, "p", conv_part(c, "t", parts, -1));
    conv_let(c, "k0", conv_first(c, conv_part(c, "t", 1, parts), lanes));
    conv_columns(c, "width");
    out_open(e->out, "for (int v0 = 0; v0 < %d; v0 += %d)", p->tile_n, lanes);
    out_line(e->out, "_Alignas(64) float taps[%d];", 9 * square);
    open_taps(c);
    out_wrap(e->out,
             "%s_turn_%d(%d, %d, %s%s + k0 + (j0 + v0) * (ptrdiff_t)%lld, %lld, "
             "taps + (k1 * 3 + k2) * %d);",
             e->p->name, lanes, lanes, lanes, s.at, tap_text(c, &s), (long long)s.unit,
             (long long)s.unit, square);
    out_close(e->out);
    out_close(e->out);
    out_open(e->out, "for (int u = 0; u < %d; u++)", lanes);
    transform_taps(c, arena_format(e->arena, "taps + u * %d", lanes), 3 * square, square, lanes,
                   conv_text(c, "(k0 + u) * %lld + v0", p->tile_n));
    out_close(e->out);
    out_close(e->out);
    conv_unlet(c, 0);
    out_close(e->out);
}

void emit_winograd_pack(Conv *c)
{
    const ConvPlan *p = c->plan;
    bool whole = p->units % p->tile_n == 0;
    if (whole && p->weight_way == PACK_copied)
        transform_standing(c);
    else if (whole && p->weight_way == PACK_turned)
        transform_turned(c);
    else
        transform_copies(c);
}

/* --- a kernel of its own ---------------------------------------------------------------------- */

void emit_conv_pack(Emit *e)
{
    Conv c = {.e = e, .y = e->k->product, .plan = &e->low->conv};
    const WinogradPlan *w = &c.plan->winograd;
    if (c.plan->depthwise.used) {
        emit_depthwise_pack(&c);
        return;
    }
    ConvPlan direct = conv_direct(c.plan);
    Conv few = {.e = e, .y = c.y, .plan = &direct};
    /* What is kept serves calls of any number of samples; else the one of this call alone. */
    bool either = w->few && !e->low->kept;
    if (either && direct.pack_other)
        out_open(e->out, "if (%s <= %lld)", conv_samples(&c, c.y), (long long)w->few);
    if (direct.pack_other)
        emit_panels_pack(&few);
    if (either && direct.pack_other) {
        out_close(e->out);
        out_open(e->out, "else");
    } else if (either) {
        out_open(e->out, "if (%s > %lld)", conv_samples(&c, c.y), (long long)w->few);
    }
    if (w->used)
        emit_winograd_pack(&c);
    if (either)
        out_close(e->out);
}
