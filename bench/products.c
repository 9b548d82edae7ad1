/* SPDX-License-Identifier: MIT */
/* products.c: times C = A B of a library, FP32, row after row: [m, k] @ [k, n].
 *
 * products LIBRARY FILE M K N SECONDS: LIBRARY is openblas or onednn, FILE its shared object. Prints one JSON object:
 * the median of groups of calls that last 2 ms or more, on four sets of matrices in turn, as a program's `bench` does.
 * The library's own variables (OMP_NUM_THREADS, OPENBLAS_NUM_THREADS) say how many threads. Link with: -ldl
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POOL = 4, WARM = 4, MOST = 100000, ROW_MAJOR = 101, NO_TRANSPOSE = 111 };
#define GROUP 2e-3 /* seconds */

typedef void openblas_function(int order, int turn_a, int turn_b, int m, int n, int k, float alpha,
                               const float *a, int lda, const float *b, int ldb, float beta,
                               float *c, int ldc);
typedef int onednn_function(char turn_a, char turn_b, int64_t m, int64_t n, int64_t k, float alpha,
                            const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                            float *c, int64_t ldc);

typedef struct job {
    openblas_function *openblas; /* one of both */
    onednn_function *onednn;
    int m, k, n;
    float *a[POOL], *b[POOL], *c;
    int64_t calls;
} job;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void call(job *j)
{
    const float *a = j->a[j->calls % POOL], *b = j->b[j->calls % POOL];
    j->calls++;
    if (j->openblas)
        j->openblas(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, j->m, j->n, j->k, 1, a, j->k, b, j->n, 0,
                    j->c, j->n);
    else
        j->onednn('N', 'N', j->m, j->n, j->k, 1, a, j->k, b, j->n, 0, j->c, j->n);
}

/* Seconds that `calls` calls take. */
static double timed(job *j, int64_t calls)
{
    double start = now();
    for (int64_t i = 0; i < calls; i++)
        call(j);
    return now() - start;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds a call. */
static double median(job *j, double seconds)
{
    static double times[MOST];
    int64_t group = 1;
    int n = 0;
    timed(j, WARM);
    while (timed(j, group) < GROUP)
        group *= 2;
    for (double end = now() + seconds; n == 0 || (now() < end && n < MOST); n++)
        times[n] = timed(j, group) / (double)group;
    qsort(times, (size_t)n, sizeof *times, ascending);
    return times[n / 2];
}

static float *matrix(int rows, int columns)
{
    void *p = NULL;
    size_t count = (size_t)rows * (size_t)columns;
    if (posix_memalign(&p, 64, count * sizeof(float)))
        abort();
    for (size_t i = 0; i < count; i++)
        ((float *)p)[i] = (float)(i * 2654435761u % 1024) / 1024;
    return p;
}

/* The last number of the result is right: the library was called as it wants to be. */
static int right(job *j)
{
    double want = 0;
    const float *a = j->a[0] + (size_t)(j->m - 1) * (size_t)j->k, *b = j->b[0] + j->n - 1;
    for (int i = 0; i < j->k; i++)
        want += (double)a[i] * b[(size_t)i * (size_t)j->n];
    j->calls = 0;
    call(j);
    double error = j->c[(size_t)j->m * (size_t)j->n - 1] - want;
    return error < 1e-4 * want && -error < 1e-4 * want;
}

/* One line that says which. */
static void print_version(void *library)
{
    typedef struct version {
        int major, minor, patch;
    } version;
    char *(*config)(void) = NULL;
    const version *(*dnnl_version)(void) = NULL;
    *(void **)&config = dlsym(library, "openblas_get_config");
    *(void **)&dnnl_version = dlsym(library, "dnnl_version");
    if (config)
        printf("%s", config());
    else if (dnnl_version)
        printf("oneDNN %d.%d.%d", dnnl_version()->major, dnnl_version()->minor,
               dnnl_version()->patch);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return fprintf(stderr, "usage: products LIBRARY FILE M K N SECONDS\n"), 2;
    void *library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    job j = {.m = atoi(argv[3]), .k = atoi(argv[4]), .n = atoi(argv[5])};
    if (library && !strcmp(argv[1], "openblas"))
        *(void **)&j.openblas = dlsym(library, "cblas_sgemm");
    else if (library)
        *(void **)&j.onednn = dlsym(library, "dnnl_sgemm");
    if (!j.openblas && !j.onednn)
        return fprintf(stderr, "products: %s: %s\n", argv[2], dlerror()), 1;
    for (int p = 0; p < POOL; p++) {
        j.a[p] = matrix(j.m, j.k);
        j.b[p] = matrix(j.k, j.n);
    }
    j.c = matrix(j.m, j.n);
    if (!right(&j))
        return fprintf(stderr, "products: %s: a wrong product\n", argv[2]), 1;
    printf("{\"median_ms\": %.6g, \"version\": \"", median(&j, atof(argv[6])) * 1e3);
    print_version(library);
    printf("\"}\n");
    return 0;
}
