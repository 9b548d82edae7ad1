/* SPDX-License-Identifier: MIT */
/* kernel_loops.c: the body of a loop kernel.
 *
 * Rows are the outer loops, shared among threads. A row is run over in stages: stage s computes
 * the reductions that need only results of earlier stages, and stores what needs no more. The
 * order of every sum is fixed by the text, not by threads or by the compiler's vectors: a sum
 * along a row is gathered in LANES partial sums, added up as a tree; a sum down the columns runs
 * in order, for a block of columns at a time. */
#include <stdlib.h>
#include <string.h>

#include "kernel_emit.h"

enum {
    LANES = 16,       /* partial results of a reduction along a row */
    BLOCK = 64,       /* columns at a time of a reduction down them */
    FEW = 8,          /* a row this short is reduced in order */
    CACHED_MAX = 1024 /* numbers of a row kept on the stack between stages */
};

typedef struct Loops {
    Emit *e;
    const Domain *d;
    int vector; /* the axis that lanes run along, or -1 */
    bool down;  /* vector is a row axis: reductions go down columns */
    int *level; /* by node id: the stage in which it can be computed */
    int last;   /* the last stage with a loop or a store */
    bool *fresh;
    VEC(Node *) reductions;
    VEC(const char *) partial; /* by reduction: its array of partial results */
    VEC(Node *) cached;
    VEC(const char *) cache; /* by cached node: its array */
    const char *lane;        /* in force inside a lane loop: the lane's index */
    int cut; /* an axis that is gone over in pieces, or -1; the piece at hand: from .. to-1 */
    int64_t from, to;
} Loops;

static const char *extent(Loops *l, int axis)
{
    return emit_extent(l->e, l->d->extent[axis], l->d->batch[axis]);
}

/* --- stages ----------------------------------------------------------------------------------- */

static bool is_row(const Loops *l, const Node *y)
{
    return domain_reduces(l->d) && domain_place(l->d, &y->shape) == PLACE_row;
}

static void find_levels(Loops *l)
{
    Emit *e = l->e;
    l->last = kernel_levels(e->k, l->level);
    for (int i = 0; i < e->k->nodes.n; i++)
        if (node_reduces(e->k->nodes.at[i]))
            vec_push(e->arena, &l->reductions, e->k->nodes.at[i]);
    /* A variable changes when all of its row is read: an element a row, after the last stage. */
    bool after = false;
    for (int i = 0; i < e->k->stores.n; i++) {
        const Node *y = e->k->stores.at[i];
        if (y->op != OP_assign)
            continue;
        l->level[y->id] = l->last + is_row(l, y);
        after |= is_row(l, y);
    }
    l->last += after;
}

/* Whether stage s has something to do in each column. */
static bool has_columns(const Loops *l, int s)
{
    for (int i = 0; i < l->reductions.n; i++)
        if (l->level[l->reductions.at[i]->id] == s + 1)
            return true;
    const Kernel *k = l->e->k;
    for (int i = 0; i < k->stores.n; i++)
        if (l->level[k->stores.at[i]->id] == s && !is_row(l, k->stores.at[i]))
            return true;
    return false;
}

/* --- which axis is the vector ----------------------------------------------------------------- */

/* Votes for the axis along which a load or store has unit stride. */
static void vote(Loops *l, const Node *y, int64_t *votes)
{
    Ix at[RANK_MAX];
    if (domain_place(l->d, &y->shape) != PLACE_full || !node_buffer(l->e->g, y) ||
        !emit_stand(l->e, y, at))
        return;
    Ix linear = index_linear(&l->e->space, &y->shape, NULL, at);
    for (int i = 0; i < l->d->n; i++)
        if (l->e->loops[i].n && ix_coefficient(&linear, l->e->loops[i].t[0].atom) == 1)
            votes[i]++;
}

static void choose_vector(Loops *l)
{
    int64_t votes[RANK_MAX] = {0};
    l->vector = -1;
    if (!l->reductions.n || l->d->n == 0)
        return;
    for (int i = 0; i < l->e->k->nodes.n; i++) {
        const Node *y = l->e->k->nodes.at[i];
        vote(l, y, votes);
        for (int n = 0; n < y->n_in; n++)
            vote(l, y->in[n], votes);
    }
    l->vector = l->d->n - 1;
    for (int i = l->d->n - 1; i >= 0; i--)
        if (votes[i] > votes[l->vector])
            l->vector = i;
    l->down = !l->d->reduced[l->vector];
}

