/* SPDX-License-Identifier: MIT */
/* Guards nnrt_progress.c: the line as Keras draws it, the plain one, colours and UTF-8. */
#include <criterion/criterion.h>
#include <string.h>

#include "nnrt_program.h"

static const nnrt_figure figures[] = {
    {"", "loss", 0.30119}, {"", "accuracy", 0.5}, {"val_", "loss", 2e-5}};

/* What one epoch of 4 steps writes; `live`: as on a terminal. */
static const char *drawn(int live, int color, int utf8, int64_t epochs)
{
    static char text[8192];
    char *at = NULL;
    size_t size;
    FILE *f = open_memstream(&at, &size);
    nnrt_progress p = {.to = f, .live = live, .color = color, .utf8 = utf8};
    nnrt_progress_epoch(&p, 2, epochs, 4, 0);
    nnrt_progress_step(&p, 1, 2, figures);
    nnrt_progress_step(&p, 2, 2, figures); /* too soon to be drawn */
    nnrt_progress_end(&p, 4, 3, figures);
    fclose(f);
    snprintf(text, sizeof text, "%s", at);
    free(at);
    return text;
}

Test(nnrt_progress, plain)
{
    const char *text = drawn(0, 0, 1, 5);
    cr_assert_eq(strncmp(text, "Epoch 2/5 - 4/4 - 0s - ", 23), 0, "%s", text);
    cr_assert_not_null(
        strstr(text, "/step - loss: 0.3012 - accuracy: 0.5000 - val_loss: 2.0000e-05\n"), "%s",
        text);
    cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "one line");
    cr_assert_null(strchr(text, '\r'));
    cr_assert_null(strchr(text, '\033'));
    cr_assert_eq(strncmp(drawn(0, 0, 0, 0), "Epoch 2 - ", 10), 0, "steps, not epochs, end it");
}

Test(nnrt_progress, live)
{
    const char *text = drawn(1, 0, 0, 5);
    static const char begin[] = "Epoch 2/5\n\r1/4 =====>.............. 0s ";
    cr_assert_eq(strncmp(text, begin, sizeof begin - 1), 0, "%s", text);
    cr_assert_not_null(strstr(text, "\r4/4 ==================== 0s "));
    int draws = 0;
    for (const char *c = text; (c = strchr(c, '\r')); c++)
        draws++;
    cr_assert_eq(draws, 2);
    cr_assert_null(strstr(text, "\033[1m"));
    text = drawn(1, 1, 1, 5);
    cr_assert_not_null(strstr(text, "\033[32m"));
    cr_assert_not_null(strstr(text, "\u2501"));
    cr_assert_not_null(strstr(text, "\033[1m1/4\033[0m"));
}

/* A validation is drawn where it takes long, in place of the epoch's line. */
Test(nnrt_progress, validation)
{
    char *at = NULL;
    size_t size;
    FILE *f = open_memstream(&at, &size);
    nnrt_progress p = {.to = f, .live = 1};
    nnrt_progress_epoch(&p, 2, 5, 4, 0);
    nnrt_progress_validation(&p, 0, 9);
    nnrt_progress_validation(&p, 3, 9);
    fflush(f);
    cr_expect_str_eq(at, "Epoch 2/5\n", "a short one is not drawn");
    p.validation -= 6;
    nnrt_progress_validation(&p, 3, 9);
    fflush(f);
    cr_expect_str_eq(at, "Epoch 2/5\n\r3/9 ======>............. 12s 2s/step - validation\033[K");
    p.live = 0;
    nnrt_progress_validation(&p, 4, 9);
    fclose(f);
    cr_expect_null(strstr(at, "4/9"), "nothing but a line an epoch where it is no terminal");
    free(at);
}

/* No line is longer than the terminal: it could not be drawn over. */
Test(nnrt_progress, fits_the_width)
{
    nnrt_figure many[30];
    char *at = NULL;
    size_t size;
    for (int i = 0; i < 30; i++)
        many[i] = (nnrt_figure){"", "a_long_name_of_a_metric", 1};
    FILE *f = open_memstream(&at, &size);
    nnrt_progress p = {.to = f, .live = 1};
    nnrt_progress_epoch(&p, 1, 1, 4, 0);
    nnrt_progress_end(&p, 4, 30, many);
    fclose(f);
    const char *line = strchr(at, '\r') + 1;
    cr_assert(strcspn(line, "\033\n") < 80, "%s", line);
    free(at);
}

/* A file is no terminal. */
Test(nnrt_progress, looks_at_the_stream)
{
    FILE *f = tmpfile();
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    nnrt_progress p = nnrt_progress_on(f);
    cr_assert(!p.live && !p.color && p.utf8);
    setenv("LC_ALL", "C", 1);
    p = nnrt_progress_on(f);
    cr_assert(!p.utf8);
    fclose(f);
}
