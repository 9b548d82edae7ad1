/* SPDX-License-Identifier: MIT */
/* fuzz_csv.c: any bytes as a csv file, read by names and as one input's. */
#include "fuzz_reader.h"

static void by_name(const char *path, int header)
{
    const char *x[] = {header ? "a" : "0", header ? "b" : "1"}, *y[] = {header ? "c" : "2"};
    const nnrt_column columns[] = {{.input = "x", .n_names = 2, .names = x},
                                   {.input = "y", .n_names = 1, .names = y}};
    const nnrt_source source = {
        .kind = NNRT_SOURCE_CSV, .n_columns = 2, .columns = columns, .header = header};
    nnrt_array out[2] = {{0}, {0}};
    nnrt_fault fault = {""};
    int status = nnrt_csv_read(path, &source, out, &fault);
    fuzz_check_fault(status, &fault);
    for (int i = 0; !status && i < 2; i++)
        fuzz_use(&out[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[32];
    int fd = fuzz_file(bytes, size, path);
    by_name(path, 0);
    by_name(path, 1);
    const nnrt_value input = {.name = "x", .count = 3, .rank = 1, .dim = {3}};
    nnrt_array array = {0};
    nnrt_fault fault = {""};
    int status = nnrt_csv_read_input(path, &input, NULL, &array, &fault);
    fuzz_check_fault(status, &fault);
    if (!status)
        fuzz_use(&array);
    close(fd);
    return 0;
}
