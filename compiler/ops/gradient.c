/* SPDX-License-Identifier: MIT */
/* gradient.c: the gradient of the sum of one node by another, as the frontend asks for it. It has neither value nor
 * gradient of its own: pass gradients puts in its place the nodes that compute it. */
#include "impl.h"

static bool gradient_shape(Graph *g, Node *y)
{
    if (!op_wants_f32(g, y))
        return false;
    y->shape = y->in[1]->shape;
    y->dtype = DT_f32;
    return true;
}

const OpImpl op_gradient = {.shape = gradient_shape};
