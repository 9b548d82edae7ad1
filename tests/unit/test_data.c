/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/data.c: every source of `data:` and its columns, and what is said of
 * unknown inputs, missing ones, wrong counts and sources that are not there yet.
 */
#include "frontend_read.h"

#define MODEL                                                                                      \
    "model: m\nvars: {dir: some}\ninputs: {image: {shape: [2, 2]}, label: {classes: "              \
    "3}}\nlayers:\n  - flatten\n"                                                                  \
    "  - dense: {units: 3, name: h}\nloss: softmax_cross_entropy(h, label)\ntrain: {optimizer: "   \
    "adam}\n"

static const char *with_data(const char *data)
{
    static char text[2048];
    snprintf(text, sizeof text, MODEL "data: {%s}\n", data);
    return text;
}

static const Source *train_of(const char *data)
{
    return &good_model(with_data(data))->data_train;
}

static void wrong(const char *data, const char *expected)
{
    wrong_model(with_data(data), expected);
}

Test(data, none)
{
    Program *p = good_model(MODEL);
    cr_expect_eq(p->data_train.kind, SOURCE_none);
    cr_expect_eq(p->data_test.kind, SOURCE_none);
}

Test(data, idx_and_npy)
{
    const Source *s = train_of("train: {idx: {label: l.gz, image: i.gz}}");
    cr_assert(s->kind == SOURCE_idx && s->columns.n == 2 && s->loc.line == 9);
    cr_expect(s->columns.at[0].input == 1 && s->columns.at[1].input == 0);
    cr_expect_str_eq(s->columns.at[0].file, "l.gz");
    cr_expect_str_eq(s->columns.at[1].file, "i.gz");
    s = train_of("train: {npy: {image: $dir, label: \"a b.npy\"}}");
    cr_assert(s->kind == SOURCE_npy && s->columns.n == 2);
    cr_expect_str_eq(s->columns.at[0].file, "some");
    cr_expect_str_eq(s->columns.at[1].file, "a b.npy");
}

Test(data, npz)
{
    static const char *const by_name[] = {"train: {npz: t.npz}", "train: {npz: {file: t.npz}}"};
    for (int i = 0; i < COUNT(by_name); i++) {
        const Source *s = train_of(by_name[i]);
        cr_assert(s->kind == SOURCE_npz && s->columns.n == 2);
        cr_expect_str_eq(s->file, "t.npz");
        cr_expect_str_eq(s->columns.at[0].file, "image");
        cr_expect_str_eq(s->columns.at[1].file, "label");
    }
    const Source *s = train_of("train: {npz: {file: t.npz, label: y, image: x}}");
    cr_assert_eq(s->columns.n, 2);
    cr_expect(s->columns.at[0].input == 1 && strcmp(s->columns.at[0].file, "y") == 0);
    wrong("train: {npz: {image: x, label: y}}", "npz: 'file' is missing");
    wrong("train: {npz: {file: t.npz, image: x}}", "npz: nothing for the input 'label'");
}

Test(data, records)
{
    const Source *s = train_of("train: {records: {file: t.bin, label: 1, image: 4}}");
    cr_assert(s->kind == SOURCE_records && s->columns.n == 2);
    cr_expect(s->columns.at[0].input == 1 && s->columns.at[0].bytes == 1);
    cr_expect(s->columns.at[1].input == 0 && s->columns.at[1].bytes == 4);
    cr_expect_str_eq(s->file, "t.bin");
    s = train_of("train: {records: {file: [a.bin, $dir], label: 1, image: 4}}");
    cr_assert(!s->file && s->files.n == 2);
    cr_expect_str_eq(s->files.at[0], "a.bin");
    cr_expect_str_eq(s->files.at[1], "some");
    wrong("train: {records: {file: [], label: 1, image: 4}}", "a list of 0 files");
    wrong("train: {records: {file: [[a]], label: 1, image: 4}}", "records: file");
    wrong("train: {records: {file: t.bin, label: 1, image: 5}}",
          "records: 'image' is 4 bytes a sample, one a number, not 5");
    wrong("train: {records: {file: t.bin, label: 0, image: 4}}",
          "records: label: 0 is out of range");
    wrong("train: {records: {label: 1, image: 4}}", "records: 'file' is missing");
    wrong("train: {records: t.bin}", "records: expected a map, as");
}

