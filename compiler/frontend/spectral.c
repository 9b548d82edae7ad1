/* SPDX-License-Identifier: MIT */
/* spectral.c: spectral_norm: a weight over its largest singular value (Miyato et al., "Spectral normalization for
 * generative adversarial networks", 2018), which power iteration follows from step to step.
 *
 * As torch.nn.utils.spectral_norm: `weight_orig` is what is trained, `weight_u` and `weight_v` are its singular
 * vectors so far. A call in training takes one iteration, from where the call before left them, and they count as
 * constants for gradients; at first they are drawn from the unit sphere.
 */
#include "rows.h"

static const double least = 1e-12; /* PyTorch's eps */

/* x over its 2-norm, a constant for differentiation. */
static Node *unit(Graph *g, Node *x)
{
    Node *norm = build_unary(g, OP_sqrt, rows_sum(g, build_binary(g, OP_mul, x, x)));
    norm = build_binary(g, OP_max, norm, build_const(g, least));
    return build_unary(g, OP_stop_gradient, build_binary(g, OP_div, x, norm));
}

/* Axis `rows` of w by all its others. */
static Node *as_matrix(Graph *g, Node *w, int rows)
{
    int perm[RANK_MAX] = {rows};
    for (int i = 0, n = 1; i < w->shape.rank; i++)
        if (i != rows)
            perm[n++] = i;
    const int64_t height = w->shape.dim[rows];
    const Shape shape = shape_of(2, (int64_t[]){height, shape_count(&w->shape) / height});
    return build_reshape(g, build_transpose(g, w, perm), &shape);
}

static Node *singular(Call *c, const char *name, int64_t length)
{
    const Shape shape = shape_of(1, &length);
    return call_buffer_as(c, name, &shape, (Init){INIT_orthogonal, 1, 0});
}

/* w over its largest singular value, as u and v have it. */
static Node *normalised(Call *c, Node *w, int rows)
{
    Graph *g = c->g;
    Node *matrix = as_matrix(g, w, rows);
    const int64_t height = matrix->shape.dim[0], width = matrix->shape.dim[1];
    const Shape row = shape_of(2, (int64_t[]){1, height}),
                column = shape_of(2, (int64_t[]){width, 1});
    const Shape scalar = shape_scalar();
    Node *keep_u = singular(c, "weight_u", height);
    Node *keep_v = keep_u ? singular(c, "weight_v", width) : NULL;
    if (!keep_v)
        return NULL;
    Node *u = build_reshape(g, call_latest(c, keep_u), &row);
    Node *v = build_reshape(g, call_latest(c, keep_v), &column);
    if (c->training)
        v = build_reshape(g, unit(g, build_matmul(g, u, matrix)), &column);
    Node *image = build_matmul(g, matrix, v);
    if (c->training) {
        u = build_reshape(g, unit(g, image), &row);
        call_become(c, keep_u, build_reshape(g, u, &keep_u->shape));
        call_become(c, keep_v, build_reshape(g, v, &keep_v->shape));
    }
    Node *largest = build_reshape(g, build_matmul(g, u, image), &scalar);
    return build_binary(g, OP_div, w, largest);
}

Node *call_matrix(Call *c, const Shape *shape, Init otherwise, int64_t fan_in, int64_t fan_out,
                  int rows)
{
    const char *original = "weight_orig";
    bool spectral = c->spectral;
    if (c->shared) {
        const char *full = arena_format(c->ctx->arena, "%s.%s", c->shared, original);
        spectral = program_find_var(c->g->program, full) != NULL;
    }
    Node *w = call_weight(c, spectral ? original : "weight", shape, otherwise, fan_in, fan_out);
    return w && spectral ? normalised(c, w, rows) : w;
}
