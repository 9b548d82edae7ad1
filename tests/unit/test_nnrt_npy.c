/* SPDX-License-Identifier: MIT */
/* test_nnrt_npy.c: guards .npy: every type and byte order, both orders of axes, versions 1 to 3,
 * the list of malformed headers, every truncation, and the bytes that are written. */
#include <math.h>

#include "nnrt_scratch.h"

TestSuite(nnrt_npy, .init = scratch_open, .fini = scratch_close, .timeout = 60);

/* A file of a header text and data; the header is padded unless `raw`. Gives its size. */
static size_t npy(unsigned char *out, int version, const char *dict, const void *data, size_t size)
{
    size_t start = version == 1 ? 10 : 12, length = strlen(dict);
    size_t padded = (start + length + 1 + 63) / 64 * 64 - start;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)version;
    out[7] = 0;
    for (size_t i = 0; i < start - 8; i++)
        out[8 + i] = (unsigned char)(padded >> (8 * i));
    memset(out + start, ' ', padded);
    memcpy(out + start, dict, length);
    out[start + padded - 1] = '\n';
    memcpy(out + start + padded, data, size);
    return start + padded + size;
}

static int parse(int version, const char *dict, const void *data, size_t size, nnrt_array *a,
                 nnrt_fault *fault)
{
    static unsigned char file[200000];
    size_t n = npy(file, version, dict, data, size);
    unsigned char *exact = malloc(n); /* so that a read past the end is seen */
    memcpy(exact, file, n);
    int status = nnrt_npy_parse("x.npy", exact, n, a, fault);
    free(exact);
    return status;
}

#define DICT(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }"

Test(nnrt_npy, types_and_byte_orders)
{
    static const struct {
        const char *dict;
        nnrt_array_type type;
        size_t size;
        unsigned char data[16];
        double first, second;
    } cases[] = {
        {DICT("|u1", "(2,)"), NNRT_ARRAY_U8, 2, {7, 255}, 7, 255},
        {DICT("u1", "(2,)"), NNRT_ARRAY_U8, 2, {7, 255}, 7, 255},
        {DICT("|i1", "(2,)"), NNRT_ARRAY_I8, 2, {7, 255}, 7, -1},
        {DICT("|b1", "(2,)"), NNRT_ARRAY_BOOL, 2, {0, 1}, 0, 1},
        {DICT("<u2", "(2,)"), NNRT_ARRAY_U16, 4, {1, 2, 255, 255}, 513, 65535},
        {DICT(">u2", "(2,)"), NNRT_ARRAY_U16, 4, {1, 2, 255, 255}, 258, 65535},
        {DICT("=i2", "(2,)"), NNRT_ARRAY_I16, 4, {1, 2, 255, 255}, 513, -1},
        {DICT("<i4", "(2,)"), NNRT_ARRAY_I32, 8, {1, 0, 0, 0, 255, 255, 255, 255}, 1, -1},
        {DICT(">u4", "(2,)"), NNRT_ARRAY_U32, 8, {0, 0, 0, 1, 255, 255, 255, 255}, 1, 4294967295.0},
        {DICT(">i8", "(2,)"),
         NNRT_ARRAY_I64,
         16,
         {0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 255, 255, 255, 255, 255, 255},
         9,
         -1},
        {DICT("<u8", "(2,)"),
         NNRT_ARRAY_U64,
         16,
         {9, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255},
         9,
         18446744073709551615.0},
        {DICT("<f2", "(2,)"), NNRT_ARRAY_F16, 4, {0, 0x3C, 1, 0x80}, 1, -0x1p-24},
        {DICT("<f4", "(2,)"), NNRT_ARRAY_F32, 8, {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0}, 1, -2},
        {DICT(">f4", "(2,)"), NNRT_ARRAY_F32, 8, {0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0}, 1, -2},
        {DICT(">f8", "(2,)"),
         NNRT_ARRAY_F64,
         16,
         {0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0},
         1,
         -2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int version = 1; version <= 3; version++) {
            nnrt_array a;
            nnrt_fault fault;
            int status = parse(version, cases[i].dict, cases[i].data, cases[i].size, &a, &fault);
            cr_assert_eq(status, NNRT_OK, "%s: %s", cases[i].dict, fault.text);
            cr_expect(a.type == cases[i].type && a.rank == 1 && a.dim[0] == 2);
            cr_expect_eq(nnrt_array_number(&a, 0), cases[i].first, "%s", cases[i].dict);
            cr_expect_eq(nnrt_array_number(&a, 1), cases[i].second, "%s", cases[i].dict);
            nnrt_array_free(&a);
        }
}

Test(nnrt_npy, halves)
{
    cr_expect_eq(nnrt_half_float(0x7BFF), 65504.0f);
    cr_expect_eq(nnrt_half_float(0x0400), 0x1p-14f);
    cr_expect_eq(nnrt_half_float(0x03FF), 1023 * 0x1p-24f);
    cr_expect(isinf(nnrt_half_float(0xFC00)) && nnrt_half_float(0xFC00) < 0);
    cr_expect(isnan(nnrt_half_float(0x7E00)));
    cr_expect(signbit(nnrt_half_float(0x8000)) && nnrt_half_float(0x8000) == 0);
}

Test(nnrt_npy, shapes)
{
    nnrt_array a;
    nnrt_fault fault;
    unsigned char data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    cr_assert_eq(parse(1, DICT("|u1", "()"), data, 1, &a, &fault), NNRT_OK);
    cr_expect(a.rank == 0 && nnrt_array_number(&a, 0) == 1);
    nnrt_array_free(&a);
    cr_assert_eq(parse(1, DICT("|u1", "(0,)"), data, 0, &a, &fault), NNRT_OK);
    cr_expect(a.rank == 1 && a.dim[0] == 0);
    nnrt_array_free(&a);
    cr_assert_eq(parse(1, DICT("|u1", "(2, 0, 3)"), data, 0, &a, &fault), NNRT_OK);
    nnrt_array_free(&a);
    cr_assert_eq(parse(1, DICT("|u1", "(1,1,1,1,1,1,2,4)"), data, 8, &a, &fault), NNRT_OK);
    cr_expect(a.rank == 8 && a.dim[7] == 4);
    nnrt_array_free(&a);
    /* keys in any order, either kind of quotes, any blanks */
    cr_assert_eq(parse(1, "{\"shape\":(2,4,) , 'descr' : \"|u1\",'fortran_order':False}", data, 8,
                       &a, &fault),
                 NNRT_OK, "%s", fault.text);
    cr_expect(a.rank == 2 && a.dim[1] == 4);
    nnrt_array_free(&a);
}

Test(nnrt_npy, fortran_order)
{
    /* value = its own C index: [2, 3, 4] in Fortran order has axis 0 fastest */
    unsigned char data[48] = {0};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++)
                data[2 * (i + 2 * j + 6 * k) + 1] = (unsigned char)(12 * i + 4 * j + k);
    nnrt_array a;
    nnrt_fault fault;
    int status = parse(1, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3, 4), }", data, 48,
                       &a, &fault);
    cr_assert_eq(status, NNRT_OK, "%s", fault.text);
    cr_expect(a.dim[0] == 2 && a.dim[1] == 3 && a.dim[2] == 4);
    for (size_t i = 0; i < 24; i++)
        cr_expect_eq(nnrt_array_number(&a, i), (double)i);
    nnrt_array_free(&a);
}

