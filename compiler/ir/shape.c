/* SPDX-License-Identifier: MIT */
/* shape.c: shapes, static but for one batch axis; counts that cannot overflow; broadcasting. */
#include "ir.h"

#include <string.h>

Shape shape_of(int rank, const int64_t *dim)
{
    Shape shape = {.rank = rank, .batch = -1};
    if (rank < 0 || rank > RANK_MAX)
        BUG("shape_of: rank %d", rank);
    for (int i = 0; i < rank; i++)
        shape.dim[i] = dim[i];
    return shape;
}

Shape shape_scalar(void)
{
    return (Shape){.batch = -1};
}

bool shape_equal(const Shape *a, const Shape *b)
{
    return a->rank == b->rank && a->batch == b->batch &&
           memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->rank) == 0;
}

/* A product that stays at INT64_MAX where it would overflow. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

bool shape_unit(const Shape *s, int axis)
{
    return s->dim[axis] == 1 && s->batch != axis;
}

int64_t shape_count(const Shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count = times(count, shape->dim[i]);
    return count;
}

int64_t shape_elements(const Shape *shape, int64_t n)
{
    int64_t count = shape_count(shape);
    return shape->batch < 0 ? count : times(count, n);
}

const char *shape_text(const Shape *shape, char *buffer)
{
    enum { SIZE = 128 };
    int at = 1;
    snprintf(buffer, SIZE, "[");
    for (int i = 0; i < shape->rank && at < SIZE; i++) {
        size_t left = (size_t)(SIZE - at);
        const char *comma = i ? ", " : "";
        const char *n = i == shape->batch ? "N" : "";
        if (*n && shape->dim[i] == 1)
            at += snprintf(buffer + at, left, "%sN", comma);
        else
            at += snprintf(buffer + at, left, "%s%lld%s", comma, (long long)shape->dim[i], n);
    }
    if (at < SIZE)
        snprintf(buffer + at, (size_t)(SIZE - at), "]");
    return buffer;
}

/* One axis of the result; false where a and b (-1: absent) do not agree. */
static bool broadcast_axis(const Shape *a, int i, const Shape *b, int j, int64_t *dim, bool *batch)
{
    int64_t m = i < 0 ? 1 : a->dim[i], n = j < 0 ? 1 : b->dim[j];
    bool m_batch = i >= 0 && i == a->batch, n_batch = j >= 0 && j == b->batch;
    *batch = m_batch || n_batch;
    if (m == 1 && !m_batch) {
        *dim = n;
        return true;
    }
    *dim = m;
    return (n == 1 && !n_batch) || (m == n && m_batch == n_batch);
}

bool shape_broadcast(const Shape *a, const Shape *b, Shape *out, int *axis_a, int *axis_b)
{
    Shape y = {.rank = a->rank > b->rank ? a->rank : b->rank, .batch = -1};
    for (int k = y.rank - 1; k >= 0; k--) {
        int i = k - (y.rank - a->rank), j = k - (y.rank - b->rank);
        bool batch;
        *axis_a = i;
        *axis_b = j;
        if (!broadcast_axis(a, i, b, j, &y.dim[k], &batch))
            return false;
        if (batch && y.batch >= 0) { /* each has a batch axis, and they do not meet */
            *axis_a = a->batch;
            *axis_b = b->batch;
            return false;
        }
        if (batch)
            y.batch = k;
    }
    *out = y;
    return true;
}

const char *dtype_text(DType dtype)
{
    static const char *const text[] = {"f32", "i32", "u8"};
    return text[dtype];
}
