/* SPDX-License-Identifier: MIT */
/* nnrt_negatives.c: of a class that a user took, a row: that one first, then others that the user did not take,
 * drawn at random (He et al., "Neural collaborative filtering", 2017: for training some a sample, for top-N
 * evaluation 99).
 *
 * What a user took is a sorted list. The others have ranks, 0 to their number; a row draws different ranks,
 * each as likely as any, without a draw that is thrown away. A row is a function of (seed, epoch, sample), made
 * when a batch wants it, by whichever thread. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"
#include "nnrt_rand.h"

enum { NEGATIVES_MOST = 4096, NEGATIVES_STREAM = 0x6E656773 };

/* Pairs of a user and a class that the user took, each a number: user * classes + class. */
typedef struct negatives_pairs {
    uint64_t *at;
    int64_t n;
} negatives_pairs;

/* A column: the classes, or (of no classes) which of them was taken. */
typedef struct negatives_column {
    int64_t count, classes;
    uint64_t seed, draw_seed; /* of the model file; with that of the run */
    int64_t epoch;
    int32_t *positive, *user; /* of each sample */
    int64_t *first; /* where each user's classes begin in `taken`, and where the last one's end */
    int32_t *taken;
} negatives_column;

/* --- a row ------------------------------------------------------------------------------------- */

/* Class number `rank` among those that are not in the sorted list. */
static int32_t negatives_other(const int32_t *taken, int64_t n, int64_t rank)
{
    int64_t low = 0, high = n; /* how many of the list are below that class */
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (taken[middle] - middle <= rank)
            low = middle + 1;
        else
            high = middle;
    }
    return (int32_t)(rank + low);
}

static int negatives_sample(void *own, int64_t row, void *to, nnrt_fault *fault)
{
    const negatives_column *c = own;
    const int64_t *first = c->first + c->user[row];
    const int32_t *taken = c->taken + first[0];
    int64_t n = first[1] - first[0], others = c->classes - n;
    int32_t *out = to, drawn[NEGATIVES_MOST];
    nnrt_rand_key key = nnrt_rand_key_of(c->draw_seed, (uint64_t)c->epoch, NEGATIVES_STREAM);
    (void)fault;
    out[0] = c->positive[row];
    for (int64_t j = 0; j < c->count; j++) {
        uint64_t bits = nnrt_rand_bits(key, (uint64_t)(row * c->count + j));
        int32_t rank = (int32_t)(bits * (uint64_t)(others - j) >> 32);
        int64_t k = 0; /* among the ranks that were not drawn before, which are sorted */
        for (; k < j && drawn[k] <= rank; k++)
            rank++;
        memmove(drawn + k + 1, drawn + k, (size_t)(j - k) * sizeof *drawn);
        drawn[k] = rank;
        out[1 + j] = negatives_other(taken, n, rank);
    }
    return NNRT_OK;
}

static int negatives_label(void *own, int64_t row, void *to, nnrt_fault *fault)
{
    const negatives_column *c = own;
    float *out = to;
    (void)row, (void)fault;
    for (int64_t j = 0; j <= c->count; j++)
        out[j] = j == 0;
    return NNRT_OK;
}

static void negatives_close(void *own)
{
    negatives_column *c = own;
    free(c->positive);
    free(c->user);
    free(c->first);
    free(c->taken);
    free(c);
}

void nnrt_negatives_begin(nnrt_dataset *d, uint64_t seed, int64_t epoch)
{
    for (int i = 0; i < d->model->n_inputs; i++) {
        negatives_column *c = d->columns[i].lazy.own;
        if (d->columns[i].lazy.sample != negatives_sample)
            continue;
        c->draw_seed = nnrt_rand_mix(seed) + c->seed;
        c->epoch = epoch + 1; /* 0: of evaluation */
    }
}

/* --- a column ---------------------------------------------------------------------------------- */

static int negatives_no_memory(const nnrt_read *o)
{
    return nnrt_fail(o->fault, NNRT_NO_MEMORY, "no memory for what users took");
}

