/* SPDX-License-Identifier: MIT */
/* test_nnrt_npz.c: guards .npz: stored and deflated members, zip64, and the lies that a zip archive
 * can tell. Archives are made here, byte by byte, so that each field can be wrong. */
#include <zlib.h>

#include "nnrt_scratch.h"

TestSuite(nnrt_npz, .init = scratch_open, .fini = scratch_close, .timeout = 60);

typedef struct archive {
    unsigned char bytes[8192];
    size_t size;
    unsigned char directory[2048];
    size_t directory_size;
    int entries;
} archive;

/* What can be untrue of a member. */
typedef struct member {
    const char *name;
    int method, zip64;
    unsigned flags, crc_off, size_off, packed_off, local_method;
    const char *local_name;
} member;

static void number(unsigned char *to, size_t *at, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        to[(*at)++] = (unsigned char)(value >> (8 * i));
}

static void text(unsigned char *to, size_t *at, const char *s, size_t n)
{
    memcpy(to + *at, s, n);
    *at += n;
}

static size_t deflated(const unsigned char *bytes, size_t size, unsigned char *out, size_t room)
{
    z_stream z = {.next_in = (Bytef *)bytes,
                  .avail_in = (uInt)size,
                  .next_out = out,
                  .avail_out = (uInt)room};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0);
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size = z.total_out;
    deflateEnd(&z);
    return size;
}

static void add(archive *z, member m, const unsigned char *bytes, size_t size)
{
    unsigned char packed[4096];
    size_t packed_size = size, local = z->size, *at = &z->size, n = strlen(m.name);
    const char *local_name = m.local_name ? m.local_name : m.name;
    memcpy(packed, bytes, m.method == 8 ? 0 : size);
    if (m.method == 8)
        packed_size = deflated(bytes, size, packed, sizeof packed);
    uint32_t crc = (uint32_t)crc32(0, bytes, (uInt)size) + m.crc_off;
    text(z->bytes, at, "PK\3\4", 4);
    number(z->bytes, at, 20, 2);
    number(z->bytes, at, m.flags, 2);
    number(z->bytes, at, (unsigned)m.method + m.local_method, 2);
    number(z->bytes, at, 0, 4);
    number(z->bytes, at, crc, 4);
    number(z->bytes, at, packed_size, 4);
    number(z->bytes, at, size, 4);
    number(z->bytes, at, strlen(local_name), 2);
    number(z->bytes, at, 0, 2);
    text(z->bytes, at, local_name, strlen(local_name));
    text(z->bytes, at, (char *)packed, packed_size);

    at = &z->directory_size;
    text(z->directory, at, "PK\1\2", 4);
    number(z->directory, at, 20, 2);
    number(z->directory, at, 20, 2);
    number(z->directory, at, m.flags, 2);
    number(z->directory, at, (unsigned)m.method, 2);
    number(z->directory, at, 0, 4);
    number(z->directory, at, crc, 4);
    number(z->directory, at, m.zip64 ? 0xFFFFFFFF : packed_size + m.packed_off, 4);
    number(z->directory, at, m.zip64 ? 0xFFFFFFFF : size + m.size_off, 4);
    number(z->directory, at, n, 2);
    number(z->directory, at, m.zip64 ? 33 : 0, 2);
    number(z->directory, at, 0, 2);
    number(z->directory, at, 0, 8);
    number(z->directory, at, m.zip64 ? 0xFFFFFFFF : local, 4);
    text(z->directory, at, m.name, n);
    if (m.zip64) { /* another field before it, then the three sizes */
        number(z->directory, at, 0x7777, 2);
        number(z->directory, at, 1, 2);
        number(z->directory, at, 9, 1);
        number(z->directory, at, 1, 2);
        number(z->directory, at, 24, 2);
        number(z->directory, at, size, 8);
        number(z->directory, at, packed_size, 8);
        number(z->directory, at, local, 8);
    }
    z->entries++;
}

