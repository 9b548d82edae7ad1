/* SPDX-License-Identifier: MIT */
/* over_time.h: a body's values for all steps at once. */
#ifndef NNCC_OVER_TIME_H
#define NNCC_OVER_TIME_H

#include "../ir/ir.h"

/* A value of a body in the graph around it: a stack of all steps' values, or one that they share. */
typedef struct OverTime {
    Node *node;
    bool stacked;
} OverTime;

/* Whether the op can be done for all steps at once. */
bool over_time_can(const Node *y);
/* y of a body, for all steps, from its operands for all steps. */
OverTime over_time(Graph *, const Node *y, int64_t length, const OverTime *in);
/* The sum over the steps of y, a matmul of two matrices, both of which differ from step to step: one product. */
Node *over_time_product(Graph *, const OverTime *in);
/* The sum over the steps of a reduce_sum. */
Node *over_time_reduce(Graph *, const Node *y, const OverTime *in);
/* The sum over the steps of a value. */
Node *over_time_sum(Graph *, OverTime x, int64_t length);

#endif
