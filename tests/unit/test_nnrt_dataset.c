/* SPDX-License-Identifier: MIT */
/* test_nnrt_dataset.c: guards data sets: every kind of source, files from the command line, the
 * checks of shape, count, range and finiteness that come before the first step, and conversion to
 * batches. */
#include <math.h>

#include "nnrt_scratch.h"

TestSuite(nnrt_dataset, .init = scratch_open, .fini = scratch_close, .timeout = 60);

/* x: two floats; label: one of three classes, or -100; aux: bytes of [2, 1, 2]. */
static const nnrt_value inputs[] = {
    {.name = "x", .dtype = NNRT_F32, .rank = 1, .dim = {2}, .count = 2},
    {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 3, .has_ignore = 1, .ignore = -100},
    {.name = "aux", .dtype = NNRT_U8, .rank = 3, .dim = {2, 1, 2}, .count = 4},
};
static const nnrt_model model = {.n_inputs = 3, .inputs = inputs};
static const unsigned char need_x[3] = {1, 0, 0}, need_xl[3] = {1, 1, 0}, need_l[3] = {0, 1, 0},
                           need_a[3] = {0, 0, 1};

/* An .npy of any type; `dict_shape` as in its header. */
static const char *npy(const char *name, const char *descr, const char *shape, const void *data,
                       size_t size)
{
    unsigned char file[4096];
    char dict[118];
    int n = snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                     descr, shape);
    memset(file, ' ', 128);
    memcpy(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(file + 10, dict, (size_t)n);
    file[127] = '\n';
    memcpy(file + 128, data, size);
    return scratch_write(name, file, 128 + size);
}

/* Opens `n` arguments made of pairs NAME, FILE in the folder. */
static int open_args(nnrt_dataset *d, int n, const char *const *args, const unsigned char *need,
                     nnrt_fault *fault)
{
    char *copies[8];
    for (int i = 0; i < n; i++)
        copies[i] = strdup(args[i]);
    int status = nnrt_dataset_args(d, &model, n, copies, NULL, scratch_dir, need, NULL, fault);
    for (int i = 0; i < n; i++)
        free(copies[i]);
    return status;
}

static int open_one(nnrt_dataset *d, const char *arg, const unsigned char *need, nnrt_fault *fault)
{
    return open_args(d, 1, &arg, need, fault);
}

static const float floats[6] = {1, 2, 3, 4, 5, 6};

