/* SPDX-License-Identifier: MIT */
/* tune.h: `nncc --tune`: finds by measuring what the plans of a program's products should choose, and
 * the file that keeps it beside the model. Grouped by file. */
#ifndef NNCC_TUNE_H
#define NNCC_TUNE_H

#include "../codegen/cc.h"
#include "../passes/choice.h"
#include "../passes/kernel.h"

/* --- tune_file.c: docs/tuning.md describes the format ----------------------------------------- */

/* "dir/net.tune" of "dir/net.yaml". */
const char *tune_path(Arena *, const char *model);
/* No choices. */
ChoiceTable *tune_table(Arena *);
/* The choices of a file; *table is left as it is where there is none, or where it was made for another
 * target, CPU or nncc, which a note on stderr says. Gives 0; 1 where the file is wrong and 3 where it
 * cannot be read, after diagnostics on stderr, at most `limit`. */
int tune_read(Arena *, const char *path, const Target *, int limit, ChoiceTable **table);
/* Says where choices are of no product that has been planned: the model may have changed since. */
void tune_warn_unused(ChoiceTable *);

typedef struct TuneMade { /* what the file says of how it was made */
    const char *compiler;
    int threads;
} TuneMade;

/* Gives 0, or 3 after a line on stderr. */
int tune_write(Arena *, const char *path, const Target *, const TuneMade *, const ChoiceTable *);

/* --- measure.c -------------------------------------------------------------------------------- */

typedef struct Measure {
    const Home *home;
    const Target *target;
    CcHow how;
    char *folder;         /* for its program and what that says */
    const char *compiler; /* "clang 14.0.6", as the last program said; NULL: none has run */
    int threads;          /* the same */
} Measure;

/* A product to be measured: a kernel of a planned program whose choices are `table`'s. */
typedef struct Subject {
    Graph *g;
    Kernel *k;
    const char *key;
    ChoiceTable *table;
} Subject;

/* The plan that the product gets with these choices: what it asked for. */
Choosing subject_plan(const Subject *, const Choices *);
/* Times the product's kernel, planned with each of n choices, in turns, for `seconds` in all but at
 * least some calls each; ms[i]: milliseconds of a call; -1 where the choices are not legal or make the
 * same code as earlier ones. Gives 0, or 3 or 130 (interrupted); 1: the program did not end well. */
int measure(Measure *, const Subject *, int n, const Choices *, double seconds, double *ms);

/* --- tune.c ----------------------------------------------------------------------------------- */

typedef struct TuneOptions {
    const char *path;  /* of the file that is written */
    ChoiceTable *kept; /* entries of it that stay unless they are measured anew; or NULL */
    int64_t seconds;
    bool large; /* the whole program is compiled as large ones are */
} TuneOptions;

/* Measures the products of a program, planned with p->choices, an empty table, and with kernels' texts;
 * those with most work first, until the time is over. Writes the file, prints what it found to stdout.
 * The program's plans are as they were. Gives 0, 3 or 130. */
int tune(Program *, const Home *, const TuneOptions *);

#endif
