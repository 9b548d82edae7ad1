/* SPDX-License-Identifier: MIT */
/* options.c: the command line of nncc: GNU long options, each with its text for --help. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../targets/targets.h"

enum { BAD_CALL = 2, TUNE_SECONDS = 60, TUNE_SECONDS_MAX = 86400 };

enum {
    O_emit = 256,
    O_main,
    O_single_file,
    O_no_train,
    O_grad,
    O_attribute,
    O_exact,
    O_no_pass,
    O_target,
    O_batch,
    O_memory_limit,
    O_tune,
    O_no_tune,
    O_dump_after,
    O_time_passes,
    O_error_limit,
    O_help,
    O_version
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"emit", required_argument, NULL, O_emit},
    {"main", no_argument, NULL, O_main},
    {"single-file", no_argument, NULL, O_single_file},
    {"no-train", no_argument, NULL, O_no_train},
    {"grad", no_argument, NULL, O_grad},
    {"attribute", no_argument, NULL, O_attribute},
    {"exact", no_argument, NULL, O_exact},
    {"no-pass", required_argument, NULL, O_no_pass},
    {"target", required_argument, NULL, O_target},
    {"batch", required_argument, NULL, O_batch},
    {"memory-limit", required_argument, NULL, O_memory_limit},
    {"tune", optional_argument, NULL, O_tune},
    {"no-tune", no_argument, NULL, O_no_tune},
    {"dump-after", required_argument, NULL, O_dump_after},
    {"time-passes", no_argument, NULL, O_time_passes},
    {"error-limit", required_argument, NULL, O_error_limit},
    {"help", no_argument, NULL, O_help},
    {"version", no_argument, NULL, O_version},
    {NULL, 0, NULL, 0}};

static const char help[] =
    "Usage: nncc [OPTION]... MODEL\n"
    "Compiles a neural network, described in YAML, to C that trains and runs that network.\n"
    "\n"
    "  -o, --output=FILE     x.c: writes x.c and x.h; -: C to standard output; any other name: a "
    "program.\n"
    "                        Default: MODEL's stem and .c, in the current folder\n"
    "      --emit=KIND       c, exe, ir (the graph as text), dot, report (kernels, memory,\n"
    "                        costs; a page where FILE ends in .html)\n"
    "      --main            adds a main to the emitted C\n"
    "      --single-file     puts the runtime it needs inside the emitted file\n"
    "      --no-train        inference only\n"
    "      --grad            also emits NAME_grad\n"
    "      --attribute       also emits NAME_attribute: gradients of an output, Grad-CAM\n"
    "      --exact           no algorithm that changes rounding beyond the order of sums\n"
    "  -O0                   without optimising passes\n"
    "      --no-pass=NAME    without one of them\n"
    "      --target=NAME     native (default), generic, x86-64-v3, ...: vector width, caches, "
    "registers\n"
    "      --batch=N         overrides the batch size of the model file\n"
    "  -D NAME=VALUE         overrides a variable of the model file\n"
    "      --memory-limit=SIZE   lets loops run steps again, or fails (suffixes K, M, G)\n"
    "      --tune[=SECONDS]  measures on this machine how each product of the model is fastest, "
    "for so long\n"
    "                        (default 60), and keeps that in the model's stem and .tune, which "
    "later calls use;\n"
    "                        compiles only where -o or --emit is given as well\n"
    "      --no-tune         does not read that file\n"
    "      --dump-after=PASS the graph after a pass (or all), to standard output\n"
    "      --time-passes     how long each pass took, to standard error\n"
    "      --error-limit=N   at most N diagnostics (default 20)\n"
    "      --help, --version\n"
    "\n"
    "Exit status: 0 done; 1 the model is wrong; 2 the call is wrong; 3 a file cannot be read or "
    "written, or the\n"
    "C compiler failed; 4 out of memory or over a limit; 70 a bug of nncc.\n"
    "Passes:";

static void print_help(void)
{
    printf("%s", help);
    for (int i = 0; i < pass_count; i++)
        printf(" %s", pass_rows[i].name);
    printf("\nTargets: native");
    for (int i = 0; i < target_count(); i++)
        printf(" %s", target_at(i)->name);
    printf("\n");
}

static void print_version(void)
{
    printf("nncc " NNCC_VERSION "\n"
           "Copyright the nncc authors. MIT licence; no warranty. The emitted C belongs to whoever "
           "ran nncc.\n");
}

/* "unknown KIND 'word'; did you mean 'near'?" */
static int unknown(const char *kind, const char *word, const char *const *known, int n)
{
    const char *near = diag_nearest(word, known, n);
    fprintf(stderr, "nncc: error: unknown %s '%s'", kind, word);
    if (near)
        fprintf(stderr, "; did you mean '%s'?", near);
    else
        for (int i = 0; i < n && n <= 12; i++)
            fprintf(stderr, "%s%s", i ? ", " : "; known are ", known[i]);
    fprintf(stderr, "\n");
    return BAD_CALL;
}

