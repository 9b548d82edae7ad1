/* SPDX-License-Identifier: MIT */
/* test_parse.c: guards parse.c: precedence and association, calls, indices, columns, limits. */
#include "frontend_read.h"

TestSuite(parse, .timeout = 10);

static void show_ranges(Str *s, const Ex *ex);

/* The tree as an S-expression. */
static void show(Str *s, const Ex *ex)
{
    char number[32];
    switch (ex->kind) {
    case EX_number: str_add(s, "%s", number_text(number, ex->number, false)); return;
    case EX_name:
    case EX_dollar: str_add(s, "%s%s", ex->dollar ? "$" : "", ex->name); return;
    case EX_list: str_add(s, "(list"); break;
    case EX_call: str_add(s, "(%s%s", ex->dollar ? "$" : "", ex->name); break;
    case EX_index: str_add(s, "(at"); break;
    default: str_add(s, "(%s", op_rows[ex->op].name);
    }
    for (int i = 0; i < ex->arg.n; i++) {
        str_add(s, " ");
        if (ex->arg.at[i].key)
            str_add(s, "%s=", ex->arg.at[i].key);
        show(s, ex->arg.at[i].value);
    }
    show_ranges(s, ex);
    str_add(s, ")");
}

static void show_ranges(Str *s, const Ex *ex)
{
    for (int i = 0; i < ex->range.n; i++) {
        const ExRange *r = &ex->range.at[i];
        const Ex *part[] = {r->start, r->end, r->step};
        str_add(s, " ");
        for (int k = 0; k < (r->is_range ? 3 : 1); k++) {
            if (part[k])
                show(s, part[k]);
            if (r->is_range && k < 2)
                str_add(s, ":");
        }
    }
}

static void parses(const char *text, const char *expected)
{
    start(text, strlen(text));
    Y y = {.kind = Y_scalar, .text = text, .loc = {1, 1, (int)strlen(text)}};
    const Ex *ex = expr_parse(&ctx, &y);
    cr_assert_not_null(ex, "%s: %s", text, reports());
    Str s = str_new(ctx.arena);
    show(&s, ex);
    cr_assert_str_eq(s.at, expected);
}

static void wrong_at(const char *text, int col, const char *expected)
{
    start(text, strlen(text));
    Y y = {.kind = Y_scalar, .text = text, .loc = {1, 1, (int)strlen(text)}};
    cr_assert_null(expr_parse(&ctx, &y), "%s was accepted", text);
    char *place = arena_format(ctx.arena, "m.yaml:1:%d: error:", col);
    cr_assert_not_null(strstr(reports(), place), "%s: expected column %d: %s", text, col,
                       reports());
    cr_assert_not_null(strstr(reports(), expected), "%s: expected '%s': %s", text, expected,
                       reports());
    cr_assert_eq(ctx.diag.errors, 1, "%s", reports());
}

Test(parse, precedence)
{
    parses("a + b * c", "(add a (mul b c))");
    parses("a * b + c", "(add (mul a b) c)");
    parses("a - b - c", "(sub (sub a b) c)");
    parses("a / b * c", "(mul (div a b) c)");
    parses("a @ b * c", "(mul (matmul a b) c)");
    parses("a < b + c", "(less a (add b c))");
    parses("(a < b) == c", "(equal (less a b) c)");
    parses("a != b", "(not_equal a b)");
    parses("a >= b", "(greater_equal a b)");
    parses("(a + b) * c", "(mul (add a b) c)");
}

Test(parse, powers_and_signs)
{
    parses("-x ** 2", "(neg (pow x 2))");
    parses("a ** b ** c", "(pow a (pow b c))");
    parses("2 ** -x", "(pow 2 (neg x))");
    parses("2 ** -x ** 2", "(pow 2 (neg (pow x 2)))");
    parses("-a * b", "(mul (neg a) b)");
    parses("a * -b", "(mul a (neg b))");
    parses("a - -b", "(sub a (neg b))");
    parses("--a", "(neg (neg a))");
    parses("+a", "a");
    parses("-a + b", "(add (neg a) b)");
    parses("-x[:, 0]", "(neg (at x :: 0))");
    parses("x[:, 0] ** 2", "(pow (at x :: 0) 2)");
}

Test(parse, calls)
{
    parses("f()", "(f)");
    parses("f(a, b + 1, axis=1)", "(f a (add b 1) axis=1)");
    parses("f(g(a), k=word)", "(f (g a) k=word)");
    parses("f(a == b)", "(f (equal a b))");
    parses("$f(a)", "($f a)");
    parses("f(a, w=[1, 2.5, -3])", "(f a w=(list 1 2.5 (neg 3)))");
    parses("f(a)[:, 1]", "(at (f a) :: 1)");
    parses("f(\n  a,\n  b)", "(f a b)");
}

