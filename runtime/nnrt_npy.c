/* SPDX-License-Identifier: MIT */
/* nnrt_npy.c: NumPy's .npy, versions 1 to 3. The header is a Python dict literal; just the three
 * keys that NumPy writes are read, by a small scanner and not as an expression. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

enum { NPY_HEADER_MAX = 10000 }; /* characters; NumPy's own limit */

typedef struct npy_head {
    nnrt_array_type type;
    int swap, fortran, rank;
    int64_t dim[NNRT_RANK];
    size_t data; /* where the numbers begin */
} npy_head;

/* A place in the header, and who is told. */
typedef struct npy_scan {
    const char *name;
    const unsigned char *bytes;
    size_t at, end;
    nnrt_fault *fault;
} npy_scan;

static int npy_wrong(const npy_scan *s, const char *expected)
{
    if (s->at >= s->end)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                         "%s: byte %zu: expected %s, found the header's end", s->name, s->at,
                         expected);
    return nnrt_fail(s->fault, NNRT_BAD_CONTENT, "%s: byte %zu: expected %s, found '%.*s'", s->name,
                     s->at, expected, (int)(s->end - s->at < 12 ? s->end - s->at : 12),
                     (const char *)s->bytes + s->at);
}

static void npy_blank(npy_scan *s)
{
    nnrt_scan_blank(s->bytes, &s->at, s->end, " \t");
}

/* 1: the next character is `c`, now behind us. */
static int npy_take(npy_scan *s, char c)
{
    return nnrt_scan_take(s->bytes, &s->at, s->end, " \t", c);
}

/* A short string in single or double quotes, without escapes. */
static int npy_string(npy_scan *s, char *out, size_t size, const char *expected)
{
    npy_blank(s);
    size_t start = s->at, n = 0;
    char quote = s->at < s->end ? (char)s->bytes[s->at] : 0;
    if (quote != '\'' && quote != '"')
        return npy_wrong(s, expected);
    for (s->at++; s->at < s->end && s->bytes[s->at] != (unsigned char)quote; s->at++) {
        if (n + 1 >= size || s->bytes[s->at] == '\\') {
            s->at = start;
            return npy_wrong(s, expected);
        }
        out[n++] = (char)s->bytes[s->at];
    }
    if (s->at >= s->end)
        return npy_wrong(s, "a closing quote");
    s->at++;
    out[n] = 0;
    return NNRT_OK;
}

/* '<f4' and so on: byte order, kind, bytes. */
static int npy_descr(npy_scan *s, npy_head *h)
{
    static const struct npy_type {
        char text[3];
        nnrt_array_type type;
    } types[] = {
        {"b1", NNRT_ARRAY_BOOL}, {"u1", NNRT_ARRAY_U8},  {"u2", NNRT_ARRAY_U16},
        {"u4", NNRT_ARRAY_U32},  {"u8", NNRT_ARRAY_U64}, {"i1", NNRT_ARRAY_I8},
        {"i2", NNRT_ARRAY_I16},  {"i4", NNRT_ARRAY_I32}, {"i8", NNRT_ARRAY_I64},
        {"f2", NNRT_ARRAY_F16},  {"f4", NNRT_ARRAY_F32}, {"f8", NNRT_ARRAY_F64},
    };
    npy_blank(s);
    size_t start = s->at;
    char text[32] = "";
    if (npy_string(s, text, sizeof text, "a simple type such as '<f4' (records are not read)"))
        return NNRT_BAD_CONTENT;
    const char *kind = text;
    char order = *kind && strchr("<>|=", *kind) ? *kind++ : '=';
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(kind, types[i].text) == 0) {
            h->type = types[i].type;
            h->swap = order == '>';
            return NNRT_OK;
        }
    if (*kind == 'O')
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                         "%s: byte %zu: an array of Python objects ('%s') is refused: it is a "
                         "pickle, which runs code when read; expected numbers",
                         s->name, start, text);
    return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                     "%s: byte %zu: expected one of the types b1, u1 to u8, i1 to i8, f2, f4, f8, "
                     "found '%s'",
                     s->name, start, text);
}

static int npy_bool(npy_scan *s, npy_head *h)
{
    npy_blank(s);
    size_t left = s->end - s->at;
    const unsigned char *at = s->bytes + s->at;
    h->fortran = left >= 4 && memcmp(at, "True", 4) == 0;
    if (!h->fortran && (left < 5 || memcmp(at, "False", 5) != 0))
        return npy_wrong(s, "True or False");
    s->at += h->fortran ? 4 : 5;
    return NNRT_OK;
}

