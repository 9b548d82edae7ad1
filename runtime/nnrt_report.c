/* SPDX-License-Identifier: MIT */
/* nnrt_report.c: `train --report`: the run as one page: what came out, curves, confusions, samples, weights, memory and
 * time. Written whole or not at all, after the weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_report.h"

/* Epoch, step, seconds and rate stand before the figures of an epoch. A matrix has so many classes at most. */
enum { REPORT_HEAD = 4, REPORT_MATRIX = 60 };

struct nnrt_report {
    unsigned char *first; /* vars before the first step */
    int64_t n, room, width;
    double *at; /* [n][width] */
    int failed; /* no memory for an epoch */
};

/* --- gathering -------------------------------------------------------------------------------- */

int nnrt_report_open(nnrt_training *t)
{
    if (!t->args->report)
        return 0;
    struct nnrt_report *r = calloc(1, sizeof *r);
    t->report = r;
    if (r)
        r->first = malloc(t->model->vars_bytes + 1);
    if (!r || !r->first)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the report");
    memcpy(r->first, t->m->vars, t->model->vars_bytes);
    r->width = REPORT_HEAD + (1 + t->model->n_metrics) * (t->validation ? 2 : 1);
    return 0;
}

void nnrt_report_epoch(nnrt_training *t, double lr)
{
    struct nnrt_report *r = t->report;
    if (!r || r->failed)
        return;
    if (r->n == r->room) {
        int64_t room = r->room ? 2 * r->room : 64;
        double *grown = realloc(r->at, (size_t)(room * r->width) * sizeof *grown);
        if (!grown) {
            r->failed = 1;
            return;
        }
        r->at = grown;
        r->room = room;
    }
    double *row = r->at + r->n++ * r->width;
    row[0] = (double)t->run.epoch + 1;
    row[1] = (double)t->m->step;
    row[2] = nnrt_clock() - t->started;
    row[3] = lr;
    for (int64_t i = REPORT_HEAD; i < r->width; i++)
        row[i] = i - REPORT_HEAD < t->n_figures ? t->figures[i - REPORT_HEAD].value : NAN;
}

void nnrt_report_close(nnrt_training *t)
{
    if (t->report) {
        free(t->report->first);
        free(t->report->at);
    }
    free(t->report);
    t->report = NULL;
}

/* --- what came out ---------------------------------------------------------------------------- */

static const char *report_figure(const nnrt_training *t, int i)
{
    return i == 0 ? "loss" : t->model->metrics[i - 1].name;
}

static void report_cards(FILE *f, const nnrt_training *t)
{
    const struct nnrt_report *r = t->report;
    const double *last = r->n ? r->at + (r->n - 1) * r->width : NULL;
    char value[64], what[160];
    fputs("<div class=\"cards\">\n", f);
    for (int i = 0; i < t->n_figures; i++) {
        snprintf(what, sizeof what, "%s%.100s", *t->figures[i].prefix ? "validation " : "training ",
                 t->figures[i].name);
        snprintf(value, sizeof value, "%.4g", t->figures[i].value);
        nnrt_html_card(f, what, value);
    }
    if (last) {
        snprintf(value, sizeof value, "%.0f", last[0]);
        nnrt_html_card(f, "epochs", value);
        nnrt_html_card(f, "of this run", nnrt_html_seconds(value, last[2]));
    }
    fputs("</div>\n", f);
}

/* One figure over the epochs, of training and validation. */
static void report_curve(FILE *f, const nnrt_training *t, int figure, const double *x, double *y)
{
    const struct nnrt_report *r = t->report;
    int figures = 1 + t->model->n_metrics, sets = t->validation ? 2 : 1;
    nnrt_curve curves[2];
    char note[96];
    for (int s = 0; s < sets; s++) {
        double *to = y + s * r->n;
        for (int64_t i = 0; i < r->n; i++)
            to[i] = r->at[i * r->width + REPORT_HEAD + s * figures + figure];
        curves[s] = (nnrt_curve){s ? "validation" : "training", s, s, r->n, x, to};
    }
    if (sets > 1)
        snprintf(note, sizeof note, "training %.4g, validation %.4g", y[r->n - 1], y[2 * r->n - 1]);
    else
        snprintf(note, sizeof note, "training %.4g", y[r->n - 1]);
    nnrt_svg_plot(f, &(nnrt_plot){report_figure(t, figure), note, "epoch", report_figure(t, figure),
                                  1, 0, sets, curves});
}

