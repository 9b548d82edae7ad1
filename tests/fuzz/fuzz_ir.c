/* SPDX-License-Identifier: MIT */
/* fuzz_ir.c: any bytes as the text of a program: no crash; what is refused has a diagnostic, and
 * what is read is sound and printed as a text that reads back to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

enum { LARGEST = 1 << 14 }; /* bytes of a text: larger ones only take longer */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char *printed(const Program *p, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    program_print(p, out);
    fclose(out);
    return text;
}

static void check(Ctx *ctx, const Program *p)
{
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f])
            graph_verify(p->fn[f], "reading");
    size_t n, m;
    char *text = printed(p, &n);
    const Program *again = program_read(ctx, text, n);
    if (!again)
        abort();
    char *second = printed(again, &m);
    if (n != m || memcmp(text, second, n) != 0)
        abort();
    free(text);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static FILE *null;
    if (!null)
        null = fopen("/dev/null", "w");
    if (size > LARGEST || !null)
        return 0;
    Ctx ctx = {.arena = arena_new(), .diag = {.file = "m.nir", .out = null, .limit = 20}};
    Program *p = program_read(&ctx, (const char *)bytes, size);
    if (!p == !ctx.diag.errors)
        abort();
    if (p)
        check(&ctx, p);
    arena_free(ctx.arena);
    return 0;
}
