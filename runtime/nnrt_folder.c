/* SPDX-License-Identifier: MIT */
/* nnrt_folder.c: the files of a folder, or of a folder a class, in the order of their names. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_data.h"

void nnrt_names_free(nnrt_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->at[i]);
    free(names->at);
    *names = (nnrt_names){0};
}

int nnrt_names_put(nnrt_names *names, char *name)
{
    if (names->n == names->room) {
        size_t room = names->room ? names->room * 2 : 64;
        char **grown = realloc(names->at, room * sizeof *grown);
        if (!grown) {
            free(name);
            return NNRT_NO_MEMORY;
        }
        names->at = grown;
        names->room = room;
    }
    if (!name)
        return NNRT_NO_MEMORY;
    names->at[names->n++] = name;
    return NNRT_OK;
}

static int folder_no_memory(const char *folder, nnrt_fault *fault)
{
    return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for the names of its files", folder);
}

static int folder_by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int nnrt_folder_list(const char *folder, int folders, nnrt_names *out, nnrt_fault *fault)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return nnrt_fail(fault, NNRT_BAD_FILE, "%s: cannot open: %s", folder, strerror(errno));
    int status = NNRT_OK;
    for (struct dirent *e; !status && (e = readdir(dir));) {
        struct stat st;
        char *path = nnrt_path_join(folder, e->d_name);
        int fits = path && e->d_name[0] != '.' && stat(path, &st) == 0 &&
                   (folders ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode));
        if (!path || (fits && nnrt_names_put(out, strdup(e->d_name))))
            status = folder_no_memory(folder, fault);
        free(path);
    }
    closedir(dir);
    if (out->n)
        qsort(out->at, out->n, sizeof *out->at, folder_by_name);
    return status;
}

int nnrt_folder_files(const char *folder, const char *name, nnrt_names *paths, nnrt_names *classes,
                      nnrt_fault *fault)
{
    nnrt_names files = {0};
    int status = nnrt_folder_list(folder, 0, &files, fault);
    for (size_t i = 0; i < files.n && !status; i++) {
        if (nnrt_names_put(paths, nnrt_path_join(folder, files.at[i])) ||
            (name && nnrt_names_put(classes, strdup(name))))
            status = folder_no_memory(folder, fault);
    }
    nnrt_names_free(&files);
    return status;
}

int nnrt_folder_classes(const char *folder, const char *what, nnrt_names *paths,
                        nnrt_names *classes, nnrt_fault *fault)
{
    nnrt_names folders = {0};
    int status = nnrt_folder_list(folder, 1, &folders, fault);
    for (size_t i = 0; i < folders.n && !status; i++) {
        char *path = nnrt_path_join(folder, folders.at[i]);
        status = path ? nnrt_folder_files(path, folders.at[i], paths, classes, fault)
                      : folder_no_memory(folder, fault);
        free(path);
    }
    if (!status && paths->n == 0)
        status =
            nnrt_fail(fault, NNRT_BAD_CONTENT,
                      "%s: expected a folder a class, with %s in it; found none", folder, what);
    nnrt_names_free(&folders);
    return status;
}
