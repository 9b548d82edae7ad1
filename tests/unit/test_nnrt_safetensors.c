/* SPDX-License-Identifier: MIT */
/* test_nnrt_safetensors.c: guards safetensors: what is written is read back and is the reference's
 * layout, every malformed header of the list is refused, so is every cut and every changed bit of
 * the data, and all dtypes become floats. */
#include <math.h>

#include "nnrt_scratch.h"

TestSuite(nnrt_safetensors, .init = scratch_open, .fini = scratch_close, .timeout = 100);

/* A file of this header and `data` bytes of zero, in a block of its own size. The caller frees. */
static unsigned char *st_file(const char *header, size_t header_size, size_t data, size_t *size)
{
    *size = 8 + header_size + data;
    unsigned char *bytes = calloc(1, *size);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)header_size >> (8 * i));
    memcpy(bytes + 8, header, header_size);
    return bytes;
}

static int parse(const char *header, size_t data, nnrt_fault *fault)
{
    size_t size;
    nnrt_st_file f;
    unsigned char *bytes = st_file(header, strlen(header), data, &size);
    int status = nnrt_st_parse("w", bytes, size, &f, fault);
    nnrt_st_free(&f);
    free(bytes);
    return status;
}

#define T(dtype, shape, begin, end)                                                                \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"
#define A4 "{\"a\":" T("F32", "[1]", "0", "4")

