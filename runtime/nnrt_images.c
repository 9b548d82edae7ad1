/* SPDX-License-Identifier: MIT */
/* nnrt_images.c: sources of images: a folder a class, images and their masks, or a list; images for
 * `predict`. Sizes are looked at before the first step; pixels are read when a batch wants them, and
 * kept where all of a set's take at most a quarter of the machine's memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nnrt_photo.h"
#include "nnrt_program.h"
#include "nnrt_text.h"

enum { IMAGES_MEMORY_SHARE = 4 };

static int images_no_memory(const nnrt_read *r, const char *name)
{
    return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory for its images", name);
}

static int images_is_mask(const nnrt_value *v)
{
    return v->classes > 0 && v->rank >= 2;
}

static int images_is_image(const nnrt_value *v)
{
    return v->classes <= 0 && v->rank >= 2 && v->dtype != NNRT_I32;
}

/* --- one sample ------------------------------------------------------------------------------- */

/* The files of a column. */
typedef struct images_column {
    const nnrt_value *input;
    nnrt_resize resize;
    nnrt_names paths;
    unsigned char *kept;    /* samples, bytes or int32 classes each; NULL: they are not kept */
    unsigned char *is_kept; /* one a sample: 0: no; 1: a thread is at it; 2: yes */
} images_column;

static size_t images_bytes(const nnrt_value *v)
{
    return (size_t)v->count * (images_is_mask(v) ? sizeof(int32_t) : 1);
}

/* Checks what a mask says. Of two classes, 255 is the second: masks are often black and white. */
static int images_classes(const images_column *c, const char *path, int32_t *at, nnrt_fault *fault)
{
    const nnrt_value *v = c->input;
    for (int64_t i = 0; i < v->count; i++) {
        if (v->has_ignore && at[i] == v->ignore)
            continue;
        if (v->classes == 2 && at[i] == 255)
            at[i] = 1;
        if (at[i] < 0 || at[i] >= v->classes)
            return nnrt_fail(
                fault, NNRT_BAD_CONTENT,
                "%s: pixel %lld of row %lld: expected a class from 0 to %lld for '%s', "
                "found %d",
                path, (long long)(i % v->dim[1]), (long long)(i / v->dim[1]),
                (long long)v->classes - 1, v->name, at[i]);
    }
    return NNRT_OK;
}

/* Reads a file to the form that is kept. */
static int images_decode(const images_column *c, int64_t row, void *to, nnrt_fault *fault)
{
    const nnrt_value *v = c->input;
    const char *path = c->paths.at[row];
    int64_t h = v->dim[v->rank - 2], w = v->dim[v->rank - 1];
    int mask = images_is_mask(v);
    nnrt_photo picture;
    nnrt_photo_want want = {.planes = !mask && v->rank > 2 ? (int)v->dim[0] : 1,
                            .classes = mask,
                            .least_w = w,
                            .least_h = h};
    if (c->resize == NNRT_RESIZE_NONE)
        want.least_w = want.least_h = 0;
    int status = nnrt_photo_read(path, &want, &picture, fault);
    if (!status && c->resize == NNRT_RESIZE_NONE && (picture.w != w || picture.h != h))
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: the file changed while it was read", path);
    if (!status && mask) {
        nnrt_photo_fit_mask(&picture, c->resize, h, w, v->has_ignore ? (int32_t)v->ignore : 0, to);
        status = images_classes(c, path, to, fault);
    } else if (!status && nnrt_photo_fit(&picture, c->resize, h, w, to)) {
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to resize it", path);
    }
    nnrt_photo_free(&picture);
    return status;
}

/* From the form that is kept to the input's type. */
static void images_give(const nnrt_value *v, const void *from, void *to)
{
    const unsigned char *bytes = from;
    const int32_t *classes = from;
    for (int64_t i = 0; i < v->count; i++) {
        if (v->dtype == NNRT_F32)
            ((float *)to)[i] = bytes[i];
        else if (v->dtype == NNRT_I32)
            ((int32_t *)to)[i] = classes[i];
        else
            ((uint8_t *)to)[i] = images_is_mask(v) ? (uint8_t)classes[i] : bytes[i];
    }
}

