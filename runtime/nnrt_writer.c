/* SPDX-License-Identifier: MIT */
/* nnrt_writer.c: files written whole or not at all. The new file grows under another name in the
 * same folder, reaches the disk, and only then takes its place: whatever happens, a reader finds
 * the old file or the new one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nnrt_data.h"

struct nnrt_writer {
    int dir, fd;      /* the folder; the part, -1 once closed */
    char *path;       /* as given */
    const char *base; /* the name in the folder, in `path` */
    char part[48];    /* the name while it is written; "" where none is left to remove */
    size_t size, reserved;
    int keep, status;
    nnrt_fault *fault;
};

/* A file over its limit (ulimit -f) raises SIGXFSZ, which would end the program with half a file:
 * it is held back around a call, and dropped. */
typedef struct writer_mask {
    sigset_t one, before;
} writer_mask;

static void writer_hold(writer_mask *m)
{
    sigemptyset(&m->one);
    sigaddset(&m->one, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &m->one, &m->before);
}

static void writer_release(writer_mask *m)
{
    if (!sigismember(&m->before, SIGXFSZ))
        while (sigtimedwait(&m->one, NULL, &(struct timespec){0}) == SIGXFSZ)
            ;
    sigprocmask(SIG_SETMASK, &m->before, NULL);
}

static void writer_remove(nnrt_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    if (w->part[0])
        unlinkat(w->dir, w->part, 0);
    w->part[0] = 0;
}

/* Keeps the first failure and removes the part. */
static int writer_fail(nnrt_writer *w, const char *what, int error)
{
    w->status = nnrt_fail(w->fault, error == ENOMEM ? NNRT_NO_MEMORY : NNRT_BAD_FILE, "%s: %s: %s",
                          w->path, what, strerror(error));
    writer_remove(w);
    return w->status;
}

static int writer_free(nnrt_writer *w)
{
    int status = w->status;
    writer_remove(w);
    if (w->dir >= 0)
        close(w->dir);
    free(w->path);
    free(w);
    return status;
}

