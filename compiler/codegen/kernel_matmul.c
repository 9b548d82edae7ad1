/* SPDX-License-Identifier: MIT */
/* kernel_matmul.c: the body of a matmul kernel: packing with load expressions, tiles, store
 * expressions.
 *
 * The right operand is computed and packed in panels first; then tiles of the result are shared
 * among threads. Each is one call of the register tile (templates/matmul.c) and a loop over its
 * numbers that applies the store expression while they are in the first cache. */
#include <stdlib.h>
#include <string.h>

#include "kernel_product.h"

static const char *const lead_names[RANK_MAX] = {"l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7"};

/* Loop variables for the axes of the result, which are also the domain's loops. */
static void make_loops(Product *p)
{
    Emit *e = p->e;
    const Shape *s = &p->y->shape, *a = &p->y->in[0]->shape;
    int d = 0;
    for (int axis = 0; axis < s->rank; axis++) {
        const char *name = axis == s->rank - 1 ? "j" : axis == s->rank - 2 ? "i" : lead_names[axis];
        Ix loop = ix_loop(&e->space, name, axis_extent(&e->space, s, axis));
        if (axis == s->rank - 1)
            p->j = loop;
        else if (axis == s->rank - 2)
            p->i = loop;
        else
            p->lead[axis] = loop;
        if (s->dim[axis] != 1 || s->batch == axis)
            e->loops[d++] = loop;
    }
    p->k = ix_loop(&e->space, "k", axis_extent(&e->space, a, a->rank - 1));
}

/* The index of an operand at (row, column), its leading axes broadcast. */
static void operand_at(const Product *p, const Node *x, Ix row, Ix col, Ix *at)
{
    int skip = p->y->shape.rank - x->shape.rank;
    for (int axis = 0; axis < x->shape.rank - 2; axis++) {
        bool one = x->shape.dim[axis] == 1 && x->shape.batch != axis;
        at[axis] = one ? ix_const(0) : p->lead[axis + skip];
    }
    at[x->shape.rank - 2] = row;
    at[x->shape.rank - 1] = col;
}

/* Columns of a part, where the plan has gates; else all. */
static int64_t part_columns(const MatmulPlan *plan)
{
    return plan->cols / plan->gates;
}

Left left_at(Product *p, const Node *a, const Ix *at)
{
    Emit *e = p->e;
    if (packs_by_rows(p, a, at))
        return (Left){arena_format(e->arena, "%s + (size_t)i0 * %s", packed_left(p), p->inner),
                      strtoll(p->inner, NULL, 10), 1};
    if (p->plan->pack_a)
        return (Left){
            arena_format(e->arena, "%s + (size_t)i0 * %s", packed_left(p), factor(p, p->inner)), 1,
            p->plan->tile_m};
    const Node *base;
    Ix linear;
    if (!operand_strides(&e->space, a, at, atom_of(&p->i), atom_of(&p->k), &base, &linear))
        BUG("a left operand without strides");
    int64_t apart[2];
    const char *from = plain_text(p, base, linear, &p->i, &p->k, apart);
    from = arena_format(e->arena, "%s + (size_t)i0 * %lld", from, (long long)apart[0]);
    return (Left){from, (long long)apart[0], (long long)apart[1]};
}

/* The numbers of the product that a tile holds for row u and column v: one, or one of each part. */
static void know_tile(Product *p)
{
    Emit *e = p->e;
    const Shape *s = &p->y->shape;
    const int last = s->rank - 1, parts = p->plan->gates;
    Ix at[RANK_MAX];
    if (parts == 1)
        emit_stand(e, p->y, at);
    for (int axis = 0; parts > 1 && axis < last; axis++)
        at[axis] = axis == last - 1 ? p->i : p->lead[axis];
    for (int g = 0; g < parts; g++) {
        const char *from =
            g ? arena_format(e->arena, "%lld + ", (long long)(g * p->tile_part)) : "";
        if (parts > 1)
            at[last] = ix_add(&e->space, p->j, ix_const(g * part_columns(p->plan)));
        emit_know(e, p->y, at,
                  arena_format(e->arena, "tile[%su * %lld + v]", from, (long long)p->tile_row));
    }
}

