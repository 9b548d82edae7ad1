/* SPDX-License-Identifier: MIT */
/* memory: gives each buffer its place in the arena.
 *
 * needs   kernels in order, k->nodes
 * gives   g->plan: buffers with names, lifetimes and offsets, the scratch part's exact size; reads and writes
 *         of every kernel; var->offset, program->vars_bytes
 * breaks  nothing
 *
 * A value lives from the kernel that stores it to the last that reads it. Buffers are placed
 * largest first, each in the lowest gap that is free for as long as it lives (greedy by size:
 * Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
 * Variables lie one after the other, in the order of the program's table, in a part of their own
 * that all functions share; caches in another, which no fork shares. */
#include <stdlib.h>
#include <string.h>

#include "../ops/ops.h"
#include "lower.h"
#include "passes.h"

enum { ALIGN = 64, DEPTH_MAX = 200 };

typedef struct Memory {
    Graph *g;
    Arena *arena; /* the program's */
    Plan *plan;
    Map names;
    Map next; /* text to the number that its next name tries first (int *) */
    Buffer **of_var;
    Arena *scratch; /* of the pass */
    IxSpace space;  /* of the store that is being looked at */
    int *seen;      /* by node id: stamp of the last walk that found it where it stands */
    int stamp;
} Memory;

static int64_t round_up(int64_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static int64_t item_bytes(DType t)
{
    return t == DT_u8 ? 1 : 4;
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *unique_name(Memory *m, const char *prefix, const char *base, const char *suffix)
{
    char *text = arena_format(m->arena, "%s%s%s", prefix, base, suffix);
    for (char *c = text; *c; c++)
        if (*c == '.')
            *c = '_';
    const char *name = c_name(m->arena, text);
    int *next = map_get(&m->next, text);
    if (!next) {
        next = arena_take(m->scratch, sizeof *next);
        *next = 2;
        map_set(&m->next, text, next);
    }
    while (map_get(&m->names, name))
        name = arena_format(m->arena, "%s_%d", text, (*next)++);
    map_set(&m->names, name, m);
    return name;
}

static const char *node_name(Memory *m, const Node *y)
{
    bool backward = y->role == ROLE_backward;
    const char *base = y->name ? y->name : y->what ? y->what : op_rows[y->op].name;
    return unique_name(m, backward ? "d_" : "", base,
                       y->name                  ? ""
                       : y->op == OP_reduce_sum ? "_sum"
                                                : "");
}

/* --- buffers ---------------------------------------------------------------------------------- */

static Buffer *new_buffer(Memory *m, BufferKind kind, int index, const char *name, DType dtype,
                          const Shape *shape)
{
    Buffer *b = arena_take(m->arena, sizeof *b);
    *b = (Buffer){.kind = kind,
                  .index = index,
                  .id = m->plan->buffers.n,
                  .name = name,
                  .dtype = dtype,
                  .shape = *shape,
                  .first = m->g->kernels.n,
                  .last = -1};
    for (int i = 0; i < RANK_MAX; i++)
        b->perm[i] = i;
    b->bytes = round_up(shape_elements(shape, m->g->program->train.batch) * item_bytes(dtype));
    vec_push(m->arena, &m->plan->buffers, b);
    return b;
}

static Buffer *var_buffer(Memory *m, Var *v)
{
    if (m->of_var[v->id])
        return m->of_var[v->id];
    /* The graph's var nodes have the kept shape, so in it the axes are in order. */
    Shape kept = var_kept_shape(v);
    Buffer *b = new_buffer(m, BUF_var, v->id, unique_name(m, "", v->name, ""), DT_f32, &kept);
    b->var = v;
    m->of_var[v->id] = b;
    return b;
}

/* Bytes before a gradient in what NAME_grad fills: trained weights, then float inputs, packed. */
static int64_t grads_offset(const Program *p, int index)
{
    int64_t bytes = 0;
    for (int i = 0; i < p->vars.n && i < index; i++)
        if (p->vars.at[i]->kind == VAR_weight && !p->vars.at[i]->frozen)
            bytes += 4 * shape_count(&p->vars.at[i]->shape);
    for (int i = p->vars.n; i < index; i++)
        if (p->inputs.at[i - p->vars.n].dtype == DT_f32)
            bytes += 4 * shape_elements(&p->inputs.at[i - p->vars.n].shape, p->train.batch);
    return bytes;
}

static void touch(Buffer *b, int position)
{
    b->first = position < b->first ? position : b->first;
    b->last = position > b->last ? position : b->last;
}

static Buffer *root_buffer(Memory *m, const Root *r, Node *y)
{
    Buffer *b = NULL;
    if (r->kind == ROOT_output) {
        const char *name = graph_output_name(m->g, r->index);
        b = new_buffer(m, BUF_output, r->index, unique_name(m, "", name, ""), y->dtype, &y->shape);
    } else if (r->kind == ROOT_grad) {
        b = new_buffer(m, BUF_grads, r->index, node_name(m, y), y->dtype, &y->shape);
        b->offset = grads_offset(m->g->program, r->index);
    } else if (r->kind == ROOT_assign) {
        b = var_buffer(m, y->attr->var);
    } else if (r->kind == ROOT_step) {
        b = new_buffer(m, BUF_step, r->index, node_name(m, y), y->dtype, &y->shape);
    } else if (r->kind == ROOT_next && !scan_is_stacked(m->g->scan, r->index)) {
        b = new_buffer(m, BUF_next, r->index, node_name(m, y), y->dtype, &y->shape);
        m->plan->turn[r->index] =
            new_buffer(m, BUF_scratch, -1, node_name(m, y), y->dtype, &y->shape);
        touch(m->plan->turn[r->index], 0);
        touch(m->plan->turn[r->index], m->g->kernels.n);
    }
    return b;
}

static Buffer *leaf_buffer(Memory *m, Node *y)
{
    if (y->op == OP_var)
        return var_buffer(m, y->attr->var);
    if (y->op == OP_const)
        return new_buffer(m, BUF_data, y->id,
                          unique_name(m, "", y->what ? y->what : "data", "_data"), y->dtype,
                          &y->shape);
    BufferKind kind = y->op == OP_input ? BUF_input : BUF_operand;
    int index = y->op == OP_input ? y->attr->input : y->attr->part;
    for (int i = 0; i < m->plan->buffers.n; i++) {
        Buffer *b = m->plan->buffers.at[i];
        if (b->kind == kind && b->index == index)
            return b;
    }
    if (kind == BUF_operand)
        return new_buffer(m, kind, index, node_name(m, y), y->dtype, &y->shape);
    const char *name = m->g->program->inputs.at[y->attr->input].name;
    return new_buffer(m, BUF_input, y->attr->input, unique_name(m, "", name, ""), y->dtype,
                      &y->shape);
}

static void make_buffers(Memory *m)
{
    Graph *g = m->g;
    Buffer **of = m->plan->of_node;
    /* First names that the caller knows: those of the function's parameters. */
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_input)
            of[i] = leaf_buffer(m, g->nodes.at[i]);
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_output)
            of[g->roots.at[i].node->id] = root_buffer(m, &g->roots.at[i], g->roots.at[i].node);
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        if (node_lies(y))
            of[i] = leaf_buffer(m, y);
        if (of[i] && !of[i]->node)
            of[i]->node = y;
    }
    for (int i = 0; i < g->roots.n; i++) {
        Node *y = g->roots.at[i].node;
        if (!of[y->id])
            of[y->id] = root_buffer(m, &g->roots.at[i], y);
        if (of[y->id] && !of[y->id]->node)
            of[y->id]->node = y;
    }
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        if (!y->kernel || of[i])
            continue;
        of[i] = new_buffer(m, BUF_scratch, -1, node_name(m, y), y->dtype, &y->shape);
        of[i]->node = y;
    }
    for (int i = 0; i < g->nodes.n; i++)
        if (of[i] && g->nodes.at[i]->whole)
            of[i]->over = of[g->nodes.at[i]->whole->id];
}

