# SPDX-License-Identifier: MIT
# Loops over time that are cut in pieces: truncated back-propagation, states carried from batch to batch, gradients
# that keep few states. Their values against PyTorch: tests/torch/cases_recurrent.py.
. "$root/tests/lib.sh"
include="-I$BUILD/include"
quick=$(quick_cc)

# A language model: $1 options of the loops, $2 of train.
write_lm()
{
    cat <<END
model: lm
inputs: {x: {tokens: 40, shape: [12]}, y: {tokens: 40, shape: [12]}}
layers:
  - embedding: {count: 40, dim: 10, input: x}
  - lstm: {hidden: 14, layers: 2$1}
  - scan: {state: {h: 8}, body: [concat: {input: [h, input]}, dense: {units: 8, activation: tanh}]$1}
  - dense: {units: 40, name: logits}
loss: softmax_cross_entropy(logits, y)
train: {batch: 6, epochs: 2, optimizer: {adam: {lr: 1e-2}}$2}
data:
  train: {text: {generator: stories, count: 60, tokenizer: characters, next_token: {input: x, target: y}}}
  validation: {split: 0.1}
END
}

# --- states from batch to batch
write_lm ", stateful: true, bptt: 5" ", checkpoint: {every: 7, keep: 3}" >lm.yaml
check "stateful: a program" env CC="$quick" "$nncc" lm.yaml -o lm
OMP_NUM_THREADS=1 ./lm train --out one.st --checkpoint one.ck >one.txt 2>&1
OMP_NUM_THREADS=2 ./lm train --out two.st --checkpoint two.ck >two.txt 2>&1
check "stateful: the same bits on two threads" same one.st two.st
./lm train --steps 17 --out part.st --checkpoint part.ck >part.txt 2>&1
./lm train --resume part.ck --out resumed.st --checkpoint resumed.ck >resumed.txt 2>&1
check "stateful: resumed within an epoch, the same bits" same one.st resumed.st
check "stateful: and the same checkpoint" same one.ck resumed.ck
check "stateful: a checkpoint holds what is carried" grep -qa 'lstm_1.c_l1' part.ck
check "stateful: a weights file does not" sh -c '! grep -qa "c_l1\|scan_1.h\"" one.st'
./lm eval --weights one.st >eval1.txt 2>&1
./lm eval --weights one.st >eval2.txt 2>&1
check "stateful: eval begins anew each time" same eval1.txt eval2.txt
write_lm "" ", batchify: true, shuffle: false" >less.yaml
CC=$quick "$nncc" less.yaml -o less
./less eval --weights one.st >eval3.txt 2>/dev/null
check "stateful: eval carries states" sh -c '! cmp -s eval1.txt eval3.txt'

# --- the C API: halves of a sequence are the sequence; rows that a batch has not stay as they are
net()
{
    cat <<END
model: $1
inputs: {x: {shape: [$2, 3]}, y: {shape: [$2, 5]}}
layers:
  - gru: {hidden: 5, input: x, name: g, stateful: $3}
loss: mse(g, y)
train: {batch: 3, optimizer: {sgd: {lr: 0.1}}}
END
}
net whole 8 false >whole.yaml
net half 4 true >half.yaml
"$nncc" whole.yaml -o whole.c
"$nncc" half.yaml -o half.c
cat >app.c <<'END'
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "half.h"
#include "whole.h"

static const char *const names[] = {"g.weight_ih_l0", "g.weight_hh_l0", "g.bias_ih_l0", "g.bias_hh_l0"};

/* Steps 4 * part and on of n samples. */
static void cut(const float *from, int n, int width, int part, float *to)
{
    for (int i = 0; i < n; i++)
        memcpy(to + i * 4 * width, from + (i * 8 + part * 4) * width, sizeof *to * 4 * (size_t)width);
}

static float half_of(half *h, int n, const float *x, const float *y, int part)
{
    float px[3 * 4 * 3], py[3 * 4 * 5];
    cut(x, n, 3, part, px);
    cut(y, n, 5, part, py);
    return half_eval(h, n, px, py, NULL);
}

static int near(float a, float b)
{
    return fabsf(a - b) < 1e-6f;
}

