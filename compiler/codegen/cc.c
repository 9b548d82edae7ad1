/* SPDX-License-Identifier: MIT */
/* cc.c: finding nncc's files, writing results safely, running the C compiler without a shell. */
#include "cc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BAD_FILE = 3 };

/* What programs that read sound are linked with: what the runtime library was built with. */
#ifdef NNRT_SNDFILE
#define SNDFILE NNRT_SNDFILE
#else
#define SNDFILE ""
#endif
/* The same of those that read images. */
#ifdef NNRT_PNG
#define PNG NNRT_PNG
#else
#define PNG ""
#endif
#ifdef NNRT_JPEG
#define JPEG NNRT_JPEG
#else
#define JPEG ""
#endif

/* --- home ------------------------------------------------------------------------------------- */

static bool is_there(const char *path)
{
    return access(path, R_OK) == 0;
}

bool home_find(Arena *arena, Home *home)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    home->templates = arena_format(arena, "%s/templates", exe);
    home->include = arena_format(arena, "%s/include", exe);
    home->library = arena_format(arena, "%s/libnnrt.a", exe);
    home->runtime = arena_format(arena, "%s/share/runtime", exe);
    if (is_there(home->templates) && is_there(home->library))
        return true;
    home->templates = arena_format(arena, "%s/../share/nncc/templates", exe);
    home->include = arena_format(arena, "%s/../include", exe);
    home->library = arena_format(arena, "%s/../lib/libnnrt.a", exe);
    home->runtime = arena_format(arena, "%s/../share/nncc/runtime", exe);
    return is_there(home->templates) && is_there(home->library);
}

