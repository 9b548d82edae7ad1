/* SPDX-License-Identifier: MIT */
/* str.c: text being built, and numbers as text. */
#include "base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and the NUL. */
static void reserve(Str *str, size_t more)
{
    if (more < str->cap - str->n)
        return;
    size_t cap = str->cap;
    while (cap - str->n <= more && cap <= SIZE_MAX / 2)
        cap *= 2;
    if (cap - str->n <= more)
        cap = SIZE_MAX; /* not to be had: arena_grow ends the program */
    str->at = arena_grow(str->arena, str->at, str->n + 1, cap);
    str->cap = cap;
}

Str str_new(Arena *arena)
{
    Str str = {.arena = arena, .cap = 64};
    str.at = arena_take(arena, str.cap);
    return str;
}

void str_put(Str *str, const char *text, size_t length)
{
    reserve(str, length);
    if (length)
        memcpy(str->at + str->n, text, length);
    str->n += length;
    str->at[str->n] = '\0';
}

void str_add(Str *str, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int n = vsnprintf(str->at + str->n, str->cap - str->n, format, list);
    va_end(list);
    if (n < 0)
        BUG("str_add: '%s' does not format", format);
    if ((size_t)n >= str->cap - str->n) {
        reserve(str, (size_t)n);
        vsnprintf(str->at + str->n, str->cap - str->n, format, again);
    }
    va_end(again);
    str->n += (size_t)n;
}

static bool reads_back(const char *text, double value, bool as_float)
{
    return as_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* Whatever a locale writes as the decimal separator (it may be several bytes) becomes a point. */
static void point_for_separator(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        size_t n = strspn(from, "0123456789+-e");
        if (n == 0) {
            n = strcspn(from, "0123456789+-e");
            *to++ = '.';
        } else {
            memmove(to, from, n);
            to += n;
        }
        from += n;
    }
    *to = '\0';
}

const char *number_text(char *buffer, double value, bool as_float)
{
    enum { SIZE = 32 };
    if (as_float)
        value = (float)value;
    if (!isfinite(value)) {
        snprintf(buffer, SIZE, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return buffer;
    }
    for (int digits = 1; digits <= (as_float ? 9 : 17); digits++) {
        snprintf(buffer, SIZE, "%.*g", digits, value);
        if (reads_back(buffer, value, as_float))
            break;
    }
    point_for_separator(buffer);
    return buffer;
}
