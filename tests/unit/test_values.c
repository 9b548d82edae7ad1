/* SPDX-License-Identifier: MIT */
/* test_values.c: guards values.c: what is a number, a word, a name; $variables; keys. */
#include "frontend_read.h"

TestSuite(values, .timeout = 10);

static Scope scope;

/* The value of `v:`, with $four 4, $half 0.5, $word relu, $list [1, 2] in scope. */
static const Y *value(const char *text)
{
    char *file = malloc(strlen(text) + 8);
    sprintf(file, "v: %s\n", text);
    const Y *y = read_yaml(file);
    cr_assert_not_null(y, "%s", reports());
    scope = (Scope){NULL, map_new(ctx.arena)};
    static const char *const vars = "four: 4\nhalf: 0.5\nword: relu\nlist: [1, 2]\n";
    Y *map = yaml_read(&ctx, vars, strlen(vars));
    for (int i = 0; i < map->pairs.n; i++)
        map_set(&scope.values, map->pairs.at[i].key->text, map->pairs.at[i].value);
    return y_get(y, "v");
}

static void is_real(const char *text, double expected)
{
    double x = -1;
    cr_assert(y_real(&ctx, &scope, value(text), "v", &x), "%s: %s", text, reports());
    cr_assert_eq(x, expected, "%s gave %g", text, x);
}

static void no_real(const char *text, const char *expected)
{
    double x;
    cr_assert_not(y_real(&ctx, &scope, value(text), "v", &x), "%s is a number", text);
    cr_assert_not_null(strstr(reports(), expected), "%s: %s", text, reports());
}

static void is_int(const char *text, int64_t expected)
{
    int64_t x = -1;
    cr_assert(y_int(&ctx, &scope, value(text), "v", INT64_MIN, INT64_MAX, &x), "%s: %s", text,
              reports());
    cr_assert_eq(x, expected, "%s gave %lld", text, (long long)x);
}

static void no_int(const char *text, int64_t lo, int64_t hi, const char *expected)
{
    int64_t x;
    cr_assert_not(y_int(&ctx, &scope, value(text), "v", lo, hi, &x), "%s is a whole number", text);
    cr_assert_not_null(strstr(reports(), expected), "%s: %s", text, reports());
}

Test(values, reals)
{
    is_real("1", 1);
    is_real("-0.5", -0.5);
    is_real("1e-3", 1e-3);
    is_real("1E+3", 1e3);
    is_real(".5", 0.5);
    is_real("5.", 5);
    is_real("+2", 2);
    is_real("1_000.5", 1000.5);
    is_real("0x10", 16);
    is_real("$half", 0.5);
    is_real("$four * 2 - 1", 7);
    is_real("($four + 2) / 4", 1.5);
    is_real("-2 ** 2", -4);
    is_real("2 ** 3 ** 2", 512);
    is_real("2 ** -1", 0.5);
    is_real("\"$four * 2\"", 8);
}

Test(values, no_reals)
{
    no_real("abc", "expected a number, saw 'abc'");
    no_real("\"1\"", "in quotes");
    no_real("", "saw nothing");
    no_real("[1]", "saw a list");
    no_real("{a: 1}", "saw a map");
    no_real("1__0", "no number");
    no_real("1_", "no number");
    no_real("1e999", "out of range");
    no_real("nan", "saw 'nan'");
    no_real("inf", "saw 'inf'");
    no_real("0x", "no number");
    no_real("0x1p3", "no number");
    no_real("1.2.3", "no number");
    no_real("1 2", "expected an operator");
    no_real("$foru", "did you mean '$four'?");
    no_real("$word", "saw 'relu'");
    no_real("$word * 2", "saw 'relu'");
    no_real("$list * 2", "saw a list");
    no_real("1 / 0", "not a finite number");
    no_real("2 * x", "expected a number");
}

Test(values, ints)
{
    is_int("0", 0);
    is_int("-12", -12);
    is_int("1_000_000", 1000000);
    is_int("0xff", 255);
    is_int("1e3", 1000);
    is_int("$four", 4);
    is_int("$four / 2", 2);
    is_int("9223372036854775807", INT64_MAX);
    is_int("-9223372036854775808", INT64_MIN);
    is_int("010", 10);
}

Test(values, no_ints)
{
    no_int("9223372036854775808", INT64_MIN, INT64_MAX, "in range");
    no_int("1.5", 0, 9, "expected a whole number, saw 1.5");
    no_int("1e300", INT64_MIN, INT64_MAX, "in range");
    no_int("$four / 3", 0, 9, "expected a whole number");
    no_int("12:30", 0, 9, "expected an operator");
    no_int("0", 1, INT64_MAX, "0 is out of range: at least 1");
    no_int("11", 1, 10, "11 is out of range: 1 to 10");
    no_int("two", 0, 9, "saw 'two'");
    no_int("\"3\"", 0, 9, "saw '3' in quotes");
}

Test(values, limits_are_inside)
{
    int64_t x;
    cr_assert(y_int(&ctx, &scope, value("10"), "v", 1, 10, &x));
    cr_assert(y_int(&ctx, &scope, value("1"), "v", 1, 10, &x));
}

Test(values, bools)
{
    bool b = false;
    cr_assert(y_bool(&ctx, &scope, value("true"), "v", &b));
    cr_assert(b);
    cr_assert(y_bool(&ctx, &scope, value("false"), "v", &b));
    cr_assert_not(b);
    static const char *const no[] = {"yes", "on", "1", "True", "\"true\"", "[true]", ""};
    for (int i = 0; i < COUNT(no); i++)
        cr_assert_not(y_bool(&ctx, &scope, value(no[i]), "v", &b), "%s", no[i]);
}

