/* SPDX-License-Identifier: MIT */
/* arith.h: short names for arithmetic on nodes, for the files that write formulas with it. */
#ifndef NNCC_ARITH_H
#define NNCC_ARITH_H

#include "ir.h"

static inline Node *add(Graph *g, Node *a, Node *b)
{
    return build_binary(g, OP_add, a, b);
}

static inline Node *sub(Graph *g, Node *a, Node *b)
{
    return build_binary(g, OP_sub, a, b);
}

static inline Node *mul(Graph *g, Node *a, Node *b)
{
    return build_binary(g, OP_mul, a, b);
}

static inline Node *quotient(Graph *g, Node *a, Node *b)
{
    return build_binary(g, OP_div, a, b);
}

static inline Node *num(Graph *g, double value)
{
    return build_const(g, value);
}

#endif