/* Closes the archive; zip64: with the 64-bit end record and its locator. */
static const char *finish(archive *z, int zip64, const char *comment)
{
    size_t start = z->size, *at = &z->size, size = z->directory_size;
    text(z->bytes, at, (char *)z->directory, size);
    if (zip64) {
        size_t record = z->size;
        text(z->bytes, at, "PK\6\6", 4);
        number(z->bytes, at, 44, 8);
        number(z->bytes, at, 45, 4);
        number(z->bytes, at, 0, 8);
        number(z->bytes, at, (uint64_t)z->entries, 8);
        number(z->bytes, at, (uint64_t)z->entries, 8);
        number(z->bytes, at, size, 8);
        number(z->bytes, at, start, 8);
        text(z->bytes, at, "PK\6\7", 4);
        number(z->bytes, at, 0, 4);
        number(z->bytes, at, record, 8);
        number(z->bytes, at, 1, 4);
    }
    text(z->bytes, at, "PK\5\6", 4);
    number(z->bytes, at, 0, 4);
    number(z->bytes, at, zip64 ? 0xFFFF : (uint64_t)z->entries, 2);
    number(z->bytes, at, zip64 ? 0xFFFF : (uint64_t)z->entries, 2);
    number(z->bytes, at, zip64 ? 0xFFFFFFFF : size, 4);
    number(z->bytes, at, zip64 ? 0xFFFFFFFF : start, 4);
    number(z->bytes, at, strlen(comment), 2);
    text(z->bytes, at, comment, strlen(comment));
    return scratch_write("x.npz", z->bytes, z->size);
}

/* Four bytes as an .npy of shape [4], each `value` more than the one before. */
static size_t array(unsigned char out[160], int value)
{
    memset(out, ' ', 128);
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10);
    const char *dict = "{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }";
    memcpy(out + 10, dict, strlen(dict));
    out[127] = '\n';
    for (int i = 0; i < 4; i++)
        out[128 + i] = (unsigned char)(value + i);
    return 132;
}

static archive two_members(int method, int zip64)
{
    archive z = {.size = 0};
    unsigned char bytes[160];
    add(&z, (member){.name = "x.npy", .method = method, .zip64 = zip64}, bytes, array(bytes, 10));
    add(&z, (member){.name = "y.npy", .method = method, .zip64 = zip64}, bytes, array(bytes, 20));
    return z;
}

static void expect_value(const char *path, const char *name, int or_only, double first)
{
    nnrt_array a;
    nnrt_fault fault = {""};
    int status = nnrt_npz_read(path, name, or_only, &a, &fault);
    cr_assert_eq(status, NNRT_OK, "%s", fault.text);
    cr_expect(a.rank == 1 && a.dim[0] == 4 && nnrt_array_number(&a, 0) == first &&
              nnrt_array_number(&a, 3) == first + 3);
    nnrt_array_free(&a);
}

Test(nnrt_npz, stored_deflated_zip64_comment)
{
    for (int method = 0; method <= 8; method += 8)
        for (int zip64 = 0; zip64 < 2; zip64++)
            for (int comment = 0; comment < 2; comment++) {
                archive z = two_members(method, zip64);
                const char *path = finish(&z, zip64, comment ? "a comment" : "");
                expect_value(path, "x", 0, 10);
                expect_value(path, "y", 0, 20);
            }
}

Test(nnrt_npz, the_only_member)
{
    archive z = {.size = 0};
    unsigned char bytes[160];
    nnrt_array a;
    nnrt_fault fault;
    add(&z, (member){.name = "other.npy"}, bytes, array(bytes, 10));
    add(&z, (member){.name = "readme.txt"}, (const unsigned char *)"hello", 5);
    const char *path = finish(&z, 0, "");
    expect_value(path, "x", 1, 10);
    expect_value(path, "other", 1, 10);
    scratch_fault(nnrt_npz_read(path, "x", 0, &a, &fault), NNRT_BAD_CONTENT, &fault, "x.npz",
                  "other");
    z = two_members(0, 0);
    path = finish(&z, 0, "");
    scratch_fault(nnrt_npz_read(path, "z", 1, &a, &fault), NNRT_BAD_CONTENT, &fault, "'z.npy'",
                  "x, y");
}

