/* SPDX-License-Identifier: MIT */
/* scan.c: builds loops: a body of its own, and the scan node when it is complete. */
#include "ir.h"

#include <string.h>

Shape scan_stacked_shape(const Shape *s, int64_t length)
{
    Shape stacked = {.rank = s->rank + 1, .batch = s->batch < 0 ? -1 : s->batch + 1};
    stacked.dim[0] = length;
    memcpy(stacked.dim + 1, s->dim, sizeof *s->dim * (size_t)s->rank);
    return stacked;
}

Shape scan_slice_shape(const Shape *s)
{
    Shape slice = {.rank = s->rank - 1, .batch = s->batch < 0 ? -1 : s->batch - 1};
    memcpy(slice.dim, s->dim + 1, sizeof *s->dim * (size_t)slice.rank);
    return slice;
}

int scan_stacks(const Scan *s)
{
    int n = 0;
    for (int i = 0; i < s->body->roots.n; i++)
        n += s->body->roots.at[i].kind == ROOT_step;
    return n;
}

ScanBuilder scan_begin(Graph *outer, int64_t length, bool backwards)
{
    ScanBuilder b = {.outer = outer, .length = length, .backwards = backwards};
    b.body = graph_new(outer->program, outer->fn);
    b.body->outer = outer;
    b.body->loc = outer->loc;
    b.body->role = outer->role;
    b.body->what = outer->what;
    return b;
}

bool scan_is_state(const Graph *body, const Node *leaf)
{
    return leaf->op == OP_scan_operand && leaf->attr->part < body->scan->n_states;
}

bool scan_is_slice(const Graph *body, const Node *leaf)
{
    const Scan *s = body->scan;
    return leaf->op == OP_scan_operand && leaf->attr->part >= s->n_states &&
           leaf->attr->part < s->n_states + s->n_slices;
}

bool scan_is_stacked(const Scan *s, int state)
{
    const Node *next = graph_find_root(s->body, ROOT_next, state);
    for (int i = 0; i < s->body->roots.n; i++)
        if (s->body->roots.at[i].kind == ROOT_step && s->body->roots.at[i].node == next)
            return true;
    return false;
}

static void add_graphs(Arena *arena, GraphList *list, Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_scan)
            add_graphs(arena, list, g->nodes.at[i]->attr->scan->body);
    vec_push(arena, list, g);
}

GraphList program_graphs(const Program *p, Arena *arena)
{
    GraphList list = {0};
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f])
            add_graphs(arena, &list, p->fn[f]);
    return list;
}

/* --- copies ----------------------------------------------------------------------------------- */

static Scan *copy_scan(Graph *to, const Scan *s)
{
    Arena *arena = to->program->ctx->arena;
    Scan *scan = arena_take(arena, sizeof *scan);
    Node **copy = arena_take(arena, sizeof *copy * (size_t)(s->body->nodes.n + 1));
    *scan = *s;
    scan->body = graph_new(to->program, to->fn);
    scan->body->outer = to;
    graph_copy_nodes(scan->body, s->body, copy);
    for (int i = 0; i < s->body->roots.n; i++) {
        const Root *r = &s->body->roots.at[i];
        graph_root(scan->body, r->kind, r->index, copy[r->node->id]);
    }
    scan->body->scan = scan;
    return scan;
}

Node *scan_again(Graph *g, const Node *scan, Node *const *in, int64_t length)
{
    Scan *s = copy_scan(g, scan->attr->scan);
    s->length = length;
    s->stash = 0;
    Attr attr = {.scan = s};
    return graph_add(g, OP_scan, scan->n_in, in, &attr);
}

void graph_copy_nodes(Graph *to, const Graph *from, Node **copy)
{
    Arena *arena = to->program->ctx->arena;
    for (int i = 0; i < from->nodes.n; i++) {
        const Node *x = from->nodes.at[i];
        Node **in = arena_take(arena, sizeof *in * (size_t)(x->n_in + 1));
        for (int k = 0; k < x->n_in; k++)
            in[k] = copy[x->in[k]->id];
        to->loc = x->loc;
        to->role = x->role;
        to->what = x->what;
        Attr attr = *x->attr;
        if (x->op == OP_scan)
            attr.scan = copy_scan(to, attr.scan);
        copy[i] = graph_add_as(to, x->op, x->n_in, in, &attr, &x->shape, x->dtype);
        if (!copy[i])
            BUG("the copy of a node has no shape");
        copy[i]->name = x->name;
    }
}

/* --- building --------------------------------------------------------------------------------- */

