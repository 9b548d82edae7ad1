/* SPDX-License-Identifier: MIT */
/* sink: lets the step of a loop take its rows of a table by itself.
 *
 * needs   bodies that hold what the states need (pass hoist)
 * gives   bodies that read a table and a slice of indices, where they read a slice of the rows of all steps
 * breaks  nothing
 *
 * A slice of [T, N, C] that is rows of a table by index would be stored for all steps before the loop, only to be read
 * once. */
#include "../ops/ops.h"
#include "passes.h"

typedef struct Sunk {
    Node *old, *now; /* scans */
} Sunk;

typedef struct Sink {
    Arena *arena;
    VEC(Sunk) scans;
} Sink;

/* The gather whose rows, samples first, x is for all steps, steps first; else NULL. */
static Node *rows_of(const Node *x)
{
    const Node *y = x->op == OP_transpose ? x->in[0] : NULL;
    if (!y || y->op != OP_gather || y->shape.rank != 3 || x->attr->axes[0] != 1 ||
        x->attr->axes[1] != 0)
        return NULL;
    return x->in[0];
}

/* Whether no product reads the leaf, which would have to pack it. */
static bool read_by_points(const Graph *body, const Node *leaf)
{
    for (int i = 0; i < body->nodes.n; i++)
        for (int k = 0; k < body->nodes.at[i]->n_in; k++) {
            const Node *user = body->nodes.at[i];
            if (user->in[k] != leaf)
                continue;
            OpClass c = op_rows[user->op].cls;
            if ((c != CLASS_EW && c != CLASS_MOVE) ||
                (c == CLASS_MOVE && !read_by_points(body, user)))
                return false;
        }
    return true;
}

static bool sinks(const Node *scan, const Node *leaf)
{
    const Graph *body = scan->attr->scan->body;
    return leaf->op == OP_scan_operand && scan_is_slice(body, leaf) &&
           rows_of(scan->in[leaf->attr->part]) && read_by_points(body, leaf);
}

static void replace(Graph *body, const Node *old, Node *now)
{
    for (int i = 0; i < now->id; i++)
        for (int k = 0; k < body->nodes.at[i]->n_in; k++)
            if (body->nodes.at[i]->in[k] == old)
                body->nodes.at[i]->in[k] = now;
}

/* The leaf's rows, taken in the body. */
static void take_rows(ScanBuilder *b, const Node *slice, const Node *leaf)
{
    static const int steps_first[2] = {1, 0};
    const Node *rows = rows_of(slice);
    Node *table = scan_other(b, rows->in[0]);
    Node *in[2] = {table, scan_slice(b, build_transpose(b->outer, rows->in[1], steps_first))};
    Node *now = graph_add(b->body, OP_gather, 2, in, NULL);
    replace(b->body, leaf, now);
}

static void link(ScanBuilder *b, Node *scan, Node *old, Node *leaf)
{
    const Graph *body = scan->attr->scan->body;
    Arena *arena = b->outer->program->ctx->arena;
    ScanLink l = {leaf, scan->in[old->attr->part]};
    if (scan_is_state(body, old))
        b->states.at[old->attr->part] = l;
    else if (scan_is_slice(body, old))
        vec_push(arena, &b->slices, l);
    else
        vec_push(arena, &b->others, l);
}

static Node *sink_scan(Graph *g, Node *y)
{
    const Scan *s = y->attr->scan;
    Arena *arena = g->program->ctx->arena;
    const int n = s->body->nodes.n;
    Node **copy = arena_take(arena, sizeof(Node *) * (size_t)(n + 1));
    ScanBuilder b = scan_begin(g, s->length, s->backwards);
    graph_copy_nodes(b.body, s->body, copy);
    for (int i = 0; i < s->n_states; i++)
        vec_push(arena, &b.states, ((ScanLink){0}));
    for (int i = 0; i < n; i++) {
        Node *old = s->body->nodes.at[i];
        if (old->op == OP_scan_operand && !sinks(y, old))
            link(&b, y, old, copy[i]);
    }
    for (int i = 0; i < s->n_states; i++)
        if (!b.states.at[i].leaf)
            return NULL; /* nobody reads it */
    for (int i = 0; i < n; i++)
        if (sinks(y, s->body->nodes.at[i]))
            take_rows(&b, y->in[s->body->nodes.at[i]->attr->part], copy[i]);
    for (int i = 0; i < s->body->roots.n; i++) {
        const Root *r = &s->body->roots.at[i];
        graph_root(b.body, r->kind, r->index, copy[r->node->id]);
    }
    return scan_end(&b);
}

static Node *sink(Graph *g, Node *y, void *arg)
{
    Sink *all = arg;
    if (y->op == OP_scan) {
        const Graph *body = y->attr->scan->body;
        bool any = false;
        for (int i = 0; i < body->nodes.n; i++)
            any |= sinks(y, body->nodes.at[i]);
        Node *now = any ? sink_scan(g, y) : NULL;
        if (now)
            vec_push(all->arena, &all->scans, ((Sunk){y, now}));
    }
    for (int i = 0; y->op == OP_scan_result && i < all->scans.n; i++)
        if (all->scans.at[i].old == y->in[0]) {
            Attr attr = {.part = y->attr->part};
            return graph_add(g, OP_scan_result, 1, &all->scans.at[i].now, &attr);
        }
    return y;
}

void pass_sink(Graph *g)
{
    Sink all = {.arena = arena_new()};
    graph_rewrite(g, sink, &all);
    arena_free(all.arena);
}