Test(nnrt_dataset, opens_arguments_and_makes_batches)
{
    int64_t labels[3] = {2, -100, 0};
    unsigned char aux[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255};
    npy("x.npy", "<f4", "(3, 2)", floats, sizeof floats);
    npy("l.npy", "<i8", "(3,)", labels, sizeof labels);
    npy("a.npy", "|u1", "(3, 2, 2)", aux, sizeof aux);
    const char *const args[] = {"label=l.npy", "x=x.npy", "aux=a.npy"};
    nnrt_dataset d;
    nnrt_fault fault;
    cr_assert_eq(open_args(&d, 3, args, NULL, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_eq(d.n, 3);
    int64_t rows[4] = {2, 0, 1, 2};
    float x[8];
    int32_t label[4];
    unsigned char bytes[16];
    void *out[3] = {x, label, bytes};
    nnrt_dataset_batch(&d, rows, 4, out, NULL);
    static const float want_x[8] = {5, 6, 1, 2, 3, 4, 5, 6};
    static const int32_t want_label[4] = {0, 2, -100, 0};
    static const unsigned char want_aux[16] = {8, 9, 10, 255, 0, 1, 2,  3,
                                               4, 5, 6,  7,   8, 9, 10, 255};
    cr_expect_eq(memcmp(x, want_x, sizeof x), 0);
    cr_expect_eq(memcmp(label, want_label, sizeof label), 0);
    cr_expect_eq(memcmp(bytes, want_aux, sizeof bytes), 0);
    void *some[3] = {NULL, label, NULL}; /* the others are left alone */
    nnrt_dataset_batch(&d, rows + 1, 1, some, NULL);
    cr_expect(label[0] == 2 && label[1] == 2 && x[0] == 5);
    nnrt_dataset_close(&d);
    nnrt_dataset_close(&(nnrt_dataset){.n = 0});
}

/* The second sample of each type, as a float, an int and a byte. */
Test(nnrt_dataset, converts_every_type)
{
    static const struct {
        const char *descr;
        size_t size;
        unsigned char bytes[16];
        int value;
    } types[] = {
        {"|u1", 2, {0, 7}, 7},
        {"|b1", 2, {0, 7}, 1},
        {"|i1", 2, {0, 7}, 7},
        {"<u2", 4, {0, 0, 200, 0}, 200},
        {">i2", 4, {0, 0, 0, 200}, 200},
        {"<u4", 8, {0, 0, 0, 0, 200}, 200},
        {"<i4", 8, {0, 0, 0, 0, 200}, 200},
        {"<u8", 16, {0, 0, 0, 0, 0, 0, 0, 0, 200}, 200},
        {"<i8", 16, {0, 0, 0, 0, 0, 0, 0, 0, 200}, 200},
        {"<f2", 4, {0, 0, 0, 0x40}, 2},
        {"<f4", 8, {0, 0, 0, 0, 0, 0, 0, 0x40}, 2},
        {"<f8", 16, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40}, 2},
    };
    nnrt_value three[3] = {{.name = "f", .dtype = NNRT_F32, .count = 1},
                           {.name = "i", .dtype = NNRT_I32, .count = 1},
                           {.name = "b", .dtype = NNRT_U8, .count = 1}};
    nnrt_model m = {.n_inputs = 3, .inputs = three};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        npy("v.npy", types[i].descr, "(2,)", types[i].bytes, types[i].size);
        char f[] = "f=v.npy", n[] = "i=v.npy", b[] = "b=v.npy", *args[] = {f, n, b};
        nnrt_dataset d;
        nnrt_fault fault;
        int status = nnrt_dataset_args(&d, &m, 3, args, NULL, scratch_dir, NULL, NULL, &fault);
        cr_assert_eq(status, NNRT_OK, "%s: %s", types[i].descr, fault.text);
        float real;
        int32_t integer;
        unsigned char byte;
        void *out[3] = {&real, &integer, &byte};
        nnrt_dataset_batch(&d, &(int64_t){1}, 1, out, NULL);
        cr_expect(real == (float)types[i].value && integer == types[i].value &&
                      byte == types[i].value,
                  "%s", types[i].descr);
        nnrt_dataset_close(&d);
    }
}

Test(nnrt_dataset, shapes_that_fit)
{
    static const char *const fit[] = {"(2, 4)", "(2, 2, 2)", "(2, 2, 1, 2)", "(2, 1, 2, 2, 1)"};
    static const char *const misfit[][2] = {
        {"(8,)", "found []"},          {"(2, 1, 4)", "found [1, 4]"},
        {"(2, 4, 1)", "found [4, 1]"}, {"(1, 2, 2, 2)", "found [2, 2, 2]"},
        {"()", "single number"},       {"(4, 2)", "found [2]"},
    };
    unsigned char bytes[8] = {0};
    nnrt_dataset d;
    nnrt_fault fault;
    for (int i = 0; i < 4; i++) {
        npy("a.npy", "|u1", fit[i], bytes, 8);
        cr_expect_eq(open_one(&d, "aux=a.npy", need_a, &fault), NNRT_OK, "%s", fault.text);
        cr_expect_eq(d.n, 2);
        nnrt_dataset_close(&d);
    }
    for (int i = 0; i < 6; i++) {
        npy("a.npy", "|u1", misfit[i][0], bytes, misfit[i][0][1] == ')' ? 1 : 8);
        scratch_fault(open_one(&d, "aux=a.npy", need_a, &fault), NNRT_BAD_CONTENT, &fault, "a.npy",
                      misfit[i][1]);
        cr_expect_null(d.columns);
    }
}

/* idx files of images: rank 3 into [1, H, W] and [H, W], rank 4 into [C, H, W]; what does not fit
 * says what to do. */
