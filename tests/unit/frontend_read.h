/* SPDX-License-Identifier: MIT */
/* frontend_read.h: what the tests of the frontend share: a compilation whose diagnostics are kept
 * as
 * text, models read from text, and checks of both. Fresh in each test, since Criterion forks.
 */
#ifndef FRONTEND_READ_H
#define FRONTEND_READ_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/builder.h"

#define UNUSED __attribute__((unused))

static char *said; /* what was reported */
static size_t said_size;
static Ctx ctx;

/* A compilation of `text`; earlier reports are forgotten. */
static UNUSED Ctx *start(const char *text, size_t size)
{
    ctx = (Ctx){.arena = arena_new(),
                .diag = {.file = "m.yaml",
                         .text = text,
                         .size = size,
                         .out = open_memstream(&said, &said_size),
                         .limit = 20}};
    return &ctx;
}

static UNUSED const char *reports(void)
{
    fflush(ctx.diag.out);
    return said ? said : "";
}

static UNUSED Y *read_yaml(const char *text)
{
    start(text, strlen(text));
    return yaml_read(&ctx, text, strlen(text));
}

/* Reads a model; `define`: a -D or NULL. */
static UNUSED Program *read_model_with(const char *text, const char *define)
{
    const char **defines = malloc(sizeof *defines);
    *defines = define;
    ModelOptions options = {.n_defines = define ? 1 : 0, .defines = defines};
    start(text, strlen(text));
    return model_read(&ctx, &options, text, strlen(text));
}

static UNUSED Program *read_model(const char *text)
{
    return read_model_with(text, NULL);
}

/* Reads a model that must be right. */
static UNUSED Program *good_model(const char *text)
{
    Program *p = read_model(text);
    cr_assert_not_null(p, "%s", reports());
    return p;
}

/* Reads a model that must be wrong, and say `expected` somewhere. */
static UNUSED void wrong_model(const char *text, const char *expected)
{
    cr_assert_null(read_model(text), "accepted:\n%s", text);
    cr_assert_not_null(strstr(reports(), expected), "expected '%s' in:\n%s", expected, reports());
}

static UNUSED const Y *at(const Y *y, const char *key)
{
    const Y *value = y_get(y, key);
    cr_assert_not_null(value, "no key %s", key);
    return value;
}

#endif
