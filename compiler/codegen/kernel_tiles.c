/* SPDX-License-Identifier: MIT */
/* kernel_tiles.c: the functions of templates/ that kernels call, each in front of the first kernel that does. */
#include <string.h>

#include "kernel_emit.h"
#include "template.h"

/* The line break in front of the next function. */
static const char *next_head(const char *text)
{
    const char *plain = strstr(text, "\nstatic "), *inlined = strstr(text, "\nNNRT_INLINE ");
    return plain && (!inlined || plain < inlined) ? plain : inlined;
}

/* A template's text, the lines of its signatures broken anew: the names in them have other lengths. */
static void write_template(const Tiles *t, Out *out, const char *text)
{
    for (const char *begin; (begin = next_head(text)) != NULL;) {
        const char *end = strstr(++begin, "\n{");
        Str line = str_new(t->arena);
        for (const char *c = begin; c < end; c++)
            if (*c == '\n') {
                str_put(&line, " ", 1);
                c += strspn(c + 1, " ");
            } else {
                str_put(&line, c, 1);
            }
        out_raw(out, "%s", arena_text(t->arena, text, (size_t)(begin - text) - 1));
        out_wrap(out, "%s", line.at);
        text = end + 1;
    }
    out_raw(out, "%s", text);
}

/* "0, 4, 1, 5": what picks numbers of two vectors in turn, from `from` on, until one is full. */
static const char *interleaved(Arena *a, int lanes, int from)
{
    Str s = str_new(a);
    for (int i = from; i < from + lanes / 2; i++)
        str_add(&s, "%s%d, %d", s.n ? ", " : "", i, i + lanes);
    return s.at;
}

/* How large a tile is: whichever of these its template has. */
typedef struct TileSize {
    int m, h, w, n;
    int taps, step; /* along a row of pixels */
    int row;        /* numbers from row to row of what it gives; 0: n */
    int panels;     /* beside each other */
} TileSize;

/* A template's functions, called NAME_`tile`, in front of the first kernel that calls them; call: how they are
 * declared. */
static void write_tile_as(Tiles *t, Out *out, const char *file, const char *tile, TileSize size,
                          const char *call)
{
    Arena *a = t->arena;
    const char *name = arena_format(a, "%s_%s", t->p->name, tile);
    if (map_get(&t->written, name))
        return;
    map_set(&t->written, name, t);
    int lanes = tile_lanes(t->p->target);
    if (lanes < 4 || size.n % lanes)
        lanes = 4;
    const char *one = arena_format(a, "%s_1d", name);
    const TemplateWord words[] = {{"NNCC_NAME", name},
                                  {"NNCC_VECTOR", arena_format(a, "%s_vector", name)},
                                  {"NNCC_TAPS", arena_format(a, "%s_taps", name)},
                                  {"NNCC_PIXELS", arena_format(a, "%s_pixels", name)},
                                  {"NNCC_PATCH", name},
                                  {"NNCC_PATCH_1D", one},
                                  {"NNCC_WEIGHT", name},
                                  {"NNCC_WEIGHT_1D", one},
                                  {"NNCC_RESULTS", name},
                                  {"NNCC_RESULTS_1D", one},
                                  {"NNCC_ERRORS", name},
                                  {"NNCC_ERRORS_1D", one},
                                  {"NNCC_CHANGES", name},
                                  {"NNCC_CHANGES_1D", one},
                                  {"NNCC_EDGE", arena_format(a, "%s_edge", name)},
                                  {"NNCC_TAPS_W", arena_format(a, "%d", size.taps)},
                                  {"NNCC_STEP", arena_format(a, "%d", size.step)},
                                  {"NNCC_CALL", call},
                                  {"NNCC_COPY", name},
                                  {"NNCC_DEEP", name},
                                  {"NNCC_ASK", name},
                                  {"NNCC_TURN", name},
                                  {"NNCC_LOW", interleaved(a, lanes, 0)},
                                  {"NNCC_HIGH", interleaved(a, lanes, lanes / 2)},
                                  {"NNCC_PANELS", arena_format(a, "%d", size.panels)},
                                  {"NNCC_TILE_M", arena_format(a, "%d", size.m)},
                                  {"NNCC_TILE_H", arena_format(a, "%d", size.h)},
                                  {"NNCC_TILE_W", arena_format(a, "%d", size.w)},
                                  {"NNCC_TILE_N", arena_format(a, "%d", size.n)},
                                  {"NNCC_ROW", arena_format(a, "%d", size.row ? size.row : size.n)},
                                  {"NNCC_LANES", arena_format(a, "%d", lanes)}};
    write_template(t, out, template_text(t->p, file, COUNT(words), words));
}

