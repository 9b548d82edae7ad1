# SPDX-License-Identifier: MIT
# Why a network gives what it does: `attribute` of programs and NAME_attribute, against differences, sums that must
# come out, and PyTorch.
. "$root/tests/lib.sh"
CC=$(quick_cc)
export CC

# refused NAME STATUS TEXT COMMAND...: status and text, in one line on standard error.
refused()
{
    name=$1 wanted=$2 text=$3
    shift 3
    status "$name" "$wanted" timeout 60 "$@"
    says "$name: says it" "$text"
    [ "$(wc -l <"$tmp/said")" -eq 1 ] && [ ! -s "$tmp/out" ] && ok "$name: in one line" ||
        bad "$name: not in one line: $(head -n 3 "$tmp/said" "$tmp/out")"
}

# near NAME A B BOUND
near() {
    awk "BEGIN { d = ($2) - ($3); exit !(d <= $4 && -d <= $4) }" && ok "$1 ($2)" || bad "$1: $2, not $3"
}

# --- a table: the class is whether the third column is over 0; the others say nothing
awk 'BEGIN {
    s = 1
    print "age,height,income,kind,label"
    for (i = 0; i < 400; i++) {
        for (k = 0; k < 4; k++) { s = (s * 1103515245 + 12345) % 2147483648; x[k] = s / 1073741824 - 1 }
        printf "%.5f,%.5f,%.5f,%d,%d\n", x[0], x[1], x[2], (x[3] > 0), (x[2] > 0)
    }
}' >t.csv
cat >table.yaml <<'EOF'
model: table
inputs: {x: {shape: [3]}, kind: {classes: 2}, label: {classes: 2}}
layers:
  - embedding: {count: 2, dim: 2, input: kind, name: kinds}
  - concat: {input: [x, kinds], axis: 1}
  - dense: {units: 8, activation: tanh}
  - dense: {units: 2, name: logits}
outputs: {probs: softmax(logits), logits: logits}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)", auc: "auc(logits, label)"}
train: {batch: 16, epochs: 12, seed: 3, optimizer: {adam: {lr: 1e-2}}}
data:
  train: {csv: {file: t.csv, header: true, x: [age, height, income], kind: kind, label: label}}
  test: {csv: {file: t.csv, header: true, x: [age, height, income], kind: kind, label: label}}
EOF
check "a table: a program" "$nncc" table.yaml -o table
check "a table: train" ./table train
check "permutation" ./table attribute --method permutation
cp "$tmp/said" all.txt
[ "$(sed -n '2s/:.*//p' all.txt)" = income ] && ok "permutation: the column that decides is first" ||
    bad "permutation: $(head -n 2 all.txt)"
at_least "permutation: without it the loss is much larger" "$(sed -n 's/^income: \([^ ]*\) .*/\1/p' all.txt)" 0.5
for c in age height kind; do
    at_most "permutation: $c says little" "$(sed -n "s/^$c: \([^ ]*\) .*/\1/p" all.txt)" 0.1
done
check "permutation: of a metric of all scores" ./table attribute --method permutation --metric auc
at_least "permutation: the auc falls by almost a half" "$(sed -n 's/^income: \([^ ]*\) .*/\1/p' "$tmp/said")" 0.4
check "permutation: of a metric" ./table attribute --method permutation --metric accuracy --repeats 20
# Half of the classes are then wrong: 0.5 is the mean, and its deviation that of 400 draws, some hundredths.
near "permutation: accuracy falls by a half" "$(sed -n 's/^income: \([^ ]*\) .*/\1/p' "$tmp/said")" 0.5 0.06
grep -Eq '^income: 0\.[45][0-9]* \+- 0\.0[0-9]+$' "$tmp/said" && ok "permutation: with a deviation" ||
    bad "permutation: $(sed -n 2p "$tmp/said")"
check "permutation: again" ./table attribute --method permutation
cmp -s "$tmp/said" all.txt && ok "permutation: the same numbers each time" || bad "permutation: other numbers"

