/* SPDX-License-Identifier: MIT */
/* nnrt_scratch.h: what the tests of the runtime's files share: a folder of the test's own, files in
 * it, and checks of an error text. Tests name scratch_open and scratch_close in their TestSuite. */
#ifndef NNRT_SCRATCH_H
#define NNRT_SCRATCH_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nnrt_data.h"

#define UNUSED __attribute__((unused))

static char scratch_dir[64];

static UNUSED void scratch_open(void)
{
    strcpy(scratch_dir, P_tmpdir "/nnrt-test-XXXXXX");
    cr_assert_not_null(mkdtemp(scratch_dir));
}

/* The path of a name in the folder; kept by four buffers in turn. */
static UNUSED const char *scratch_path(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_dir, name);
    return path;
}

/* How many files the folder holds; with `remove`, none any more. */
static UNUSED int scratch_count(int and_remove)
{
    int n = 0;
    DIR *dir = opendir(scratch_dir);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        n++;
        if (and_remove && unlink(scratch_path(e->d_name)) != 0)
            rmdir(scratch_path(e->d_name));
    }
    if (dir)
        closedir(dir);
    return n;
}

static UNUSED void scratch_close(void)
{
    scratch_count(1);
    rmdir(scratch_dir);
}

static UNUSED const char *scratch_write(const char *name, const void *bytes, size_t size)
{
    const char *path = scratch_path(name);
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
    return path;
}

static UNUSED const char *scratch_text(const char *name, const char *text)
{
    return scratch_write(name, text, strlen(text));
}

/* The call failed with this status, and its text is one line that has both pieces in it. */
static UNUSED void scratch_fault(int status, int expected, const nnrt_fault *fault,
                                 const char *piece, const char *other)
{
    cr_expect_eq(status, expected, "status %d, not %d: %s", status, expected, fault->text);
    cr_expect(strlen(fault->text) > 8 && !strchr(fault->text, '\n'), "no line: '%s'", fault->text);
    cr_expect_not_null(strstr(fault->text, piece), "'%s' has no '%s'", fault->text, piece);
    cr_expect_not_null(strstr(fault->text, other), "'%s' has no '%s'", fault->text, other);
}

#endif