Test(data, csv)
{
    const Source *s =
        train_of("train: {csv: {file: t.csv, image: [a, b, \"c d\", 3], label: kind}}");
    cr_assert(s->kind == SOURCE_csv && s->columns.n == 2 && s->header && s->delimiter == ',');
    cr_assert_eq(s->columns.at[0].names.n, 4);
    cr_expect_str_eq(s->columns.at[0].names.at[2], "c d");
    cr_expect_str_eq(s->columns.at[1].names.at[0], "kind");
    s = train_of("train: {csv: {file: t.csv, header: false, delimiter: \";\", image: [0, 1, 2, 3], "
                 "label: 4}}");
    cr_expect(!s->header && s->delimiter == ';');
    cr_expect_str_eq(s->columns.at[1].names.at[0], "4");
    cr_expect_eq(train_of("train: {csv: {file: t, delimiter: tab, image: [a, b, c, d], label: e}}")
                     ->delimiter,
                 '\t');
}

Test(data, csv_reports)
{
    wrong("train: {csv: {file: t, image: [a, b, c], label: d}}",
          "csv: 'image' is 4 columns, not 3");
    wrong("train: {csv: {file: t, image: a, label: d}}", "csv: 'image' is 4 columns, not 1");
    wrong("train: {csv: {file: t, header: false, image: [0, 1, 2, 3], label: kind}}",
          "columns have numbers, from 0; saw 'kind'");
    wrong("train: {csv: {file: t, header: maybe, image: [0, 1, 2, 3], label: 4}}",
          "csv: header: expected true or false");
    wrong("train: {csv: {file: t, delimiter: \"::\", image: [0, 1, 2, 3], label: 4}}",
          "csv: delimiter: expected one character");
    wrong("train: {csv: {file: t, delimiter: 5, image: [0, 1, 2, 3], label: 4}}",
          "csv: delimiter: expected one character");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: {count: 3}}}",
          "csv: 'label': expected {column: NAME, count: 5}");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: {column: a, cuont: 3}}}",
          "did you mean 'count'?");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: {column: a, count: 4}}}",
          "csv: count: 4 is out of range: 1 to 3");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: {column: a, count: 2, offset: 1}}}",
          "csv: 'offset' does not go with 'count'");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: {column: a, unseen: 3}}}",
          "csv: unseen: 3 is out of range: 0 to 2");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], "
          "label: {column: a, categories: [p, q, r, s]}}}",
          "csv: categories: 4, but 'label' has 3 classes");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: {column: a, categories: [p, p]}}}",
          "csv: categories: 'p' is there twice");
    wrong("train: {csv: {file: t, image: {column: [0, 1, 2, 3], offset: 1}, label: a}}",
          "csv: 'image' takes numbers: categories are for an input of classes or tokens");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: a, where: b}}",
          "csv: where: expected a map");
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: a, missing: {a: b}}}",
          "csv: missing: expected a text, or a list");
    wrong("train: {csv: {generator: lones, image: [0, 1, 2, 3], label: a}}",
          "expected one of: loans ratings ring");
    wrong("train: {csv: {generator: loans, header: false, image: [0, 1, 2, 3], label: a}}",
          "csv: 'header' does not go with 'generator'");
    wrong("train: {csv: {image: [0, 1, 2, 3], label: 4}}", "csv: 'file' is missing");
}

