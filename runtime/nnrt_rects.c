/* SPDX-License-Identifier: MIT */
/* nnrt_rects.c: boxes of a list's images, from a table with several rows an image: found by the image's name, checked,
 * and brought to the pixels of the input that the image is resized to. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_csv.h"
#include "nnrt_photo.h"
#include "nnrt_program.h"
#include "nnrt_text.h"

enum { RECT_NUMBERS = 5, RECT_FIELDS = 6 };

/* Of a box that `crop` cuts off, so much must be left, as `augment` has it. */
#define RECT_VISIBLE 0.1

typedef struct rect_key {
    nnrt_span text;
    int64_t row;
} rect_key;

typedef struct rect {
    int64_t row;  /* of its image */
    double at[4]; /* x0, y0, x1, y1 in the file's pixels */
    nnrt_span kind;
    size_t line;
} rect;

typedef struct rect_table {
    const nnrt_rects *job;
    const nnrt_column *column;
    const nnrt_value *v;
    const char *path;
    nnrt_fault *fault;
    nnrt_csv csv;
    size_t fields[RECT_FIELDS]; /* image, class, corners */
    rect_key *keys;             /* in their order */
    int64_t *used;              /* boxes of each image */
    rect *rects;
    int64_t n, room, cut; /* cut: how many there was no room for */
} rect_table;

static int rect_no_memory(const rect_table *t)
{
    return nnrt_fail(t->fault, NNRT_NO_MEMORY, "%s: no memory for its boxes", t->path);
}

/* --- which image ------------------------------------------------------------------------------ */

static int rect_by_key(const void *a, const void *b)
{
    const nnrt_span *x = &((const rect_key *)a)->text, *y = &((const rect_key *)b)->text;
    size_t n = x->size < y->size ? x->size : y->size;
    int order = n ? memcmp(x->at, y->at, n) : 0;
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int rect_keys(rect_table *t)
{
    size_t n = (size_t)t->job->rows;
    t->keys = malloc((n + 1) * sizeof *t->keys);
    t->used = calloc(n + 1, sizeof *t->used);
    if (!t->keys || !t->used)
        return rect_no_memory(t);
    for (size_t i = 0; i < n; i++)
        t->keys[i] = (rect_key){t->job->keys[i], (int64_t)i};
    if (n)
        qsort(t->keys, n, sizeof *t->keys, rect_by_key);
    for (size_t i = 1; i < n; i++)
        if (rect_by_key(&t->keys[i - 1], &t->keys[i]) == 0)
            return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                             "%s: the list has '%.*s' twice, and its boxes could be of either",
                             t->path, (int)(t->keys[i].text.size < 40 ? t->keys[i].text.size : 40),
                             t->keys[i].text.at);
    return NNRT_OK;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Whether a box has an area and lies within its image of w by h pixels. */
static int rect_check(const rect_table *t, const rect *b, const int64_t size[2])
{
    const char *what = NULL;
    if (!(b->at[2] > b->at[0] && b->at[3] > b->at[1]))
        what = "a box of some area";
    else if (b->at[0] < 0 || b->at[1] < 0 || b->at[2] > (double)size[0] ||
             b->at[3] > (double)size[1])
        what = "a box within its image";
    if (!what)
        return NNRT_OK;
    return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                     "%s:%zu: expected %s of %lld x %lld pixels, found %g, %g to %g, %g", t->path,
                     b->line, what, (long long)size[0], (long long)size[1], b->at[0], b->at[1],
                     b->at[2], b->at[3]);
}

static int rect_push(rect_table *t, const rect *b)
{
    if (t->n == t->room) {
        int64_t room = t->room ? 2 * t->room : 256;
        rect *more = realloc(t->rects, (size_t)room * sizeof *more);
        if (!more)
            return rect_no_memory(t);
        t->rects = more;
        t->room = room;
    }
    t->rects[t->n++] = *b;
    return NNRT_OK;
}

