/* SPDX-License-Identifier: MIT */
/* kernel_matmul.c: the body of a matmul kernel: packing with load expressions, tiles, store
 * expressions.
 *
 * The right operand is computed and packed in panels first; then tiles of the result are shared
 * among threads. Each is one call of the register tile (templates/matmul.c) and a loop over its
 * numbers that applies the store expression while they are in the first cache. */
#include <string.h>

#include "kernel_emit.h"

enum { LINE_FLOATS = 16 }; /* of a cache line */

typedef struct Product {
    Emit *e;
    const Node *y;
    const MatmulPlan *plan;
    Ix lead[RANK_MAX]; /* index of the leading axes */
    Ix i, j, k;
    const char *row;                 /* the loop variable i, as text */
    const char *rows, *cols, *inner; /* extents as text */
    const char *pragma;
} Product;

static const char *const lead_names[RANK_MAX] = {"l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7"};

static const char *number(Product *p, int64_t x)
{
    return arena_format(p->e->arena, "%lld", (long long)x);
}

/* An extent as it may stand behind `*`. */
static const char *factor(Product *p, const char *extent)
{
    return strchr(extent, ' ') ? arena_format(p->e->arena, "(%s)", extent) : extent;
}

static const char *axis_text(Product *p, const Shape *s, int axis)
{
    return emit_extent(p->e, s->dim[axis], s->batch == axis);
}

static int atom_of(const Ix *loop)
{
    return loop->n ? loop->t[0].atom : -1;
}

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

/* One element of an operand, to packed memory. */
static void pack_element(Product *p, const Node *x, const Ix *at, const char *to)
{
    int known = p->e->known.n;
    const char *value = emit_value(p->e, x, at);
    out_line(p->e->out, "%s = %s;", to, emit_bare(p->e, value));
    p->e->known.n = known;
}

/* "x + i0 * 784": where a plain operand lies at these two loop variables, which the text leaves out, and how
 * far apart neighbours along each are. */
static const char *plain_text(Product *p, const Node *base, Ix linear, const Ix *first,
                              const Ix *second, int64_t apart[2])
{
    Emit *e = p->e;
    const Ix *loop[] = {first, second};
    for (int i = 0; i < 2; i++) {
        apart[i] = loop[i]->n ? ix_coefficient(&linear, atom_of(loop[i])) : 0;
        linear = ix_add(&e->space, linear, ix_scale(*loop[i], -apart[i]));
    }
    const char *name = emit_buffer(e, node_buffer(e->g, base), false);
    if (!linear.n && !linear.c)
        return name;
    return arena_format(e->arena, "%s + %s", name, ix_text(&e->space, &linear, false));
}

/* Pieces of the loop over inner steps, in which all that is packed of x reads the same operands. */
static Pieces inner_pieces(Product *p, const Node *x, const Ix *at)
{
    const Shape *a = &p->y->in[0]->shape;
    int64_t steps = axis_extent(&p->e->space, a, a->rank - 1);
    Pieces pieces = pieces_whole(steps);
    if (p->inner[0] >= '0' && p->inner[0] <= '9')
        pieces_cut(p->e, &pieces, x, at, &p->k, 1);
    return pieces;
}

/* One panel of an operand that is computed, number by number. */
static void make_panel(Product *p, const Node *x, const Ix *at, const char *name, int width,
                       const char *count, bool whole)
{
    Emit *e = p->e;
    Pieces pieces = inner_pieces(p, x, at);
    for (int i = 0; i < pieces.n; i++) {
        bool cut = pieces.n > 1;
        IxNarrow was = {0};
        if (cut)
            was = ix_narrow(&e->space, atom_of(&p->k), pieces.at[i], pieces.at[i + 1]);
        out_open(e->out, "for (int k = %lld; k < %s; k++)", (long long)pieces.at[i],
                 cut ? number(p, pieces.at[i + 1]) : p->inner);
        out_open(e->out, "for (int v = 0; v < %s; v++)", count);
        size_t index = out_index(e->out, name, arena_format(e->arena, "%s0 + v", name));
        pack_element(p, x, at, arena_format(e->arena, "panel[k * %d + v]", width));
        out_unindex(e->out, index, name);
        out_close(e->out);
        out_close(e->out);
        if (cut)
            ix_widen(&e->space, &was);
    }
    if (whole)
        return;
    out_loop(e->out, "for (int k = 0; k < %s; k++)", p->inner);
    out_loop(e->out, "for (int v = width; v < %d; v++)", width);
    out_line(e->out, "panel[k * %d + v] = 0.0f;", width);
    out_end(e->out);
    out_end(e->out);
}

