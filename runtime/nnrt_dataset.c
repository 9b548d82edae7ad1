/* SPDX-License-Identifier: MIT */
/* nnrt_dataset.c: a source, or files of the command line, to one array an input, checked whole
 * before the first step, and to batches. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_data.h"

enum { DS_PASS = 1 << 24 }; /* bytes of a map that are looked at before they may leave memory */

int nnrt_read_needs(const nnrt_read *o, int input)
{
    return !o->need || o->need[input];
}

static int ds_no_memory(const nnrt_read *o)
{
    return nnrt_fail(o->fault, NNRT_NO_MEMORY, "no memory for the data set's tables");
}

/* The index of an input of the model; -1: none of that name. */
static int ds_input(const nnrt_model *m, const char *name, size_t size)
{
    for (int i = 0; i < m->n_inputs; i++)
        if (strlen(m->inputs[i].name) == size && memcmp(m->inputs[i].name, name, size) == 0)
            return i;
    return -1;
}

int nnrt_read_input(const nnrt_read *o, const char *name)
{
    return ds_input(o->d->model, name, strlen(name));
}

int nnrt_read_name(const nnrt_read *o, int input, const char *name)
{
    if (o->d->names[input] == name) /* by the caller */
        return NNRT_OK;
    free((void *)o->d->names[input]);
    o->d->names[input] = strdup(name);
    return o->d->names[input] ? NNRT_OK : ds_no_memory(o);
}

/* "image, label", for errors. */
static void ds_list(const nnrt_model *m, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < m->n_inputs && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", m->inputs[i].name);
}

static int ds_begin(nnrt_read *o, nnrt_dataset *d, const nnrt_model *m, const char *dir,
                    const unsigned char *need, nnrt_meta *meta, nnrt_fault *fault)
{
    *o = (nnrt_read){d, dir, need, meta, fault, NULL};
    *d = (nnrt_dataset){.model = m};
    d->columns = calloc((size_t)m->n_inputs + 1, sizeof *d->columns);
    d->names = calloc((size_t)m->n_inputs + 1, sizeof *d->names);
    return d->columns && d->names ? NNRT_OK : ds_no_memory(o);
}

void nnrt_dataset_close(nnrt_dataset *d)
{
    for (int i = 0; d->columns && i < d->model->n_inputs; i++)
        nnrt_array_free(&d->columns[i]);
    for (int i = 0; d->names && i < d->model->n_inputs; i++)
        free((void *)d->names[i]);
    free(d->columns);
    free((void *)d->names);
    free(d->origin);
    *d = (nnrt_dataset){0};
}

/* --- checks ----------------------------------------------------------------------------------- */

/* "[3, 28, 28]" */
static const char *ds_shape_text(int rank, const int64_t *dim, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)dim[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

/* 1: the same axes in the same order, but for those of length 1. */
static int ds_same_shape(int rank, const int64_t *dim, const nnrt_value *v)
{
    int i = 0, j = 0;
    for (;;) {
        while (i < rank && dim[i] == 1)
            i++;
        while (j < v->rank && v->dim[j] == 1)
            j++;
        if (i == rank || j == v->rank)
            return i == rank && j == v->rank;
        if (dim[i++] != v->dim[j++])
            return 0;
    }
}

static int ds_ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* 1: the same axes in another order, as [28, 28, 3] for [3, 28, 28]. */
static int ds_other_order(int rank, const int64_t *dim, const nnrt_value *v)
{
    int64_t a[NNRT_RANK], b[NNRT_RANK];
    if (rank != v->rank || rank < 1)
        return 0;
    memcpy(a, dim, (size_t)rank * sizeof *a);
    memcpy(b, v->dim, (size_t)rank * sizeof *b);
    qsort(a, (size_t)rank, sizeof *a, ds_ascending);
    qsort(b, (size_t)rank, sizeof *b, ds_ascending);
    return memcmp(a, b, (size_t)rank * sizeof *a) == 0;
}

static int ds_check_shape(const nnrt_read *o, int input)
{
    const nnrt_array *a = &o->d->columns[input];
    const nnrt_value *v = &o->d->model->inputs[input];
    char want[128], have[128];
    if (a->rank < 1)
        return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                         "%s: expected samples on the first axis for '%s', found a single number",
                         o->d->names[input], v->name);
    int flat = a->rank == 2 && a->dim[1] == v->count; /* a row of numbers feeds any shape */
    if (flat || ds_same_shape(a->rank - 1, a->dim + 1, v))
        return NNRT_OK;
    ds_shape_text(v->rank, v->dim, want, sizeof want);
    ds_shape_text(a->rank - 1, a->dim + 1, have, sizeof have);
    if (ds_other_order(a->rank - 1, a->dim + 1, v))
        return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                         "%s: expected samples of shape %s for '%s', found %s: store the axes in "
                         "the input's order (images: channels, rows, columns)",
                         o->d->names[input], want, v->name, have);
    return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                     "%s: expected samples of shape %s for '%s', found %s: where the file is "
                     "right, the model's input wants shape: %s",
                     o->d->names[input], want, v->name, have, have);
}

