/* SPDX-License-Identifier: MIT */
/* test_nnrt_sound.c: guards clips: WAV of every coding that is read, resampling, log-mel and MFCC
 * features against their formulas written out, lists and folders, and what is wrong in files. */
#include <math.h>

#include "nnrt_scratch.h"

#include "nnrt_sound.h"

TestSuite(nnrt_sound, .init = scratch_open, .fini = scratch_close, .timeout = 60);

static const double pi = 3.14159265358979323846;

/* --- WAV -------------------------------------------------------------------------------------- */

/* A file of one `fmt ` and one `data`; with `extensible` the coding stands in the long form. */
static size_t wav(unsigned char *to, unsigned coding, unsigned channels, unsigned rate,
                  unsigned bits, int extensible, const void *data, size_t size)
{
    unsigned format = extensible ? 40 : 16, total = (unsigned)(20 + format + 8 + size);
    unsigned char head[68] = "RIFF....WAVEfmt ";
    unsigned fields[] = {format, extensible ? 0xFFFE : coding, channels,
                         rate,   rate * channels * bits / 8,   channels * bits / 8,
                         bits};
    const int widths[] = {4, 2, 2, 4, 4, 2, 2};
    size_t at = 16;
    for (int i = 0; i < 7; i++)
        for (int b = 0; b < widths[i]; b++)
            head[at++] = (unsigned char)(fields[i] >> 8 * b);
    head[44] = (unsigned char)coding;
    at = 20 + format;
    memcpy(head + at, "data", 4);
    for (int b = 0; b < 4; b++) {
        head[4 + b] = (unsigned char)((total - 8) >> 8 * b);
        head[at + 4 + (size_t)b] = (unsigned char)(size >> 8 * b);
    }
    memcpy(to, head, at + 8);
    memcpy(to + at + 8, data, size);
    return at + 8 + size;
}

Test(nnrt_sound, reads_wav)
{
    static const struct {
        unsigned coding, channels, bits;
        unsigned char data[16];
        size_t size;
        double first, second;
    } cases[] = {
        {1, 1, 8, {0, 192}, 2, -1, 0.5},
        {1, 1, 16, {0, 0x80, 0, 0x40}, 4, -1, 0.5},
        {1, 1, 24, {0, 0, 0x80, 0, 0, 0x40}, 6, -1, 0.5},
        {1, 1, 32, {0, 0, 0, 0x80, 0, 0, 0, 0x40}, 8, -1, 0.5},
        {1, 2, 16, {0, 0x40, 0, 0, 0, 0x40, 0, 0xC0}, 8, 0.25, 0},
        {3, 1, 32, {0, 0, 0x80, 0xBF, 0, 0, 0, 0x3F}, 8, -1, 0.5},
        {3, 1, 64, {0, 0, 0, 0, 0, 0, 0xF0, 0xBF, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F}, 16, -1, 0.5},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const int extensible = i % 2;
        unsigned char file[128];
        size_t k = i / 2, n = wav(file, cases[k].coding, cases[k].channels, 8000, cases[k].bits,
                                  extensible, cases[k].data, cases[k].size);
        nnrt_clip clip;
        nnrt_fault fault = {""};
        scratch_write("a.wav", file, n);
        cr_assert_eq(nnrt_clip_read(scratch_path("a.wav"), &clip, &fault), 0, "%zu: %s", i,
                     fault.text);
        cr_expect(clip.n == 2 && clip.rate == 8000, "%zu", i);
        cr_expect(fabs((double)clip.at[0] - cases[k].first) < 1e-6 &&
                      fabs((double)clip.at[1] - cases[k].second) < 1e-6,
                  "%zu: %g %g", i, (double)clip.at[0], (double)clip.at[1]);
        nnrt_clip_free(&clip);
    }
}

static void wrong_wav(const unsigned char *bytes, size_t n, const char *piece)
{
    nnrt_clip clip;
    nnrt_fault fault = {""};
    scratch_write("a.wav", bytes, n);
    scratch_fault(nnrt_clip_read(scratch_path("a.wav"), &clip, &fault), NNRT_BAD_CONTENT, &fault,
                  "a.wav", piece);
}

