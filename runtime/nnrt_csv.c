/* SPDX-License-Identifier: MIT */
/* nnrt_csv.c: tables of text, record by record, as RFC 4180 has them: quotes, newlines within them, LF, CRLF or CR, a
 * byte order mark, the last newline or none; or with runs of blanks between fields. Places are line and column (in
 * bytes) from 1. nnrt_columns.c makes numbers of them. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_csv.h"

enum {
    CSV_RECORD_MAX = 16 << 20, /* bytes a record */
    CSV_FIELDS_MAX = 1000000,
    CSV_NUMBER_MAX = 511 /* characters of one number */
};

static int csv_wrong(const nnrt_csv *t, size_t at, const char *what)
{
    return nnrt_fail(t->fault, NNRT_BAD_CONTENT, "%s:%zu:%zu: %s", t->path, t->line,
                     at - t->line_start + 1, what);
}

static int csv_is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

/* 1: this byte ends a field that is not quoted. */
static int csv_ends_field(const nnrt_csv *t, unsigned char c)
{
    return c == '\n' || c == '\r' ||
           (t->delimiter == NNRT_BLANKS ? csv_is_blank(c) : c == (unsigned char)t->delimiter);
}

/* Steps over blanks, where runs of them stand between fields. */
static void csv_blanks(nnrt_csv *t)
{
    while (t->delimiter == NNRT_BLANKS && t->at < t->bytes.size && csv_is_blank(t->bytes.at[t->at]))
        t->at++;
}

/* Steps over a newline, if there is one. */
static int csv_newline(nnrt_csv *t)
{
    const unsigned char *b = t->bytes.at;
    size_t n = t->bytes.size;
    if (t->at >= n || (b[t->at] != '\n' && b[t->at] != '\r'))
        return 0;
    t->at += b[t->at] == '\r' && t->at + 1 < n && b[t->at + 1] == '\n' ? 2 : 1;
    t->line++;
    t->line_start = t->at;
    return 1;
}

/* What is between quotes; the scanner stands behind the second of them. */
static int csv_quoted(nnrt_csv *t, nnrt_field *f)
{
    const unsigned char *b = t->bytes.at;
    size_t n = t->bytes.size, start = ++t->at;
    for (;;) {
        if (t->at >= n)
            return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                             "%s:%zu:%zu: expected a closing quote, found the file's end", t->path,
                             f->line, f->column);
        if (b[t->at] == '"' && t->at + 1 < n && b[t->at + 1] == '"')
            t->at += 2;
        else if (b[t->at] == '"')
            break;
        else if (!csv_newline(t))
            t->at++;
    }
    f->at = (const char *)b + start;
    f->size = t->at - start;
    t->at++;
    if (t->at < n && !csv_ends_field(t, b[t->at]))
        return csv_wrong(t, t->at,
                         "expected a delimiter or the line's end after the closing quote");
    return NNRT_OK;
}

static int csv_plain(nnrt_csv *t, nnrt_field *f)
{
    const unsigned char *b = t->bytes.at;
    size_t n = t->bytes.size, start = t->at;
    while (t->at < n && !csv_ends_field(t, b[t->at])) {
        if (b[t->at] == '"' && !t->literal)
            return csv_wrong(t, t->at, "expected no quote inside of a field without quotes");
        t->at++;
    }
    f->at = (const char *)b + start;
    f->size = t->at - start;
    return NNRT_OK;
}

/* The next field, and the delimiter or newline after it. */
static int csv_next(nnrt_csv *t, nnrt_field *f)
{
    csv_blanks(t);
    f->line = t->line;
    f->column = t->at - t->line_start + 1;
    int quoted = !t->literal && t->at < t->bytes.size && t->bytes.at[t->at] == '"';
    int status = quoted ? csv_quoted(t, f) : csv_plain(t, f);
    if (status)
        return status;
    if (f->size && memchr(f->at, 0, f->size))
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                         "%s:%zu:%zu: expected text, found a NUL byte in the field", t->path,
                         f->line, f->column);
    if (t->at - t->record_start > CSV_RECORD_MAX)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "%s:%zu: a line over the limit of %d bytes",
                         t->path, f->line, CSV_RECORD_MAX);
    csv_blanks(t);
    f->last = t->at >= t->bytes.size || csv_newline(t);
    t->at += !f->last && t->delimiter != NNRT_BLANKS;
    return NNRT_OK;
}

int nnrt_csv_ended(nnrt_csv *t)
{
    size_t i = t->at;
    while (i < t->bytes.size && (t->bytes.at[i] == '\n' || t->bytes.at[i] == '\r' ||
                                 (t->delimiter == NNRT_BLANKS && csv_is_blank(t->bytes.at[i]))))
        i++; /* newlines */
    t->record_start = t->at;
    return i == t->bytes.size;
}