int nnrt_dataset_has(const nnrt_dataset *d, int input)
{
    return d->columns[input].data || d->columns[input].lazy.sample;
}

static int ds_check_counts(const nnrt_read *o)
{
    nnrt_dataset *d = o->d;
    int first = -1;
    for (int i = 0; i < d->model->n_inputs; i++) {
        if (!nnrt_dataset_has(d, i))
            continue;
        int64_t n = d->columns[i].dim[0];
        if (n == 0)
            return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                             "%s: expected one sample or more, found none", d->names[i]);
        if (first >= 0 && n != d->n)
            return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                             "%s: expected %lld samples for '%s', as '%s' has (%s), found %lld",
                             d->names[i], (long long)d->n, d->model->inputs[i].name,
                             d->model->inputs[first].name, d->names[first], (long long)n);
        if (first < 0)
            first = i, d->n = n;
    }
    return NNRT_OK;
}

/* The bits of the value as a float, without its sign: no compiler option can change what they mean. */
static uint32_t ds_bits(double value)
{
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return bits & 0x7FFFFFFFu;
}

/* 1: not a number, by its bits. */
static int ds_is_nan(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7FFFFFFFFFFFFFFFu) > 0x7FF0000000000000u;
}

/* 1: an integer in low..high. */
static int ds_integer(double value, int64_t low, int64_t high)
{
    return value >= (double)low && value <= (double)high && value == (double)(int64_t)value;
}

int nnrt_value_good(const nnrt_value *v, double value)
{
    int64_t low = v->dtype == NNRT_U8 ? 0 : INT32_MIN, high = v->dtype == NNRT_U8 ? 255 : INT32_MAX;
    uint32_t bits = ds_bits(value), infinity = 0x7F800000u;
    if (bits >= infinity)
        return bits > infinity && v->may_miss;
    if (v->dtype != NNRT_F32 && !ds_integer(value, low, high))
        return 0;
    if (v->classes <= 0)
        return 1;
    return ds_integer(value, 0, v->classes - 1) || (v->has_ignore && value == (double)v->ignore);
}

void nnrt_value_expected(const nnrt_value *v, char *text, size_t size)
{
    if (v->classes > 0 && v->has_ignore)
        snprintf(text, size, "an integer from 0 to %lld, or %lld", (long long)v->classes - 1,
                 (long long)v->ignore);
    else if (v->classes > 0)
        snprintf(text, size, "an integer from 0 to %lld", (long long)v->classes - 1);
    else if (v->dtype == NNRT_F32)
        snprintf(text, size, "a finite number that a 32-bit float can hold");
    else
        snprintf(text, size, "an integer from %s",
                 v->dtype == NNRT_U8 ? "0 to 255" : "-2^31 to 2^31 - 1");
}

