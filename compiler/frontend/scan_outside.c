/* SPDX-License-Identifier: MIT */
/* scan_outside.c: what the body of a loop takes from the graph around it. Layers are built in a body as anywhere; the
 * leaves of a function that they read (weights, inputs) are made outside afterwards, and handed in. */
#include "builder.h"
#include "steps.h"

/* What stands in the body for a node that may not: one of the graph around it, or a leaf of a function. */
static Node *brought_in(ScanBuilder *b, Node *x, bool draws)
{
    Graph *g = b->outer;
    if (!graph_has(b->body, x))
        return scan_other(b, x);
    Shape all = scan_stacked_shape(&x->shape, b->length);
    switch (x->op) {
    case OP_var: return scan_other(b, build_var(g, x->attr->var));
    case OP_updated: return scan_other(b, build_updated(g, x->attr->var, x->attr->part));
    case OP_input: return scan_other(b, build_input(g, x->attr->input));
    case OP_scalar: return scan_other(b, build_scalar(g, x->attr->scalar));
    case OP_random_uniform:
    case OP_random_normal:
        return draws ? x : scan_slice(b, build_random(g, x->op, &all, x->attr->stream));
    default: return x;
    }
}

typedef struct Brought {
    Node *from, *to;
} Brought;

typedef VEC(Brought) BroughtList;

static Node *bring_in(ScanBuilder *b, BroughtList *list, Node *x, bool draws)
{
    for (int i = 0; i < list->n; i++)
        if (list->at[i].from == x || list->at[i].to == x)
            return list->at[i].to;
    Node *to = brought_in(b, x, draws);
    Brought pair = {x, to};
    if (to && to != x)
        vec_push(b->outer->program->ctx->arena, list, pair);
    return to;
}

bool steps_bring_in(Call *c, ScanBuilder *b, bool draws)
{
    BroughtList list = {0};
    Graph *body = b->body;
    for (int i = 0; i < body->roots.n; i++)
        if (body->roots.at[i].kind == ROOT_assign) {
            diag_error(&c->ctx->diag, c->loc,
                       "%s: a layer of its body changes a variable (batchnorm, spectral_norm, "
                       "stateful): a step may not",
                       c->row->name);
            return false;
        }
    for (int i = 0, n = body->nodes.n; i < n; i++)
        for (int k = 0; k < body->nodes.at[i]->n_in; k++)
            body->nodes.at[i]->in[k] = bring_in(b, &list, body->nodes.at[i]->in[k], draws);
    for (int i = 0; i < body->roots.n; i++)
        body->roots.at[i].node = bring_in(b, &list, body->roots.at[i].node, draws);
    return true;
}

void steps_outside(Call *c)
{
    for (int i = 0; i < c->b->inputs.n; i++)
        value_node(c->b, c->b->inputs.entry[i].value);
}
