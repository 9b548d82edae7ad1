/* SPDX-License-Identifier: MIT */
/* tune_file.c: MODEL.tune: choices as text, a line a product. Whatever a stranger writes there is
 * refused with its place, or is a plan that gives right results. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tune.h"

enum { FILE_BYTES_MAX = 1 << 20, VALUE_DIGITS = 9 };

const char *tune_path(Arena *arena, const char *model)
{
    const char *slash = strrchr(model, '/'), *stem = slash ? slash + 1 : model;
    const char *dot = strrchr(stem, '.');
    bool ends = dot && dot != stem && strcmp(dot, ".tune") != 0;
    return arena_format(arena, "%.*s.tune", (int)(ends ? (size_t)(dot - model) : strlen(model)),
                        model);
}

ChoiceTable *tune_table(Arena *arena)
{
    ChoiceTable *table = arena_take(arena, sizeof *table);
    table->by_key = map_new(arena);
    return table;
}

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct Reader {
    Arena *arena;
    ChoiceTable *table;
    const Target *target;
    int line;
    const char *begin; /* of the line */
    bool seen[3];      /* header_names */
    bool foreign;      /* the rest is not for us */
} Reader;

typedef enum { HEADER_nncc, HEADER_target, HEADER_cpu, HEADER_compiler, HEADER_threads } Header;
static const char *const header_names[] = {"nncc", "target", "cpu", "compiler", "threads"};

typedef struct Word {
    const char *at;
    size_t n;
} Word;

static Loc word_loc(const Reader *r, Word w)
{
    return (Loc){r->line, (int)(w.at - r->begin) + 1, w.n ? (int)w.n : 1};
}

static Word next_word(const char **at)
{
    *at += strspn(*at, " \t\r");
    Word w = {*at, strcspn(*at, " \t\r")};
    *at += w.n;
    return w;
}

static const char *word_text(const Reader *r, Word w)
{
    return arena_text(r->arena, w.at, w.n);
}

/* The index of the word among n names, or -1 after an error. */
static int find_word(Reader *r, Word w, const char *kind, const char *const *names, int n)
{
    const char *text = word_text(r, w);
    for (int i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    const char *near = diag_nearest(text, names, n);
    if (near)
        diag_error(&r->table->diag, word_loc(r, w), "unknown %s '%s'; did you mean '%s'?", kind,
                   text, near);
    else
        diag_error(&r->table->diag, word_loc(r, w), "unknown %s '%s'", kind, text);
    return -1;
}

/* "cpu: ...": a line that says for what the file was made. */
static void read_header(Reader *r, Word name, const char *value)
{
    char cpu[128];
    value += strspn(value, " \t");
    Word all = {value, strcspn(value, "\r")};
    const char *text = word_text(r, all), *here = NULL;
    int h = find_word(r, name, "header", header_names, COUNT(header_names));
    if (h < 0 || h > HEADER_cpu)
        return;
    r->seen[h] = true;
    target_cpu(cpu, sizeof cpu);
    bool native = strcmp(r->target->name, "native") == 0;
    if (h == HEADER_nncc)
        here = NNCC_VERSION;
    else if (h == HEADER_target)
        here = r->target->name;
    else if (native)
        here = cpu;
    if (!here || strcmp(text, here) == 0 || r->foreign)
        return;
    r->foreign = true;
    diag_note(&r->table->diag, word_loc(r, all),
              "ignored: made for %s '%s', not '%s'; nncc --tune makes it anew", header_names[h],
              text, here);
}

/* A measured time; what is no number is none. */
static double read_ms(const char *text)
{
    char *end;
    double ms = strtod(text, &end);
    return *text && !*end && ms > 0 && ms < 1e9 ? ms : 0;
}

/* "tile_n=32" */
static void read_choice(Reader *r, Choices *c, Word w)
{
    const char *equals = memchr(w.at, '=', w.n);
    Word name = {w.at, equals ? (size_t)(equals - w.at) : w.n};
    if (!equals) {
        diag_error(&r->table->diag, word_loc(r, w), "'%s' is no NAME=VALUE", word_text(r, w));
        return;
    }
    Word value = {equals + 1, w.n - name.n - 1};
    const char *text = word_text(r, value);
    if (strcmp(word_text(r, name), "ms") == 0 || strcmp(word_text(r, name), "model_ms") == 0) {
        *(*w.at == 'm' && name.n == 2 ? &c->ms : &c->model_ms) = read_ms(text);
        return;
    }
    int kind = find_word(r, name, "choice", choice_names, CHOICE_COUNT);
    if (kind < 0)
        return;
    if (!value.n || value.n > VALUE_DIGITS || strspn(text, "0123456789") != value.n) {
        diag_error(&r->table->diag, word_loc(r, w), "%s wants a whole number, not '%s'",
                   choice_names[kind], text);
        return;
    }
    if (c->value[kind] >= 0)
        diag_error(&r->table->diag, word_loc(r, w), "%s stands here twice", choice_names[kind]);
    c->value[kind] = strtol(text, NULL, 10);
    c->at[kind] = word_loc(r, w);
}

static void read_product(Reader *r, Word key, const char *rest)
{
    const char *text = word_text(r, key);
    for (int h = 0; h <= HEADER_cpu; h++)
        if (!r->seen[h]) {
            diag_error(&r->table->diag, word_loc(r, key), "no '%s:' line before the first product",
                       header_names[h]);
            r->seen[h] = true;
        }
    if (map_get(&r->table->by_key, text)) {
        diag_error(&r->table->diag, word_loc(r, key), "a second line for this product");
        return;
    }
    Choices *c = arena_take(r->arena, sizeof *c);
    *c = choices_none();
    c->line = word_loc(r, key);
    map_set(&r->table->by_key, text, c);
    for (Word w = next_word(&rest); w.n; w = next_word(&rest))
        read_choice(r, c, w);
}

static void read_line(Reader *r, const char *line)
{
    const char *rest = line;
    Word first = next_word(&rest);
    r->begin = line;
    if (!first.n || *first.at == '#')
        return;
    const char *colon = memchr(first.at, ':', first.n);
    if (!colon)
        diag_error(&r->table->diag, word_loc(r, first), "neither a header nor a product");
    else if (colon == first.at + first.n - 1)
        read_header(r, (Word){first.at, first.n - 1}, rest);
    else
        read_product(r, first, rest);
}

static int cannot_read(const char *path, const char *why)
{
    fprintf(stderr, "nncc: error: cannot read '%s': %s\n", path, why);
    return 3;
}

static int read_text(Arena *arena, const char *path, char **text)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return errno == ENOENT ? 0 : cannot_read(path, strerror(errno));
    char *all = arena_take(arena, FILE_BYTES_MAX + 1);
    errno = 0;
    size_t n = fread(all, 1, FILE_BYTES_MAX + 1, f);
    int failure = ferror(f) ? errno : 0;
    fclose(f);
    if (failure)
        return cannot_read(path, strerror(failure));
    if (n > FILE_BYTES_MAX || memchr(all, '\0', n))
        return cannot_read(path, n > FILE_BYTES_MAX ? "it is too long" : "it is no text");
    *text = all;
    return 0;
}

