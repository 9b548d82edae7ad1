/* SPDX-License-Identifier: MIT */
/* test_var.c: guards the two orders of a variable: each order of the axes of several shapes, kept
 * and saved, against NumPy's transpose written out. */
#include "graph_fixture.h"

/* A variable of that shape, kept in order perm. */
static Var *var_of(Fixture *f, Shape shape, const int *perm)
{
    const char *name = arena_format(f->ctx.arena, "w%d", f->p->vars.n);
    Var *v = program_var(f->p, name, VAR_weight, &shape, (Init){INIT_constant, 0, 0}, (Loc){0});
    for (int i = 0; i < shape.rank; i++)
        v->perm[i] = perm[i];
    return v;
}

/* 0, 1, 2, ... */
static double *counting(Fixture *f, int64_t n)
{
    double *data = arena_take(f->ctx.arena, sizeof *data * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        data[i] = (double)i;
    return data;
}

Test(var, a_new_one_is_kept_as_it_is_saved)
{
    Fixture *f = fixture_new(FN_predict);
    Shape s = SHAPE(-1, 2, 3, 4, 5, 1, 2, 1, 3);
    Var *v = program_var(f->p, "w", VAR_weight, &s, (Init){INIT_constant, 0, 0}, (Loc){0});
    Shape kept = var_kept_shape(v);
    cr_expect(shape_equal(&kept, &s));
    int64_t n = shape_count(&s);
    double *saved = counting(f, n), *out = arena_take(f->ctx.arena, sizeof *out * (size_t)n);
    var_to_kept(v, saved, out, shape_count(&v->shape));
    cr_expect_eq(memcmp(saved, out, sizeof *out * (size_t)n), 0);
    fixture_free(f);
}

Test(var, a_matrix_kept_as_its_transpose)
{
    Fixture *f = fixture_new(FN_predict);
    Var *v = var_of(f, SHAPE(-1, 2, 3), (int[]){1, 0});
    Shape kept = var_kept_shape(v), wants = SHAPE(-1, 3, 2);
    cr_expect(shape_equal(&kept, &wants));
    static const double saved[] = {1, 2, 3, 4, 5, 6}, transposed[] = {1, 4, 2, 5, 3, 6};
    double out[6], back[6];
    var_to_kept(v, saved, out, shape_count(&v->shape));
    cr_expect_eq(memcmp(out, transposed, sizeof out), 0);
    var_to_saved(v, out, back, shape_count(&v->shape));
    cr_expect_eq(memcmp(back, saved, sizeof back), 0);
    fixture_free(f);
}

/* [4, 3] as [2, 3, 2]: pieces of the first axis stand last. */
Test(var, the_first_axis_cut)
{
    Fixture *f = fixture_new(FN_predict);
    Var *v = var_of(f, SHAPE(-1, 4, 3), (int[]){0, 1});
    v->view = SHAPE(-1, 2, 2, 3);
    memcpy(v->perm, (int[]){0, 2, 1}, sizeof(int[3]));
    Shape kept = var_kept_shape(v), wants = SHAPE(-1, 2, 3, 2);
    cr_expect(shape_equal(&kept, &wants));
    static const double in_pieces[] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
    double *saved = counting(f, 12), out[12], back[12];
    var_to_kept(v, saved, out, shape_count(&v->shape));
    cr_expect_eq(memcmp(out, in_pieces, sizeof out), 0);
    var_to_saved(v, out, back, shape_count(&v->shape));
    cr_expect_eq(memcmp(back, saved, sizeof back), 0);
    fixture_free(f);
}

/* [2, 6] as [3, 2, 2] by pieces of the last axis, turned: these are one axis of its node. */
Test(var, pieces_that_stay_neighbours)
{
    Fixture *f = fixture_new(FN_predict);
    Var *v = var_of(f, SHAPE(-1, 2, 6), (int[]){0, 1});
    v->view = SHAPE(-1, 2, 2, 3);
    memcpy(v->perm, (int[]){2, 1, 0}, sizeof(int[3]));
    Shape kept = var_kept_shape(v), wants = SHAPE(-1, 6, 2);
    cr_expect(shape_equal(&kept, &wants));
    static const double turned[] = {0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11};
    double *saved = counting(f, 12), out[12];
    var_to_kept(v, saved, out, shape_count(&v->shape));
    cr_expect_eq(memcmp(out, turned, sizeof out), 0);
    fixture_free(f);
}

/* A cycle of three axes is not its own inverse, so the two directions cannot be mixed up. */
Test(var, a_cycle_of_axes)
{
    Fixture *f = fixture_new(FN_predict);
    static const int64_t dim[] = {2, 3, 4};
    static const int perm[] = {2, 0, 1};
    Var *v = var_of(f, shape_of(3, dim), perm);
    Shape kept = var_kept_shape(v), wants = SHAPE(-1, 4, 2, 3);
    cr_expect(shape_equal(&kept, &wants));
    double *saved = counting(f, 24), out[24], back[24];
    var_to_kept(v, saved, out, shape_count(&v->shape));
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 2; b++)
            for (int c = 0; c < 3; c++)
                cr_expect_eq(out[(a * 2 + b) * 3 + c], saved[(b * 3 + c) * 4 + a]);
    var_to_saved(v, out, back, shape_count(&v->shape));
    cr_expect_eq(memcmp(back, saved, sizeof back), 0);
    fixture_free(f);
}

