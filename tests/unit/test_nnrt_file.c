/* SPDX-License-Identifier: MIT */
/* test_nnrt_file.c: guards reading of whole files, unpacking of .gz, the rule that a file is
 * written whole or not at all, and the shape of error texts. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <zlib.h>

#include "nnrt_scratch.h"

TestSuite(nnrt_file, .init = scratch_open, .fini = scratch_close, .timeout = 60);

static void expect_content(const char *path, const char *text)
{
    nnrt_bytes b;
    nnrt_fault fault;
    cr_assert_eq(nnrt_file_raw(path, &b, &fault), NNRT_OK, "%s", fault.text);
    cr_expect(b.size == strlen(text) && memcmp(b.at, text, b.size) == 0, "%s", path);
    nnrt_bytes_free(&b);
}

static void gzip(const char *name, const void *bytes, size_t size, const char *mode)
{
    gzFile z = gzopen(scratch_path(name), mode);
    cr_assert_not_null(z);
    cr_assert_eq(gzwrite(z, bytes, (unsigned)size), (int)size);
    cr_assert_eq(gzclose(z), Z_OK);
}

Test(nnrt_file, fail_keeps_one_line_and_both_ends)
{
    nnrt_fault fault;
    char path[3000];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = 0;
    memcpy(path, "start\n\x1b", 7);
    cr_expect_eq(nnrt_fail(&fault, NNRT_BAD_FILE, "%s: the reason", path), NNRT_BAD_FILE);
    cr_expect_lt(strlen(fault.text), (size_t)NNRT_ERROR_SIZE);
    cr_expect_eq(strncmp(fault.text, "start??a", 8), 0);
    cr_expect_str_eq(fault.text + strlen(fault.text) - 13, "a: the reason");
    cr_expect_not_null(strstr(fault.text, "aaa...aaa"));
    cr_expect_eq(nnrt_fail(NULL, 7, "nobody listens"), 7);
}

Test(nnrt_file, paths)
{
    static const char *const cases[][3] = {
        {NULL, "a/b", "a/b"}, {"", "a", "a"},    {"d", "a", "d/a"},
        {"d/", "a", "d/a"},   {"d", "/a", "/a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *joined = nnrt_path_join(cases[i][0], cases[i][1]);
        cr_expect_str_eq(joined, cases[i][2]);
        free(joined);
    }
    cr_expect(nnrt_path_ends("x.npy", ".npy") && nnrt_path_ends("x.npy.gz", ".npy"));
    cr_expect(!nnrt_path_ends(".npy", ".npy") && !nnrt_path_ends("xnpy", ".npy"));
    cr_expect(!nnrt_path_ends("x.csv", ".npy") && !nnrt_path_ends(".gz", ".gz"));
}

Test(nnrt_file, reads_whole_files)
{
    expect_content(scratch_text("a", "hello"), "hello");
    expect_content(scratch_text("empty", ""), "");
}

Test(nnrt_file, refuses_what_is_no_file)
{
    nnrt_bytes b;
    nnrt_fault fault;
    const char *fifo = scratch_path("fifo");
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    scratch_fault(nnrt_file_raw(fifo, &b, &fault), NNRT_BAD_FILE, &fault, "fifo", "regular file");
    scratch_fault(nnrt_file_raw("/dev/zero", &b, &fault), NNRT_BAD_FILE, &fault, "/dev/zero",
                  "regular file");
    scratch_fault(nnrt_file_raw(scratch_dir, &b, &fault), NNRT_BAD_FILE, &fault, scratch_dir,
                  "folder");
    scratch_fault(nnrt_file_raw(scratch_path("none"), &b, &fault), NNRT_BAD_FILE, &fault, "none",
                  "No such file");
    scratch_fault(nnrt_file_read(scratch_path("none.gz"), &b, &fault), NNRT_BAD_FILE, &fault,
                  "none.gz", "No such file");
    cr_expect_null(b.at);
}

Test(nnrt_file, gzip_round_trip)
{
    size_t size = 3000000;
    unsigned char *bytes = malloc(size);
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 28);
    gzip("a.gz", bytes, size, "wb");
    gzip("a.gz", "tail", 4, "ab"); /* a second member */
    FILE *f = fopen(scratch_path("a.gz"), "ab");
    fwrite("\0\0\0", 1, 3, f); /* padding */
    fclose(f);
    nnrt_bytes b;
    nnrt_fault fault;
    cr_assert_eq(nnrt_file_read(scratch_path("a.gz"), &b, &fault), NNRT_OK, "%s", fault.text);
    cr_assert_eq(b.size, size + 4);
    cr_expect(memcmp(b.at, bytes, size) == 0 && memcmp(b.at + size, "tail", 4) == 0);
    nnrt_bytes_free(&b);
    free(bytes);
}

