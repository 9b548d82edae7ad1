/* SPDX-License-Identifier: MIT */
/* read.h: what the files that read the text form of a program share. */
#ifndef NNCC_READ_H
#define NNCC_READ_H

#include "ir.h"

typedef VEC(Node *) NodeList;

/* A function or body in which a body stands. */
typedef struct Level {
    Graph *g;
    NodeList nodes;
} Level;

typedef struct Reader {
    Ctx *ctx;
    Program *p;
    Graph *g;
    const char *line, *at, *end; /* the line being read, the place in it, its end */
    int number;                  /* of the line, from 1 */
    NodeList nodes;              /* of the function or body, by number */
    VEC(Level) levels;           /* around the body being read */
    Graph *body;                 /* the last that was read, until a scan takes it */
    VEC(Node *) in;              /* operands of the node being read */
} Reader;

/* read_words.c. Each takes what comes next on the line, spaces before it too, and gives false, or what it says, after
 * a diagnostic at that place. */
void text_skip(Reader *);                      /* spaces */
bool text_wrong(Reader *, const char *wanted); /* "expected WANTED" */
bool text_take(Reader *, const char *text);    /* whether the text comes next; says nothing */
bool text_expect(Reader *, const char *text);
const char *text_word(Reader *, const char *wanted); /* of letters, digits, _, . and -; NULL */
int text_choice(Reader *, const char *const *known, int n, const char *wanted); /* its place; -1 */
bool text_integer(Reader *, int64_t lo, int64_t hi, int64_t *out);
bool text_real(Reader *, double *out);
bool text_integers(Reader *, int max, int64_t lo, int64_t hi, int64_t *out, int *n); /* "1,2,3" */
bool text_line_ends(Reader *);
bool text_shape(Reader *, Shape *out); /* "[N, 784]", "[4N, 10]", "[]" */
bool text_dtype(Reader *, DType *out);

#endif
