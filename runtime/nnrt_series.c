/* SPDX-License-Identifier: MIT */
/* nnrt_series.c: tables whose rows follow each other in time, as windows of rows and the rows behind
 * each; and a made-up one, in integers, so that every machine has the same. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

/* --- made up ---------------------------------------------------------------------------------- */

/* A swing that noise keeps going, in thousandths: each value follows from the two before it and from
 * noise of a standard deviation of 1, so that no forecast of the next is better than that. */
static void series_waves(uint64_t seed, int64_t rows, double *out)
{
    enum { NOISE = 1732 }; /* sqrt(3) */
    uint64_t r = seed;
    int64_t last = 0, before = 0;
    nnrt_synth_next(&r);
    for (int64_t i = -200; i < rows; i++) { /* the first ones remember the start */
        int64_t value = (1800 * last - 950 * before) / 1000 + nnrt_synth_range(&r, -NOISE, NOISE);
        before = last;
        last = value;
        if (i >= 0)
            out[i] = (double)value / 1000 + 100;
    }
}

/* --- windows ---------------------------------------------------------------------------------- */

/* All rows, [rows, columns], under a name for errors. */
static int series_rows(const nnrt_read *r, const nnrt_source *s, nnrt_array *out, char *name,
                       size_t size)
{
    if (s->generator) {
        snprintf(name, size, "generator %s", s->generator);
        int status = nnrt_array_make(name, NNRT_ARRAY_F64, 1, &s->count, out, r->fault);
        if (!status)
            series_waves(s->seed, s->count, out->data);
        return status;
    }
    char *path = nnrt_path_join(r->dir, s->file);
    if (!path)
        return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory for its name", s->file);
    snprintf(name, size, "%s", path);
    nnrt_source one = *s;
    one.n_columns = 1;
    int status = nnrt_csv_read(NULL, path, &one, out, r->fault);
    free(path);
    return status;
}

/* Numbers that a float cannot hold. */
static int series_check(const nnrt_read *r, const char *name, const nnrt_array *rows, int columns)
{
    const double *at = rows->data;
    for (int64_t i = 0; i < rows->dim[0] * columns; i++)
        if (fabs(at[i]) > 3.4028234e38)
            return nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                             "%s: row %lld (from 0): expected a finite number that a 32-bit float "
                             "can hold, found %.9g",
                             name, (long long)(i / columns), at[i]);
    return NNRT_OK;
}

/* Input k's column of windows; the first that is needed takes the rows over. */
static int series_column(const nnrt_read *r, const nnrt_source *s, int k, int64_t n, int64_t skip,
                         const char *name, nnrt_array *rows)
{
    int input = nnrt_read_input(r, s->columns[k].input);
    if (!nnrt_read_needs(r, input))
        return NNRT_OK;
    r->d->columns[input] = (nnrt_array){.type = NNRT_ARRAY_F64,
                                        .rank = 2,
                                        .dim = {n, r->d->model->inputs[input].count},
                                        .data = (double *)rows->data + skip,
                                        .owned = rows->owned,
                                        .step = s->stride * s->columns[0].n_names};
    rows->owned = NULL;
    return nnrt_read_name(r, input, name);
}

int nnrt_series_read(const nnrt_read *r, const nnrt_source *s)
{
    const nnrt_value *inputs = r->d->model->inputs;
    int columns = s->columns[0].n_names, in = nnrt_read_input(r, s->columns[0].input);
    int64_t before = inputs[in].count / columns;
    int64_t ahead = inputs[nnrt_read_input(r, s->columns[1].input)].count / columns;
    char name[NNRT_ERROR_SIZE / 2];
    nnrt_array rows = {0};
    int status = series_rows(r, s, &rows, name, sizeof name);
    if (!status)
        status = series_check(r, name, &rows, columns);
    if (!status && rows.dim[0] < before + ahead)
        status = nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                           "%s: %lld rows; a window of %lld and the %lld after it need %lld", name,
                           (long long)rows.dim[0], (long long)before, (long long)ahead,
                           (long long)(before + ahead));
    if (!status) {
        int64_t n = (rows.dim[0] - before - ahead) / s->stride + 1;
        r->d->tokens = rows.dim[0];
        r->d->window = before + ahead - 1;
        r->d->stride = s->stride;
        r->d->before = before;
        r->d->counted = ahead;
        status = series_column(r, s, 0, n, 0, name, &rows);
        if (!status)
            status = series_column(r, s, 1, n, before * columns, name, &rows);
    }
    nnrt_array_free(&rows);
    return status;
}
