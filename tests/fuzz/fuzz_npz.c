/* SPDX-License-Identifier: MIT */
/* fuzz_npz.c: any bytes as a file of npz. */
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[32];
    nnrt_array array = {0};
    nnrt_fault fault = {""};
    int fd = fuzz_file(bytes, size, path);
    int status = nnrt_npz_read(path, "x", 1, &array, &fault);
    fuzz_check_fault(status, &fault);
    if (!status)
        fuzz_use(&array);
    close(fd);
    return 0;
}
