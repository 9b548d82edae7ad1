/* SPDX-License-Identifier: MIT */
/* test_yaml.c: guards yaml.c: marks in bytes, what is refused, and every limit at it and above it.
 * */
#include "frontend_read.h"

TestSuite(yaml, .timeout = 10);

static void at_place(const Y *y, int line, int col, int length)
{
    cr_assert_eq(y->loc.line, line, "line %d", y->loc.line);
    cr_assert_eq(y->loc.col, col, "col %d", y->loc.col);
    cr_assert_eq(y->loc.length, length, "length %d", y->loc.length);
}

static void refused(const char *text, const char *expected)
{
    read_yaml(text);
    cr_assert_gt(ctx.diag.errors, 0, "accepted: %s", text);
    cr_assert_not_null(strstr(reports(), expected), "expected '%s' in:\n%s", expected, reports());
}

Test(yaml, marks)
{
    const Y *y = read_yaml("a: one\nbc:\n  - 'two'\n  - {d: [x, 3]}\n");
    cr_assert_not_null(y, "%s", reports());
    at_place(y->pairs.at[0].key, 1, 1, 1);
    at_place(at(y, "a"), 1, 4, 3);
    at_place(y->pairs.at[1].key, 2, 1, 2);
    at_place(at(y, "bc")->items.at[0], 3, 5, 5);
    const Y *d = at(at(y, "bc")->items.at[1], "d");
    at_place(d->items.at[1], 4, 13, 1);
    cr_assert(at(y, "bc")->items.at[0]->quoted);
    cr_assert_not(at(y, "a")->quoted);
}

Test(yaml, marks_are_bytes)
{
    const Y *y = read_yaml("\"\xc3\xa9\xe2\x82\xac\": x\r\nb: \"\xf0\x9f\x98\x80\" # c\nc: z\n");
    cr_assert_not_null(y, "%s", reports());
    at_place(y->pairs.at[0].value, 1, 10, 1);
    at_place(y->pairs.at[1].value, 2, 4, 6);
    at_place(y->pairs.at[2].value, 3, 4, 1);
}

Test(yaml, marks_after_byte_order_mark)
{
    const Y *y = read_yaml("\xef\xbb\xbf"
                           "a: x\nb: y\n");
    cr_assert_not_null(y, "%s", reports());
    at_place(y->pairs.at[0].value, 1, 7, 1);
    at_place(y->pairs.at[1].value, 2, 4, 1);
}

Test(yaml, several_lines)
{
    const Y *y = read_yaml("a: x +\n  y\nb: |\n  one\n  two\n");
    cr_assert_not_null(y, "%s", reports());
    cr_assert_str_eq(at(y, "a")->text, "x + y");
    at_place(at(y, "a"), 1, 4, 3);
    cr_assert_str_eq(at(y, "b")->text, "one\ntwo\n");
}

Test(yaml, words_are_text)
{
    const Y *y = read_yaml("y: n\non: null\nno: 1e-3\n");
    cr_assert_not_null(y, "%s", reports());
    cr_assert_str_eq(at(y, "y")->text, "n");
    cr_assert_str_eq(at(y, "on")->text, "null");
    cr_assert_str_eq(at(y, "no")->text, "1e-3");
}

Test(yaml, aliases)
{
    const Y *y = read_yaml("a: &x {k: 1}\nb: *x\nc: &x [2]\nd: *x\n");
    cr_assert_not_null(y, "%s", reports());
    cr_assert_str_eq(at(at(y, "b"), "k")->text, "1");
    cr_assert_eq(at(y, "d")->kind, Y_list);
}

Test(yaml, refused)
{
    refused("", "empty");
    refused("a: 1\na: 2\n", "'a' is given twice");
    refused("a: {b: 1, b: 2}\n", "first given here");
    refused("a: !x 1\n", "tags");
    refused("a: !!map {}\n", "tags");
    refused("a: 1\n---\nb: 1\n", "second document");
    refused("a: 1\n...\nb: 1\n", "document start");
    refused("%TAG ! tag:x,1:\n---\na: 1\n", "directives");
    refused("a: *b\n", "no anchor '&b'");
    refused("a: &b [*b]\n", "inside the value it names");
    refused("&b a: {c: &c {d: *c}}\n", "inside the value it names");
    refused("? [a]\n: 1\n", "a key must be a name");
    refused("a: \"x\\0y\"\n", "NUL");
    refused("a: [1, 2\n", "wants quotes");
    refused("a: \xff\n", "not YAML text");
    refused("a: \x01\n", "not YAML text");
    refused("\tb: 1\n", "a tab does not indent");
}

Test(yaml, refuses_other_encodings)
{
    static const char le[] = "\xff\xfe"
                             "a\0:\0",
                      be[] = "\xfe\xff\0a\0:", nul[] = "a: b\nc\0: d\n";
    cr_assert_null(yaml_read(start(le, sizeof le - 1), le, sizeof le - 1));
    cr_assert_not_null(strstr(reports(), "UTF-16"));
    cr_assert_null(yaml_read(start(be, sizeof be - 1), be, sizeof be - 1));
    cr_assert_not_null(strstr(reports(), "UTF-16"));
    cr_assert_null(yaml_read(start(nul, sizeof nul - 1), nul, sizeof nul - 1));
    cr_assert_not_null(strstr(reports(), "m.yaml:2:2: error: a NUL byte"), "%s", reports());
}

