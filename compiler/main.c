/* SPDX-License-Identifier: MIT */
/* main.c: nncc: a model file in, C out. The stages stand in `compile`, one a line. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/cc.h"
#include "codegen/codegen.h"
#include "codegen/layers_picture.h"
#include "driver/options.h"
#include "frontend/frontend.h"
#include "passes/passes.h"
#include "tune/tune.h"

enum { DONE = 0, BAD_MODEL = 1, BAD_CALL = 2, BAD_FILE = 3, NO_MEMORY = 4, BUG_STATUS = 70 };

/* --- the model file --------------------------------------------------------------------------- */

static int cannot_read(const char *path, const char *why)
{
    fprintf(stderr, "nncc: error: cannot read '%s': %s\n", path, why);
    return BAD_FILE;
}

static int read_model(Arena *arena, const char *path, char **text, size_t *size)
{
    struct stat st;
    size_t most = (size_t)YAML_BYTES_MAX + 1; /* one more than is allowed, so that it is seen */
    int fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        return cannot_read(path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        return cannot_read(path, "it is a folder");
    }
    *text = arena_take(arena, most + 1);
    for (ssize_t n = 1; n && *size < most; *size += (size_t)n) {
        n = read(fd, *text + *size, most - *size);
        if (n < 0 && errno == EINTR)
            n = 0;
        else if (n < 0) {
            close(fd);
            return cannot_read(path, strerror(errno));
        }
    }
    close(fd);
    return DONE;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* --- what is asked for ------------------------------------------------------------------------ */

/* MODEL's stem, and .c unless it is a program. */
static const char *default_output(Arena *arena, const char *model, EmitKind emit)
{
    const char *end = emit == EMIT_exe ? "" : ".c";
    if (strcmp(model, "-") == 0)
        return emit == EMIT_exe ? "model" : "-";
    const char *slash = strrchr(model, '/'), *stem = slash ? slash + 1 : model,
               *dot = strrchr(stem, '.');
    return arena_format(arena, "%.*s%s", dot && dot != stem ? (int)(dot - stem) : (int)strlen(stem),
                        stem, end);
}

/* Whether the output would take the place of the model file. */
static bool is_model(const char *output, const char *model)
{
    struct stat a, b;
    return strcmp(model, "-") != 0 && stat(output, &a) == 0 && stat(model, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino && S_ISREG(a.st_mode);
}

static EmitKind kind_of(const Options *o, const char *output)
{
    if (o->emit != EMIT_default)
        return o->emit;
    return strcmp(output, "-") == 0 || ends_with(output, ".c") ? EMIT_c : EMIT_exe;
}

/* The functions that decode. */
static bool build_decoding(Program *p)
{
    enum { CHUNK = 64 };
    const Graph *scores = model_scores(p);
    if (!scores)
        return false;
    p->fn[FN_step] = decode_graph(scores, FN_step, 1);
    bool good = p->fn[FN_step] != NULL, memory = false;
    if (good && p->generate.length > 1 && !decode_by_steps(scores)) {
        p->generate.chunk = p->generate.length < CHUNK ? p->generate.length : CHUNK;
        p->fn[FN_prefill] = decode_graph(scores, FN_prefill, p->generate.chunk);
        good = p->fn[FN_prefill] != NULL;
    }
    for (int i = 0; i < p->vars.n; i++)
        memory |= p->vars.at[i]->kind == VAR_memory;
    if (good && memory)
        good = (p->fn[FN_encode] = decode_encoder(scores)) != NULL;
    return good;
}

/* Whether the output has a function of those that the model may have. */
static bool is_wanted(const Program *p, const Options *o, EmitKind kind, Fn fn)
{
    bool program = o->main || kind == EMIT_exe;
    switch (fn) {
    case FN_eval: return !o->no_train;
    case FN_grad: return !o->no_train && (o->grad || program);
    case FN_fit: return program;
    case FN_attribute:
        return o->attribute || (model_has(p, FN_train) && !p->generate.given && program);
    default: return true;
    }
}

/* The functions that the output needs, their graphs built. */
static bool build_functions(Program *p, const Options *o, EmitKind kind)
{
    bool good = true;
    if (o->grad && !p->has_loss)
        fprintf(stderr, "nncc: warning: --grad has no effect: the model has no loss\n");
    for (int f = 0; f < FN_COUNT; f++)
        if (model_has(p, (Fn)f) && is_wanted(p, o, kind, (Fn)f))
            good = (p->fn[f] = model_graph(p, (Fn)f)) != NULL && good;
    if (p->attributions.n <= 1) /* there are no gradients */
        p->fn[FN_attribute] = NULL;
    if (o->attribute && !p->fn[FN_attribute])
        fprintf(stderr, "nncc: warning: --attribute has no effect: the first output has no "
                        "gradient by an input\n");
    return good && (!p->generate.given || build_decoding(p));
}

static int64_t plan_bytes(const Program *p)
{
    int64_t bytes = 0;
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f] && p->fn[f]->plan->scratch_bytes > bytes)
            bytes = p->fn[f]->plan->scratch_bytes;
    return bytes + p->vars_bytes + p->memory_bytes + p->cache_bytes * p->generate.beam;
}