/* An operand that is packed in panels, along `name`, j or i. */
typedef struct Packed {
    const Node *x;
    const Ix *at;
    const char *name, *size; /* size: how long it is, as text */
    int64_t full;            /* the same with a full batch */
    int width;               /* of a panel */
    const char *to;
} Packed;

/* The panels `from` to `to`, which is text. */
static void pack_panels(Product *p, const Packed *w, int64_t from, const char *to)
{
    Emit *e = p->e;
    const Ix *along = *w->name == 'j' ? &p->j : &p->i;
    const char *name = w->name, *size = w->size;
    const Node *base;
    Ix linear;
    PackWay way =
        operand_way(&e->space, w->x, w->at, atom_of(along), atom_of(&p->k), &base, &linear);
    bool whole = w->full % w->width == 0 && *size >= '0' && *size <= '9';
    const char *count = whole ? number(p, w->width) : "width";
    emit_share(e, 1);
    out_open(e->out, "for (int %s0 = %lld; %s0 < %s; %s0 += %d)", name, (long long)from, name, to,
             name, w->width);
    if (!whole)
        out_line(e->out, "const int width = %s - %s0 < %d ? %s - %s0 : %d;", size, name, w->width,
                 size, name, w->width);
    const char *panel =
        arena_format(e->arena, "%s + (size_t)%s0 * %s", w->to, name, factor(p, p->inner));
    if (way == PACK_made) {
        out_line(e->out, "float *const panel = %s;", panel);
        make_panel(p, w->x, w->at, name, w->width, count, whole);
    } else {
        int64_t apart[2];
        const char *first = plain_text(p, base, linear, along, &p->k, apart);
        out_wrap(e->out, "%s_%s_%d(%s, %s, %s + (size_t)%s0 * %lld, %lld, %s);", e->p->name,
                 way == PACK_turned ? "turn" : "copy", w->width, count, p->inner, first, name,
                 (long long)apart[0], (long long)apart[way == PACK_copied], panel);
    }
    out_close(e->out);
}

/* Panels of `width` columns (of rows, for the left operand) of an operand: [panels][inner][width]. Those that
 * read other parts of what is put together of several have loops of their own. */
static void pack(Product *p, const Packed *w)
{
    Emit *e = p->e;
    const Ix *along = *w->name == 'j' ? &p->j : &p->i;
    Pieces pieces = pieces_whole(w->full);
    if (*w->size >= '0' && *w->size <= '9')
        pieces_cut(e, &pieces, w->x, w->at, along, w->width);
    if (pieces.n == 1) {
        pack_panels(p, w, 0, w->size);
        return;
    }
    for (int i = 0; i < pieces.n; i++) {
        IxNarrow was = ix_narrow(&e->space, atom_of(along), pieces.at[i], pieces.at[i + 1]);
        pack_panels(p, w, pieces.at[i], number(p, pieces.at[i + 1]));
        ix_widen(&e->space, &was);
    }
}

/* Where the right operand is packed: by this kernel, or by another before. */
static const char *packed_right(Product *p)
{
    Kernel *k = p->e->k;
    return k->packed ? emit_buffer(p->e, k->packed, k->kind == KERNEL_pack)
                     : emit_buffer(p->e, k->workspace, true);
}

/* Where this kernel packs the left one. */
static const char *packed_left(Product *p)
{
    const char *name = emit_buffer(p->e, p->e->k->workspace, true);
    bool first = p->e->k->packed || p->plan->b_floats == 0;
    return first ? name
                 : arena_format(p->e->arena, "%s + %lld", name, (long long)p->plan->b_floats);
}

/* The left operand from row i0 on, and how far apart its rows and its inner steps are. */
typedef struct Left {
    const char *from;
    long long row, step;
} Left;

static Left left_at(Product *p, const Node *a, const Ix *at)
{
    Emit *e = p->e;
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

static void store_tile(Product *p, const char *rows, const char *cols)
{
    Emit *e = p->e;
    Ix at[RANK_MAX];
    out_loop(e->out, "for (int u = 0; u < %s; u++)", rows);
    out_open(e->out, "for (int v = 0; v < %s; v++)", cols);
    size_t i = out_index(e->out, p->row, "i0 + u"), j = out_index(e->out, "j", "j0 + v");
    emit_stand(e, p->y, at);
    int known = e->known.n;
    emit_know(e, p->y, at, arena_format(e->arena, "tile[u * %d + v]", p->plan->tile_n));
    emit_stores(e, e->k->stores.n, e->k->stores.at);
    out_unindex(e->out, j, "j");
    out_unindex(e->out, i, p->row);
    e->known.n = known;
    out_close(e->out);
    out_end(e->out);
}

/* What the tile's stores update in place, a weight and its optimiser's state, is on its way to the cache while
 * the tile is summed. */
static void fetch_updated(Product *p, const char *rows, const char *cols)
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
        out_line(e->out, "__builtin_prefetch(&%s, 1);", emit_element(e, y, at, true));
    }
    if (!opened)
        return;
    out_unindex(e->out, j, "j");
    out_unindex(e->out, i, p->row);
    out_close(e->out);
    out_end(e->out);
}