/* Sets perm to order number k of n axes. */
static void order_of(int k, int n, int *perm)
{
    for (int i = 0; i < n; i++)
        perm[i] = i;
    for (int i = n; i > 1; i--) {
        int j = k % i, old = perm[i - 1];
        k /= i;
        perm[i - 1] = perm[j];
        perm[j] = old;
    }
}

/* Where the element lies in an array of these lengths. */
static int64_t place(int n, const int64_t *length, const int64_t *at)
{
    int64_t place = 0;
    for (int i = 0; i < n; i++)
        place = place * length[i] + at[i];
    return place;
}

static void check_order(Fixture *f, Shape shape, const int *perm)
{
    Var *v = var_of(f, shape, perm);
    Shape kept = var_kept_shape(v);
    int64_t n = shape_count(&shape), at[RANK_MAX] = {0};
    size_t bytes = sizeof(double) * (size_t)n;
    double *saved = counting(f, n), *out = arena_take(f->ctx.arena, bytes);
    double *back = arena_take(f->ctx.arena, bytes);
    var_to_kept(v, saved, out, shape_count(&v->shape));
    for (int64_t i = 0; i < n; i++) {
        int64_t moved[RANK_MAX];
        for (int k = 0; k < shape.rank; k++)
            moved[k] = at[perm[k]];
        cr_assert_eq(out[place(shape.rank, kept.dim, moved)], saved[i]);
        for (int k = shape.rank - 1; k >= 0 && ++at[k] == shape.dim[k]; k--)
            at[k] = 0;
    }
    var_to_saved(v, out, back, shape_count(&v->shape));
    cr_assert_eq(memcmp(back, saved, bytes), 0);
}

Test(var, every_order_of_four_axes)
{
    Fixture *f = fixture_new(FN_predict);
    int perm[4];
    unsigned seen = 0;
    for (int k = 0; k < 24; k++) {
        order_of(k, 4, perm);
        seen |= 1u << (perm[0] * 6 + (perm[1] - (perm[1] > perm[0])) * 2 + (perm[2] > perm[3]));
        check_order(f, SHAPE(-1, 2, 3, 1, 5), perm);
    }
    cr_expect_eq(seen, (1u << 24) - 1, "each order once: %x", seen);
    fixture_free(f);
}

Test(var, a_scalar)
{
    Fixture *f = fixture_new(FN_predict);
    Var *v = var_of(f, shape_scalar(), NULL);
    double one = 1, out = 0, back = 0;
    cr_expect_eq(var_kept_shape(v).rank, 0);
    var_to_kept(v, &one, &out, 1);
    var_to_saved(v, &out, &back, 1);
    cr_expect(out == 1 && back == 1);
    fixture_free(f);
}
