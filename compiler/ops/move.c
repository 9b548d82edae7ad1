/* SPDX-License-Identifier: MIT */
/* move.c: ops that only say which element stands where. The batch axis is never cut, only moved,
 * broadcast, or merged with the axes behind it.
 */
#include "impl.h"

#include <string.h>

/* out[at] = in[base + sum of at[i] * stride[i]] for each index `at` of out. */
static void gather(const Tensor *in, Tensor *out, int64_t base, const int64_t *stride)
{
    int64_t at[RANK_MAX] = {0}, i = 0;
    do {
        int64_t from = base;
        for (int k = 0; k < out->shape.rank; k++)
            from += at[k] * stride[k];
        out->data[i++] = in->data[from];
    } while (op_next(&out->shape, at));
}

/* out[base + sum of at[i] * stride[i]] = in[at] for each index `at` of in. */
static void scatter(const Tensor *in, Tensor *out, int64_t base, const int64_t *stride)
{
    int64_t at[RANK_MAX] = {0}, i = 0;
    do {
        int64_t to = base;
        for (int k = 0; k < in->shape.rank; k++)
            to += at[k] * stride[k];
        out->data[to] = in->data[i++];
    } while (op_next(&in->shape, at));
}

/* --- reshape: the same numbers in row-major order --------------------------------------------- */

static bool reshape_error(Graph *g, const Node *y, const char *why)
{
    char from[128], to[128];
    return op_error(g, y, "%s cannot become %s: %s", shape_text(&y->in[0]->shape, from),
                    shape_text(&y->shape, to), why);
}

/* A sample's numbers must stay together: what stands before the batch axis stays before it. */
static bool reshape_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    y->dtype = y->in[0]->dtype;
    if (shape_count(x) != shape_count(&y->shape)) {
        char why[96];
        snprintf(why, sizeof why, "%lld and %lld numbers%s", (long long)shape_count(x),
                 (long long)shape_count(&y->shape), x->batch >= 0 ? " a sample" : "");
        return reshape_error(g, y, why);
    }
    if ((x->batch < 0) != (y->shape.batch < 0))
        return reshape_error(g, y, "one has the batch axis, the other not");
    if (x->batch >= 0 && op_product(x, 0, x->batch) != op_product(&y->shape, 0, y->shape.batch))
        return reshape_error(g, y, "the samples would be mixed");
    return true;
}

static void reshape_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    memcpy(out->data, in[0].data, sizeof *out->data * (size_t)shape_count(&out->shape));
}

static void reshape_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    dx[0] = build_reshape(g, dy, &y->in[0]->shape);
}

const OpImpl op_reshape = {
    .attrs = ATTR_shape, .shape = reshape_shape, .grad = reshape_grad, .eval = reshape_eval};

/* --- transpose: axis i is the operand's axis attr.axes[i] ------------------------------------- */

static bool transpose_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    unsigned seen = 0;
    y->dtype = y->in[0]->dtype;
    y->shape = (Shape){.rank = x->rank, .batch = -1};
    if (y->attr->n_axes != x->rank)
        return op_error(g, y, "%d axes are named for a tensor of %d", y->attr->n_axes, x->rank);
    for (int i = 0; i < x->rank; i++) {
        int axis = y->attr->axes[i];
        if (axis < 0 || axis >= x->rank || (seen >> axis & 1))
            return op_error(g, y, "axis %d is named twice or outside a tensor of %d axes", axis,
                            x->rank);
        seen |= 1u << axis;
        y->shape.dim[i] = x->dim[axis];
        if (axis == x->batch)
            y->shape.batch = i;
    }
    return true;
}

static void transpose_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t stride[RANK_MAX], moved[RANK_MAX];
    op_strides(&in[0].shape, stride);
    for (int i = 0; i < out->shape.rank; i++)
        moved[i] = stride[y->attr->axes[i]];
    gather(&in[0], out, 0, moved);
}

static void transpose_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    int back[RANK_MAX];
    for (int i = 0; i < y->shape.rank; i++)
        back[y->attr->axes[i]] = i;
    dx[0] = build_transpose(g, dy, back);
}

const OpImpl op_transpose = {
    .attrs = ATTR_axes, .shape = transpose_shape, .grad = transpose_grad, .eval = transpose_eval};

