/* SPDX-License-Identifier: MIT */
/* tables.c: prints docs/tables.md from the tables that the compiler itself reads. `make docs`.
 *
 * Usage: tables ops.def >tables.md. What an op gives is the comment behind its row there; all else
 * is in the rows.
 */
#include <stdlib.h>
#include <string.h>

#include "../compiler/frontend/frontend.h"
#include "../compiler/ops/ops.h"
#include "../compiler/passes/passes.h"
#include "../compiler/targets/targets.h"

/* --- cells ------------------------------------------------------------------------------------ */

/* Text in a cell of a table: a bar would end it, a star begins italics. */
static void put_text(const char *text)
{
    for (; text && *text; text++)
        printf("%s%c", strchr("|*_", *text) ? "\\" : "", *text);
}

/* "units, bias=true, axis (optional)" */
static void put_args(const ArgRow *arg, int most)
{
    bool first = true;
    for (int i = 0; i < most && arg[i].name; i++) {
        printf("%s`%s", first ? "" : ", ", arg[i].name);
        first = false;
        if (arg[i].otherwise && *arg[i].otherwise)
            printf("=%s`", arg[i].otherwise);
        else
            printf("`%s", arg[i].otherwise ? " (optional)" : "");
        if (arg[i].words && (arg[i].type == ARG_word || arg[i].type == ARG_ints)) {
            printf(arg[i].type == ARG_ints ? " (or " : " (");
            for (const char *word = arg[i].words; *word; word++)
                *word == ' ' ? printf(", ") : printf("%c", *word);
            printf(")");
        }
    }
}

/* "1", "2", "2 or more" */
static void put_operands(const CallRow *row)
{
    if (row->max_in < 0)
        printf("%d or more", row->min_in);
    else if (row->max_in != row->min_in)
        printf("%d to %d", row->min_in, row->max_in);
    else
        printf("%d", row->min_in);
}

/* --- what models are written with ------------------------------------------------------------- */

static const char *const layers[] = {
#define CALL(name) #name,
#include "../compiler/frontend/layers.def"
#undef CALL
};
static const char *const losses[] = {
#define CALL(name) #name,
#include "../compiler/frontend/losses.def"
#undef CALL
};
static const char *const functions[] = {
#define CALL(name) #name,
#include "../compiler/frontend/functions.def"
#undef CALL
};

static void put_layers(void)
{
    printf("## Layers\n\n"
           "The first argument may stand alone: `- dense: 10`. *function*: may be called in an "
           "expression; *activation*: may\nbe an `activation:`; *weights*: takes `init`, `frozen` "
           "and `shared`;\n*spectral\\_norm*: takes that.\n\n"
           "| layer | inputs | arguments | gives | also |\n|---|---|---|---|---|\n");
    for (int i = 0; i < COUNT(layers); i++) {
        const CallRow *row = call_find(layers[i]);
        printf("| `%s` | ", row->name);
        put_operands(row);
        printf(" | ");
        put_args(row->arg, ARGS_MAX);
        printf(" | ");
        put_text(row->text);
        static const struct {
            unsigned flag;
            const char *word;
        } words[] = {{CALL_function, "function"},
                     {CALL_activation, "activation"},
                     {CALL_weights, "weights"},
                     {CALL_spectral, "spectral\\_norm"}};
        printf(" | ");
        bool first = true;
        for (int k = 0; k < COUNT(words); k++)
            if (row->flags & words[k].flag) {
                printf("%s%s", first ? "" : ", ", words[k].word);
                first = false;
            }
        printf(" |\n");
    }
}

static void put_calls(const char *title, const char *const *names, int n)
{
    printf("\n## %s\n\n| call | arguments | gives |\n|---|---|---|\n", title);
    for (int i = 0; i < n; i++) {
        const CallRow *row = call_find(names[i]);
        printf("| `%s` | ", row->name);
        put_args(row->arg, ARGS_MAX);
        printf(" | ");
        put_text(row->text);
        printf(" |\n");
    }
}

static void put_metrics(void)
{
    printf("\n## Metrics\n\n| metric | arguments | gives |\n|---|---|---|\n");
    for (int i = 0; i < metric_count(); i++) {
        const MetricRow *row = metric_at(i);
        printf("| `%s` | ", row->name);
        put_args(row->arg, ARGS_MAX);
        printf(" | ");
        put_text(row->text);
        printf(" |\n");
    }
}

