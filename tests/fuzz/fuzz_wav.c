/* SPDX-License-Identifier: MIT */
/* fuzz_wav.c: any bytes as a WAV file, brought to another rate. What only libsndfile reads is its own
 * fuzzers' affair. */
#include "fuzz_reader.h"
#include "nnrt_sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    nnrt_clip clip;
    nnrt_fault fault = {""};
    int status = nnrt_wav_parse("a.wav", bytes, size, &clip, &fault);
    if (status > 0)
        fuzz_check_fault(status, &fault);
    if (!status && clip.n && clip.rate >= 1000 && clip.rate <= 768000) {
        status = nnrt_resample("a.wav", &clip, 8000, 500, &fault);
        fuzz_check_fault(status, &fault);
        float sum = 0;
        for (int64_t i = 0; i < clip.n; i++)
            sum += clip.at[i];
        volatile float kept = sum;
        (void)kept;
    }
    nnrt_clip_free(&clip);
    return 0;
}
