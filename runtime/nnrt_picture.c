/* SPDX-License-Identifier: MIT */
/* nnrt_picture.c: small images inside a page: PNG (ISO/IEC 15948), its data stored and not deflated, so that no library
 * is needed, in base64 (RFC 4648). */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"
#include "nnrt_page.h"

enum { PICTURE_SIDE = 96 }; /* pixels, at most */

/* --- PNG -------------------------------------------------------------------------------------- */

static void picture_word(nnrt_buffer *b, uint32_t word)
{
    const unsigned char bytes[4] = {(unsigned char)(word >> 24), (unsigned char)(word >> 16),
                                    (unsigned char)(word >> 8), (unsigned char)word};
    nnrt_buffer_put(b, bytes, 4);
}

/* Length, type, data, and the CRC of the latter two. `data` begins with the type. */
static void picture_chunk(nnrt_buffer *png, const nnrt_buffer *data)
{
    if (data->failed || png->failed) {
        png->failed = 1;
        return;
    }
    picture_word(png, (uint32_t)(data->size - 4));
    nnrt_buffer_put(png, data->at, data->size);
    picture_word(png, nnrt_crc32((const unsigned char *)data->at, data->size));
}

/* zlib's frame (RFC 1950) around stored blocks (RFC 1951). */
static void picture_stored(nnrt_buffer *out, const unsigned char *bytes, size_t n)
{
    enum { BLOCK = 65535, BASE = 65521 };
    uint32_t a = 1, b = 0;
    nnrt_buffer_put(out, "\x78\x01", 2);
    for (size_t at = 0, part; at < n; at += part) {
        part = n - at < BLOCK ? n - at : BLOCK;
        const unsigned char head[5] = {at + part == n, (unsigned char)part,
                                       (unsigned char)(part >> 8), (unsigned char)~part,
                                       (unsigned char)(~part >> 8)};
        nnrt_buffer_put(out, head, 5);
        nnrt_buffer_put(out, bytes + at, part);
    }
    for (size_t i = 0; i < n; i++) {
        a = (a + bytes[i]) % BASE;
        b = (b + a) % BASE;
    }
    picture_word(out, b << 16 | a);
}

/* Rows of pixels, a filter byte of 0 before each. */
static void picture_png(nnrt_buffer *png, int channels, int height, int width,
                        const unsigned char *rows)
{
    nnrt_buffer chunk = {0};
    const unsigned char depth[5] = {8, channels == 3 ? 2 : 0, 0, 0, 0};
    nnrt_buffer_put(png, "\x89PNG\r\n\x1a\n", 8);
    nnrt_buffer_put(&chunk, "IHDR", 4);
    picture_word(&chunk, (uint32_t)width);
    picture_word(&chunk, (uint32_t)height);
    nnrt_buffer_put(&chunk, depth, 5);
    picture_chunk(png, &chunk);
    chunk.size = 0;
    nnrt_buffer_put(&chunk, "IDAT", 4);
    picture_stored(&chunk, rows, (size_t)height * ((size_t)width * (size_t)channels + 1));
    picture_chunk(png, &chunk);
    chunk.size = 0;
    nnrt_buffer_put(&chunk, "IEND", 4);
    picture_chunk(png, &chunk);
    nnrt_buffer_free(&chunk);
}

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

/* --- pixels ----------------------------------------------------------------------------------- */

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

void nnrt_picture(FILE *f, int channels, int64_t height, int64_t width, const unsigned char *pixels,
                  const char *alt)
{
    int64_t side = height > width ? height : width;
    int64_t high = side > PICTURE_SIDE ? (height * PICTURE_SIDE + side - 1) / side : height;
    int64_t wide = side > PICTURE_SIDE ? (width * PICTURE_SIDE + side - 1) / side : width;
    size_t row = (size_t)(wide * channels) + 1;
    unsigned char *rows = calloc((size_t)high, row);
    nnrt_buffer png = {0};
    for (int64_t y = 0; rows && y < high; y++)
        for (int64_t x = 0; x < wide; x++)
            for (int c = 0; c < channels; c++)
                rows[(size_t)y * row + 1 + (size_t)(x * channels + c)] =
                    picture_mean(pixels + c * height * width, width, y * height / high,
                                 (y + 1) * height / high, x * width / wide, (x + 1) * width / wide);
    if (rows)
        picture_png(&png, channels, (int)high, (int)wide, rows);
    if (rows && !png.failed) {
        fputs("<img alt=\"", f);
        nnrt_html_say(f, alt);
        fprintf(f, "\" width=\"%lld\" height=\"%lld\" src=\"data:image/png;base64,",
                (long long)wide, (long long)high);
        picture_base64(f, (const unsigned char *)png.at, png.size);
        fputs("\" />", f);
    }
    nnrt_buffer_free(&png);
    free(rows);
}
