/* SPDX-License-Identifier: MIT */
/* template.c: the files of templates/, their parameters replaced by numbers. */
#include "template.h"

#include <string.h>

enum { TEMPLATE_MAX = 1 << 20 };

static char *read_template(const Program *p, const char *name)
{
    Arena *arena = p->ctx->arena;
    const char *path = arena_format(arena, "%s/%s", p->template_dir, name);
    FILE *f = fopen(path, "rb");
    char *text = arena_take(arena, TEMPLATE_MAX);
    size_t n = f ? fread(text, 1, TEMPLATE_MAX - 1, f) : 0;
    if (f)
        fclose(f);
    if (!n || n == TEMPLATE_MAX - 1)
        BUG("the template '%s' cannot be read", path);
    text[n] = '\0';
    return text;
}

static bool word_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

const char *template_text(const Program *p, const char *name, int n, const TemplateWord *words)
{
    const char *text = read_template(p, name);
    const char *begin = strstr(text, "/* nncc: begin */\n"), *end = strstr(text, "/* nncc: end */");
    if (!begin || !end)
        BUG("the template '%s' has no marks", name);
    Str out = str_new(p->ctx->arena);
    for (const char *c = begin + strlen("/* nncc: begin */\n"); c < end;) {
        const TemplateWord *word = NULL;
        for (int i = 0; i < n && !word; i++) {
            size_t length = strlen(words[i].name);
            if (strncmp(c, words[i].name, length) == 0 && !word_char(c[length]))
                word = &words[i];
        }
        if (word) {
            str_add(&out, "%s", word->text);
            c += strlen(word->name);
        } else {
            str_put(&out, c++, 1);
        }
    }
    return out.at;
}
