/* SPDX-License-Identifier: MIT */
/* parse.c: the text of an expression to a tree, by precedence (Pratt), and arithmetic on trees.
 *
 * From loosest to tightest: comparisons, + -, * / @, unary minus, ** (from the right), calls and
 * indexing. The tree's nesting and height are bounded, so whoever walks it may recur.
 */
#include "builder.h"

#include <math.h>
#include <string.h>

typedef enum {
    T_end,
    T_number,
    T_name,
    T_dollar,
    T_plus,
    T_minus,
    T_times,
    T_over,
    T_power,
    T_at,
    T_less,
    T_less_equal,
    T_greater,
    T_greater_equal,
    T_equal,
    T_not_equal,
    T_open,
    T_close,
    T_open_list,
    T_close_list,
    T_comma,
    T_colon,
    T_assign,
    T_wrong
} Token;

enum { BIND_compare = 1, BIND_add, BIND_times, BIND_minus, BIND_power };

typedef struct Parser {
    Ctx *ctx;
    const Y *y;
    const char *text;
    Token token;  /* the one to be looked at */
    int at, end;  /* its bytes */
    int last_end; /* of the token before */
    int nesting, nodes;
} Parser;

/* --- places and reports ----------------------------------------------------------------------- */

/* Bytes [at, end) of the text, in the file; where the scalar is not written as it reads (escapes,
 * several lines), the whole scalar. */
static Loc place(const Parser *p, int at, int end)
{
    Loc loc = p->y->loc;
    int length = (int)strlen(p->text), quotes = p->y->quoted ? 1 : 0;
    if (loc.length != length + 2 * quotes)
        return loc;
    return (Loc){loc.line, loc.col + quotes + at, end > at ? end - at : 1};
}

