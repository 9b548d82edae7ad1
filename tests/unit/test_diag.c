/* SPDX-License-Identifier: MIT */
/* test_diag.c: guards what a user is told: place, source line and caret to the column; nothing from
 * a file moves the terminal; the limit; the nearest spelling. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static Diag diag_of(const char *text, char **said, size_t *size)
{
    return (Diag){.file = "net.yaml",
                  .text = text,
                  .size = text ? strlen(text) : 0,
                  .out = open_memstream(said, size),
                  .limit = 20};
}

/* What one error at `loc` of `text` prints. The caller frees. */
static char *error_at(const char *text, Loc loc, const char *message)
{
    char *said;
    size_t size;
    Diag diag = diag_of(text, &said, &size);
    diag_error(&diag, loc, "%s", message);
    fclose(diag.out);
    return said;
}

static void expect(const char *text, Loc loc, const char *message, const char *wants)
{
    char *said = error_at(text, loc, message);
    cr_expect_str_eq(said, wants);
    free(said);
}

Test(diag, as_clang_prints)
{
    const char *text = "model: m\nlayers:\n  - add: {input: [fc1, fc2]}\n";
    expect(text, (Loc){3, 5, 3}, "add: wrong",
           "net.yaml:3:5: error: add: wrong\n"
           "    3 |   - add: {input: [fc1, fc2]}\n"
           "      |     ^~~\n");
    expect(text, (Loc){1, 1, 1}, "x", "net.yaml:1:1: error: x\n    1 | model: m\n      | ^\n");
    expect(text, (Loc){0}, "no layers", "net.yaml: error: no layers\n");
    expect(NULL, (Loc){7, 2, 3}, "x", "net.yaml:7:2: error: x\n");
    expect(text, (Loc){9, 2, 3}, "past the end", "net.yaml:9:2: error: past the end\n");
}

Test(diag, carets_stay_inside_the_line)
{
    expect("ab: c\nd", (Loc){1, 5, 100}, "x",
           "net.yaml:1:5: error: x\n    1 | ab: c\n      |     ^\n");
    expect("ab: c\nd", (Loc){1, 3, 3}, "x",
           "net.yaml:1:3: error: x\n    1 | ab: c\n      |   ^~~\n");
    expect("ab\r\nd", (Loc){1, 50, 4}, "x", "net.yaml:1:50: error: x\n    1 | ab\n      |   ^\n");
    expect("ab\nd", (Loc){2, 1, 1}, "no newline",
           "net.yaml:2:1: error: no newline\n    2 | d\n      | ^\n");
    expect("", (Loc){1, 1, 1}, "empty", "net.yaml:1:1: error: empty\n    1 | \n      | ^\n");
}

/* A caret stands under its character whatever is before it: tabs, wide texts, what is escaped. */
Test(diag, carets_by_code_points)
{
    expect("\ta: b", (Loc){1, 5, 1}, "x",
           "net.yaml:1:5: error: x\n    1 | \ta: b\n      | \t   ^\n");
    expect("\xc3\xa4\xe2\x82\xac: \xf0\x9f\x98\x80"
           "b",
           (Loc){1, 8, 5}, "x",
           "net.yaml:1:8: error: x\n    1 | \xc3\xa4\xe2\x82\xac: \xf0\x9f\x98\x80"
           "b\n      |     ^~\n");
    expect("\x01\xff: b", (Loc){1, 2, 1}, "x",
           "net.yaml:1:2: error: x\n    1 | \\x01\\xFF: b\n      |     ^\n");
    expect("a\x1b: b", (Loc){1, 2, 2}, "x",
           "net.yaml:1:2: error: x\n    1 | a\\x1B: b\n      |  ^~~~~\n");
}

