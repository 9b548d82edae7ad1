/* SPDX-License-Identifier: MIT */
/* nnrt_checkpoint.c: the whole state of a training run in one safetensors file.
 *
 * Tensors: every var, the optimiser's state included, by its name; the best weights so far as
 * best.NAME. The rest stands in the metadata: whole numbers in decimal, others as hexadecimal
 * floats, so that every bit comes back.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* --- The numbers ------------------------------------------------------------------------------ */

typedef struct check_number {
    const char *key;
    int64_t *whole; /* one of the two */
    double *real;
    int newer; /* checkpoints of earlier releases have none: it stays as it is */
} check_number;

/* What instance and run are made of, in one list for both directions. */
enum { CHECK_NUMBERS = 20 };

static void check_list(nnrt_instance *m, nnrt_run *r, int64_t *narrow, check_number *out)
{
    const check_number list[CHECK_NUMBERS] = {
        {"nncc.step", &m->step, NULL, 0},
        {"nncc.calls", &m->calls, NULL, 0},
        {"nncc.total_steps", &m->total_steps, NULL, 0},
        {"nncc.epoch_steps", &m->epoch_steps, NULL, 0},
        {"nncc.lr", NULL, &m->lr, 0},
        {"nncc.epoch", &r->epoch, NULL, 0},
        {"nncc.position", &r->position, NULL, 0},
        {"nncc.loss_sum", NULL, &r->score.loss_sum, 0},
        {"nncc.loss_samples", NULL, &r->score.samples, 0},
        {"nncc.samples", &r->samples, NULL, 0},
        {"nncc.epochs", &r->epochs, NULL, 0},
        {"nncc.best", NULL, &r->best, 0},
        {"nncc.waited", &r->waited, NULL, 0},
        {"nncc.plateau_best", NULL, &r->plateau_best, 0},
        {"nncc.plateau_waited", &r->plateau_waited, NULL, 0},
        {"nncc.checkpoint_best", NULL, &r->checkpoint_best, 1},
        {"nncc.shuffle", &narrow[0], NULL, 0},
        {"nncc.stopped", &narrow[1], NULL, 0},
        {"nncc.has_best", &narrow[2], NULL, 0},
        {"nncc.batch", &narrow[3], NULL, 0},
    };
    memcpy(out, list, sizeof list);
}

/* The ints of a run, widened. */
enum { CHECK_SHUFFLE, CHECK_STOPPED, CHECK_HAS_BEST, CHECK_BATCH, CHECK_NARROW };

/* --- Writing ---------------------------------------------------------------------------------- */

typedef struct check_writer {
    nnrt_st_item *items;
    nnrt_st_pair *meta;
    char (*names)[300], (*texts)[96];
    int64_t (*kept)[2]; /* shapes of what metrics keep */
    float *values;
    int n_items, n_meta, n_names, n_texts;
} check_writer;

static void check_writer_free(check_writer *w)
{
    free(w->items);
    free(w->meta);
    free(w->names);
    free(w->kept);
    free(w->texts);
    free(w->values);
}

static int check_writer_make(check_writer *w, const nnrt_model *model, int more)
{
    size_t vars = (size_t)model->n_vars, kept = (size_t)model->n_kept, count = 1;
    size_t meta = CHECK_NUMBERS + (size_t)model->n_sums + 4 + (size_t)more;
    for (int i = 0; i < model->n_vars; i++)
        count += (size_t)model->vars[i].count * (model->vars[i].kind == NNRT_STATE ? 1 : 2);
    *w = (check_writer){.items = malloc((2 * vars + kept + 1) * sizeof *w->items),
                        .meta = malloc(meta * sizeof *w->meta),
                        .names =
                            malloc((vars + kept + (size_t)model->n_sums + 1) * sizeof *w->names),
                        .kept = malloc((kept + 1) * sizeof *w->kept),
                        .texts = malloc(meta * sizeof *w->texts),
                        .values = malloc(count * sizeof *w->values)};
    return w->items && w->meta && w->names && w->kept && w->texts && w->values;
}

static void check_put_vars(check_writer *w, const nnrt_instance *m, const nnrt_run *run)
{
    const nnrt_model *model = m->model;
    nnrt_instance best = *m;
    float *at = w->values;
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        nnrt_var_read(m, i, at);
        w->items[w->n_items++] = (nnrt_st_item){v->name, v->rank, v->dim, at};
        at += v->count;
        if (!run->has_best_vars || v->kind == NNRT_STATE)
            continue;
        best.vars = run->best_vars;
        nnrt_var_read(&best, i, at);
        snprintf(w->names[w->n_names], sizeof *w->names, "best.%s", v->name);
        w->items[w->n_items++] = (nnrt_st_item){w->names[w->n_names++], v->rank, v->dim, at};
        at += v->count;
    }
}

