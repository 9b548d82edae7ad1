/* SPDX-License-Identifier: MIT */
/* Guards runtime/nnrt_fit.c: statistics and components against numbers of numpy (mean, std, median, and linalg.svd
 * of what is centred, with signs as scikit-learn's PCA has them), which rows count, what is said of bad values. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

enum { ROWS = 8, FEATURES = 3 };

/* A model of one input of three numbers, whose layer reads it as it is. */
static void values(nnrt_instance *m, int n, const void *const *in, float *const *out)
{
    for (int i = 0; i < m->model->fitting->n; i++)
        memcpy(out[i], in[0], sizeof(float) * FEATURES * (size_t)n);
}

static const nnrt_value inputs[] = {
    {.name = "x", .dtype = NNRT_F32, .rank = 1, .dim = {FEATURES}, .count = FEATURES}};
static const nnrt_var vars[] = {
    {.name = "a", .kind = NNRT_BUFFER, .rank = 2, .dim = {3, 3}, .count = 9, .perm = {0, 1}},
    {.name = "b", .kind = NNRT_BUFFER, .rank = 1, .dim = {3}, .count = 3, .offset = 64},
    {.name = "c", .kind = NNRT_BUFFER, .rank = 1, .dim = {3}, .count = 3, .offset = 128}};

typedef struct Fitted {
    nnrt_fit_layer layer;
    nnrt_fitting fitting;
    nnrt_model model;
    nnrt_instance *m;
    float a[9], b[3], c[3];
    int status;
    nnrt_fault fault;
} Fitted;

/* Fits a layer of that kind on the rows of x that `rows` names. */
static Fitted fit(nnrt_fit_layer layer, int batch, const float *x, int n, const int64_t *rows)
{
    Fitted f = {.layer = layer};
    f.fitting = (nnrt_fitting){1, &f.layer, values};
    f.model = (nnrt_model){.abi = NNRT_ABI,
                           .name = "m",
                           .batch = batch,
                           .n_inputs = 1,
                           .n_vars = 3,
                           .inputs = inputs,
                           .vars = vars,
                           .vars_bytes = 192,
                           .arena_bytes = 192,
                           .size = sizeof(nnrt_instance) + 256,
                           .fitting = &f.fitting};
    nnrt_array column = {.type = NNRT_ARRAY_F32, .rank = 2, .dim = {ROWS, 3}, .data = (void *)x};
    const char *name = "x.npy";
    nnrt_dataset data = {.model = &f.model, .n = ROWS, .columns = &column, .names = &name};
    nnrt_rows chosen = {n, (int64_t *)rows};
    nnrt_feed feed;
    f.m = nnrt_new(&f.model, 1);
    cr_assert_not_null(f.m);
    cr_assert_eq(nnrt_feed_open(&feed, &f.model, &f.fault), 0);
    f.status = nnrt_fit(f.m, &data, &chosen, &feed, &f.fault);
    nnrt_var_read(f.m, 0, f.a);
    nnrt_var_read(f.m, 1, f.b);
    nnrt_var_read(f.m, 2, f.c);
    nnrt_feed_close(&feed);
    nnrt_free(f.m);
    return f;
}

static void expect(int line, const float *got, int n, const double *want)
{
    for (int i = 0; i < n; i++)
        cr_expect(fabs((double)got[i] - want[i]) <= 1e-6 * (1 + fabs(want[i])),
                  "line %d: number %d is %.9g, not %.9g", line, i, (double)got[i], want[i]);
}
#define EXPECT(got, ...)                                                                           \
    expect(__LINE__, got, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),                 \
           (double[]){__VA_ARGS__})

/* Rows 1, 2, 4, 5, 7 are training's; the others would change all that follows. */
static const int64_t rows[] = {1, 2, 4, 5, 7};
static const float table[ROWS * 3] = {1e6f, 0, 0, 2, 1, 0, 4,  3,  1,  -9e5f, 7, 7,
                                      1,    0, 2, 7, 5, 1, 55, 66, 77, 3,     2, 6};

static nnrt_fit_layer layer_of(nnrt_fit_kind kind, int first, int second, int third)
{
    return (nnrt_fit_layer){kind, "layer", 3, 3, 1, {first, second, third}, 0};
}

Test(fit, standardize)
{
    for (int batch = 1; batch <= 5; batch += 2) {
        Fitted f = fit(layer_of(NNRT_FIT_STANDARDIZE, 1, 2, 0), batch, table, 5, rows);
        cr_assert_eq(f.status, 0);
        EXPECT(f.b, 3.4, 2.2, 2);
        EXPECT(f.c, 2.0591260281974, 1.7204650534085253, 2.0976176963403033);
    }
}