Test(nnrt_dataset, images)
{
    static const char three[] = "\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijkl",
                      four[] = "\0\0\10\4\0\0\0\1\0\0\0\3\0\0\0\2\0\0\0\2abcdefghijkl",
                      last[] = "\0\0\10\4\0\0\0\1\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijkl";
    nnrt_value v = {.name = "image", .dtype = NNRT_F32, .rank = 3, .dim = {1, 2, 3}, .count = 6};
    nnrt_model m = {.n_inputs = 1, .inputs = &v};
    char arg[] = "image=i", *args[] = {arg};
    float x[12];
    void *out[1] = {x};
    nnrt_dataset d;
    nnrt_fault fault;
    scratch_write("i", three, sizeof three - 1);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, NULL, NULL, &fault), 0,
                     "%s", fault.text);
        nnrt_dataset_batch(&d, &(int64_t){1}, 1, out, NULL);
        cr_expect(d.n == 2 && x[0] == 'g' && x[5] == 'l');
        cr_expect_eq(d.columns[0].type, NNRT_ARRAY_U8); /* kept as bytes */
        nnrt_dataset_close(&d);
        v = (nnrt_value){.name = "image", .rank = 2, .dim = {2, 3}, .count = 6};
    }
    v = (nnrt_value){.name = "image", .rank = 3, .dim = {3, 2, 2}, .count = 12};
    scratch_fault(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, NULL, NULL, &fault),
                  NNRT_BAD_CONTENT, &fault, "samples of shape [3, 2, 2] for 'image', found [2, 3]",
                  "wants shape: [2, 3]");
    scratch_write("i", four, sizeof four - 1);
    cr_expect_eq(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, NULL, NULL, &fault), 0);
    nnrt_dataset_close(&d);
    scratch_write("i", last, sizeof last - 1);
    scratch_fault(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, NULL, NULL, &fault),
                  NNRT_BAD_CONTENT, &fault, "found [2, 2, 3]", "channels, rows, columns");
}

Test(nnrt_dataset, values_out_of_range)
{
    const float bad_x[][6] = {
        {1, 2, 3, NAN, 5, 6},
        {1, 2, 3, INFINITY, 5, 6},
        {1, 2, 3, -INFINITY, 5, 6},
    };
    nnrt_dataset d;
    nnrt_fault fault;
    for (int i = 0; i < 3; i++) {
        npy("x.npy", "<f4", "(3, 2)", bad_x[i], sizeof bad_x[i]);
        scratch_fault(open_one(&d, "x=x.npy", need_x, &fault), NNRT_BAD_CONTENT, &fault,
                      "x.npy: sample 1 (from 0) at [1]", "finite");
    }
    double large[4] = {1, 2, 3.4028235e38, 3.5e38};
    npy("x.npy", "<f8", "(2, 2)", large, sizeof large);
    scratch_fault(open_one(&d, "x=x.npy", need_x, &fault), NNRT_BAD_CONTENT, &fault, "sample 1",
                  "found 3.5e+38");
    static const struct {
        float value;
        int good;
    } labels[] = {{0, 1},    {2, 1},   {-100, 1},  {3, 0},    {-1, 0},
                  {0.5f, 0}, {NAN, 0}, {1e30f, 0}, {-101, 0}, {INFINITY, 0}};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        float two[2] = {1, labels[i].value};
        npy("l.npy", "<f4", "(2,)", two, sizeof two);
        int status = open_one(&d, "label=l.npy", need_l, &fault);
        if (labels[i].good)
            cr_expect_eq(status, NNRT_OK, "%g: %s", labels[i].value, fault.text);
        else
            scratch_fault(status, NNRT_BAD_CONTENT, &fault, "l.npy: sample 1 (from 0): expected",
                          "an integer from 0 to 2, or -100 for 'label', found");
        nnrt_dataset_close(&d);
    }
    int16_t bytes[4] = {0, 255, 256, 0};
    npy("a.npy", "<i2", "(1, 4)", bytes, sizeof bytes);
    scratch_fault(open_one(&d, "aux=a.npy", need_a, &fault), NNRT_BAD_CONTENT, &fault,
                  "sample 0 (from 0) at [1, 0, 0]", "0 to 255 for 'aux', found 256");
}

/* An input that an `impute` reads may hold NaN, and no infinity. */
Test(nnrt_dataset, values_that_may_be_missing)
{
    nnrt_value inputs[3];
    memcpy(inputs, model.inputs, sizeof inputs);
    inputs[0].may_miss = 1;
    nnrt_model m = model;
    m.inputs = inputs;
    nnrt_dataset d;
    nnrt_fault fault;
    char arg[] = "x=x.npy", *args[] = {arg};
    const float gap[4] = {1, NAN, 3, 4}, infinite[4] = {1, NAN, 3, -INFINITY};
    npy("x.npy", "<f4", "(2, 2)", gap, sizeof gap);
    cr_expect_eq(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, need_x, NULL, &fault), 0,
                 "%s", fault.text);
    nnrt_dataset_close(&d);
    npy("x.npy", "<f4", "(2, 2)", infinite, sizeof infinite);
    scratch_fault(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, need_x, NULL, &fault),
                  NNRT_BAD_CONTENT, &fault, "sample 1 (from 0) at [1]", "finite");
}