static void write_tile(Tiles *t, Out *out, const char *file, const char *tile, TileSize size)
{
    write_tile_as(t, out, file, tile, size, "static");
}

static void write_conv_tile(Tiles *t, Out *out, int h, int w, int n)
{
    write_tile(t, out, "conv.c", arena_format(t->arena, "conv_%dx%dx%d", h, w, n),
               (TileSize){.h = h, .w = w, .n = n});
}

const char *depthwise_tile(Arena *a, const ConvPlan *p)
{
    int w = SPATIAL_MAX - 1;
    return arena_format(a, "depthwise_%dx%d_taps%lld_step%lld", p->tile_w, p->tile_n,
                        (long long)p->taps[w], (long long)p->stride[w]);
}

static void write_depthwise(Tiles *t, Out *out, const ConvPlan *p)
{
    int w = SPATIAL_MAX - 1;
    write_tile(
        t, out, "depthwise.c", depthwise_tile(t->arena, p),
        (TileSize){
            .w = p->tile_w, .n = p->tile_n, .taps = (int)p->taps[w], .step = (int)p->stride[w]});
}

/* One of Winograd's transforms. */
static void write_winograd(Tiles *t, Out *out, const char *what)
{
    write_tile(t, out, arena_format(t->arena, "winograd.c:%s", what),
               arena_format(t->arena, "winograd_%s", what),
               (TileSize){.n = tile_lanes(t->p->target)});
}

/* What packs panels of so many rows or columns. */
static void write_packing(Tiles *t, Out *out, PackWay way, int width)
{
    const char *what = way == PACK_turned ? "turn" : "copy";
    if (way != PACK_made)
        write_tile(t, out, arena_format(t->arena, "matmul.c:%s", what),
                   arena_format(t->arena, "%s_%d", what, width), (TileSize){.n = width});
}

/* A part of the template of attention: NAME_product_8x32, ... */
static void write_part(Tiles *t, Out *out, const AttentionPlan *plan, const char *part)
{
    static const char *const parts[][2] = {
        {"NNCC_PRODUCT", "product"},  {"NNCC_PART", "part"},   {"NNCC_VECTOR", "part_vector"},
        {"NNCC_BITS", "part_bits"},   {"NNCC_EXP", "exp"},     {"NNCC_LAST", "last"},
        {"NNCC_SLOPES", "slopes"},    {"NNCC_HIDE", "hide"},   {"NNCC_MOST", "most"},
        {"NNCC_WEIGHTS", "weights"},  {"NNCC_DONE", "done"},   {"NNCC_AGAIN", "again"},
        {"NNCC_DROP", "drop"},        {"NNCC_TIMES", "times"}, {"NNCC_DOTS", "dots"},
        {"NNCC_LONGS", "part_longs"}, {"NNCC_SUMS", "sums"},   {"NNCC_NEXT", "next"}};
    enum { PARTS = COUNT(parts) };
    Arena *a = t->arena;
    TemplateWord words[PARTS + 4] = {
        {"NNCC_BLOCK", arena_format(a, "%lld", plan->block)},
        {"NNCC_TILE_M", arena_format(a, "%d", plan->tile_m)},
        {"NNCC_TILE_N", arena_format(a, "%d", plan->tile_n)},
        {"NNCC_LANES", arena_format(a, "%d", tile_lanes(t->p->target))}};
    for (int i = 0; i < PARTS; i++)
        words[4 + i] =
            (TemplateWord){parts[i][0], arena_format(a, "%s_%s_%dx%d", t->p->name, parts[i][1],
                                                     plan->tile_m, plan->tile_n)};
    const char *key = arena_format(a, "attention:%s_%dx%d", part, plan->tile_m, plan->tile_n);
    if (map_get(&t->written, key))
        return;
    map_set(&t->written, key, t);
    const char *file = arena_format(a, "attention.c:%s", part);
    write_template(t, out, template_text(t->p, file, PARTS + 4, words));
}

static void write_attention(Tiles *t, Out *out, const Kernel *k)
{
    const AttentionPlan *plan = &((const Lowered *)k->lowered)->attention;
    AttentionSizes s = attention_sizes(k->product);
    bool forward = k->kind == KERNEL_attention;
    write_part(t, out, plan, "product");
    write_packing(t, out, PACK_turned, (int)plan->block);
    write_part(t, out, plan, "exp");
    if (s.alibi)
        write_part(t, out, plan, "slopes");
    if (s.causal)
        write_part(t, out, plan, "hide");
    write_part(t, out, plan, forward ? "weights" : "again");
    if (!forward)
        write_part(t, out, plan, "dots");
    if (k->product->attr->value != 0)
        write_part(t, out, plan, "drop");
}

