/* SPDX-License-Identifier: MIT */
/* test_diag_golden.c: guards what users are told: each wrong model of tests/diag, NAME.yaml, must
 * give
 * exactly the diagnostics in NAME.err. UPDATE_GOLDEN=1 writes them anew; read the difference then.
 * NNCC_TESTS: the folder tests/ where it is not below the current one.
 */
#include <dirent.h>

#include "frontend_read.h"

#ifndef TESTS_DIR
#define TESTS_DIR "tests"
#endif

static const char *folder(void)
{
    static char path[512];
    const char *tests = getenv("NNCC_TESTS");
    snprintf(path, sizeof path, "%s/diag", tests ? tests : TESTS_DIR);
    return path;
}

static char *read_file(const char *name, const char *ending, size_t *size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%s", folder(), name, ending);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = malloc(1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, file);
    text[*size] = '\0';
    fclose(file);
    return text;
}

static void write_file(const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.err", folder(), name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0, "%s", path);
}

/* Whether one model gives what it should. */
static bool check(const char *name)
{
    size_t size, expected_size;
    char *text = read_file(name, ".yaml", &size),
         *expected = read_file(name, ".err", &expected_size);
    start(text, size);
    ctx.diag.file = arena_format(ctx.arena, "%s.yaml", name);
    ModelOptions options = {0};
    bool accepted = model_read(&ctx, &options, text, size) != NULL;
    const char *given = reports();
    if (accepted || !ctx.diag.errors) {
        cr_log_error("%s is accepted", name);
        return false;
    }
    if (getenv("UPDATE_GOLDEN")) {
        write_file(name, given);
        return true;
    }
    if (expected && strcmp(given, expected) == 0)
        return true;
    cr_log_error("%s:\n--- expected\n%s--- given\n%s", name,
                 expected ? expected : "(no .err file)\n", given);
    return false;
}

Test(diag_golden, all, .timeout = 60)
{
    DIR *dir = opendir(folder());
    cr_assert_not_null(dir, "no folder %s: run from the project's folder or set NNCC_TESTS",
                       folder());
    int n = 0, bad = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char name[300];
        snprintf(name, sizeof name, "%s", entry->d_name);
        char *dot = strrchr(name, '.');
        if (!dot || strcmp(dot, ".yaml") != 0)
            continue;
        *dot = '\0';
        n++;
        bad += !check(name);
    }
    closedir(dir);
    cr_assert_eq(bad, 0, "%d of %d differ", bad, n);
    cr_assert_geq(n, 100, "only %d models in %s", n, folder());
}
