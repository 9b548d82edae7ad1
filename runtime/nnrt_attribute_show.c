/* SPDX-License-Identifier: MIT */
/* nnrt_attribute_show.c: attributions as lines, arrays and pictures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_program.h"

enum {
    SHOW_PRINTED_MAX = 256, /* numbers a sample that are printed where nothing else is asked for */
    SHOW_LINES_MAX = 100,   /* samples that have a line */
    SHOW_SIDE = 112,        /* pixels of an image that is small in itself, about */
    SHOW_GAP = 8
};

/* --- names ------------------------------------------------------------------------------------ */

/* The csv column of number k of an input, or NULL. */
static const char *show_column(const nnrt_source *s, const nnrt_value *v, int64_t k)
{
    for (int i = 0; s->kind == NNRT_SOURCE_CSV && !s->stride && i < s->n_columns; i++) {
        const nnrt_column *c = &s->columns[i];
        if (strcmp(c->input, v->name) == 0 && c->n_names == v->count &&
            c->names[k][strspn(c->names[k], "0123456789")])
            return c->names[k];
    }
    return NULL;
}

void nnrt_feature_name(const nnrt_model *model, int input, int64_t k, char *out, size_t size)
{
    const nnrt_source *const sources[] = {&model->data_train, &model->data_test,
                                          &model->data_validation};
    const nnrt_value *v = &model->inputs[input];
    const char *name = NULL;
    for (int i = 0; i < 3 && !name; i++)
        name = show_column(sources[i], v, k);
    if (name || v->count == 1)
        snprintf(out, size, "%s", name ? name : v->name);
    else
        snprintf(out, size, "%s[%lld]", v->name, (long long)k);
}

/* --- what goes where -------------------------------------------------------------------------- */

/* The attribution of an input, or of grad_cam that of the layer; -1. */
static int show_attribution(const nnrt_attributed *a, int input)
{
    for (int i = 0; a->layer < 0 && i < a->model->n_attributions; i++)
        if (a->found[i] && a->model->attributions[i].input == input)
            return i;
    return a->layer;
}

static int show_is_folder(const char *path)
{
    struct stat s;
    size_t n = strlen(path);
    return (n && path[n - 1] == '/') || (stat(path, &s) == 0 && S_ISDIR(s.st_mode));
}

static int show_is_picture(const char *path)
{
    size_t n = strlen(path);
    return (n > 4 && strcmp(path + n - 4, ".png") == 0) || show_is_folder(path);
}

static int show_is_image(const nnrt_value *v)
{
    return v->dtype != NNRT_I32 &&
           (v->rank == 2 || (v->rank == 3 && (v->dim[0] == 1 || v->dim[0] == 3)));
}

/* "folder/3.png", on the heap. */
static char *show_path(const char *folder, int64_t sample)
{
    size_t n = strlen(folder), size = n + 32;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%lld.png", folder, n && folder[n - 1] == '/' ? "" : "/",
                 (long long)sample);
    return path;
}

static int show_check_file(const nnrt_attributed *a, const nnrt_value *v, const char *file,
                           nnrt_fault *fault)
{
    if (strcmp(file, "-") == 0)
        return a->layer < 0
                   ? 0
                   : nnrt_fail(fault, NNRT_BAD_CALL,
                               "--output: maps are not printed: %s=FILE.png or .npy", v->name);
    if (show_is_picture(file) && !show_is_image(v))
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "--output: '%s' is no image of 1 or 3 channels: %s=FILE.npy", v->name,
                         v->name);
    char *path = show_is_folder(file) ? show_path(file, 0) : strdup(file);
    int status =
        path ? nnrt_check_writable(path, fault) : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    free(path);
    return status;
}

