/* SPDX-License-Identifier: MIT */
/* options.h: what the command line says. */
#ifndef NNCC_OPTIONS_H
#define NNCC_OPTIONS_H

#include "../base/base.h"
#include "../passes/passes.h"

typedef enum { EMIT_default, EMIT_c, EMIT_exe, EMIT_ir, EMIT_dot, EMIT_report } EmitKind;

typedef struct Options {
    const char *model;  /* a path, or "-" */
    const char *output; /* NULL: not given */
    EmitKind emit;
    bool main, single_file, no_train, grad, attribute, exact, time_passes, O0;
    const char *target;
    int64_t batch;        /* 0: the file's */
    int64_t memory_limit; /* bytes; 0: none */
    int error_limit;
    const char *dump_after;
    int64_t tune; /* seconds; 0: not asked for */
    bool no_tune;
    VEC(const char *) defines, no_pass;
    bool done;           /* --help or --version was printed */
    const char *command; /* the whole call, for the banner */
} Options;

/* Gives 0, or 2 after a line on stderr. */
int options_read(Arena *, int argc, char **argv, Options *);

#endif
