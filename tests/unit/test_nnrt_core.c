/* SPDX-License-Identifier: MIT */
/* Guards nnrt_core.c and nnrt_load.c: initial values, kept order, schedules, weights from memory,
 * and what files are refused. */
#include "nnrt_scratch.h"
#include "nnrt_tiny.h"

TestSuite(nnrt_core);

/* --- Initial values --- */

/* A model of one var. */
typedef struct one_var {
    nnrt_var var;
    nnrt_model model;
    nnrt_instance *m;
} one_var;

static void one_open(one_var *o, nnrt_var var)
{
    var.name = "w";
    var.count = 1;
    for (int i = 0; i < var.rank; i++)
        var.count *= var.dim[i];
    size_t bytes = ((size_t)var.count * 4 / 64 + 1) * 64;
    o->var = var;
    o->model = (nnrt_model){.abi = NNRT_ABI,
                            .name = "one",
                            .size = TINY_HEAD + bytes,
                            .vars_bytes = bytes,
                            .arena_bytes = bytes,
                            .n_vars = 1,
                            .vars = &o->var};
    o->m = nnrt_new(&o->model, 3);
    cr_assert_not_null(o->m);
}

static void one_moments(nnrt_var var, double mean, double deviation, double low, double high)
{
    one_var o;
    one_open(&o, var);
    int64_t n = o.var.count;
    float *x = malloc((size_t)n * sizeof *x);
    double sum = 0, squares = 0;
    nnrt_var_read(o.m, 0, x);
    for (int64_t i = 0; i < n; i++) {
        cr_assert(x[i] >= low && x[i] < high, "%g", (double)x[i]);
        sum += x[i];
        squares += (x[i] - mean) * (x[i] - mean);
    }
    cr_assert_float_eq(sum / n, mean, 5 * deviation / sqrt(n));
    cr_assert_float_eq(sqrt(squares / n), deviation, 0.05 * deviation);
    free(x);
    nnrt_free(o.m);
}

Test(nnrt_core, uniform_normal_truncated)
{
    nnrt_var v = {
        .rank = 2, .dim = {100, 100}, .perm = {1, 0}, .init = NNRT_INIT_UNIFORM, .a = -1, .b = 3};
    one_moments(v, 1, 4 / sqrt(12), -1, 3);
    v.init = NNRT_INIT_NORMAL;
    v.a = 2;
    v.b = 0.5;
    one_moments(v, 2, 0.5, -1, 5);
    v.init = NNRT_INIT_TRUNCATED_NORMAL;
    one_moments(v, 2, 0.5 * 0.8796, 1, 3.0001);
    v.init = NNRT_INIT_CONSTANT;
    one_moments(v, 2, 0, 2, 2.1);
}

/* The same values in saved order whatever the kept order; other values for another seed. */
Test(nnrt_core, kept_order_changes_no_value)
{
    one_var a, b;
    float x[24], y[24];
    nnrt_var v = {.rank = 3, .dim = {2, 3, 4}, .perm = {0, 1, 2}, .init = NNRT_INIT_NORMAL, .b = 1};
    one_open(&a, v);
    memcpy(v.perm, (int[]){2, 0, 1}, sizeof(int[3]));
    one_open(&b, v);
    nnrt_var_read(a.m, 0, x);
    nnrt_var_read(b.m, 0, y);
    cr_assert_arr_eq(x, y, sizeof x);
    const float *kept = (const float *)(void *)b.m->vars;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++)
                cr_assert_eq(kept[(k * 2 + i) * 3 + j], x[(i * 3 + j) * 4 + k]);
    for (int i = 0; i < 24; i++)
        x[i] = (float)i;
    nnrt_var_write(b.m, 0, x);
    nnrt_var_read(b.m, 0, y);
    cr_assert_arr_eq(x, y, sizeof x);
    nnrt_init_vars(b.m, 3);
    nnrt_var_read(a.m, 0, x);
    nnrt_var_read(b.m, 0, y);
    cr_assert_arr_eq(x, y, sizeof x);
    nnrt_init_vars(b.m, 4);
    nnrt_var_read(b.m, 0, y);
    cr_assert_arr_neq(x, y, sizeof x);
    nnrt_free(a.m);
    nnrt_free(b.m);
}

