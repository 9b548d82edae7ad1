/* SPDX-License-Identifier: MIT */
/* attribute.c: what function attribute can explain: the scores of the first output, and by what: inputs, tokens,
 * layers.
 *
 * A probability is flat where the network is sure, so that its gradient says little: where the output is the
 * softmax, log_softmax or sigmoid of something, that is what is explained. */
#include "builder.h"

#include <string.h>

enum { MAPS_MAX = 64 /* of layers: the last */, FLOWS = 1, LISTED = 2 /* marks of nodes */ };

/* --- the scores ------------------------------------------------------------------------------- */

/* x of x - max(x), as build_softmax has it; else NULL. */
static Node *shifted(const Node *y)
{
    return y->op == OP_sub && y->in[1]->op == OP_stop_gradient &&
                   y->in[1]->in[0]->op == OP_reduce_max && y->in[1]->in[0]->in[0] == y->in[0]
               ? y->in[0]
               : NULL;
}

/* What y is the softmax, log_softmax or sigmoid of, else y. *axis: along which, else as it was. */
static Node *before_squash(Node *y, int *axis)
{
    Node *x = NULL;
    const Node *e = y->n_in ? y->in[0] : y;
    if (y->op == OP_sigmoid)
        return y->in[0];
    if (y->op == OP_div && e->op == OP_exp && y->in[1]->op == OP_reduce_sum && y->in[1]->in[0] == e)
        x = shifted(e->in[0]);
    else if (y->op == OP_sub && y->in[1]->op == OP_log)
        x = shifted(e);
    if (x)
        *axis = (x == e->in[0] ? e : e->in[0])->in[1]->in[0]->attr->axes[0];
    return x ? x : y;
}

/* [N, K] of an output: of [N, K, ...] and [N, T, K] the sums over the other axes. */
static Node *scores_of(Graph *g, Node *y)
{
    int rank = y->shape.rank, others[RANK_MAX], n = 0;
    int axis = rank == 3 ? 2 : 1;
    y = before_squash(y, &axis);
    for (int i = 1; i < rank; i++)
        if (i != axis)
            others[n++] = i;
    Shape flat = {.rank = 2, .batch = 0, .dim = {1, axis && axis < rank ? y->shape.dim[axis] : 1}};
    if (n)
        y = build_reduce(g, OP_reduce_sum, y, n, others);
    return rank == 2 ? y : build_reshape(g, y, &flat);
}

/* --- by what ---------------------------------------------------------------------------------- */

/* Marks the nodes through which gradients of y flow. */
static void mark_flow(const Graph *g, Node *y)
{
    for (int i = 0; i < g->nodes.n; i++)
        g->nodes.at[i]->mark = 0;
    y->mark = FLOWS;
    for (int i = g->nodes.n - 1; i >= 0; i--) { /* operands are made first */
        const Node *node = g->nodes.at[i];
        bool flows = node->mark && !(op_rows[node->op].flags & NOGRAD);
        for (int k = 0; flows && k < node->n_in; k++)
            if (node->in[k]->dtype == DT_f32 || node->in[k]->op == OP_scan)
                node->in[k]->mark = FLOWS;
    }
}

static bool name_taken(const Program *p, const char *name)
{
    for (int i = 0; i < p->inputs.n; i++)
        if (strcmp(p->inputs.at[i].name, name) == 0)
            return true;
    for (int i = 0; i < p->attributions.n; i++)
        if (strcmp(p->attributions.at[i].name, name) == 0)
            return true;
    return false;
}

/* Lists it under a name of C that is made of `prefix` and `base`. */
static Attribution *add(Builder *b, AttributeKind kind, const char *prefix, const char *base,
                        Node *node)
{
    Program *p = b->program;
    char *name = arena_format(b->ctx->arena, "%s%s", prefix, base);
    for (char *c = name; *c; c++)
        *c = *c == '.' ? '_' : *c;
    while (name_taken(p, name))
        name = arena_format(b->ctx->arena, "%s_", name);
    graph_root(b->g, ROOT_output, p->attributions.n, node);
    vec_push(b->ctx->arena, &p->attributions,
             ((Attribution){.kind = kind, .name = name, .input = -1}));
    return &p->attributions.at[p->attributions.n - 1];
}

