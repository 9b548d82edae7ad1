/* SPDX-License-Identifier: MIT */
/* nnrt_gzip.c: files that may be packed. The one file of the runtime that calls zlib; without it
 * (NNRT_NO_ZLIB) packed data is refused by name. */
#include <stdlib.h>
#include <string.h>

#ifndef NNRT_NO_ZLIB
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>
#endif

#include "nnrt_data.h"

#ifndef NNRT_NO_ZLIB

enum { GZ_RATIO = 1000, GZ_FREE = 1 << 20, GZ_CHUNK = 1 << 30 };

/* Gives the stream as much of the input and of the output as its 32-bit counts can hold, and runs
 * it once. `in` and `out` are the bytes left of each, and are brought up to date. */
static int gz_step(z_stream *z, size_t *in, size_t *out)
{
    uInt in_now = (uInt)(*in < GZ_CHUNK ? *in : GZ_CHUNK);
    uInt out_now = (uInt)(*out < GZ_CHUNK ? *out : GZ_CHUNK);
    z->avail_in = in_now;
    z->avail_out = out_now;
    int result = inflate(z, Z_NO_FLUSH);
    *in -= in_now - z->avail_in;
    *out -= out_now - z->avail_out;
    return result;
}

/* A sentence for what zlib says, `at` being the place in the packed file. */
static int gz_fault(const char *path, size_t at, int result, const z_stream *z, nnrt_fault *fault)
{
    if (result == Z_MEM_ERROR)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to unpack it", path);
    if (result == Z_BUF_ERROR || result == Z_OK)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: byte %zu: expected more packed data, found its end", path, at);
    return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: byte %zu: packed data is damaged: %s", path, at,
                     z->msg ? z->msg : "wrong stream");
}

/* Makes room for more of the output; never more than the limit. */
static int gz_grow(const char *path, nnrt_bytes *out, size_t used, size_t limit, nnrt_fault *fault)
{
    if (used < out->size)
        return NNRT_OK;
    if (out->size == limit)
        return nnrt_fail(fault, NNRT_NO_MEMORY,
                         "%s: unpacks to over %zu bytes, more than %d times its size", path, limit,
                         GZ_RATIO);
    size_t size = out->size < limit / 2 ? out->size * 2 : limit;
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): gz_unpack begins above 0 */
    unsigned char *at = realloc(out->at, size);
    if (!at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to unpack it (over %zu bytes)", path,
                         used);
    out->at = at;
    out->size = size;
    return NNRT_OK;
}

/* 1: nothing but zero bytes (padding of tapes) is left. */
static int gz_padding(const unsigned char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (at[i])
            return 0;
    return 1;
}

/* Unpacks every member of the file, one after the other. `out` has room already and grows. */
static int gz_members(const char *path, const nnrt_bytes *packed, z_stream *z, nnrt_bytes *out,
                      nnrt_fault *fault)
{
    size_t limit = 0, used = 0, left = packed->size;
    if (__builtin_mul_overflow(packed->size, (size_t)GZ_RATIO, &limit) ||
        __builtin_add_overflow(limit, (size_t)GZ_FREE, &limit))
        limit = SIZE_MAX / 2;
    z->next_in = packed->at;
    for (;;) {
        int status = gz_grow(path, out, used, limit, fault);
        if (status)
            return status;
        size_t room = out->size - used;
        z->next_out = out->at + used;
        size_t left_before = left;
        int result = gz_step(z, &left, &room);
        size_t used_before = used;
        used = out->size - room;
        if (result == Z_STREAM_END) {
            if (left == 0 || gz_padding(packed->at + packed->size - left, left))
                break;
            if (inflateReset(z) != Z_OK)
                return nnrt_fail(fault, NNRT_BUG, "%s: inflateReset failed", path);
            continue;
        }
        int stuck = left == left_before && used == used_before;
        if ((result != Z_OK && result != Z_BUF_ERROR) || (stuck && room))
            return gz_fault(path, packed->size - left, result, z, fault);
    }
    out->size = used;
    return NNRT_OK;
}

