/* SPDX-License-Identifier: MIT */
/* tile.c: the sizes of a matmul kernel: its register tile and what it packs. */
#include <string.h>

#include "../ops/ops.h"
#include "lower.h"

/* The atom occurs in the position by a constant factor or not at all. */
static bool affine_in(const IxSpace *s, const Ix *linear, int atom)
{
    if (atom < 0)
        return true;
    for (int i = 0; i < linear->n; i++)
        if (linear->t[i].atom != atom && s->atoms.at[linear->t[i].atom].kind != ATOM_loop &&
            ix_uses(s, &s->atoms.at[linear->t[i].atom].of, atom))
            return false;
    return true;
}

bool operand_strides(IxSpace *s, const Node *x, const Ix *at, int row, int inner, const Node **base,
                     Ix *linear)
{
    Ix here[RANK_MAX], next[RANK_MAX];
    memcpy(here, at, sizeof *at * (size_t)x->shape.rank);
    while (!x->kernel && op_rows[x->op].cls == CLASS_MOVE) {
        Guard guards[RANK_MAX];
        int n_guards;
        if (x->op == OP_concat || x->op == OP_gather)
            return false;
        index_operand(s, x, 0, here, next, guards, &n_guards);
        if (n_guards)
            return false;
        x = x->in[0];
        memcpy(here, next, sizeof here);
    }
    if ((!x->kernel && !node_lies(x)) || x->dtype != DT_f32)
        return false;
    *base = x;
    *linear = index_linear(s, &x->shape, NULL, here);
    return affine_in(s, linear, row) && affine_in(s, linear, inner);
}

PackWay operand_way(IxSpace *s, const Node *x, const Ix *at, int along, int inner,
                    const Node **base, Ix *linear)
{
    if (!operand_strides(s, x, at, along, inner, base, linear))
        return PACK_made;
    if (along >= 0 && ix_coefficient(linear, along) == 1)
        return PACK_copied;
    return along >= 0 && inner >= 0 && ix_coefficient(linear, inner) == 1 ? PACK_turned : PACK_made;
}

static int loop_atom(const Ix *loop)
{
    return loop->n ? loop->t[0].atom : -1;
}

/* How a matrix lies. */
typedef struct Lies {
    bool plain; /* in one buffer at constant strides */
    bool rows;  /* with contiguous rows */
    PackWay way;
} Lies;

/* along: which of the last two axes panels lie along. */
static Lies lies(const Graph *g, const Node *x, int along)
{
    Arena *scratch = arena_new();
    IxSpace s = ix_space(scratch, g->program->train.batch);
    const Shape *shape = &x->shape;
    Ix at[RANK_MAX] = {0}, linear;
    const Node *base;
    for (int i = 0; i < shape->rank; i++)
        at[i] = ix_loop(&s, "i", axis_extent(&s, shape, i));
    int atom[2] = {loop_atom(&at[shape->rank - 2]), loop_atom(&at[shape->rank - 1])};
    Lies it = {.plain = operand_strides(&s, x, at, atom[0], atom[1], &base, &linear)};
    it.rows = it.plain && atom[1] >= 0 && ix_coefficient(&linear, atom[1]) == 1;
    it.way = operand_way(&s, x, at, atom[along], atom[!along], &base, &linear);
    arena_free(scratch);
    return it;
}

enum { TILE_M_MAX = 12 };

static int64_t extent(const Graph *g, const Shape *s, int axis)
{
    return s->batch == axis ? s->dim[axis] * g->program->train.batch : s->dim[axis];
}

int tile_lanes(const Target *t)
{
    return t->vector_bytes / 4 > 1 ? t->vector_bytes / 4 : 4;
}

int64_t tile_pieces(int64_t length, int64_t of)
{
    return (length + of - 1) / of;
}

int tile_columns(const Target *t, int64_t columns)
{
    int lanes = tile_lanes(t);
    return columns <= lanes ? lanes : 2 * lanes;
}

int tile_choose_columns(Choosing *c, const Target *t, int model)
{
    enum { VECTORS_MAX = 4 };
    int lanes = tile_lanes(t);
    return (int)choose(c, CHOICE_tile_n, lanes, (int64_t)VECTORS_MAX * lanes, lanes, model);
}

int64_t tile_round_up(int64_t x, int64_t to)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a tile has 1 and more */
    return tile_pieces(x, to) * to;
}

/* Tile rows, half to all of `most`, that leave the fewest rows over. */
static int least_waste(int64_t rows, int most)
{
    if (rows <= most)
        return rows > 1 ? (int)rows : 1;
    int best = most > 1 ? most : 1;
    for (int m = most; m >= (most + 1) / 2 && m >= 1; m--)
        if (tile_round_up(rows, m) < tile_round_up(rows, best))
            best = m;
    return best;
}

/* Rows so that accumulators, a row of the panel and a broadcast fit in registers. */
static int model_rows(const Target *t, int64_t rows, int vectors)
{
    int most = t->tile_m ? t->tile_m : (t->registers - vectors - 1) / vectors;
    return least_waste(rows, most < TILE_M_MAX ? most : TILE_M_MAX);
}

/* Two vectors of columns, or three of panels, which take the fewest loads a product. */
static void choose_tile(const Target *t, MatmulPlan *p, bool packs)
{
    enum { VECTORS = 3, ROWS = 8, PANELS_LEAST = 2, ROWS_LEAST = 64 };
    int wide = VECTORS * tile_lanes(t);
    bool fits = t->registers >= VECTORS * (ROWS + 1) + 1 && !t->tile_m;
    bool many = p->cols >= PANELS_LEAST * wide && p->rows >= ROWS_LEAST;
    p->tile_n = packs && fits && many ? wide : tile_columns(t, p->cols);
    p->tile_m = model_rows(t, p->rows, p->tile_n / tile_lanes(t));
}