Test(parse, indices)
{
    parses("x[:, -1]", "(at x :: (neg 1))");
    parses("x[:, 1:5, 0]", "(at x :: 1:5: 0)");
    parses("x[:, ::2]", "(at x :: ::2)");
    parses("x[:, 1:]", "(at x :: 1::)");
    parses("x[:, :-1:3]", "(at x :: :(neg 1):3)");
    parses("(a + b)[:, 0]", "(at (add a b) :: 0)");
    parses("x[:, $n * 2]", "(at x :: (mul $n 2))");
    parses("x[:, 0][:, 1]", "(at (at x :: 0) :: 1)");
}

Test(parse, numbers)
{
    parses("1e-3 + .5", "(add 0.001 0.5)");
    parses("1_001 - 0x1F", "(sub 1001 31)");
    parses("2-1", "(sub 2 1)");
}

Test(parse, reports)
{
    wrong_at("a +", 4, "the expression ends");
    wrong_at("a + * b", 5, "expected a value before '*'");
    wrong_at("(a", 3, "expected ')'");
    wrong_at("a b", 3, "expected an operator before 'b'");
    wrong_at("a < b < c", 7, "do not chain");
    wrong_at("f(a) < g(b) < c", 13, "do not chain");
    wrong_at("a ^ 2", 3, "'**'");
    wrong_at("f(a, k=1, b)", 11, "positional argument");
    wrong_at("f(a", 4, "',' or ')'");
    wrong_at("x[]", 3, "an index or ':'");
    wrong_at("x[:, 1", 7, "',' or ']'");
    wrong_at("3(a)", 1, "only a function's name");
    wrong_at("1.2.3", 1, "no number");
    wrong_at("1e999", 1, "out of range");
    wrong_at("a ? b", 3, "before '?'");
    wrong_at("a \xc3\xa9", 3, "before '\xc3\xa9'");
    wrong_at("a = 1", 3, "before '='");
    wrong_at("$ + 1", 1, "expected a value before '$'");
    wrong_at("'text'", 1, "expected a value");
}

Test(parse, columns_in_quotes)
{
    const Y *y = read_yaml("a: \"x + * y\"\nb: 'x + * y'\nc: >\n  x + *\n  y\n");
    cr_assert_null(expr_parse(&ctx, at(y, "a")));
    cr_assert_not_null(strstr(reports(), "m.yaml:1:9: error"), "%s", reports());
    cr_assert_null(expr_parse(&ctx, at(y, "b")));
    cr_assert_not_null(strstr(reports(), "m.yaml:2:9: error"), "%s", reports());
    cr_assert_null(expr_parse(&ctx, at(y, "c")));
    cr_assert_not_null(strstr(reports(), "m.yaml:3:4: error"), "%s", reports());
}

static const Ex *parse_repeated(int n, const char *first, const char *middle, const char *last)
{
    char *text = malloc((size_t)n * (strlen(first) + strlen(last)) + strlen(middle) + 1), *p = text;
    for (int i = 0; i < n; i++)
        p = stpcpy(p, first);
    p = stpcpy(p, middle);
    for (int i = 0; i < n; i++)
        p = stpcpy(p, last);
    start(text, strlen(text));
    return expr_parse(&ctx, &(Y){.kind = Y_scalar, .text = text, .loc = {1, 1, 1}});
}

Test(parse, limits)
{
    int most = EXPR_NESTING_MAX - 1; /* the innermost value is a level of its own */
    cr_assert_not_null(parse_repeated(most, "(", "x", ")"), "%s", reports());
    cr_assert_null(parse_repeated(most + 1, "(", "x", ")"));
    cr_assert_null(parse_repeated(1000000, "(", "x", ")"));
    cr_assert_null(parse_repeated(1000000, "-", "x", ""));
    cr_assert_null(parse_repeated(1000000, "f(", "x", ")"));
    cr_assert_null(parse_repeated(1000000, "2 **", "x", ""));
    cr_assert_null(parse_repeated(100000, "[", "x", "]"));
    cr_assert_not_null(parse_repeated(EXPR_HEIGHT_MAX, "x + ", "x", ""), "%s", reports());
    cr_assert_null(parse_repeated(EXPR_HEIGHT_MAX + 1, "x + ", "x", ""));
    cr_assert_null(parse_repeated(200000, "x[:]", "", ""));
    cr_assert_null(parse_repeated(1, "f(", "", ""));
}

Test(parse, size)
{
    char *text = malloc(2 * EXPR_NODES_MAX + 10), *p = stpcpy(text, "f(x"); /* f and the operands */
    for (int i = 0; i < EXPR_NODES_MAX - 3; i++)
        p = stpcpy(p, ",x");
    start(text, 0);
    strcpy(p, ")");
    cr_assert_not_null(expr_parse(&ctx, &(Y){.kind = Y_scalar, .text = text, .loc = {1, 1, 1}}),
                       "%s", reports());
    strcpy(p, ",x,x)");
    cr_assert_null(expr_parse(&ctx, &(Y){.kind = Y_scalar, .text = text, .loc = {1, 1, 1}}));
    cr_assert_not_null(strstr(reports(), "more than 65536 parts"), "%s", reports());
}
