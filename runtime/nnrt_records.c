/* SPDX-License-Identifier: MIT */
/* nnrt_records.c: files of fixed records of raw bytes, as CIFAR has them. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_data.h"

/* Checks that the file is whole records and gives a record's length. */
static int records_length(const char *path, size_t size, int n, const nnrt_column *columns,
                          size_t *length, nnrt_fault *fault)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++)
        if (columns[i].bytes < 1 || columns[i].bytes > INT32_MAX ||
            __builtin_add_overflow(sum, columns[i].bytes, &sum))
            return nnrt_fail(fault, NNRT_BAD_CALL,
                             "%s: '%s': expected a length of 1 to 2^31 - 1 "
                             "bytes, found %lld",
                             path, columns[i].input, (long long)columns[i].bytes);
    if (sum == 0)
        return nnrt_fail(fault, NNRT_BAD_CALL, "%s: expected records of one field or more", path);
    *length = (size_t)sum;
    if (size % *length)
        return nnrt_fail(
            fault, NNRT_BAD_CONTENT,
            "%s: byte %zu: expected whole records of %zu bytes, found one of %zu at the "
            "end (%zu bytes in all)",
            path, size - size % *length, *length, size % *length, size);
    return NNRT_OK;
}

/* Makes room for `more` records behind those that a column has. */
static int records_grow(const char *path, size_t more, nnrt_array *out, nnrt_fault *fault)
{
    out->dim[0] += (int64_t)more;
    int64_t size = nnrt_array_count(out->rank, out->dim);
    if (size < 0)
        return nnrt_fail(fault, NNRT_NO_MEMORY,
                         "%s: records over the limits (2^40 bytes, 2^31 - 1 records)", path);
    void *grown = realloc(out->owned, size ? (size_t)size : 1);
    if (!grown)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for %lld bytes of records", path,
                         (long long)size);
    out->data = out->owned = grown;
    return NNRT_OK;
}

/* Adds `bytes` at `at` of each record of the file to a column. */
static int records_column(const char *path, const nnrt_bytes *file, size_t length, size_t at,
                          int64_t bytes, nnrt_array *out, nnrt_fault *fault)
{
    size_t count = file->size / length, width = (size_t)bytes, before = (size_t)out->dim[0];
    int status = records_grow(path, count, out, fault);
    if (status)
        return status;
    unsigned char *to = (unsigned char *)out->data + before * width;
    const unsigned char *from = file->at + at;
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * width, from + i * length, width);
    return NNRT_OK;
}

/* Adds the records of one file to the columns. */
static int records_file(const char *path, int n, const nnrt_column *columns, nnrt_array *out,
                        nnrt_fault *fault)
{
    nnrt_bytes file;
    size_t length = 0, at = 0;
    int status = nnrt_file_read(path, &file, fault);
    if (!status)
        status = records_length(path, file.size, n, columns, &length, fault);
    for (int i = 0; i < n && !status; i++) {
        status = records_column(path, &file, length, at, columns[i].bytes, &out[i], fault);
        at += (size_t)columns[i].bytes;
    }
    nnrt_bytes_free(&file);
    return status;
}

/* A column of one file that is mapped: it has a map of its own, and records lie as they do there. */
static int records_map(const char *path, int n, const nnrt_column *columns, int k, nnrt_array *out,
                       nnrt_fault *fault)
{
    nnrt_bytes file;
    size_t length = 0, at = 0;
    int status = nnrt_file_open(path, &file, fault);
    if (!status)
        status = records_length(path, file.size, n, columns, &length, fault);
    if (!status && !file.mapped)
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: the file changed while it was read", path);
    if (!status && file.size / length > INT32_MAX)
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: more than 2^31 - 1 records", path);
    if (status) {
        nnrt_bytes_free(&file);
        return status;
    }
    for (int i = 0; i < k; i++)
        at += (size_t)columns[i].bytes;
    out->dim[0] = (int64_t)(file.size / length);
    out->data = file.at + at;
    out->owned = file.at;
    out->mapped = file.size;
    out->step = (int64_t)length;
    return NNRT_OK;
}

/* Whether the file is one that nnrt_file_open maps. */
static int records_is_mapped(const char *path)
{
    struct stat st;
    size_t n = strlen(path);
    return !(n > 3 && strcmp(path + n - 3, ".gz") == 0) && stat(path, &st) == 0 &&
           S_ISREG(st.st_mode) && (size_t)st.st_size >= NNRT_MAP_LEAST;
}

int nnrt_records_read(int n_paths, const char *const *paths, int n, const nnrt_column *columns,
                      nnrt_array *out, nnrt_fault *fault)
{
    int status = NNRT_OK;
    for (int i = 0; i < n; i++)
        out[i] = (nnrt_array){.type = NNRT_ARRAY_U8,
                              .rank = columns[i].bytes == 1 ? 1 : 2,
                              .dim = {0, columns[i].bytes}};
    int mapped = n_paths == 1 && records_is_mapped(paths[0]);
    for (int i = 0; i < n && mapped && !status; i++)
        status = records_map(paths[0], n, columns, i, &out[i], fault);
    for (int i = 0; i < n_paths && !mapped && !status; i++)
        status = records_file(paths[i], n, columns, out, fault);
    for (int i = 0; i < n && status; i++)
        nnrt_array_free(&out[i]);
    return status;
}
