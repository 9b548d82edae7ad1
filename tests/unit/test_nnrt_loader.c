/* SPDX-License-Identifier: MIT */
/* test_nnrt_loader.c: guards batches that are read in the background: those of reading at once, whatever reads them;
 * from the middle of an epoch; ended early; and a sample that cannot be read, which is told with its batch. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nnrt_program.h"

enum { SAMPLES = 37, BATCH = 8, C = 3, SIDE = 6, COUNT = C * SIDE * SIDE };

static const nnrt_augment list[] = {
    {.kind = NNRT_AUGMENT_ROTATE, .low = -20, .high = 20},
    {.kind = NNRT_AUGMENT_FLIP, .high = 0.5},
    {.kind = NNRT_AUGMENT_NOISE, .high = 3},
};
static nnrt_value values[2];
static nnrt_model model;
static nnrt_dataset data;
static nnrt_array columns[2];
static unsigned char pixels[SAMPLES * COUNT], labels[SAMPLES];
static int64_t order[SAMPLES], broken;

static int sample(void *own, int64_t row, void *to, nnrt_fault *fault)
{
    (void)own;
    usleep((unsigned)(row * 7 % 5) * 100); /* in another order each time */
    if (row == broken)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "photo %d: broken", (int)row);
    for (int i = 0; i < COUNT; i++)
        ((float *)to)[i] = pixels[row * COUNT + i];
    return NNRT_OK;
}

static void set_of(int lazy)
{
    values[0] = (nnrt_value){.name = "image",
                             .rank = 3,
                             .dim = {C, SIDE, SIDE},
                             .count = COUNT,
                             .n_augment = 3,
                             .augment = list};
    values[1] = (nnrt_value){.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 256};
    model = (nnrt_model){.name = "m", .batch = BATCH, .n_inputs = 2, .inputs = values};
    columns[0] = (nnrt_array){.type = NNRT_ARRAY_U8,
                              .rank = 4,
                              .dim = {SAMPLES, C, SIDE, SIDE},
                              .data = lazy ? NULL : pixels};
    if (lazy)
        columns[0].lazy.sample = sample;
    columns[1] = (nnrt_array){.type = NNRT_ARRAY_U8, .rank = 1, .dim = {SAMPLES}, .data = labels};
    data = (nnrt_dataset){.model = &model, .n = SAMPLES, .columns = columns};
    for (int i = 0; i < SAMPLES * COUNT; i++)
        pixels[i] = (unsigned char)(i * 31 + i / 7);
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = (unsigned char)(i * 3);
        order[i] = i * 5 % SAMPLES;
    }
    broken = -1;
}

/* The batches from `first` on are those that are read at once. */
static void expect_batches(nnrt_feed *feed, int64_t first, int64_t epoch)
{
    static float image[BATCH * COUNT];
    static int32_t label[BATCH];
    void *at[2] = {image, label};
    nnrt_fault fault = {""};
    nnrt_augmenter a;
    const nnrt_loading job = {&data, order, SAMPLES, first, 1, 42, epoch};
    cr_assert_eq(nnrt_augment_open(&a, &model, 1, &fault), NNRT_OK);
    cr_assert_eq(nnrt_feed_begin(feed, &job, &fault), NNRT_OK);
    for (int64_t from = first; from < SAMPLES; from += BATCH) {
        int n, want = (int)(SAMPLES - from < BATCH ? SAMPLES - from : BATCH);
        cr_assert_eq(nnrt_feed_next(feed, &n, &fault), NNRT_OK, "%s", fault.text);
        cr_assert_eq(n, want);
        cr_assert_eq(nnrt_dataset_batch(&data, order + from, n, at, &fault), NNRT_OK);
        nnrt_augment_batch(&a, 42, epoch, order + from, n, at);
        cr_expect_eq(memcmp(feed->in[0], image, (size_t)n * COUNT * sizeof *image), 0);
        cr_expect_eq(memcmp(feed->in[1], label, (size_t)n * sizeof *label), 0);
    }
    int n = 1;
    cr_expect_eq(nnrt_feed_next(feed, &n, &fault), NNRT_OK);
    cr_expect_eq(n, 0);
    nnrt_feed_end(feed);
    nnrt_augment_close(&a);
}

Test(nnrt_loader, the_same_batches)
{
    for (int lazy = 0; lazy < 2; lazy++) {
        nnrt_feed feed;
        nnrt_fault fault;
        set_of(lazy);
        cr_assert_eq(nnrt_feed_open(&feed, &model, &fault), NNRT_OK);
        for (int64_t epoch = 0; epoch < 3; epoch++)
            expect_batches(&feed, epoch * BATCH, epoch);
        expect_batches(&feed, 0, 7);
        nnrt_feed_close(&feed);
    }
}

Test(nnrt_loader, ended_early)
{
    nnrt_feed feed;
    nnrt_fault fault;
    int n;
    set_of(1);
    const nnrt_loading job = {&data, order, SAMPLES, 0, 1, 42, 0};
    cr_assert_eq(nnrt_feed_open(&feed, &model, &fault), NNRT_OK);
    for (int taken = 0; taken < 4; taken++) {
        cr_assert_eq(nnrt_feed_begin(&feed, &job, &fault), NNRT_OK);
        for (int i = 0; i < taken; i++)
            cr_expect_eq(nnrt_feed_next(&feed, &n, &fault), NNRT_OK);
        if (taken % 2)
            nnrt_feed_end(&feed);
        expect_batches(&feed, 0, taken);
    }
    cr_assert_eq(nnrt_feed_begin(&feed, &job, &fault), NNRT_OK);
    nnrt_feed_close(&feed); /* in the middle of it */
}

Test(nnrt_loader, a_broken_sample)
{
    nnrt_feed feed;
    nnrt_fault fault = {""};
    int n, status = NNRT_OK, batches = 0;
    set_of(1);
    broken = order[2 * BATCH + 3];
    const nnrt_loading job = {&data, order, SAMPLES, 0, 1, 42, 0};
    cr_assert_eq(nnrt_feed_open(&feed, &model, &fault), NNRT_OK);
    cr_assert_eq(nnrt_feed_begin(&feed, &job, &fault), NNRT_OK);
    while (!status && batches < 5) {
        status = nnrt_feed_next(&feed, &n, &fault);
        batches += !status;
    }
    cr_expect_eq(status, NNRT_BAD_CONTENT);
    cr_expect_eq(batches, 2);
    cr_expect_neq(strstr(fault.text, ": broken"), NULL);
    nnrt_feed_end(&feed);
    nnrt_feed_close(&feed);
}
