/* SPDX-License-Identifier: MIT */
/* template.h: filling in the files of templates/. */
#ifndef NNCC_TEMPLATE_H
#define NNCC_TEMPLATE_H

#include "../ir/ir.h"

typedef struct TemplateWord {
    const char *name; /* NNCC_TILE_M */
    const char *text; /* what takes its place */
} TemplateWord;

/* What stands between the marks of templates/NAME, words replaced; in the program's arena. "winograd.c:patch"
 * is what stands between the marks of that part. */
const char *template_text(const Program *, const char *name, int n, const TemplateWord *words);

#endif
