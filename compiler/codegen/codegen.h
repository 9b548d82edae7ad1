/* SPDX-License-Identifier: MIT */
/* codegen.h: a planned program to C text. Grouped by file. */
#ifndef NNCC_CODEGEN_H
#define NNCC_CODEGEN_H

#include "../passes/kernel.h"

/* --- out.c: the writer: indentation and line ends are its business alone ---------------------- */

typedef struct Out {
    Str str;
    int depth;  /* indentation, in units of four spaces */
    bool whole; /* no line is broken: some words are to change first */
} Out;

Out out_new(Arena *);
void out_line(Out *, const char *format, ...)
    PRINTF(2, 3); /* one line at the depth; "" an empty one */
void out_open(Out *, const char *format, ...) PRINTF(2, 3); /* the line and " {", then deeper */
void out_loop(Out *, const char *format, ...) PRINTF(2, 3); /* the line, then deeper: no brace */
void out_close(Out *);                                      /* shallower, then "}" */
void out_end(Out *);                                        /* shallower: ends out_loop */
void out_raw(Out *, const char *format, ...) PRINTF(2, 3);  /* column 0 (preprocessor lines) */
/* A line at the depth, broken at its commas, below its first parenthesis, where it is too long. */
void out_wrap(Out *, const char *format, ...) PRINTF(2, 3);
/* The same, but what follows the first break is one unit deeper than the line: shorter in lists. */
void out_hang(Out *, const char *format, ...) PRINTF(2, 3);
/* Lines written whole, those that are too long broken as by out_wrap. */
void out_broken(Out *, const char *lines);
/* "const int i = i0 + v;", to be dropped by out_unindex, given what this gives, where nothing that
 * was written since mentions the name. */
size_t out_index(Out *, const char *name, const char *value);
void out_unindex(Out *, size_t line, const char *name);
/* Drops the lines "const TYPE t1 = ...;" of temporaries (t and a number) that nothing reads. */
void out_sweep(Out *);
/* Whether `word` stands in the text as an identifier. */
bool text_mentions(const char *text, const char *word);
/* A text from outside (a file's name, a command) as it may stand in a comment: what would end or
 * open one, and all but printable ASCII, is '?'. */
const char *comment_text(Arena *, const char *text);

/* --- kernel_text.c (with kernel_loops.c, kernel_matmul.c): one kernel's function -------------- */

/* For each kernel of each function: fills args, name, text or same, title, serves. Kernels that
 * would be equal but for their names are emitted once. */
void kernels_text(Program *);

/* --- what the files below share --------------------------------------------------------------- */

typedef struct CodegenOptions {
    const char *command; /* the exact command, for the banner */
    const char *header;  /* what the .c includes: "mnist.h" (NULL: header text is inside) */
    const char *tuned;   /* the file that some products' choices are from; or NULL */
    bool main;           /* --main */
    bool single_file;    /* the runtime is pasted in */
    bool grad, no_train;
    const char *runtime_dir; /* where runtime sources are, for single_file */
} CodegenOptions;

/* The emitted files' text, in program->ctx->arena. */
const char *emit_source(Program *, const CodegenOptions *);
const char *emit_header(Program *, const CodegenOptions *);
/* --emit=report */
void emit_report(Program *, FILE *);

#endif
