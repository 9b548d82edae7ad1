/* SPDX-License-Identifier: MIT */
/* kernel_strips.c: a product whose operands or result are larger than the second cache: strips of the result, a panel
 * of the right operand by many rows, summed by blocks of inner steps, while lines of the next block are asked for. */
#include "kernel_product.h"

/* How many lines of what is updated a tile asks for at most. */
static int64_t asks_most(Product *p)
{
    int64_t lines = (p->plan->tile_n + LINE_FLOATS - 1) / LINE_FLOATS, updated = 0;
    for (int s = 0; s < p->e->k->stores.n; s++)
        updated += op_rows[p->e->k->stores.at[s]->op].cls == CLASS_EFFECT;
    return updated * lines * p->plan->tile_m;
}

/* "panel + 32, 16, 48, 768": the lines of the right operand's next block, from column `later_j` and inner step
 * `later_k` on: rows, their length, and how far apart they are. */
static const char *later_block(Product *p, const char *from, const int64_t apart[2])
{
    const MatmulPlan *t = p->plan;
    Arena *a = p->e->arena;
    int n = t->tile_n;
    if (t->pack_b)
        return arena_format(a, "%s + (size_t)later_j * %s + (size_t)later_k * %d, 1, more * %d, 0",
                            from, factor(p, p->inner), n, n);
    const char *columns =
        t->cols % n == 0
            ? number(p, n)
            : arena_format(a, "%s - later_j < %d ? %s - later_j : %d", p->cols, n, p->cols, n);
    bool turned = t->way_b == PACK_turned;
    return arena_format(a, "%s + (size_t)later_j * %lld + (size_t)later_k * %lld, %s, %s, %lld",
                        from, (long long)apart[0], (long long)apart[1], turned ? columns : "more",
                        turned ? "more" : columns, (long long)apart[!turned]);
}

/* The block of a panel, at j0 and k0, and which comes after it; gives the text of that one's lines. */
static const char *open_block(Product *p, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    int n = t->tile_n;
    const Node *base;
    Ix linear;
    int64_t apart[2] = {0, 0};
    const char *from = t->pack_b ? packed_right(p) : NULL;
    if (!t->pack_b) {
        if (!operand_strides(&e->space, p->y->in[1], b_at, atom_of(&p->j), atom_of(&p->k), &base,
                             &linear))
            BUG("a right operand without strides");
        from = plain_text(p, base, linear, &p->j, &p->k, apart);
    }
    out_open(e->out, "for (int k0 = 0; k0 < %s; k0 += %lld)", p->inner, (long long)t->depth);
    out_line(e->out, "const int steps = %s - k0 < %lld ? %s - k0 : %lld;", p->inner,
             (long long)t->depth, p->inner, (long long)t->depth);
    out_open(e->out, "for (int j0 = begin; j0 < end; j0 += %d)", n);
    if (t->cols % n)
        out_line(e->out, "const int cols = %s - j0 < %d ? %s - j0 : %d;", p->cols, n, p->cols, n);
    if (!t->pack_b)
        out_wrap(e->out,
                 "%s_%s_%d(%s, steps, %s + (size_t)j0 * %lld + (size_t)k0 * %lld, %lld, block);",
                 e->p->name, t->way_b == PACK_turned ? "turn" : "copy", n,
                 t->cols % n ? "cols" : number(p, n), from, (long long)apart[0],
                 (long long)apart[1], (long long)apart[t->way_b == PACK_copied]);
    out_line(e->out, "const int later = j0 + %d < end ? k0 : k0 + %lld;", n, (long long)t->depth);
    out_line(e->out, "const int later_k = later < %s ? later : 0;", p->inner);
    out_line(e->out,
             "const int later_j = later == k0 ? j0 + %d : later_k ? begin : end < %s ? end : 0;", n,
             p->cols);
    out_line(e->out, "const int more = %s - later_k < %lld ? %s - later_k : %lld;", p->inner,
             (long long)t->depth, p->inner, (long long)t->depth);
    return later_block(p, from, apart);
}

