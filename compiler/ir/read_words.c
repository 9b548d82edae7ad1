/* SPDX-License-Identifier: MIT */
/* read_words.c: the words that the text form of a program is made of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read.h"

bool text_wrong(Reader *r, const char *wanted)
{
    Loc loc = {r->number, (int)(r->at - r->line) + 1, 1};
    diag_error(&r->ctx->diag, loc, "expected %s", wanted);
    return false;
}

void text_skip(Reader *r)
{
    while (r->at < r->end && *r->at == ' ')
        r->at++;
}

/* Takes the text if it comes next. */
bool text_take(Reader *r, const char *text)
{
    size_t n = strlen(text);
    text_skip(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
        return false;
    r->at += n;
    return true;
}

bool text_expect(Reader *r, const char *text)
{
    return text_take(r, text) || text_wrong(r, arena_format(r->ctx->arena, "'%s'", text));
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* A name of letters, digits, _, . and -; NULL after a report. */
const char *text_word(Reader *r, const char *wanted)
{
    text_skip(r);
    const char *from = r->at;
    while (r->at < r->end && is_name_char(*r->at))
        r->at++;
    if (r->at == from) {
        text_wrong(r, wanted);
        return NULL;
    }
    return arena_text(r->ctx->arena, from, (size_t)(r->at - from));
}

/* The place of the next word among `known`; -1 after a report. */
int text_choice(Reader *r, const char *const *known, int n, const char *wanted)
{
    text_skip(r);
    const char *from = r->at, *name = text_word(r, wanted);
    for (int i = 0; name && i < n; i++)
        if (strcmp(name, known[i]) == 0)
            return i;
    r->at = from;
    if (name)
        text_wrong(r, wanted);
    return -1;
}

bool text_integer(Reader *r, int64_t lo, int64_t hi, int64_t *out)
{
    char *end;
    text_skip(r);
    if (r->at == r->end || (*r->at != '-' && (*r->at < '0' || *r->at > '9')))
        return text_wrong(r, "a whole number");
    errno = 0;
    long long v = strtoll(r->at, &end, 10);
    if (errno || end == r->at || end > r->end || v < lo || v > hi)
        return text_wrong(r, "a whole number in range");
    r->at = end;
    *out = v;
    return true;
}

bool text_real(Reader *r, double *out)
{
    char *end;
    text_skip(r);
    if (r->at == r->end || *r->at == '\n')
        return text_wrong(r, "a number");
    *out = strtod(r->at, &end);
    if (end == r->at || end > r->end)
        return text_wrong(r, "a number");
    r->at = end;
    return true;
}

/* "1,2,3" */
bool text_integers(Reader *r, int max, int64_t lo, int64_t hi, int64_t *out, int *n)
{
    for (*n = 0; *n < max;) {
        if (!text_integer(r, lo, hi, &out[(*n)++]))
            return false;
        if (r->at == r->end || *r->at != ',')
            return true;
        r->at++;
    }
    return text_wrong(r, "fewer numbers");
}

bool text_line_ends(Reader *r)
{
    text_skip(r);
    return r->at == r->end || text_wrong(r, "the end of the line");
}

/* "[N, 784]", "[4N, 10]", "[]" */
bool text_shape(Reader *r, Shape *out)
{
    *out = (Shape){.batch = -1};
    if (!text_expect(r, "["))
        return false;
    if (text_take(r, "]"))
        return true;
    do {
        if (out->rank == RANK_MAX)
            return text_wrong(r, "fewer axes");
        int64_t dim = 1;
        bool batch = text_take(r, "N");
        if (!batch && !text_integer(r, 1, DIM_MAX, &dim))
            return false;
        batch = batch || (r->at < r->end && *r->at == 'N' && r->at++);
        if (batch && out->batch >= 0)
            return text_wrong(r, "one batch axis");
        if (batch)
            out->batch = out->rank;
        out->dim[out->rank++] = dim;
    } while (text_take(r, ","));
    return text_expect(r, "]");
}

bool text_dtype(Reader *r, DType *out)
{
    static const char *const known[] = {"f32", "i32", "u8"};
    int i = text_choice(r, known, COUNT(known), "f32, i32 or u8");
    *out = (DType)i;
    return i >= 0;
}