/* --- reductions ------------------------------------------------------------------------------- */

static const char *lanes_of(Loops *l)
{
    int64_t len = l->down ? BLOCK : LANES;
    int64_t ext = l->d->extent[l->vector];
    if (!l->d->batch[l->vector] && ext < len)
        len = ext;
    return arena_format(l->e->arena, "%lld", (long long)len);
}

/* A short row, of a length known here, is added up in order. */
static bool in_order(const Loops *l)
{
    return !l->down && !l->d->batch[l->vector] && l->d->extent[l->vector] <= FEW;
}

static void declare_partials(Loops *l, int stage)
{
    for (int i = 0; i < l->reductions.n; i++) {
        const Node *y = l->reductions.at[i];
        if (l->level[y->id] != stage + 1)
            continue;
        const char *name = emit_temp(l->e, "r");
        l->partial.at[i] = name;
        if (in_order(l)) {
            out_line(l->e->out, "float %s = %s;", name, emit_identity(y->op));
            continue;
        }
        out_line(l->e->out, "float %s[%s];", name, lanes_of(l));
        out_loop(l->e->out, "for (int v = 0; v < %s; v++)", lanes_of(l));
        out_line(l->e->out, "%s[v] = %s;", name, emit_identity(y->op));
        out_end(l->e->out);
    }
}

/* What the stage stores, of each row or each column. */
static void store_all(Loops *l, int stage, bool row)
{
    VEC(Node *) stores = {0};
    const Kernel *k = l->e->k;
    for (int i = 0; i < k->stores.n; i++)
        if (l->level[k->stores.at[i]->id] == stage && is_row(l, k->stores.at[i]) == row)
            vec_push(l->e->arena, &stores, k->stores.at[i]);
    emit_stores(l->e, stores.n, stores.at);
}

/* Inside the innermost loop of a stage: what each column does. */
static void column_body(Loops *l, int stage)
{
    Emit *e = l->e;
    int known = e->known.n;
    for (int i = 0; i < l->reductions.n; i++) {
        const Node *y = l->reductions.at[i];
        if (l->level[y->id] != stage + 1)
            continue;
        Ix at[RANK_MAX], operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n;
        emit_stand(e, y, at);
        domain_operand(&e->space, e->loops, y, 0, at, operand, guards, &n);
        const char *value = emit_value(e, y->in[0], operand);
        const char *to = in_order(l) ? l->partial.at[i]
                                     : arena_format(e->arena, "%s[%s]", l->partial.at[i], l->lane);
        if (y->op != OP_reduce_sum && strpbrk(value, " [(")) {
            const char *name = emit_temp(e, "t");
            out_line(e->out, "const float %s = %s;", name, emit_bare(e, value));
            value = name;
        }
        if (y->op == OP_reduce_sum)
            out_line(e->out, "%s += %s;", to, emit_bare(e, value));
        else
            out_line(e->out, "%s = %s;", to, emit_combine(e, y->op, to, value));
    }
    for (int i = 0; i < l->cached.n; i++) {
        Node *y = l->cached.at[i];
        if (l->level[y->id] == stage && l->cache.at[i] && !l->fresh[y->id])
            out_line(e->out, "%s[%s] = %s;", l->cache.at[i], domain_axis[l->vector],
                     emit_standing(e, y));
    }
    store_all(l, stage, false);
    e->known.n = known;
}

