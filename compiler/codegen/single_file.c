/* SPDX-License-Identifier: MIT */
/* single_file.c: the runtime's own text inside the emitted file, for --single-file.
 *
 * The runtime is written for it: no header includes another of its own, and static names are
 * unique over all files, so pasting them in a fixed order gives one translation unit. */
#include <string.h>

#include "cc.h"
#include "emit.h"

/* Pastes a file without its includes of other runtime files. */
static void paste(SourceText *s, const char *name)
{
    out_raw(s->out, "/* Start of %s */", name);
    for (const char *line = home_text(s->arena, s->options->runtime_dir, name); *line;) {
        size_t n = strcspn(line, "\n");
        if (strncmp(line, "#include \"", 10) != 0) {
            str_put(&s->out->str, line, n);
            str_put(&s->out->str, "\n", 1);
        }
        line += n + (line[n] == '\n');
    }
    out_raw(s->out, "/* End of %s */\n", name);
}

/* In an order in which everything is declared before it is used; the headers first. What follows
 * the first NULL is needed by programs alone. */
static const char *const files[] = {"nnrt.h",
                                    "nnrt_math.h",
                                    "nnrt_rand.h",
                                    "nnrt_team.h",
                                    "nnrt_data.h",
                                    "nnrt_crc32c.c",
                                    "nnrt_array.c",
                                    "nnrt_core.c",
                                    "nnrt_load.c",
                                    "nnrt_gzip.c",
                                    "nnrt_file.c",
                                    "nnrt_writer.c",
                                    "nnrt_safetensors.c",
                                    "nnrt_safetensors_write.c",
                                    "nnrt_weights.c",
                                    NULL,
                                    "nnrt_program.h",
                                    "nnrt_npy.c",
                                    "nnrt_npz.c",
                                    "nnrt_idx.c",
                                    "nnrt_records.c",
                                    "nnrt_csv.c",
                                    "nnrt_synthetic.c",
                                    "nnrt_dataset.c",
                                    "nnrt_common.c",
                                    "nnrt_args.c",
                                    "nnrt_feed.c",
                                    "nnrt_augment.c",
                                    "nnrt_progress.c",
                                    "nnrt_checkpoint.c",
                                    "nnrt_peak.c",
                                    "nnrt_profile.c",
                                    "nnrt_bench.c",
                                    "nnrt_train.c",
                                    "nnrt_commands.c",
                                    "nnrt_main.c"};

void emit_runtime(SourceText *s)
{
    out_raw(s->out, "#define NNRT_NO_ZLIB 1");
    for (int i = 0; i < COUNT(files) && (files[i] || s->options->main); i++)
        if (files[i])
            paste(s, files[i]);
}

/* Identifiers of the runtime get the model's name in front, so that two such files link into one
 * app. */
const char *prefix_runtime(SourceText *s, const char *text)
{
    Str out = str_new(s->arena);
    for (const char *c = text; *c; c++) {
        bool inside =
            c > text && (c[-1] == '_' || (c[-1] >= '0' && c[-1] <= '9') ||
                         (c[-1] >= 'a' && c[-1] <= 'z') || (c[-1] >= 'A' && c[-1] <= 'Z'));
        if (!inside && strncmp(c, "nnrt_", 5) == 0)
            str_add(&out, "%s_", s->p->name);
        str_put(&out, c, 1);
    }
    return out.at;
}