/* Axis 0 kept in pieces: [4, 3] as [2, 3, 2]. */
Test(nnrt_core, an_axis_that_is_cut)
{
    one_var o;
    nnrt_var v = {.rank = 2, .dim = {4, 3}, .view_rank = 3, .view = {2, 2, 3}, .perm = {0, 2, 1}};
    one_open(&o, v);
    float saved[12], out[12];
    for (int i = 0; i < 12; i++)
        saved[i] = (float)i;
    static const float kept[12] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
    nnrt_var_write(o.m, 0, saved);
    cr_expect_eq(memcmp(o.m->vars, kept, sizeof kept), 0);
    nnrt_var_read(o.m, 0, out);
    cr_expect_eq(memcmp(out, saved, sizeof out), 0);
    nnrt_free(o.m);
}

/* Lines of the shorter side are orthonormal times the gain, and equal whatever the kept order. */
static void check_orthogonal(int64_t d0, int64_t d1, int64_t d2, const int *perm)
{
    one_var o;
    nnrt_var v = {.rank = 3, .dim = {d0, d1, d2}, .init = NNRT_INIT_ORTHOGONAL, .a = 1.5};
    memcpy(v.perm, perm, 3 * sizeof *perm);
    one_open(&o, v);
    int64_t rows = d0, columns = d1 * d2, lines = rows <= columns ? rows : columns;
    int64_t length = rows + columns - lines;
    int64_t apart = rows <= columns ? columns : 1, step = rows <= columns ? 1 : columns;
    float *x = malloc((size_t)o.var.count * sizeof *x);
    nnrt_var_read(o.m, 0, x);
    for (int64_t i = 0; i < lines; i++)
        for (int64_t j = 0; j <= i; j++) {
            double dot = 0;
            for (int64_t k = 0; k < length; k++)
                dot += (double)x[i * apart + k * step] * x[j * apart + k * step];
            cr_assert_float_eq(dot, i == j ? 2.25 : 0, 1e-5, "%d %d: %g", (int)i, (int)j, dot);
        }
    free(x);
    nnrt_free(o.m);
}

Test(nnrt_core, orthogonal)
{
    static const int perms[][3] = {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int p = 0; p < 4; p++) {
        check_orthogonal(5, 3, 4, perms[p]);
        check_orthogonal(12, 3, 2, perms[p]);
        check_orthogonal(6, 3, 2, perms[p]);
    }
}

Test(nnrt_core, memory)
{
    nnrt_model model = tiny_model();
    _Alignas(64) static unsigned char block[TINY_HEAD + TINY_VARS], other[TINY_HEAD];
    cr_assert_null(nnrt_init(&model, NULL, 1));
    cr_assert_null(nnrt_init(&model, block + 32, 1));
    memset(block, 0xAA, sizeof block);
    nnrt_instance *m = nnrt_init(&model, block, 1);
    cr_assert_eq((void *)m, (void *)block);
    cr_assert_eq(m->vars, block + TINY_HEAD);
    cr_assert_eq(m->step, 0);
    cr_assert_eq(m->lr, 0.5);
    float b[2], w[6] = {1, 2, 3, 4, 5, 6}, x[3] = {1, 1, 1}, probs[2], one[1];
    cr_assert_eq(nnrt_get(m, "fc.bias", b), 0);
    cr_assert(b[0] == 0 && b[1] == 0);
    cr_assert_eq(nnrt_get(m, "fc.bias.momentum", b), -1, "state is no weight");
    cr_assert_eq(nnrt_set(m, "fc.wight", w), -1);
    /* A fork sees what its owner's weights become. */
    nnrt_instance *f = nnrt_fork(other, m);
    cr_assert_eq(nnrt_set(m, "fc.weight", w), 0);
    model.predict(f, 1, (const void *const[]){x, NULL}, (float *const[]){probs, one});
    cr_assert_float_eq(probs[1], 1 / (1 + exp(-9)), 1e-6);
}

/* --- Schedules, as PyTorch has them --- */