/* Categories, offsets, values that are missing, parts of a table. */
Test(data, csv_categories)
{
    const Source *s =
        train_of("train: {csv: {file: t, delimiter: space, image: [a, b, c, d], "
                 "label: {column: e, categories: [no, yes], unseen: 2}, missing: [\"?\", \"\"], "
                 "where: {part: train, year: [1, 2]}}}");
    cr_assert(s->delimiter == DELIMITER_BLANKS && s->columns.n == 2);
    const SourceColumn *label = &s->columns.at[1];
    cr_assert_eq(label->categories.n, 2);
    cr_expect_str_eq(label->categories.at[1], "yes");
    cr_expect(label->has_unseen && label->unseen == 2 && !label->count && !label->offset);
    cr_assert_eq(s->missing.n, 2);
    cr_expect_str_eq(s->missing.at[1], "");
    cr_assert(s->where.n == 2 && s->where.at[1].values.n == 2);
    cr_expect_str_eq(s->where.at[0].column, "part");
    cr_expect_str_eq(s->where.at[1].values.at[0], "1");
    s = train_of("train: {csv: {file: t, image: {column: [a, b, c, d]}, "
                 "label: {column: e, count: 2}}}");
    cr_expect(s->columns.at[0].names.n == 4 && s->columns.at[1].count == 2);
    s = train_of("train: {csv: {file: t, image: [a, b, c, d], label: {column: e, offset: -1}}}");
    cr_expect_eq(s->columns.at[1].offset, -1);
    s = train_of("train: {csv: {generator: ratings, image: [a, b, c, d], label: e}}");
    cr_expect(s->count == 10000 && s->seed == 1 && !s->file);
}

/* A model of series x ([4, 2]), t ([2, 2]) and of one number, u ([4]), v. */
static const char *with_series(const char *data)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: [4, 2]}, t: {shape: [2, 2]}, u: {shape: [4]}, "
             "v: {shape: []}, c: {classes: 2}}\nlayers:\n"
             "  - {name: h, expr: \"x[:, 2:]\"}\n  - {name: k, expr: \"sum(u, axis=1)\"}\n"
             "  - {name: l, expr: c + v}\noutputs: [h, k, l]\nloss: \"mse(h, t)\"\n"
             "train: {optimizer: adam}\ndata: {train: {csv: {%s}}}\n",
             data);
    return text;
}

static void wrong_series(const char *data, const char *expected)
{
    wrong_model(with_series(data), expected);
}

Test(data, forecast)
{
    const Source *s = &good_model(with_series("file: t.csv, forecast: {input: x, target: t, "
                                              "columns: [a, b], stride: 3}"))
                           ->data_train;
    cr_assert(s->kind == SOURCE_csv && s->stride == 3 && s->columns.n == 2);
    cr_expect(s->columns.at[0].input == 0 && s->columns.at[1].input == 1);
    cr_expect(s->columns.at[1].names.n == 2 && strcmp(s->columns.at[1].names.at[1], "b") == 0);
    wrong_series("file: t.csv, forecast: x", "forecast: expected a map");
    wrong_series("file: t.csv, forecast: {target: t, columns: [a, b]}", "'input' is missing");
    wrong_series("file: t.csv, forecast: {input: x, target: t}", "'columns' is missing");
    wrong_series("file: t.csv, forecast: {input: x, target: t, columns: []}", "a list of 1 to");
    wrong_series("file: t.csv, forecast: {input: x, target: t, columns: a}",
                 "of 1 column 'x' must have the shape [rows]");
    wrong_series("file: t.csv, forecast: {input: x, target: v, columns: [a, b]}",
                 "of 2 columns 'v' must have the shape [rows, 2]");
    wrong_series("file: t.csv, forecast: {input: u, target: c, columns: a}",
                 "'c' takes classes, not numbers");
    wrong_series("file: t.csv, forecast: {input: x, target: x, columns: [a, b]}",
                 "both the input and the target");
    wrong_series("file: t.csv, forecast: {input: x, target: t, columns: [a, b], stride: 0}",
                 "stride: 0");
    wrong_series("file: t.csv, forecast: {input: u, target: v, columns: a}",
                 "nothing for the input 'x'");
    wrong_series("file: t.csv, x: a, forecast: {input: x, target: t, columns: [a, b]}",
                 "'x' beside 'forecast'");
    wrong_series("generator: waves, x: a", "unknown 'waves'; expected one of: loans ratings ring");
    wrong_series("generator: wave, forecast: {input: u, target: v}", "expected waves");
    wrong_series("file: a, generator: waves, forecast: {input: u, target: v}",
                 "either 'file' or 'generator'");
    wrong_series("generator: waves, forecast: {input: u, target: v, columns: a}",
                 "a series of a generator has one");
}