Test(nnrt_sound, refuses_wrong_wav)
{
    static const unsigned char samples[8] = {0, 0x40}, nan[4] = {0, 0, 0xC0, 0x7F};
    unsigned char file[128];
    size_t n = wav(file, 1, 1, 8000, 16, 0, samples, 8);
    wrong_wav(file, n - 1, "expected a chunk of 8 bytes, found 7");
    wrong_wav(file, 36, "expected samples");
    wrong_wav(file, 12, "expected samples");
    n = wav(file, 1, 1, 8000, 16, 0, samples, 0);
    wrong_wav(file, n, "a clip of no samples");
    n = wav(file, 1, 1, 8000, 16, 0, samples, 1);
    wrong_wav(file, n, "a clip of no samples");
    n = wav(file, 3, 1, 8000, 32, 0, nan, 4);
    wrong_wav(file, n, "sample 0 is not finite");
    n = wav(file, 1, 1, 0, 16, 0, samples, 8);
    wrong_wav(file, n, "samples a second, found 0");
    n = wav(file, 1, 0, 8000, 16, 0, samples, 8);
    wrong_wav(file, n, "channels");
    n = wav(file, 1, 200, 8000, 16, 0, samples, 8);
    wrong_wav(file, n, "200 channels");
}

/* --- resampling ------------------------------------------------------------------------------- */

/* The formula, for one output at a time. */
static double resampled(const float *x, int64_t n, int64_t from, int64_t to, int64_t i)
{
    double base = 0.99 * (double)(from < to ? from : to), sum = 0;
    for (int64_t m = 0; m < n; m++) {
        double t = ((double)m / (double)from - (double)i / (double)to) * base;
        if (fabs(t) < 6)
            sum += (double)x[m] * (t == 0 ? 1 : sin(pi * t) / (pi * t)) * pow(cos(pi * t / 12), 2) *
                   base / (double)from;
    }
    return sum;
}

Test(nnrt_sound, resamples)
{
    static const int64_t rates[][2] = {{8000, 16000}, {16000, 8000}, {44100, 16000},
                                       {11025, 8000}, {8000, 44100}, {7919, 8000}};
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        enum { N = 700 };
        int64_t from = rates[k][0], to = rates[k][1];
        float x[N];
        for (int i = 0; i < N; i++)
            x[i] = (float)(sin(2 * pi * 440 * i / (double)from) + 0.1 * (i % 7));
        nnrt_clip clip = {malloc(sizeof x), N, from};
        nnrt_fault fault;
        memcpy(clip.at, x, sizeof x);
        cr_assert_eq(nnrt_resample("a", &clip, to, INT32_MAX, &fault), 0);
        cr_assert_eq(clip.n, (N * to + from - 1) / from);
        cr_assert_eq(clip.rate, to);
        for (int64_t i = 0; i < clip.n; i++) {
            double want = resampled(x, N, from, to, i);
            cr_assert(fabs((double)clip.at[i] - want) < 1e-6, "%lld to %lld, %lld: %g, not %g",
                      (long long)from, (long long)to, (long long)i, (double)clip.at[i], want);
        }
        /* away from its ends a tone is the same tone */
        for (int64_t i = clip.n / 3; i < clip.n / 2 && k == 0; i++)
            cr_assert(fabs((double)clip.at[2 * (i / 2)] - (double)x[i / 2]) < 0.2);
        nnrt_clip_free(&clip);
    }
    nnrt_clip clip = {calloc(100, sizeof(float)), 100, 8000};
    nnrt_fault fault;
    nnrt_resample("a", &clip, 16000, 30, &fault);
    cr_expect_eq(clip.n, 30);
    nnrt_clip_free(&clip);
}

/* --- features --------------------------------------------------------------------------------- */

/* Mel energies of frame `t`, by the definition: no fast transform, no tables. */
static void energies(const nnrt_sound *s, const float *x, int64_t n, int64_t t, double *mel)
{
    int64_t bins = s->n_fft / 2 + 1;
    double power[256], low = 2595 * log10(1 + s->f_min / 700),
                       high = 2595 * log10(1 + s->f_max / 700);
    for (int64_t k = 0; k < bins; k++) {
        double re = 0, im = 0;
        for (int64_t i = 0; i < s->n_fft; i++) {
            int64_t at = t * s->hop + i - s->n_fft / 2;
            at = at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
            double w = 0.5 - 0.5 * cos(2 * pi * (double)i / (double)s->n_fft);
            re += w * (double)x[at] * cos(2 * pi * (double)(i * k) / (double)s->n_fft);
            im -= w * (double)x[at] * sin(2 * pi * (double)(i * k) / (double)s->n_fft);
        }
        power[k] = re * re + im * im;
    }
    for (int64_t m = 0; m < s->n_mels; m++) {
        double f[3];
        mel[m] = 0;
        for (int c = 0; c < 3; c++)
            f[c] =
                700 *
                (pow(10, (low + (high - low) * (double)(m + c) / (double)(s->n_mels + 1)) / 2595) -
                 1);
        for (int64_t k = 0; k < bins; k++) {
            double hz = (double)(s->rate / 2) * (double)k / (double)(bins - 1);
            double w = fmin((hz - f[0]) / (f[1] - f[0]), (f[2] - hz) / (f[2] - f[1]));
            mel[m] += w > 0 ? w * power[k] : 0;
        }
    }
}

