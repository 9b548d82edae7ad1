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
    Arena *a = p->ctx->arena;
    const char *part = strchr(name, ':');
    const char *file = part ? arena_text(a, name, (size_t)(part - name)) : name;
    const char *mark =
        arena_format(a, "/* nncc: begin%s%s */\n", part ? " " : "", part ? part + 1 : "");
    const char *begin = strstr(home_text(a, p->template_dir, file), mark);
    const char *end = begin ? strstr(begin, "/* nncc: end */") : NULL;
    if (!end)
        BUG("the template '%s' has no marks", name);
    Str out = str_new(a);
    for (const char *c = begin + strlen(mark); c < end;) {
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