Test(nnrt_dataset, counts)
{
    int32_t labels[2] = {0, 1};
    nnrt_dataset d;
    nnrt_fault fault;
    npy("x.npy", "<f4", "(3, 2)", floats, sizeof floats);
    npy("l.npy", "<i4", "(2,)", labels, sizeof labels);
    const char *const args[] = {"x=x.npy", "label=l.npy"};
    scratch_fault(open_args(&d, 2, args, need_xl, &fault), NNRT_BAD_CONTENT, &fault,
                  "l.npy: expected 3 samples for 'label'", "found 2");
    npy("x.npy", "<f4", "(0, 2)", floats, 0);
    scratch_fault(open_args(&d, 2, args, need_xl, &fault), NNRT_BAD_CONTENT, &fault, "x.npy",
                  "found none");
}

Test(nnrt_dataset, wrong_arguments)
{
    static const struct {
        int n;
        const char *args[2], *piece, *other;
        int status;
    } cases[] = {
        {0, {NULL}, "no data for the input 'x'", "x, label, aux", NNRT_BAD_CALL},
        {1, {"y=x.npy"}, "'y' is no input", "x, label, aux", NNRT_BAD_CALL},
        {1, {"=x.npy"}, "'' is no input", "x, label, aux", NNRT_BAD_CALL},
        {1, {"X=x.npy"}, "'X' is no input", "x, label, aux", NNRT_BAD_CALL},
        {1, {"label=x.npy"}, "no data for the input 'x'", "x=FILE", NNRT_BAD_CALL},
        {2, {"x=x.npy", "x=x.npy"}, "'x' twice", "x, label, aux", NNRT_BAD_CALL},
        {1, {"x="}, "expected a file", "'x='", NNRT_BAD_CALL},
        {1, {"x.npy"}, "NAME=FILE", "x.npy", NNRT_BAD_CALL},
        {1, {"./a=b.npy"}, "NAME=FILE", "./a=b.npy", NNRT_BAD_CALL},
        {1, {"x=none.npy"}, "none.npy", "No such file", NNRT_BAD_FILE},
        {1, {"x=none.npz"}, "none.npz", "No such file", NNRT_BAD_FILE},
        {1, {"x=none.csv"}, "none.csv", "No such file", NNRT_BAD_FILE},
        {1, {"x=none"}, "none", "No such file", NNRT_BAD_FILE},
        {1, {"x=x.bin"}, "x.bin", "idx", NNRT_BAD_CONTENT},
    };
    npy("x.npy", "<f4", "(3, 2)", floats, sizeof floats);
    scratch_text("x.bin", "not an idx file");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnrt_dataset d;
        nnrt_fault fault = {""};
        int status = open_args(&d, cases[i].n, cases[i].args, need_x, &fault);
        scratch_fault(status, cases[i].status, &fault, cases[i].piece, cases[i].other);
        cr_expect_null(d.columns);
    }
}

/* What is not needed is not read: predict takes labels and leaves them. */
Test(nnrt_dataset, leaves_what_is_not_needed)
{
    npy("x.npy", "<f4", "(3, 2)", floats, sizeof floats);
    const char *const args[] = {"x=x.npy", "label=no_such_file.npy"};
    nnrt_dataset d;
    nnrt_fault fault;
    cr_assert_eq(open_args(&d, 2, args, need_x, &fault), NNRT_OK, "%s", fault.text);
    cr_expect(d.n == 3 && d.columns[0].data && !d.columns[1].data);
    int32_t label = 5;
    float x[2];
    void *out[3] = {x, &label, NULL};
    nnrt_dataset_batch(&d, &(int64_t){0}, 1, out, NULL);
    cr_expect_eq(label, 5);
    nnrt_dataset_close(&d);
}

static const char *const names_x[] = {"p", "q"}, *const names_l[] = {"class"};
static const nnrt_column csv_columns[] = {
    {.input = "x", .n_names = 2, .names = names_x},
    {.input = "label", .n_names = 1, .names = names_l},
};
static const nnrt_source csv_source = {.kind = NNRT_SOURCE_CSV,
                                       .file = "t.csv",
                                       .header = 1,
                                       .delimiter = ',',
                                       .n_columns = 2,
                                       .columns = csv_columns};

