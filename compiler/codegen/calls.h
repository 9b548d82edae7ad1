/* SPDX-License-Identifier: MIT */
/* calls.h: the lines of a function that call its kernels, before they are written. */
#ifndef NNCC_CALLS_H
#define NNCC_CALLS_H

#include "emit.h"

typedef enum { LINE_plain, LINE_open, LINE_close } LineKind;

/* A line of text in which slots stand for addresses: "\1s0\2" for slot 0, a float buffer in scratch. Two lines
 * with equal text do the same to what is in their slots. */
typedef struct Line {
    LineKind kind;
    bool master; /* only the first thread runs it, or the block that it opens */
    const char *text;
    const Slot *slot; /* NULL where there are none */
    int n_slots;
    int same; /* the number of the first line that is equal to it */
} Line;

typedef VEC(Line) LineList;

/* Lines that stand there `count` times, `period` of them, each time with other slots: written as a loop. */
typedef struct Repeat {
    int start, period, count;
    const char **slot;        /* what stands for the slots of the first time, in order */
    VEC(const char *) heads;  /* lines before the loop: tables of what is in slots */
    VEC(const char *) firsts; /* its first lines: what lies elsewhere each time */
    const char *comment;
} Repeat;

/* All of a function. */
typedef struct CallList {
    const Graph *g;
    int from; /* its first kernel */
    bool parallel;
    int64_t shared_from; /* below so many samples no kernel is worth a second thread; 1: some always is */
    LineList lines;
    VEC(Repeat) repeats;                    /* in order */
    bool *passed;                           /* by Buffer.id: the text mentions the buffer's name */
    VEC(uint32_t) keys;                     /* random streams whose keys it mentions */
    bool reaches[PART_COUNT], uses_scratch; /* what its slots are in */
} CallList;

/* calls.c: the lines for the kernels from `from` on, repeats found; their text in the file. */
CallList *list_calls(SourceText *, const Graph *, int from);
void emit_calls(SourceText *, const CallList *);
/* The text of a slot outside of repeats. */
const char *slot_name(SourceText *, const Slot *);
/* A line's text with slots filled in. */
const char *line_text(SourceText *, const Line *, const char *const *slot);

/* repeat.c: finds the repeats, and says what the text mentions. */
void find_repeats(SourceText *, CallList *);

/* body.c: what its text calls a uniform scalar, once a function's are named; whether a kernel from `from` on writes a
 * variable. */
const char *uniform_name(SourceText *, const Node *);
void name_uniforms(const Graph *, int from);
bool writes_vars(const Graph *, int from);
/* Its parts, from the list's first kernel on: buffers, and those that a call before it fills (by output; or NULL);
 * uniform scalars. */
void emit_buffers(SourceText *, const CallList *, const Buffer *const *filled);
void emit_uniforms(SourceText *, const Graph *, int from);

#endif
