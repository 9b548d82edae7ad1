/* SPDX-License-Identifier: MIT */
/* nnrt_report_samples.c: samples of a set with what the network says of them: images as images, texts as text, series
 * as curves, rows of a table as numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_report.h"

/* Samples that are shown, of the most wrong and of the least; numbers of a row; places of a sequence; the shortest side
 * of an image. */
enum {
    SAMPLES_WORST = 18,
    SAMPLES_BEST = 6,
    SAMPLES_NUMBERS = 24,
    SAMPLES_PLACES = 240,
    SAMPLES_SIDE = 8
};

/* --- numbers as pictures ---------------------------------------------------------------------- */

typedef struct samples_image {
    int channels;
    int64_t height, width;
} samples_image;

/* Whether a shape is that of an image: [C, H, W] of 1 or 3 channels, [H, W]. */
static int samples_is_image(int rank, const int64_t *dim, samples_image *image)
{
    *image = (samples_image){1, 0, 0};
    if (rank == 3 && (dim[0] == 1 || dim[0] == 3))
        *image = (samples_image){(int)dim[0], dim[1], dim[2]};
    else if (rank == 2)
        *image = (samples_image){1, dim[0], dim[1]};
    return image->height >= SAMPLES_SIDE && image->width >= SAMPLES_SIDE;
}

/* Black is 0 and white 1 or 255, whichever fits; else black is the least and white the most. */
static void samples_picture(FILE *f, const samples_image *image, const double *value,
                            const char *alt)
{
    int64_t n = image->channels * image->height * image->width;
    unsigned char *pixels = malloc((size_t)n);
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        low = value[i] < low ? value[i] : low;
        high = value[i] > high ? value[i] : high;
    }
    if (low >= 0 && high <= 255) {
        low = 0;
        high = high <= 1 ? 1 : 255;
    }
    for (int64_t i = 0; pixels && i < n; i++)
        pixels[i] = high > low ? (unsigned char)((value[i] - low) / (high - low) * 255 + 0.5) : 0;
    if (pixels)
        nnrt_page_picture(f, image->channels, image->height, image->width, pixels, alt);
    free(pixels);
}

/* Values one after the other as a line, `lines` of them side by side: [n][lines]. */
static void samples_curve(FILE *f, int64_t n, int64_t lines, const double *value)
{
    double low = INFINITY, high = -INFINITY;
    int64_t shown = lines < 4 ? lines : 4;
    for (int64_t i = 0; i < n * lines; i++) {
        low = value[i] < low ? value[i] : low;
        high = value[i] > high ? value[i] : high;
    }
    high = high > low ? high : low + 1;
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 200 60\" role=\"img\" "
          "aria-label=\"series\">",
          f);
    fprintf(f, "<title>%.4g to %.4g</title>", low, high);
    for (int64_t k = 0; k < shown; k++) {
        fprintf(f, "<polyline class=\"s%d\" fill=\"none\" stroke-width=\"1.5\" points=\"", (int)k);
        for (int64_t i = 0; i < n; i++)
            fprintf(f, "%.1f,%.1f ", 2 + 196.0 * (double)i / (double)(n > 1 ? n - 1 : 1),
                    56 - 52 * (value[i * lines + k] - low) / (high - low));
        fputs("\"/>", f);
    }
    fputs("</svg>", f);
}

static void samples_numbers(FILE *f, int64_t n, const double *value)
{
    int64_t shown = n < SAMPLES_NUMBERS ? n : SAMPLES_NUMBERS;
    for (int64_t i = 0; i < shown; i++)
        fprintf(f, "%s%.6g", i ? ", " : "", value[i]);
    if (n > shown)
        fputs(", \xE2\x80\xA6", f);
}

/* Numbers of a shape, as they are best seen. */
static void samples_show(FILE *f, int rank, const int64_t *dim, int64_t count, const double *value,
                         const char *alt)
{
    samples_image image;
    if (samples_is_image(rank, dim, &image))
        samples_picture(f, &image, value, alt);
    else if (rank == 2 && dim[0] > 2)
        samples_curve(f, dim[0], dim[1], value);
    else if (rank == 1 && count > SAMPLES_NUMBERS)
        samples_curve(f, count, 1, value);
    else
        samples_numbers(f, count, value);
}