/* --- expand: broadcast to the node's shape ---------------------------------------------------- */

static bool expand_shape(Graph *g, Node *y)
{
    Shape both;
    int a, b;
    y->dtype = y->in[0]->dtype;
    if (shape_broadcast(&y->in[0]->shape, &y->shape, &both, &a, &b) &&
        shape_equal(&both, &y->shape))
        return true;
    char from[128], to[128];
    return op_error(g, y, "%s does not broadcast to %s", shape_text(&y->in[0]->shape, from),
                    shape_text(&y->shape, to));
}

static void expand_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    const Shape *x = &in[0].shape;
    int64_t stride[RANK_MAX], repeated[RANK_MAX];
    int extra = out->shape.rank - x->rank;
    op_strides(x, stride);
    for (int i = 0; i < out->shape.rank; i++)
        repeated[i] = i < extra || x->dim[i - extra] == 1 ? 0 : stride[i - extra];
    gather(&in[0], out, 0, repeated);
}

static void expand_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    dx[0] = op_unbroadcast(g, dy, &y->in[0]->shape);
}

const OpImpl op_expand = {
    .attrs = ATTR_shape, .shape = expand_shape, .grad = expand_grad, .eval = expand_eval};

/* --- slice: attr.start, end, step an axis ----------------------------------------------------- */

static bool slice_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    const Attr *attr = y->attr;
    y->dtype = y->in[0]->dtype;
    y->shape = *x;
    for (int i = 0; i < x->rank; i++) {
        long long start = attr->start[i], end = attr->end[i], step = attr->step[i];
        if (start < 0 || start >= end || end > x->dim[i])
            return op_error(g, y, "axis %d, %lld long, has no part from %lld to %lld", i,
                            (long long)x->dim[i], start, end);
        if (step < 1)
            return op_error(g, y, "axis %d is taken in steps of %lld: 1 is the least", i, step);
        if (i == x->batch && (start != 0 || end != x->dim[i] || step != 1))
            return op_error(g, y, "the batch axis cannot be cut");
        y->shape.dim[i] = (end - start - 1) / step + 1;
    }
    return true;
}

static void slice_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t stride[RANK_MAX], base = 0;
    op_strides(&in[0].shape, stride);
    for (int i = 0; i < out->shape.rank; i++) {
        base += y->attr->start[i] * stride[i];
        stride[i] *= y->attr->step[i];
    }
    gather(&in[0], out, base, stride);
}

/* The gradient goes back to where the elements came from; 0 between them. */
static void slice_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    const Shape *x = &y->in[0]->shape;
    Attr attr = {0};
    for (int i = 0; i < x->rank; i++) {
        attr.start[i] = y->attr->start[i];
        attr.step[i] = y->attr->step[i];
        attr.end[i] = x->dim[i] - 1 - (attr.start[i] + (y->shape.dim[i] - 1) * attr.step[i]);
    }
    dx[0] = graph_add(g, OP_pad, 1, &dy, &attr);
}

const OpImpl op_slice = {
    .attrs = ATTR_range, .shape = slice_shape, .grad = slice_grad, .eval = slice_eval};

/* --- pad: attr.start before, end after, step - 1 between; attr.value -------------------------- */

static bool pad_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    const Attr *attr = y->attr;
    y->dtype = y->in[0]->dtype;
    y->shape = *x;
    for (int i = 0; i < x->rank; i++) {
        long long start = attr->start[i], end = attr->end[i], step = attr->step[i];
        if (start < 0 || end < 0 || step < 1 || start > DIM_MAX || end > DIM_MAX || step > DIM_MAX)
            return op_error(
                g, y, "axis %d cannot be padded by %lld before and %lld after, in steps of %lld", i,
                start, end, step);
        if (i == x->batch && (start != 0 || end != 0 || step != 1))
            return op_error(g, y, "the batch axis cannot be padded");
        y->shape.dim[i] = start + (x->dim[i] - 1) * step + 1 + end;
    }
    return true;
}

