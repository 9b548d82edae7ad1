/* SPDX-License-Identifier: MIT */
/* training.h: what the files that read `train:` share. */
#ifndef NNCC_TRAINING_H
#define NNCC_TRAINING_H

#include "rows.h"

/* Which way a figure is better, of a table of arguments. */
#define MODE WORDS("mode", "auto", "auto min max")

/* --- train_args.c ----------------------------------------------------------------------------- */

/* Whether a number is what an argument of this name may be; reports. */
bool train_in_range(Ctx *, Loc, const char *what, const char *name, double value);
/* A whole number, 1 and more, where the map has the key; false after a report. */
bool train_count(Ctx *, const Scope *, const Y *map, const char *what, const char *key,
                 int64_t high, int64_t *out);
/* A number in the range of its key, where `train` has it; reports. */
void train_bound(Ctx *, const Scope *, const Y *train, const char *key, double *out);

/* One of several kinds: `adam`, `{adam: {lr: 1e-3}}`. */
typedef struct Kind {
    const char *name;
    Loc loc;
    const Y *args; /* or NULL */
} Kind;

/* Takes it apart; false after a report. */
bool train_kind(Ctx *, const Scope *, const Y *, const char *what, const char *example, Kind *out);
/* Reports a kind that is none of `known`, with the nearest. */
void train_unknown(Ctx *, const Kind *, const char *what, const char *const *known, int n);
/* Reports a figure that is neither loss nor a metric, nor one of these after val_. */
void train_monitor(Program *, const char *what, const Arg *monitor);
/* -1, 0 or 1 of min, auto, max. */
int train_mode(const Arg *mode);

/* --- train_optimizer.c, train_schedule.c ------------------------------------------------------- */

void train_optimizer(Program *, const Scope *, const Y *, Optimizer *out);
/* `sound`: the metrics that are known are all there are. */
void train_schedule(Program *, const Scope *, const Y *, bool sound, Schedule *out);

/* --- groups.c --------------------------------------------------------------------------------- */

/* Whether a name fits a pattern: `*` stands for any characters, `?` for one. */
bool pattern_fits(const char *pattern, const char *name);

#endif
