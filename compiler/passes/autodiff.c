/* SPDX-License-Identifier: MIT */
/* autodiff: adds the gradients of what is trained (reverse mode).
 *
 * needs   a graph in order, ROOT_loss; ROOT_minimize of players
 * gives   ROOT_grad roots: in train and accumulate of each weight that is trained and on which the
 *         loss depends; where players take turns, of what each minimises by what it updates alone; in
 *         grad of every trained weight and every f32 input, zeros where the loss does not depend on it
 * breaks  nothing
 *
 * From the loss back to the first node, in the reverse of the graph's order, so that a node's
 * gradient is complete when its turn comes. Only nodes on a path from what is wanted to the loss
 * take part. Each op's gradient is the row's own (ops/): it builds nodes like any other, and they
 * can be differentiated again.
 */
#include "../ops/ops.h"
#include "passes.h"

/* What autodiff knows of the nodes that were there before it; by their position in the graph. */
typedef struct Tape {
    Graph *g;
    int n;
    bool *depends; /* on some x, differentiably */
    Node **grad;   /* what is known of y's gradient by the node; only where `depends` */
    Node ***parts; /* of a scan: the same of each of its results; NULL: of none */
} Tape;

static bool on_tape(const Tape *tape, const Node *node)
{
    return node && node->mark >= 0 && node->mark < tape->n && tape->g->nodes.at[node->mark] == node;
}

/* The name of what `node` is: its own, or that of the variable or input that it reads. */
static const char *name_of(const Graph *g, const Node *node)
{
    if (node->name)
        return node->name;
    if (node->op == OP_var || node->op == OP_updated)
        return node->attr->var->name;
    return node->op == OP_input ? g->program->inputs.at[node->attr->input].name : NULL;
}

/* What is built from here on is written as `node` was. */
static void write_as(Graph *g, const Node *node)
{
    g->loc = node->loc;
    g->what = node->what;
    g->role = ROLE_backward;
}

/* Names the nodes from `first` on that compute something. */
static void name_new(Graph *g, int first, const char *name)
{
    for (int i = first; i < g->nodes.n; i++)
        if (!g->nodes.at[i]->name && g->nodes.at[i]->n_in)
            g->nodes.at[i]->name = name;
}

/* --- which nodes take part -------------------------------------------------------------------- */

static Tape tape_new(Graph *g, Arena *scratch, int n, Node *const *xs)
{
    Tape tape = {.g = g, .n = g->nodes.n};
    tape.depends = arena_take(scratch, sizeof *tape.depends * (size_t)(tape.n + 1));
    tape.grad = arena_take(scratch, sizeof *tape.grad * (size_t)(tape.n + 1));
    tape.parts = arena_take(scratch, sizeof *tape.parts * (size_t)(tape.n + 1));
    for (int i = 0; i < tape.n; i++)
        g->nodes.at[i]->mark = i;

    for (int i = 0; i < n; i++)
        if (on_tape(&tape, xs[i]))
            tape.depends[xs[i]->mark] = true;
    for (int i = 0; i < tape.n; i++) {
        const Node *node = g->nodes.at[i];
        bool flows = !(op_rows[node->op].flags & NOGRAD);
        for (int k = 0; k < node->n_in && flows && !tape.depends[i]; k++)
            tape.depends[i] = tape.depends[node->in[k]->mark];
    }
    return tape;
}

/* --- the walk back ---------------------------------------------------------------------------- */

/* Adds dx to what is known of x's gradient. */
static void contribute(Tape *tape, Node *x, Node *dx)
{
    if (!shape_equal(&x->shape, &dx->shape))
        BUG("the gradient of %s has another shape than it", op_rows[x->op].name);
    Node **sum = &tape->grad[x->mark];
    int first = tape->g->nodes.n;
    write_as(tape->g, x);
    *sum = *sum ? build_binary(tape->g, OP_add, *sum, dx) : dx;
    name_new(tape->g, first, name_of(tape->g, x));
}

