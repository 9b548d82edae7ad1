/* SPDX-License-Identifier: MIT */
/* nnrt_drawing.c: any number of samples, in batches.
 *
 * All batches are whole, what is left over is thrown away: sample i is then the same whatever number is asked for, as
 * are its bits, which may depend on how many samples a call makes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* Between the seeds of two batches: seeds that users choose are not so far apart. */
#define DRAWING_APART UINT64_C(0x9E3779B97F4A7C15)

int nnrt_drawing_open(nnrt_drawing *d, const nnrt_model *model, nnrt_fault *fault)
{
    d->model = model;
    d->rows = malloc((size_t)model->batch * sizeof *d->rows);
    d->out = calloc((size_t)model->n_samples + 1, sizeof *d->out);
    int status = nnrt_feed_open(&d->feed, model, fault), ok = d->rows && d->out;
    for (int i = 0; ok && i < model->n_samples; i++) {
        d->out[i] = malloc((size_t)(model->samples[i].count * model->batch) * sizeof **d->out + 1);
        ok = d->out[i] != NULL;
    }
    return status || ok ? status : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for samples");
}

void nnrt_drawing_close(nnrt_drawing *d)
{
    for (int i = 0; d->out && i < d->model->n_samples; i++)
        free(d->out[i]);
    free(d->out);
    free(d->rows);
    nnrt_feed_close(&d->feed);
    nnrt_dataset_close(&d->data);
}

int nnrt_drawing_in_turn(const nnrt_value *v)
{
    return v->classes > 0 && v->count == 1 && v->dtype == NNRT_I32;
}

int64_t nnrt_drawing_columns(const nnrt_model *model, const unsigned char *given)
{
    enum { MOST = 32 };
    int64_t columns = 0;
    for (int k = 0; k < model->n_inputs; k++) {
        if (!model->inputs[k].in_sample)
            continue;
        if (columns || given[k] || model->inputs[k].classes > MOST)
            return 0;
        columns = model->inputs[k].classes;
    }
    return columns;
}

/* Fills the inputs of samples `first` and on. */
static int drawing_inputs(nnrt_drawing *d, int64_t first, nnrt_fault *fault)
{
    const nnrt_model *model = d->model;
    for (int r = 0; r < model->batch; r++)
        d->rows[r] = d->of           ? d->of->at[(first + r) % d->of->n]
                     : d->data.n > 0 ? (first + r) % d->data.n
                                     : 0;
    int status =
        d->data.n > 0 ? nnrt_dataset_batch(&d->data, d->rows, model->batch, d->feed.in, fault) : 0;
    for (int k = 0; k < model->n_inputs; k++) {
        const nnrt_value *v = &model->inputs[k];
        if (!v->in_sample || (d->data.n > 0 && nnrt_dataset_has(&d->data, k)))
            continue;
        for (int r = 0; nnrt_drawing_in_turn(v) && r < model->batch; r++)
            ((int32_t *)d->feed.in[k])[r] = (int32_t)((first + r) % v->classes);
    }
    return status;
}

/* Draws samples k * batch and on, into d->out. */
static int drawing_batch(nnrt_drawing *d, nnrt_instance *m, uint64_t seed, int64_t k,
                         nnrt_fault *fault)
{
    const nnrt_model *model = d->model;
    int status = drawing_inputs(d, k * model->batch, fault);
    if (status)
        return status;
    status = model->sample(m, model->batch, (const void *const *)d->feed.in,
                           seed + (uint64_t)k * DRAWING_APART, d->out);
    return status ? nnrt_fail(fault, NNRT_BAD_CONTENT, "samples %lld and on: %s",
                              (long long)(k * model->batch), m->error)
                  : 0;
}

int nnrt_drawing_take(nnrt_drawing *d, nnrt_instance *m, uint64_t seed, int64_t n, float *const *to,
                      nnrt_fault *fault)
{
    const nnrt_model *model = d->model;
    int64_t batch = model->batch;
    int status = 0;
    for (int64_t at = 0; !status && at < n; at += batch) {
        int64_t rows = n - at < batch ? n - at : batch;
        status = drawing_batch(d, m, seed, at / batch, fault);
        for (int i = 0; !status && i < model->n_samples; i++) {
            int64_t count = model->samples[i].count;
            if (to[i])
                memcpy(to[i] + at * count, d->out[i], (size_t)(rows * count) * sizeof **to);
        }
    }
    return status;
}