/* One class a sample of an input, whole and in its range; those of samples that are left out are 0. */
static int negatives_classes(const nnrt_read *o, int input, const char *name, const nnrt_array *a,
                             int32_t *out)
{
    const nnrt_value *v = &o->d->model->inputs[input];
    char expected[96];
    for (int64_t i = 0; i < a->dim[0]; i++) {
        double value = nnrt_array_number(a, (size_t)i);
        if (value >= 0 && value < (double)v->classes && value == (double)(int32_t)value) {
            out[i] = (int32_t)value;
            continue;
        }
        nnrt_value_expected(v, expected, sizeof expected);
        return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                         "%s: sample %lld (from 0): expected %s for '%s', found %.9g", name,
                         (long long)(a->first + i), expected, v->name, value);
    }
    return NNRT_OK;
}

static int negatives_ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The lists of what each user took: each pair once. */
static int negatives_lists(const nnrt_read *o, negatives_column *c, int64_t users,
                           negatives_pairs *p)
{
    int64_t n = 0;
    qsort(p->at, (size_t)p->n, sizeof *p->at, negatives_ascending);
    for (int64_t i = 0; i < p->n; i++)
        if (i == 0 || p->at[i] != p->at[n - 1])
            p->at[n++] = p->at[i];
    c->first = calloc((size_t)users + 1, sizeof *c->first);
    c->taken = malloc(((size_t)n + 1) * sizeof *c->taken);
    if (!c->first || !c->taken)
        return negatives_no_memory(o);
    for (int64_t i = 0; i < n; i++) {
        c->first[p->at[i] / (uint64_t)c->classes + 1]++;
        c->taken[i] = (int32_t)(p->at[i] % (uint64_t)c->classes);
    }
    for (int64_t u = 0; u < users; u++)
        c->first[u + 1] += c->first[u];
    return NNRT_OK;
}

/* Adds the pairs of so many samples. `all`: none of them was left out. */
static int negatives_add(const nnrt_read *o, const negatives_column *c, int64_t n,
                         const int32_t *user, const int32_t *taken, int all, negatives_pairs *p)
{
    uint64_t *more = realloc(p->at, ((size_t)(p->n + n) + 1) * sizeof *more);
    if (!more)
        return negatives_no_memory(o);
    p->at = more;
    for (int64_t i = 0; i < n; i++)
        if (all || !nnrt_skipped(o, i))
            p->at[p->n++] = (uint64_t)user[i] * (uint64_t)c->classes + (uint64_t)taken[i];
    return NNRT_OK;
}

/* Those of another table of the same columns, all of its rows. */
static int negatives_seen(const nnrt_read *o, const nnrt_source *s, const nnrt_negatives *g,
                          const negatives_column *c, negatives_pairs *p)
{
    nnrt_column columns[2];
    nnrt_array arrays[2] = {{0}, {0}};
    nnrt_source other = *s;
    nnrt_read read = *o;
    int kept = 0, input = nnrt_read_input(o, g->input), user = nnrt_read_input(o, g->user);
    for (int i = 0; i < s->n_columns && kept < 2; i++)
        if (strcmp(s->columns[i].input, kept ? g->user : g->input) == 0) {
            columns[kept++] = s->columns[i];
            i = -1;
        }
    char *path = nnrt_path_join(o->dir, g->seen);
    if (!path)
        return negatives_no_memory(o);
    other.columns = columns;
    other.n_columns = 2;
    other.n_where = 0;
    other.generator = NULL;
    read.skips = NULL;
    int status = nnrt_csv_read(&read, path, &other, arrays, o->fault);
    int64_t n = status ? 0 : arrays[0].dim[0];
    int32_t *room = malloc(((size_t)n * 2 + 1) * sizeof *room);
    if (!status && !room)
        status = negatives_no_memory(o);
    if (!status)
        status = negatives_classes(o, input, path, &arrays[0], room);
    if (!status)
        status = negatives_classes(o, user, path, &arrays[1], room + n);
    if (!status)
        status = negatives_add(o, c, n, room + n, room, 1, p);
    free(room);
    nnrt_array_free(&arrays[0]);
    nnrt_array_free(&arrays[1]);
    free(path);
    return status;
}

