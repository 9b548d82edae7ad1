# SPDX-License-Identifier: MIT
# Checkpoints: a run that is killed, again and again, or stopped anywhere in an epoch ends in the very bits of one that was
# not; the best and the last are kept; a disk that is full leaves the old one; those of other models are refused.
. "$root/tests/lib.sh"
cc=$(quick_cc)

# Everything that has a state: batchnorm, dropout, augmentation, averages, accumulation, early stopping, a plateau.
cat >m.yaml <<'EOF'
model: m
inputs: {image: {shape: [1, 28, 28], normalize: {std: 255}}, label: {classes: 10}}
layers:
  - augment: [{rotate: 10}, {translate: 0.1}]
  - avgpool2d: 4
  - flatten
  - dense: {units: 16, name: fc1}
  - batchnorm
  - relu
  - dropout: 0.2
  - dense: {units: 10, name: logits}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train:
  batch: 16
  epochs: 40
  accumulate: 3
  ema: {decay: 0.9, start: 5}
  optimizer: {adam: {lr: 3e-3}}
  schedule: {plateau: {patience: 1, threshold: 0.05, factor: 0.5, warmup_steps: 20}}
  early_stopping: {patience: 30}
  checkpoint: {every: 2, path: c, keep: 1, best: true}
data:
  train: {synthetic: {generator: digits, seed: 1, count: 200}}
  validation: {synthetic: {generator: digits, seed: 2, count: 50}}
EOF
check "the model" env CC="$cc" "$nncc" m.yaml -o m
check "a run that goes through" ./m train --out whole.safetensors --checkpoint whole --log whole.csv
[ -s whole.best ] && [ -s whole.1 ] && ok "the best checkpoint and an earlier one beside the last" ||
    bad "whole.best or whole.1 is missing"

# --- stopped in the middle of an epoch ----------------------------------------------------------------------------
bits=0
for steps in 1 4 13 30 77; do
    rm -f c c.*
    ./m train --steps $steps --out part.safetensors >out 2>said &&
        ./m train --resume c --out end.safetensors >out 2>said &&
        cmp -s end.safetensors whole.safetensors && cmp -s c.best whole.best || { bits=1 &&
            bad "stopped after $steps steps: other bits"; }
done
[ $bits = 0 ] && ok "stopped after so many steps and resumed: the same bits, of the best checkpoint too"

# --- killed at any moment -----------------------------------------------------------------------------------------
# A run that comes to its end begins anew.
rm -f c c.*
broken=0 kills=0 rounds=0
resume() { [ -e c ] && echo "--resume c"; }
while [ $kills -lt 25 ] && [ $rounds -lt 75 ]; do
    rounds=$((rounds + 1))
    # shellcheck disable=SC2046 # two words, or none
    ./m train $(resume) --out killed.safetensors >out 2>said &
    pid=$!
    sleep "0.$(awk -v i=$rounds 'BEGIN { srand(); srand(srand() + i * 7919); printf "%03d", 5 + rand() * 90 }')"
    kill -9 $pid 2>kill.out && kills=$((kills + 1))
    wait $pid 2>wait.out
    if [ $? = 0 ]; then
        cmp -s killed.safetensors whole.safetensors || { broken=1 && echo "    other bits"; }
        rm -f c c.*
    fi
    grep -q 'error:' said && broken=1 && sed 's/^/    /' said
    [ ! -e c ] || ./m eval --weights c >out 2>said || { broken=1 && sed 's/^/    /' said; }
done
[ $broken = 0 ] && ok "killed $kills times while it trained: each checkpoint loads" || bad "a checkpoint does not load"
# shellcheck disable=SC2046
check "the rest of that run" ./m train $(resume) --out killed.safetensors
check "killed again and again: the same bits" cmp killed.safetensors whole.safetensors
check "the same checkpoint" cmp c whole
check "the same best one" cmp c.best whole.best

# --- best -----------------------------------------------------------------------------------------------------------
best=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "val_loss") c = i }
    NR > 1 && (!b || $c < b) { b = $c } END { printf "%.4f", b }' whole.csv)
./m eval --weights whole.best >out 2>said
got=$(sed -n 's/^loss: //p' out | awk '{ printf "%.4f", $1 }')
[ "$got" = "$best" ] && ok "the best checkpoint has the loss that was the least" || bad "PATH.best: $got, not $best"

# --- a disk that is full; another model's ---------------------------------------------------------------------------
cp whole old
if [ "$(id -u)" = 0 ] && mkdir disk && mount -t tmpfs -o size=48k tmpfs disk 2>/dev/null; then
    ./m train --steps 4 --checkpoint disk/c --out part.safetensors >out 2>said
    cp disk/c first
    dd if=/dev/zero of=disk/fill bs=1k 2>dd.out
    status "a full disk" 3 ./m train --resume disk/c --checkpoint disk/c --out part.safetensors
    check "the old checkpoint stays on a full disk" cmp disk/c first
    [ "$(ls disk | grep -vc '^c\(\.1\|\.best\)\?$\|^fill$')" = 0 ] && ok "nothing half-written" ||
        bad "left: $(ls disk)"
    umount disk
else
    skip "a full tmpfs: wants root"
fi
cp whole.1 old
status "a file-size limit" 3 sh -c 'trap "" XFSZ; ulimit -f 8; exec ./m train --resume old --checkpoint old --out part.safetensors'
says "a file-size limit: says which file" "old"
check "the old checkpoint stays under a limit" cmp old whole.1
sed 's/units: 16/units: 17/' m.yaml >n.yaml
CC=$cc "$nncc" n.yaml -o n
status "a checkpoint of another model" 1 ./n train --resume whole --out part.safetensors
says "another model: names what does not fit" "fc1.weight"
[ "$(wc -l <said)" = 1 ] && ok "in one line" || bad "$(wc -l <said) lines"