char *home_text(Arena *arena, const char *folder, const char *name)
{
    const char *path = arena_format(arena, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    long size = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : 0;
    char *text = size > 0 ? arena_take(arena, (size_t)size + 1) : NULL;
    if (!text || fseek(f, 0, SEEK_SET) != 0 || fread(text, 1, (size_t)size, f) != (size_t)size)
        BUG("nncc's own file '%s' cannot be read", path);
    fclose(f);
    text[size] = '\0';
    return text;
}

/* --- files ------------------------------------------------------------------------------------ */

static int complain(const char *path)
{
    fprintf(stderr, "nncc: error: cannot write '%s': %s\n", path, strerror(errno));
    return BAD_FILE;
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

static int write_stdout(const char *text, size_t size)
{
    fflush(stdout);
    return write_all(STDOUT_FILENO, text, size) ? 0 : complain("standard output");
}

/* A file on its way: its text is whole in `part`, which is `path` itself where that is a device or
 * a link (/dev/stdout): these are written through, never replaced. */
typedef struct Part {
    const char *path, *part; /* part NULL: not opened */
    bool special;
} Part;

static int part_write(Arena *arena, const FileText *file, Part *p)
{
    struct stat st;
    bool special = lstat(file->path, &st) == 0 && !S_ISREG(st.st_mode);
    const char *path = file->path;
    if (!special)
        path = arena_format(arena, "%s.part-%ld", path, (long)getpid());
    int flags = special ? O_WRONLY | O_TRUNC : O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    int fd = open(path, flags, 0666);
    if (fd < 0)
        return complain(file->path);
    *p = (Part){file->path, path, special};
    bool good = write_all(fd, file->text, file->size);
    int saved = good ? 0 : errno;
    good = close(fd) == 0 && good;
    errno = saved ? saved : errno;
    return good ? 0 : complain(file->path);
}

int files_write(Arena *arena, int n, const FileText *files)
{
    Part *part = arena_take(arena, sizeof *part * (size_t)n);
    int status = 0;
    for (int i = 0; !status && i < n; i++)
        status = part_write(arena, &files[i], &part[i]);
    for (int i = 0; !status && i < n; i++)
        if (!part[i].special && rename(part[i].part, part[i].path) != 0)
            status = complain(part[i].path);
    for (int i = 0; status && i < n; i++)
        if (part[i].part && !part[i].special)
            unlink(part[i].part);
    return status;
}

int file_write(Arena *arena, const char *path, const char *text, size_t size)
{
    if (strcmp(path, "-") == 0)
        return write_stdout(text, size);
    return files_write(arena, 1, &(FileText){path, text, size});
}

/* --- the compiler ----------------------------------------------------------------------------- */

int program_run(char *const *argv, bool quiet)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};
    sigset_t interrupt;
    pid_t pid;
    int status = -1;
    sigemptyset(&interrupt);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGINT, &ignore, &before);
    if (before.sa_handler != SIG_IGN)
        sigaddset(&interrupt, SIGINT);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &interrupt);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    if (quiet) {
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    }
    int failure = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
    while (!failure && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    sigaction(SIGINT, &before, NULL);
    errno = failure;
    if (!failure && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        return PROGRAM_INTERRUPTED;
    return !failure && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

typedef VEC(char *) Argv;

static void add(Arena *arena, Argv *argv, const char *text)
{
    vec_push(arena, argv, arena_text(arena, text, strlen(text)));
}

/* The words of a text: $CC may hold options. */
static void add_words(Arena *arena, Argv *argv, const char *text)
{
    for (const char *c = text; *c;) {
        size_t n = strcspn(c, " ");
        if (n)
            vec_push(arena, argv, arena_text(arena, c, n));
        c += n + (c[n] == ' ');
    }
}

/* Unrolled loops pay in a tiny network; in a large one they gain nothing and cost clang most of its
 * time. */
bool cc_is_large(const char *text)
{
    enum { LARGE = 64 << 10 };
    return strlen(text) > LARGE;
}

static void add_flags(Arena *arena, Argv *argv, const Target *t, bool large)
{
    add_words(arena, argv, "-std=gnu11 -O3 -fopenmp -fno-math-errno -fno-trapping-math");
    if (large)
        add(arena, argv, "-fno-unroll-loops");
    add_words(arena, argv, t->flags);
}

/* Whether this compiler links an OpenMP program. */
static bool works(Arena *arena, const char *cc, const char *folder)
{
    const char *source = arena_format(arena, "%s/try.c", folder),
               *program = arena_format(arena, "%s/try", folder);
    FILE *f = fopen(source, "w");
    if (!f)
        return false;
    fputs("int main(void)\n{\n    return 0;\n}\n", f);
    fclose(f);
    Argv argv = {0};
    add(arena, &argv, cc);
    add_words(arena, &argv, "-fopenmp -o");
    add(arena, &argv, program);
    add(arena, &argv, source);
    vec_push(arena, &argv, NULL);
    bool good = program_run(argv.at, true) == 0;
    unlink(source);
    unlink(program);
    return good;
}

char *folder_make(Arena *arena)
{
    const char *base = getenv("TMPDIR");
    char *folder = arena_format(arena, "%s/nncc-XXXXXX", base && *base ? base : P_tmpdir);
    if (mkdtemp(folder))
        return folder;
    complain(folder);
    return NULL;
}

const char *cc_find(Arena *arena)
{
    static const char *const known[] = {"clang", "gcc", "cc"};
    const char *cc = getenv("CC");
    if (cc && *cc)
        return cc;
    const char *folder = folder_make(arena), *found = NULL;
    if (!folder)
        return NULL;
    for (int i = 0; i < COUNT(known) && !found; i++)
        if (works(arena, known[i], folder))
            found = known[i];
    rmdir(folder);
    if (!found)
        fprintf(stderr, "nncc: error: no C compiler that links OpenMP programs: install clang and "
                        "libomp-dev, or gcc\n");
    return found;
}

/* clang -O3 ..., as it stands between the quotes of a C string: for the program's `info`. */
static const char *joined(Arena *arena, const Argv *argv)
{
    Str s = str_new(arena);
    for (int i = 0; i < argv->n; i++) {
        str_add(&s, "%s", i ? " " : "");
        for (const char *c = argv->at[i]; *c; c++)
            str_add(&s, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    }
    return s.at;
}

static int compile(Arena *arena, const Home *home, const Target *t, const CcHow *how,
                   const char *source, const char *out)
{
    Argv argv = {0};
    add_words(arena, &argv, how->cc);
    add_flags(arena, &argv, t, how->large);
    char *built = arena_format(arena, "-DNNRT_BUILT_WITH=\"%s\"", joined(arena, &argv));
    vec_push(arena, &argv, built);
    add(arena, &argv, arena_format(arena, "-I%s", home->include));
    add(arena, &argv, "-o");
    add(arena, &argv, out);
    add(arena, &argv, source);
    if (!how->single_file)
        add(arena, &argv, home->library);
    if (!how->single_file && how->sound)
        add_words(arena, &argv, SNDFILE);
    if (!how->single_file && how->images)
        add_words(arena, &argv, PNG " " JPEG);
    add_words(arena, &argv, how->single_file ? "-lm" : "-lz -lm");
    vec_push(arena, &argv, NULL);
    int status = program_run(argv.at, false);
    if (status == 0 || status == PROGRAM_INTERRUPTED)
        return status;
    fprintf(stderr, "nncc: error: the C compiler '%s' %s%s\n", argv.at[0],
            errno ? "cannot be run: " : "failed", errno ? strerror(errno) : "");
    return BAD_FILE;
}

/* A program replaces what is there, so that must be a file: never /dev/null. */
static int check_replaceable(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode))
        return 0;
    fprintf(stderr, "nncc: error: cannot write '%s': a program would replace what is no file\n",
            path);
    return BAD_FILE;
}

int cc_program_as(Arena *arena, const Home *home, const Target *t, const CcHow *how,
                  const char *text, const char *path)
{
    char *folder = check_replaceable(path) == 0 ? folder_make(arena) : NULL;
    if (!folder)
        return BAD_FILE;
    const char *source = arena_format(arena, "%s/model.c", folder);
    const char *part =
        arena_format(arena, "%s%s.part-%ld", *path == '-' ? "./" : "", path, (long)getpid());
    int status = file_write(arena, source, text, strlen(text));
    if (!status)
        status = compile(arena, home, t, how, source, part);
    if (!status && rename(part, path) != 0)
        status = complain(path);
    unlink(part);
    unlink(source);
    rmdir(folder);
    return status;
}

bool cc_reads_sound(const char *text)
{
    return strstr(text, "&nnrt_sound_reader") != NULL;
}

bool cc_reads_images(const char *text)
{
    return strstr(text, "&nnrt_images_reader") != NULL;
}

int cc_program(Arena *arena, const Home *home, const Target *t, const char *text, bool single_file,
               const char *path)
{
    const CcHow how = {cc_find(arena), single_file, cc_is_large(text), cc_reads_sound(text),
                       cc_reads_images(text)};
    return how.cc ? cc_program_as(arena, home, t, &how, text, path) : BAD_FILE;
}
