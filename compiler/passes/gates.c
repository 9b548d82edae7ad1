/* SPDX-License-Identifier: MIT */
/* gates: lets a product store what is made of several parts of its columns.
 *
 * needs   kernels in order, k->nodes
 * gives   products whose stores stand in each of several equal parts of the columns (Lowered.gates), instead of a
 *         product and a loop behind it
 * breaks  nothing
 *
 * The step of an LSTM is a product [N, 4 * units], whose four parts are read at the same place, and a loop over
 * [N, units]. Together they are one kernel: a tile of units is made four times, a part each, and what the loop stores
 * is made of the four while they are in cache. No thread waits in between, and the product itself is stored only where
 * something else reads it.
 *
 * Related: Appleyard, Kocisky and Blunsom, "Optimizing performance of recurrent neural networks on GPUs" (2016), who
 * fuse what follows a cell's product point by point. */
#include "../ops/ops.h"
#include "lower.h"
#include "passes.h"

enum { GATES_MAX = 8, DEPTH_MAX = 64, VISITS_MAX = 4000 };

/* A loop that reads the result of a product. */
typedef struct Cell {
    Graph *g;
    Kernel *product, *loop;
    int gates;
    int64_t units;
    IxSpace space;
    Ix loops[RANK_MAX];
    int visits; /* left */
} Cell;

/* Whether `at` is where the loop stands, but for whole parts of the columns. */
static bool in_a_part(const Cell *c, const Ix *at)
{
    const Shape *s = &c->product->product->shape;
    int d = 0;
    for (int axis = 0; axis < s->rank - 1; axis++) {
        Ix own = shape_unit(s, axis) ? ix_const(0) : c->loops[d++];
        if (!ix_equal(&at[axis], &own))
            return false;
    }
    for (int part = 0; part < c->gates; part++) {
        Ix own = ix_add(&c->space, c->loops[d], ix_const(part * c->units));
        if (ix_equal(&at[s->rank - 1], &own))
            return true;
    }
    return false;
}

/* Whether all that y, indexed by `at`, reads of the product it reads so. */
static bool reads_parts(Cell *c, const Node *y, const Ix *at, int depth)
{
    if (depth > DEPTH_MAX || --c->visits < 0)
        return false;
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        bool made = x->kernel == c->product;
        if (x->uniform || node_lies(x) || (x->kernel && !made))
            continue;
        Ix operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n;
        index_operand(&c->space, y, i, at, operand, guards, &n);
        if (n || !(made ? in_a_part(c, operand) : reads_parts(c, x, operand, depth + 1)))
            return false;
    }
    return true;
}

/* Whether a loop goes over one part of the product's columns: its rows, and `units`. */
static bool is_part(Cell *c)
{
    const Domain *d = &((const Lowered *)c->loop->lowered)->domain;
    const Domain *all = &((const Lowered *)c->product->lowered)->domain;
    int last = all->n - 1;
    if (d->n != all->n || domain_reduces(d) || last < 0 || d->batch[last] || all->batch[last])
        return false;
    for (int i = 0; i < last; i++)
        if (d->extent[i] != all->extent[i] || d->batch[i] != all->batch[i])
            return false;
    c->units = d->extent[last];
    c->gates = (int)(all->extent[last] / c->units);
    return all->extent[last] % c->units == 0 && c->gates > 1 && c->gates <= GATES_MAX &&
           c->units % tile_lanes(c->g->program->target) == 0;
}

/* The first kernel that reads what `of` stores, if no variable changes before it runs; else NULL. */
static Kernel *first_reader(const Graph *g, const Kernel *of)
{
    for (int i = of->id + 1; i < g->kernels.n; i++) {
        Kernel *k = g->kernels.at[i];
        if (kernel_updates(k))
            return NULL;
        if (kernel_reads(k, of, NULL))
            return k;
    }
    return NULL;
}