/* The input whose tokens choose the rows that a gather takes, one row a token; or -1. */
static int tokens_of(const Program *p, const Node *y)
{
    if (y->op != OP_gather)
        return -1;
    const Node *index = y->in[1];
    while (index->op == OP_reshape)
        index = index->in[0];
    return index->op == OP_input && p->inputs.at[index->attr->input].classes > 0
               ? index->attr->input
               : -1;
}

/* The input of numbers that a node is, as numbers; or -1. */
static int numbers_of(const Node *y)
{
    const Node *leaf = y->op == OP_cast ? y->in[0] : y;
    return leaf->op == OP_input && y->dtype == DT_f32 ? leaf->attr->input : -1;
}

/* In the order of the inputs. */
static void add_inputs(Builder *b)
{
    const Graph *g = b->g;
    const Program *p = b->program;
    VEC(Node *) found = {0};
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        if (y->mark && (numbers_of(y) >= 0 || tokens_of(p, y) >= 0))
            vec_push(b->ctx->arena, &found, y);
    }
    for (int input = 0; input < p->inputs.n; input++) {
        const char *name = p->inputs.at[input].name;
        for (int i = 0; i < found.n; i++) {
            if (numbers_of(found.at[i]) == input) {
                add(b, ATTRIBUTE_input, "d_", name, found.at[i])->input = input;
            } else if (tokens_of(p, found.at[i]) == input) {
                add(b, ATTRIBUTE_tokens, "tokens_", name, found.at[i])->input = input;
                add(b, ATTRIBUTE_norms, "norms_", name, found.at[i])->input = input;
            }
        }
    }
}

/* --- layers ----------------------------------------------------------------------------------- */

static bool is_convolution(const Value *v)
{
    return v->kind && strncmp(v->kind, "conv", 4) == 0;
}

/* Whether a layer's value is maps, [N, C, H, W], of more than one place; none of a step of a loop. */
static bool has_maps(const Builder *b, const Value *v)
{
    const Node *y = v->node;
    return y && graph_has(b->g, y) && y->mark && y->dtype == DT_f32 && y->shape.rank == 4 &&
           y->shape.batch == 0 && y->shape.dim[0] == 1 && y->shape.dim[2] * y->shape.dim[3] > 1;
}

/* Convolutions, uses of blocks, and whatever has a name outside of blocks. */
static bool is_listed(const Builder *b, const Value *v)
{
    return has_maps(b, v) && v->path &&
           (is_convolution(v) || block_find(b->model, v->kind) || (v->named && !v->holder));
}

/* The last convolution, or the block that it stands in. */
static const Value *default_layer(Builder *b)
{
    const Value *last = NULL;
    for (int i = 0; i < b->all.n; i++)
        if (is_convolution(b->all.at[i]) && has_maps(b, b->all.at[i]))
            last = b->all.at[i];
    while (last && last->holder && is_listed(b, last->holder))
        last = last->holder;
    return last;
}

static void add_layers(Builder *b)
{
    const Value *standard = default_layer(b);
    VEC(const Value *) listed = {0};
    for (int i = 0; i < b->all.n; i++) {
        const Value *v = b->all.at[i];
        if (!is_listed(b, v) || v->node->mark == LISTED)
            continue;
        v->node->mark = LISTED; /* the value of a block is also that of its last layer */
        vec_push(b->ctx->arena, &listed, v);
    }
    for (int i = listed.n > MAPS_MAX ? listed.n - MAPS_MAX : 0; i < listed.n; i++) {
        const Value *v = listed.at[i];
        Attribution *a = add(b, ATTRIBUTE_layer, "cam_", v->path, v->node);
        a->layer = v->path;
        a->by_default = standard && v->node == standard->node;
    }
}

void attribute_roots(Builder *b, Node *output)
{
    Graph *g = b->g;
    b->program->attributions.n = 0;
    g->roots.n = 0;
    if (!output || b->ctx->diag.errors)
        return;
    g->role = ROLE_forward;
    g->loc = output->loc;
    g->what = "attribute";
    Node *scores = scores_of(g, output);
    add(b, ATTRIBUTE_scores, "", "scores", scores);
    mark_flow(g, scores);
    add_inputs(b);
    add_layers(b);
}
