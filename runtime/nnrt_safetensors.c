/* SPDX-License-Identifier: MIT */
/* nnrt_safetensors.c: reads safetensors: u64 N, N bytes of JSON, the data. Of JSON just what the
 * format uses is read: objects, strings and lists of natural numbers. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

enum {
    ST_HEADER_MAX = 100000000, /* bytes: the limit of the reference implementation */
    ST_TENSORS_MAX = 1000000
};

/* A place in the header, who is told, and where strings go. */
typedef struct st_scan {
    const char *name;
    const unsigned char *bytes; /* the file */
    size_t at, end;             /* in the file */
    char *text;                 /* strings so far: as long as the header, which is enough */
    size_t used;
    nnrt_fault *fault;
} st_scan;

static int st_wrong(const st_scan *s, const char *expected)
{
    if (s->at >= s->end)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                         "%s: byte %zu: expected %s, found the header's end", s->name, s->at,
                         expected);
    unsigned char c = s->bytes[s->at];
    if (c > 32 && c < 127)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT, "%s: byte %zu: expected %s, found '%c'",
                         s->name, s->at, expected, c);
    return nnrt_fail(s->fault, NNRT_BAD_CONTENT, "%s: byte %zu: expected %s, found byte %02x",
                     s->name, s->at, expected, c);
}

static void st_blank(st_scan *s)
{
    nnrt_scan_blank(s->bytes, &s->at, s->end, " \t\r\n");
}

/* 1: the next character is `c`, now behind us. */
static int st_take(st_scan *s, char c)
{
    return nnrt_scan_take(s->bytes, &s->at, s->end, " \t\r\n", c);
}

static int st_expect(st_scan *s, char c, const char *expected)
{
    return st_take(s, c) ? NNRT_OK : st_wrong(s, expected);
}

/* Four hex digits. -1: not so. */
static int32_t st_hex(st_scan *s)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        const char *digits = "0123456789abcdef", *digit = NULL;
        if (s->at < s->end && s->bytes[s->at])
            digit = strchr(digits, s->bytes[s->at] | (s->bytes[s->at] > '9' ? 32 : 0));
        if (!digit)
            return -1;
        value = value * 16 + (int32_t)(digit - digits);
    }
    return value;
}

static void st_put_utf8(st_scan *s, int32_t c)
{
    char *t = s->text + s->used;
    if (c < 0x80) {
        t[0] = (char)c;
        s->used += 1;
    } else if (c < 0x800) {
        t[0] = (char)(0xC0 | c >> 6);
        t[1] = (char)(0x80 | (c & 63));
        s->used += 2;
    } else if (c < 0x10000) {
        t[0] = (char)(0xE0 | c >> 12);
        t[1] = (char)(0x80 | (c >> 6 & 63));
        t[2] = (char)(0x80 | (c & 63));
        s->used += 3;
    } else {
        t[0] = (char)(0xF0 | c >> 18);
        t[1] = (char)(0x80 | (c >> 12 & 63));
        t[2] = (char)(0x80 | (c >> 6 & 63));
        t[3] = (char)(0x80 | (c & 63));
        s->used += 4;
    }
}

/* What follows \u: one code, or two that make a character above U+FFFF. A NUL is refused, since
 * names are C strings. */
static int st_unicode(st_scan *s)
{
    size_t start = s->at;
    int32_t c = st_hex(s);
    if (c >= 0xD800 && c < 0xDC00 && s->end - s->at >= 2 && s->bytes[s->at] == '\\' &&
        s->bytes[s->at + 1] == 'u') {
        s->at += 2;
        int32_t low = st_hex(s);
        c = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) : -1;
    }
    if (c <= 0 || (c >= 0xD800 && c < 0xE000)) {
        s->at = start;
        return st_wrong(s, "four hex digits of a character other than NUL");
    }
    st_put_utf8(s, c);
    return NNRT_OK;
}

static int st_escape(st_scan *s)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    unsigned char c = s->at < s->end ? s->bytes[s->at] : 0;
    if (c == 'u') {
        s->at++;
        return st_unicode(s);
    }
    const char *which = c ? strchr(from, c) : NULL;
    if (!which)
        return st_wrong(s, "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    s->text[s->used++] = to[which - from];
    s->at++;
    return NNRT_OK;
}

