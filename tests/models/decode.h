/* SPDX-License-Identifier: MIT */
/* decode.h: what the programs that check decoding share. */
#ifndef DECODE_H
#define DECODE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "nnrt_rand.h"

static int wrong;

static void expect(int good, const char *what, int number)
{
    if (!good)
        printf("%s (%d)\n", what, number);
    wrong |= !good;
}

/* The token that is drawn of these scores of classes; temperature 0: the largest. */
static int draw(const float *s, int classes, float temperature, uint64_t seed, int position)
{
    int best = 0;
    double all = 0, sum = 0;
    for (int i = 1; i < classes; i++)
        best = s[i] > s[best] ? i : best;
    if (temperature == 0)
        return best;
    nnrt_rand_key key = nnrt_rand_key_of(seed, 0, 0xdec0deu);
    double u = (double)(nnrt_rand_bits64(key, (uint64_t)position) >> 11) * 0x1p-53;
    for (int i = 0; i < classes; i++)
        all += exp(((double)s[i] - (double)s[best]) / (double)temperature);
    for (int i = 0; i < classes; i++) {
        sum += exp(((double)s[i] - (double)s[best]) / (double)temperature);
        if (sum > u * all)
            return i;
    }
    return classes - 1;
}

#endif
