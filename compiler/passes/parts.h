/* SPDX-License-Identifier: MIT */
/* parts.h: a reshape, taken apart. */
#ifndef NNCC_PARTS_H
#define NNCC_PARTS_H

#include "../ir/ir.h"

/* A reshape as neighbouring axes of `from` that become neighbouring axes of `to`, in parts as small
 * as can be; axes of length 1 belong to none. */
typedef struct Parts {
    int n;
    int from[RANK_MAX], to[RANK_MAX]; /* by axis: the part, or -1 */
} Parts;

/* Takes a reshape of one shape to the other apart. False: it is no such reshape. */
bool reshape_parts(const Shape *from, const Shape *to, Parts *parts);

#endif
