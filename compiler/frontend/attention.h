/* SPDX-License-Identifier: MIT */
/* attention.h: multi-head attention, as its own layer and those of transformers build it. */
#ifndef NNCC_ATTENTION_H
#define NNCC_ATTENTION_H

#include "../ops/ops.h"
#include "rows.h"

typedef enum { POSITIONS_none, POSITIONS_rope, POSITIONS_alibi } Positions;

typedef struct Attention {
    const char *prefix;                  /* of its weights' names: "" or "layers.0.self_attn." */
    const Arg *heads_arg, *kv_heads_arg; /* where a wrong number is reported */
    int64_t heads, kv_heads;
    bool causal, bias;
    double dropout; /* of the weights that values are summed with, in training */
    Positions positions;
    Node *lengths; /* keys at and past it do not count: [N], f32; or NULL */
} Attention;

/* x[0] attends to x[1], whose values are x[2]; [N, T, E] each, the last two of one T. NULL after a report. */
Node *attention_build(Call *, const Attention *, Node *const *x);
/* The value that an argument `lengths` names, as [N] f32; NULL after a report. */
Node *attention_lengths(Call *, const Arg *);

#endif
