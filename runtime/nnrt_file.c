/* SPDX-License-Identifier: MIT */
/* nnrt_file.c: error texts, paths, whole files as they are on the disk. Needs no zlib. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nnrt_data.h"

/* Formats a text too long for the fault and leaves its middle out. */
static void fault_shorten(char *text, const char *format, va_list args, size_t size)
{
    char *whole = malloc(size + 1);
    if (!whole)
        return; /* the text cut at its end will do */
    vsnprintf(whole, size + 1, format, args);
    size_t head = NNRT_ERROR_SIZE / 3, tail = NNRT_ERROR_SIZE - head - 4;
    while (head > 0 && ((unsigned char)whole[head] & 0xC0) == 0x80)
        head--; /* not within a character of UTF-8 */
    memcpy(text, whole, head);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the tail ends it */
    memcpy(text + head, "...", 3);
    memcpy(text + head + 3, whole + size - tail, tail + 1);
    free(whole);
}

#undef nnrt_fail

int nnrt_fail(nnrt_fault *fault, int status, const char *format, ...)
{
    if (!fault)
        return status;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(fault->text, NNRT_ERROR_SIZE, format, args);
    if (n >= NNRT_ERROR_SIZE)
        fault_shorten(fault->text, format, again, (size_t)n);
    va_end(again);
    va_end(args);
    for (unsigned char *c = (unsigned char *)fault->text; *c; c++)
        if (*c < 32 || *c == 127)
            *c = '?';
    return status;
}

void nnrt_scan_blank(const unsigned char *bytes, size_t *at, size_t end, const char *blank)
{
    while (*at < end && bytes[*at] && strchr(blank, bytes[*at]))
        ++*at;
}

int nnrt_scan_take(const unsigned char *bytes, size_t *at, size_t end, const char *blank, char c)
{
    nnrt_scan_blank(bytes, at, end, blank);
    if (*at >= end || bytes[*at] != (unsigned char)c)
        return 0;
    ++*at;
    return 1;
}

void nnrt_bytes_free(nnrt_bytes *b)
{
    if (b->mapped)
        munmap(b->at, b->size);
    else
        free(b->at);
    *b = (nnrt_bytes){0};
}

void nnrt_buffer_put(nnrt_buffer *b, const void *bytes, size_t n)
{
    if (b->room - b->size < n && !b->failed) {
        size_t room = (b->room + n) * 2;
        char *grown = realloc(b->at, room);
        b->failed = !grown;
        if (grown)
            b->at = grown, b->room = room;
    }
    if (b->failed || n == 0)
        return;
    memcpy(b->at + b->size, bytes, n);
    b->size += n;
}

void nnrt_buffer_say(nnrt_buffer *b, const char *text)
{
    nnrt_buffer_put(b, text, strlen(text));
}

void nnrt_buffer_escaped(nnrt_buffer *b, const char *bytes, size_t n)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        char code[8];
        if (c >= 32 && c != '"' && c != '\\')
            continue;
        nnrt_buffer_put(b, bytes + from, i - from);
        from = i + 1;
        snprintf(code, sizeof code, c < 32 ? "\\u%04x" : "\\%c", c);
        nnrt_buffer_say(b, code);
    }
    if (from < n) /* of no bytes there is perhaps no address either */
        nnrt_buffer_put(b, bytes + from, n - from);
}

void nnrt_buffer_free(nnrt_buffer *b)
{
    free(b->at);
    *b = (nnrt_buffer){0};
}

char *nnrt_path_join(const char *dir, const char *path)
{
    if (!dir || !*dir || path[0] == '/')
        return strdup(path);
    size_t n = strlen(dir), size = n + strlen(path) + 2;
    char *joined = malloc(size);
    if (joined)
        snprintf(joined, size, "%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", path);
    return joined;
}

int nnrt_path_ends(const char *path, const char *ending)
{
    size_t n = strlen(path), size = strlen(ending);
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0)
        n -= 3;
    return n > size && memcmp(path + n - size, ending, size) == 0;
}

/* Reads all of `size` bytes and checks that the file ends there. */
static int file_fill(const char *path, int fd, unsigned char *at, size_t size, nnrt_fault *fault)
{
    size_t have = 0;
    for (;;) {
        unsigned char more;
        ssize_t got = have < size ? read(fd, at + have, size - have) : read(fd, &more, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return nnrt_fail(fault, NNRT_BAD_FILE, "%s: byte %zu: cannot read: %s", path, have,
                             strerror(errno));
        if (have == size && got == 0)
            return NNRT_OK;
        if (have == size || got == 0)
            return nnrt_fail(fault, NNRT_BAD_FILE,
                             "%s: byte %zu: the file changed while it was read (it had %zu bytes)",
                             path, have, size);
        have += (size_t)got;
    }
}

/* Checks what the open file is and reads it, or maps it. */
static int file_load(const char *path, int fd, int maps, nnrt_bytes *out, nnrt_fault *fault)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return nnrt_fail(fault, NNRT_BAD_FILE, "%s: cannot read: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return nnrt_fail(fault, NNRT_BAD_FILE, "%s: expected a file, found a folder", path);
    if (!S_ISREG(st.st_mode))
        return nnrt_fail(fault, NNRT_BAD_FILE,
                         "%s: expected a regular file, found a pipe, socket or device", path);
    size_t size = (size_t)st.st_size;
    if (maps && size >= NNRT_MAP_LEAST) {
        void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        *out = (nnrt_bytes){at, size, 1};
        if (at != MAP_FAILED)
            return NNRT_OK;
        *out = (nnrt_bytes){0}; /* some file systems cannot */
    }
    out->at = malloc(size + 1); /* never 0 */
    if (!out->at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its %zu bytes", path, size);
    out->size = size;
    int status = file_fill(path, fd, out->at, size, fault);
    if (status)
        nnrt_bytes_free(out);
    return status;
}

static int file_get(const char *path, int maps, nnrt_bytes *out, nnrt_fault *fault)
{
    *out = (nnrt_bytes){0};
    /* Not blocking: opening a pipe that nobody writes to would wait for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return nnrt_fail(fault, NNRT_BAD_FILE, "%s: cannot open: %s", path, strerror(errno));
    int status = file_load(path, fd, maps, out, fault);
    close(fd);
    return status;
}

int nnrt_file_raw(const char *path, nnrt_bytes *out, nnrt_fault *fault)
{
    return file_get(path, 0, out, fault);
}

int nnrt_file_map(const char *path, nnrt_bytes *out, nnrt_fault *fault)
{
    return file_get(path, 1, out, fault);
}
