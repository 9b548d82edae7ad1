/* SPDX-License-Identifier: MIT */
/* nnrt_common.c: small things that several sub-commands share. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "nnrt_program.h"

void nnrt_say(const nnrt_model *model, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", model->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int nnrt_flush_results(nnrt_fault *fault)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return nnrt_fail(fault, NNRT_BAD_FILE, "standard output: %s", strerror(errno));
}

/* The folder and those above it. */
static int common_folder(char *dir)
{
    for (char *at = dir + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        int failed = mkdir(dir, 0777) != 0 && errno != EEXIST;
        *at = '/';
        if (failed)
            return -1;
    }
    return mkdir(dir, 0777) != 0 && errno != EEXIST ? -1 : 0;
}

int nnrt_make_folder(const char *dir, nnrt_fault *fault)
{
    char *path = strdup(dir);
    int failed = path && common_folder(path) != 0;
    int status = !path    ? nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a path")
                 : failed ? nnrt_fail(fault, NNRT_BAD_FILE, "%s: %s", dir, strerror(errno))
                          : 0;
    free(path);
    return status;
}

int nnrt_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

char *nnrt_default_weights(const nnrt_model *model)
{
    size_t size = strlen(model->name) + sizeof ".safetensors";
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s.safetensors", model->name);
    return path;
}

int nnrt_open_weights(nnrt_instance **out, const nnrt_model *model, const char *path,
                      nnrt_fault *fault)
{
    char *own = path ? NULL : nnrt_default_weights(model);
    nnrt_instance *m = path || own ? nnrt_new_blank(model, model->train.seed) : NULL;
    int status = 0;
    *out = NULL;
    if (!m)
        status =
            nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the network: %zu bytes", model->size);
    else
        status = nnrt_load(m, path ? path : own);
    if (m && status)
        nnrt_fail(fault, 0, "%s%s", m->error,
                  own && status == NNRT_BAD_FILE ? " (train writes it; --weights names another)"
                                                 : "");
    else if (m && m->error[0])
        nnrt_say(model, "warning: %s", m->error);
    if (status)
        nnrt_free(m);
    else
        *out = m;
    free(own);
    return status;
}

int nnrt_open_meta(nnrt_meta *meta, const nnrt_model *model, const char *path, nnrt_fault *fault)
{
    char *own = NULL;
    *meta = (nnrt_meta){0};
    if (!model->text && !model->sound && !model->images && !model->categories)
        return 0;
    if (!path)
        path = own = nnrt_default_weights(model);
    int status =
        path ? nnrt_meta_read(meta, path, fault) : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    free(own);
    return status;
}

int nnrt_check_writable(const char *path, nnrt_fault *fault)
{
    struct stat s;
    const char *slash = strrchr(path, '/');
    char *dir = !slash          ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    int status = 0;
    if (!dir)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    if (stat(dir, &s) != 0)
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: its folder: %s", path, strerror(errno));
    else if (!S_ISDIR(s.st_mode))
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: '%s' is no folder", path, dir);
    else if (access(dir, W_OK | X_OK) != 0)
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: the folder cannot be written: %s", path,
                           strerror(errno));
    else if ((slash && !slash[1]) || (stat(path, &s) == 0 && S_ISDIR(s.st_mode)))
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: is a folder, a file was expected", path);
    free(dir);
    return status;
}

int nnrt_open_data(nnrt_dataset *data, const nnrt_model *model, const nnrt_args *args,
                   const nnrt_source *source, const nnrt_source *like, const unsigned char *need,
                   nnrt_meta *meta, nnrt_fault *fault)
{
    unsigned char *all = need ? NULL : malloc((size_t)model->n_inputs + 1);
    if (!need && !all)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    if (all)
        memset(all, 1, (size_t)model->n_inputs + 1);
    int status;
    if (source)
        status =
            nnrt_dataset_open(data, model, source, args->data_dir, need ? need : all, meta, fault);
    else
        status = nnrt_dataset_args(data, model, args->data.n, args->data.at, like, args->data_dir,
                                   need ? need : all, meta, fault);
    free(all);
    return status;
}

int nnrt_first_not_finite(const nnrt_instance *m)
{
    for (int i = 0; i < m->model->n_vars; i++) {
        const nnrt_var *v = &m->model->vars[i];
        const float *at = (const float *)(const void *)(m->vars + v->offset);
        if (v->kind == NNRT_STATE)
            continue;
        for (int64_t k = 0; k < v->count; k++)
            if (!isfinite(at[k]))
                return i;
    }
    return -1;
}