/* Whether the right operand is better copied to panels than read in place. There each row of a panel lies a page or a
 * good part of one from the next: no prefetcher runs ahead of it, and where rows are a power of two apart they
 * displace each other. A panel that the first cache holds is fetched once all the same, and few tiles do not pay for
 * the copy. */
static bool lies_far_apart(const Target *t, const MatmulPlan *p)
{
    enum { READS_LEAST = 8 };
    int64_t panel = p->inner * p->tile_n * (int64_t)sizeof(float);
    return p->cols > p->tile_n && panel >= t->l1 && p->rows >= READS_LEAST * (int64_t)p->tile_m;
}

/* Whether a left operand that is read down its columns, a line of the cache a step, passes through the first cache
 * (32 KB) in a panel's time, so that the panel beside it finds none of those lines; and is read often enough to be
 * worth a copy. */
static bool passes_through(const MatmulPlan *p)
{
    enum { LINES = (32 << 10) / 64, READS_LEAST = 4 };
    return p->way_a == PACK_copied && p->inner > LINES &&
           tile_pieces(p->cols, p->tile_n) >= READS_LEAST;
}

/* Tiles of rows that share half of the second cache, where not all rows do. */
static int64_t near_tiles(const Target *t, const MatmulPlan *p)
{
    enum { LEAST = 4 };
    int64_t row = p->inner * (int64_t)sizeof(float), tiles = t->l2 / 2 / (row * p->tile_m);
    if (p->cols <= p->tile_n || t->l2 == 0 || row * p->rows <= t->l2 / 2)
        return 0;
    return tiles > LEAST ? tiles : LEAST;
}

int matmul_narrow(const Target *t, const MatmulPlan *p)
{
    int64_t left = tile_round_up(p->cols % p->tile_n, tile_lanes(t));
    return p->cols > p->tile_n && left < p->tile_n ? (int)left : 0;
}

/* A product of one row, read in place. */
static MatmulPlan vector_plan(const Target *t, MatmulPlan p, bool left)
{
    enum { COLUMNS = 2048, ROWS = 64 }; /* sums that the first cache keeps */
    int64_t all = tile_round_up(p.cols, tile_lanes(t)), most = t->l2 ? COLUMNS : COLUMNS / 8;
    p.vector = p.way_b == PACK_turned ? VECTOR_dots : VECTOR_columns;
    p.tile_m = 1;
    p.tile_n = p.vector == VECTOR_dots ? ROWS : (int)(all < most ? all : most);
    p.pack_a = !left;
    p.a_floats = p.pack_a ? p.inner : 0;
    return p;
}

/* Whether the left operand's one row is contiguous. */
static bool row_lies(const Lies *left, const MatmulPlan *p)
{
    return left->plain && (left->rows || p->inner == 1);
}

MatmulPlan matmul_plan(const Graph *g, const Node *y, bool kept)
{
    const Target *t = g->program->target;
    const Shape *s = &y->shape, *a = &y->in[0]->shape;
    MatmulPlan p = {.rows = extent(g, s, s->rank - 2), .cols = extent(g, s, s->rank - 1)};
    p.inner = extent(g, a, a->rank - 1);
    p.lead = 1;
    for (int i = 0; i < s->rank - 2; i++)
        p.lead *= extent(g, s, i);
    Lies a_lies = lies(g, y->in[0], 0), b_lies = lies(g, y->in[1], 1);
    bool left = a_lies.plain, right = b_lies.rows;
    p.way_a = a_lies.way;
    p.way_b = b_lies.way;
    if (p.rows == 1 && p.lead == 1 && s->batch < 0 && (right || b_lies.way == PACK_turned))
        return vector_plan(t, p, row_lies(&a_lies, &p));
    Choosing *c = &p.choosing;
    *c = choosing_begin(g->program, "matmul:%lldx%lldx%lld,stack=%lld,a=%s,b=%s%s",
                        (long long)p.rows, (long long)p.inner, (long long)p.cols, (long long)p.lead,
                        left ? "plain" : "made", right ? "plain" : "made", kept ? ",kept" : "");
    choose_tile(t, &p, kept || !right);
    bool far = lies_far_apart(t, &p);
    if (far)
        choose_tile(t, &p, true);
    p.tile_n = tile_choose_columns(c, t, p.tile_n);
    p.tile_m = model_rows(t, p.rows, p.tile_n / tile_lanes(t));
    p.tile_m = (int)choose(c, CHOICE_tile_m, 1, p.rows < TILE_ROWS_MAX ? p.rows : TILE_ROWS_MAX, 1,
                           p.tile_m);
    p.pack_a = choose(c, CHOICE_pack_a, !left, 1, 1, !left || passes_through(&p));
    right = right && p.cols % p.tile_n == 0;
    p.pack_b = choose(c, CHOICE_pack_b, !right, 1, 1, kept || !right || far);
    choosing_end(c);
    p.near = near_tiles(t, &p);
    p.b_floats = p.pack_b ? tile_round_up(p.cols, p.tile_n) * p.inner : 0;
    p.a_floats = p.pack_a ? tile_round_up(p.rows, p.tile_m) * p.inner : 0;
    return p;
}

/* Tiles that whole blocks are made of. */
AttentionPlan attention_plan(const Graph *g, const Node *y)
{
    enum { BLOCK = 64, MANY_REGISTERS = 32 };
    const Target *t = g->program->target;
    return (AttentionPlan){.block = BLOCK,
                           .tile_m = t->registers >= MANY_REGISTERS ? 8 : 4,
                           .tile_n = tile_columns(t, attention_sizes(y).dim)};
}