Test(nnrt_safetensors, good_headers)
{
    static const struct {
        const char *header;
        size_t data;
    } cases[] = {
        {"{}", 0},
        {"{ }   ", 0},
        {"{\"__metadata__\":{}}", 0},
        {A4 "}", 4},
        {A4 "}     ", 4},
        {A4 ",\"b\":" T("F64", "[2,0]", "4", "4") "}", 4},
        {"{\"a\":" T("F64", "[]", "0", "8") "}", 8}, /* rank 0 */
        {"{\"a\":" T("F32", "[1]", "4", "8") ",\"b\":" T("F32", "[1]", "0", "4") "}", 8},
        {"{ \"a\" : { \"shape\" : [ 1 , 2 ] , \"dtype\" : \"U8\" , \"data_offsets\" : [ 0 , 2 ] } "
         "}",
         2},
        {"{\"a\":" T("F4", "[2]", "0", "1") "}", 1},
        {"{\"a\":" T("F6_E2M3", "[4]", "0", "3") "}", 3},
        {"{\"a\":" T("BOOL", "[1,1,1,1,1,1,1,1]", "0", "1") "}", 1},
        {"{\"a\":" T("F32", "[281474976710655,0,281474976710655,281474976710655]", "0", "0") "}",
         0},
        {"{\"__metadata__\":{\"k\":\"v\",\"format\":\"pt\"}}", 0},
        {"{\"__metadata__\":{\"nncc.crc32c.gone\":\"00000000\"}}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnrt_fault fault = {""};
        cr_expect_eq(parse(cases[i].header, cases[i].data, &fault), NNRT_OK, "%s: %s",
                     cases[i].header, fault.text);
    }
}

Test(nnrt_safetensors, malformed_headers)
{
    static const struct {
        const char *header;
        size_t data;
        const char *piece;
    } cases[] = {
        {"", 0, "'{'"},
        {" {}", 0, "'{'"},
        {"[]", 0, "'{'"},
        {"null", 0, "'{'"},
        {"{", 0, "tensor"},
        {"{}x", 0, "nothing"},
        {"{}{}", 0, "nothing"},
        {A4, 4, "'}'"},
        {A4 ",}", 4, "tensor"},
        {A4 "]", 4, "'}'"},
        {"{\"a\"}", 0, "':'"},
        {"{\"a\":1}", 0, "'{'"},
        {"{\"a\":{}}", 0, "once"},
        {"{a:1}", 0, "tensor"},
        {A4 ",\"a\":" T("F32", "[1]", "4", "8") "}", 8, "'a' twice"},
        {A4 ",\"\\u0061\":" T("F32", "[1]", "4", "8") "}", 8, "'a' twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "once"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "once"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "once"},
        {"{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "'['"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[]}}", 4, "two data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "at most 2"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "strings only"},
        {"{\"__metadata__\":{\"k\":{\"l\":\"m\"}}}", 0, "strings only"},
        {"{\"__metadata__\":[]}", 0, "'{'"},
        {"{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}", 0, "'k' twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "once"},
        {"{\"a\":" T("F33", "[1]", "0", "4") "}", 4, "'F33'"},
        {"{\"a\":" T("", "[1]", "0", "4") "}", 4, "known dtype"},
        {"{\"a\":" T("F32", "[-1]", "0", "4") "}", 4, "integer of 0 or more"},
        {"{\"a\":" T("F32", "[1.0]", "0", "4") "}", 4, "integer of 0 or more"},
        {"{\"a\":" T("F32", "[1e3]", "0", "4000") "}", 4000, "integer of 0 or more"},
        {"{\"a\":" T("F32", "[01]", "0", "4") "}", 4, "integer of 0 or more"},
        {"{\"a\":" T("F32", "[\"1\"]", "0", "4") "}", 4, "integer of 0 or more"},
        {"{\"a\":" T("F32", "[]1", "0", "4") "}", 4, "'}'"},
        {"{\"a\":" T("F32", "[1,]", "0", "4") "}", 4, "integer of 0 or more"},
        {"{\"a\":" T("F32", "[281474976710656]", "0", "4") "}", 4, "2^48"},
        {"{\"a\":" T("F32", "[99999999999999999999999]", "0", "4") "}", 4, "2^48"},
        {"{\"a\":" T("F32", "[281474976710655,281474976710655]", "0", "4") "}", 4, "shape"},
        {"{\"a\":" T("F32", "[65536,65536,65536,65536]", "0", "0") "}", 0, "shape"},
        {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "at most 8"},
        {"{\"a\":" T("F32", "[2]", "0", "4") "}", 4, "expected 8 bytes"},
        {"{\"a\":" T("F32", "[1]", "0", "3") "}", 3, "expected 4 bytes"},
        {"{\"a\":" T("F4", "[3]", "0", "1") "}", 1, "whole bytes"},
        {"{\"a\":" T("F32", "[1]", "4", "0") "}", 4, "expected 4 bytes"},
        {"{\"a\":" T("F32", "[0]", "4", "0") "}", 4, "expected 0 bytes"},
        {"{\"a\":" T("F32", "[1]", "1", "5") "}", 5, "begin at byte 0"},
        {A4 ",\"b\":" T("F32", "[1]", "5", "9") "}", 9, "begin at byte 4"},
        {A4 ",\"b\":" T("F32", "[1]", "3", "7") "}", 7, "begin at byte 4"},
        {A4 ",\"b\":" T("F32", "[1]", "0", "4") "}", 4, "begin at byte 4"},
        {A4 ",\"b\":" T("F32", "[0]", "2", "2") "}", 4, "begin at byte"},
        {A4 "}", 3, "expected 4 bytes of data"},
        {A4 "}", 5, "expected 4 bytes of data"},
        {"{}", 1, "expected 0 bytes of data"},
        {"{\"a\\u0000b\":" T("F32", "[1]", "0", "4") "}", 4, "other than NUL"},
        {"{\"\\ud800\":" T("F32", "[1]", "0", "4") "}", 4, "hex"},
        {"{\"\\ud800\\u0041\":" T("F32", "[1]", "0", "4") "}", 4, "hex"},
        {"{\"\\udc00\":" T("F32", "[1]", "0", "4") "}", 4, "hex"},
        {"{\"\\u12\":" T("F32", "[1]", "0", "4") "}", 4, "hex"},
        {"{\"\\x41\":" T("F32", "[1]", "0", "4") "}", 4, "\\u"},
        {"{\"a\n\":" T("F32", "[1]", "0", "4") "}", 4, "control"},
        {"{\"\xFF\":" T("F32", "[1]", "0", "4") "}", 4, "UTF-8"},
        {"{\"\xC0\x80\":" T("F32", "[1]", "0", "4") "}", 4, "UTF-8"},
        {"{\"\xE0\x80\x80\":" T("F32", "[1]", "0", "4") "}", 4, "UTF-8"},
        {"{\"\xED\xA0\x80\":" T("F32", "[1]", "0", "4") "}", 4, "UTF-8"},
        {"{\"\xF4\x90\x80\x80\":" T("F32", "[1]", "0", "4") "}", 4, "UTF-8"},
        {"{\"\xE2\x82\":" T("F32", "[1]", "0", "4") "}", 4, "UTF-8"},
        {"{\"\xE2\x82", 0, "UTF-8"},
        {"{\"abc", 0, "closing quote"},
        {"{\"abc\\", 0, "\\u"},
        {"{\"abc\\u00", 0, "hex"},
        {"{\"__metadata__\":{\"nncc.crc32c.a\":\"00000000\"},\"a\":" T("F32", "[1]", "0", "4") "}",
         4, "damaged"},
        {"{\"__metadata__\":{\"nncc.crc32c.a\":\"x\"},\"a\":" T("F32", "[1]", "0", "4") "}", 4,
         "damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnrt_fault fault = {""};
        int status = parse(cases[i].header, cases[i].data, &fault);
        cr_expect_eq(status, NNRT_BAD_CONTENT, "%s", cases[i].header);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "w: ", cases[i].piece);
    }
}

Test(nnrt_safetensors, malformed_lengths)
{
    static const uint64_t lengths[] = {
        0, 3, 5, 1u << 31, 100000001, UINT64_MAX, 100000000, UINT64_MAX - 7, (uint64_t)1 << 63};
    nnrt_st_file f;
    nnrt_fault fault;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char bytes[12] = {0};
        memcpy(bytes, &lengths[i], 8);
        memcpy(bytes + 8, "{} ", 3);
        int status = nnrt_st_parse("w", bytes, 12, &f, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "w: byte ", "expected");
    }
    for (size_t n = 0; n < 8; n++)
        scratch_fault(nnrt_st_parse("w", "\0\0\0\0\0\0\0\0", n, &f, &fault), NNRT_BAD_CONTENT,
                      &fault, "w: byte 0", "8 bytes or more");
}

/* Deep nesting and a name of some megabytes: no recursion, no long wait. */
Test(nnrt_safetensors, large_headers)
{
    size_t size, n = 5000000;
    char *header = malloc(n);
    nnrt_st_file f;
    nnrt_fault fault;
    memset(header, '{', n);
    unsigned char *bytes = st_file(header, n, 0, &size);
    scratch_fault(nnrt_st_parse("w", bytes, size, &f, &fault), NNRT_BAD_CONTENT, &fault, "w",
                  "tensor");
    free(bytes);
    memset(header, 'x', n);
    memcpy(header, "{\"", 2);
    const char *tail = "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    memcpy(header + n - strlen(tail), tail, strlen(tail));
    bytes = st_file(header, n, 0, &size);
    cr_assert_eq(nnrt_st_parse("w", bytes, size, &f, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_eq(strlen(f.tensors[0].name), n - strlen(tail) - 2);
    nnrt_st_free(&f);
    free(bytes);
    free(header);
}

Test(nnrt_safetensors, many_tensors)
{
    size_t size, used = 1;
    char *header = malloc(100 * 20000);
    header[0] = '{';
    for (int i = 0; i < 20000; i++)
        used += (size_t)sprintf(header + used, "%s\"t%d\":" T("I8", "[1]", "%d", "%d"),
                                i ? "," : "", i, i, i + 1);
    header[used++] = '}';
    unsigned char *bytes = st_file(header, used, 20000, &size);
    nnrt_st_file f;
    nnrt_fault fault;
    cr_assert_eq(nnrt_st_parse("w", bytes, size, &f, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_eq(f.n_tensors, 20000);
    cr_expect_eq(nnrt_st_find(&f, "t12345")->begin, 12345u);
    cr_expect_null(nnrt_st_find(&f, "t20000"));
    cr_expect_null(nnrt_st_find(&f, ""));
    nnrt_st_free(&f);
    free(bytes);
    free(header);
}

Test(nnrt_safetensors, names_unescaped)
{
    const char *header =
        "{\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\n\\u20AC\":" T("F32", "[1]", "0", "4") "}";
    size_t size;
    unsigned char *bytes = st_file(header, strlen(header), 4, &size);
    nnrt_st_file f;
    nnrt_fault fault;
    cr_assert_eq(nnrt_st_parse("w", bytes, size, &f, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_str_eq(f.tensors[0].name, "\xC3\xA9\xF0\x9F\x98\x80\"\\/\n\xE2\x82\xAC");
    nnrt_st_free(&f);
    free(bytes);
}

Test(nnrt_safetensors, dtypes_become_floats)
{
    static const struct {
        const char *dtype;
        size_t size;
        unsigned char bytes[8];
        float value;
        int status;
    } cases[] = {
        {"F32", 4, {0, 0, 0xC0, 0xBF}, -1.5f, 0},
        {"F64", 8, {0, 0, 0, 0, 0, 0, 0xF8, 0xBF}, -1.5f, 0},
        {"F64", 8, {0, 0, 0, 0, 0, 0, 0xF0, 0x7F}, INFINITY, 0},
        {"F64", 8, {0, 0, 0, 0, 0, 0, 0xE0, 0x7F}, 0, NNRT_BAD_CONTENT},
        {"F16", 2, {0, 0xBE}, -1.5f, 0},
        {"BF16", 2, {0xC0, 0xBF}, -1.5f, 0},
        {"I8", 1, {0x80}, -128, 0},
        {"U8", 1, {0x80}, 128, 0},
        {"I16", 2, {0xFE, 0xFF}, -2, 0},
        {"U16", 2, {0xFE, 0xFF}, 65534, 0},
        {"I32", 4, {0, 0, 0, 0x80}, -2147483648.0f, 0},
        {"U32", 4, {0, 0, 0, 0x80}, 2147483648.0f, 0},
        {"I64", 8, {0, 0, 0, 0, 0, 0, 0, 0x80}, -9223372036854775808.0f, 0},
        {"I64", 8, {5}, 5, 0},
        {"U64", 8, {0, 0, 0, 0, 0, 0, 0, 0x80}, 9223372036854775808.0f, 0},
        {"BOOL", 1, {1}, 0, NNRT_BAD_CONTENT},
        {"C64", 8, {1}, 0, NNRT_BAD_CONTENT},
        {"F8_E4M3", 1, {1}, 0, NNRT_BAD_CONTENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[200];
        size_t size;
        snprintf(header, sizeof header, "{\"a\":" T("%s", "[1]", "0", "%zu") "}", cases[i].dtype,
                 cases[i].size);
        unsigned char *bytes = st_file(header, strlen(header), cases[i].size, &size);
        memcpy(bytes + size - cases[i].size, cases[i].bytes, cases[i].size);
        nnrt_st_file f;
        nnrt_fault fault;
        float out = 0;
        cr_assert_eq(nnrt_st_parse("w", bytes, size, &f, &fault), NNRT_OK, "%s", fault.text);
        cr_expect_eq(nnrt_st_floats(&f, &f.tensors[0], &out), cases[i].status, "%s",
                     cases[i].dtype);
        if (!cases[i].status)
            cr_expect_eq(out, cases[i].value, "%s: %g", cases[i].dtype, out);
        nnrt_st_free(&f);
        free(bytes);
    }
}

static const int64_t dim_a[2] = {2, 3}, dim_b[1] = {2}, dim_none[1] = {0};
static const float data_a[6] = {1, -2, 3.25f, 0, 1e-30f, 6}, data_b[2] = {7, 8}, data_c[1] = {9};

static int write_some(const char *path, int keep, nnrt_fault *fault)
{
    nnrt_st_item items[] = {
        {"fc.weight", 2, dim_a, data_a},
        {"fc.bias", 1, dim_b, data_b},
        {"a \"scalar\"\n", 0, NULL, data_c},
        {"none", 1, dim_none, NULL},
    };
    nnrt_st_pair meta[] = {{"step", "12"}, {"say", "\"\\\x01\xC3\xA9"}};
    return nnrt_st_write(path, 4, items, 2, meta, keep, fault);
}

Test(nnrt_safetensors, round_trip)
{
    nnrt_fault fault;
    nnrt_bytes b;
    nnrt_st_file f;
    float out[6];
    cr_assert_eq(write_some(scratch_path("w"), 0, &fault), NNRT_OK, "%s", fault.text);
    cr_assert_eq(nnrt_file_raw(scratch_path("w"), &b, &fault), NNRT_OK);
    cr_assert_eq(nnrt_st_parse("w", b.at, b.size, &f, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_eq((f.data - b.at) % 8, 0);
    cr_expect_eq(f.n_tensors, 4);
    const nnrt_st_tensor *t = nnrt_st_find(&f, "fc.weight");
    cr_assert(t && t->rank == 2 && t->dim[0] == 2 && t->dim[1] == 3);
    cr_expect_eq(nnrt_st_floats(&f, t, out), NNRT_OK);
    cr_expect_eq(memcmp(out, data_a, sizeof data_a), 0);
    t = nnrt_st_find(&f, "a \"scalar\"\n");
    cr_assert(t && t->rank == 0 && nnrt_st_floats(&f, t, out) == NNRT_OK && out[0] == 9);
    int seen = 0;
    for (int i = 0; i < f.n_meta; i++) {
        seen += strcmp(f.meta[i].key, "step") == 0 && strcmp(f.meta[i].value, "12") == 0;
        seen +=
            strcmp(f.meta[i].key, "say") == 0 && strcmp(f.meta[i].value, "\"\\\x01\xC3\xA9") == 0;
        seen += strcmp(f.meta[i].key, "format") == 0 && strcmp(f.meta[i].value, "pt") == 0;
    }
    cr_expect_eq(seen, 3);
    cr_expect_eq(f.n_meta, 3 + 4);
    nnrt_st_free(&f);
    nnrt_bytes_free(&b);
}

/* The reference: N, tensors by name, offsets in that order, padded with blanks to 8. */
Test(nnrt_safetensors, layout)
{
    nnrt_st_item items[] = {{"b", 1, dim_b, data_b}, {"a", 0, NULL, data_c}};
    nnrt_st_pair meta[] = {{"format", "np"}};
    nnrt_fault fault;
    nnrt_bytes b;
    cr_assert_eq(nnrt_st_write(scratch_path("w"), 2, items, 1, meta, 0, &fault), NNRT_OK);
    cr_assert_eq(nnrt_file_raw(scratch_path("w"), &b, &fault), NNRT_OK);
    char expected[400];
    snprintf(expected, sizeof expected,
             "{\"__metadata__\":{\"format\":\"np\",\"nncc.crc32c.a\":\"%08x\",\"nncc.crc32c.b\":\"%"
             "08x\"},"
             "\"a\":" T("F32", "[]", "0", "4") ",\"b\":" T("F32", "[2]", "4", "12") "}",
             (unsigned)nnrt_crc32c(0, data_c, 4), (unsigned)nnrt_crc32c(0, data_b, 8));
    size_t n = strlen(expected);
    cr_expect_eq(memcmp(b.at + 8, expected, n), 0);
    cr_expect_eq(b.at[0] | b.at[1] << 8, (int)((n + 7) / 8 * 8));
    cr_expect_eq(b.size, 8 + (n + 7) / 8 * 8 + 12);
    cr_expect(memcmp(b.at + b.size - 12, data_c, 4) == 0 &&
              memcmp(b.at + b.size - 8, data_b, 8) == 0);
    nnrt_bytes_free(&b);
}

Test(nnrt_safetensors, every_cut_and_every_bit)
{
    nnrt_fault fault;
    nnrt_bytes b;
    nnrt_st_file f;
    write_some(scratch_path("w"), 0, &fault);
    cr_assert_eq(nnrt_file_raw(scratch_path("w"), &b, &fault), NNRT_OK);
    for (size_t n = 0; n < b.size; n++) {
        unsigned char *cut = malloc(n + 1);
        memcpy(cut, b.at, n);
        cr_assert_eq(nnrt_st_parse("w", cut, n, &f, &fault), NNRT_BAD_CONTENT, "%zu bytes", n);
        free(cut);
    }
    size_t data = b.size - sizeof data_a - sizeof data_b - sizeof data_c;
    for (size_t i = 0; i < b.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.at[i] ^= (unsigned char)(1 << bit);
            int status = nnrt_st_parse("w", b.at, b.size, &f, &fault);
            nnrt_st_free(&f);
            cr_assert(status == NNRT_BAD_CONTENT || (status == NNRT_OK && i < data), "byte %zu", i);
            b.at[i] ^= (unsigned char)(1 << bit);
        }
    nnrt_bytes_free(&b);
}

Test(nnrt_safetensors, write_failures_leave_nothing)
{
    nnrt_fault fault;
    scratch_fault(write_some(scratch_path("no/w"), 0, &fault), NNRT_BAD_FILE, &fault, "no/w",
                  "folder");
    scratch_fault(write_some("/dev/full", 0, &fault), NNRT_BAD_FILE, &fault, "/dev/full", "device");
    cr_expect_eq(scratch_count(0), 0);
    int64_t big[2] = {INT32_MAX, INT32_MAX};
    nnrt_st_item item = {"x", 2, big, data_a};
    scratch_fault(nnrt_st_write(scratch_path("w"), 1, &item, 0, NULL, 0, &fault), NNRT_NO_MEMORY,
                  &fault, "'x'", "limit");
    cr_expect_eq(scratch_count(0), 0);
}

Test(nnrt_safetensors, crc32c_vectors)
{
    cr_expect_eq(nnrt_crc32c(0, "123456789", 9), 0xE3069283u);
    cr_expect_eq(nnrt_crc32c(0, "", 0), 0u);
    cr_expect_eq(nnrt_crc32c(nnrt_crc32c(0, "1234", 4), "56789", 5), 0xE3069283u);
    unsigned char *bytes = malloc(10000);
    uint32_t one = 0;
    for (int i = 0; i < 10000; i++) {
        bytes[i] = (unsigned char)(i * 31 >> 3);
        one = nnrt_crc32c(one, bytes + i, 1);
    }
    cr_expect_eq(nnrt_crc32c(0, bytes, 10000), one); /* the two ways agree, at any alignment */
    cr_expect_eq(nnrt_crc32c(nnrt_crc32c(0, bytes, 3), bytes + 3, 9997), one);
    free(bytes);
}
