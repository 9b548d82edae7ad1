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

/* Which files a text needs. */
typedef enum {
    WHEN_always,
    WHEN_samples,
    WHEN_boxes,
    WHEN_main,
    WHEN_text,
    WHEN_names,
    WHEN_categories,
    WHEN_sound,
    WHEN_images,
    WHEN_attending,
    WHEN_decoding,
    WHEN_searching
} When;

typedef struct RuntimeFile {
    const char *name;
    When
        when; /* samples: kernels that call it; main: programs; text: those of text, sound or images; names: those and
                 of categories; ... */
} RuntimeFile;

/* In an order in which everything is declared before it is used; the headers first. */
static const RuntimeFile files[] = {{"nnrt_source.h", WHEN_always},
                                    {"nnrt.h", WHEN_always},
                                    {"nnrt_math.h", WHEN_always},
                                    {"nnrt_rand.h", WHEN_always},
                                    {"nnrt_team.h", WHEN_always},
                                    {"nnrt_company.h", WHEN_always},
                                    {"nnrt_ctc.h", WHEN_samples},
                                    {"nnrt_boxes.h", WHEN_boxes},
                                    {"nnrt_attend.h", WHEN_attending},
                                    {"nnrt_data.h", WHEN_always},
                                    {"nnrt_crc32c.c", WHEN_always},
                                    {"nnrt_array.c", WHEN_always},
                                    {"nnrt_core.c", WHEN_always},
                                    {"nnrt_decode.c", WHEN_decoding},
                                    {"nnrt_beam.c", WHEN_searching},
                                    {"nnrt_load.c", WHEN_always},
                                    {"nnrt_gzip.c", WHEN_always},
                                    {"nnrt_file.c", WHEN_always},
                                    {"nnrt_writer.c", WHEN_always},
                                    {"nnrt_safetensors.c", WHEN_always},
                                    {"nnrt_safetensors_write.c", WHEN_always},
                                    {"nnrt_weights.c", WHEN_always},
                                    {"nnrt_program.h", WHEN_main},
                                    {"nnrt_npy.c", WHEN_main},
                                    {"nnrt_npz.c", WHEN_main},
                                    {"nnrt_idx.c", WHEN_main},
                                    {"nnrt_records.c", WHEN_main},
                                    {"nnrt_csv.h", WHEN_main},
                                    {"nnrt_csv.c", WHEN_main},
                                    {"nnrt_columns.c", WHEN_main},
                                    {"nnrt_loans.c", WHEN_main},
                                    {"nnrt_skips.c", WHEN_main},
                                    {"nnrt_series.c", WHEN_main},
                                    {"nnrt_lungs.c", WHEN_main},
                                    {"nnrt_shapes.c", WHEN_main},
                                    {"nnrt_discs.c", WHEN_main},
                                    {"nnrt_cells.c", WHEN_main},
                                    {"nnrt_synthetic.c", WHEN_main},
                                    {"nnrt_meta.c", WHEN_main},
                                    {"nnrt_negatives.c", WHEN_main},
                                    {"nnrt_dataset.c", WHEN_main},
                                    {"nnrt_batch.c", WHEN_main},
                                    {"nnrt_text.h", WHEN_names},
                                    {"nnrt_unicode.c", WHEN_names},
                                    {"nnrt_json.c", WHEN_names},
                                    {"nnrt_pieces.c", WHEN_names},
                                    {"nnrt_vocab.c", WHEN_names},
                                    {"nnrt_labels.c", WHEN_names},
                                    {"nnrt_categories.c", WHEN_categories},
                                    {"nnrt_learn.c", WHEN_text},
                                    {"nnrt_tokenizer.c", WHEN_text},
                                    {"nnrt_stories.c", WHEN_text},
                                    {"nnrt_phrases.c", WHEN_text},
                                    {"nnrt_prompt.c", WHEN_text},
                                    {"nnrt_folder.c", WHEN_text},
                                    {"nnrt_text.c", WHEN_text},
                                    {"nnrt_sound.h", WHEN_sound},
                                    {"nnrt_wav.c", WHEN_sound},
                                    {"nnrt_sndfile.c", WHEN_sound},
                                    {"nnrt_resample.c", WHEN_sound},
                                    {"nnrt_features.c", WHEN_sound},
                                    {"nnrt_tones.c", WHEN_sound},
                                    {"nnrt_join.c", WHEN_sound},
                                    {"nnrt_sound.c", WHEN_sound},
                                    {"nnrt_photo.h", WHEN_images},
                                    {"nnrt_png.c", WHEN_images},
                                    {"nnrt_jpeg.c", WHEN_images},
                                    {"nnrt_photo.c", WHEN_images},
                                    {"nnrt_rects.c", WHEN_images},
                                    {"nnrt_images.c", WHEN_images},
                                    {"nnrt_common.c", WHEN_main},
                                    {"nnrt_args.c", WHEN_main},
                                    {"nnrt_feed.c", WHEN_main},
                                    {"nnrt_fit.c", WHEN_main},
                                    {"nnrt_metrics.c", WHEN_main},
                                    {"nnrt_detections.c", WHEN_main},
                                    {"nnrt_classes.c", WHEN_main},
                                    {"nnrt_details.c", WHEN_main},
                                    {"nnrt_augmenting.h", WHEN_main},
                                    {"nnrt_augment.c", WHEN_main},
                                    {"nnrt_elastic.c", WHEN_main},
                                    {"nnrt_along.c", WHEN_main},
                                    {"nnrt_loader.c", WHEN_main},
                                    {"nnrt_progress.c", WHEN_main},
                                    {"nnrt_checkpoint.c", WHEN_main},
                                    {"nnrt_peak.c", WHEN_main},
                                    {"nnrt_profile.c", WHEN_main},
                                    {"nnrt_bench.c", WHEN_main},
                                    {"nnrt_training.h", WHEN_main},
                                    {"nnrt_page.h", WHEN_main},
                                    {"nnrt_report.h", WHEN_main},
                                    {"nnrt_canvas.c", WHEN_main},
                                    {"nnrt_sheet.c", WHEN_main},
                                    {"nnrt_drawing.c", WHEN_main},
                                    {"nnrt_train_samples.c", WHEN_main},
                                    {"nnrt_html.c", WHEN_main},
                                    {"nnrt_svg.c", WHEN_main},
                                    {"nnrt_svg_memory.c", WHEN_main},
                                    {"nnrt_png_write.c", WHEN_main},
                                    {"nnrt_page_picture.c", WHEN_main},
                                    {"nnrt_events.c", WHEN_main},
                                    {"nnrt_train_board.c", WHEN_main},
                                    {"nnrt_report_judge.c", WHEN_main},
                                    {"nnrt_report_samples.c", WHEN_main},
                                    {"nnrt_report_plan.c", WHEN_main},
                                    {"nnrt_report.c", WHEN_main},
                                    {"nnrt_train_open.c", WHEN_main},
                                    {"nnrt_mixup.c", WHEN_main},
                                    {"nnrt_train_batch.c", WHEN_main},
                                    {"nnrt_train_average.c", WHEN_main},
                                    {"nnrt_train_find.c", WHEN_main},
                                    {"nnrt_train_why.c", WHEN_main},
                                    {"nnrt_train_log.c", WHEN_main},
                                    {"nnrt_train_save.c", WHEN_main},
                                    {"nnrt_train_watch.c", WHEN_main},
                                    {"nnrt_folds.c", WHEN_main},
                                    {"nnrt_train.c", WHEN_main},
                                    {"nnrt_commands.c", WHEN_main},
                                    {"nnrt_sample.c", WHEN_main},
                                    {"nnrt_attribute_show.c", WHEN_main},
                                    {"nnrt_permutation.c", WHEN_main},
                                    {"nnrt_attribute.c", WHEN_main},
                                    {"nnrt_bleu.c", WHEN_main},
                                    {"nnrt_generate.c", WHEN_main},
                                    {"nnrt_main.c", WHEN_main}};

