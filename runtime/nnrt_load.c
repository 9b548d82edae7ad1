/* SPDX-License-Identifier: MIT */
/* nnrt_load.c: weights from the bytes of a safetensors file, with no heap and no file.
 *
 * The JSON header is walked in place, once for each question: is it well formed, does the data part
 * have a hole or an overlap, where is this weight, what is its checksum. Only when all have been
 * answered are values copied. nnrt_safetensors.c is the same for programs, which have a heap.
 */
#include <string.h>

#include "nnrt_data.h"

/* Tensors whose offsets do not ascend through the header cost a walk each: so many are allowed. */
#define LOAD_MOST_UNORDERED 4096
#define LOAD_MOST_NUMBER    ((uint64_t)1 << 48)
#define LOAD_MOST_HEADER    100000000u
#define LOAD_MOST_AXES      64

/* --- Texts without stdio ---------------------------------------------------------------------- */

typedef struct load_text {
    char *at;
    size_t size, used;
} load_text;

static void load_say(load_text *t, const char *s)
{
    while (*s && t->used + 1 < t->size)
        t->at[t->used++] = *s++;
    t->at[t->used] = '\0';
    if (*s && t->size > 4)
        memcpy(t->at + t->size - 4, "...", 4);
}

static void load_say_number(load_text *t, uint64_t n)
{
    char digits[24];
    int i = (int)sizeof digits;
    digits[--i] = '\0';
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    load_say(t, digits + i);
}

static void load_say_shape(load_text *t, int rank, const int64_t *dim)
{
    load_say(t, "[");
    for (int i = 0; i < rank && i < NNRT_RANK; i++) {
        load_say(t, i ? ", " : "");
        load_say_number(t, (uint64_t)dim[i]);
    }
    load_say(t, rank > NNRT_RANK ? ", ...]" : "]");
}

/* --- The header, in place --------------------------------------------------------------------- */

typedef struct load_string {
    const unsigned char *at, *end; /* between the quotes, escapes and all */
} load_string;

typedef struct load_tensor {
    load_string name, dtype;
    int rank,
        bytes; /* bytes of a number; rank may be over NNRT_RANK, of which dim holds the first */
    int64_t dim[NNRT_RANK];
    uint64_t count, begin, end;
} load_tensor;

typedef struct load_scan {
    const unsigned char *start, *at, *end;
    const char *wrong; /* what was expected at `at`, once something is wrong */
    /* Where the metadata ends, once it has been walked: it may hold a vocabulary. */
    const unsigned char *meta_end;
} load_scan;

static int load_wrong(load_scan *s, const char *expected)
{
    if (!s->wrong)
        s->wrong = expected;
    return -1;
}

static int load_peek(load_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
    return s->at < s->end ? *s->at : -1;
}

static int load_take(load_scan *s, int c)
{
    if (load_peek(s) != c)
        return 0;
    s->at++;
    return 1;
}

/* The value of four hexadecimal digits, or -1. */
static int32_t load_hex(const unsigned char *at, const unsigned char *end)
{
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = at[i] | 32;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0 || (at[i] < '0'))
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* One character after a backslash, at *at; -1 where it is no escape of JSON. */
static int32_t load_escape(const unsigned char **at, const unsigned char *end)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (*at >= end)
        return -1;
    int c = *(*at)++;
    const char *known = c ? strchr(from, c) : NULL;
    if (known)
        return to[known - from];
    int32_t code = c == 'u' ? load_hex(*at, end) : -1;
    if (code < 0 || (code >= 0xDC00 && code < 0xE000))
        return -1;
    *at += 4;
    if (code < 0xD800 || code >= 0xDC00)
        return code > 0 ? code : -1; /* a NUL would end a name */
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return -1;
    int32_t low = load_hex(*at + 2, end);
    if (low < 0xDC00 || low >= 0xE000)
        return -1;
    *at += 6;
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

