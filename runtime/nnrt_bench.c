/* SPDX-License-Identifier: MIT */
/* nnrt_bench.c: `bench` and `info`: how fast it is, and what it is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_rand.h"

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 32)
            printf("\\u%04x", (unsigned)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

/* JSON has no NaN. */
static void json_number(const char *format, double x)
{
    if (isfinite(x))
        printf(format, x);
    else
        printf("null");
}

static void json_shape(int rank, const int64_t *dim)
{
    putchar('[');
    for (int i = 0; i < rank; i++)
        printf("%s%lld", i ? ", " : "", (long long)dim[i]);
    putchar(']');
}

/* --- bench ------------------------------------------------------------------------------------ */

enum { BENCH_POOL = 4, BENCH_WARM = 4, BENCH_MOST = 200000 };
enum {
    BENCH_KEPT = 64,
    BENCH_TOKENS = 32
};                       /* positions before the first token; tokens of a round */
#define BENCH_GROUP 2e-3 /* seconds: calls timed together last at least so long */
#define BENCH_SEED  1234567

typedef struct bench_state {
    const nnrt_model *model;
    nnrt_instance *m;
    nnrt_feed pool[BENCH_POOL];
    float **out;
    int training, decoding, n;
    int64_t calls;        /* made so far */
    int64_t kept, length; /* decoding: positions at the start of a round, and at its end */
    float loss;
    double *times; /* seconds a step, one a group */
    int64_t n_times;
} bench_state;

/* Uniform in [0, 1), or whole numbers that the input allows. */
static void bench_fill(const nnrt_value *v, void *to, int64_t rows, nnrt_rand_key k)
{
    int64_t most = v->classes > 0 ? v->classes : v->dtype == NNRT_U8 ? 256 : 2;
    for (int64_t i = 0; i < rows * v->count; i++) {
        uint64_t whole = (uint64_t)nnrt_rand_bits(k, (uint64_t)i) * (uint64_t)most >> 32;
        if (v->dtype == NNRT_F32)
            ((float *)to)[i] = nnrt_rand_uniform(k, (uint64_t)i);
        else if (v->dtype == NNRT_I32)
            ((int32_t *)to)[i] = (int32_t)whole;
        else
            ((unsigned char *)to)[i] = (unsigned char)whole;
    }
}

static int bench_open(bench_state *b, nnrt_fault *fault)
{
    const nnrt_model *model = b->model;
    int status = 0;
    b->m = nnrt_new(model, BENCH_SEED);
    b->out = calloc((size_t)model->n_outputs + 1, sizeof *b->out);
    b->times = malloc(BENCH_MOST * sizeof *b->times);
    int ok = b->m && b->out && b->times;
    for (int i = 0; ok && i < model->n_outputs; i++) {
        b->out[i] =
            malloc((size_t)model->outputs[i].count * (size_t)model->batch * sizeof(float) + 1);
        ok = b->out[i] != NULL;
    }
    if (!ok)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the network: %zu bytes",
                         model->size);
    for (int p = 0; !status && p < BENCH_POOL; p++) {
        status = nnrt_feed_open(&b->pool[p], model, fault);
        for (int i = 0; !status && i < model->n_inputs; i++)
            bench_fill(&model->inputs[i], b->pool[p].in[i], model->batch,
                       nnrt_rand_key_of(BENCH_SEED, (uint64_t)p, (uint32_t)i));
    }
    return status;
}

static void bench_close(bench_state *b)
{
    for (int p = 0; p < BENCH_POOL; p++)
        if (b->pool[p].model)
            nnrt_feed_close(&b->pool[p]);
    for (int i = 0; b->out && i < b->model->n_outputs; i++)
        free(b->out[i]);
    free(b->out);
    free(b->times);
    nnrt_free(b->m);
}

/* --- bench --decode --------------------------------------------------------------------------- */

static const nnrt_sampling bench_greedy = {.top_p = 1, .end = -1};

