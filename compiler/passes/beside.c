/* SPDX-License-Identifier: MIT */
/* beside: stores the parts of a concatenation where they stand in it.
 *
 * needs   kernels in order, k->nodes
 * gives   node->whole: a stored node that lies inside another; the kernel that only copied the parts is gone
 * breaks  nothing
 *
 * The gradient of a cell's gates is one matrix that a product reads, of parts that one loop makes: it stores them side
 * by side, and no thread waits for a copy. A part that something else wants as well is stored twice. */
#include "../ops/ops.h"
#include "lower.h"
#include "passes.h"

enum { PARTS_MAX = 16 };

typedef struct Parts {
    const Graph *g;
    Kernel *copy, *maker; /* what joins the parts, and what makes them all */
    Node *whole;
    int n;
    Node *part[PARTS_MAX];
    int64_t at[PARTS_MAX]; /* along the axis of the whole */
    bool own
        [PARTS_MAX]; /* whether nothing else wants the part, which then lies in the whole alone */
} Parts;

static bool stores(const Kernel *k, const Node *y)
{
    for (int i = 0; i < k->stores.n; i++)
        if (k->stores.at[i] == y)
            return true;
    return false;
}

/* Whether some kernel but the two reads x. */
static bool read_elsewhere(const Parts *p, const Node *x)
{
    for (int i = 0; i < p->g->kernels.n; i++) {
        const Kernel *k = p->g->kernels.at[i];
        if (k != p->copy && k != p->maker && kernel_reads(k, x->kernel, x))
            return true;
    }
    return false;
}

static bool is_there(const Parts *p, const Node *x)
{
    for (int i = 0; i < p->n; i++)
        if (p->part[i] == x)
            return true;
    return false;
}

static bool add_part(Parts *p, Node *x, int64_t at)
{
    Kernel *k = x->kernel;
    if (!k || (p->n && k != p->maker) || p->n == PARTS_MAX || x->dtype != DT_f32 ||
        (k->kind != KERNEL_loop && k->kind != KERNEL_matmul) || !stores(k, x))
        return false;
    p->maker = k;
    p->own[p->n] = !x->whole && !is_there(p, x) && !graph_is_root(p->g, x) && !read_elsewhere(p, x);
    p->part[p->n] = x;
    p->at[p->n++] = at;
    return true;
}

/* The parts of y, which begins at `at`. */
static bool add_parts(Parts *p, Node *y, int64_t at)
{
    int axis = p->whole->attr->axes[0];
    if (y->op != OP_concat || y->attr->axes[0] != axis || (y != p->whole && y->kernel))
        return add_part(p, y, at);
    for (int i = 0; i < y->n_in; i++) {
        if (!add_parts(p, y->in[i], at))
            return false;
        at += y->in[i]->shape.dim[axis];
    }
    return true;
}

static bool find_parts(Parts *p)
{
    if (p->copy->kind != KERNEL_loop || p->copy->stores.n != 1)
        return false;
    p->whole = p->copy->stores.at[0];
    return p->whole->op == OP_concat && p->whole->attr->axes[0] != p->whole->shape.batch &&
           add_parts(p, p->whole, 0);
}

/* What the maker stores of a part once more. */
static Node *again(Graph *g, Parts *p, Node *x)
{
    g->loc = x->loc;
    g->role = x->role;
    g->what = x->what;
    Node *y = graph_add(g, OP_stop_gradient, 1, &x, NULL);
    y->kernel = p->maker;
    vec_push(g->program->ctx->arena, &p->maker->nodes, y);
    vec_push(g->program->ctx->arena, &p->maker->stores, y);
    vec_push(g->program->ctx->arena, &((Lowered *)p->maker->lowered)->members, y);
    return y;
}

static void join(Graph *g, Parts *p)
{
    for (int i = 0; i < p->n; i++) {
        Node *x = p->own[i] ? p->part[i] : again(g, p, p->part[i]);
        x->whole = p->whole;
        x->whole_axis = p->whole->attr->axes[0];
        x->whole_at = p->at[i];
    }
    for (int i = 0; i < p->copy->nodes.n; i++)
        vec_push(g->program->ctx->arena, &p->maker->nodes, p->copy->nodes.at[i]);
    p->whole->kernel = p->maker;
    kernel_remove(g, p->copy);
}

void pass_beside(Graph *g)
{
    for (int i = 0; i < g->kernels.n && !g->program->unfused; i++) {
        Parts p = {.g = g, .copy = g->kernels.at[i]};
        if (find_parts(&p)) {
            join(g, &p);
            i--;
        }
    }
}