static int gz_unpack(const char *path, const nnrt_bytes *packed, nnrt_bytes *out, nnrt_fault *fault)
{
    z_stream z = {0};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to unpack it", path);
    size_t room = packed->size < SIZE_MAX / 8 ? packed->size * 4 + 4096 : packed->size;
    *out = (nnrt_bytes){malloc(room), room, 0};
    int status = out->at ? gz_members(path, packed, &z, out, fault)
                         : nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to unpack it", path);
    inflateEnd(&z);
    if (status)
        nnrt_bytes_free(out);
    return status;
}

int nnrt_inflate(const char *name, size_t at, const unsigned char *bytes, size_t size,
                 unsigned char *out, size_t out_size, nnrt_fault *fault)
{
    z_stream z = {0};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to unpack it", name);
    unsigned char none = 0;
    size_t left = size, room = out_size;
    z.next_in = bytes;
    z.next_out = out_size ? out : &none;
    int result = Z_OK;
    for (int stuck = 0; result == Z_OK && !stuck;) {
        size_t before = left + room;
        result = gz_step(&z, &left, &room);
        stuck = before == left + room;
    }
    int status = NNRT_OK;
    if (result == Z_STREAM_END && (left || room))
        status = nnrt_fail(fault, NNRT_BAD_CONTENT,
                           "%s: byte %zu: expected %zu bytes of packed data that give %zu, found "
                           "%zu that give %zu",
                           name, at, size, out_size, size - left, out_size - room);
    else if (result != Z_STREAM_END && left && !room)
        status = nnrt_fail(fault, NNRT_BAD_CONTENT,
                           "%s: byte %zu: expected packed data that gives %zu bytes, found more",
                           name, at, out_size);
    else if (result != Z_STREAM_END)
        status = gz_fault(name, at + size - left, result, &z, fault);
    inflateEnd(&z);
    return status;
}

uint32_t nnrt_crc32(const unsigned char *bytes, size_t size)
{
    uLong crc = crc32(0, NULL, 0);
    while (size) {
        uInt now = (uInt)(size < GZ_CHUNK ? size : GZ_CHUNK);
        crc = crc32(crc, bytes, now);
        bytes += now;
        size -= now;
    }
    return (uint32_t)crc;
}

#else /* NNRT_NO_ZLIB */

int nnrt_inflate(const char *name, size_t at, const unsigned char *bytes, size_t size,
                 unsigned char *out, size_t out_size, nnrt_fault *fault)
{
    (void)bytes, (void)size, (void)out, (void)out_size;
    return nnrt_fail(fault, NNRT_BAD_FILE,
                     "%s: byte %zu: reading deflated .npz files needs the program linked with the "
                     "runtime library (zlib); numpy.savez writes them stored",
                     name, at);
}

/* Two steps of four bits a byte: a table of 16 is enough. */
uint32_t nnrt_crc32(const unsigned char *bytes, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

#endif

/* 1: the name ends in .gz. */
static int gz_named(const char *path)
{
    size_t n = strlen(path);
    return n >= 3 && strcmp(path + n - 3, ".gz") == 0;
}

int nnrt_file_read(const char *path, nnrt_bytes *out, nnrt_fault *fault)
{
    *out = (nnrt_bytes){0};
    if (!gz_named(path))
        return nnrt_file_raw(path, out, fault);
#ifdef NNRT_NO_ZLIB
    return nnrt_fail(
        fault, NNRT_BAD_FILE,
        "%s: reading .gz files needs the program linked with the runtime library (zlib)", path);
#else
    nnrt_bytes packed;
    int status = nnrt_file_raw(path, &packed, fault);
    if (status)
        return status;
    if (packed.size < 18 || packed.at[0] != 0x1F || packed.at[1] != 0x8B)
        status = nnrt_fail(fault, NNRT_BAD_CONTENT,
                           "%s: byte 0: expected a gzip file (1f 8b, 18 bytes or more), found %s",
                           path, packed.size < 18 ? "fewer bytes" : "another magic");
    else
        status = gz_unpack(path, &packed, out, fault);
    nnrt_bytes_free(&packed);
    return status;
#endif
}

int nnrt_file_open(const char *path, nnrt_bytes *out, nnrt_fault *fault)
{
    size_t n = strlen(path);
    int packed = n > 3 && strcmp(path + n - 3, ".gz") == 0;
    return packed ? nnrt_file_read(path, out, fault) : nnrt_file_map(path, out, fault);
}