/* Takes the box of the row at hand. */
static int rect_take(rect_table *t, rect *b)
{
    const nnrt_csv *csv = &t->csv;
    for (int k = 0; k < 4; k++) {
        size_t field = t->fields[2 + k];
        nnrt_csv_kind kind = nnrt_csv_value(csv, csv->row[field], &b->at[k]);
        if (kind != NNRT_CSV_NUMBER)
            return nnrt_csv_not_number(csv, field, kind);
    }
    b->kind = nnrt_csv_text(csv, csv->row[t->fields[1]]);
    int status = rect_check(t, b, t->job->sizes[b->row]);
    if (status)
        return status;
    if (t->used[b->row] < t->v->dim[0]) {
        t->used[b->row]++;
        return rect_push(t, b);
    }
    if (!t->column->cut)
        return nnrt_fail(
            t->fault, NNRT_BAD_CONTENT,
            "%s:%zu: a box more of its image than the %lld of '%s' (longer: cut leaves them out)",
            t->path, b->line, (long long)t->v->dim[0], t->v->name);
    t->cut++;
    return NNRT_OK;
}

static int rect_record(rect_table *t)
{
    size_t line = t->csv.line;
    int status = nnrt_csv_record(&t->csv);
    if (status)
        return status;
    rect_key wanted = {nnrt_csv_text(&t->csv, t->csv.row[t->fields[0]]), 0};
    const rect_key *key =
        bsearch(&wanted, t->keys, (size_t)t->job->rows, sizeof *t->keys, rect_by_key);
    if (!key)
        return NNRT_OK;
    rect b = {.row = key->row, .line = line};
    int64_t *size = t->job->sizes[b.row];
    if (size[0] == 0)
        status = nnrt_photo_size(t->job->paths[b.row], &size[0], &size[1], t->fault);
    if (!status)
        status = rect_take(t, &b);
    return status ? t->job->wrong(t->job->own, key->row, status) : NNRT_OK;
}

static int rect_records(rect_table *t)
{
    const nnrt_source *s = t->job->source;
    char delimiter = s->delimiter ? s->delimiter : nnrt_path_ends(t->path, ".csv") ? ',' : '\t';
    int status = nnrt_csv_open(&t->csv, t->path, delimiter, delimiter == '\t', t->fault);
    t->csv.header = s->header;
    if (!status)
        status = nnrt_csv_find_all(&t->csv, RECT_FIELDS, t->column->names, t->fields);
    if (!status)
        nnrt_csv_rewind(&t->csv);
    while (!status && !nnrt_csv_ended(&t->csv))
        status = rect_record(t);
    if (!status && t->cut)
        nnrt_say(t->job->read->d->model, "note: %s: %lld boxes more than the %lld an image of '%s'",
                 t->path, (long long)t->cut, (long long)t->v->dim[0], t->v->name);
    return status;
}

/* --- classes ---------------------------------------------------------------------------------- */

/* Names of training data become those of the weights file, where some are no numbers. */
static int rect_learn(const rect_table *t)
{
    const nnrt_read *r = t->job->read;
    const unsigned char *from = r->meta ? r->meta->learn_from : NULL;
    nnrt_span *texts = malloc(((size_t)t->n + 1) * sizeof *texts);
    size_t *lines = malloc(((size_t)t->n + 1) * sizeof *lines);
    nnrt_table table = {.read = r, .source = t->job->source, .name = t->path, .lines = lines};
    int status = texts && lines ? NNRT_OK : rect_no_memory(t);
    for (int64_t i = 0; i < t->n && !status; i++) {
        if (from && !from[t->rects[i].row])
            continue;
        texts[table.rows] = t->rects[i].kind;
        lines[table.rows++] = t->rects[i].line;
    }
    if (!status)
        status = nnrt_labels_learn(&table, t->v->name, t->column->count, texts, NULL);
    free(texts);
    free(lines);
    return status;
}

/* --- the input's numbers ---------------------------------------------------------------------- */