Test(nnrt_sound, log_mel_and_mfcc)
{
    static const int64_t ffts[] = {64, 100, 37, 2, 90};
    for (size_t k = 0; k < sizeof ffts / sizeof *ffts; k++) {
        enum { FRAMES = 9, MELS = 10 };
        nnrt_sound s = {
            .rate = 8000, .n_fft = ffts[k], .hop = 40, .n_mels = MELS, .f_min = 50, .f_max = 3900};
        float x[(FRAMES - 1) * 40], out[FRAMES * MELS];
        double want[FRAMES * MELS], room[FRAMES * MELS], most = -1e300;
        nnrt_mel mel;
        nnrt_fault fault;
        for (int i = 0; i < (FRAMES - 1) * 40; i++)
            x[i] = (float)(0.5 * sin(0.3 * i) + 0.2 * sin(0.05 * i * i / 7) + (i > 200 ? 0.1 : 0));
        cr_assert_eq(nnrt_mel_open(&mel, &s, &fault), 0);
        nnrt_mel_frames(&mel, x, FRAMES, room, out);
        nnrt_mel_close(&mel);
        for (int t = 0; t < FRAMES; t++)
            energies(&s, x, (FRAMES - 1) * 40, t, want + t * MELS);
        for (int i = 0; i < FRAMES * MELS; i++) {
            cr_assert(fabs((double)out[i] - log(want[i] + 1e-6)) < 2e-5, "fft %lld, %d: %g, not %g",
                      (long long)ffts[k], i, (double)out[i], log(want[i] + 1e-6));
            want[i] = 10 * log10(fmax(want[i], 1e-10));
            most = fmax(most, want[i]);
        }
        s.is_mfcc = 1;
        s.n_mfcc = 5;
        cr_assert_eq(nnrt_mel_open(&mel, &s, &fault), 0);
        nnrt_mel_frames(&mel, x, FRAMES, room, out);
        nnrt_mel_close(&mel);
        for (int t = 0; t < FRAMES; t++)
            for (int c = 0; c < 5; c++) {
                double sum = 0;
                for (int m = 0; m < MELS; m++)
                    sum += fmax(want[t * MELS + m], most - 80) * cos(pi * (m + 0.5) * c / MELS) *
                           sqrt((c ? 2.0 : 1.0) / MELS);
                cr_assert(fabs((double)out[t * 5 + c] - sum) < 1e-3, "fft %lld: %g, not %g",
                          (long long)ffts[k], (double)out[t * 5 + c], sum);
            }
    }
}

/* --- sources ---------------------------------------------------------------------------------- */

static const nnrt_value inputs[] = {
    {.name = "clip", .rank = 2, .dim = {5, 8}, .count = 40},
    {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 3},
    {.name = "n", .dtype = NNRT_I32, .count = 1},
    {.name = "said", .dtype = NNRT_I32, .rank = 1, .dim = {3}, .count = 3, .classes = 5},
    {.name = "n_said", .dtype = NNRT_I32, .count = 1},
};
static const char *const first[] = {"0"}, *const second[] = {"1"};
static const nnrt_column list_columns[] = {{.input = "clip", .n_names = 1, .names = first},
                                           {.input = "said", .n_names = 1, .names = second},
                                           {.input = "n", .of = "clip"},
                                           {.input = "n_said", .of = "said"}};
static const nnrt_column folder_columns[] = {{.input = "clip", .n_names = 1, .names = first},
                                             {.input = "label", .n_names = 1, .names = second}};
static const nnrt_sound form = {.rate = 8000, .n_fft = 64, .hop = 32, .n_mels = 8, .f_max = 4000};
static const nnrt_text characters = {.tokens = NNRT_TOKENS_CHARACTERS};
static const nnrt_source list = {.kind = NNRT_SOURCE_SOUND,
                                 .file = "l.tsv",
                                 .n_columns = 4,
                                 .columns = list_columns,
                                 .text = &characters,
                                 .sound = &form};

