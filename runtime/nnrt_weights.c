/* SPDX-License-Identifier: MIT */
/* nnrt_weights.c: weights to and from safetensors files; instances on the heap. */
#ifdef __linux__
#ifndef _DEFAULT_SOURCE /* in a file of all of the runtime it is */
#define _DEFAULT_SOURCE
#endif
#include <sys/mman.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

#define WEIGHTS_HUGE ((size_t)2 << 20) /* bytes of a huge page */

/* Big instances begin on a huge page and ask for such: kernels walk over many rows at a time, and addresses
 * of each page have to be looked up. */
static void *weights_memory(const nnrt_model *model)
{
    size_t align = model->size >= 2 * WEIGHTS_HUGE ? WEIGHTS_HUGE : NNRT_ALIGN;
    size_t size = (model->size + align - 1) / align * align;
    void *memory = aligned_alloc(align, size);
#ifdef MADV_HUGEPAGE
    if (memory && align == WEIGHTS_HUGE)
        (void)madvise(memory, model->size, MADV_HUGEPAGE); /* a wish: it works without */
#endif
    return memory;
}

nnrt_instance *nnrt_new(const nnrt_model *model, uint64_t seed)
{
    return nnrt_init(model, weights_memory(model), seed);
}

nnrt_instance *nnrt_new_blank(const nnrt_model *model, uint64_t seed)
{
    return nnrt_blank(model, weights_memory(model), seed);
}

void nnrt_free(nnrt_instance *m)
{
    free(m);
}

/* Puts "path: " before the error. */
static void weights_name_file(nnrt_instance *m, const char *path)
{
    nnrt_fault fault;
    nnrt_fail(&fault, 0, "%s: %s", path, m->error);
    memcpy(m->error, fault.text, sizeof m->error);
}

/* The values of the weights, one after the other in saved order; NULL: no memory. */
static float *weights_gather(const nnrt_instance *m, nnrt_st_item *items, int *n)
{
    const nnrt_model *model = m->model;
    size_t count = 1;
    for (int i = 0; i < model->n_vars; i++)
        if (model->vars[i].kind != NNRT_STATE)
            count += (size_t)model->vars[i].count;
    float *values = malloc(count * sizeof *values), *at = values;
    *n = 0;
    for (int i = 0; values && i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        if (v->kind == NNRT_STATE)
            continue;
        nnrt_var_read(m, i, at);
        items[(*n)++] = (nnrt_st_item){v->name, v->rank, v->dim, at};
        at += v->count;
    }
    return values;
}

int nnrt_save(const nnrt_instance *instance, const char *path)
{
    nnrt_instance *m = (nnrt_instance *)instance; /* for the error text alone */
    nnrt_st_item *items = malloc(((size_t)m->model->n_vars + 1) * sizeof *items);
    nnrt_fault fault = {""};
    int n = 0, status;
    float *values = items ? weights_gather(m, items, &n) : NULL;
    if (!values)
        status = nnrt_fail(&fault, NNRT_NO_MEMORY, "%s: no memory to write the weights", path);
    else
        status = nnrt_st_write(path, n, items, m->meta ? m->meta->n : 0,
                               m->meta ? m->meta->at : NULL, 0, &fault);
    free(values);
    free(items);
    memcpy(m->error, fault.text, sizeof m->error);
    return status;
}

static int weights_load(nnrt_instance *m, const char *path,
                        int (*from)(nnrt_instance *, const void *, size_t))
{
    nnrt_bytes bytes = {0};
    nnrt_fault fault = {""};
    int status = nnrt_file_raw(path, &bytes, &fault);
    if (status) {
        memcpy(m->error, fault.text, sizeof m->error);
        return status;
    }
    status = from(m, bytes.at, bytes.size);
    nnrt_bytes_free(&bytes);
    if (m->error[0])
        weights_name_file(m, path);
    return status;
}

int nnrt_load(nnrt_instance *m, const char *path)
{
    return weights_load(m, path, nnrt_load_memory);
}

int nnrt_load_partly(nnrt_instance *m, const char *path)
{
    return weights_load(m, path, nnrt_load_memory_partly);
}
