/* SPDX-License-Identifier: MIT */
/* nnrt_page_picture.c: images inside a page: PNG in base64 (RFC 4648). */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"
#include "nnrt_page.h"

enum { PICTURE_SIDE = 96 }; /* pixels, at most */

static void picture_base64(FILE *f, const unsigned char *at, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)at[i] << 16 | (i + 1 < n ? (uint32_t)at[i + 1] << 8 : 0) |
                        (i + 2 < n ? at[i + 2] : 0);
        fputc(digit[bits >> 18], f);
        fputc(digit[bits >> 12 & 63], f);
        fputc(i + 1 < n ? digit[bits >> 6 & 63] : '=', f);
        fputc(i + 2 < n ? digit[bits & 63] : '=', f);
    }
}

/* The mean of the pixels that fall into one of a smaller image. */
static unsigned char picture_mean(const unsigned char *plane, int64_t width, int64_t top,
                                  int64_t bottom, int64_t left, int64_t right)
{
    uint64_t sum = 0, n = (uint64_t)((bottom - top) * (right - left));
    for (int64_t y = top; y < bottom; y++)
        for (int64_t x = left; x < right; x++)
            sum += plane[y * width + x];
    return (unsigned char)((sum + n / 2) / n);
}

void nnrt_page_png(FILE *f, int64_t width, int64_t height, const void *png, size_t size,
                   const char *alt)
{
    fputs("<img alt=\"", f);
    nnrt_html_say(f, alt);
    fprintf(f, "\" width=\"%lld\" height=\"%lld\" src=\"data:image/png;base64,", (long long)width,
            (long long)height);
    picture_base64(f, png, size);
    fputs("\" />", f);
}

void nnrt_page_picture(FILE *f, int channels, int64_t height, int64_t width,
                       const unsigned char *pixels, const char *alt)
{
    int64_t side = height > width ? height : width;
    int64_t high = side > PICTURE_SIDE ? (height * PICTURE_SIDE + side - 1) / side : height;
    int64_t wide = side > PICTURE_SIDE ? (width * PICTURE_SIDE + side - 1) / side : width;
    size_t row = (size_t)(wide * channels);
    unsigned char *rows = calloc((size_t)high, row + 1);
    nnrt_buffer png = {0};
    for (int64_t y = 0; rows && y < high; y++)
        for (int64_t x = 0; x < wide; x++)
            for (int c = 0; c < channels; c++)
                rows[(size_t)y * row + (size_t)(x * channels + c)] =
                    picture_mean(pixels + c * height * width, width, y * height / high,
                                 (y + 1) * height / high, x * width / wide, (x + 1) * width / wide);
    if (rows)
        nnrt_png_put(&png, channels, high, wide, rows);
    if (rows && !png.failed)
        nnrt_page_png(f, wide, high, png.at, png.size, alt);
    nnrt_buffer_free(&png);
    free(rows);
}
