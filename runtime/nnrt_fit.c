/* SPDX-License-Identifier: MIT */
/* nnrt_fit.c: layers whose weights are statistics of the training data: standardize, impute, pca.
 *
 * Each is fitted in its turn, by one pass over the samples or two, of what the model's own function gives as its
 * input once those before it are fitted. All is summed in double, sample after sample, on one thread: the same bits
 * whatever the number of threads, and whatever the batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* Of one feature so far, NaN left out: Welford's (1962) mean and sum of squared deviations. */
typedef struct fit_moments {
    double n, mean, squares;
} fit_moments;

typedef struct fit_run {
    nnrt_instance *m;
    const nnrt_dataset *data;
    const nnrt_rows *rows;
    nnrt_feed *feed;
    const nnrt_fit_layer *layer; /* the one at hand */
    float **out;                 /* what each layer reads, of a batch */
    fit_moments *moments;        /* one a feature */
    double *matrix;              /* pca: the covariance; then its eigenvectors behind it */
    float *all;   /* median: the values of each feature, one feature after the other */
    int infinite; /* the first feature that held an infinity, or -1 */
    nnrt_fault *fault;
} fit_run;

/* --- passes over the samples ------------------------------------------------------------------- */

/* The numbers of a feature that the training set has. */
static int64_t fit_values(const fit_run *f)
{
    return f->rows->n * (f->layer->count / f->layer->features);
}

/* Mean and deviations of each feature. */
static void fit_take_moments(fit_run *f, const float *x, int64_t runs)
{
    const nnrt_fit_layer *l = f->layer;
    for (int64_t r = 0; r < runs; r++) {
        fit_moments *at = &f->moments[r % l->features];
        for (int64_t i = 0; i < l->inner; i++) {
            double value = (double)*x++;
            if (isnan(value))
                continue;
            if (isinf(value) && f->infinite < 0)
                f->infinite = (int)(r % l->features);
            double away = value - at->mean;
            at->n += 1;
            at->mean += away / at->n;
            at->squares += away * (value - at->mean);
        }
    }
}

/* The values themselves, those of a feature together; moments[].n counts them. */
static void fit_take_all(fit_run *f, const float *x, int64_t runs)
{
    const nnrt_fit_layer *l = f->layer;
    const int64_t room = fit_values(f);
    for (int64_t r = 0; r < runs; r++) {
        int64_t feature = r % l->features;
        fit_moments *at = &f->moments[feature];
        for (int64_t i = 0; i < l->inner; i++, x++) {
            if (isnan(*x))
                continue;
            if (isinf(*x) && f->infinite < 0)
                f->infinite = (int)feature;
            f->all[feature * room + (int64_t)at->n] = *x;
            at->n += 1;
        }
    }
}

/* Sums of products of deviations, above the diagonal and on it; the means are known. */
static void fit_take_products(fit_run *f, const float *x, int64_t runs)
{
    const int64_t n = f->layer->features;
    double *away = f->matrix + n * n; /* where eigenvectors will be */
    for (int64_t r = 0; r < runs; r += n, x += n) {
        for (int64_t i = 0; i < n; i++)
            away[i] = (double)x[i] - f->moments[i].mean;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i; j < n; j++)
                f->matrix[i * n + j] += away[i] * away[j];
    }
}

/* Calls `take` with what the layer reads of each batch: runs of `inner` numbers of one feature. A status where a batch
 * cannot be read. */
static int fit_pass(fit_run *f, void (*take)(fit_run *, const float *, int64_t))
{
    const nnrt_model *model = f->m->model;
    const nnrt_fitting *fitting = model->fitting;
    const nnrt_fit_layer *l = f->layer;
    for (int64_t at = 0; at < f->rows->n; at += model->batch) {
        int n = (int)(f->rows->n - at < model->batch ? f->rows->n - at : model->batch);
        int status = nnrt_dataset_batch(f->data, f->rows->at + at, n, f->feed->in, f->fault);
        if (status)
            return status;
        fitting->values(f->m, n, (const void *const *)f->feed->in, f->out);
        take(f, f->out[l - fitting->layers], n * (l->count / l->inner));
    }
    return 0;
}

/* --- what is wrong with the values -------------------------------------------------------------- */

static int fit_no_memory(const fit_run *f)
{
    return nnrt_fail(f->fault, NNRT_NO_MEMORY, "no memory to fit '%s'", f->layer->name);
}

static int fit_infinite(const fit_run *f)
{
    return nnrt_fail(f->fault, NNRT_NOT_FINITE,
                     "'%s' is fitted on the training data: an infinity reaches its feature %d "
                     "(from 0)",
                     f->layer->name, f->infinite);
}