int main(void)
{
    whole *w = whole_new(3);
    half *h = half_new(4);
    float x[3 * 8 * 3], y[3 * 8 * 5], weights[15 * 5];
    for (int i = 0; i < 3 * 8 * 3; i++)
        x[i] = sinf((float)i);
    for (int i = 0; i < 3 * 8 * 5; i++)
        y[i] = cosf((float)i);
    for (int i = 0; i < 4; i++)
        if (whole_get(w, names[i], weights) || half_set(h, names[i], weights))
            return 2;
    float all = whole_eval(w, 3, x, y, NULL), first = half_of(h, 3, x, y, 0), second = half_of(h, 3, x, y, 1);
    int good = near(all, (first + second) / 2) && !near(first, second);
    half_reset(h);
    good = good && near(first, half_of(h, 3, x, y, 0));
    /* Now of two batches: the first of three rows, the second of one, the third of all again. */
    float one = half_of(h, 1, x, y, 1), row = whole_eval(w, 1, x, y, NULL);
    half_reset(h);
    good = good && near(row, (half_of(h, 1, x, y, 0) + one) / 2);
    half_reset(h);
    half_of(h, 3, x, y, 0);
    half_of(h, 1, x, y, 1);
    float mixed = half_of(h, 3, x, y, 1); /* rows 1 and 2 go on from the first batch */
    half_reset(h);
    half_of(h, 3, x, y, 0);
    half_of(h, 1, x, y, 1);
    half_of(h, 1, x, y, 1);
    float again = half_of(h, 3, x, y, 1);
    good = good && !near(mixed, second) && !near(mixed, again);
    whole_free(w);
    half_free(h);
    return !good;
}
END
check "stateful: an app compiles" ${CC:-cc} -std=gnu11 -O1 -march=native -fopenmp -Wall -Wextra -Werror $include -I. app.c whole.c half.c \
    "$BUILD/libnnrt.a" -lz -lm -o app
check "stateful: two halves of a sequence are the sequence, by row" ./app
"$nncc" half.yaml --no-train -o bare.c
check "stateful: a program that only predicts carries nothing" sh -c '! grep -q "g\.h_l0\|half_reset" bare.c bare.h'

# --- memory
long()
{
    cat <<END
model: far
inputs: {x: {shape: [$1, 8]}, y: {shape: [16]}}
layers:
  - lstm: {hidden: 16, return: last, name: h$2}
loss: mse(h, y)
train: {batch: 4, optimizer: {sgd: {lr: 0.1}}}
END
}
scratch() { "$nncc" "$1" --emit=report -o - | sed -n 's/^train: .* \([0-9]*\) bytes of scratch.*/\1/p'; }
long 1024 "" >full.yaml
long 1024 ", stash: 32" >few.yaml
full=$(scratch full.yaml) few=$(scratch few.yaml)
check "stash: a fifth of the memory at most ($few of $full bytes)" test $((few * 5)) -le "$full"
long 4096 ", stash: 64" >more.yaml
more=$(scratch more.yaml) inputs=$((4096 * 4 * 8 * 4))
check "stash: four times the steps take twice the memory, but for the inputs ($more bytes)" test $((more - inputs)) -le $(((few - inputs / 4) * 9 / 4))
status "a limit that the loop fits in when steps run again" 0 "$nncc" full.yaml --memory-limit=$((full / 2)) -o limited.c
status "a limit that it cannot fit in" 4 "$nncc" full.yaml --memory-limit=20K -o none.c
says "and that was tried" "even where loops are cut in pieces"
status "a limit that is no limit changes nothing" 0 "$nncc" full.yaml --memory-limit=1G -o roomy.c
"$nncc" full.yaml -o plain.c
check "and gives the same C" sh -c 'sed 1,10d plain.c | sed s/plain/roomy/ >a; sed 1,10d roomy.c >b; cmp a b'
check "the limited plan runs steps again" sh -c '! cmp -s plain.c limited.c'
status "without passes as well" 0 "$nncc" full.yaml -O0 --memory-limit=$((full)) -o unfused.c

