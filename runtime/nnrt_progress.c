/* SPDX-License-Identifier: MIT */
/* nnrt_progress.c: the progress of an epoch, as Keras shows it.
 *
 * On a terminal one line is drawn again and again; anywhere else there is one line an epoch.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "nnrt_program.h"

#define PROGRESS_CELLS 20
#define PROGRESS_PAUSE 0.05 /* seconds between two drawings */
#define PROGRESS_LONG  1.0  /* seconds of a validation before it is drawn */

double nnrt_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Whether the locale of the environment writes UTF-8: setlocale is the application's to call. */
static int progress_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value)
            continue;
        const char *dot = strchr(value, '.');
        return dot &&
               (strncasecmp(dot + 1, "utf-8", 5) == 0 || strncasecmp(dot + 1, "utf8", 4) == 0);
    }
    return 0;
}

nnrt_progress nnrt_progress_on(FILE *to)
{
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    int live = isatty(fileno(to)) && term && *term && strcmp(term, "dumb") != 0;
    return (nnrt_progress){
        .to = to, .live = live, .color = live && !(plain && *plain), .utf8 = progress_utf8()};
}

static int progress_width(const nnrt_progress *p)
{
    struct winsize w;
    if (ioctl(fileno(p->to), TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    return 80;
}

/* A line in the making: what is visible of it is counted, and cut at the terminal's width. */
typedef struct progress_line {
    char text[2048];
    size_t used;
    int columns, width; /* columns drawn, and allowed */
} progress_line;

static void progress_put(progress_line *l, const char *text, int columns)
{
    size_t n = strlen(text);
    if (l->columns + columns > l->width || l->used + n >= sizeof l->text)
        return;
    memcpy(l->text + l->used, text, n + 1);
    l->used += n;
    l->columns += columns;
}

static void progress_say(progress_line *l, const char *text)
{
    progress_put(l, text, (int)strlen(text));
}

/* 12s, 1:05, 1:02:03 */
static void progress_seconds(char *out, size_t size, double seconds)
{
    long s = (long)(seconds < 0 ? 0 : seconds > 1e8 ? 1e8 : seconds);
    if (s >= 3600)
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, size, "%lds", s);
}

static void progress_per_step(char *out, size_t size, double seconds)
{
    if (seconds >= 1 || seconds <= 0)
        snprintf(out, size, "%.0fs/step", seconds);
    else if (seconds >= 1e-3)
        snprintf(out, size, "%.0fms/step", seconds * 1e3);
    else
        snprintf(out, size, "%.0fus/step", seconds * 1e6);
}

static void progress_figure(char *out, size_t size, const nnrt_figure *f)
{
    const char *format = fabs(f->value) > 1e-3 || f->value == 0 ? "%s%s: %.4f" : "%s%s: %.4e";
    snprintf(out, size, format, f->prefix, f->name, f->value);
}

static void progress_bar(const nnrt_progress *p, progress_line *l, int64_t done)
{
    int filled = p->total > 0 ? (int)(PROGRESS_CELLS * done / p->total) : 0;
    progress_put(l, p->color ? "\033[32m" : "", 0);
    for (int i = 0; i < PROGRESS_CELLS; i++) {
        if (i == filled)
            progress_put(l, p->color ? "\033[0m\033[37m" : "", 0);
        if (p->utf8) /* without colours a lighter stroke tells what is left */
            progress_put(l, i < filled || p->color ? "\u2501" : "\u2500", 1);
        else
            progress_put(l, i < filled ? "=" : i == filled ? ">" : ".", 1);
    }
    progress_put(l, p->color ? "\033[0m" : "", 0);
}

/* " 3s 6ms/step": what is left while it runs, what it took at the end. */
static void progress_times(const nnrt_progress *p, progress_line *l, int64_t done, int ended)
{
    double took = nnrt_clock() - p->started;
    int64_t steps = done - p->first;
    double each = steps > 0 ? took / (double)steps : 0;
    char text[64];
    progress_seconds(text, sizeof text, ended ? took : each * (double)(p->total - done));
    progress_put(l, p->color ? "\033[1m" : "", 0);
    progress_say(l, text);
    progress_put(l, p->color ? "\033[0m" : "", 0);
    progress_say(l, p->live ? " " : " - ");
    progress_per_step(text, sizeof text, each);
    progress_say(l, text);
}

static void progress_counts(const nnrt_progress *p, progress_line *l, int64_t done)
{
    char total[32], text[64];
    int width = snprintf(total, sizeof total, "%lld", (long long)p->total);
    snprintf(text, sizeof text, "%*lld/%s", p->live ? width : 0, (long long)done, total);
    progress_put(l, p->color ? "\033[1m" : "", 0);
    progress_say(l, text);
    progress_put(l, p->color ? "\033[0m" : "", 0);
}

static void progress_draw(nnrt_progress *p, int64_t done, int n, const nnrt_figure *figures,
                          int ended)
{
    progress_line l = {.width = p->live ? progress_width(p) - 1 : 2000};
    char text[160];
    if (!p->live) {
        if (p->epochs > 0)
            snprintf(text, sizeof text, "Epoch %lld/%lld - ", (long long)p->epoch,
                     (long long)p->epochs);
        else
            snprintf(text, sizeof text, "Epoch %lld - ", (long long)p->epoch);
        progress_say(&l, text);
    }
    progress_counts(p, &l, done);
    progress_say(&l, p->live ? " " : " - ");
    if (p->live) {
        progress_bar(p, &l, done);
        progress_say(&l, " ");
    }
    progress_times(p, &l, done, ended);
    for (int i = 0; i < n; i++) {
        memcpy(text, " - ", 4);
        progress_figure(text + 3, sizeof text - 3, &figures[i]);
        progress_say(&l, text);
    }
    fprintf(p->to, "%s%s%s%s", p->live ? "\r" : "", l.text, p->live ? "\033[K" : "",
            ended ? "\n" : "");
    fflush(p->to);
}

void nnrt_progress_epoch(nnrt_progress *p, int64_t epoch, int64_t epochs, int64_t total,
                         int64_t done)
{
    p->epoch = epoch;
    p->epochs = epochs;
    p->total = total;
    p->first = done;
    p->started = nnrt_clock();
    p->drawn = 0;
    if (!p->live)
        return;
    if (epochs > 0)
        fprintf(p->to, "Epoch %lld/%lld\n", (long long)epoch, (long long)epochs);
    else
        fprintf(p->to, "Epoch %lld\n", (long long)epoch);
}

void nnrt_progress_step(nnrt_progress *p, int64_t done, int n, const nnrt_figure *figures)
{
    if (!p->live)
        return;
    double now = nnrt_clock();
    if (now - p->drawn < PROGRESS_PAUSE)
        return;
    p->drawn = now;
    progress_draw(p, done, n, figures, 0);
}

void nnrt_progress_end(nnrt_progress *p, int64_t done, int n, const nnrt_figure *figures)
{
    progress_draw(p, done, n, figures, 1);
    p->drawn = 0;
}

void nnrt_progress_validation(nnrt_progress *p, int64_t done, int64_t total)
{
    if (!p->live)
        return;
    double now = nnrt_clock();
    if (done == 0)
        p->validation = now;
    if (now - p->validation < PROGRESS_LONG || now - p->drawn < PROGRESS_PAUSE)
        return;
    p->drawn = now;
    nnrt_progress part = *p;
    part.total = total;
    part.first = 0;
    part.started = p->validation;
    progress_line l = {.width = progress_width(p) - 1};
    progress_counts(&part, &l, done);
    progress_say(&l, " ");
    progress_bar(&part, &l, done);
    progress_say(&l, " ");
    progress_times(&part, &l, done, 0);
    progress_say(&l, " - validation");
    fprintf(p->to, "\r%s\033[K", l.text);
    fflush(p->to);
}

void nnrt_progress_break(nnrt_progress *p)
{
    if (p->live && p->drawn > 0)
        fputc('\n', p->to);
    p->drawn = 0;
}