/* --- lifetimes -------------------------------------------------------------------------------- */

static void add_once(Arena *arena, Kernel *k, Buffer *b, bool write)
{
    for (int i = 0; i < (write ? k->writes.n : k->reads.n); i++)
        if ((write ? k->writes.at[i] : k->reads.at[i]) == b)
            return;
    if (write)
        vec_push(arena, &k->writes, b);
    else
        vec_push(arena, &k->reads, b);
}

/* Memory of so many floats that no node has; none of 0. */
static Buffer *packed_buffer(Memory *m, int64_t floats)
{
    if (floats == 0)
        return NULL;
    Shape s = shape_of(1, &floats);
    return new_buffer(m, BUF_scratch, -1, unique_name(m, "", "packed", ""), DT_f32, &s);
}

/* What kernel p packs, for itself or for the product whose kernel it is. */
static void add_packed(Memory *m, Kernel *k, int p)
{
    int64_t weight, others;
    product_floats(k, &weight, &others);
    k->workspace = NULL;
    if (k->kind == KERNEL_pack) {
        k->packed = packed_buffer(m, weight);
        touch(k->packed, p);
        add_once(m->arena, k, k->packed, true);
        return;
    }
    if (k->pack) {
        k->packed = k->pack->packed;
        touch(k->packed, p);
        add_once(m->arena, k, k->packed, false);
    }
    k->workspace = packed_buffer(m, k->pack ? others : weight + others);
    if (k->workspace)
        touch(k->workspace, p);
}

