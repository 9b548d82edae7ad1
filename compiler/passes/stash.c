/* SPDX-License-Identifier: MIT */
/* stash: makes of a loop a loop over pieces of k steps, so that its gradient keeps states between pieces alone.
 *
 * needs   gradients not built yet
 * gives   for a scan that asks for it (Scan.stash) a scan over pieces, whose body is a scan of k steps, and one of
 *         the steps that are left
 * breaks  nothing
 *
 * The gradient of the outer scan (scan_grad.c) stacks the states before each piece, as it stacks all states, and
 * runs the inner scan again, as it does with whatever it can compute: so of T steps T / k states are kept, and
 * what the steps of one piece keep. Every step runs twice forwards. Functions without gradients are cut alike, so
 * that what is made of the inputs is there for one piece at a time.
 *
 * Related: Chen et al., "Training deep nets with sublinear memory cost" (2016); Gruslys et al., "Memory-efficient
 * backpropagation through time" (2016). */
#include "passes.h"

#include <string.h>

typedef struct Pieces { /* of a scan */
    Node *scan;
    int64_t k, count,
        left; /* steps of a piece; pieces; steps that are in none, at the end of the way */
    Node *outer, *tail; /* tail: NULL where no step is left */
} Pieces;

/* [count * k, ..] as [count, k, ..], or the other way round. */
static Node *cut(Graph *g, Node *x, int64_t count, int64_t k)
{
    Shape s = {.rank = x->shape.rank + 1, .batch = x->shape.batch < 0 ? -1 : x->shape.batch + 1};
    s.dim[0] = count;
    s.dim[1] = k;
    memcpy(s.dim + 2, x->shape.dim + 1, sizeof *s.dim * (size_t)(x->shape.rank - 1));
    return build_reshape(g, x, &s);
}

static Node *joined(Graph *g, Node *x)
{
    Shape s = {.rank = x->shape.rank - 1, .batch = x->shape.batch < 0 ? -1 : x->shape.batch - 1};
    s.dim[0] = x->shape.dim[0] * x->shape.dim[1];
    memcpy(s.dim + 1, x->shape.dim + 2, sizeof *s.dim * (size_t)(s.rank - 1));
    return build_reshape(g, x, &s);
}

static bool can_cut(const Node *y)
{
    const Scan *s = y->attr->scan;
    bool fits = s->stash > 0 && s->stash < s->length;
    for (int i = s->n_states; i < s->n_states + s->n_slices; i++)
        fits = fits && y->in[i]->shape.rank < RANK_MAX;
    for (int i = 0; i < s->body->roots.n; i++)
        fits = fits && s->body->roots.at[i].node->shape.rank + 2 <= RANK_MAX;
    return fits;
}

/* The steps of a stack that are in pieces, or those that are left. */
static Node *part(Graph *g, const Pieces *p, Node *stack, bool left)
{
    const bool backwards = p->scan->attr->scan->backwards;
    int64_t pieces = p->count * p->k, before = left ? pieces : p->left;
    int64_t from = left == backwards ? 0 : before;
    return p->left ? build_slice(g, stack, 0, from, from + (left ? p->left : pieces), 1) : stack;
}

/* The scan over pieces. */
static Node *make_outer(Graph *g, const Pieces *p, Arena *arena)
{
    const Scan *s = p->scan->attr->scan;
    int n = p->scan->n_in;
    Node **leaf = arena_take(arena, sizeof *leaf * (size_t)(n + 1));
    ScanBuilder b = scan_begin(g, p->count, s->backwards);
    b.pieces = true;
    for (int i = 0; i < n; i++) {
        Node *x = p->scan->in[i];
        if (i < s->n_states)
            leaf[i] = scan_state(&b, x);
        else if (i < s->n_states + s->n_slices)
            leaf[i] = scan_slice(&b, cut(g, part(g, p, x, false), p->count, p->k));
        else
            leaf[i] = scan_other(&b, x);
    }
    Node *inner = scan_again(b.body, p->scan, leaf, p->k);
    for (int i = 0; i < s->n_states; i++)
        scan_next(&b, leaf[i], scan_last(b.body, inner, i));
    for (int i = 0; i < scan_stacks(s); i++)
        scan_step(&b, scan_stack(b.body, inner, i));
    return scan_end(&b);
}

/* The scan of the steps that are left, which goes on from the pieces. */
static Node *make_tail(Graph *g, const Pieces *p, Arena *arena)
{
    const Scan *s = p->scan->attr->scan;
    int n = p->scan->n_in;
    Node **in = arena_take(arena, sizeof *in * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        Node *x = p->scan->in[i];
        bool slice = i >= s->n_states && i < s->n_states + s->n_slices;
        in[i] = i < s->n_states ? scan_last(g, p->outer, i) : slice ? part(g, p, x, true) : x;
    }
    return scan_again(g, p->scan, in, p->left);
}

static Node *result(Graph *g, const Pieces *p, int i)
{
    const Scan *s = p->scan->attr->scan;
    if (i < s->n_states)
        return scan_last(g, p->tail ? p->tail : p->outer, i);
    Node *steps = joined(g, scan_stack(g, p->outer, i - s->n_states));
    if (!p->tail)
        return steps;
    Node *left = scan_stack(g, p->tail, i - s->n_states);
    return s->backwards ? build_concat(g, 0, 2, (Node *[]){left, steps})
                        : build_concat(g, 0, 2, (Node *[]){steps, left});
}

typedef struct Stash {
    Arena *arena;
    VEC(Pieces) scans;
} Stash;

static Node *rewrite(Graph *g, Node *y, void *arg)
{
    Stash *all = arg;
    if (y->op == OP_scan && can_cut(y)) {
        const Scan *s = y->attr->scan;
        Pieces p = {.scan = y, .k = s->stash, .count = s->length / s->stash};
        p.left = s->length - p.count * p.k;
        p.outer = make_outer(g, &p, all->arena);
        p.tail = p.left ? make_tail(g, &p, all->arena) : NULL;
        vec_push(all->arena, &all->scans, p);
    }
    for (int i = 0; y->op == OP_scan_result && i < all->scans.n; i++)
        if (all->scans.at[i].scan == y->in[0])
            return result(g, &all->scans.at[i], y->attr->part);
    return y;
}

void pass_stash(Graph *g)
{
    if (fn_decodes(g->fn))
        return;
    Stash all = {.arena = arena_new()};
    graph_rewrite(g, rewrite, &all);
    arena_free(all.arena);
}