static int over_limit(int64_t bytes, int64_t limit, bool again)
{
    fprintf(stderr,
            "nncc: error: the plan takes %lld bytes, %lld over --memory-limit%s; a smaller --batch "
            "takes less\n",
            (long long)bytes, (long long)(bytes - limit),
            again ? ", even where loops are cut in pieces" : "");
    return NO_MEMORY;
}

/* --- output ----------------------------------------------------------------------------------- */

/* picture: of a report that is a page, else NULL. */
static int print_text(Program *p, EmitKind kind, const char *output, const Picture *picture)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NO_MEMORY;
    if (kind == EMIT_ir)
        program_print(p, f);
    else if (kind == EMIT_report && picture)
        emit_report_page(p, picture, f);
    else if (kind == EMIT_report)
        emit_report(p, f);
    for (int fn = 0; kind == EMIT_dot && fn < FN_COUNT; fn++)
        if (p->fn[fn])
            graph_dot(p->fn[fn], f);
    bool whole = !ferror(f);
    whole = fclose(f) == 0 && whole;
    int status = !whole ? NO_MEMORY : file_write(p->ctx->arena, output ? output : "-", text, size);
    free(text);
    return status;
}

/* A report whose file is a page shows the layers as the model file has them: before any pass. */
static bool draw_layers(Program *p, EmitKind kind, const char *output, Picture *picture)
{
    if (kind != EMIT_report || !output || !ends_with(output, ".html"))
        return false;
    const Graph *g = model_graph(p, p->outputs.n > 0 ? FN_predict : FN_eval);
    if (g)
        *picture = picture_of(g, p->ctx->arena);
    return g != NULL;
}

static const char *header_name(Arena *arena, const char *output)
{
    return arena_format(arena, "%.*s.h", (int)strlen(output) - 2, output);
}

static int write_c(Program *p, const Options *o, CodegenOptions *c, const char *output)
{
    Arena *arena = p->ctx->arena;
    bool file = ends_with(output, ".c");
    const char *header = file ? header_name(arena, output) : NULL;
    const char *slash = header ? strrchr(header, '/') : NULL;
    c->header = slash ? slash + 1 : header;
    c->main = o->main;
    const char *text = emit_source(p, c);
    if (!file)
        return file_write(arena, output, text, strlen(text));
    const char *declarations = emit_header(p, c);
    const FileText files[] = {{header, declarations, strlen(declarations)},
                              {output, text, strlen(text)}};
    return files_write(arena, COUNT(files), files);
}

static int write_program(Program *p, const Home *home, CodegenOptions *c, const char *output)
{
    c->main = true;
    const char *text = emit_source(p, c);
    return cc_program(p->ctx->arena, home, p->target, text, c->single_file, output);
}

static int failed(const Diag *d)
{
    fprintf(stderr, "%d error%s generated.\n", d->errors, d->errors == 1 ? "" : "s");
    return BAD_MODEL;
}

/* --- what products choose --------------------------------------------------------------------- */

/* The choices in the file beside the model, or none. With --tune, or for a report, an empty table, so that
 * plans say what there is to choose; with --tune those of the file are what *kept is. */
static int read_choices(Program *p, const Options *o, EmitKind kind, ChoiceTable **kept)
{
    Arena *arena = p->ctx->arena;
    ChoiceTable **to = o->tune ? kept : &p->choices;
    if (o->tune || kind == EMIT_report)
        p->choices = tune_table(arena);
    if (o->no_tune || strcmp(o->model, "-") == 0)
        return DONE;
    int status = tune_read(arena, tune_path(arena, o->model), p->target, o->error_limit, to);
    return status == BAD_MODEL ? failed(&(*to)->diag) : status;
}

static int run_tune(Program *p, const Options *o, const Home *home, CodegenOptions *c,
                    ChoiceTable *kept)
{
    c->main = true;
    TuneOptions t = {.path = tune_path(p->ctx->arena, o->model),
                     .kept = kept,
                     .seconds = o->tune,
                     .large = cc_is_large(emit_source(p, c))};
    return tune(p, home, &t);
}

static bool any_used(const ChoiceTable *table)
{
    for (int i = 0; table && i < table->by_key.n; i++)
        if (((const Choices *)table->by_key.entry[i].value)->used)
            return true;
    return false;
}

/* --- the stages ------------------------------------------------------------------------------- */

/* Builds the functions and runs the passes. 0, or a status after a report. */
static int plan(Program *p, const Options *o, EmitKind kind)
{
    const PassOptions passes = {.O0 = o->O0,
                                .n_skip = o->no_pass.n,
                                .skip = o->no_pass.at,
                                .dump_after = o->dump_after,
                                .time = o->time_passes};
    if (!build_functions(p, o, kind))
        return failed(&p->ctx->diag);
    if (kind == EMIT_ir && !o->dump_after && !o->tune)
        return DONE;
    return passes_run(p, &passes) ? DONE : failed(&p->ctx->diag);
}

