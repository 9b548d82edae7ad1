/* SPDX-License-Identifier: MIT */
/* test_nnrt_text.c: guards sources of text: windows of a text and where they are split, tables of
 * texts and classes, lengths, vocabularies that travel, and what is wrong in files. */
#include "nnrt_scratch.h"

#include "nnrt_program.h"
#include "nnrt_text.h"

TestSuite(nnrt_text, .init = scratch_open, .fini = scratch_close, .timeout = 60);

static nnrt_value inputs[] = {
    {.name = "x", .dtype = NNRT_I32, .rank = 1, .dim = {4}, .count = 4, .classes = 12},
    {.name = "y", .dtype = NNRT_I32, .rank = 1, .dim = {4}, .count = 4, .classes = 12},
    {.name = "n", .dtype = NNRT_I32, .count = 1},
    {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 3},
};
static const unsigned char need_xy[4] = {1, 1, 0, 0}, need_xnl[4] = {1, 0, 1, 1},
                           need_x[4] = {1, 0, 0, 0}, need_xn[4] = {1, 0, 1, 0};

static nnrt_model model_of(const nnrt_source *train)
{
    return (nnrt_model){
        .n_inputs = 4, .inputs = inputs, .data_train = *train, .text = &nnrt_text_reader};
}

static const nnrt_column xy[] = {{.input = "x"}, {.input = "y"}};
static const nnrt_text by_two = {.tokens = NNRT_TOKENS_CHARACTERS, .stride = 2};
static const nnrt_source windows = {
    .kind = NNRT_SOURCE_TEXT, .file = "a.txt", .n_columns = 2, .columns = xy, .text = &by_two};

static const char *const sentence[] = {"sentence"}, *const name_label[] = {"label"};
static const nnrt_column xl[] = {{.input = "x", .n_names = 1, .names = sentence},
                                 {.input = "label", .n_names = 1, .names = name_label},
                                 {.input = "n", .of = "x"}};
static const nnrt_text words = {.tokens = NNRT_TOKENS_WORDS};
static const nnrt_source table = {.kind = NNRT_SOURCE_TEXT,
                                  .file = "t.tsv",
                                  .header = 1,
                                  .n_columns = 3,
                                  .columns = xl,
                                  .text = &words};

static int open_set(nnrt_dataset *d, const nnrt_model *m, const unsigned char *need,
                    nnrt_meta *meta, nnrt_fault *fault)
{
    fault->text[0] = 0;
    return nnrt_dataset_open(d, m, &m->data_train, scratch_dir, need, meta, fault);
}