/* Whether a kernel is a product of matrices, of several rows or of samples, whose stores are for other kernels. */
static bool is_candidate(const Kernel *k)
{
    if (k->kind != KERNEL_matmul || kernel_updates(k))
        return false;
    const Shape *s = &k->product->shape;
    for (int axis = 0; axis < s->rank - 2; axis++)
        if (!shape_unit(s, axis))
            return false;
    for (int i = 0; i < k->stores.n; i++)
        if (k->stores.at[i]->whole || !shape_equal(s, &k->stores.at[i]->shape))
            return false;
    return !shape_unit(s, s->rank - 2);
}

static bool finds_parts(Cell *c)
{
    const Lowered *low = c->loop->lowered;
    if (c->loop->kind != KERNEL_loop || kernel_updates(c->loop) || !is_part(c))
        return false;
    domain_loops(&c->space, &low->domain, c->loops);
    for (int i = 0; i < c->loop->stores.n; i++) {
        Ix at[RANK_MAX];
        const Node *s = c->loop->stores.at[i];
        if (domain_place(&low->domain, &s->shape) != PLACE_full)
            return false;
        domain_index(&low->domain, &s->shape, PLACE_full, c->loops, at);
        if (!reads_parts(c, s, at, 0))
            return false;
    }
    return true;
}

/* The nodes of both, in order. */
static void join_nodes(Cell *c)
{
    Arena *arena = c->g->program->ctx->arena;
    bool *inside = arena_take(c->space.arena, (size_t)c->g->nodes.n);
    const Kernel *of[] = {c->product, c->loop};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < of[k]->nodes.n; i++)
            inside[of[k]->nodes.at[i]->id] = true;
    c->loop->nodes.n = 0;
    for (int i = 0; i < c->g->nodes.n; i++)
        if (inside[i])
            vec_push(arena, &c->loop->nodes, c->g->nodes.at[i]);
}

/* Whether something but the loop wants what the product's kernel stores. */
static bool is_wanted(const Cell *c, const Node *y)
{
    for (int i = c->product->id + 1; i < c->g->kernels.n; i++) {
        const Kernel *k = c->g->kernels.at[i];
        if (k != c->loop && kernel_reads(k, c->product, y))
            return true;
    }
    return graph_is_root(c->g, y);
}

/* Lets the loop store y, part by part. */
static void store_parts(Cell *c, Node *y)
{
    Graph *g = c->g;
    Arena *arena = g->program->ctx->arena;
    int axis = y->shape.rank - 1;
    g->loc = y->loc;
    g->role = y->role;
    g->what = y->what;
    for (int i = 0; i < c->gates; i++) {
        Node *part = build_slice(g, y, axis, i * c->units, (i + 1) * c->units, 1);
        part->kernel = c->loop;
        part->whole = y;
        part->whole_axis = axis;
        part->whole_at = i * c->units;
        vec_push(arena, &c->loop->nodes, part);
        vec_push(arena, &c->loop->stores, part);
        vec_push(arena, &((Lowered *)c->loop->lowered)->members, part);
    }
}

static void join(Cell *c)
{
    Graph *g = c->g;
    Lowered *low = c->loop->lowered;
    const Lowered *of = c->product->lowered;
    join_nodes(c);
    for (int i = 0; i < c->product->stores.n; i++) {
        Node *y = c->product->stores.at[i];
        bool wanted = is_wanted(c, y);
        if (wanted)
            store_parts(c, y);
        y->kernel = wanted ? c->loop : NULL;
    }
    c->loop->kind = KERNEL_matmul;
    c->loop->product = c->product->product;
    low->gates = c->gates;
    for (int i = 0; i < of->members.n; i++)
        vec_push(g->program->ctx->arena, &low->members, of->members.at[i]);
    kernel_remove(g, c->product);
}

void pass_gates(Graph *g)
{
    Arena *scratch = arena_new();
    for (int i = 0; i < g->kernels.n && !g->program->unfused; i++) {
        Kernel *k = g->kernels.at[i];
        if (!is_candidate(k))
            continue;
        Cell c = {.g = g, .product = k, .loop = first_reader(g, k), .visits = VISITS_MAX};
        c.space = ix_space(scratch, g->program->train.batch);
        if (c.loop && finds_parts(&c)) {
            join(&c);
            i--;
        }
    }
    arena_free(scratch);
}
