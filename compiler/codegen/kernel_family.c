/* SPDX-License-Identifier: MIT */
/* kernel_family.c: kernels whose texts differ in whole numbers alone: lengths, strides, offsets.
 *
 * Such kernels are a family. Its body is written once, as an inline function with those numbers as
 * parameters, and each kernel is that body with numbers put in: what is compiled is what would be
 * compiled if each had its own text. Numbers that must be constants of the language, in
 * declarations and in pragmas, are the same in all of a family. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_emit.h"

enum { PARAMS_MAX = 12 };

/* --- words and numbers of a text -------------------------------------------------------------- */

typedef struct Scanner {
    const char *text, *at; /* all of it; the token at hand */
    size_t n;              /* its length */
    bool fixed;            /* on a line whose numbers must be constants */
} Scanner;

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool word_char(char c)
{
    return c == '_' || digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Of a word, a number, or what stands between two on a line. */
static size_t token_length(const char *c)
{
    size_t n = 1;
    if (!word_char(*c)) {
        while (c[n] && c[n - 1] != '\n' && !word_char(c[n]))
            n++;
        return n;
    }
    while (word_char(c[n]) || (digit(*c) && (c[n] == '.' || (strchr("+-", c[n]) && c[n] &&
                                                             strchr("eE", c[n - 1])))))
        n++;
    return n;
}

/* Goes on to the next token; false: the text ends. */
static bool scan(Scanner *s)
{
    s->at = s->at ? s->at + s->n : s->text;
    if (!*s->at)
        return false;
    if (s->at == s->text || s->at[-1] == '\n') {
        const char *line = s->at + strspn(s->at, " ");
        s->fixed = *line == '#' || strncmp(line, "enum ", 5) == 0 ||
                   strncmp(line, "_Alignas", 8) == 0;
    }
    s->n = token_length(s->at);
    return true;
}

/* Whether the token is a number that a parameter may stand for. */
static bool is_number(const Scanner *s)
{
    if (!digit(*s->at) || s->fixed || s->n > 9 || strspn(s->at, "0123456789") != s->n)
        return false;
    return !(s->at > s->text && s->at[-1] == '[' && s->at[s->n] == ']');
}

const char *family_key(Arena *arena, const char *text)
{
    Str key = str_new(arena);
    for (Scanner s = {.text = text}; scan(&s);)
        if (is_number(&s))
            str_put(&key, "#", 1);
        else
            str_put(&key, s.at, s.n);
    return key.at;
}

/* --- which numbers differ --------------------------------------------------------------------- */

void family_add(Arena *arena, Family *f, Kernel *k, const char *text)
{
    Member m = {.k = k, .text = text};
    for (Scanner s = {.text = text}; scan(&s);)
        if (is_number(&s))
            vec_push(arena, &m.numbers, strtol(s.at, NULL, 10));
    vec_push(arena, &f->members, m);
}

/* Whether place `i` has the product of the numbers of places a and b in all members; b < 0: that
 * of a. */
static bool same_numbers(const Family *f, int i, int a, int b)
{
    for (int m = 0; m < f->members.n; m++) {
        const long *number = f->members.at[m].numbers.at;
        if (number[i] != number[a] * (b < 0 ? 1 : number[b]))
            return false;
    }
    return true;
}

static bool differs(const Family *f, int i)
{
    for (int m = 1; m < f->members.n; m++)
        if (f->members.at[m].numbers.at[i] != f->members.at[0].numbers.at[i])
            return true;
    return false;
}

/* The text for place i made of parameters that there are, or NULL. `inner`: a factor of a product,
 * so that the parameters' own product is one constant again. */
static const char *of_known(Arena *arena, const Family *f, int i, bool inner)
{
    for (int a = 0; a < f->params.n; a++)
        if (same_numbers(f, i, f->params.at[a].place, -1))
            return f->params.at[a].name;
    for (int a = 0; a < f->params.n; a++)
        for (int b = a + 1; b < f->params.n; b++)
            if (same_numbers(f, i, f->params.at[a].place, f->params.at[b].place))
                return arena_format(arena, inner ? "(%s * %s)" : "%s * %s", f->params.at[a].name,
                                    f->params.at[b].name);
    return NULL;
}

/* How well a name says what the number is. */
typedef enum { SAYS_nothing, SAYS_step, SAYS_extent } Says;

/* What a reader would call a number: nj where "j < " stands before it, j_step where "j * " does. */
static const char *number_name(Arena *arena, const Scanner *s, Says *says)
{
    const char *c = s->at;
    *says = SAYS_nothing;
    if (c > s->text && c[-1] == ')') /* a cast */
        while (c > s->text && *c != '(')
            c--;
    if (c - s->text < 4 || c[-1] != ' ' || !strchr("<*", c[-2]) || c[-3] != ' ')
        return "number";
    const char *end = c - 3, *word = end;
    while (word > s->text && word_char(word[-1]))
        word--;
    if (end > word + 1 && end[-1] == '0') /* j0 goes over blocks of j */
        end--;
    if (word == end || digit(*word))
        return "number";
    *says = c[-2] == '<' ? SAYS_extent : SAYS_step;
    if (*says == SAYS_extent)
        return arena_format(arena, "n%.*s", (int)(end - word), word);
    return end - word == 1 && *word == 'n' ? "per_sample"
                                           : arena_format(arena, "%.*s_step", (int)(end - word), word);
}

/* The best name that some place with the numbers of `place` has. */
static const char *best_name(Arena *arena, const Family *f, int place)
{
    const char *best = "number";
    Says said = SAYS_nothing;
    int i = 0;
    for (Scanner s = {.text = f->members.at[0].text}; scan(&s);) {
        if (!is_number(&s))
            continue;
        Says says;
        const char *name = number_name(arena, &s, &says);
        if (says > said && same_numbers(f, i, place, -1)) {
            best = name;
            said = says;
        }
        i++;
    }
    return best;
}

static bool name_taken(const Family *f, int n, const KernelArg *args, const char *name)
{
    for (int i = 0; i < f->params.n; i++)
        if (strcmp(f->params.at[i].name, name) == 0)
            return true;
    return strcmp(name, "name") == 0 || text_mentions(f->members.at[0].text, name) ||
           param_known(n, args, name);
}

static const char *new_param(Arena *arena, Family *f, int n, const KernelArg *args, int place)
{
    const char *wanted = best_name(arena, f, place), *name = wanted;
    for (int i = 2; name_taken(f, n, args, name); i++)
        name = arena_format(arena, "%s_%d", wanted, i);
    vec_push(arena, &f->params, ((FamilyParam){name, place}));
    return name;
}

bool family_find_params(Arena *arena, Family *f, int n, const KernelArg *args)
{
    const char *text = f->members.at[0].text;
    int place = 0;
    for (Scanner s = {.text = text}; scan(&s);) {
        if (!is_number(&s))
            continue;
        const char *instead = NULL;
        if (differs(f, place)) {
            bool inner = s.at - text > 2 && (strchr("*/%", s.at[-2]) || s.at[-1] == ')');
            instead = of_known(arena, f, place, inner);
            if (!instead)
                instead = new_param(arena, f, n, args, place);
        }
        vec_push(arena, &f->instead, instead);
        place++;
    }
    return f->params.n <= PARAMS_MAX;
}

const char *family_text(Arena *arena, const char *text, const Family *f, const KernelArg *args)
{
    Str out = str_new(arena);
    int place = 0;
    for (Scanner s = {.text = text}; scan(&s);) {
        int param = param_index(s.at, s.n);
        const char *instead = param >= 0 ? args[param].name : NULL;
        if (f && is_number(&s))
            instead = f->instead.at[place++];
        if (instead)
            str_put(&out, instead, strlen(instead));
        else
            str_put(&out, s.at, s.n);
    }
    return out.at;
}
