/* SPDX-License-Identifier: MIT */
/* nnrt_csv.c: tables of numbers, as RFC 4180 has them: quotes, newlines within them, LF, CRLF or
 * CR, a byte order mark, the last newline or none. Places are line and column (in bytes) from 1. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

enum {
    CSV_RECORD_MAX = 16 << 20, /* bytes a record */
    CSV_FIELDS_MAX = 1000000,
    CSV_NUMBER_MAX = 511 /* characters of one number */
};

/* A field of the file: what is between its quotes, if it has them; doubled quotes still doubled. */
typedef struct csv_field {
    const char *at;
    size_t size;
    size_t line, column;
    int last; /* of its record */
} csv_field;

typedef struct csv_table {
    const char *path;
    nnrt_bytes bytes;
    size_t at, line, line_start, record_start; /* where the scanner stands */
    char delimiter;
    int header;       /* the first record holds names */
    int literal;      /* quotes are characters like others */
    size_t fields;    /* a record */
    csv_field *names; /* the first record, [fields] */
    csv_field *row;   /* the present one, [fields] */
    locale_t locale;  /* "C": what strtod_l reads with, whatever the program has set */
    nnrt_fault *fault;
} csv_table;

typedef enum { CSV_NUMBER, CSV_TEXT, CSV_NOT_FINITE } csv_kind;

static int csv_wrong(const csv_table *t, size_t at, const char *what)
{
    return nnrt_fail(t->fault, NNRT_BAD_CONTENT, "%s:%zu:%zu: %s", t->path, t->line,
                     at - t->line_start + 1, what);
}

/* Steps over a newline, if there is one. */
static int csv_newline(csv_table *t)
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
static int csv_quoted(csv_table *t, csv_field *f)
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
    if (t->at < n && b[t->at] != (unsigned char)t->delimiter && b[t->at] != '\n' &&
        b[t->at] != '\r')
        return csv_wrong(t, t->at,
                         "expected a delimiter or the line's end after the closing quote");
    return NNRT_OK;
}

static int csv_plain(csv_table *t, csv_field *f)
{
    const unsigned char *b = t->bytes.at;
    size_t n = t->bytes.size, start = t->at;
    while (t->at < n && b[t->at] != (unsigned char)t->delimiter && b[t->at] != '\n' &&
           b[t->at] != '\r') {
        if (b[t->at] == '"' && !t->literal)
            return csv_wrong(t, t->at, "expected no quote inside of a field without quotes");
        t->at++;
    }
    f->at = (const char *)b + start;
    f->size = t->at - start;
    return NNRT_OK;
}

/* The next field, and the delimiter or newline after it. */
static int csv_next(csv_table *t, csv_field *f)
{
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
    f->last = t->at >= t->bytes.size || csv_newline(t);
    t->at += !f->last;
    return NNRT_OK;
}

/* 1: nothing but newlines follows. */
static int csv_ended(csv_table *t)
{
    size_t i = t->at;
    while (i < t->bytes.size && (t->bytes.at[i] == '\n' || t->bytes.at[i] == '\r'))
        i++;
    t->record_start = t->at;
    return i == t->bytes.size;
}

static void csv_rewind(csv_table *t)
{
    t->at = t->bytes.size >= 3 && memcmp(t->bytes.at, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    t->line = 1;
    t->line_start = t->record_start = t->at;
}

/* The next record to t->row; as many fields as the first has. */
static int csv_record(csv_table *t)
{
    csv_field f = {0};
    for (size_t i = 0;; i++) {
        int status = csv_next(t, &f);
        if (status)
            return status;
        if (f.last ? i + 1 < t->fields : i + 1 >= t->fields) {
            size_t found = i + 1, line = f.line;
            while (!f.last && (status = csv_next(t, &f)) == NNRT_OK)
                found++;
            return status
                       ? status
                       : nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                                   "%s:%zu: expected %zu fields, as the first line has, found %zu",
                                   t->path, line, t->fields, found);
        }
        t->row[i] = f;
        if (f.last)
            return NNRT_OK;
    }
}

