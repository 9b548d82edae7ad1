/* SPDX-License-Identifier: MIT */
/* nnrt_json.c: JSON as RFC 8259 has it, pulled value by value: nothing is kept but the string or
 * key at hand. Of numbers only finite ones are read; nesting goes at most 64 deep. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_text.h"

enum { JSON_DEPTH = 64, JSON_NUMBER = 64 };

nnrt_json nnrt_json_of(const char *name, const void *bytes, size_t size, nnrt_fault *fault)
{
    return (nnrt_json){.name = name, .bytes = bytes, .end = size, .fault = fault};
}

void nnrt_json_close(nnrt_json *j)
{
    nnrt_buffer_free(&j->text);
}

int nnrt_json_wrong(nnrt_json *j, const char *expected)
{
    if (j->status)
        return j->status;
    unsigned char c = j->at < j->end ? j->bytes[j->at] : 0;
    if (j->at >= j->end)
        j->status = nnrt_fail(j->fault, NNRT_BAD_CONTENT,
                              "%s: byte %zu: expected %s, found the end", j->name, j->at, expected);
    else if (c > 32 && c < 127)
        j->status = nnrt_fail(j->fault, NNRT_BAD_CONTENT, "%s: byte %zu: expected %s, found '%c'",
                              j->name, j->at, expected, c);
    else
        j->status =
            nnrt_fail(j->fault, NNRT_BAD_CONTENT, "%s: byte %zu: expected %s, found byte %02x",
                      j->name, j->at, expected, c);
    return j->status;
}

static int json_take(nnrt_json *j, char c)
{
    return !j->status && nnrt_scan_take(j->bytes, &j->at, j->end, " \t\r\n", c);
}

int nnrt_json_peek(nnrt_json *j)
{
    if (j->status)
        return 0;
    nnrt_scan_blank(j->bytes, &j->at, j->end, " \t\r\n");
    return j->at < j->end ? j->bytes[j->at] : 0;
}

int nnrt_json_enter(nnrt_json *j, char open)
{
    if (!json_take(j, open)) {
        nnrt_json_wrong(j, open == '{' ? "an object" : "a list");
        return 0;
    }
    if (++j->depth > JSON_DEPTH)
        nnrt_json_wrong(j, "at most 64 levels of nesting");
    return !j->status;
}

/* 1: another one follows in what was entered. */
static int json_more(nnrt_json *j, int *first, char close)
{
    int begun = !*first;
    *first = 0;
    if (json_take(j, close)) {
        j->depth--;
        return 0;
    }
    if (begun && !json_take(j, ','))
        nnrt_json_wrong(j, close == '}' ? "',' or '}'" : "',' or ']'");
    return !j->status;
}

int nnrt_json_item(nnrt_json *j, int *first)
{
    return json_more(j, first, ']');
}

int nnrt_json_member(nnrt_json *j, int *first, const char **key)
{
    if (!json_more(j, first, '}'))
        return 0;
    *key = nnrt_json_string(j, NULL);
    if (*key && !json_take(j, ':'))
        nnrt_json_wrong(j, "':'");
    return !j->status;
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Four hex digits. -1: not so. */
static int32_t json_hex(nnrt_json *j)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        unsigned char c = j->at < j->end ? j->bytes[j->at] : 0;
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void json_unicode(nnrt_json *j)
{
    int32_t c = json_hex(j);
    if (c >= 0xD800 && c < 0xDC00 && j->end - j->at >= 2 && j->bytes[j->at] == '\\' &&
        j->bytes[j->at + 1] == 'u') {
        j->at += 2;
        int32_t low = json_hex(j);
        c = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) : -1;
    }
    char bytes[4];
    if (c < 0 || (c >= 0xD800 && c < 0xE000))
        nnrt_json_wrong(j, "four hex digits of a character");
    else
        nnrt_buffer_put(&j->text, bytes, nnrt_utf8_put((uint32_t)c, bytes));
}