static int images_sample(void *own, int64_t row, void *to, nnrt_fault *fault)
{
    images_column *c = own;
    size_t size = images_bytes(c->input);
    unsigned char *kept = c->kept ? c->kept + (size_t)row * size : NULL, none = 0;
    if (kept && __atomic_load_n(&c->is_kept[row], __ATOMIC_ACQUIRE) == 2) {
        images_give(c->input, kept, to);
        return NNRT_OK;
    }
    int keeps = kept && __atomic_compare_exchange_n(&c->is_kept[row], &none, 1, 0, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED);
    void *at = keeps ? kept : malloc(size);
    if (!at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its pixels", c->paths.at[row]);
    int status = images_decode(c, row, at, fault);
    if (!status)
        images_give(c->input, at, to);
    if (keeps)
        __atomic_store_n(&c->is_kept[row], status ? 0 : 2, __ATOMIC_RELEASE);
    else
        free(at);
    return status;
}

static void images_close(void *own)
{
    images_column *c = own;
    nnrt_names_free(&c->paths);
    free(c->kept);
    free(c->is_kept);
    free(c);
}

/* --- columns ---------------------------------------------------------------------------------- */

/* A source while it is read. */
typedef struct images_work {
    const nnrt_read *read;
    const nnrt_images *how;
    const char *name; /* of the list or folder */
    int64_t rows;
    const size_t *lines; /* of each row in the list; NULL: a folder */
    int64_t (*sizes)[2]; /* of the images of the first column, w and h; 0: not known yet */
    int may_leave_out;   /* all columns that the set will have are made here */
    unsigned char
        *bad; /* rows that --keep-going leaves out, one flag each; NULL: they are errors */
    int64_t n_bad;
    nnrt_fault first; /* the reason of the first */
} images_work;

/* The fault gets the list's line in front. */
static int images_at_line(const images_work *w, int64_t row, int status)
{
    nnrt_fault why = *w->read->fault;
    if (status && w->lines)
        nnrt_fail(w->read->fault, 0, "%s:%zu: %s", w->name, w->lines[row], why.text);
    return status;
}

/* Whether an image can feed its input, by the head of its file. A mask is as large as its image. */
static int images_check(const images_work *w, const images_column *c, int64_t row)
{
    const nnrt_value *v = c->input;
    int64_t want_h = v->dim[v->rank - 2], want_w = v->dim[v->rank - 1], size[2] = {0, 0};
    const char *path = c->paths.at[row];
    int64_t *known = w->sizes[row];
    int status = nnrt_photo_size(path, &size[0], &size[1], w->read->fault);
    if (status)
        return status;
    if (c->resize == NNRT_RESIZE_NONE && (size[0] != want_w || size[1] != want_h))
        return nnrt_fail(
            w->read->fault, NNRT_BAD_CONTENT,
            "%s: an image of %lld x %lld pixels, '%s' is %lld x %lld (resize: stretch, "
            "crop or pad brings images to that)",
            path, (long long)size[0], (long long)size[1], v->name, (long long)want_w,
            (long long)want_h);
    if (known[0] && (known[0] != size[0] || known[1] != size[1]))
        return nnrt_fail(w->read->fault, NNRT_BAD_CONTENT,
                         "%s: a mask of %lld x %lld pixels, its image has %lld x %lld", path,
                         (long long)size[0], (long long)size[1], (long long)known[0],
                         (long long)known[1]);
    known[0] = size[0];
    known[1] = size[1];
    return NNRT_OK;
}

/* What is wrong with a row, as the fault says: its status, or with --keep-going 0 and the sample is left out. */
static int images_note(void *own, int64_t row, int status)
{
    images_work *w = own;
    if (!status || !w->bad || status == NNRT_NO_MEMORY || status == NNRT_BAD_CALL)
        return status;
    if (!w->n_bad)
        w->first = *w->read->fault;
    w->n_bad += !w->bad[row];
    w->bad[row] = 1;
    return NNRT_OK;
}

/* With --keep-going the image is read whole, and a bad one is noted. */
static int images_check_row(images_work *w, const images_column *c, int64_t row, void *room)
{
    int status = images_check(w, c, row);
    if (!status && w->bad)
        status = images_decode(c, row, room, w->read->fault);
    return images_note(w, row, images_at_line(w, row, status));
}

/* Makes the lazy column of an input; takes the paths over, even when it fails. */
static int images_column_make(images_work *w, int input, nnrt_names *paths)
{
    const nnrt_value *v = &w->read->d->model->inputs[input];
    nnrt_array *a = &w->read->d->columns[input];
    images_column *c = calloc(1, sizeof *c);
    if (!c) {
        nnrt_names_free(paths);
        return images_no_memory(w->read, w->name);
    }
    *c = (images_column){.input = v, .resize = w->how->resize, .paths = *paths};
    *paths = (nnrt_names){0};
    *a = (nnrt_array){.type = v->dtype == NNRT_F32   ? NNRT_ARRAY_F32
                              : v->dtype == NNRT_I32 ? NNRT_ARRAY_I32
                                                     : NNRT_ARRAY_U8,
                      .rank = v->rank + 1,
                      .dim = {w->rows},
                      .lazy = {c, images_sample, images_close}};
    memcpy(a->dim + 1, v->dim, (size_t)v->rank * sizeof *v->dim);
    void *room = malloc(images_bytes(v) + 1);
    int status =
        room ? nnrt_read_name(w->read, input, w->name) : images_no_memory(w->read, w->name);
    for (int64_t i = 0; i < w->rows && !status; i++)
        status = images_check_row(w, c, i, room);
    free(room);
    return status;
}

/* --- --keep-going ----------------------------------------------------------------------------- */

/* Room for what is known of w->rows rows. */
static int images_open(images_work *w)
{
    size_t n = (size_t)w->rows + 1;
    int keeps_going = w->may_leave_out && w->read->meta && w->read->meta->keep_going;
    w->sizes = calloc(n, sizeof *w->sizes);
    w->bad = keeps_going ? calloc(n, 1) : NULL;
    return w->sizes && (w->bad || !keeps_going) ? NNRT_OK : images_no_memory(w->read, w->name);
}

static void images_free(images_work *w)
{
    free(w->sizes);
    free(w->bad);
}

/* Takes the bad rows out of a column. */
static void images_shrink(const images_work *w, nnrt_array *a)
{
    images_column *c = a->lazy.sample == images_sample ? a->lazy.own : NULL;
    size_t bytes = nnrt_array_item(a->type);
    unsigned char *data = a->data;
    int64_t to = 0;
    for (int i = 1; i < a->rank; i++)
        bytes *= (size_t)a->dim[i];
    for (int64_t from = 0; from < w->rows; from++) {
        if (w->bad[from])
            continue;
        if (c) {
            char *kept = c->paths.at[to];
            c->paths.at[to] = c->paths.at[from];
            c->paths.at[from] = kept;
        } else {
            memmove(data + (size_t)to * bytes, data + (size_t)from * bytes, bytes);
        }
        to++;
    }
    a->dim[0] = to;
}

/* Takes the bad rows out of all columns, and says how many. */
static int images_leave_out(images_work *w)
{
    const nnrt_dataset *d = w->read->d;
    if (!w->n_bad)
        return NNRT_OK;
    nnrt_say(d->model, "skipped: %s", w->first.text);
    nnrt_say(d->model, "warning: %lld of %lld images are bad and left out%s", (long long)w->n_bad,
             (long long)w->rows, w->n_bad > 1 ? "; the first is named above" : "");
    if (w->n_bad == w->rows)
        return nnrt_fail(w->read->fault, NNRT_BAD_CONTENT, "%s", w->first.text);
    for (int i = 0; i < d->model->n_inputs; i++)
        if (nnrt_dataset_has(d, i) && d->columns[i].dim[0] == w->rows)
            images_shrink(w, &d->columns[i]);
    return NNRT_OK;
}

/* When all columns are there: leaves bad rows out, and decides whether the set's images are kept once they have been
 * read. */
static int images_end(images_work *w)
{
    const nnrt_dataset *d = w->read->d;
    int status = images_leave_out(w);
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE), all = 0;
    for (int i = 0; i < d->model->n_inputs; i++)
        if (d->columns[i].lazy.sample == images_sample)
            all += (double)images_bytes(&d->model->inputs[i]) * (double)w->rows;
    for (int i = 0; i < d->model->n_inputs && all <= memory / IMAGES_MEMORY_SHARE; i++) {
        images_column *c = d->columns[i].lazy.own;
        if (d->columns[i].lazy.sample != images_sample)
            continue;
        c->is_kept = calloc((size_t)w->rows + 1, 1);
        c->kept = c->is_kept ? malloc(images_bytes(c->input) * (size_t)w->rows + 1) : NULL;
    } /* without memory they are read again */
    return status;
}

