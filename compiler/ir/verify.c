/* SPDX-License-Identifier: MIT */
/* verify.c: what must hold of a graph after each pass. What does not is a bug of ours. */
#include <string.h>

#include "../ops/ops.h"

static bool in_range(const Node *y)
{
    const Attr *a = y->attr;
    for (int i = 0; i < a->n_axes; i++)
        if (a->axes[i] < 0 || a->axes[i] >= RANK_MAX)
            return false;
    return a->n_axes >= 0 && a->n_axes <= RANK_MAX;
}

/* The shape rule, applied again to a copy, must give the shape that the node has. */
static void check_shape(const Graph *g, const Node *y, const char *after)
{
    Diag *diag = &g->program->ctx->diag;
    Node copy = *y;
    Graph rule = *g;
    char has[128], wants[128];
    int errors = diag->errors;
    rule.loc = y->loc;
    rule.what = y->what;
    if (!graph_shape(&rule, &copy) || diag->errors != errors)
        BUG("after %s: operands of %s (%s) are wrong", after, op_rows[y->op].name,
            y->name ? y->name : "-");
    if (!shape_equal(&copy.shape, &y->shape) || copy.dtype != y->dtype)
        BUG("after %s: %s is %s %s, its rule says %s %s", after, op_rows[y->op].name,
            dtype_text(y->dtype), shape_text(&y->shape, has), dtype_text(copy.dtype),
            shape_text(&copy.shape, wants));
}

static void check_node(const Graph *g, int i, const char *after)
{
    const Node *y = g->nodes.at[i];
    const OpRow *row = &op_rows[y->op];
    if (y->id != i)
        BUG("after %s: node %d is numbered %d", after, i, y->id);
    if (row->arity >= 0 ? y->n_in != row->arity : y->n_in < 1)
        BUG("after %s: %s with %d operands", after, row->name, y->n_in);
    if (!y->attr || !in_range(y))
        BUG("after %s: attributes of %s are out of range", after, row->name);
    for (int k = 0; k < y->n_in; k++) {
        const Node *x = y->in[k];
        if (!x || x->id >= i || g->nodes.at[x->id] != x)
            BUG("after %s: operand %d of %s (%d) does not come before it", after, k, row->name, i);
        if (x->op == OP_assign)
            BUG("after %s: an assign is read", after);
        if ((x->op == OP_scan) != (y->op == OP_scan_result))
            BUG("after %s: a scan is read by %s", after, row->name);
    }
    if (y->op == OP_scan)
        graph_verify(y->attr->scan->body, after);
    check_shape(g, y, after);
}

static void check_root(const Graph *g, const Root *r, const char *after)
{
    const Node *y = r->node;
    if (!y || y->id < 0 || y->id >= g->nodes.n || g->nodes.at[y->id] != y)
        BUG("after %s: a root is not in the graph", after);
    if (y->op == OP_scan)
        BUG("after %s: a root is a scan", after);
    if ((r->kind == ROOT_assign) != (y->op == OP_assign))
        BUG("after %s: an assign that is no root, or a root that is none", after);
    if ((r->kind == ROOT_loss || r->kind == ROOT_minimize) && y->shape.rank != 0)
        BUG("after %s: a loss of rank %d", after, y->shape.rank);
    if (r->kind == ROOT_metric && y->shape.batch >= 0)
        BUG("after %s: metric sums with a batch axis", after);
    if (r->kind == ROOT_kept && (y->shape.batch != 0 || y->dtype != DT_f32))
        BUG("after %s: what is kept is not f32, batch first", after);
    if ((r->kind == ROOT_next || r->kind == ROOT_step) != (g->outer != NULL))
        BUG("after %s: a root of a body in a function, or one of a function in a body", after);
    if (r->kind == ROOT_assign && r->index != y->attr->var->id)
        BUG("after %s: the root of an assign to %s has index %d", after, y->attr->var->name,
            r->index);
}

/* Every assign is a root, and a variable is assigned once a step. */
static void check_assigns(const Graph *g, const char *after)
{
    Arena *scratch = arena_new();
    bool *assigned = arena_take(scratch, sizeof *assigned * (size_t)(g->program->vars.n + 1));
    int nodes = 0, roots = 0;
    for (int i = 0; i < g->nodes.n; i++)
        nodes += g->nodes.at[i]->op == OP_assign;
    for (int i = 0; i < g->roots.n; i++) {
        const Root *r = &g->roots.at[i];
        if (r->kind != ROOT_assign)
            continue;
        if (assigned[r->index])
            BUG("after %s: %s is assigned twice", after, r->node->attr->var->name);
        assigned[r->index] = true;
        roots++;
    }
    if (nodes != roots)
        BUG("after %s: %d assigns, %d of them roots", after, nodes, roots);
    arena_free(scratch);
}

void graph_verify(const Graph *g, const char *after)
{
    for (int i = 0; i < g->nodes.n; i++)
        check_node(g, i, after);
    for (int i = 0; i < g->roots.n; i++)
        check_root(g, &g->roots.at[i], after);
    check_assigns(g, after);
}
