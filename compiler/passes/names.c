/* SPDX-License-Identifier: MIT */
/* names.c: names of a model that the emitted C may use as they are, and those that it may not. */
#include <string.h>

#include "kernel.h"

/* Words that mean something else in the emitted C: the language's, the headers', the kernels'
 * own. */
static const char *const reserved[] = {"auto",
                                       "break",
                                       "case",
                                       "char",
                                       "const",
                                       "continue",
                                       "default",
                                       "do",
                                       "double",
                                       "else",
                                       "enum",
                                       "extern",
                                       "float",
                                       "for",
                                       "goto",
                                       "if",
                                       "inline",
                                       "int",
                                       "long",
                                       "register",
                                       "restrict",
                                       "return",
                                       "short",
                                       "signed",
                                       "sizeof",
                                       "static",
                                       "struct",
                                       "switch",
                                       "typedef",
                                       "union",
                                       "unsigned",
                                       "void",
                                       "volatile",
                                       "while",
                                       "asm",
                                       "typeof",
                                       "bool",
                                       "true",
                                       "false",
                                       "nullptr",
                                       "constexpr",
                                       "alignas",
                                       "alignof",
                                       "thread_local",
                                       "static_assert",
                                       "main",
                                       "errno",
                                       "linux",
                                       "unix",
                                       "i386",
                                       "NULL",
                                       "NAN",
                                       "INFINITY",
                                       "EOF",
                                       "I",
                                       "complex",
                                       "i",
                                       "j",
                                       "k",
                                       "l",
                                       "m",
                                       "n",
                                       "v",
                                       "w",
                                       "a",
                                       "b",
                                       "c",
                                       "t",
                                       "width",
                                       "few",
                                       "rows",
                                       "cols",
                                       "panel",
                                       "key",
                                       "tile",
                                       "sums",
                                       "grads"};

static bool is_reserved(const char *name)
{
    for (int i = 0; i < COUNT(reserved); i++)
        if (strcmp(name, reserved[i]) == 0)
            return true;
    /* Temporaries of kernels and the step functions: a letter and digits. */
    size_t digits = name[0] ? strspn(name + 1, "0123456789") : 0;
    return name[0] == '_' || strncmp(name, "nnrt_", 5) == 0 || strncmp(name, "omp_", 4) == 0 ||
           (digits && !name[1 + digits]);
}

const char *c_name(Arena *arena, const char *name)
{
    return is_reserved(name) ? arena_format(arena, "x_%s", name) : name;
}