bool calls_samples(const SourceText *s, bool boxes)
{
    for (int f = 0; f < s->graphs.n; f++)
        for (int i = 0; i < s->graphs.at[f]->kernels.n; i++) {
            const Kernel *k = s->graphs.at[f]->kernels.at[i];
            if (k->kind == KERNEL_samples && (k->product->op == OP_nms) == boxes)
                return true;
        }
    return false;
}

/* Whether a program reads what text, sound and images share: labels, vocabularies, folders. */
static bool reads_texts(const Program *p)
{
    return reads_text(p) || reads_sound(p) || reads_images(p);
}

static bool needs(const SourceText *s, When when)
{
    switch (when) {
    case WHEN_always: return true;
    case WHEN_samples: return calls_samples(s, false);
    case WHEN_boxes: return s->options->main || calls_samples(s, true);
    case WHEN_main: return s->options->main;
    case WHEN_text: return s->options->main && reads_texts(s->p);
    case WHEN_names: return s->options->main && (reads_texts(s->p) || reads_categories(s->p));
    case WHEN_categories: return s->options->main && reads_categories(s->p);
    case WHEN_attending: return s->p->fn[FN_step] != NULL;
    case WHEN_decoding: return s->options->main || s->p->fn[FN_step];
    case WHEN_searching: return s->options->main || s->p->generate.beam > 1;
    case WHEN_sound: return s->options->main && reads_sound(s->p);
    case WHEN_images: return s->options->main && reads_images(s->p);
    }
    return false;
}

void emit_runtime(SourceText *s)
{
    out_raw(s->out, "#define NNRT_NO_ZLIB 1");
    for (int i = 0; i < COUNT(files); i++)
        if (needs(s, files[i].when))
            paste(s, files[i].name);
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
