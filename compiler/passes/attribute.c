/* SPDX-License-Identifier: MIT */
/* attribute.c: why a network gives what it does: gradients of one score by what it was made of.
 *
 * Simonyan, Vedaldi and Zisserman 2013 (the gradient by the input, "saliency"); Selvaraju and others 2017
 * (Grad-CAM). What is made of several calls, as integrated gradients are, is the caller's affair.
 */
#include "../ops/ops.h"
#include "passes.h"

/* 1 for the chosen score, 0 for the others: of the shape of the scores, [N, K]. */
static Node *choice(Graph *g, const Node *scores)
{
    Shape row = {.rank = 2, .batch = -1, .dim = {1, scores->shape.dim[1]}};
    Node *index = build_iota(g, &row, 1);
    Node *chosen = build_scalar(g, SCALAR_chosen);
    return build_expand(g, build_binary(g, OP_equal, index, chosen), &scores->shape);
}

/* Grad-CAM: relu(sum over channels of the mean gradient of a channel times the channel): [N, C, H, W] to
 * [N, H, W]. */
static Node *cam(Graph *g, Node *value, Node *gradient)
{
    const int space[] = {2, 3};
    int64_t channels = value->shape.dim[1], places = value->shape.dim[2] * value->shape.dim[3];
    Shape row = {.rank = 3, .batch = 0, .dim = {1, 1, channels}};
    Shape flat = {.rank = 3, .batch = 0, .dim = {1, channels, places}};
    Shape map = {.rank = 3, .batch = 0, .dim = {1, value->shape.dim[2], value->shape.dim[3]}};
    Node *weight = build_reshape(g, build_mean(g, gradient, 2, space), &row);
    Node *sum = build_matmul(g, weight, build_reshape(g, value, &flat));
    return build_reshape(g, build_unary(g, OP_relu, sum), &map);
}

/* The sum of a * b along the last axis, which goes. */
static Node *dot(Graph *g, Node *a, Node *b)
{
    int last = a->shape.rank - 1;
    Node *sum = build_reduce(g, OP_reduce_sum, build_binary(g, OP_mul, a, b), 1, &last);
    return build_squeeze(g, sum, 1, &last);
}

static Node *result(Graph *g, AttributeKind kind, Node *value, Node *gradient)
{
    switch (kind) {
    case ATTRIBUTE_scores: return value;
    case ATTRIBUTE_input: return gradient;
    case ATTRIBUTE_tokens: return dot(g, value, gradient);
    case ATTRIBUTE_norms: return build_unary(g, OP_sqrt, dot(g, gradient, gradient));
    case ATTRIBUTE_layer: return cam(g, value, gradient);
    }
    return NULL;
}

void attribute(Graph *g)
{
    const Program *p = g->program;
    Graph as = *g; /* what new nodes inherit, to be put back */
    Arena *scratch = arena_new();
    int n = p->attributions.n;
    Node **x = arena_take(scratch, sizeof *x * (size_t)n);
    Node **dx = arena_take(scratch, sizeof *dx * (size_t)n);
    for (int i = 0; i < n; i++)
        x[i] = graph_find_root(g, ROOT_output, i);
    g->role = ROLE_backward;
    g->loc = x[0]->loc;
    g->what = "attribute";
    Node *dy = choice(g, x[0]);
    autodiff_from(g, 1, x, &dy, n - 1, x + 1, dx + 1);
    g->roots.n = 0;
    for (int i = 0; i < n; i++) {
        g->role = ROLE_backward;
        g->loc = x[i]->loc;
        g->what = "attribute";
        int first = g->nodes.n;
        if (!dx[i])
            dx[i] = build_fill(g, &x[i]->shape, 0);
        graph_root(g, ROOT_output, i, result(g, p->attributions.at[i].kind, x[i], dx[i]));
        for (int k = first; k < g->nodes.n; k++)
            g->nodes.at[k]->name = p->attributions.at[i].name;
    }
    g->loc = as.loc;
    g->role = as.role;
    g->what = as.what;
    arena_free(scratch);
    graph_sort(g);
}