Test(nnrt_npy, malformed_headers)
{
    static const char *const cases[][2] = {
        {DICT("|O", "(2,)"), "objects"},
        {DICT("<V8", "(1,)"), "found '<V8'"},
        {DICT("<c8", "(1,)"), "found '<c8'"},
        {DICT("<U4", "(1,)"), "found '<U4'"},
        {DICT("<M8[ns]", "(1,)"), "found"},
        {DICT("<f16", "(1,)"), "found"},
        {DICT("<f3", "(1,)"), "found"},
        {DICT("", "(1,)"), "found ''"},
        {DICT("<", "(1,)"), "found"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "simple type"},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': (2,), }", "expected"},
        {DICT("<f4", "(-1,)"), "length of an axis"},
        {DICT("<f4", "(18446744073709551616,)"), "2^31 - 1"},
        {DICT("<f4", "(2147483648,)"), "2^31 - 1"},
        {DICT("<f4", "(2147483647, 2147483647, 2147483647)"), "limits"},
        {DICT("<f4", "(2)"), "comma"},
        {DICT("<f4", "2"), "parentheses"},
        {DICT("<f4", "[2]"), "parentheses"},
        {DICT("<f4", "(2.0,)"), "comma"},
        {DICT("<f4", "(2 3)"), "comma"},
        {DICT("<f4", "(,)"), "length of an axis"},
        {DICT("<f4", "(2"), "length of an axis"},
        {DICT("<f4", "(1,1,1,1,1,1,1,1,2)"), "8 axes"},
        {DICT("<f4", "(((((((((2,)))))))))"), "length of an axis"},
        {DICT("<f4", "(__import__('os').system('x'),)"), "length of an axis"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", "True or False"},
        {"{'descr': '<f4', 'shape': (2,), }", "once"},
        {"{'descr': '<f4', 'fortran_order': False, }", "once"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "once"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "once"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", "','"},
        {"{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}", "':'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + evil()", "nothing after"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "'}'"},
        {"{", "once"},
        {"{}", "once"},
        {"['descr']", "'{'"},
        {"", "'{'"},
        {"{'descr': '<\\x664', 'fortran_order': False, 'shape': (2,), }", "simple type"},
        {"{'a_key_that_is_too_long': 1}", "once"},
        {DICT("<f4", "(3,)"), "expected 12 bytes"},
        {DICT("<f4", "(1,)"), "expected 4 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnrt_array a;
        nnrt_fault fault = {""};
        float data[2] = {1, 2};
        int status = parse(1, cases[i][0], data, sizeof data, &a, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "x.npy: byte ", cases[i][1]);
        cr_expect_null(a.owned);
    }
}

Test(nnrt_npy, malformed_starts)
{
    unsigned char file[256];
    float data[2] = {1, 2};
    size_t n = npy(file, 1, DICT("<f4", "(2,)"), data, sizeof data);
    static const struct {
        size_t at;
        unsigned char byte;
        const char *piece;
    } cases[] = {
        {0, 'x', "magic"},      {5, 'x', "magic"},        {6, 0, "found 0.0"},
        {6, 4, "found 4.0"},    {6, 9, "found"},          {7, 1, "found 1.1"},
        {8, 0, "newline"},      {9, 255, "found length"}, {9, 39, "found length"},
        {6, 2, "found length"}, {127, ' ', "newline"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char copy[256];
        nnrt_array a;
        nnrt_fault fault = {""};
        memcpy(copy, file, n);
        copy[cases[i].at] = cases[i].byte;
        int status = nnrt_npy_parse("x.npy", copy, n, &a, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "x.npy: byte ", cases[i].piece);
    }
    for (size_t k = 0; k < n; k++) {
        nnrt_array a;
        nnrt_fault fault = {""};
        unsigned char *cut = malloc(k + 1);
        memcpy(cut, file, k);
        scratch_fault(nnrt_npy_parse("x.npy", cut, k, &a, &fault), NNRT_BAD_CONTENT, &fault,
                      "x.npy", "expected");
        free(cut);
    }
}

/* 100000 parentheses, and a header of 10001 characters: neither recursion nor a long wait. */
Test(nnrt_npy, header_limit)
{
    static char dict[100100];
    nnrt_array a;
    nnrt_fault fault;
    strcpy(dict, "{'descr': '<f4', 'fortran_order': False, 'shape': ");
    size_t n = strlen(dict);
    memset(dict + n, '(', 9000 - n);
    dict[9000] = 0;
    scratch_fault(parse(1, dict, "", 0, &a, &fault), NNRT_BAD_CONTENT, &fault, "x.npy", "axis");
    memset(dict + n, '(', 100000);
    scratch_fault(parse(2, dict, "", 0, &a, &fault), NNRT_BAD_CONTENT, &fault, "x.npy", "10000");
}

Test(nnrt_npy, writes_what_numpy_writes)
{
    nnrt_fault fault;
    int64_t dim[2] = {2, 3};
    float data[6] = {0, 1, -2, 0.5f, 1e30f, 6};
    cr_assert_eq(nnrt_npy_write(scratch_path("w.npy"), 2, dim, data, &fault), NNRT_OK);
    nnrt_bytes b;
    cr_assert_eq(nnrt_file_raw(scratch_path("w.npy"), &b, &fault), NNRT_OK);
    unsigned char expected[256];
    size_t n = npy(expected, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", data,
                   sizeof data);
    cr_expect(b.size == n && memcmp(b.at, expected, n) == 0);
    nnrt_bytes_free(&b);
    nnrt_array a;
    cr_assert_eq(nnrt_npy_read(scratch_path("w.npy"), &a, &fault), NNRT_OK);
    cr_expect(a.rank == 2 && a.dim[0] == 2 && memcmp(a.data, data, sizeof data) == 0);
    nnrt_array_free(&a);
    int64_t big[8] = {1, 1, 1, 1, 1, 1, 1, 0}, none[1] = {0};
    cr_assert_eq(nnrt_npy_write(scratch_path("w.npy"), 8, big, data, &fault), NNRT_OK);
    cr_assert_eq(nnrt_npy_write(scratch_path("w.npy"), 1, none, NULL, &fault), NNRT_OK);
    cr_assert_eq(nnrt_npy_read(scratch_path("w.npy"), &a, &fault), NNRT_OK);
    cr_expect(a.rank == 1 && a.dim[0] == 0);
    nnrt_array_free(&a);
    int64_t wrong[2] = {INT32_MAX, INT32_MAX};
    scratch_fault(nnrt_npy_write(scratch_path("w.npy"), 2, wrong, data, &fault), NNRT_NO_MEMORY,
                  &fault, "w.npy", "limits");
}

/* Numbers that begin at an odd place in the file must still be aligned in memory. */
Test(nnrt_npy, odd_header_lengths)
{
    for (size_t pad = 0; pad < 16; pad++) {
        unsigned char file[256];
        double data[2] = {1.5, -2.5};
        const char *dict = DICT("<f8", "(2,)");
        size_t length = strlen(dict) + 1 + pad;
        memcpy(file, "\x93NUMPY\x01\x00", 8);
        file[8] = (unsigned char)length;
        file[9] = 0;
        memset(file + 10, ' ', length);
        memcpy(file + 10, dict, strlen(dict));
        file[10 + length - 1] = '\n';
        memcpy(file + 10 + length, data, sizeof data);
        nnrt_array a;
        nnrt_fault fault;
        const char *path = scratch_write("odd.npy", file, 10 + length + sizeof data);
        cr_assert_eq(nnrt_npy_read(path, &a, &fault), NNRT_OK, "%s", fault.text);
        cr_expect_eq((uintptr_t)a.data % 8, 0u);
        cr_expect(nnrt_array_number(&a, 0) == 1.5 && nnrt_array_number(&a, 1) == -2.5);
        nnrt_array_free(&a);
    }
}
