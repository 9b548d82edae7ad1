/* SPDX-License-Identifier: MIT */
/* nnrt_rand.h: random numbers by counter: a number is a function of (seed, step, stream, index).
 *
 * No state and no order, so threads, vectors and a resumed run all see the same numbers. The
 * generator is Philox2x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2,
 * 3; SC 2011). Seed, step and stream are mixed into its 32-bit key and into the upper half of its
 * 64-bit counter, the index is the lower half: 64 bits tell sequences apart. Indices from 2^32 on
 * are added to the upper half.
 *
 *     nnrt_rand_key k = nnrt_rand_key_of(seed, step, stream);
 *     for (int64_t i = 0; i < n; i++)
 *         y[i] = nnrt_rand_uniform(k, i) < keep ? x[i] : 0;
 */
#ifndef NNRT_RAND_H
#define NNRT_RAND_H

#include <stdint.h>

#include "nnrt_math.h"

/* What `sample` draws is drawn at a "step" that no training step has. */
#define NNRT_SAMPLE_STEP (UINT64_MAX - 1)

typedef struct nnrt_rand_key {
    uint32_t key;  /* Philox's key */
    uint32_t high; /* the upper half of its counter */
} nnrt_rand_key;

/* Philox2x32-10: the counter (low, high) under a key; both words, the first in the low half. */
NNRT_INLINE uint64_t nnrt_philox(uint32_t low, uint32_t high, uint32_t key)
{
    for (int round = 0; round < 10; round++) {
        uint64_t product = (uint64_t)0xD256D193u * low;
        low = (uint32_t)(product >> 32) ^ key ^ high;
        high = (uint32_t)product;
        key += 0x9E3779B9u;
    }
    return (uint64_t)high << 32 | low;
}

/* A permutation of the 64-bit words in which each bit of z moves about half of the result's
 * (the finaliser of SplitMix64). */
NNRT_INLINE uint64_t nnrt_rand_mix(uint64_t z)
{
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* The key of a sequence: once before a loop. */
NNRT_INLINE nnrt_rand_key nnrt_rand_key_of(uint64_t seed, uint64_t step, uint32_t stream)
{
    uint64_t z = nnrt_rand_mix(nnrt_rand_mix(nnrt_rand_mix(seed) ^ step) ^ stream);
    nnrt_rand_key k = {(uint32_t)z, (uint32_t)(z >> 32)};
    return k;
}

/* The key of one turn of a loop in which the sequence is drawn again. */
NNRT_INLINE nnrt_rand_key nnrt_rand_key_turn(nnrt_rand_key k, uint64_t turn)
{
    uint64_t z = nnrt_rand_mix(((uint64_t)k.high << 32 | k.key) ^ turn);
    nnrt_rand_key of_turn = {(uint32_t)z, (uint32_t)(z >> 32)};
    return of_turn;
}

/* 64 random bits. */
NNRT_INLINE uint64_t nnrt_rand_bits64(nnrt_rand_key k, uint64_t index)
{
    return nnrt_philox((uint32_t)index, k.high + (uint32_t)(index >> 32), k.key);
}

/* 32 random bits. */
NNRT_INLINE uint32_t nnrt_rand_bits(nnrt_rand_key k, uint64_t index)
{
    return (uint32_t)nnrt_rand_bits64(k, index);
}

/* The same in one call. */
NNRT_INLINE uint32_t nnrt_rand_u32(uint64_t seed, uint64_t step, uint32_t stream, uint64_t index)
{
    return nnrt_rand_bits(nnrt_rand_key_of(seed, step, stream), index);
}

/* Uniform in [0, 1), a multiple of 2^-24. */
NNRT_INLINE float nnrt_rand_uniform(nnrt_rand_key k, uint64_t index)
{
    return (float)(int32_t)(nnrt_rand_bits(k, index) >> 8) * 5.9604645e-8f;
}

/* Standard normal, by Box and Muller from the two words of one index; at most 5.77 in size. */
NNRT_INLINE float nnrt_rand_normal(nnrt_rand_key k, uint64_t index)
{
    uint64_t bits = nnrt_rand_bits64(k, index);
    float u = (float)(int32_t)(((uint32_t)bits >> 8) + 1u) * 5.9604645e-8f; /* in (0, 1] */
    float turn = (float)(int32_t)((uint32_t)(bits >> 40)) * 3.7450702e-7f;  /* in [0, 2 pi) */
    return nnrt_sqrtf(-2.0f * nnrt_logf(u)) * nnrt_cosf(turn);
}

#endif