static void fold_partials(Loops *l, int stage)
{
    for (int i = 0; i < l->reductions.n; i++) {
        const Node *y = l->reductions.at[i];
        if (l->level[y->id] != stage + 1)
            continue;
        const char *r = l->partial.at[i];
        Ix at[RANK_MAX];
        emit_stand(l->e, y, at);
        if (in_order(l) || l->down) {
            emit_know(l->e, y, at, in_order(l) ? r : arena_format(l->e->arena, "%s[v]", r));
            continue;
        }
        int64_t lanes = strtol(lanes_of(l), NULL, 10), half = 1;
        while (half * 2 < lanes)
            half *= 2;
        const char *a = arena_format(l->e->arena, "%s[v]", r),
                   *b = arena_format(l->e->arena, "%s[v + w]", r);
        if (half < lanes && 2 * half != lanes) { /* the lanes past a power of two, first */
            out_loop(l->e->out, "for (int v = 0, w = %lld; v < %lld; v++)", (long long)half,
                     (long long)(lanes - half));
            out_line(l->e->out, "%s = %s;", a, emit_combine(l->e, y->op, a, b));
            out_end(l->e->out);
            half /= 2;
        }
        out_loop(l->e->out, "for (int w = %lld; w > 0; w /= 2)", (long long)half);
        out_loop(l->e->out, "for (int v = 0; v < w; v++)");
        out_line(l->e->out, "%s = %s;", a, emit_combine(l->e, y->op, a, b));
        out_end(l->e->out);
        out_end(l->e->out);
        emit_know(l->e, y, at, arena_format(l->e->arena, "%s[0]", r));
    }
}

/* --- loops ------------------------------------------------------------------------------------ */

/* Where the loop over an axis ends, as text. */
static const char *end_of(Loops *l, int axis)
{
    return axis == l->cut ? arena_format(l->e->arena, "%lld", (long long)l->to) : extent(l, axis);
}

static void open_axis(Loops *l, int axis, bool shared)
{
    const char *name = domain_axis[axis];
    if (shared) {
        emit_shared_for(l->e, name, axis == l->cut ? l->from : 0, end_of(l, axis), 1);
        return;
    }
    out_open(l->e->out, "for (int %s = %lld; %s < %s; %s++)", name,
             axis == l->cut ? (long long)l->from : 0LL, name, end_of(l, axis), name);
}

/* The lanes of one block along the vector axis: `count` of them from `base` on. */
static void lane_block(Loops *l, int stage, const char *base, const char *count)
{
    const char *name = domain_axis[l->vector];
    bool all = strcmp(base, "0") == 0;
    l->lane = all ? name : "v";
    out_open(l->e->out, "for (int %s = 0; %s < %s; %s++)", l->lane, l->lane, count, l->lane);
    size_t index = all ? 0 : out_index(l->e->out, name, arena_format(l->e->arena, "%s + v", base));
    column_body(l, stage);
    if (!all)
        out_unindex(l->e->out, index, name);
    out_close(l->e->out);
}

/* Columns from .. to-1 of a row, a whole number of vectors after the first. */
static void lanes_between(Loops *l, int stage, int64_t from, int64_t to, int64_t lanes)
{
    Emit *e = l->e;
    const char *name = domain_axis[l->vector];
    int64_t rest = (to - from) % lanes;
    if (to - from >= 2 * lanes) {
        out_open(e->out, "for (int %s0 = %lld; %s0 < %lld; %s0 += %lld)", name, (long long)from,
                 name, (long long)(to - rest), name, (long long)lanes);
        lane_block(l, stage, arena_format(e->arena, "%s0", name),
                   arena_format(e->arena, "%lld", (long long)lanes));
        out_close(e->out);
    } else if (to - from >= lanes) {
        lane_block(l, stage, arena_format(e->arena, "%lld", (long long)from),
                   arena_format(e->arena, "%lld", (long long)lanes));
    }
    if (rest)
        lane_block(l, stage, arena_format(e->arena, "%lld", (long long)(to - rest)),
                   arena_format(e->arena, "%lld", (long long)rest));
}

/* The same of a row whose length is known, in pieces in which the same operand of a concat is read. */
static void lanes_cut(Loops *l, int stage)
{
    Emit *e = l->e;
    int64_t extent = l->d->extent[l->vector], lanes = extent < LANES ? extent : LANES;
    const Ix *loop = &e->loops[l->vector];
    Pieces pieces = pieces_whole(extent);
    for (int i = 0; i < l->reductions.n && extent > lanes; i++) {
        const Node *y = l->reductions.at[i];
        Ix at[RANK_MAX], operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n;
        if (l->level[y->id] != stage + 1)
            continue;
        emit_stand(e, y, at);
        domain_operand(&e->space, e->loops, y, 0, at, operand, guards, &n);
        pieces_cut(e, &pieces, y->in[0], operand, loop, lanes);
    }
    for (int i = 0; i < pieces.n; i++) {
        int64_t from = pieces.at[i], to = pieces.at[i + 1];
        IxNarrow was = {0};
        if (pieces.n > 1)
            was = ix_narrow(&e->space, loop->t[0].atom, from, to);
        lanes_between(l, stage, from, to, lanes);
        if (pieces.n > 1)
            ix_widen(&e->space, &was);
    }
}