/* --- folders ---------------------------------------------------------------------------------- */

/* The name of a file without its folder and ending: how long. */
static size_t images_stem(const char *path, const char **stem)
{
    const char *slash = strrchr(path, '/'), *dot;
    *stem = slash ? slash + 1 : path;
    dot = strrchr(*stem, '.');
    return dot ? (size_t)(dot - *stem) : strlen(*stem);
}

/* Below, at or above 0, as strcmp has it of the stems. */
static int images_compare(const char *a, const char *b)
{
    const char *x, *y;
    size_t n = images_stem(a, &x), m = images_stem(b, &y);
    int order = memcmp(x, y, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

static int images_by_stem(const void *a, const void *b)
{
    return images_compare(*(char *const *)a, *(char *const *)b);
}

/* The masks of a folder's images, both in the order of their stems: a.jpg has a.png. */
static int images_pair(const nnrt_read *r, nnrt_names *images, nnrt_names *masks)
{
    if (images->n)
        qsort(images->at, images->n, sizeof *images->at, images_by_stem);
    if (masks->n)
        qsort(masks->at, masks->n, sizeof *masks->at, images_by_stem);
    for (size_t i = 0; i < images->n || i < masks->n; i++) {
        int order = i >= images->n  ? 1
                    : i >= masks->n ? -1
                                    : images_compare(images->at[i], masks->at[i]);
        if (order)
            return nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: %s",
                             order < 0 ? images->at[i] : masks->at[i],
                             order < 0 ? "an image without its mask" : "a mask without its image");
        if (i && images_compare(images->at[i - 1], images->at[i]) == 0)
            return nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: and %s: two images of one name",
                             images->at[i - 1], images->at[i]);
    }
    return NNRT_OK;
}