/* Reads the first record, which says how many fields the others have. */
static int csv_first(csv_table *t)
{
    csv_rewind(t);
    if (csv_ended(t))
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT, "%s: expected a table, found an empty file",
                         t->path);
    csv_field f = {0};
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
    csv_rewind(t);
    status = csv_record(t);
    memcpy(t->names, t->row, t->fields * sizeof *t->names);
    return status;
}

static int csv_open(csv_table *t, const char *path, char delimiter, int literal, nnrt_fault *fault)
{
    *t = (csv_table){.path = path, .delimiter = delimiter, .literal = literal, .fault = fault};
    int status = nnrt_file_read(path, &t->bytes, fault);
    if (status)
        return status;
    t->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (t->locale == (locale_t)0)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to read it", path);
    return csv_first(t);
}

static void csv_close(csv_table *t)
{
    if (t->locale != (locale_t)0)
        freelocale(t->locale);
    free(t->names);
    free(t->row);
    nnrt_bytes_free(&t->bytes);
}

static csv_field csv_trimmed(csv_field f)
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

/* The number that a field holds, blanks around it aside. */
static csv_kind csv_value(const csv_table *t, csv_field f, double *out)
{
    char text[CSV_NUMBER_MAX + 1];
    f = csv_trimmed(f);
    if (f.size > CSV_NUMBER_MAX)
        return CSV_TEXT;
    memcpy(text, f.at, f.size);
    text[f.size] = 0;
    if (csv_is_not_finite(text))
        return CSV_NOT_FINITE;
    if (!csv_is_number(text))
        return CSV_TEXT;
    if (!csv_simple(text, out))
        *out = strtod_l(text, NULL, t->locale);
    uint64_t bits;
    memcpy(&bits, out, sizeof bits);
    return (bits >> 52 & 0x7FF) == 0x7FF ? CSV_NOT_FINITE : CSV_NUMBER;
}