/* Copies one character of UTF-8, checked: no overlong form, no surrogate, at most U+10FFFF. */
static int st_utf8(st_scan *s)
{
    const unsigned char *b = s->bytes + s->at;
    size_t left = s->end - s->at, n = 1;
    int good = 1;
    if (b[0] >= 0x80) {
        n = b[0] >= 0xC2 && b[0] < 0xE0 ? 2 : b[0] >= 0xE0 && b[0] < 0xF0 ? 3 : 4;
        good = b[0] >= 0xC2 && b[0] < 0xF5 && n <= left;
        for (size_t i = 1; good && i < n; i++)
            good = (b[i] & 0xC0) == 0x80;
        good = good && !(b[0] == 0xE0 && b[1] < 0xA0) && !(b[0] == 0xED && b[1] > 0x9F) &&
               !(b[0] == 0xF0 && b[1] < 0x90) && !(b[0] == 0xF4 && b[1] > 0x8F);
    } else {
        good = b[0] >= 0x20;
    }
    if (!good)
        return st_wrong(s, "a string of valid UTF-8 without control characters");
    memcpy(s->text + s->used, b, n);
    s->used += n;
    s->at += n;
    return NNRT_OK;
}

static int st_string(st_scan *s, const char **out, const char *expected)
{
    if (st_expect(s, '"', expected))
        return NNRT_BAD_CONTENT;
    *out = s->text + s->used;
    while (s->at < s->end && s->bytes[s->at] != '"') {
        int escape = s->bytes[s->at] == '\\';
        s->at += escape ? 1 : 0;
        if (escape ? st_escape(s) : st_utf8(s))
            return NNRT_BAD_CONTENT;
    }
    s->text[s->used++] = 0;
    return st_expect(s, '"', "a closing quote");
}

/* A natural number under 2^48, in plain digits. */
static int st_number(st_scan *s, int64_t *out)
{
    st_blank(s);
    size_t start = s->at;
    int64_t value = 0;
    for (; s->at < s->end && s->bytes[s->at] >= '0' && s->bytes[s->at] <= '9'; s->at++) {
        value = value * 10 + (s->bytes[s->at] - '0');
        if (value >= (int64_t)1 << 48) {
            s->at = start;
            return st_wrong(s, "an integer under 2^48");
        }
    }
    int zeros = s->at > start + 1 && s->bytes[start] == '0';
    if (s->at == start || zeros || (s->at < s->end && strchr(".eE", s->bytes[s->at]))) {
        s->at = zeros ? start : s->at;
        return st_wrong(s, "an integer of 0 or more, in plain digits");
    }
    *out = value;
    return NNRT_OK;
}

/* [1, 2, 3], at most `most` of them. */
static int st_numbers(st_scan *s, int most, int64_t *out, int *count)
{
    *count = 0;
    if (st_expect(s, '[', "'['"))
        return NNRT_BAD_CONTENT;
    if (st_take(s, ']'))
        return NNRT_OK;
    do {
        if (*count == most)
            return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                             "%s: byte %zu: expected at most %d numbers, found more", s->name,
                             s->at, most);
        if (st_number(s, &out[(*count)++]))
            return NNRT_BAD_CONTENT;
    } while (st_take(s, ','));
    return st_expect(s, ']', "',' or ']'");
}

/* Bits of a number; 0: no such dtype. */
static int st_bits(const char *dtype)
{
    static const struct st_type {
        const char *name;
        int bits;
    } types[] = {
        {"F32", 32},    {"F16", 16},        {"BF16", 16},       {"F64", 64},    {"I64", 64},
        {"I32", 32},    {"I16", 16},        {"I8", 8},          {"U8", 8},      {"U16", 16},
        {"U32", 32},    {"U64", 64},        {"BOOL", 8},        {"F8_E4M3", 8}, {"F8_E5M2", 8},
        {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6},
        {"F4", 4},      {"C64", 64},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(dtype, types[i].name) == 0)
            return types[i].bits;
    return 0;
}