Test(nnrt_dataset, csv_source_and_bare_file)
{
    scratch_text("t.csv", "class,p,q\n2,0.5,1\n0,3,4\n");
    nnrt_dataset d;
    nnrt_fault fault;
    cr_assert_eq(nnrt_dataset_open(&d, &model, &csv_source, scratch_dir, need_xl, NULL, &fault),
                 NNRT_OK, "%s", fault.text);
    float x[4];
    int32_t label[2];
    void *out[3] = {x, label, NULL};
    nnrt_dataset_batch(&d, (int64_t[]){0, 1}, 2, out, NULL);
    cr_expect(x[0] == 0.5f && x[3] == 4 && label[0] == 2 && label[1] == 0);
    nnrt_dataset_close(&d);

    char bare[] = "other.csv", named[] = "x=other.csv", *args[] = {bare, named};
    scratch_text("other.csv", "q,p\n8,9\n");
    cr_assert_eq(
        nnrt_dataset_args(&d, &model, 1, args, &csv_source, scratch_dir, need_x, NULL, &fault),
        NNRT_OK, "%s", fault.text); /* 'class' is not there and not needed */
    nnrt_dataset_batch(&d, (int64_t[]){0}, 1, out, NULL);
    cr_expect(x[0] == 9 && x[1] == 8);
    nnrt_dataset_close(&d);
    int status =
        nnrt_dataset_args(&d, &model, 1, args, &csv_source, scratch_dir, need_xl, NULL, &fault);
    scratch_fault(status, NNRT_BAD_CONTENT, &fault, "other.csv:1", "'class'");
    cr_assert_eq(
        nnrt_dataset_args(&d, &model, 1, args + 1, &csv_source, scratch_dir, need_x, NULL, &fault),
        NNRT_OK, "%s", fault.text);
    nnrt_dataset_batch(&d, (int64_t[]){0}, 1, out, NULL);
    cr_expect(x[0] == 9 && x[1] == 8);
    nnrt_dataset_close(&d);
    status = nnrt_dataset_args(&d, &model, 2, args, &csv_source, scratch_dir, need_x, NULL, &fault);
    scratch_fault(status, NNRT_BAD_CALL, &fault, "one file", "other.csv");
    scratch_text("t.csv", "class,p,q\n3,0.5,1\n");
    status = nnrt_dataset_open(&d, &model, &csv_source, scratch_dir, need_xl, NULL, &fault);
    scratch_fault(status, NNRT_BAD_CONTENT, &fault, "t.csv:2:1: expected an integer from 0 to 2",
                  "found '3'");
}