Test(nnrt_text, windows)
{
    nnrt_model m = model_of(&windows);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    scratch_text("a.txt", "abcdefghij");
    cr_assert_eq(open_set(&d, &m, need_xy, &meta, &fault), 0, "%s", fault.text);
    cr_expect(d.n == 3 && d.tokens == 10 && d.window == 4 && d.stride == 2);
    const int64_t rows[2] = {1, 2};
    int32_t x[8], y[8];
    void *out[4] = {x, y, NULL, NULL};
    nnrt_dataset_batch(&d, rows, 2, out, NULL);
    cr_expect_eq(memcmp(x, (int32_t[]){2, 3, 4, 5, 4, 5, 6, 7}, sizeof x), 0);
    cr_expect_eq(memcmp(y, (int32_t[]){3, 4, 5, 6, 5, 6, 7, 8}, sizeof y), 0);
    nnrt_dataset_close(&d);
    /* the vocabulary is kept, and taken from there: a text with other characters is refused */
    cr_expect_not_null(nnrt_meta_find(&meta, "nncc.text.", "x"));
    meta.learn = 0;
    scratch_text("a.txt", "jihg\nfed");
    scratch_fault(open_set(&d, &m, need_xy, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "a.txt:1:5:", "not in the vocabulary");
    scratch_text("a.txt", "jihgfe");
    cr_assert_eq(open_set(&d, &m, need_xy, &meta, &fault), 0, "%s", fault.text);
    nnrt_dataset_close(&d);
    scratch_fault(open_set(&d, &m, need_xy, NULL, &fault), NNRT_BAD_CONTENT, &fault, "a.txt",
                  "no vocabulary for 'x'");
    nnrt_meta_free(&meta);
}

Test(nnrt_text, windows_that_cannot_be)
{
    nnrt_model m = model_of(&windows);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    scratch_text("a.txt", "");
    scratch_fault(open_set(&d, &m, need_xy, &meta, &fault), NNRT_BAD_CONTENT, &fault, "a.txt",
                  "empty");
    scratch_text("a.txt", "abcd");
    scratch_fault(open_set(&d, &m, need_xy, &meta, &fault), NNRT_BAD_CONTENT, &fault, "4 tokens",
                  "need 5");
    nnrt_meta_free(&meta);
    meta.learn = 1;
    scratch_text("a.txt", "abcdefghijklm");
    scratch_fault(open_set(&d, &m, need_xy, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "13 different", "room for 12");
    nnrt_meta_free(&meta);
    nnrt_meta_free(&meta);
    meta.learn = 1;
    scratch_text("a.txt", "abc\nde\xFFghij");
    scratch_fault(open_set(&d, &m, need_xy, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "a.txt:2:3:", "byte ff");
    unlink(scratch_path("a.txt"));
    scratch_fault(open_set(&d, &m, need_xy, &meta, &fault), NNRT_BAD_FILE, &fault, "a.txt",
                  "cannot open");
}

/* Training windows end, targets and all, before the first token of validation; those do not
 * overlap. */
Test(nnrt_text, splits_by_place)
{
    nnrt_model m = {.train = {.validation_split = 0.25}};
    for (int64_t tokens = 40; tokens < 60; tokens++)
        for (int64_t stride = 1; stride < 8; stride++) {
            nnrt_dataset d = {
                .model = &m, .tokens = tokens, .window = 4, .stride = stride, .counted = 4};
            nnrt_rows train, kept = {0};
            nnrt_fault fault;
            d.n = (tokens - 5) / stride + 1;
            nnrt_rows_all(&train, d.n, &fault);
            cr_assert_eq(nnrt_data_split(&d, &train, &kept, &fault), 0, "%s", fault.text);
            int64_t cut = tokens - tokens / 4;
            cr_assert(train.n > 0 && kept.n > 0);
            cr_assert(train.at[train.n - 1] * stride + 4 < cut);
            cr_assert((train.at[train.n - 1] + 1) * stride + 4 >= cut, "one more would fit");
            cr_assert(kept.at[0] * stride >= cut && (kept.at[0] - 1) * stride < cut);
            for (int64_t i = 1; i < kept.n; i++)
                cr_assert(kept.at[i] * stride >= kept.at[i - 1] * stride + 4);
            cr_assert(kept.at[kept.n - 1] < d.n);
            free(train.at);
            free(kept.at);
        }
    nnrt_dataset d = {.model = &m, .n = 1, .tokens = 5, .window = 4, .stride = 4, .counted = 4};
    nnrt_rows one = {0}, none = {0};
    nnrt_fault fault;
    nnrt_rows_all(&one, 1, &fault);
    scratch_fault(nnrt_data_split(&d, &one, &none, &fault), NNRT_BAD_CONTENT, &fault, "5 tokens",
                  "validation");
    free(one.at);
}

/* Row i of a batch is the one behind row i of the batch before; each row once; runs that are longer come first. */
Test(nnrt_text, runs_side_by_side)
{
    for (int64_t n = 1; n < 40; n++)
        for (int batch = 1; batch < 9; batch++) {
            nnrt_rows rows;
            nnrt_fault fault;
            int64_t order[40];
            char seen[40] = {0};
            nnrt_rows_all(&rows, n, &fault);
            nnrt_rows_batchify(&rows, batch, order);
            for (int64_t i = 0; i < n; i++) {
                cr_assert(order[i] >= 0 && order[i] < n && !seen[order[i]]);
                seen[order[i]] = 1;
                cr_assert(i < batch || order[i] == order[i - batch] + 1);
            }
            cr_assert_eq(order[0], 0);
            free(rows.at);
        }
}

Test(nnrt_text, tables)
{
    nnrt_model m = model_of(&table);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    /* quotes stand as they are between tabs */
    scratch_text("t.tsv",
                 "sentence\tlabel\na good \"day\tgood\n\"a bad a long a day\tbad\nbad\tbad\n");
    cr_assert_eq(open_set(&d, &m, need_xnl, &meta, &fault), 0, "%s", fault.text);
    cr_expect_eq(d.n, 3);
    const int64_t rows[3] = {0, 1, 2};
    int32_t x[12], n[3], label[3];
    void *out[4] = {x, NULL, n, label};
    nnrt_dataset_batch(&d, rows, 3, out, NULL);
    /* a 2, " 3, bad 4, day 5, good 6, long 7 */
    cr_expect_eq(memcmp(x, (int32_t[]){2, 6, 3, 5, 3, 2, 4, 2, 4, 0, 0, 0}, sizeof x), 0);
    cr_expect_eq(memcmp(n, (int32_t[]){4, 4, 1}, sizeof n), 0);
    cr_expect_eq(memcmp(label, (int32_t[]){1, 0, 0}, sizeof label), 0);
    nnrt_dataset_close(&d);
    cr_expect_str_eq(nnrt_meta_find(&meta, "nncc.labels.", "label"), "[\"bad\",\"good\"]");
    /* a line a text, for predict; the lengths come with it */
    scratch_text("p.txt", "good day\r\nunheard of");
    char arg[] = "x=p.txt", *args[] = {arg};
    meta.learn = 0;
    cr_assert_eq(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, need_xn, &meta, &fault), 0,
                 "%s", fault.text);
    nnrt_dataset_batch(&d, rows, 2, out, NULL);
    cr_expect_eq(memcmp(x, (int32_t[]){6, 5, 0, 0, 1, 1, 0, 0}, 8 * sizeof *x), 0);
    cr_expect(d.n == 2 && n[0] == 2 && n[1] == 2);
    nnrt_dataset_close(&d);
    char direct[] = "x=text:bad day", *direct_args[] = {direct};
    cr_assert_eq(
        nnrt_dataset_args(&d, &m, 1, direct_args, NULL, scratch_dir, need_x, &meta, &fault), 0,
        "%s", fault.text);
    nnrt_dataset_batch(&d, rows, 1, out, NULL);
    cr_expect_eq(memcmp(x, (int32_t[]){4, 5, 0, 0}, 4 * sizeof *x), 0);
    nnrt_dataset_close(&d);
    scratch_text("t.tsv", "sentence\tlabel\na day\tugly\n");
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.tsv:2:", "'ugly'");
    nnrt_meta_free(&meta);
}

Test(nnrt_text, tables_of_numbers_and_csv)
{
    nnrt_source csv = table;
    csv.file = "t.csv";
    nnrt_model m = model_of(&csv);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    scratch_text("t.csv", "label,sentence\n2,\"a, \"\"b\"\"\"\n 0 ,c\n");
    cr_assert_eq(open_set(&d, &m, need_xnl, &meta, &fault), 0, "%s", fault.text);
    const int64_t rows[2] = {0, 1};
    int32_t x[8], label[2];
    void *out[4] = {x, NULL, NULL, label};
    nnrt_dataset_batch(&d, rows, 2, out, NULL);
    cr_expect(label[0] == 2 && label[1] == 0);
    cr_expect_null(nnrt_meta_find(&meta, "nncc.labels.", "label"));
    nnrt_dataset_close(&d);
    scratch_text("t.csv", "label,sentence\n2,a\n3,b\n");
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.csv:3:", "'3'");
    nnrt_meta_free(&meta);
}

Test(nnrt_text, what_is_wrong_in_tables)
{
    nnrt_text strict = words;
    strict.refuse_long = 1;
    nnrt_source source = table;
    source.text = &strict;
    nnrt_model m = model_of(&source);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    scratch_text("t.tsv", "sentence\tlabel\na\t0\n\t1\n");
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.tsv:3:", "expected a text for 'x', found none");
    scratch_text("t.tsv", "sentence\tlabel\na\t0\n  \t1\n");
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.tsv:3:", "without a token");
    scratch_text("t.tsv", "sentence\tlabel\na\t0\na b c d e\t1\n");
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.tsv:3:", "5 tokens");
    scratch_text("t.tsv", "sentence\tlabel\na\tw\nb\tx\nc\ty\nd\tz\n");
    nnrt_meta_free(&meta);
    meta.learn = 1;
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.tsv:5:", "one class more than the 3");
    scratch_text("t.tsv", "sentence\tlabel\na\t\nb\tx\n");
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.tsv:2:", "name of a class");
    scratch_text("t.tsv", "sentence\tlabel\n");
    scratch_fault(open_set(&d, &m, need_xnl, &meta, &fault), NNRT_BAD_CONTENT, &fault, "t.tsv",
                  "found none");
    nnrt_meta_free(&meta);
}

Test(nnrt_text, a_tokenizer_of_a_file)
{
    nnrt_text from_file = {.tokens = NNRT_TOKENS_FILE, .file = "tok.json"};
    nnrt_source source = table;
    source.text = &from_file;
    nnrt_model m = model_of(&source);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    scratch_text("t.tsv", "sentence\tlabel\nb a c d\t0\n");
    scratch_text("tok.json",
                 "{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{\"type\":"
                 "\"WordLevel\",\"vocab\":{\"a\":3,\"b\":1,\"u\":0},\"unk_token\":\"u\"}}");
    cr_assert_eq(open_set(&d, &m, need_x, &meta, &fault), 0, "%s", fault.text);
    const int64_t rows[1] = {0};
    int32_t x[4];
    void *out[4] = {x, NULL, NULL, NULL};
    nnrt_dataset_batch(&d, rows, 1, out, NULL);
    cr_expect_eq(memcmp(x, (int32_t[]){1, 3, 0, 0}, sizeof x), 0);
    nnrt_dataset_close(&d);
    scratch_text("t.tsv", "sentence\tlabel\nb a\t0\n");
    scratch_fault(open_set(&d, &m, need_x, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "t.tsv:2:", "no <pad>");
    nnrt_meta_free(&meta);
    meta.learn = 1;
    scratch_text("tok.json", "{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{\"type\":"
                             "\"WordLevel\",\"vocab\":{\"a\":12},\"unk_token\":\"u\"}}");
    scratch_fault(open_set(&d, &m, need_x, &meta, &fault), NNRT_BAD_CONTENT, &fault, "13 tokens",
                  "room for 12");
    unlink(scratch_path("tok.json"));
    scratch_fault(open_set(&d, &m, need_x, &meta, &fault), NNRT_BAD_FILE, &fault, "tok.json",
                  "cannot open");
    nnrt_meta_free(&meta);
}

/* What travels comes back from a weights file, and no other key. */
Test(nnrt_text, meta_travels)
{
    nnrt_meta meta = {0}, back = {0};
    nnrt_fault fault;
    cr_assert_eq(
        nnrt_meta_put(&meta, "nncc.text.", "x", strdup("{\"a\":\"\\u0001\"\n\xC3\xA4}"), &fault),
        0);
    cr_assert_eq(nnrt_meta_put(&meta, "nncc.labels.", "y", strdup("[]"), &fault), 0);
    cr_assert_eq(nnrt_meta_put(&meta, "nncc.labels.", "y", strdup("[1]"), &fault), 0);
    cr_assert_eq(nnrt_st_write(scratch_path("w.st"), 0, NULL, meta.n, meta.at, 0, &fault), 0);
    cr_assert_eq(nnrt_meta_read(&back, scratch_path("w.st"), &fault), 0);
    cr_expect(back.n == 2 && meta.n == 2);
    cr_expect_str_eq(nnrt_meta_find(&back, "nncc.text.", "x"), "{\"a\":\"\\u0001\"\n\xC3\xA4}");
    cr_expect_str_eq(nnrt_meta_find(&back, "nncc.labels.", "y"), "[1]");
    cr_expect_null(nnrt_meta_find(&back, "nncc.text.", "y"));
    nnrt_meta_free(&meta);
    nnrt_meta_free(&back);
}

/* Every machine makes these bytes, or results of the examples are not comparable. */
Test(nnrt_text, made_up)
{
    nnrt_buffer stories = {0}, again = {0}, reviews = {0};
    nnrt_stories(1, 200, &stories);
    nnrt_stories(1, 100, &again);
    cr_expect(again.size < stories.size && memcmp(stories.at, again.at, again.size) == 0);
    cr_expect_eq(nnrt_crc32c(0, stories.at, stories.size), 0xAC13195Fu, "%08x",
                 (unsigned)nnrt_crc32c(0, stories.at, stories.size));
    int good = 0;
    for (int i = 0; i < 400; i++)
        good += nnrt_review(1, i, &reviews);
    cr_expect(good > 160 && good < 240, "%d", good);
    cr_expect_eq(nnrt_crc32c(0, reviews.at, reviews.size), 0x6A3B468Bu, "%08x",
                 (unsigned)nnrt_crc32c(0, reviews.at, reviews.size));
    nnrt_buffer phrases = {0};
    for (int i = 0; i < 400; i++)
        nnrt_phrase(1, i / 2, i % 2, &phrases);
    cr_expect_eq(nnrt_crc32c(0, phrases.at, phrases.size), 0x3B589967u, "%08x",
                 (unsigned)nnrt_crc32c(0, phrases.at, phrases.size));
    nnrt_buffer_free(&phrases);
    nnrt_buffer headlines = {0};
    int of[4] = {0};
    for (int i = 0; i < 400; i++)
        of[nnrt_headline(1, i, &headlines)]++;
    cr_expect(of[0] > 70 && of[1] > 70 && of[2] > 70 && of[3] > 70);
    cr_expect_eq(nnrt_crc32c(0, headlines.at, headlines.size), 0xE7483F53u, "%08x",
                 (unsigned)nnrt_crc32c(0, headlines.at, headlines.size));
    nnrt_buffer_free(&stories);
    nnrt_buffer_free(&again);
    nnrt_buffer_free(&reviews);
    nnrt_buffer_free(&headlines);
    const nnrt_source windows_of_stories = {
        .kind = NNRT_SOURCE_TEXT,
        .generator = "stories",
        .seed = 1,
        .count = 3,
        .n_columns = 2,
        .columns = xy,
        .text = &(const nnrt_text){.tokens = NNRT_TOKENS_WORDS, .stride = 4}};
    nnrt_source table_of_reviews = table;
    table_of_reviews.generator = "reviews";
    table_of_reviews.count = 5;
    nnrt_model m = model_of(&windows_of_stories);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    cr_assert_eq(open_set(&d, &m, need_xy, &meta, &fault), 0, "%s", fault.text);
    cr_expect_gt(d.n, 10);
    nnrt_dataset_close(&d);
    nnrt_meta_free(&meta);
    meta.learn = 1;
    m = model_of(&table_of_reviews);
    cr_assert_eq(open_set(&d, &m, need_xnl, &meta, &fault), 0, "%s", fault.text);
    cr_expect_eq(d.n, 5);
    cr_expect_str_eq(nnrt_meta_find(&meta, "nncc.labels.", "label"), "[\"negative\",\"positive\"]");
    nnrt_dataset_close(&d);
    nnrt_meta_free(&meta);
    meta.learn = 1;
    table_of_reviews.generator = "headlines";
    table_of_reviews.count = 50;
    m = model_of(&table_of_reviews);
    cr_assert_neq(open_set(&d, &m, need_xnl, &meta, &fault), 0); /* four topics, three classes */
    cr_expect_not_null(strstr(fault.text, "generator headlines:7: 'science' is one class more"),
                       "%s", fault.text);
    nnrt_meta_free(&meta);
}

/* x is the source, y the target after <bos>; z, which stands for label here, before <eos>. */
Test(nnrt_text, pairs)
{
    static const nnrt_column columns[] = {
        {.input = "x"}, {.input = "y"}, {.input = "z"}, {.input = "n", .of = "x"}};
    static const char *const files[] = {"a.de", "a.en"};
    static const nnrt_text form = {.tokens = NNRT_TOKENS_WORDS, .is_pairs = 1};
    static const unsigned char need[4] = {1, 1, 1, 1};
    nnrt_value all[4] = {inputs[0], inputs[1], inputs[1], inputs[2]};
    all[2].name = "z";
    const nnrt_source s = {.kind = NNRT_SOURCE_TEXT,
                           .n_files = 2,
                           .files = files,
                           .n_columns = 4,
                           .columns = columns,
                           .text = &form};
    nnrt_model m = {.n_inputs = 4, .inputs = all, .data_train = s, .text = &nnrt_text_reader};
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    scratch_text("a.de", "ein Hund\nein roter Hund da\n");
    scratch_text("a.en", "a dog\na red dog there\n");
    cr_assert_eq(open_set(&d, &m, need, &meta, &fault), 0, "%s", fault.text);
    const int64_t rows[2] = {0, 1};
    int32_t x[8], y[8], z[8], n[2];
    void *out[4] = {x, y, z, n};
    nnrt_dataset_batch(&d, rows, 2, out, NULL);
    /* <pad> 0 <unk> 1, Hund 2 ein 3 da 4 roter 5; <bos> 2 <eos> 3, a 4 dog 5 red 6 there 7 */
    cr_expect_eq(memcmp(x, (int32_t[]){3, 2, 0, 0, 3, 5, 2, 4}, sizeof x), 0);
    cr_expect_eq(memcmp(y, (int32_t[]){2, 4, 5, 0, 2, 4, 6, 5}, sizeof y), 0);
    cr_expect_eq(memcmp(z, (int32_t[]){4, 5, 3, 0, 4, 6, 5, 7}, sizeof z), 0);
    cr_expect(n[0] == 2 && n[1] == 4);
    nnrt_dataset_close(&d);
    cr_expect(meta.n == 2 && nnrt_meta_find(&meta, "nncc.text.", "y"));
    scratch_text("a.en", "a dog\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault, "a.en: 1 lines",
                  "a.de has 2");
    scratch_text("a.en", "a dog\n\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "a.en:2:", "found none");
    nnrt_meta_free(&meta);
}