static void lanes_along(Loops *l, int stage)
{
    Emit *e = l->e;
    const int64_t lanes = LANES;
    const char *name = domain_axis[l->vector];
    if (in_order(l)) {
        open_axis(l, l->vector, false);
        column_body(l, stage);
        out_close(e->out);
    } else if (l->d->batch[l->vector]) {
        const char *whole = emit_temp(e, "w"), *all = extent(l, l->vector);
        out_line(e->out, "const int %s = %s / %lld * %lld;", whole, all, (long long)lanes,
                 (long long)lanes);
        out_open(e->out, "for (int %s0 = 0; %s0 < %s; %s0 += %lld)", name, name, whole, name,
                 (long long)lanes);
        lane_block(l, stage, arena_format(e->arena, "%s0", name), lanes_of(l));
        out_close(e->out);
        lane_block(l, stage, whole, arena_format(e->arena, "%s - %s", all, whole));
    } else {
        lanes_cut(l, stage);
    }
}

static bool stage_reduces(const Loops *l, int stage)
{
    for (int i = 0; i < l->reductions.n; i++)
        if (l->level[l->reductions.at[i]->id] == stage + 1)
            return true;
    return false;
}

/* One pass over the columns of a row (of a block of rows, if the reductions go down). */
static void column_loops(Loops *l, int stage)
{
    Emit *e = l->e;
    int opened = 0;
    for (int axis = 0; axis < l->d->n; axis++)
        if (l->d->reduced[axis] && axis != l->vector) {
            open_axis(l, axis, false);
            opened++;
        }
    if (l->down) {
        lane_block(l, stage, arena_format(e->arena, "%s0", domain_axis[l->vector]), "width");
    } else if (stage_reduces(l, stage)) {
        lanes_along(l, stage);
    } else {
        open_axis(l, l->vector, false);
        column_body(l, stage);
        out_close(e->out);
    }
    while (opened--)
        out_close(e->out);
}

static void row_stores(Loops *l, int stage)
{
    Emit *e = l->e;
    bool any = false;
    for (int i = 0; i < e->k->stores.n; i++)
        any |= is_row(l, e->k->stores.at[i]) && l->level[e->k->stores.at[i]->id] == stage;
    if (!any)
        return;
    int known = e->known.n;
    size_t index = 0;
    if (l->down) {
        const char *name = domain_axis[l->vector];
        out_open(e->out, "for (int v = 0; v < width; v++)");
        index = out_index(e->out, name, arena_format(e->arena, "%s0 + v", name));
    }
    store_all(l, stage, true);
    if (l->down) {
        out_unindex(e->out, index, domain_axis[l->vector]);
        out_close(e->out);
        e->known.n = known;
    }
}

/* Whether some column of the row reads y. */
static bool read_by_columns(const Loops *l, const Node *y)
{
    const Kernel *k = l->e->k;
    for (int i = 0; i < k->nodes.n; i++)
        for (int n = 0; n < k->nodes.at[i]->n_in; n++)
            if (k->nodes.at[i]->in[n] == y && !is_row(l, k->nodes.at[i]))
                return true;
    return false;
}

/* What is the same in all columns of a row is computed before them. */
static void hoist(Loops *l, int stage)
{
    Emit *e = l->e;
    for (int i = 0; !l->down && i < e->k->nodes.n; i++) {
        Node *y = e->k->nodes.at[i];
        Ix at[RANK_MAX];
        if (op_rows[y->op].cls != CLASS_EW || l->level[y->id] != stage || !is_row(l, y) ||
            !read_by_columns(l, y) || y->uniform || !emit_stand(e, y, at))
            continue;
        const char *value = emit_standing(e, y);
        if (strpbrk(value, " [("))
            emit_know(e, y, at, emit_named(e, y, value));
    }
}