/* dtype x shape must be the bytes between the offsets. */
static int st_check_size(const st_scan *s, const nnrt_st_tensor *t)
{
    int bits = st_bits(t->dtype);
    if (!bits)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT, "%s: '%s': expected a known dtype, found '%s'",
                         s->name, t->name, t->dtype);
    int64_t total = bits;
    int over = 0, empty = 0;
    for (int i = 0; i < t->rank; i++) {
        empty |= t->dim[i] == 0;
        over |= t->dim[i] && __builtin_mul_overflow(total, t->dim[i], &total);
    }
    if (!empty && (over || total % 8))
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                         "%s: '%s': expected a shape of whole bytes under 2^60, found another",
                         s->name, t->name);
    size_t bytes = empty ? 0 : (size_t)total / 8;
    if (t->begin > t->end || t->end - t->begin != bytes)
        return nnrt_fail(
            s->fault, NNRT_BAD_CONTENT,
            "%s: '%s': expected %zu bytes (%s and the shape), found data_offsets %zu to "
            "%zu",
            s->name, t->name, bytes, t->dtype, t->begin, t->end);
    return NNRT_OK;
}

/* {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} in any order. */
static int st_tensor(st_scan *s, nnrt_st_tensor *t)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    static const char expected[] = "each of \"dtype\", \"shape\", \"data_offsets\" once";
    unsigned seen = 0;
    int64_t offset[2];
    int n = 0;
    if (st_expect(s, '{', "'{'"))
        return NNRT_BAD_CONTENT;
    do {
        const char *key;
        st_blank(s);
        size_t start = s->at;
        if (st_string(s, &key, expected))
            return NNRT_BAD_CONTENT;
        unsigned k = 0;
        while (k < 3 && strcmp(key, keys[k]) != 0)
            k++;
        if (k == 3 || seen >> k & 1) {
            s->at = start;
            return st_wrong(s, expected);
        }
        seen |= 1u << k;
        if (st_expect(s, ':', "':'") || (k == 0 && st_string(s, &t->dtype, "a dtype")) ||
            (k == 1 && st_numbers(s, NNRT_RANK, t->dim, &t->rank)) ||
            (k == 2 && st_numbers(s, 2, offset, &n)))
            return NNRT_BAD_CONTENT;
    } while (st_take(s, ','));
    if (st_expect(s, '}', "',' or '}'"))
        return NNRT_BAD_CONTENT;
    if (seen != 7 || n != 2)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT, "%s: '%s': expected %s", s->name, t->name,
                         n == 2 || !(seen & 4) ? expected : "two data_offsets");
    t->begin = (size_t)offset[0];
    t->end = (size_t)offset[1];
    return st_check_size(s, t);
}

/* Room for one more item in a growing array. NULL: no memory, the array stands. */
static void *st_grow(void *items, int n, int *room, size_t size)
{
    if (n < *room)
        return items;
    int more = *room ? *room * 2 : 16;
    void *grown = realloc(items, (size_t)more * size);
    if (grown)
        *room = more;
    return grown;
}

static int st_no_memory(const st_scan *s)
{
    return nnrt_fail(s->fault, NNRT_NO_MEMORY, "%s: no memory for its header", s->name);
}

static int st_metadata(st_scan *s, nnrt_st_file *f)
{
    int room = 0;
    if (st_expect(s, '{', "'{' after \"__metadata__\""))
        return NNRT_BAD_CONTENT;
    if (st_take(s, '}'))
        return NNRT_OK;
    do {
        nnrt_st_pair *grown = st_grow(f->meta, f->n_meta, &room, sizeof *f->meta);
        if (!grown)
            return st_no_memory(s);
        f->meta = grown;
        nnrt_st_pair *pair = &grown[f->n_meta];
        if (st_string(s, &pair->key, "a key of the metadata") || st_expect(s, ':', "':'") ||
            st_string(s, &pair->value, "a string (metadata holds strings only)"))
            return NNRT_BAD_CONTENT;
        f->n_meta++;
    } while (st_take(s, ','));
    return st_expect(s, '}', "',' or '}'");
}