/* What the steps of a scan work in; where something there is kept, from call to call. */
static void add_scratch(Memory *m, Kernel *k, int p)
{
    k->workspace = packed_buffer(m, k->scan->attr->scan->body->plan->scratch_bytes / 4);
    if (k->workspace)
        touch(k->workspace, p);
    if (k->workspace && k->keeps_first) {
        touch(k->workspace, 0);
        touch(k->workspace, m->g->kernels.n);
    }
}

/* What a kernel that is kept stores lives from the first kernel of one call to the last of another. */
static void keep(const Graph *g, const Kernel *k)
{
    for (int i = 0; i < k->writes.n; i++) {
        touch(k->writes.at[i], 0);
        touch(k->writes.at[i], g->kernels.n);
    }
}

static void find_lifetimes(Memory *m)
{
    Graph *g = m->g;
    Buffer **of = m->plan->of_node;
    for (int p = 0; p < g->kernels.n; p++) {
        Kernel *k = g->kernels.at[p];
        k->reads.n = k->writes.n = 0;
        for (int i = 0; i < k->nodes.n; i++) {
            Node *y = k->nodes.at[i];
            for (int n = 0; n < y->n_in; n++) {
                Node *x = y->in[n];
                if (of[x->id] && x->kernel != k) {
                    touch(of[x->id], p);
                    add_once(m->arena, k, of[x->id], false);
                }
            }
            if (y->kernel == k && !y->whole) {
                touch(of[y->id], p);
                add_once(m->arena, k, of[y->id], true);
            }
        }
        if (k->product)
            add_packed(m, k, p);
        if (k->scan)
            add_scratch(m, k, p);
        if (k->kept)
            keep(g, k);
    }
    /* What the step function reads after the last kernel. */
    for (int i = 0; i < g->roots.n; i++)
        if (root_is_result(g->roots.at[i].kind))
            touch(of[g->roots.at[i].node->id], g->kernels.n);
}

/* --- in place --------------------------------------------------------------------------------- */

typedef struct InPlace {
    Memory *m;
    const Kernel *k;
    Ix loops[RANK_MAX];
    const Node *x; /* read only where it stands? */
} InPlace;