# --- a series, whose two inputs are windows of one array
awk 'BEGIN { print "a,b"; for (i = 0; i < 120; i++) printf "%.4f,%.4f\n", sin(i / 3), (i * 7919 % 101) / 101 }' >w.csv
cat >series.yaml <<'EOF'
model: series
inputs: {past: {shape: [6, 2]}, next: {shape: [2, 2]}}
layers: [flatten: {input: past}, dense: {units: 4, name: d}, reshape: {shape: [2, 2], name: out}]
outputs: {forecast: out}
loss: mse(out, next)
train: {batch: 16, epochs: 1, optimizer: {adam: {lr: 1e-2}}}
data: {train: {csv: {file: w.csv, header: true, forecast: {input: past, target: next, columns: [a, b]}}}, validation: {split: 0.3}}
EOF
check "a series: a program" "$nncc" series.yaml -o series
check "a series: train" ./series train
check "a series: its window is shuffled as a whole" ./series attribute --method permutation
[ "$(sed -n '2s/:.*//p' "$tmp/said")" = past ] && ok "a series: by name" || bad "a series: $(cat "$tmp/said")"

# --- one sample: gradients against differences of predictions, integrated gradients against their sum
printf 'kind\n1\n' >kind.csv
sample() { printf 'age,height,income\n%s\n' "$1" >s.csv; }
logit() { sample "$1"; ./table predict --input x=s.csv --input kind=kind.csv --output logits=- | cut -d ' ' -f 2; }
x=0.3,-0.2,0.4
sample $x
why() { ./table attribute --input x=s.csv --input kind=kind.csv --class 1 "$@" >why.txt 2>&1; }
why --method saliency
near "saliency: by differences" "$(value why.txt income)" "($(logit 0.3,-0.2,0.41) - $(logit 0.3,-0.2,0.39)) / 0.02" \
    0.005
near "saliency: of another column" "$(value why.txt age)" "($(logit 0.31,-0.2,0.4) - $(logit 0.29,-0.2,0.4)) / 0.02" \
    0.005
sample $x
g=$(value why.txt income)
why --method gradient_input
near "gradient_input: times the number" "$(value why.txt income)" "$g * 0.4" 1e-4
grep -q '^kind: ' why.txt && ok "gradient_input: of a class as well" || bad "gradient_input: nothing of kind"
why --method integrated_gradients --steps 200 --baseline 0.1
sum="$(value why.txt age) + $(value why.txt height) + $(value why.txt income)"
near "integrated_gradients: they add up" "$(awk "BEGIN { print $sum }")" "$(logit $x) - ($(logit 0.1,0.1,0.1))" 1e-3
grep -Eq 'gap -?[0-9.]+e-0[4-9]' why.txt && ok "integrated_gradients: the gap is printed" ||
    bad "integrated_gradients: $(head -n 1 why.txt)"
sample $x
why --method integrated_gradients --steps 1 --baseline x=-9
grep -q 'more --steps' why.txt && ok "integrated_gradients: a wide gap is said" ||
    bad "integrated_gradients: no warning"
why --method smoothgrad --steps 400
near "smoothgrad: near the gradient of a smooth network" "$(value why.txt income)" "$g" 0.5
./table attribute --method saliency --samples 2 >why.txt
[ "$(grep -c '(the largest)' why.txt)" -eq 2 ] && ok "without --input: of the test set" ||
    bad "without --input: $(head -n 3 why.txt)"

# --- calls that are wrong
t='./table attribute --input x=s.csv --input kind=kind.csv'
refused "no method" 2 "which method" $t
refused "a method misspelt" 2 "did you mean 'saliency'" $t --method salience
refused "a class out of range" 2 "not from 0 to 1" $t --method saliency --class 2
refused "a class that is no number" 2 "'yes' is not" $t --method saliency --class yes
refused "no maps" 2 "no layer of the model gives maps" $t --method grad_cam
refused "an option of another method" 2 "--layer is of grad_cam" $t --method saliency --layer fc
refused "an output that is no input" 2 "did you mean 'kind'" $t --method saliency --output kin=a.npy
refused "a picture of a table" 2 "no image" $t --method saliency --output x=a.png
refused "nothing of a class" 2 "gives nothing of 'kind'" $t --method integrated_gradients --output kind=a.npy
refused "a metric that is not there" 2 "did you mean 'accuracy'" ./table attribute --method permutation --metric acuracy
refused "an input for permutation" 2 "--input is of the other methods" $t --method permutation
refused "a baseline of nothing" 2 "no baseline 'z'" $t --method integrated_gradients --baseline z=1
refused "a baseline that is no file" 3 "none.npy" $t --method integrated_gradients --baseline x=none.npy