static bool has_loops(const Program *p)
{
    bool any = false;
    for (int f = 0; f < FN_COUNT; f++)
        for (int i = 0; p->fn[f] && i < p->fn[f]->nodes.n; i++)
            any |= p->fn[f]->nodes.at[i]->op == OP_scan;
    return any;
}

/* Plans again, with loops in pieces (pass stash), until that fits in the limit. */
static int plan_within(Program *p, const Options *o, EmitKind kind)
{
    static const double tried[] = {
        1, 0.5, 2}; /* times sqrt(steps), which is near the least for one state a step */
    int64_t bytes = plan_bytes(p), least = bytes;
    bool again = bytes > o->memory_limit && has_loops(p);
    for (int i = 0; again && bytes > o->memory_limit && i < COUNT(tried); i++) {
        p->stash = tried[i];
        for (int v = 0; v < p->vars.n; v++)
            var_keep_as_saved(p->vars.at[v]);
        int status = plan(p, o, kind);
        if (status)
            return status;
        bytes = plan_bytes(p);
        least = bytes < least ? bytes : least;
    }
    return bytes > o->memory_limit ? over_limit(least, o->memory_limit, again) : DONE;
}

static int compile(Ctx *ctx, const Options *o, const Home *home)
{
    const char *output = o->output ? o->output : default_output(ctx->arena, o->model, o->emit);
    EmitKind kind = kind_of(o, output);
    if (is_model(output, o->model)) {
        fprintf(stderr, "nncc: error: the output '%s' is the model file\n", output);
        return BAD_CALL;
    }
    ModelOptions m = {.batch = o->batch,
                      .n_defines = o->defines.n,
                      .defines = o->defines.at,
                      .no_train = o->no_train,
                      .program = o->main || kind == EMIT_exe};
    Program *p = model_read(ctx, &m, ctx->diag.text, ctx->diag.size);
    if (!p || ctx->diag.errors)
        return failed(&ctx->diag);
    p->target = target_find(o->target);
    p->template_dir = home->templates;
    p->exact = o->exact;
    p->unfused = o->O0;
    for (int i = 0; i < o->no_pass.n; i++)
        p->unfused |= strcmp(o->no_pass.at[i], "fuse") == 0;
    ChoiceTable *kept = NULL;
    int status = read_choices(p, o, kind, &kept);
    if (status)
        return status;
    Picture picture;
    bool drawn = draw_layers(p, kind, o->output, &picture);
    status = plan(p, o, kind);
    if (status)
        return status;
    if (kind == EMIT_ir && !o->dump_after && !o->tune)
        return print_text(p, kind, o->output, NULL);
    if (p->choices && p->choices->diag.errors)
        return failed(&p->choices->diag);
    if (p->choices && !o->tune && !o->no_train)
        tune_warn_unused(p->choices);
    if (o->dump_after)
        return DONE;
    if (o->memory_limit)
        status = plan_within(p, o, kind);
    if (status)
        return status;
    kernels_text(p);
    CodegenOptions c = {.command = o->command,
                        .single_file = o->single_file,
                        .grad = o->grad,
                        .no_train = o->no_train,
                        .tuned = any_used(p->choices) ? p->choices->diag.file : NULL,
                        .runtime_dir = home->runtime};
    if (o->tune)
        return run_tune(p, o, home, &c, kept);
    if (kind == EMIT_dot || kind == EMIT_report)
        return print_text(p, kind, o->output, drawn ? &picture : NULL);
    return kind == EMIT_exe ? write_program(p, home, &c, output) : write_c(p, o, &c, output);
}

int main(int argc, char **argv)
{
    Ctx ctx = {.arena = arena_new()};
    Options o;
    Home home;
    char *text = NULL;
    size_t size = 0;
    signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of write, as a full disk is */
    int status = options_read(ctx.arena, argc, argv, &o);
    if (!status && !o.done) {
        if (ends_with(o.model, ".onnx")) {
            fprintf(stderr, "nncc: error: '%s': ONNX files are not supported yet\n", o.model);
            status = BAD_MODEL;
        } else if (!home_find(ctx.arena, &home)) {
            fprintf(stderr,
                    "nncc: error: nncc's templates and library are not beside its executable\n");
            status = BAD_FILE;
        } else {
            status = read_model(ctx.arena, o.model, &text, &size);
        }
        ctx.diag = (Diag){.file = strcmp(o.model, "-") == 0 ? "<stdin>" : o.model,
                          .text = text,
                          .size = size,
                          .out = stderr,
                          .limit = o.error_limit};
        if (!status)
            status = compile(&ctx, &o, &home);
        if (!status && o.tune && (o.output || o.emit)) {
            o.tune = 0;
            status = compile(&ctx, &o, &home);
        }
    }
    arena_free(ctx.arena);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "nncc: error: cannot write standard output: %s\n", strerror(errno));
        return BAD_FILE;
    }
    return status;
}