static bool stands(const InPlace *c, const Node *y, const Ix *at)
{
    const Domain *d = &((const Lowered *)c->k->lowered)->domain;
    Ix own[RANK_MAX];
    if (domain_place(d, &y->shape) != PLACE_full)
        return false;
    domain_index(d, &y->shape, PLACE_full, c->loops, own);
    for (int i = 0; i < y->shape.rank; i++)
        if (!ix_equal(&at[i], &own[i]))
            return false;
    return true;
}

/* Whether everything below y, itself at `at`, reads c->x only where it stands. */
static bool in_place_below(InPlace *c, const Node *y, const Ix *at, int depth)
{
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        Ix operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n;
        if (x->uniform || op_rows[x->op].cls == CLASS_LEAF)
            continue;
        domain_operand(&c->m->space, c->loops, y, i, at, operand, guards, &n);
        if (x == c->x) {
            if (n || !stands(c, x, operand))
                return false;
            continue;
        }
        if (x->kernel && x->kernel != c->k)
            continue;
        bool here = stands(c, x, operand);
        if (here && c->m->seen[x->id] == c->m->stamp)
            continue;
        if (here)
            c->m->seen[x->id] = c->m->stamp;
        if (node_multiplies(x))
            continue; /* product_reads looks below it */
        if (depth > DEPTH_MAX || !in_place_below(c, x, operand, depth + 1))
            return false;
    }
    return true;
}

/* Whether a product of the kernel reads x, through whatever is inlined there. */
static bool product_reads(const Kernel *k, const Node *y, const Node *x, int depth)
{
    if (y == x || depth > DEPTH_MAX)
        return true;
    if (op_rows[y->op].cls == CLASS_LEAF || (y->kernel && y->kernel != k))
        return false;
    for (int i = 0; i < y->n_in; i++)
        if (product_reads(k, y->in[i], x, depth + 1))
            return true;
    return false;
}

static bool read_in_place(Memory *m, const Kernel *k, const Node *x)
{
    const Lowered *low = k->lowered;
    for (int i = 0; k->product && i < k->product->n_in; i++)
        if (product_reads(k, k->product->in[i], x, 0))
            return false;
    InPlace c = {.m = m, .k = k, .x = x};
    m->stamp++;
    m->space.atoms.n = 0;
    domain_loops(&m->space, &low->domain, c.loops);
    bool good = true;
    for (int i = 0; good && i < k->stores.n; i++) {
        Ix at[RANK_MAX];
        const Node *s = k->stores.at[i];
        domain_index(&low->domain, &s->shape, domain_place(&low->domain, &s->shape), c.loops, at);
        good = in_place_below(&c, s, at, 0);
    }
    return good;
}

static Buffer *root_of(Buffer *b)
{
    while (b->over)
        b = b->over;
    return b;
}

/* A buffer that dies in kernel k, where each element is read only to compute that of y. */
static Buffer *dying(Memory *m, const Kernel *k, const Node *y)
{
    for (int i = 0; i < k->reads.n; i++) {
        Buffer *b = k->reads.at[i], *root = root_of(b);
        if (b->kind == BUF_scratch && b->node && root->last == k->id && root->first < k->id &&
            b->dtype == y->dtype && root->bytes == m->plan->of_node[y->id]->bytes &&
            read_in_place(m, k, b->node))
            return root;
    }
    return NULL;
}

/* Lays a store over an operand that it is the last to read. In a kernel of several stages only
 * what the last stage stores, since earlier ones are read again. */
static void lay_over(Memory *m)
{
    Graph *g = m->g;
    int *level = arena_take(m->scratch, sizeof *level * (size_t)(g->nodes.n + 1));
    for (int p = 0; p < g->kernels.n; p++) {
        Kernel *k = g->kernels.at[p];
        int last = kernel_levels(k, level);
        for (int i = 0; i < k->stores.n && !k->scan; i++) {
            Node *y = k->stores.at[i];
            Buffer *b = m->plan->of_node[y->id];
            const Domain *d = &((const Lowered *)k->lowered)->domain;
            if (b->kind != BUF_scratch || b->over || level[y->id] != last ||
                domain_place(d, &y->shape) != PLACE_full)
                continue;
            Buffer *under = dying(m, k, y);
            if (!under)
                continue;
            b->over = under;
            under->last = b->last;
        }
        for (int i = 0; i < k->nodes.n; i++)
            level[k->nodes.at[i]->id] = 0;
    }
}

