/* SPDX-License-Identifier: MIT */
/* nnrt_sound.c: sources of sound: a folder a class, or a list of clips; clips for `predict`. A clip
 * is brought to the model's rate, and filled up with silence or cut, so that its features have as
 * many frames as the input. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_program.h"
#include "nnrt_sound.h"

static int sound_no_memory(const nnrt_read *r, const char *name)
{
    return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory for its clips", name);
}

/* --- settings --------------------------------------------------------------------------------- */

/* The settings as JSON, as weights files keep them; NULL: no memory. */
static char *sound_settings(const nnrt_sound *s)
{
    enum { SIZE = 320 };
    char *text = malloc(SIZE);
    if (text)
        snprintf(text, SIZE,
                 "{\"features\":\"%s\",\"rate\":%lld,\"n_fft\":%lld,\"hop\":%lld,\"n_mels\":%lld,"
                 "\"n_mfcc\":%lld,\"f_min\":%.17g,\"f_max\":%.17g}",
                 s->is_mfcc ? "mfcc" : "log_mel", (long long)s->rate, (long long)s->n_fft,
                 (long long)s->hop, (long long)s->n_mels, (long long)s->n_mfcc, s->f_min, s->f_max);
    return text;
}

/* The weights must have been trained on features of these settings; keeps them where they are
 * learned. */
static int sound_check_settings(const nnrt_read *r, const nnrt_sound *s, int input)
{
    const char *name = r->d->model->inputs[input].name;
    const char *kept = nnrt_meta_find(r->meta, "nncc.sound.", name);
    char *now = sound_settings(s);
    int status = NNRT_OK;
    if (!now)
        return sound_no_memory(r, name);
    if (kept && strcmp(kept, now) != 0)
        status = nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                           "the weights file was trained on other features of '%s', %s; the model "
                           "has %s",
                           name, kept, now);
    if (status || kept || !r->meta || !r->meta->learn)
        free(now);
    else
        status = nnrt_meta_put(r->meta, "nncc.sound.", name, now, r->fault);
    return status;
}

/* --- clips ------------------------------------------------------------------------------------ */

/* What one clip after the other is made with. */
typedef struct sound_work {
    const nnrt_table *t;
    const nnrt_sound *how;
    const nnrt_value *input;
    nnrt_mel *mel;
    int64_t frames, samples; /* of the input */
    float *wave;             /* [samples] */
    double *room;            /* [frames, n_mels] */
    int64_t cut;             /* clips that were longer */
} sound_work;

static void sound_close(sound_work *w)
{
    free(w->wave);
    free(w->room);
}

static int sound_open(sound_work *w, nnrt_mel *mel, const nnrt_table *t, const nnrt_sound *how,
                      const nnrt_value *input)
{
    *w = (sound_work){.t = t, .how = how, .input = input, .mel = mel};
    w->frames = input->count / nnrt_sound_width(how);
    w->samples = (w->frames - 1) * how->hop;
    int status = nnrt_mel_open(mel, how, t->read->fault);
    if (status)
        return status;
    w->wave = malloc((size_t)w->samples * sizeof *w->wave);
    w->room = malloc((size_t)(w->frames * how->n_mels) * sizeof *w->room);
    return w->wave && w->room ? NNRT_OK : sound_no_memory(t->read, t->name);
}

/* Whether the source's clips say strings of digits, which a text column wants. */
static int sound_says_several(const nnrt_source *s)
{
    for (int i = 0; i < s->n_columns; i++)
        if (s->columns[i].n_names && strcmp(s->columns[i].names[0], "said") == 0)
            return 1;
    return 0;
}

/* Reads one clip, or makes the row's up where there is no path, at the model's rate. */
static int sound_read(const sound_work *w, const char *path, int64_t row, nnrt_clip *clip)
{
    nnrt_fault *fault = w->t->read->fault;
    const nnrt_source *s = w->t->source;
    char digits[8];
    int status;
    *clip = (nnrt_clip){0};
    if (path)
        status = nnrt_clip_read(path, clip, fault);
    else
        status = nnrt_tones(s->seed, row, sound_says_several(s), w->how->rate, clip, digits)
                     ? sound_no_memory(w->t->read, w->t->name)
                     : NNRT_OK;
    if (!status) /* one more than fits, so that a longer one is seen */
        status = nnrt_resample(path ? path : w->t->name, clip, w->how->rate,
                               w->samples + w->how->hop, fault);
    return status;
}