# --- images
cat >pic.yaml <<'EOF'
model: pic
blocks:
  conv:
    args: {out: }
    layers:
      - conv2d: {out: $out, kernel: 3, padding: same, bias: false, name: conv}
      - batchnorm: {activation: relu, name: bn}
inputs: {image: {shape: [1, 28, 28], normalize: {std: 255}}, label: {classes: 10}}
layers:
  - conv: {out: 4, name: first}
  - maxpool2d: 2
  - conv: {out: 8, repeat: 2, name: last}
  - maxpool2d: {kernel: 2, name: small}
  - flatten
  - dense: {units: 10, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, label)
train: {batch: 8, epochs: 1, seed: 1, optimizer: {adam: {lr: 1e-2}}}
data:
  train: {synthetic: {generator: digits, seed: 1, count: 64}}
  test: {synthetic: {generator: digits, seed: 2, count: 12}}
EOF
check "images: a program" "$nncc" pic.yaml -o pic
check "images: train" ./pic train
check "images: a grid" ./pic attribute --method grad_cam --output image=grid.png
check "images: other layers" ./pic attribute --method grad_cam --layer last.0.conv --samples 3 --output image=one.png
check "images: a layer that has a name" ./pic attribute --method grad_cam --layer small --output image=small.npy
head -c 100 small.npy | grep -q '(12, 7, 7)' && ok "images: maps of the layer's size" ||
    bad "images: $(head -c 100 small.npy)"
check "images: by default the block of the last convolution" sh -c \
    './pic attribute --method grad_cam --output image=a.npy && ./pic attribute --method grad_cam --layer last --output image=b.npy && cmp a.npy b.npy'
mkdir each
check "images: a folder" ./pic attribute --method integrated_gradients --steps 8 --samples 3 --output image=each
[ "$(ls each | tr '\n' ' ')" = "0.png 1.png 2.png " ] && ok "images: a file a sample" || bad "images: $(ls each)"
if command -v python3 >/dev/null 2>&1; then
    check "images: PNG as it should be" python3 - grid.png each/0.png <<'EOF'
import struct, sys, zlib
for path in sys.argv[1:]:
    b = open(path, "rb").read()
    assert b[:8] == b"\x89PNG\r\n\x1a\n", path
    at, data, names = 8, b"", []
    while at < len(b):
        n, name = struct.unpack(">I4s", b[at:at + 8])
        assert zlib.crc32(b[at + 4:at + 8 + n]) == struct.unpack(">I", b[at + 8 + n:at + 12 + n])[0], name
        names.append(name)
        if name == b"IHDR":
            w, h, form = struct.unpack(">II5s", b[at + 8:at + 21])
        if name == b"IDAT":
            data += b[at + 8:at + 8 + n]
        at += 12 + n
    assert names == [b"IHDR", b"IDAT", b"IEND"] and form == bytes([8, 2, 0, 0, 0]), names
    rows = zlib.decompress(data)
    assert len(rows) == h * (3 * w + 1) and not any(rows[::3 * w + 1]), (w, h, len(rows))
    pixels = {rows[i:i + 3] for i in range(1, 3 * w, 3)} | {rows[i:i + 3] for i in range(20 * (3 * w + 1) + 1, 21 * (3 * w + 1), 3)}
    assert len(pixels) > 10, pixels # a picture, no plain field
EOF
else
    skip "images: PNG as it should be: no python3"
fi
refused "images: a layer misspelt" 2 "did you mean 'first'" \
    ./pic attribute --method grad_cam --layer frist --output image=a.png
refused "images: where to" 2 "--output image=FILE" ./pic attribute --method saliency
refused "images: no folder" 3 "nowhere" ./pic attribute --method grad_cam --output image=nowhere/a.png
OMP_NUM_THREADS=1 ./pic attribute --method grad_cam --output image=once.npy >once.txt
OMP_NUM_THREADS=2 ./pic attribute --method grad_cam --output image=twice.npy >twice.txt
cmp -s once.npy twice.npy && cmp -s once.txt twice.txt && ok "images: one thread or two, the same bits" ||
    bad "images: other bits on two threads"