static void csv_to_start(nnrt_csv *t)
{
    t->at = t->bytes.size >= 3 && memcmp(t->bytes.at, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    t->line = 1;
    t->line_start = t->record_start = t->at;
}

int nnrt_csv_record(nnrt_csv *t)
{
    nnrt_field f = {0};
    t->ragged = 0;
    for (size_t i = 0;; i++) {
        int status = csv_next(t, &f);
        if (status)
            return status;
        if (f.last ? i + 1 < t->fields : i + 1 >= t->fields) {
            size_t found = i + 1, line = f.line;
            while (!f.last && (status = csv_next(t, &f)) == NNRT_OK)
                found++;
            if (status)
                return status;
            t->ragged = 1;
            return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                             "%s:%zu: expected %zu fields, as the first line has, found %zu",
                             t->path, line, t->fields, found);
        }
        t->row[i] = f;
        if (f.last)
            return NNRT_OK;
    }
}

/* Reads the first record, which says how many fields the others have. */
static int csv_first(nnrt_csv *t)
{
    csv_to_start(t);
    if (nnrt_csv_ended(t))
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT, "%s: expected a table, found an empty file",
                         t->path);
    nnrt_field f = {0};
    int status = NNRT_OK;
    while (!f.last && !status && t->fields <= CSV_FIELDS_MAX) {
        status = csv_next(t, &f);
        t->fields++;
    }
    if (status)
        return status;
    if (t->fields > CSV_FIELDS_MAX)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "%s:1: over the limit of %d fields", t->path,
                         CSV_FIELDS_MAX);
    t->names = malloc(t->fields * sizeof *t->names);
    t->row = malloc(t->fields * sizeof *t->row);
    if (!t->names || !t->row)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "%s: no memory for its %zu fields", t->path,
                         t->fields);
    csv_to_start(t);
    status = nnrt_csv_record(t);
    memcpy(t->names, t->row, t->fields * sizeof *t->names);
    return status;
}

static int csv_begin(nnrt_csv *t)
{
    t->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (t->locale == (locale_t)0)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "%s: no memory to read it", t->path);
    return csv_first(t);
}

int nnrt_csv_open(nnrt_csv *t, const char *path, char delimiter, int literal, nnrt_fault *fault)
{
    *t = (nnrt_csv){.path = path, .delimiter = delimiter, .literal = literal, .fault = fault};
    int status = nnrt_file_read(path, &t->bytes, fault);
    return status ? status : csv_begin(t);
}

int nnrt_csv_open_bytes(nnrt_csv *t, const char *name, nnrt_bytes bytes, char delimiter,
                        nnrt_fault *fault)
{
    *t = (nnrt_csv){.path = name, .bytes = bytes, .delimiter = delimiter, .fault = fault};
    return csv_begin(t);
}

void nnrt_csv_close(nnrt_csv *t)
{
    if (t->locale != (locale_t)0)
        freelocale(t->locale);
    free(t->names);
    free(t->row);
    nnrt_bytes_free(&t->bytes);
}

nnrt_field nnrt_csv_trimmed(nnrt_field f)
{
    while (f.size && (*f.at == ' ' || *f.at == '\t'))
        f.at++, f.size--;
    while (f.size && (f.at[f.size - 1] == ' ' || f.at[f.size - 1] == '\t'))
        f.size--;
    return f;
}

/* How many digits stand at text[i]. */
static size_t csv_digits(const char *text, size_t i)
{
    size_t n = 0;
    while (text[i + n] >= '0' && text[i + n] <= '9')
        n++;
    return n;
}

/* [+-]digits[.digits][e[+-]digits] and nothing else: no hex, no names, no other decimal sign. */
static int csv_is_number(const char *text)
{
    size_t i = text[0] == '+' || text[0] == '-', whole = csv_digits(text, i), part = 0;
    i += whole;
    if (text[i] == '.') {
        part = csv_digits(text, i + 1);
        i += part + 1;
    }
    if (whole + part == 0)
        return 0;
    if (text[i] == 'e' || text[i] == 'E') {
        i++;
        i += text[i] == '+' || text[i] == '-';
        size_t exponent = csv_digits(text, i);
        if (exponent == 0)
            return 0;
        i += exponent;
    }
    return text[i] == 0;
}

static int csv_is_not_finite(const char *text)
{
    static const char *const words[] = {"nan", "inf", "infinity"};
    text += text[0] == '+' || text[0] == '-';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]), k = 0;
        while (k < n && (text[k] | 32) == words[i][k])
            k++;
        if (k == n && text[k] == 0)
            return 1;
    }
    return 0;
}

