/* SPDX-License-Identifier: MIT */
/* nnrt_columns.c: columns of a csv table to one array an input: numbers, and categories that nnrt_categories.c turns
 * into class indices; only the rows that `where` keeps. A bad row is an error, or left out (nnrt_skips.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_csv.h"

/* A column of the table that is read. */
typedef struct columns_field {
    size_t field;              /* in the table */
    const nnrt_column *column; /* what the model says of it, or NULL */
    const nnrt_value *value;   /* the input that it feeds; NULL: any numbers are right */
    int part, width;           /* its place among those of the input */
    nnrt_array *out;
    nnrt_cell *cells; /* of categories: what stands in each row; else NULL */
} columns_field;

typedef struct columns_job {
    nnrt_csv t;
    const nnrt_read *read;     /* or NULL: numbers, each row must be right */
    const nnrt_source *source; /* `missing` is its; or NULL */
    int n_where;
    const nnrt_where *where;
    size_t *where_field;
    int n;
    columns_field *at;
    int64_t rows;
} columns_job;

static int columns_no_memory(const columns_job *j)
{
    return nnrt_fail(j->t.fault, NNRT_NO_MEMORY, "%s: no memory for its columns", j->t.path);
}

/* --- rows ------------------------------------------------------------------------------------- */

/* 1: the record at hand is in the part of the table that is wanted. */
static int columns_wanted(const columns_job *j)
{
    for (int i = 0; i < j->n_where; i++) {
        const nnrt_where *w = &j->where[i];
        int k = 0;
        while (k < w->n && !nnrt_csv_is(j->t.row[j->where_field[i]], w->values[k]))
            k++;
        if (k == w->n)
            return 0;
    }
    return 1;
}

/* Goes to the next row of the part that is wanted: 1, 0 at the table's end or where *status is set. A row with another
 * number of fields counts, and sets t.ragged, where bad rows are left out. */
static int columns_next(columns_job *j, int *status)
{
    while (!nnrt_csv_ended(&j->t)) {
        *status = nnrt_csv_record(&j->t);
        if (*status && j->t.ragged && j->read && j->read->skips)
            *status = NNRT_OK;
        if (*status)
            return 0;
        if (j->t.ragged || columns_wanted(j))
            return 1;
    }
    return 0;
}

/* Leaves a row out for the reason in the fault: 0; or gives the status, where that is an error. */
static int columns_skip(const columns_job *j, int64_t row, int status)
{
    return j->read ? nnrt_skip(j->read, row, status) : status;
}

/* --- fields ----------------------------------------------------------------------------------- */

/* 1: the table has no value here. */
static int columns_missing(const columns_job *j, nnrt_field f)
{
    for (int i = 0; j->source && i < j->source->n_missing; i++)
        if (nnrt_csv_is(f, j->source->missing[i]))
            return 1;
    return 0;
}

/* Numbers that the input cannot have. */
static int columns_out_of_range(const columns_job *j, const columns_field *c, double value)
{
    nnrt_field f = j->t.row[c->field], text = nnrt_csv_trimmed(f);
    char label[48], expected[96], shifted[64] = "";
    nnrt_value_expected(c->value, expected, sizeof expected);
    if (c->column && c->column->offset)
        snprintf(shifted, sizeof shifted, ", which its offset makes %.9g", value);
    return nnrt_fail(j->t.fault, NNRT_BAD_CONTENT,
                     "%s:%zu:%zu: expected %s for '%s' in column %s, found '%.*s'%s", j->t.path,
                     f.line, f.column, expected, c->value->name,
                     nnrt_csv_label(&j->t, c->field, label), (int)(text.size < 40 ? text.size : 40),
                     text.at, shifted);
}