static void end_stage(Loops *l, int stage)
{
    for (int i = 0; i < l->e->k->stores.n; i++)
        if (l->level[l->e->k->stores.at[i]->id] == stage)
            l->fresh[l->e->k->stores.at[i]->id] = true;
    for (int i = 0; i < l->cached.n; i++) {
        Node *y = l->cached.at[i];
        Ix at[RANK_MAX];
        if (l->level[y->id] != stage || !l->cache.at[i] || l->fresh[y->id] ||
            !emit_stand(l->e, y, at))
            continue;
        emit_know(l->e, y, at,
                  arena_format(l->e->arena, "%s[%s]", l->cache.at[i], domain_axis[l->vector]));
    }
}

/* --- values kept between stages --------------------------------------------------------------- */

static uint64_t stage_bit(int stage)
{
    return (uint64_t)1 << (stage < 63 ? stage : 63);
}

static bool cacheable(const Loops *l, const Node *y)
{
    return op_rows[y->op].flags & COSTLY && op_rows[y->op].cls == CLASS_EW &&
           y->kernel != l->e->k && domain_place(l->d, &y->shape) == PLACE_full &&
           has_columns(l, l->level[y->id]);
}

/* The stages in whose loops y is computed, given those that need it. */
static uint64_t computed_in(const Loops *l, const Node *y, uint64_t needed, bool *cached)
{
    if (node_reduces(y))
        return stage_bit(l->level[y->id] - 1);
    if (y->kernel == l->e->k) /* later stages load it */
        return stage_bit(l->level[y->id]);
    *cached = (needed & (needed - 1)) && cacheable(l, y);
    return *cached ? stage_bit(l->level[y->id]) : needed;
}

/* COSTLY values that two stages need are kept in an array a row. */
static void choose_cached(Loops *l)
{
    Emit *e = l->e;
    int cols = 0;
    bool any = false;
    for (int i = 0; i < l->d->n; i++)
        cols += l->d->reduced[i];
    for (int i = 0; i < e->k->nodes.n; i++)
        any |= cacheable(l, e->k->nodes.at[i]);
    if (!any || l->down || cols != 1 || l->d->batch[l->vector] ||
        l->d->extent[l->vector] > CACHED_MAX)
        return;
    uint64_t *needed = arena_take(e->arena, sizeof *needed * (size_t)e->g->nodes.n);
    bool *cached = arena_take(e->arena, (size_t)e->g->nodes.n);
    for (int i = e->k->nodes.n - 1; i >= 0; i--) {
        const Node *y = e->k->nodes.at[i];
        uint64_t in = computed_in(l, y, needed[y->id], &cached[y->id]);
        for (int n = 0; n < y->n_in; n++)
            if (!node_reduces(y->in[n]))
                needed[y->in[n]->id] |= in;
    }
    for (int i = 0; i < e->k->nodes.n; i++) {
        Node *y = e->k->nodes.at[i];
        if (!cached[y->id])
            continue;
        vec_push(e->arena, &l->cached, y);
        vec_push(e->arena, &l->cache, emit_temp(e, "c"));
    }
}

