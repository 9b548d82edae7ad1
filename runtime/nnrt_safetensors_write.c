/* SPDX-License-Identifier: MIT */
/* nnrt_safetensors_write.c: writes safetensors as the reference implementation lays them out:
 * tensors by name, the header padded so that the data begin at a multiple of 8. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

/* A text that grows. After `failed` it stays as it is. */
typedef struct stw_text {
    char *at;
    size_t size, room;
    int failed;
} stw_text;

static void stw_put(stw_text *t, const char *bytes, size_t n)
{
    if (t->room - t->size < n && !t->failed) {
        size_t room = (t->room + n) * 2;
        char *grown = realloc(t->at, room);
        t->failed = !grown;
        if (grown)
            t->at = grown, t->room = room;
    }
    if (t->failed || n == 0)
        return;
    memcpy(t->at + t->size, bytes, n);
    t->size += n;
}

static void stw_say(stw_text *t, const char *text)
{
    stw_put(t, text, strlen(text));
}

/* The characters of a JSON string, without the quotes. */
static void stw_escaped(stw_text *t, const char *string)
{
    for (; *string; string++) {
        unsigned char c = (unsigned char)*string;
        char code[8];
        if (c == '"' || c == '\\')
            snprintf(code, sizeof code, "\\%c", c);
        else if (c < 32)
            snprintf(code, sizeof code, "\\u%04x", c);
        else
            snprintf(code, sizeof code, "%c", c);
        stw_say(t, code);
    }
}

static void stw_pair(stw_text *t, const char *key_prefix, const char *key, const char *value)
{
    stw_say(t, t->at && t->size && t->at[t->size - 1] == '{' ? "\"" : ",\"");
    stw_say(t, key_prefix);
    stw_escaped(t, key);
    stw_say(t, "\":\"");
    stw_escaped(t, value);
    stw_say(t, "\"");
}

static void stw_metadata(stw_text *t, int n, const nnrt_st_item *const *items, int n_meta,
                         const nnrt_st_pair *meta)
{
    int format = 0;
    stw_say(t, "{\"__metadata__\":{");
    for (int i = 0; i < n_meta; i++) {
        format |= strcmp(meta[i].key, "format") == 0;
        stw_pair(t, "", meta[i].key, meta[i].value);
    }
    if (!format) /* what tools of the PyTorch world look for */
        stw_pair(t, "", "format", "pt");
    for (int i = 0; i < n; i++) {
        char crc[16];
        size_t bytes = (size_t)nnrt_array_count(items[i]->rank, items[i]->dim) * sizeof(float);
        snprintf(crc, sizeof crc, "%08x", (unsigned)nnrt_crc32c(0, items[i]->data, bytes));
        stw_pair(t, "nncc.crc32c.", items[i]->name, crc);
    }
    stw_say(t, "}");
}

/* The whole header; `data` gets the bytes of data it speaks of. */
static void stw_header(stw_text *t, int n, const nnrt_st_item *const *items, int n_meta,
                       const nnrt_st_pair *meta, size_t *data)
{
    *data = 0;
    stw_metadata(t, n, items, n_meta, meta);
    for (int i = 0; i < n; i++) {
        const nnrt_st_item *item = items[i];
        char number[64];
        stw_say(t, ",\"");
        stw_escaped(t, item->name);
        stw_say(t, "\":{\"dtype\":\"F32\",\"shape\":[");
        for (int k = 0; k < item->rank; k++) {
            snprintf(number, sizeof number, "%s%lld", k ? "," : "", (long long)item->dim[k]);
            stw_say(t, number);
        }
        size_t begin = *data;
        *data += (size_t)nnrt_array_count(item->rank, item->dim) * sizeof(float);
        snprintf(number, sizeof number, "],\"data_offsets\":[%zu,%zu]}", begin, *data);
        stw_say(t, number);
    }
    stw_say(t, "}");
    while (t->size % 8 && !t->failed)
        stw_say(t, " ");
}

static int stw_by_name(const void *a, const void *b)
{
    return strcmp((*(const nnrt_st_item *const *)a)->name, (*(const nnrt_st_item *const *)b)->name);
}

static int stw_file(const char *path, int n, const nnrt_st_item *const *items,
                    const stw_text *header, size_t data, int keep, nnrt_fault *fault)
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
    stw_text header = {0};
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
    free(header.at);
    return status;
}