/* " at [0, 3, 4]", the place in a sample; nothing where a sample is one number. */
static void ds_position(const nnrt_value *v, int64_t at, char *text, size_t size)
{
    int64_t index[NNRT_RANK];
    text[0] = 0;
    if (v->count == 1 || size < 5)
        return;
    for (int i = v->rank - 1; i >= 0; i--) {
        index[i] = at % v->dim[i];
        at /= v->dim[i];
    }
    memcpy(text, " at ", 4);
    ds_shape_text(v->rank, index, text + 4, size - 4);
}

/* Number k of sample i, which lies at `at` in the array, is not what the input takes. */
static int ds_bad_value(const nnrt_read *o, int input, int64_t i, int64_t k, int64_t at)
{
    const nnrt_value *v = &o->d->model->inputs[input];
    const nnrt_array *a = &o->d->columns[input];
    char expected[96], position[128];
    nnrt_value_expected(v, expected, sizeof expected);
    ds_position(v, k, position, sizeof position);
    return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                     "%s: sample %lld (from 0)%s: expected %s for '%s', found %.9g",
                     o->d->names[input], (long long)(a->first + i), position, expected, v->name,
                     nnrt_array_number(a, (size_t)at));
}

/* 1: no number of this type can be wrong for the input. */
static int ds_always_good(nnrt_array_type type, const nnrt_value *v)
{
    if (v->classes > 0)
        return 0;
    if (type == NNRT_ARRAY_U8 || type == NNRT_ARRAY_BOOL)
        return 1;
    return v->dtype == NNRT_F32 && type <= NNRT_ARRAY_I64;
}

/* Number by number, each sample's `step` behind those of the one before. */
static int ds_check_sample(const nnrt_read *o, int input, int64_t i, int64_t step)
{
    const nnrt_array *a = &o->d->columns[input];
    const nnrt_value *v = &o->d->model->inputs[input];
    for (int64_t k = 0; k < v->count; k++) {
        double value = nnrt_array_number(a, (size_t)(i * step + k));
        if (!nnrt_value_good(v, value) && !(a->gaps && ds_is_nan(value)))
            return nnrt_skip(o, i, ds_bad_value(o, input, i, k, i * step + k));
    }
    return NNRT_OK;
}

static int ds_check_values(const nnrt_read *o, int input)
{
    const nnrt_array *a = &o->d->columns[input];
    const nnrt_value *v = &o->d->model->inputs[input];
    if (ds_always_good(a->type, v))
        return NNRT_OK;
    if (a->lazy.sample) /* looked at when it is read */
        return NNRT_OK;
    if (a->step && !a->mapped) /* windows, whose reader has checked what they show */
        return NNRT_OK;
    int64_t step = a->step ? a->step : v->count, item = (int64_t)nnrt_array_item(a->type);
    for (int64_t i = 0, passed = 0; i < a->dim[0]; i++) {
        int status = ds_check_sample(o, input, i, step);
        if (status)
            return status;
        if ((i - passed) * step * item < DS_PASS) /* a file larger than memory goes through it */
            continue;
        nnrt_array_pass(a, (const unsigned char *)a->data + i * step * item);
        passed = i;
    }
    return NNRT_OK;
}

