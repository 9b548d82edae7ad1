/* SPDX-License-Identifier: MIT */
/* fuzz_jpeg.c: any bytes as a JPEG image, as grey, as colours, brought to another size. */
#include "fuzz_reader.h"
#include "nnrt_photo.h"

static void fuzz_photo(const uint8_t *bytes, size_t size, const nnrt_photo_want *want)
{
    nnrt_photo p;
    nnrt_fault fault = {""};
    unsigned char image[3 * 7 * 5], sum = 0;
    int32_t mask[7 * 5];
    int status = nnrt_jpeg_parse("a.jpeg", bytes, size, want, &p, &fault);
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_photo(bytes, size, &(nnrt_photo_want){.planes = 1});
    fuzz_photo(bytes, size, &(nnrt_photo_want){.planes = 3, .least_w = 5, .least_h = 7});
    return 0;
}