/* One character of UTF-8, at *at; -1 where it is none, or a control character. */
static int32_t load_utf8(const unsigned char **at, const unsigned char *end)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    int c = *(*at)++;
    int more = c < 0x80 ? 0 : c < 0xC0 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF8 ? 3 : -1;
    if (c < 32 || more < 0 || end - *at < more)
        return -1;
    int32_t code = more ? c & (0x3F >> more) : c;
    for (int i = 0; i < more; i++) {
        if (((*at)[i] & 0xC0) != 0x80)
            return -1;
        code = code << 6 | ((*at)[i] & 0x3F);
    }
    *at += more;
    return code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? -1 : code;
}

/* One character of a string of JSON, at *at. */
static int32_t load_char(const unsigned char **at, const unsigned char *end)
{
    if (**at != '\\')
        return load_utf8(at, end);
    ++*at;
    return load_escape(at, end);
}

static int load_take_string(load_scan *s, load_string *out)
{
    if (!load_take(s, '"'))
        return load_wrong(s, "a string");
    out->at = s->at;
    while (s->at < s->end && *s->at != '"')
        if (load_char(&s->at, s->end) < 0)
            return load_wrong(s, "a string of UTF-8 with JSON's escapes");
    out->end = s->at;
    return s->at < s->end ? (s->at++, 0) : load_wrong(s, "the end of a string");
}

/* Whether a string, its escapes resolved, begins with `text`; then *rest is what follows. */
static int load_begins(load_string s, const char *text, load_string *rest)
{
    while (*text && s.at < s.end) {
        const unsigned char *t = (const unsigned char *)text;
        if (load_char(&s.at, s.end) != load_utf8(&t, t + strlen(text)))
            return 0;
        text = (const char *)t;
    }
    *rest = s;
    return !*text;
}

static int load_equals(load_string s, const char *text)
{
    load_string rest;
    return load_begins(s, text, &rest) && rest.at == rest.end;
}

static int load_take_number(load_scan *s, uint64_t *out)
{
    uint64_t n = 0;
    int first = load_peek(s), digits = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, digits++)
        if ((n = n * 10 + (uint64_t)(*s->at - '0')) >= LOAD_MOST_NUMBER)
            return load_wrong(s, "an integer under 2^48");
    if (!digits || (first == '0' && digits > 1))
        return load_wrong(s, "an integer from 0 up");
    *out = n;
    return 0;
}

/* [n, ...]: keeps the first `most`, counts all. */
static int load_take_numbers(load_scan *s, int most, uint64_t *out, int *count)
{
    *count = 0;
    if (!load_take(s, '['))
        return load_wrong(s, "'['");
    if (load_take(s, ']'))
        return 0;
    do {
        uint64_t n;
        if (load_take_number(s, &n))
            return -1;
        if (*count < most)
            out[*count] = n;
        if (++*count > LOAD_MOST_AXES)
            return load_wrong(s, "at most 64 axes");
    } while (load_take(s, ','));
    return load_take(s, ']') ? 0 : load_wrong(s, "',' or ']'");
}

