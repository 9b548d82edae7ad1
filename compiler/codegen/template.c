/* SPDX-License-Identifier: MIT */
/* template.c: the files of templates/, their parameters replaced by numbers. */
#include "template.h"

#include "cc.h"

#include <string.h>

static bool word_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

const char *template_text(const Program *p, const char *name, int n, const TemplateWord *words)
{
    const char *text = home_text(p->ctx->arena, p->template_dir, name);
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
