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

/* Where x, indexed by `at`, lies: the node of the buffer and the position in it; false: not in one buffer. */
static bool operand_place(IxSpace *s, const Node *x, const Ix *at, const Node **base, Ix *linear)
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
    return true;
}

bool operand_strides(IxSpace *s, const Node *x, const Ix *at, int row, int inner, const Node **base,
                     Ix *linear)
{
    return operand_place(s, x, at, base, linear) && affine_in(s, linear, row) &&
           affine_in(s, linear, inner);
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

/* Whether the position goes on by a constant, *apart, along a loop variable as long as that stays in a panel of
 * `width`, quotients and remainders by multiples of the width included. */
static bool steady_in_panels(const IxSpace *s, const Ix *linear, int along, int width,
                             int64_t *apart)
{
    *apart = 0;
    for (int i = 0; i < linear->n; i++) {
        const Atom *a = &s->atoms.at[linear->t[i].atom];
        if (linear->t[i].atom == along)
            *apart += linear->t[i].k;
        if (a->kind == ATOM_loop || !ix_uses(s, &a->of, along))
            continue;
        if (a->of.n != 1 || a->of.t[0].atom != along || a->of.t[0].k != 1 || a->of.c % width ||
            a->by % width)
            return false;
        *apart += a->kind == ATOM_mod ? linear->t[i].k : 0;
    }
    return true;
}

PackWay operand_way_in_panels(IxSpace *s, const Node *x, const Ix *at, int along, int inner,
                              int width, const Node **base, Ix *linear, int64_t *apart)
{
    if (along < 0 || inner < 0 || !operand_place(s, x, at, base, linear) ||
        !affine_in(s, linear, inner) || !steady_in_panels(s, linear, along, width, apart))
        return PACK_made;
    return *apart == 1 ? PACK_copied : ix_coefficient(linear, inner) == 1 ? PACK_turned : PACK_made;
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

/* The way in which panels of so many rows of a left operand are packed. */
static PackWay left_way(const Graph *g, const Node *x, int rows)
{
    Arena *scratch = arena_new();
    IxSpace s = ix_space(scratch, g->program->train.batch);
    Ix at[RANK_MAX] = {0}, linear;
    const Node *base;
    int64_t apart;
    const int last = x->shape.rank - 1;
    for (int i = 0; i <= last; i++)
        at[i] = ix_loop(&s, "i", axis_extent(&s, &x->shape, i));
    PackWay way = operand_way_in_panels(&s, x, at, loop_atom(&at[last - 1]), loop_atom(&at[last]),
                                        rows, &base, &linear, &apart);
    arena_free(scratch);
    return way;
}

enum { TILE_M_MAX = 12, DEPTH_STEP = 16 };

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

/* What a choice may ask for: blocks that a thread's stack holds. */
static int64_t depth_most(const Target *t, const MatmulPlan *p)
{
    enum { MOST = 512 };
    int64_t all = tile_round_up(p->inner, DEPTH_STEP);
    return t->l2 == 0 || p->lead > 1 ? 0 : all < MOST ? all : MOST;
}

/* A strip: rows of which a block fills the second cache; panels, two where the left operand would pass through the
 * third cache once a panel. Sums that wait for the next block take a quarter of the second. */
static void choose_strip(const Target *t, MatmulPlan *p)
{
    enum { PANELS = 2, CORES = 4 }; /* that share a third cache, of which a target has one's part */
    int64_t number = sizeof(float), tile = number * p->tile_m * p->tile_n;
    int64_t blocks = tile_pieces(p->rows, p->tile_m), panels = tile_pieces(p->cols, p->tile_n);
    bool waits = p->inner > p->depth;
    p->wide = waits && number * p->rows * p->inner > CORES * t->l3 ? PANELS : 1;
    p->wide = p->wide < panels ? p->wide : panels;
    int64_t most = t->l2 / (number * p->tile_m * p->depth);
    int64_t sums = t->l2 / 4 / (tile * p->wide);
    most = waits && sums < most ? sums : most;
    most = most > 1 ? most : 1;
    p->near = tile_pieces(blocks, tile_pieces(blocks, most));
}

/* Whether two threads, and so more, have about the same to do where they share strips. */
static bool strips_balance(const MatmulPlan *p)
{
    enum { LEAST = 8, PERCENT = 105 };
    int64_t width = p->wide * p->tile_n, height = p->near * p->tile_m;
    int64_t strips = tile_pieces(p->cols, width) * tile_pieces(p->rows, height);
    int64_t most = tile_pieces(strips, 2) * width * height;
    return strips >= LEAST && most * 2 * 100 <= p->rows * p->cols * PERCENT;
}

/* Inner steps of a block: equal blocks, of which the panel's fills the first cache; 0 where operands and result
 * stay in the second cache anyway, sums are short or strips few. */
static int64_t model_depth(const Target *t, const MatmulPlan *of)
{
    enum { STEPS = 256, STEPS_LEAST = 128, ROWS_LEAST = 64 };
    MatmulPlan p = *of;
    int64_t right = p.cols * p.inner * (int64_t)sizeof(float);
    int64_t left = p.rows * p.inner * (int64_t)sizeof(float);
    int64_t result = p.rows * p.cols * (int64_t)sizeof(float);
    if (t->l2 == 0 || p.lead > 1 || p.inner < STEPS_LEAST || p.rows < ROWS_LEAST ||
        (right <= t->l2 && left <= t->l2 && result <= t->l2))
        return 0;
    p.depth = tile_round_up(tile_pieces(p.inner, tile_pieces(p.inner, STEPS)), DEPTH_STEP);
    choose_tile(t, &p, true);
    choose_strip(t, &p);
    return strips_balance(&p) ? p.depth : 0;
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

int matmul_few_rows(const Target *t)
{
    enum { MANY_REGISTERS = 32 };
    return t->registers >= MANY_REGISTERS ? 2 : 1;
}

/* So many panels beside each other that sums of few rows do not wait for each other, in pieces that two threads finish
 * at the same time; the parts of a gated product are such. 0: the tile has rows enough, or columns are few. */
static int few_panels(const Graph *g, const MatmulPlan *p, bool samples)
{
    enum { VECTORS = 8, REGISTERS = 16, THREADS = 2, LEAST = 1 << 12 };
    const Target *t = g->program->target;
    int64_t panels = tile_pieces(p->cols, p->tile_n), best = 0, soonest = INT64_MAX;
    int most = VECTORS * tile_lanes(t) / p->tile_n;
    if (!samples || p->tile_m <= matmul_few_rows(t) || t->vector_bytes < 16 ||
        t->registers < REGISTERS)
        return 0;
    if (p->gates > 1)
        return p->gates;
    bool steps = p->lead > 1 && !p->pack_a; /* then these are the rows of a tile */
    if (steps || p->inner * p->cols < LEAST)
        return 0;
    for (int64_t n = most; n > 1; n--) {
        int64_t time = tile_pieces(tile_pieces(panels, n), THREADS) * n;
        if (n <= panels && time < soonest) {
            soonest = time;
            best = n;
        }
    }
    return (int)best;
}

/* Columns of a tile that lie in one part of a gated product. */
static int gate_columns(const Target *t, const MatmulPlan *p)
{
    int64_t units = p->cols / p->gates;
    if (p->gates == 1 || units % p->tile_n == 0)
        return p->tile_n;
    int lanes = tile_lanes(t);
    return units % (2 * lanes) == 0 ? 2 * lanes : lanes;
}

MatmulPlan matmul_plan(const Graph *g, const Node *y, int gates, bool kept)
{
    const Target *t = g->program->target;
    const Shape *s = &y->shape, *a = &y->in[0]->shape;
    MatmulPlan p = {.rows = extent(g, s, s->rank - 2), .cols = extent(g, s, s->rank - 1)};
    p.gates = gates > 1 ? gates : 1;
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
    int64_t depth = p.gates == 1 && (kept || p.way_b != PACK_made) ? model_depth(t, &p) : 0;
    if (far || depth)
        choose_tile(t, &p, true);
    p.tile_n = tile_choose_columns(c, t, p.tile_n);
    p.tile_n = gate_columns(t, &p);
    p.tile_m = model_rows(t, p.rows, p.tile_n / tile_lanes(t));
    p.tile_m = (int)choose(c, CHOICE_tile_m, 1, p.rows < TILE_ROWS_MAX ? p.rows : TILE_ROWS_MAX, 1,
                           p.tile_m);
    p.depth = choose(c, CHOICE_depth, 0, p.gates > 1 ? 0 : depth_most(t, &p), DEPTH_STEP, depth);
    p.pack_a = choose(c, CHOICE_pack_a, !left, 1, 1, !left || (!p.depth && passes_through(&p)));
    if (p.pack_a && p.way_a == PACK_made)
        p.way_a = left_way(g, y->in[0], p.tile_m);
    right = p.depth ? p.way_b != PACK_made : right && p.cols % p.tile_n == 0;
    p.pack_b = choose(c, CHOICE_pack_b, !right, 1, 1, kept || !right || (!p.depth && far));
    choosing_end(c);
    if (p.depth)
        choose_strip(t, &p);
    else
        p.near = near_tiles(t, &p);
    if (!p.depth || p.pack_b)
        p.few = few_panels(
            g, &p, s->batch == s->rank - 2 && s->dim[s->rank - 2] == 1 && y->role == ROLE_forward);
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
