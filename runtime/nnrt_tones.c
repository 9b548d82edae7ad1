/* SPDX-License-Identifier: MIT */
/* nnrt_tones.c: made-up clips, for examples that need no files: digits as telephones dial them, two
 * tones each, of changing length, loudness and pitch, in noise. In integers: the same samples on
 * every machine. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_sound.h"

/* sin of a turn of 2^32, times 2^15: 16 t (1 - t) / (5 - 4 t (1 - t)) of half a turn (Bhaskara),
 * within 0.2 %. */
static int32_t tones_sine(uint32_t phase)
{
    int64_t t = phase >> 15 & 0xFFFF, u = t * (65536 - t) / 65536;
    int32_t s = (int32_t)(16 * u * 32768 / (5 * 65536 - 4 * u));
    return phase >> 31 ? -s : s;
}

/* A clip while it is made; `at` NULL: only its length and digits are wanted. */
typedef struct tones_clip {
    float *at;
    int64_t n;
} tones_clip;

/* Silence. */
static void tones_pause(tones_clip *c, int64_t samples)
{
    for (int64_t i = 0; c->at && i < samples; i++)
        c->at[c->n + i] = 0;
    c->n += samples;
}

static void tones_digit(tones_clip *c, uint64_t *r, int digit, int64_t rate)
{
    static const int32_t rows[] = {697, 770, 852, 941}, columns[] = {1209, 1336, 1477};
    int key = digit ? digit - 1 : 10; /* 1 2 3, 4 5 6, 7 8 9, * 0 # */
    int64_t samples = rate * nnrt_synth_range(r, 60, 140) / 1000,
            pitch = nnrt_synth_range(r, 985, 1015);
    int32_t loud = nnrt_synth_range(r, 40, 120), tilt = nnrt_synth_range(r, 60, 100);
    uint32_t a = (uint32_t)nnrt_synth_next(r), b = (uint32_t)nnrt_synth_next(r);
    uint32_t step_a = (uint32_t)((rows[key / 3] * pitch << 32) / (1000 * rate));
    uint32_t step_b = (uint32_t)((columns[key % 3] * pitch << 32) / (1000 * rate));
    for (int64_t i = 0; c->at && i < samples; i++, a += step_a, b += step_b) {
        int64_t both = (int64_t)tones_sine(a) * 100 + (int64_t)tones_sine(b) * tilt;
        c->at[c->n + i] = (float)(both * loud / 40000) / 32768;
    }
    c->n += samples;
}

static void tones_noise(const tones_clip *c, uint64_t *r)
{
    int32_t level = nnrt_synth_range(r, 100, 2500);
    for (int64_t i = 0; i < c->n; i++) /* of four bytes: small ones are likelier */
        c->at[i] +=
            (float)((int64_t)((nnrt_synth_next(r) & 0x00FF00FF00FF00FFu) * 0x0001000100010001u >>
                              48) *
                        level / 510 -
                    level) /
            32768;
}

/* All of it but the noise. */
static void tones_make(tones_clip *c, uint64_t *r, int n, const char *digits, int64_t rate)
{
    tones_pause(c, rate * nnrt_synth_range(r, 10, 100) / 1000);
    for (int i = 0; i < n; i++) {
        tones_digit(c, r, digits[i] - '0', rate);
        tones_pause(c, rate * nnrt_synth_range(r, 20, 80) / 1000);
    }
}

int nnrt_tones(uint64_t seed, int64_t i, int several, int64_t rate, nnrt_clip *out, char digits[8])
{
    uint64_t r = nnrt_synth_state(seed, i);
    nnrt_synth_next(&r);
    int n = several ? nnrt_synth_range(&r, 2, 5) : 1;
    for (int k = 0; k < n; k++)
        digits[k] = (char)('0' + nnrt_synth_range(&r, 0, 9));
    digits[n] = 0;
    if (!out)
        return NNRT_OK;
    uint64_t again = r;
    tones_clip c = {0};
    tones_make(&c, &again, n, digits, rate); /* how long it is */
    *out = (nnrt_clip){malloc((size_t)c.n * sizeof *out->at + 1), c.n, rate};
    if (!out->at)
        return NNRT_NO_MEMORY;
    c = (tones_clip){out->at, 0};
    tones_make(&c, &r, n, digits, rate);
    tones_noise(&c, &r);
    return NNRT_OK;
}
