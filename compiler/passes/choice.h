/* SPDX-License-Identifier: MIT */
/* choice.h: what the plans of products can be told instead of deciding it themselves: by a file that
 * `nncc --tune` has written, or by its search. */
#ifndef NNCC_CHOICE_H
#define NNCC_CHOICE_H

#include "../ir/ir.h"

typedef enum {
#define CHOICE(name, ...) CHOICE_##name,
#include "choice.def"
#undef CHOICE
    CHOICE_COUNT
} ChoiceKind;

extern const char *const choice_names[CHOICE_COUNT];

/* The choices for one product. */
typedef struct Choices {
    int64_t value[CHOICE_COUNT]; /* -1: the cost model decides */
    Loc at[CHOICE_COUNT];        /* where it is written */
    Loc line;
    double ms, model_ms; /* measured with them, and with the cost model's; 0: not known */
    bool used;           /* some product has asked */
} Choices;

/* Choices by product. */
typedef struct ChoiceTable {
    Map by_key; /* Choices */
    Diag diag;  /* of the file that they are from; out NULL: nothing is printed */
} ChoiceTable;

/* A choice that a plan had: legal are `least`, `least` + `step`, ... to `most`. */
typedef struct Knob {
    ChoiceKind kind;
    int64_t least, most, step, value;
} Knob;

/* The choices of one plan as it is made. */
typedef struct Choosing {
    ChoiceTable *table; /* NULL: all is the cost model's */
    const char *key;    /* says everything that the plan depends on but the target; no spaces */
    Choices *given;     /* or NULL */
    Knob knobs[CHOICE_COUNT];
    int n;
    bool refused; /* something that was given is not legal here */
} Choosing;

Choices choices_none(void);
/* Begins a plan. */
Choosing choosing_begin(const Program *, const char *key, ...) PRINTF(2, 3);
/* The value given, where that is legal, else `otherwise`. One that is not legal is an error at its
 * place in the file. Choosing NULL: `otherwise`. */
int64_t choose(Choosing *, ChoiceKind, int64_t least, int64_t most, int64_t step,
               int64_t otherwise);
/* Ends a plan: what was given and not asked for is an error. */
void choosing_end(Choosing *);

#endif
