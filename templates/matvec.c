/* SPDX-License-Identifier: MIT */
/* matvec.c: some numbers of the product of a row and a matrix.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes what lies between
 * two marks into a model, with its own numbers for the NNCC_ names. Each number of the matrix is read once, so
 * that memory says how long it takes: the parts of rows that are read next are asked for ahead. Sums run in an
 * order that this text fixes. */
#ifndef NNCC_TILE_N
#define MATVEC_ALONE
#define NNCC_TILE_N 128
#define NNCC_LANES  16
#define NNCC_NAME   matvec_columns
#define NNCC_VECTOR matvec_lanes
#endif

#include <stddef.h>

/* nncc: begin columns */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* y[j] = the sum over k of a[k * step] * b[k * stride + j], j < columns <= NNCC_TILE_N. */
static void NNCC_NAME(int columns, int inner, const float *a, ptrdiff_t step, const float *b,
                      ptrdiff_t stride, float *y)
{
    enum { L = NNCC_LANES, V = NNCC_TILE_N / L, LINE = 16, AHEAD = 12 };
    int j = 0;
    if (columns == NNCC_TILE_N) {
        NNCC_VECTOR acc[V] = {{0}};
        for (int k = 0; k < inner; k++) {
            const float x = a[k * step], *const row = b + k * stride;
            const float *const next = row + (k + AHEAD < inner ? AHEAD : 0) * stride;
#pragma GCC unroll 16
            for (int v = 0; v < NNCC_TILE_N; v += LINE)
                __builtin_prefetch(next + v);
#pragma GCC unroll 16
            for (int v = 0; v < V; v++) {
                NNCC_VECTOR w;
                __builtin_memcpy(&w, row + v * L, sizeof w);
                acc[v] += x * w;
            }
        }
        __builtin_memcpy(y, acc, sizeof acc);
        return;
    }
    for (; j + L <= columns; j += L) {
        NNCC_VECTOR acc = {0};
        for (int k = 0; k < inner; k++) {
            NNCC_VECTOR w;
            __builtin_memcpy(&w, b + k * stride + j, sizeof w);
            acc += a[k * step] * w;
        }
        __builtin_memcpy(y + j, &acc, sizeof acc);
    }
    for (; j < columns; j++) {
        y[j] = 0.0f;
        for (int k = 0; k < inner; k++)
            y[j] += a[k * step] * b[k * stride + j];
    }
}
/* nncc: end */

#ifdef MATVEC_ALONE
#undef NNCC_NAME
#undef NNCC_VECTOR
#define NNCC_NAME   matvec_dots
#define NNCC_VECTOR matvec_dots_lanes
#endif

/* nncc: begin dots */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* y[j] = the sum over k of a[k] * b[j * stride + k], j < columns. */
static void NNCC_NAME(int columns, int inner, const float *a, ptrdiff_t step, const float *b,
                      ptrdiff_t stride, float *y)
{
    enum { L = NNCC_LANES, R = 4 };
    (void)step; /* 1 */
    for (int j = 0; j < columns; j += R) {
        const int rows = columns - j < R ? columns - j : R;
        const float *row[R];
        NNCC_VECTOR acc[R] = {{0}};
        int k = 0;
        for (int r = 0; r < R; r++) /* past the last: that once more */
            row[r] = b + (j + (r < rows ? r : rows - 1)) * stride;
        for (; k + L <= inner; k += L) {
            NNCC_VECTOR x;
            __builtin_memcpy(&x, a + k, sizeof x);
#pragma GCC unroll 4
            for (int r = 0; r < R; r++) {
                NNCC_VECTOR w;
                __builtin_memcpy(&w, row[r] + k, sizeof w);
                acc[r] += x * w;
            }
        }
        for (int r = 0; r < rows; r++) {
            float lane[L];
            __builtin_memcpy(lane, &acc[r], sizeof lane);
            for (int half = L / 2; half; half /= 2)
                for (int i = 0; i < half; i++)
                    lane[i] += lane[i + half];
            for (int i = k; i < inner; i++)
                lane[0] += a[i] * row[r][i];
            y[j + r] = lane[0];
        }
    }
}
/* nncc: end */