# --- tokens: of a network that is linear in them they add up to the score
printf 'how\twhat\n' >r.tsv
for i in 1 2 3 4 5 6; do printf 'praise\ta good film\nblame\ta bad film\npraise\tgood good\nblame\tbad\n' >>r.tsv; done
cat >words.yaml <<'EOF'
model: words
inputs: {text: {tokens: 12, shape: [5]}, label: {classes: 2}}
layers:
  - embedding: {count: 12, dim: 4, name: table}
  - {name: pooled, expr: "mean(table, axis=1)"}
  - dense: {units: 2, bias: false, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, label)
train: {batch: 8, epochs: 30, seed: 1, optimizer: {adam: {lr: 5e-2}}}
data: {train: {text: {file: r.tsv, tokenizer: words, classify: {text: what, label: how}}}}
EOF
check "tokens: a program" "$nncc" words.yaml -o words
check "tokens: train" ./words train
./words attribute --method gradient_input --input "text=text:a good film a film" --class praise >why.txt
near "tokens: they add up to the score" "$(sed -n 's/.*score //p' why.txt)" \
    "$(sed 1d why.txt | awk -F ': ' '{ s += $2 } END { print s }')" 1e-4
grep -q "class 1 'praise', score" why.txt && ok "tokens: a class by its name" || bad "tokens: $(head -n 1 why.txt)"
at_least "tokens: the word that decides" "$(value why.txt good)" 0.3
[ "$(sed -n 2p why.txt | cut -d : -f 1)" = a ] && ok "tokens: by their texts" || bad "tokens: $(cat why.txt)"
refused "tokens: no way from 0 to a word" 2 "gradient_input takes tokens" \
    ./words attribute --method integrated_gradients --input "text=text:a good film a film"

# --- the C API
sed 's/^model: .*/model: net/' table.yaml >net.yaml
check "C: --attribute" "$nncc" --attribute net.yaml -o net.c
"$nncc" net.yaml -o plain.c && ! grep -Eq "net_attribute|nnrt_attribution" plain.c plain.h &&
    ok "C: nothing of it without" || bad "C: attribute without --attribute"
cat >app.c <<'EOF'
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "net.h"
int main(void)
{
    float x[6] = {0.3f, -0.2f, 0.4f, 1, 2, -1}, scores[4], d[6], tokens[2], norms[2], p[4], up[4], down[4];
    int32_t kind[2] = {1, 0};
    net *m = net_new(7);
    if (!m || net_attribute(m, 2, x, kind, 0, scores, d, tokens, norms))
        return 1;
    net_predict(m, 2, x, kind, p, up);
    for (int i = 0; i < 4; i++)
        if (fabsf(up[i] - scores[i]) > 1e-5f)
            return 2;
    for (int k = 0; k < 6; k++) {
        float old = x[k], h = 0.02f;
        x[k] = old + h;
        net_predict(m, 2, x, kind, p, up);
        x[k] = old - h;
        net_predict(m, 2, x, kind, p, down);
        x[k] = old;
        if (fabsf((up[k / 3 * 2] - down[k / 3 * 2]) / (2 * h) - d[k]) > 2e-3f)
            return 3;
    }
    if (net_attribute(m, 2, x, kind, 2, scores, d, tokens, norms) != -1 || !strstr(net_error(m), "0 to 1"))
        return 4;
    if (net_attribute(m, 17, x, kind, 0, scores, d, tokens, norms) != -1)
        return 5;
    net_free(m);
    return 0;
}
EOF
check "C: compiled" "$CC" -Wall -Wextra -Werror -march=native -fopenmp -I"$BUILD/include" app.c net.c \
    "$BUILD/libnnrt.a" -lm -o app
check "C: gradients by differences, calls out of range" ./app
status "C: a model without gradients" 0 "$nncc" --attribute --emit=report "$root/tests/models/attention.yaml"
check "one file without libraries" "$nncc" --single-file words.yaml -o alone
check "one file: the same" sh -c './alone attribute --weights words.safetensors --method gradient_input --input "text=text:a good film a film" --class praise | cmp - why.txt'

# --- PyTorch
if "$python" -c 'import torch, numpy' 2>/dev/null; then
    mkdir torch && cd torch && "$python" "$root/tests/torch/attribute.py" "$nncc"
else
    skip "attribute as PyTorch: $python has no torch and numpy"
fi