Test(nnrt_file, gzip_damage)
{
    char text[400];
    for (int i = 0; i < 400; i++)
        text[i] = (char)('a' + i * i % 26);
    gzip("a.gz", text, sizeof text, "wb");
    nnrt_bytes good, b;
    nnrt_fault fault;
    cr_assert_eq(nnrt_file_raw(scratch_path("a.gz"), &good, &fault), NNRT_OK);
    for (size_t n = 0; n < good.size; n++) {
        int status = nnrt_file_read(scratch_write("cut.gz", good.at, n), &b, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "cut.gz", "expected");
    }
    for (size_t i = 12; i < good.size; i++) {
        good.at[i] ^= 4;
        int status = nnrt_file_read(scratch_write("flip.gz", good.at, good.size), &b, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, "flip.gz", "byte");
        good.at[i] ^= 4;
    }
    nnrt_bytes_free(&good);
    gzip("a.gz", text, 4, "ab");
    FILE *f = fopen(scratch_path("a.gz"), "ab");
    fwrite("junk", 1, 4, f);
    fclose(f);
    scratch_fault(nnrt_file_read(scratch_path("a.gz"), &b, &fault), NNRT_BAD_CONTENT, &fault,
                  "a.gz", "damaged");
}

Test(nnrt_file, gzip_bomb)
{
    size_t size = 64 << 20;
    char *zeros = calloc(1, size);
    gzip("bomb.gz", zeros, size, "wb9");
    free(zeros);
    nnrt_bytes b;
    nnrt_fault fault;
    int status = nnrt_file_read(scratch_path("bomb.gz"), &b, &fault);
    scratch_fault(status, NNRT_NO_MEMORY, &fault, "bomb.gz", "1000 times");
    cr_expect_null(b.at);
}

Test(nnrt_file, crc32_and_inflate_limits)
{
    cr_expect_eq(nnrt_crc32((const unsigned char *)"123456789", 9), 0xCBF43926u);
    unsigned char packed[100], out[64];
    z_stream z = {0};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0);
    z.next_in = (Bytef *)"hello hello hello hello";
    z.avail_in = 23;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    deflate(&z, Z_FINISH);
    size_t size = z.total_out;
    deflateEnd(&z);
    nnrt_fault fault;
    cr_expect_eq(nnrt_inflate("x", 0, packed, size, out, 23, &fault), NNRT_OK);
    cr_expect_eq(memcmp(out, "hello hello hello hello", 23), 0);
    for (size_t n = 0; n < sizeof out; n++)
        cr_expect_eq(nnrt_inflate("x", 0, packed, size, out, n, &fault),
                     n == 23 ? NNRT_OK : NNRT_BAD_CONTENT, "to %zu bytes", n);
    for (size_t n = 0; n < size; n++)
        cr_expect_eq(nnrt_inflate("x", 0, packed, n, out, 23, &fault), NNRT_BAD_CONTENT);
    cr_expect_eq(nnrt_inflate("x", 0, packed, size + 1, out, 23, &fault), NNRT_BAD_CONTENT);
}

static int put(const char *path, const char *text, size_t expected, int keep, nnrt_fault *fault)
{
    nnrt_writer *w;
    int status = nnrt_writer_open(&w, path, expected, keep, fault);
    if (status)
        return status;
    nnrt_writer_put(w, text, strlen(text));
    return nnrt_writer_close(w);
}

Test(nnrt_file, writes_and_replaces)
{
    nnrt_fault fault;
    const char *path = scratch_path("w");
    cr_assert_eq(put(path, "first", 5, 0, &fault), NNRT_OK, "%s", fault.text);
    expect_content(path, "first");
    cr_assert_eq(put(path, "a longer one", 4, 0, &fault), NNRT_OK);
    expect_content(path, "a longer one");
    cr_assert_eq(put(path, "short", 100000, 0, &fault),
                 NNRT_OK); /* what was reserved is given back */
    expect_content(path, "short");
    cr_expect_eq(scratch_count(0), 1);
    cr_assert_eq(chdir(scratch_dir), 0);
    cr_assert_eq(put("here", "no folder", 0, 0, &fault), NNRT_OK);
    expect_content(scratch_path("here"), "no folder");
}

Test(nnrt_file, keeps_earlier_files)
{
    nnrt_fault fault;
    const char *texts[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++)
        cr_assert_eq(put(scratch_path("k"), texts[i], 1, 2, &fault), NNRT_OK, "%s", fault.text);
    expect_content(scratch_path("k"), "e");
    expect_content(scratch_path("k.1"), "d");
    expect_content(scratch_path("k.2"), "c");
    cr_expect_eq(scratch_count(0), 3);
    cr_assert_eq(put(scratch_path("k"), "f", 1, 1, &fault), NNRT_OK);
    expect_content(scratch_path("k.1"), "e");
    expect_content(scratch_path("k.2"), "c");
}

