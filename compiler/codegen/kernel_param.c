/* SPDX-License-Identifier: MIT */
/* kernel_param.c: what a kernel calls its parameters. While kernels are compared, p_____________00,
 * p_____________01, ...; in the file, as the buffer without the blocks that it lies in: bn2_weight of
 * layer4.more.1.long.bn2.weight. */
#include <stdlib.h>
#include <string.h>

#include "kernel_emit.h"

/* As long as a name is as a rule: lines break where they will. */
const char *param_canonical(Arena *arena, int i)
{
    return arena_format(arena, "p_____________%02d", i);
}

int param_index(const char *word, size_t length)
{
    bool canonical = length >= 16 && memcmp(word, "p_____________", 14) == 0;
    return canonical ? (int)strtol(word + 14, NULL, 10) : -1;
}

bool param_known(int n, const KernelArg *args, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(args[i].name, name) == 0)
            return true;
    return false;
}

/* --- names without blocks --------------------------------------------------------------------- */

/* Where the last `parts` parts of a dotted name begin. */
static const char *last_parts(const char *name, int parts)
{
    const char *c = name + strlen(name);
    while (c > name && !(c[-1] == '.' && --parts == 0))
        c--;
    return c;
}

/* "layer4_more_1_long_", of the blocks around what the parameter is; "" for none. */
static const char *blocks_of(Arena *arena, const Buffer *b)
{
    const Var *v = b->var && b->var->laid_as ? b->var->laid_as : b->var;
    const char *name = v ? v->name : b->node ? b->node->name : NULL;
    if (!name)
        return "";
    char *blocks = arena_text(arena, name, (size_t)(last_parts(name, v ? 2 : 1) - name));
    for (char *c = blocks; *c; c++)
        if (*c == '.')
            *c = '_';
    return blocks;
}

static const char *without(Arena *arena, const char *name, const char *blocks)
{
    const char *at = *blocks ? strstr(name, blocks) : NULL;
    if (!at || (at > name && at[-1] != '_'))
        return name;
    const char *rest = at + strlen(blocks);
    if (!*rest || strchr("0123456789", *rest))
        return name;
    return c_name(arena, arena_format(arena, "%.*s%s", (int)(at - name), name, rest));
}

void param_name(Arena *arena, int n, KernelArg *args)
{
    const char **brief = arena_take(arena, sizeof *brief * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        args[i].name = args[i].full_name;
        brief[i] = args[i].full_name;
        if (args[i].kind == KARG_buffer)
            brief[i] = without(arena, args[i].full_name, blocks_of(arena, args[i].buffer));
    }
    for (int i = 0; i < n; i++) {
        bool alone = true;
        for (int k = 0; k < n; k++)
            alone &= k == i || (strcmp(brief[i], brief[k]) != 0 &&
                                strcmp(brief[i], args[k].full_name) != 0);
        if (alone)
            args[i].name = brief[i];
    }
}
