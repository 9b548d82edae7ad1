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
    cr_expect(expected && strcmp(expected, made) == 0, "%s: %s made\n%s\nnot\n%s", path, pass->name,
              made, expected ? expected : "(nothing expected)");
    free(text);
    free(expected);
    free(made);
    fixture_free(f);
}

static const char *tests_folder(void)
{
    const char *tests = getenv("NNCC_TESTS");
    return tests ? tests : TESTS_DIR;
}

static int check_folder(const PassRow *pass)
{
    char folder[256], path[512];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/ir/%s", tests_folder(), pass->name);
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
    static const char *const passes[] = {"autodiff", "optimizer", "simplify",
                                         "cse",      "split",     "layout"};
    for (int i = 0; i < pass_count; i++) {
        int n = check_folder(&pass_rows[i]);
        for (int k = 0; k < COUNT(passes); k++)
            if (strcmp(passes[k], pass_rows[i].name) == 0)
                cr_expect_geq(n, 3, "%s: %d graphs found", passes[k], n);
    }
}

/* A folder that is no pass's would be read by nobody. */
Test(ir_golden, every_folder_is_a_pass)
{
    char path[256];
    snprintf(path, sizeof path, "%s/ir", tests_folder());
    DIR *d = opendir(path);
    cr_assert(d, "no folder %s", path);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        if (e->d_name[0] != '.')
            cr_expect_geq(pass_find(e->d_name), 0, "%s/%s", path, e->d_name);
    closedir(d);
}