Test(nnrt_core, schedules)
{
    nnrt_schedule s = {.kind = NNRT_SCHEDULE_CONSTANT, .warmup = 4};
    cr_assert_float_eq(nnrt_lr(&s, 0.8, 0, 0, 0), 0, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 0.8, 1, 0, 0), 0.2, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 0.8, 4, 0, 0), 0.8, 1e-12);
    s = (nnrt_schedule){.kind = NNRT_SCHEDULE_STEP, .gamma = 0.1, .every = 3};
    cr_assert_float_eq(nnrt_lr(&s, 1, 2, 0, 0), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 3, 0, 0), 0.1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 6, 0, 0), 0.01, 1e-12);
    s.every_in_epochs = 1;
    cr_assert_float_eq(nnrt_lr(&s, 1, 29, 0, 10), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 30, 0, 10), 0.1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 30, 0, 0), 1, 1e-12, "epochs unknown: the base rate");
    s = (nnrt_schedule){.kind = NNRT_SCHEDULE_EXPONENTIAL, .gamma = 0.9};
    cr_assert_float_eq(nnrt_lr(&s, 2, 5, 0, 0), 2 * pow(0.9, 5), 1e-12);
    s.every_in_epochs = 1;
    cr_assert_float_eq(nnrt_lr(&s, 2, 25, 0, 10), 2 * 0.81, 1e-12);
    s = (nnrt_schedule){.kind = NNRT_SCHEDULE_COSINE, .to = 0.1};
    cr_assert_float_eq(nnrt_lr(&s, 1, 0, 100, 0), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 25, 100, 0), 0.1 + 0.9 * (1 + cos(M_PI / 4)) / 2, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 100, 100, 0), 0.1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 5000, 100, 0), 0.1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 50, 0, 0), 1, 1e-12, "no horizon: the base rate");
    s.warmup = 20; /* the horizon counts from its end */
    cr_assert_float_eq(nnrt_lr(&s, 1, 20, 100, 0), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 60, 100, 0), 0.55, 1e-12);
    s = (nnrt_schedule){
        .kind = NNRT_SCHEDULE_LINEAR, .to = 0.2, .warmup = 1, .warmup_in_epochs = 1};
    cr_assert_float_eq(nnrt_lr(&s, 1, 5, 110, 10), 0.5, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 60, 110, 10), 0.6, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 110, 110, 10), 0.2, 1e-12);
}

Test(nnrt_core, schedules_of_more_numbers)
{
    nnrt_schedule s = {.kind = NNRT_SCHEDULE_COSINE, .restarts = 3};
    cr_assert_float_eq(nnrt_lr(&s, 1, 24, 100, 0), (1 + cos(M_PI * 0.96)) / 2, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 25, 100, 0), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 100, 100, 0), 0, 1e-12, "the end is no restart");
    s = (nnrt_schedule){
        .kind = NNRT_SCHEDULE_MULTISTEP, .gamma = 0.1, .milestone = {2, 5}, .n_milestones = 2};
    cr_assert_float_eq(nnrt_lr(&s, 1, 1, 0, 0), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 2, 0, 0), 0.1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 900, 0, 0), 0.01, 1e-12);
    s.every_in_epochs = 1;
    cr_assert_float_eq(nnrt_lr(&s, 1, 20, 0, 10), 0.1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 20, 0, 0), 1, 1e-12, "epochs unknown: the base rate");
    s = (nnrt_schedule){.kind = NNRT_SCHEDULE_POLYNOMIAL, .power = 2, .to = 0.2};
    cr_assert_float_eq(nnrt_lr(&s, 1, 50, 100, 0), 0.4, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 500, 100, 0), 0.2, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 50, 0, 0), 1, 1e-12, "no horizon: the base rate");
    s = (nnrt_schedule){.kind = NNRT_SCHEDULE_INVERSE_SQRT};
    cr_assert_float_eq(nnrt_lr(&s, 1, 0, 0, 0), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 16, 0, 0), 0.25, 1e-12);
    s = (nnrt_schedule){
        .kind = NNRT_SCHEDULE_ONE_CYCLE, .rise = 0.3, .start_factor = 25, .end_factor = 1e4};
    cr_assert_float_eq(nnrt_lr(&s, 1, 0, 100, 0), 0.04, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 29, 100, 0), 1, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 99, 100, 0), 4e-6, 1e-12);
    cr_assert_float_eq(nnrt_lr(&s, 1, 5000, 100, 0), 4e-6, 1e-12);
    s.rise = 0.001; /* a horizon of which it has no step */
    cr_assert_float_eq(nnrt_lr(&s, 1, 0, 1, 0), 4e-6, 1e-12);
}

