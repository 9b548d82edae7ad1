/* SPDX-License-Identifier: MIT */
/* nnrt_meta.c: what weights files hold beside the weights: vocabularies and settings. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

/* Keys that begin so are a model's own, and travel with its weights. */
static const char *const meta_prefixes[] = {"nncc.text.", "nncc.labels.", "nncc.sound."};

const char *nnrt_meta_find(const nnrt_meta *m, const char *prefix, const char *name)
{
    size_t n = strlen(prefix);
    for (int i = 0; m && i < m->n; i++)
        if (strncmp(m->at[i].key, prefix, n) == 0 && strcmp(m->at[i].key + n, name) == 0)
            return m->at[i].value;
    return NULL;
}

const char *nnrt_meta_label(const nnrt_meta *m, const char *input, int64_t k, int *length)
{
    const char *list = nnrt_meta_find(m, "nncc.labels.", input);
    for (const char *at = list ? strchr(list, '"') : NULL; at; at = strchr(at, '"')) {
        const char *end = ++at;
        while (*end && *end != '"')
            end += *end == '\\' && end[1] ? 2 : 1;
        if (!*end)
            return NULL;
        if (k-- == 0) {
            *length = (int)(end - at);
            return at;
        }
        at = end + 1;
    }
    return NULL;
}

int nnrt_meta_put(nnrt_meta *m, const char *prefix, const char *name, char *value,
                  nnrt_fault *fault)
{
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *key = malloc(size);
    nnrt_st_pair *grown = realloc(m->at, ((size_t)m->n + 1) * sizeof *grown);
    if (grown)
        m->at = grown;
    if (!key || !grown || !value) {
        free(key);
        free(value);
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the vocabulary of '%s'", name);
    }
    snprintf(key, size, "%s%s", prefix, name);
    for (int i = 0; i < m->n; i++)
        if (strcmp(m->at[i].key, key) == 0) {
            free(key);
            free((void *)m->at[i].value);
            m->at[i].value = value;
            return NNRT_OK;
        }
    m->at[m->n++] = (nnrt_st_pair){key, value};
    return NNRT_OK;
}

int nnrt_meta_read(nnrt_meta *m, const char *path, nnrt_fault *fault)
{
    nnrt_bytes bytes = {0};
    nnrt_st_file file = {0};
    int status = nnrt_file_raw(path, &bytes, fault);
    if (!status)
        status = nnrt_st_parse(path, bytes.at, bytes.size, &file, fault);
    for (int i = 0; i < file.n_meta && !status; i++)
        for (size_t k = 0; k < sizeof meta_prefixes / sizeof *meta_prefixes && !status; k++) {
            size_t n = strlen(meta_prefixes[k]);
            if (strncmp(file.meta[i].key, meta_prefixes[k], n) == 0)
                status = nnrt_meta_put(m, meta_prefixes[k], file.meta[i].key + n,
                                       strdup(file.meta[i].value), fault);
        }
    nnrt_st_free(&file);
    nnrt_bytes_free(&bytes);
    return status;
}

void nnrt_meta_free(nnrt_meta *m)
{
    for (int i = 0; i < m->n; i++) {
        free((void *)m->at[i].key);
        free((void *)m->at[i].value);
    }
    free(m->at);
    *m = (nnrt_meta){0};
}
