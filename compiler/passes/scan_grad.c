/* SPDX-License-Identifier: MIT */
/* scan_grad.c: the gradient of a scan is a scan that runs the other way.
 *
 * Its body is a copy of the scan's body and, differentiated, what leads from the gradients of the next
 * states and of the stacked values back to those of the states, the slices and what is the same in every
 * step. Gradients of states are its states; those of slices it stacks; those of what is the same are states
 * as well, sums that grow. Of the copy it keeps what is cheap to compute again; other values are slices of
 * stacks that the scan itself now fills. A state as it was before a step is the one that was stacked in the
 * step before. */
#include "../ops/ops.h"
#include "passes.h"

typedef struct ScanGrad {
    Graph *g;
    Node *y; /* the scan */
    const Scan *s;
    Arena *arena;
    Graph *body; /* the scan's own */
    ScanBuilder back;
    int n;          /* nodes of the body */
    Node **copy;    /* by id in the body: its copy in the gradient's */
    bool *active;   /* by operand: a gradient flows to it */
    Node **d_state; /* by state: the leaf of its gradient */
} ScanGrad;

/* --- what takes part -------------------------------------------------------------------------- */

/* Whether node i of the body depends on an active operand, differentiably. */
static void find_dependent(const ScanGrad *c, bool *depends)
{
    for (int i = 0; i < c->n; i++) {
        const Node *x = c->body->nodes.at[i];
        bool flows = !(op_rows[x->op].flags & NOGRAD);
        depends[i] = x->op == OP_scan_operand && c->active[x->attr->part];
        for (int k = 0; flows && k < x->n_in; k++)
            depends[i] |= depends[x->in[k]->id];
    }
}

/* A state takes part where its first value is wanted, or where it depends on what does. */
static void find_active(ScanGrad *c, const bool *want)
{
    bool *depends = arena_take(c->arena, (size_t)c->n + 1), changed = true;
    for (int i = 0; i < c->y->n_in; i++)
        c->active[i] = want[i];
    while (changed) {
        changed = false;
        find_dependent(c, depends);
        for (int i = 0; i < c->s->n_states; i++) {
            const Node *next = graph_find_root(c->body, ROOT_next, i);
            if (!c->active[i] && depends[next->id])
                c->active[i] = changed = true;
        }
    }
}

/* --- differentiating -------------------------------------------------------------------------- */

typedef struct Seeds {
    VEC(Node *) ys, dys;
} Seeds;

static void add_seed(ScanGrad *c, Seeds *to, const Node *of, Node *dy)
{
    vec_push(c->arena, &to->ys, c->copy[of->id]);
    vec_push(c->arena, &to->dys, dy);
}

/* The gradients that come from outside the step: of the next states, from the step after; of what is
 * stacked. */
static Seeds make_seeds(ScanGrad *c, Node *const *dresults)
{
    Seeds seeds = {0};
    for (int i = 0; i < c->s->n_states; i++) {
        if (!c->active[i])
            continue;
        Node *last = dresults[i];
        if (!last)
            last = build_fill(c->g, &c->y->in[i]->shape, 0);
        c->d_state[i] = scan_state(&c->back, last);
        add_seed(c, &seeds, graph_find_root(c->body, ROOT_next, i), c->d_state[i]);
    }
    for (int i = 0; i < scan_stacks(c->s); i++) {
        Node *d = dresults[c->s->n_states + i];
        if (d)
            add_seed(c, &seeds, graph_find_root(c->body, ROOT_step, i), scan_slice(&c->back, d));
    }
    return seeds;
}

static Node *plus(Graph *g, Node *a, Node *b)
{
    return a && b ? build_binary(g, OP_add, a, b) : a ? a : b;
}

/* Fills d, by operand, with the gradient of one step; NULL: none flows. */
static void differentiate(ScanGrad *c, const Seeds *seeds, Node **d)
{
    VEC(Node *) xs = {0};
    VEC(int) of = {0};
    for (int i = 0; i < c->n; i++) {
        const Node *x = c->body->nodes.at[i];
        if (x->op != OP_scan_operand || !c->active[x->attr->part])
            continue;
        vec_push(c->arena, &xs, c->copy[i]);
        vec_push(c->arena, &of, x->attr->part);
    }
    Node **dxs = arena_take(c->arena, sizeof *dxs * (size_t)(xs.n + 1));
    Graph *back = c->back.body;
    autodiff_from(back, seeds->ys.n, seeds->ys.at, seeds->dys.at, xs.n, xs.at, dxs);
    back->role = ROLE_backward;
    for (int i = 0; i < xs.n; i++)
        d[of.at[i]] = plus(back, d[of.at[i]], dxs[i]);
}