/* Whether some column that is needed takes classes of the folders' names. */
static int images_wants_classes(const nnrt_source *s, const nnrt_model *m, const nnrt_read *r)
{
    for (int i = 0; i < s->n_columns; i++)
        if (m->inputs[nnrt_read_input(r, s->columns[i].input)].rank == 0)
            return 1;
    return 0;
}

/* Without classes: the files of the folder, or of its folders where it has none itself. */
static int images_files(const nnrt_read *r, const nnrt_source *s, const char *folder,
                        nnrt_names *images, nnrt_names *masks, nnrt_names *classes)
{
    int status = NNRT_OK;
    if (s->images->masks) {
        char *path = nnrt_path_join(r->dir, s->images->masks);
        status = nnrt_folder_files(folder, NULL, images, NULL, r->fault);
        if (!status)
            status = path ? nnrt_folder_files(path, NULL, masks, NULL, r->fault)
                          : images_no_memory(r, folder);
        free(path);
        return status ? status : images_pair(r, images, masks);
    }
    if (!images_wants_classes(s, r->d->model, r))
        status = nnrt_folder_files(folder, NULL, images, NULL, r->fault);
    if (!status && images->n == 0)
        status = nnrt_folder_classes(folder, "images", images, classes, r->fault);
    return status;
}