int nnrt_attributed_check(const nnrt_attributed *a, nnrt_fault *fault)
{
    const nnrt_model *model = a->model;
    const nnrt_list *output = &a->args->output;
    const char *file;
    int status = 0;
    for (int i = 0; !status && i < output->n; i++) {
        int input = nnrt_named_value(output->at[i], "--output", model->n_inputs, model->inputs,
                                     &file, fault);
        if (input < 0)
            return NNRT_BAD_CALL;
        if (show_attribution(a, input) < 0)
            return nnrt_fail(fault, NNRT_BAD_CALL, "--output: %s gives nothing of '%s'",
                             a->args->method, model->inputs[input].name);
        status = show_check_file(a, &model->inputs[input], file, fault);
    }
    for (int i = 0; !status && !output->n && i < model->n_attributions; i++) {
        const nnrt_attribution *t = &model->attributions[i];
        const nnrt_value *v = t->input < 0 ? NULL : &model->inputs[t->input];
        if (a->found[i] && !v)
            status = nnrt_fail(fault, NNRT_BAD_CALL, "where to? --output %s=FILE.png or .npy",
                               model->inputs[0].name);
        else if (a->found[i] && t->count > SHOW_PRINTED_MAX)
            status = nnrt_fail(fault, NNRT_BAD_CALL, "where to? --output %s=FILE.npy%s", v->name,
                               show_is_image(v) ? " or .png" : "");
    }
    return status;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void show_line(const nnrt_attributed *a, int64_t i)
{
    printf("sample %lld:", (long long)i);
    if (a->model->attributions[0].count > 1) {
        printf(" class %d", a->chosen[i]);
        if (a->labels)
            printf(" '%s'", a->labels[a->chosen[i]]);
        printf("%s,", a->was_given ? "" : " (the largest)");
    }
    printf(" score %.6g", (double)a->score[i]);
    if (a->method == NNRT_INTEGRATED_GRADIENTS)
        printf(", of the baseline %.6g, sum %.6g, gap %.2g", (double)a->at_baseline[i], a->sum[i],
               a->sum[i] - ((double)a->score[i] - (double)a->at_baseline[i]));
    printf("\n");
}

/* Says so where integrated gradients do not add up: more points are wanted. */
static void show_gaps(const nnrt_attributed *a)
{
    const double share = 0.05;
    int64_t far = 0;
    double most = 0;
    for (int64_t i = 0; i < a->n; i++) {
        double rise = (double)a->score[i] - (double)a->at_baseline[i];
        double gap = fabs(a->sum[i] - rise);
        most = gap > most ? gap : most;
        far += gap > share * fabs(rise) + 1e-4;
    }
    if (a->n > SHOW_LINES_MAX)
        printf("largest gap: %.2g\n", most);
    if (far)
        nnrt_say(
            a->model,
            "warning: of %lld of %lld samples the attributions miss the rise of the score by more "
            "than 5 %%: more --steps",
            (long long)far, (long long)a->n);
}

/* A vocabulary for the tokens of an input, or NULL. */
static const nnrt_prompting *show_vocabulary(const nnrt_attributed *a, int input, void **vocab,
                                             nnrt_fault *fault)
{
    const nnrt_prompting *text = a->model->text ? a->model->text->prompting : NULL;
    *vocab = NULL;
    if (!text || !nnrt_meta_find(a->meta, "nncc.text.", a->model->inputs[input].name) ||
        text->open(a->model, input, a->meta, vocab, fault))
        return NULL;
    return text;
}

/* The text of a token, as JSON would have it, so that it is one line. NULL: padding, which has none. */
static const char *show_token(const nnrt_prompting *text, const void *vocab, int32_t token,
                              nnrt_buffer *plain, nnrt_buffer *line)
{
    plain->size = line->size = 0;
    text->decode(vocab, &token, 1, plain);
    nnrt_buffer_put(plain, "", 1);
    if (plain->failed || plain->size == 1)
        return NULL;
    nnrt_buffer_escaped(line, plain->at, plain->size - 1);
    nnrt_buffer_put(line, "", 1);
    return line->failed ? NULL : line->at;
}

/* A line a token, or a number: what it is, and its attribution. */
static int show_numbers(const nnrt_attributed *a, int index, int64_t sample,
                        const nnrt_prompting *text, const void *vocab, nnrt_fault *fault)
{
    const nnrt_attribution *t = &a->model->attributions[index];
    const float *score = a->found[index] + sample * t->count;
    char name[NNRT_ERROR_SIZE];
    nnrt_buffer plain = {0}, line = {0};
    int status = 0;
    if (text)
        status = nnrt_dataset_batch(a->data, a->rows->at + sample, 1, a->feed->in, fault);
    for (int64_t k = 0; k < t->count && !status; k++) {
        const char *what = name;
        if (text)
            what =
                show_token(text, vocab, ((const int32_t *)a->feed->in[t->input])[k], &plain, &line);
        else
            nnrt_feature_name(a->model, t->input, k, name, sizeof name);
        if (what)
            printf("%s: %.6g\n", what, (double)score[k]);
    }
    nnrt_buffer_free(&plain);
    nnrt_buffer_free(&line);
    return status;
}

/* The lines of all samples, with the numbers of the attributions that are printed. */
static int show_lines(const nnrt_attributed *a, const unsigned char *printed, nnrt_fault *fault)
{
    size_t n = (size_t)a->model->n_attributions + 1;
    const nnrt_prompting **text = calloc(n, sizeof *text);
    void **vocab = calloc(n, sizeof *vocab);
    int any = 0, status = 0;
    if (!text || !vocab)
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    for (int i = 0; !status && i < a->model->n_attributions; i++) {
        any |= printed[i];
        if (printed[i] && a->model->attributions[i].kind != NNRT_ATTRIBUTION_INPUT)
            text[i] = show_vocabulary(a, a->model->attributions[i].input, &vocab[i], fault);
    }
    for (int64_t s = 0; !status && s < a->n && (any || a->n <= SHOW_LINES_MAX); s++) {
        show_line(a, s);
        for (int i = 0; i < a->model->n_attributions; i++)
            if (printed[i] && !status)
                status = show_numbers(a, i, s, text[i], vocab[i], fault);
    }
    for (int i = 0; text && vocab && i < a->model->n_attributions; i++)
        if (text[i])
            text[i]->close(vocab[i]);
    free((void *)text);
    free(vocab);
    if (!status && a->method == NNRT_INTEGRATED_GRADIENTS)
        show_gaps(a);
    return status ? status : nnrt_flush_results(fault);
}

/* --- pictures --------------------------------------------------------------------------------- */

/* What a picture of an input is made of. */
typedef struct show_form {
    const nnrt_attributed *a;
    int index, input;
    int64_t channels, height, width, scale; /* of the image; pixels a pixel of it */
    float *image, *heat;
} show_form;

static int show_form_of(show_form *f, const nnrt_attributed *a, int index, int input,
                        nnrt_fault *fault)
{
    const nnrt_value *v = &a->model->inputs[input];
    *f = (show_form){.a = a,
                     .index = index,
                     .input = input,
                     .channels = v->rank == 3 ? v->dim[0] : 1,
                     .height = v->dim[v->rank - 2],
                     .width = v->dim[v->rank - 1]};
    int64_t side = f->height > f->width ? f->height : f->width;
    f->scale = side < SHOW_SIDE ? (SHOW_SIDE + side - 1) / side : 1;
    f->image = malloc((size_t)v->count * sizeof *f->image);
    f->heat = malloc((size_t)(f->height * f->width) * sizeof *f->heat);
    return f->image && f->heat ? 0 : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a picture");
}

static int64_t show_cell_width(const show_form *f)
{
    return 2 * f->width * f->scale + SHOW_GAP / 2;
}

/* Of an attribution by pixels and channels: its size, the largest of the channels; or, where it is of both
 * signs, the sum. */
static void show_pixels(const show_form *f, const float *at, int both_signs)
{
    int64_t n = f->height * f->width;
    for (int64_t i = 0; i < n; i++) {
        f->heat[i] = 0;
        for (int64_t c = 0; c < f->channels; c++) {
            float v = at[c * n + i];
            f->heat[i] = both_signs ? f->heat[i] + v : fmaxf(f->heat[i], fabsf(v));
        }
    }
}

/* The image, and beside it the image under its heat. */
static int show_cell(const show_form *f, const nnrt_canvas *p, int64_t left, int64_t top,
                     int64_t sample, nnrt_fault *fault)
{
    const nnrt_attributed *a = f->a;
    const nnrt_value *v = &a->model->inputs[f->input];
    const nnrt_attribution *t = &a->model->attributions[f->index];
    const float *found = a->found[f->index] + sample * t->count;
    int64_t w = f->width * f->scale, h = f->height * f->scale, right = left + w + SHOW_GAP / 2;
    nnrt_image image = {f->image, f->channels, f->height, f->width, f->scale, 0, 0};
    nnrt_heat heat = {f->heat, f->height, f->width, 0,
                      a->method == NNRT_GRADIENT_INPUT || a->method == NNRT_INTEGRATED_GRADIENTS};
    int status = nnrt_dataset_batch(a->data, a->rows->at + sample, 1, a->feed->in, fault);
    if (status)
        return status;
    for (int64_t i = 0; i < v->count; i++)
        f->image[i] = v->dtype == NNRT_F32 ? ((const float *)a->feed->in[f->input])[i]
                                           : ((const unsigned char *)a->feed->in[f->input])[i];
    if (t->kind == NNRT_ATTRIBUTION_LAYER)
        heat = (nnrt_heat){found, t->dim[0], t->dim[1], 1, 0};
    else
        show_pixels(f, found, heat.both_signs);
    nnrt_canvas_image(p, left, top, &image);
    nnrt_canvas_image(p, right, top, &image);
    return nnrt_canvas_heat(p, right, top, w, h, &heat, fault);
}

/* One picture of all samples, in rows. */
static int show_grid(const show_form *f, const char *path, nnrt_fault *fault)
{
    int64_t n = f->a->n, columns = 1, w = show_cell_width(f) + SHOW_GAP;
    int64_t h = f->height * f->scale + SHOW_GAP;
    while (columns < n && columns * w < (n + columns - 1) / columns * h) /* about as wide as high */
        columns++;
    nnrt_canvas p;
    int status = nnrt_canvas_make(&p, columns * w + SHOW_GAP,
                                  (n + columns - 1) / columns * h + SHOW_GAP, fault);
    for (int64_t i = 0; !status && i < n; i++)
        status = show_cell(f, &p, SHOW_GAP + i % columns * w, SHOW_GAP + i / columns * h, i, fault);
    if (!status)
        status = nnrt_canvas_write(path, &p, fault);
    nnrt_canvas_free(&p);
    return status;
}

/* A picture a sample. */
static int show_folder(const show_form *f, const char *folder, nnrt_fault *fault)
{
    nnrt_canvas p;
    int status = nnrt_canvas_make(&p, show_cell_width(f), f->height * f->scale, fault);
    for (int64_t i = 0; !status && i < f->a->n; i++) {
        char *path = show_path(folder, i);
        memset(p.rgb, 255, (size_t)(p.width * p.height * 3));
        status =
            path ? show_cell(f, &p, 0, 0, i, fault) : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
        if (!status)
            status = nnrt_canvas_write(path, &p, fault);
        free(path);
    }
    nnrt_canvas_free(&p);
    return status;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Where several tables are read by the same tokens: their sum in the first. */
static void show_join(const nnrt_attributed *a)
{
    const nnrt_attribution *t = a->model->attributions;
    for (int i = 0; i < a->model->n_attributions; i++) {
        int first = t[i].input < 0 ? i : show_attribution(a, t[i].input);
        if (!a->found[i] || first == i || t[first].count != t[i].count)
            continue;
        for (int64_t k = 0; k < a->n * t[i].count; k++)
            a->found[first][k] += a->found[i][k];
    }
}

static int show_finite(const nnrt_attributed *a, nnrt_fault *fault)
{
    for (int i = 0; i < a->model->n_attributions; i++) {
        int64_t count = a->model->attributions[i].count;
        for (int64_t k = 0; a->found[i] && k < a->n * count; k++)
            if (!isfinite(a->found[i][k]))
                return nnrt_fail(fault, NNRT_NOT_FINITE, "an attribution of sample %lld is %g",
                                 (long long)(k / count), (double)a->found[i][k]);
    }
    return 0;
}

static int show_write(const nnrt_attributed *a, int index, int input, const char *file,
                      nnrt_fault *fault)
{
    const nnrt_attribution *t = &a->model->attributions[index];
    if (show_is_picture(file)) {
        show_form f;
        int status = show_form_of(&f, a, index, input, fault);
        if (!status)
            status =
                show_is_folder(file) ? show_folder(&f, file, fault) : show_grid(&f, file, fault);
        free(f.image);
        free(f.heat);
        return status;
    }
    int64_t dim[NNRT_RANK + 1] = {a->n};
    memcpy(dim + 1, t->dim, (size_t)t->rank * sizeof *dim);
    return nnrt_npy_write(file, t->rank + 1, dim, a->found[index], fault);
}

int nnrt_attributed_show(const nnrt_attributed *a, nnrt_fault *fault)
{
    const nnrt_model *model = a->model;
    const nnrt_list *output = &a->args->output;
    unsigned char *printed = calloc((size_t)model->n_attributions + 1, 1);
    const char *file;
    int status = printed ? show_finite(a, fault) : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    if (!status)
        show_join(a);
    for (int i = 0; !status && i < output->n; i++) {
        int input = nnrt_named_value(output->at[i], "--output", model->n_inputs, model->inputs,
                                     &file, fault);
        int index = show_attribution(a, input);
        if (strcmp(file, "-") == 0)
            printed[index] = 1;
        else
            status = show_write(a, index, input, file, fault);
    }
    for (int i = 0; !status && !output->n && i < model->n_attributions; i++)
        printed[i] = a->found[i] && show_attribution(a, model->attributions[i].input) == i;
    if (!status)
        status = show_lines(a, printed, fault);
    free(printed);
    return status;
}
