/* SPDX-License-Identifier: MIT */
/* layout: chooses the order in which weights are kept.
 *
 * needs   the forward part of every function
 * gives   var->perm; var nodes in kept order, the transposes of the forward pass gone
 * breaks  nothing
 *
 * A weight of a dense layer is saved [out, in] and read as its transpose, [in, out]. If every
 * function reads it so, it is kept so: what was `transpose(var)` becomes `var`, what was `var`
 * becomes its transpose, and an update of it is transposed. Transposes are then sunk below
 * elementwise ops until they meet another or reach a product, whose index maps take them in. */
#include "../ops/ops.h"
#include "passes.h"

static bool swaps_matrix(const Node *y)
{
    return y->op == OP_transpose && y->shape.rank == 2 && y->attr->axes[0] == 1;
}

/* Marks each weight whose transpose a forward product reads on its right. */
static void vote(const Graph *g, bool *wanted)
{
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        if (y->op != OP_matmul || (y->role != ROLE_forward && y->role != ROLE_loss))
            continue;
        const Node *b = y->in[1];
        if (swaps_matrix(b) && b->in[0]->op == OP_var)
            wanted[b->in[0]->attr->var->id] = true;
    }
}

/* The functions agree, since their forward parts are the same layers and the first to come here
 * decides for all (the pipeline takes every function through a pass before the next). */
static void choose(Program *p)
{
    for (int i = 0; i < p->vars.n; i++)
        if (p->vars.at[i]->perm[0] != 0)
            return;
    bool *wanted = arena_take(p->ctx->arena, (size_t)p->vars.n + 1);
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f])
            vote(p->fn[f], wanted);
    for (int i = 0; i < p->vars.n; i++) {
        Var *v = p->vars.at[i];
        const Var *as = v->laid_as ? v->laid_as : v;
        if (as->shape.rank == 2 && wanted[as->id]) {
            v->perm[0] = 1;
            v->perm[1] = 0;
        }
    }
}

static const int swap[2] = {1, 0};

static Node *relay(Graph *g, Node *y, void *arg)
{
    (void)arg;
    if (y->op == OP_var && y->attr->var->perm[0] == 1) {
        Node *kept = build_var(g, y->attr->var);
        kept->name = y->name;
        return build_transpose(g, kept, swap);
    }
    if (y->op == OP_assign && y->attr->var->perm[0] == 1) {
        Node *value = build_transpose(g, y->in[0], swap);
        return graph_add(g, OP_assign, 1, &value, y->attr);
    }
    return y;
}

/* ew(transpose a, transpose b, scalar) is transpose(ew(a, b, scalar)). */
static Node *sink(Graph *g, Node *y, void *arg)
{
    (void)arg;
    if (swaps_matrix(y) && swaps_matrix(y->in[0]))
        return y->in[0]->in[0];
    if (op_rows[y->op].cls != CLASS_EW || y->shape.rank != 2)
        return y;
    int n = 0;
    for (int i = 0; i < y->n_in; i++) {
        if (swaps_matrix(y->in[i]))
            n++;
        else if (y->in[i]->shape.rank != 0)
            return y;
    }
    if (n == 0)
        return y;
    Node *in[3];
    for (int i = 0; i < y->n_in; i++)
        in[i] = swaps_matrix(y->in[i]) ? y->in[i]->in[0] : y->in[i];
    Node *inner = graph_add(g, y->op, y->n_in, in, y->attr);
    inner->name = y->name;
    return build_transpose(g, inner, swap);
}

void pass_layout(Graph *g)
{
    choose(g->program);
    graph_rewrite(g, relay, NULL);
    graph_rewrite(g, sink, NULL);
}
