/* SPDX-License-Identifier: MIT */
/* nnrt_peak.c: what this machine can do at most, for `bench --profile`: fused multiply-adds of registers,
 * and numbers read from memory, on as many threads as a step runs on. Measured in some 0.2 s.
 *
 * Multiply-adds are written in assembler where the processor has them: this file is compiled for any
 * processor, and the model for one. */
#include <stdlib.h>
#include <unistd.h>

#include "nnrt_program.h"

enum { PEAK_SUMS = 12, PEAK_ROUNDS = 1 << 17 };
#define PEAK_SECONDS 0.04                /* of trials each */
#define PEAK_LEAST   ((size_t)128 << 20) /* bytes: more than most caches hold */
#define PEAK_MOST    ((size_t)256 << 20)

/* --- multiply-adds ---------------------------------------------------------------------------- */

/* Twelve sums that do not wait for each other, so that the units always have work. */
#define PEAK_TWELVE(step)                                                                          \
    step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10)       \
        step(11)
/* A function that does PEAK_ROUNDS rounds of `step` on vectors of so many floats. */
#define PEAK_FUNCTION(name, target, lanes, kind, step)                                             \
    target static float name(void)                                                                 \
    {                                                                                              \
        typedef float vector __attribute__((vector_size(lanes * 4)));                              \
        vector s0 = {0}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, s8 = s0,   \
               s9 = s0, s10 = s0, s11 = s0, x = s0 + 0x1p-10f;                                     \
        for (int i = 0; i < PEAK_ROUNDS; i++)                                                      \
            __asm__ volatile(PEAK_TWELVE(step)                                                     \
                             : "+" kind(s0), "+" kind(s1), "+" kind(s2), "+" kind(s3),             \
                               "+" kind(s4), "+" kind(s5), "+" kind(s6), "+" kind(s7),             \
                               "+" kind(s8), "+" kind(s9), "+" kind(s10), "+" kind(s11)            \
                             : kind(x));                                                           \
        s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;                              \
        return s0[0];                                                                              \
    }

#if defined(__x86_64__)
#define PEAK_FMA(i) "vfmadd231ps %12, %12, %" #i "\n\t"
#define PEAK_SSE(i) "mulps %12, %" #i "\n\taddps %12, %" #i "\n\t"
PEAK_FUNCTION(peak_avx512, __attribute__((target("avx512f"))), 16, "v", PEAK_FMA)
PEAK_FUNCTION(peak_avx2, __attribute__((target("avx2,fma"))), 8, "x", PEAK_FMA)
PEAK_FUNCTION(peak_plain, , 4, "x", PEAK_SSE)
#elif defined(__aarch64__)
#define PEAK_FMA(i) "fmla %" #i ".4s, %12.4s, %12.4s\n\t"
PEAK_FUNCTION(peak_plain, , 4, "w", PEAK_FMA)
#else
/* No assembler of this processor here: the compiler's. */
static float peak_plain(void)
{
    float s[PEAK_SUMS][4] = {{0}};
    for (int i = 0; i < PEAK_ROUNDS; i++)
        for (int k = 0; k < PEAK_SUMS; k++)
            for (int v = 0; v < 4; v++)
                s[k][v] = s[k][v] * 0.5f + 0.5f;
    for (int k = 1; k < PEAK_SUMS; k++)
        s[0][0] += s[k][0];
    return s[0][0];
}
#endif

/* The fastest that this processor has; *lanes: floats in a vector. */
static float (*peak_choose(int *lanes))(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return *lanes = 16, peak_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return *lanes = 8, peak_avx2;
#endif
    return *lanes = 4, peak_plain;
}

static double peak_flops(void)
{
    int lanes;
    float (*run)(void) = peak_choose(&lanes);
    double best = 0, start = nnrt_clock(), now = start;
    volatile float kept = 0; /* so that what is computed is wanted */
    while (now - start < PEAK_SECONDS) {
        double before = now;
#ifdef _OPENMP
#pragma omp parallel
#endif
        {
            float sum = run();
            if (sum < 0)
                kept = sum;
        }
        now = nnrt_clock();
        double rate = 2.0 * PEAK_SUMS * PEAK_ROUNDS * lanes * nnrt_threads() / (now - before);
        best = rate > best ? rate : best;
    }
    (void)kept;
    return best;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* More than the caches hold, as far as the system tells. */
static size_t peak_bytes(void)
{
    size_t bytes = PEAK_LEAST;
#ifdef _SC_LEVEL3_CACHE_SIZE
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (cache > 0 && (size_t)cache * 4 > bytes)
        bytes = (size_t)cache * 4;
#endif
    return bytes < PEAK_MOST ? bytes : PEAK_MOST;
}

typedef float peak_line __attribute__((vector_size(64)));

static float peak_read(const peak_line *at, size_t n)
{
    peak_line a = {0}, b = a;
    for (size_t i = 0; i < n; i += 2) {
        a += at[i];
        b += at[i + 1];
    }
    a += b;
    return a[0];
}

enum { PEAK_PIECES = 64 }; /* that threads divide among themselves, always alike */

static void peak_fill(peak_line *at, size_t n)
{
#ifdef _OPENMP
#pragma omp parallel for schedule(static)
#endif
    for (int p = 0; p < PEAK_PIECES; p++)
        for (size_t i = 0; i < n; i++)
            at[(size_t)p * n + i] = (peak_line){0} + 1.0f;
}

static float peak_read_all(const peak_line *at, size_t n)
{
    float sum = 0;
#ifdef _OPENMP
#pragma omp parallel for schedule(static) reduction(+ : sum)
#endif
    for (int p = 0; p < PEAK_PIECES; p++)
        sum += peak_read(at + (size_t)p * n, n);
    return sum;
}

/* 0: no memory to measure it with. */
static double peak_memory(void)
{
    size_t bytes = peak_bytes(), n = bytes / sizeof(peak_line) / PEAK_PIECES;
    void *memory;
    if (posix_memalign(&memory, sizeof(peak_line), bytes))
        return 0;
    peak_fill(memory, n);
    double best = 0, start = nnrt_clock(), now = start;
    volatile float kept = 0;
    while (now - start < PEAK_SECONDS) {
        double before = now;
        kept = peak_read_all(memory, n);
        now = nnrt_clock();
        double rate = (double)bytes / (now - before);
        best = rate > best ? rate : best;
    }
    (void)kept;
    free(memory);
    return best;
}

nnrt_peak nnrt_measure_peak(void)
{
    nnrt_peak peak = {peak_flops(), peak_memory()};
    return peak;
}