/* A prompt of made-up tokens, read, and the first token after it chosen. */
static int bench_prompt(bench_state *b, nnrt_fault *fault)
{
    const nnrt_generation *g = b->model->generation;
    const void *const *in = (const void *const *)b->pool[0].in;
    int64_t length = g->length ? g->length : b->model->inputs[g->input].count;
    b->kept = length * 2 / 3 < BENCH_KEPT ? length * 2 / 3 : BENCH_KEPT;
    b->length = length - b->kept < BENCH_TOKENS ? length : b->kept + BENCH_TOKENS;
    if (nnrt_generate(b->m, in, (int)b->kept, b->pool[0].in[g->input], 0, NULL, &bench_greedy) <
            0 ||
        nnrt_decode_next(b->m, &bench_greedy) < 0)
        return nnrt_fail(fault, NNRT_BAD_CALL, "--decode: %s", b->m->error);
    return 0;
}

/* Seconds that so many tokens take, each read and the next one chosen. At the end of a round the last token of the
 * prompt is read again, which no clock sees. */
static double bench_tokens(bench_state *b, int64_t tokens)
{
    const int32_t *prompt = b->pool[0].in[b->model->generation->input];
    double seconds = 0;
    for (int64_t i = 0; i < tokens; i++) {
        if (b->m->position >= b->length) {
            b->m->position = b->kept - 1;
            b->m->waits = 0;
            nnrt_decode_read(b->m, prompt[b->kept - 1]);
            nnrt_decode_next(b->m, &bench_greedy);
        }
        double start = nnrt_clock();
        nnrt_decode_next(b->m, &bench_greedy);
        seconds += nnrt_clock() - start;
    }
    return seconds;
}

/* --- the clock -------------------------------------------------------------------------------- */

/* Seconds that `calls` calls take. */
static double bench_calls(bench_state *b, int64_t calls)
{
    if (b->decoding)
        return bench_tokens(b, calls);
    double start = nnrt_clock();
    for (int64_t i = 0; i < calls; i++) {
        const void *const *in = (const void *const *)b->pool[b->calls++ % BENCH_POOL].in;
        if (b->training)
            b->loss = b->model->train_step(b->m, b->n, in);
        else
            b->model->predict(b->m, b->n, in, b->out);
    }
    return nnrt_clock() - start;
}

static int bench_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench_measure(bench_state *b, double seconds)
{
    int64_t group = 1;
    bench_calls(b, BENCH_WARM);
    while (bench_calls(b, group) < BENCH_GROUP && group < (int64_t)1 << 40)
        group *= 2;
    double end = nnrt_clock() + seconds;
    do
        b->times[b->n_times++] = bench_calls(b, group) / (double)group;
    while (nnrt_clock() < end && b->n_times < BENCH_MOST);
    qsort(b->times, (size_t)b->n_times, sizeof *b->times, bench_ascending);
}

/* --- bench --profile -------------------------------------------------------------------------- */

static void bench_noted_call(bench_state *b, nnrt_profile *profile)
{
    const void *const *in = (const void *const *)b->pool[b->calls++ % BENCH_POOL].in;
    if (b->training)
        b->loss = b->model->train_step_noted(b->m, b->n, in, profile);
    else
        b->model->predict_noted(b->m, b->n, in, b->out, profile);
}

/* Whole optimiser steps, so that all kernels are called as often as in training. */
static void bench_noted_calls(bench_state *b, nnrt_profiled *to, double seconds)
{
    int64_t whole = b->training && b->model->train.accumulate > 1 ? b->model->train.accumulate : 1;
    for (int i = 0; i < BENCH_WARM; i++)
        bench_noted_call(b, &to->profile);
    nnrt_profile_clear(&to->profile, b->model);
    double end = nnrt_clock() + seconds;
    do {
        bench_noted_call(b, &to->profile);
        to->steps++;
    } while (nnrt_clock() < end || to->steps % whole);
}

static int bench_profile(bench_state *b, const nnrt_args *args, nnrt_fault *fault)
{
    nnrt_profiled to = {.model = b->model, .n = b->n};
    int status = nnrt_profile_open(&to.profile, b->model, fault);
    if (!status) {
        bench_noted_calls(b, &to, args->seconds);
        to.peak = nnrt_measure_peak();
        status = nnrt_profile_print(&to, args->json, fault);
    }
    nnrt_profile_close(&to.profile);
    return status;
}

/* --- what bench prints ------------------------------------------------------------------------ */

