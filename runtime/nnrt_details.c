/* SPDX-License-Identifier: MIT */
/* nnrt_details.c: `eval --details`, `--json` and `--curves`: how a classifier did, as text, JSON and csv. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_program.h"

enum {
    DETAILS_MATRIX = 30, /* classes of a matrix that is printed */
    DETAILS_WIDTH = 40   /* bytes of a name that are printed as text */
};

/* --- names ------------------------------------------------------------------------------------ */

/* What class k is called, as JSON's strings have it: its name in the weights file, else its number, in `number`. */
static const char *details_name(const nnrt_classes *c, const nnrt_model *model,
                                const nnrt_meta *meta, int64_t k, char number[24], int *length)
{
    const char *name = NULL;
    if (c->metric->target)
        name = nnrt_meta_label(meta, model->inputs[c->metric->target - 1].name, k, length);
    if (name)
        return name;
    *length = snprintf(number, 24, "%lld", (long long)k);
    return number;
}

/* The name as one line of text. */
static const char *details_text(const nnrt_classes *c, const nnrt_model *model,
                                const nnrt_meta *meta, int64_t k, char text[DETAILS_WIDTH + 1])
{
    int length;
    char number[24];
    const char *name = details_name(c, model, meta, k, number, &length);
    if (length > DETAILS_WIDTH)
        length = DETAILS_WIDTH;
    for (int i = 0; i < length; i++)
        text[i] = (unsigned char)name[i] < ' ' ? '?' : name[i];
    text[length] = '\0';
    return text;
}

static int details_widest(const nnrt_classes *c, const nnrt_model *model, const nnrt_meta *meta)
{
    int widest = 12;
    char text[DETAILS_WIDTH + 1];
    for (int64_t k = 0; k < c->n; k++) {
        int length = (int)strlen(details_text(c, model, meta, k, text));
        if (length > widest)
            widest = length;
    }
    return widest;
}

/* --- text ------------------------------------------------------------------------------------- */

static void details_matrix(FILE *to, const nnrt_classes *c, const nnrt_model *model,
                           const nnrt_meta *meta, int widest)
{
    char text[DETAILS_WIDTH + 1];
    if (c->n > DETAILS_MATRIX)
        return;
    fprintf(to, "\nconfusion matrix (rows: what they are; columns: what they are taken for)\n%*s",
            widest, "");
    for (int64_t k = 0; k < c->n; k++)
        fprintf(to, " %7.7s", details_text(c, model, meta, k, text));
    for (int64_t k = 0; k < c->n; k++) {
        fprintf(to, "\n%*s", widest, details_text(c, model, meta, k, text));
        for (int64_t j = 0; j < c->n; j++)
            fprintf(to, " %7lld", (long long)c->confusion[k * c->n + j]);
    }
    fputc('\n', to);
}

/* The mean over classes that some target has or is taken for, each counted once or by its targets. */
static nnrt_class_figures details_mean(const nnrt_classes *c, int weighted)
{
    nnrt_class_figures sum = {0};
    double all = 0;
    for (int64_t k = 0; k < c->n; k++) {
        const nnrt_class_figures *at = &c->at[k];
        double weight = weighted ? (double)at->support : at->support + at->taken > 0;
        sum.precision += weight * at->precision;
        sum.recall += weight * at->recall;
        sum.f1 += weight * at->f1;
        sum.support += at->support;
        all += weight;
    }
    sum.precision /= all;
    sum.recall /= all;
    sum.f1 /= all;
    return sum;
}

static void details_row(FILE *to, int widest, const char *name, const nnrt_class_figures *at)
{
    fprintf(to, "%*s %9.4f %9.4f %9.4f %9lld", widest, name, at->precision, at->recall, at->f1,
            (long long)at->support);
}

static void details_classes(FILE *to, const nnrt_classes *c, const nnrt_model *model,
                            const nnrt_meta *meta, int widest)
{
    char text[DETAILS_WIDTH + 1];
    fprintf(to, "\n%*s %9s %9s %9s %9s %9s\n", widest, "", "precision", "recall", "f1", "support",
            "auc");
    for (int64_t k = 0; k < c->n; k++) {
        details_row(to, widest, details_text(c, model, meta, k, text), &c->at[k]);
        fprintf(to, " %9.4f\n", c->at[k].auc);
    }
    fprintf(to, "%*s %9s %9s %9.4f %9lld\n", widest, "accuracy", "", "", c->accuracy,
            (long long)c->targets);
    nnrt_class_figures macro = details_mean(c, 0), weighted = details_mean(c, 1);
    details_row(to, widest, "macro avg", &macro);
    fputc('\n', to);
    details_row(to, widest, "weighted avg", &weighted);
    fputc('\n', to);
}