static void declare_caches(Loops *l)
{
    for (int i = 0; i < l->cached.n; i++)
        out_line(l->e->out, "float %s[%lld];", l->cache.at[i], (long long)l->d->extent[l->vector]);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* How many of the outer loops threads share together: as many as give pieces for all, whatever the
 * batch, the innermost left whole for vectors. */
static int shared_loops(const Loops *l)
{
    enum { PIECES = 48 };
    int64_t pieces = 1;
    int loops = 0, rows = 0;
    for (int axis = 0; axis < l->d->n; axis++)
        rows += !l->d->reduced[axis] && axis != l->vector;
    rows -= !l->reductions.n;
    for (int axis = 0; axis < l->d->n && loops < rows && pieces < PIECES; axis++) {
        if (l->d->reduced[axis] || axis == l->vector)
            continue;
        pieces *= l->d->extent[axis];
        loops++;
    }
    return pieces < PIECES && l->down ? loops + 1 : loops;
}

/* Opens the loops over rows; gives how many braces are open. */
static int open_rows(Loops *l)
{
    Emit *e = l->e;
    int opened = 0;
    int loops = shared_loops(l);
    if (loops > 1)
        emit_share(e, loops);
    for (int axis = 0; axis < l->d->n; axis++) {
        if (l->d->reduced[axis] || axis == l->vector)
            continue;
        open_axis(l, axis, loops <= 1 && !opened);
        opened++;
    }
    if (l->down) {
        const char *name = domain_axis[l->vector], *lanes = lanes_of(l),
                   *ext = end_of(l, l->vector);
        int64_t len = strtol(lanes, NULL, 10), from = l->vector == l->cut ? l->from : 0,
                to = l->vector == l->cut ? l->to : l->d->extent[l->vector];
        if (loops <= 1 && !opened)
            emit_shared_for(e, arena_format(e->arena, "%s0", name), from, ext, len);
        else
            out_open(e->out, "for (int %s0 = %lld; %s0 < %s; %s0 += %s)", name, (long long)from,
                     name, ext, name, lanes);
        if (!l->d->batch[l->vector] && (to - from) % len == 0)
            out_line(e->out, "enum { width = %s };", lanes);
        else
            out_line(e->out, "const int width = %s - %s0 < %s ? %s - %s0 : %s;", ext, name, lanes,
                     ext, name, lanes);
        opened++;
    }
    return opened;
}

/* The axis that may be cut in pieces: that of the vectors, where no row is summed. -1: none. */
static int axis_to_cut(const Loops *l)
{
    int axis = l->reductions.n ? (l->down ? l->vector : -1) : l->d->n - 1;
    return axis < 1 || l->d->batch[axis] ? -1 : axis;
}

/* Its pieces, by what the kernel stores and sums. */
static Pieces find_pieces(Loops *l, int axis)
{
    Emit *e = l->e;
    Pieces pieces = pieces_whole(axis < 0 ? 1 : l->d->extent[axis]);
    Ix at[RANK_MAX], operand[RANK_MAX];
    Guard guards[RANK_MAX];
    int n;
    for (int i = 0; i < e->k->stores.n && axis >= 0; i++)
        if (emit_stand(e, e->k->stores.at[i], at))
            pieces_cut(e, &pieces, e->k->stores.at[i], at, &e->loops[axis], 1);
    for (int i = 0; i < l->reductions.n && axis >= 0; i++) {
        const Node *y = l->reductions.at[i];
        emit_stand(e, y, at);
        domain_operand(&e->space, e->loops, y, 0, at, operand, guards, &n);
        pieces_cut(e, &pieces, y->in[0], operand, &e->loops[axis], 1);
    }
    return pieces;
}

/* All loops, over the piece at hand of the axis that is cut. */
static void emit_nest(Loops *l)
{
    Emit *e = l->e;
    int opened = open_rows(l);
    if (!l->reductions.n) {
        column_body(l, 0);
    } else {
        declare_caches(l);
        for (int s = 0; s <= l->last; s++) {
            row_stores(l, s);
            if (has_columns(l, s)) {
                hoist(l, s);
                declare_partials(l, s);
                column_loops(l, s);
                fold_partials(l, s);
            }
            end_stage(l, s);
        }
    }
    while (opened--)
        out_close(e->out);
    for (int i = 0; i < e->k->nodes.n; i++)
        l->fresh[e->k->nodes.at[i]->id] = false;
}

void emit_loops(Emit *e)
{
    Loops l = {.e = e, .d = &e->low->domain, .level = e->level, .fresh = e->fresh, .cut = -1};
    domain_loops(&e->space, l.d, e->loops);
    find_levels(&l);
    for (int i = 0; i < l.reductions.n; i++)
        vec_push(e->arena, &l.partial, "");
    choose_vector(&l);
    if (l.reductions.n)
        choose_cached(&l);
    int axis = axis_to_cut(&l), known = e->known.n;
    Pieces pieces = find_pieces(&l, axis);
    for (int i = 0; i < pieces.n; i++) {
        IxNarrow was = {0};
        if (pieces.n > 1) {
            l.cut = axis;
            l.from = pieces.at[i];
            l.to = pieces.at[i + 1];
            was = ix_narrow(&e->space, e->loops[axis].t[0].atom, l.from, l.to);
        }
        emit_nest(&l);
        if (pieces.n > 1) {
            ix_widen(&e->space, &was);
            e->known.n = known;
        }
    }
    for (int i = 0; i < e->k->nodes.n; i++)
        l.level[e->k->nodes.at[i]->id] = 0;
}
