/* SPDX-License-Identifier: MIT */
/* nnrt_attend.h: attention of one query to the positions that a cache holds.
 *
 * Keys are held turned, a row an element, so that the scores of a block of positions are sums of vectors; the
 * largest score and the sum of weights are kept as blocks come (Milakov and Gimelshein, 2018). Sums run in an
 * order that this text fixes. */
#ifndef NNRT_ATTEND_H
#define NNRT_ATTEND_H

#include <stddef.h>

#include "nnrt_math.h"

#define NNRT_ATTEND_BLOCK 64 /* positions; the room of a cache is a multiple */

/* out[0 .. dim) = softmax(q k^T - slope * distance) v of positions 0 .. seen - 1, seen >= 1, the last of which
 * is the query's own; keys[d * room + j], values[j * dim + d]. dim is a constant where it is called. */
static inline __attribute__((always_inline, unused)) void nnrt_attend(
    int seen, int dim, float slope, const float *restrict q, const float *restrict keys,
    ptrdiff_t room, const float *restrict values, float *restrict out)
{
    enum { B = NNRT_ATTEND_BLOCK };
    float top = -1e30f, sums[B];
    for (int v = 0; v < B; v++)
        sums[v] = 0.0f;
    for (int d = 0; d < dim; d++)
        out[d] = 0.0f;
    for (int j0 = 0; j0 < seen; j0 += B) {
        const int here = seen - j0 < B ? seen - j0 : B;
        float s[B], most = top;
        for (int v = 0; v < B; v++)
            s[v] = 0.0f;
        for (int d = 0; d < dim; d++) {
            const float x = q[d], *const row = keys + d * room + j0;
            for (int v = 0; v < B; v++)
                s[v] += x * row[v];
        }
        for (int v = 0; v < B; v++)
            s[v] = v < here ? s[v] - slope * (float)(seen - 1 - j0 - v) : -1e30f;
        for (int v = 0; v < B; v++)
            most = s[v] > most ? s[v] : most;
        const float less = nnrt_expf(top - most);
        top = most;
        for (int v = 0; v < B; v++) {
            const float p = nnrt_expf(s[v] - most);
            s[v] = v < here ? p : 0.0f;
            sums[v] = sums[v] * less + s[v];
        }
        for (int d = 0; d < dim; d++)
            out[d] *= less;
        for (int v = 0; v < here; v++) {
            const float p = s[v], *const row = values + (ptrdiff_t)(j0 + v) * dim;
            for (int d = 0; d < dim; d++)
                out[d] += p * row[d];
        }
    }
    for (int half = B / 2; half; half /= 2)
        for (int v = 0; v < half; v++)
            sums[v] += sums[v + half];
    const float scale = 1.0f / sums[0];
    for (int d = 0; d < dim; d++)
        out[d] *= scale;
}

#endif