/* The tile of an update is a call and not inlined: what its stores need in registers would else be there during the
 * sums too, in place of accumulators. */
static void write_matmul_tile(Tiles *t, Out *out, const Kernel *k, int columns)
{
    const MatmulPlan *plan = &((const Lowered *)k->lowered)->plan;
    const char *call = kernel_updates(k) ? "static __attribute__((noinline))" : "static";
    write_tile_as(t, out, plan->depth ? "matmul.c:deep" : "matmul.c",
                  matmul_tile(t->arena, k, columns),
                  (TileSize){.m = plan->tile_m, .n = columns, .row = plan->tile_n}, call);
}

/* What puts a convolution's weight in the form in which it is read. */
static void write_weight_packing(Tiles *t, Out *out, const ConvPlan *c)
{
    bool turned = c->weight_way == PACK_turned;
    if (c->winograd.used)
        write_winograd(t, out, "weight");
    if (c->winograd.used && turned && c->units % c->tile_n == 0)
        write_packing(t, out, PACK_turned, tile_lanes(t->p->target));
    if (c->pack_other && turned)
        write_packing(t, out, PACK_turned, conv_direct(c).tile_n);
}

static void write_packing_of(Tiles *t, Out *out, const Kernel *k)
{
    const Lowered *low = k->lowered;
    if (k->product->op == OP_conv && !low->conv.depthwise.used)
        write_weight_packing(t, out, &low->conv);
    if (k->product->op == OP_matmul)
        write_packing(t, out, low->plan.way_b, low->plan.tile_n);
}

static void write_matmul(Tiles *t, Out *out, const Kernel *k)
{
    const MatmulPlan *plan = &((const Lowered *)k->lowered)->plan;
    int n = plan->tile_n, last = matmul_narrow(t->p->target, plan);
    if ((plan->pack_b && !k->packed) || (plan->depth && !plan->pack_b))
        write_packing(t, out, plan->way_b, n);
    if (plan->depth)
        write_tile(t, out, "matmul.c:ask", "ask", (TileSize){.n = n});
    if (plan->pack_a)
        write_packing(t, out, plan->way_a, plan->tile_m);
    if (plan->vector) {
        const char *way = plan->vector == VECTOR_dots ? "dots" : "columns";
        write_tile(t, out, arena_format(t->arena, "matvec.c:%s", way), way,
                   (TileSize){.n = tile_lanes(t->p->target)});
        return;
    }
    if (plan->few)
        write_tile(t, out, "matmul.c:few", matmul_few(t->arena, t->p->target, plan),
                   (TileSize){.m = matmul_few_rows(t->p->target), .n = n, .panels = plan->few});
    write_matmul_tile(t, out, k, n);
    if (last)
        write_matmul_tile(t, out, k, last);
}

static void write_conv_weight(Tiles *t, Out *out, const ConvPlan *c)
{
    int m = c->winograd.used ? c->winograd.rows : c->tile_m, n = c->tile_n;
    write_tile(t, out, "conv_weight.c", arena_format(t->arena, "weight_%dx%d", m, n),
               (TileSize){.m = m, .n = n});
    if (c->winograd.used) {
        write_winograd(t, out, "patch");
        write_winograd(t, out, "errors");
        write_winograd(t, out, "changes");
    }
}

static void write_conv(Tiles *t, Out *out, const Kernel *k)
{
    const ConvPlan *c = &((const Lowered *)k->lowered)->conv;
    if (c->depthwise.used) {
        write_depthwise(t, out, c);
        return;
    }
    if (!k->pack)
        write_weight_packing(t, out, c);
    if (!c->winograd.used || c->winograd.few)
        write_conv_tile(t, out, c->tile_h, c->tile_w, conv_direct(c).tile_n);
    if (c->winograd.used) {
        write_conv_tile(t, out, 1, c->winograd.rows, c->tile_n);
        write_winograd(t, out, "patch");
        write_winograd(t, out, "results");
    }
}

Tiles tiles_begin(const Program *p)
{
    return (Tiles){.p = p, .arena = p->ctx->arena, .written = map_new(p->ctx->arena)};
}

void tiles_write(Tiles *t, Out *out, const Kernel *k)
{
    switch (k->kind) {
    case KERNEL_pack: write_packing_of(t, out, k); break;
    case KERNEL_matmul: write_matmul(t, out, k); break;
    case KERNEL_conv: write_conv(t, out, k); break;
    case KERNEL_conv_weight: write_conv_weight(t, out, &((const Lowered *)k->lowered)->conv); break;
    case KERNEL_attention:
    case KERNEL_attention_grad: write_attention(t, out, k); break;
    default: break;
    }
}
