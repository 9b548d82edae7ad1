/* SPDX-License-Identifier: MIT */
/* nnrt_idx.c: the format of MNIST: 00 00 TYPE RANK, RANK lengths, the numbers; all big-endian. */
#include "nnrt_data.h"

/* 0: no such type. */
static int idx_type(unsigned char code, nnrt_array_type *type)
{
    switch (code) {
    case 0x08: return *type = NNRT_ARRAY_U8, 1;
    case 0x09: return *type = NNRT_ARRAY_I8, 1;
    case 0x0B: return *type = NNRT_ARRAY_I16, 1;
    case 0x0C: return *type = NNRT_ARRAY_I32, 1;
    case 0x0D: return *type = NNRT_ARRAY_F32, 1;
    case 0x0E: return *type = NNRT_ARRAY_F64, 1;
    }
    return 0;
}

/* Checks all but the count of numbers. */
static int idx_header(const char *path, const nnrt_bytes *b, nnrt_array *head, nnrt_fault *fault)
{
    if (b->size < 4)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: byte 0: expected an idx file (00 00 type rank), found %zu bytes",
                         path, b->size);
    const unsigned char *m = b->at;
    if (m[0] || m[1] || !idx_type(m[2], &head->type))
        return nnrt_fail(
            fault, NNRT_BAD_CONTENT,
            "%s: byte 0: expected idx magic (00 00, then type 08, 09, 0b, 0c, 0d or 0e), "
            "found %02x %02x %02x",
            path, m[0], m[1], m[2]);
    head->rank = m[3];
    if (head->rank < 1 || head->rank > NNRT_RANK)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: byte 3: expected 1 to %d axes, found %d",
                         path, NNRT_RANK, head->rank);
    if (b->size < 4 + 4 * (size_t)head->rank)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: byte 4: expected the lengths of %d axes, found the file's end at %zu",
                         path, head->rank, b->size);
    for (int i = 0; i < head->rank; i++) {
        const unsigned char *d = m + 4 + 4 * i;
        head->dim[i] = (int64_t)d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3];
    }
    return NNRT_OK;
}

int nnrt_idx_read(const char *path, nnrt_array *out, nnrt_fault *fault)
{
    *out = (nnrt_array){0};
    nnrt_bytes bytes;
    int status = nnrt_file_open(path, &bytes, fault);
    if (status)
        return status;
    nnrt_array head = {0};
    status = idx_header(path, &bytes, &head, fault);
    if (status) {
        nnrt_bytes_free(&bytes);
        return status;
    }
    status = nnrt_array_take(path, &bytes, 4 + 4 * (size_t)head.rank, 1, head.type, head.rank,
                             head.dim, out, fault);
    if (status)
        *out = (nnrt_array){0};
    return status;
}