/* Up to 15 digits and a small power of ten: both are exact in a double, so that one operation
 * rounds once, to the same number as strtod. 0: not that simple. */
static int csv_simple(const char *text, double *out)
{
    static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    int negative = *text == '-', digits = 0, after = 0, point = 0;
    int64_t value = 0;
    for (text += *text == '-' || *text == '+'; *text; text++) {
        if (*text == '.') {
            point = 1;
            continue;
        }
        if (*text < '0' || *text > '9' || ++digits > 15)
            return 0;
        value = value * 10 + (*text - '0');
        after += point;
    }
    double magnitude = (double)value / power[after];
    *out = negative ? -magnitude : magnitude;
    return 1;
}

nnrt_csv_kind nnrt_csv_value(const nnrt_csv *t, nnrt_field f, double *out)
{
    char text[CSV_NUMBER_MAX + 1];
    f = nnrt_csv_trimmed(f);
    if (f.size > CSV_NUMBER_MAX)
        return NNRT_CSV_TEXT;
    memcpy(text, f.at, f.size);
    text[f.size] = 0;
    if (csv_is_not_finite(text))
        return NNRT_CSV_NOT_FINITE;
    if (!csv_is_number(text))
        return NNRT_CSV_TEXT;
    if (!csv_simple(text, out))
        *out = strtod_l(text, NULL, t->locale);
    uint64_t bits;
    memcpy(&bits, out, sizeof bits);
    return (bits >> 52 & 0x7FF) == 0x7FF ? NNRT_CSV_NOT_FINITE : NNRT_CSV_NUMBER;
}

int nnrt_csv_is(nnrt_field f, const char *name)
{
    f = nnrt_csv_trimmed(f);
    size_t i = 0;
    for (; i < f.size && *name; i++, name++) {
        if (f.at[i] != *name)
            return 0;
        if (f.at[i] == '"')
            i++; /* the second of two */
    }
    return i == f.size && *name == 0;
}

/* Fewest insertions, deletions and changes that make `b` of `a`; 99 where one is too long. */
static int csv_distance(const char *a, size_t na, const char *b)
{
    size_t nb = strlen(b);
    int row[64];
    if (na >= 64 || nb >= 64)
        return 99;
    for (size_t j = 0; j <= nb; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = best < row[j] + 1 ? best : row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[nb];
}

static int csv_unknown(const nnrt_csv *t, const char *name)
{
    nnrt_field best = {0};
    int distance = 99;
    for (size_t i = 0; i < t->fields && t->header; i++) {
        nnrt_field f = nnrt_csv_trimmed(t->names[i]);
        int d = csv_distance(f.at, f.size, name);
        if (d < distance)
            distance = d, best = f;
    }
    if (!t->header)
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                         "%s: expected the number of a column, 0 to %zu (it has no header), found "
                         "'%s'",
                         t->path, t->fields - 1, name);
    if (distance <= 2 && (size_t)distance < strlen(name))
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT, "%s:1: no column '%s'; did you mean '%.*s'?",
                         t->path, name, (int)best.size, best.at);
    return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                     "%s:1: expected a column '%s' among %zu, of which the first is '%.*s'",
                     t->path, name, t->fields, (int)(t->names[0].size < 60 ? t->names[0].size : 60),
                     t->names[0].at);
}

int64_t nnrt_csv_find(const nnrt_csv *t, const char *name)
{
    int64_t found = -1;
    for (size_t i = 0; i < t->fields && t->header; i++)
        if (nnrt_csv_is(t->names[i], name)) {
            if (found >= 0)
                return -2;
            found = (int64_t)i;
        }
    size_t digits = csv_digits(name, 0);
    if (found >= 0 || digits == 0 || digits > 9 || name[digits])
        return found;
    int64_t number = atoll(name);
    return number < (int64_t)t->fields ? number : -1;
}

int nnrt_csv_find_all(const nnrt_csv *t, int n, const char *const *names, size_t *fields)
{
    for (int i = 0; i < n; i++) {
        int64_t at = nnrt_csv_find(t, names[i]);
        if (at == -2)
            return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                             "%s:1: expected one column '%s', found two", t->path, names[i]);
        if (at < 0)
            return csv_unknown(t, names[i]);
        fields[i] = (size_t)at;
    }
    return NNRT_OK;
}

void nnrt_csv_rewind(nnrt_csv *t)
{
    csv_to_start(t);
    if (t->header)
        nnrt_csv_record(t);
}