/* Each user must have left enough. */
static int negatives_enough(const nnrt_read *o, const nnrt_negatives *g, const char *name,
                            const negatives_column *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t others = c->classes - (c->first[c->user[i] + 1] - c->first[c->user[i]]);
        if (others < c->count)
            return nnrt_fail(o->fault, NNRT_BAD_CONTENT,
                             "%s: negatives: %lld others are wanted for each sample, and %s %d has "
                             "left %lld of the %lld of '%s'",
                             name, (long long)c->count, g->user, c->user[i], (long long)others,
                             (long long)c->classes, g->input);
    }
    return NNRT_OK;
}

static int negatives_fill(const nnrt_read *o, const nnrt_source *s, const nnrt_negatives *g,
                          negatives_column *c)
{
    int input = nnrt_read_input(o, g->input), user = nnrt_read_input(o, g->user);
    const nnrt_array *classes = &o->d->columns[input], *users = &o->d->columns[user];
    const char *name = o->d->names[input];
    negatives_pairs p = {0};
    if (!users->data)
        return nnrt_fail(o->fault, NNRT_BAD_CALL, "%s: negatives: nothing reads '%s'", name,
                         g->user);
    int64_t n = classes->dim[0];
    c->positive = calloc((size_t)n + 1, sizeof *c->positive);
    c->user = calloc((size_t)n + 1, sizeof *c->user);
    int status = c->positive && c->user ? NNRT_OK : negatives_no_memory(o);
    if (!status)
        status = negatives_classes(o, input, name, classes, c->positive);
    if (!status)
        status = negatives_classes(o, user, name, users, c->user);
    if (!status)
        status = negatives_add(o, c, n, c->user, c->positive, 0, &p);
    if (!status && g->seen)
        status = negatives_seen(o, s, g, c, &p);
    if (!status)
        status = negatives_lists(o, c, o->d->model->inputs[user].classes, &p);
    if (!status)
        status = negatives_enough(o, g, name, c, n);
    free(p.at);
    return status;
}

/* Puts a column in the place of what the input has; takes it over. */
static void negatives_put(const nnrt_read *o, int input, int64_t n, negatives_column *c,
                          int (*sample)(void *, int64_t, void *, nnrt_fault *))
{
    nnrt_array *a = &o->d->columns[input];
    nnrt_array_free(a);
    *a = (nnrt_array){.rank = 2, .dim = {n, 1 + c->count}, .lazy = {c, sample, negatives_close}};
}

static int negatives_make(const nnrt_read *o, const nnrt_source *s, const nnrt_negatives *g)
{
    int input = nnrt_read_input(o, g->input), label = g->label ? nnrt_read_input(o, g->label) : -1;
    if (!o->d->columns[input].data) /* nobody needs it */
        return NNRT_OK;
    int64_t n = o->d->columns[input].dim[0];
    negatives_column *c = calloc(1, sizeof *c);
    if (!c)
        return negatives_no_memory(o);
    *c = (negatives_column){.count = g->count,
                            .classes = o->d->model->inputs[input].classes,
                            .seed = g->seed,
                            .draw_seed = g->seed};
    int status = negatives_fill(o, s, g, c);
    if (status) {
        negatives_close(c);
        return status;
    }
    negatives_put(o, input, n, c, negatives_sample);
    if (label < 0 || !nnrt_read_needs(o, label))
        return NNRT_OK;
    negatives_column *which = calloc(1, sizeof *which);
    if (!which)
        return negatives_no_memory(o);
    which->count = g->count;
    negatives_put(o, label, n, which, negatives_label);
    return nnrt_read_name(o, label, o->d->names[input]);
}

int nnrt_negatives_make(const nnrt_read *o, const nnrt_source *s)
{
    int status = NNRT_OK;
    for (int i = 0; i < s->n_negatives && !status; i++)
        status = negatives_make(o, s, &s->negatives[i]);
    return status;
}
