# SPDX-License-Identifier: MIT
# Metrics over whole sets, through whole programs: the same figures on any number of threads and of any batch, in
# training too, resumed or not; what eval --details, --json and --curves write; a set that has one class alone.
. "$root/tests/lib.sh"
CC=$(quick_cc)
export CC

cat >m.yaml <<END
model: m
inputs:
  image: {shape: [1, 28, 28], normalize: {mean: 120, std: 60}}
  label: {classes: 2}
layers:
  - flatten
  - dropout: 0.1
  - dense: {units: 2, name: logits}
loss: softmax_cross_entropy(logits, label)
metrics:
  accuracy: accuracy(logits, label)
  auc: auc(logits, label)
  ap: average_precision(logits, label)
  f1: "f1(logits, label, class=1)"
train:
  batch: 32
  epochs: 3
  seed: 1
  optimizer: {adam: {lr: 3e-4}}
  early_stopping: {monitor: auc, patience: 2}
data:
  train: {synthetic: {generator: lungs, seed: 1, count: 600}}
  validation: {split: 0.2}
  test: {synthetic: {generator: lungs, seed: 2, count: 300}}
END
check "nncc" "$nncc" m.yaml -o m
OMP_NUM_THREADS=1 ./m train --out one.st --log one.csv >one.said 2>/dev/null
OMP_NUM_THREADS=2 ./m train --out two.st --log two.csv >two.said 2>/dev/null
check "training: the same figures on 1 and on 2 threads" same one.said two.said
at_least "training: auc of what dropout left" "$(value two.said auc)" 0.57
at_least "validation: auc" "$(value two.said val_auc)" 0.6
OMP_NUM_THREADS=2 ./m train --steps 20 --out half.st --checkpoint half.ck >/dev/null 2>&1
OMP_NUM_THREADS=1 ./m train --resume half.ck --out resumed.st >resumed.said 2>/dev/null
check "resumed within an epoch: the same weights" same resumed.st two.st
check "resumed within an epoch: the same auc of its whole" same resumed.said two.said
check "a checkpoint without what was kept is refused" sh -c \
    'sed "s/nncc.kept.2/nncc.lost.2/g" half.ck >lost.ck; ./m train --resume lost.ck --out lost.st 2>lost.txt; test $? = 1 && grep -q "does not hold 160 samples" lost.txt'

OMP_NUM_THREADS=1 ./m eval --weights two.st >one.eval
OMP_NUM_THREADS=2 ./m eval --weights two.st >two.eval
check "eval: the same figures on 1 and on 2 threads" same one.eval two.eval
"$nncc" --batch=7 m.yaml -o seven && ./seven eval --weights two.st >seven.eval
check "eval: the same auc in batches of 7" sh -c \
    'grep -E "^(auc|ap|f1)" two.eval >a; grep -E "^(auc|ap|f1)" seven.eval >b; cmp a b'

./m eval --weights two.st --details --curves curves >details.txt
check "--details: the figures are there as well" sh -c 'head -5 details.txt | cmp - two.eval'
check "--details: a row a class" sh -c 'grep -Eq "^ +1 +0\.[0-9]+ +0\.[0-9]+ +0\.[0-9]+ +[0-9]+ +0\.[0-9]+$" details.txt'
# the matrix: 300 samples, those on its diagonal over all are the accuracy, and the second row's share the recall
matrix=$(grep -A3 '^confusion' details.txt | tail -2 | awk '{print $2, $3}' | tr '\n' ' ')
check "--details: the matrix gives the accuracy" sh -c \
    "echo $matrix \$(sed -n 's/^accuracy: //p' two.eval) | awk '{d = (\$1 + \$4) / 300 - \$5; exit !(\$1 + \$2 + \$3 + \$4 == 300 && d * d < 1e-12)}'"
check "--details: and the f1" sh -c "echo $matrix \$(sed -n 's/^f1: //p' two.eval) | awk '{d = 2 * \$4 / (2 * \$4 + \$2 + \$3) - \$5; exit !(d * d < 1e-12)}'"
# trapezoids under the curve that is written
check "--curves: the area under roc.csv is the auc" sh -c \
    "awk -F, 'NR > 2 {a += (\$3 - x) * (\$4 + y) / 2} NR > 1 {x = \$3; y = \$4} END {printf \"%.7f\", a}' curves/roc.csv | awk -v auc=\$(sed -n 's/^auc: //p' two.eval) '{d = \$1 - auc; exit !(d * d < 1e-12)}'"
check "--curves: the steps of precision_recall.csv are the average precision" sh -c \
    "awk -F, 'NR > 2 {a += (\$3 - r) * \$4} NR > 1 {r = \$3} END {printf \"%.7f\", a}' curves/precision_recall.csv | awk -v ap=\$(sed -n 's/^ap: //p' two.eval) '{d = \$1 - ap; exit !(d * d < 1e-12)}'"
check "--curves: calibration.csv counts all" sh -c \
    "awk -F, 'NR > 1 {n += \$3} END {exit n != 300}' curves/calibration.csv"
status "--curves: a folder that cannot be made" 3 ./m eval --weights two.st --curves m.yaml/curves
./m eval --weights two.st --details --json >details.json
check "--json: one object" sh -c 'test $(wc -l <details.json) = 1 && grep -q "^{\"loss\": .*\"confusion\": \[\[[0-9]*, [0-9]*\], \[[0-9]*, [0-9]*\]\], .*}\$" details.json'

# One class alone: figures that the set cannot tell are nan, null in JSON, and said.
cat >one.yaml <<END
model: one
inputs: {x: {shape: [1]}, y: {shape: [1]}}
layers: [{dense: {units: 1, name: z, input: x}}]
loss: bce_with_logits(z, y)
metrics: {auc: "auc(z, y)", f1: "f1(z, y, threshold=0)"}
data: {test: {csv: {file: one.csv, x: x, y: y}}}
END
printf 'x,y\n1,1\n2,1\n3,1\n' >one.csv
check "one class: nncc" "$nncc" one.yaml -o one
./one init -o one.safetensors
./one eval >one.eval 2>one.err
check "one class: auc is nan, and eval goes on" sh -c 'grep -qx "auc: nan" one.eval && grep -q "^f1: [01]" one.eval'
check "one class: it is said" grep -q "warning: auc is not defined on this set" one.err
check "one class: null in JSON" sh -c './one eval --json 2>/dev/null | grep -q "\"auc\": null"'
printf 'x,y\n1,1\n2,0\n3,1\n' >one.csv
check "no classifier: --details of what auc keeps" sh -c './one eval --details | grep -q "^confusion"'
sed -i 's/metrics: .*/metrics: {away: "mae(z, y)"}/' one.yaml
"$nncc" one.yaml -o none
status "--details without a metric of classes" 2 ./none eval --weights one.safetensors --details

check "a library keeps nothing" sh -c "$nncc m.yaml -o - | grep -c nnrt_keep | grep -qx 0"