Test(nnrt_file, abort_leaves_the_old_file)
{
    nnrt_fault fault;
    nnrt_writer *w;
    scratch_text("w", "old");
    cr_assert_eq(nnrt_writer_open(&w, scratch_path("w"), 10, 2, &fault), NNRT_OK);
    nnrt_writer_put(w, "new", 3);
    cr_expect_eq(scratch_count(0), 2);
    nnrt_writer_abort(w);
    nnrt_writer_abort(NULL);
    expect_content(scratch_path("w"), "old");
    cr_expect_eq(scratch_count(0), 1);
}

Test(nnrt_file, refuses_places_it_cannot_write)
{
    nnrt_fault fault;
    scratch_fault(put(scratch_path("no/w"), "x", 1, 0, &fault), NNRT_BAD_FILE, &fault, "no/w",
                  "No such file");
    scratch_fault(put(scratch_dir, "x", 1, 0, &fault), NNRT_BAD_FILE, &fault, scratch_dir,
                  "folder");
    scratch_fault(put("/dev/full", "x", 1, 0, &fault), NNRT_BAD_FILE, &fault, "/dev/full",
                  "device");
    scratch_fault(put("/dev/null", "x", 1, 0, &fault), NNRT_BAD_FILE, &fault, "/dev/null",
                  "device");
    scratch_fault(put("", "x", 1, 0, &fault), NNRT_BAD_FILE, &fault, "cannot write", "");
    scratch_fault(put("a/", "x", 1, 0, &fault), NNRT_BAD_FILE, &fault, "a/", "cannot write");
    if (geteuid() != 0) { /* to root every folder is open */
        chmod(scratch_dir, 0500);
        scratch_fault(put(scratch_path("w"), "x", 1, 0, &fault), NNRT_BAD_FILE, &fault, "w",
                      "Permission denied");
        chmod(scratch_dir, 0700);
    }
    cr_expect_eq(scratch_count(0), 0);
}

/* A file over the limit of the process, known beforehand or found while writing: no signal ends the
 * program, the old file and nothing else is left. */
Test(nnrt_file, survives_a_full_disk)
{
    nnrt_fault fault;
    scratch_text("w", "old");
    char *text = malloc(5000);
    memset(text, 'x', 4999);
    text[4999] = 0;
    struct rlimit limit = {1000, 1000};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    scratch_fault(put(scratch_path("w"), text, 4999, 1, &fault), NNRT_BAD_FILE, &fault, "w",
                  "File too large");
    scratch_fault(put(scratch_path("w"), text, 0, 1, &fault), NNRT_BAD_FILE, &fault, "w",
                  "File too large");
    free(text);
    expect_content(scratch_path("w"), "old");
    cr_expect_eq(scratch_count(0), 1);
}

Test(nnrt_file, signal_mask_is_restored, .signal = SIGXFSZ)
{
    nnrt_fault fault;
    struct rlimit limit = {1000, 1000};
    put(scratch_path("w"), "x", 1, 0, &fault);
    setrlimit(RLIMIT_FSIZE, &limit);
    int fd = open(scratch_path("v"), O_WRONLY | O_CREAT, 0600);
    char bytes[2000] = {0};
    ssize_t n = 0;
    while (n >= 0)
        n = write(fd, bytes, sizeof bytes);
}

Test(nnrt_file, failed_put_is_remembered)
{
    nnrt_fault fault;
    nnrt_writer *w;
    struct rlimit limit = {100, 100};
    char bytes[200] = {0};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(nnrt_writer_open(&w, scratch_path("w"), 0, 0, &fault), NNRT_OK);
    cr_expect_eq(nnrt_writer_put(w, bytes, sizeof bytes), NNRT_BAD_FILE);
    cr_expect_eq(scratch_count(0), 0);
    cr_expect_eq(nnrt_writer_put(w, bytes, 1), NNRT_BAD_FILE);
    cr_expect_eq(nnrt_writer_close(w), NNRT_BAD_FILE);
}

/* A link is replaced and not followed: what it points to stays. */
Test(nnrt_file, replaces_a_link)
{
    nnrt_fault fault;
    scratch_text("target", "mine");
    cr_assert_eq(symlink("target", scratch_path("link")), 0);
    cr_assert_eq(put(scratch_path("link"), "new", 3, 0, &fault), NNRT_OK);
    expect_content(scratch_path("target"), "mine");
    expect_content(scratch_path("link"), "new");
}

/* What a string of JSON may not hold as it is; of no bytes there is no address either. */
Test(nnrt_file, escapes_bytes)
{
    nnrt_buffer b = {0};
    nnrt_buffer_escaped(&b, NULL, 0);
    cr_expect_eq(b.size, 0);
    nnrt_buffer_escaped(&b, "a\"\\\nb", 5);
    nnrt_buffer_escaped(&b, "\1", 1);
    cr_expect_eq(b.size, strlen("a\\\"\\\\\\u000ab\\u0001"));
    cr_expect_eq(memcmp(b.at, "a\\\"\\\\\\u000ab\\u0001", b.size), 0);
    nnrt_buffer_free(&b);
}