static void report_rate(FILE *f, const nnrt_training *t, const double *x, double *y)
{
    const struct nnrt_report *r = t->report;
    nnrt_curve curve = {"learning rate", 2, 0, r->n, x, y};
    for (int64_t i = 0; i < r->n; i++)
        y[i] = r->at[i * r->width + 3];
    nnrt_svg_plot(f, &(nnrt_plot){"learning rate", "at the end of each epoch", "epoch",
                                  "learning rate", 1, 0, 1, &curve});
}

/* The numbers as --log has them. */
static void report_table(FILE *f, const nnrt_training *t)
{
    const struct nnrt_report *r = t->report;
    int figures = 1 + t->model->n_metrics;
    fputs("<details><summary>Every epoch as numbers</summary>\n<div class=\"scroll\"><table "
          "id=\"log\">\n"
          "<thead><tr><th class=\"n\">epoch</th><th class=\"n\">step</th><th class=\"n\">time</th>"
          "<th class=\"n\">lr</th>",
          f);
    for (int64_t i = 0; i < r->width - REPORT_HEAD; i++) {
        fputs("<th class=\"n\">", f);
        nnrt_html_say(f, i < figures ? "" : "val_");
        nnrt_html_say(f, report_figure(t, (int)(i % figures)));
        fputs("</th>", f);
    }
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int64_t i = 0; i < r->n; i++) {
        const double *row = r->at + i * r->width;
        fprintf(f,
                "<tr><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td><td class=\"n\">%.3f</td>",
                row[0], row[1], row[2]);
        for (int64_t k = 3; k < r->width; k++)
            fprintf(f, "<td class=\"n\">%.9g</td>", row[k]);
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div></details>\n", f);
}

static int report_curves(FILE *f, const nnrt_training *t)
{
    const struct nnrt_report *r = t->report;
    double *x = malloc((size_t)(3 * r->n + 1) * sizeof *x);
    if (!x)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the report");
    for (int64_t i = 0; i < r->n; i++)
        x[i] = r->at[i * r->width];
    nnrt_html_section(f, "curves", "Curves");
    if (t->args->resume)
        fputs(
            "<p class=\"soft\">Of the epochs since the checkpoint that the run went on from.</p>\n",
            f);
    if (r->n) {
        fputs("<div class=\"grid\">\n", f);
        for (int i = 0; i <= t->model->n_metrics; i++)
            report_curve(f, t, i, x, x + r->n);
        report_rate(f, t, x, x + r->n);
        fputs("</div>\n", f);
        report_table(f, t);
    } else {
        fputs("<p>No epoch came to its end.</p>\n", f);
    }
    nnrt_html_section_end(f);
    free(x);
    return 0;
}

/* --- confusions ------------------------------------------------------------------------------- */

/* Precision, recall and F1 of each class. */
static void report_classes(FILE *f, const nnrt_judged *j)
{
    fputs(
        "<div class=\"scroll tall\"><table>\n<thead><tr><th>class</th><th class=\"n\">samples</th>"
        "<th class=\"n\">precision</th><th class=\"n\">recall</th><th "
        "class=\"n\">F1</th></tr></thead>\n<tbody>\n",
        f);
    for (int64_t k = 0; k < j->pair.classes; k++) {
        const nnrt_class_figures at = nnrt_classes_figures(j->pair.classes, j->confusion, k);
        fputs("<tr><th scope=\"row\">", f);
        nnrt_html_say(f, j->names[k]);
        fprintf(f,
                "</th><td class=\"n\">%lld</td><td class=\"n\">%.4f</td><td class=\"n\">%.4f</td>"
                "<td class=\"n\">%.4f</td></tr>\n",
                (long long)at.support, at.precision, at.recall, at.f1);
    }
    fputs("</tbody></table></div>\n", f);
}