static void pad_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t stride[RANK_MAX], base = 0, n = shape_count(&out->shape);
    op_strides(&out->shape, stride);
    for (int i = 0; i < out->shape.rank; i++) {
        base += y->attr->start[i] * stride[i];
        stride[i] *= y->attr->step[i];
    }
    for (int64_t i = 0; i < n; i++)
        out->data[i] = y->attr->value;
    scatter(&in[0], out, base, stride);
}

static void pad_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    Attr attr = {0};
    for (int i = 0; i < y->shape.rank; i++) {
        attr.start[i] = y->attr->start[i];
        attr.step[i] = y->attr->step[i];
        attr.end[i] = y->shape.dim[i] - y->attr->end[i];
    }
    dx[0] = graph_add(g, OP_slice, 1, &dy, &attr);
}

const OpImpl op_pad = {
    .attrs = ATTR_range | ATTR_value, .shape = pad_shape, .grad = pad_grad, .eval = pad_eval};

/* --- concat: along attr.axes[0] --------------------------------------------------------------- */

static bool concat_error(Graph *g, const Node *y, int i, int axis)
{
    char first[128], other[128];
    return op_error(g, y, "%s and %s (operand %d) do not join along axis %d",
                    shape_text(&y->in[0]->shape, first), shape_text(&y->in[i]->shape, other), i + 1,
                    axis);
}

static bool concat_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    int axis = y->attr->axes[0];
    y->dtype = y->in[0]->dtype;
    y->shape = *x;
    if (axis < 0 || axis >= x->rank)
        return op_error(g, y, "axis %d is outside a tensor of %d axes", axis, x->rank);
    if (axis == x->batch)
        return op_error(g, y, "tensors cannot be joined along the batch axis");
    for (int i = 1; i < y->n_in; i++) {
        Shape other = y->in[i]->shape;
        int64_t length = axis < other.rank ? other.dim[axis] : 0;
        if (axis < other.rank)
            other.dim[axis] = x->dim[axis];
        if (!shape_equal(x, &other))
            return concat_error(g, y, i, axis);
        if (y->in[i]->dtype != y->dtype)
            return op_error(g, y, "operand %d is %s, the first %s", i + 1,
                            dtype_text(y->in[i]->dtype), dtype_text(y->dtype));
        y->shape.dim[axis] += length;
    }
    return true;
}

static void concat_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int axis = y->attr->axes[0];
    int64_t stride[RANK_MAX], base = 0;
    op_strides(&out->shape, stride);
    for (int i = 0; i < y->n_in; i++) {
        scatter(&in[i], out, base, stride);
        base += in[i].shape.dim[axis] * stride[axis];
    }
}

static void concat_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    int axis = y->attr->axes[0];
    int64_t start = 0;
    for (int i = 0; i < y->n_in; i++) {
        int64_t end = start + y->in[i]->shape.dim[axis];
        if (want[i])
            dx[i] = build_slice(g, dy, axis, start, end, 1);
        start = end;
    }
}

const OpImpl op_concat = {
    .attrs = ATTR_axes, .shape = concat_shape, .grad = concat_grad, .eval = concat_eval};

/* --- flip: attr.axes run backwards ------------------------------------------------------------ */

static bool flip_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    y->dtype = y->in[0]->dtype;
    y->shape = *x;
    for (int i = 0; i < y->attr->n_axes; i++) {
        int axis = y->attr->axes[i];
        if (axis < 0 || axis >= x->rank || (i > 0 && axis <= y->attr->axes[i - 1]))
            return op_error(g, y, "axis %d is outside a tensor of %d axes, or out of order", axis,
                            x->rank);
        if (axis == x->batch)
            return op_error(g, y, "the batch axis cannot be turned round");
    }
    return true;
}

static void flip_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t stride[RANK_MAX], base = 0;
    op_strides(&in[0].shape, stride);
    for (int i = 0; i < y->attr->n_axes; i++) {
        int axis = y->attr->axes[i];
        base += (out->shape.dim[axis] - 1) * stride[axis];
        stride[axis] = -stride[axis];
    }
    gather(&in[0], out, base, stride);
}

static void flip_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    dx[0] = build_flip(g, dy, y->attr->n_axes, y->attr->axes);
}

const OpImpl op_flip = {
    .attrs = ATTR_axes, .shape = flip_shape, .grad = flip_grad, .eval = flip_eval};