static int images_class_column(const images_work *w, const nnrt_source *s, int input,
                               const nnrt_names *classes)
{
    nnrt_span *texts = malloc((classes->n + 1) * sizeof *texts);
    size_t *lines = malloc((classes->n + 1) * sizeof *lines);
    const nnrt_table t = {
        .read = w->read, .source = s, .name = w->name, .rows = w->rows, .lines = lines};
    int status = texts && lines ? NNRT_OK : images_no_memory(w->read, w->name);
    for (size_t i = 0; i < classes->n && !status; i++) {
        texts[i] = (nnrt_span){classes->at[i], strlen(classes->at[i])};
        lines[i] = i + 1;
    }
    if (!status)
        status = nnrt_table_classes(&t, input, texts);
    free(texts);
    free(lines);
    return status;
}

static int images_from_folder(const nnrt_read *r, const nnrt_source *s, const char *path)
{
    nnrt_names images = {0}, masks = {0}, classes = {0};
    images_work w = {.read = r, .how = s->images, .name = path, .may_leave_out = 1};
    int status = images_files(r, s, path, &images, &masks, &classes);
    w.rows = (int64_t)images.n;
    if (!status && w.rows == 0)
        status = nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: a folder without images", path);
    if (!status)
        status = images_open(&w);
    for (int i = 0; i < s->n_columns && !status; i++) {
        int input = nnrt_read_input(r, s->columns[i].input);
        const nnrt_value *v = &r->d->model->inputs[input];
        if (!nnrt_read_needs(r, input))
            continue;
        status = v->rank == 0 ? images_class_column(&w, s, input, &classes)
                              : images_column_make(&w, input, images_is_mask(v) ? &masks : &images);
    }
    if (!status)
        status = images_end(&w);
    images_free(&w);
    nnrt_names_free(&images);
    nnrt_names_free(&masks);
    nnrt_names_free(&classes);
    return status;
}

/* --- lists ------------------------------------------------------------------------------------ */

/* A list's columns as texts, of the rows that are wanted. */
typedef struct images_list {
    nnrt_texts texts;
    int64_t *rows, n; /* which they are */
    size_t *lines;
} images_list;

static void images_list_close(images_list *l)
{
    nnrt_texts_free(&l->texts);
    free(l->rows);
    free(l->lines);
}

/* The rows whose columns `first`, first + 1, ... have the values that the source wants. */
static int images_choose(const nnrt_read *r, const nnrt_images *how, int first, const char *path,
                         images_list *l)
{
    int64_t all = l->texts.rows;
    l->rows = malloc(((size_t)all + 1) * sizeof *l->rows);
    l->lines = malloc(((size_t)all + 1) * sizeof *l->lines);
    if (!l->rows || !l->lines)
        return images_no_memory(r, path);
    for (int64_t i = 0; i < all; i++) {
        int wanted = 1;
        for (int k = 0; k < how->n_where && wanted; k++) {
            const nnrt_span *cell = &l->texts.at[(first + k) * all + i];
            const char *is = how->where[2 * k + 1];
            wanted = cell->size == strlen(is) && memcmp(cell->at, is, cell->size) == 0;
        }
        l->lines[l->n] = l->texts.lines[i];
        if (wanted)
            l->rows[l->n++] = i;
    }
    if (l->n == 0 && how->n_where)
        return nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: no row where %s is %s%s", path,
                         how->where[0], how->where[1], how->n_where > 1 ? ", and so on" : "");
    return NNRT_OK;
}

/* The column of a list whose images boxes are of: the first of images. */
static int images_first(const nnrt_read *r, const nnrt_source *s)
{
    int i = 0;
    while (i < s->n_columns - 1 &&
           (s->columns[i].file ||
            !images_is_image(&r->d->model->inputs[nnrt_read_input(r, s->columns[i].input)])))
        i++;
    return i;
}

