/* SPDX-License-Identifier: MIT */
/* matmul.c: the register tile of a matrix product, and how plain operands are packed.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between two marks into a model, with its own numbers for the NNCC_ names. The
 * accumulators stay in vector registers for the whole inner loop: NNCC_TILE_M x NNCC_TILE_N
 * numbers, each the sum over k of a(i, k) * panel[k][j] in the order of k, so the result does not
 * depend on how tiles are shared out. They are stored one by one: a copy of all would keep them in
 * memory. */
#ifndef NNCC_TILE_M
#define NNCC_TILE_M 8
#define NNCC_TILE_N 32
#define NNCC_ROW    32
#define NNCC_LANES  16
#define MATMUL_ALONE
#define NNCC_NAME   tile_8x32
#define NNCC_CALL   static
#define NNCC_VECTOR tile_vector
#define NNCC_COPY   panel_copy
#define NNCC_TURN   panel_turn
#define NNCC_DEEP   tile_8x32_deep
#define NNCC_ASK    ask_block
#define NNCC_LOW    0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define NNCC_HIGH   8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

#include <stddef.h>
#include <string.h>

/* nncc: begin */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* tile[NNCC_TILE_M][NNCC_ROW] = the first `rows` rows of a times NNCC_TILE_N columns of a panel;
 * a(i, k) = a[i * row + k * step], panel(k, j) = panel[k * stride + j]. */
