/* SPDX-License-Identifier: MIT */
/* test_ir_golden.c: tests/ir/PASS/NAME.nir holds a graph as text; what PASS makes of it stands in
 * NAME.expect.nir. UPDATE_GOLDEN=1 rewrites the expectations. */
#include "graph_fixture.h"

#include <dirent.h>
#include <stdlib.h>

#ifndef TESTS_DIR
#define TESTS_DIR "tests"
#endif

static char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    *size = 0;
    if (!f)
        return NULL;
    char *text = calloc(1, 1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

static void check(const char *path, const PassRow *pass)
{
    Fixture *f = fixture_new(FN_train);
    size_t n, m, have;
    char expected_path[512], *made = NULL;
    char *text = slurp(path, &n);
    Program *p = program_read(&f->ctx, text, n);
    cr_assert(p, "%s: %s", path, fixture_said(f));
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (p->fn[fn]) {
            graph_verify(p->fn[fn], "reading");
            pass->run(p->fn[fn]);
            graph_verify(p->fn[fn], pass->name);
        }
    FILE *out = open_memstream(&made, &m);
    program_print(p, out);
    fclose(out);
    snprintf(expected_path, sizeof expected_path, "%.*s.expect.nir", (int)strlen(path) - 4, path);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *to = fopen(expected_path, "wb");
        fwrite(made, 1, m, to);
        fclose(to);
    }
    char *expected = slurp(expected_path, &have);
    cr_expect(expected && strcmp(expected, made) == 0, "%s: %s made\n%s", path, pass->name, made);
    free(text);
    free(expected);
    free(made);
    fixture_free(f);
}

static int check_folder(const PassRow *pass)
{
    const char *tests = getenv("NNCC_TESTS");
    char folder[256], path[512];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/ir/%s", tests ? tests : TESTS_DIR, pass->name);
    DIR *d = opendir(folder);
    if (!d)
        return 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        const char *end = strstr(e->d_name, ".nir");
        if (!end || end[4] || strstr(e->d_name, ".expect"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        check(path, pass);
        n++;
    }
    closedir(d);
    return n;
}

Test(ir_golden, every_graph_becomes_what_stands_beside_it)
{
    int n = 0;
    for (int i = 0; i < pass_count; i++)
        if (strcmp(pass_rows[i].name, "fuse") != 0)
            n += check_folder(&pass_rows[i]);
    cr_expect_geq(n, 20, "%d graphs found", n);
}