static void bench_print(const bench_state *b, int json)
{
    const nnrt_model *model = b->model;
    const char *phase = b->training ? "train" : b->decoding ? "decode" : "predict";
    double median = (b->times[(b->n_times - 1) / 2] + b->times[b->n_times / 2]) / 2;
    double least = b->times[0], p90 = b->times[(int64_t)(0.9 * (double)(b->n_times - 1) + 0.5)];
    double flops = (b->training ? model->flops_train : model->flops_predict) * b->n;
    double rate = b->n / median, gflops = flops / median * 1e-9;
    if (!json && b->decoding) {
        printf("decode, positions %lld to %lld, %d thread%s: median %.6g ms a token, min %.6g, p90 "
               "%.6g; "
               "%.6g tokens/s\n",
               (long long)b->kept, (long long)b->length, nnrt_threads(),
               nnrt_threads() == 1 ? "" : "s", median * 1e3, least * 1e3, p90 * 1e3, rate);
        return;
    }
    if (!json) {
        printf(
            "%s, batch %d, %d thread%s: median %.6g ms a step, min %.6g, p90 %.6g; %.6g samples/s, "
            "%.4g GFLOP/s\n",
            phase, b->n, nnrt_threads(), nnrt_threads() == 1 ? "" : "s", median * 1e3, least * 1e3,
            p90 * 1e3, rate, gflops);
        return;
    }
    printf("{\"phase\": \"%s\", \"batch\": %d, \"threads\": %d, \"median_ms\": %.6g, "
           "\"min_ms\": %.6g, \"p90_ms\": %.6g, \"samples_per_s\": %.6g, \"gflops\": ",
           phase, b->n, nnrt_threads(), median * 1e3, least * 1e3, p90 * 1e3, rate);
    json_number("%.6g", b->decoding ? NAN : gflops);
    printf(", \"arena_bytes\": %zu, \"loss\": ", model->arena_bytes);
    json_number("%.9g", b->training ? (double)b->loss : NAN);
}

int nnrt_bench_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    bench_state b = {.model = model, .decoding = args->decode};
    b.training = model->train_step && !args->predict && !args->decode;
    if (args->train + args->predict + args->decode > 1)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "--train, --predict and --decode exclude each other");
    if (args->decode && !model->generation)
        return nnrt_fail(fault, NNRT_BAD_CALL, "--decode: the model file has no 'generate:'");
    if (args->decode && (args->batch > 1 || args->profile))
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "--decode is of one sequence, and its kernels have no marks");
    if (args->train && !model->train_step)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program cannot train: the model has no loss, or "
                         "it was made with --no-train");
    if (args->batch > model->batch)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "--batch: at most %d, which the program was made for", model->batch);
    if (args->profile &&
        !(b.training ? model->train_step_noted != NULL : model->predict_noted != NULL))
        return nnrt_fail(fault, NNRT_BAD_CALL, "--profile: this program's kernels have no marks");
    b.n = args->decode ? 1 : args->batch ? (int)args->batch : model->batch;
    int status = bench_open(&b, fault);
    if (!status && b.decoding)
        status = bench_prompt(&b, fault);
    if (!status) {
        b.m->total_steps = model->train.steps;
        bench_measure(&b, args->seconds);
        bench_print(&b, args->json);
        status = args->profile ? bench_profile(&b, args, fault) : 0;
        if (args->json)
            printf("}\n");
        if (!status)
            status = nnrt_flush_results(fault);
    }
    bench_close(&b);
    return status;
}

/* --- info ------------------------------------------------------------------------------------- */

typedef struct info_sums {
    int64_t parameters, buffers, state;
} info_sums;

static info_sums info_count(const nnrt_model *model)
{
    info_sums s = {0, 0, 0};
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        *(v->kind == NNRT_WEIGHT   ? &s.parameters
          : v->kind == NNRT_BUFFER ? &s.buffers
                                   : &s.state) += v->count;
    }
    return s;
}

static const char *info_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

static const char *info_flags(const nnrt_model *model)
{
    return model->flags ? model->flags : "";
}

static const char *info_type(nnrt_dtype type)
{
    return type == NNRT_F32 ? "f32" : type == NNRT_I32 ? "i32" : "u8";
}

