/* SPDX-License-Identifier: MIT */
/* layers_upsample.c: images made larger by whole factors, one axis after the other. */
#include "rows.h"

#include <inttypes.h>

enum { BILINEAR_MAX = 4096 }; /* scale: there is a share of each neighbour for each */

/* [N, .., length, ..] as [N, .., length, 1, ..]: behind `axis`. */
static Node *with_phase(Graph *g, Node *x, int axis)
{
    return build_unsqueeze(g, x, axis + 1);
}

/* [N, .., length, scale, ..] as [N, .., length * scale, ..] */
static Node *side_by_side(Graph *g, Node *y, int axis)
{
    if (!y)
        return NULL;
    Shape shape = {.rank = y->shape.rank - 1, .batch = y->shape.batch};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = y->shape.dim[i + (i > axis)];
    shape.dim[axis] *= y->shape.dim[axis + 1];
    return build_reshape(g, y, &shape);
}

static Node *nearest(Graph *g, Node *x, int axis, int64_t scale)
{
    Node *y = with_phase(g, x, axis);
    if (!y)
        return NULL;
    Shape wide = y->shape;
    wide.dim[axis + 1] = scale;
    return side_by_side(g, build_expand(g, y, &wide), axis);
}

/* x moved by one position along the axis, to its end (forward) or its beginning; the position that
 * is left takes its neighbour's value, as PyTorch clamps at edges. */
static Node *moved(Graph *g, Node *x, int axis, bool forward)
{
    int64_t length = x->shape.dim[axis];
    Node *edge =
        forward ? build_slice(g, x, axis, 0, 1, 1) : build_slice(g, x, axis, length - 1, length, 1);
    if (length == 1)
        return edge;
    Node *rest =
        forward ? build_slice(g, x, axis, 0, length - 1, 1) : build_slice(g, x, axis, 1, length, 1);
    return build_concat(g, axis, 2, (Node *[]){forward ? edge : rest, forward ? rest : edge});
}

/* x times share[r] at phase r. */
static Node *shared_out(Graph *g, Node *x, int axis, int64_t scale, const double *share)
{
    Shape shape = {.rank = x ? x->shape.rank + 1 : 0, .batch = -1};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == axis + 1 ? scale : 1;
    Node *y = with_phase(g, x, axis);
    return y ? build_binary(g, OP_mul, y, build_data(g, &shape, share)) : NULL;
}

/* Position scale * i + r lies at i + f, f = (r + 0.5) / scale - 0.5: between x[i - 1] and x[i]
 * where f is below 0, else between x[i] and x[i + 1]. */
static Node *linear(Graph *g, Node *x, int axis, int64_t scale)
{
    if (!x || x->shape.dim[axis] == 1)
        return nearest(g, x, axis, scale);
    double *share[3];
    for (int k = 0; k < 3; k++)
        share[k] = arena_take(g->program->ctx->arena, sizeof **share * (size_t)scale);
    for (int64_t r = 0; r < scale; r++) {
        double f = ((double)r + 0.5) / (double)scale - 0.5;
        share[0][r] = f < 0 ? -f : 0;
        share[1][r] = f < 0 ? 1 + f : 1 - f;
        share[2][r] = f < 0 ? 0 : f;
    }
    Node *before = shared_out(g, moved(g, x, axis, true), axis, scale, share[0]);
    Node *here = shared_out(g, x, axis, scale, share[1]);
    Node *after = shared_out(g, moved(g, x, axis, false), axis, scale, share[2]);
    Node *sum = build_binary(g, OP_add, build_binary(g, OP_add, before, here), after);
    return side_by_side(g, sum, axis);
}

/* Whether the result's axes, and the shares of a bilinear one, are in range; reports. */
static bool check_scale(Call *c, const int64_t *scale, bool bilinear)
{
    const Shape *x = &c->in[0]->shape;
    for (int i = 0; i < 2; i++) {
        int64_t most = DIM_MAX / x->dim[2 + i];
        if (bilinear && most > BILINEAR_MAX)
            most = BILINEAR_MAX;
        if (scale[i] <= most)
            continue;
        diag_error(&c->ctx->diag, c->arg[0].loc,
                   "upsample2d: scale: %" PRId64 " is too large for axis %d, which is %" PRId64
                   " long; at most %" PRId64,
                   scale[i], 2 + i, x->dim[2 + i], most);
        return false;
    }
    return true;
}

static Node *upsample2d(Call *c)
{
    int64_t scale[SPATIAL_MAX];
    Node *x = spatial_operand(c, 2);
    bool bilinear = *c->arg[1].s == 'b';
    if (!x || !spatial_arg(c, 0, 2, 1, scale) || !check_scale(c, scale, bilinear))
        return NULL;
    for (int i = 0; i < 2; i++)
        if (scale[i] > 1)
            x = (bilinear ? linear : nearest)(c->g, x, 1 + i, scale[i]);
    return spatial_result(c->g, x);
}

const CallRow call_upsample2d = {
    .name = "upsample2d",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("scale", ints), WORDS("mode", "nearest", "nearest bilinear")},
    .build = upsample2d,
    .flags = CALL_layer | CALL_function,
    .text = "[N, C, H, W] to [N, C, scale H, scale W]; bilinear: centres of pixels aligned, not "
            "corners",
};
