/* SPDX-License-Identifier: MIT */
/* effect.c: ops that write a variable. */
#include "impl.h"

#include <string.h>

/* --- assign: attr.var becomes a, after the step's last read of it ----------------------------- */

static bool assign_shape(Graph *g, Node *y)
{
    const Var *var = y->attr->var;
    char to[128], from[128];
    if (!var)
        return op_error(g, y, "names no variable");
    if (!op_wants_f32(g, y))
        return false;
    y->shape = var_kept_shape(var);
    if (!shape_equal(&y->in[0]->shape, &y->shape))
        return op_error(g, y, "'%s' of shape %s cannot become a tensor of shape %s", var->name,
                        shape_text(&y->shape, to), shape_text(&y->in[0]->shape, from));
    y->dtype = DT_f32;
    return true;
}

/* Gives the value; the interpreter stores it in the variable once nothing reads the old one. */
static void assign_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    memcpy(out->data, in[0].data, sizeof *out->data * (size_t)shape_count(&out->shape));
}

const OpImpl op_assign = {.attrs = ATTR_var, .shape = assign_shape, .eval = assign_eval};