/* The header's one object. */
static int st_object(st_scan *s, nnrt_st_file *f)
{
    int room = 0, metadata = 0;
    if (s->at >= s->end || s->bytes[s->at] != '{')
        return st_wrong(s, "'{'");
    s->at++;
    if (st_take(s, '}'))
        return NNRT_OK;
    do {
        nnrt_st_tensor *grown = st_grow(f->tensors, f->n_tensors, &room, sizeof *f->tensors);
        if (!grown)
            return st_no_memory(s);
        f->tensors = grown;
        nnrt_st_tensor *t = &grown[f->n_tensors];
        *t = (nnrt_st_tensor){0};
        st_blank(s);
        size_t start = s->at;
        if (st_string(s, &t->name, "the name of a tensor") || st_expect(s, ':', "':'"))
            return NNRT_BAD_CONTENT;
        int is_meta = strcmp(t->name, "__metadata__") == 0;
        if (is_meta && metadata++) {
            s->at = start;
            return st_wrong(s, "\"__metadata__\" once");
        }
        int status = is_meta ? st_metadata(s, f) : st_tensor(s, t);
        if (status)
            return status;
        f->n_tensors += !is_meta;
        if (f->n_tensors > ST_TENSORS_MAX)
            return nnrt_fail(s->fault, NNRT_NO_MEMORY, "%s: byte %zu: over the limit of %d tensors",
                             s->name, start, ST_TENSORS_MAX);
    } while (st_take(s, ','));
    return st_expect(s, '}', "',' or '}'");
}

static int st_by_offset(const void *a, const void *b)
{
    const nnrt_st_tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int st_by_name(const void *a, const void *b)
{
    return strcmp(((const nnrt_st_tensor *)a)->name, ((const nnrt_st_tensor *)b)->name);
}

static int st_by_key(const void *a, const void *b)
{
    return strcmp(((const nnrt_st_pair *)a)->key, ((const nnrt_st_pair *)b)->key);
}

/* The tensors must cover the data without hole or overlap. */
static int st_check_cover(const st_scan *s, nnrt_st_file *f)
{
    size_t at = 0;
    if (f->n_tensors)
        qsort(f->tensors, (size_t)f->n_tensors, sizeof *f->tensors, st_by_offset);
    for (int i = 0; i < f->n_tensors; i++) {
        const nnrt_st_tensor *t = &f->tensors[i];
        if (t->begin != at)
            return nnrt_fail(
                s->fault, NNRT_BAD_CONTENT,
                "%s: '%s': expected to begin at byte %zu of the data, where the tensor "
                "before ends, found %zu",
                s->name, t->name, at, t->begin);
        at = t->end;
    }
    if (at != f->data_size)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                         "%s: byte %zu: expected %zu bytes of data (the last data_offsets), found "
                         "%zu",
                         s->name, s->end, at, f->data_size);
    return NNRT_OK;
}

static int st_check_names(const st_scan *s, nnrt_st_file *f)
{
    if (f->n_tensors)
        qsort(f->tensors, (size_t)f->n_tensors, sizeof *f->tensors, st_by_name);
    if (f->n_meta)
        qsort(f->meta, (size_t)f->n_meta, sizeof *f->meta, st_by_key);
    for (int i = 1; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i - 1].name, f->tensors[i].name) == 0)
            return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                             "%s: expected each tensor once, found '%s' "
                             "twice",
                             s->name, f->tensors[i].name);
    for (int i = 1; i < f->n_meta; i++)
        if (strcmp(f->meta[i - 1].key, f->meta[i].key) == 0)
            return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                             "%s: expected each key of the metadata "
                             "once, found '%s' twice",
                             s->name, f->meta[i].key);
    return NNRT_OK;
}

/* Recomputes the checksum of each tensor that has one. Those of tensors that are gone (another
 * program took them out and kept the metadata) say nothing. */
static int st_check_crc(const st_scan *s, const nnrt_st_file *f)
{
    static const char prefix[] = "nncc.crc32c.";
    for (int i = 0; i < f->n_meta; i++) {
        if (strncmp(f->meta[i].key, prefix, sizeof prefix - 1) != 0)
            continue;
        const nnrt_st_tensor *t = nnrt_st_find(f, f->meta[i].key + sizeof prefix - 1);
        if (!t)
            continue;
        char found[9];
        snprintf(found, sizeof found, "%08x",
                 (unsigned)nnrt_crc32c(0, f->data + t->begin, t->end - t->begin));
        if (strcmp(found, f->meta[i].value) != 0)
            return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                             "%s: byte %zu: '%s' is damaged: expected crc32c %.20s, found %s",
                             s->name, s->end + t->begin, t->name, f->meta[i].value, found);
    }
    return NNRT_OK;
}