/* Of a scan's result: its gradient becomes a part of the scan's. */
static void keep_part(Tape *tape, Arena *scratch, const Node *result)
{
    const Node *scan = result->in[0];
    const Scan *s = scan->attr->scan;
    Node ***parts = &tape->parts[scan->mark];
    if (!*parts)
        *parts = arena_take(scratch, sizeof **parts * (size_t)(s->n_states + scan_stacks(s) + 1));
    Node **sum = &(*parts)[result->attr->part], *dy = tape->grad[result->mark];
    *sum = *sum ? build_binary(tape->g, OP_add, *sum, dy) : dy;
}

/* Reports a gradient that has none itself. */
static void differentiated_once(const Graph *g, const Node *y)
{
    Diag *diag = &g->program->ctx->diag;
    if (diag->errors) /* of another function, or of another place that can wait */
        return;
    diag_error(diag, y->loc,
               "%s: its gradient cannot be differentiated again, which a 'gradient(..)' asks for",
               y->what ? y->what : op_rows[y->op].name);
}

static void step_back(Tape *tape, Arena *scratch, Node *y)
{
    Graph *g = tape->g;
    if (y->op == OP_scan_result) {
        keep_part(tape, scratch, y);
        return;
    }
    size_t n = (size_t)y->n_in;
    bool *want = arena_take(scratch, sizeof *want * n);
    Node **dx = arena_take(scratch, sizeof *dx * n);
    bool any = false;
    for (int k = 0; k < y->n_in; k++) {
        want[k] = y->in[k]->dtype == DT_f32 && tape->depends[y->in[k]->mark];
        any = any || want[k];
    }
    if (!any || (op_rows[y->op].flags & NOGRAD))
        return;
    if (op_rows[y->op].flags & ONCE) {
        differentiated_once(g, y);
        return;
    }

    int first = g->nodes.n;
    write_as(g, y);
    if (y->op == OP_scan)
        scan_grad(g, y, tape->parts[y->mark], want, dx);
    else
        op_impls[y->op]->grad(g, y, tape->grad[y->mark], want, dx);
    for (int k = 0; k < y->n_in; k++)
        if (want[k] && dx[k] && dx[k]->id >= first && !dx[k]->name)
            dx[k]->name = name_of(g, y->in[k]);
    name_new(g, first, name_of(g, y));
    for (int k = 0; k < y->n_in; k++)
        if (want[k] && dx[k])
            contribute(tape, y->in[k], dx[k]);
}

void autodiff_from(Graph *g, int n_ys, Node *const *ys, Node *const *dys, int n, Node *const *xs,
                   Node **dxs)
{
    Arena *scratch = arena_new();
    Graph as = *g; /* what new nodes inherit, to be put back */
    Tape tape = tape_new(g, scratch, n, xs);

    for (int i = 0; i < n_ys; i++) {
        write_as(g, ys[i]);
        if (on_tape(&tape, ys[i]) && tape.depends[ys[i]->mark])
            contribute(&tape, ys[i], dys ? dys[i] : build_fill(g, &ys[i]->shape, 1));
    }
    for (int i = tape.n - 1; i >= 0; i--)
        if (tape.grad[i] || tape.parts[i])
            step_back(&tape, scratch, g->nodes.at[i]);
    for (int i = 0; i < n; i++)
        dxs[i] = on_tape(&tape, xs[i]) ? tape.grad[xs[i]->mark] : NULL;

    g->loc = as.loc;
    g->role = as.role;
    g->what = as.what;
    arena_free(scratch);
}

void autodiff(Graph *g, Node *y, int n, Node *const *xs, Node **dxs)
{
    autodiff_from(g, 1, &y, NULL, n, xs, dxs);
}

/* --- the pass --------------------------------------------------------------------------------- */

/* The variable that a leaf is, where it is trained; else NULL. Of players' steps: where it is trained by player `turn`,
 * and the leaf is what the players before leave of it. */
