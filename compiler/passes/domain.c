/* SPDX-License-Identifier: MIT */
/* domain.c: iteration spaces of kernels, and where in them a node stands. */
#include <string.h>

#include "../ops/ops.h"
#include "lower.h"

static bool reduced_axis(const Node *y, int axis)
{
    for (int i = 0; i < y->attr->n_axes; i++)
        if (y->attr->axes[i] == axis)
            return true;
    return false;
}

Domain domain_of(const Node *y)
{
    bool reduce = op_rows[y->op].cls == CLASS_REDUCE;
    const Shape *s = reduce ? &y->in[0]->shape : &y->shape;
    Domain d = {0};
    for (int axis = 0; axis < s->rank; axis++) {
        if (shape_unit(s, axis))
            continue;
        d.extent[d.n] = s->dim[axis];
        d.batch[d.n] = s->batch == axis;
        d.reduced[d.n] = reduce && reduced_axis(y, axis);
        d.n++;
    }
    return d;
}

bool domain_reduces(const Domain *d)
{
    for (int i = 0; i < d->n; i++)
        if (d->reduced[i])
            return true;
    return false;
}

/* Whether the axes of s that are longer than 1 are those of d (without the reduced ones, if
 * rows). */
static bool same_axes(const Domain *d, const Shape *s, bool rows)
{
    int i = 0;
    for (int axis = 0; axis < s->rank; axis++) {
        if (shape_unit(s, axis))
            continue;
        while (rows && i < d->n && d->reduced[i])
            i++;
        if (i == d->n || d->extent[i] != s->dim[axis] || d->batch[i] != (s->batch == axis))
            return false;
        i++;
    }
    while (rows && i < d->n && d->reduced[i])
        i++;
    return i == d->n;
}

Place domain_place(const Domain *d, const Shape *s)
{
    if (same_axes(d, s, false))
        return PLACE_full;
    return domain_reduces(d) && same_axes(d, s, true) ? PLACE_row : PLACE_none;
}

void domain_index(const Domain *d, const Shape *s, Place place, const Ix *loops, Ix *at)
{
    int i = 0;
    for (int axis = 0; axis < s->rank; axis++) {
        if (shape_unit(s, axis)) {
            at[axis] = ix_const(0);
            continue;
        }
        while (place == PLACE_row && d->reduced[i])
            i++;
        at[axis] = loops[i++];
    }
}

const char *const domain_axis[RANK_MAX] = {"i", "j", "k", "l", "m1", "m2", "m3", "m4"};

void domain_loops(IxSpace *space, const Domain *d, Ix *loops)
{
    for (int i = 0; i < d->n; i++)
        loops[i] = ix_loop(space, domain_axis[i],
                           d->batch[i] ? d->extent[i] * space->batch : d->extent[i]);
}

void domain_operand(IxSpace *space, const Ix *loops, const Node *y, int i, const Ix *at, Ix *out,
                    Guard *guards, int *n_guards)
{
    if (op_rows[y->op].cls != CLASS_REDUCE) {
        index_operand(space, y, i, at, out, guards, n_guards);
        return;
    }
    /* An axis that is longer than 1 and reduced is one of the domain's; others are where y is. */
    *n_guards = 0;
    const Shape *x = &y->in[0]->shape;
    int k = 0;
    for (int axis = 0; axis < x->rank; axis++) {
        if (shape_unit(x, axis)) {
            out[axis] = ix_const(0);
            continue;
        }
        out[axis] = reduced_axis(y, axis) ? loops[k] : at[axis];
        k++;
    }
}

bool node_multiplies(const Node *y)
{
    return op_rows[y->op].cls == CLASS_MAT;
}

bool node_reduces(const Node *y)
{
    if (op_rows[y->op].cls != CLASS_REDUCE)
        return false;
    Domain own = domain_of(y);
    return domain_reduces(&own);
}

int kernel_levels(const Kernel *k, int *level)
{
    int last = 0;
    for (int i = 0; i < k->nodes.n; i++) {
        const Node *y = k->nodes.at[i];
        int at = 0;
        for (int n = 0; n < y->n_in; n++)
            if (level[y->in[n]->id] > at)
                at = level[y->in[n]->id];
        level[y->id] = at + node_reduces(y);
        last = level[y->id] > last ? level[y->id] : last;
    }
    return last;
}

bool node_uniform(const Node *y)
{
    return y->uniform;
}

bool node_lies(const Node *y)
{
    return y->op == OP_input || y->op == OP_var || y->op == OP_scan_operand ||
           (y->op == OP_const && y->attr->data);
}

bool node_inlined(const Node *y)
{
    return y->op == OP_iota || op_draws(y) ||
           (y->op == OP_const && !y->attr->data) || op_rows[y->op].cls == CLASS_MOVE ||
           node_uniform(y);
}
