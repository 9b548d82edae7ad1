/* SPDX-License-Identifier: MIT */
/* tune.c: the main of a program that times kernels which compute the same, each with another plan.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes what lies
 * between the two marks behind the kernels and what calls them. Calls are timed in turns, so that what
 * else a machine does meets all alike. */
#ifndef NNCC_CANDIDATES
#define NNCC_CANDIDATES 1
#define NNCC_BUFFERS    1
#define NNCC_SAMPLES    64
#include <stdlib.h>
#include <time.h>
typedef struct nnrt_team {
    int round;
} nnrt_team;
typedef struct candidate {
    void (*run)(int n, void *const *buffers, nnrt_team *team);
    int shared; /* threads share it */
} candidate;
static const size_t buffer_bytes[] = {4096};
static const char buffer_type[] = "f"; /* float, i: int32_t, u: uint8_t */
static void nothing(int n, void *const *buffers, nnrt_team *team)
{
    (void)team;
    *(float *)buffers[0] = (float)n;
}
static const candidate candidates[] = {{nothing, 0}};
#endif

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* nncc: begin */
enum { TURNS_LEAST = 9, TURNS_FAIR = 4, TURNS_MOST = 1000 };
#define GROUP_SECONDS 1e-3 /* calls timed together last about so long */
#define HOPELESS                                                                                   \
    1.3 /* one that takes so much longer than the best after TURNS_FAIR turns is timed no more */

static double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of a call, of so many. */
static double time_calls(const candidate *c, void *const *buffers, long calls)
{
    nnrt_team team = {0};
    double start = clock_now();
    if (c->shared) {
#pragma omp parallel
        for (long i = 0; i < calls; i++)
            c->run(NNCC_SAMPLES, buffers, &team);
    } else {
        for (long i = 0; i < calls; i++)
            c->run(NNCC_SAMPLES, buffers, &team);
    }
    return (clock_now() - start) / (double)calls;
}

/* Floats from -0.5 to 0.5, bytes of any value, indices of 0. */
static void *make_buffer(size_t bytes, char type)
{
    uint32_t x = 1;
    void *to = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!to)
        return NULL;
    memset(to, 0, bytes);
    for (size_t i = 0; type != 'i' && i < bytes / (type == 'f' ? 4 : 1); i++) {
        x = x * 1664525u + 1013904223u;
        if (type == 'f')
            ((float *)to)[i] = (float)(x >> 8) * 0x1p-24f - 0.5f;
        else
            ((unsigned char *)to)[i] = (unsigned char)(x >> 24);
    }
    return to;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double times[NNCC_CANDIDATES][TURNS_MOST];
static int turns[NNCC_CANDIDATES];

static void time_all(void *const *buffers, double seconds)
{
    double least[NNCC_CANDIDATES], best = 1e30, end = clock_now() + seconds;
    long calls = 1;
    for (int c = 0; c < NNCC_CANDIDATES; c++)
        do {
            least[c] = time_calls(&candidates[c], buffers, calls);
            best = least[c] < best ? least[c] : best;
        } while (least[c] * (double)calls < GROUP_SECONDS && (calls *= 2));
    for (int turn = 0; turn < TURNS_MOST && (turn < TURNS_LEAST || clock_now() < end); turn++)
        for (int c = 0; c < NNCC_CANDIDATES; c++) {
            if (turns[c] >= TURNS_FAIR && least[c] > HOPELESS * best)
                continue;
            double t = time_calls(&candidates[c], buffers, calls);
            times[c][turns[c]++] = t;
            least[c] = t < least[c] ? t : least[c];
            best = t < best ? t : best;
        }
}

/* SECONDS FILE: writes to FILE how many threads there are, by what the program was compiled, and each
 * candidate's seconds a call: the first quartile of its turns. */
int main(int argc, char **argv)
{
    void *buffers[NNCC_BUFFERS];
    FILE *f = argc == 3 ? fopen(argv[2], "w") : NULL;
    if (!f)
        return 2;
    for (int i = 0; i < NNCC_BUFFERS; i++)
        if (!(buffers[i] = make_buffer(buffer_bytes[i], buffer_type[i])))
            return 4;
    time_all(buffers, strtod(argv[1], NULL));
    int threads = 1;
#ifdef _OPENMP
    threads = omp_get_max_threads();
#endif
#ifdef __clang__
    fprintf(f, "%d clang %d.%d.%d\n", threads, __clang_major__, __clang_minor__,
            __clang_patchlevel__);
#else
    fprintf(f, "%d gcc %d.%d.%d\n", threads, __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    for (int c = 0; c < NNCC_CANDIDATES; c++) {
        qsort(times[c], (size_t)turns[c], sizeof times[c][0], ascending);
        fprintf(f, "%.9g\n", times[c][turns[c] / 4]);
    }
    return fclose(f) == 0 ? 0 : 3;
}
/* nncc: end */
