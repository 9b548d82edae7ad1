/* SPDX-License-Identifier: MIT */
/* interp.c: the oracle: evaluates a graph in double, op by op, with the table's reference
 * evaluations. */
#include <string.h>

#include "../ops/ops.h"

typedef struct Interp {
    const Graph *g;
    const InterpInput *run;
    Arena *arena;
    Tensor *value; /* by node id */
} Interp;

static Tensor new_tensor(Interp *t, const Shape *shape)
{
    Tensor out = {.shape = *shape};
    if (shape->batch >= 0)
        out.shape.dim[shape->batch] *= t->run->n;
    out.shape.batch = -1;
    out.data = arena_take(t->arena, sizeof *out.data * (size_t)(shape_count(&out.shape) + 1));
    return out;
}

/* The element of a broadcast operand that stands at position `at` of a tensor of shape y. */
static int64_t broadcast_at(const Shape *y, const Shape *x, int64_t at)
{
    int64_t position = 0, stride = 1;
    for (int i = x->rank - 1, k = y->rank - 1; i >= 0; i--, k--) {
        int64_t index = at % y->dim[k];
        at /= y->dim[k];
        position += x->dim[i] == 1 ? 0 : index * stride;
        stride *= x->dim[i];
    }
    return position;
}

static void elementwise(const Node *y, const Tensor *in, Tensor *out)
{
    EwEval *eval = op_impls[y->op]->ew;
    for (int64_t i = 0, n = shape_count(&out->shape); i < n; i++) {
        double x[4];
        for (int k = 0; k < y->n_in; k++)
            x[k] = in[k].data[broadcast_at(&out->shape, &in[k].shape, i)];
        out->data[i] = eval(x);
    }
}

static void evaluate(Interp *t, const Node *y)
{
    Tensor *in = arena_take(t->arena, sizeof *in * (size_t)(y->n_in + 1));
    for (int k = 0; k < y->n_in; k++)
        in[k] = t->value[y->in[k]->id];
    Tensor out = new_tensor(t, &y->shape);
    if (op_impls[y->op]->ew)
        elementwise(y, in, &out);
    else
        op_impls[y->op]->eval(y, t->run, in, &out);
    t->value[y->id] = out;
}

/* Variables change once nothing reads their old values any more. */
static void assign_all(Interp *t)
{
    for (int i = 0; i < t->g->roots.n; i++) {
        const Node *y = t->g->roots.at[i].node;
        if (y->op == OP_assign)
            var_to_saved(y->attr->var, t->value[y->id].data, t->run->vars[y->attr->var->id]);
    }
}

Tensor *graph_interpret(const Graph *g, const InterpInput *run, Arena *arena)
{
    Interp t = {.g = g, .run = run, .arena = arena};
    t.value = arena_take(arena, sizeof *t.value * (size_t)(g->nodes.n + 1));
    for (int i = 0; i < g->nodes.n; i++)
        evaluate(&t, g->nodes.at[i]);
    Tensor *out = arena_take(arena, sizeof *out * (size_t)(g->roots.n + 1));
    for (int i = 0; i < g->roots.n; i++)
        out[i] = t.value[g->roots.at[i].node->id];
    assign_all(&t);
    return out;
}