static void info_json_values(const char *key, int n, const nnrt_value *values)
{
    printf("\"%s\": [", key);
    for (int i = 0; i < n; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        json_string(values[i].name);
        printf(", \"dtype\": \"%s\", \"shape\": ", info_type(values[i].dtype));
        json_shape(values[i].rank, values[i].dim);
        if (values[i].classes > 0)
            printf(", \"classes\": %lld", (long long)values[i].classes);
        printf("}");
    }
    printf("], ");
}

static void info_json_weights(const nnrt_model *model)
{
    const char *comma = "";
    printf("\"weights\": [");
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        if (v->kind == NNRT_STATE)
            continue;
        printf("%s{\"name\": ", comma);
        json_string(v->name);
        printf(", \"shape\": ");
        json_shape(v->rank, v->dim);
        printf(", \"trained\": %s}", v->kind == NNRT_WEIGHT ? "true" : "false");
        comma = ", ";
    }
    printf("], ");
}

static void info_json(const nnrt_model *model)
{
    info_sums s = info_count(model);
    printf("{\"name\": ");
    json_string(model->name);
    printf(", \"source\": ");
    json_string(model->source);
    printf(", \"version\": ");
    json_string(model->version);
    printf(", \"digest\": ");
    json_string(model->digest);
    printf(", \"target\": ");
    json_string(model->target);
    printf(", \"runtime\": ");
    json_string(info_compiler());
    printf(", \"flags\": ");
    json_string(info_flags(model));
    printf(", ");
    info_json_values("inputs", model->n_inputs, model->inputs);
    info_json_values("outputs", model->n_outputs, model->outputs);
    if (model->n_samples)
        info_json_values("samples", model->n_samples, model->samples);
    info_json_weights(model);
    printf("\"parameters\": %lld, \"buffers\": %lld, \"state\": %lld, \"batch\": %d, "
           "\"size_bytes\": %zu, \"arena_bytes\": %zu, \"vars_bytes\": %zu, "
           "\"flops_predict\": %.0f, \"flops_train\": %.0f, \"threads\": %d, \"openmp\": %s, "
           "\"trains\": %s}\n",
           (long long)s.parameters, (long long)s.buffers, (long long)s.state, model->batch,
           model->size, model->arena_bytes, model->vars_bytes, model->flops_predict,
           model->flops_train, nnrt_threads(),
#ifdef _OPENMP
           "true",
#else
           "false",
#endif
           model->train_step ? "true" : "false");
}

static void info_text_values(const char *what, int n, const nnrt_value *values)
{
    for (int i = 0; i < n; i++) {
        printf("%s: %s %s ", what, values[i].name, info_type(values[i].dtype));
        json_shape(values[i].rank, values[i].dim);
        if (values[i].classes > 0)
            printf(" of %lld classes", (long long)values[i].classes);
        putchar('\n');
    }
}

static void info_text(const nnrt_model *model)
{
    info_sums s = info_count(model);
    printf("model: %s\nsource: %s\nmade by: %s\ntarget: %s\nruntime: %s\n", model->name,
           model->source, model->version, model->target, info_compiler());
    if (model->flags)
        printf("flags: %s\n", model->flags);
    info_text_values("input", model->n_inputs, model->inputs);
    info_text_values("output", model->n_outputs, model->outputs);
    info_text_values("sample", model->n_samples, model->samples);
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        if (v->kind == NNRT_STATE)
            continue;
        printf("%s: %s ", v->kind == NNRT_WEIGHT ? "weight" : "buffer", v->name);
        json_shape(v->rank, v->dim);
        putchar('\n');
    }
    printf("parameters: %lld\nbuffers: %lld\nbatch: %d\nsize: %zu bytes\narena: %zu bytes\n"
           "flops: %.0f a sample to predict, %.0f to train\nthreads: %d\n",
           (long long)s.parameters, (long long)s.buffers, model->batch, model->size,
           model->arena_bytes, model->flops_predict, model->flops_train, nnrt_threads());
}

int nnrt_info_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    if (args->json)
        info_json(model);
    else
        info_text(model);
    return nnrt_flush_results(fault);
}
