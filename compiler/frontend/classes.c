/* SPDX-License-Identifier: MIT */
/* classes.c: class indices against logits, for losses and metrics: which axis holds the classes,
 * and which element of it an index means. Nothing is gathered: an index is compared with every
 * position, in the loop that reads the logits anyway.
 */
#include "builder.h"
#include "rows.h"

#include <string.h>

enum { INDEX_MAX = 1 << 24 }; /* f32 holds every whole number up to here */

/* logits without `axis` */
static Shape without(const Shape *logits, int axis)
{
    Shape rest = {.rank = logits->rank - 1, .batch = logits->batch - (logits->batch > axis)};
    for (int i = 0; i < rest.rank; i++)
        rest.dim[i] = logits->dim[i + (i >= axis)];
    return rest;
}

/* Operand 1 as integers, before a conversion to f32 (inputs of integers that are not classes are
 * given so); NULL: it is none. */
static Node *as_integers(const Call *c)
{
    Node *x = c->in[1];
    while (x->op == OP_cast && x->dtype == DT_f32)
        x = x->in[0];
    return x->dtype == DT_f32 ? NULL : x;
}

Node *classes_integers(Call *c)
{
    Node *x = as_integers(c);
    if (x)
        return x;
    diag_error(&c->ctx->diag, c->loc, "%s: class indices are integers: give their input 'classes'",
               c->row->name);
    rows_notes(c);
    return NULL;
}

const MixedClasses *mixed_find(const Builder *b, const Node *own)
{
    for (int i = 0; i < b->mixed.n; i++)
        if (b->mixed.at[i].own == own)
            return &b->mixed.at[i];
    return NULL;
}

static bool fits(const Call *c, int axis)
{
    const Shape *logits = &c->in[0]->shape;
    if (axis < 0 || axis >= logits->rank || axis == logits->batch)
        return false;
    Shape rest = without(logits, axis);
    return shape_equal(&rest, &c->in[1]->shape);
}

bool classes_are_indices(const Call *c)
{
    return as_integers(c) && c->in[1]->shape.rank < c->in[0]->shape.rank;
}

bool classes_one_each(const Call *c)
{
    return !classes_are_indices(c) ||
           shape_count(&c->in[0]->shape) == shape_count(&c->in[1]->shape);
}

static int wrong_shapes(Call *c)
{
    char a[128], b[128];
    diag_error(&c->ctx->diag, c->loc, "%s: classes of shape %s do not fit logits of shape %s",
               c->row->name, shape_text(&c->in[1]->shape, b), shape_text(&c->in[0]->shape, a));
    rows_notes(c);
    return -1;
}

int classes_axis(Call *c, const Arg *arg)
{
    const Shape *logits = &c->in[0]->shape;
    int last = logits->rank - 1;
    bool whole = shape_equal(logits, &c->in[1]->shape); /* a probability a class: any axis fits */
    if (arg->given) {
        int axis = call_axis(c, arg, arg->i, logits->rank);
        if (axis >= 0 && axis == logits->batch) {
            diag_error(&c->ctx->diag, arg->loc, "%s: axis %d is the batch", c->row->name, axis);
            return -1;
        }
        return axis < 0 || whole || fits(c, axis) ? axis : wrong_shapes(c);
    }
    bool at_last = last >= 1 && (whole || fits(c, last)), at_1 = last >= 1 && (whole || fits(c, 1));
    if (at_last && at_1 && last != 1) {
        char a[128];
        diag_error(&c->ctx->diag, c->loc,
                   "%s: the classes of %s may be axis 1 or axis %d: say which by axis=",
                   c->row->name, shape_text(logits, a), last);
        return -1;
    }
    return at_last ? last : at_1 ? 1 : wrong_shapes(c);
}

/* The input that indices are read from, through casts, slices and the like; NULL: they are
 * computed. */
static Input *source(Call *c, Node *indices)
{
    for (bool more = true; more;) {
        const MixedClasses *mixed = mixed_find(c->b, indices);
        more = mixed || indices->n_in == 1;
        indices = mixed ? mixed->input : more ? indices->in[0] : indices;
    }
    return indices->op == OP_input ? &c->g->program->inputs.at[indices->attr->input] : NULL;
}

int classes_input(Call *c)
{
    const Input *input = c->in[1] ? source(c, c->in[1]) : NULL;
    return input ? (int)(input - c->g->program->inputs.at) + 1 : 0;
}

bool classes_within(Call *c, Node *indices, int axis)
{
    Input *input = source(c, indices);
    int64_t count = c->in[0]->shape.dim[axis];
    if (input && input->dtype != DT_f32 && input->classes == 0)
        input->classes = count; /* the program then checks its range */
    if (!input || input->classes <= count)
        return true;
    diag_error(&c->ctx->diag, c->loc, "%s: '%s' has %lld classes, axis %d of the logits only %lld",
               c->row->name, input->name, (long long)input->classes, axis, (long long)count);
    rows_notes(c);
    return false;
}

static bool read_ignore(Call *c, const Arg *ignore, Node *indices, Classes *out)
{
    if (!ignore->given)
        return true;
    if (ignore->i < -INDEX_MAX || ignore->i > INDEX_MAX) {
        diag_error(&c->ctx->diag, ignore->loc, "%s: ignore: %lld is out of range: %d to %d",
                   c->row->name, (long long)ignore->i, -INDEX_MAX, INDEX_MAX);
        return false;
    }
    program_ignore(c, indices, ignore->i);
    Node *value = build_const(c->g, (double)ignore->i);
    out->counts = build_binary(c->g, OP_not_equal, out->indices, value);
    return out->counts != NULL;
}

bool classes_read(Call *c, const Arg *axis, const Arg *ignore, Classes *out)
{
    Graph *g = c->g;
    Node *indices = classes_integers(c);
    *out = (Classes){.axis = -1};
    if (!indices)
        return false;
    out->axis = classes_axis(c, axis);
    if (out->axis < 0)
        return false;
    out->count = c->in[0]->shape.dim[out->axis];
    if (!classes_within(c, indices, out->axis))
        return false;
    out->logits = rows_operand(c, 0);
    out->hit = build_one_hot(g, indices, out->count, out->axis);
    out->indices = build_unsqueeze(g, rows_operand(c, 1), out->axis);
    return out->logits && out->hit && out->indices && read_ignore(c, ignore, indices, out);
}

Node *classes_pick(Graph *g, const Classes *k, Node *x)
{
    Node *there = build_where(g, k->hit, x, build_const(g, 0));
    return build_reduce(g, OP_reduce_sum, there, 1, &k->axis);
}
