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
    wrong("train: {csv: {file: t, image: [0, 1, 2, 3], label: {column: a, count: 3}}}",
          "categorical columns are not supported yet");
    wrong("train: {csv: {image: [0, 1, 2, 3], label: 4}}", "csv: 'file' is missing");
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
    wrong("train: {images: folder}", "data: train: 'images' is not supported yet");
    wrong("train: {wav: list}", "data: train: 'wav' is not supported yet");
    wrong("test: {text: a.txt}", "data: test: 'text' is not supported yet");
    wrong("train: {cvs: {file: a}}", "did you mean 'csv'?");
    wrong("train: {idx: {image: a, label: b}, npy: {image: a, label: b}}",
          "data: train: expected one source");
    wrong("train: a.csv", "data: train: expected one source");
    wrong("trian: {npz: a}", "data: unknown key 'trian'; did you mean 'train'?");
    wrong_model(MODEL "data: a.csv\n", "data: expected a map");
}