static int load_type_bytes(load_string dtype)
{
    static const struct load_type {
        const char *name;
        int bytes;
    } types[] = {{"F32", 4},  {"F16", 2}, {"BF16", 2},    {"F64", 8},    {"I64", 8}, {"I32", 4},
                 {"I16", 2},  {"I8", 1},  {"U64", 8},     {"U32", 4},    {"U16", 2}, {"U8", 1},
                 {"BOOL", 1}, {"C64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (load_equals(dtype, types[i].name))
            return types[i].bytes;
    return 0;
}

static int load_take_shape(load_scan *s, load_tensor *t)
{
    uint64_t dim[LOAD_MOST_AXES];
    if (load_take_numbers(s, LOAD_MOST_AXES, dim, &t->rank))
        return -1;
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        if (__builtin_mul_overflow(t->count, dim[i], &t->count))
            return load_wrong(s, "a shape of under 2^48 numbers");
        if (i < NNRT_RANK)
            t->dim[i] = (int64_t)dim[i];
    }
    return t->count < LOAD_MOST_NUMBER ? 0 : load_wrong(s, "a shape of under 2^48 numbers");
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]} in any order. */
static int load_take_tensor(load_scan *s, load_tensor *t)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    unsigned seen = 0;
    if (!load_take(s, '{'))
        return load_wrong(s, "'{'");
    do {
        load_string key;
        uint64_t offset[2] = {0, 0};
        int n = 2, which = 0;
        if (load_take_string(s, &key))
            return -1;
        while (which < 3 && !load_equals(key, keys[which]))
            which++;
        if (which == 3 || (seen & 1u << which))
            return load_wrong(s, "each of \"dtype\", \"shape\" and \"data_offsets\" once");
        seen |= 1u << which;
        if (!load_take(s, ':'))
            return load_wrong(s, "':'");
        if (which == 0   ? load_take_string(s, &t->dtype)
            : which == 1 ? load_take_shape(s, t)
                         : load_take_numbers(s, 2, offset, &n))
            return -1;
        if (n != 2)
            return load_wrong(s, "two offsets");
        if (which == 2) {
            t->begin = offset[0];
            t->end = offset[1];
        }
    } while (load_take(s, ','));
    if (!load_take(s, '}') || seen != 7)
        return load_wrong(s, "\"dtype\", \"shape\", \"data_offsets\" and '}'");
    t->bytes = load_type_bytes(t->dtype);
    if (!t->bytes)
        return load_wrong(s, "before it, a dtype such as F32");
    if (t->end < t->begin || t->end - t->begin != t->count * (uint64_t)t->bytes)
        return load_wrong(s, "before it, offsets as far apart as the shape is large");
    return 0;
}

/* Walks {"key": "value", ...}. With `name`: up to the value whose key is `prefix`, then `name`. */
static int load_take_metadata(load_scan *s, const char *prefix, const char *name,
                              load_string *found)
{
    if (!load_take(s, '{'))
        return load_wrong(s, "'{'");
    if (load_take(s, '}'))
        return 0;
    do {
        load_string key, value, rest;
        if (load_take_string(s, &key))
            return -1;
        if (!load_take(s, ':'))
            return load_wrong(s, "':'");
        if (load_take_string(s, &value))
            return -1;
        if (name && load_begins(key, prefix, &rest) && load_equals(rest, name)) {
            *found = value;
            return 0;
        }
    } while (load_take(s, ','));
    return load_take(s, '}') ? 0 : load_wrong(s, "',' or '}'");
}

/* The next tensor of the header: 1, 0 at its end, -1 where something is wrong. *meta is set to
 * where the metadata begins when it is passed. */
static int load_next(load_scan *s, load_tensor *t, const unsigned char **meta)
{
    for (;;) {
        int first = s->at == s->start;
        if (first && (s->at >= s->end || *s->at++ != '{'))
            return load_wrong(s, "'{'");
        if (load_take(s, '}')) {
            if (load_peek(s) != -1)
                return load_wrong(s, "nothing after the header");
            return 0;
        }
        if (!first && !load_take(s, ','))
            return load_wrong(s, "',' or '}'");
        if (load_take_string(s, &t->name))
            return -1;
        if (!load_take(s, ':'))
            return load_wrong(s, "':'");
        if (!load_equals(t->name, "__metadata__"))
            return load_take_tensor(s, t) ? -1 : 1;
        if (*meta)
            return load_wrong(s, "\"__metadata__\" once");
        load_peek(s);
        *meta = s->at;
        if (!s->meta_end && load_take_metadata(s, NULL, NULL, NULL))
            return -1;
        s->at = s->meta_end ? s->meta_end : s->at;
        s->meta_end = s->at;
    }
}