void store_tile(Product *p, const char *rows, const char *cols)
{
    Emit *e = p->e;
    out_loop(e->out, "for (int u = 0; u < %s; u++)", rows);
    out_open(e->out, "for (int v = 0; v < %s; v++)", cols);
    size_t i = out_index(e->out, p->row, "i0 + u"), j = out_index(e->out, "j", "j0 + v");
    int known = e->known.n;
    know_tile(p);
    emit_stores(e, e->k->stores.n, e->k->stores.at);
    out_unindex(e->out, j, "j");
    out_unindex(e->out, i, p->row);
    e->known.n = known;
    out_close(e->out);
    out_end(e->out);
}

/* What the tile's stores update in place, a weight and its optimiser's state, is on its way to the cache while
 * the tile is summed: with a depth by the list of what the tile asks for. */
void fetch_updated(Product *p, const char *rows, const char *cols)
{
    Emit *e = p->e;
    bool opened = false;
    size_t i = 0, j = 0;
    for (int s = 0; s < e->k->stores.n; s++) {
        const Node *y = e->k->stores.at[s];
        Ix at[RANK_MAX];
        if (op_rows[y->op].cls != CLASS_EFFECT ||
            domain_place(&e->low->domain, &y->shape) != PLACE_full || !emit_stand(e, y, at))
            continue;
        if (!opened) {
            out_loop(e->out, "for (int u = 0; u < %s; u++)", rows);
            out_open(e->out, "for (int v = 0; v < %s; v += %d)", cols, LINE_FLOATS);
            i = out_index(e->out, p->row, "i0 + u"), j = out_index(e->out, "j", "j0 + v");
            opened = true;
        }
        out_line(e->out, p->plan->depth ? "ask[asked++] = &%s;" : "__builtin_prefetch(&%s, 1);",
                 emit_element(e, y, at, true));
    }
    if (!opened)
        return;
    out_unindex(e->out, j, "j");
    out_unindex(e->out, i, p->row);
    out_close(e->out);
    out_end(e->out);
}

/* "panel, 32": the right operand at a column and inner step 0, and the distance of inner steps; *between: that of
 * panels, or of parts. */
static const char *right_text(Product *p, const Node *b, const Ix *at, const char *column,
                              const char **between)
{
    Emit *e = p->e;
    int64_t width = p->plan->gates > 1 ? part_columns(p->plan) : p->plan->tile_n;
    *between = number(p, width);
    if (p->plan->pack_b) {
        *between = arena_format(e->arena, "%lld * %s", (long long)width, factor(p, p->inner));
        return arena_format(e->arena, "%s + (size_t)%s * %s, %d", packed_right(p),
                            factor(p, column), factor(p, p->inner), p->plan->tile_n);
    }
    const Node *base;
    Ix linear;
    if (!operand_strides(&e->space, b, at, atom_of(&p->j), atom_of(&p->k), &base, &linear))
        BUG("a right operand without strides");
    int64_t apart[2];
    const char *from = plain_text(p, base, linear, &p->j, &p->k, apart);
    return arena_format(e->arena, "%s + %s, %lld", from, column, (long long)apart[1]);
}

const char *matmul_tile(Arena *a, const Kernel *k, int columns)
{
    const MatmulPlan *plan = &((const Lowered *)k->lowered)->plan;
    const char *of = columns < plan->tile_n ? arena_format(a, "of%d", plan->tile_n) : "";
    return arena_format(a, "%s_%dx%d%s%s", plan->depth ? "deep" : "tile", plan->tile_m, columns, of,
                        kernel_updates(k) ? "_apart" : "");
}

const char *matmul_few(Arena *a, const Target *t, const MatmulPlan *plan)
{
    return arena_format(a, "few_%dx%dx%d", matmul_few_rows(t), plan->few, plan->tile_n);
}

/* Where tile t stands: panel by panel, each over all rows, or over as many at a time as stay near. */
static void place_tile(Product *p, const char *blocks, int64_t panels)
{
    Out *o = p->e->out;
    const MatmulPlan *t = p->plan;
    if (!t->near || panels == 1) {
        out_line(o, "const int j0 = t / %s * %d, i0 = t %% %s * %d;", blocks, t->tile_n, blocks,
                 t->tile_m);
        return;
    }
    long long near = t->near, all = t->near * panels;
    out_line(o, "const int near = t / %lld * %lld, at = t %% %lld;", all, near, all);
    out_line(o, "const int high = %s - near < %lld ? %s - near : %lld;", blocks, near, blocks,
             near);
    out_line(o, "const int j0 = at / high * %d, i0 = (near + at %% high) * %d;", t->tile_n,
             t->tile_m);
}