/* --- inputs ----------------------------------------------------------------------------------- */

/* What the shown samples are made with. */
typedef struct samples_view {
    FILE *f;
    const nnrt_judged *j;
    const nnrt_prompting *by; /* of text; else NULL, and there are no vocabularies */
    void **vocab;             /* one an input: of its texts, or NULL */
    double *value;            /* room for the numbers of any input or output */
} samples_view;

/* The column of a table that number `at` of an input comes from; NULL: not known. */
static const char *samples_column(const nnrt_model *model, int input, int64_t at)
{
    const nnrt_source *s = &model->data_train;
    for (int i = 0; s->kind == NNRT_SOURCE_CSV && i < s->n_columns; i++)
        if (strcmp(s->columns[i].input, model->inputs[input].name) == 0 &&
            at < s->columns[i].n_names)
            return s->columns[i].names[at];
    return NULL;
}

/* A row of a table as a list, each number with the name of its column. */
static void samples_row(const samples_view *v, int input)
{
    const nnrt_model *model = v->j->t->model;
    const nnrt_value *in = &model->inputs[input];
    fputs("<dl>", v->f);
    for (int64_t i = 0; i < in->count; i++) {
        const char *name = samples_column(model, input, i);
        char number[48];
        snprintf(number, sizeof number, in->count > 1 ? "%.20s[%lld]" : "%.20s", in->name,
                 (long long)i);
        fputs("<dt>", v->f);
        nnrt_html_say(v->f, name ? name : number);
        fprintf(v->f, "</dt><dd>%.6g</dd>", nnrt_feed_number(&v->j->t->feed, input, i));
    }
    fputs("</dl>", v->f);
}

/* A token as text, or as its number. Twice the token tells whether its vocabulary puts blanks between two. */
static void samples_token(const samples_view *v, const void *vocab, int32_t id, int first)
{
    const int32_t twice[2] = {id, id};
    nnrt_buffer text = {0};
    if (v->by && vocab)
        v->by->decode(vocab, twice, 2, &text);
    if ((!vocab || text.size % 2) && !first)
        fputc(' ', v->f);
    if (!vocab)
        fprintf(v->f, "%d", (int)id);
    else if (text.at && !text.failed)
        nnrt_html_put(v->f, text.at, text.size / 2);
    nnrt_buffer_free(&text);
}

/* Tokens of an input as text. */
static void samples_text(const samples_view *v, int input)
{
    int64_t n = v->j->t->model->inputs[input].count;
    int64_t shown = n < SAMPLES_PLACES ? n : SAMPLES_PLACES;
    nnrt_buffer text = {0};
    int32_t *ids = malloc((size_t)shown * sizeof *ids);
    for (int64_t i = 0; ids && i < shown; i++)
        ids[i] = (int32_t)nnrt_feed_number(&v->j->t->feed, input, i);
    fputs("<q>", v->f);
    if (ids && v->by && v->vocab[input])
        v->by->decode(v->vocab[input], ids, (size_t)shown, &text);
    if (text.at && !text.failed)
        nnrt_html_put(v->f, text.at, text.size);
    for (int64_t i = 0; ids && !v->vocab[input] && i < shown; i++)
        samples_token(v, NULL, ids[i], i == 0);
    fputs(shown < n ? "\xE2\x80\xA6</q>" : "</q>", v->f);
    nnrt_buffer_free(&text);
    free(ids);
}