/* From the file's pixels to the input's. 0: too little of it is left. */
static int rect_place(const rect_table *t, const rect *b, float *to)
{
    const nnrt_value *image = t->job->image;
    const int64_t *size = t->job->sizes[b->row],
                  into[2] = {image->dim[image->rank - 1], image->dim[image->rank - 2]};
    double area = 1, left = 1;
    for (int axis = 0; axis < 2; axis++) {
        double scale, offset, end[2], limit = (double)into[axis];
        nnrt_photo_place(t->job->source->images->resize, size[axis], into[axis], size[!axis],
                         into[!axis], &scale, &offset);
        for (int k = 0; k < 2; k++)
            end[k] = b->at[2 * k + axis] * scale + offset;
        area *= end[1] - end[0];
        for (int k = 0; k < 2; k++) {
            end[k] = end[k] < 0 ? 0 : end[k] > limit ? limit : end[k];
            to[1 + 2 * k + axis] = (float)end[k];
        }
        left *= end[1] - end[0];
    }
    return left >= RECT_VISIBLE * area;
}

static int rect_fill(rect_table *t, const nnrt_vocab *names, float *to)
{
    int64_t each = t->v->dim[0] * RECT_NUMBERS;
    for (int64_t i = 0; i < t->job->rows * each; i++)
        to[i] = i % RECT_NUMBERS ? 0 : -1;
    memset(t->used, 0, (size_t)t->job->rows * sizeof *t->used);
    for (int64_t i = 0; i < t->n; i++) {
        const rect *b = &t->rects[i];
        float *at = to + b->row * each + t->used[b->row] * RECT_NUMBERS, made[RECT_NUMBERS];
        int32_t kind = nnrt_labels_class(names, &b->kind);
        if (kind < 0 || kind >= t->column->count) {
            int status = nnrt_fail(
                t->fault, NNRT_BAD_CONTENT, "%s:%zu: expected %s for '%s', found '%.*s'", t->path,
                b->line, names->n ? "a class that the training data has" : "a class index",
                t->v->name, (int)(b->kind.size < 40 ? b->kind.size : 40), b->kind.at);
            status = t->job->wrong(t->job->own, b->row, status);
            if (status)
                return status;
        } else if (rect_place(t, b, made)) {
            made[0] = (float)kind;
            memcpy(at, made, sizeof made);
            t->used[b->row]++;
        }
    }
    return NNRT_OK;
}

/* With names known, makes the column. */
static int rect_column(rect_table *t, int input)
{
    const nnrt_read *r = t->job->read;
    nnrt_vocab names = {0};
    int64_t dim[3] = {t->job->rows, t->v->dim[0], RECT_NUMBERS};
    nnrt_array *a = &r->d->columns[input];
    int status = NNRT_OK;
    if (r->meta && r->meta->learn && !nnrt_meta_find(r->meta, "nncc.labels.", t->v->name))
        status = rect_learn(t);
    if (!status && r->meta)
        status = nnrt_labels_kept(r->meta, t->v->name, &names, t->fault);
    if (!status)
        status = nnrt_array_make(t->path, NNRT_ARRAY_F32, 3, dim, a, t->fault);
    if (!status)
        status = rect_fill(t, &names, a->data);
    nnrt_vocab_free(&names);
    return status ? status : nnrt_read_name(r, input, t->path);
}

int nnrt_rects_read(const nnrt_rects *job, const nnrt_column *column, int input)
{
    const nnrt_read *r = job->read;
    char *path = nnrt_path_join(r->dir, column->file);
    rect_table t = {.job = job,
                    .column = column,
                    .v = &r->d->model->inputs[input],
                    .path = path,
                    .fault = r->fault};
    if (!path)
        return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory for its name", column->file);
    int status = rect_keys(&t);
    if (!status) {
        status = rect_records(&t);
        if (!status)
            status = rect_column(&t, input);
        nnrt_csv_close(&t.csv);
    }
    free(t.keys);
    free(t.used);
    free(t.rects);
    free(path);
    return status;
}
