/* SPDX-License-Identifier: MIT */
/* schedule: orders the kernels.
 *
 * needs   g->kernels, node->kernel
 * gives   g->kernels in an order in which every value is made before it is read and every variable is
 *         updated after its last read; k->id; k->nodes
 * breaks  nothing
 *
 * Among the kernels that are ready the one whose first node is the earliest goes next: forward
 * values in the order of the layers, then each layer's gradients, its update as soon as its
 * weight is not read any more. */
#include "../ops/ops.h"
#include "lower.h"
#include "passes.h"

typedef struct Order {
    Graph *g;
    Arena *arena;
    int *stamp;             /* by node id */
    int *position;          /* by kernel, before ordering: -1 until it is placed */
    VEC(Kernel *) * before; /* by kernel: what must come first */
} Order;

/* The nodes that a kernel computes (id order) and, in `loads`, those whose stored value it reads.
 */
typedef struct Reach {
    VEC(Node *) nodes, loads;
} Reach;

static bool loaded(const Kernel *k, const Node *y)
{
    bool stored_elsewhere = y->kernel && y->kernel != k;
    return stored_elsewhere || node_lies(y);
}

static void reach(Order *o, const Kernel *k, int stamp, Reach *r)
{
    VEC(Node *) pending = {0};
    for (int i = 0; i < k->stores.n; i++) {
        vec_push(o->arena, &pending, k->stores.at[i]);
        o->stamp[k->stores.at[i]->id] = stamp;
    }
    int last = 0;
    bool *computed = arena_take(o->arena, (size_t)o->g->nodes.n);
    for (int i = 0; i < pending.n; i++) {
        Node *y = pending.at[i];
        if (loaded(k, y)) {
            vec_push(o->arena, &r->loads, y);
            continue;
        }
        computed[y->id] = true;
        last = y->id > last ? y->id : last;
        for (int n = 0; n < y->n_in; n++) {
            Node *x = y->in[n];
            if (o->stamp[x->id] == stamp)
                continue;
            o->stamp[x->id] = stamp;
            vec_push(o->arena, &pending, x);
        }
    }
    for (int i = 0; i <= last; i++)
        if (computed[i])
            vec_push(o->g->program->ctx->arena, &r->nodes, o->g->nodes.at[i]);
}

static void wait_for(Order *o, Kernel *k, Kernel *first)
{
    if (k && first && k != first)
        vec_push(o->arena, &o->before[k->id], first);
}

static void find_dependences(Order *o)
{
    Graph *g = o->g;
    Kernel **updates = arena_take(o->arena, sizeof *updates * (size_t)(g->program->vars.n + 1));
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_assign)
            updates[g->roots.at[i].node->attr->var->id] = g->roots.at[i].node->kernel;
    for (int i = 0; i < g->kernels.n; i++) {
        Kernel *k = g->kernels.at[i];
        Reach r = {0};
        reach(o, k, i + 1, &r);
        k->nodes.n = 0;
        for (int n = 0; n < r.nodes.n; n++)
            vec_push(g->program->ctx->arena, &k->nodes, r.nodes.at[n]);
        for (int n = 0; n < r.loads.n; n++) {
            wait_for(o, k, r.loads.at[n]->kernel);
            if (r.loads.at[n]->op == OP_var)
                wait_for(o, updates[r.loads.at[n]->attr->var->id], k);
        }
    }
}

static bool ready(const Order *o, const Kernel *k)
{
    for (int i = 0; i < o->before[k->id].n; i++)
        if (o->position[o->before[k->id].at[i]->id] < 0)
            return false;
    return true;
}

static int first_node(const Kernel *k)
{
    const Lowered *low = k->lowered;
    return k->product ? k->product->id : low->members.at[0]->id;
}

static void place_all(Order *o)
{
    Graph *g = o->g;
    VEC(Kernel *) order = {0};
    while (order.n < g->kernels.n) {
        Kernel *next = NULL;
        for (int i = 0; i < g->kernels.n; i++) {
            Kernel *k = g->kernels.at[i];
            if (o->position[i] < 0 && (!next || first_node(k) < first_node(next)) && ready(o, k))
                next = k;
        }
        if (!next)
            BUG("kernels of '%s' depend on each other in a circle", fn_text(g->fn));
        o->position[next->id] = order.n;
        vec_push(o->arena, &order, next);
    }
    for (int i = 0; i < order.n; i++) {
        g->kernels.at[i] = order.at[i];
        order.at[i]->id = i;
    }
}

void pass_schedule(Graph *g)
{
    Arena *scratch = arena_new();
    Order o = {.g = g, .arena = scratch};
    o.stamp = arena_take(scratch, sizeof *o.stamp * (size_t)(g->nodes.n + 1));
    o.position = arena_take(scratch, sizeof *o.position * (size_t)(g->kernels.n + 1));
    o.before = arena_take(scratch, sizeof *o.before * (size_t)(g->kernels.n + 1));
    for (int i = 0; i < g->kernels.n; i++) {
        g->kernels.at[i]->id = i;
        o.position[i] = -1;
    }
    find_dependences(&o);
    place_all(&o);
    arena_free(scratch);
}