/* All columns, of several the first (of boxes that of their images), and then those that choose rows. */
static int images_list_open(const nnrt_read *r, const nnrt_source *s, const char *path,
                            images_list *l)
{
    const nnrt_images *how = s->images;
    const char **names = malloc(((size_t)s->n_columns + (size_t)how->n_where + 1) * sizeof *names);
    int n = 0, status = names ? NNRT_OK : images_no_memory(r, path);
    for (int i = 0; i < s->n_columns && !status; i++)
        names[n++] = s->columns[s->columns[i].file ? images_first(r, s) : i].names[0];
    for (int i = 0; i < how->n_where && !status; i++)
        names[n++] = how->where[2 * i];
    if (!status)
        status = nnrt_csv_texts(path, s->header, s->delimiter, n, names, &l->texts, r->fault);
    if (!status)
        status = images_choose(r, how, s->n_columns, path, l);
    free(names);
    return status;
}

/* The files that a column names, relative to the list's own folder. */
static int images_paths(const images_work *w, const images_list *l, int column, const char *pattern,
                        nnrt_names *out)
{
    const char *slash = strrchr(w->name, '/');
    char *folder = slash ? strndup(w->name, (size_t)(slash - w->name) + 1) : NULL;
    int status = slash && !folder ? images_no_memory(w->read, w->name) : NNRT_OK;
    for (int64_t i = 0; i < w->rows && !status; i++) {
        const nnrt_span *cell = &l->texts.at[column * l->texts.rows + l->rows[i]];
        if (cell->size == 0) {
            status = nnrt_fail(w->read->fault, NNRT_BAD_CONTENT, "%s:%zu: expected %s, found none",
                               w->name, w->lines[i], column ? "an image or mask" : "an image");
            break;
        }
        char *name = nnrt_photo_path(pattern, cell->at, cell->size);
        if (!name || nnrt_names_put(out, nnrt_path_join(folder, name)))
            status = images_no_memory(w->read, w->name);
        free(name);
    }
    free(folder);
    return status;
}

/* A column of numbers: read as of a table, then the rows that are wanted. */
static int images_numbers(const images_work *w, const nnrt_source *s, int column, int input,
                          const images_list *l)
{
    nnrt_source one = *s;
    nnrt_array *a = &w->read->d->columns[input];
    one.columns = &s->columns[column];
    one.n_columns = 1;
    one.n_where = 0; /* rows are chosen below */
    int status = nnrt_csv_read(NULL, w->name, &one, a, w->read->fault);
    if (status)
        return status;
    size_t size =
        nnrt_array_item(a->type) * (size_t)(nnrt_array_count(a->rank, a->dim) / a->dim[0]);
    unsigned char *at = a->data;
    for (int64_t i = 0; i < w->rows; i++) /* never upwards, so in place */
        memmove(at + (size_t)i * size, at + (size_t)l->rows[i] * size, size);
    a->dim[0] = w->rows;
    return nnrt_read_name(w->read, input, w->name);
}

static int images_list_column(images_work *w, const nnrt_source *s, int column, int input,
                              const images_list *l)
{
    const nnrt_value *v = &w->read->d->model->inputs[input];
    nnrt_names paths = {0};
    int status = NNRT_OK;
    if (images_is_image(v) || images_is_mask(v)) {
        status = images_paths(w, l, column, images_is_image(v) ? w->how->path : NULL, &paths);
        if (!status)
            return images_column_make(w, input, &paths);
        nnrt_names_free(&paths);
        return status;
    }
    if (v->classes <= 0)
        return images_numbers(w, s, column, input, l);
    nnrt_span *texts = malloc(((size_t)w->rows + 1) * sizeof *texts);
    const nnrt_table t = {
        .read = w->read, .source = s, .name = w->name, .rows = w->rows, .lines = w->lines};
    if (!texts)
        return images_no_memory(w->read, w->name);
    for (int64_t i = 0; i < w->rows; i++)
        texts[i] = l->texts.at[column * l->texts.rows + l->rows[i]];
    status = nnrt_table_classes(&t, input, texts);
    free(texts);
    return status;
}