/* A leaf of the body; its number is set by scan_end. */
static Node *leaf(ScanBuilder *b, const Node *operand, const Shape *shape)
{
    Attr attr = {0};
    Node *y = graph_add_as(b->body, OP_scan_operand, 0, NULL, &attr, shape, operand->dtype);
    y->name = operand->name;
    return y;
}

Node *scan_state(ScanBuilder *b, Node *first)
{
    if (!first)
        return NULL;
    ScanLink link = {leaf(b, first, &first->shape), first};
    vec_push(b->outer->program->ctx->arena, &b->states, link);
    return link.leaf;
}

Node *scan_slice(ScanBuilder *b, Node *stack)
{
    if (!stack)
        return NULL;
    Shape shape = scan_slice_shape(&stack->shape);
    ScanLink link = {leaf(b, stack, &shape), stack};
    vec_push(b->outer->program->ctx->arena, &b->slices, link);
    return link.leaf;
}

Node *scan_other(ScanBuilder *b, Node *operand)
{
    if (!operand)
        return NULL;
    ScanLink link = {leaf(b, operand, &operand->shape), operand};
    vec_push(b->outer->program->ctx->arena, &b->others, link);
    return link.leaf;
}

void scan_next(ScanBuilder *b, Node *state, Node *next)
{
    for (int i = 0; i < b->states.n; i++)
        if (b->states.at[i].leaf == state)
            graph_root(b->body, ROOT_next, i, next);
}

int scan_step(ScanBuilder *b, Node *value)
{
    Scan s = {.body = b->body};
    int stack = scan_stacks(&s);
    graph_root(b->body, ROOT_step, stack, value);
    return stack;
}

typedef VEC(Node *) Operands;

/* Numbers the leaf as the scan's next operand. */
static void number(Arena *arena, const ScanLink *link, Operands *in)
{
    Attr *attr = arena_take(arena, sizeof *attr);
    *attr = *link->leaf->attr;
    attr->part = in->n;
    link->leaf->attr = attr;
    vec_push(arena, in, link->operand);
}

Node *scan_end(ScanBuilder *b)
{
    Arena *arena = b->outer->program->ctx->arena;
    Operands in = {0};
    graph_sort(b->body);
    for (int i = 0; i < b->states.n; i++)
        number(arena, &b->states.at[i], &in);
    for (int i = 0; i < b->slices.n; i++)
        if (graph_has(b->body, b->slices.at[i].leaf))
            number(arena, &b->slices.at[i], &in);
    int n_slices = in.n - b->states.n;
    for (int i = 0; i < b->others.n; i++)
        if (graph_has(b->body, b->others.at[i].leaf))
            number(arena, &b->others.at[i], &in);
    Scan *s = arena_take(arena, sizeof *s);
    *s = (Scan){.body = b->body,
                .n_states = b->states.n,
                .n_slices = n_slices,
                .length = b->length,
                .backwards = b->backwards,
                .stash = b->stash,
                .pieces = b->pieces};
    b->body->scan = s;
    Attr attr = {.scan = s};
    return graph_add(b->outer, OP_scan, in.n, in.at, &attr);
}

static Node *result(Graph *g, Node *scan, int i)
{
    Attr attr = {.part = i};
    return graph_add(g, OP_scan_result, 1, &scan, &attr);
}

Node *scan_last(Graph *g, Node *scan, int state)
{
    return scan ? result(g, scan, state) : NULL;
}

Node *scan_stack(Graph *g, Node *scan, int stack)
{
    return scan ? result(g, scan, scan->attr->scan->n_states + stack) : NULL;
}

Node *scan_stack_of(Graph *g, Node *scan, Node *value)
{
    const Scan *s = scan->attr->scan;
    int n = scan_stacks(s), stack = 0;
    while (stack < n && graph_find_root(s->body, ROOT_step, stack) != value)
        stack++;
    if (stack == n)
        graph_root(s->body, ROOT_step, stack, value);
    return scan_stack(g, scan, stack);
}

Node *scan_before(Graph *g, Node *scan, int state)
{
    const Scan *s = scan->attr->scan;
    Node *next = graph_find_root(s->body, ROOT_next, state);
    Node *first = build_unsqueeze(g, scan->in[state], 0);
    if (s->length == 1)
        return first;
    Node *all = scan_stack_of(g, scan, next);
    if (s->backwards)
        return build_concat(g, 0, 2, (Node *[]){build_slice(g, all, 0, 1, s->length, 1), first});
    return build_concat(g, 0, 2, (Node *[]){first, build_slice(g, all, 0, 0, s->length - 1, 1)});
}
