/* SPDX-License-Identifier: MIT */
/* test_nnrt_map.c: guards files that are mapped instead of read: the same numbers, checked whole without staying in
 * memory; columns of records; and `rows`, a range of a file's samples. The files are almost all holes. */
#include <fcntl.h>
#include <unistd.h>

#include "nnrt_scratch.h"

TestSuite(nnrt_map, .init = scratch_open, .fini = scratch_close, .timeout = 60);

enum { WIDTH = 1 << 14, ROWS = 4 << 10 }; /* of floats: 256 MB */

static const nnrt_value inputs[] = {
    {.name = "x", .dtype = NNRT_F32, .rank = 1, .dim = {WIDTH}, .count = WIDTH},
    {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 3},
};
static const nnrt_model model = {.n_inputs = 2, .inputs = inputs};

/* A file of `size` bytes, holes but for `n` at its beginning. */
static void sparse(const char *name, off_t size, const void *head, size_t n)
{
    scratch_write(name, head, n);
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
    cr_assert_eq(truncate(path, size), 0);
}

static void poke(const char *name, off_t at, const void *bytes, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
    int fd = open(path, O_WRONLY);
    cr_assert(fd >= 0 && pwrite(fd, bytes, n, at) == (ssize_t)n);
    close(fd);
}

static void floats_file(void)
{
    char head[129];
    int n =
        snprintf(head, sizeof head, "%-127s\n",
                 "??????????{'descr': '<f4', 'fortran_order': False, 'shape': (4096, 16384), }");
    cr_assert_eq(n, 128);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    sparse("x.npy", 128 + (off_t)WIDTH * ROWS * 4, head, 128);
}

/* Megabytes of memory that the process has. */
static long resident(void)
{
    long pages = 0, all = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    cr_assert(f && fscanf(f, "%ld %ld", &all, &pages) == 2);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE) >> 20;
}

static const nnrt_column columns[] = {{.input = "x", .file = "x.npy"}};
static const unsigned char need_x[] = {1, 0};

Test(nnrt_map, a_large_file_goes_through_little_memory)
{
    const nnrt_source source = {.kind = NNRT_SOURCE_NPY, .n_columns = 1, .columns = columns};
    static float row[WIDTH];
    void *out[2] = {row, NULL};
    nnrt_dataset d;
    nnrt_fault fault = {""};
    float value = 7.5F;
    floats_file();
    poke("x.npy", 128 + ((off_t)3456 * WIDTH + 67) * 4, &value, 4);
    long before = resident();
    cr_assert_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault), NNRT_OK,
                 "%s", fault.text);
    cr_expect_lt(resident() - before, 100);
    cr_expect_eq(nnrt_dataset_batch(&d, &(int64_t){3456}, 1, out, &fault), NNRT_OK);
    cr_expect(row[67] == 7.5F && row[66] == 0);
    nnrt_dataset_close(&d);
}

Test(nnrt_map, every_number_is_checked)
{
    const nnrt_source source = {.kind = NNRT_SOURCE_NPY, .n_columns = 1, .columns = columns};
    nnrt_dataset d;
    nnrt_fault fault = {""};
    floats_file();
    poke("x.npy", 128 + ((off_t)(ROWS - 1) * WIDTH + 5) * 4, "\0\0\xc0\x7f", 4);
    cr_expect_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault),
                 NNRT_BAD_CONTENT);
    cr_expect_neq(strstr(fault.text, "sample 4095 (from 0) at [5]"), NULL, "%s", fault.text);
}

/* A range of samples; a number in them is named by its place in the file. */
Test(nnrt_map, rows)
{
    nnrt_source source = {.kind = NNRT_SOURCE_NPY,
                          .n_columns = 1,
                          .columns = columns,
                          .rows_from = 100,
                          .rows_end = 103};
    static float row[WIDTH];
    void *out[2] = {row, NULL};
    nnrt_dataset d;
    nnrt_fault fault = {""};
    float value = 3;
    floats_file();
    poke("x.npy", 128 + (off_t)99 * WIDTH * 4, "\0\0\xc0\x7f", 4);
    poke("x.npy", 128 + (off_t)102 * WIDTH * 4, &value, 4);
    cr_assert_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault), NNRT_OK,
                 "%s", fault.text);
    cr_expect_eq(d.n, 3);
    cr_expect_eq(nnrt_dataset_batch(&d, &(int64_t){2}, 1, out, &fault), NNRT_OK);
    cr_expect_eq(row[0], 3.0F);
    nnrt_dataset_close(&d);
    source.rows_from = 99;
    cr_expect_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault),
                 NNRT_BAD_CONTENT);
    cr_expect_neq(strstr(fault.text, "sample 99 (from 0)"), NULL, "%s", fault.text);
    source.rows_end = ROWS + 1;
    cr_expect_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault),
                 NNRT_BAD_CONTENT);
    cr_expect_neq(strstr(fault.text, "there are 4096"), NULL, "%s", fault.text);
}

Test(nnrt_map, records)
{
    static const nnrt_column fields[] = {{.input = "label", .bytes = 1},
                                         {.input = "x", .bytes = WIDTH}};
    const nnrt_source source = {
        .kind = NNRT_SOURCE_RECORDS, .file = "r.bin", .n_columns = 2, .columns = fields};
    static float row[WIDTH];
    int32_t label = 0;
    void *out[2] = {row, &label};
    nnrt_dataset d;
    nnrt_fault fault = {""};
    off_t record = WIDTH + 1, n = 5000;
    sparse("r.bin", record * n, "", 0);
    poke("r.bin", record * 4321, "\2\11", 2);
    cr_assert_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, NULL, NULL, &fault), NNRT_OK,
                 "%s", fault.text);
    cr_expect_neq(d.columns[0].mapped, 0);
    cr_expect_eq(d.n, n);
    cr_expect_eq(nnrt_dataset_batch(&d, &(int64_t){4321}, 1, out, &fault), NNRT_OK);
    cr_expect(label == 2 && row[0] == 9 && row[1] == 0);
    nnrt_dataset_close(&d);
    poke("r.bin", record * 4999, "\3", 1);
    cr_expect_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, NULL, NULL, &fault),
                 NNRT_BAD_CONTENT);
    cr_expect_neq(strstr(fault.text, "sample 4999 (from 0)"), NULL, "%s", fault.text);
}
