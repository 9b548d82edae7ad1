/* SPDX-License-Identifier: MIT */
/* hoist: moves out of loops what no step has to wait for, all steps at once.
 *
 * needs   gradients built; bodies in which equal nodes are one (pass cse)
 * gives   scans whose bodies hold what the states need; before them products of slices alone, behind them
 *         products of what is stacked, and sums over the steps
 * breaks  nothing
 *
 * Before the loop: what a body makes of slices, not of states, where that holds a product or a reduction. It
 * becomes one product of all steps, of which the body reads slices.
 * A loop over pieces of a loop (pass stash) only loses stacks that nobody reads: it is there to keep little.
 * Behind it: what is stacked but leads to no state; and states that are nothing but sums (the gradients of
 * weights). What they are made of is stacked; a sum of products over the steps is one product whose inner axis
 * runs over the steps as well.
 *
 * Related: Appleyard, Kocisky and Blunsom, "Optimizing performance of recurrent neural networks on GPUs" (2016),
 * who do so for the LSTM by hand. */
#include "../ops/ops.h"
#include "over_time.h"
#include "passes.h"

typedef struct Leaving {
    bool can, dear;
    int depth;
} Leaving;

typedef struct Hoist {
    Graph *g;
    Node *y; /* the scan */
    const Scan *s;
    const Graph *body;
    Arena *arena;
    Node **leaf;    /* by operand: its leaf, or NULL */
    bool *of_state; /* by id in the body: depends on a state */
    bool *of_slice; /* the same of a slice */
    bool *live;     /* some state's next value, but for sums, depends on it */
    int *uses;
    Leaving *leaving; /* by id */
    Node **summed;    /* by state: what it is the sum of; NULL: it is no such sum, or stays */
    bool *read;       /* by result: somebody reads it */
    Node **result;    /* by result: what stands for it, once asked for */
    bool *later;      /* by stack: moves behind the loop */
    bool *before;     /* by id: moves before the loop */
    bool any;
    Node **sum;     /* by id: its sum over the steps; NULL: none yet */
    OverTime *made; /* by id: what was made of it outside; node NULL: nothing yet */
    Node **copy;    /* by id: in the new body */
    Node *scan;     /* the new one */
    int *state;     /* by state: its number in the new one */
} Hoist;

/* --- what depends on what --------------------------------------------------------------------- */

static bool is_dear(const Node *x)
{
    return op_rows[x->op].cls == CLASS_MAT || op_rows[x->op].cls == CLASS_REDUCE;
}

static bool find_leaves(Hoist *h)
{
    for (int i = 0; i < h->body->nodes.n; i++) {
        Node *x = h->body->nodes.at[i];
        if (x->op != OP_scan_operand)
            continue;
        if (h->leaf[x->attr->part])
            return false;
        h->leaf[x->attr->part] = x;
    }
    return true;
}

static void find_dependences(Hoist *h)
{
    for (int i = 0; i < h->body->nodes.n; i++) {
        const Node *x = h->body->nodes.at[i];
        h->of_state[i] = x->op == OP_scan_operand && scan_is_state(h->body, x);
        h->of_slice[i] = x->op == OP_scan_operand && scan_is_slice(h->body, x);
        for (int k = 0; k < x->n_in; k++) {
            h->of_state[i] |= h->of_state[x->in[k]->id];
            h->of_slice[i] |= h->of_slice[x->in[k]->id];
            h->uses[x->in[k]->id]++;
        }
    }
    for (int i = 0; i < h->body->roots.n; i++)
        h->uses[h->body->roots.at[i].node->id]++;
}

/* What state i, if nothing but its next value reads it, is the sum of; else NULL. */
static Node *sum_of(const Hoist *h, int i)
{
    const Node *leaf = h->leaf[i], *next = graph_find_root(h->body, ROOT_next, i);
    if (!leaf || h->uses[leaf->id] != 1 || next->op != OP_add || h->uses[next->id] != 1)
        return NULL;
    for (int k = 0; k < 2; k++)
        if (next->in[k] == leaf && shape_equal(&next->in[1 - k]->shape, &leaf->shape))
            return next->in[1 - k];
    return NULL;
}

static void mark_cone(const Hoist *h, const Node *x, bool *mark)
{
    VEC(const Node *) pending = {0};
    vec_push(h->arena, &pending, x);
    while (pending.n) {
        x = pending.at[--pending.n];
        if (mark[x->id])
            continue;
        mark[x->id] = true;
        for (int k = 0; k < x->n_in; k++)
            vec_push(h->arena, &pending, x->in[k]);
    }
}

