/* SPDX-License-Identifier: MIT */
/* split: splits reductions over the batch and other axes in two.
 *
 * needs   shapes, gradients built: which of several equal maxima is the first may be another after it
 * gives   no reduction over the batch axis and, at once, over another of more than one element
 * breaks  nothing
 *
 * The inner reduction works on one sample and becomes a row of a kernel; the outer one, over the
 * samples' results, is what depends on how many there are.
 */
#include "../ops/ops.h"
#include "passes.h"

static Node *split_reduction(Graph *g, Node *y, void *unused)
{
    (void)unused;
    if (op_rows[y->op].cls != CLASS_REDUCE)
        return y;
    const Shape *x = &y->in[0]->shape;
    int inner[RANK_MAX], n = 0;
    bool over_batch = false, several = false;
    for (int i = 0; i < y->attr->n_axes; i++) {
        int axis = y->attr->axes[i];
        if (axis == x->batch) {
            over_batch = true;
            continue;
        }
        several = several || x->dim[axis] > 1;
        inner[n++] = axis;
    }
    if (!over_batch || !several)
        return y;
    Node *of_sample = build_reduce_as(g, y, y->in[0], n, inner);
    return build_reduce_as(g, y, of_sample, 1, &x->batch);
}

void pass_split(Graph *g)
{
    graph_rewrite(g, split_reduction, NULL);
}
