/* SPDX-License-Identifier: MIT */
/* nnrt_array.c: arrays in memory: sizes, byte order, one number at a time. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nnrt_data.h"

/* All files that the runtime reads and writes hold, or may hold, little-endian numbers. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "big-endian machines are not supported");

size_t nnrt_array_item(nnrt_array_type type)
{
    static const unsigned char item[] = {1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 1};
    return item[type];
}

const char *nnrt_array_name(nnrt_array_type type)
{
    static const char *const name[] = {"uint8",  "int8",  "uint16",  "int16",   "uint32",  "int32",
                                       "uint64", "int64", "float16", "float32", "float64", "bool"};
    return name[type];
}

void nnrt_array_free(nnrt_array *a)
{
    if (a->lazy.close)
        a->lazy.close(a->lazy.own);
    if (a->mapped)
        munmap(a->owned, a->mapped);
    else
        free(a->owned);
    *a = (nnrt_array){0};
}

void nnrt_array_pass(const nnrt_array *a, const void *at)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (size_t)((const unsigned char *)at - (const unsigned char *)a->owned);
    if (a->mapped)
        madvise(a->owned, size / page * page, MADV_DONTNEED);
}

int64_t nnrt_array_count(int rank, const int64_t *dim)
{
    int64_t count = 1;
    int empty = 0;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 0 || dim[i] > INT32_MAX)
            return -1;
        if (dim[i] == 0)
            empty = 1; /* but the axes that follow are still checked */
        else if (__builtin_mul_overflow(count, dim[i], &count) || count > (int64_t)1 << 40)
            return -1;
    }
    return empty ? 0 : count;
}

int nnrt_array_make(const char *name, nnrt_array_type type, int rank, const int64_t *dim,
                    nnrt_array *out, nnrt_fault *fault)
{
    *out = (nnrt_array){.type = type, .rank = rank};
    int64_t count = nnrt_array_count(rank, dim);
    if (count < 0)
        return nnrt_fail(fault, NNRT_NO_MEMORY,
                         "%s: an array over the limits (2^40 numbers, 2^31 - 1 an axis)", name);
    memcpy(out->dim, dim, (size_t)rank * sizeof *dim);
    size_t size = (size_t)count * nnrt_array_item(type);
    out->data = out->owned = malloc(size ? size : 1);
    if (!out->data)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for an array of %zu bytes", name,
                         size);
    return NNRT_OK;
}

/* Turns the bytes of each of n items round. */
static void array_swap(unsigned char *at, size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++, at += item)
        for (size_t j = 0; j < item / 2; j++) {
            unsigned char byte = at[j];
            at[j] = at[item - 1 - j];
            at[item - 1 - j] = byte;
        }
}

int nnrt_array_take(const char *name, nnrt_bytes *bytes, size_t at, int swap, nnrt_array_type type,
                    int rank, const int64_t *dim, nnrt_array *out, nnrt_fault *fault)
{
    *out = (nnrt_array){.type = type, .rank = rank};
    int64_t count = nnrt_array_count(rank, dim);
    size_t item = nnrt_array_item(type), left = bytes->size - at;
    int status = NNRT_OK;
    if (count < 0)
        status = nnrt_fail(fault, NNRT_BAD_CONTENT,
                           "%s: byte %zu: expected a shape within the limits (2^40 numbers, "
                           "2^31 - 1 an axis), found a larger one",
                           name, at);
    else if ((size_t)count * item != left)
        status = nnrt_fail(fault, NNRT_BAD_CONTENT,
                           "%s: byte %zu: expected %zu bytes of data (%lld numbers, %s), found %zu",
                           name, at, (size_t)count * item, (long long)count, nnrt_array_name(type),
                           left);
    if (status) {
        nnrt_bytes_free(bytes);
        return status;
    }
    memcpy(out->dim, dim, (size_t)rank * sizeof *dim);
    if (bytes->mapped && ((swap && item > 1) || at % item)) { /* it must be changed: in memory */
        nnrt_bytes copy = {malloc(left + 1), left, 0};
        if (copy.at)
            memcpy(copy.at, bytes->at + at, left);
        nnrt_bytes_free(bytes);
        if (!copy.at)
            return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for an array of %zu bytes", name,
                             left);
        *bytes = copy;
        at = 0;
    }
    out->mapped = bytes->mapped ? bytes->size : 0;
    out->owned = bytes->at;
    if (at % item) { /* malloc's block is aligned, the data in it may not be */
        memmove(bytes->at, bytes->at + at, left);
        at = 0;
    }
    out->data = bytes->at + at;
    *bytes = (nnrt_bytes){0};
    if (swap && item > 1)
        array_swap(out->data, (size_t)count, item);
    return NNRT_OK;
}

float nnrt_half_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3FF;
    float value;
    if (exponent == 0) { /* zero, or below the smallest normal number: a multiple of 2^-24 */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    uint32_t bits = exponent == 31 ? sign | 0x7F800000 | fraction << 13
                                   : sign | (exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double nnrt_array_number(const nnrt_array *a, size_t i)
{
    switch (a->type) {
    case NNRT_ARRAY_U8: return ((const uint8_t *)a->data)[i];
    case NNRT_ARRAY_I8: return ((const int8_t *)a->data)[i];
    case NNRT_ARRAY_U16: return ((const uint16_t *)a->data)[i];
    case NNRT_ARRAY_I16: return ((const int16_t *)a->data)[i];
    case NNRT_ARRAY_U32: return ((const uint32_t *)a->data)[i];
    case NNRT_ARRAY_I32: return ((const int32_t *)a->data)[i];
    case NNRT_ARRAY_U64: return (double)((const uint64_t *)a->data)[i];
    case NNRT_ARRAY_I64: return (double)((const int64_t *)a->data)[i];
    case NNRT_ARRAY_F16: return nnrt_half_float(((const uint16_t *)a->data)[i]);
    case NNRT_ARRAY_F32: return ((const float *)a->data)[i];
    case NNRT_ARRAY_F64: return ((const double *)a->data)[i];
    case NNRT_ARRAY_BOOL: return ((const uint8_t *)a->data)[i] != 0;
    }
    return 0;
}
