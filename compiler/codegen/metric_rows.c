/* SPDX-License-Identifier: MIT */
/* metric_rows.c: the rows of metrics in the emitted file, and what they keep of each sample. */
#include "emit.h"

/* What else a metric's row says, ", .larger = 1". */
static const char *metric_details(SourceText *s, const Metric *m)
{
    static const char *const average[] = {"NNRT_MACRO", "NNRT_MICRO", "NNRT_WEIGHTED"};
    Str t = str_new(s->arena);
    str_add(&t, "%s", m->larger ? ", .larger = 1" : "");
    if (m->n_kept)
        str_add(&t, ", .kept = %d, .n_kept = %d%s", m->first_kept, m->n_kept,
                m->report ? ", .report = 1" : "");
    if (m->classes)
        str_add(&t, ", .classes = %lld", (long long)m->classes);
    str_add(&t, "%s", m->scores ? ", .scores = 1" : "");
    str_add(&t, "%s", m->logits ? ", .logits = 1" : "");
    if (m->average)
        str_add(&t, ", .average = %s", average[m->average]);
    if (m->one_class)
        str_add(&t, ", .one_class = %lld", (long long)m->one_class);
    if (m->threshold > 0)
        str_add(&t, ", .threshold = %s", real_text(s->arena, m->threshold));
    if (m->target)
        str_add(&t, ", .target = %d", m->target);
    return t.at;
}

void emit_metric_rows(SourceText *s)
{
    static const char *const finish[] = {
        [FINISH_mean] = "MEAN",
        [FINISH_root_mean] = "ROOT_MEAN",
        [FINISH_r2] = "R2",
        [FINISH_auc] = "AUC",
        [FINISH_average_precision] = "AVERAGE_PRECISION",
        [FINISH_precision] = "PRECISION",
        [FINISH_recall] = "RECALL",
        [FINISH_f1] = "F1",
        [FINISH_specificity] = "SPECIFICITY",
        [FINISH_iou] = "IOU",
        [FINISH_balanced_accuracy] = "BALANCED_ACCURACY",
        [FINISH_mcc] = "MCC",
        [FINISH_ece] = "ECE",
        [FINISH_perplexity] = "PERPLEXITY",
        [FINISH_detections] = "DETECTIONS",
        [FINISH_code_perplexity] = "CODE_PERPLEXITY",
    };
    const Program *p = s->p;
    if (!p->metrics.n)
        return;
    out_open(s->out, "static const nnrt_metric %s_metrics[] =", p->name);
    for (int i = 0; i < p->metrics.n; i++) {
        const Metric *m = &p->metrics.at[i];
        out_line(s->out, "{.name = \"%s\", .finish = NNRT_METRIC_%s, .n_sums = %d%s},", m->name,
                 finish[m->finish], m->n_sums, metric_details(s, m));
    }
    s->out->depth--;
    out_line(s->out, "};");
    if (!p->kept.n)
        return;
    Str counts = str_new(s->arena);
    for (int i = 0; i < p->kept.n; i++)
        str_add(&counts, "%s%lld", i ? ", " : "", (long long)p->kept.at[i].count);
    out_line(s->out, "static const int64_t %s_kept[] = {%s};", p->name, counts.at);
}