/* Whether each feature has some value, or where `complete`, all; else a status. */
static int fit_check(const fit_run *f, int complete)
{
    const nnrt_fit_layer *l = f->layer;
    const double all = (double)fit_values(f);
    if (f->infinite >= 0)
        return fit_infinite(f);
    for (int64_t i = 0; i < l->features; i++) {
        if (complete && f->moments[i].n < all)
            return nnrt_fail(f->fault, NNRT_BAD_CONTENT,
                             "'%s': a value of its feature %lld (from 0) is missing: an 'impute' "
                             "before it fills it in",
                             l->name, (long long)i);
        if (f->moments[i].n < 1)
            return nnrt_fail(f->fault, NNRT_BAD_CONTENT,
                             "'%s': its feature %lld (from 0) has no value in the training data",
                             l->name, (long long)i);
    }
    return 0;
}

/* --- standardize, impute ------------------------------------------------------------------------- */

static int fit_standardize(fit_run *f)
{
    const nnrt_fit_layer *l = f->layer;
    float *mean = malloc((size_t)l->features * 2 * sizeof *mean), *std = mean + l->features;
    if (!mean)
        return fit_no_memory(f);
    int status = fit_pass(f, fit_take_moments);
    for (int64_t i = 0; i < l->features; i++) {
        const fit_moments *at = &f->moments[i];
        double deviation = at->n > 0 ? sqrt(at->squares / at->n) : 0;
        mean[i] = (float)at->mean;
        std[i] = (float)deviation > (float)l->eps ? (float)deviation : 1;
    }
    if (!status && f->infinite >= 0)
        status = fit_infinite(f);
    if (!status) {
        nnrt_var_write(f->m, l->var[0], mean);
        nnrt_var_write(f->m, l->var[1], std);
    }
    free(mean);
    return status;
}

static int fit_ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of n values, the middle one, or the mean of the two in the middle. */
static double fit_median(float *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, fit_ascending);
    return 0.5 * ((double)x[(n - 1) / 2] + (double)x[n / 2]);
}

static int fit_impute(fit_run *f)
{
    const nnrt_fit_layer *l = f->layer;
    const int median = l->kind == NNRT_FIT_MEDIAN;
    const size_t room = median ? (size_t)fit_values(f) * (size_t)l->features : 0;
    float *value = malloc((size_t)l->features * sizeof *value);
    f->all = malloc((room + 1) * sizeof *f->all);
    int status = value && f->all ? 0 : fit_no_memory(f);
    if (!status)
        status = fit_pass(f, median ? fit_take_all : fit_take_moments);
    if (!status)
        status = fit_check(f, 0);
    for (int64_t i = 0; i < l->features && !status; i++) {
        const fit_moments *at = &f->moments[i];
        value[i] =
            (float)(median ? fit_median(f->all + i * fit_values(f), (int64_t)at->n) : at->mean);
    }
    if (!status)
        nnrt_var_write(f->m, l->var[0], value);
    free(f->all);
    f->all = NULL;
    free(value);
    return status;
}

/* --- pca ----------------------------------------------------------------------------------------- */

/* Turns rows p and q of an n x n matrix. */
static void fit_turn(double *a, int64_t n, int64_t p, int64_t q, double c, double s)
{
    double *x = a + p * n, *y = a + q * n;
    for (int64_t i = 0; i < n; i++) {
        double before = x[i];
        x[i] = c * before - s * y[i];
        y[i] = s * before + c * y[i];
    }
}

/* One rotation of the symmetric a, so that a[p][q] becomes 0; v gathers them, a row a vector. */
static void fit_rotate(double *a, double *v, int64_t n, int64_t p, int64_t q)
{
    double apq = a[p * n + q], app = a[p * n + p], aqq = a[q * n + q];
    double theta = (aqq - app) / (2 * apq);
    double t = (theta < 0 ? -1.0 : 1.0) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;
    fit_turn(a, n, p, q, c, s);
    a[p * n + p] = app - t * apq;
    a[q * n + q] = aqq + t * apq;
    a[p * n + q] = a[q * n + p] = 0;
    for (int64_t i = 0; i < n; i++) {
        a[i * n + p] = a[p * n + i];
        a[i * n + q] = a[q * n + i];
    }
    fit_turn(v, n, p, q, c, s);
}

/* Jacobi's method, by rows (Golub and Van Loan, Matrix Computations, 8.5): eigenvalues on the diagonal of a,
 * eigenvectors in the rows of v. */
static void fit_eigen(double *a, double *v, int64_t n)
{
    enum { SWEEPS = 60 };
    memset(v, 0, (size_t)(n * n) * sizeof *v);
    double trace = 0; /* it stays, and is never below a variance */
    for (int64_t i = 0; i < n; i++) {
        v[i * n + i] = 1;
        trace += a[i * n + i];
    }
    int turned = 1;
    for (int sweep = 0; turned && sweep < SWEEPS; sweep++) {
        turned = 0;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                if (fabs(a[p * n + q]) <= 1e-18 * trace)
                    continue;
                fit_rotate(a, v, n, p, q);
                turned = 1;
            }
    }
}

