/* SPDX-License-Identifier: MIT */
/* layers.c: the nodes of a graph by what they were written as: pictures show a layer as one thing. */
#include <string.h>

#include "../ops/ops.h"

/* Whether a node and one that it reads are of the same layer: written on one line, or for one thing. What a layer gives
 * has its name, and ends it: what reads that on the same line is the next layer there, or the next copy of a block. */
static bool together(const Node *y, const Node *x)
{
    bool ends = x->name && (!y->name || strcmp(x->name, y->name) != 0);
    bool near = x->loc.line == y->loc.line || (x->what && y->what && strcmp(x->what, y->what) == 0);
    return near && x->role == y->role && !ends && op_rows[x->op].cls != CLASS_LEAF;
}

static int first_of(const int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i];
    return i;
}

/* Weights and constants belong to what reads them first; inputs and the like stand alone. */
static bool belongs(const Node *y)
{
    return y->op == OP_var || y->op == OP_const || y->op == OP_scalar || y->op == OP_iota;
}

/* parent[i] = a node of the same layer that is found from i. */
static void join(const Graph *g, int *parent)
{
    for (int i = 0; i < g->nodes.n; i++)
        parent[i] = i;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        for (int k = 0; k < y->n_in; k++) {
            int x = y->in[k]->id, to = first_of(parent, i), from = first_of(parent, x);
            bool leaf = belongs(y->in[k]) && from == x;
            if (to != from && (leaf || together(y, y->in[k])))
                parent[from < to && !leaf ? to : from] = from < to && !leaf ? from : to;
        }
    }
}

/* "dense, relu": each kind of work once, in order. */
static const char *also(Arena *arena, const char *what, const char *more)
{
    size_t n = strlen(more);
    for (const char *at = what; at && (at = strstr(at, more)); at += n)
        if ((at == what || at[-1] == ' ') && (!at[n] || at[n] == ','))
            return what;
    return what ? arena_format(arena, "%s, %s", what, more) : more;
}

static void describe(Layer *l, const Node *y, Arena *arena)
{
    bool leaf = op_rows[y->op].cls == CLASS_LEAF;
    if (y->op == OP_var)
        l->params += y->attr->var->kind == VAR_weight ? shape_count(&y->attr->var->shape) : 0;
    if (leaf && l->last && op_rows[l->last->op].cls != CLASS_LEAF)
        return;
    bool first = !l->last || op_rows[l->last->op].cls == CLASS_LEAF;
    l->last = y;
    l->what = also(arena, first ? NULL : l->what, !leaf && y->what ? y->what : op_rows[y->op].name);
    l->loc = y->loc;
    l->role = y->role;
    if (!leaf && y->name)
        l->name = y->name;
}

Layers graph_layers(const Graph *g, Arena *arena)
{
    int n = g->nodes.n;
    int *parent = arena_take(arena, sizeof *parent * (size_t)(n + 1));
    int *number = arena_take(arena, sizeof *number * (size_t)(n + 1));
    Layers layers = {.of = arena_take(arena, sizeof *layers.of * (size_t)(n + 1))};
    join(g, parent);
    for (int i = 0; i < n; i++)
        number[i] = -1;
    for (int i = 0; i < n; i++) {
        int first = first_of(parent, i);
        if (number[first] < 0) {
            number[first] = layers.n;
            vec_push(arena, &layers, (Layer){.first = first});
        }
        layers.of[i] = number[first];
        describe(&layers.at[number[first]], g->nodes.at[i], arena);
    }
    return layers;
}