/* --- The whole file --------------------------------------------------------------------------- */

typedef struct load_file {
    load_scan header;          /* at its start */
    const unsigned char *meta; /* the metadata's '{', or NULL */
    const unsigned char *data;
    uint64_t data_size;
    uint64_t tensors, filled; /* all, and those with data */
    int averages; /* some name begins with ema.: a checkpoint with averages, it may be */
} load_file;

static int load_bad(load_text *e, const char *what)
{
    load_say(e, what);
    return NNRT_BAD_CONTENT;
}

/* The header is a header: counts its tensors. */
static int load_open(load_file *f, const unsigned char *bytes, size_t size, load_text *e)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0 && size >= 8; i--)
        n = n << 8 | bytes[i];
    if (size < 8)
        return load_bad(e, "shorter than the 8 bytes that begin a safetensors file");
    if (n > size - 8 || n > LOAD_MOST_HEADER)
        return load_bad(e, "the header is longer than the file, or than 100000000 bytes");
    *f = (load_file){.header = {bytes + 8, bytes + 8, bytes + 8 + n, NULL, NULL},
                     .data = bytes + 8 + n,
                     .data_size = size - 8 - n};
    load_scan s = f->header;
    load_tensor t;
    load_string rest;
    int more;
    while ((more = load_next(&s, &t, &f->meta)) > 0) {
        f->tensors++;
        f->filled += t.end > t.begin;
        f->averages |= load_begins(t.name, "ema.", &rest);
        if (t.end > f->data_size)
            more = load_wrong(&s, "before it, offsets within the file");
        if (more < 0)
            break;
    }
    f->header.meta_end = s.meta_end;
    if (more == 0)
        return 0;
    load_say(e, "byte ");
    load_say_number(e, 8 + (uint64_t)(s.at - s.start));
    load_say(e, " of the file: expected ");
    load_say(e, s.wrong);
    return NNRT_BAD_CONTENT;
}

/* Each byte of the data belongs to one tensor: they are followed from end to beginning. */
static int load_check_cover(const load_file *f, load_text *e)
{
    uint64_t at = 0, met = 0, restarts = 0;
    load_scan s = f->header;
    load_tensor t;
    for (uint64_t last = 0; met < f->filled;) {
        const unsigned char *meta = NULL;
        if (load_next(&s, &t, &meta) <= 0) {
            if (last == met || ++restarts > LOAD_MOST_UNORDERED)
                return load_bad(e, "the tensors leave a hole in the data, or overlap");
            last = met;
            s = f->header;
        } else if (t.begin == at && t.end > at) {
            at = t.end;
            met++;
        }
    }
    return at == f->data_size ? 0 : load_bad(e, "the file is longer than its tensors");
}

/* How many tensors have that name; *out is the last. */
static int load_find(const load_file *f, const char *name, load_tensor *out)
{
    load_scan s = f->header;
    load_tensor t;
    const unsigned char *meta = NULL;
    int n = 0;
    while (load_next(&s, &t, &meta) > 0)
        if (load_equals(t.name, name)) {
            *out = t;
            n++;
        }
    return n;
}

/* --- Against the model ------------------------------------------------------------------------ */

static int load_same_shape(const load_tensor *t, const nnrt_var *v)
{
    int same = t->rank == v->rank;
    for (int i = 0; same && i < v->rank; i++)
        same = t->dim[i] == v->dim[i];
    return same;
}

static int load_is_float(load_string dtype)
{
    return load_equals(dtype, "F32") || load_equals(dtype, "F16") || load_equals(dtype, "BF16") ||
           load_equals(dtype, "F64");
}

enum { LOAD_NAME = 300 };

