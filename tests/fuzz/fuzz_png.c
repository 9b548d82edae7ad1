/* SPDX-License-Identifier: MIT */
/* fuzz_png.c: any bytes as a PNG image, as grey, as colours, as a mask, brought to another size. */
#include "fuzz_photo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_photo(nnrt_png_parse, bytes, size, &(nnrt_photo_want){.planes = 1});
    fuzz_photo(nnrt_png_parse, bytes, size,
               &(nnrt_photo_want){.planes = 3, .least_w = 5, .least_h = 7});
    fuzz_photo(nnrt_png_parse, bytes, size, &(nnrt_photo_want){.planes = 1, .classes = 1});
    return 0;
}