/* What metrics have kept of the epoch at hand. */
static void check_put_kept(check_writer *w, const nnrt_model *model, const nnrt_score *score)
{
    for (int i = 0; score->samples > 0 && score->kept && i < model->n_kept; i++) {
        if (!score->kept[i])
            continue;
        char *name = w->names[w->n_names++];
        snprintf(name, sizeof *w->names, "nncc.kept.%d", i);
        w->kept[i][0] = (int64_t)score->samples;
        w->kept[i][1] = model->kept[i];
        w->items[w->n_items++] = (nnrt_st_item){name, 2, w->kept[i], score->kept[i]};
    }
}

static char *check_put_text(check_writer *w, const char *key)
{
    char *text = w->texts[w->n_texts++];
    w->meta[w->n_meta++] = (nnrt_st_pair){key, text};
    return text;
}

static void check_put_numbers(check_writer *w, const nnrt_instance *instance, const nnrt_run *run)
{
    nnrt_instance m = *instance;
    nnrt_run r = *run;
    int64_t narrow[CHECK_NARROW] = {run->shuffle, run->stopped, run->has_best_vars, m.model->batch};
    check_number list[CHECK_NUMBERS];
    check_list(&m, &r, narrow, list);
    for (int i = 0; i < CHECK_NUMBERS; i++) {
        char *text = check_put_text(w, list[i].key);
        if (list[i].whole)
            snprintf(text, sizeof *w->texts, "%lld", (long long)*list[i].whole);
        else
            snprintf(text, sizeof *w->texts, "%a", *list[i].real);
    }
    for (int i = 0; i < m.model->n_sums; i++) {
        char *key = w->names[w->n_names++];
        snprintf(key, sizeof *w->names, "nncc.sum.%d", i);
        snprintf(check_put_text(w, key), sizeof *w->texts, "%a", run->score.sums[i]);
    }
    snprintf(check_put_text(w, "nncc.seed"), sizeof *w->texts, "%llu", (unsigned long long)m.seed);
    w->meta[w->n_meta++] = (nnrt_st_pair){"nncc.model", m.model->digest};
    w->meta[w->n_meta++] = (nnrt_st_pair){"nncc.version", m.model->version};
    for (int i = 0; m.meta && i < m.meta->n; i++)
        w->meta[w->n_meta++] = m.meta->at[i];
}

int nnrt_checkpoint_save(const nnrt_instance *m, const nnrt_run *run, const char *path, int keep,
                         nnrt_fault *fault)
{
    check_writer w;
    int status;
    if (check_writer_make(&w, m->model, m->meta ? m->meta->n : 0)) {
        check_put_vars(&w, m, run);
        check_put_kept(&w, m->model, &run->score);
        check_put_numbers(&w, m, run);
        status = nnrt_st_write(path, w.n_items, w.items, w.n_meta, w.meta, keep, fault);
    } else {
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to write the checkpoint", path);
    }
    check_writer_free(&w);
    return status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

typedef struct check_reader {
    const char *path;
    const nnrt_st_file *file;
    nnrt_fault *fault;
} check_reader;

static const char *check_text(const check_reader *r, const char *key)
{
    for (int i = 0; i < r->file->n_meta; i++)
        if (strcmp(r->file->meta[i].key, key) == 0)
            return r->file->meta[i].value;
    return NULL;
}

static int check_missing(const check_reader *r, const char *key)
{
    return nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                     "%s: its metadata has no proper '%s': it is no checkpoint of a training run",
                     r->path, key);
}

static int check_take_number(const check_reader *r, const check_number *n)
{
    const char *text = check_text(r, n->key);
    char *end;
    if (!text && n->newer)
        return 0;
    if (!text || !*text)
        return check_missing(r, n->key);
    errno = 0;
    if (n->whole) {
        *n->whole = strtoll(text, &end, 10);
        if (errno || *end || *n->whole < 0)
            return check_missing(r, n->key);
    } else {
        *n->real = strtod(text, &end);
        if (*end)
            return check_missing(r, n->key);
    }
    return 0;
}

static int check_take_numbers(const check_reader *r, nnrt_instance *m, nnrt_run *run, double *sums)
{
    int64_t narrow[CHECK_NARROW] = {0};
    check_number list[CHECK_NUMBERS];
    check_list(m, run, narrow, list);
    for (int i = 0; i < CHECK_NUMBERS; i++)
        if (check_take_number(r, &list[i]))
            return NNRT_BAD_CONTENT;
    for (int i = 0; i < m->model->n_sums; i++) {
        char key[40];
        snprintf(key, sizeof key, "nncc.sum.%d", i);
        check_number sum = {key, NULL, &sums[i], 0};
        if (check_take_number(r, &sum))
            return NNRT_BAD_CONTENT;
    }
    run->shuffle = narrow[CHECK_SHUFFLE] != 0;
    run->stopped = narrow[CHECK_STOPPED] != 0;
    run->has_best_vars = narrow[CHECK_HAS_BEST] != 0;
    if (narrow[CHECK_BATCH] != m->model->batch)
        return nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                         "%s: made with a batch of %lld, this program has %d", r->path,
                         (long long)narrow[CHECK_BATCH], m->model->batch);
    const char *seed = check_text(r, "nncc.seed");
    char *end;
    errno = 0;
    m->seed = strtoull(seed ? seed : "", &end, 10);
    return seed && *seed && !*end && !errno ? 0 : check_missing(r, "nncc.seed");
}

