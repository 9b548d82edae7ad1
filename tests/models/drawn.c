/* SPDX-License-Identifier: MIT */
/* drawn.c: an app of the network in sample.yaml. What NAME_sample draws depends on weights, seed and n alone, not on
 * the instance's own seed, nor on what it did before; a fork draws the same; calls that are wrong are refused. Writes
 * what a whole batch of seed 7 is to the file that is named.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "drawn.h"

enum { IMAGE = 16, NOISE = 6, POINT = 2 };

typedef struct Drawn {
    float image[DRAWN_BATCH * IMAGE], noise[DRAWN_BATCH * NOISE], point[DRAWN_BATCH * POINT];
} Drawn;

static int32_t label[DRAWN_BATCH];
static float x[DRAWN_BATCH * NOISE], of_x[DRAWN_BATCH * IMAGE];

static int draw(drawn *m, int n, uint64_t seed, Drawn *d)
{
    return drawn_sample(m, n, seed, label, d->image, d->noise, d->point);
}

static drawn *with_weights(uint64_t seed)
{
    drawn *m = drawn_new(seed);
    CHECK(m && drawn_load(m, "drawn.safetensors") == 0);
    return m;
}

/* The image of the noise that was drawn is what predict makes of it. */
static void check_predicts(drawn *m, const Drawn *d)
{
    memcpy(x, d->noise, sizeof x);
    CHECK(drawn_predict(m, DRAWN_BATCH, x, label, of_x) == 0);
    for (int i = 0; i < DRAWN_BATCH * IMAGE; i++)
        CHECK(fabsf(of_x[i] - d->image[i]) < 1e-5f);
    for (int i = 0; i < DRAWN_BATCH; i++)
        CHECK(memcmp(d->point + POINT * i, d->noise + NOISE * i, POINT * sizeof(float)) == 0);
}

static void check_forks(const drawn *m, const Drawn *wanted)
{
    static Drawn d;
    void *memory = aligned_alloc(64, drawn_size());
    CHECK(memory);
    drawn *fork = drawn_fork(memory, m);
    CHECK(fork && draw(fork, DRAWN_BATCH, 7, &d) == 0);
    CHECK(memcmp(&d, wanted, sizeof d) == 0);
    free(memory);
}

#ifdef TRAINS
/* Whatever was trained in between, the weights of the file give what they gave. */
static void check_after_training(drawn *m, const Drawn *wanted)
{
    static Drawn d;
    static float image[DRAWN_BATCH * IMAGE];
    for (int i = 0; i < 3; i++) {
        CHECK(isfinite(drawn_train_step(m, DRAWN_BATCH, x, label, image)));
        CHECK(draw(m, 5, 3, &d) == 0);
    }
    CHECK(draw(m, DRAWN_BATCH, 7, &d) == 0 && memcmp(&d, wanted, sizeof d) != 0);
    CHECK(drawn_load(m, "drawn.safetensors") == 0);
    CHECK(draw(m, DRAWN_BATCH, 7, &d) == 0 && memcmp(&d, wanted, sizeof d) == 0);
}
#endif

int main(int argc, char **argv)
{
    static Drawn first, d;
    drawn *m = with_weights(1), *other = with_weights(99);
    CHECK(argc == 2);
    for (int i = 0; i < DRAWN_BATCH; i++)
        label[i] = i % 3;
    CHECK(draw(m, DRAWN_BATCH, 7, &first) == 0);
    CHECK(draw(other, DRAWN_BATCH, 7, &d) == 0 && memcmp(&d, &first, sizeof d) == 0);
    check_predicts(m, &first);
    CHECK(draw(m, DRAWN_BATCH, 7, &d) == 0 && memcmp(&d, &first, sizeof d) == 0);
    CHECK(draw(m, DRAWN_BATCH, 8, &d) == 0 && memcmp(&d, &first, sizeof d) != 0);
    CHECK(draw(m, 3, 7, &d) == 0 && memcmp(d.noise, first.noise, 3 * NOISE * sizeof(float)) == 0);
    CHECK(draw(m, 0, 7, &d) == -1 && strstr(drawn_error(m), "n is not from 1 to"));
    CHECK(draw(m, DRAWN_BATCH + 1, 7, &d) == -1);
    check_forks(m, &first);
#ifdef TRAINS
    check_after_training(m, &first);
#endif
    FILE *f = fopen(argv[1], "wb");
    CHECK(f && fwrite(&first, sizeof first, 1, f) == 1 && fclose(f) == 0);
    drawn_free(m);
    drawn_free(other);
    return 0;
}
