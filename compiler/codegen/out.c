/* SPDX-License-Identifier: MIT */
/* out.c: the writer of emitted C: the one place that knows of indentation and line ends. */
#include <string.h>

#include "codegen.h"

enum { INDENT = 4, COLUMNS = 100 };

Out out_new(Arena *arena)
{
    Out o = {.str = str_new(arena)};
    return o;
}

static char *format_text(Out *o, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char small[256]; /* most lines are shorter: formatted once */
    int n = vsnprintf(small, sizeof small, format, args);
    char *text = arena_take(o->str.arena, (size_t)n + 1);
    if ((size_t)n < sizeof small)
        memcpy(text, small, (size_t)n + 1);
    else
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

/* An empty line after an empty line is left out. */
static void put_line(Out *o, int depth, const char *format, va_list args, const char *end)
{
    const char *text = format_text(o, format, args);
    bool empty = o->str.n >= 2 && memcmp(o->str.at + o->str.n - 2, "\n\n", 2) == 0;
    while (empty && *text == '\n')
        text++;
    if (empty && !*text && !*end)
        return;
    for (int i = 0; *text && i < depth; i++)
        str_put(&o->str, "    ", INDENT);
    str_put(&o->str, text, strlen(text));
    str_put(&o->str, end, strlen(end));
    str_put(&o->str, "\n", 1);
}

void out_line(Out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(o, o->depth, format, args, "");
    va_end(args);
}

void out_open(Out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(o, o->depth++, format, args, " {");
    va_end(args);
}

void out_loop(Out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(o, o->depth++, format, args, "");
    va_end(args);
}

void out_close(Out *o)
{
    o->depth--;
    out_line(o, "}");
}

void out_end(Out *o)
{
    o->depth--;
}

/* Breaks a line at its commas, each part as long as it may be; all but the first are indented by
 * `indent`. */
static void wrap(Out *o, const char *text, size_t indent)
{
    const char *open = strchr(text, '(');
    size_t first = (size_t)(o->depth * INDENT);
    for (size_t at = first; !o->whole && strlen(text) + at > COLUMNS; at = indent) {
        const char *cut = NULL;
        for (const char *c = open ? strstr(open, ", ") : NULL; c; c = strstr(c + 1, ", "))
            if (c >= text && (!cut || (size_t)(c - text) + 1 + at <= COLUMNS))
                cut = c;
        if (!cut)
            break;
        str_add(&o->str, "%*s%.*s,\n", (int)at, "", (int)(cut - text), text);
        text = cut + 2;
        first = indent;
    }
    str_add(&o->str, "%*s%s\n", (int)first, "", text);
}

/* As clang-format breaks it. */
void out_wrap(Out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = format_text(o, format, args);
    va_end(args);
    const char *attribute = strstr(text, "__attribute__((");
    const char *open = strchr(attribute ? strstr(attribute, "))") : text, '(');
    wrap(o, text, (size_t)(o->depth * INDENT) + (open ? (size_t)(open - text) + 1 : 0));
}

void out_hang(Out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = format_text(o, format, args);
    va_end(args);
    wrap(o, text, (size_t)((o->depth + 1) * INDENT));
}

void out_broken(Out *o, const char *lines)
{
    int depth = o->depth;
    while (*lines) {
        size_t n = strcspn(lines, "\n"), spaces = strspn(lines, " ");
        o->depth = (int)spaces / INDENT;
        if (n > COLUMNS && lines[spaces] != '#')
            out_wrap(o, "%.*s", (int)(n - spaces), lines + spaces);
        else
            str_add(&o->str, "%.*s\n", (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
    o->depth = depth;
}

static bool word_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool text_mentions(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *c = strstr(text, word); c; c = strstr(c + 1, word))
        if ((c == text || !word_char(c[-1])) && !word_char(c[n]))
            return true;
    return false;
}

static void drop(Out *o, size_t line, const char *after)
{
    size_t n = o->str.n - (size_t)(after - o->str.at);
    memmove(o->str.at + line, after, n + 1);
    o->str.n = line + n;
}

const char *comment_text(Arena *arena, const char *text)
{
    char *safe = arena_text(arena, text, strlen(text));
    for (char *c = safe; *c; c++) {
        bool pair = c > safe && ((c[-1] == '*' && *c == '/') || (c[-1] == '/' && *c == '*'));
        if (*c < 32 || *c > 126 || pair)
            *c = '?';
    }
    return safe;
}

size_t out_index(Out *o, const char *name, const char *value)
{
    size_t line = o->str.n;
    out_line(o, "const int %s = %s;", name, value);
    return line;
}

void out_unindex(Out *o, size_t line, const char *name)
{
    const char *after = strchr(o->str.at + line, '\n') + 1;
    if (text_mentions(after, name))
        return;
    drop(o, line, after);
}

/* The name of the temporary that a line defines, into a buffer of 16 bytes; false: none. */
static bool temporary(const char *line, char *name)
{
    line += strspn(line, " ");
    if (strncmp(line, "const ", 6) != 0)
        return false;
    return sscanf(line, "const float %15[t0-9] =", name) == 1 ||
           sscanf(line, "const int %15[t0-9] =", name) == 1;
}

void out_sweep(Out *o)
{
    for (size_t end = o->str.n; end > 0;) {
        size_t line = end - 1;
        while (line > 0 && o->str.at[line - 1] != '\n')
            line--;
        char name[16];
        const char *after = o->str.at + end;
        if (temporary(o->str.at + line, name) && !text_mentions(after, name))
            drop(o, line, after);
        end = line;
    }
}

void out_raw(Out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(o, 0, format, args, "");
    va_end(args);
}