static bool whole_number(const char *text, int64_t lo, int64_t hi, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < lo || v > hi)
        return false;
    *out = v;
    return true;
}

static int number(const char *option, const char *text, int64_t lo, int64_t hi, int64_t *out)
{
    if (whole_number(text, lo, hi, out))
        return 0;
    fprintf(stderr, "nncc: error: --%s wants a whole number from %lld to %lld, not '%s'\n", option,
            (long long)lo, (long long)hi, text);
    return BAD_CALL;
}

/* "512M" in bytes. */
static int size(const char *text, int64_t *out)
{
    static const char suffix[] = "KMG";
    char digits[32] = "";
    size_t n = strlen(text);
    const char *s = n ? strchr(suffix, text[n - 1]) : NULL;
    int64_t v = 0, factor = s && *s ? (int64_t)1024 << 10 * (s - suffix) : 1;
    if (n && n < sizeof digits)
        memcpy(digits, text, n - (s && *s));
    if (whole_number(digits, 1, INT64_MAX / factor, &v)) {
        *out = v * factor;
        return 0;
    }
    fprintf(stderr, "nncc: error: --memory-limit wants a size such as 512M, not '%s'\n", text);
    return BAD_CALL;
}

static int read_emit(const char *word, EmitKind *out)
{
    static const char *const kinds[] = {"c", "exe", "ir", "dot", "report"};
    for (int i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i], word) == 0) {
            *out = (EmitKind)(i + 1);
            return 0;
        }
    return unknown("kind of output", word, kinds, COUNT(kinds));
}

/* Passes that an output can do without: fuse then gathers nothing. */
static bool can_skip(const PassRow *pass)
{
    return pass->when == PASS_OPTIMISES || strcmp(pass->name, "fuse") == 0;
}

/* --no-pass takes those that can be left out, --dump-after every one and `all`. */
static int check_pass(const char *word, bool skip)
{
    const char *names[64];
    int n = 0, pass = pass_find(word);
    for (int i = 0; i < pass_count && n < 63; i++)
        if (!skip || can_skip(&pass_rows[i]))
            names[n++] = pass_rows[i].name;
    if (!skip)
        names[n++] = "all";
    if (pass >= 0 && skip && !can_skip(&pass_rows[pass])) {
        fprintf(stderr, "nncc: error: pass '%s' cannot be left out\n", word);
        return BAD_CALL;
    }
    if (pass >= 0 || (!skip && strcmp(word, "all") == 0))
        return 0;
    return unknown("pass", word, names, n);
}

static int check_target(const char *word)
{
    const char *names[64] = {"native"};
    int n = 1;
    for (int i = 0; i < target_count() && n < 64; i++)
        names[n++] = target_at(i)->name;
    return target_find(word) ? 0 : unknown("target", word, names, n);
}

/* -O0 turns optimising passes off; -O and -O1 to -O3 are what nncc does anyway. */
static int read_optimise(const char *level, Options *o)
{
    o->O0 = level && strcmp(level, "0") == 0;
    if (!level || (strlen(level) == 1 && strchr("0123", *level)))
        return 0;
    fprintf(stderr, "nncc: error: unknown level '-O%s'; known is -O0\n", level);
    return BAD_CALL;
}