/* Terminal escapes, bidirectional controls, C1 controls, overlong and cut UTF-8, surrogates. */
Test(diag, strangers_texts_do_no_harm)
{
    static const struct {
        const char *text, *shown;
    } row[] = {
        {"\x1b]0;own\x07", "\\x1B]0;own\\x07"},
        {"a\nb\tc", "a\\x0Ab\\x09c"},
        {"\xe2\x80\xae", "\\xE2\\x80\\xAE"},
        {"\xe2\x81\xa6", "\\xE2\\x81\\xA6"},
        {"\xc2\x9b", "\\xC2\\x9B"},
        {"\xc0\xaf", "\\xC0\\xAF"},
        {"\xed\xa0\x80", "\\xED\\xA0\\x80"},
        {"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},
        {"\xe2\x82", "\\xE2\\x82"},
        {"\x7f", "\\x7F"},
        {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
    };
    for (int i = 0; i < COUNT(row); i++) {
        char wants[128];
        snprintf(wants, sizeof wants, "net.yaml: error: %s\n", row[i].shown);
        expect(NULL, (Loc){0}, row[i].text, wants);
    }
}

Test(diag, long_lines_are_cut_and_long_messages_are_not)
{
    char line[10001], message[5001];
    memset(line, 'a', 10000);
    memset(message, 'b', 5000);
    line[10000] = message[5000] = '\0';
    line[7000] = '!';
    char *said = error_at(line, (Loc){1, 7001, 1}, message);
    cr_expect(strstr(said, message));
    const char *source = strstr(said, "    1 | "), *caret = strchr(source, '\n') + 1;
    cr_expect_lt(strlen(source), 600u);
    cr_expect_eq(source[strchr(caret, '^') - caret], '!');
    free(said);
}

Test(diag, past_the_limit_one_line)
{
    char *said;
    size_t size;
    Diag diag = diag_of(NULL, &said, &size);
    diag.limit = 2;
    diag_warning(&diag, (Loc){0}, "w");
    for (int i = 0; i < 5; i++) {
        diag_error(&diag, (Loc){0}, "e%d", i);
        diag_note(&diag, (Loc){0}, "n%d", i);
    }
    diag_warning(&diag, (Loc){0}, "late");
    fclose(diag.out);
    cr_expect_str_eq(said, "net.yaml: warning: w\n"
                           "net.yaml: error: e0\nnet.yaml: note: n0\n"
                           "net.yaml: error: e1\nnet.yaml: note: n1\n"
                           "too many errors\n");
    cr_expect_eq(diag.errors, 5);
    cr_expect_eq(diag.warnings, 2);
    free(said);
}

Test(diag, no_limit_is_0)
{
    char *said;
    size_t size;
    Diag diag = diag_of(NULL, &said, &size);
    diag.limit = 0;
    for (int i = 0; i < 100; i++)
        diag_error(&diag, (Loc){0}, "e");
    fclose(diag.out);
    cr_expect_null(strstr(said, "too many"));
    free(said);
}

Test(diag, nearest_spelling)
{
    static const char *const known[] = {"dense", "dropout", "relu", "layernorm", "add", "id"};
    static const struct {
        const char *word, *nearest;
    } row[] = {
        {"dens", "dense"},         {"desne", "dense"}, {"Dense", "dense"}, {"drpout", "dropout"},
        {"lyaernrm", "layernorm"}, {"ad", NULL},       {"adz", "add"},     {"ix", NULL},
        {"softmax", NULL},         {"", NULL},         {"relu", "relu"},   {"rexx", NULL},
    };
    for (int i = 0; i < COUNT(row); i++) {
        const char *nearest = diag_nearest(row[i].word, known, COUNT(known));
        cr_expect(nearest == row[i].nearest ||
                      (nearest && row[i].nearest && strcmp(nearest, row[i].nearest) == 0),
                  "'%s' gave '%s'", row[i].word, nearest ? nearest : "none");
    }
    char wide[1000];
    memset(wide, 'd', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    cr_expect_null(diag_nearest(wide, known, COUNT(known)));
}

Test(diag, a_bug_is_status_70, .exit_code = 70)
{
    BUG("the sum is %d", 7);
}