/* A value that is missing is left out; a constant has a deviation of 1, one at eps as well. */
Test(fit, standardize_of_constants_and_gaps)
{
    float x[ROWS * 3] = {0};
    for (int i = 0; i < ROWS; i++) {
        x[3 * i] = 5;
        x[3 * i + 1] = i == 2 ? NAN : (float)i;
        x[3 * i + 2] = NAN;
    }
    Fitted f = fit(layer_of(NNRT_FIT_STANDARDIZE, 1, 2, 0), 4, x, 5, rows);
    cr_assert_eq(f.status, 0);
    EXPECT(f.b, 5, 4.25, 0); /* of 1, 4, 5, 7 */
    EXPECT(f.c, 1, 2.165063509461097, 1);
    nnrt_fit_layer coarse = layer_of(NNRT_FIT_STANDARDIZE, 1, 2, 0);
    coarse.eps = 3;
    f = fit(coarse, 4, x, 5, rows);
    EXPECT(f.c, 1, 1, 1);
}

/* Two features of which each has a run of numbers a sample, as channels of an image have. */
Test(fit, features_by_runs)
{
    nnrt_fit_layer l = {NNRT_FIT_MEAN, "layer", 3, 1, 3, {1}, 0};
    Fitted f = fit(l, 4, table, 5, rows);
    EXPECT(f.b, (17 + 11 + 10) / 15.0);
}

Test(fit, impute)
{
    Fitted f = fit(layer_of(NNRT_FIT_MEAN, 1, 0, 0), 4, table, 5, rows);
    EXPECT(f.b, 3.4, 2.2, 2);
    f = fit(layer_of(NNRT_FIT_MEDIAN, 1, 0, 0), 4, table, 5, rows);
    EXPECT(f.b, 3, 2, 1);
    float x[ROWS * 3];
    memcpy(x, table, sizeof x);
    x[3 * 7] = NAN; /* 2, 4, 1, 7 are left */
    f = fit(layer_of(NNRT_FIT_MEDIAN, 1, 0, 0), 2, x, 5, rows);
    EXPECT(f.b, 3, 2, 1);
    f = fit(layer_of(NNRT_FIT_MEAN, 1, 0, 0), 2, x, 5, rows);
    EXPECT(f.b, 3.5, 2.2, 2);
    for (int i = 0; i < 5; i++)
        x[3 * rows[i] + 1] = NAN;
    f = fit(layer_of(NNRT_FIT_MEDIAN, 1, 0, 0), 2, x, 5, rows);
    cr_expect_eq(f.status, NNRT_BAD_CONTENT);
    cr_expect(strstr(f.fault.text, "feature 1 (from 0) has no value"), "%s", f.fault.text);
    x[3] = INFINITY;
    f = fit(layer_of(NNRT_FIT_MEAN, 1, 0, 0), 2, x, 5, rows);
    cr_expect_eq(f.status, NNRT_NOT_FINITE);
    cr_expect(strstr(f.fault.text, "an infinity reaches its feature 0"), "%s", f.fault.text);
}

Test(fit, pca)
{
    Fitted f = fit(layer_of(NNRT_FIT_PCA, 0, 1, 2), 3, table, 5, rows);
    cr_assert_eq(f.status, 0);
    EXPECT(f.a, 0.7476444224, 0.6207214483, -0.2360777519, 0.1698027456, 0.1649912138, 0.9715682792,
           -0.6420240326, 0.7664742603, -0.0179545481);
    EXPECT(f.c, 9.18986076, 5.28401141, 0.02612783);
    EXPECT(f.b, 3.4, 2.2, 2);
    float x[ROWS * 3];
    memcpy(x, table, sizeof x);
    x[3 * 5 + 1] = NAN;
    f = fit(layer_of(NNRT_FIT_PCA, 0, 1, 2), 3, x, 5, rows);
    cr_expect_eq(f.status, NNRT_BAD_CONTENT);
    cr_expect(strstr(f.fault.text, "feature 1 (from 0) is missing: an 'impute'"), "%s",
              f.fault.text);
}

/* The second feature is twice the first, the third constant: one direction has all the variance. */
Test(fit, pca_of_one_direction)
{
    float x[ROWS * 3];
    for (int i = 0; i < ROWS; i++) {
        x[3 * i] = (float)i;
        x[3 * i + 1] = 2 * (float)i;
        x[3 * i + 2] = 3;
    }
    Fitted f = fit(layer_of(NNRT_FIT_PCA, 0, 1, 2), 3, x, 5, rows);
    cr_assert_eq(f.status, 0);
    EXPECT(f.a, 0.4472135954999579, 0.8944271909999159, 0);
    EXPECT(f.c, 5 * 5.7, 0, 0); /* the variance of 1, 2, 4, 5, 7 is 5.7 */
    for (int i = 0; i < 3; i++) {
        double length = 0, with_first = 0;
        for (int k = 0; k < 3; k++) {
            length += (double)f.a[3 * i + k] * (double)f.a[3 * i + k];
            with_first += (double)f.a[3 * i + k] * (double)f.a[k];
        }
        cr_expect_float_eq(length, 1, 1e-6);
        cr_expect_float_eq(with_first, i == 0, 1e-6);
    }
}

Test(fit, models_without_such_layers)
{
    const nnrt_model model = {.name = "m"};
    nnrt_instance m = {.model = &model};
    nnrt_fault fault;
    cr_expect_eq(nnrt_fit(&m, NULL, NULL, NULL, &fault), 0);
}
