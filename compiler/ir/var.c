/* SPDX-License-Identifier: MIT */
/* var.c: the order in which a variable is kept, which pass layout chooses, beside the order it is
 * saved in. */
#include "ir.h"

Shape var_cut_shape(const Var *v)
{
    Shape s = v->shape;
    if (!v->cut)
        return s;
    for (int i = s.rank++; i > 1; i--)
        s.dim[i] = s.dim[i - 1];
    s.dim[0] = v->shape.dim[0] / v->cut;
    s.dim[1] = v->cut;
    return s;
}

Shape var_kept_shape(const Var *v)
{
    Shape cut = var_cut_shape(v), s = cut;
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = cut.dim[v->perm[i]];
    return s;
}

/* The saved position of the element that is at `kept` in kept order. */
static int64_t saved_position(const Var *v, int64_t kept)
{
    Shape s = var_cut_shape(v);
    int64_t at[RANK_MAX] = {0}, position = 0;
    for (int i = s.rank - 1; i >= 0; i--) {
        int64_t length = s.dim[v->perm[i]];
        at[v->perm[i]] = kept % length;
        kept /= length;
    }
    for (int i = 0; i < s.rank; i++)
        position = position * s.dim[i] + at[i];
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
