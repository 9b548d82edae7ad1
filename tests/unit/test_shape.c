/* SPDX-License-Identifier: MIT */
/* test_shape.c: guards shapes: counts that do not overflow, texts, broadcasting with a batch
 * axis. */
#include "graph_fixture.h"

Test(shape, counts)
{
    Shape s = SHAPE(0, 1, 28, 28), four = SHAPE(1, 3, 4), scalar = shape_scalar();
    cr_expect_eq(shape_count(&s), 784);
    cr_expect_eq(shape_elements(&s, 64), 64 * 784);
    cr_expect_eq(shape_elements(&four, 5), 60);
    cr_expect_eq(shape_count(&scalar), 1);
    cr_expect_eq(shape_elements(&scalar, 9), 1);
    cr_expect_eq(scalar.batch, -1);
    int64_t dim[] = {2, 3};
    Shape plain = shape_of(2, dim);
    int64_t most[RANK_MAX] = {1, 2, 1, 2, 1, 2, 1, 3};
    Shape widest = shape_of(RANK_MAX, most);
    cr_expect_eq(shape_count(&widest), 24);
    cr_expect(plain.batch == -1 && plain.rank == 2 && plain.dim[1] == 3 && plain.dim[2] == 0);
}

Test(shape, counts_stop_at_the_largest_number)
{
    Shape s = SHAPE(0, 1, DIM_MAX, DIM_MAX, DIM_MAX);
    cr_expect_eq(shape_count(&s), INT64_MAX);
    cr_expect_eq(shape_elements(&s, 100), INT64_MAX);
    Shape t = SHAPE(0, 1, DIM_MAX, DIM_MAX);
    cr_expect_lt(shape_count(&t), INT64_MAX);
    cr_expect_eq(shape_elements(&t, 3), INT64_MAX);
}

Test(shape, texts)
{
    static const struct {
        Shape shape;
        const char *text;
    } row[] = {
        {{.batch = -1}, "[]"},
        {{.rank = 1, .batch = -1, .dim = {7}}, "[7]"},
        {{.rank = 1, .batch = 0, .dim = {1}}, "[N]"},
        {{.rank = 2, .batch = 0, .dim = {1, 784}}, "[N, 784]"},
        {{.rank = 2, .batch = 0, .dim = {4, 10}}, "[4N, 10]"},
        {{.rank = 3, .batch = 1, .dim = {2, 1, 3}}, "[2, N, 3]"},
    };
    char buffer[128];
    for (int i = 0; i < COUNT(row); i++)
        cr_expect_str_eq(shape_text(&row[i].shape, buffer), row[i].text);
    Shape wide = {.rank = RANK_MAX, .batch = 0};
    for (int i = 0; i < RANK_MAX; i++)
        wide.dim[i] = INT64_MIN; /* no shape, but it must stay inside the buffer */
    cr_expect_lt(strlen(shape_text(&wide, buffer)), sizeof buffer);
}

Test(shape, equal)
{
    Shape a = SHAPE(0, 1, 3), b = SHAPE(-1, 1, 3), c = SHAPE(0, 1, 4), d = SHAPE(0, 1, 3, 1);
    Shape same = SHAPE(0, 1, 3);
    same.dim[5] = 99; /* past the rank: of no account */
    cr_expect(shape_equal(&a, &same));
    cr_expect_not(shape_equal(&a, &b));
    cr_expect_not(shape_equal(&a, &c));
    cr_expect_not(shape_equal(&a, &d));
}

typedef struct Pair {
    Shape a, b, out;
    int axis_a, axis_b; /* where they fail; out.rank is -1 then */
} Pair;

static const Pair pairs[] = {
    {SHAPE(-1, 3), SHAPE(-1, 3), SHAPE(-1, 3), 0, 0},
    {SHAPE(-1, 2, 1), SHAPE(-1, 3), SHAPE(-1, 2, 3), 0, 0},
    {SHAPE(-1, 5, 1, 7), SHAPE(-1, 6, 1), SHAPE(-1, 5, 6, 7), 0, 0},
    {SHAPE(0, 1, 10), SHAPE(-1, 10), SHAPE(0, 1, 10), 0, 0},
    {SHAPE(0, 1, 10), SHAPE(-1, 1, 1), SHAPE(0, 1, 10), 0, 0},
    {SHAPE(0, 1, 10), SHAPE(0, 1, 1), SHAPE(0, 1, 10), 0, 0},
    {SHAPE(0, 1, 3), SHAPE(-1, 2, 1, 1), SHAPE(1, 2, 1, 3), 0, 0},
    {SHAPE(0, 4, 3), SHAPE(0, 4, 3), SHAPE(0, 4, 3), 0, 0},
    {SHAPE(1, 3, 1), SHAPE(-1, 3, 1), SHAPE(1, 3, 1), 0, 0},
    /* wrong */
    {SHAPE(-1, 3), SHAPE(-1, 4), {.rank = -1}, 0, 0},
    {SHAPE(-1, 2, 3), SHAPE(-1, 2), {.rank = -1}, 1, 0},
    {SHAPE(0, 1, 10), SHAPE(0, 1, 12), {.rank = -1}, 1, 1},
    {SHAPE(0, 1, 10), SHAPE(-1, 64, 10), {.rank = -1}, 0, 0}, /* N is not 64 */
    {SHAPE(0, 1, 10), SHAPE(0, 4, 10), {.rank = -1}, 0, 0},   /* nor is it 4N */
    {SHAPE(0, 1, 1), SHAPE(0, 1), {.rank = -1}, 0, 0},        /* two batch axes */
    {SHAPE(0, 1, 1), SHAPE(1, 1, 1), {.rank = -1}, 0, 1},
};

Test(shape, broadcasts_as_numpy_with_one_batch_axis)
{
    for (int i = 0; i < COUNT(pairs); i++) {
        const Pair *p = &pairs[i];
        Shape out;
        int a, b;
        bool fits = shape_broadcast(&p->a, &p->b, &out, &a, &b);
        cr_expect_eq(fits, p->out.rank >= 0, "pair %d", i);
        if (fits)
            cr_expect(shape_equal(&out, &p->out), "pair %d", i);
        else
            cr_expect(a == p->axis_a && b == p->axis_b, "pair %d: %d %d", i, a, b);
        bool back = shape_broadcast(&p->b, &p->a, &out, &a, &b);
        cr_expect_eq(back, fits, "pair %d, the other way", i);
        if (back)
            cr_expect(shape_equal(&out, &p->out), "pair %d, the other way", i);
    }
}

Test(shape, a_rank_out_of_range_is_a_bug, .exit_code = 70)
{
    int64_t dim[RANK_MAX + 1] = {0};
    shape_of(RANK_MAX + 1, dim);
}
