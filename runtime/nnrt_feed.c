/* SPDX-License-Identifier: MIT */
/* nnrt_feed.c: batches of a set in the model's buffers, the order of samples, a pass over a set. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_rand.h"

/* Streams of random numbers that no layer has. */
#define FEED_STREAM_SHUFFLE 0xFFFFFFFFu
#define FEED_STREAM_SPLIT   0xFFFFFFFEu

size_t nnrt_feed_bytes(const nnrt_value *v, int64_t rows)
{
    return (size_t)rows * (size_t)v->count * (v->dtype == NNRT_U8 ? 1 : 4);
}

int nnrt_feed_open(nnrt_feed *f, const nnrt_model *model, nnrt_fault *fault)
{
    *f = (nnrt_feed){.model = model, .in = calloc((size_t)model->n_inputs + 1, sizeof *f->in)};
    f->own = f->in;
    int ok = f->in != NULL;
    for (int i = 0; ok && i < model->n_inputs; i++) {
        size_t size = nnrt_feed_bytes(&model->inputs[i], model->batch);
        size = (size / NNRT_ALIGN + 1) * NNRT_ALIGN;
        f->in[i] = aligned_alloc(NNRT_ALIGN, size);
        ok = f->in[i] != NULL;
        if (ok)
            memset(f->in[i], 0, size);
    }
    if (ok)
        return 0;
    nnrt_feed_close(f);
    return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a batch");
}

void nnrt_feed_close(nnrt_feed *f)
{
    nnrt_loader_close(f->loader);
    for (int i = 0; f->own && i < f->model->n_inputs; i++)
        free(f->own[i]);
    free(f->own);
    f->in = f->own = NULL;
    f->loader = NULL;
}

int nnrt_feed_begin(nnrt_feed *f, const nnrt_loading *job, nnrt_fault *fault)
{
    int status = f->loader ? NNRT_OK : nnrt_loader_open(&f->loader, f->model, fault);
    if (status)
        return status;
    nnrt_loader_end(f->loader);
    return nnrt_loader_begin(f->loader, job, fault);
}

int nnrt_feed_next(nnrt_feed *f, int *n, nnrt_fault *fault)
{
    void **in = f->own;
    int status = nnrt_loader_next(f->loader, n, &in, fault);
    f->in = in;
    return status;
}

void nnrt_feed_end(nnrt_feed *f)
{
    if (f->loader)
        nnrt_loader_end(f->loader);
    f->in = f->own;
}

int nnrt_rows_all(nnrt_rows *rows, int64_t n, nnrt_fault *fault)
{
    *rows = (nnrt_rows){n, malloc(((size_t)n + 1) * sizeof *rows->at)};
    if (!rows->at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the order of %lld samples",
                         (long long)n);
    for (int64_t i = 0; i < n; i++)
        rows->at[i] = i;
    return 0;
}

/* Fisher and Yates, each draw a function of its place. A set has fewer than 2^32 samples. */
static void feed_permute(int64_t *at, int64_t n, nnrt_rand_key k)
{
    for (int64_t i = n - 1; i > 0; i--) {
        uint64_t draw = nnrt_rand_bits(k, (uint64_t)i);
        int64_t j = (int64_t)(draw * (uint64_t)(i + 1) >> 32);
        int64_t kept = at[i];
        at[i] = at[j];
        at[j] = kept;
    }
}

void nnrt_rows_permute(nnrt_rows *rows, uint64_t seed, uint32_t stream)
{
    feed_permute(rows->at, rows->n, nnrt_rand_key_of(seed, 0, stream));
}

void nnrt_rows_shuffle(const nnrt_rows *rows, uint64_t seed, int64_t epoch, int64_t *order)
{
    memcpy(order, rows->at, (size_t)rows->n * sizeof *order);
    feed_permute(order, rows->n, nnrt_rand_key_of(seed, (uint64_t)epoch, FEED_STREAM_SHUFFLE));
}

void nnrt_rows_batchify(const nnrt_rows *rows, int batch, int64_t *order)
{
    int64_t whole = rows->n / batch, longer = rows->n % batch;
    for (int64_t at = 0; at < rows->n; at++) {
        int64_t run = at % batch, first = run * whole + (run < longer ? run : longer);
        order[at] = rows->at[first + at / batch];
    }
}

static int feed_ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int nnrt_rows_split(nnrt_rows *train, nnrt_rows *validation, double share, uint64_t seed,
                    nnrt_fault *fault)
{
    int64_t n = train->n, kept = (int64_t)floor((double)n * share + 1e-6);
    if (kept < 1 && n > 1 && share > 0)
        kept = 1;
    if (kept < 1 || kept >= n)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "a share of %g of %lld samples cannot be kept for validation", share,
                         (long long)n);
    int64_t *part = malloc((size_t)kept * sizeof *part);
    if (!part)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the order of %lld samples",
                         (long long)n);
    feed_permute(train->at, n, nnrt_rand_key_of(seed, 0, FEED_STREAM_SPLIT));
    train->n = n - kept;
    memcpy(part, train->at + train->n, (size_t)kept * sizeof *part);
    validation->n = kept;
    validation->at = part;
    qsort(train->at, (size_t)train->n, sizeof *train->at, feed_ascending);
    qsort(part, (size_t)kept, sizeof *part, feed_ascending);
    return 0;
}

