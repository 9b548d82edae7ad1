#!/bin/sh
# SPDX-License-Identifier: MIT
# sh bench/feeding.sh [IMAGES]: how fast a ResNet on images of 64 x 64 trains from JPEG files, of what it does from memory.
# The first epoch decodes each file, the second finds them decoded. Prints a line a run: samples a second of each epoch.
# BUILD: where nncc is. THREADS: of the step, "1 2". QUIET: a command that runs what is timed, as "taskset -c 0".
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
nncc=$(cd "${BUILD:-$root/build}" && pwd)/nncc
images=${1:-4096}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
cc -O2 "$root/bench/jpegs.c" -o jpegs -ljpeg -lm
./jpegs photos "$images"
cat >net.yaml <<'YAML'
model: net
vars: {augment: 0}
inputs: {image: {shape: [3, 64, 64], dtype: u8, normalize: {mean: 110, std: 50}}, label: {classes: 2}}
blocks:
  res:
    args: {width: 16}
    layers:
      - conv2d: {out: $width, kernel: 3, padding: 1, bias: false, name: conv1}
      - batchnorm: {activation: relu, name: bn1}
      - conv2d: {out: $width, kernel: 3, padding: 1, bias: false, name: conv2}
      - batchnorm: {name: bn2}
      - add: {input: [bn2, input], activation: relu}
layers:
  - conv2d: {out: 16, kernel: 3, padding: 1, stride: 2, bias: false}
  - batchnorm: {activation: relu}
  - res: {width: 16, repeat: 2}
  - conv2d: {out: 32, kernel: 3, padding: 1, stride: 2, bias: false}
  - batchnorm: {activation: relu}
  - res: {width: 32, repeat: 2}
  - global_avgpool
  - dense: {units: 2, name: logits}
outputs: {pixels: image * 50 + 110}
loss: softmax_cross_entropy(logits, label)
train: {batch: 64, epochs: 2, optimizer: {sgd: {lr: 0.01, momentum: 0.9}}}
data: {train: {images: {folder: photos, image: image, label: class}}}
YAML
sed 's/^layers:/layers:\n  - augment: [{rotate: 10}, {crop: 4}, flip]/; s/model: net/model: changed/' net.yaml \
    >changed.yaml
"$nncc" net.yaml -o net
"$nncc" changed.yaml -o changed
./net init -o start.safetensors
for kind in 0 1; do ./net predict --weights start.safetensors --input image=photos/$kind --output pixels=$kind.npy; done
"${PYTHON:-/usr/bin/python3}" -c "
import numpy as np
parts = [np.rint(np.load(f'{k}.npy')).astype('u1') for k in (0, 1)]
np.save('x.npy', np.concatenate(parts))
np.save('y.npy', np.repeat([0, 1], [len(p) for p in parts]).astype('i4'))"
run() { # NAME THREADS PROGRAM DATA...
    name=$1 threads=$2 program=$3
    shift 3
    OMP_NUM_THREADS=$threads ${QUIET:-} "./$program" train "$@" --out "$name.safetensors" --log "$name.csv" \
        >/dev/null 2>&1
    awk -F, -v n="$images" -v name="$name" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "time") at = i }
        NR > 1 { s = s sprintf(" %8.0f", n / ($at - before)); before = $at } END { print name ":" s }' "$name.csv"
}
for threads in ${THREADS:-1 2}; do
    for program in net changed; do
        run "$program, $threads thread, memory" $threads $program --data image=x.npy --data label=y.npy
        run "$program, $threads thread, JPEG" $threads $program
    done
done