/* A column of boxes, when those of images are there. */
static int images_boxes(images_work *w, const nnrt_source *s, int column, int input,
                        const images_list *l)
{
    int first = images_first(w->read, s);
    nnrt_names paths = {0};
    nnrt_span *keys = malloc(((size_t)w->rows + 1) * sizeof *keys);
    nnrt_rects job = {
        .read = w->read, .source = s, .rows = w->rows, .keys = keys, .sizes = w->sizes};
    job.image = &w->read->d->model->inputs[nnrt_read_input(w->read, s->columns[first].input)];
    job.wrong = images_note;
    job.own = w;
    for (int64_t i = 0; keys && i < w->rows; i++)
        keys[i] = l->texts.at[first * l->texts.rows + l->rows[i]];
    int status =
        keys ? images_paths(w, l, first, w->how->path, &paths) : images_no_memory(w->read, w->name);
    job.paths = paths.at;
    if (!status)
        status = nnrt_rects_read(&job, &s->columns[column], input);
    nnrt_names_free(&paths);
    free(keys);
    return status;
}

static int images_from_list(const nnrt_read *r, const nnrt_source *s, const char *path)
{
    images_list l = {0};
    int status = images_list_open(r, s, path, &l);
    images_work w = {.read = r,
                     .how = s->images,
                     .name = path,
                     .rows = l.n,
                     .lines = l.lines,
                     .may_leave_out = 1};
    if (!status)
        status = images_open(&w);
    for (int k = 0; k < 2 * s->n_columns && !status; k++) { /* boxes after all others */
        int i = k % s->n_columns, input = nnrt_read_input(r, s->columns[i].input);
        if (!nnrt_read_needs(r, input) || !s->columns[i].file != (k < s->n_columns))
            continue;
        status = s->columns[i].file ? images_boxes(&w, s, i, input, &l)
                                    : images_list_column(&w, s, i, input, &l);
    }
    if (!status)
        status = images_end(&w);
    images_free(&w);
    images_list_close(&l);
    return status;
}

/* --- sources ---------------------------------------------------------------------------------- */

static int images_source(const nnrt_read *r, const nnrt_source *s)
{
    char *path = nnrt_path_join(r->dir, s->file);
    struct stat st;
    if (!path)
        return images_no_memory(r, s->file);
    int folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    int status = NNRT_OK;
    if (s->is_folder && !folder)
        status = nnrt_fail(r->fault, NNRT_BAD_FILE, "%s: expected a folder of images", path);
    else
        status = s->is_folder ? images_from_folder(r, s, path) : images_from_list(r, s, path);
    free(path);
    return status;
}

/* An image, or a folder of images in the order of their names. */
static int images_file(const nnrt_read *r, int input, const char *path, const nnrt_source *like)
{
    static const nnrt_images as_it_is = {NNRT_RESIZE_NONE, NULL, 0, NULL, NULL};
    const nnrt_value *v = &r->d->model->inputs[input];
    const nnrt_source *train = &r->d->model->data_train;
    images_work w = {.read = r, .how = train->images ? train->images : &as_it_is, .name = path};
    nnrt_names paths = {0};
    struct stat st;
    (void)like;
    if (!images_is_image(v) && !images_is_mask(v))
        return nnrt_fail(r->fault, NNRT_BAD_CALL, "%s: '%s' takes no images", path, v->name);
    int status = NNRT_OK;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        status = nnrt_folder_files(path, NULL, &paths, NULL, r->fault);
    else if (nnrt_names_put(&paths, strdup(path)))
        status = images_no_memory(r, path);
    if (!status && paths.n == 0)
        status = nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: a folder without images", path);
    w.rows = (int64_t)paths.n;
    if (!status)
        status = images_open(&w);
    if (!status)
        status = images_column_make(&w, input, &paths);
    nnrt_names_free(&paths);
    images_free(&w);
    return status;
}

const nnrt_reader nnrt_images_reader = {.source = images_source, .file = images_file};