static void find_live(Hoist *h)
{
    for (int i = 0; i < h->s->n_states; i++)
        if (!h->summed[i])
            mark_cone(h, graph_find_root(h->body, ROOT_next, i), h->live);
}

/* --- what moves ------------------------------------------------------------------------------- */

/* Whether a product of the loop reads x, and so has it in memory. */
static bool is_multiplied(const Hoist *h, const Node *x)
{
    for (int i = x->id + 1; i < h->body->nodes.n; i++)
        for (int k = 0; k < h->body->nodes.at[i]->n_in; k++)
            if (h->body->nodes.at[i]->in[k] == x && h->live[i] &&
                op_rows[h->body->nodes.at[i]->op].cls == CLASS_MAT)
                return true;
    return false;
}

/* Whether x, outside, is read from a stack that the loop fills: of movement, what is put together for a product. */
static bool is_stacked(const Hoist *h, const Node *x)
{
    bool moves = op_rows[x->op].cls == CLASS_MOVE;
    return h->of_state[x->id] && h->live[x->id] &&
           (!moves || (x->op == OP_concat && is_multiplied(h, x)));
}

/* Fills, for each node of the body, whether it can be made outside of the loop, and whether something is
 * gained by it. */
static void find_leaving(Hoist *h)
{
    enum { DEPTH_MAX = 500 }; /* of what is made outside: bounds recursion */
    for (int i = 0; i < h->body->nodes.n; i++) {
        const Node *x = h->body->nodes.at[i];
        Leaving *l = &h->leaving[i];
        *l = (Leaving){.can = over_time_can(x)};
        if (x->op == OP_scan_operand) {
            l->can = !scan_is_state(h->body, x) || !h->summed[x->attr->part];
            continue;
        }
        if (is_stacked(h, x)) {
            l->can = x->dtype == DT_f32 && x->shape.rank < RANK_MAX;
            continue;
        }
        l->dear = is_dear(x);
        for (int k = 0; k < x->n_in; k++) {
            const Leaving *in = &h->leaving[x->in[k]->id];
            l->can = l->can && in->can;
            l->dear = l->dear || in->dear;
            l->depth = in->depth + 1 > l->depth ? in->depth + 1 : l->depth;
        }
        l->can = l->can && l->depth < DEPTH_MAX;
    }
}

static bool leaves(const Hoist *h, const Node *x)
{
    return h->leaving[x->id].can && h->leaving[x->id].dear;
}

/* Whether every step gives the same. */
static bool is_constant(const Hoist *h, const Node *x)
{
    return !h->of_state[x->id] && !h->of_slice[x->id] && h->leaving[x->id].can;
}

static void choose_sums(Hoist *h)
{
    for (int i = 0; i < h->s->n_states; i++)
        h->summed[i] = h->s->pieces ? NULL : sum_of(h, i);
    find_live(h);
    find_leaving(h);
    bool changed = true;
    while (changed) { /* a sum that stays keeps alive what it is made of */
        changed = false;
        for (int i = 0; i < h->s->n_states; i++)
            if (h->summed[i] && !leaves(h, h->summed[i])) {
                h->summed[i] = NULL;
                changed = true;
                find_live(h);
                find_leaving(h);
            }
    }
    for (int i = 0; i < h->s->n_states; i++)
        h->any |= h->summed[i] != NULL;
}

static void choose_later(Hoist *h)
{
    int n = scan_stacks(h->s);
    for (int i = 0; i < n; i++) {
        const Node *x = graph_find_root(h->body, ROOT_step, i);
        if (!h->read[h->s->n_states + i]) {
            h->any = h->later[i] = true; /* nothing is made of it */
            continue;
        }
        h->later[i] = !h->s->pieces && !h->live[x->id] && (leaves(h, x) || is_constant(h, x));
        h->any |= h->later[i];
        if (h->later[i])
            continue;
        mark_cone(h, x, h->live);
        find_leaving(h);
    }
}

/* Of what stays, the values that need no state, as far as they go. */
static void choose_before(Hoist *h)
{
    for (int i = h->body->nodes.n - 1; i >= 0 && !h->s->pieces; i--) {
        const Node *x = h->body->nodes.at[i];
        if (!h->live[i] || !h->of_state[i])
            continue;
        for (int k = 0; k < x->n_in; k++) {
            const Node *y = x->in[k];
            if (!h->of_state[y->id] && h->of_slice[y->id] && y->dtype == DT_f32 && leaves(h, y))
                h->any = h->before[y->id] = true;
        }
    }
}

