/* SPDX-License-Identifier: MIT */
/* var.c: the order in which a variable is kept, which pass layout chooses, beside the order it is
 * saved in. */
#include "ir.h"

Shape var_kept_shape(const Var *v)
{
    Shape s = v->shape;
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = v->shape.dim[v->perm[i]];
    return s;
}

/* The saved position of the element that is at `kept` in kept order. */
static int64_t saved_position(const Var *v, int64_t kept)
{
    int64_t at[RANK_MAX] = {0}, position = 0;
    for (int i = v->shape.rank - 1; i >= 0; i--) {
        int64_t length = v->shape.dim[v->perm[i]];
        at[v->perm[i]] = kept % length;
        kept /= length;
    }
    for (int i = 0; i < v->shape.rank; i++)
        position = position * v->shape.dim[i] + at[i];
    return position;
}

void var_to_kept(const Var *v, const double *saved, double *kept)
{
    for (int64_t i = 0, n = shape_count(&v->shape); i < n; i++)
        kept[i] = saved[saved_position(v, i)];
}

void var_to_saved(const Var *v, const double *kept, double *saved)
{
    for (int64_t i = 0, n = shape_count(&v->shape); i < n; i++)
        saved[saved_position(v, i)] = kept[i];
}
