/* SPDX-License-Identifier: MIT */
/* leaf.c: ops without operands: what a graph begins with. None has a gradient. */
#include "impl.h"

#include <math.h>
#include <string.h>

static void copy(Tensor *out, const double *from)
{
    memcpy(out->data, from, sizeof *from * (size_t)shape_count(&out->shape));
}

/* --- input: number attr.input ----------------------------------------------------------------- */

static bool input_shape(Graph *g, Node *y)
{
    const Program *p = g->program;
    if (y->attr->input < 0 || y->attr->input >= p->inputs.n)
        return op_error(g, y, "there is no input %d", y->attr->input);
    const Input *in = &p->inputs.at[y->attr->input];
    y->dtype = in->dtype;
    if (!fn_decodes(g->fn))
        y->shape = in->shape;
    else if (y->shape.rank != in->shape.rank || y->shape.batch >= 0)
        return op_error(g, y, "is not as many positions of one sample of input %d", y->attr->input);
    return true;
}

static void input_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)in;
    copy(out, run->inputs[y->attr->input]);
}

const OpImpl op_input = {
    .attrs = ATTR_input | ATTR_shape, .shape = input_shape, .eval = input_eval};

/* --- var: attr.var, as it was before the step ------------------------------------------------- */

static bool var_shape(Graph *g, Node *y)
{
    if (!y->attr->var)
        return op_error(g, y, "names no variable");
    y->shape = var_kept_shape(y->attr->var);
    y->dtype = DT_f32;
    return true;
}

static void var_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)in;
    var_to_kept(y->attr->var, run->vars[y->attr->var->id], out->data, shape_count(&out->shape));
}

const OpImpl op_var = {.attrs = ATTR_var, .shape = var_shape, .eval = var_eval};

/* --- updated: attr.var as player attr.part leaves it ------------------------------------------- */

/* A place for the value that pass optimizer builds: until then no number stands for it. */
static void updated_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    (void)in;
    (void)out;
    BUG("'%s' is not yet updated", y->attr->var->name);
}

const OpImpl op_updated = {.attrs = ATTR_var | ATTR_part, .shape = var_shape, .eval = updated_eval};

/* --- const: attr.value everywhere, or attr.data ----------------------------------------------- */

static bool const_shape(Graph *g, Node *y)
{
    y->dtype = DT_f32;
    if (y->attr->data && y->shape.batch >= 0)
        return op_error(g, y, "a table of numbers has no batch axis");
    return true;
}

static void const_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    (void)in;
    if (y->attr->data) {
        copy(out, y->attr->data);
        return;
    }
    int64_t n = shape_count(&out->shape);
    for (int64_t i = 0; i < n; i++)
        out->data[i] = y->attr->value;
}

const OpImpl op_const = {
    .attrs = ATTR_value | ATTR_data | ATTR_shape, .shape = const_shape, .eval = const_eval};

/* --- scalar: n, lr or step -------------------------------------------------------------------- */

static bool scalar_shape(Graph *g, Node *y)
{
    (void)g;
    y->shape = shape_scalar();
    y->dtype = DT_f32;
    return true;
}

static void scalar_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)in;
    switch (y->attr->scalar) {
    case SCALAR_n: out->data[0] = (double)run->n; break;
    case SCALAR_lr: out->data[0] = run->lr; break;
    case SCALAR_step: out->data[0] = (double)run->step; break;
    case SCALAR_at: out->data[0] = (double)run->at; break;
    case SCALAR_last: out->data[0] = (double)run->last; break;
    case SCALAR_chosen: out->data[0] = (double)run->chosen; break;
    case SCALAR_mix: out->data[0] = run->mix; break;
    }
}

const OpImpl op_scalar = {.attrs = ATTR_scalar, .shape = scalar_shape, .eval = scalar_eval};

/* --- iota: the index along attr.axes[0] ------------------------------------------------------- */

static bool iota_shape(Graph *g, Node *y)
{
    y->dtype = DT_f32;
    if (y->attr->axes[0] < 0 || y->attr->axes[0] >= y->shape.rank)
        return op_error(g, y, "axis %d is outside a tensor of %d axes", y->attr->axes[0],
                        y->shape.rank);
    return true;
}

static void iota_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    (void)in;
    int64_t at[RANK_MAX] = {0}, i = 0;
    do
        out->data[i++] = (double)at[y->attr->axes[0]];
    while (op_next(&out->shape, at));
}

const OpImpl op_iota = {.attrs = ATTR_axes | ATTR_shape, .shape = iota_shape, .eval = iota_eval};

/* --- random_uniform, random_normal: nnrt_rand.h's numbers of stream attr.stream ----------------
 * In a body they are others in each step. */

static bool random_shape(Graph *g, Node *y)
{
    (void)g;
    y->dtype = DT_f32;
    return true;
}

static void random_uniform_eval(const Node *y, const InterpInput *run, const Tensor *in,
                                Tensor *out)
{
    (void)in;
    nnrt_rand_key key = op_key(y, run);
    int64_t n = shape_count(&out->shape);
    for (int64_t i = 0; i < n; i++)
        out->data[i] = nnrt_rand_uniform(key, (uint64_t)i);
}

/* Box and Muller's formula in double, of the same bits. */
static void random_normal_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)in;
    nnrt_rand_key key = op_key(y, run);
    int64_t n = shape_count(&out->shape);
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = nnrt_rand_bits64(key, (uint64_t)i);
        double u = (double)((bits & 0xffffffff) >> 8) + 1, turn = (double)(bits >> 40);
        out->data[i] = sqrt(-2 * log(u * 0x1p-24)) * cos(turn * 0x1p-24 * 2 * M_PI);
    }
}

#define RANDOM(name)                                                                               \
    const OpImpl op_random_##name = {.attrs = ATTR_stream | ATTR_shape,                            \
                                     .shape = random_shape,                                        \
                                     .eval = random_##name##_eval,                                 \
                                     .c = "nnrt_rand_" #name}

RANDOM(uniform);
RANDOM(normal);
