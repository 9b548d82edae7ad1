/* SPDX-License-Identifier: MIT */
/* attention.c: what a kernel of attention does with a block of queries and a block of keys.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between the two marks into a model, with its own numbers for the NNCC_ names. Weights are
 * held transposed, a row a key and a column a query, so that maxima and sums over keys are of whole
 * vectors of queries. Blocks are of NNCC_BLOCK queries and keys; what is past the last one computes with
 * zeros. After Rabe and Staats, 2021, and Dao et al., 2022. */
#ifndef NNCC_TILE_M
#define NNCC_TILE_M  8
#define NNCC_TILE_N  32
#define NNCC_LANES   16
#define NNCC_BLOCK   64
#define NNCC_VECTOR  attention_vector
#define NNCC_PRODUCT attention_product
#define NNCC_SCORES  attention_scores
#define NNCC_WEIGHTS attention_weights
#define NNCC_AGAIN   attention_again
#define NNCC_DROP    attention_drop
#include "nnrt_math.h"
#include "nnrt_rand.h"
#endif

#include <stddef.h>

/* nncc: begin */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* to[rows][columns], rows `to_row` apart, = the sum over k of a(i, k) * b[k][j], plus what is there if
 * `more`; a(i, k) = a[i * row + k * step]. Rows of a, and columns of b, are there up to a multiple of
 * the tile's. */
static void NNCC_PRODUCT(int rows, int columns, int inner, const float *a, ptrdiff_t row,
                         ptrdiff_t step, const float *b, ptrdiff_t b_row, float *to,
                         ptrdiff_t to_row, int more)
{
    enum { M = NNCC_TILE_M, N = NNCC_TILE_N, L = NNCC_LANES, V = N / L };
    for (int j = 0; j < columns; j += N)
        for (int i = 0; i < rows; i += M) {
            NNCC_VECTOR acc[M][V] = {{{0}}};
            const float *from = a + i * row, *panel = b + j;
            for (int k = 0; k < inner; k++) {
                NNCC_VECTOR x[V];
                __builtin_memcpy(x, panel + k * b_row, sizeof x);
#pragma GCC unroll 16
                for (int u = 0; u < M; u++) {
                    const float y = from[u * row + k * step];
#pragma GCC unroll 4
                    for (int v = 0; v < V; v++)
                        acc[u][v] += y * x[v];
                }
            }
            float *at = to + i * to_row + j;
            if (rows - i >= M && columns - j >= N) {
#pragma GCC unroll 16
                for (int u = 0; u < M; u++)
#pragma GCC unroll 4
                    for (int v = 0; v < V; v++) {
                        NNCC_VECTOR old = {0};
                        if (more)
                            __builtin_memcpy(&old, at + u * to_row + v * L, sizeof old);
                        old += acc[u][v];
                        __builtin_memcpy(at + u * to_row + v * L, &old, sizeof old);
                    }
                continue;
            }
            float tile[M * N];
#pragma GCC unroll 16
            for (int u = 0; u < M; u++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    __builtin_memcpy(tile + u * N + v * L, &acc[u][v], sizeof acc[u][v]);
            for (int u = 0; u < M && u < rows - i; u++)
                for (int v = 0; v < N && v < columns - j; v++)
                    at[u * to_row + v] = tile[u * N + v] + (more ? at[u * to_row + v] : 0.0f);
        }
}

/* The scores of a block: less slope * distance; far below all others where a query, `ahead` positions
 * behind the first key, does not see a key. */
static inline void NNCC_SCORES(int keys, int ahead, int causal, float slope, float *score)
{
    for (int j = 0; j < keys; j++) {
        float *row = score + j * NNCC_BLOCK;
        if (slope != 0.0f)
#pragma omp simd
            for (int i = 0; i < NNCC_BLOCK; i++) {
                const int far = i + ahead - j;
                row[i] -= slope * (float)(far < 0 ? -far : far);
            }
        if (causal && j > ahead)
#pragma omp simd
            for (int i = 0; i < NNCC_BLOCK; i++)
                row[i] = i < j - ahead ? -1e38f : row[i];
    }
}

/* Makes weights of the scores of a block: e^(score - most), most being the largest score so far of a
 * query; sum and the values summed so far, [NNCC_BLOCK][width], shrink as that grows. */
static inline void NNCC_WEIGHTS(int keys, float *score, float *most, float *sum, int width,
                                float *value)
{
    float top[NNCC_BLOCK], shrink[NNCC_BLOCK];
    for (int i = 0; i < NNCC_BLOCK; i++)
        top[i] = most[i];
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float x = score[j * NNCC_BLOCK + i];
            top[i] = x > top[i] ? x : top[i];
        }
    for (int i = 0; i < NNCC_BLOCK; i++) {
        shrink[i] = nnrt_expf(most[i] - top[i]);
        sum[i] *= shrink[i];
        most[i] = top[i];
    }
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float p = nnrt_expf(score[j * NNCC_BLOCK + i] - top[i]);
            score[j * NNCC_BLOCK + i] = p;
            sum[i] += p;
        }
    for (int i = 0; i < NNCC_BLOCK; i++)
        for (int d = 0; d < width; d++)
            value[i * width + d] *= shrink[i];
}

/* Makes the weights of the scores again, from the logs of their sums, and the gradients of the scores
 * of those of the weights. */
static inline void NNCC_AGAIN(int keys, const float *log, const float *rest, float *score,
                              float *error)
{
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float p = nnrt_expf(score[j * NNCC_BLOCK + i] - log[i]);
            score[j * NNCC_BLOCK + i] = p;
            error[j * NNCC_BLOCK + i] = p * (error[j * NNCC_BLOCK + i] - rest[i]);
        }
}

/* Drops weights of a block, each with probability p, and multiplies the others by `more`. The random number
 * of query i and key j is the one at first + i * step + j. */
static inline void NNCC_DROP(int keys, nnrt_rand_key key, uint64_t first, uint64_t step, float p,
                             float more, float *weight)
{
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float x = nnrt_rand_uniform(key, first + (uint64_t)i * step + (uint64_t)j);
            weight[j * NNCC_BLOCK + i] *= x >= p ? more : 0.0f;
        }
}
/* nncc: end */