/* Reads the clips of a joined sample, one behind the other; no more than a longer one than fits. */
static int sound_read_joined(const sound_work *w, const char *const *paths, int64_t row,
                             nnrt_clip *out)
{
    const nnrt_join *j = w->t->join;
    int64_t room = w->samples + w->how->hop;
    int status = NNRT_OK;
    *out = (nnrt_clip){calloc((size_t)room + 1, sizeof *out->at), 0, w->how->rate};
    if (!out->at)
        return sound_no_memory(w->t->read, w->t->name);
    for (int64_t k = j->first[row]; k < j->first[row + 1] && out->n < room && !status; k++) {
        nnrt_clip clip;
        int64_t pause = k > j->first[row] ? j->pause[k] : 0;
        out->n = out->n + pause < room ? out->n + pause : room;
        status = sound_read(w, paths[j->clip[k]], row, &clip);
        if (!status) {
            int64_t n = clip.n < room - out->n ? clip.n : room - out->n;
            memcpy(out->at + out->n, clip.at, (size_t)n * sizeof *out->at);
            out->n += n;
        }
        nnrt_clip_free(&clip);
    }
    return status;
}

/* The features of a sample, and how many frames are its own. */
static int sound_clip(sound_work *w, const char *const *paths, int64_t row, float *out,
                      int32_t *length)
{
    nnrt_clip clip;
    const char *path = paths && !w->t->join ? paths[row] : NULL;
    int status =
        w->t->join ? sound_read_joined(w, paths, row, &clip) : sound_read(w, path, row, &clip);
    if (!status && w->how->refuse_long && clip.n >= w->samples + w->how->hop)
        status = nnrt_fail(w->t->read->fault, NNRT_BAD_CONTENT,
                           "%s: a clip of more than the %lld samples (%lld frames) of '%s'",
                           path ? path : w->t->name, (long long)w->samples, (long long)w->frames,
                           w->input->name);
    if (!status) {
        int64_t n = clip.n < w->samples ? clip.n : w->samples;
        memcpy(w->wave, clip.at, (size_t)n * sizeof *w->wave);
        memset(w->wave + n, 0, (size_t)(w->samples - n) * sizeof *w->wave);
        nnrt_mel_frames(w->mel, w->wave, w->frames, w->room, out);
        *length = (int32_t)(n / w->how->hop + 1);
        w->cut += clip.n >= w->samples + w->how->hop;
    }
    nnrt_clip_free(&clip);
    return status;
}

/* Fills the column of an input, and that of its lengths, with the clips of `paths`; NULL: with
 * made-up ones. */
static int sound_column(const nnrt_table *t, const nnrt_sound *how, int input,
                        const char *const *paths)
{
    const nnrt_value *v = &t->read->d->model->inputs[input];
    nnrt_array *a = &t->read->d->columns[input];
    int64_t dim[NNRT_RANK] = {t->rows};
    nnrt_mel mel = {0};
    sound_work w = {0};
    memcpy(dim + 1, v->dim, (size_t)v->rank * sizeof *dim);
    int status = sound_check_settings(t->read, how, input);
    int32_t *lengths = malloc(((size_t)t->rows + 1) * sizeof *lengths);
    if (!status && !lengths)
        status = sound_no_memory(t->read, t->name);
    if (!status)
        status = sound_open(&w, &mel, t, how, v);
    if (!status)
        status = nnrt_array_make(t->name, NNRT_ARRAY_F32, v->rank + 1, dim, a, t->read->fault);
    for (int64_t i = 0; i < t->rows && !status; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): there is a path for each row */
        status = sound_clip(&w, paths, i, (float *)a->data + i * v->count, &lengths[i]);
        if (status && t->lines && !t->join) {
            nnrt_fault why = *t->read->fault;
            nnrt_fail(t->read->fault, 0, "%s:%zu: %s", t->name, t->lines[i], why.text);
        }
    }
    if (!status && w.cut)
        nnrt_say(t->read->d->model,
                 "note: %s: of %lld clips %lld are longer than the %lld frames of '%s', and cut",
                 t->name, (long long)t->rows, (long long)w.cut, (long long)w.frames, v->name);
    sound_close(&w);
    nnrt_mel_close(&mel);
    if (!status)
        status = nnrt_table_lengths(t, input, lengths);
    if (!status)
        status = nnrt_read_name(t->read, input, t->name);
    free(lengths);
    return status;
}

/* --- joined clips ----------------------------------------------------------------------------- */

/* The rows of a table of joined samples: `own`, whose clips `from` has; or `from` itself where the source does
 * not join. Texts of words have a space between two. */
typedef struct sound_rows {
    nnrt_join join;
    nnrt_table table;
    nnrt_span *texts;
    size_t *lines;
    char **owned; /* one a column */
} sound_rows;