/* --- what the step's gradients become outside ------------------------------------------------- */

typedef struct Outcome { /* of an operand */
    Node *sum;           /* the state that sums its gradient */
    int stack;           /* that its gradient fills, or -1 */
} Outcome;

static void finish_states(ScanGrad *c, Node *const *d)
{
    for (int i = 0; i < c->s->n_states; i++)
        if (c->active[i])
            scan_next(&c->back, c->d_state[i],
                      d[i] ? d[i] : build_fill(c->back.body, &c->d_state[i]->shape, 0));
}

static Outcome finish_operand(ScanGrad *c, int i, Node *d)
{
    Outcome to = {.stack = -1};
    if (i < c->s->n_states + c->s->n_slices) {
        to.stack = scan_step(&c->back, d);
        return to;
    }
    to.sum = scan_state(&c->back, build_fill(c->g, &c->y->in[i]->shape, 0));
    scan_next(&c->back, to.sum, build_binary(c->back.body, OP_add, to.sum, d));
    return to;
}

/* --- what is kept of the forward steps -------------------------------------------------------- */

static bool is_state(const ScanGrad *c, const Node *x)
{
    return x->op == OP_scan_operand && x->attr->part < c->s->n_states;
}

/* Whether a value has to be stacked, whatever else is: it is not computed from others cheaply. (An inner
 * scan whose own gradient reads its steps runs again.) */
static bool must_keep(const ScanGrad *c, const Node *x)
{
    OpClass cls = op_rows[x->op].cls;
    if (cls == CLASS_LEAF)
        return is_state(c, x);
    bool again = x->op == OP_scan || cls == CLASS_MOVE || cls == CLASS_EW;
    return !again || op_rows[x->op].flags & COSTLY;
}

/* Whether x may be computed again from values that the gradient has anyway. */
static bool computes_again(const ScanGrad *c, const Node *x, const bool *has)
{
    if (op_rows[x->op].cls == CLASS_LEAF)
        return !is_state(c, x);
    bool again = !must_keep(c, x);
    for (int k = 0; k < x->n_in; k++)
        again = again && has[x->in[k]->id];
    return again;
}

/* Marks in `needed` the nodes of the body whose copies the gradient reads; a moved value is what was
 * moved. */
static void find_needed(ScanGrad *c, bool *needed)
{
    Graph *back = c->back.body;
    VEC(Node *) pending = {0};
    for (int i = 0; i < c->n; i++)
        c->copy[i]->mark = i;
    for (int i = c->n; i < back->nodes.n; i++)
        back->nodes.at[i]->mark = -1;
    for (int i = 0; i < back->roots.n; i++)
        vec_push(c->arena, &pending, back->roots.at[i].node);
    bool *seen = arena_take(c->arena, (size_t)back->nodes.n + 1);
    while (pending.n) {
        Node *x = pending.at[--pending.n];
        bool ours = x->mark >= 0;
        bool passes = !ours || op_rows[x->op].cls == CLASS_MOVE || x->op == OP_scan;
        if (seen[x->id])
            continue;
        seen[x->id] = true;
        if (ours && !passes)
            needed[x->mark] = true;
        for (int k = 0; passes && k < x->n_in; k++)
            vec_push(c->arena, &pending, x->in[k]);
    }
}

/* Of a value that is cheap to compute from states and operands of the scan alone the gradient reads these: states are
 * stacked as they are before each step, or are already. */
static void read_states(ScanGrad *c, bool *needed)
{
    bool *cheap = arena_take(c->arena, (size_t)c->n + 1);
    for (int i = 0; i < c->n; i++) {
        const Node *x = c->body->nodes.at[i];
        cheap[i] = op_rows[x->op].cls == CLASS_LEAF || (!must_keep(c, x) && x->op != OP_scan);
        for (int k = 0; k < x->n_in; k++)
            cheap[i] = cheap[i] && cheap[x->in[k]->id];
    }
    for (int i = c->n - 1; i >= 0; i--) {
        const Node *x = c->body->nodes.at[i];
        for (int k = 0; needed[i] && cheap[i] && k < x->n_in; k++)
            needed[x->in[k]->id] = true;
    }
}

/* A stack, in the graph around, of the values of x in all steps. */
static Node *stacked(ScanGrad *c, Node *x)
{
    return is_state(c, x) ? scan_before(c->g, c->y, x->attr->part) : scan_stack_of(c->g, c->y, x);
}