static const Var *trained_var(const Graph *g, const Node *leaf, int turn)
{
    const Var *var = leaf->op == OP_var || leaf->op == OP_updated ? leaf->attr->var : NULL;
    if (!var || var->kind != VAR_weight || var->frozen)
        return NULL;
    if (turn < 0)
        return var;
    int by = leaf->op == OP_updated ? leaf->attr->part : -1;
    return var->players >> turn & 1 && var_updated_by(g, var, turn) == by ? var : NULL;
}

/* Where a root of a leaf's gradient stands: ROOT_grad's index, or -1 where none is wanted. */
static int grad_index(const Graph *g, const Node *leaf, int turn)
{
    const Var *var = trained_var(g, leaf, turn);
    if (var)
        return var->id;
    if (leaf->op == OP_input && g->fn == FN_grad && leaf->dtype == DT_f32)
        return g->program->vars.n + leaf->attr->input;
    return -1;
}

/* Zeros for what is asked for and the loss does not depend on. */
static Node *zeros(Graph *g, int index)
{
    const Program *p = g->program;
    g->role = ROLE_backward;
    if (index < p->vars.n) {
        const Var *var = p->vars.at[index];
        g->loc = var->loc;
        bool trained = var->kind == VAR_weight && !var->frozen;
        return trained ? build_fill(g, &var->shape, 0) : NULL;
    }
    const Input *input = &p->inputs.at[index - p->vars.n];
    g->loc = input->loc;
    return input->dtype == DT_f32 ? build_fill(g, &input->shape, 0) : NULL;
}

static void add_roots(Graph *g, Node *const *grad, int n)
{
    Graph as = *g;
    for (int i = 0; i < n; i++) {
        Node *node = grad[i];
        if (!node && g->fn == FN_grad)
            node = zeros(g, i);
        graph_root(g, ROOT_grad, i, node);
    }
    g->loc = as.loc;
    g->role = as.role;
}

/* Adds the gradients of a loss; turn: by what that player updates, or -1: by all that is trained. */
static void add_gradients(Graph *g, Node *loss, int turn)
{
    Arena *scratch = arena_new();
    int n = 0, n_roots = g->program->vars.n + g->program->inputs.n;
    Node **leaf = arena_take(scratch, sizeof *leaf * (size_t)(g->nodes.n + 1));
    Node **d_leaf = arena_take(scratch, sizeof *d_leaf * (size_t)(g->nodes.n + 1));
    Node **grad = arena_take(scratch, sizeof *grad * (size_t)(n_roots + 1));
    for (int i = 0; i < g->nodes.n; i++)
        if (grad_index(g, g->nodes.at[i], turn) >= 0)
            leaf[n++] = g->nodes.at[i];

    autodiff(g, loss, n, leaf, d_leaf);
    for (int i = 0; i < n; i++) { /* several nodes may read one variable */
        Node **sum = &grad[grad_index(g, leaf[i], turn)];
        if (*sum && d_leaf[i]) {
            int first = g->nodes.n;
            write_as(g, leaf[i]);
            *sum = build_binary(g, OP_add, *sum, d_leaf[i]);
            name_new(g, first, name_of(g, leaf[i]));
        } else if (d_leaf[i]) {
            *sum = d_leaf[i];
        }
    }
    add_roots(g, grad, n_roots);
    arena_free(scratch);
}

/* Each player's loss by what it updates. */
static void add_players(Graph *g)
{
    int n = g->roots.n, kept = 0;
    for (int i = 0; i < n; i++) {
        const Root root = g->roots.at[i];
        if (root.kind != ROOT_minimize)
            continue;
        g->turn = root.index;
        add_gradients(g, root.node, root.index);
    }
    g->turn = 0;
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind != ROOT_minimize)
            g->roots.at[kept++] = g->roots.at[i];
    g->roots.n = kept;
}

void pass_autodiff(Graph *g)
{
    if (g->fn == FN_attribute && !g->outer)
        attribute(g);
    Node *loss = graph_find_root(g, ROOT_loss, 0);
    if (!loss || !(fn_trains(g->fn) || g->fn == FN_grad))
        return;
    if (fn_players(g->program, g->fn))
        add_players(g);
    else
        add_gradients(g, loss, -1);
    graph_sort(g);
}