/* Opens the folder of w->path and points w->base at the name in it. */
static int writer_folder(nnrt_writer *w)
{
    char *slash = strrchr(w->path, '/');
    w->base = slash ? slash + 1 : w->path;
    if (!*w->base || strcmp(w->base, ".") == 0 || strcmp(w->base, "..") == 0)
        return writer_fail(w, "cannot write", EISDIR);
    char first = 0;
    if (slash == w->path)
        first = slash[1], slash[1] = 0; /* "/x": the folder is "/" */
    else if (slash)
        *slash = 0;
    w->dir = open(slash ? w->path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;
    if (slash == w->path)
        slash[1] = first;
    else if (slash)
        *slash = '/';
    return w->dir < 0 ? writer_fail(w, "cannot open its folder", error) : NNRT_OK;
}

/* Refuses to put a file in the place of a folder or a device. */
static int writer_target(nnrt_writer *w)
{
    struct stat st;
    if (fstatat(w->dir, w->base, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? NNRT_OK : writer_fail(w, "cannot write", errno);
    if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
        return NNRT_OK;
    w->status = nnrt_fail(w->fault, NNRT_BAD_FILE,
                          "%s: cannot write: expected a regular file or none, found %s", w->path,
                          S_ISDIR(st.st_mode) ? "a folder" : "a pipe, socket or device");
    return w->status;
}

/* Creates the part, which nobody else has or follows, and reserves its room. */
static int writer_create(nnrt_writer *w, size_t expected)
{
    for (int i = 0; i < 1000 && w->fd < 0; i++) {
        snprintf(w->part, sizeof w->part, ".nnrt-%ld-%d.part", (long)getpid(), i);
        w->fd = openat(w->dir, w->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (w->fd < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    if (w->fd < 0) {
        w->part[0] = 0; /* not ours */
        return writer_fail(w, "cannot create a file in its folder", errno);
    }
    if (expected == 0 || expected > (size_t)LLONG_MAX)
        return NNRT_OK;
    writer_mask mask;
    writer_hold(&mask);
    int error = 0;
    do
        error = posix_fallocate(w->fd, 0, (off_t)expected);
    while (error == EINTR);
    writer_release(&mask);
    if (error == 0)
        w->reserved = expected;
    /* a file system that cannot reserve says so in one of these; the writes will tell */
    if (error && error != EOPNOTSUPP && error != EINVAL && error != ENOSYS)
        return writer_fail(w, "cannot reserve its room on the disk", error);
    return NNRT_OK;
}

int nnrt_writer_open(nnrt_writer **out, const char *path, size_t expected_size, int keep,
                     nnrt_fault *fault)
{
    *out = NULL;
    nnrt_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to write it", path);
    }
    w->dir = w->fd = -1;
    w->keep = keep;
    w->fault = fault;
    if (writer_folder(w) || writer_target(w) || writer_create(w, expected_size))
        return writer_free(w);
    *out = w;
    return NNRT_OK;
}

int nnrt_writer_put(nnrt_writer *w, const void *bytes, size_t size)
{
    if (w->status)
        return w->status;
    writer_mask mask;
    writer_hold(&mask);
    int error = 0;
    for (const unsigned char *at = bytes; size && !error;) {
        ssize_t done = write(w->fd, at, size < INT_MAX / 2 ? size : INT_MAX / 2);
        if (done < 0 && errno != EINTR)
            error = errno;
        if (done <= 0)
            continue;
        at += done;
        size -= (size_t)done;
        w->size += (size_t)done;
    }
    writer_release(&mask);
    return error ? writer_fail(w, "cannot write", error) : NNRT_OK;
}

/* All bytes on the disk, the part closed but still under its own name. */
static int writer_finish(nnrt_writer *w)
{
    if (w->reserved > w->size && ftruncate(w->fd, (off_t)w->size) != 0)
        return writer_fail(w, "cannot write", errno);
    int failed = 0;
    do
        failed = fsync(w->fd);
    while (failed && errno == EINTR);
    if (failed)
        return writer_fail(w, "cannot bring it to the disk", errno);
    int fd = w->fd;
    w->fd = -1;
    if (close(fd) != 0 && errno != EINTR)
        return writer_fail(w, "cannot write", errno);
    return NNRT_OK;
}

/* Moves PATH.1 to PATH.2 and so on, then gives the present file the second name PATH.1: the file
 * itself is in its place all the while. */
static int writer_shift(nnrt_writer *w)
{
    struct stat st;
    if (w->keep <= 0 || fstatat(w->dir, w->base, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return NNRT_OK;
    size_t size = strlen(w->base) + 16;
    char *from = malloc(2 * size);
    if (!from)
        return writer_fail(w, "cannot keep the earlier file", ENOMEM);
    char *to = from + size;
    int failed = 0;
    for (int i = w->keep; i > 1 && !failed; i--) {
        snprintf(from, size, "%s.%d", w->base, i - 1);
        snprintf(to, size, "%s.%d", w->base, i);
        failed = renameat(w->dir, from, w->dir, to) != 0 && errno != ENOENT;
    }
    snprintf(to, size, "%s.1", w->base);
    if (!failed && w->keep == 1)
        failed = unlinkat(w->dir, to, 0) != 0 && errno != ENOENT;
    if (!failed)
        failed = linkat(w->dir, w->base, w->dir, to, 0) != 0 &&
                 renameat(w->dir, w->base, w->dir, to) != 0; /* no second names here */
    int error = errno;
    free(from);
    return failed ? writer_fail(w, "cannot keep the earlier file", error) : NNRT_OK;
}

int nnrt_writer_close(nnrt_writer *w)
{
    if (w->status || writer_finish(w) || writer_shift(w))
        return writer_free(w);
    if (renameat(w->dir, w->part, w->dir, w->base) != 0) {
        writer_fail(w, "cannot put it in its place", errno);
        return writer_free(w);
    }
    w->part[0] = 0; /* it is the file now */
    if (fsync(w->dir) != 0 && errno != EINVAL && errno != EBADF && errno != EROFS)
        writer_fail(w, "cannot bring its folder to the disk", errno);
    return writer_free(w);
}

void nnrt_writer_abort(nnrt_writer *w)
{
    if (w)
        writer_free(w);
}