/* The same for a weight, and the tensor's name: of a checkpoint its average, where it has one. */
static int load_find_var(const load_file *f, const nnrt_var *v, char *name, load_tensor *out)
{
    static const char prefix[] = "ema.";
    size_t n = strlen(v->name);
    if (n + sizeof prefix > LOAD_NAME)
        return 0;
    memcpy(name, prefix, sizeof prefix);
    memcpy(name + sizeof prefix - 1, v->name, n + 1);
    int found = f->averages ? load_find(f, name, out) : 0;
    if (found)
        return found;
    memcpy(name, v->name, n + 1);
    return load_find(f, name, out);
}

/* Whether the tensor's bytes are those that its checksum, if it has one, was taken of. */
static int load_intact(const load_file *f, const load_tensor *t, const char *name)
{
    load_string sum = {NULL, NULL};
    load_scan s = {f->meta, f->meta, f->header.end, NULL, NULL};
    if (f->meta)
        load_take_metadata(&s, "nncc.crc32c.", name, &sum);
    if (!sum.at)
        return 1;
    uint32_t is = nnrt_crc32c(0, f->data + t->begin, (size_t)(t->end - t->begin));
    char hex[9];
    for (int i = 0; i < 8; i++)
        hex[i] = "0123456789abcdef"[is >> (28 - 4 * i) & 15];
    hex[8] = '\0';
    return load_equals(sum, hex);
}

/* Appends what is wrong with the tensor of a weight; 0 if nothing, -1 where it is missing or has another shape. */
static int load_check_var(const load_file *f, const nnrt_var *v, load_text *e)
{
    load_tensor t;
    char name[LOAD_NAME];
    int n = load_find_var(f, v, name, &t);
    if (n == 1 && load_same_shape(&t, v) && load_is_float(t.dtype) && load_intact(f, &t, name))
        return 0;
    load_say(e, e->used ? "; " : "");
    load_say(e, v->name);
    if (n != 1) {
        load_say(e, n ? " is there twice" : " is missing");
    } else if (!load_same_shape(&t, v)) {
        load_say(e, " is ");
        load_say_shape(e, t.rank, t.dim);
        load_say(e, ", expected ");
        load_say_shape(e, v->rank, v->dim);
    } else {
        load_say(e, !load_is_float(t.dtype) ? " is not F32, F16, BF16 or F64"
                                            : " does not match its checksum: the file is damaged");
    }
    return n == 0 || (n == 1 && !load_same_shape(&t, v)) ? -1 : 1;
}

static float load_half(unsigned h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023,
             bits;
    float x;
    if (exponent == 0) { /* zero and subnormals: fraction times 2^-24 */
        x = (float)fraction * 5.9604644775390625e-8f;
        memcpy(&bits, &x, 4);
    } else {
        bits = (exponent == 31 ? 255u : exponent + 112u) << 23 | fraction << 13;
    }
    bits |= sign;
    memcpy(&x, &bits, 4);
    return x;
}

static float load_value(const load_tensor *t, int is_bf16, const unsigned char *at)
{
    uint64_t bits = 0;
    for (int i = t->bytes - 1; i >= 0; i--)
        bits = bits << 8 | at[i];
    if (t->bytes == 2 && !is_bf16)
        return load_half((unsigned)bits);
    if (t->bytes == 8) {
        double d;
        memcpy(&d, &bits, 8);
        return (float)d;
    }
    uint32_t word = (uint32_t)(is_bf16 ? bits << 16 : bits);
    float x;
    memcpy(&x, &word, 4);
    return x;
}