/* --- places ----------------------------------------------------------------------------------- */

static bool overlap_in_time(const Buffer *a, const Buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset where b fits among those already placed, which are in order of offset. */
static int64_t lowest_gap(Buffer *const *placed, int n, const Buffer *b)
{
    int64_t at = 0;
    for (int i = 0; i < n && placed[i]->offset < at + b->bytes; i++) {
        int64_t end = placed[i]->offset + placed[i]->bytes;
        if (end > at && overlap_in_time(placed[i], b))
            at = end;
    }
    return at;
}

/* The largest first; of equal ones that with the lower id. */
static int by_size(const void *a, const void *b)
{
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : x->id - y->id;
}

static void place_scratch(Memory *m)
{
    size_t most = (size_t)m->plan->buffers.n + 1;
    Buffer **pending = arena_take(m->scratch, sizeof(Buffer *) * most);
    Buffer **placed = arena_take(m->scratch, sizeof(Buffer *) * most);
    int n = 0;
    for (int i = 0; i < m->plan->buffers.n; i++) {
        Buffer *b = m->plan->buffers.at[i];
        if (b->kind == BUF_scratch && !b->over)
            pending[n++] = b;
    }
    qsort(pending, (size_t)n, sizeof(Buffer *), by_size);
    for (int i = 0; i < n; i++) {
        Buffer *b = pending[i];
        int at = i;
        b->offset = lowest_gap(placed, i, b);
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = b;
        if (b->offset + b->bytes > m->plan->scratch_bytes)
            m->plan->scratch_bytes = b->offset + b->bytes;
    }
    for (int i = 0; i < m->plan->buffers.n; i++) {
        Buffer *b = m->plan->buffers.at[i];
        if (b->over)
            b->offset = root_of(b)->offset;
    }
}

static void place_vars(Program *p)
{
    p->vars_bytes = p->cache_bytes = p->memory_bytes = 0;
    for (int i = 0; i < p->vars.n; i++) {
        VarKind kind = p->vars.at[i]->kind;
        int64_t *bytes = kind == VAR_cache    ? &p->cache_bytes
                         : kind == VAR_memory ? &p->memory_bytes
                                              : &p->vars_bytes;
        p->vars.at[i]->offset = *bytes;
        *bytes += round_up(4 * shape_count(&p->vars.at[i]->shape));
    }
}

Buffer *node_buffer(const Graph *g, const Node *y)
{
    return g->plan->of_node[y->id];
}

void pass_memory(Graph *g)
{
    Arena *scratch = arena_new();
    Memory m = {.g = g,
                .arena = g->program->ctx->arena,
                .scratch = scratch,
                .space = ix_space(scratch, g->program->train.batch)};
    m.seen = arena_take(scratch, sizeof *m.seen * (size_t)(g->nodes.n + 1));
    g->plan = m.plan = arena_take(m.arena, sizeof *m.plan);
    m.plan->of_node = arena_take(m.arena, sizeof *m.plan->of_node * (size_t)(g->nodes.n + 1));
    if (g->scan)
        m.plan->turn = arena_take(m.arena, sizeof(Buffer *) * (size_t)(g->scan->n_states + 1));
    m.of_var = arena_take(m.arena, sizeof *m.of_var * (size_t)(g->program->vars.n + 1));
    m.names = map_new(scratch);
    m.next = map_new(scratch);
    make_buffers(&m);
    find_lifetimes(&m);
    if (!g->program->unfused)
        lay_over(&m);
    place_scratch(&m);
    place_vars(g->program);
    arena_free(scratch);
}