Test(data, synthetic)
{
    const Source *s = train_of("train: {synthetic: {generator: digits, seed: 7, count: 500}}");
    cr_assert(s->kind == SOURCE_synthetic && s->seed == 7 && s->count == 500 && s->columns.n == 0);
    cr_expect_str_eq(s->generator, "digits");
    s = train_of("train: {synthetic: digits}");
    cr_expect(s->seed == 1 && s->count == 10000);
    wrong("train: {synthetic: {generator: digit}}", "did you mean 'digits'?");
    wrong("train: {synthetic: {seed: 1}}", "synthetic: 'generator' is missing");
    wrong("train: {synthetic: {generator: digits, count: 0}}",
          "synthetic: count: 0 is out of range");
    wrong("train: {synthetic: {generator: digits, seed: -1}}",
          "synthetic: seed: -1 is out of range");
}

/* A model of tokens x (9 of [4]), tokens y of the same, clips c ([6, 8]), a length n. */
static const char *with_texts(const char *data)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "model: m\ninputs:\n  x: {tokens: 9, shape: [4]}\n  y: {tokens: 9, shape: [4]}\n"
             "  c: {shape: [6, 8]}\n  n: {shape: [1], dtype: i32}\n  label: {classes: 3}\n"
             "layers:\n  - {name: h, expr: x * n}\n  - dense: {units: 3, input: h, name: d}\n"
             "  - {name: k, expr: \"mean(c) + mean(y) + d\"}\n"
             "loss: softmax_cross_entropy(k, label)\ntrain: {optimizer: adam}\ndata: {%s}\n",
             data);
    return text;
}

static void wrong_text(const char *data, const char *expected)
{
    wrong_model(with_texts(data), expected);
}

#define WINDOWS "train: {text: {file: a.txt, next_token: {input: x, target: y}}}"

Test(data, text_windows)
{
    const char *model =
        "model: m\ninputs: {x: {tokens: 9, shape: [4]}, y: {tokens: 9, shape: [4]}}\n"
        "layers:\n  - {name: k, expr: \"mean(x, axis=1) + mean(y, axis=1)\"}\nloss: mean(k)\n"
        "train: {optimizer: adam}\ndata:\n"
        "  train: {text: {file: [a.txt, b.txt], tokenizer: bpe, lowercase: true, "
        "next_token: {input: x, target: y, stride: 3}}}\n"
        "  test: {text: {file: c.txt, next_token: {input: x, target: y}}}\n";
    const Program *p = good_model(model);
    const Source *s = &p->data_train;
    cr_assert(s->kind == SOURCE_text && s->has_text && s->columns.n == 2 && s->files.n == 2);
    cr_expect(s->text.tokens == TOKENS_bpe && s->text.lowercase && s->text.stride == 3);
    cr_expect(s->columns.at[0].input == 0 && s->columns.at[1].input == 1);
    s = &p->data_test;
    cr_expect(s->text.tokens == TOKENS_bpe && s->text.lowercase && s->text.stride == 4);
}