/* Copies a tensor that has been checked to its place, in the kept order. */
static void load_copy(nnrt_instance *m, const load_file *f, const nnrt_var *v)
{
    load_tensor t = {0};
    char name[LOAD_NAME];
    load_find_var(f, v, name, &t);
    int is_bf16 = load_equals(t.dtype, "BF16");
    int64_t dim[NNRT_RANK], stride[NNRT_RANK] = {0}, at[NNRT_RANK] = {0}, step = 1, offset = 0;
    int rank = nnrt_var_axes(v, dim);
    for (int i = rank - 1; i >= 0; i--) {
        stride[v->perm[i]] = step;
        step *= dim[v->perm[i]];
    }
    float *out = (float *)(void *)(m->vars + v->offset);
    m->changes++;
    const unsigned char *in = f->data + t.begin;
    for (int64_t i = 0; i < v->count; i++, in += t.bytes) {
        out[offset] = load_value(&t, is_bf16, in);
        for (int axis = rank - 1; axis >= 0; axis--) {
            offset += stride[axis];
            if (++at[axis] < dim[axis])
                break;
            offset -= stride[axis] * dim[axis];
            at[axis] = 0;
        }
    }
}

static int load_ends(load_string s, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(s.end - s.at) >= n && memcmp(s.end - n, text, n) == 0;
}

/* Whether the model has a use for the tensor, or at least knows why not. */
static int load_known(const nnrt_model *model, load_string name)
{
    for (int i = 0; i < model->n_vars; i++)
        if (model->vars[i].kind != NNRT_STATE && load_equals(name, model->vars[i].name))
            return 1;
    return load_ends(name, "num_batches_tracked");
}

/* The tensors that nothing uses: a warning. */
static void load_warn(const nnrt_model *model, const load_file *f, load_text *e)
{
    load_scan s = f->header;
    load_tensor t;
    const unsigned char *meta = NULL;
    int listed = 0;
    while (load_next(&s, &t, &meta) > 0) {
        if (load_known(model, t.name))
            continue;
        load_say(e, listed    ? ", "
                    : e->used ? "; not used by the model: "
                              : "not used by the model: ");
        listed = 1;
        for (const unsigned char *c = t.name.at; c < t.name.end; c++) {
            char one[2] = {*c == 127 ? '?' : (char)*c, '\0'};
            load_say(e, one);
        }
    }
}

/* Checks the tensors of all weights, then copies them; `partly`: those that are missing or of another shape are left
 * alone and listed, unless that is all. */
static int load_weights(nnrt_instance *m, const load_file *f, int partly, load_text *e)
{
    const nnrt_model *model = m->model;
    int wrong = 0, other = 0, fit = 0;
    for (int i = 0; i < model->n_vars; i++) {
        int is = model->vars[i].kind == NNRT_STATE ? 0 : load_check_var(f, &model->vars[i], e);
        wrong += is > 0;
        other += is < 0;
        fit += is == 0 && model->vars[i].kind != NNRT_STATE;
    }
    if (wrong || (other && (!partly || !fit)))
        return NNRT_BAD_CONTENT;
    for (int i = 0; i < model->n_vars; i++) {
        char scrap[4];
        load_text none = {scrap, sizeof scrap, 0};
        if (model->vars[i].kind != NNRT_STATE &&
            (!other || load_check_var(f, &model->vars[i], &none) == 0))
            load_copy(m, f, &model->vars[i]);
    }
    if (other)
        load_say(e, ": as drawn");
    return NNRT_OK;
}

/* On success m->error holds the warning, if there is one, else it is empty. */
static int load_memory(nnrt_instance *m, const void *bytes, size_t size, int partly)
{
    load_text e = {m->error, sizeof m->error, 0};
    load_file f;
    m->error[0] = '\0';
    if (!bytes) {
        load_say(&e, "no bytes were given");
        return NNRT_BAD_CALL;
    }
    int status = load_open(&f, bytes, size, &e);
    if (!status)
        status = load_check_cover(&f, &e);
    if (!status)
        status = load_weights(m, &f, partly, &e);
    if (!status)
        load_warn(m->model, &f, &e);
    return status;
}

int nnrt_load_memory(nnrt_instance *m, const void *bytes, size_t size)
{
    return load_memory(m, bytes, size, 0);
}

int nnrt_load_memory_partly(nnrt_instance *m, const void *bytes, size_t size)
{
    return load_memory(m, bytes, size, 1);
}