static int ds_check(const nnrt_read *o)
{
    nnrt_dataset *d = o->d;
    for (int i = 0; i < d->model->n_inputs; i++)
        if (nnrt_read_needs(o, i) && !nnrt_dataset_has(d, i)) {
            char list[200];
            ds_list(d->model, list, sizeof list);
            return nnrt_fail(o->fault, NNRT_BAD_CALL,
                             "no data for the input '%s' (give %s=FILE; the inputs are %s)",
                             d->model->inputs[i].name, d->model->inputs[i].name, list);
        }
    int status = NNRT_OK;
    for (int i = 0; i < d->model->n_inputs && !status; i++)
        if (nnrt_dataset_has(d, i))
            status = ds_check_shape(o, i);
    if (!status)
        status = ds_check_counts(o);
    for (int i = 0; i < d->model->n_inputs && !status; i++)
        if (d->columns[i].data)
            status = ds_check_values(o, i);
    return status ? status : nnrt_skips_apply(o);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The input that a column feeds, if it is one, needed and not fed yet; -1: leave the column; a
 * status in *status where the source is wrong. */
static int ds_column_input(const nnrt_read *o, const nnrt_column *c, int *status)
{
    int input = ds_input(o->d->model, c->input, strlen(c->input));
    *status = NNRT_OK;
    if (input < 0)
        *status = nnrt_fail(o->fault, NNRT_BAD_CALL, "data for '%s', which is no input", c->input);
    else if (o->d->names[input])
        *status = nnrt_fail(o->fault, NNRT_BAD_CALL, "data for the input '%s' twice", c->input);
    return input < 0 || *status || !nnrt_read_needs(o, input) ? -1 : input;
}

/* idx, npy: a file an input; npz: a member an input. */
static int ds_read_column(const nnrt_read *o, const nnrt_source *s, const nnrt_column *c)
{
    int status, input = ds_column_input(o, c, &status);
    if (input < 0)
        return status;
    char *path = nnrt_path_join(o->dir, s->kind == NNRT_SOURCE_NPZ ? s->file : c->file);
    if (!path)
        return ds_no_memory(o);
    nnrt_array *out = &o->d->columns[input];
    o->d->names[input] = path;
    switch (s->kind) {
    case NNRT_SOURCE_IDX: return nnrt_idx_read(path, out, o->fault);
    case NNRT_SOURCE_NPY: return nnrt_npy_read(path, out, o->fault);
    default: return nnrt_npz_read(path, c->file ? c->file : c->input, 0, out, o->fault);
    }
}

static int ds_read_columns(const nnrt_read *o, const nnrt_source *s)
{
    for (int i = 0; i < s->n_columns; i++) {
        int status = ds_read_column(o, s, &s->columns[i]);
        if (status)
            return status;
    }
    return NNRT_OK;
}

/* The samples of a source's `rows`, of each column that it has filled. */
static int ds_choose_rows(const nnrt_read *o, const nnrt_source *s)
{
    for (int i = 0; s->rows_end && i < s->n_columns; i++) {
        int input = nnrt_read_input(o, s->columns[i].input);
        nnrt_array *a = &o->d->columns[input];
        if (!a->data || a->rank < 1)
            continue;
        int64_t n = a->dim[0], all = nnrt_array_count(a->rank, a->dim);
        if (s->rows_end > n)
            return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                             "%s: rows %lld to %lld are wanted, and there are %lld",
                             o->d->names[input], (long long)s->rows_from,
                             (long long)s->rows_end - 1, (long long)n);
        int64_t step = a->step ? a->step : all / n;
        a->data =
            (unsigned char *)a->data + s->rows_from * step * (int64_t)nnrt_array_item(a->type);
        a->dim[0] = s->rows_end - s->rows_from;
        a->first = s->rows_from;
    }
    return NNRT_OK;
}

/* records, csv: all columns from one file, or several of records, called `name` in errors. A csv
 * column that nobody needs is not looked at; bytes of a record have their place, needed or not. */
