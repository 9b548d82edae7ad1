/* SPDX-License-Identifier: MIT */
/* diag.c: everything a user is told: messages as clang prints them, with the source line and a
 * caret.
 *
 * Texts come from strangers' files. So whatever could move a terminal's cursor or reorder what is
 * read (control characters, bidirectional controls, bytes that are no UTF-8) is shown as \xNN. */
#include "base.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES_MAX = 200, WORD_MAX = 64 };

/* Bytes of the UTF-8 sequence at `text`, 0 where it is none (overlong, a surrogate, cut short). */
static int utf8_length(const unsigned char *text, size_t size, unsigned *point)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned first = text[0];
    int n = first < 0x80       ? 1
            : first >> 5 == 6  ? 2
            : first >> 4 == 14 ? 3
            : first >> 3 == 30 ? 4
                               : 0;
    if (n == 0 || (size_t)n > size)
        return 0;
    *point = n == 1 ? first : first & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if (text[i] >> 6 != 2)
            return 0;
        *point = *point << 6 | (text[i] & 0x3f);
    }
    bool bad = n > 1 && (*point < least[n] || *point > 0x10ffff || (*point >> 11) == 0x1b);
    return bad ? 0 : n;
}

static bool hidden(unsigned point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x61c || point == 0xfeff ||
           (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x2069);
}

/* One character as it is shown: gives its bytes in the text and, in *width, its columns on the
 * screen (of a tab: 1). `out` NULL: only measures. */
static size_t show_char(FILE *out, const char *text, size_t size, bool tabs, int *width)
{
    unsigned point = 0;
    int n = utf8_length((const unsigned char *)text, size, &point);
    if (n && (!hidden(point) || (tabs && point == '\t'))) {
        if (out)
            fwrite(text, 1, (size_t)n, out);
        *width = 1;
        return (size_t)n;
    }
    if (n == 0)
        n = 1;
    for (int i = 0; out && i < n; i++)
        fprintf(out, "\\x%02X", (unsigned)(unsigned char)text[i]);
    *width = 4 * n;
    return (size_t)n;
}

static void show(FILE *out, const char *text, size_t size, bool tabs)
{
    int width;
    for (size_t i = 0; i < size;)
        i += show_char(out, text + i, size - i, tabs, &width);
}

/* Finds line `number` (from 1) of the model file. */
static const char *find_line(const Diag *diag, int number, size_t *length)
{
    const char *at = diag->text, *end = diag->text + diag->size;
    for (int i = 1; i < number; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            return NULL;
        at = newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *length = (size_t)((newline ? newline : end) - at);
    if (*length && at[*length - 1] == '\r')
        --*length;
    return at;
}

/* Of a very long line the part around `col`, cut between characters. */
static const char *cut_line(const char *line, size_t *length, size_t *col)
{
    if (*length <= LINE_BYTES_MAX)
        return line;
    size_t from = *col > LINE_BYTES_MAX / 2 ? *col - LINE_BYTES_MAX / 2 : 0;
    while (from > 0 && ((unsigned char)line[from] >> 6) == 2)
        from--;
    size_t to = *length - from > LINE_BYTES_MAX ? from + LINE_BYTES_MAX : *length;
    while (to < *length && ((unsigned char)line[to] >> 6) == 2)
        to++;
    *length = to - from;
    *col -= from;
    return line + from;
}

static void show_source(const Diag *diag, Loc loc)
{
    size_t length;
    const char *line = diag->text ? find_line(diag, loc.line, &length) : NULL;
    if (!line)
        return;
    size_t col = loc.col > 0 ? (size_t)loc.col - 1 : 0;
    if (col > length)
        col = length;
    line = cut_line(line, &length, &col);

    fprintf(diag->out, "%5d | ", loc.line);
    show(diag->out, line, length, true);
    fputs("\n      | ", diag->out);
    int width;
    for (size_t i = 0; i < col;) {
        bool tab = line[i] == '\t';
        i += show_char(NULL, line + i, length - i, true, &width);
        for (int k = 0; k < width; k++)
            fputc(tab ? '\t' : ' ', diag->out);
    }
    size_t end =
        loc.length > 1 && (size_t)loc.length < length - col ? col + (size_t)loc.length : length;
    if (loc.length <= 1 || col >= length)
        end = col;
    fputc('^', diag->out);
    bool first = true;
    for (size_t i = col; i < end; first = false) {
        i += show_char(NULL, line + i, length - i, true, &width);
        for (int k = first ? 1 : 0; k < width; k++)
            fputc('~', diag->out);
    }
    fputc('\n', diag->out);
}

static void report(const Diag *diag, Loc loc, const char *severity, const char *format,
                   va_list list)
{
    char small[512], *text = small;
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(small, sizeof small, format, list);
    if (n >= (int)sizeof small) {
        text = malloc((size_t)n + 1);
        if (text) {
            vsnprintf(text, (size_t)n + 1, format, again);
        } else {
            text = small;
            n = (int)sizeof small - 1;
        }
    }
    va_end(again);
    const char *file = diag->file ? diag->file : "nncc";
    show(diag->out, file, strlen(file), false);
    if (loc.line > 0)
        fprintf(diag->out, ":%d:%d", loc.line, loc.col > 0 ? loc.col : 1);
    fprintf(diag->out, ": %s: ", severity);
    show(diag->out, text, n > 0 ? (size_t)n : 0, false);
    fputc('\n', diag->out);
    if (loc.line > 0)
        show_source(diag, loc);
    if (text != small)
        free(text);
}

static bool past_limit(const Diag *diag)
{
    return diag->limit > 0 && diag->errors > diag->limit;
}

void diag_error(Diag *diag, Loc loc, const char *format, ...)
{
    diag->errors++;
    if (past_limit(diag)) {
        if (diag->errors == diag->limit + 1)
            fputs("too many errors\n", diag->out);
        diag->quiet_notes = true;
        return;
    }
    va_list list;
    va_start(list, format);
    report(diag, loc, "error", format, list);
    va_end(list);
}

void diag_warning(Diag *diag, Loc loc, const char *format, ...)
{
    diag->warnings++;
    if (past_limit(diag))
        return;
    va_list list;
    va_start(list, format);
    report(diag, loc, "warning", format, list);
    va_end(list);
}

void diag_note(Diag *diag, Loc loc, const char *format, ...)
{
    if (diag->quiet_notes)
        return;
    va_list list;
    va_start(list, format);
    report(diag, loc, "note", format, list);
    va_end(list);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
static int edit_distance(const char *a, int n, const char *b, int m)
{
    int row[3][WORD_MAX + 1];
    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3];
        const int *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

const char *diag_nearest(const char *word, const char *const *known, int n)
{
    size_t length = strlen(word);
    if (length > WORD_MAX)
        return NULL;
    int best = (int)length / 3 + 1;
    const char *nearest = NULL;
    for (int i = 0; i < n; i++) {
        size_t other = strlen(known[i]);
        if (other > WORD_MAX || (int)(length > other ? length - other : other - length) >= best)
            continue;
        int distance = edit_distance(word, (int)length, known[i], (int)other);
        if (distance < best) {
            best = distance;
            nearest = known[i];
        }
    }
    return nearest;
}

_Noreturn void bug_at(const char *file, int line, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "nncc: a bug of ours at %s:%d: ", file, line);
    vfprintf(stderr, format, list);
    fputs("\nnncc: please report it with the model file\n", stderr);
    va_end(list);
    exit(70);
}
