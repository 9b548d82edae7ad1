/* SPDX-License-Identifier: MIT */
/* test_nnrt_photo.c: guards images brought to an input's size, by numbers worked out by hand, and heads of files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nnrt_photo.h"

static void expect_bytes(const unsigned char *is, const unsigned char *want, int n)
{
    for (int i = 0; i < n; i++)
        cr_expect_eq(is[i], want[i], "%d: %d, not %d", i, is[i], want[i]);
}

/* Four to two: the triangle reaches two pixels to each side: 3/4, 3/4, 1/4 of their sum. One to three: that one. */
Test(nnrt_photo, triangle)
{
    unsigned char row[] = {0, 70, 140, 210}, out[6];
    const nnrt_photo p = {4, 1, 1, row};
    cr_assert_eq(nnrt_photo_fit(&p, NNRT_RESIZE_STRETCH, 1, 2, out), NNRT_OK);
    expect_bytes(out, (unsigned char[]){50, 160}, 2);
    const nnrt_photo column = {1, 4, 1, row};
    cr_assert_eq(nnrt_photo_fit(&column, NNRT_RESIZE_STRETCH, 2, 3, out), NNRT_OK);
    expect_bytes(out, (unsigned char[]){50, 50, 50, 160, 160, 160}, 6);
    /* two to four: places 0.25, 0.75, 1.25, 1.75 of pixels with their middle at 0.5 and 1.5 */
    const nnrt_photo two = {2, 1, 1, row + 1};
    cr_assert_eq(nnrt_photo_fit(&two, NNRT_RESIZE_STRETCH, 1, 4, out), NNRT_OK);
    expect_bytes(out, (unsigned char[]){70, 88, 123, 140}, 4);
}

/* Colours lie pixel by pixel in a file, plane by plane in an input. */
Test(nnrt_photo, planes)
{
    unsigned char pixel[] = {1, 2, 3, 4, 5, 6}, out[6];
    const nnrt_photo p = {2, 1, 3, pixel};
    cr_assert_eq(nnrt_photo_fit(&p, NNRT_RESIZE_NONE, 1, 2, out), NNRT_OK);
    expect_bytes(out, (unsigned char[]){1, 4, 2, 5, 3, 6}, 6);
}

Test(nnrt_photo, crop_and_pad)
{
    unsigned char row[] = {10, 20, 30, 40}, out[16];
    int32_t mask[16];
    const nnrt_photo p = {4, 1, 1, row};
    /* to 2 x 1 as it is, its middle */
    cr_assert_eq(nnrt_photo_fit(&p, NNRT_RESIZE_CROP, 1, 2, out), NNRT_OK);
    expect_bytes(out, (unsigned char[]){20, 30}, 2);
    nnrt_photo_fit_mask(&p, NNRT_RESIZE_CROP, 1, 2, 9, mask);
    cr_expect(mask[0] == 20 && mask[1] == 30);
    /* to 4 x 4: a row of the four, one above it and two below */
    cr_assert_eq(nnrt_photo_fit(&p, NNRT_RESIZE_PAD, 4, 4, out), NNRT_OK);
    nnrt_photo_fit_mask(&p, NNRT_RESIZE_PAD, 4, 4, 9, mask);
    for (int i = 0; i < 16; i++) {
        cr_expect_eq(out[i], i / 4 == 1 ? row[i % 4] : 0);
        cr_expect_eq(mask[i], i / 4 == 1 ? row[i % 4] : 9);
    }
}

Test(nnrt_photo, place)
{
    double scale, offset;
    nnrt_photo_place(NNRT_RESIZE_STRETCH, 640, 320, 480, 240, &scale, &offset);
    cr_expect(scale == 0.5 && offset == 0);
    nnrt_photo_place(NNRT_RESIZE_PAD, 640, 320, 480, 320, &scale, &offset);
    cr_expect(scale == 0.5 && offset == 0);
    nnrt_photo_place(NNRT_RESIZE_PAD, 480, 320, 640, 320, &scale, &offset);
    cr_expect(scale == 0.5 && offset == 40);
    nnrt_photo_place(NNRT_RESIZE_CROP, 640, 240, 480, 240, &scale, &offset);
    cr_expect(scale == 0.5 && offset == -40);
}

/* Where a list says but a part of the path. */
Test(nnrt_photo, path)
{
    static const struct {
        const char *pattern, *want;
    } rows[] = {{NULL, "a7"}, {"{}", "a7"}, {"photos/{}.jpg", "photos/a7.jpg"}, {"plain", "a7"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *path = nnrt_photo_path(rows[i].pattern, "a7 and more", 2);
        cr_expect_str_eq(path, rows[i].want);
        free(path);
    }
}

static int size_of(const void *bytes, size_t n, int64_t *w, int64_t *h, nnrt_fault *fault)
{
    char path[] = P_tmpdir "/nnrt_photo_XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
    int status = nnrt_photo_size(path, w, h, fault);
    unlink(path);
    return status;
}

Test(nnrt_photo, heads)
{
    static const unsigned char png[24] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\2\0\0\0\7";
    static const unsigned char jpeg[] =
        "\xff\xd8\xff\xe0\0\4ab\xff\xff\xc4\0\3x\xff\xc2\0\x11\10\0\7\1\2\3";
    int64_t w = 0, h = 0;
    nnrt_fault fault;
    cr_expect_eq(size_of(png, 24, &w, &h, &fault), NNRT_OK);
    cr_expect(w == 258 && h == 7);
    w = h = 0;
    cr_expect_eq(size_of(jpeg, sizeof jpeg, &w, &h, &fault), NNRT_OK, "%s", fault.text);
    cr_expect(w == 258 && h == 7);
    for (size_t n = 0; n < 23; n++)
        cr_expect_eq(size_of(png, n, &w, &h, &fault), NNRT_BAD_CONTENT);
    for (size_t n = 0; n < 22; n++)
        cr_expect_eq(size_of(jpeg, n, &w, &h, &fault), NNRT_BAD_CONTENT, "%zu", n);
    cr_expect_eq(nnrt_photo_size("/nowhere/a.png", &w, &h, &fault), NNRT_BAD_FILE);
}

/* A head that promises more than its file can hold takes no memory. */
Test(nnrt_photo, promises)
{
    nnrt_photo p;
    nnrt_fault fault;
    cr_expect_eq(nnrt_photo_make("a", 100, 1 << 20, 1 << 20, 3, &p, &fault), NNRT_BAD_CONTENT);
    cr_expect_eq(nnrt_photo_make("a", 100, 0, 5, 1, &p, &fault), NNRT_BAD_CONTENT);
    cr_expect_eq(nnrt_photo_make("a", 100, 500, 400, 3, &p, &fault), NNRT_OK);
    nnrt_photo_free(&p);
}
