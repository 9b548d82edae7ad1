# SPDX-License-Identifier: MIT
# A loop that draws noise in each of its steps: the emitted C against DDPM written out; the same bits on any number of
# threads.
. "$root/tests/lib.sh"

cat >app.c <<'END'
/* Samples that begin at z, by algorithm 2 of Ho et al. (2020) with the smaller variance, and what ddpm_eval says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ddpm.h"
#include "nnrt_rand.h"

enum { TIMES = 6, COUNT = 100 * 3 };

int main(void)
{
    static float z[COUNT];
    double x[COUNT], kept[TIMES], beta[TIMES], sum = 0;
    void *memory = aligned_alloc(64, (ddpm_size() + 63) / 64 * 64);
    ddpm *m = ddpm_init(memory, 7);
    for (int i = 0; i < COUNT; i++)
        x[i] = z[i] = (float)(i % 17) / 8 - 1;
    for (int t = 0; t < TIMES; t++) {
        beta[t] = 1e-4 + (0.3 - 1e-4) * t / (TIMES - 1);
        kept[t] = (t ? kept[t - 1] : 1) * (1 - beta[t]);
    }
    for (int turn = 0; turn < TIMES; turn++) {
        int t = TIMES - 1 - turn;
        double before = t ? kept[t - 1] : 1, rest = 1 - kept[t];
        nnrt_rand_key key = nnrt_rand_key_turn(nnrt_rand_key_of(7, 0, 0), (uint64_t)turn);
        for (int i = 0; i < COUNT; i++) {
            double clean = (x[i] - sqrt(rest) * (0.3 * x[i] + 0.01 * t)) / sqrt(kept[t]);
            clean = clean < -1 ? -1 : clean > 1 ? 1 : clean;
            x[i] = sqrt(before) * beta[t] / rest * clean + sqrt(1 - beta[t]) * (1 - before) / rest * x[i] +
                   sqrt(beta[t] * (1 - before) / rest) * nnrt_rand_normal(key, (uint64_t)i);
        }
    }
    for (int i = 0; i < COUNT; i++)
        sum += x[i] * x[i];
    printf("%g\n", fabs(ddpm_eval(m, 100, z, NULL) / sum - 1));
    free(memory);
    return 0;
}
END
"$nncc" "$root/tests/models/ddpm.yaml" -o ddpm.c
cc=${CC:-cc}
if $cc -O2 -march=native -fopenmp -I"$BUILD/include" app.c ddpm.c "$BUILD/libnnrt.a" -lz -lm -o app; then
    at_most "DDPM: relative error of the sum of samples" "$(./app)" 1e-5
else
    bad "DDPM: the app compiles"
fi
awk 'BEGIN { for (i = 0; i < 300; i++) print i % 7 / 3 - 1 "," i % 5 / 2 - 1 "," i % 3 - 1 }' >z.csv
sed '$a data: {train: {csv: {file: z.csv, header: false, z: [0, 1, 2]}}}' "$root/tests/models/ddpm.yaml" >run.yaml
"$nncc" run.yaml -o ddpm
for threads in 1 2; do
    OMP_NUM_THREADS=$threads ./ddpm train --out w$threads.safetensors >/dev/null 2>&1
    OMP_NUM_THREADS=$threads ./ddpm sample --weights w$threads.safetensors --count 500 --output y=y$threads.npy \
        >said.txt 2>&1
done
check "DDPM: 1 and 2 threads learn the same bits" cmp w1.safetensors w2.safetensors
check "DDPM: and draw the same" cmp y1.npy y2.npy