/* --- what is made outside --------------------------------------------------------------------- */

/* An operand of the scan, a state's values before each step included. */
static OverTime operand_outside(Hoist *h, const Node *leaf)
{
    int i = leaf->attr->part;
    if (scan_is_state(h->body, leaf))
        return (OverTime){scan_before(h->g, h->scan, h->state[i]), true};
    return (OverTime){h->y->in[i], scan_is_slice(h->body, leaf)};
}

static OverTime outside(Hoist *h, const Node *x)
{
    OverTime *made = &h->made[x->id];
    if (made->node)
        return *made;
    if (x->op == OP_scan_operand)
        return *made = operand_outside(h, x);
    if (is_stacked(h, x))
        return *made = (OverTime){scan_stack_of(h->g, h->scan, h->copy[x->id]), true};
    OverTime *in = arena_take(h->arena, sizeof *in * (size_t)(x->n_in + 1));
    for (int k = 0; k < x->n_in; k++)
        in[k] = outside(h, x->in[k]);
    return *made = over_time(h->g, x, h->s->length, in);
}

static bool both_matrices(const Node *x)
{
    return x->op == OP_matmul && x->in[0]->shape.rank == 2 && x->in[1]->shape.rank == 2;
}

static Node *sum_outside(Hoist *h, const Node *x);

static Node *make_sum(Hoist *h, const Node *x)
{
    Graph *g = h->g;
    OverTime in[2] = {{NULL, false}, {NULL, false}};
    bool makes = x->op != OP_scan_operand && !is_stacked(h, x);
    g->loc = x->loc;
    g->role = x->role;
    g->what = x->what;
    if (makes && x->op == OP_reshape)
        return build_reshape(g, sum_outside(h, x->in[0]), &x->shape);
    if (makes && x->op == OP_transpose)
        return build_transpose(g, sum_outside(h, x->in[0]), x->attr->axes);
    if (makes && x->op == OP_add && shape_equal(&x->in[0]->shape, &x->in[1]->shape)) {
        Node *a = sum_outside(h, x->in[0]);
        return build_binary(g, OP_add, a, sum_outside(h, x->in[1]));
    }
    for (int k = 0; makes && k < x->n_in && k < 2; k++)
        in[k] = outside(h, x->in[k]);
    if (makes && both_matrices(x) && in[0].stacked && in[1].stacked)
        return over_time_product(g, in);
    if (makes && x->op == OP_reduce_sum && in[0].stacked)
        return over_time_reduce(g, x, in);
    return over_time_sum(g, outside(h, x), h->s->length);
}

/* The sum of x over the steps. */
static Node *sum_outside(Hoist *h, const Node *x)
{
    if (!h->sum[x->id])
        h->sum[x->id] = make_sum(h, x);
    return h->sum[x->id];
}

/* --- the new scan ----------------------------------------------------------------------------- */

static void link_operands(Hoist *h, ScanBuilder *b)
{
    const Scan *s = h->s;
    int states = 0;
    for (int i = 0; i < h->y->n_in; i++) {
        bool state = i < s->n_states;
        if (state && h->summed[i])
            continue;
        if (state)
            h->state[i] = states++;
        if (!h->leaf[i]) {
            if (state) /* nobody reads it */
                scan_state(b, h->y->in[i]);
            continue;
        }
        ScanLink link = {h->copy[h->leaf[i]->id], h->y->in[i]};
        if (state)
            vec_push(h->g->program->ctx->arena, &b->states, link);
        else if (i < s->n_states + s->n_slices)
            vec_push(h->g->program->ctx->arena, &b->slices, link);
        else
            vec_push(h->g->program->ctx->arena, &b->others, link);
    }
}

/* Lets the body read slices of what was made before the loop. */
static void replace_before(Hoist *h, ScanBuilder *b)
{
    int n = h->body->nodes.n;
    for (int i = 0; i < n; i++) {
        if (!h->before[i])
            continue;
        OverTime x = outside(h, h->body->nodes.at[i]);
        Node *slice = scan_slice(b, x.node), *old = h->copy[i];
        slice->name = old->name;
        for (int k = 0; k < n; k++)
            for (int m = 0; m < b->body->nodes.at[k]->n_in; m++)
                if (b->body->nodes.at[k]->in[m] == old)
                    b->body->nodes.at[k]->in[m] = slice;
        h->copy[i] = slice;
    }
}

