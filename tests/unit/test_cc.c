/* SPDX-License-Identifier: MIT */
/* Guards the files that nncc writes and the C compiler that it runs: all or nothing, links and
 * devices written through, no folder left, the flags that a program is told of. */
#include "codegen/cc.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static Arena *arena;
static char folder[] = P_tmpdir "/nncc-cc-XXXXXX";

static void set_up(void)
{
    arena = arena_new();
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_redirect_stderr();
}

static void tear_down(void)
{
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            remove(e->d_name);
    closedir(d);
    cr_expect_eq(rmdir(folder), 0);
    arena_free(arena);
}

TestSuite(cc, .init = set_up, .fini = tear_down);

static const char *text_of(const char *path)
{
    char *text = arena_take(arena, 4096);
    FILE *f = fopen(path, "r");
    if (!f)
        return "(none)";
    size_t n = fread(text, 1, 4095, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static int entries(void)
{
    int n = 0;
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

Test(cc, files_are_written_whole)
{
    const FileText files[] = {{"a.h", "header", 6}, {"a.c", "source", 6}};
    cr_assert_eq(files_write(arena, 2, files), 0);
    cr_assert_str_eq(text_of("a.h"), "header");
    cr_assert_str_eq(text_of("a.c"), "source");
    cr_assert_eq(entries(), 2, "no part is left");
    cr_assert_eq(file_write(arena, "a.c", "other", 5), 0);
    cr_assert_str_eq(text_of("a.c"), "other");
}

Test(cc, one_that_cannot_be_written_leaves_none)
{
    cr_assert_eq(file_write(arena, "a.h", "old", 3), 0);
    const FileText files[] = {{"a.h", "header", 6}, {"none/a.c", "source", 6}};
    cr_assert_eq(files_write(arena, 2, files), 3);
    cr_assert_str_eq(text_of("a.h"), "old");
    cr_assert_eq(entries(), 1);
}

Test(cc, a_folder_is_not_written_over)
{
    cr_assert_eq(mkdir("a.c", 0777), 0);
    cr_assert_eq(file_write(arena, "a.c", "text", 4), 3);
    cr_assert_eq(entries(), 1);
}

Test(cc, a_link_is_written_through)
{
    struct stat st;
    cr_assert_eq(file_write(arena, "real", "a longer text", 13), 0);
    cr_assert_eq(symlink("real", "link"), 0);
    cr_assert_eq(file_write(arena, "link", "short", 5), 0);
    cr_assert(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
    cr_assert_str_eq(text_of("real"), "short");
}

/* A home whose library is an archive of nothing. */
static Home home_here(void)
{
    Home home = {.include = ".", .library = "empty.o"};
    cr_assert_eq(file_write(arena, "empty.c", "int empty_unit;\n", 16), 0);
    cr_assert_eq(system("cc -c empty.c -o empty.o"), 0);
    return home;
}

static const char program[] = "#include <stdio.h>\n"
                              "int main(void) { return puts(NNRT_BUILT_WITH) < 0; }\n";

Test(cc, a_program_knows_its_flags)
{
    Home home = home_here();
    setenv("CC", "cc -DX=\"1\"", 1);
    setenv("TMPDIR", folder, 1);
    int before = entries();
    cr_assert_eq(cc_program(arena, &home, target_find("generic"), program, false, "program"), 0);
    cr_assert_eq(entries(), before + 1, "the program alone is new");
    cr_assert_eq(system("./program >said"), 0);
    cr_assert_eq(strncmp(text_of("said"), "cc -DX=\"1\" -std=gnu11 -O3 -fopenmp", 34), 0, "%s",
                 text_of("said"));
}

Test(cc, a_compiler_that_fails_leaves_the_old_program)
{
    Home home = home_here();
    setenv("CC", "cc", 1);
    setenv("TMPDIR", folder, 1);
    cr_assert_eq(file_write(arena, "program", "old", 3), 0);
    int before = entries();
    cr_assert_eq(
        cc_program(arena, &home, target_find("generic"), "#error wrong\n", false, "program"), 3);
    cr_assert_str_eq(text_of("program"), "old");
    cr_assert_eq(entries(), before);
}

Test(cc, a_folder_for_temporaries_that_is_not_there)
{
    Home home = {.include = ".", .library = "empty.o"};
    setenv("TMPDIR", "none", 1);
    cr_assert_eq(cc_program(arena, &home, target_find("generic"), program, false, "program"), 3);
    cr_assert_eq(entries(), 0);
}

Test(cc, own_files_are_read_whole)
{
    cr_assert_eq(file_write(arena, "own.h", "text of nncc", 12), 0);
    cr_assert_str_eq(home_text(arena, ".", "own.h"), "text of nncc");
}
