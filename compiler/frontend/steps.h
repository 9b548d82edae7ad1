/* SPDX-License-Identifier: MIT */
/* steps.h: what loops over time share (rnn, lstm, gru, scan): how far gradients flow back through the steps,
 * and states that go on from one batch to the next. */
#ifndef NNCC_STEPS_H
#define NNCC_STEPS_H

#include "rows.h"

/* Their last arguments, in this order. */
#define STEPS_ARGS TAKES("bptt", int, ""), TAKES("stateful", bool, "false"), TAKES("stash", int, "")

typedef struct Steps {
    Call *c;
    int64_t
        bptt; /* no gradient passes from one piece of so many steps to another; 0: there is one piece */
    bool stateful;
    int64_t
        stash; /* the gradient keeps states at every so many steps alone; 0: as the program says */
} Steps;

/* Reads STEPS_ARGS, the first of which is argument `first`; false after a report. */
bool steps_read(Call *, int first, Steps *);
/* Of a loop of so many steps: at how many of them its gradient keeps states; 0: at each. */
int64_t steps_stash(const Steps *, int64_t length);
/* The value of a state before the first step: 0, or what it was last in the batch before. NULL after a report. */
Node *steps_first(const Steps *, const char *name, const Shape *state);
/* Leaves to the next batch what the state is last. */
void steps_last(const Steps *, const char *name, Node *last);
/* By step, [T, 1]: 1 where a piece begins; NULL: gradients flow through all steps. */
Node *steps_cut(const Steps *, int64_t length, bool backwards);
/* A state as the body reads it; `cut`: the body's slice of steps_cut, or NULL. */
Node *steps_seen(Graph *body, Node *cut, Node *state);

/* Makes the model's inputs in the graph at hand, so that it and bodies in it read the same. (scan_outside.c) */
void steps_outside(Call *);
/* Lets the body read what it took from the graph around it, and leaves of a function, through leaves of its own.
 * Random numbers are drawn outside, those of all steps at once; `draws`: in the body, others in each step, which no
 * memory is needed for. Reports a layer that changes a variable, then false. */
bool steps_bring_in(Call *, ScanBuilder *, bool draws);

#endif
