/* SPDX-License-Identifier: MIT */
/* matmul.c: the register tile of a matrix product.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between the two marks into a model, with its own numbers for the NNCC_ names. The
 * accumulators stay in vector registers for the whole inner loop: NNCC_TILE_M x NNCC_TILE_N
 * numbers, each the sum over k of a(i, k) * panel[k][j] in the order of k, so the result does not
 * depend on how tiles are shared out. They are stored one by one: a copy of all would keep them in
 * memory. */
#ifndef NNCC_TILE_M
#define NNCC_TILE_M 8
#define NNCC_TILE_N 32
#define NNCC_LANES  16
#define NNCC_NAME   tile_8x32
#define NNCC_VECTOR tile_vector
#endif

#include <string.h>

/* nncc: begin */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* tile[NNCC_TILE_M][NNCC_TILE_N] = the first `rows` rows of a times a panel of NNCC_TILE_N columns;
 * a(i, k) = a[i * row + k * step], panel(k, j) = panel[k * stride + j]. */
static void NNCC_NAME(int rows, int inner, const float *a, ptrdiff_t row, ptrdiff_t step,
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
                __builtin_memcpy(tile + i * NNCC_TILE_N + v * L, &acc[i][v], sizeof acc[i][v]);
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
        __builtin_memcpy(tile + i * (ptrdiff_t)NNCC_TILE_N, acc, sizeof acc);
    }
}
/* nncc: end */
