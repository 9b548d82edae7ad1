/* SPDX-License-Identifier: MIT */
/* nnrt_crc32c.c: the checksum of weights in safetensors files and of TensorBoard's records. */
#include "nnrt_data.h"

/* A row of the table: what eight shifts make of one byte. */
static uint32_t crc32c_byte(uint32_t x)
{
    for (int bit = 0; bit < 8; bit++)
        x = x & 1 ? x >> 1 ^ 0x82F63B78 : x >> 1;
    return x;
}

/* Eight bytes a step, by tables that are made on the way: worth it from some kilobytes on. */
static uint32_t crc32c_long(uint32_t crc, const unsigned char **at, size_t *size)
{
    uint32_t t[8][256];
    for (uint32_t i = 0; i < 256; i++)
        t[0][i] = crc32c_byte(i);
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 255];
    const unsigned char *p = *at;
    for (; *size >= 8; *size -= 8, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);
        crc = t[7][low & 255] ^ t[6][low >> 8 & 255] ^ t[5][low >> 16 & 255] ^ t[4][low >> 24] ^
              t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
    }
    *at = p;
    return crc;
}

uint32_t nnrt_crc32c(uint32_t crc, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    crc = ~crc;
    if (size >= 4096)
        crc = crc32c_long(crc, &at, &size);
    for (; size; size--)
        crc = crc >> 8 ^ crc32c_byte((crc ^ *at++) & 255);
    return ~crc;
}