static void build_scan(Hoist *h)
{
    ScanBuilder b = scan_begin(h->g, h->s->length, h->s->backwards);
    b.pieces = h->s->pieces;
    graph_copy_nodes(b.body, h->body, h->copy);
    link_operands(h, &b);
    replace_before(h, &b);
    for (int i = 0; i < h->s->n_states; i++)
        if (!h->summed[i]) {
            const Node *next = graph_find_root(h->body, ROOT_next, i);
            graph_root(b.body, ROOT_next, h->state[i], h->copy[next->id]);
        }
    for (int i = 0; i < scan_stacks(h->s); i++)
        if (!h->later[i])
            scan_step(&b, h->copy[graph_find_root(h->body, ROOT_step, i)->id]);
    h->scan = b.body->roots.n ? scan_end(&b) : NULL;
}

static Node *make_result(Hoist *h, int i)
{
    const Scan *s = h->s;
    Graph *g = h->g;
    if (i < s->n_states && h->summed[i])
        return build_binary(g, OP_add, h->y->in[i], sum_outside(h, h->summed[i]));
    if (i < s->n_states)
        return scan_last(g, h->scan, h->state[i]);
    int stack = 0;
    const Node *x = graph_find_root(h->body, ROOT_step, i - s->n_states);
    if (h->later[i - s->n_states]) {
        OverTime y = outside(h, x);
        Shape all = scan_stacked_shape(&x->shape, s->length);
        return y.stacked ? y.node : build_expand(g, y.node, &all);
    }
    for (int k = 0; k < i - s->n_states; k++)
        stack += !h->later[k];
    return scan_stack(g, h->scan, stack);
}

static Node *result_of(Hoist *h, int i)
{
    if (!h->result[i])
        h->result[i] = make_result(h, i);
    return h->result[i];
}

/* --- the pass --------------------------------------------------------------------------------- */

static Hoist hoist_new(Graph *g, Node *y, Arena *arena)
{
    const Scan *s = y->attr->scan;
    Hoist h = {.g = g, .y = y, .s = s, .body = s->body, .arena = arena};
    size_t results = (size_t)(s->n_states + scan_stacks(s)) + 1;
    h.read = arena_take(arena, results);
    h.result = arena_take(arena, sizeof *h.result * results);
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *x = g->nodes.at[i];
        if (x->op == OP_scan_result && x->in[0] == y)
            h.read[x->attr->part] = true;
    }
    size_t n = (size_t)s->body->nodes.n + 1, n_in = (size_t)y->n_in + 1;
    h.leaf = arena_take(arena, sizeof *h.leaf * n_in);
    h.of_state = arena_take(arena, n);
    h.of_slice = arena_take(arena, n);
    h.live = arena_take(arena, n);
    h.before = arena_take(arena, n);
    h.uses = arena_take(arena, sizeof *h.uses * n);
    h.leaving = arena_take(arena, sizeof *h.leaving * n);
    h.sum = arena_take(arena, sizeof *h.sum * n);
    h.made = arena_take(arena, sizeof *h.made * n);
    h.copy = arena_take(arena, sizeof *h.copy * n);
    h.summed = arena_take(arena, sizeof *h.summed * n_in);
    h.state = arena_take(arena, sizeof *h.state * n_in);
    h.later = arena_take(arena, (size_t)scan_stacks(s) + 1);
    return h;
}

/* Builds the new scan, if anything moves; else NULL. */
static Hoist *hoist_scan(Graph *g, Node *y, Arena *arena)
{
    graph_sort(y->attr->scan->body);
    Hoist *h = arena_take(arena, sizeof *h);
    *h = hoist_new(g, y, arena);
    if (!find_leaves(h))
        return NULL;
    find_dependences(h);
    choose_sums(h);
    choose_later(h);
    choose_before(h);
    if (!h->any)
        return NULL;
    build_scan(h);
    return h;
}

typedef struct Hoisted {
    Arena *arena;
    VEC(Hoist *) scans;
} Hoisted;

static Node *hoist(Graph *g, Node *y, void *arg)
{
    Hoisted *all = arg;
    if (y->op == OP_scan) {
        Hoist *h = hoist_scan(g, y, all->arena);
        if (h)
            vec_push(all->arena, &all->scans, h);
    }
    if (y->op != OP_scan_result)
        return y;
    for (int i = 0; i < all->scans.n; i++)
        if (all->scans.at[i]->y == y->in[0])
            return result_of(all->scans.at[i], y->attr->part);
    return y;
}

void pass_hoist(Graph *g)
{
    Hoisted all = {.arena = arena_new()};
    graph_rewrite(g, hoist, &all);
    arena_free(all.arena);
}
