/* SPDX-License-Identifier: MIT */
/* test_nnrt_negatives.c: guards rows of classes of which the first was taken: that none of the others was, that they
 * differ, that each is as likely as another, and that a row depends on seed, epoch and sample alone. */
#include "nnrt_scratch.h"

TestSuite(nnrt_negatives, .init = scratch_open, .fini = scratch_close, .timeout = 60);

enum { USERS = 4, ITEMS = 12, COUNT = 5, ROWS = 9 };

static const nnrt_value inputs[] = {
    {.name = "user", .dtype = NNRT_I32, .count = 1, .classes = USERS},
    {.name = "items", .dtype = NNRT_I32, .rank = 1, .dim = {6}, .count = 6, .classes = ITEMS},
    {.name = "taken", .dtype = NNRT_F32, .rank = 1, .dim = {6}, .count = 6},
};
static const nnrt_model model = {.n_inputs = 3, .inputs = inputs};
static const char *const user_names[] = {"0"}, *const item_names[] = {"1"};
static const nnrt_column columns[] = {
    {.input = "user", .n_names = 1, .names = user_names},
    {.input = "items", .n_names = 1, .names = item_names},
};
/* Users 0 to 3 took these; user 3 as many as leave just COUNT. */
static const int pairs[ROWS][2] = {{0, 3}, {1, 0}, {1, 11}, {3, 2}, {3, 4},
                                   {3, 6}, {3, 8}, {3, 10}, {2, 5}};
static const char table[] = "0,3\n1,0\n1,11\n3,2\n3,4\n3,6\n3,8\n3,10\n2,5\n";
static const char seen[] = "0,1\n3,0\n3,1\n0,1\n";

static int is_taken(int user, int item, int with_seen)
{
    for (int i = 0; i < ROWS; i++)
        if (pairs[i][0] == user && pairs[i][1] == item)
            return 1;
    return with_seen && ((user == 0 && item == 1) || (user == 3 && item <= 1));
}

static int open_rows(nnrt_dataset *d, const char *other, nnrt_fault *fault)
{
    static nnrt_negatives negatives;
    negatives = (nnrt_negatives){"items", "user", "taken", COUNT, 1, other};
    const nnrt_source source = {.kind = NNRT_SOURCE_CSV,
                                .file = "t.csv",
                                .delimiter = ',',
                                .n_columns = 2,
                                .columns = columns,
                                .n_negatives = 1,
                                .negatives = &negatives};
    scratch_text("t.csv", table);
    scratch_text("seen.csv", seen);
    return nnrt_dataset_open(d, &model, &source, scratch_dir, NULL, NULL, fault);
}

/* All rows of items, and checks what stands beside them. */
static void read_rows(const nnrt_dataset *d, int32_t *items)
{
    int64_t order[ROWS];
    int32_t user[ROWS];
    float taken[ROWS * (1 + COUNT)];
    void *out[3] = {user, items, taken};
    for (int i = 0; i < ROWS; i++)
        order[i] = i;
    cr_assert_eq(nnrt_dataset_batch(d, order, ROWS, out, NULL), NNRT_OK);
    for (int i = 0; i < ROWS * (1 + COUNT); i++)
        cr_expect_eq(taken[i], i % (1 + COUNT) == 0);
    for (int i = 0; i < ROWS; i++) {
        cr_expect_eq(user[i], pairs[i][0]);
        cr_expect_eq(items[i * (1 + COUNT)], pairs[i][1]);
    }
}

/* 1: the others of each row differ, are in range, and were not taken. */
static int good_rows(const int32_t *items, int with_seen)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 1; j <= COUNT; j++) {
            int32_t item = items[i * (1 + COUNT) + j];
            if (item < 0 || item >= ITEMS || is_taken(pairs[i][0], item, with_seen))
                return 0;
            for (int k = 1; k < j; k++)
                if (items[i * (1 + COUNT) + k] == item)
                    return 0;
        }
    return 1;
}

/* The rows of so many epochs are as they should be; `seen`: the other table counts too. */
static void expect_good_epochs(nnrt_dataset *d, uint64_t seed, int epochs, int seen)
{
    int32_t items[ROWS * (1 + COUNT)];
    for (int epoch = 0; epoch < epochs; epoch++) {
        nnrt_negatives_begin(d, seed, epoch);
        read_rows(d, items);
        cr_expect(good_rows(items, seen), "epoch %d", epoch);
    }
}