static int npy_axis(npy_scan *s, int64_t *dim)
{
    npy_blank(s);
    size_t start = s->at;
    int64_t value = 0;
    for (; s->at < s->end && s->bytes[s->at] >= '0' && s->bytes[s->at] <= '9'; s->at++) {
        value = value * 10 + (s->bytes[s->at] - '0');
        if (value > INT32_MAX) {
            s->at = start;
            return npy_wrong(s, "an axis of at most 2^31 - 1");
        }
    }
    if (s->at == start)
        return npy_wrong(s, "the length of an axis");
    *dim = value;
    return NNRT_OK;
}

/* (), (3,) or (3, 4). */
static int npy_shape(npy_scan *s, npy_head *h)
{
    if (!npy_take(s, '('))
        return npy_wrong(s, "the shape in parentheses");
    h->rank = 0;
    while (!npy_take(s, ')')) {
        if (h->rank == NNRT_RANK)
            return npy_wrong(s, "at most 8 axes");
        if (npy_axis(s, &h->dim[h->rank++]))
            return NNRT_BAD_CONTENT;
        if (npy_take(s, ','))
            continue;
        if (h->rank == 1)
            return npy_wrong(s, "a comma after the length");
        if (!npy_take(s, ')'))
            return npy_wrong(s, "a comma or a closing parenthesis");
        break;
    }
    return NNRT_OK;
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and the blanks after it. */
static int npy_dict(npy_scan *s, npy_head *h)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    static int (*const read[])(npy_scan *, npy_head *) = {npy_descr, npy_bool, npy_shape};
    static const char expected[] = "each of the keys 'descr', 'fortran_order', 'shape' once";
    unsigned seen = 0;
    if (!npy_take(s, '{'))
        return npy_wrong(s, "'{'");
    while (!npy_take(s, '}')) {
        char key[16];
        npy_blank(s);
        size_t start = s->at;
        if (npy_string(s, key, sizeof key, expected))
            return NNRT_BAD_CONTENT;
        unsigned k = 0;
        while (k < 3 && strcmp(key, keys[k]) != 0)
            k++;
        if (k == 3 || seen >> k & 1) {
            s->at = start;
            return npy_wrong(s, expected);
        }
        seen |= 1u << k;
        if (!npy_take(s, ':'))
            return npy_wrong(s, "':'");
        if (read[k](s, h))
            return NNRT_BAD_CONTENT;
        if (npy_take(s, ','))
            continue;
        if (!npy_take(s, '}'))
            return npy_wrong(s, "',' or '}'");
        break;
    }
    if (seen != 7)
        return npy_wrong(s, expected);
    npy_blank(s);
    return s->at == s->end ? NNRT_OK : npy_wrong(s, "nothing after '}'");
}

/* Magic, version, length of the header, header. */
static int npy_header(const char *name, const unsigned char *bytes, size_t size, npy_head *h,
                      nnrt_fault *fault)
{
    *h = (npy_head){0};
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return nnrt_fail(
            fault, NNRT_BAD_CONTENT,
            "%s: byte 0: expected a .npy file (93 'NUMPY', 10 bytes or more), found %s", name,
            size < 10 ? "fewer bytes" : "another magic");
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: byte 6: expected version 1.0, 2.0 or 3.0, found %d.%d", name,
                         bytes[6], bytes[7]);
    size_t start = bytes[6] == 1 ? 10 : 12, length = bytes[8] | (size_t)bytes[9] << 8;
    if (size < start)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: byte 8: expected 4 bytes, found the end",
                         name);
    if (start == 12)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > NPY_HEADER_MAX || length > size - start)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: byte 8: expected a header of at most %d bytes that ends in the file "
                         "(%zu bytes), found length %zu",
                         name, NPY_HEADER_MAX, size, length);
    if (length == 0 || bytes[start + length - 1] != '\n')
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: byte %zu: expected a header that ends in a newline", name,
                         start + length);
    h->data = start + length;
    npy_scan s = {name, bytes, start, h->data - 1, fault};
    return npy_dict(&s, h);
}