NNCC_CALL void NNCC_NAME(int rows, int inner, const float *a, ptrdiff_t row, ptrdiff_t step,
                         const float *panel, ptrdiff_t stride, float *tile)
{
    enum { M = NNCC_TILE_M, L = NNCC_LANES, V = NNCC_TILE_N / NNCC_LANES };
    if (rows == M) {
        NNCC_VECTOR acc[M][V] = {{{0}}};
        for (int k = 0; k < inner; k++) {
            NNCC_VECTOR b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                const float x = a[i * row + k * step];
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    acc[i][v] += x * b[v];
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(tile + i * NNCC_ROW + v * L, &acc[i][v], sizeof acc[i][v]);
        return;
    }
    for (int i = 0; i < rows; i++) {
        NNCC_VECTOR acc[V] = {{0}};
        for (int k = 0; k < inner; k++) {
            NNCC_VECTOR b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            const float x = a[i * row + k * step];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += x * b[v];
        }
        __builtin_memcpy(tile + i * (ptrdiff_t)NNCC_ROW, acc, sizeof acc);
    }
}
/* nncc: end */

#ifdef MATMUL_ALONE
#undef NNCC_TILE_M
#undef NNCC_NAME
#undef NNCC_VECTOR
#define NNCC_TILE_M 2
#define NNCC_PANELS 4
#define NNCC_NAME   few_2x4x32
#define NNCC_VECTOR few_vector
#endif

/* nncc: begin few */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* tile[NNCC_TILE_M][NNCC_PANELS][NNCC_TILE_N] = `rows` rows of a times the columns of `panels` panels, which lie
 * `apart` from each other. Few rows leave most accumulators of a tile unused: several panels take their place, so
 * that no sum waits for its last product. */
NNCC_CALL void NNCC_NAME(int rows, int panels, int inner, const float *a, ptrdiff_t row,
                         ptrdiff_t step, const float *panel, ptrdiff_t stride, ptrdiff_t apart,
                         float *tile)
{
    enum { M = NNCC_TILE_M, P = NNCC_PANELS, N = NNCC_TILE_N, L = NNCC_LANES, V = N / L };
    int i = 0;
    for (; M > 1 && i + M <= rows && panels == P; i += M) {
        NNCC_VECTOR acc[M][P][V] = {{{{0}}}};
        for (int k = 0; k < inner; k++) {
#pragma GCC unroll 8
            for (int p = 0; p < P; p++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) {
                    NNCC_VECTOR b;
                    __builtin_memcpy(&b, panel + p * apart + k * stride + v * L, sizeof b);
#pragma GCC unroll 4
                    for (int u = 0; u < M; u++)
                        acc[u][p][v] += a[(i + u) * row + k * step] * b;
                }
        }
#pragma GCC unroll 4
        for (int u = 0; u < M; u++)
#pragma GCC unroll 8
            for (int p = 0; p < P; p++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    __builtin_memcpy(tile + ((i + u) * P + p) * N + v * L, &acc[u][p][v],
                                     sizeof acc[u][p][v]);
    }
    for (; i < rows && panels == P; i++) {
        NNCC_VECTOR acc[P][V] = {{{0}}};
        for (int k = 0; k < inner; k++) {
            const float x = a[i * row + k * step];
#pragma GCC unroll 8
            for (int p = 0; p < P; p++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) {
                    NNCC_VECTOR b;
                    __builtin_memcpy(&b, panel + p * apart + k * stride + v * L, sizeof b);
                    acc[p][v] += x * b;
                }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; p++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(tile + (i * P + p) * N + v * L, &acc[p][v], sizeof acc[p][v]);
    }
    for (; i < rows; i++)
        for (int p = 0; p < panels; p++) {
            NNCC_VECTOR acc[V] = {{0}};
            for (int k = 0; k < inner; k++) {
                NNCC_VECTOR b[V];
                __builtin_memcpy(b, panel + p * apart + k * stride, sizeof b);
                const float x = a[i * row + k * step];
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    acc[v] += x * b[v];
            }
            __builtin_memcpy(tile + (i * P + p) * N, acc, sizeof acc);
        }
}
/* nncc: end */

/* nncc: begin deep */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* The same for `inner` steps behind `done` others, whose sums the tile holds, which gives the same bits as all at
 * once. Meanwhile it asks for the lines ask[asked] and for what lies `ahead` of each number of the first row. */
NNCC_CALL void NNCC_DEEP(int rows, int inner, int done, const float *a, ptrdiff_t row,
                         ptrdiff_t step, ptrdiff_t ahead, const float *panel, ptrdiff_t stride,
                         const void *const volatile *ask, int asked, float *tile)
{
    enum { M = NNCC_TILE_M, L = NNCC_LANES, V = NNCC_TILE_N / NNCC_LANES };
    if (rows == M) {
        NNCC_VECTOR acc[M][V] = {{{0}}};
        if (done)
#pragma GCC unroll 16
            for (int i = 0; i < M; i++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    __builtin_memcpy(&acc[i][v], tile + i * NNCC_ROW + v * L, sizeof acc[i][v]);
        for (int k = 0; k < inner; k++) {
            NNCC_VECTOR b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            if (k < asked)
                __builtin_prefetch(ask[k]);
            __builtin_prefetch(a + ahead + k * step);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                const float x = a[i * row + k * step];
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    acc[i][v] += x * b[v];
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(tile + i * NNCC_ROW + v * L, &acc[i][v], sizeof acc[i][v]);
        return;
    }
    for (int i = 0; i < rows; i++) {
        NNCC_VECTOR acc[V] = {{0}};
        if (done)
            __builtin_memcpy(acc, tile + i * (ptrdiff_t)NNCC_ROW, sizeof acc);
        for (int k = 0; k < inner; k++) {
            NNCC_VECTOR b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            const float x = a[i * row + k * step];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += x * b[v];
        }
        __builtin_memcpy(tile + i * (ptrdiff_t)NNCC_ROW, acc, sizeof acc);
    }
}
/* nncc: end */

/* nncc: begin ask */
/* Notes, behind `asked` others, part `part` of `parts` of the lines of a block: `rows` rows of `length` numbers. At
 * most `most` in all; how many there are then. (The list is volatile since vectors that are stored to it would not be
 * at hand for the loads of single pointers that follow.) */
static int NNCC_ASK(int part, int parts, const float *from, int rows, int length, ptrdiff_t row,
                    const void *volatile *ask, int asked, int most)
{
    enum { LINE = 64 / sizeof *from };
    const int lines = (length + LINE - 1) / LINE, share = (rows * lines + parts - 1) / parts;
    int r = part * share / lines, line = part * share % lines;
    for (int i = 0; i < share && r < rows && asked < most; i++) {
        ask[asked++] = from + r * row + line * LINE;
        if (++line == lines)
            line = 0, r++;
    }
    return asked;
}
/* nncc: end */

/* nncc: begin copy */
/* panel[inner][NNCC_TILE_N] = `width` columns of a matrix: panel(k, v) = x[k * row + v]; 0 behind them. */
static void NNCC_COPY(int width, int inner, const float *x, ptrdiff_t row, float *panel)
{
    enum { N = NNCC_TILE_N };
    if (width == N)
        for (int k = 0; k < inner; k++)
            __builtin_memcpy(panel + (ptrdiff_t)k * N, x + k * row, N * sizeof *x);
    else
        for (int k = 0; k < inner; k++)
            for (int v = 0; v < N; v++)
                panel[(ptrdiff_t)k * N + v] = v < width ? x[k * row + v] : 0.0f;
}
/* nncc: end */

/* nncc: begin turn */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* panel[inner][NNCC_TILE_N] = `width` rows of a matrix, turned: panel(k, v) = x[v * row + k]; 0 behind them.
 * Squares of vectors are turned in registers: the first half of the rows is interleaved with the
 * second until each vector is a column. */
static void NNCC_TURN(int width, int inner, const float *x, ptrdiff_t row, float *panel)
{
    enum { N = NNCC_TILE_N, L = NNCC_LANES };
    int high = 0, wide = 0; /* what is done of k and of v */
#if defined(__clang__) || __GNUC__ >= 12
    high = inner / L * L;
    wide = width / L * L;
    for (int v = 0; v < wide; v += L)
        for (int k = 0; k < high; k += L) {
            NNCC_VECTOR a[L], b[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; i++)
                __builtin_memcpy(&a[i], x + (v + i) * row + k, sizeof a[i]);
#pragma GCC unroll 4
            for (int done = 1; done < L; done *= 2) {
#pragma GCC unroll 8
                for (int i = 0; i < L / 2; i++) {
                    /* clang-format off */
                    b[2 * i] = __builtin_shufflevector(a[i], a[i + L / 2],
                        NNCC_LOW);
                    b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + L / 2],
                        NNCC_HIGH);
                    /* clang-format on */
                }
#pragma GCC unroll 16
                for (int i = 0; i < L; i++)
                    a[i] = b[i];
            }
#pragma GCC unroll 16
            for (int i = 0; i < L; i++)
                __builtin_memcpy(panel + (ptrdiff_t)(k + i) * N + v, &a[i], sizeof a[i]);
        }
#endif
    for (int v = 0; v < N; v++)
        for (int k = v < wide ? high : 0; k < inner; k++)
            panel[(ptrdiff_t)k * N + v] = v < width ? x[v * row + k] : 0.0f;
}
/* nncc: end */
