/* SPDX-License-Identifier: MIT */
/* fuzz_reader.h: what the fuzzers of the runtime's readers share: the input as a file, and a look at
 * every byte of what was read. */
#ifndef FUZZ_READER_H
#define FUZZ_READER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nnrt_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The name of a file in memory with these bytes; `path` holds 32. Gives what close wants. */
static inline int fuzz_file(const uint8_t *bytes, size_t size, char *path)
{
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* A refusal has one line and no control character. */
static inline void fuzz_check_fault(int status, const nnrt_fault *fault)
{
    if (status && (!fault->text[0] || strpbrk(fault->text, "\n\r\t\33")))
        abort();
}

/* Sums up all bytes, so that a sanitizer sees each read; frees the array. */
static inline void fuzz_use(nnrt_array *a)
{
    unsigned sum = 0;
    size_t n = (size_t)nnrt_array_count(a->rank, a->dim) * nnrt_array_item(a->type);
    for (size_t i = 0; a->data && i < n; i++)
        sum += ((const unsigned char *)a->data)[i];
    volatile unsigned kept = sum;
    (void)kept;
    nnrt_array_free(a);
}

#endif