static int sound_rows_open(sound_rows *rows, const nnrt_table *from, int n_columns)
{
    const nnrt_read *r = from->read;
    *rows = (sound_rows){.table = *from};
    if (!from->source->sound->join_samples)
        return NNRT_OK;
    int status = nnrt_join_draw(from->name, from->source->sound, from->rows, &rows->join, r->fault);
    size_t n = (size_t)from->source->sound->join_samples;
    rows->texts = malloc(n * sizeof *rows->texts);
    rows->lines = malloc(n * sizeof *rows->lines);
    rows->owned = calloc((size_t)n_columns + 1, sizeof *rows->owned);
    if (!status && (!rows->texts || !rows->lines || !rows->owned))
        status = sound_no_memory(r, from->name);
    for (size_t i = 0; i < n && !status; i++) /* a report names the first clip's */
        rows->lines[i] = from->lines[rows->join.clip[rows->join.first[i]]];
    rows->table.rows = (int64_t)n;
    rows->table.lines = rows->lines;
    rows->table.join = &rows->join;
    return status;
}

static void sound_rows_close(sound_rows *rows, int n_columns)
{
    for (int i = 0; i < n_columns && rows->owned; i++)
        free(rows->owned[i]);
    free(rows->texts);
    free(rows->lines);
    free((void *)rows->owned);
    nnrt_join_close(&rows->join);
}

/* The texts of a column as the rows have them. */
static int sound_rows_texts(sound_rows *rows, int column, const nnrt_span **texts)
{
    const nnrt_source *s = rows->table.source;
    if (!rows->table.join)
        return NNRT_OK;
    int status = nnrt_join_texts(rows->table.name, &rows->join, *texts,
                                 s->text && s->text->tokens == NNRT_TOKENS_WORDS ? " " : "",
                                 rows->texts, &rows->owned[column], rows->table.read->fault);
    *texts = rows->texts;
    return status;
}

/* --- sources ---------------------------------------------------------------------------------- */

/* One column of a table: clips, texts or classes. */
static int sound_table_column(const nnrt_table *t, int input, const nnrt_span *texts,
                              const char *const *paths)
{
    const nnrt_value *v = &t->read->d->model->inputs[input];
    if (v->classes <= 0)
        return sound_column(t, t->source->sound, input, paths);
    return v->rank ? nnrt_table_tokens(t, input, texts) : nnrt_table_classes(t, input, texts);
}

static int sound_from_folder(const nnrt_read *r, const nnrt_source *s, const char *path)
{
    nnrt_names paths = {0}, classes = {0};
    int status = nnrt_folder_classes(path, "clips", &paths, &classes, r->fault);
    nnrt_span *texts = malloc((classes.n + 1) * sizeof *texts);
    size_t *lines = malloc((classes.n + 1) * sizeof *lines);
    const nnrt_table t = {
        .read = r, .source = s, .name = path, .rows = (int64_t)paths.n, .lines = lines};
    if (!status && (!texts || !lines))
        status = sound_no_memory(r, path);
    for (size_t i = 0; i < classes.n && !status; i++) {
        texts[i] = (nnrt_span){classes.at[i], strlen(classes.at[i])};
        lines[i] = i + 1;
    }
    sound_rows rows = {0};
    if (!status)
        status = sound_rows_open(&rows, &t, s->n_columns);
    for (int i = 0; i < s->n_columns && !status; i++) {
        int input = nnrt_read_input(r, s->columns[i].input);
        const nnrt_span *column = texts;
        if (!s->columns[i].of && nnrt_read_needs(r, input))
            status = sound_rows_texts(&rows, i, &column);
        if (!status && !s->columns[i].of && nnrt_read_needs(r, input))
            status = sound_table_column(&rows.table, input, column, (const char *const *)paths.at);
    }
    sound_rows_close(&rows, s->n_columns);
    nnrt_names_free(&paths);
    nnrt_names_free(&classes);
    free(texts);
    free(lines);
    return status;
}

/* The paths that a list names, relative to its own folder. */
static int sound_paths(const nnrt_read *r, const char *list, const nnrt_texts *texts,
                       const nnrt_span *column, nnrt_names *out)
{
    const char *slash = strrchr(list, '/');
    char *folder = slash ? strndup(list, (size_t)(slash - list) + 1) : NULL;
    int status = slash && !folder ? sound_no_memory(r, list) : NNRT_OK;
    for (int64_t i = 0; i < texts->rows && !status; i++) {
        if (column[i].size == 0) {
            status = nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s:%zu: expected a clip, found none",
                               list, texts->lines[i]);
            break;
        }
        char *name = strndup(column[i].at, column[i].size);
        if (!name || nnrt_names_put(out, nnrt_path_join(folder, name)))
            status = sound_no_memory(r, list);
        free(name);
    }
    free(folder);
    return status;
}

