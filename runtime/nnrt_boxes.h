/* SPDX-License-Identifier: MIT */
/* nnrt_boxes.h: which of many boxes are kept: greedy non-maximum suppression, a class for itself (as
 * torchvision's batched_nms), of one sample, as kernels call it.
 *
 * A box is x0, y0, x1, y1. Whatever numbers they are, nothing past the end is read or written: a score that is
 * not above 0, NaN included, is none.
 */
#ifndef NNRT_BOXES_H
#define NNRT_BOXES_H

#include <stdint.h>

#include "nnrt_math.h"

/* Numbers of a row of the result: class, score, x0, y0, x1, y1. */
enum { NNRT_BOX_ROW = 6 };

/* Intersection over union of two boxes; 0 where neither has an area. */
static inline __attribute__((unused)) float nnrt_box_iou(const float *a, const float *b)
{
    float x0 = a[0] > b[0] ? a[0] : b[0], y0 = a[1] > b[1] ? a[1] : b[1];
    float x1 = a[2] < b[2] ? a[2] : b[2], y1 = a[3] < b[3] ? a[3] : b[3];
    float both = x1 > x0 && y1 > y0 ? (x1 - x0) * (y1 - y0) : 0.0f;
    float all = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;
    return both > 0.0f ? both / all : 0.0f;
}

/* Whether candidate a comes before b: a larger score, of equals the earlier. */
static inline int nnrt_box_before(const float *scores, int32_t a, int32_t b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* Lets the candidate at `at` sink to its place in a heap of n, the first on top. */
static inline void nnrt_box_sink(const float *scores, int32_t *heap, int n, int at)
{
    int32_t x = heap[at];
    for (int child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && nnrt_box_before(scores, heap[child + 1], heap[child]))
            child++;
        if (!nnrt_box_before(scores, heap[child], x))
            break;
        heap[at] = heap[child];
    }
    heap[at] = x;
}

/* Whether a row that is kept already has the class and overlaps the box by more than `iou`. */
static inline int nnrt_box_covered(const float *rows, int n, float kind, const float *box,
                                   float iou)
{
    for (int i = 0; i < n; i++, rows += NNRT_BOX_ROW)
        if (rows[0] == kind && nnrt_box_iou(rows + 2, box) > iou)
            return 1;
    return 0;
}

/* The best `top` boxes of a sample, the best first, as rows of NNRT_BOX_ROW numbers, then -1: boxes [count][4] with
 * scores [count][classes], a box and class each a candidate. One that overlaps a better one of its class by more
 * than `iou` is left out. work: count * classes floats. */
static __attribute__((unused)) void nnrt_nms(const float *boxes, const float *scores, float iou,
                                             int count, int four, int rows, int classes, int top,
                                             float *work, float *to)
{
    int32_t *heap = (int32_t *)work;
    int n = 0, kept = 0;
    (void)rows;
    for (int i = 0; i < count * classes; i++)
        if (scores[i] > 0.0f)
            heap[n++] = i;
    for (int i = n / 2 - 1; i >= 0; i--)
        nnrt_box_sink(scores, heap, n, i);
    while (n && kept < top) {
        int32_t best = heap[0];
        const float *box = boxes + (int64_t)(best / classes) * four;
        float *row = to + (int64_t)kept * NNRT_BOX_ROW, kind = (float)(best % classes);
        heap[0] = heap[--n];
        if (n)
            nnrt_box_sink(scores, heap, n, 0);
        if (nnrt_box_covered(to, kept, kind, box, iou))
            continue;
        row[0] = kind;
        row[1] = scores[best];
        for (int k = 0; k < 4; k++)
            row[2 + k] = box[k];
        kept++;
    }
    for (int64_t i = (int64_t)kept * NNRT_BOX_ROW; i < (int64_t)top * NNRT_BOX_ROW; i++)
        to[i] = -1.0f;
}

#endif