Test(nnrt_dataset, idx_npy_and_records_sources)
{
    const unsigned char idx[] = {0, 0, 8, 1, 0, 0, 0, 3, 2, 1, 0};
    scratch_write("l-idx", idx, sizeof idx);
    npy("x.npy", "<f4", "(3, 2)", floats, sizeof floats);
    nnrt_column column = {.input = "label", .file = "l-idx"},
                other = {.input = "x", .file = "x.npy"};
    nnrt_source source = {.kind = NNRT_SOURCE_IDX, .n_columns = 1, .columns = &column};
    nnrt_dataset d;
    nnrt_fault fault;
    cr_assert_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_l, NULL, &fault), NNRT_OK,
                 "%s", fault.text);
    cr_expect(d.n == 3 && !d.columns[0].data && strstr(d.names[1], "l-idx"));
    nnrt_dataset_close(&d);
    int status = nnrt_dataset_open(&d, &model, &source, scratch_dir, need_xl, NULL, &fault);
    scratch_fault(status, NNRT_BAD_CALL, &fault, "no data for the input 'x'", "x=FILE");
    source = (nnrt_source){.kind = NNRT_SOURCE_NPY, .n_columns = 1, .columns = &other};
    cr_assert_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault),
                 NNRT_OK);
    nnrt_dataset_close(&d);

    scratch_write("r.bin", "\1abcd\2efgh", 10);
    nnrt_column fields[] = {{.input = "label", .bytes = 1}, {.input = "aux", .bytes = 4}};
    source = (nnrt_source){
        .kind = NNRT_SOURCE_RECORDS, .file = "r.bin", .n_columns = 2, .columns = fields};
    cr_assert_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_a, NULL, &fault), NNRT_OK,
                 "%s", fault.text);
    unsigned char aux[8];
    void *out[3] = {NULL, NULL, aux};
    nnrt_dataset_batch(&d, (int64_t[]){1, 0}, 2, out, NULL);
    cr_expect(memcmp(aux, "efghabcd", 8) == 0 && !d.columns[1].data);
    nnrt_dataset_close(&d);
    scratch_write("s.bin", "\0ijkl\7mnop", 10);
    static const char *const files[] = {"r.bin", "s.bin"};
    source.file = NULL, source.files = files, source.n_files = 2;
    cr_assert_eq(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_a, NULL, &fault), NNRT_OK,
                 "%s", fault.text);
    nnrt_dataset_batch(&d, (int64_t[]){3, 1}, 2, out, NULL);
    cr_expect(d.n == 4 && memcmp(aux, "mnopefgh", 8) == 0);
    nnrt_dataset_close(&d);
    static const unsigned char need_la[3] = {0, 1, 1};
    scratch_fault(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_la, NULL, &fault),
                  NNRT_BAD_CONTENT, &fault, "r.bin and 1 more: sample 3", "found 7");
    char bare[] = "r.bin", *args[] = {bare}; /* takes the place of them all */
    cr_assert_eq(
        nnrt_dataset_args(&d, &model, 1, args, &source, scratch_dir, need_la, NULL, &fault),
        NNRT_OK, "%s", fault.text);
    cr_expect_eq(d.n, 2);
    nnrt_dataset_close(&d);
}

Test(nnrt_dataset, synthetic_source_and_none)
{
    nnrt_value digits[2] = {
        {.name = "image", .dtype = NNRT_F32, .rank = 2, .dim = {28, 28}, .count = 784},
        {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 10}};
    nnrt_model m = {.n_inputs = 2, .inputs = digits};
    nnrt_source source = {
        .kind = NNRT_SOURCE_SYNTHETIC, .generator = "digits", .seed = 3, .count = 20};
    nnrt_dataset d;
    nnrt_fault fault;
    cr_assert_eq(nnrt_dataset_open(&d, &m, &source, NULL, NULL, NULL, &fault), NNRT_OK, "%s",
                 fault.text);
    static float image[784];
    void *out[2] = {image, NULL};
    nnrt_dataset_batch(&d, (int64_t[]){19}, 1, out, NULL);
    const unsigned char *pixels = (unsigned char *)d.columns[0].data + 19 * 784;
    for (int i = 0; i < 784; i++)
        cr_assert_eq(image[i], (float)pixels[i]);
    nnrt_dataset_close(&d);
    digits[1].classes = 5;
    scratch_fault(nnrt_dataset_open(&d, &m, &source, NULL, NULL, NULL, &fault), NNRT_BAD_CONTENT,
                  &fault, "synthetic digits: sample", "from 0 to 4");
    source.kind = NNRT_SOURCE_NONE;
    scratch_fault(nnrt_dataset_open(&d, &m, &source, NULL, NULL, NULL, &fault), NNRT_BAD_CALL,
                  &fault, "no data", "model file");
}

Test(nnrt_dataset, sources_that_are_wrong)
{
    nnrt_column stray = {.input = "z", .file = "f"};
    nnrt_column twice[2] = {{.input = "x", .file = "x.npy"}, {.input = "x", .file = "x.npy"}};
    nnrt_source source = {.kind = NNRT_SOURCE_NPY, .n_columns = 1, .columns = &stray};
    nnrt_dataset d;
    nnrt_fault fault;
    npy("x.npy", "<f4", "(3, 2)", floats, sizeof floats);
    scratch_fault(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault),
                  NNRT_BAD_CALL, &fault, "'z'", "no input");
    source = (nnrt_source){.kind = NNRT_SOURCE_NPY, .n_columns = 2, .columns = twice};
    scratch_fault(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault),
                  NNRT_BAD_CALL, &fault, "'x'", "twice");
    source = csv_source;
    source.file = "none.csv";
    scratch_fault(nnrt_dataset_open(&d, &model, &source, scratch_dir, need_x, NULL, &fault),
                  NNRT_BAD_FILE, &fault, "none.csv", "cannot open");
}
