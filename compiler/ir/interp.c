/* SPDX-License-Identifier: MIT */
/* interp.c: the oracle: evaluates a graph in double, op by op, with the table's reference
 * evaluations. */
#include <string.h>

#include "../ops/ops.h"

typedef struct Interp {
    const Graph *g;
    const InterpInput *run;
    Arena *arena;
    Tensor *value;       /* by node id */
    Tensor **several;    /* by node id: a scan's results */
    const Tensor *given; /* in a body: the operands, or slices, of this step */
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

/* --- scans ------------------------------------------------------------------------------------ */

static Tensor *evaluate_all(Interp *t);

static Tensor copy_tensor(Arena *arena, const Tensor *x)
{
    Tensor y = {.shape = x->shape};
    size_t size = sizeof *y.data * (size_t)(shape_count(&x->shape) + 1);
    y.data = memcpy(arena_take(arena, size), x->data, size);
    return y;
}

/* Slice `at` of a stack, in its memory. */
static Tensor slice_of(const Tensor *stack, int64_t at)
{
    Tensor slice = {.shape = scan_slice_shape(&stack->shape)};
    slice.data = stack->data + at * shape_count(&slice.shape);
    return slice;
}

/* One step: from the states as they are in `given` to the next, and to the slices at `at` of stacks. */
static void scan_one(Interp *t, const Scan *s, Tensor *given, Tensor *results, int64_t at)
{
    const InterpTurn turn = {t->run->turn, at};
    InterpInput run = *t->run;
    run.turn = &turn;
    Interp step = {.g = s->body, .run = &run, .arena = arena_new(), .given = given};
    evaluate_all(&step);
    for (int i = 0; i < s->body->roots.n; i++) {
        const Root *r = &s->body->roots.at[i];
        const Tensor *x = &step.value[r->node->id];
        if (r->kind == ROOT_next)
            results[r->index] = copy_tensor(t->arena, x);
        else
            memcpy(slice_of(&results[s->n_states + r->index], at).data, x->data,
                   sizeof *x->data * (size_t)shape_count(&x->shape));
    }
    arena_free(step.arena);
    for (int i = 0; i < s->n_states; i++)
        given[i] = results[i];
}

/* The results of a scan. */
static Tensor *scan_all(Interp *t, const Node *y)
{
    const Scan *s = y->attr->scan;
    int n = s->n_states + scan_stacks(s);
    Tensor *results = arena_take(t->arena, sizeof *results * (size_t)(n + 1));
    Tensor *given = arena_take(t->arena, sizeof *given * (size_t)(y->n_in + 1));
    for (int i = s->n_states; i < n; i++) {
        const Node *step = graph_find_root(s->body, ROOT_step, i - s->n_states);
        Shape stacked = scan_stacked_shape(&step->shape, s->length);
        results[i] = new_tensor(t, &stacked);
    }
    for (int i = 0; i < y->n_in; i++)
        given[i] = t->value[y->in[i]->id];
    for (int64_t k = 0; k < s->length; k++) {
        int64_t at = s->backwards ? s->length - 1 - k : k;
        for (int i = s->n_states; i < s->n_states + s->n_slices; i++)
            given[i] = slice_of(&t->value[y->in[i]->id], at);
        scan_one(t, s, given, results, at);
    }
    return results;
}

/* Whether y is of a scan, and evaluated. */
static bool evaluate_scan(Interp *t, const Node *y)
{
    if (y->op == OP_scan)
        t->several[y->id] = scan_all(t, y);
    else if (y->op == OP_scan_result)
        t->value[y->id] = t->several[y->in[0]->id][y->attr->part];
    else if (y->op == OP_scan_operand)
        t->value[y->id] = t->given[y->attr->part];
    else
        return false;
    return true;
}

/* --- all -------------------------------------------------------------------------------------- */

static void evaluate(Interp *t, const Node *y)
{
    if (evaluate_scan(t, y))
        return;
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
        const Tensor *value = &t->value[y->id];
        if (y->op == OP_assign)
            var_to_saved(y->attr->var, value->data, t->run->vars[y->attr->var->id],
                         shape_count(&value->shape));
    }
}

/* The value of every node. */
static Tensor *evaluate_all(Interp *t)
{
    size_t n = (size_t)t->g->nodes.n + 1;
    t->value = arena_take(t->arena, sizeof *t->value * n);
    t->several = arena_take(t->arena, sizeof *t->several * n);
    for (int i = 0; i < t->g->nodes.n; i++)
        evaluate(t, t->g->nodes.at[i]);
    return t->value;
}

Tensor *graph_interpret(const Graph *g, const InterpInput *run, Arena *arena)
{
    Interp t = {.g = g, .run = run, .arena = arena};
    evaluate_all(&t);
    Tensor *out = arena_take(arena, sizeof *out * (size_t)(g->roots.n + 1));
    for (int i = 0; i < g->roots.n; i++)
        out[i] = t.value[g->roots.at[i].node->id];
    assign_all(&t);
    return out;
}
