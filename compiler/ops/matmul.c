/* SPDX-License-Identifier: MIT */
/* matmul.c: products of matrices: [.., m, k] [.., k, n] -> [.., m, n], leading axes broadcast.
 *
 * Any one axis may be the batch: a leading one, m or n (a result has one batch axis at most), or k,
 * which then is the batch in both operands and goes: the gradient of a weight.
 */
#include "impl.h"

static bool mismatch(Graph *g, const Node *y, const char *why)
{
    char a[128], b[128];
    return op_error(g, y, "shapes %s and %s do not multiply: %s", shape_text(&y->in[0]->shape, a),
                    shape_text(&y->in[1]->shape, b), why);
}

/* The leading axes alone. */
static Shape leading(const Shape *shape)
{
    Shape lead = *shape;
    lead.rank -= 2;
    if (lead.batch >= lead.rank)
        lead.batch = -1;
    lead.dim[lead.rank] = lead.dim[lead.rank + 1] = 0;
    return lead;
}

static bool same_inner(const Shape *a, const Shape *b)
{
    int k = a->rank - 1, l = b->rank - 2;
    return a->dim[k] == b->dim[l] && (a->batch == k) == (b->batch == l);
}

static bool matmul_shape(Graph *g, Node *y)
{
    const Shape *a = &y->in[0]->shape, *b = &y->in[1]->shape;
    if (!op_wants_f32(g, y))
        return false;
    if (a->rank < 2 || b->rank < 2)
        return mismatch(g, y, "each needs two axes or more");
    if (!same_inner(a, b)) {
        char why[160];
        snprintf(why, sizeof why,
                 "the last axis of the first is %lld%s, the last but one of the second %lld%s",
                 (long long)a->dim[a->rank - 1], a->batch == a->rank - 1 ? "N" : "",
                 (long long)b->dim[b->rank - 2], b->batch == b->rank - 2 ? "N" : "");
        return mismatch(g, y, why);
    }
    Shape lead_a = leading(a), lead_b = leading(b), shape;
    int axis_a, axis_b;
    if (!shape_broadcast(&lead_a, &lead_b, &shape, &axis_a, &axis_b))
        return mismatch(g, y, "the leading axes do not broadcast");
    bool rows = a->batch == a->rank - 2, cols = b->batch == b->rank - 1;
    if ((shape.batch >= 0) + rows + cols > 1 || (a->batch == a->rank - 1 && shape.batch >= 0))
        return mismatch(g, y, "the result would have two batch axes");
    if (rows || cols)
        shape.batch = rows ? shape.rank : shape.rank + 1;
    shape.dim[shape.rank++] = a->dim[a->rank - 2];
    shape.dim[shape.rank++] = b->dim[b->rank - 1];
    y->shape = shape;
    y->dtype = DT_f32;
    return true;
}

/* Where the matrix of x for the leading index `at` of the result begins. */
static int64_t matrix_at(const Shape *x, const Shape *lead, const int64_t *at)
{
    int64_t stride[RANK_MAX], offset = 0;
    int shift = lead->rank - (x->rank - 2);
    op_strides(x, stride);
    for (int i = 0; i < x->rank - 2; i++)
        offset += x->dim[i] == 1 ? 0 : at[i + shift] * stride[i];
    return offset;
}

static void matmul_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)y;
    (void)run;
    const Shape *a = &in[0].shape, *b = &in[1].shape;
    Shape lead = leading(&out->shape);
    int64_t m = a->dim[a->rank - 2], k = a->dim[a->rank - 1], n = b->dim[b->rank - 1],
            at[RANK_MAX] = {0};
    double *c = out->data;
    do {
        const double *p = in[0].data + matrix_at(a, &lead, at),
                     *q = in[1].data + matrix_at(b, &lead, at);
        for (int64_t i = 0; i < m; i++, c += n) {
            for (int64_t j = 0; j < n; j++)
                c[j] = 0;
            for (int64_t l = 0; l < k; l++) /* j innermost: what lies side by side */
                for (int64_t j = 0; j < n; j++)
                    c[j] += p[i * k + l] * q[l * n + j];
        }
    } while (op_next(&lead, at));
}

/* With the batch as the first axis: only so may leading axes and m be seen as one axis. */
static Node *batch_first(Graph *g, Node *x)
{
    int perm[RANK_MAX] = {x->shape.batch}, n = 1;
    if (x->shape.batch <= 0 || op_product(&x->shape, 0, x->shape.batch) == 1)
        return x;
    for (int i = 0; i < x->shape.rank; i++)
        if (i != x->shape.batch)
            perm[n++] = i;
    return build_transpose(g, x, perm);
}

/* [.., m, k] as [.. * m, k]. */
static Node *merged(Graph *g, Node *x)
{
    x = batch_first(g, x);
    int rank = x->shape.rank;
    Shape shape = {.rank = 2, .batch = x->shape.batch < 0 ? -1 : 0};
    shape.dim[0] = op_product(&x->shape, 0, rank - 1);
    shape.dim[1] = x->shape.dim[rank - 1];
    return build_reshape(g, x, &shape);
}

/* A weight that all leading axes share: one product over all rows instead of a sum of products. */
static Node *shared_grad(Graph *g, Node *a, Node *b, Node *dy)
{
    Node *db = build_matmul(g, build_swap(g, merged(g, a)), merged(g, dy));
    return b->shape.rank == 2 ? db : build_reshape(g, db, &b->shape);
}

static bool is_shared(const Node *a, const Node *b, const Node *dy)
{
    return a->shape.rank > 2 && op_product(&b->shape, 0, b->shape.rank - 2) == 1 &&
           b->shape.batch < 0 && a->shape.batch < a->shape.rank - 1 &&
           (a->shape.batch < 0 || a->shape.batch == dy->shape.batch) &&
           op_product(&a->shape, 0, a->shape.rank - 2) ==
               op_product(&dy->shape, 0, dy->shape.rank - 2);
}

static void matmul_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    Node *a = y->in[0], *b = y->in[1];
    if (want[0])
        dx[0] = op_unbroadcast(g, build_matmul(g, dy, build_swap(g, b)), &a->shape);
    if (want[1] && is_shared(a, b, dy))
        dx[1] = shared_grad(g, a, b, dy);
    else if (want[1])
        dx[1] = op_unbroadcast(g, build_matmul(g, build_swap(g, a), dy), &b->shape);
}

const OpImpl op_matmul = {.shape = matmul_shape, .grad = matmul_grad, .eval = matmul_eval};