static nnrt_model model_of(const nnrt_source *s)
{
    return (nnrt_model){
        .n_inputs = 5, .inputs = inputs, .data_train = *s, .sound = &nnrt_sound_reader};
}

/* A tone of n samples. */
static void tone(const char *name, int n, unsigned rate)
{
    static unsigned char file[4096];
    int16_t samples[1000];
    for (int i = 0; i < n; i++)
        samples[i] = (int16_t)(10000 * sin(0.4 * i));
    size_t size = wav(file, 1, 1, rate, 16, 0, samples, (size_t)n * 2);
    scratch_write(name, file, size);
}

static int open_set(nnrt_dataset *d, const nnrt_model *m, const unsigned char *need,
                    nnrt_meta *meta, nnrt_fault *fault)
{
    fault->text[0] = 0;
    return nnrt_dataset_open(d, m, &m->data_train, scratch_dir, need, meta, fault);
}

Test(nnrt_sound, lists)
{
    static const unsigned char need[5] = {1, 0, 1, 1, 1}, need_clip[5] = {1, 0, 1, 0, 0};
    nnrt_model m = model_of(&list);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    tone("a.wav", 70, 8000);
    tone("b.wav", 900, 16000); /* longer, and of another rate */
    scratch_text("l.tsv", "a.wav\t12\nb.wav\t2331\n");
    cr_assert_eq(open_set(&d, &m, need, &meta, &fault), 0, "%s", fault.text);
    const int64_t rows[2] = {0, 1};
    int32_t n[2], said[6], n_said[2];
    float clip[80], again[80];
    void *out[5] = {clip, NULL, n, said, n_said};
    nnrt_dataset_batch(&d, rows, 2, out, NULL);
    cr_expect(n[0] == 3 && n[1] == 5);
    cr_expect_eq(memcmp(said, (int32_t[]){1, 2, 0, 2, 3, 3}, sizeof said),
                 0); /* <pad> is 0: CTC's blank */
    cr_expect(n_said[0] == 2 && n_said[1] == 3);
    cr_expect(fabs((double)clip[32] - log(1e-6)) < 1e-5, "a frame of silence: %g",
              (double)clip[32]);
    nnrt_dataset_close(&d);
    cr_expect_not_null(nnrt_meta_find(&meta, "nncc.sound.", "clip"));
    /* predict: one clip, the same numbers */
    char arg[] = "clip=a.wav", *args[] = {arg};
    meta.learn = 0;
    cr_assert_eq(nnrt_dataset_args(&d, &m, 1, args, NULL, scratch_dir, need_clip, &meta, &fault), 0,
                 "%s", fault.text);
    out[0] = again;
    nnrt_dataset_batch(&d, rows, 1, out, NULL);
    cr_expect(d.n == 1 && memcmp(again, clip, 40 * sizeof *clip) == 0);
    nnrt_dataset_close(&d);
    /* what was trained on other features is refused */
    nnrt_sound other = form;
    other.hop = 33;
    nnrt_source s = list;
    s.sound = &other;
    m = model_of(&s);
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault, "other features",
                  "\"hop\":33");
    nnrt_meta_free(&meta);
}