/* The calls of the register tile: one, or one for each part of the columns. */
static void sum_tile(Product *p, const char *rows, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    const char *column = "j0", *tile = "tile";
    const Left a = left_at(p, p->y->in[0], a_at);
    const char *left = arena_format(e->arena, "%s, %lld, %lld", a.from, a.row, a.step);
    if (t->gates > 1) {
        out_loop(e->out, "for (int g = 0; g < %d; g++)", t->gates);
        column = arena_format(e->arena, "j0 + g * %lld", (long long)part_columns(t));
        tile = arena_format(e->arena, "tile + g * %lld", (long long)p->tile_part);
    }
    const char *between, *right = right_text(p, p->y->in[1], b_at, column, &between);
    int last = matmul_narrow(e->p->target, t);
    if (last) {
        out_loop(e->out, "if (cols <= %d)", last);
        out_wrap(e->out, "%s_%s(%s, %s, %s, %s, tile);", e->p->name,
                 matmul_tile(e->arena, e->k, last), rows, p->inner, left, right);
        out_end(e->out);
        out_loop(e->out, "else");
    }
    out_wrap(e->out, "%s_%s(%s, %s, %s, %s, %s);", e->p->name,
             matmul_tile(e->arena, e->k, t->tile_n), rows, p->inner, left, right, tile);
    if (last || t->gates > 1)
        out_end(e->out);
}

static void tiles(Product *p, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    bool fixed = p->rows[0] >= '0' && p->rows[0] <= '9';
    bool whole_rows = fixed && t->rows % t->tile_m == 0;
    bool whole_cols = part_columns(t) % t->tile_n == 0;
    int64_t panels = tile_pieces(part_columns(t), t->tile_n);
    const char *blocks = fixed ? number(p, (t->rows + t->tile_m - 1) / t->tile_m) : "blocks";
    p->tile_row = t->tile_n;
    p->tile_part = (int64_t)t->tile_m * t->tile_n;
    if (!fixed)
        out_line(e->out, "const int blocks = (%s + %d) / %d;", p->rows, t->tile_m - 1, t->tile_m);
    const char *all = fixed         ? number(p, panels * ((t->rows + t->tile_m - 1) / t->tile_m))
                      : panels == 1 ? blocks
                                    : arena_format(e->arena, "%lld * blocks", (long long)panels);
    emit_shared_for(e, "t", 0, all, 1);
    place_tile(p, blocks, panels);
    if (!whole_rows)
        out_line(e->out, "const int rows = %s - i0 < %d ? %s - i0 : %d;", p->rows, t->tile_m,
                 p->rows, t->tile_m);
    if (!whole_cols)
        out_line(e->out, "const int cols = %s - j0 < %d ? %s - j0 : %d;", p->cols, t->tile_n,
                 p->cols, t->tile_n);
    out_line(e->out, "_Alignas(64) float tile[%lld];", (long long)(p->tile_part * t->gates));
    const char *rows = whole_rows ? number(p, t->tile_m) : "rows";
    fetch_updated(p, rows, whole_cols ? number(p, t->tile_n) : "cols");
    sum_tile(p, rows, a_at, b_at);
    store_tile(p, rows, whole_cols ? number(p, t->tile_n) : "cols");
    out_close(e->out);
}

/* The call of the tile of few rows: several panels beside each other, or a panel of each part. */
static void sum_few(Product *p, const char *rows, const char *cols, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    Left a = left_at(p, p->y->in[0], a_at);
    if (t->pack_a && !packs_by_rows(p, p->y->in[0], a_at)) /* its first panel has all rows */
        a.from = arena_format(e->arena, "%s + i0", packed_left(p));
    const char *between, *right = right_text(p, p->y->in[1], b_at, "j0", &between);
    const char *panels =
        cols ? arena_format(e->arena, "(%s + %d) / %d", cols, t->tile_n - 1, t->tile_n)
             : number(p, t->few);
    out_wrap(e->out, "%s_%s(%s, %s, %s, %s, %lld, %lld, %s, %s, tile);", e->p->name,
             matmul_few(e->arena, e->p->target, t), rows, panels, p->inner, a.from, a.row, a.step,
             right, between);
}

