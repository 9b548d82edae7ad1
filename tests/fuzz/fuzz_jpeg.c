/* SPDX-License-Identifier: MIT */
/* fuzz_jpeg.c: any bytes as a JPEG image, as grey, as colours, brought to another size. */
#include "fuzz_photo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_photo(nnrt_jpeg_parse, bytes, size, &(nnrt_photo_want){.planes = 1});
    fuzz_photo(nnrt_jpeg_parse, bytes, size,
               &(nnrt_photo_want){.planes = 3, .least_w = 5, .least_h = 7});
    return 0;
}
