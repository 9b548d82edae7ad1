/* SPDX-License-Identifier: MIT */
/* nnrt_npz.c: one array of a NumPy .npz: a zip archive of .npy files, stored or deflated, with or
 * without the 64-bit extension. The central directory is believed only where the local headers
 * agree with it; the whole of it is checked before a member is read. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

enum { ZIP_RATIO = 1000, ZIP_FREE = 1 << 20 };

/* An entry of the central directory. */
typedef struct zip_entry {
    const unsigned char *name; /* in the file, no NUL */
    size_t name_size;
    unsigned flags, method;
    uint32_t crc;
    uint64_t packed, size, local; /* bytes, bytes, place of the local header */
} zip_entry;

typedef struct zip_file {
    const char *path;
    nnrt_bytes bytes;
    size_t directory, directory_end; /* the central directory */
    size_t entries;
    nnrt_fault *fault;
} zip_file;

/* A little-endian number of n bytes. */
static uint64_t zip_number(const unsigned char *at, int n)
{
    uint64_t value = 0;
    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static int zip_wrong(const zip_file *z, size_t at, const char *what)
{
    return nnrt_fail(z->fault, NNRT_BAD_CONTENT, "%s: byte %zu: %s", z->path, at, what);
}

/* The 64-bit end record, where the last 20 bytes before the end record point to one. */
static int zip_end64(zip_file *z, size_t end, uint64_t *entries, uint64_t *size, uint64_t *start)
{
    const unsigned char *b = z->bytes.at;
    if (end < 20 || memcmp(b + end - 20, "PK\6\7", 4) != 0)
        return zip_wrong(z, end, "expected a zip64 locator before the end record, found none");
    uint64_t at = zip_number(b + end - 20 + 8, 8);
    if (at > end - 20 || end - 20 - at < 56 || memcmp(b + at, "PK\6\6", 4) != 0)
        return zip_wrong(z, end - 20, "the zip64 locator points to no zip64 end record");
    *entries = zip_number(b + at + 32, 8);
    *size = zip_number(b + at + 40, 8);
    *start = zip_number(b + at + 48, 8);
    return NNRT_OK;
}

/* Finds the end record (before a comment of at most 65535 bytes) and the central directory. */
static int zip_open(zip_file *z)
{
    const unsigned char *b = z->bytes.at;
    size_t n = z->bytes.size;
    if (n < 22 || memcmp(b, "PK", 2) != 0)
        return zip_wrong(z, 0, "expected an .npz file (a zip archive, 'PK'), found something else");
    size_t at = n - 22, last = at > 65535 ? at - 65535 : 0;
    while (memcmp(b + at, "PK\5\6", 4) != 0 || zip_number(b + at + 20, 2) != n - at - 22)
        if (at-- == last)
            return zip_wrong(z, n,
                             "expected the end record of a zip archive, found none (is the "
                             "file cut off?)");
    uint64_t entries = zip_number(b + at + 10, 2), size = zip_number(b + at + 12, 4);
    uint64_t start = zip_number(b + at + 16, 4);
    if (zip_number(b + at + 4, 2) != 0 || zip_number(b + at + 6, 2) != 0)
        return zip_wrong(z, at, "an archive in several parts is not read");
    if (entries == 0xFFFF || size == 0xFFFFFFFF || start == 0xFFFFFFFF) {
        int status = zip_end64(z, at, &entries, &size, &start);
        if (status)
            return status;
    }
    if (size > at || start > at - size)
        return zip_wrong(z, at, "the central directory lies outside of the file");
    if (entries > size / 46)
        return zip_wrong(z, at, "more entries than the central directory has room for");
    z->directory = (size_t)start;
    z->directory_end = (size_t)(start + size);
    z->entries = (size_t)entries;
    return NNRT_OK;
}

/* Takes sizes and place from the zip64 field, in the order of the format, where they are -1. */
static int zip_extra64(const zip_file *z, size_t at, size_t size, zip_entry *e)
{
    const unsigned char *b = z->bytes.at + at, *end = b + size;
    uint64_t *wide[] = {&e->size, &e->packed, &e->local};
    while (end - b >= 4) {
        size_t id = zip_number(b, 2), n = zip_number(b + 2, 2);
        b += 4;
        if (n > (size_t)(end - b))
            break;
        const unsigned char *field = b;
        for (int i = 0; id == 1 && i < 3; i++)
            if (*wide[i] == 0xFFFFFFFF) {
                if (n - (size_t)(field - b) < 8)
                    return zip_wrong(z, at, "the zip64 field is too short");
                *wide[i] = zip_number(field, 8);
                field += 8;
            }
        if (id == 1)
            return NNRT_OK;
        b += n;
    }
    if (e->size == 0xFFFFFFFF || e->packed == 0xFFFFFFFF || e->local == 0xFFFFFFFF)
        return zip_wrong(z, at, "expected a zip64 field, found none");
    return NNRT_OK;
}

/* The entry at *at of the directory; *at moves on to the next. */
static int zip_next(const zip_file *z, size_t *at, zip_entry *e)
{
    const unsigned char *b = z->bytes.at + *at;
    size_t left = z->directory_end - *at;
    if (left < 46 || memcmp(b, "PK\1\2", 4) != 0)
        return zip_wrong(z, *at, "expected an entry of the central directory, found none");
    *e = (zip_entry){
        .name = b + 46,
        .name_size = zip_number(b + 28, 2),
        .flags = (unsigned)zip_number(b + 8, 2),
        .method = (unsigned)zip_number(b + 10, 2),
        .crc = (uint32_t)zip_number(b + 16, 4),
        .packed = zip_number(b + 20, 4),
        .size = zip_number(b + 24, 4),
        .local = zip_number(b + 42, 4),
    };
    size_t extra = zip_number(b + 30, 2), comment = zip_number(b + 32, 2);
    if (e->name_size + extra + comment > left - 46)
        return zip_wrong(z, *at, "an entry of the central directory ends outside of it");
    size_t extra_at = *at + 46 + e->name_size;
    *at = extra_at + extra + comment;
    return zip_extra64(z, extra_at, extra, e);
}

/* The name without its .npy; 0 where it has no such end. */
static size_t zip_stem(const zip_entry *e)
{
    return e->name_size > 4 && memcmp(e->name + e->name_size - 4, ".npy", 4) == 0 ? e->name_size - 4
                                                                                  : 0;
}

/* A name that would leave the folder if it were unpacked: nobody makes such a file for good. */
static int zip_unsafe(const zip_entry *e)
{
    if (e->name_size == 0 || e->name[0] == '/' || memchr(e->name, 0, e->name_size) ||
        memchr(e->name, '\\', e->name_size))
        return 1;
    for (size_t i = 0; i + 1 < e->name_size; i++)
        if (e->name[i] == '.' && e->name[i + 1] == '.' && (i == 0 || e->name[i - 1] == '/') &&
            (i + 2 == e->name_size || e->name[i + 2] == '/'))
            return 1;
    return 0;
}

static int zip_by_name(const void *a, const void *b)
{
    const zip_entry *x = a, *y = b;
    size_t n = x->name_size < y->name_size ? x->name_size : y->name_size;
    int order = memcmp(x->name, y->name, n);
    return order ? order : (x->name_size > y->name_size) - (x->name_size < y->name_size);
}

/* All entries, sorted by name, each checked and there once. */
static int zip_entries(const zip_file *z, zip_entry *all)
{
    size_t at = z->directory;
    for (size_t i = 0; i < z->entries; i++) {
        size_t start = at;
        int status = zip_next(z, &at, &all[i]);
        if (status)
            return status;
        if (zip_unsafe(&all[i]))
            return nnrt_fail(z->fault, NNRT_BAD_CONTENT, "%s: byte %zu: unsafe name '%.*s'",
                             z->path, start, (int)(all[i].name_size < 80 ? all[i].name_size : 80),
                             (const char *)all[i].name);
    }
    if (at != z->directory_end)
        return zip_wrong(z, at, "expected the end of the central directory, found more");
    qsort(all, z->entries, sizeof *all, zip_by_name);
    for (size_t i = 1; i < z->entries; i++)
        if (zip_by_name(&all[i - 1], &all[i]) == 0)
            return nnrt_fail(z->fault, NNRT_BAD_CONTENT,
                             "%s: expected each member once, found '%.*s' "
                             "twice",
                             z->path, (int)(all[i].name_size < 80 ? all[i].name_size : 80),
                             (const char *)all[i].name);
    return NNRT_OK;
}

/* No such member: lists those that there are. */
static int zip_missing(const zip_file *z, const zip_entry *all, const char *member)
{
    char list[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < z->entries; i++) {
        size_t stem = zip_stem(&all[i]);
        if (stem && used + stem + 8 < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.*s", used ? ", " : "",
                                     (int)stem, (const char *)all[i].name);
    }
    return nnrt_fail(z->fault, NNRT_BAD_CONTENT, "%s: expected a member '%s.npy', found %s",
                     z->path, member, used ? list : "no .npy files");
}

static const zip_entry *zip_find(const zip_file *z, const zip_entry *all, const char *member,
                                 int or_only)
{
    const zip_entry *only = NULL;
    size_t arrays = 0;
    for (size_t i = 0; i < z->entries; i++) {
        size_t stem = zip_stem(&all[i]);
        if (stem && stem == strlen(member) && memcmp(all[i].name, member, stem) == 0)
            return &all[i];
        if (stem)
            only = &all[i], arrays++;
    }
    return or_only && arrays == 1 ? only : NULL;
}

/* Where the member's bytes begin, checked against the local header. */
static int zip_data(const zip_file *z, const zip_entry *e, size_t *at)
{
    size_t n = z->directory; /* data lie before the directory */
    if (e->local > n || n - e->local < 30 || memcmp(z->bytes.at + e->local, "PK\3\4", 4) != 0)
        return zip_wrong(z, e->local < n ? (size_t)e->local : n,
                         "expected the local header of a member, found none");
    const unsigned char *b = z->bytes.at + e->local;
    size_t name = zip_number(b + 26, 2), extra = zip_number(b + 28, 2);
    size_t left = n - (size_t)e->local - 30;
    if (name + extra > left || e->packed > left - name - extra)
        return zip_wrong(z, (size_t)e->local, "a member ends outside of the file");
    if (name != e->name_size || memcmp(b + 30, e->name, name) != 0 ||
        zip_number(b + 8, 2) != e->method)
        return zip_wrong(z, (size_t)e->local,
                         "the local header differs from the central directory");
    *at = (size_t)e->local + 30 + name + extra;
    return NNRT_OK;
}

/* The refusals that need no data. `label` is "FILE(MEMBER)". */
static int zip_check(const zip_file *z, const zip_entry *e, const char *label)
{
    if (e->flags & 1)
        return nnrt_fail(z->fault, NNRT_BAD_CONTENT, "%s: an encrypted member is not read", label);
    if (e->method != 0 && e->method != 8)
        return nnrt_fail(z->fault, NNRT_BAD_CONTENT,
                         "%s: expected method 0 (stored) or 8 (deflated), found %u", label,
                         e->method);
    if (e->method == 0 && e->packed != e->size)
        return nnrt_fail(z->fault, NNRT_BAD_CONTENT,
                         "%s: a stored member of %llu bytes claims to be %llu", label,
                         (unsigned long long)e->packed, (unsigned long long)e->size);
    if (e->size > ZIP_FREE && (e->size - ZIP_FREE) / ZIP_RATIO > e->packed)
        return nnrt_fail(z->fault, NNRT_NO_MEMORY,
                         "%s: unpacks to %llu bytes, more than %d times its size (%llu)", label,
                         (unsigned long long)e->size, ZIP_RATIO, (unsigned long long)e->packed);
    return NNRT_OK;
}

/* Unpacks one member, checks its CRC and reads the array. */
static int zip_member(const zip_file *z, const zip_entry *e, const char *label, nnrt_array *out)
{
    size_t at = 0;
    int status = zip_check(z, e, label);
    if (!status)
        status = zip_data(z, e, &at);
    if (status)
        return status;
    unsigned char *unpacked = NULL;
    const unsigned char *bytes = z->bytes.at + at;
    size_t size = (size_t)e->size;
    if (e->method == 8) {
        unpacked = malloc(size + 1);
        if (!unpacked)
            return nnrt_fail(z->fault, NNRT_NO_MEMORY, "%s: no memory for its %zu bytes", label,
                             size);
        status = nnrt_inflate(label, at, bytes, (size_t)e->packed, unpacked, size, z->fault);
        bytes = unpacked;
    }
    if (!status && nnrt_crc32(bytes, size) != e->crc)
        status = nnrt_fail(z->fault, NNRT_BAD_CONTENT,
                           "%s: byte %zu: is damaged: expected CRC-32 %08x, found %08x", label, at,
                           (unsigned)e->crc, (unsigned)nnrt_crc32(bytes, size));
    if (!status)
        status = nnrt_npy_parse(label, bytes, size, out, z->fault);
    free(unpacked);
    return status;
}

static int zip_read(const zip_file *z, const char *member, int or_only, nnrt_array *out)
{
    zip_entry *all = malloc((z->entries + 1) * sizeof *all);
    if (!all)
        return nnrt_fail(z->fault, NNRT_NO_MEMORY, "%s: no memory for its directory", z->path);
    int status = zip_entries(z, all);
    const zip_entry *e = status ? NULL : zip_find(z, all, member, or_only);
    if (!status && !e)
        status = zip_missing(z, all, member);
    if (e) {
        size_t size = strlen(z->path) + e->name_size + 3;
        char *label = malloc(size);
        if (label)
            snprintf(label, size, "%s(%.*s)", z->path, (int)e->name_size, (const char *)e->name);
        status = zip_member(z, e, label ? label : z->path, out);
        free(label);
    }
    free(all);
    return status;
}

int nnrt_npz_read(const char *path, const char *member, int or_only, nnrt_array *out,
                  nnrt_fault *fault)
{
    *out = (nnrt_array){0};
    zip_file z = {.path = path, .fault = fault};
    int status = nnrt_file_read(path, &z.bytes, fault);
    if (!status)
        status = zip_open(&z);
    if (!status)
        status = zip_read(&z, member, or_only, out);
    nnrt_bytes_free(&z.bytes);
    return status;
}
