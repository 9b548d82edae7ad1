/* SPDX-License-Identifier: MIT */
/* limits.c: what this machine can do at most: FP32 multiply-adds, and bytes from and to memory.
 *
 * limits THREADS...: prints one JSON object, {"1": {"gflops": ..., "read_gbs": ..., "triad_gbs": ...}, ...}; the best of
 * several passes of each. Compile with: -O3 -march=native -fopenmp
 */
#define _GNU_SOURCE
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__AVX512F__)
enum { LANES = 16, CHAINS = 24 };
#elif defined(__AVX__)
enum { LANES = 8, CHAINS = 12 };
#else
enum { LANES = 4, CHAINS = 12 };
#endif
typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

enum { PASSES = 7, ROUNDS = 1 << 20 };
#define BYTES ((size_t)192 << 20) /* a thread: far more than its part of any cache */

/* --- multiply-adds ---------------------------------------------------------------------------- */

/* CHAINS independent sums, each in a register: enough to hide an FMA's latency. */
static float fma_rounds(float factor)
{
    vector sum[CHAINS], f = (vector){0} + factor;
    for (int i = 0; i < CHAINS; i++)
        sum[i] = f + (float)i;
    for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            sum[i] = sum[i] * f + f;
    }
    for (int i = 1; i < CHAINS; i++)
        sum[0] += sum[i];
    return sum[0][0];
}

/* GFLOP/s of a team. */
static double fma_rate(int threads, volatile float *sink)
{
    double start = 0, end = 0;
#pragma omp parallel num_threads(threads)
    {
        float kept =
            fma_rounds(0.25f); /* turbo frequency and team are there when the clock starts */
#pragma omp barrier
#pragma omp master
        start = omp_get_wtime();
#pragma omp barrier
        kept += fma_rounds(0.5f);
#pragma omp barrier
#pragma omp master
        end = omp_get_wtime();
#pragma omp critical
        *sink += kept;
    }
    return 2.0 * LANES * CHAINS * ROUNDS * threads / (end - start) * 1e-9;
}

/* --- memory ----------------------------------------------------------------------------------- */

static float read_all(const float *p, size_t n)
{
    vector sum[4] = {{0}};
    for (size_t i = 0; i + 4 * LANES <= n; i += 4 * LANES)
        for (int k = 0; k < 4; k++)
            sum[k] += *(const vector *)(p + i + (size_t)k * LANES);
    return (sum[0] + sum[1] + sum[2] + sum[3])[0];
}

static void triad(float *restrict to, const float *restrict a, const float *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = a[i] + 3.0f * b[i];
}

/* GB/s of a team, each thread in its own part of the buffer: reading, or two arrays read and one written. */
static double memory_rate(int threads, float *buffer, int writes, volatile float *sink)
{
    double start = 0, end = 0;
    size_t n = BYTES / sizeof(float), third = n / 3 / 64 * 64;
#pragma omp parallel num_threads(threads)
    {
        float *mine = buffer + n * (size_t)omp_get_thread_num(), kept = 0;
#pragma omp barrier
#pragma omp master
        start = omp_get_wtime();
#pragma omp barrier
        if (writes)
            triad(mine, mine + third, mine + 2 * third, third);
        else
            kept = read_all(mine, n);
#pragma omp barrier
#pragma omp master
        end = omp_get_wtime();
#pragma omp critical
        *sink += kept;
    }
    double bytes = (double)(writes ? 3 * third * sizeof(float) : BYTES);
    return bytes * threads / (end - start) * 1e-9;
}

static float *buffer_new(int threads)
{
    void *p = NULL;
    if (posix_memalign(&p, (size_t)2 << 20, BYTES * (size_t)threads))
        return NULL;
    madvise(p, BYTES * (size_t)threads, MADV_HUGEPAGE);
    float *buffer = p;
    for (size_t i = 0; i < BYTES * (size_t)threads / sizeof(float); i++)
        buffer[i] = 1.0f;
    return buffer;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

int main(int argc, char **argv)
{
    volatile float sink = 0;
    printf("{");
    for (int a = 1; a < argc; a++) {
        int threads = atoi(argv[a]);
        float *buffer = threads > 0 && threads <= 1024 ? buffer_new(threads) : NULL;
        if (!buffer) {
            fprintf(stderr, "limits: no memory, or no number of threads: %s\n", argv[a]);
            return 1;
        }
        double flops = 0, reads = 0, triads = 0;
        for (int pass = 0; pass < PASSES; pass++) {
            flops = larger(flops, fma_rate(threads, &sink));
            reads = larger(reads, memory_rate(threads, buffer, 0, &sink));
            triads = larger(triads, memory_rate(threads, buffer, 1, &sink));
        }
        printf("%s\"%d\": {\"gflops\": %.1f, \"read_gbs\": %.2f, \"triad_gbs\": %.2f}",
               a > 1 ? ", " : "", threads, flops, reads, triads);
        free(buffer);
    }
    printf("}\n");
    return 0;
}
