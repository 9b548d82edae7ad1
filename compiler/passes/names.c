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
                                       "u",
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
                                       "grads",
                                       "lr",
                                       "blocks",
                                       "size_t",
                                       "ptrdiff_t",
                                       "int8_t",
                                       "int16_t",
                                       "int32_t",
                                       "int64_t",
                                       "uint8_t",
                                       "uint16_t",
                                       "uint32_t",
                                       "uint64_t"};

static bool is_reserved(const char *name)
{
    for (int i = 0; i < COUNT(reserved); i++)
        if (strcmp(name, reserved[i]) == 0)
            return true;
    /* Temporaries of kernels and the step functions: a letter, or key, and digits. */
    size_t word = strncmp(name, "key", 3) == 0 ? 3 : 1;
    size_t digits = name[0] ? strspn(name + word, "0123456789") : 0;
    return name[0] == '_' || strncmp(name, "nnrt_", 5) == 0 || strncmp(name, "omp_", 4) == 0 ||
           (digits && !name[word + digits]);
}

const char *c_name(Arena *arena, const char *name)
{
    /* x_i itself becomes x_x_i, so that no two names become one. */
    const char *rest = name;
    while (strncmp(rest, "x_", 2) == 0)
        rest += 2;
    return is_reserved(rest) ? arena_format(arena, "x_%s", name) : name;
}
