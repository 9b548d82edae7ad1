/* SPDX-License-Identifier: MIT */
/* test_nnrt_records.c: guards files of fixed records: each field in its array, and files that are
 * not whole records. */
#include "nnrt_scratch.h"

TestSuite(nnrt_records, .init = scratch_open, .fini = scratch_close, .timeout = 60);

static const nnrt_column columns[] = {
    {.input = "label", .bytes = 1},
    {.input = "image", .bytes = 3},
    {.input = "flag", .bytes = 1},
};

static int read_one(const char *path, int n, const nnrt_column *c, nnrt_array *out,
                    nnrt_fault *fault)
{
    return nnrt_records_read(1, &path, n, c, out, fault);
}

Test(nnrt_records, splits_records)
{
    nnrt_array a[3];
    nnrt_fault fault;
    const char *path = scratch_write("r.bin", "\1abcX\2defY", 10);
    cr_assert_eq(read_one(path, 3, columns, a, &fault), NNRT_OK, "%s", fault.text);
    cr_expect(a[0].rank == 1 && a[0].dim[0] == 2 && memcmp(a[0].data, "\1\2", 2) == 0);
    cr_expect(a[1].rank == 2 && a[1].dim[0] == 2 && a[1].dim[1] == 3);
    cr_expect_eq(memcmp(a[1].data, "abcdef", 6), 0);
    cr_expect(a[2].type == NNRT_ARRAY_U8 && memcmp(a[2].data, "XY", 2) == 0);
    for (int i = 0; i < 3; i++)
        nnrt_array_free(&a[i]);
    cr_assert_eq(read_one(scratch_text("e", ""), 3, columns, a, &fault), NNRT_OK);
    cr_expect_eq(a[1].dim[0], 0);
    for (int i = 0; i < 3; i++)
        nnrt_array_free(&a[i]);
}

Test(nnrt_records, refuses_parts_of_records)
{
    nnrt_array a[3];
    nnrt_fault fault;
    for (size_t n = 6; n < 10; n++) {
        int status = read_one(scratch_write("r", "0123456789", n), 3, columns, a, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "r: byte 5", "records of 5 bytes");
        cr_expect_null(a[0].owned);
    }
}

Test(nnrt_records, refuses_lengths)
{
    static const int64_t lengths[] = {0, -1, INT64_MAX, (int64_t)INT32_MAX + 1};
    nnrt_array a;
    nnrt_fault fault;
    const char *path = scratch_text("r", "0123456789");
    for (int i = 0; i < 4; i++) {
        nnrt_column c = {.input = "x", .bytes = lengths[i]};
        scratch_fault(read_one(path, 1, &c, &a, &fault), NNRT_BAD_CALL, &fault, "'x'", "length");
    }
    cr_expect_eq(read_one(path, 0, NULL, &a, &fault), NNRT_BAD_CALL);
}

Test(nnrt_records, joins_files)
{
    nnrt_array a[3];
    nnrt_fault fault;
    const char *paths[3] = {scratch_write("a", "\1abcX\2defY", 10), scratch_text("b", ""),
                            scratch_write("c", "\3ghiZ", 5)};
    cr_assert_eq(nnrt_records_read(3, paths, 3, columns, a, &fault), NNRT_OK, "%s", fault.text);
    cr_expect(a[0].dim[0] == 3 && memcmp(a[0].data, "\1\2\3", 3) == 0);
    cr_expect(a[1].dim[0] == 3 && memcmp(a[1].data, "abcdefghi", 9) == 0);
    cr_expect(a[2].dim[0] == 3 && memcmp(a[2].data, "XYZ", 3) == 0);
    for (int i = 0; i < 3; i++)
        nnrt_array_free(&a[i]);
    paths[1] = scratch_text("d", "1234");
    int status = nnrt_records_read(3, paths, 3, columns, a, &fault);
    scratch_fault(status, NNRT_BAD_CONTENT, &fault, "/d: byte 0", "records of 5 bytes");
    cr_expect(!a[0].owned && !a[1].owned && !a[2].owned);
    paths[1] = scratch_path("none");
    cr_expect_eq(nnrt_records_read(3, paths, 3, columns, a, &fault), NNRT_BAD_FILE);
}
