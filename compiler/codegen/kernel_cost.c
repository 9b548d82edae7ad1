/* SPDX-License-Identifier: MIT */
/* kernel_cost.c: the operations and bytes of a kernel, and whether they are worth more than one thread. */
#include <math.h>

#include "kernel_emit.h"

/* Operations below which a kernel runs on one thread: a barrier costs about as much. */
enum { SHARE_OPS = 60000 };

/* Multiply-adds, with n samples. */
static double product_terms(const Node *y, int64_t n)
{
    const Shape *a = &y->in[0]->shape;
    if (y->op == OP_conv) /* each number of the result: a weight's taps and channels */
        return (double)shape_elements(&y->shape, n) *
               (double)op_product(&y->in[1]->shape, 0, a->rank - 1);
    if (y->op == OP_conv_weight)
        return (double)shape_elements(&y->in[1]->shape, n) *
               (double)op_product(&y->shape, 0, a->rank - 1);
    double inner = (double)a->dim[a->rank - 1] * (a->batch == a->rank - 1 ? (double)n : 1);
    return inner * (double)shape_elements(&y->shape, n);
}

static double samples_of(const Node *y, int64_t n)
{
    return (double)y->shape.dim[0] * (y->shape.batch == 0 ? (double)n : 1);
}

/* A product a pair of a query and a key that it may see, of so many numbers. */
static double attention_terms(const Node *y, int64_t n)
{
    AttentionSizes s = attention_sizes(y);
    double pairs = (double)(s.queries * s.keys) * (s.causal ? 0.5 : 1);
    double products = y->op == OP_attention ? 2 : 5;
    return products * pairs * (double)(s.heads * s.dim) * samples_of(y, n);
}

static double node_flops(const Node *y, int64_t n)
{
    switch (op_rows[y->op].cls) {
    case CLASS_EW:
        return (double)shape_elements(&y->shape, n) *
               (op_impls[y->op]->flops ? op_impls[y->op]->flops : 1);
    case CLASS_REDUCE: return (double)shape_elements(&y->in[0]->shape, n);
    case CLASS_MAT:
        if (op_rows[y->op].flags & BY_SAMPLE)
            return op_impls[y->op]->cost(y) * samples_of(y, n);
        if (y->op == OP_scatter_add)
            return (double)shape_elements(&y->in[0]->shape, n);
        if (y->op == OP_attention_step) /* with caches half full */
            return 2 * (double)(shape_count(&y->shape) * attention_room(y));
        return 2 * (y->op == OP_attention || y->op == OP_attention_grad ? attention_terms(y, n)
                                                                        : product_terms(y, n));
    default: return 0;
    }
}

static void add_bytes(Kernel *k, const Buffer *b)
{
    k->bytes += (double)b->bytes;
    if (b->shape.batch < 0)
        k->fixed_bytes += (double)b->bytes;
}

/* Bytes that the kernel takes of a table by index with n samples; -1: something reads it as a whole. */
static double bytes_of_rows(const Graph *g, const Kernel *k, const Buffer *b, int64_t n)
{
    double bytes = 0;
    for (int i = 0; i < k->nodes.n; i++) {
        const Node *y = k->nodes.at[i];
        for (int j = 0; j < y->n_in; j++) {
            if (node_buffer(g, y->in[j]) != b)
                continue;
            if (y->op != OP_gather || j != 0)
                return -1;
            bytes += (double)shape_elements(&y->shape, n) * sizeof(float);
        }
    }
    return bytes;
}

static void add_read(const Graph *g, Kernel *k, const Buffer *b)
{
    double rows = bytes_of_rows(g, k, b, g->program->train.batch);
    if (rows <= 0 || rows >= (double)b->bytes) {
        add_bytes(k, b);
        return;
    }
    k->bytes += rows;
    k->fixed_bytes += bytes_of_rows(g, k, b, 0);
}

/* What the kernels of a scan's body cost in all steps. */
static void add_steps(Kernel *k)
{
    const Scan *s = k->scan->attr->scan;
    int once = kernels_kept(s->body);
    for (int i = 0; i < s->body->kernels.n; i++) {
        const Kernel *child = s->body->kernels.at[i];
        double times = i < once ? 1 : (double)s->length;
        k->flops += times * child->flops;
        k->bytes += times * child->bytes;
        k->fixed_flops += times * child->fixed_flops;
        k->fixed_bytes += times * child->fixed_bytes;
    }
}

void kernel_cost(const Graph *g, Kernel *k)
{
    int64_t batch = g->program->train.batch;
    k->flops = k->bytes = k->fixed_flops = k->fixed_bytes = 0;
    if (k->scan) {
        add_steps(k);
        return;
    }
    for (int i = 0; i < k->nodes.n; i++) {
        k->flops += node_flops(k->nodes.at[i], batch);
        k->fixed_flops += node_flops(k->nodes.at[i], 0);
    }
    for (int i = 0; i < k->reads.n; i++)
        add_read(g, k, k->reads.at[i]);
    for (int i = 0; i < k->writes.n; i++)
        add_bytes(k, k->writes.at[i]);
    const ScatterPlan *rows = &((const Lowered *)k->lowered)->scatter;
    if (k->kind == KERNEL_scatter && rows->sparse && rows->positions < k->product->shape.dim[0]) {
        double share = (double)rows->positions / (double)k->product->shape.dim[0];
        k->flops *= share; /* of the table's rows as many as there are positions at most */
        k->bytes *= share;
        k->fixed_flops = k->fixed_bytes = 0;
    }
}

static double least_shared(const Program *p)
{
    return p->share_ops > 0 ? p->share_ops : SHARE_OPS;
}

bool kernel_is_shared(const Program *p, const Kernel *k)
{
    const Graph *body = k->scan ? k->scan->attr->scan->body : NULL;
    for (int i = 0; body && i < body->kernels.n; i++)
        if (body->kernels.at[i]->shared)
            return true;
    if (body)
        return false;
    const Domain *d = &((const Lowered *)k->lowered)->domain;
    bool rows = k->product != NULL;
    for (int i = 0; i < d->n; i++)
        rows |= !d->reduced[i];
    return p->target->threads && rows && k->flops + k->bytes / 4 >= least_shared(p);
}

int64_t kernel_shared_from(const Program *p, const Kernel *k)
{
    double fixed = k->fixed_flops + k->fixed_bytes / 4, all = k->flops + k->bytes / 4;
    if (fixed >= least_shared(p) || all <= fixed)
        return 1;
    double from = ceil((least_shared(p) - fixed) / (all - fixed) * (double)p->train.batch);
    return from > 1 ? (int64_t)from : 1;
}
