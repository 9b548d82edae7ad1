/* SPDX-License-Identifier: MIT */
/* gradients: builds what expressions call gradient(y, x).
 *
 * needs   a graph as the frontend built it: every x that a y was computed from is on the way to it
 * gives   no node of op gradient: in the place of each the nodes that compute it, which autodiff differentiates again
 * breaks  nothing
 *
 * In the order of the graph, so that a gradient of a gradient finds the inner one built; all of one y in one walk back.
 * ("Double backpropagation", Drucker and Le Cun 1992; a penalty of gradients, Gulrajani et al. 2017.) An x that y does
 * not depend on is reported: zeros are seldom what was meant. */
#include "../ops/ops.h"
#include "passes.h"

typedef VEC(Node *) Nodes;

static const char *called(const Node *x)
{
    return x->name ? x->name : x->what ? x->what : op_rows[x->op].name;
}

/* --- what cannot be --------------------------------------------------------------------------- */

/* One report is enough: other functions have the same expression. */
static bool may_report(const Graph *g)
{
    return g->program->ctx->diag.errors == 0;
}

static void report_none(const Graph *g, const Node *y)
{
    Diag *diag = &g->program->ctx->diag;
    const Node *of = y->in[0], *by = y->in[1];
    if (!may_report(g))
        return;
    diag_error(diag, y->loc,
               "gradient: in function %s '%s' does not depend on '%s', or only by what has no "
               "gradient (a comparison, "
               "floor, stop_gradient): the second operand is a value by its name, that the first "
               "was computed from",
               fn_text(g->fn), called(of), called(by));
    if (by->loc.line > 0)
        diag_note(diag, by->loc, "'%s' is made here", called(by));
}

/* Marks what depends differentiably on operands of the scan that are `active`. */
static void mark_dependent(const Graph *body, const bool *active, bool *depends)
{
    for (int i = 0; i < body->nodes.n; i++) {
        const Node *x = body->nodes.at[i];
        depends[i] = x->op == OP_scan_operand && active[x->attr->part];
        for (int k = 0; !(op_rows[x->op].flags & NOGRAD) && k < x->n_in; k++)
            depends[i] |= depends[x->in[k]->id];
    }
}

/* In a body: whether `y` depends on what is the same in every step, x, by states that steps before have made of it. */
static bool acts_through_states(const Graph *body, const Node *y, const Node *x)
{
    if (!body->outer || x->op != OP_scan_operand || scan_is_state(body, x) ||
        scan_is_slice(body, x))
        return false;
    Arena *scratch = arena_new();
    bool *depends = arena_take(scratch, (size_t)body->nodes.n + 1), changed = true;
    bool *active = arena_take(scratch, (size_t)body->nodes.n + (size_t)body->scan->n_states +
                                           (size_t)x->attr->part + 1);
    active[x->attr->part] = true;
    while (changed) {
        changed = false;
        mark_dependent(body, active, depends);
        for (int i = 0; i < body->scan->n_states; i++)
            if (!active[i] && depends[graph_find_root(body, ROOT_next, i)->id])
                active[i] = changed = true;
    }
    active[x->attr->part] = false;
    mark_dependent(body, active, depends);
    bool acts = depends[y->id];
    arena_free(scratch);
    return acts;
}

static void check_body(const Graph *g, const Node *y)
{
    if (!acts_through_states(g, y->in[0], y->in[1]) || !may_report(g))
        return;
    diag_error(&g->program->ctx->diag, y->loc,
               "gradient: '%s' is the same in every step of the scan, and acts on '%s' by the "
               "steps before, too: take "
               "the gradient outside of the scan",
               called(y->in[1]), called(y->in[0]));
}

/* --- what stands for x ------------------------------------------------------------------------ */

/* Lets whatever reads an x do so through a node of its own: gradients of ops look at what made their operands (that of
 * a convolution leaves out the padding), which may not hide what is asked for. */
static void set_apart(Graph *g, Arena *scratch)
{
    int n = g->nodes.n;
    Node **apart = arena_take(scratch, sizeof *apart * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        const Node *y = g->nodes.at[i];
        if (y->op != OP_gradient || apart[y->in[1]->id])
            continue;
        Node *x = y->in[1];
        g->loc = x->loc;
        g->role = x->role;
        g->what = x->what;
        apart[x->id] = build_reshape(g, x, &x->shape);
    }
    for (int i = 0; i < n; i++) {
        Node *y = g->nodes.at[i];
        for (int k = 0; k < y->n_in; k++)
            if (apart[y->in[k]->id] && !(y->op == OP_gradient && k == 1))
                y->in[k] = apart[y->in[k]->id];
    }
    graph_sort(g);
}

/* --- the pass --------------------------------------------------------------------------------- */

static Node *first_gradient(const Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_gradient)
            return g->nodes.at[i];
    return NULL;
}

/* The gradients of one y, and what stands for them. */
typedef struct Built {
    const Node *of;
    Nodes by;
    Node **dx; /* as long as `by` */
} Built;

static Node *replace(Graph *g, Node *y, void *arg)
{
    const Built *b = arg;
    (void)g;
    for (int i = 0; y->op == OP_gradient && y->in[0] == b->of && i < b->by.n; i++)
        if (y->in[1] == b->by.at[i])
            return b->dx[i];
    return y;
}

/* Builds all gradients of what `first` is one of. */
static void build(Graph *g, const Node *first, Arena *scratch)
{
    Built b = {.of = first->in[0]};
    Nodes asks = {0};
    for (int i = first->id; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        if (y->op != OP_gradient || y->in[0] != b.of)
            continue;
        vec_push(scratch, &asks, y);
        vec_push(scratch, &b.by, y->in[1]);
        check_body(g, y);
    }
    b.dx = arena_take(scratch, sizeof *b.dx * (size_t)(b.by.n + 1));
    int before = g->nodes.n;
    autodiff(g, first->in[0], b.by.n, b.by.at, b.dx);
    for (int i = 0; i < b.by.n; i++) {
        const Node *y = asks.at[i];
        if (!b.dx[i]) {
            report_none(g, y);
            b.dx[i] = build_fill(g, &y->shape, 0);
        }
        if (y->name && b.dx[i]->id >= before)
            b.dx[i]->name = y->name;
    }
    graph_rewrite(g, replace, &b);
}

void pass_gradients(Graph *g)
{
    if (!first_gradient(g))
        return;
    Graph as = *g; /* what new nodes inherit, to be put back */
    Arena *scratch = arena_new();
    set_apart(g, scratch);
    for (const Node *y; (y = first_gradient(g));)
        build(g, y, scratch);
    g->loc = as.loc;
    g->role = as.role;
    g->what = as.what;
    arena_free(scratch);
}