Test(values, words)
{
    const char *s;
    cr_assert(y_word(&ctx, &scope, value("no"), "v", &s));
    cr_assert_str_eq(s, "no");
    cr_assert(y_word(&ctx, &scope, value("$word"), "v", &s));
    cr_assert_str_eq(s, "relu");
    cr_assert_not(y_word(&ctx, &scope, value("$list"), "v", &s));
    cr_assert_not(y_word(&ctx, &scope, value(""), "v", &s));
}

Test(values, int_lists)
{
    int n;
    int64_t x[3];
    cr_assert(y_ints(&ctx, &scope, value("[1, $four, $four * 2]"), "v", 3, &n, x), "%s", reports());
    cr_assert_eq(n, 3);
    cr_assert_eq(x[2], 8);
    cr_assert(y_ints(&ctx, &scope, value("$list"), "v", 3, &n, x));
    cr_assert_eq(n, 2);
    cr_assert(y_ints(&ctx, &scope, value("7"), "v", 3, &n, x));
    cr_assert_eq(n, 1);
    cr_assert_eq(x[0], 7);
    cr_assert_not(y_ints(&ctx, &scope, value("[1, 2, 3, 4]"), "v", 3, &n, x));
    cr_assert_not(y_ints(&ctx, &scope, value("[1, b]"), "v", 3, &n, x));
    cr_assert_not(y_ints(&ctx, &scope, value("{a: 1}"), "v", 3, &n, x));
}

/* The names of TRUST 6.4: none but a plain one may pass. */
Test(values, names)
{
    static const char *const good[] = {
        "a",  "_",   "A9",
        "y",  "n",   "null",
        "on", "int", "n234567890123456789012345678901234567890123456789012345678901234"};
    static const char *const bad[] = {
        "",
        " ",
        "9a",
        "a-b",
        "a.b",
        "a b",
        "*/int x;/*",
        "//",
        "a\\",
        "?\?/",
        "\"",
        "'",
        "%n%s",
        "a\nb",
        "a\r",
        "a\t",
        "\x7f",
        "\x80",
        "#include",
        "../x",
        "/abs",
        "C:\\x",
        "$(id)",
        "`id`",
        ";rm",
        "|",
        "&",
        "${X}",
        "{{x}}",
        "</script>",
        "]]>",
        "-o",
        "--help",
        "\xc3\xa9",
        "e\xcc\x81",
        "\xc4\xb1",
        "\xe2\x80\xae",
        "\xe2\x80\x8d",
        "\xef\xbb\xbf_",
        "\x1b]0;",
        "\xed\xa0\x80",
        "\xf0\x9f\x98\x80",
        "\xc0\xaf",
        "n2345678901234567890123456789012345678901234567890123456789012345"};
    start("", 0);
    const char *s;
    for (int i = 0; i < COUNT(good); i++)
        cr_assert(y_name(&ctx, &(Y){.kind = Y_scalar, .text = good[i]}, "v", &s), "%s", good[i]);
    for (int i = 0; i < COUNT(bad); i++)
        cr_assert_not(y_name(&ctx, &(Y){.kind = Y_scalar, .text = bad[i]}, "v", &s), "%s", bad[i]);
    cr_assert_not(y_name(&ctx, NULL, "v", &s));
    for (const char *p = reports(); *p; p++) /* nothing that moves a terminal's cursor came out */
        cr_assert(*p == '\n' || (unsigned char)*p >= 0x20);
}

Test(values, keys)
{
    static const char *const known[] = {"units", "bias"}, *const later[] = {"groups"};
    const Y *y = value("{units: 1, unit: 2, groups: 3, zzz: 4}");
    cr_assert_not(y_keys(&ctx, y, "dense", known, 2, later, 1));
    cr_assert_eq(ctx.diag.errors, 3, "%s", reports());
    cr_assert_not_null(strstr(reports(), "unknown key 'unit'; did you mean 'units'?"));
    cr_assert_not_null(strstr(reports(), "'groups' is not supported yet"));
    cr_assert_not_null(strstr(reports(), "unknown key 'zzz'\n"));
    cr_assert(y_keys(&ctx, value("{bias: 1}"), "dense", known, 2, later, 1));
}

Test(values, bind)
{
    const Y *y = y_bind(&ctx, &scope, value("{a: $four, b: [$four * 2, $word], c: x}"), 100);
    cr_assert_not_null(y, "%s", reports());
    cr_assert_str_eq(at(y, "a")->text, "4");
    cr_assert_str_eq(at(y, "b")->items.at[0]->text, "8");
    cr_assert_str_eq(at(y, "b")->items.at[1]->text, "relu");
    cr_assert_str_eq(at(y, "c")->text, "x");
    cr_assert_null(y_bind(&ctx, &scope, value("{a: [1, 2, 3]}"), 4));
    cr_assert_not_null(y_bind(&ctx, &scope, value("{a: [1, 2, 3]}"), 5), "%s", reports());
    cr_assert_null(y_bind(&ctx, &scope, value("{a: $no}"), 5));
}

Test(values, a_variable_holds_no_variables)
{
    double x;
    value("1");
    Y self = {.kind = Y_scalar, .text = "$self"};
    map_set(&scope.values, "self", &self);
    cr_assert_not(y_real(&ctx, &scope, &(Y){.kind = Y_scalar, .text = "$self * 2"}, "v", &x));
    cr_assert_not(y_real(&ctx, &scope, &(Y){.kind = Y_scalar, .text = "$self"}, "v", &x));
}