void nnrt_st_free(nnrt_st_file *f)
{
    free(f->tensors);
    free(f->meta);
    free(f->text);
    *f = (nnrt_st_file){0};
}

const nnrt_st_tensor *nnrt_st_find(const nnrt_st_file *f, const char *name)
{
    nnrt_st_tensor key = {.name = name};
    if (!f->n_tensors)
        return NULL;
    return bsearch(&key, f->tensors, (size_t)f->n_tensors, sizeof key, st_by_name);
}

static int st_header(st_scan *s, nnrt_st_file *f)
{
    int status = st_object(s, f);
    st_blank(s);
    if (!status && s->at != s->end)
        status = st_wrong(s, "nothing but blanks after the header's object");
    if (!status)
        status = st_check_cover(s, f);
    if (!status)
        status = st_check_names(s, f);
    return status ? status : st_check_crc(s, f);
}

int nnrt_st_parse(const char *name, const void *bytes, size_t size, nnrt_st_file *out,
                  nnrt_fault *fault)
{
    *out = (nnrt_st_file){0};
    const unsigned char *b = bytes;
    if (size < 8)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: byte 0: expected a safetensors file (8 bytes or more), found %zu",
                         name, size);
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | b[i];
    if (header > ST_HEADER_MAX || header > size - 8)
        return nnrt_fail(
            fault, NNRT_BAD_CONTENT,
            "%s: byte 0: expected a safetensors file: a header of at most %d bytes that "
            "ends in the file (%zu bytes), found length %llu",
            name, ST_HEADER_MAX, size, (unsigned long long)header);
    st_scan s = {.name = name, .bytes = b, .at = 8, .end = 8 + (size_t)header, .fault = fault};
    /* Each string is shorter unescaped than with its quotes, its NUL included. The one character
     * more is for a string that the header's end cuts off. */
    out->text = s.text = malloc((size_t)header + 1);
    if (!s.text)
        return st_no_memory(&s);
    out->data = b + s.end;
    out->data_size = size - s.end;
    int status = st_header(&s, out);
    if (status)
        nnrt_st_free(out);
    return status;
}

/* One number of any dtype that converts, little-endian at any address. */
static double st_value(const char *dtype, int bytes, const unsigned char *at)
{
    uint64_t bits = 0;
    for (int i = bytes - 1; i >= 0; i--)
        bits = bits << 8 | at[i];
    if (strcmp(dtype, "F64") == 0) {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (strcmp(dtype, "F16") == 0)
        return nnrt_half_float((uint16_t)bits);
    if (dtype[0] == 'B' || dtype[0] == 'F') {
        uint32_t word = dtype[0] == 'B' ? (uint32_t)bits << 16 : (uint32_t)bits;
        float value;
        memcpy(&value, &word, sizeof value);
        return value;
    }
    uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    if (dtype[0] == 'U' || !(bits & sign))
        return (double)bits;
    return -(double)((~bits & (sign - 1)) + 1);
}

int nnrt_st_floats(const nnrt_st_file *f, const nnrt_st_tensor *t, float *out)
{
    static const char *const allowed[] = {"F32", "F16", "BF16", "F64", "I64", "I32",
                                          "I16", "I8",  "U64",  "U32", "U16", "U8"};
    const unsigned char *at = f->data + t->begin;
    if (strcmp(t->dtype, "F32") == 0) {
        if (t->end != t->begin)
            memcpy(out, at, t->end - t->begin);
        return NNRT_OK;
    }
    size_t k = 0, n = sizeof allowed / sizeof *allowed;
    while (k < n && strcmp(t->dtype, allowed[k]) != 0)
        k++;
    if (k == n)
        return NNRT_BAD_CONTENT;
    int bytes = st_bits(t->dtype) / 8;
    for (size_t i = 0, count = (t->end - t->begin) / (size_t)bytes; i < count; i++) {
        double value = st_value(t->dtype, bytes, at + i * (size_t)bytes);
        out[i] = (float)value;
        if (__builtin_isinf(out[i]) && !__builtin_isinf(value))
            return NNRT_BAD_CONTENT;
    }
    return NNRT_OK;
}