static int columns_number(const columns_job *j, const columns_field *c, double *to)
{
    nnrt_field f = j->t.row[c->field];
    int reals = c->value && c->value->dtype == NNRT_F32;
    if (reals && columns_missing(j, f)) {
        *to = NAN;
        c->out->gaps = 1;
        return NNRT_OK;
    }
    nnrt_csv_kind kind = nnrt_csv_value(&j->t, f, to);
    if (kind != NNRT_CSV_NUMBER)
        return nnrt_csv_not_number(&j->t, c->field, kind);
    if (c->column && c->column->offset)
        *to += (double)c->column->offset;
    return !c->value || nnrt_value_good(c->value, *to) ? NNRT_OK : columns_out_of_range(j, c, *to);
}

static int columns_cell(const columns_job *j, const columns_field *c, nnrt_cell *to)
{
    nnrt_field f = j->t.row[c->field], trimmed = nnrt_csv_trimmed(f);
    int quoted = f.size && f.at > (const char *)j->t.bytes.at && f.at[-1] == '"';
    nnrt_span text = quoted ? nnrt_csv_text(&j->t, f) : (nnrt_span){trimmed.at, trimmed.size};
    *to = (nnrt_cell){text.at, text.size, f.line, f.column};
    if (text.size || columns_missing(j, f))
        return NNRT_OK;
    char label[48];
    return nnrt_fail(j->t.fault, NNRT_BAD_CONTENT,
                     "%s:%zu:%zu: expected a category in column %s, found an empty field",
                     j->t.path, f.line, f.column, nnrt_csv_label(&j->t, c->field, label));
}

static int columns_row(const columns_job *j, int64_t row)
{
    for (int i = 0; i < j->n; i++) {
        const columns_field *c = &j->at[i];
        int status = c->cells
                         ? columns_cell(j, c, &c->cells[row])
                         : columns_number(j, c, (double *)c->out->data + row * c->width + c->part);
        if (status)
            return status;
    }
    return NNRT_OK;
}

static int columns_fill(columns_job *j)
{
    int status = NNRT_OK;
    nnrt_csv_rewind(&j->t);
    for (int64_t row = 0; !status && columns_next(j, &status); row++) {
        status = j->t.ragged ? NNRT_BAD_CONTENT : columns_row(j, row);
        if (status)
            status = columns_skip(j, row, status);
    }
    return status;
}

/* --- categories ------------------------------------------------------------------------------- */

/* The name under which the weights file keeps the categories of a column: the input's; of several columns with the
 * number of each. NULL: no memory. */
static char *columns_key(const columns_field *c)
{
    size_t size = strlen(c->value->name) + 24;
    char *key = malloc(size);
    if (key && c->width == 1)
        snprintf(key, size, "%s", c->value->name);
    else if (key)
        snprintf(key, size, "%s.%d", c->value->name, c->part);
    return key;
}

/* Whether the column's texts are categories: where the model file says so, where the weights have them, and in
 * training where the first row holds no number. */
static int columns_are_categories(columns_job *j, const columns_field *c, int *status)
{
    double number;
    const nnrt_read *r = j->read;
    if (!r || !r->d->model->categories || !c->value || c->value->classes <= 0)
        return 0;
    if (c->column && (c->column->count || c->column->n_categories))
        return 1;
    if (c->column && c->column->offset)
        return 0;
    char *key = columns_key(c);
    if (!key) {
        *status = columns_no_memory(j);
        return 0;
    }
    int kept = nnrt_meta_find(r->meta, "nncc.labels.", key) != NULL;
    free(key);
    if (kept || !r->meta || !r->meta->learn)
        return kept;
    nnrt_csv_rewind(&j->t);
    while (columns_next(j, status))
        if (!j->t.ragged)
            return nnrt_csv_trimmed(j->t.row[c->field]).size > 0 &&
                   nnrt_csv_value(&j->t, j->t.row[c->field], &number) == NNRT_CSV_TEXT;
    return 0;
}