/* The pairs that are taken for each other most often, where a matrix would be too large to read. */
static void report_frequent(FILE *f, const nnrt_judged *j)
{
    enum { MOST = 20 };
    int64_t n = j->pair.classes, best[MOST], shown = 0;
    for (int64_t at = 0; at < n * n; at++) {
        int64_t k = shown;
        if (at / n == at % n || j->confusion[at] == 0 ||
            (k == MOST && j->confusion[at] <= j->confusion[best[MOST - 1]]))
            continue;
        k = k < MOST ? k : MOST - 1;
        for (; k > 0 && j->confusion[best[k - 1]] < j->confusion[at]; k--)
            best[k] = best[k - 1];
        best[k] = at;
        shown += shown < MOST;
    }
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th>is</th><th>taken for</th><th "
          "class=\"n\">times</th></tr>"
          "</thead>\n<tbody>\n",
          f);
    for (int64_t i = 0; i < shown; i++) {
        fputs("<tr><td>", f);
        nnrt_html_say(f, j->names[best[i] / n]);
        fputs("</td><td>", f);
        nnrt_html_say(f, j->names[best[i] % n]);
        fprintf(f, "</td><td class=\"n\">%lld</td></tr>\n", (long long)j->confusion[best[i]]);
    }
    fputs("</tbody></table></div>\n", f);
}

static void report_confusion(FILE *f, const nnrt_judged *j)
{
    int64_t right = 0, all = 0;
    for (int64_t i = 0; i < j->pair.classes * j->pair.classes; i++) {
        all += j->confusion[i];
        right += i / j->pair.classes == i % j->pair.classes ? j->confusion[i] : 0;
    }
    nnrt_html_section(f, "confusion", "Confusions");
    fprintf(f,
            "<p class=\"soft\">Of the %s set, %lld sample%s: %lld of %lld right (%.4g %%).</p>\n",
            j->set, (long long)j->rows.n, j->rows.n == 1 ? "" : "s", (long long)right,
            (long long)all, all ? 100 * (double)right / (double)all : 0);
    if (j->pair.classes <= REPORT_MATRIX) {
        fputs("<div class=\"grid top\">\n", f);
        nnrt_svg_confusion(f, (int)j->pair.classes, (const char *const *)j->names, j->confusion);
        report_classes(f, j);
        fputs("</div>\n", f);
    } else {
        report_frequent(f, j);
    }
    nnrt_html_section_end(f);
}

/* Numbers against what they should be. */
static void report_scatter(FILE *f, const nnrt_judged *j)
{
    const nnrt_model *model = j->t->model;
    const char *name = model->inputs[j->pair.target].name;
    nnrt_curve points = {model->outputs[j->pair.output].name, 0, 0, j->points, j->x, j->y};
    char note[64];
    snprintf(note, sizeof note, "%lld numbers of the %s set", (long long)j->points, j->set);
    nnrt_html_section(f, "answers", "Answers");
    fputs("<p class=\"soft\">On the dashed line an answer is what it should be.</p>\n<div "
          "class=\"grid\">\n",
          f);
    nnrt_svg_plot(f, &(nnrt_plot){name, note, name, points.name, 0, 1, 1, &points});
    fputs("</div>\n", f);
    nnrt_html_section_end(f);
}

/* --- settings --------------------------------------------------------------------------------- */

static void report_count(FILE *f, const char *what, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)n);
    nnrt_html_pair(f, what, text);
}

static void report_shapes(FILE *f, const char *what, int n, const nnrt_value *values)
{
    for (int i = 0; i < n; i++) {
        char text[192];
        int at = snprintf(text, sizeof text, "%.40s [", values[i].name);
        for (int k = 0; k < values[i].rank; k++)
            at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld", k ? ", " : "",
                           (long long)values[i].dim[k]);
        at += snprintf(text + at, sizeof text - (size_t)at, "]");
        if (values[i].classes > 0)
            snprintf(text + at, sizeof text - (size_t)at, " of %lld classes",
                     (long long)values[i].classes);
        nnrt_html_pair(f, what, text);
    }
}

