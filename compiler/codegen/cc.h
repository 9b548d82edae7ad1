/* SPDX-License-Identifier: MIT */
/* cc.h: files around the emitted text: where nncc's own are, writing results, running the C
 * compiler. */
#ifndef NNCC_CC_H
#define NNCC_CC_H

#include "../base/base.h"
#include "../targets/targets.h"

/* Folders of this nncc: beside its executable (build/) or under its PREFIX. */
typedef struct Home {
    const char *templates, *include, *library, *runtime;
} Home;

bool home_find(Arena *, Home *);
/* The text of a file in one of these folders, NUL-terminated. One that is not there is a bug. */
char *home_text(Arena *, const char *folder, const char *name);

typedef struct FileText {
    const char *path, *text;
    size_t size;
} FileText;

/* Writes each file beside its path; once all are whole renames them into place, else leaves none.
 * Gives 0, or 3 after a line on stderr. */
int files_write(Arena *, int n, const FileText *);
/* The same for one; "-" is standard output. */
int file_write(Arena *, const char *path, const char *text, size_t size);

enum { PROGRAM_INTERRUPTED = 130 };

/* Runs argv; quiet: its output is dropped. Ctrl-C ends the child alone, so that what it left can
 * be removed. Gives its exit status, PROGRAM_INTERRUPTED, or -1 after any other end; errno says why it
 * could not be started, else it is 0. */
int program_run(char *const *argv, bool quiet);

/* A new folder for temporary files, under $TMPDIR, or NULL after a line on stderr. */
char *folder_make(Arena *);
/* $CC, or the first of clang, gcc, cc that links an OpenMP program; or NULL after a line on stderr. */
const char *cc_find(Arena *);
/* Whether the text is compiled as large programs are. */
bool cc_is_large(const char *text);

/* Whether the text is a program that reads sound; images. */
bool cc_reads_sound(const char *text);
bool cc_reads_images(const char *text);

typedef struct CcHow {
    const char *cc;
    bool single_file, large, sound, images;
} CcHow;

/* Compiles the C text to a program at `path`. Gives 0, or 3 after a line on stderr. */
int cc_program_as(Arena *, const Home *, const Target *, const CcHow *, const char *text,
                  const char *path);
/* The same by the compiler that cc_find finds, as the text's size says. */
int cc_program(Arena *, const Home *, const Target *, const char *text, bool single_file,
               const char *path);

#endif