static Ex *fail(const Parser *p, const char *wanted)
{
    Diag *diag = &p->ctx->diag;
    Loc loc = place(p, p->at, p->end);
    if (p->token == T_end)
        diag_error(diag, loc, "expected %s, but the expression ends", wanted);
    else if (p->token == T_wrong && p->text[p->at] == '^')
        diag_error(diag, loc, "unexpected '^' in an expression: a power is written '**'");
    else
        diag_error(diag, loc, "expected %s before '%.*s'", wanted, p->end - p->at, p->text + p->at);
    return NULL;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The bytes of a number that begins at `s`; what is wrong in it is found when it is read. */
static int number_length(const char *s)
{
    int n = 0;
    bool hex = s[0] == '0' && (s[1] | 32) == 'x';
    while (digit(s[n]) || letter(s[n]) || s[n] == '.' ||
           (n && !hex && (s[n] == '+' || s[n] == '-') && (s[n - 1] | 32) == 'e'))
        n++;
    return n;
}

static int name_length(const char *s)
{
    int n = 0;
    while (letter(s[n]) || digit(s[n]))
        n++;
    return n;
}

static Token sign(const char *s, int *length)
{
    static const struct {
        const char *text;
        Token token;
    } signs[] = {
        {"**", T_power},     {"<=", T_less_equal}, {">=", T_greater_equal}, {"==", T_equal},
        {"!=", T_not_equal}, {"+", T_plus},        {"-", T_minus},          {"*", T_times},
        {"/", T_over},       {"@", T_at},          {"<", T_less},           {">", T_greater},
        {"(", T_open},       {")", T_close},       {"[", T_open_list},      {"]", T_close_list},
        {",", T_comma},      {":", T_colon},       {"=", T_assign},
    };
    for (int i = 0; i < COUNT(signs); i++) {
        *length = (int)strlen(signs[i].text);
        if (strncmp(s, signs[i].text, (size_t)*length) == 0)
            return signs[i].token;
    }
    for (*length = 1; ((unsigned char)s[*length] >> 6) == 2;
         ++*length) /* a whole UTF-8 character */
        ;
    return T_wrong;
}

static void advance(Parser *p)
{
    p->last_end = p->end;
    p->at = p->end;
    while (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\t')
        p->at++;
    const char *s = p->text + p->at;
    int length = 0;
    if (!*s) {
        p->token = T_end;
    } else if (digit(*s) || (*s == '.' && digit(s[1]))) {
        p->token = T_number;
        length = number_length(s);
    } else if (letter(*s)) {
        p->token = T_name;
        length = name_length(s);
    } else if (*s == '$' && letter(s[1])) {
        p->token = T_dollar;
        length = 1 + name_length(s + 1);
    } else {
        p->token = sign(s, &length);
    }
    p->end = p->at + length;
}

/* --- trees ------------------------------------------------------------------------------------ */

static Ex *ex_new(Parser *p, ExKind kind, int at)
{
    if (++p->nodes > EXPR_NODES_MAX) {
        if (p->nodes == EXPR_NODES_MAX + 1)
            diag_error(&p->ctx->diag, p->y->loc, "the expression has more than %d parts",
                       EXPR_NODES_MAX);
        return NULL;
    }
    Ex *ex = arena_take(p->ctx->arena, sizeof *ex);
    ex->kind = kind;
    ex->loc = place(p, at, p->end);
    return ex;
}

/* Adds a part, NULL where it could not be parsed or the tree becomes too high. */
static bool ex_put(Parser *p, Ex *ex, Ex *part, const char *key, Loc key_loc)
{
    if (!ex || !part)
        return false;
    if (part->height + 1 > ex->height)
        ex->height = part->height + 1;
    if (ex->height > EXPR_HEIGHT_MAX) {
        diag_error(&p->ctx->diag, part->loc, "the expression has more than %d terms in a row",
                   EXPR_HEIGHT_MAX);
        return false;
    }
    vec_push(p->ctx->arena, &ex->arg, ((ExArg){key, key_loc, part}));
    return true;
}

static Ex *parse(Parser *p, int binds);

static Ex *parse_number(Parser *p)
{
    Ex *ex = ex_new(p, EX_number, p->at);
    if (!ex)
        return NULL;
    if (!number_read(p->text + p->at, (size_t)(p->end - p->at), &ex->number)) {
        diag_error(&p->ctx->diag, ex->loc, "'%.*s' is no number", p->end - p->at, p->text + p->at);
        return NULL;
    }
    if (!isfinite(ex->number)) {
        diag_error(&p->ctx->diag, ex->loc, "the number is out of range");
        return NULL;
    }
    advance(p);
    return ex;
}

static Ex *parse_name(Parser *p)
{
    bool dollar = p->token == T_dollar;
    Ex *ex = ex_new(p, dollar ? EX_dollar : EX_name, p->at);
    if (!ex)
        return NULL;
    int from = p->at + dollar;
    ex->name = arena_text(p->ctx->arena, p->text + from, (size_t)(p->end - from));
    ex->dollar = dollar;
    advance(p);
    return ex;
}

/* What stands between commas up to `close`; keywords where `keys`. */
static Ex *parse_arguments(Parser *p, Ex *ex, Token close, bool keys)
{
    bool named = false;
    while (p->token != close) {
        const char *key = NULL;
        Loc key_loc = place(p, p->at, p->end);
        Parser before = *p;
        if (keys && p->token == T_name) {
            key = arena_text(p->ctx->arena, p->text + p->at, (size_t)(p->end - p->at));
            advance(p);
            if (p->token == T_assign) {
                advance(p);
                named = true;
            } else {
                *p = before;
                key = NULL;
            }
        }
        if (!key && named) {
            diag_error(&p->ctx->diag, key_loc, "a positional argument stands after a named one");
            return NULL;
        }
        if (!ex_put(p, ex, parse(p, 0), key, key_loc))
            return NULL;
        if (p->token == T_comma)
            advance(p);
        else if (p->token != close)
            return fail(p, close == T_close ? "',' or ')'" : "',' or ']'");
    }
    advance(p);
    return ex;
}

static Ex *parse_call(Parser *p, Ex *callee, int at)
{
    if (callee->kind != EX_name && callee->kind != EX_dollar) {
        diag_error(&p->ctx->diag, callee->loc, "only a function's name can be called");
        return NULL;
    }
    Ex *ex = ex_new(p, EX_call, at);
    if (!ex)
        return NULL;
    ex->loc = callee->loc;
    ex->name = callee->name;
    ex->dollar = callee->dollar;
    advance(p);
    return parse_arguments(p, ex, T_close, true);
}

/* One part of an index: `3`, `:`, `1:5`, `::2`. */
static bool parse_range(Parser *p, Ex *ex)
{
    ExRange range = {0};
    int at = p->at;
    Ex **part[] = {&range.start, &range.end, &range.step};
    for (int i = 0; i < 3; i++) {
        if (p->token != T_colon && p->token != T_comma && p->token != T_close_list) {
            *part[i] = parse(p, 0);
            if (!*part[i])
                return false;
        }
        if (p->token != T_colon || i == 2)
            break;
        range.is_range = true;
        advance(p);
    }
    range.loc = place(p, at, p->last_end);
    if (!range.is_range && !range.start) {
        fail(p, "an index or ':'");
        return false;
    }
    vec_push(p->ctx->arena, &ex->range, range);
    return true;
}

static Ex *parse_index(Parser *p, Ex *of, int at)
{
    Ex *ex = ex_new(p, EX_index, at);
    if (!ex_put(p, ex, of, NULL, (Loc){0}))
        return NULL;
    advance(p);
    for (;;) {
        if (!parse_range(p, ex))
            return NULL;
        if (p->token == T_close_list)
            break;
        if (p->token != T_comma)
            return fail(p, "',' or ']'");
        advance(p);
    }
    advance(p);
    ex->loc = place(p, at, p->last_end);
    return ex;
}

static Ex *parse_prefix(Parser *p)
{
    int at = p->at;
    switch (p->token) {
    case T_number: return parse_number(p);
    case T_name:
    case T_dollar: return parse_name(p);
    case T_plus: advance(p); return parse(p, BIND_minus);
    case T_minus: {
        Ex *ex = ex_new(p, EX_unary, at);
        advance(p);
        if (!ex_put(p, ex, parse(p, BIND_minus), NULL, (Loc){0}))
            return NULL;
        ex->op = OP_neg;
        return ex;
    }
    case T_open: {
        advance(p);
        Ex *ex = parse(p, 0);
        if (!ex)
            return NULL;
        if (p->token != T_close)
            return fail(p, "')'");
        ex->parens = true;
        advance(p);
        return ex;
    }
    case T_open_list: {
        Ex *ex = ex_new(p, EX_list, at);
        advance(p);
        return ex ? parse_arguments(p, ex, T_close_list, false) : NULL;
    }
    default: return fail(p, "a value");
    }
}

/* How tightly a token binds its left operand, and its op; 0: it is no operator. */
static int binding(Token token, OpKind *op)
{
    switch (token) {
    case T_less: *op = OP_less; return BIND_compare;
    case T_less_equal: *op = OP_less_equal; return BIND_compare;
    case T_greater: *op = OP_greater; return BIND_compare;
    case T_greater_equal: *op = OP_greater_equal; return BIND_compare;
    case T_equal: *op = OP_equal; return BIND_compare;
    case T_not_equal: *op = OP_not_equal; return BIND_compare;
    case T_plus: *op = OP_add; return BIND_add;
    case T_minus: *op = OP_sub; return BIND_add;
    case T_times: *op = OP_mul; return BIND_times;
    case T_over: *op = OP_div; return BIND_times;
    case T_at: *op = OP_matmul; return BIND_times;
    case T_power: *op = OP_pow; return BIND_power;
    default: return 0;
    }
}

static Ex *parse_binary(Parser *p, Ex *left, OpKind op, int binds, int at)
{
    if (binds == BIND_compare && left->kind == EX_binary && !left->parens && left->op >= OP_equal &&
        left->op <= OP_greater_equal) {
        diag_error(&p->ctx->diag, place(p, p->at, p->end),
                   "comparisons do not chain; write (a < b) * (b < c)");
        return NULL;
    }
    Ex *ex = ex_new(p, EX_binary, p->at);
    advance(p);
    Ex *right = parse(p, binds == BIND_power ? binds : binds + 1);
    if (!ex_put(p, ex, left, NULL, (Loc){0}) || !ex_put(p, ex, right, NULL, (Loc){0}))
        return NULL;
    ex->op = op;
    ex->loc = place(p, at, p->last_end);
    return ex;
}

/* An expression of operators that bind at least as tightly as `binds`. */
static Ex *parse(Parser *p, int binds)
{
    if (++p->nesting > EXPR_NESTING_MAX) {
        if (p->nesting == EXPR_NESTING_MAX + 1)
            diag_error(&p->ctx->diag, place(p, p->at, p->end),
                       "the expression is nested deeper than %d levels", EXPR_NESTING_MAX);
        return NULL;
    }
    int at = p->at;
    Ex *left = parse_prefix(p);
    while (left) {
        OpKind op = OP_add;
        int how = binding(p->token, &op);
        if (p->token == T_open)
            left = parse_call(p, left, at);
        else if (p->token == T_open_list)
            left = parse_index(p, left, at);
        else if (how && how >= binds)
            left = parse_binary(p, left, op, how, at);
        else
            break;
    }
    p->nesting--;
    return left;
}

Ex *expr_parse(Ctx *ctx, const Y *y)
{
    if (!y || y->kind != Y_scalar || !*y->text) {
        diag_error(
            &ctx->diag, y ? y->loc : (Loc){0}, "expected an expression, saw %s%s", y_text(ctx, y),
            y && y->kind != Y_scalar ? "; one that begins with '[' or '{' wants quotes" : "");
        return NULL;
    }
    Parser p = {.ctx = ctx, .y = y, .text = y->text};
    advance(&p);
    Ex *ex = parse(&p, 0);
    if (ex && p.token != T_end)
        return fail(&p, "an operator");
    return ex;
}

/* --- arithmetic ------------------------------------------------------------------------------- */

static bool apply(OpKind op, double a, double b, double *out)
{
    switch (op) {
    case OP_add: *out = a + b; return true;
    case OP_sub: *out = a - b; return true;
    case OP_mul: *out = a * b; return true;
    case OP_div: *out = a / b; return true;
    case OP_pow: *out = pow(a, b); return true;
    default: return false;
    }
}

bool expr_evaluate(Ctx *ctx, const Scope *scope, const Ex *ex, const char *what, double *out)
{
    double a, b;
    if (ex->kind == EX_number) {
        *out = ex->number;
        return true;
    }
    if (ex->kind == EX_dollar) {
        const Y *y = scope_find(scope, ex->name);
        if (!y) {
            scope_unknown(ctx, scope, ex->name, ex->loc);
            return false;
        }
        Y here = *y; /* what a scope holds is bound: no $ in it, so no scope either */
        here.loc = ex->loc;
        return y_real(ctx, NULL, &here, arena_format(ctx->arena, "%s: $%s", what, ex->name), out);
    }
    if (ex->kind == EX_unary && ex->op == OP_neg) {
        if (!expr_evaluate(ctx, scope, ex->arg.at[0].value, what, &a))
            return false;
        *out = -a;
        return true;
    }
    if (ex->kind != EX_binary || !apply(ex->op, 1, 1, out)) {
        diag_error(&ctx->diag, ex->loc,
                   "%s: expected a number: only numbers, $names, + - * / ** and parentheses", what);
        return false;
    }
    if (!expr_evaluate(ctx, scope, ex->arg.at[0].value, what, &a) ||
        !expr_evaluate(ctx, scope, ex->arg.at[1].value, what, &b))
        return false;
    apply(ex->op, a, b, out);
    if (isfinite(*out))
        return true;
    diag_error(&ctx->diag, ex->loc, "%s: the result is not a finite number", what);
    return false;
}

bool expr_number(Ctx *ctx, const Scope *scope, const Y *y, const char *what, double *out)
{
    const Ex *ex = expr_parse(ctx, y);
    return ex && expr_evaluate(ctx, scope, ex, what, out);
}
