/* SPDX-License-Identifier: MIT */
/* ctc.h: how the operands of `ctc`, `ctc_decode` and `error_rate` are read: logits, targets, and how many
 * frames and targets of a sample count.
 *
 * All of them report what does not fit, and then give NULL or false.
 */
#ifndef NNCC_CTC_H
#define NNCC_CTC_H

#include "../ops/ops.h"
#include "rows.h"

/* Whether operand 0 is [N, frames, classes]. */
bool ctc_logits(Call *);
/* Whether the argument is a class of operand 0. */
bool ctc_blank(Call *, const Arg *blank);
/* Operand 1, class indices of operand 0's last axis, as [N, S] i32. */
Node *ctc_targets(Call *);
/* Operand i, a number a sample, as [N] f32; where it is not given, `all` as one number. */
Node *ctc_length(Call *, int i, const char *name, int64_t all);

#endif