static int check_fits(const nnrt_st_tensor *t, const nnrt_var *v)
{
    int fits = t && strcmp(t->dtype, "F32") == 0 && t->rank == v->rank;
    for (int i = 0; fits && i < v->rank; i++)
        fits = t->dim[i] == v->dim[i];
    return fits;
}

static const nnrt_st_tensor *check_tensor(const check_reader *r, const char *prefix,
                                          const nnrt_var *v)
{
    char name[300];
    snprintf(name, sizeof name, "%s%s", prefix, v->name);
    return nnrt_st_find(r->file, name);
}

/* Every var is there, in its shape; lists those that are not. */
static int check_vars(const check_reader *r, const nnrt_model *model, int best)
{
    char list[NNRT_ERROR_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        int fits = check_fits(check_tensor(r, "", v), v);
        if (fits && best && v->kind != NNRT_STATE)
            fits = check_fits(check_tensor(r, "best.", v), v);
        if (fits || used + 1 >= sizeof list)
            continue;
        int n = snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", v->name);
        used += (size_t)n;
    }
    if (!used)
        return 0;
    return nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: tensors missing or of another shape: %s",
                     r->path, list);
}

static int check_copy(const check_reader *r, nnrt_instance *to, const char *prefix, int state)
{
    const nnrt_model *model = to->model;
    size_t most = 1;
    for (int i = 0; i < model->n_vars; i++)
        if ((size_t)model->vars[i].count > most)
            most = (size_t)model->vars[i].count;
    float *values = malloc(most * sizeof *values);
    if (!values)
        return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory to read it", r->path);
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        if (v->kind == NNRT_STATE && !state)
            continue;
        nnrt_st_floats(r->file, check_tensor(r, prefix, v), values);
        nnrt_var_write(to, i, values);
    }
    free(values);
    return 0;
}

/* What metrics had kept of the samples of an epoch half done; `copy`: takes it, else looks whether it fits. */
static int check_kept(const check_reader *r, const nnrt_model *model, const nnrt_score *score,
                      int copy)
{
    char name[40];
    double samples = score->samples;
    for (int i = 0; score->kept && i < model->n_kept; i++) {
        if (!score->kept[i] || samples == 0)
            continue;
        snprintf(name, sizeof name, "nncc.kept.%d", i);
        const nnrt_st_tensor *t = nnrt_st_find(r->file, name);
        if (copy && t)
            nnrt_st_floats(r->file, t, score->kept[i]);
        else if (!t || strcmp(t->dtype, "F32") != 0 || t->rank != 2 ||
                 t->dim[1] != model->kept[i] || t->dim[0] > score->room ||
                 (double)t->dim[0] != samples)
            return nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: '%s' does not hold %g samples",
                             r->path, name, samples);
    }
    return 0;
}

static int check_apply(const check_reader *r, nnrt_instance *m, nnrt_run *run)
{
    nnrt_instance taken = *m;
    nnrt_run got = *run;
    double *sums = malloc(((size_t)m->model->n_sums + 1) * sizeof *sums);
    if (!sums)
        return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory to read it", r->path);
    int status = check_take_numbers(r, &taken, &got, sums);
    if (!status)
        status = check_vars(r, m->model, got.has_best_vars);
    if (!status)
        status = check_kept(r, m->model, &got.score, 0);
    if (!status && got.has_best_vars && !run->best_vars)
        got.has_best_vars = 0; /* nobody asks for them any more */
    if (!status)
        status = check_copy(r, m, "", 1);
    if (!status && got.has_best_vars) {
        nnrt_instance best = *m;
        best.vars = run->best_vars;
        status = check_copy(r, &best, "best.", 0);
    }
    if (!status) {
        check_kept(r, m->model, &got.score, 1);
        memcpy(run->score.sums, sums, (size_t)m->model->n_sums * sizeof *sums);
        taken.changes = m->changes;
        *m = taken;
        *run = got;
    }
    free(sums);
    return status;
}

int nnrt_checkpoint_load(nnrt_instance *m, nnrt_run *run, const char *path, nnrt_fault *note,
                         nnrt_fault *fault)
{
    nnrt_bytes bytes = {0};
    nnrt_st_file file;
    note->text[0] = '\0';
    int status = nnrt_file_raw(path, &bytes, fault);
    if (status)
        return status;
    status = nnrt_st_parse(path, bytes.at, bytes.size, &file, fault);
    if (!status) {
        check_reader r = {path, &file, fault};
        status = check_apply(&r, m, run);
        const char *digest = check_text(&r, "nncc.model");
        if (!status && (!digest || strcmp(digest, m->model->digest) != 0))
            nnrt_fail(note, 0, "%s: the model file has changed since this checkpoint was made",
                      path);
        nnrt_st_free(&file);
    }
    nnrt_bytes_free(&bytes);
    return status;
}