/* The values that the scan must stack for its gradient, by id in the body. */
static bool *choose_kept(ScanGrad *c)
{
    bool *needed = arena_take(c->arena, (size_t)c->n + 1);
    bool *kept = arena_take(c->arena, (size_t)c->n + 1),
         *has = arena_take(c->arena, (size_t)c->n + 1);
    find_needed(c, needed);
    read_states(c, needed);
    for (int i = 0; i < c->n; i++) {
        const Node *x = c->body->nodes.at[i];
        kept[i] = needed[i] && (must_keep(c, x) || !computes_again(c, x, has));
        has[i] = kept[i] || computes_again(c, x, has);
    }
    return kept;
}

/* The leaf by which the gradient's body reads operand i of the scan. */
static Node *operand_leaf(ScanGrad *c, int i, Node **leaves)
{
    if (!leaves[i])
        leaves[i] = i < c->s->n_states + c->s->n_slices ? scan_slice(&c->back, c->y->in[i])
                                                        : scan_other(&c->back, c->y->in[i]);
    return leaves[i];
}

typedef struct
    Instead { /* by position in the gradient's body: what stands for a node; NULL: itself */
    Node **of;
    int n;
} Instead;

static Node *replace(Graph *g, Node *y, void *arg)
{
    (void)g;
    const Instead *instead = arg;
    return y->mark >= 0 && y->mark < instead->n && instead->of[y->mark] ? instead->of[y->mark] : y;
}

/* Lets the gradient's body read values of the forward steps through leaves of its own. */
static void link_forward(ScanGrad *c)
{
    bool *kept = choose_kept(c);
    Node **leaves = arena_take(c->arena, sizeof *leaves * (size_t)(c->y->n_in + 1));
    Instead instead = {arena_take(c->arena, sizeof(Node *) * (size_t)(c->n + 1)), c->n};
    for (int i = 0; i < c->n; i++) {
        Node *x = c->body->nodes.at[i];
        if (kept[i])
            instead.of[i] = scan_slice(&c->back, stacked(c, x));
        else if (x->op == OP_scan_operand && !is_state(c, x))
            instead.of[i] = operand_leaf(c, x->attr->part, leaves);
        if (instead.of[i])
            instead.of[i]->name = x->name;
    }
    Graph *back = c->back.body;
    for (int i = c->n; i < back->nodes.n; i++)
        back->nodes.at[i]->mark = -1;
    graph_rewrite(back, replace, &instead);
}

/* --- the scan --------------------------------------------------------------------------------- */

void scan_grad(Graph *g, Node *y, Node *const *dresults, const bool *want, Node **dx)
{
    Arena *scratch = arena_new();
    const Scan *s = y->attr->scan;
    graph_sort(s->body);
    ScanGrad c = {.g = g, .y = y, .s = s, .arena = scratch, .body = s->body, .n = s->body->nodes.n};
    c.back = scan_begin(g, s->length, !s->backwards);
    c.back.pieces = s->pieces;
    c.copy = arena_take(scratch, sizeof *c.copy * (size_t)(c.n + 1));
    c.active = arena_take(scratch, (size_t)y->n_in + 1);
    c.d_state = arena_take(scratch, sizeof *c.d_state * (size_t)(y->n_in + 1));
    find_active(&c, want);
    graph_copy_nodes(c.back.body, c.body, c.copy);

    Seeds seeds = make_seeds(&c, dresults);
    Node **d = arena_take(scratch, sizeof *d * (size_t)(y->n_in + 1));
    Outcome *to = arena_take(scratch, sizeof *to * (size_t)(y->n_in + 1));
    differentiate(&c, &seeds, d);
    finish_states(&c, d);
    for (int i = s->n_states; i < y->n_in; i++)
        if (want[i] && d[i])
            to[i] = finish_operand(&c, i, d[i]);
    link_forward(&c);

    int sums = c.back.states.n;
    Node *scan = scan_end(&c.back);
    for (int i = 0, state = 0; i < s->n_states; i++)
        if (c.active[i]) {
            if (want[i])
                dx[i] = scan_last(g, scan, state);
            state++;
        }
    for (int i = s->n_states; i < y->n_in; i++) {
        if (!want[i] || !d[i])
            continue;
        for (int k = 0; to[i].sum && k < sums; k++)
            if (c.back.states.at[k].leaf == to[i].sum)
                dx[i] = scan_last(g, scan, k);
        if (!to[i].sum)
            dx[i] = scan_stack(g, scan, to[i].stack);
    }
    arena_free(scratch);
}
