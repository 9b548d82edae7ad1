/* SPDX-License-Identifier: MIT */
/* Guards the whole way from graph to C with random models (random_graph.h): what is emitted gives
 * what the interpreter gives, with all optimisations, without any, and without each.
 *
 *   EMIT_SEED   the first model's number (1)
 *   EMIT_COUNT  how many models (200)
 *   EMIT_STEPS  at most so many nodes: to find the smallest that fails
 *   EMIT_FN     one function alone
 *   EMIT_VARIANT one variant alone, of every model
 *   EMIT_FLAGS  in place of -O0 -march=native
 *   EMIT_KEEP   a folder where the C stays */
#include "random_graph.h"

static const Target targets[] = {
    {.name = "wide", .flags = "", .vector_bytes = 64, .registers = 32, .threads = true},
    {.name = "avx", .flags = "", .vector_bytes = 32, .registers = 16, .threads = true},
    {.name = "sse", .flags = "", .vector_bytes = 16, .registers = 16},
    {.name = "scalar", .flags = "", .vector_bytes = 4, .registers = 16},
};

/* The first takes every model, the others take turns. */
static const Variant variants[] = {
    {.name = "all"},
    {.name = "O0", .O0 = true, .unfused = true},
    {.name = "no-fuse", .unfused = true},
    {.name = "no-simplify", .skip = "simplify"},
    {.name = "no-cse", .skip = "cse"},
    {.name = "no-layout", .skip = "layout"},
};

static int number_of(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static void add_model(EmitBatch *b, uint64_t seed, const Variant *variant)
{
    char label[100];
    RandomModel m = {.seed = seed, .steps = number_of("EMIT_STEPS", 0), .only = getenv("EMIT_FN")};
    snprintf(label, sizeof label, "model %llu, %s", (unsigned long long)seed, variant->name);
    emit_add(b, build_random_model, &m, variant, &targets[seed % COUNT(targets)], label);
}

static void add_models(EmitBatch *b, uint64_t from, int count)
{
    const char *only = getenv("EMIT_VARIANT");
    for (uint64_t seed = from; seed < from + (uint64_t)count; seed++)
        for (int v = 0; v < COUNT(variants); v++) {
            bool turn = v == 0 || v == 1 + (int)(seed % (COUNT(variants) - 1));
            if (only ? strcmp(only, variants[v].name) == 0 : turn)
                add_model(b, seed, &variants[v]);
        }
}

static void check_models(int first, int count, const char *flags)
{
    enum { AT_ONCE = 25 };
    int64_t failures = 0, compared = 0, skipped = 0;
    for (int i = 0; i < count; i += AT_ONCE) {
        EmitBatch b = emit_batch();
        add_models(&b, (uint64_t)(first + i), count - i < AT_ONCE ? count - i : AT_ONCE);
        emit_load(&b, flags);
        emit_run(&b);
        failures += b.failures;
        compared += b.compared;
        skipped += b.skipped;
        emit_done(&b);
    }
    cr_log_info("%ld numbers compared, %ld left out", (long)compared, (long)skipped);
    cr_assert_eq(failures, 0, "%ld differences", (long)failures);
    cr_assert_lt(skipped, compared / 4);
}

Test(emit_random, models, .timeout = 100000)
{
    const char *flags = getenv("EMIT_FLAGS");
    check_models(number_of("EMIT_SEED", 1), number_of("EMIT_COUNT", 200),
                 flags ? flags : "-O0 -march=native");
}

Test(emit_random, models_at_the_level_that_models_are_compiled_at, .timeout = 100000)
{
    check_models(501, 12, "-O3 -fno-math-errno -fno-trapping-math -march=native");
}