static void put_optimizers(void)
{
    printf("\n## Optimisers\n\n| optimiser | arguments |\n|---|---|\n");
    for (int i = 0; i < OPT_COUNT; i++) {
        printf("| `%s` | ", optimizer_rows[i].name);
        put_args(optimizer_rows[i].arg, OPTIMIZER_ARGS);
        printf(" |\n");
    }
}

/* --- what the compiler is made of ------------------------------------------------------------- */

/* The comment behind the row of an op in the text of ops.def, without its marks; or "". */
static const char *find_comment(const char *def, const char *op, char *buffer, size_t size)
{
    char row[80];
    snprintf(row, sizeof row, "\nOP(%s,", op);
    const char *at = strstr(def, row), *end = at ? strchr(at + 1, '\n') : NULL;
    const char *open = at ? strstr(at, "/* ") : NULL;
    const char *close = open ? strstr(open, " */") : NULL;
    buffer[0] = '\0';
    if (end && close && close < end)
        snprintf(buffer, size, "%.*s", (int)(close - open - 3), open + 3);
    return buffer;
}

static void put_ops(const char *def)
{
    static const char *const classes[] = {"leaf",    "elementwise", "reduction", "movement",
                                          "product", "loop",        "effect",    "built"};
    printf("\n## Ops\n\n"
           "What graphs are made of (`--emit=ir`). *call*: may be called in an expression. *no "
           "gradient*: none flows through\nit; *once*: one does, but what it is when "
           "differentiated again "
           "is not known. A blank cell says that the name says it all.\n\n"
           "| op | class | operands | gives | |\n|---|---|---|---|---|\n");
    for (int i = 0; i < OP_COUNT; i++) {
        const OpRow *row = &op_rows[i];
        char comment[200], arity[16] = "1 or more";
        if (row->arity >= 0)
            snprintf(arity, sizeof arity, "%d", row->arity);
        printf("| `%s` | %s | %s | ", row->name, classes[row->cls], arity);
        put_text(find_comment(def, row->name, comment, sizeof comment));
        const char *flows = row->flags & NOGRAD ? "no gradient" : row->flags & ONCE ? "once" : "";
        printf(" | %s%s%s |\n", row->flags & CALL ? "call" : "",
               (row->flags & CALL) && *flows ? ", " : "", flows);
    }
}

static void put_passes(void)
{
    printf("\n## Passes\n\n| pass | does | under `-O0` |\n|---|---|---|\n");
    for (int i = 0; i < pass_count; i++) {
        printf("| `%s` | ", pass_rows[i].name);
        put_text(pass_rows[i].text);
        printf(" | %s |\n", pass_rows[i].when == PASS_OPTIMISES ? "left out" : "runs");
    }
}

static void put_targets(void)
{
    printf("\n## Targets\n\n`native` is the machine that nncc runs on.\n\n"
           "| target | compiler flags | vector bytes | registers |\n|---|---|---|---|\n");
    for (int i = 0; i < target_count(); i++) {
        const Target *t = target_at(i);
        printf("| `%s` | %s%s%s | %d | %d |\n", t->name, *t->flags ? "`" : "", t->flags,
               *t->flags ? "`" : "", (int)t->vector_bytes, (int)t->registers);
    }
}

int main(int argc, char **argv)
{
    static char def[1 << 16];
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!f || !fread(def, 1, sizeof def - 1, f)) {
        fprintf(stderr, "usage: tables compiler/ops/ops.def\n");
        return EXIT_FAILURE;
    }
    fclose(f);
    printf("# Tables: layers, functions, losses, metrics, optimisers, ops, passes, targets\n\n"
           "Made by `make docs` from the tables that nncc reads; edit those. An argument without a "
           "default must be given, but\nfor those marked optional.\n\n");
    put_layers();
    put_calls("Functions of expressions alone", functions, COUNT(functions));
    put_calls("Losses", losses, COUNT(losses));
    put_metrics();
    put_optimizers();
    put_ops(def);
    put_passes();
    put_targets();
    return EXIT_SUCCESS;
}
