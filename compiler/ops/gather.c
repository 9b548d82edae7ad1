/* SPDX-License-Identifier: MIT */
/* gather.c: rows of a matrix by their indices, and its gradient: rows added up by their indices.
 *
 * ONNX's Gather along axis 0, of a matrix. Indices are whole numbers below the number of rows: the
 * functions of a model refuse a call whose indices are not (codegen/step.c).
 */
#include "impl.h"

static bool index_error(Graph *g, const Node *y, const char *why)
{
    char a[128], b[128];
    return op_error(g, y, "operands of shapes %s and %s: %s", shape_text(&y->in[0]->shape, a),
                    shape_text(&y->in[1]->shape, b), why);
}

/* Rows f32; indices i32, their batch axis first where they have one. */
static bool operands_fit(Graph *g, const Node *y)
{
    const Node *at = y->in[1];
    if (y->in[0]->dtype != DT_f32)
        return index_error(g, y, "the first is not f32");
    if (at->dtype != DT_i32)
        return index_error(g, y, "the second holds no integers");
    if (at->shape.batch > 0)
        return index_error(g, y, "the batch is not the first axis of the second");
    return true;
}

static bool gather_shape(Graph *g, Node *y)
{
    const Shape *table = &y->in[0]->shape, *at = &y->in[1]->shape;
    if (!operands_fit(g, y))
        return false;
    if (table->rank != 2 || table->batch >= 0)
        return index_error(g, y, "the first is no matrix without the batch");
    if (at->rank == RANK_MAX)
        return index_error(g, y, "too many axes");
    y->dtype = DT_f32;
    y->shape = *at;
    y->shape.dim[y->shape.rank++] = table->dim[1];
    return true;
}

static void gather_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    int64_t width = in[0].shape.dim[1], n = shape_count(&in[1].shape);
    for (int64_t p = 0; p < n; p++)
        for (int64_t j = 0; j < width; j++)
            out->data[p * width + j] = in[0].data[(int64_t)in[1].data[p] * width + j];
}

/* x with its axes up to the last `kept` ones as one. */
static Node *merged(Graph *g, Node *x, int kept)
{
    Shape s = {.rank = 1 + kept, .batch = x->shape.batch < 0 ? -1 : 0};
    s.dim[0] = op_product(&x->shape, 0, x->shape.rank - kept);
    for (int i = 0; i < kept; i++)
        s.dim[1 + i] = x->shape.dim[x->shape.rank - kept + i];
    return build_reshape(g, x, &s);
}

static void gather_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    if (!want[0])
        return;
    Node *in[2] = {merged(g, dy, 1), merged(g, y->in[1], 0)};
    dx[0] = graph_add_as(g, OP_scatter_add, 2, in, NULL, &y->in[0]->shape, DT_f32);
}

const OpImpl op_gather = {.shape = gather_shape, .grad = gather_grad, .eval = gather_eval};

static bool scatter_add_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape, *at = &y->in[1]->shape;
    if (!operands_fit(g, y))
        return false;
    if (x->rank != 2 || at->rank != 1 || x->batch != at->batch || x->dim[0] != at->dim[0])
        return index_error(g, y, "they are not rows and an index each");
    if (y->shape.rank != 2 || y->shape.batch >= 0 || y->shape.dim[1] != x->dim[1])
        return index_error(g, y, "the rows are not as long as the result's");
    y->dtype = DT_f32;
    return true;
}

static void scatter_add_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t width = in[0].shape.dim[1], n = in[0].shape.dim[0];
    for (int64_t i = 0, all = shape_count(&out->shape); i < all; i++)
        out->data[i] = y->attr->value;
    for (int64_t p = 0; p < n; p++)
        for (int64_t j = 0; j < width; j++)
            out->data[(int64_t)in[1].data[p] * width + j] = 0;
    for (int64_t p = 0; p < n; p++)
        for (int64_t j = 0; j < width; j++)
            out->data[(int64_t)in[1].data[p] * width + j] += in[0].data[p * width + j];
}

static void scatter_add_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    Node *in[2] = {dy, y->in[1]};
    if (want[0])
        dx[0] = graph_add(g, OP_gather, 2, in, NULL);
}

const OpImpl op_scatter_add = {.attrs = ATTR_shape | ATTR_value,
                               .shape = scatter_add_shape,
                               .grad = scatter_add_grad,
                               .eval = scatter_add_eval};