void nnrt_details_print(FILE *to, const nnrt_classes *c, const nnrt_model *model,
                        const nnrt_meta *meta)
{
    int widest = details_widest(c, model, meta);
    details_matrix(to, c, model, meta, widest);
    details_classes(to, c, model, meta, widest);
    fprintf(to, "\ncalibration (expected calibration error %.4f)\n%12s %10s %9s %9s\n", c->ece,
            "probability", "said", "is", "targets");
    for (int i = 0; i < NNRT_BINS; i++) {
        const nnrt_bin *b = &c->bins[i];
        if (b->count)
            fprintf(to, "%5.2f - %4.2f %10.4f %9.4f %9lld\n", b->low, b->high, b->confidence,
                    b->accuracy, (long long)b->count);
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void details_number(FILE *to, const char *key, double x)
{
    if (isfinite(x))
        fprintf(to, ", \"%s\": %.9g", key, x);
    else
        fprintf(to, ", \"%s\": null", key);
}

void nnrt_details_json(FILE *to, const nnrt_classes *c, const nnrt_model *model,
                       const nnrt_meta *meta)
{
    char number[24];
    fprintf(to, ", \"classes\": [");
    for (int64_t k = 0; k < c->n; k++) {
        int length;
        const nnrt_class_figures *at = &c->at[k];
        const char *name = details_name(c, model, meta, k, number, &length);
        fprintf(to, "%s{\"name\": \"", k ? ", " : "");
        for (int i = 0; i < length; i++)
            fputc((unsigned char)name[i] < ' ' ? '?' : name[i], to);
        fprintf(to, "\", \"support\": %lld", (long long)at->support);
        details_number(to, "precision", at->precision);
        details_number(to, "recall", at->recall);
        details_number(to, "f1", at->f1);
        details_number(to, "auc", at->auc);
        details_number(to, "average_precision", at->average_precision);
        fputc('}', to);
    }
    fprintf(to, "], \"confusion\": [");
    for (int64_t k = 0; k < c->n; k++)
        for (int64_t j = 0; j < c->n; j++)
            fprintf(to, "%s%lld%s",
                    j   ? ", "
                    : k ? ", ["
                        : "[",
                    (long long)c->confusion[k * c->n + j], j + 1 == c->n ? "]" : "");
    fprintf(to, "], \"calibration\": [");
    for (int i = 0; i < NNRT_BINS; i++) {
        const nnrt_bin *b = &c->bins[i];
        fprintf(to, "%s{\"low\": %.9g, \"high\": %.9g, \"count\": %lld", i ? ", " : "", b->low,
                b->high, (long long)b->count);
        details_number(to, "confidence", b->confidence);
        details_number(to, "accuracy", b->accuracy);
        fputc('}', to);
    }
    fputc(']', to);
}

/* --- csv -------------------------------------------------------------------------------------- */

typedef struct details_file {
    FILE *f;
    char path[4096];
} details_file;

static int details_failed(const char *path, nnrt_fault *fault)
{
    return nnrt_fail(fault, NNRT_BAD_FILE, "%s: %s", path,
                     errno ? strerror(errno) : "cannot be written");
}

static int details_open(details_file *d, const char *dir, const char *name, nnrt_fault *fault)
{
    int n = snprintf(d->path, sizeof d->path, "%s/%s", dir, name);
    errno = ENAMETOOLONG;
    d->f = n > 0 && (size_t)n < sizeof d->path ? fopen(d->path, "w") : NULL;
    return d->f ? 0 : details_failed(d->path, fault);
}

static int details_close(details_file *d, nnrt_fault *fault)
{
    int bad = ferror(d->f);
    return fclose(d->f) || bad ? details_failed(d->path, fault) : 0;
}

static int details_calibration(const char *dir, const nnrt_classes *c, nnrt_fault *fault)
{
    details_file d;
    int status = details_open(&d, dir, "calibration.csv", fault);
    if (status)
        return status;
    fprintf(d.f, "low,high,count,confidence,accuracy\n");
    for (int i = 0; i < NNRT_BINS; i++)
        fprintf(d.f, "%.9g,%.9g,%lld,%.9g,%.9g\n", c->bins[i].low, c->bins[i].high,
                (long long)c->bins[i].count, c->bins[i].confidence, c->bins[i].accuracy);
    return details_close(&d, fault);
}

/* Both curves of every class; of two classes those of the second. */
static int details_both(FILE *roc, FILE *pr, const nnrt_classes *c, const nnrt_score *score,
                        nnrt_fault *fault)
{
    fprintf(roc, "class,threshold,false_positive_rate,true_positive_rate\n");
    fprintf(pr, "class,threshold,recall,precision\n");
    for (int64_t k = c->n == 2; k < c->n; k++) {
        int64_t n;
        nnrt_curve_point *p = nnrt_classes_curve(c, score, k, &n);
        if (!p)
            return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the curves");
        for (int64_t i = 0; i < n; i++) {
            fprintf(roc, "%lld,%.9g,%.9g,%.9g\n", (long long)k, p[i].threshold,
                    p[i].false_positive_rate, p[i].recall);
            fprintf(pr, "%lld,%.9g,%.9g,%.9g\n", (long long)k, p[i].threshold, p[i].recall,
                    p[i].precision);
        }
        free(p);
    }
    return 0;
}

int nnrt_details_curves(const char *dir, const nnrt_classes *c, const nnrt_score *score,
                        nnrt_fault *fault)
{
    details_file roc, pr;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return details_failed(dir, fault);
    int status = details_calibration(dir, c, fault);
    if (status || (status = details_open(&roc, dir, "roc.csv", fault)))
        return status;
    status = details_open(&pr, dir, "precision_recall.csv", fault);
    if (!status) {
        status = details_both(roc.f, pr.f, c, score, fault);
        int closed = details_close(&pr, fault);
        status = status ? status : closed;
    }
    int closed = details_close(&roc, fault);
    return status ? status : closed;
}
