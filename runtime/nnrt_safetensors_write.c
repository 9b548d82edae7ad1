/* SPDX-License-Identifier: MIT */
/* nnrt_safetensors_write.c: writes safetensors as the reference implementation lays them out:
 * tensors by name, the header padded so that the data begin at a multiple of 8. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

static void stw_pair(nnrt_buffer *t, const char *key_prefix, const char *key, const char *value)
{
    nnrt_buffer_say(t, t->at && t->size && t->at[t->size - 1] == '{' ? "\"" : ",\"");
    nnrt_buffer_say(t, key_prefix);
    nnrt_buffer_escaped(t, key, strlen(key));
    nnrt_buffer_say(t, "\":\"");
    nnrt_buffer_escaped(t, value, strlen(value));
    nnrt_buffer_say(t, "\"");
}

/* Checksums come before what callers have: readers look for one a tensor, and a vocabulary is long. */
static void stw_metadata(nnrt_buffer *t, int n, const nnrt_st_item *const *items, int n_meta,
                         const nnrt_st_pair *meta)
{
    const char *format = "pt"; /* what tools of the PyTorch world look for */
    for (int i = 0; i < n_meta; i++)
        format = strcmp(meta[i].key, "format") == 0 ? meta[i].value : format;
    nnrt_buffer_say(t, "{\"__metadata__\":{");
    stw_pair(t, "", "format", format);
    for (int i = 0; i < n; i++) {
        char crc[16];
        size_t bytes = (size_t)nnrt_array_count(items[i]->rank, items[i]->dim) * sizeof(float);
        snprintf(crc, sizeof crc, "%08x", (unsigned)nnrt_crc32c(0, items[i]->data, bytes));
        stw_pair(t, "nncc.crc32c.", items[i]->name, crc);
    }
    for (int i = 0; i < n_meta; i++)
        if (strcmp(meta[i].key, "format") != 0)
            stw_pair(t, "", meta[i].key, meta[i].value);
    nnrt_buffer_say(t, "}");
}

/* The whole header; `data` gets the bytes of data it speaks of. */
static void stw_header(nnrt_buffer *t, int n, const nnrt_st_item *const *items, int n_meta,
                       const nnrt_st_pair *meta, size_t *data)
{
    *data = 0;
    stw_metadata(t, n, items, n_meta, meta);
    for (int i = 0; i < n; i++) {
        const nnrt_st_item *item = items[i];
        char number[64];
        nnrt_buffer_say(t, ",\"");
        nnrt_buffer_escaped(t, item->name, strlen(item->name));
        nnrt_buffer_say(t, "\":{\"dtype\":\"F32\",\"shape\":[");
        for (int k = 0; k < item->rank; k++) {
            snprintf(number, sizeof number, "%s%lld", k ? "," : "", (long long)item->dim[k]);
            nnrt_buffer_say(t, number);
        }
        size_t begin = *data;
        *data += (size_t)nnrt_array_count(item->rank, item->dim) * sizeof(float);
        snprintf(number, sizeof number, "],\"data_offsets\":[%zu,%zu]}", begin, *data);
        nnrt_buffer_say(t, number);
    }
    nnrt_buffer_say(t, "}");
    while (t->size % 8 && !t->failed)
        nnrt_buffer_say(t, " ");
}

static int stw_by_name(const void *a, const void *b)
{
    return strcmp((*(const nnrt_st_item *const *)a)->name, (*(const nnrt_st_item *const *)b)->name);
}

static int stw_file(const char *path, int n, const nnrt_st_item *const *items,
                    const nnrt_buffer *header, size_t data, int keep, nnrt_fault *fault)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header->size >> (8 * i));
    nnrt_writer *w;
    int status = nnrt_writer_open(&w, path, 8 + header->size + data, keep, fault);
    if (status)
        return status;
    nnrt_writer_put(w, length, 8);
    nnrt_writer_put(w, header->at, header->size);
    for (int i = 0; i < n; i++)
        nnrt_writer_put(w, items[i]->data,
                        (size_t)nnrt_array_count(items[i]->rank, items[i]->dim) * sizeof(float));
    return nnrt_writer_close(w);
}

int nnrt_st_write(const char *path, int n, const nnrt_st_item *items, int n_meta,
                  const nnrt_st_pair *meta, int keep, nnrt_fault *fault)
{
    const nnrt_st_item **sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    nnrt_buffer header = {0};
    size_t data = 0;
    int status = NNRT_OK;
    for (int i = 0; sorted && i < n && !status; i++) {
        sorted[i] = &items[i];
        if (nnrt_array_count(items[i].rank, items[i].dim) < 0)
            status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: '%s' is over the limit of 2^40 numbers",
                               path, items[i].name);
    }
    if (sorted && !status) {
        qsort(sorted, (size_t)n, sizeof *sorted, stw_by_name);
        stw_header(&header, n, sorted, n_meta, meta, &data);
    }
    if (!status && (!sorted || header.failed))
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to write it", path);
    if (!status)
        status = stw_file(path, n, sorted, &header, data, keep, fault);
    free(sorted);
    nnrt_buffer_free(&header);
    return status;
}