static int ds_read_table(const nnrt_read *o, const nnrt_source *s, int n_paths,
                         const char *const *paths, const char *name)
{
    size_t n = (size_t)s->n_columns + 1;
    nnrt_column *columns = calloc(n, sizeof *columns);
    nnrt_array *arrays = calloc(n, sizeof *arrays);
    int *inputs = calloc(n, sizeof *inputs), kept = 0;
    int status = columns && arrays && inputs ? NNRT_OK : ds_no_memory(o);
    for (int i = 0; i < s->n_columns && !status; i++) {
        int input = ds_column_input(o, &s->columns[i], &status);
        if (input >= 0 && !(o->d->names[input] = strdup(name)))
            status = ds_no_memory(o);
        if (input < 0 && s->kind == NNRT_SOURCE_CSV)
            continue;
        inputs[kept] = input;
        columns[kept++] = s->columns[i];
    }
    nnrt_source less = *s;
    less.columns = columns;
    less.n_columns = kept;
    if (!status)
        status = s->kind == NNRT_SOURCE_CSV
                     ? nnrt_csv_read(o, paths[0], &less, arrays, o->fault)
                     : nnrt_records_read(n_paths, paths, kept, columns, arrays, o->fault);
    for (int i = 0; i < kept && !status; i++) {
        if (inputs[i] >= 0)
            o->d->columns[inputs[i]] = arrays[i];
        else
            nnrt_array_free(&arrays[i]);
    }
    free(columns);
    free(arrays);
    free(inputs);
    return status;
}

/* "generator loans": `what` and its name, which stand for a file's name. */
static char *ds_generator_name(const char *what, const nnrt_source *s)
{
    size_t size = strlen(what) + strlen(s->generator) + 2;
    char *name = malloc(size);
    if (name)
        snprintf(name, size, "%s %s", what, s->generator);
    return name;
}

/* The same, of the source's file or files; or of a made-up table. */
static int ds_read_tables(const nnrt_read *o, const nnrt_source *s)
{
    int n = s->n_files ? s->n_files : 1;
    const char *const *files = s->n_files ? s->files : &s->file;
    char **paths = calloc((size_t)n, sizeof *paths), name[NNRT_ERROR_SIZE / 2];
    int status = paths ? NNRT_OK : ds_no_memory(o);
    for (int i = 0; i < n && !status; i++)
        if (!(paths[i] = s->generator ? ds_generator_name("generator", s)
                                      : nnrt_path_join(o->dir, files[i])))
            status = ds_no_memory(o);
    if (!status && n > 1)
        snprintf(name, sizeof name, "%s and %d more", paths[0], n - 1);
    if (!status)
        status = ds_read_table(o, s, n, (const char *const *)paths, n > 1 ? name : paths[0]);
    for (int i = 0; paths && i < n; i++)
        free(paths[i]);
    free(paths);
    return status;
}

static int ds_read_synthetic(const nnrt_read *o, const nnrt_source *s)
{
    int status = nnrt_synthetic_make(s, o->d->model, o->d->columns, o->fault);
    for (int i = 0; i < o->d->model->n_inputs && !status; i++) {
        o->d->names[i] = ds_generator_name("synthetic", s);
        if (!o->d->names[i])
            return ds_no_memory(o);
        if (!nnrt_read_needs(o, i))
            nnrt_array_free(&o->d->columns[i]);
    }
    return status;
}

static int ds_read_whole(const nnrt_read *o, const nnrt_source *s)
{
    if (s->kind == NNRT_SOURCE_CSV && s->stride)
        return nnrt_series_read(o, s);
    switch (s->kind) {
    case NNRT_SOURCE_NONE:
        return nnrt_fail(o->fault, NNRT_BAD_CALL,
                         "no data: the model file names none for this, and no file was given");
    case NNRT_SOURCE_IDX:
    case NNRT_SOURCE_NPY:
    case NNRT_SOURCE_NPZ: return ds_read_columns(o, s);
    case NNRT_SOURCE_RECORDS:
    case NNRT_SOURCE_CSV: return ds_read_tables(o, s);
    case NNRT_SOURCE_SYNTHETIC: return ds_read_synthetic(o, s);
    case NNRT_SOURCE_TEXT:
        if (o->d->model->text)
            return o->d->model->text->source(o, s);
        break;
    case NNRT_SOURCE_SOUND:
        if (o->d->model->sound)
            return o->d->model->sound->source(o, s);
        break;
    case NNRT_SOURCE_IMAGES:
        if (o->d->model->images)
            return o->d->model->images->source(o, s);
        break;
    }
    return nnrt_fail(o->fault, NNRT_BUG, "a data source of unknown kind %d", (int)s->kind);
}