const char *nnrt_csv_label(const nnrt_csv *t, size_t field, char label[48])
{
    nnrt_field f = nnrt_csv_trimmed(t->names[field]);
    if (t->header && f.size)
        snprintf(label, 48, "'%.*s'", (int)(f.size < 40 ? f.size : 40), f.at);
    else
        snprintf(label, 48, "%zu", field);
    return label;
}

int nnrt_csv_not_number(const nnrt_csv *t, size_t field, nnrt_csv_kind kind)
{
    nnrt_field f = t->row[field], trimmed = nnrt_csv_trimmed(f);
    char label[48], text[64];
    snprintf(text, sizeof text, "'%.*s'", (int)(trimmed.size < 40 ? trimmed.size : 40), trimmed.at);
    int comma = t->delimiter != ',' && trimmed.size < 40 && memchr(trimmed.at, ',', trimmed.size);
    return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                     "%s:%zu:%zu: expected a %snumber in column %s, found "
                     "%s%s",
                     t->path, f.line, f.column, kind == NNRT_CSV_NOT_FINITE ? "finite " : "",
                     nnrt_csv_label(t, field, label), trimmed.size ? text : "an empty field",
                     comma ? " (numbers are written with a point)" : "");
}

int nnrt_csv_guess_header(nnrt_csv *t)
{
    csv_to_start(t);
    int status = nnrt_csv_record(t), more = !nnrt_csv_ended(t);
    if (!status && more)
        status = nnrt_csv_record(t);
    if (status && t->ragged) /* which is said where it is read */
        status = more = 0;
    t->header = 0;
    for (size_t i = 0; i < t->fields && !status; i++) {
        double value;
        int text = nnrt_csv_trimmed(t->names[i]).size &&
                   nnrt_csv_value(t, t->names[i], &value) == NNRT_CSV_TEXT;
        t->header |= text && (!more || nnrt_csv_value(t, t->row[i], &value) != NNRT_CSV_TEXT);
    }
    return status;
}

/* --- texts ------------------------------------------------------------------------------------ */

nnrt_span nnrt_csv_text(const nnrt_csv *t, nnrt_field f)
{
    size_t n = 0;
    char *at = (char *)f.at;
    int quoted = !t->literal && f.size && f.at > (const char *)t->bytes.at && f.at[-1] == '"';
    for (size_t i = 0; quoted && i < f.size; i++) {
        at[n++] = f.at[i];
        i += f.at[i] == '"';
    }
    return (nnrt_span){f.at, quoted ? n : f.size};
}

/* How many records follow the names, each as long as the first. */
static int csv_count(nnrt_csv *t, int64_t *rows)
{
    int status = NNRT_OK;
    *rows = 0;
    for (nnrt_csv_rewind(t); !status && !nnrt_csv_ended(t); (*rows)++)
        status = nnrt_csv_record(t);
    return status;
}

static int csv_fill_texts(nnrt_csv *t, int n, const size_t *fields, nnrt_texts *out)
{
    int status = NNRT_OK;
    nnrt_csv_rewind(t);
    for (int64_t row = 0; !status && !nnrt_csv_ended(t); row++) {
        out->lines[row] = t->line;
        status = nnrt_csv_record(t);
        for (int k = 0; k < n && !status; k++)
            out->at[k * out->rows + row] = nnrt_csv_text(t, t->row[fields[k]]);
    }
    return status;
}

void nnrt_texts_free(nnrt_texts *t)
{
    free(t->at);
    free(t->lines);
    free(t->owned);
    *t = (nnrt_texts){0};
}

int nnrt_csv_texts(const char *path, int header, char delimiter, int n, const char *const *names,
                   nnrt_texts *out, nnrt_fault *fault)
{
    nnrt_csv t;
    *out = (nnrt_texts){0};
    if (!delimiter)
        delimiter = nnrt_path_ends(path, ".csv") ? ',' : '\t';
    int status = nnrt_csv_open(&t, path, delimiter, delimiter == '\t', fault);
    size_t *fields = malloc(((size_t)n + 1) * sizeof *fields);
    t.header = header;
    if (!status && !fields)
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its columns", path);
    if (!status)
        status = nnrt_csv_find_all(&t, n, names, fields);
    if (!status)
        status = csv_count(&t, &out->rows);
    if (!status) {
        out->at = malloc(((size_t)n * (size_t)out->rows + 1) * sizeof *out->at);
        out->lines = malloc(((size_t)out->rows + 1) * sizeof *out->lines);
        status = out->at && out->lines
                     ? csv_fill_texts(&t, n, fields, out)
                     : nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its rows", path);
    }
    free(fields);
    out->owned = t.bytes.at;
    t.bytes = (nnrt_bytes){0};
    nnrt_csv_close(&t);
    if (status)
        nnrt_texts_free(out);
    return status;
}
