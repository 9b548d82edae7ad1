/* SPDX-License-Identifier: MIT */
/* fuzz_model.c: any bytes as a model file, through every stage to C text: no crash, no bug of ours
 * (which would exit with 70), and a model without C has a diagnostic. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "frontend/frontend.h"
#include "passes/passes.h"

enum {
    LARGEST = 1 << 14, /* bytes of a model: larger ones only take longer */
    LIMIT = 20         /* diagnostics */
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool build(Program *p, Ctx *ctx)
{
    bool good = true;
    for (int f = 0; f < FN_COUNT; f++)
        if (f != FN_attribute && model_has(p, (Fn)f))
            good = (p->fn[f] = model_graph(p, (Fn)f)) != NULL && good;
    return good && !ctx->diag.errors;
}

static bool compile(Ctx *ctx)
{
    ModelOptions options = {0};
    Program *p = model_read(ctx, &options, ctx->diag.text, ctx->diag.size);
    if (!p || ctx->diag.errors)
        return false;
    p->target = target_find("x86-64-v3");
    p->template_dir = FUZZ_TEMPLATES;
    PassOptions passes = {0};
    if (!build(p, ctx) || !passes_run(p, &passes))
        return false;
    kernels_text(p);
    CodegenOptions c = {.command = "nncc", .main = true, .grad = true};
    return emit_header(p, &c) && emit_source(p, &c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static FILE *null;
    if (!null)
        null = fopen("/dev/null", "w");
    if (size > LARGEST || !null)
        return 0;
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = 0; /* as main.c gives it */
    Ctx ctx = {.arena = arena_new(),
               .diag = {.file = "m.yaml", .text = text, .size = size, .out = null, .limit = LIMIT}};
    if (!compile(&ctx) && !ctx.diag.errors)
        abort();
    arena_free(ctx.arena);
    free(text);
    return 0;
}
