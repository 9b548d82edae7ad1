/* SPDX-License-Identifier: MIT */
/* Guards nnrt_rand.h: Philox's known answers, each part of a key, the distributions. */
#include <criterion/criterion.h>
#include <math.h>

#include "nnrt_rand.h"

/* Random123's kat_vectors: philox2x32, 10 rounds. */
Test(nnrt_rand, known_answers)
{
    cr_assert_eq(nnrt_philox(0, 0, 0), UINT64_C(0x6cd10df2ff1dae59));
    cr_assert_eq(nnrt_philox(0xffffffff, 0xffffffff, 0xffffffff), UINT64_C(0xab4fd7ad2c3f628b));
    cr_assert_eq(nnrt_philox(0x243f6a88, 0x85a308d3, 0x13198a2e), UINT64_C(0xf62a4c12dd7ce038));
}

/* Checkpoints and weights depend on these numbers: they may never change. */
Test(nnrt_rand, stays_what_it_is)
{
    cr_assert_eq(nnrt_rand_mix(0), UINT64_C(0xE220A8397B1DCDAF));
    cr_assert_eq(nnrt_rand_u32(1, 2, 3, 4), 0x602896a7u);
    cr_assert_eq(nnrt_rand_bits64(nnrt_rand_key_of(1, 2, 3), UINT64_C(1) << 32 | 4),
                 UINT64_C(0xe510c9b50d560498));
}

Test(nnrt_rand, every_part_matters)
{
    uint64_t a = nnrt_rand_bits64(nnrt_rand_key_of(1, 1, 1), 1);
    cr_assert_neq(a, nnrt_rand_bits64(nnrt_rand_key_of(2, 1, 1), 1));
    cr_assert_neq(a, nnrt_rand_bits64(nnrt_rand_key_of(1, 2, 1), 1));
    cr_assert_neq(a, nnrt_rand_bits64(nnrt_rand_key_of(1, 1, 2), 1));
    cr_assert_neq(a, nnrt_rand_bits64(nnrt_rand_key_of(1, 1, 1), 2));
    cr_assert_neq(a, nnrt_rand_bits64(nnrt_rand_key_of(1, 1, 1), 1 + (UINT64_C(1) << 32)));
    cr_assert_neq(a, nnrt_rand_bits64(nnrt_rand_key_of(1 + (UINT64_C(1) << 32), 1, 1), 1));
}

Test(nnrt_rand, uniform)
{
    enum { N = 1 << 18, BINS = 64 };
    nnrt_rand_key k = nnrt_rand_key_of(7, 8, 9);
    int bins[BINS] = {0};
    double sum = 0, next = 0, before = 0;
    for (int i = 0; i < N; i++) {
        double u = (double)nnrt_rand_uniform(k, (uint64_t)i);
        cr_assert(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
        sum += u;
        next += (u - 0.5) * (before - 0.5);
        before = u;
    }
    double chi = 0, each = (double)N / BINS;
    for (int i = 0; i < BINS; i++)
        chi += (bins[i] - each) * (bins[i] - each) / each;
    cr_assert(fabs(sum / N - 0.5) < 4 / sqrt(12.0 * N));
    cr_assert(chi > 25 && chi < 125, "chi square of 63 degrees: %g", chi);
    cr_assert(fabs(next / N) < 4 / (12 * sqrt((double)N)), "neighbours correlate: %g", next / N);
}

Test(nnrt_rand, normal)
{
    enum { N = 1 << 18 };
    nnrt_rand_key k = nnrt_rand_key_of(1, 2, 3);
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
    int outside = 0;
    for (int i = 0; i < N; i++) {
        double x = (double)nnrt_rand_normal(k, (uint64_t)i);
        cr_assert(isfinite(x));
        m1 += x;
        m2 += x * x;
        m3 += x * x * x;
        m4 += x * x * x * x;
        outside += fabs(x) > 1.959964;
    }
    double s = sqrt((double)N);
    cr_assert(fabs(m1 / N) < 4 / s);
    cr_assert(fabs(m2 / N - 1) < 4 * sqrt(2) / s);
    cr_assert(fabs(m3 / N) < 4 * sqrt(15) / s);
    cr_assert(fabs(m4 / N - 3) < 4 * sqrt(96) / s);
    cr_assert(fabs(outside / (double)N - 0.05) < 4 * sqrt(0.0475) / s);
}