Test(data, text_refused)
{
    wrong_text("train: {text: a.txt}", "text: expected a map, as");
    wrong_text("train: {text: {file: a}}",
               "text: expected one of next_token, classify and translate");
    wrong_text("train: {text: {file: [a, b], translate: x}}", "expected a map, as {source: x");
    wrong_text("train: {text: {file: [a, b], translate: {source: x, input: y}}}",
               "'target' is missing");
    wrong_text("train: {text: {file: a, translate: {source: x, input: x, target: y}}}",
               "expected two");
    wrong_text("train: {text: {file: [a, b], translate: {source: c, input: x, target: y}}}",
               "'c' is no row of tokens");
    wrong_text(
        "train: {text: {file: [a, b], header: true, translate: {source: x, input: x, target: y}}}",
        "does not go with translate");
    wrong_text("train: {text: {generator: stories, translate: {source: x, input: x, target: y}}}",
               "unknown 'stories'; expected phrases");
    wrong_text("train: {text: {file: a, next_token: x}}", "expected a map, as {input: x");
    wrong_text("train: {text: {file: a, next_token: {input: x}}}",
               "next_token: 'target' is missing");
    wrong_text("train: {text: {next_token: {input: x, target: y}}}", "text: 'file' is missing");
    wrong_text("train: {text: {file: a, next_token: {input: c, target: y}}}",
               "'c' is no row of tokens");
    wrong_text("train: {text: {file: a, next_token: {input: x, target: label}}}",
               "'label' must have the tokens and the shape of 'x'");
    wrong_text("train: {text: {file: a, next_token: {input: x, target: z}}}",
               "no input is called 'z'");
    wrong_text("train: {text: {file: a, next_token: {input: x, target: y, stride: 0}}}",
               "stride: 0");
    wrong_text("train: {text: {file: a, header: true, next_token: {input: x, target: y}}}",
               "'header' does not go with next_token");
    wrong_text("train: {text: {file: a, tokenizer: chars, next_token: {input: x, target: y}}}",
               "unknown tokenizer 'chars'");
    wrong_text("train: {text: {file: a, tokenizer: word, classify: {x: s}}}",
               "did you mean 'words'?");
    wrong_text("train: {text: {file: a, longer: trim, classify: {x: s}}}", "expected cut or error");
    wrong_text("train: {text: {file: a, classify: {c: s}}}", "'c' takes numbers");
    wrong_text("train: {text: {file: a, header: false, classify: {x: s}}}", "without a header");
    wrong_text("train: {text: {file: a, classify: {x: s}, lengths: {c: x}}}",
               "'c' is not one number");
    wrong_text("train: {text: {file: a, classify: {x: s}, lengths: n}}",
               "expected a map, as {n: x}");
    wrong_text("train: {text: {file: a, tokenizer: t.json, lowercase: true, classify: {x: s}}}",
               "says itself what is lowered");
    wrong_text("train: {text: {file: a, classify: {x: s, label: l}}}", "nothing for the input 'y'");
    wrong_text("test: {text: {file: a, classify: {x: s}}}", "data.train is no text");
    wrong_text(WINDOWS ", test: {text: {file: b, tokenizer: words, classify: {x: s}}}",
               "'tokenizer' stands there alone");
}

Test(data, text_tables)
{
    const char *model =
        "model: m\ninputs: {x: {tokens: 9, shape: [4]}, n: {shape: [1], dtype: i32}, "
        "l: {classes: 2}}\nlayers:\n  - {name: h, expr: x * n}\n"
        "  - dense: {units: 2, input: h, name: k}\nloss: softmax_cross_entropy(k, l)\n"
        "train: {optimizer: adam}\ndata:\n"
        "  train: {text: {file: a.tsv, tokenizer: t.json, header: false, longer: error, "
        "delimiter: \";\", classify: {x: 1, l: 0}, lengths: {n: x}}}\n";
    const Source *s = &good_model(model)->data_train;
    cr_assert(s->columns.n == 3 && !s->header && s->delimiter == ';' && s->text.refuse_long);
    cr_expect(s->text.tokens == TOKENS_file && s->text.stride == 0);
    cr_expect_str_eq(s->text.file, "t.json");
    cr_expect_str_eq(s->columns.at[0].names.at[0], "1");
    cr_expect(s->columns.at[2].input == 1 && s->columns.at[2].names.n == 0);
    cr_expect_str_eq(s->columns.at[2].of, "x");
}

#define WAV "rate: 8000, features: {log_mel: {n_mels: 8, n_fft: 64}}"

