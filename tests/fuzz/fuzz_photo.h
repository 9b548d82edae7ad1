/* SPDX-License-Identifier: MIT */
/* fuzz_photo.h: what the fuzzers of the kinds of images share. */
#ifndef NNCC_FUZZ_PHOTO_H
#define NNCC_FUZZ_PHOTO_H

#include "fuzz_reader.h"
#include "nnrt_photo.h"

/* nnrt_png_parse and its like. */
typedef int fuzz_parse(const char *name, const unsigned char *bytes, size_t size,
                       const nnrt_photo_want *, nnrt_photo *out, nnrt_fault *);

/* Reads an image as it is wanted, looks at all of it and brings it to another size. */
static void fuzz_photo(fuzz_parse *parse, const uint8_t *bytes, size_t size,
                       const nnrt_photo_want *want)
{
    nnrt_photo p;
    nnrt_fault fault = {""};
    unsigned char image[3 * 7 * 5], sum = 0;
    int32_t mask[7 * 5];
    int status = parse("a file", bytes, size, want, &p, &fault);
    fuzz_check_fault(status, &fault);
    for (int64_t i = 0; !status && i < p.w * p.h * p.planes; i++)
        sum ^= p.at[i];
    if (!status && p.planes != want->planes)
        abort();
    for (int how = NNRT_RESIZE_STRETCH; !status && how <= NNRT_RESIZE_PAD && p.w * p.h < 1 << 16;
         how++) {
        if (want->classes)
            nnrt_photo_fit_mask(&p, (nnrt_resize)how, 7, 5, -1, mask);
        else
            status = nnrt_photo_fit(&p, (nnrt_resize)how, 7, 5, image);
    }
    nnrt_photo_free(&p);
    volatile unsigned char kept = sum;
    (void)kept;
}

#endif
