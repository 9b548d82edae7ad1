/* SPDX-License-Identifier: MIT */
/* fuzz_csv.c: any bytes as a csv file, read by names, as one input's, and as a set with categories, values that are
 * missing and bad rows left out. */
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
    int status = nnrt_csv_read(NULL, path, &source, out, &fault);
    fuzz_check_fault(status, &fault);
    for (int i = 0; !status && i < 2; i++)
        fuzz_use(&out[i]);
}

/* The set, with `delimiter`; vocabularies learned, and then used. */
static void as_set(const char *path, char delimiter, int keep_going)
{
    static const char *const x[] = {"0"}, *const k[] = {"1"}, *const none[] = {"?", ""};
    static const nnrt_value inputs[] = {{.name = "x", .count = 1, .dtype = NNRT_F32},
                                        {.name = "k", .count = 1, .dtype = NNRT_I32, .classes = 4}};
    const nnrt_model model = {
        .name = "m", .n_inputs = 2, .inputs = inputs, .categories = nnrt_categories_find};
    const nnrt_column columns[] = {
        {.input = "x", .n_names = 1, .names = x},
        {.input = "k", .n_names = 1, .names = k, .count = delimiter == ',' ? 3 : 0}};
    const nnrt_where where = {.column = "0", .n = 2, .values = none};
    const nnrt_source source = {.kind = NNRT_SOURCE_CSV,
                                .file = path,
                                .n_columns = 2,
                                .columns = columns,
                                .delimiter = delimiter,
                                .n_missing = 2,
                                .missing = none,
                                .n_where = delimiter == ';',
                                .where = &where};
    nnrt_meta meta = {.learn = 1, .keep_going = keep_going};
    for (int pass = 0; pass < 2; pass++, meta.learn = 0) {
        nnrt_dataset d;
        nnrt_fault fault = {""};
        int status = nnrt_dataset_open(&d, &model, &source, NULL, NULL, &meta, &fault);
        fuzz_check_fault(status, &fault);
        if (status)
            continue;
        fuzz_use(&d.columns[0]);
        fuzz_use(&d.columns[1]);
        nnrt_dataset_close(&d);
    }
    nnrt_meta_free(&meta);
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
    int status = nnrt_csv_read_input(NULL, path, &input, NULL, &array, &fault);
    fuzz_check_fault(status, &fault);
    if (!status)
        fuzz_use(&array);
    as_set(path, ',', 0);
    as_set(path, ';', 1);
    as_set(path, NNRT_BLANKS, 1);
    close(fd);
    return 0;
}