Test(data, wav)
{
    const char *model =
        "model: m\ninputs: {c: {shape: [1, 6, 8]}, l: {classes: 2}}\nlayers:\n  - flatten\n"
        "  - dense: {units: 2, name: k}\nloss: softmax_cross_entropy(k, l)\n"
        "train: {optimizer: adam}\ndata:\n"
        "  train: {wav: {folder: clips, rate: 8000, features: {mfcc: {n_mfcc: 8, n_fft: 64}}, "
        "c: clip, l: class}}\n"
        "  test: {wav: {list: t.tsv, header: false, c: 0, l: 1}}\n";
    const Program *p = good_model(model);
    const SoundForm *f = &p->data_train.sound;
    cr_assert(p->data_train.kind == SOURCE_sound && p->data_train.is_folder && f->is_mfcc);
    cr_expect(f->rate == 8000 && f->n_fft == 64 && f->hop == 32 && f->n_mels == 128 &&
              f->n_mfcc == 8);
    cr_expect(f->f_min == 0 && f->f_max == 4000);
    cr_expect(!p->data_test.is_folder && p->data_test.sound.n_mfcc == 8 && !p->data_test.header);
}

Test(data, made_up)
{
    const char *model =
        "model: m\ninputs: {x: {tokens: 9, shape: [4]}, l: {classes: 2}}\nlayers:\n"
        "  - dense: {units: 2, name: k}\nloss: softmax_cross_entropy(k, l)\n"
        "train: {optimizer: adam}\ndata:\n"
        "  train: {text: {generator: reviews, seed: 3, count: 50, tokenizer: words, "
        "classify: {x: sentence, l: label}}}\n"
        "  test: {text: {generator: reviews, seed: 4, classify: {x: sentence, l: label}}}\n";
    const Program *p = good_model(model);
    cr_expect(p->data_train.seed == 3 && p->data_train.count == 50 && p->data_test.count == 10000);
    cr_expect_str_eq(p->data_train.generator, "reviews");
    wrong_text("train: {text: {generator: reviews, next_token: {input: x, target: y}}}",
               "expected stories");
    wrong_text("train: {text: {file: a, generator: stories, next_token: {input: x, target: y}}}",
               "either 'file' or 'generator'");
    wrong_text("train: {text: {generator: stories, count: 0, next_token: {input: x, target: y}}}",
               "count: 0");
    wrong_text("train: {text: {generator: headline, classify: {x: sentence}}}",
               "expected one of: reviews headlines");
    wrong_text("train: {text: {generator: headlines, classify: {x: label}}}",
               "of headlines 'x' takes 'sentence', not 'label'");
    wrong_text("train: {text: {generator: reviews, classify: {x: label}}}",
               "'x' takes 'sentence', not 'label'");
    wrong_text("train: {wav: {generator: tone, " WAV ", c: clip}}", "expected tones");
    wrong_text("train: {wav: {generator: tones, " WAV ", c: clip, x: class}}",
               "'x' takes 'said', not 'class'");
}