static int ds_read_source(const nnrt_read *o, const nnrt_source *s)
{
    int status = ds_read_whole(o, s);
    if (!status)
        status = ds_choose_rows(o, s);
    return status ? status : nnrt_negatives_make(o, s);
}

/* Checks what was read; whatever fails, nothing is left. */
static int ds_end(nnrt_read *o, int status)
{
    if (!status)
        status = ds_check(o);
    if (o->skips)
        free(o->skips->flags);
    if (status)
        nnrt_dataset_close(o->d);
    return status;
}

int nnrt_dataset_open(nnrt_dataset *d, const nnrt_model *m, const nnrt_source *s, const char *dir,
                      const unsigned char *need, nnrt_meta *meta, nnrt_fault *fault)
{
    nnrt_read o;
    nnrt_skips skips = {0};
    int status = ds_begin(&o, d, m, dir, need, meta, fault);
    o.skips = meta && meta->keep_going ? &skips : NULL;
    return ds_end(&o, status ? status : ds_read_source(&o, s));
}

/* Clips, by the endings of files that libsndfile or nncc reads, and folders of them. */
static int ds_is_sound(const char *path)
{
    static const char *const endings[] = {".wav", ".flac", ".ogg", ".aiff", ".au"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (nnrt_path_ends(path, endings[i]))
            return 1;
    return 0;
}

static int ds_is_image(const char *path)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (nnrt_path_ends(path, endings[i]))
            return 1;
    return 0;
}

static int ds_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether a file holds a line a text: by its ending, and in a model of texts where that says nothing (test.en). */
static int ds_is_text(const nnrt_model *m, int input, const char *path)
{
    static const char *const others[] = {".npy", ".npz", ".csv", ".tsv", ".idx", "-ubyte"};
    const nnrt_value *v = &m->inputs[input];
    if (nnrt_path_ends(path, ".txt") || strncmp(path, "text:", 5) == 0)
        return 1;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (nnrt_path_ends(path, others[i]))
            return 0;
    return m->text && m->data_train.kind == NNRT_SOURCE_TEXT && v->classes > 0 && v->rank > 0;
}

/* Reads images, texts (a line each) or clips for an input. -1: the file is none of these. */
static int ds_read_by_reader(const nnrt_read *o, int input, const char *path,
                             const nnrt_source *like)
{
    const nnrt_model *m = o->d->model;
    int folder = ds_is_folder(path);
    int sound = (folder || ds_is_sound(path)) && m->sound != NULL;
    if (m->images && (ds_is_image(path) || (folder && !sound)))
        return m->images->file(o, input, path, like);
    if (ds_is_image(path))
        return nnrt_fail(o->fault, NNRT_BAD_CALL,
                         "%s: the model file names no source of images, so this program reads none",
                         path);
    if (!sound && !ds_is_text(m, input, path))
        return -1;
    const nnrt_reader *reader = sound ? m->sound : m->text;
    if (!reader)
        return nnrt_fail(o->fault, NNRT_BAD_CALL,
                         "%s: the model file names no source of text, so this program reads none",
                         path);
    return reader->file(o, input, path, like);
}

/* One file for one input, by the file's ending. */
static int ds_read_file(const nnrt_read *o, int input, const char *file, const nnrt_source *like)
{
    const nnrt_value *v = &o->d->model->inputs[input];
    nnrt_array *out = &o->d->columns[input];
    int literal = strncmp(file, "text:", 5) == 0;
    char *path = literal ? strdup(file) : nnrt_path_join(o->dir, file);
    if (!path)
        return ds_no_memory(o);
    o->d->names[input] = path;
    if (!nnrt_read_needs(o, input))
        return NNRT_OK;
    if (nnrt_path_ends(path, ".npy"))
        return nnrt_npy_read(path, out, o->fault);
    if (nnrt_path_ends(path, ".npz"))
        return nnrt_npz_read(path, v->name, 1, out, o->fault);
    int status = ds_read_by_reader(o, input, path, like);
    if (status >= 0)
        return status;
    if (nnrt_path_ends(path, ".csv") || nnrt_path_ends(path, ".tsv"))
        return nnrt_csv_read_input(o, path, v, like, out, o->fault);
    return nnrt_idx_read(path, out, o->fault);
}