int tune_read(Arena *arena, const char *path, const Target *target, int limit, ChoiceTable **table)
{
    char *text = NULL;
    int status = read_text(arena, path, &text);
    if (status || !text)
        return status;
    Reader r = {.arena = arena, .table = tune_table(arena), .target = target};
    r.table->diag =
        (Diag){.file = path, .text = text, .size = strlen(text), .out = stderr, .limit = limit};
    for (const char *line = text; *line && !r.foreign;) {
        size_t n = strcspn(line, "\n");
        r.line++;
        read_line(&r, arena_text(arena, line, n));
        line += n + (line[n] == '\n');
    }
    if (r.foreign)
        return 0;
    *table = r.table;
    return r.table->diag.errors ? 1 : 0;
}

void tune_warn_unused(ChoiceTable *table)
{
    const Choices *first = NULL;
    int unused = 0;
    for (int i = 0; i < table->by_key.n; i++) {
        const Choices *c = table->by_key.entry[i].value;
        unused += !c->used;
        if (!c->used && !first)
            first = c;
    }
    if (unused && unused == table->by_key.n)
        diag_warning(&table->diag, first->line, "no product of this program is in the file");
    else if (unused)
        diag_note(&table->diag, first->line, "%d of %d products are none of this program", unused,
                  table->by_key.n);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_product(Str *s, const char *key, const Choices *c)
{
    str_add(s, "%s", key);
    if (c->ms > 0)
        str_add(s, " ms=%.4g", c->ms);
    if (c->model_ms > 0)
        str_add(s, " model_ms=%.4g", c->model_ms);
    for (int i = 0; i < CHOICE_COUNT; i++)
        if (c->value[i] >= 0)
            str_add(s, " %s=%lld", choice_names[i], (long long)c->value[i]);
    str_add(s, "\n");
}

int tune_write(Arena *arena, const char *path, const Target *target, const TuneMade *made,
               const ChoiceTable *table)
{
    char cpu[128];
    Str s = str_new(arena);
    target_cpu(cpu, sizeof cpu);
    str_add(&s,
            "# Made by nncc --tune: what products of this model choose, and the milliseconds that\n"
            "# they take so and as the cost model would have it. nncc reads it; --no-tune does "
            "not.\n"
            "nncc: " NNCC_VERSION "\ntarget: %s\ncpu: %s\ncompiler: %s\nthreads: %d\n",
            target->name, cpu, made->compiler, made->threads);
    for (int i = 0; i < table->by_key.n; i++)
        write_product(&s, table->by_key.entry[i].key, table->by_key.entry[i].value);
    return file_write(arena, path, s.at, s.n);
}