static int sound_list_column(sound_rows *rows, int i, int input, const nnrt_texts *texts,
                             const nnrt_span *column)
{
    const nnrt_table *t = &rows->table;
    nnrt_names paths = {0};
    int status = t->read->d->model->inputs[input].classes <= 0
                     ? sound_paths(t->read, t->name, texts, column, &paths)
                     : sound_rows_texts(rows, i, &column);
    if (!status)
        status = sound_table_column(t, input, column, (const char *const *)paths.at);
    nnrt_names_free(&paths);
    return status;
}

static int sound_from_list(const nnrt_read *r, const nnrt_source *s, const char *path)
{
    const char **names = malloc(((size_t)s->n_columns + 1) * sizeof *names);
    nnrt_texts texts = {0};
    int n = 0, at = 0, status = names ? NNRT_OK : sound_no_memory(r, path);
    for (int i = 0; i < s->n_columns && !status; i++)
        if (!s->columns[i].of)
            names[n++] = s->columns[i].names[0];
    if (!status)
        status = nnrt_csv_texts(path, s->header, s->delimiter, n, names, &texts, r->fault);
    const nnrt_table t = {
        .read = r, .source = s, .name = path, .rows = texts.rows, .lines = texts.lines};
    sound_rows rows = {0};
    if (!status)
        status = sound_rows_open(&rows, &t, s->n_columns);
    for (int i = 0; i < s->n_columns && !status; i++) {
        if (s->columns[i].of)
            continue;
        const nnrt_span *column = texts.at + texts.rows * at++;
        int input = nnrt_read_input(r, s->columns[i].input);
        if (nnrt_read_needs(r, input))
            status = sound_list_column(&rows, i, input, &texts, column);
    }
    sound_rows_close(&rows, s->n_columns);
    nnrt_texts_free(&texts);
    free(names);
    return status;
}

/* Made-up clips, and the digits that they say. */
static int sound_made_up(const nnrt_read *r, const nnrt_source *s)
{
    char name[64], (*digits)[8] = malloc((size_t)s->count * sizeof *digits + 1);
    nnrt_span *texts = malloc((size_t)s->count * sizeof *texts + 1);
    size_t *lines = malloc((size_t)s->count * sizeof *lines + 1);
    snprintf(name, sizeof name, "generator %s", s->generator);
    const nnrt_table t = {.read = r, .source = s, .name = name, .rows = s->count, .lines = lines};
    int status = digits && texts && lines ? NNRT_OK : sound_no_memory(r, name);
    for (int64_t i = 0; i < s->count && !status; i++) {
        if (nnrt_tones(s->seed, i, sound_says_several(s), s->sound->rate, NULL, digits[i]))
            status = sound_no_memory(r, name);
        texts[i] = (nnrt_span){digits[i], strlen(digits[i])};
        lines[i] = (size_t)i + 1;
    }
    for (int i = 0; i < s->n_columns && !status; i++) {
        int input = nnrt_read_input(r, s->columns[i].input);
        if (!s->columns[i].of && nnrt_read_needs(r, input))
            status = sound_table_column(&t, input, texts, NULL);
    }
    free(digits);
    free(texts);
    free(lines);
    return status;
}

static int sound_source(const nnrt_read *r, const nnrt_source *s)
{
    if (s->generator)
        return sound_made_up(r, s);
    char *path = nnrt_path_join(r->dir, s->file);
    struct stat st;
    if (!path)
        return sound_no_memory(r, s->file);
    int folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    int status = NNRT_OK;
    if (s->is_folder && !folder)
        status =
            nnrt_fail(r->fault, NNRT_BAD_FILE, "%s: expected a folder, a folder a class", path);
    else
        status = folder ? sound_from_folder(r, s, path) : sound_from_list(r, s, path);
    free(path);
    return status;
}

/* A clip, or a folder of clips in the order of their names. */
static int sound_file(const nnrt_read *r, int input, const char *path, const nnrt_source *like)
{
    const nnrt_value *v = &r->d->model->inputs[input];
    const nnrt_source *train = &r->d->model->data_train;
    nnrt_names paths = {0};
    struct stat st;
    (void)like;
    if (v->classes > 0 || !train->sound || v->count % nnrt_sound_width(train->sound))
        return nnrt_fail(r->fault, NNRT_BAD_CALL, "%s: '%s' takes no clips", path, v->name);
    int status = NNRT_OK;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        status = nnrt_folder_files(path, NULL, &paths, NULL, r->fault);
    else if (nnrt_names_put(&paths, strdup(path)))
        status = sound_no_memory(r, path);
    if (!status && paths.n == 0)
        status = nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: a folder without clips", path);
    const nnrt_table t = {.read = r, .source = train, .name = path, .rows = (int64_t)paths.n};
    if (!status)
        status = sound_column(&t, train->sound, input, (const char *const *)paths.at);
    nnrt_names_free(&paths);
    return status;
}

const nnrt_reader nnrt_sound_reader = {sound_source, sound_file, NULL, NULL};