/* One bare FILE: the same table as `like`, elsewhere. */
static int ds_read_bare(const nnrt_read *o, int n, const char *file, const nnrt_source *like)
{
    int pairs = like && ((like->text && like->text->is_pairs) ||
                         (like->images && like->images->masks)); /* of two files, or folders */
    int table = like && !pairs &&
                (like->kind == NNRT_SOURCE_CSV || like->kind == NNRT_SOURCE_NPZ ||
                 like->kind == NNRT_SOURCE_RECORDS || like->kind == NNRT_SOURCE_TEXT ||
                 like->kind == NNRT_SOURCE_SOUND || like->kind == NNRT_SOURCE_IMAGES);
    char list[200];
    ds_list(o->d->model, list, sizeof list);
    if (!table)
        return nnrt_fail(o->fault, NNRT_BAD_CALL,
                         "expected NAME=FILE with one of the inputs %s, found '%s'", list, file);
    if (n != 1)
        return nnrt_fail(
            o->fault, NNRT_BAD_CALL,
            "expected one file, or NAME=FILE once an input (%s), found '%s' among others", list,
            file);
    nnrt_source other = *like;
    other.file = file;
    other.n_files = 0;
    other.generator = NULL;
    other.n_where = 0;  /* all of its rows */
    other.rows_end = 0; /* all of its samples */
    nnrt_images images = {NNRT_RESIZE_NONE, NULL, 0, NULL, NULL};
    if (like->images) {
        images.resize = like->images->resize;
        images.path = like->images->path;
    }
    other.images = like->images ? &images : NULL;
    return ds_read_source(o, &other);
}

const char *nnrt_data_named(const char *arg)
{
    const char *equals = strchr(arg, '='), *slash = strchr(arg, '/');
    return equals && !(slash && slash < equals) ? equals + 1 : NULL;
}

static int ds_read_arg(const nnrt_read *o, int n, const char *arg, const nnrt_source *like)
{
    const char *file = nnrt_data_named(arg);
    if (!file)
        return ds_read_bare(o, n, arg, like);
    int size = (int)(file - arg - 1), input = ds_input(o->d->model, arg, (size_t)size);
    char list[200];
    ds_list(o->d->model, list, sizeof list);
    if (input < 0)
        return nnrt_fail(o->fault, NNRT_BAD_CALL, "'%.*s' is no input: expected one of %s", size,
                         arg, list);
    if (o->d->names[input])
        return nnrt_fail(o->fault, NNRT_BAD_CALL,
                         "data for '%.*s' twice: expected each of the inputs %s once", size, arg,
                         list);
    if (!*file)
        return nnrt_fail(o->fault, NNRT_BAD_CALL, "expected a file after '%s'", arg);
    return ds_read_file(o, input, file, like);
}

int nnrt_dataset_args(nnrt_dataset *d, const nnrt_model *m, int n, char **args,
                      const nnrt_source *like, const char *dir, const unsigned char *need,
                      nnrt_meta *meta, nnrt_fault *fault)
{
    nnrt_read o;
    nnrt_skips skips = {0};
    int status = ds_begin(&o, d, m, dir, need, meta, fault);
    o.skips = meta && meta->keep_going ? &skips : NULL;
    for (int i = 0; i < n && !status; i++)
        status = ds_read_arg(&o, n, args[i], like);
    return ds_end(&o, status);
}
