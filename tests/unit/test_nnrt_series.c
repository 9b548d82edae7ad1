/* SPDX-License-Identifier: MIT */
/* test_nnrt_series.c: guards series: windows of a table's rows, the rows after each, which of them
 * validation keeps, and the made-up series. */
#include <math.h>

#include "nnrt_program.h"
#include "nnrt_scratch.h"

TestSuite(nnrt_series, .init = scratch_open, .fini = scratch_close, .timeout = 60);

/* x: 3 rows of two columns; y: the 2 after them. */
static const nnrt_value inputs[] = {
    {.name = "x", .dtype = NNRT_F32, .rank = 2, .dim = {3, 2}, .count = 6},
    {.name = "y", .dtype = NNRT_F32, .rank = 2, .dim = {2, 2}, .count = 4},
};
static const char *const names[] = {"a", "b"};
static const nnrt_column columns[] = {{.input = "x", .n_names = 2, .names = names},
                                      {.input = "y", .n_names = 2, .names = names}};
static const unsigned char need_x[2] = {1, 0};

static nnrt_model model_of(int64_t stride)
{
    nnrt_model m = {.n_inputs = 2, .inputs = inputs};
    m.data_train = (nnrt_source){.kind = NNRT_SOURCE_CSV,
                                 .file = "t.csv",
                                 .header = 1,
                                 .delimiter = ',',
                                 .stride = stride,
                                 .n_columns = 2,
                                 .columns = columns};
    return m;
}

/* Row i is i, 100 + i. */
static void table_of(int rows)
{
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof text, "b,no,a\n");
    for (int i = 0; i < rows; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%d,,%d\n", 100 + i, i);
    scratch_write("t.csv", text, n);
}

Test(nnrt_series, windows)
{
    nnrt_model m = model_of(2);
    nnrt_dataset d;
    nnrt_fault fault;
    table_of(10);
    cr_assert_eq(nnrt_dataset_open(&d, &m, &m.data_train, scratch_dir, NULL, NULL, &fault), 0, "%s",
                 fault.text);
    cr_expect(d.n == 3 && d.tokens == 10 && d.window == 4 && d.stride == 2 && d.before == 3);
    int64_t rows[2] = {2, 0};
    float x[12], y[8];
    void *out[2] = {x, y};
    nnrt_dataset_batch(&d, rows, 2, out, NULL);
    static const float want_x[12] = {4, 104, 5, 105, 6, 106, 0, 100, 1, 101, 2, 102};
    static const float want_y[8] = {7, 107, 8, 108, 3, 103, 4, 104};
    cr_expect_eq(memcmp(x, want_x, sizeof x), 0);
    cr_expect_eq(memcmp(y, want_y, sizeof y), 0);
    nnrt_dataset_close(&d);
    cr_assert_eq(nnrt_dataset_open(&d, &m, &m.data_train, scratch_dir, need_x, NULL, &fault), 0);
    cr_expect(d.n == 3 && !d.columns[1].data);
    nnrt_dataset_close(&d);
}

/* Training sees no row of the last share; each of these is foretold once, but for a rest. */
Test(nnrt_series, split)
{
    for (int64_t stride = 1; stride < 4; stride++)
        for (int rows = 20; rows < 40; rows++) {
            nnrt_model m = model_of(stride);
            nnrt_dataset d;
            nnrt_fault fault;
            nnrt_rows train, kept;
            m.train.validation_split = 0.5;
            table_of(rows);
            cr_assert_eq(nnrt_dataset_open(&d, &m, &m.data_train, scratch_dir, NULL, NULL, &fault),
                         0);
            cr_assert_eq(nnrt_rows_all(&train, d.n, &fault), 0);
            cr_assert_eq(nnrt_data_split(&d, &train, &kept, &fault), 0, "%s", fault.text);
            int64_t cut = rows - rows / 2, last = train.at[train.n - 1] * stride + 4;
            cr_expect(last < cut && last + stride >= cut);
            for (int64_t i = 0; i < kept.n; i++) {
                int64_t next = kept.at[i] * stride + 3;
                cr_expect(next >= cut && next + 2 <= rows);
                cr_expect(i || next < cut + stride);
                cr_expect(!i || next >= kept.at[i - 1] * stride + 3 + 2);
            }
            free(train.at);
            free(kept.at);
            nnrt_dataset_close(&d);
        }
}

Test(nnrt_series, refused)
{
    nnrt_model m = model_of(1);
    nnrt_dataset d;
    nnrt_fault fault;
    table_of(4);
    scratch_fault(nnrt_dataset_open(&d, &m, &m.data_train, scratch_dir, NULL, NULL, &fault),
                  NNRT_BAD_CONTENT, &fault, "t.csv: 4 rows", "need 5");
    scratch_text("t.csv", "a,b\n1,2\n1,2\n1,1e300\n1,2\n1,2\n1,2\n");
    scratch_fault(nnrt_dataset_open(&d, &m, &m.data_train, scratch_dir, NULL, NULL, &fault),
                  NNRT_BAD_CONTENT, &fault, "t.csv: row 2 (from 0)", "found 1e+300");
    scratch_text("t.csv", "a,b\n1,2\n1,nan\n");
    scratch_fault(nnrt_dataset_open(&d, &m, &m.data_train, scratch_dir, NULL, NULL, &fault),
                  NNRT_BAD_CONTENT, &fault, "t.csv:3:3", "finite");
}

/* Every machine makes this series; the best forecast of the next value is off by 1. */
Test(nnrt_series, made_up)
{
    static const nnrt_value one[] = {
        {.name = "x", .dtype = NNRT_F32, .rank = 1, .dim = {2}, .count = 2},
        {.name = "y", .dtype = NNRT_F32, .rank = 1, .dim = {1}, .count = 1}};
    static const nnrt_column each[] = {{.input = "x", .n_names = 1, .names = names},
                                       {.input = "y", .n_names = 1, .names = names}};
    nnrt_model m = {.n_inputs = 2, .inputs = one};
    nnrt_source s = {.kind = NNRT_SOURCE_CSV, .generator = "waves", .seed = 1, .count = 20000};
    nnrt_dataset d;
    nnrt_fault fault;
    s.stride = 1;
    s.n_columns = 2;
    s.columns = each;
    cr_assert_eq(nnrt_dataset_open(&d, &m, &s, NULL, NULL, NULL, &fault), 0, "%s", fault.text);
    cr_expect_eq(d.n, 19998);
    const double *at = d.columns[0].data;
    double best = 0, stays = 0;
    for (int64_t i = 0; i < d.n; i++) {
        double a = at[i] - 100, b = at[i + 1] - 100, c = at[i + 2] - 100;
        best += (c - 1.8 * b + 0.95 * a) * (c - 1.8 * b + 0.95 * a);
        stays += (c - b) * (c - b);
    }
    cr_expect(fabs(sqrt(best / (double)d.n) - 1) < 0.02, "%g", sqrt(best / (double)d.n));
    cr_expect(sqrt(stays / (double)d.n) > 2.5);
    int64_t sum = 0;
    for (int64_t i = 0; i < 20000; i++)
        sum = (sum * 31 + (int64_t)floor(at[i] * 1000 + 0.5)) % 1000003;
    cr_expect_eq(sum, 148435, "%lld", (long long)sum);
    nnrt_dataset_close(&d);
}