Test(nnrt_negatives, draws_none_that_was_taken)
{
    nnrt_dataset d;
    nnrt_fault fault;
    cr_assert_eq(open_rows(&d, NULL, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_eq(d.n, ROWS);
    expect_good_epochs(&d, 7, 200, 0);
    nnrt_dataset_close(&d);
}

Test(nnrt_negatives, depends_on_seed_epoch_and_sample_alone)
{
    nnrt_dataset d;
    nnrt_fault fault;
    enum { N = ROWS * (1 + COUNT) };
    int32_t first[N], again[N], later[N], seeded[N], before[N], one[1 + COUNT], user;
    float taken[1 + COUNT];
    cr_assert_eq(open_rows(&d, NULL, &fault), NNRT_OK, "%s", fault.text);
    read_rows(&d, before);
    nnrt_negatives_begin(&d, 1, 0);
    read_rows(&d, first);
    nnrt_negatives_begin(&d, 1, 1);
    read_rows(&d, later);
    nnrt_negatives_begin(&d, 2, 0);
    read_rows(&d, seeded);
    nnrt_negatives_begin(&d, 1, 0);
    read_rows(&d, again);
    cr_expect_arr_eq(first, again, sizeof first);
    cr_expect_arr_neq(first, later, sizeof first);
    cr_expect_arr_neq(first, seeded, sizeof first);
    cr_expect_arr_neq(first, before, sizeof first);
    void *out[3] = {&user, one, taken}; /* a sample read by itself */
    cr_assert_eq(nnrt_dataset_batch(&d, &(int64_t){4}, 1, out, NULL), NNRT_OK);
    cr_expect_arr_eq(one, first + 4 * (1 + COUNT), sizeof one);
    nnrt_dataset_close(&d);
}

/* Of the 11 that user 0 did not take, 5 are drawn in 2000 epochs: each 909 times, with a deviation of 22. */
Test(nnrt_negatives, draws_each_as_often)
{
    nnrt_dataset d;
    nnrt_fault fault;
    int32_t items[ROWS * (1 + COUNT)];
    int count[ITEMS] = {0}, first[ITEMS] = {0};
    cr_assert_eq(open_rows(&d, NULL, &fault), NNRT_OK, "%s", fault.text);
    for (int epoch = 0; epoch < 2000; epoch++) {
        nnrt_negatives_begin(&d, 3, epoch);
        read_rows(&d, items);
        first[items[1]]++;
        for (int j = 1; j <= COUNT; j++)
            count[items[j]]++;
    }
    for (int i = 0; i < ITEMS; i++) {
        cr_expect(i == 3 ? count[i] == 0 : count[i] > 909 - 110 && count[i] < 909 + 110, "%d: %d",
                  i, count[i]);
        cr_expect(i == 3 ? first[i] == 0 : first[i] > 182 - 65 && first[i] < 182 + 65, "%d: %d", i,
                  first[i]);
    }
    nnrt_dataset_close(&d);
}

Test(nnrt_negatives, another_table_says_what_was_taken_too)
{
    nnrt_dataset d;
    nnrt_fault fault;
    /* user 3 took seven of the twelve then: exactly five are left, and all of them are drawn */
    cr_assert_eq(open_rows(&d, "seen.csv", &fault), NNRT_OK, "%s", fault.text);
    expect_good_epochs(&d, 1, 50, 1);
    nnrt_dataset_close(&d);
}

Test(nnrt_negatives, refuses_what_cannot_be)
{
    nnrt_dataset d;
    nnrt_fault fault;
    scratch_text("more.csv", "3,0\n3,1\n3,3\n");
    cr_expect_eq(open_rows(&d, "more.csv", &fault), NNRT_BAD_CONTENT);
    cr_expect(strstr(fault.text, "t.csv: negatives: 5 others are wanted for each sample, and user "
                                 "3 has left 4 of the 12 of 'items'"),
              "%s", fault.text);
    scratch_text("bad.csv", "3,12\n");
    cr_expect_eq(open_rows(&d, "bad.csv", &fault), NNRT_BAD_CONTENT);
    cr_expect(strstr(fault.text, "bad.csv:1:3: expected an integer from 0 to 11"), "%s",
              fault.text);
    cr_expect_eq(open_rows(&d, "none.csv", &fault), NNRT_BAD_FILE);
}