static void samples_input(const samples_view *v, int input)
{
    const nnrt_value *in = &v->j->t->model->inputs[input];
    if (in->classes > 0 && in->count > 1) {
        samples_text(v, input);
    } else if (in->rank <= 1 && in->count <= SAMPLES_NUMBERS) {
        samples_row(v, input);
    } else {
        for (int64_t i = 0; i < in->count; i++)
            v->value[i] = nnrt_feed_number(&v->j->t->feed, input, i);
        samples_show(v->f, in->rank, in->dim, in->count, v->value, in->name);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static void samples_term(FILE *f, const char *what)
{
    fprintf(f, "<dt>%s</dt><dd>", what);
}

/* One class a sample: what it is, what it was taken for. */
static void samples_class(const samples_view *v, const nnrt_guess *g)
{
    const char *none = "does not count";
    samples_term(v->f, "is");
    nnrt_html_say(v->f, g->is < 0 ? none : v->j->names[g->is]);
    fputs("</dd>", v->f);
    if (g->is < 0)
        return;
    samples_term(v->f, "taken for");
    nnrt_html_say(v->f, v->j->names[g->taken]);
    fprintf(v->f, " (%.1f %%)</dd>", 100 * g->sure);
}

/* Classes at many places as an image, from black to white. */
static void samples_mask(const samples_view *v, const samples_image *image, const float *out)
{
    int64_t n = v->j->pair.places;
    double sure, scale = v->j->pair.classes > 1 ? (double)(v->j->pair.classes - 1) : 1;
    fputs("<div class=\"two\"><div>is", v->f);
    for (int64_t p = 0; p < n; p++) {
        int32_t is = nnrt_judged_target(v->j, 0, p);
        v->value[p] = is < 0 ? 0.5 : is / scale;
    }
    samples_picture(v->f, image, v->value, "is");
    fputs("</div><div>taken for", v->f);
    for (int64_t p = 0; p < n; p++)
        v->value[p] = nnrt_judged_answer(v->j, out, p, &sure) / scale;
    samples_picture(v->f, image, v->value, "taken for");
    fputs("</div></div>", v->f);
}

/* Classes at places one after the other, as text; wrong ones are marked. */
static void samples_sequence(const samples_view *v, const float *out, int answers)
{
    const void *vocab = v->vocab[v->j->pair.target];
    int64_t shown = v->j->pair.places < SAMPLES_PLACES ? v->j->pair.places : SAMPLES_PLACES;
    double sure;
    samples_term(v->f, answers ? "taken for" : "is");
    for (int64_t p = 0; p < shown; p++) {
        int32_t is = nnrt_judged_target(v->j, 0, p);
        int32_t taken = nnrt_judged_answer(v->j, out, p, &sure);
        if (is < 0)
            continue;
        int wrong = answers && is != taken;
        fputs(wrong ? "<mark>" : "", v->f);
        samples_token(v, vocab, answers ? taken : is, p == 0);
        fputs(wrong ? "</mark>" : "", v->f);
    }
    fputs(shown < v->j->pair.places ? "\xE2\x80\xA6</dd>" : "</dd>", v->f);
}

static void samples_places(const samples_view *v, const float *out)
{
    const nnrt_value *in = &v->j->t->model->inputs[v->j->pair.target];
    samples_image image;
    if (samples_is_image(in->rank, in->dim, &image) && image.channels == 1) {
        samples_mask(v, &image, out);
        return;
    }
    fputs("<dl>", v->f);
    samples_sequence(v, out, 0);
    samples_sequence(v, out, 1);
    fputs("</dl>", v->f);
}

/* Numbers: what they should be, what they are. */
static void samples_values(const samples_view *v, const nnrt_guess *g, const float *out)
{
    const nnrt_pair *p = &v->j->pair;
    const nnrt_value *in = &v->j->t->model->inputs[p->target];
    fputs("<dl>", v->f);
    for (int answers = p->seen; answers < 2; answers++) { /* what is seen stands above */
        samples_term(v->f, answers ? "answer" : "is");
        for (int64_t i = 0; i < p->places; i++)
            v->value[i] = answers ? (double)out[i] : nnrt_feed_number(&v->j->t->feed, p->target, i);
        samples_show(v->f, in->rank, in->dim, p->places, v->value, answers ? "answer" : "is");
        fputs("</dd>", v->f);
    }
    samples_term(v->f, p->seen ? "correlation" : "off by");
    fprintf(v->f, "%.4g</dd></dl>", p->seen ? 1 - g->error : g->error);
}

/* --- cards ------------------------------------------------------------------------------------ */

static void samples_tag(const samples_view *v, const nnrt_guess *g)
{
    if (v->j->pair.kind == NNRT_PAIR_NUMBERS)
        fprintf(v->f, "<div class=\"soft\">sample %lld</div>", (long long)g->row);
    else if (g->error > 0 && v->j->pair.places > 1)
        fprintf(v->f, "<div class=\"tag bad\">\xE2\x9C\x97 %.1f %% wrong, sample %lld</div>",
                100 * g->error, (long long)g->row);
    else if (g->error > 0)
        fprintf(v->f, "<div class=\"tag bad\">\xE2\x9C\x97 wrong, sample %lld</div>",
                (long long)g->row);
    else
        fprintf(v->f, "<div class=\"tag good\">\xE2\x9C\x93 right, sample %lld</div>",
                (long long)g->row);
}

static void samples_card(const samples_view *v, const nnrt_guess *g)
{
    const nnrt_training *t = v->j->t;
    const float *out = v->j->out[v->j->pair.output];
    if (nnrt_dataset_batch(v->j->data, &g->row, 1, t->feed.in, t->fault) ||
        t->model->predict(t->m, 1, (const void *const *)t->feed.in, v->j->out))
        return;
    fputs("<div class=\"sample\">", v->f);
    samples_tag(v, g);
    for (int i = 0; i < t->model->n_inputs; i++)
        if (t->model->inputs[i].in_predict)
            samples_input(v, i);
    if (v->j->pair.kind == NNRT_PAIR_NUMBERS) {
        samples_values(v, g, out);
    } else if (v->j->pair.places > 1) {
        samples_places(v, out);
    } else {
        fputs("<dl>", v->f);
        samples_class(v, g);
        fputs("</dl>", v->f);
    }
    fputs("</div>\n", v->f);
}

static void samples_cards(const samples_view *v)
{
    const nnrt_judged *j = v->j;
    int64_t worst = j->rows.n < SAMPLES_WORST ? j->rows.n : SAMPLES_WORST;
    int64_t right = 0;
    while (right < j->rows.n && j->guess[right].error > 0)
        right++; /* the first that is right; of numbers there is hardly one */
    int64_t best = j->pair.kind == NNRT_PAIR_NUMBERS ? j->rows.n - SAMPLES_BEST : right;
    best = best < worst ? worst : best;
    fputs("<div class=\"samples\">\n", v->f);
    for (int64_t i = 0; i < worst; i++)
        samples_card(v, &j->guess[i]);
    for (int64_t i = best; i < best + SAMPLES_BEST && i < j->rows.n; i++)
        samples_card(v, &j->guess[i]);
    fputs("</div>\n", v->f);
}

void nnrt_report_samples(FILE *f, const nnrt_judged *j)
{
    const nnrt_model *model = j->t->model;
    int64_t most = 1;
    for (int i = 0; i < model->n_inputs; i++)
        most = model->inputs[i].count > most ? model->inputs[i].count : most;
    for (int i = 0; i < model->n_outputs; i++)
        most = model->outputs[i].count > most ? model->outputs[i].count : most;
    samples_view v = {.f = f, .j = j, .value = malloc((size_t)most * sizeof *v.value)};
    v.by = model->text ? model->text->prompting : NULL;
    v.vocab = calloc((size_t)model->n_inputs + 1, sizeof *v.vocab);
    if (v.value && v.vocab) {
        for (int i = 0; i < model->n_inputs; i++)
            v.vocab[i] = v.by ? nnrt_report_vocabulary(j->t, i) : NULL;
        nnrt_html_section(f, "samples", "Samples");
        fprintf(f,
                "<p class=\"soft\">Of the %s set, by number from 0: the most wrong first, then "
                "%s.</p>\n",
                j->set,
                j->pair.kind == NNRT_PAIR_NUMBERS ? "the best" : "right ones that were least sure");
        samples_cards(&v);
        nnrt_html_section_end(f);
    }
    for (int i = 0; v.vocab && i < model->n_inputs; i++)
        if (v.by && v.vocab[i])
            v.by->close(v.vocab[i]);
    free(v.vocab);
    free(v.value);
}