static void report_settings(FILE *f, const nnrt_training *t)
{
    static const char *const schedules[] = {"constant",  "step",      "exponential", "cosine",
                                            "linear",    "multistep", "polynomial",  "inverse_sqrt",
                                            "one_cycle", "plateau"};
    const nnrt_model *model = t->model;
    const nnrt_about *a = model->about;
    char text[64];
    int64_t parameters = 0;
    for (int i = 0; i < model->n_vars; i++)
        parameters += model->vars[i].kind == NNRT_WEIGHT ? model->vars[i].count : 0;
    nnrt_html_section(f, "settings", "Settings and data");
    fputs("<div class=\"scroll\"><table class=\"pairs\"><tbody>\n", f);
    report_count(f, "training samples", t->rows.n);
    if (t->validation)
        report_count(f, "validation samples", t->validation_rows.n);
    report_shapes(f, "input", model->n_inputs, model->inputs);
    report_shapes(f, "output", model->n_outputs, model->outputs);
    report_count(f, "parameters", parameters);
    for (int i = 0; a && i < a->n_settings; i++)
        nnrt_html_pair(f, a->settings[i][0], a->settings[i][1]);
    snprintf(text, sizeof text, "%.9g", t->m->lr);
    nnrt_html_pair(f, "base rate", text);
    nnrt_html_pair(f, "schedule", schedules[model->train.schedule.kind]);
    report_count(f, "batch", model->batch);
    if (model->train.accumulate > 1)
        report_count(f, "accumulate", model->train.accumulate);
    report_count(f, "steps taken", t->m->step);
    snprintf(text, sizeof text, "%llu", (unsigned long long)t->m->seed);
    nnrt_html_pair(f, "seed", text);
    nnrt_html_pair(f, "shuffled", t->run.shuffle ? "yes" : "no");
    nnrt_html_pair(f, "model file", model->source);
    nnrt_html_pair(f, "SHA-256 of it", model->digest);
    nnrt_html_pair(f, "target", model->target);
    if (model->flags)
        nnrt_html_pair(f, "compiled by", model->flags);
    report_count(f, "threads", nnrt_threads());
    fputs("</tbody></table></div>\n", f);
    nnrt_html_section_end(f);
}

/* --- the page --------------------------------------------------------------------------------- */

/* The weights that were saved are those that are shown. */
static void report_best(nnrt_training *t)
{
    if (!t->run.best_vars || !t->run.has_best_vars)
        return;
    memcpy(t->m->vars, t->run.best_vars, t->model->vars_bytes);
    t->m->changes++;
}

static int report_page(FILE *f, nnrt_training *t)
{
    nnrt_judged j;
    char lead[256];
    snprintf(lead, sizeof lead, "A training run of %.100s, %lld samples, made by %.60s.",
             t->model->source, (long long)t->rows.n, t->model->version);
    nnrt_html_begin(f, t->model->name, lead);
    report_cards(f, t);
    int status = report_curves(f, t);
    nnrt_showing_report(f, t);
    report_best(t);
    if (!status)
        status = nnrt_judge(&j, t);
    else
        j = (nnrt_judged){.t = t};
    if (!status && j.confusion)
        report_confusion(f, &j);
    if (!status && j.points)
        report_scatter(f, &j);
    if (!status && j.pair.kind != NNRT_PAIR_NONE)
        nnrt_report_samples(f, &j);
    nnrt_judged_free(&j);
    if (status)
        return status;
    nnrt_report_weights(f, t, t->report->first);
    nnrt_report_memory(f, t->model);
    report_settings(f, t);
    status = nnrt_report_kernels(f, t); /* last of what computes: it changes the weights */
    nnrt_html_end(f, t->model->version);
    return status;
}

int nnrt_report_write(nnrt_training *t)
{
    char *text = NULL;
    size_t size = 0;
    nnrt_writer *w = NULL;
    if (!t->report)
        return 0;
    nnrt_progress_break(&t->progress);
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the report");
    int status = report_page(f, t), failed = ferror(f) || t->report->failed;
    if (fclose(f) != 0 || failed)
        status = status ? status : nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the report");
    if (!status)
        status = nnrt_writer_open(&w, t->args->report, size, 0, t->fault);
    if (!status) {
        nnrt_writer_put(w, text, size);
        status = nnrt_writer_close(w);
    }
    free(text);
    return status;
}
