/* SPDX-License-Identifier: MIT */
/* places.c: before nodes are gathered into kernels, each value that has to lie in memory gets a node of its own that
 * can: operands of scans and of functions of the runtime, results of scans, roots. */
#include "../ops/ops.h"
#include "lower.h"

static bool leaf_like(const Node *y)
{
    OpClass c = op_rows[y->op].cls;
    return c == CLASS_LEAF || (c == CLASS_EW && y->shape.rank == 0);
}

/* A reshape to the same shape: the one way to say "another buffer". */
static Node *graph_copy(Graph *g, Node *x)
{
    g->loc = x->loc;
    g->role = x->role;
    g->what = x->what;
    return build_reshape(g, x, &x->shape);
}

/* The last value of a state that is stacked is the last slice of the stack. */
static Node *last_slice(Graph *g, Node *y, void *unused)
{
    (void)unused;
    if (y->op != OP_scan_result)
        return y;
    const Scan *s = y->in[0]->attr->scan;
    if (y->attr->part >= s->n_states || !scan_is_stacked(s, y->attr->part))
        return y;
    const Node *next = graph_find_root(s->body, ROOT_next, y->attr->part);
    int stack = 0;
    while (graph_find_root(s->body, ROOT_step, stack) != next)
        stack++;
    int64_t at = s->backwards ? 0 : s->length - 1;
    Node *slice = build_slice(g, scan_stack(g, y->in[0], stack), 0, at, at + 1, 1);
    return build_reshape(g, slice, &y->shape);
}

bool reads_memory(const Node *y)
{
    return y->op == OP_scan || op_rows[y->op].flags & BY_SAMPLE;
}

/* What is the same for a whole call is no operand in memory, but a number. */
static bool is_number(const Node *y, const Node *x)
{
    return y->op != OP_scan && x->shape.rank == 0 && (x->uniform || leaf_like(x));
}

/* Operands that must lie in memory do. */
static Node *copy_operands(Graph *g, Node *y, void *unused)
{
    (void)unused;
    for (int i = 0; i < y->n_in && reads_memory(y); i++)
        if (leaf_like(y->in[i]) && !node_lies(y->in[i]) && !is_number(y, y->in[i]))
            y->in[i] = graph_copy(g, y->in[i]);
    return y;
}

/* The first node of that result, or NULL. */
static Node *find_result(const Graph *g, const Node *scan, int i)
{
    for (int k = 0; k < g->nodes.n; k++) {
        Node *y = g->nodes.at[k];
        if (y->op == OP_scan_result && y->in[0] == scan && y->attr->part == i)
            return y;
    }
    return NULL;
}

/* One node a result: it has one place. */
static Node *one_result(Graph *g, Node *y, void *unused)
{
    (void)unused;
    return y->op == OP_scan_result ? find_result(g, y->in[0], y->attr->part) : y;
}

/* A scan needs room for its results, also for those that nobody reads. */
static void add_results(Graph *g, Node *scan)
{
    const Scan *s = scan->attr->scan;
    g->loc = scan->loc;
    g->role = scan->role;
    g->what = scan->what;
    for (int i = 0; i < s->n_states; i++)
        if (!scan_is_stacked(s, i) && !find_result(g, scan, i))
            scan_last(g, scan, i);
    for (int i = 0; i < scan_stacks(s); i++)
        if (!find_result(g, scan, s->n_states + i))
            scan_stack(g, scan, i);
}

static void prepare_scans(Graph *g)
{
    bool any = false;
    for (int i = 0; i < g->nodes.n; i++)
        any |= reads_memory(g->nodes.at[i]);
    if (!any)
        return;
    graph_rewrite(g, last_slice, NULL);
    graph_rewrite(g, one_result, NULL);
    graph_rewrite(g, copy_operands, NULL);
}

static void complete_scans(Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_scan)
            add_results(g, g->nodes.at[i]);
}

/* Whether a value is both the next of a state and stacked: it lies in the stack, for both. */
static bool both_of_step(const Root *a, const Root *b)
{
    return (a->kind == ROOT_next && b->kind == ROOT_step) ||
           (a->kind == ROOT_step && b->kind == ROOT_next);
}

/* What the caller reads must be stored as such: a root that is a leaf, a scalar or another root's
 * node gets a copy of its own. */
static void copy_roots(Graph *g)
{
    for (int i = 0; i < g->roots.n; i++) {
        Root *r = &g->roots.at[i];
        if (r->kind == ROOT_assign)
            continue;
        bool twice = false;
        for (int j = 0; j < i; j++)
            twice |= g->roots.at[j].node == r->node && !both_of_step(&g->roots.at[j], r);
        if (!twice && !leaf_like(r->node))
            continue;
        Node *copy = graph_copy(g, r->node);
        if (!copy) {
            BUG("copy of a root of op %s", op_rows[r->node->op].name);
        }
        copy->name = r->node->name;
        r->node = copy;
    }
    graph_sort(g);
}

static void mark_uniform(Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        y->uniform = y->shape.rank == 0 && y->dtype == DT_f32 &&
                     (y->op == OP_scalar || (y->op == OP_const && !y->attr->data) ||
                      op_rows[y->op].cls == CLASS_EW);
        for (int k = 0; y->uniform && k < y->n_in; k++)
            y->uniform = y->in[k]->uniform;
        y->kernel = NULL;
    }
}

void places_make(Graph *g)
{
    prepare_scans(g);
    copy_roots(g);
    complete_scans(g);
    mark_uniform(g);
}
