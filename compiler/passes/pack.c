/* SPDX-License-Identifier: MIT */
/* pack: decides how each product runs, and does once what depends on the weights alone.
 *
 * needs   kernels in order, k->nodes
 * gives   the plan of every product; a kernel of its own (KERNEL_pack) in front of each product that wants a
 *         weight in another form, in panels of columns or transformed; kernel->kept
 * breaks  nothing
 *
 * In predict, eval and sample a kernel that reads weights alone gives the same from call to call. Those are kept: they
 * stand first, run only after a weight has changed, and what they store stays in the arena until then. In a body
 * what reads alone operands that all steps share is kept so, from step to step; and from call to call as well
 * where those operands are weights. */
#include "../ops/ops.h"
#include "lower.h"
#include "passes.h"

typedef struct Packing {
    Graph *g;
    Arena *arena;     /* the program's */
    Arena *scratch;   /* of the pass */
    bool *of_weights; /* by node id: depends on variables and constants alone */
    bool *is_root;    /* by node id */
} Packing;

/* In a body: an operand that every step reads whole. */
static bool is_same(const Graph *g, const Node *y)
{
    return y->op == OP_scan_operand && !scan_is_state(g, y) && !scan_is_slice(g, y);
}

/* Whether a leaf is the same in each call, but for training. */
static bool is_still(const Graph *g, const Node *y)
{
    if (y->op == OP_var)
        return y->attr->var->kind != VAR_carried;
    return y->op == OP_const || y->op == OP_iota || is_same(g, y);
}

static void find_weights(Packing *p)
{
    for (int i = 0; i < p->g->nodes.n; i++) {
        const Node *y = p->g->nodes.at[i];
        bool leaf = op_rows[y->op].cls == CLASS_LEAF || y->n_in == 0;
        bool still = !leaf || is_still(p->g, y);
        for (int k = 0; k < y->n_in; k++)
            still &= p->of_weights[y->in[k]->id];
        p->of_weights[i] = still && op_rows[y->op].cls != CLASS_EFFECT;
    }
    for (int i = 0; i < p->g->roots.n; i++)
        p->is_root[p->g->roots.at[i].node->id] = true;
}

/* Whether the function computes with weights that it does not change, and may be called again; or it is a
 * body, whose steps are many. */
static bool keeps(const Graph *g)
{
    return g->outer || g->fn == FN_predict || g->fn == FN_eval || g->fn == FN_sample;
}

/* One product of a stack would pack its own weight. */
static bool one_for_all(const Node *w)
{
    for (int axis = 0; axis < w->shape.rank - 2; axis++)
        if (!shape_unit(&w->shape, axis))
            return false;
    return true;
}

/* So many products of one weight that packing it is nothing. */
static bool is_stack(const Node *product)
{
    enum { MANY = 8 };
    return op_product(&product->shape, 0, product->shape.rank - 2) >= MANY;
}

/* What a kernel that goes over samples works in, apart for each. */
static int64_t samples_floats(const Graph *g, const Node *y)
{
    const OpImpl *op = op_impls[y->op];
    return op->work ? tile_samples(g, y->in[0]) * op->work(y) : 0;
}

bool product_plan(const Graph *g, Kernel *k)
{
    Lowered *low = k->lowered;
    switch (k->kind) {
    case KERNEL_matmul:
        low->plan = matmul_plan(g, k->product, low->gates,
                                low->kept || (low->weight && is_stack(k->product)));
        return low->weight && low->plan.pack_b;
    case KERNEL_conv:
        low->conv = conv_plan(g, k->product, low->kept);
        return low->weight && low->conv.other_floats > 0;
    case KERNEL_conv_weight: low->conv = conv_weight_plan(g, k->product); return false;
    case KERNEL_scatter: low->scatter = scatter_plan(g, k); return false;
    case KERNEL_attention_step: return false;
    case KERNEL_attention:
    case KERNEL_attention_grad: low->attention = attention_plan(g, k->product); return false;
    case KERNEL_samples: low->samples_floats = samples_floats(g, k->product); return false;
    default: return false;
    }
}

void product_floats(const Kernel *k, int64_t *weight, int64_t *others)
{
    const Lowered *low = k->lowered;
    *weight = *others = 0;
    if (k->kind == KERNEL_samples) {
        *others = low->samples_floats;
        return;
    }
    switch (k->product->op) {
    case OP_matmul:
        *weight = low->plan.b_floats;
        *others = low->plan.a_floats;
        break;
    case OP_scatter_add: *others = low->scatter.words; break;
    case OP_attention:
    case OP_attention_step:
    case OP_attention_grad: break;
    default:
        *weight = low->conv.other_floats;
        *others = low->conv.x_floats + low->conv.sum_floats;
        break;
    }
}

