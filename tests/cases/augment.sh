# SPDX-License-Identifier: MIT
# Random changes to training images, through whole programs: they change training and nothing else, give the same
# bits on any number of threads and after a resume, in --single-file programs too; real sets from idx and records.
. "$root/tests/lib.sh"

# model NAME LAYER: a network over the runtime's digits.
model()
{
    cat >"$1.yaml" <<END
model: $1
inputs:
  image: {shape: [1, 28, 28], normalize: {mean: 40, std: 80}}
  label: {classes: 10}
layers:
$2
  - flatten
  - dense: {units: 32, activation: relu, name: fc}
  - dense: {units: 10, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train: {batch: 24, epochs: 2, seed: 1, optimizer: {adam: {lr: 1e-3}}}
data:
  train: {synthetic: {generator: digits, seed: 1, count: 1000}}
  validation: {split: 0.2}
  test: {synthetic: {generator: digits, seed: 2, count: 500}}
END
}
all='[{rotate: 10}, {scale: 0.1}, {translate: 0.05}, {shear: 5}, {crop: 2}, flip, {brightness: 0.2}, {contrast: 0.2}, {noise: 4}, {cutout: 6}]'
none='[{rotate: 0}, {scale: 0}, {translate: 0}, {shear: 0}, {crop: 0}, {flip: {axis: both, p: 0}}, {brightness: 0}, {contrast: 0}, {noise: 0}]'
model plain ""
model most "  - augment: $all"
model least "  - augment: $none"
for m in plain most least; do
    check "$m: nncc" "$nncc" $m.yaml -o $m
    check "$m: train" ./$m train --out $m.st
    grep -E '^val_|^loss' "$tmp/said" >$m.train
done

check "where nothing is asked for, nothing is changed" same plain.st least.st
cmp -s plain.st most.st && bad "training sees changed images" || ok "training sees changed images"
./plain eval --weights most.st >plain.eval
./most eval --weights most.st >most.eval
check "eval sees the images as they are" same plain.eval most.eval

OMP_NUM_THREADS=1 ./most train --out one.st >/dev/null 2>&1
OMP_NUM_THREADS=2 ./most train --out two.st >/dev/null 2>&1
check "the same bits on 1 and on 2 threads" same one.st two.st
check "the same bits as before" same one.st most.st
OMP_NUM_THREADS=2 ./most train --steps 17 --out half.st --checkpoint half.ck >/dev/null 2>&1
OMP_NUM_THREADS=1 ./most train --resume half.ck --out resumed.st >/dev/null 2>&1
check "the same bits after a resume within an epoch" same resumed.st most.st
./most train --seed 2 --out other.st >/dev/null 2>&1
cmp -s other.st most.st && bad "another seed, other images" || ok "another seed, other images"

check "--single-file: nncc" "$nncc" --single-file --main most.yaml -o single.c
cc=${CC:-cc}
check "--single-file: compiles" $cc -std=c11 -Wall -Wextra -Werror -O2 -march=native single.c -o single -lm
check "--single-file: trains" ./single train --out single.st
check "--no-train leaves the transforms out" sh -c "$nncc --no-train most.yaml -o - | grep -c AUGMENT | grep -qx 0"

# record LABEL BYTE: a label and an image of 3 x 4 x 4 of one byte.
record() { printf "\\$1"; i=0; while [ $i -lt 48 ]; do printf "\\$2"; i=$((i + 1)); done; }
{ record 0 10; record 1 350; } >a.bin
{ record 1 360; record 0 20; record 0 30; } >b.bin
gzip -c b.bin >b.bin.gz
cat >several.yaml <<'END'
model: several
inputs:
  image: {shape: [3, 4, 4], dtype: u8, normalize: {mean: [120, 121, 122], std: 60}}
  label: {classes: 2}
layers:
  - augment: [{crop: 1}, {flip: both}, {cutout: 2}]
  - flatten
  - dense: {units: 2, name: logits}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train: {batch: 2, epochs: 40, optimizer: {adam: {lr: 1e-2}}}
data:
  train: {records: {file: [a.bin, b.bin.gz], label: 1, image: 48}}
  test: {records: {file: a.bin, label: 1, image: 48}}
END
check "records of two files: nncc" "$nncc" several.yaml -o several
check "records of two files: train" ./several train
grep -q '5 samples' "$tmp/said" && ok "records of two files: all are read" || bad "records of two files: $(head -n 1 "$tmp/said")"
./several eval >several.eval
at_least "records of two files: eval on one" "$(value several.eval accuracy)" 1
./several eval --data b.bin >several.eval
at_least "records of two files: --data with another" "$(value several.eval accuracy)" 1
printf '\7' | cat - b.bin | gzip -c >c.bin.gz && mv c.bin.gz b.bin.gz
status "records of two files: a part of a record" 1 ./several train
says "records of two files: the file that is wrong" "b.bin.gz: byte 147: expected whole records of 49 bytes"

# real NAME INPUT TRANSFORMS SOURCE TEST BOUND: a small network on a set of DATA_DIR, one epoch.
real()
{
    cat >"$1.yaml" <<END
model: $1
inputs:
  image: $2
  label: {classes: 10}
layers:
  - augment: $3
  - flatten
  - dense: {units: 64, activation: relu}
  - dense: {units: 10, name: logits}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train: {batch: 64, epochs: 1, seed: 1, optimizer: {adam: {lr: 1e-3}}}
data:
  train: $4
  test: $5
END
    check "$1: nncc" "$nncc" "$1.yaml" -o "$1"
    check "$1: train" "./$1" train --data-dir "$DATA_DIR"
    "./$1" eval --data-dir "$DATA_DIR" >"$1.eval"
    at_least "$1: accuracy" "$(value "$1.eval" accuracy)" "$6"
}
idx() { echo "{idx: {image: $1/$2-images-idx3-ubyte.gz, label: $1/$2-labels-idx1-ubyte.gz}}"; }
records() { echo "{records: {file: cifar10-subset/$1, label: 1, image: 3072}}"; }
if [ -e "$DATA_DIR/mnist/train-images-idx3-ubyte.gz" ]; then
    real mnist '{shape: [1, 28, 28], normalize: {std: 255}}' '[{rotate: 10}, {translate: 0.05}]' \
        "$(idx mnist train)" "$(idx mnist t10k)" 0.9
else
    skip "mnist: not in $DATA_DIR"
fi
if [ -e "$DATA_DIR/fashion-mnist/train-images-idx3-ubyte.gz" ]; then
    real fashion '{shape: [28, 28], dtype: u8, normalize: {std: 255}}' '[flip, {crop: 1}]' \
        "$(idx fashion-mnist train)" "$(idx fashion-mnist t10k)" 0.77
else
    skip "fashion-mnist: not in $DATA_DIR"
fi
if [ -e "$DATA_DIR/cifar10-subset/data_batch_1.bin.gz" ]; then
    real cifar '{shape: [3, 32, 32], normalize: {mean: [125, 123, 114], std: [63, 62, 67]}}' '[{crop: 4}, flip, {cutout: 8}]' \
        "$(records data_batch_1.bin.gz)" "$(records test_batch_first1000.bin.gz)" 0.28
else
    skip "cifar10-subset: not in $DATA_DIR"
fi