Test(yaml, yaml_directive_is_fine)
{
    cr_assert_not_null(read_yaml("%YAML 1.1\n---\na: 1\n...\n"), "%s", reports());
}

/* n times `open`, then n times `close`. */
static char *nested(int n, const char *open, const char *middle, const char *close)
{
    char *text = malloc((size_t)n * (strlen(open) + strlen(close)) + strlen(middle) + 1), *p = text;
    for (int i = 0; i < n; i++)
        p = stpcpy(p, open);
    p = stpcpy(p, middle);
    for (int i = 0; i < n; i++)
        p = stpcpy(p, close);
    return text;
}

Test(yaml, depth)
{
    cr_assert_not_null(read_yaml(nested(YAML_DEPTH_MAX, "[", "x", "]")), "%s", reports());
    refused(nested(YAML_DEPTH_MAX + 1, "[", "x", "]"), "nested deeper than 64");
    refused(nested(1000000, "[", "x", ""), "nested deeper");
    refused(nested(1000000, "- ", "x", ""), "nested deeper");
    refused(nested(1000000, "? ", "x", ""), "nested deeper");
    refused(nested(1000000, "{a: ", "x", ""), "nested deeper");
}

/* A list of 40 levels inside an alias, used 24 or 25 levels deep. */
Test(yaml, depth_through_aliases)
{
    char *inner = nested(40, "[", "x", "]"), *text = malloc(4096);
    for (int more = 0; more < 2; more++) {
        sprintf(text, "a: &a %s\nb: %s\n", inner, nested(23 + more, "[", "*a", "]"));
        read_yaml(text);
        cr_assert_eq(ctx.diag.errors, more, "%d: %s", more, reports());
    }
}

Test(yaml, anchors)
{
    char *text = malloc(64 * (YAML_ANCHORS_MAX + 2)), *p = text;
    for (int i = 0; i < YAML_ANCHORS_MAX; i++)
        p += sprintf(p, "k%d: &a%d x\n", i, i);
    cr_assert_not_null(read_yaml(text), "%s", reports());
    sprintf(p, "more: &more x\n");
    refused(text, "more than 1000 anchors");
}

Test(yaml, many_anchors_are_fast)
{
    char *text = malloc(3 << 20), *p = text;
    for (int i = 0; i < 200000; i++)
        p += sprintf(p, "- &a%d x\n", i);
    refused(text, "more than 1000 anchors");
}

Test(yaml, nodes)
{
    char *text = malloc(YAML_NODES_MAX * 2 + 100), *p = text;
    for (int i = 0; i < YAML_NODES_MAX - 1; i++) /* and the list itself */
        p = stpcpy(p, i ? ",1" : "[1");
    strcpy(p, "]");
    cr_assert_not_null(read_yaml(text), "%s", reports());
    strcpy(p, ",1]");
    refused(text, "more than 100000 values");
}

Test(yaml, billion_laughs)
{
    refused("a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
            "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
            "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
            "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
            "f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n",
            "aliases expanded");
}

Test(yaml, bytes)
{
    size_t size = YAML_BYTES_MAX;
    char *text = malloc(size + 2);
    memset(text, '#', size + 1);
    memcpy(text, "a: 1\n", 5);
    cr_assert_not_null(yaml_read(start(text, size), text, size), "%s", reports());
    cr_assert_null(yaml_read(start(text, size + 1), text, size + 1));
    cr_assert_not_null(strstr(reports(), "4194304 bytes"));
}

Test(yaml, many_tag_directives_are_fast)
{
    char *text = malloc(4 << 20), *p = text;
    for (int i = 0; i < 150000; i++)
        p += sprintf(p, "%%TAG !%d! x:y\n", i);
    sprintf(p, "---\na: 1\n");
    refused(text, "directives");
}

Test(yaml, forgotten_quotes_are_mended)
{
    const Y *y = read_yaml("o: {p: softmax(x, axis=1), q: f(g(a, b), [c]), r: 2}\n");
    cr_assert_null(y); /* an unquoted bracket is beyond mending */
    y = read_yaml("o: {p: softmax(x, axis=1), q: f(g(a, b), c), r: 2}\n");
    cr_assert_eq(ctx.diag.errors, 2, "%s", reports());
    cr_assert_str_eq(at(at(y, "o"), "p")->text, "softmax(x, axis=1)");
    cr_assert_str_eq(at(at(y, "o"), "q")->text, "f(g(a, b), c)");
    cr_assert_eq(at(y, "o")->pairs.n, 3);
    cr_assert_not_null(strstr(reports(), "{p: \"softmax(x, axis=1)\"}"), "%s", reports());
}
