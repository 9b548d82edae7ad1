/* SPDX-License-Identifier: MIT */
/* nnrt_batch.c: samples of a data set to the buffers of a batch. */
#include <string.h>

#include "nnrt_data.h"

/* Converts `count` numbers from the index `at` on; any type to any other. */
static void batch_convert(const nnrt_array *a, size_t at, size_t count, nnrt_dtype dtype, void *to)
{
    for (size_t i = 0; i < count; i++) {
        double value = nnrt_array_number(a, at + i);
        if (dtype == NNRT_F32)
            ((float *)to)[i] = (float)value;
        else if (dtype == NNRT_I32)
            ((int32_t *)to)[i] = (int32_t)value;
        else
            ((uint8_t *)to)[i] = (uint8_t)value;
    }
}

/* One sample; the common pairs of types without a detour. */
static void batch_sample(const nnrt_array *a, size_t at, size_t count, nnrt_dtype dtype, void *to)
{
    const unsigned char *from = (const unsigned char *)a->data + at * nnrt_array_item(a->type);
    if ((a->type == NNRT_ARRAY_F32 && dtype == NNRT_F32) ||
        (a->type == NNRT_ARRAY_I32 && dtype == NNRT_I32) ||
        (a->type == NNRT_ARRAY_U8 && dtype == NNRT_U8)) {
        memcpy(to, from, count * nnrt_array_item(a->type));
    } else if (a->type == NNRT_ARRAY_U8 && dtype == NNRT_F32) {
        float *out = to;
        for (size_t i = 0; i < count; i++)
            out[i] = from[i];
    } else {
        batch_convert(a, at, count, dtype, to);
    }
}

int nnrt_dataset_batch(const nnrt_dataset *d, const int64_t *rows, int n, void *const *out,
                       nnrt_fault *fault)
{
    int status = NNRT_OK;
    for (int k = 0; k < d->model->n_inputs && !status; k++) {
        const nnrt_value *v = &d->model->inputs[k];
        const nnrt_array *a = &d->columns[k];
        size_t count = (size_t)v->count, item = v->dtype == NNRT_U8 ? 1 : 4;
        size_t step = a->step ? (size_t)a->step : count;
        unsigned char *to = out[k];
        if (!to || !nnrt_dataset_has(d, k))
            continue;
        for (int i = 0; i < n && a->lazy.sample && !status; i++)
            status = a->lazy.sample(a->lazy.own, d->origin ? d->origin[rows[i]] : rows[i],
                                    to + (size_t)i * count * item, fault);
        for (int i = 0; i < n && a->data; i++)
            batch_sample(a, (size_t)rows[i] * step, count, v->dtype, to + (size_t)i * count * item);
    }
    return status;
}
