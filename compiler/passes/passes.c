/* SPDX-License-Identifier: MIT */
/* passes.c: the pipeline of passes.def, and the driver that runs it on a program's functions. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "passes.h"

#include <string.h>
#include <time.h>

const PassRow pass_rows[] = {
#define PASS(name, when, text) {#name, PASS_##when, pass_##name, text},
#include "passes.def"
#undef PASS
};

const int pass_count = COUNT(pass_rows);

int pass_find(const char *name)
{
    for (int i = 0; i < pass_count; i++)
        if (strcmp(pass_rows[i].name, name) == 0)
            return i;
    return -1;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_skipped(const PassRow *pass, const PassOptions *options)
{
    if (pass->when == PASS_ALWAYS)
        return false;
    for (int i = 0; i < options->n_skip; i++)
        if (strcmp(options->skip[i], pass->name) == 0)
            return true;
    return options->O0;
}

/* Whether the graph is wanted after this pass, also where the pass itself is left out. */
static bool is_dumped(const PassRow *pass, const PassOptions *options)
{
    const char *after = options->dump_after;
    return after && (strcmp(after, "all") == 0 || strcmp(after, pass->name) == 0);
}

/* Whether the pipeline ends after this pass. */
static bool is_last(const PassRow *pass, const PassOptions *options)
{
    return is_dumped(pass, options) && !options->keep_going &&
           strcmp(options->dump_after, "all") != 0;
}

/* The whole program as it is after the pass: what program_read takes. */
static void dump(const Program *p, const PassRow *pass)
{
    printf("; after %s\n", pass->name);
    program_print(p, stdout);
}

/* Bodies first: what is around them may ask what became of them. */
static void run_with_bodies(Graph *g, void (*run)(Graph *))
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_scan)
            run_with_bodies(g->nodes.at[i]->attr->scan->body, run);
    run(g);
}

/* Runs one pass on one function; gives false when it reported an error. */
static bool run_pass(Graph *g, const PassRow *pass, const PassOptions *options, double *time)
{
    const Diag *diag = &g->program->ctx->diag;
    int errors = diag->errors;
    double start = seconds();
    if (!is_skipped(pass, options))
        run_with_bodies(g, pass->run);
    *time += seconds() - start;
    if (diag->errors != errors)
        return false;
    graph_verify(g, pass->name);
    return true;
}

static void print_times(const double *time)
{
    double total = 0;
    for (int i = 0; i < pass_count; i++)
        total += time[i];
    for (int i = 0; i < pass_count; i++)
        fprintf(stderr, "%-12s %8.3f ms %5.1f %%\n", pass_rows[i].name, 1e3 * time[i],
                total > 0 ? 100 * time[i] / total : 0.0);
    fprintf(stderr, "%-12s %8.3f ms\n", "passes", 1e3 * total);
}

/* Every function, with the bodies in it, goes through a pass before the next pass begins, so that a pass may decide for all
 * of them (the order in which a weight is kept). */
bool passes_run(Program *program, const PassOptions *options)
{
    double time[COUNT(pass_rows)] = {0};
    bool good = true, stop = false;
    for (int i = 0; i < pass_count && good && !stop; i++) {
        const PassRow *pass = &pass_rows[i];
        for (int fn = 0; fn < FN_COUNT; fn++)
            if (program->fn[fn])
                good = run_pass(program->fn[fn], pass, options, &time[i]) && good;
        if (good && is_dumped(pass, options))
            dump(program, pass);
        stop = is_last(pass, options);
    }
    if (options->time)
        print_times(time);
    return good;
}