/* The class indices of a column's categories. */
static int columns_categories(const columns_job *j, const columns_field *c)
{
    char label[48], *key = columns_key(c);
    if (!key)
        return columns_no_memory(j);
    const nnrt_categories k = {.read = j->read,
                               .path = j->t.path,
                               .key = key,
                               .label = nnrt_csv_label(&j->t, c->field, label),
                               .column = c->column,
                               .value = c->value,
                               .rows = j->rows,
                               .cells = c->cells,
                               .step = c->width};
    int status = j->read->d->model->categories(&k, (double *)c->out->data + c->part);
    free(key);
    return status;
}

/* --- arrays ----------------------------------------------------------------------------------- */

/* Counts the rows, makes the arrays and the cells. */
static int columns_make(columns_job *j)
{
    int status = NNRT_OK;
    nnrt_csv_rewind(&j->t);
    while (columns_next(j, &status))
        j->rows++;
    for (int i = 0; i < j->n && !status; i++) {
        columns_field *c = &j->at[i];
        int64_t dim[2] = {j->rows, c->width};
        if (c->part == 0)
            status = nnrt_array_make(j->t.path, NNRT_ARRAY_F64, c->width == 1 ? 1 : 2, dim, c->out,
                                     j->t.fault);
        if (!status && c->part == 0 && c->out->data)
            memset(c->out->data, 0, (size_t)(j->rows * c->width) * sizeof(double));
        if (status || !columns_are_categories(j, c, &status))
            continue;
        c->cells = calloc((size_t)j->rows + 1, sizeof *c->cells);
        if (!c->cells)
            status = columns_no_memory(j);
    }
    return status;
}

static int columns_load(columns_job *j)
{
    int status = NNRT_OK;
    j->where_field = malloc(((size_t)j->n_where + 1) * sizeof *j->where_field);
    if (!j->where_field)
        return columns_no_memory(j);
    for (int i = 0; i < j->n_where && !status; i++)
        status = nnrt_csv_find_all(&j->t, 1, &j->where[i].column, &j->where_field[i]);
    if (!status)
        status = columns_make(j);
    if (!status)
        status = columns_fill(j);
    for (int i = 0; i < j->n && !status; i++)
        if (j->at[i].cells)
            status = columns_categories(j, &j->at[i]);
    for (int i = 0; i < j->n; i++) {
        free(j->at[i].cells);
        if (status)
            nnrt_array_free(j->at[i].out);
    }
    free(j->where_field);
    return status;
}

/* Adds the columns `fields` of the table, which feed one input. */
static void columns_add(columns_job *j, int width, const size_t *fields, const nnrt_column *column,
                        const nnrt_value *value, nnrt_array *out)
{
    for (int i = 0; i < width; i++)
        j->at[j->n++] = (columns_field){.field = fields[i],
                                        .column = column,
                                        .value = value,
                                        .part = i,
                                        .width = width,
                                        .out = out};
}

/* --- all columns of a source ------------------------------------------------------------------- */

/* Opens the file, or makes the table of a generator; `name` is for errors. */
static int columns_open(columns_job *j, const char *name, const nnrt_source *s, nnrt_fault *fault)
{
    char delimiter = s->delimiter ? s->delimiter : ',';
    if (!s->generator)
        return nnrt_csv_open(&j->t, name, delimiter, 0, fault);
    nnrt_buffer text = {0};
    int status = nnrt_table_made(s->generator, s->seed, s->count, &text);
    if (status) {
        nnrt_buffer_free(&text);
        return nnrt_fail(fault, status, "%s: no memory for its rows", name);
    }
    return nnrt_csv_open_bytes(
        &j->t, name, (nnrt_bytes){.at = (unsigned char *)text.at, .size = text.size}, ',', fault);
}