# The bits of the loss and of what flows to the input are those of the full stash; weights are summed piece by piece.
if "$python" -c 'import numpy' 2>/dev/null; then
    sed 's/1024/50/' full.yaml >full50.yaml
    sed 's/1024/50/; s/stash: 32/stash: 7/' few.yaml >few50.yaml
    "$python" -c '
import numpy
r = numpy.random.default_rng(0)
numpy.save("x.npy", r.normal(size=(4, 50, 8)).astype("f4"))
numpy.save("y.npy", r.normal(size=(4, 16)).astype("f4"))'
    for net in full50 few50; do
        CC=$quick "$nncc" $net.yaml -o $net
    done
    ./few50 init --seed 1 -o w.st
    for net in full50 few50; do
        OMP_NUM_THREADS=2 ./$net grad --weights w.st --input x=x.npy --input y=y.npy -o $net.st
        OMP_NUM_THREADS=1 ./$net grad --weights w.st --input x=x.npy --input y=y.npy -o $net.1.st
    done
    check "stash: the same bits on one thread and two" same few50.st few50.1.st
    cat >compare.py <<END
import sys
sys.path.insert(0, "$root/tests/torch")
import numpy, safetensors
a, b = safetensors.load("full50.st"), safetensors.load("few50.st")
assert a.keys() == b.keys() and len(a) == 7, sorted(a)
for name in a:
    if "weight" in name or "bias" in name:
        assert numpy.allclose(a[name], b[name], rtol=1e-4, atol=1e-6), name
    else:
        assert a[name].tobytes() == b[name].tobytes(), name
END
    check "stash: loss and gradients of inputs have the bits of the full stash" "$python" compare.py
else
    skip "gradients with a stash: $python has no numpy"
fi

# --- C does not grow with steps or pieces
for k in 4 64; do
    long 1024 ", stash: $k, bptt: $((k + 3))" >steps.yaml
    "$nncc" steps.yaml --target=generic -o steps$k.c
done
check "the C of 256 pieces has the lines of 16" test "$(wc -l <steps4.c)" -le $(($(wc -l <steps64.c) + 20))

# --- what is refused
refused()
{
    what=$1 said=$2
    shift 2
    "$@" >bad.yaml
    status "refused: $what" 1 "$nncc" bad.yaml -o bad.c
    says "refused: $what: says so" "$said"
}
refused "bptt of 0" "bptt: 0 is out of range" long 9 ", bptt: 0"
refused "bptt below 0" "bptt: -3 is out of range" long 9 ", bptt: -3"
refused "bptt of a half" "expected a whole number" long 9 ", bptt: 1.5"
refused "bptt of a word" "expected a whole number" long 9 ", bptt: all"
refused "bptt too large" "out of range" long 9 ", bptt: 2147483648"
refused "stash of 0" "stash: 0 is out of range" long 9 ", stash: 0"
refused "stash below 0" "stash: -1 is out of range" long 9 ", stash: -1"
refused "stateful in both directions" "not with bidirectional" long 9 ", stateful: true, bidirectional: true"
refused "stateful and shuffled" "takes samples in order" write_lm ", stateful: true" ", shuffle: true"
refused "batchify of a word" "batchify" write_lm "" ", batchify: maybe"
apart() { write_lm ", stateful: true" "" | sed 's/target: y}/target: y, stride: 5}/'; }
refused "stateful windows that overlap" "windows of 12 are 5 apart" apart
drawn() { long 9 ", stateful: true"; echo "data: {train: {npz: d.npz}, validation: {split: 0.1}}"; }
refused "stateful and a split at random" "split draws samples at random" drawn
inside()
{
    cat <<END
model: inside
inputs: {x: {shape: [5, 3, 2]}}
layers: [scan: {body: [gru: {hidden: 2, stateful: true, return: last}]}]
loss: mean(scan_1)
train: {batch: 2, optimizer: {sgd: {lr: 0.1}}}
END
}
refused "stateful in a step of another loop" "changes a variable" inside
for k in 1 2 8 9 10 2147483647; do
    long 9 ", bptt: $k, stash: $k" >any.yaml
    status "pieces of $k of 9 steps" 0 "$nncc" any.yaml -o any.c
done
