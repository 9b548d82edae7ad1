/* SPDX-License-Identifier: MIT */
/* fuzz_npy.c: any bytes as a file of npy. */
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[32];
    nnrt_array array = {0};
    nnrt_fault fault = {""};
    int fd = fuzz_file(bytes, size, path);
    int status = nnrt_npy_read(path, &array, &fault);
    fuzz_check_fault(status, &fault);
    if (!status)
        fuzz_use(&array);
    close(fd);
    return 0;
}