/* --- Weights from memory --- */

typedef struct packed {
    unsigned char bytes[8192];
    size_t size;
} packed;

/* Header text and 4-byte words of data to a file's bytes. */
static packed pack(const char *header, int words, const float *data)
{
    packed p;
    uint64_t n = strlen(header);
    for (int i = 0; i < 8; i++)
        p.bytes[i] = (unsigned char)(n >> 8 * i);
    memcpy(p.bytes + 8, header, n);
    for (int i = 0; i < words; i++)
        memcpy(p.bytes + 8 + n + 4 * (size_t)i, &data[i], 4);
    p.size = 8 + n + 4 * (size_t)words;
    return p;
}

#define W "\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"
#define B "\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}"
#define S "\"seen\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[32,36]}"

static const float nine[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* The instance stays the same while one of these is tried. */
static nnrt_instance *tiny_new(nnrt_model *model)
{
    *model = tiny_model();
    nnrt_instance *m = nnrt_new(model, 1);
    cr_assert_not_null(m);
    return m;
}

static void refused(nnrt_instance *m, packed p, const char *piece)
{
    unsigned char before[TINY_VARS];
    memcpy(before, m->vars, sizeof before);
    /* On a heap of the exact size, so that a sanitizer sees a byte too far. */
    unsigned char *copy = malloc(p.size ? p.size : 1);
    memcpy(copy, p.bytes, p.size);
    int status = nnrt_load_memory(m, copy, p.size);
    free(copy);
    cr_expect_eq(status, NNRT_BAD_CONTENT, "%s: %d %s", piece, status, m->error);
    cr_expect_not_null(strstr(m->error, piece), "'%s' has no '%s'", m->error, piece);
    cr_expect_arr_eq(before, m->vars, sizeof before, "%s: weights were changed", piece);
}

Test(nnrt_core, load_memory)
{
    nnrt_model model;
    nnrt_instance *m = tiny_new(&model);
    float w[6], b[2], s[1];
    packed p = pack("{" S "," B "," W "}  ", 9, nine); /* any order, padded */
    cr_assert_eq(nnrt_load_memory(m, p.bytes, p.size), 0, "%s", m->error);
    cr_assert_str_empty(m->error);
    nnrt_get(m, "fc.weight", w);
    nnrt_get(m, "fc.bias", b);
    nnrt_get(m, "seen", s);
    cr_assert_arr_eq(w, nine, sizeof w);
    cr_assert_arr_eq(b, nine + 6, sizeof b);
    cr_assert_eq(s[0], 9);
    cr_assert_eq(tiny_at(m, TINY_W)[1], 4, "kept transposed");
    /* Escapes in names, a counter of batchnorm's, another that nobody knows. */
    p = pack(
        "{ \"__metadata__\" : {\"format\":\"pt\"}, \"fc\\u002eweight\" : {\"shape\":[2,3],"
        "\"data_offsets\":[0,24],\"dtype\":\"F32\"}," B "," S
        ",\"bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[36,44]},"
        "\"more\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[44,44]}}",
        11, nine);
    cr_assert_eq(nnrt_load_memory(m, p.bytes, p.size), 0, "%s", m->error);
    cr_assert_str_eq(m->error, "not used by the model: more");
    cr_assert_eq(nnrt_load_memory(m, NULL, 0), NNRT_BAD_CALL);
    nnrt_free(m);
}

Test(nnrt_core, load_memory_types)
{
    nnrt_model model;
    nnrt_instance *m = tiny_new(&model);
    float data[12] = {0}, b[2], w[6];
    double d = 0.1;
    memcpy(data + 0, (uint16_t[]){0x3C00, 0xC000, 0x3555, 0x0001, 0x7BFF, 0xFC00}, 12); /* F16 */
    memcpy(data + 3, (uint16_t[]){0x3F80, 0xC049}, 4);                                  /* BF16 */
    memcpy(data + 4, &d, 8);                                                            /* F64 */
    packed p = pack("{\"fc.weight\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
                    "\"fc.bias\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]},"
                    "\"seen\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[16,24]}}",
                    6, data);
    cr_assert_eq(nnrt_load_memory(m, p.bytes, p.size), 0, "%s", m->error);
    nnrt_get(m, "fc.weight", w);
    nnrt_get(m, "fc.bias", b);
    cr_assert_eq(w[0], 1.0f);
    cr_assert_eq(w[1], -2.0f);
    cr_assert_eq(w[2], 0.333251953125f);
    cr_assert_eq(w[3], 5.9604644775390625e-8f);
    cr_assert_eq(w[4], 65504.0f);
    cr_assert_eq(w[5], -INFINITY);
    cr_assert_eq(b[0], 1.0f);
    cr_assert_eq(b[1], -3.140625f);
    cr_assert_eq(tiny_at(m, TINY_SEEN)[0], 0.1f);
    nnrt_free(m);
}

Test(nnrt_core, load_memory_refuses)
{
    nnrt_model model;
    nnrt_instance *m = tiny_new(&model);
    packed p = pack("{" W "," B "," S "}", 9, nine);
    for (size_t n = 0; n < p.size; n++) { /* truncated anywhere */
        packed cut = p;
        cut.size = n;
        refused(m, cut, "");
    }
    refused(m, pack("{" W "," B "," S "}", 10, nine), "longer than its tensors");
    refused(m, pack("{" W "," S "}", 9, nine), "hole");
    refused(m, pack("{" W "," B "}", 8, nine), "seen is missing");
    refused(m, pack("{}", 0, nine), "fc.weight is missing; fc.bias is missing; seen is missing");
    refused(m, pack("{" W "," B "," S "," W "}", 9, nine), "hole");
    refused(m,
            pack("{" W "," B "," S ",\"seen\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":"
                 "[36,40]}}",
                 10, nine),
            "seen is there twice");
    refused(m,
            pack("{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}," B
                 "," S "}",
                 9, nine),
            "fc.weight is [3, 2], expected [2, 3]");
    refused(m,
            pack("{\"fc.weight\":{\"dtype\":\"I32\",\"shape\":[2,3],\"data_offsets\":[0,24]}," B
                 "," S "}",
                 9, nine),
            "fc.weight is not F32");
    refused(
        m,
        pack("{\"__metadata__\":{\"nncc.crc32c.seen\":\"00000000\"}," W "," B "," S "}", 9, nine),
        "seen does not match its checksum");
    static const char *const bad[] = {
        "",
        "[]",
        " {" W "}",
        "{" W "," B "," S "} x",
        "{" W ",," B "," S "}",
        "{" W B "," S "}",
        "{" W "," B "," S ",}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F33\",\"shape\":[2,3],\"data_offsets\":[0,24]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,-3],\"data_offsets\":[0,24]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3.0],\"data_offsets\":[0,24]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[02,3],\"data_offsets\":[0,24]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[24,0]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,20]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24,9]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[281474976710655,281474976710655,16],"
        "\"data_offsets\":[0,24]}," B "," S "}",
        "{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,24]"
        "}," B "," S "}",
        "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}," W "," B "," S "}",
        "{\"\\u0000\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}," W "," B "," S "}",
        "{\"\xff\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}," W "," B "," S "}",
        "{\"\xc0\xaf\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}," W "," B "," S "}",
        "{\"a\nb\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}," W "," B "," S "}",
        "{\"__metadata__\":{\"a\":1}," W "," B "," S "}",
        "{\"__metadata__\":[]," W "," B "," S "}",
        "{\"__metadata__\":{},\"__metadata__\":{}," W "," B "," S "}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(m, pack(bad[i], 9, nine), "expected");
    for (int i = 0; i < 8; i++) { /* header lengths past the end */
        packed huge = p;
        huge.bytes[i] = 0xFF;
        refused(m, huge, i ? "longer than the file" : "");
    }
    nnrt_free(m);
}