static bool plan_product(Packing *p, Kernel *k)
{
    Lowered *low = k->lowered;
    const Node *w = k->product->in[1];
    low->weight = p->of_weights[w->id] && (k->kind != KERNEL_matmul || one_for_all(w));
    low->kept = low->weight && keeps(p->g);
    return product_plan(p->g, k);
}

/* What is computed of y inside a kernel: y and below it what no kernel stores, operands first. */
static void add_inlined(Graph *g, Arena *arena, Kernel *k, Node *y)
{
    Arena *scratch = arena_new();
    bool *inside = arena_take(scratch, (size_t)g->nodes.n);
    inside[y->id] = true;
    for (int i = y->id; i >= 0; i--) {
        const Node *x = g->nodes.at[i];
        if (!inside[i] || op_rows[x->op].cls == CLASS_LEAF || x->kernel) {
            inside[i] = false;
            continue;
        }
        for (int n = 0; n < x->n_in; n++)
            inside[x->in[n]->id] = true;
    }
    for (int i = 0; i <= y->id; i++)
        if (inside[i])
            vec_push(arena, &k->nodes, g->nodes.at[i]);
    arena_free(scratch);
}

Kernel *product_packing(Graph *g, Arena *arena, Kernel *of)
{
    Kernel *k = arena_take(arena, sizeof *k);
    k->kind = KERNEL_pack;
    k->product = of->product;
    k->lowered = of->lowered;
    add_inlined(g, arena, k, of->product->in[1]);
    of->pack = k;
    return k;
}

static bool stores_of_weights(const Packing *p, const Kernel *k)
{
    for (int i = 0; i < k->stores.n; i++) {
        const Node *y = k->stores.at[i];
        if (!p->of_weights[y->id] || p->is_root[y->id] || (!p->g->outer && y->role != ROLE_forward))
            return false;
    }
    return !k->product || k->kind == KERNEL_matmul;
}

static bool is_kept(const Packing *p, const Kernel *k)
{
    if (!keeps(p->g))
        return false;
    return k->kind == KERNEL_pack ? p->g->outer || k->product->role == ROLE_forward
                                  : stores_of_weights(p, k);
}

/* Whether what a scan's body reads as x is no operand, or one that depends on weights of the function alone. */
static bool is_weight(const Packing *p, const Kernel *scan, const Node *x)
{
    return x->op != OP_scan_operand || p->of_weights[scan->scan->in[x->attr->part]->id];
}

static bool reads_weights(const Packing *p, const Kernel *scan, const Kernel *k)
{
    for (int i = 0; i < k->nodes.n; i++)
        for (int n = 0; n < k->nodes.at[i]->n_in; n++)
            if (!is_weight(p, scan, k->nodes.at[i]->in[n]))
                return false;
    return k->kind != KERNEL_pack || is_weight(p, scan, k->product->in[1]);
}

static bool keeps_first(const Packing *p, const Kernel *k)
{
    if (!k->scan || p->g->outer || !keeps(p->g))
        return false;
    const Graph *body = k->scan->attr->scan->body;
    int first = kernels_kept(body);
    for (int i = 0; i < first; i++)
        if (body->kernels.at[i]->scan || !reads_weights(p, k, body->kernels.at[i]))
            return false;
    return first > 0;
}

bool graph_keeps(const Graph *g)
{
    for (int i = 0; i < g->kernels.n; i++)
        if (g->kernels.at[i]->kept || g->kernels.at[i]->keeps_first)
            return true;
    return false;
}

int kernels_kept(const Graph *g)
{
    int n = 0;
    while (n < g->kernels.n && g->kernels.at[n]->kept)
        n++;
    return n;
}

void pass_pack(Graph *g)
{
    Packing p = {.g = g, .arena = g->program->ctx->arena, .scratch = arena_new()};
    p.of_weights = arena_take(p.scratch, (size_t)g->nodes.n + 1);
    p.is_root = arena_take(p.scratch, (size_t)g->nodes.n + 1);
    find_weights(&p);
    VEC(Kernel *) all = {0};
    for (int i = 0; i < g->kernels.n; i++) {
        Kernel *k = g->kernels.at[i];
        if (k->product && plan_product(&p, k))
            vec_push(p.scratch, &all, product_packing(g, p.arena, k));
        vec_push(p.scratch, &all, k);
    }
    g->kernels.n = 0;
    for (int i = 0; i < all.n; i++) {
        all.at[i]->kept = is_kept(&p, all.at[i]);
        all.at[i]->keeps_first = keeps_first(&p, all.at[i]);
        if (all.at[i]->kept)
            vec_push(p.arena, &g->kernels, all.at[i]);
    }
    for (int i = 0; i < all.n; i++)
        if (!all.at[i]->kept)
            vec_push(p.arena, &g->kernels, all.at[i]);
    for (int i = 0; i < g->kernels.n; i++)
        g->kernels.at[i]->id = i;
    arena_free(p.scratch);
}