Test(nnrt_sound, what_is_wrong_in_lists)
{
    static const unsigned char need[5] = {1, 0, 0, 1, 0};
    nnrt_sound strict = form;
    strict.refuse_long = 1;
    nnrt_source s = list;
    s.sound = &strict;
    nnrt_model m = model_of(&s);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    tone("a.wav", 70, 8000);
    tone("long.wav", 160, 8000);
    tone("none.wav", 0, 8000);
    scratch_text("l.tsv", "a.wav\t1\nmissing.wav\t1\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_FILE, &fault,
                  "l.tsv:2:", "missing.wav");
    scratch_text("l.tsv", "a.wav\t1\n\t1\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "l.tsv:2:", "expected a clip");
    scratch_text("l.tsv", "a.wav\t1\nnone.wav\t1\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "l.tsv:2:", "no samples");
    scratch_text("l.tsv", "long.wav\t1\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "l.tsv:1:", "more than the 128 samples");
    scratch_text("l.tsv", "a.wav\t1\na.wav\t\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault,
                  "l.tsv:2:", "expected a text");
    nnrt_meta_free(&meta);
    meta.learn = 1;
    scratch_text("l.tsv", "a.wav\t123\na.wav\t45\n");
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault, "l.tsv",
                  "5 different characters");
    nnrt_meta_free(&meta);
}

Test(nnrt_sound, folders)
{
    static const unsigned char need[5] = {1, 1, 0, 0, 0};
    nnrt_source s = {.kind = NNRT_SOURCE_SOUND,
                     .file = "set",
                     .is_folder = 1,
                     .n_columns = 2,
                     .columns = folder_columns,
                     .sound = &form};
    nnrt_model m = model_of(&s);
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_FILE, &fault, "set",
                  "expected a folder");
    mkdir(scratch_path("set"), 0777);
    scratch_fault(open_set(&d, &m, need, &meta, &fault), NNRT_BAD_CONTENT, &fault, "set",
                  "found none");
    mkdir(scratch_path("set/yes"), 0777);
    mkdir(scratch_path("set/no"), 0777);
    tone("set/yes/a.wav", 70, 8000);
    tone("set/no/b.wav", 80, 8000);
    tone("set/no/a.wav", 90, 8000);
    cr_assert_eq(open_set(&d, &m, need, &meta, &fault), 0, "%s", fault.text);
    const int64_t rows[3] = {0, 1, 2};
    int32_t label[3];
    float clip[120];
    void *out[5] = {clip, label, NULL, NULL, NULL};
    nnrt_dataset_batch(&d, rows, 3, out, NULL);
    cr_expect_eq(memcmp(label, (int32_t[]){0, 0, 1}, sizeof label), 0);
    cr_expect_str_eq(nnrt_meta_find(&meta, "nncc.labels.", "label"), "[\"no\",\"yes\"]");
    nnrt_dataset_close(&d);
    nnrt_meta_free(&meta);
    unlink(scratch_path("set/yes/a.wav"));
    unlink(scratch_path("set/no/b.wav"));
    unlink(scratch_path("set/no/a.wav"));
    rmdir(scratch_path("set/yes"));
    rmdir(scratch_path("set/no"));
    rmdir(scratch_path("set"));
}

/* Every machine makes these samples; a clip's digits do not depend on whether it is made. */
Test(nnrt_sound, made_up)
{
    uint32_t crc = 0;
    for (int i = 0; i < 20; i++) {
        char digits[8], again[8];
        nnrt_clip clip;
        cr_assert_eq(nnrt_tones(1, i, i % 2, 8000, &clip, digits), 0);
        cr_assert_eq(nnrt_tones(1, i, i % 2, 8000, NULL, again), 0);
        cr_expect_str_eq(digits, again);
        cr_expect(i % 2 ? strlen(digits) >= 2 && strlen(digits) <= 5 : strlen(digits) == 1);
        for (int64_t k = 0; k < clip.n; k++)
            cr_assert(fabsf(clip.at[k]) < 1);
        cr_expect(clip.n > 700 && clip.n < 10000);
        crc = nnrt_crc32c(crc, clip.at, (size_t)clip.n * sizeof *clip.at);
        nnrt_clip_free(&clip);
    }
    cr_expect_eq(crc, 0x12F994FAu, "%08x", (unsigned)crc);
    static const unsigned char need[5] = {1, 0, 1, 1, 0};
    nnrt_column columns[3] = {list_columns[0], list_columns[1], list_columns[2]};
    static const char *const clip[] = {"clip"}, *const said[] = {"said"};
    columns[0].names = clip;
    columns[1].names = said;
    nnrt_value wide[5];
    memcpy(wide, inputs, sizeof wide);
    wide[3].classes = 11;
    const nnrt_source s = {.kind = NNRT_SOURCE_SOUND,
                           .generator = "tones",
                           .seed = 1,
                           .count = 30,
                           .n_columns = 3,
                           .columns = columns,
                           .text = &characters,
                           .sound = &form};
    nnrt_model m = {.n_inputs = 5, .inputs = wide, .data_train = s, .sound = &nnrt_sound_reader};
    nnrt_dataset d;
    nnrt_fault fault;
    nnrt_meta meta = {.learn = 1};
    cr_assert_eq(open_set(&d, &m, need, &meta, &fault), 0, "%s", fault.text);
    cr_expect_eq(d.n, 30);
    nnrt_dataset_close(&d);
    nnrt_meta_free(&meta);
}