/* Fortran order to C order: the file's axes are the array's, last first. */
static int npy_reorder(const char *name, nnrt_array *a, nnrt_fault *fault)
{
    nnrt_array c;
    int status = nnrt_array_make(name, a->type, a->rank, a->dim, &c, fault);
    if (status)
        return status;
    size_t item = nnrt_array_item(a->type), stride[NNRT_RANK] = {0}, step = item;
    int64_t index[NNRT_RANK] = {0}, count = nnrt_array_count(a->rank, a->dim);
    for (int i = 0; i < a->rank; i++) {
        stride[i] = step;
        step *= (size_t)a->dim[i];
    }
    const unsigned char *from = a->data;
    unsigned char *to = c.data;
    for (int64_t n = 0; n < count; n++, to += item) {
        memcpy(to, from, item);
        for (int i = a->rank - 1; i >= 0; i--) {
            from += stride[i];
            if (++index[i] < a->dim[i])
                break;
            from -= stride[i] * (size_t)a->dim[i];
            index[i] = 0;
        }
    }
    nnrt_array_free(a);
    *a = c;
    return NNRT_OK;
}

/* The array in `bytes`, which it takes over. */
static int npy_finish(const char *name, const npy_head *h, nnrt_bytes *bytes, size_t data,
                      nnrt_array *out, nnrt_fault *fault)
{
    int status = nnrt_array_take(name, bytes, data, h->swap, h->type, h->rank, h->dim, out, fault);
    if (!status && h->fortran && h->rank > 1)
        status = npy_reorder(name, out, fault);
    if (status)
        nnrt_array_free(out);
    return status;
}

int nnrt_npy_read(const char *path, nnrt_array *out, nnrt_fault *fault)
{
    *out = (nnrt_array){0};
    nnrt_bytes bytes;
    npy_head head;
    int status = nnrt_file_open(path, &bytes, fault);
    if (status)
        return status;
    status = npy_header(path, bytes.at, bytes.size, &head, fault);
    if (status)
        nnrt_bytes_free(&bytes);
    return status ? status : npy_finish(path, &head, &bytes, head.data, out, fault);
}

int nnrt_npy_parse(const char *name, const unsigned char *bytes, size_t size, nnrt_array *out,
                   nnrt_fault *fault)
{
    *out = (nnrt_array){0};
    npy_head head;
    int status = npy_header(name, bytes, size, &head, fault);
    if (status)
        return status;
    nnrt_bytes copy = {malloc(size), size, 0};
    if (!copy.at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its %zu bytes", name, size);
    memcpy(copy.at, bytes, size);
    return npy_finish(name, &head, &copy, head.data, out, fault);
}

/* The 128 bytes before the numbers. A text of 8 axes of 19 digits fits with room to spare. */
static void npy_head_write(unsigned char out[256], size_t *size, int rank, const int64_t *dim)
{
    char text[256];
    int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < rank; i++)
        n +=
            snprintf(text + n, sizeof text - (size_t)n, "%s%lld", i ? ", " : "", (long long)dim[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "%s), }", rank == 1 ? "," : "");
    *size = ((size_t)n + 1 + 10 + 63) / 64 * 64; /* the numbers begin at a multiple of 64 */
    memset(out, ' ', *size);
    memcpy(out, "\x93NUMPY\x01\x00", 8); /* NOLINT(bugprone-not-null-terminated-result): bytes */
    out[8] = (unsigned char)((*size - 10) & 255);
    out[9] = (unsigned char)((*size - 10) >> 8);
    memcpy(out + 10, text, (size_t)n);
    out[*size - 1] = '\n';
}

int nnrt_npy_write(const char *path, int rank, const int64_t *dim, const float *data,
                   nnrt_fault *fault)
{
    int64_t count = nnrt_array_count(rank, dim);
    if (count < 0)
        return nnrt_fail(fault, NNRT_NO_MEMORY,
                         "%s: an array over the limits (2^40 numbers, 2^31 - 1 an axis)", path);
    unsigned char head[256];
    size_t head_size, size = (size_t)count * sizeof *data;
    npy_head_write(head, &head_size, rank, dim);
    nnrt_writer *w;
    int status = nnrt_writer_open(&w, path, head_size + size, 0, fault);
    if (status)
        return status;
    nnrt_writer_put(w, head, head_size);
    nnrt_writer_put(w, data, size);
    return nnrt_writer_close(w);
}