int nnrt_csv_read(const nnrt_read *read, const char *path, const nnrt_source *source,
                  nnrt_array *out, nnrt_fault *fault)
{
    int n = source->n_columns, total = 0;
    for (int i = 0; i < n; i++) {
        out[i] = (nnrt_array){0};
        total += source->columns[i].n_names;
    }
    columns_job j = {
        .read = read, .source = source, .n_where = source->n_where, .where = source->where};
    int status = columns_open(&j, path, source, fault);
    j.t.header = source->header;
    size_t *fields = malloc(((size_t)total + 1) * sizeof *fields);
    j.at = calloc((size_t)total + 1, sizeof *j.at);
    if (!status && (!fields || !j.at))
        status = columns_no_memory(&j);
    for (int i = 0; i < n && !status; i++) {
        const nnrt_column *c = &source->columns[i];
        int input = read ? nnrt_read_input(read, c->input) : -1;
        status = nnrt_csv_find_all(&j.t, c->n_names, c->names, fields);
        if (!status)
            columns_add(&j, c->n_names, fields, c,
                        input < 0 ? NULL : &read->d->model->inputs[input], &out[i]);
    }
    if (!status)
        status = columns_load(&j);
    free(fields);
    free(j.at);
    nnrt_csv_close(&j.t);
    return status;
}

/* --- the columns of one input ------------------------------------------------------------------ */

/* What `like` has for an input, if the table has all of it, under the names that it says. */
static const nnrt_column *columns_like(nnrt_csv *t, const nnrt_value *input,
                                       const nnrt_source *like)
{
    int header = t->header;
    if (!like || like->kind != NNRT_SOURCE_CSV)
        return NULL;
    for (int i = 0; i < like->n_columns; i++) {
        const nnrt_column *c = &like->columns[i];
        if (strcmp(c->input, input->name) != 0)
            continue;
        for (int named = like->header; named >= 0; named--) {
            int k = 0;
            t->header = named ? 1 : header;
            while (k < c->n_names && nnrt_csv_find(t, c->names[k]) >= 0)
                k++;
            if (k == c->n_names && (int64_t)k == input->count)
                return c;
        }
    }
    t->header = header;
    return NULL;
}

/* Chooses the columns for one input: those of `column`, if it is not NULL. fields[] has room for
 * them, or for all of the table. */
static int columns_choose(const nnrt_csv *t, const nnrt_value *input, const nnrt_column *column,
                          int *width, size_t *fields)
{
    int64_t named = nnrt_csv_find(t, input->name);
    *width = 1;
    if (column) {
        *width = column->n_names;
        return nnrt_csv_find_all(t, column->n_names, column->names, fields);
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

/* What the model's source says of an input, whatever its columns are called here. */
static const nnrt_column *columns_of(const nnrt_source *like, const nnrt_value *input)
{
    for (int i = 0; like && like->kind == NNRT_SOURCE_CSV && i < like->n_columns; i++)
        if (strcmp(like->columns[i].input, input->name) == 0)
            return &like->columns[i];
    return NULL;
}

int nnrt_csv_read_input(const nnrt_read *read, const char *path, const nnrt_value *input,
                        const nnrt_source *like, nnrt_array *out, nnrt_fault *fault)
{
    *out = (nnrt_array){0};
    int width = 0, tabs = nnrt_path_ends(path, ".tsv");
    int is_csv = like && like->kind == NNRT_SOURCE_CSV && like->delimiter;
    columns_job j = {.read = read, .source = is_csv ? like : NULL};
    int status = nnrt_csv_open(&j.t, path, is_csv ? like->delimiter : tabs ? '\t' : ',', 0, fault);
    size_t *fields = NULL;
    if (!status)
        status = nnrt_csv_guess_header(&j.t);
    if (!status) {
        const nnrt_column *column = columns_like(&j.t, input, like);
        size_t room =
            column && (size_t)column->n_names > j.t.fields ? (size_t)column->n_names : j.t.fields;
        fields = malloc((room + 1) * sizeof *fields);
        j.at = calloc(room + 1, sizeof *j.at);
        status = fields && j.at ? columns_choose(&j.t, input, column, &width, fields)
                                : columns_no_memory(&j);
    }
    if (!status) {
        columns_add(&j, width, fields, columns_of(like, input), read ? input : NULL, out);
        status = columns_load(&j);
    }
    free(fields);
    free(j.at);
    nnrt_csv_close(&j.t);
    return status;
}