static int read_option(Arena *arena, int c, Options *o)
{
    int64_t limit = 0;
    int status = 0;
    switch (c) {
    case 'o': o->output = optarg; break;
    case 'D': vec_push(arena, &o->defines, optarg); break;
    case 'O': return read_optimise(optarg, o);
    case O_emit: return read_emit(optarg, &o->emit);
    case O_main: o->main = true; break;
    case O_single_file: o->single_file = true; break;
    case O_no_train: o->no_train = true; break;
    case O_grad: o->grad = true; break;
    case O_attribute: o->attribute = true; break;
    case O_exact: o->exact = true; break;
    case O_no_pass: vec_push(arena, &o->no_pass, optarg); return check_pass(optarg, true);
    case O_target: o->target = optarg; return check_target(optarg);
    case O_batch: return number("batch", optarg, 1, INT32_MAX, &o->batch);
    case O_memory_limit: return size(optarg, &o->memory_limit);
    case O_tune:
        o->tune = TUNE_SECONDS;
        return optarg ? number("tune", optarg, 1, TUNE_SECONDS_MAX, &o->tune) : 0;
    case O_no_tune: o->no_tune = true; break;
    case O_dump_after: o->dump_after = optarg; return check_pass(optarg, false);
    case O_time_passes: o->time_passes = true; break;
    case O_error_limit:
        status = number("error-limit", optarg, 1, 1000000, &limit);
        o->error_limit = (int)limit;
        return status;
    case O_help:
        print_help();
        o->done = true;
        break;
    case O_version:
        print_version();
        o->done = true;
        break;
    }
    return 0;
}

static int bad_option(char **argv)
{
    const char *names[COUNT(long_options)];
    int n = 0;
    for (; long_options[n].name; n++)
        names[n] = long_options[n].name;
    if (optopt > 0 && optopt < O_emit)
        return unknown("option", (char[]){'-', (char)optopt, '\0'}, NULL, 0);
    const char *word = argv[optind - 1];
    char name[64] = "";
    if (optopt >= O_emit) { /* known, but given a value */
        fprintf(stderr, "nncc: error: option '%.*s' takes no value\n", (int)strcspn(word, "="),
                word);
        return BAD_CALL;
    }
    size_t length = strcspn(word + 2, "=");
    memcpy(name, word + 2, length < sizeof name ? length : sizeof name - 1);
    return unknown("option", name, names, n);
}

/* A word as a shell takes it. */
static void add_word(Str *s, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_=./,:+@%";
    if (*word && word[strspn(word, plain)] == '\0') {
        str_add(s, " %s", word);
        return;
    }
    str_add(s, " '");
    for (const char *c = word; *c; c++) {
        if (*c == '\'')
            str_add(s, "'\\''");
        else
            str_put(s, c, 1);
    }
    str_add(s, "'");
}

static const char *whole_command(Arena *arena, int argc, char **argv)
{
    Str s = str_new(arena);
    const char *slash = strrchr(argv[0], '/');
    str_add(&s, "%s", slash ? slash + 1 : argv[0]);
    for (int i = 1; i < argc; i++)
        add_word(&s, argv[i]);
    return s.at;
}

/* Options that are right by themselves, but not together. */
static int contradiction(const Options *o)
{
    const char *why = NULL;
    if (o->output && !*o->output)
        why = "-o wants the name of a file";
    else if (o->emit == EMIT_exe && o->output && strcmp(o->output, "-") == 0)
        why = "a program cannot go to standard output";
    else if (o->grad && o->no_train)
        why = "--grad needs the gradients that --no-train leaves out";
    else if (o->tune && strcmp(o->model, "-") == 0)
        why = "--tune keeps its file beside the model's: standard input has none";
    else if (o->tune && o->dump_after)
        why = "--tune wants all passes, not --dump-after";
    if (why)
        fprintf(stderr, "nncc: error: %s\n", why);
    return why ? BAD_CALL : 0;
}

int options_read(Arena *arena, int argc, char **argv, Options *o)
{
    *o = (Options){
        .target = "native", .error_limit = 20, .command = whole_command(arena, argc, argv)};
    int c, status = 0;
    opterr = 0;
    while (!status && !o->done &&
           (c = getopt_long(argc, argv, ":o:D:O::", long_options, NULL)) != -1) {
        if (c == ':') {
            fprintf(stderr, "nncc: error: option '%s' wants a value\n", argv[optind - 1]);
            return BAD_CALL;
        }
        status = c == '?' ? bad_option(argv) : read_option(arena, c, o);
    }
    if (status || o->done)
        return status;
    if (argc - optind != 1) {
        fprintf(stderr, argc == optind ? "nncc: error: no model file; see nncc --help\n"
                                       : "nncc: error: more than one model file\n");
        return BAD_CALL;
    }
    o->model = argv[optind];
    return contradiction(o);
}