static void json_escape(nnrt_json *j)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    unsigned char c = j->at < j->end ? j->bytes[j->at] : 0;
    const char *which = c ? strchr(from, c) : NULL;
    if (c == 'u') {
        j->at++;
        json_unicode(j);
    } else if (which) {
        j->at++;
        nnrt_buffer_put(&j->text, &to[which - from], 1);
    } else {
        nnrt_json_wrong(j, "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    }
}

/* The characters up to the closing quote. */
static void json_characters(nnrt_json *j)
{
    while (!j->status && j->at < j->end && j->bytes[j->at] != '"') {
        const char *at = (const char *)j->bytes + j->at;
        uint32_t c;
        if (*at == '\\') {
            j->at++;
            json_escape(j);
            continue;
        }
        size_t size = nnrt_utf8_take(at, j->end - j->at, &c);
        if (size == 0 || c < 32) {
            nnrt_json_wrong(j, "a string of valid UTF-8 without control characters");
            return;
        }
        nnrt_buffer_put(&j->text, at, size);
        j->at += size;
    }
}

const char *nnrt_json_string(nnrt_json *j, size_t *size)
{
    if (!json_take(j, '"')) {
        nnrt_json_wrong(j, "a string");
        return NULL;
    }
    j->text.size = 0;
    json_characters(j);
    if (!j->status && !(j->at < j->end && j->bytes[j->at++] == '"'))
        nnrt_json_wrong(j, "a closing quote");
    nnrt_buffer_put(&j->text, "", 1);
    if (j->text.failed && !j->status)
        j->status = nnrt_fail(j->fault, NNRT_NO_MEMORY, "%s: no memory to read it", j->name);
    if (j->status)
        return NULL;
    if (size)
        *size = j->text.size - 1;
    else if (strlen(j->text.at) + 1 != j->text.size)
        nnrt_json_wrong(j, "before it, a string without NUL");
    return j->status ? NULL : j->text.at;
}

/* --- numbers and words ------------------------------------------------------------------------ */

static size_t json_digits(const nnrt_json *j, size_t at)
{
    size_t n = 0;
    while (at + n < j->end && j->bytes[at + n] >= '0' && j->bytes[at + n] <= '9')
        n++;
    return n;
}

/* The bytes of the number that stands here; 0: none. */
static size_t json_number_size(const nnrt_json *j)
{
    size_t at = j->at, n;
    at += at < j->end && j->bytes[at] == '-';
    n = json_digits(j, at);
    if (n == 0 || (n > 1 && j->bytes[at] == '0'))
        return 0;
    at += n;
    if (at < j->end && j->bytes[at] == '.') {
        n = json_digits(j, at + 1);
        if (n == 0)
            return 0;
        at += n + 1;
    }
    if (at < j->end && (j->bytes[at] | 32) == 'e') {
        at++;
        at += at < j->end && (j->bytes[at] == '+' || j->bytes[at] == '-');
        n = json_digits(j, at);
        if (n == 0)
            return 0;
        at += n;
    }
    return at - j->at;
}

double nnrt_json_number(nnrt_json *j)
{
    char text[JSON_NUMBER];
    nnrt_json_peek(j);
    size_t n = j->status ? 0 : json_number_size(j);
    if (n == 0 || n >= sizeof text) {
        nnrt_json_wrong(j, "a number");
        return 0;
    }
    memcpy(text, j->bytes + j->at, n);
    text[n] = 0;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* a point, whatever the program set */
    double value = c != (locale_t)0 ? strtod_l(text, NULL, c) : strtod(text, NULL);
    if (c != (locale_t)0)
        freelocale(c);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits >> 52 & 0x7FF) == 0x7FF) {
        nnrt_json_wrong(j, "a number that a double holds");
        return 0;
    }
    j->at += n;
    return value;
}

int64_t nnrt_json_count(nnrt_json *j, int64_t most)
{
    int c = nnrt_json_peek(j);
    size_t start = j->at, n = j->status ? 0 : json_digits(j, j->at);
    int64_t value = 0;
    for (size_t i = 0; i < n && value <= most; i++)
        value = value * 10 + (j->bytes[start + i] - '0');
    int fraction = start + n < j->end && j->bytes[start + n] && strchr(".eE", j->bytes[start + n]);
    if (n == 0 || n > 18 || (n > 1 && c == '0') || value > most || fraction) {
        char expected[64];
        snprintf(expected, sizeof expected, "an integer from 0 to %lld", (long long)most);
        nnrt_json_wrong(j, expected);
        return -1;
    }
    j->at += n;
    return value;
}

static int json_word(nnrt_json *j, const char *word)
{
    size_t n = strlen(word);
    nnrt_json_peek(j);
    if (j->status || j->end - j->at < n || memcmp(j->bytes + j->at, word, n) != 0)
        return 0;
    j->at += n;
    return 1;
}

int nnrt_json_bool(nnrt_json *j)
{
    if (json_word(j, "true"))
        return 1;
    if (!json_word(j, "false"))
        nnrt_json_wrong(j, "true or false");
    return 0;
}

int nnrt_json_null(nnrt_json *j)
{
    return json_word(j, "null");
}

void nnrt_json_skip(nnrt_json *j)
{
    /* Without recursion: down to the depth at which it began. */
    int depth = j->depth, first = 1;
    char close[JSON_DEPTH + 2] = {0};
    const char *key;
    do {
        int c = nnrt_json_peek(j);
        if (c == '{' || c == '[') {
            first = nnrt_json_enter(j, (char)c);
            if (!first)
                return;
            close[j->depth] = c == '{' ? '}' : ']';
        } else if (c == '"') {
            nnrt_json_string(j, NULL);
        } else if (c == 't' || c == 'f') {
            nnrt_json_bool(j);
        } else if (c != 'n' || !nnrt_json_null(j)) {
            nnrt_json_number(j);
        }
        while (!j->status && j->depth > depth) {
            int more = close[j->depth] == '}' ? nnrt_json_member(j, &first, &key)
                                              : nnrt_json_item(j, &first);
            if (more)
                break;
        }
    } while (!j->status && j->depth > depth);
}

int nnrt_json_end(nnrt_json *j)
{
    if (nnrt_json_peek(j) || (!j->status && j->at < j->end))
        nnrt_json_wrong(j, "nothing more");
    return j->status;
}
