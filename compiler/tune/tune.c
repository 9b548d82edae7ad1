/* SPDX-License-Identifier: MIT */
/* tune.c: the search: for each product, one choice after the other, the values near the one that its
 * plan has; what is faster is kept. Choices that follow in the plan are the cost model's, given those
 * before them, until their turn comes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../passes/lower.h"
#include "tune.h"

/* Less than this is noise. */
#define WORTH 0.02

enum { TRIED_MAX = 6 }; /* values of a choice, at a time */

typedef struct Product {
    Subject at;
    int calls;    /* in all functions */
    double flops; /* of them all */
    Choices best;
    bool done;
} Product;

typedef struct Tuner {
    Arena *arena;
    ChoiceTable *table;
    Measure measure;
    VEC(Product *) products;
    double end, each; /* when the time is over; seconds that a measurement takes */
    bool began;
} Tuner;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- what there is to measure ----------------------------------------------------------------- */

static void add_kernel(Tuner *t, Map *known, Graph *g, Kernel *k)
{
    const Lowered *low = k->lowered;
    const char *key = k->kind == KERNEL_matmul ? low->plan.choosing.key : low->conv.choosing.key;
    if (!key) /* there is nothing to choose */
        return;
    Product *p = map_get(known, key);
    if (!p) {
        p = arena_take(t->arena, sizeof *p);
        *p = (Product){.at = {g, k, key, t->table}, .best = choices_none()};
        map_set(known, key, p);
        vec_push(t->arena, &t->products, p);
    }
    p->calls++;
    p->flops += k->flops;
}

static int most_first(const void *a, const void *b)
{
    const Product *x = *(Product *const *)a, *y = *(Product *const *)b;
    if (x->flops != y->flops)
        return x->flops < y->flops ? 1 : -1;
    return strcmp(x->at.key, y->at.key);
}

static void find_products(Tuner *t, Program *p)
{
    Map known = map_new(t->arena);
    for (int f = 0; f < FN_COUNT; f++)
        for (int i = 0; p->fn[f] && i < p->fn[f]->kernels.n; i++)
            if (p->fn[f]->kernels.at[i]->product && p->fn[f]->kernels.at[i]->kind != KERNEL_pack)
                add_kernel(t, &known, p->fn[f], p->fn[f]->kernels.at[i]);
    if (t->products.n)
        qsort(t->products.at, (size_t)t->products.n, sizeof *t->products.at, most_first);
}

/* --- the search ------------------------------------------------------------------------------- */

static int add_value(const Knob *k, int64_t value, int n, int64_t *values)
{
    value = k->least + (value - k->least) / k->step * k->step;
    if (value < k->least || value > k->most || value == k->value)
        return n;
    for (int i = 0; i < n; i++)
        if (values[i] == value)
            return n;
    values[n] = value;
    return n + 1;
}

/* Values worth a try: all where there are few, else neighbours, half and double. */
static int near_values(const Knob *k, int64_t *values)
{
    enum { FEW = 4, MANY = 64 };
    int n = 0;
    int64_t count = (k->most - k->least) / k->step + 1, v = k->value, step = k->step;
    if (count <= FEW) {
        for (int64_t i = 0; i < count; i++)
            n = add_value(k, k->least + i * step, n, values);
        return n;
    }
    n = add_value(k, v / 2, n, values);
    n = add_value(k, v * 2, n, values);
    n = add_value(k, count > MANY ? v / 4 : v - 2 * step, n, values);
    n = add_value(k, count > MANY ? v * 4 : v + 2 * step, n, values);
    if (count > MANY)
        return n;
    n = add_value(k, v - step, n, values);
    return add_value(k, v + step, n, values);
}

/* Tries the values near that of a choice; *better: one was. Gives what `measure` does. */
static int try_knob(Tuner *t, Product *p, const Knob *k, bool *better)
{
    int64_t values[TRIED_MAX];
    Choices tried[TRIED_MAX + 1];
    double ms[TRIED_MAX + 1];
    int n = 1, best = 0, n_values = near_values(k, values);
    tried[0] = p->best;
    for (int i = 0; i < n_values; i++) {
        Choices c = p->best;
        c.value[k->kind] = values[i];
        if (!subject_plan(&p->at, &c).refused)
            tried[n++] = c;
    }
    *better = false;
    if (n == 1)
        return 0;
    int status = measure(&t->measure, &p->at, n, tried, t->each, ms);
    for (int i = 1; status == 0 && i < n; i++)
        if (ms[i] > 0 && ms[i] < ms[best])
            best = i;
    *better = status == 0 && ms[best] < (1 - WORTH) * ms[0];
    if (*better)
        p->best = tried[best];
    return status;
}

static bool chooses(const Choices *c)
{
    for (int i = 0; i < CHOICE_COUNT; i++)
        if (c->value[i] >= 0)
            return true;
    return false;
}

