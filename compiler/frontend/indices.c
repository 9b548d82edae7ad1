/* SPDX-License-Identifier: MIT */
/* indices.c: what class indices can be, where they are computed from inputs (a cross of features): a range by
 * interval arithmetic, and the inputs whose own ranges it rests on. */
#include <math.h>

#include "rows.h"

enum { STEPS_MAX = 1000 }; /* nodes looked at, one that several read each time */

typedef struct Walk {
    Program *p;
    Indices *out;
    int steps;
} Walk;

typedef struct Range {
    double low, high;
} Range;

static bool range_of(Walk *w, const Node *x, Range *r);

static bool input_range(Walk *w, const Node *x, Range *r)
{
    Input *input = &w->p->inputs.at[x->attr->input];
    bool known = false;
    for (int i = 0; i < w->out->n_inputs; i++)
        known |= w->out->input[i] == input;
    if (!known && w->out->n_inputs == COUNT(w->out->input))
        return false;
    if (!known)
        w->out->input[w->out->n_inputs++] = input;
    *r = (Range){0, (double)input->classes - 1};
    return input->dtype != DT_f32 && input->classes > 0;
}

/* Of the two operands of x; numbers below 0 are not looked into. */
static bool both(Walk *w, const Node *x, Range *r)
{
    Range a, b;
    if (!range_of(w, x->in[0], &a) || !range_of(w, x->in[1], &b) || a.low < 0 || b.low < 0)
        return false;
    switch (x->op) {
    case OP_add: *r = (Range){a.low + b.low, a.high + b.high}; return true;
    case OP_mul: *r = (Range){a.low * b.low, a.high * b.high}; return true;
    default: /* mod */
        *r = (Range){0, b.high - 1};
        return b.low == b.high && b.high >= 1 && floor(b.high) == b.high;
    }
}

/* Of operands 1 and 2 of x. */
static bool either(Walk *w, const Node *x, Range *r)
{
    Range a, b;
    if (!range_of(w, x->in[1], &a) || !range_of(w, x->in[2], &b))
        return false;
    *r = (Range){fmin(a.low, b.low), fmax(a.high, b.high)};
    return true;
}

static bool range_of(Walk *w, const Node *x, Range *r)
{
    if (++w->steps > STEPS_MAX)
        return false;
    switch (x->op) {
    case OP_input: return input_range(w, x, r);
    case OP_const: *r = (Range){x->attr->value, x->attr->value}; return !x->attr->data;
    case OP_iota: *r = (Range){0, (double)x->shape.dim[x->attr->axes[0]] - 1}; return true;
    case OP_where: return either(w, x, r);
    case OP_add:
    case OP_mul:
    case OP_mod: return both(w, x, r);
    case OP_reduce_max:
    case OP_reduce_min:
    case OP_cast:
    case OP_reshape:
    case OP_transpose:
    case OP_expand:
    case OP_slice:
    case OP_flip: return range_of(w, x->in[0], r);
    default: return false;
    }
}

bool indices_read(Call *c, int i, Indices *out)
{
    Node *x = c->in[i];
    while (x->op == OP_cast && x->dtype == DT_f32)
        x = x->in[0];
    *out = (Indices){.node = x};
    Walk w = {.p = c->g->program, .out = out};
    Range r;
    if (x->dtype != DT_i32)
        return false;
    if (range_of(&w, x, &r)) {
        out->count = (int64_t)r.high + 1;
        return r.low >= 0;
    }
    const Node *from = x;
    while (from->n_in == 1)
        from = from->in[0];
    return from->op == OP_input && out->n_inputs == 1 && out->input[0]->classes == 0;
}