/* The same for fewer samples than a tile has rows; the block of that case stays open. */
static void tiles_of_few(Product *p, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    int most = matmul_few_rows(e->p->target);
    int64_t columns = part_columns(t), width = (int64_t)t->tile_n * (t->gates > 1 ? 1 : t->few);
    const char *rows = most > 1 ? "rows" : "1", *cols = columns % width ? "cols" : NULL;
    p->tile_row = (int64_t)t->few * t->tile_n;
    p->tile_part = t->tile_n;
    out_open(e->out, "if (%s < %d)", p->rows, t->tile_m);
    emit_shared_for(e, "j0", 0, number(p, columns), width);
    if (cols)
        out_line(e->out, "const int cols = %s - j0 < %lld ? %s - j0 : %lld;", p->cols,
                 (long long)width, p->cols, (long long)width);
    out_open(e->out, "for (int i0 = 0; i0 < %s; i0 += %d)", p->rows, most);
    if (most > 1)
        out_line(e->out, "const int rows = %s - i0 < %d ? %s - i0 : %d;", p->rows, most, p->rows,
                 most);
    out_line(e->out, "_Alignas(64) float tile[%lld];", (long long)(most * p->tile_row));
    sum_few(p, rows, cols, a_at, b_at);
    store_tile(p, rows, cols ? cols : number(p, width));
    out_close(e->out);
    out_close(e->out);
}

/* The tiles of all rows, or, where there are few samples, those of few. */
static void all_tiles(Product *p, const Ix *a_at, const Ix *b_at)
{
    Out *o = p->e->out;
    int known = p->e->known.n;
    if (p->plan->few) {
        tiles_of_few(p, a_at, b_at);
        p->e->known.n = known;
        o->depth--;
        out_line(o, "} else {");
        o->depth++;
    }
    (p->plan->depth ? strips : tiles)(p, a_at, b_at);
    if (p->plan->few)
        out_close(o);
}

/* The product of one row: a strip of columns a thread, in pieces. */
static void pieces(Product *p, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    const Node *base;
    Ix linear;
    int64_t apart[2];
    bool dots = t->vector == VECTOR_dots;
    if (!operand_strides(&e->space, p->y->in[1], b_at, atom_of(&p->j), atom_of(&p->k), &base,
                         &linear))
        BUG("a right operand without strides");
    const char *from = plain_text(p, base, linear, &p->j, &p->k, apart);
    out_line(e->out, "const int strips = nnrt_strips();");
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < strips; t++)");
    out_line(e->out, "const int end = nnrt_strip(%s, strips, t + 1);", p->cols);
    out_open(e->out, "for (int j0 = nnrt_strip(%s, strips, t); j0 < end; j0 += %d)", p->cols,
             t->tile_n);
    out_line(e->out, "const int i0 = 0, cols = end - j0 < %d ? end - j0 : %d;", t->tile_n,
             t->tile_n);
    out_line(e->out, "_Alignas(64) float tile[%d];", t->tile_n);
    const Left a = left_at(p, p->y->in[0], a_at);
    out_wrap(e->out, "%s_%s(cols, %s, %s, %lld, %s + (ptrdiff_t)j0 * %lld, %lld, tile);",
             e->p->name, dots ? "dots" : "columns", p->inner, a.from, a.step, from,
             (long long)apart[0], (long long)apart[!dots]);
    p->tile_row = t->tile_n;
    store_tile(p, "1", "cols");
    out_close(e->out);
    out_close(e->out);
}

static Product product_of(Emit *e)
{
    const Node *y = e->k->product, *a = y->in[0];
    Product p = {.e = e, .y = y, .plan = &e->low->plan, .row = "i"};
    p.rows = axis_text(&p, &y->shape, y->shape.rank - 2);
    p.cols = axis_text(&p, &y->shape, y->shape.rank - 1);
    p.inner = axis_text(&p, &a->shape, a->shape.rank - 1);
    make_loops(&p);
    return p;
}