/* 1: the field, unquoted, is this name. */
static int csv_named(csv_field f, const char *name)
{
    f = csv_trimmed(f);
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

static int csv_unknown(const csv_table *t, const char *name)
{
    csv_field best = {0};
    int distance = 99;
    for (size_t i = 0; i < t->fields && t->header; i++) {
        csv_field f = csv_trimmed(t->names[i]);
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

/* The index of a column by its name, or by its number where no column has that name; -1: none,
 * -2: two of the name. */
static int64_t csv_find(const csv_table *t, const char *name)
{
    int64_t found = -1;
    for (size_t i = 0; i < t->fields && t->header; i++)
        if (csv_named(t->names[i], name)) {
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

/* The indices of n columns. */
static int csv_find_all(const csv_table *t, int n, const char *const *names, size_t *fields)
{
    for (int i = 0; i < n; i++) {
        int64_t at = csv_find(t, names[i]);
        if (at == -2)
            return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                             "%s:1: expected one column '%s', found two", t->path, names[i]);
        if (at < 0)
            return csv_unknown(t, names[i]);
        fields[i] = (size_t)at;
    }
    return NNRT_OK;
}

/* Counts the records that hold numbers, and checks that all have as many fields. */
static int csv_count(csv_table *t, int64_t *rows)
{
    *rows = 0;
    csv_rewind(t);
    for (int64_t i = 0; !csv_ended(t); i++) {
        int status = csv_record(t);
        if (status)
            return status;
        *rows += i > 0 || !t->header;
    }
    return NNRT_OK;
}

/* "sepal_length", or its number, for errors. */
static const char *csv_label(const csv_table *t, size_t field, char label[48])
{
    csv_field f = csv_trimmed(t->names[field]);
    if (t->header && f.size)
        snprintf(label, 48, "'%.*s'", (int)(f.size < 40 ? f.size : 40), f.at);
    else
        snprintf(label, 48, "%zu", field);
    return label;
}

/* What was found where a number was expected. */
static int csv_not_number(const csv_table *t, size_t field, csv_kind kind)
{
    csv_field f = t->row[field], trimmed = csv_trimmed(f);
    char label[48], text[64];
    snprintf(text, sizeof text, "'%.*s'", (int)(trimmed.size < 40 ? trimmed.size : 40), trimmed.at);
    int comma = t->delimiter != ',' && trimmed.size < 40 && memchr(trimmed.at, ',', trimmed.size);
    return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                     "%s:%zu:%zu: expected a %snumber in column %s, found "
                     "%s%s",
                     t->path, f.line, f.column, kind == CSV_NOT_FINITE ? "finite " : "",
                     csv_label(t, field, label), trimmed.size ? text : "an empty field",
                     comma ? " (numbers are written with a point)" : "");
}

/* Fills one array an output from the columns `fields`, widths[k] of them for the k-th. */
static int csv_fill(csv_table *t, int n, const int *widths, const size_t *fields, nnrt_array *out)
{
    csv_rewind(t);
    if (t->header)
        csv_record(t);
    for (int64_t row = 0; !csv_ended(t); row++) {
        int status = csv_record(t);
        if (status)
            return status;
        const size_t *field = fields;
        for (int k = 0; k < n; k++) {
            double *to = (double *)out[k].data + row * widths[k];
            for (int j = 0; j < widths[k]; j++, field++) {
                csv_kind kind = csv_value(t, t->row[*field], &to[j]);
                if (kind != CSV_NUMBER)
                    return csv_not_number(t, *field, kind);
            }
        }
    }
    return NNRT_OK;
}

/* Makes and fills the arrays. */
static int csv_load(csv_table *t, int n, const int *widths, const size_t *fields, nnrt_array *out)
{
    int64_t rows;
    int status = csv_count(t, &rows);
    for (int k = 0; k < n && !status; k++) {
        int64_t dim[2] = {rows, widths[k]};
        status = nnrt_array_make(t->path, NNRT_ARRAY_F64, widths[k] == 1 ? 1 : 2, dim, &out[k],
                                 t->fault);
    }
    if (!status)
        status = csv_fill(t, n, widths, fields, out);
    for (int k = 0; k < n && status; k++)
        nnrt_array_free(&out[k]);
    return status;
}

int nnrt_csv_read(const char *path, const nnrt_source *source, nnrt_array *out, nnrt_fault *fault)
{
    int n = source->n_columns, total = 0;
    for (int i = 0; i < n; i++) {
        out[i] = (nnrt_array){0};
        total += source->columns[i].n_names;
    }
    csv_table t;
    int status = csv_open(&t, path, source->delimiter ? source->delimiter : ',', 0, fault);
    t.header = source->header;
    size_t *fields = malloc(((size_t)total + 1) * sizeof *fields), *next = fields;
    int *widths = malloc(((size_t)n + 1) * sizeof *widths);
    if (!status && (!fields || !widths))
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its columns", path);
    for (int i = 0; i < n && !status; i++) {
        widths[i] = source->columns[i].n_names;
        status = csv_find_all(&t, widths[i], source->columns[i].names, next);
        next += widths[i];
    }
    if (!status)
        status = csv_load(&t, n, widths, fields, out);
    free(fields);
    free(widths);
    csv_close(&t);
    return status;
}

/* 1: the first record holds names: some field of it is text where the next record, if there is one,
 * has a number. A column of text (the name of a class) says nothing. */
static int csv_has_header(csv_table *t, int *header)
{
    csv_rewind(t);
    int status = csv_record(t), more = !csv_ended(t);
    if (!status && more)
        status = csv_record(t);
    *header = 0;
    for (size_t i = 0; i < t->fields && !status; i++) {
        double value;
        int text = csv_trimmed(t->names[i]).size && csv_value(t, t->names[i], &value) == CSV_TEXT;
        *header |= text && (!more || csv_value(t, t->row[i], &value) != CSV_TEXT);
    }
    return status;
}

/* What `like` has for an input, if the table has all of it. */
static const nnrt_column *csv_like(const csv_table *t, const nnrt_value *input,
                                   const nnrt_source *like)
{
    if (!like || like->kind != NNRT_SOURCE_CSV)
        return NULL;
    for (int i = 0; i < like->n_columns; i++) {
        const nnrt_column *c = &like->columns[i];
        if (strcmp(c->input, input->name) != 0)
            continue;
        int k = 0;
        while (k < c->n_names && csv_find(t, c->names[k]) >= 0)
            k++;
        return k == c->n_names && (int64_t)k == input->count ? c : NULL;
    }
    return NULL;
}

/* Chooses the columns for one input: those of `column`, if it is not NULL. fields[] has room for
 * them, or for all of the table. */
static int csv_choose(const csv_table *t, const nnrt_value *input, const nnrt_column *column,
                      int *width, size_t *fields)
{
    int64_t named = csv_find(t, input->name);
    *width = 1;
    if (column) {
        *width = column->n_names;
        return csv_find_all(t, column->n_names, column->names, fields);
    }
    if (named >= 0 && input->count == 1) {
        fields[0] = (size_t)named;
        return NNRT_OK;
    }
    if ((int64_t)t->fields != input->count)
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                         "%s:1: expected %s'%s', or %lld column%s in all, found %zu columns",
                         t->path, input->count == 1 ? "a column " : "the columns of ", input->name,
                         (long long)input->count, input->count == 1 ? "" : "s", t->fields);
    *width = (int)t->fields;
    for (size_t i = 0; i < t->fields; i++)
        fields[i] = i;
    return NNRT_OK;
}

int nnrt_csv_read_input(const char *path, const nnrt_value *input, const nnrt_source *like,
                        nnrt_array *out, nnrt_fault *fault)
{
    *out = (nnrt_array){0};
    csv_table t;
    int width = 0, tabs = nnrt_path_ends(path, ".tsv");
    int is_csv = like && like->kind == NNRT_SOURCE_CSV && like->delimiter;
    int status = csv_open(&t, path, is_csv ? like->delimiter : tabs ? '\t' : ',', 0, fault);
    size_t *fields = NULL;
    if (!status)
        status = csv_has_header(&t, &t.header);
    if (!status) {
        const nnrt_column *column = csv_like(&t, input, like);
        size_t room =
            column && (size_t)column->n_names > t.fields ? (size_t)column->n_names : t.fields;
        fields = malloc((room + 1) * sizeof *fields);
        status = fields ? csv_choose(&t, input, column, &width, fields)
                        : nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its columns", path);
    }
    if (!status)
        status = csv_load(&t, 1, &width, fields, out);
    free(fields);
    csv_close(&t);
    return status;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* What a field holds; doubled quotes become one where they stand, since nothing reads them again. */
static nnrt_span csv_text(const csv_table *t, csv_field f)
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

static int csv_fill_texts(csv_table *t, int n, const size_t *fields, nnrt_texts *out)
{
    csv_rewind(t);
    int status = t->header ? csv_record(t) : NNRT_OK;
    for (int64_t row = 0; !status && !csv_ended(t); row++) {
        out->lines[row] = t->line;
        status = csv_record(t);
        for (int k = 0; k < n && !status; k++)
            out->at[k * out->rows + row] = csv_text(t, t->row[fields[k]]);
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
    csv_table t;
    *out = (nnrt_texts){0};
    if (!delimiter)
        delimiter = nnrt_path_ends(path, ".csv") ? ',' : '\t';
    int status = csv_open(&t, path, delimiter, delimiter == '\t', fault);
    size_t *fields = malloc(((size_t)n + 1) * sizeof *fields);
    t.header = header;
    if (!status && !fields)
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its columns", path);
    if (!status)
        status = csv_find_all(&t, n, names, fields);
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
    csv_close(&t);
    if (status)
        nnrt_texts_free(out);
    return status;
}