/* What was found beside the cost model's plan: where it is no faster after all, it is dropped. */
static int confirm(Tuner *t, Product *p)
{
    Choices both[2] = {choices_none(), p->best};
    double ms[2];
    int status = measure(&t->measure, &p->at, chooses(&p->best) ? 2 : 1, both, 2 * t->each, ms);
    if (status)
        return status;
    if (!chooses(&p->best) || ms[1] < 0 || ms[1] > (1 - WORTH / 2) * ms[0]) {
        p->best = choices_none();
        ms[1] = ms[0];
    }
    p->best.model_ms = ms[0];
    p->best.ms = ms[1];
    p->done = true;
    return 0;
}

/* The first measurement of all is made however short the time is. */
static bool over(Tuner *t)
{
    bool is_over = t->began && now() > t->end;
    t->began = true;
    return is_over;
}

static int search(Tuner *t, Product *p)
{
    enum { AGAIN = 3 };
    int status = 0;
    Choosing plan = subject_plan(&p->at, &p->best);
    for (int i = 0; status == 0 && i < plan.n; i++) {
        bool better = true;
        for (int turn = 0; status == 0 && better && turn < AGAIN && i < plan.n; turn++) {
            if (over(t))
                return confirm(t, p);
            status = try_knob(t, p, &plan.knobs[i], &better);
            plan = subject_plan(&p->at, &p->best);
        }
    }
    return status ? status : confirm(t, p);
}

/* --- what is said of it ----------------------------------------------------------------------- */

static void print_product(const Product *p, int i, int n)
{
    const Choices *c = &p->best;
    printf("%*d/%d  %9.4g ms  %9.4g ms  %5.1f %%  %3d x  %s",
           n > 99  ? 3
           : n > 9 ? 2
                   : 1,
           i + 1, n, c->model_ms, c->ms, 100 * (c->model_ms / c->ms - 1), p->calls, p->at.key);
    for (int k = 0; k < CHOICE_COUNT; k++)
        if (c->value[k] >= 0)
            printf(" %s=%lld", choice_names[k], (long long)c->value[k]);
    printf("\n");
    fflush(stdout);
}

/* How far the cost model's plans are from the tuned ones. */
static void print_total(const Tuner *t, int64_t seconds)
{
    double model = 0, tuned = 0;
    int done = 0;
    for (int i = 0; i < t->products.n; i++) {
        const Product *p = t->products.at[i];
        if (!p->done)
            continue;
        done++;
        model += p->calls * p->best.model_ms;
        tuned += p->calls * p->best.ms;
    }
    if (done < t->products.n)
        printf("%d of %d products were not reached in %lld s: the cost model decides for them\n",
               t->products.n - done, t->products.n, (long long)seconds);
    if (tuned > 0)
        printf("one call of each: %.4g ms by the cost model, %.4g ms tuned: the cost model's plans "
               "are %.1f %% slower\n",
               model, tuned, 100 * (model / tuned - 1));
}

/* The file's entries: those measured, then those kept. */
static ChoiceTable *results(Tuner *t, const ChoiceTable *kept)
{
    ChoiceTable *all = tune_table(t->arena);
    for (int i = 0; i < t->products.n; i++)
        if (t->products.at[i]->done)
            map_set(&all->by_key, t->products.at[i]->at.key, &t->products.at[i]->best);
    for (int i = 0; kept && i < kept->by_key.n; i++)
        if (!map_get(&all->by_key, kept->by_key.entry[i].key))
            map_set(&all->by_key, kept->by_key.entry[i].key, kept->by_key.entry[i].value);
    return all;
}

static int search_all(Tuner *t)
{
    int status = 0;
    printf("   the cost model         tuned  slower  calls  product, choices\n");
    for (int i = 0; i < t->products.n && status == 0 && !over(t); i++) {
        Product *p = t->products.at[i];
        status = search(t, p);
        if (status == 1) {
            printf("%d/%d  cannot be measured: its program failed  %s\n", i + 1, t->products.n,
                   p->at.key);
            status = 0;
        }
        if (p->done)
            print_product(p, i, t->products.n);
    }
    return status;
}

int tune(Program *p, const Home *home, const TuneOptions *o)
{
    Tuner t = {.arena = p->ctx->arena, .table = p->choices, .end = now() + (double)o->seconds};
    enum { MEASUREMENTS = 100 }; /* that share the time, with what else there is to do */
    t.each = fmin(fmax((double)o->seconds / MEASUREMENTS, 0.02), 1);
    find_products(&t, p);
    t.measure = (Measure){
        .home = home, .target = p->target, .how = {cc_find(t.arena), false, o->large, false}};
    if (!t.measure.how.cc || !(t.measure.folder = folder_make(t.arena)))
        return 3;
    int status = search_all(&t);
    rmdir(t.measure.folder);
    if (status && status != PROGRAM_INTERRUPTED)
        return status;
    if (!t.measure.compiler)
        printf("nothing was measured\n");
    else
        print_total(&t, o->seconds);
    if (!t.measure.compiler)
        return status;
    TuneMade made = {t.measure.compiler, t.measure.threads};
    int written = tune_write(t.arena, o->path, p->target, &made, results(&t, o->kept));
    return written ? written : status;
}