Test(nnrt_npz, untrue_members)
{
    static const struct {
        member m;
        int status;
        const char *piece;
    } cases[] = {
        {{.name = "x.npy", .crc_off = 1}, NNRT_BAD_CONTENT, "CRC-32"},
        {{.name = "x.npy", .method = 8, .crc_off = 1}, NNRT_BAD_CONTENT, "CRC-32"},
        {{.name = "x.npy", .flags = 1}, NNRT_BAD_CONTENT, "encrypted"},
        {{.name = "x.npy", .method = 12}, NNRT_BAD_CONTENT, "found 12"},
        {{.name = "x.npy", .size_off = 1}, NNRT_BAD_CONTENT, "claims"},
        {{.name = "x.npy", .packed_off = 1}, NNRT_BAD_CONTENT, "claims"},
        {{.name = "x.npy", .method = 8, .size_off = 1}, NNRT_BAD_CONTENT, "133"},
        {{.name = "x.npy", .method = 8, .size_off = (unsigned)-1}, NNRT_BAD_CONTENT, "131"},
        {{.name = "x.npy", .method = 8, .packed_off = (unsigned)-1}, NNRT_BAD_CONTENT, "end"},
        {{.name = "x.npy", .method = 8, .packed_off = 4000}, NNRT_BAD_CONTENT, "outside"},
        {{.name = "x.npy", .method = 8, .size_off = 0xF0000000}, NNRT_NO_MEMORY, "1000 times"},
        {{.name = "x.npy", .local_name = "y.npy"}, NNRT_BAD_CONTENT, "differs"},
        {{.name = "x.npy", .local_name = "xx.npy"}, NNRT_BAD_CONTENT, "differs"},
        {{.name = "x.npy", .local_method = 8}, NNRT_BAD_CONTENT, "differs"},
        {{.name = "../x.npy"}, NNRT_BAD_CONTENT, "unsafe"},
        {{.name = "a/../x.npy"}, NNRT_BAD_CONTENT, "unsafe"},
        {{.name = "/x.npy"}, NNRT_BAD_CONTENT, "unsafe"},
        {{.name = "a\\x.npy"}, NNRT_BAD_CONTENT, "unsafe"},
        {{.name = ""}, NNRT_BAD_CONTENT, "unsafe"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        archive z = {.size = 0};
        unsigned char bytes[160];
        nnrt_array a;
        nnrt_fault fault = {""};
        add(&z, cases[i].m, bytes, array(bytes, 10));
        int status = nnrt_npz_read(finish(&z, 0, ""), "x", 0, &a, &fault);
        scratch_fault(status, cases[i].status, &fault, "x.npz", cases[i].piece);
        cr_expect_null(a.owned);
    }
}

Test(nnrt_npz, twice_the_same_name)
{
    archive z = two_members(0, 0);
    unsigned char bytes[160];
    nnrt_array a;
    nnrt_fault fault;
    add(&z, (member){.name = "x.npy"}, bytes, array(bytes, 30));
    scratch_fault(nnrt_npz_read(finish(&z, 0, ""), "y", 0, &a, &fault), NNRT_BAD_CONTENT, &fault,
                  "'x.npy'", "twice");
}

/* Every cut is refused; every changed byte is refused or changes nothing that was asked for. */
Test(nnrt_npz, cuts_and_changes)
{
    for (int method = 0; method <= 8; method += 8) {
        archive z = two_members(method, method != 0);
        finish(&z, method != 0, "");
        nnrt_array a;
        nnrt_fault fault;
        for (size_t n = 0; n < z.size; n++) {
            int status = nnrt_npz_read(scratch_write("cut.npz", z.bytes, n), "x", 0, &a, &fault);
            cr_assert_eq(status, NNRT_BAD_CONTENT, "%zu bytes: %s", n, fault.text);
        }
        for (size_t i = 0; i < z.size; i++)
            for (int bit = 0; bit < 8; bit++) {
                z.bytes[i] ^= (unsigned char)(1 << bit);
                const char *path = scratch_write("flip.npz", z.bytes, z.size);
                if (nnrt_npz_read(path, "x", 0, &a, &fault) == NNRT_OK)
                    cr_assert(a.rank == 1 && a.dim[0] == 4 && nnrt_array_number(&a, 2) == 12,
                              "byte %zu bit %d", i, bit);
                nnrt_array_free(&a);
                z.bytes[i] ^= (unsigned char)(1 << bit);
            }
    }
}

Test(nnrt_npz, not_an_archive)
{
    nnrt_array a;
    nnrt_fault fault;
    static const char *const texts[] = {"", "PK", "\x93NUMPY and more than 22 bytes of something",
                                        "PK\3\4 and then nothing that a zip archive should have"};
    for (int i = 0; i < 4; i++)
        scratch_fault(nnrt_npz_read(scratch_text("x.npz", texts[i]), "x", 0, &a, &fault),
                      NNRT_BAD_CONTENT, &fault, "x.npz: byte ", "expected");
    scratch_fault(nnrt_npz_read(scratch_path("none.npz"), "x", 0, &a, &fault), NNRT_BAD_FILE,
                  &fault, "none.npz", "cannot open");
}
