/* SPDX-License-Identifier: MIT */
/* test_nnrt_idx.c: guards the idx format: every type, byte order, and the list of malformed files.
 */
#include "nnrt_scratch.h"

TestSuite(nnrt_idx, .init = scratch_open, .fini = scratch_close, .timeout = 60);

static int read_idx(const void *bytes, size_t size, nnrt_array *a, nnrt_fault *fault)
{
    return nnrt_idx_read(scratch_write("x-idx", bytes, size), a, fault);
}

Test(nnrt_idx, types)
{
    static const struct {
        unsigned char code, data[16];
        size_t item;
        nnrt_array_type type;
        double first, second;
    } cases[] = {
        {0x08, {1, 200}, 1, NNRT_ARRAY_U8, 1, 200},
        {0x09, {1, 200}, 1, NNRT_ARRAY_I8, 1, -56},
        {0x0B, {1, 2, 255, 254}, 2, NNRT_ARRAY_I16, 258, -2},
        {0x0C, {0, 0, 1, 2, 255, 255, 255, 254}, 4, NNRT_ARRAY_I32, 258, -2},
        {0x0D, {0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0}, 4, NNRT_ARRAY_F32, 1, -2},
        {0x0E, {0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0}, 8, NNRT_ARRAY_F64, 1, -2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int rank = 1; rank <= 3; rank++) { /* data at 8, 12 and 16: aligned or not */
            unsigned char file[64] = {0, 0, cases[i].code, (unsigned char)rank};
            for (int k = 0; k < rank; k++)
                file[4 + 4 * k + 3] = k == rank - 1 ? 2 : 1;
            memcpy(file + 4 + 4 * rank, cases[i].data, 2 * cases[i].item);
            nnrt_array a;
            nnrt_fault fault;
            int status = read_idx(file, 4 + 4 * (size_t)rank + 2 * cases[i].item, &a, &fault);
            cr_assert_eq(status, NNRT_OK, "%s", fault.text);
            cr_expect(a.type == cases[i].type && a.rank == rank && a.dim[rank - 1] == 2);
            cr_expect_eq((uintptr_t)a.data % cases[i].item, 0u);
            cr_expect_eq(nnrt_array_number(&a, 0), cases[i].first);
            cr_expect_eq(nnrt_array_number(&a, 1), cases[i].second);
            nnrt_array_free(&a);
        }
}

Test(nnrt_idx, malformed)
{
    static const struct {
        unsigned char bytes[40];
        size_t size;
        const char *piece;
    } cases[] = {
        {{0}, 0, "found 0 bytes"},
        {{0, 0, 8}, 3, "found 3 bytes"},
        {{1, 0, 8, 1, 0, 0, 0, 0}, 8, "magic"},
        {{0, 1, 8, 1, 0, 0, 0, 0}, 8, "magic"},
        {{0, 0, 0x0A, 1, 0, 0, 0, 0}, 8, "found 00 00 0a"},
        {{'P', 'K', 3, 4, 5, 6, 7, 8}, 8, "magic"},
        {{0, 0, 8, 0, 0, 0, 0, 0}, 8, "1 to 8 axes, found 0"},
        {{0, 0, 8, 9, 0, 0, 0, 0}, 8, "1 to 8 axes, found 9"},
        {{0, 0, 8, 2, 0, 0, 0, 1}, 8, "lengths of 2 axes"},
        {{0, 0, 8, 1, 0, 0, 0, 2, 1}, 9, "expected 2 bytes"},
        {{0, 0, 8, 1, 0, 0, 0, 2, 1, 2, 3}, 11, "expected 2 bytes"},
        {{0, 0, 8, 1, 128, 0, 0, 0, 1}, 9, "limits"},
        {{0, 0, 8, 1, 127, 255, 255, 255, 1}, 9, "expected 2147483647 bytes"},
        {{0, 0, 14, 4, 128, 0, 0, 0, 128, 0, 0, 0, 128, 0, 0, 0, 128, 0, 0, 0}, 20, "limits"},
        {{0, 0, 14, 4, 127, 0, 0, 0, 127, 0, 0, 0, 127, 0, 0, 0, 127, 0, 0, 0}, 20, "limits"},
        {{0, 0, 14, 2, 0, 0, 0, 0, 255, 255, 255, 255}, 12, "limits"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnrt_array a;
        nnrt_fault fault = {""};
        int status = read_idx(cases[i].bytes, cases[i].size, &a, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "x-idx: byte ", cases[i].piece);
        cr_expect_null(a.owned);
    }
}

Test(nnrt_idx, missing_file)
{
    nnrt_array a;
    nnrt_fault fault;
    scratch_fault(nnrt_idx_read(scratch_path("none"), &a, &fault), NNRT_BAD_FILE, &fault, "none",
                  "cannot open");
}