static void pack_right(Product *p)
{
    const Node *b = p->y->in[1];
    Ix at[RANK_MAX];
    operand_at(p, b, p->k, p->j, at);
    const Packed w = {b, at, "j", p->cols, p->plan->cols, p->plan->tile_n, packed_right(p)};
    pack(p, &w);
}

void emit_matmul_pack(Emit *e)
{
    Product p = product_of(e);
    pack_right(&p);
}

/* The loops over products of a stack; how many. */
static int open_stack(Product *p)
{
    const Shape *s = &p->y->shape;
    int opened = 0;
    for (int axis = 0; axis < s->rank - 2; axis++) {
        if (shape_unit(s, axis))
            continue;
        out_open(p->e->out, "for (int %s = 0; %s < %s; %s++)", lead_names[axis], lead_names[axis],
                 axis_text(p, s, axis), lead_names[axis]);
        opened++;
    }
    return opened;
}

/* The one axis of a stack of products that all read the same right operand, a row a sample, the operands as
 * they lie: where there are few samples, tiles have the stack's axis for rows. -1: it is no such stack. */
static int axis_of_steps(const Product *p)
{
    const Shape *s = &p->y->shape;
    int axis = s->rank - 3, rows = s->rank - 2;
    bool packs = (p->plan->pack_b && !p->e->k->packed) || p->plan->pack_a;
    if (axis < 0 || packs || s->batch != rows || s->dim[axis] < p->plan->tile_m ||
        op_product(s, 0, axis) != 1)
        return -1;
    const Shape *b = &p->y->in[1]->shape;
    return op_product(b, 0, b->rank - 2) == 1 ? axis : -1;
}

/* The same products with rows of the stack's axis, a sample after the other, for fewer samples than a tile
 * has rows. */
static void tiles_of_steps(Product *p, int axis, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    MatmulPlan plan = *p->plan;
    Product by_step = *p;
    int known = e->known.n;
    plan.rows = p->y->shape.dim[axis];
    by_step.plan = &plan;
    by_step.i = p->lead[axis];
    by_step.row = lead_names[axis];
    by_step.rows = axis_text(p, &p->y->shape, axis);
    out_open(e->out, "if (%s < %d)", p->rows, plan.tile_m);
    out_open(e->out, "for (int i = 0; i < %s; i++)", p->rows);
    tiles(&by_step, a_at, b_at);
    out_close(e->out);
    out_line(e->out, "return;");
    out_close(e->out);
    e->known.n = known;
}

/* From here on columns are those of a part. */
static void go_over_part(Product *p, Ix *b_at)
{
    Emit *e = p->e;
    p->j = e->loops[e->low->domain.n - 1] = ix_loop(&e->space, "j", part_columns(p->plan));
    p->cols = number(p, part_columns(p->plan));
    operand_at(p, p->y->in[1], p->k, p->j, b_at);
}

void emit_matmul(Emit *e)
{
    Product p = product_of(e);
    const Node *a = p.y->in[0], *b = p.y->in[1];
    Ix a_at[RANK_MAX], b_at[RANK_MAX];
    operand_at(&p, a, p.i, p.k, a_at);
    operand_at(&p, b, p.k, p.j, b_at);
    int steps = axis_of_steps(&p);
    if (steps >= 0)
        tiles_of_steps(&p, steps, a_at, b_at);
    int opened = open_stack(&p);
    bool packs_b = p.plan->pack_b && !e->k->packed, packs = packs_b || p.plan->pack_a;
    if (packs_b)
        pack_right(&p);
    if (p.plan->pack_a) {
        const Packed w = {a, a_at, "i", p.rows, p.plan->rows, p.plan->tile_m, packed_left(&p)};
        if (packs_by_rows(&p, a, a_at))
            pack_rows(&p, a, a_at);
        else
            pack(&p, &w);
    }
    if (packs)
        emit_wait(e);
    if (p.plan->gates > 1)
        go_over_part(&p, b_at);
    if (p.plan->vector)
        pieces(&p, a_at, b_at);
    else
        all_tiles(&p, a_at, b_at);
    if (packs && opened)
        emit_wait(e);
    while (opened--)
        out_close(e->out);
}
