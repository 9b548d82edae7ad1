/* SPDX-License-Identifier: MIT */
/* var.c: the order in which a variable is kept, which pass layout chooses, beside the order it is
 * saved in. */
#include "ir.h"

/* A value of kind VAR_carried has a row a sample, of which a smaller batch has the first. */
static Shape carried_shape(const Var *v)
{
    Shape s = v->shape;
    s.batch = 0;
    s.dim[0] = 1;
    return s;
}

bool var_decodes(const Var *v)
{
    return v->kind == VAR_cache || v->kind == VAR_memory;
}

void var_keep_as_saved(Var *v)
{
    v->view = (Shape){0};
    for (int i = 0; i < RANK_MAX; i++)
        v->perm[i] = i;
}

Shape var_view(const Var *v)
{
    return v->view.rank ? v->view : v->shape;
}

/* By axis of the view: the saved axis that it is a part of. */
static void parts_of(const Var *v, const Shape *view, int *of)
{
    int at = 0;
    for (int i = 0; i < v->shape.rank && at < view->rank; i++)
        for (int64_t length = 0; at < view->rank && length < v->shape.dim[i]; at++) {
            length = (length ? length : 1) * view->dim[at];
            of[at] = i;
        }
}

Shape var_kept_shape(const Var *v)
{
    Shape view = var_view(v), s = {.batch = -1};
    if (v->kind == VAR_carried)
        return carried_shape(v);
    int of[RANK_MAX] = {0};
    parts_of(v, &view, of);
    for (int i = 0; i < view.rank; i++) {
        if (i > 0 && of[v->perm[i]] == of[v->perm[i - 1]])
            s.dim[s.rank - 1] *= view.dim[v->perm[i]];
        else
            s.dim[s.rank++] = view.dim[v->perm[i]];
    }
    return s;
}

/* The saved position of the element that is at `kept` in kept order. */
static int64_t saved_position(const Var *v, int64_t kept)
{
    Shape s = var_view(v);
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

void var_to_kept(const Var *v, const double *saved, double *kept, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        kept[i] = saved[saved_position(v, i)];
}

void var_to_saved(const Var *v, const double *kept, double *saved, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        saved[saved_position(v, i)] = kept[i];
}