Test(data, wav_refused)
{
    wrong_text("train: {wav: list}", "wav: expected a map, as");
    wrong_text("train: {wav: {" WAV ", c: 0}}", "wav: expected one of folder, list and generator");
    wrong_text("train: {wav: {folder: a, list: b, " WAV "}}",
               "wav: expected one of folder, list and generator");
    wrong_text("train: {wav: {list: a, rate: 8000, c: 0}}", "wav: 'features' is missing");
    wrong_text("train: {wav: {list: a, features: mfcc, c: 0}}", "wav: 'rate' is missing");
    wrong_text("train: {wav: {list: a, rate: 8000, features: mfc, c: 0}}", "did you mean 'mfcc'?");
    wrong_text("train: {wav: {list: a, rate: 8000, features: {log_mel: {n_mfcc: 3}}, c: 0}}",
               "'n_mfcc'");
    wrong_text("train: {wav: {list: a, rate: 8000, features: {log_mel: {f_max: 5000}}, c: 0}}",
               "half the rate");
    wrong_text("train: {wav: {list: a, rate: 8000, features: {log_mel: {n_fft: 1}}, c: 0}}",
               "n_fft: 1 is out");
    wrong_text(
        "train: {wav: {list: a, rate: 8000, features: {mfcc: {n_mels: 9, n_mfcc: 10}}, c: p}}",
        "n_mfcc: 10");
    wrong_text("train: {wav: {list: a, rate: 8000, features: log_mel, c: p}}",
               "a clip is f32 of [frames, 128]");
    wrong_text(
        "train: {wav: {list: a, rate: 8000, features: {log_mel: {n_mels: 8, hop: 2}}, c: p}}",
        "shorter than half a window");
    wrong_text("train: {wav: {list: a, header: false, " WAV ", c: p}}", "without a header");
    wrong_text("train: {wav: {folder: a, " WAV ", c: path}}",
               "of a folder 'c' takes 'clip', not 'path'");
    wrong_text("train: {wav: {folder: a, " WAV ", c: clip, x: class}}", "a folder has no texts");
    wrong_text("test: {wav: {list: a, c: p}}", "data.train has no clips");
    wrong_text("train: {wav: {list: a, " WAV ", c: p, label: l, x: w, y: v, lengths: {n: c}}}, "
               "test: {wav: {list: a, rate: 8000, c: p}}",
               "those of data.train");
}

Test(data, inputs)
{
    wrong("train: {idx: {imag: a, label: b}}", "idx: unknown key 'imag'; did you mean 'image'?");
    wrong("train: {idx: {image: a}}", "idx: nothing for the input 'label'");
    wrong("train: {idx: {image: a}}", "'label' is made here");
    wrong("train: {idx: a.gz}", "idx: expected a map, as");
    wrong("train: {idx: {image: [a], label: b}}", "idx: image: expected a word");
}

/* Of data.train alone, and of inputs that training needs: an output may have its own. */
Test(data, inputs_that_need_no_column)
{
    cr_expect_eq(good_model(with_data("test: {idx: {image: a}}"))->data_test.columns.n, 1);
    cr_expect_eq(good_model(with_data("validation: {npy: {image: a}}"))->data_validation.columns.n,
                 1);
    Program *p = good_model("model: m\ninputs: {x: {shape: [2]}, z: {shape: [2]}}\nlayers:\n"
                            "  - dense: {units: 2, name: f, input: x}\n  - dense: {units: 2, name: "
                            "g, input: z, shared: f}\n"
                            "outputs: {y: g}\nloss: mean(f * f)\ntrain: {optimizer: adam}\ndata: "
                            "{train: {npy: {x: x.npy}}}\n");
    cr_expect_eq(p->data_train.columns.n, 1);
}

Test(data, validation)
{
    Program *p =
        good_model(with_data("train: {idx: {image: a, label: b}}, validation: {split: 0.1}, "
                             "test: {npz: t.npz}"));
    cr_expect_eq(p->train.validation_split, 0.1);
    cr_expect_eq(p->data_validation.kind, SOURCE_none);
    cr_expect_eq(p->data_test.kind, SOURCE_npz);
    p = good_model(with_data("validation: {npz: v.npz}"));
    cr_expect_eq(p->data_validation.kind, SOURCE_npz);
    wrong("validation: {split: 0}", "split is a share, above 0 and below 1");
    wrong("validation: {split: 1}", "split is a share, above 0 and below 1");
    wrong("validation: {split: 0.1, npz: a}", "data: validation: unknown key 'npz'");
    wrong("train: {split: 0.1}", "data: train: unknown key 'split'");
}

Test(data, sources_refused)
{
    wrong("train: {images: folder}", "images: expected a map, as {folder: photos");
    wrong("train: {cvs: {file: a}}", "did you mean 'csv'?");
    wrong("train: {idx: {image: a, label: b}, npy: {image: a, label: b}}",
          "data: train: expected one source");
    wrong("train: a.csv", "data: train: expected one source");
    wrong("trian: {npz: a}", "data: unknown key 'trian'; did you mean 'train'?");
    wrong_model(MODEL "data: a.csv\n", "data: expected a map");
}