/* Windows that end before the last share of the text's tokens (the series' rows) are for training; of
 * the others, as many as do not overlap are kept, so that each token counts once. */
static int feed_split_windows(const nnrt_dataset *d, double share, nnrt_rows *train,
                              nnrt_rows *validation, nnrt_fault *fault)
{
    int64_t cut = d->tokens - (int64_t)floor((double)d->tokens * share + 1e-6);
    int64_t begin = cut > d->before ? cut - d->before : 0;
    int64_t first = (begin + d->stride - 1) / d->stride, apart = (d->counted - 1) / d->stride + 1;
    int64_t last = (cut - 1 - d->window) / d->stride;
    int64_t kept = first < d->n ? (d->n - 1 - first) / apart + 1 : 0;
    if (kept < 1 || cut <= d->window)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "a share of %g of %lld %s, in windows of %lld, cannot be kept for "
                         "validation",
                         share, (long long)d->tokens, d->before ? "rows" : "tokens",
                         (long long)d->window);
    *validation = (nnrt_rows){kept, malloc((size_t)kept * sizeof *validation->at)};
    if (!validation->at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the order of %lld samples",
                         (long long)kept);
    for (int64_t i = 0; i < kept; i++)
        validation->at[i] = first + i * apart;
    train->n = last + 1;
    return 0;
}

int nnrt_data_split(const nnrt_dataset *d, nnrt_rows *train, nnrt_rows *validation,
                    nnrt_fault *fault)
{
    const nnrt_train *t = &d->model->train;
    if (d->window)
        return feed_split_windows(d, t->validation_split, train, validation, fault);
    return nnrt_rows_split(train, validation, t->validation_split, t->seed, fault);
}

static int feed_not_finite(const nnrt_instance *m, int64_t at, int n, double loss,
                           nnrt_fault *fault)
{
    int var = nnrt_first_not_finite(m);
    return nnrt_fail(fault, NNRT_NOT_FINITE, "the loss of samples %lld to %lld is %g%s%s",
                     (long long)at, (long long)(at + n - 1), isnan(loss) ? fabs(loss) : loss,
                     var < 0 ? "" : "; the first weight that is not finite: ",
                     var < 0 ? "" : m->model->vars[var].name);
}

static int feed_score(nnrt_feed *f, nnrt_instance *m, const nnrt_dataset *data,
                      const nnrt_rows *rows, nnrt_score *score, nnrt_fault *fault)
{
    const nnrt_model *model = f->model;
    const int64_t calls = m->calls;
    float *const *kept = m->metric_kept;
    const int64_t batches = (rows->n + model->batch - 1) / model->batch;
    const nnrt_loading job = {.data = data, .order = rows->at, .n = rows->n};
    int n, status = nnrt_feed_begin(f, &job, fault);
    nnrt_score_clear(score);
    for (int64_t at = 0; at < rows->n && !status; at += n) {
        if (f->progress)
            nnrt_progress_validation(f->progress, at / model->batch, batches);
        status = nnrt_feed_next(f, &n, fault);
        if (status)
            break;
        nnrt_score_aim(score, n, m);
        m->calls = -1 - at; /* random numbers: of no step, and the same whenever the set is taken */
        float loss = model->eval(m, n, (const void *const *)f->in, score->sums);
        if (!isfinite(loss))
            status = feed_not_finite(m, at, n, (double)loss, fault);
        nnrt_score_add(score, (double)loss, n);
    }
    nnrt_feed_end(f);
    m->calls = calls;
    m->metric_kept = kept;
    return status;
}

int nnrt_feed_score(nnrt_feed *f, nnrt_instance *m, const nnrt_dataset *data, const nnrt_rows *rows,
                    nnrt_score *score, nnrt_fault *fault)
{
    const nnrt_model *model = f->model;
    const size_t bytes = model->carried_bytes;
    nnrt_rows ordered = *rows;
    unsigned char *carried = malloc(bytes + 1), *at = m->vars + model->carried_at;
    int64_t *order = model->train.batchify ? malloc(((size_t)rows->n + 1) * sizeof *order) : NULL;
    int status = NNRT_NO_MEMORY;
    if (order) {
        nnrt_rows_batchify(rows, model->batch, order);
        ordered.at = order;
    }
    if (carried && (order || !model->train.batchify)) { /* training goes on with what it carries */
        memcpy(carried, at, bytes);
        nnrt_reset(m);
        status = feed_score(f, m, data, &ordered, score, fault);
        memcpy(at, carried, bytes);
    } else {
        nnrt_fail(fault, status, "no memory for the order of %lld samples", (long long)rows->n);
    }
    free(carried);
    free(order);
    return status;
}