/* "panel, 32": the right operand at column j0 and inner step 0, and the distance of inner steps. */
static const char *right_text(Product *p, const Node *b, const Ix *at)
{
    Emit *e = p->e;
    if (p->plan->pack_b)
        return arena_format(e->arena, "%s + (size_t)j0 * %s, %d", packed_right(p),
                            factor(p, p->inner), p->plan->tile_n);
    const Node *base;
    Ix linear;
    if (!operand_strides(&e->space, b, at, atom_of(&p->j), atom_of(&p->k), &base, &linear))
        BUG("a right operand without strides");
    int64_t apart[2];
    const char *from = plain_text(p, base, linear, &p->j, &p->k, apart);
    return arena_format(e->arena, "%s + j0, %lld", from, (long long)apart[1]);
}

bool matmul_tile_apart(const Kernel *k)
{
    for (int s = 0; s < k->stores.n; s++)
        if (op_rows[k->stores.at[s]->op].cls == CLASS_EFFECT)
            return true;
    return false;
}

const char *matmul_tile(Arena *a, const Kernel *k, int columns)
{
    const MatmulPlan *plan = &((const Lowered *)k->lowered)->plan;
    const char *of = columns < plan->tile_n ? arena_format(a, "of%d", plan->tile_n) : "";
    return arena_format(a, "tile_%dx%d%s%s", plan->tile_m, columns, of,
                        matmul_tile_apart(k) ? "_apart" : "");
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

static void tiles(Product *p, const Ix *a_at, const Ix *b_at)
{
    Emit *e = p->e;
    const MatmulPlan *t = p->plan;
    bool fixed = p->rows[0] >= '0' && p->rows[0] <= '9';
    bool whole_rows = fixed && t->rows % t->tile_m == 0;
    bool whole_cols = t->cols % t->tile_n == 0;
    int64_t panels = (t->cols + t->tile_n - 1) / t->tile_n;
    const char *blocks = fixed ? number(p, (t->rows + t->tile_m - 1) / t->tile_m) : "blocks";
    if (!fixed)
        out_line(e->out, "const int blocks = (%s + %d) / %d;", p->rows, t->tile_m - 1, t->tile_m);
    emit_share(e, 1);
    const char *all = fixed         ? number(p, panels * ((t->rows + t->tile_m - 1) / t->tile_m))
                      : panels == 1 ? blocks
                                    : arena_format(e->arena, "%lld * blocks", (long long)panels);
    out_open(e->out, "for (int t = 0; t < %s; t++)", all);
    place_tile(p, blocks, panels);
    if (!whole_rows)
        out_line(e->out, "const int rows = %s - i0 < %d ? %s - i0 : %d;", p->rows, t->tile_m,
                 p->rows, t->tile_m);
    if (!whole_cols)
        out_line(e->out, "const int cols = %s - j0 < %d ? %s - j0 : %d;", p->cols, t->tile_n,
                 p->cols, t->tile_n);
    out_line(e->out, "_Alignas(64) float tile[%d];", t->tile_m * t->tile_n);
    const char *rows = whole_rows ? number(p, t->tile_m) : "rows";
    fetch_updated(p, rows, whole_cols ? number(p, t->tile_n) : "cols");
    const Left a = left_at(p, p->y->in[0], a_at);
    const char *left = arena_format(e->arena, "%s, %lld, %lld", a.from, a.row, a.step);
    const char *right = right_text(p, p->y->in[1], b_at);
    int last = matmul_narrow(e->p->target, t);
    if (last) {
        out_loop(e->out, "if (cols <= %d)", last);
        out_wrap(e->out, "%s_%s(%s, %s, %s, %s, tile);", e->p->name,
                 matmul_tile(e->arena, e->k, last), rows, p->inner, left, right);
        out_end(e->out);
        out_loop(e->out, "else");
    }
    out_wrap(e->out, "%s_%s(%s, %s, %s, %s, tile);", e->p->name,
             matmul_tile(e->arena, e->k, t->tile_n), rows, p->inner, left, right);
    if (last)
        out_end(e->out);
    store_tile(p, rows, whole_cols ? number(p, t->tile_n) : "cols");
    out_close(e->out);
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
        pack(&p, &w);
    }
    if (packs)
        emit_wait(e);
    if (p.plan->vector)
        pieces(&p, a_at, b_at);
    else
        tiles(&p, a_at, b_at);
    if (packs && opened)
        emit_wait(e);
    while (opened--)
        out_close(e->out);
}
