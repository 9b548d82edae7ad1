/* SPDX-License-Identifier: MIT */
/* kept.c: an app of the network in kept.yaml. predict keeps weights in another form from call to call:
 * whatever changes a weight, or the scratch where that form lies, in between, the outputs must be those of
 * a new instance with the same weights, bit for bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kept.h"

enum { PIXELS = 3 * 12 * 12, CLASSES = 7, OUT = KEPT_BATCH * CLASSES };

typedef struct Weight {
    const char *name;
    int count;
} Weight;

static const Weight weights[] = {
    {"stem.weight", 32 * 3 * 9},   {"norm.weight", 32},           {"norm.bias", 32},
    {"norm.running_mean", 32},     {"norm.running_var", 32},      {"square.weight", 40 * 32 * 9},
    {"square.bias", 40},           {"norm2.weight", 40},          {"norm2.running_var", 40},
    {"pointwise.weight", 21 * 40}, {"wide.weight", 67 * 21 * 36}, {"wide.bias", 67},
    {"narrow.weight", 45 * 67},    {"logits.weight", 7 * 45},
};

enum { WEIGHTS = (int)(sizeof weights / sizeof *weights) };

static float x[KEPT_BATCH * PIXELS], values[67 * 21 * 36], grads[KEPT_GRADS];
static int32_t label[KEPT_BATCH];

static kept *new_instance(uint64_t seed)
{
    kept *m = kept_new(seed);
    CHECK(m);
    return m;
}

/* What a new instance with m's weights predicts for n samples. */
static void predict_anew(const kept *m, int n, float *out)
{
    kept *fresh = new_instance(12345);
    CHECK(kept_save(m, "anew.safetensors") == 0);
    CHECK(kept_load(fresh, "anew.safetensors") == 0);
    CHECK(kept_predict(fresh, n, x, out) == 0);
    kept_free(fresh);
}

/* m, or a fork of it, predicts with m's weights: twice the full batch, fewer samples between. */
static void check_with(const char *after, const kept *owner, kept *m)
{
    static const int samples[] = {KEPT_BATCH, 1, 5, KEPT_BATCH};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        float want[OUT], got[OUT];
        int n = samples[i];
        predict_anew(owner, n, want);
        CHECK(kept_predict(m, n, x, got) == 0);
        if (memcmp(want, got, (size_t)n * CLASSES * sizeof *got) != 0) {
            fprintf(stderr, "after %s: %d samples are not predicted with the weights there are\n",
                    after, n);
            exit(1);
        }
    }
}

static void check(const char *after, kept *m)
{
    check_with(after, m, m);
}

/* Another value for a weight; what m predicts must become different by it. */
static void change(kept *m, const Weight *w)
{
    float before[OUT], now[OUT];
    predict_anew(m, KEPT_BATCH, before);
    CHECK(kept_get(m, w->name, values) == 0);
    for (int i = 0; i < w->count; i++)
        values[i] = values[i] * 1.0625f + (i % 3 == 0 ? 0.015625f : -0.0078125f);
    CHECK(kept_set(m, w->name, values) == 0);
    predict_anew(m, KEPT_BATCH, now);
    CHECK(memcmp(before, now, sizeof now) != 0);
}

static void each_weight(kept *m)
{
    for (int i = 0; i < WEIGHTS; i++) {
        CHECK(kept_predict(m, KEPT_BATCH, x, (float[OUT]){0}) == 0);
        change(m, &weights[i]);
        check(weights[i].name, m);
    }
    float out[OUT];
    change(m, &weights[5]);
    CHECK(kept_predict(m, 0, x, out) == -1 && kept_predict(m, KEPT_BATCH + 1, x, out) == -1);
    check("calls that were refused", m);
    CHECK(kept_set(m, "no.weight", values) == -1);
    check("a set that was refused", m);
}

static void each_function(kept *m)
{
    double sums[KEPT_SUMS] = {0};
    CHECK(kept_eval(m, KEPT_BATCH, x, label, sums) > 0);
    check("eval", m);
    CHECK(kept_grad(m, KEPT_BATCH, x, label, grads) > 0);
    check("grad", m);
    for (int i = 0; i < 3; i++) {
        CHECK(kept_train_step(m, KEPT_BATCH - i, x, label) > 0);
        check("train_step", m);
    }
    CHECK(kept_grad(m, 3, x, label, grads) > 0);
    CHECK(kept_eval(m, 2, x, label, NULL) > 0);
    change(m, &weights[WEIGHTS - 1]);
    check("grad, eval and set", m);
}

static void each_way_to_load(kept *m)
{
    kept *other = new_instance(77);
    CHECK(kept_save(other, "other.safetensors") == 0);
    CHECK(kept_load(m, "other.safetensors") == 0);
    check("load", m);
    CHECK(kept_load(m, "no.safetensors") != 0);
    check("a load that failed", m);
    kept_train_step(other, KEPT_BATCH, x, label);
    CHECK(kept_save(other, "other.safetensors") == 0);
    FILE *f = fopen("other.safetensors", "rb");
    CHECK(f);
    static unsigned char bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    CHECK(kept_load_memory(m, bytes, size) == 0);
    check("load_memory", m);
    CHECK(kept_load_memory(m, bytes, size / 2) != 0);
    check("a load_memory that failed", m);
    kept_free(other);
}

static void *new_memory(void)
{
    void *memory = aligned_alloc(64, (kept_size() + 63) / 64 * 64);
    CHECK(memory);
    return memory;
}

static void in_place(void)
{
    void *memory = new_memory();
    for (uint64_t seed = 1; seed < 4; seed++)
        check("init", kept_init(memory, seed));
    free(memory);
}

static void forks(void)
{
    kept *owner = new_instance(5);
    void *memory[2] = {new_memory(), new_memory()};
    kept *early = kept_fork(memory[0], owner); /* before the owner has predicted */
    check_with("fork", owner, early);
    check("fork", owner);
    kept *late = kept_fork(memory[1], early);
    check_with("fork of a fork", owner, late);
    for (int i = 0; i < 3; i++) {
        kept_train_step(owner, KEPT_BATCH, x, label);
        check_with("the owner's train_step", owner, early);
        change(owner, &weights[(i * 5 + 5) % WEIGHTS]);
        check_with("the owner's set", owner, late);
        check_with("the owner's set", owner, early);
        check("its forks' predict", owner);
    }
    kept_eval(early, KEPT_BATCH, x, label, NULL);
    check_with("a fork's eval", owner, early);
    kept_grad(late, KEPT_BATCH, x, label, grads);
    check_with("a fork's grad", owner, late);
    CHECK(kept_load(owner, "other.safetensors") == 0);
    check_with("the owner's load", owner, late);
    check_with("the owner's load", owner, early);
    kept_free(owner);
    free(memory[0]);
    free(memory[1]);
}

int main(void)
{
    for (int i = 0; i < KEPT_BATCH * PIXELS; i++)
        x[i] = (float)(i * 37 % 101) / 101 - 0.5f;
    for (int i = 0; i < KEPT_BATCH; i++)
        label[i] = i % CLASSES;
    kept *m = new_instance(1);
    check("new", m);
    each_weight(m);
    each_function(m);
    each_way_to_load(m);
    kept_free(m);
    in_place();
    forks();
    return 0;
}
