/* SPDX-License-Identifier: MIT */
/* matvec.c: some numbers of the product of a row and a matrix.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes what lies between
 * two marks into a model, with its own numbers for the NNCC_ names. Each number of the matrix is read once, so
 * that memory says how long it takes. Sums run in an order that this text fixes, whatever columns a call has. */
#ifndef NNCC_LANES
#define MATVEC_ALONE
#define NNCC_LANES  16
#define NNCC_NAME   matvec_columns
#define NNCC_VECTOR matvec_lanes
#endif

#include <stddef.h>

/* nncc: begin columns */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* y[j] = the sum over k of a[k * step] * b[k * stride + j], j < columns. Some rows are gone along at a time, side by
 * side, while the sums stay in the first cache: that is what prefetchers follow. */
static void NNCC_NAME(int columns, int inner, const float *a, ptrdiff_t step, const float *b,
                      ptrdiff_t stride, float *restrict y)
{
    enum { L = NNCC_LANES, R = 8 };
    const int vectors = columns / L * L;
    for (int j = 0; j < columns; j++)
        y[j] = 0.0f;
    for (int k = 0; k < inner; k += R) {
        const int rows = inner - k < R ? inner - k : R;
        const float *const row = b + k * stride;
        float x[R];
        for (int r = 0; r < rows; r++)
            x[r] = a[(k + r) * step];
        for (int j = 0; j < vectors; j += L) {
            NNCC_VECTOR sum;
            __builtin_memcpy(&sum, y + j, sizeof sum);
            if (rows == R) {
#pragma GCC unroll 8
                for (int r = 0; r < R; r++) {
                    NNCC_VECTOR w;
                    __builtin_memcpy(&w, row + r * stride + j, sizeof w);
                    sum += x[r] * w;
                }
            } else {
                for (int r = 0; r < rows; r++) {
                    NNCC_VECTOR w;
                    __builtin_memcpy(&w, row + r * stride + j, sizeof w);
                    sum += x[r] * w;
                }
            }
            __builtin_memcpy(y + j, &sum, sizeof sum);
        }
        for (int j = vectors; j < columns; j++)
            for (int r = 0; r < rows; r++)
                y[j] += x[r] * row[r * stride + j];
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