/* The index of the largest eigenvalue that is not taken; the first of equal ones. */
static int64_t fit_largest(const double *a, int64_t n, const char *taken)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (!taken[i] && (best < 0 || a[i * n + i] > a[best * n + best]))
            best = i;
    return best;
}

/* Writes vector v as component: the sign that makes its number of largest size, the first of such, positive. */
static void fit_component(const double *v, int64_t n, float *out)
{
    int64_t largest = 0;
    for (int64_t i = 1; i < n; i++)
        if (fabs(v[i]) > fabs(v[largest]))
            largest = i;
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(v[largest] < 0 ? -v[i] : v[i]);
}

/* The k eigenvectors of largest eigenvalue; what is nothing beside the largest is 0. */
static void fit_choose(const fit_run *f, int64_t k, float *components, float *variance, char *taken)
{
    const int64_t n = f->layer->features;
    const double *a = f->matrix, *v = f->matrix + n * n;
    double most = 0;
    for (int64_t i = 0; i < k; i++) {
        int64_t best = fit_largest(a, n, taken);
        double value = a[best * n + best];
        taken[best] = 1;
        most = i ? most : value;
        variance[i] = value > 1e-12 * most ? (float)value : 0;
        fit_component(v + best * n, n, components + i * n);
    }
}

static int fit_pca(fit_run *f)
{
    const nnrt_fit_layer *l = f->layer;
    const nnrt_var *vars = f->m->model->vars;
    const int64_t n = l->features, k = vars[l->var[0]].dim[0];
    const double samples = (double)fit_values(f);
    float *components = malloc((size_t)(k * n + n + k) * sizeof *components);
    float *mean = components + k * n, *variance = mean + n;
    char *taken = calloc((size_t)n, 1);
    f->matrix = calloc((size_t)(2 * n * n), sizeof *f->matrix);
    int status = components && taken && f->matrix ? 0 : fit_no_memory(f);
    if (!status)
        status = fit_pass(f, fit_take_moments);
    if (!status)
        status = fit_check(f, 1);
    if (!status)
        status = fit_pass(f, fit_take_products);
    if (!status) {
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i; j < n; j++) {
                f->matrix[i * n + j] /= samples > 1 ? samples - 1 : 1;
                f->matrix[j * n + i] = f->matrix[i * n + j];
            }
        fit_eigen(f->matrix, f->matrix + n * n, n);
        fit_choose(f, k, components, variance, taken);
        for (int64_t i = 0; i < n; i++)
            mean[i] = (float)f->moments[i].mean;
        nnrt_var_write(f->m, l->var[0], components);
        nnrt_var_write(f->m, l->var[1], mean);
        nnrt_var_write(f->m, l->var[2], variance);
    }
    free(components);
    free(taken);
    free(f->matrix);
    f->matrix = NULL;
    return status;
}

/* --- all layers ---------------------------------------------------------------------------------- */

static int fit_layer(fit_run *f)
{
    f->infinite = -1;
    f->moments = calloc((size_t)f->layer->features, sizeof *f->moments);
    if (!f->moments)
        return fit_no_memory(f);
    int status = f->layer->kind == NNRT_FIT_STANDARDIZE ? fit_standardize(f)
                 : f->layer->kind == NNRT_FIT_PCA       ? fit_pca(f)
                                                        : fit_impute(f);
    free(f->moments);
    return status;
}

int nnrt_fit(nnrt_instance *m, const nnrt_dataset *data, const nnrt_rows *rows, nnrt_feed *feed,
             nnrt_fault *fault)
{
    const nnrt_fitting *fitting = m->model->fitting;
    fit_run f = {.m = m, .data = data, .rows = rows, .feed = feed, .fault = fault};
    if (!fitting)
        return 0;
    f.out = calloc((size_t)fitting->n, sizeof *f.out);
    int status = 0;
    for (int i = 0; i < fitting->n && !status; i++) {
        f.layer = &fitting->layers[i];
        size_t bytes = (size_t)f.layer->count * (size_t)m->model->batch * sizeof(float);
        if (f.out)
            f.out[i] = aligned_alloc(NNRT_ALIGN, (bytes / NNRT_ALIGN + 1) * NNRT_ALIGN);
        status = f.out && f.out[i] ? 0 : fit_no_memory(&f);
    }
    for (int i = 0; i < fitting->n && !status; i++) {
        f.layer = &fitting->layers[i];
        status = fit_layer(&f);
    }
    for (int i = 0; f.out && i < fitting->n; i++)
        free(f.out[i]);
    free(f.out);
    return status;
}
