/* SPDX-License-Identifier: MIT */
/* nnrt_png_write.c: pictures as PNG (ISO/IEC 15948): 8 bits a channel, rows unfiltered, in deflate blocks that are
 * stored (RFC 1951, 3.2.4) under zlib's frame (RFC 1950), so that programs need no library for it. */
#include "nnrt_data.h"

static void png_number(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* Length, name and data, then the CRC-32 of the last two. */
static void png_chunk(nnrt_buffer *out, const char *name, const void *data, size_t size)
{
    unsigned char number[4];
    png_number(number, (uint32_t)size);
    nnrt_buffer_put(out, number, 4);
    size_t at = out->size;
    nnrt_buffer_put(out, name, 4);
    nnrt_buffer_put(out, data, size);
    if (out->failed)
        return;
    png_number(number, nnrt_crc32((const unsigned char *)out->at + at, size + 4));
    nnrt_buffer_put(out, number, 4);
}

/* The rows, each after a filter byte of 0. */
static void png_stream(nnrt_buffer *out, size_t height, size_t row, const unsigned char *pixels)
{
    enum { BLOCK = 65535, ADLER = 65521 };
    size_t size = (row + 1) * height;
    uint32_t a = 1, b = 0;
    unsigned char number[4], piece[BLOCK];
    nnrt_buffer_put(out, "\x78\x01", 2);
    for (size_t at = 0; at < size; at += BLOCK) {
        size_t n = size - at < BLOCK ? size - at : BLOCK;
        for (size_t i = 0; i < n; i++) {
            size_t column = (at + i) % (row + 1);
            piece[i] = column ? pixels[(at + i) / (row + 1) * row + column - 1] : 0;
            a = (a + piece[i]) % ADLER;
            b = (b + a) % ADLER;
        }
        const unsigned char head[5] = {at + n == size, (unsigned char)n, (unsigned char)(n >> 8),
                                       (unsigned char)~n, (unsigned char)(~n >> 8)};
        nnrt_buffer_put(out, head, 5);
        nnrt_buffer_put(out, piece, n);
    }
    png_number(number, b << 16 | a);
    nnrt_buffer_put(out, number, 4);
}

void nnrt_png_put(nnrt_buffer *out, int channels, int64_t height, int64_t width,
                  const unsigned char *pixels)
{
    enum { BITS = 8, GREY = 0, RGB = 2 };
    unsigned char head[13] = {[8] = BITS, [9] = channels == 3 ? RGB : GREY};
    nnrt_buffer stream = {0};
    png_number(head, (uint32_t)width);
    png_number(head + 4, (uint32_t)height);
    png_stream(&stream, (size_t)height, (size_t)width * (size_t)channels, pixels);
    nnrt_buffer_put(out, "\x89PNG\r\n\x1a\n", 8);
    png_chunk(out, "IHDR", head, sizeof head);
    png_chunk(out, "IDAT", stream.at, stream.size);
    png_chunk(out, "IEND", "", 0);
    out->failed |= stream.failed;
    nnrt_buffer_free(&stream);
}