/* The call of the register tile of so many columns. */
static void call_deep(Product *p, const Left *a, const char *rows, int columns)
{
    const MatmulPlan *t = p->plan;
    Emit *e = p->e;
    const char *name = matmul_tile(e->arena, e->k, columns);
    bool down = !t->pack_a && a->step != 1; /* columns: the tile below has other lines */
    const char *done = t->inner > t->depth ? "k0" : "0";
    const char *right = t->pack_b ? arena_format(e->arena, "%s + (size_t)j0 * %s + (size_t)k0 * %d",
                                                 packed_right(p), factor(p, p->inner), t->tile_n)
                                  : "block";
    out_wrap(
        e->out,
        "%s_%s(%s, steps, %s, %s + (size_t)k0 * %lld, %lld, %lld, %lld, %s, %d, ask, asked, tile);",
        e->p->name, name, rows, done, a->from, a->step, a->row, a->step,
        down ? a->row * t->tile_m : 0, right, t->tile_n);
}

/* One tile of a strip's block: asks, sums, and stores what is summed. */
static void strip_tile(Product *p, const Ix *a_at, const char *later)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    bool fixed = p->rows[0] >= '0' && p->rows[0] <= '9', once = t->inner <= t->depth;
    bool whole = fixed && t->rows % t->tile_m == 0;
    int64_t size = (int64_t)t->tile_m * t->tile_n;
    const char *rows = whole ? number(p, t->tile_m) : "rows";
    const char *cols = t->cols % t->tile_n ? "cols" : number(p, t->tile_n);
    out_line(e->out, "const int i0 = (near + at) * %d;", t->tile_m);
    if (!whole)
        out_line(e->out, "const int rows = %s - i0 < %d ? %s - i0 : %d;", p->rows, t->tile_m,
                 p->rows, t->tile_m);
    if (once)
        out_line(e->out, "_Alignas(64) float tile[%lld];", (long long)size);
    else
        out_line(e->out, "float *const tile = sums + ((j0 - begin) / %d * %lld + at) * %lld;",
                 t->tile_n, (long long)t->near, (long long)size);
    out_line(e->out, "const void *volatile ask[%lld];", (long long)(t->depth + asks_most(p)));
    out_line(e->out, "int asked = 0;");
    if (!once && asks_most(p))
        out_open(e->out, "if (k0 + %lld >= %s)", (long long)t->depth, p->inner);
    fetch_updated(p, rows, cols);
    if (!once && asks_most(p))
        out_close(e->out);
    out_wrap(e->out, "asked = %s_ask(at, high, %s, ask, asked, %lld);", e->p->name, later,
             (long long)t->depth);
    const Left a = left_at(p, p->y->in[0], a_at);
    int last = matmul_narrow(e->p->target, t);
    if (last) {
        out_loop(e->out, "if (cols <= %d)", last);
        call_deep(p, &a, rows, last);
        out_end(e->out);
        out_loop(e->out, "else");
    }
    call_deep(p, &a, rows, t->tile_n);
    if (last)
        out_end(e->out);
    if (!once)
        out_open(e->out, "if (k0 + %lld >= %s)", (long long)t->depth, p->inner);
    store_tile(p, rows, cols);
    if (!once)
        out_close(e->out);
}

/* Strips of the result, shared among threads, each summed by blocks of inner steps. */
void strips(Product *p, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    int64_t wide = t->wide * t->tile_n, across = tile_pieces(t->cols, wide);
    p->tile_row = t->tile_n;
    out_line(e->out, "const int blocks = (%s + %d) / %d;", p->rows, t->tile_m - 1, t->tile_m);
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < (blocks + %lld) / %lld * %lld; t++)",
             (long long)t->near - 1, (long long)t->near, (long long)across);
    out_line(e->out, "const int near = t / %lld * %lld;", (long long)across, (long long)t->near);
    out_line(e->out, "const int high = blocks - near < %lld ? blocks - near : %lld;",
             (long long)t->near, (long long)t->near);
    out_line(e->out, "const int begin = t %% %lld * %lld;", (long long)across, (long long)wide);
    out_line(e->out, "const int end = %s - begin < %lld ? %s : begin + %lld;", p->cols,
             (long long)wide, p->cols, (long long)wide);
    if (t->inner > t->depth)
        out_line(e->out, "_Alignas(64) float sums[%lld];",
                 (long long)(t->near * t->wide * t->tile_m * t->tile_n));
    if (!t->pack_b)
        out_line(e->out, "_Alignas(64) float block[%lld];", (long long)(t->depth * t->tile_n));
    const char *later = open_block(p, b_at);
    out_open(e->out, "for (int at = 0; at < high; at++)");
    strip_tile(p, a_at, later);
    out_close(e->out);
    out_close(e->out);
    out_close(e->out);
    out_close(e->out);
}
