# SPDX-License-Identifier: MIT
# CTC from end to end: clips of a folder are joined to strings, learnt, and said again as text; what cannot be
# aligned, and wrong labels.
. "$root/tests/lib.sh"

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "ctc: $python has no numpy"
    exit 0
fi

# Tones of three heights, a folder each, some of them one behind the other; arrays that do not fit.
cat >make.py <<'EOF'
import os, wave, numpy as np
r = np.random.default_rng(1)
def write(name, x):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with wave.open(name, "wb") as w:
        w.setnchannels(1); w.setsampwidth(2); w.setframerate(8000)
        w.writeframes((np.clip(x, -1, 1) * 32767).astype("<i2").tobytes())
def tone(hz):
    n = int(r.integers(600, 1000))
    return 0.4 * np.hanning(n) * np.sin(2 * np.pi * hz * r.uniform(0.9, 1.1) * np.arange(n) / 8000) + 0.01 * r.standard_normal(n)
tones = {"a": 400, "b": 1000, "c": 2200}
for split, count in ("train", 20), ("test", 5):
    for name, hz in tones.items():
        for i in range(count):
            write(f"{split}/{name}/{i:02}.wav", tone(hz))
write("clips/1.wav", np.concatenate([tone(tones[c]) for c in "abba"]))
write("clips/2.wav", tone(tones["c"]))
np.save("clip.npy", np.zeros((2, 44, 20), "f4")), np.save("frames.npy", np.array([1, 44], "f4"))
np.save("said.npy", np.array([[1, 2, 3, 1]] * 2, "i4")), np.save("letters.npy", np.array([4, 4], "f4"))
np.save("wrong.npy", np.array([[1, 2, 4, 1]] * 2, "i4"))
EOF
"$python" make.py
cat >letters.yaml <<'EOF'
model: letters
inputs:
  clip: {shape: [44, 20], normalize: {mean: -6, std: 4}}
  frames: {shape: []}
  said: {tokens: 4, shape: [4]}
  letters: {shape: []}
layers:
  - permute: {axes: [0, 2, 1], input: clip}
  - conv1d: {out: 24, kernel: 7, padding: 3, activation: relu}
  - permute: {axes: [0, 2, 1]}
  - dense: {units: 4, name: logits}
outputs: {text: "ctc_decode(logits, frames, beam=4)", best: "ctc_decode(logits, frames)"}
loss: ctc(logits, said, frames, letters)
metrics: {errors: "error_rate(logits, said, frames, letters)"}
train: {batch: 16, epochs: 12, optimizer: {adam: {lr: 0.01}}}
data:
  train:
    wav:
      folder: train
      rate: 8000
      features: {log_mel: {n_fft: 200, n_mels: 20, f_min: 60}}
      join: {count: [1, 4], samples: 300, gap: 0.02}
      clip: clip
      said: said
      lengths: {frames: clip, letters: said}
  test: {wav: {folder: test, join: {count: [1, 4], samples: 60, seed: 2}, clip: clip, said: said, lengths: {frames: clip, letters: said}}}
EOF
check "a program" "$nncc" letters.yaml -o letters
OMP_NUM_THREADS=2 ./letters train >train.txt 2>&1
./letters eval >eval.txt
at_most "strings of joined clips are learnt" "$(value eval.txt errors)" 0.05
OMP_NUM_THREADS=1 ./letters train --out one.safetensors >/dev/null 2>&1
check "the same bits on one thread" same letters.safetensors one.safetensors
./letters predict --input clip=clips --output text=- >text.txt
printf 'abba\nc\n' >wanted.txt
check "predict says the text" same text.txt wanted.txt
./letters predict --input clip=clips --output best=b.npy
check "labels as numbers, then -1" "$python" -c 'import numpy as n; b = n.load("b.npy")
assert b.shape == (2, 44) and list(b[0, :5]) == [1, 2, 2, 1, -1] and b[1, 0] == 3 and (b[1, 1:] == -1).all(), b'
arrays="--data clip=clip.npy --data frames=frames.npy --data letters=letters.npy"
status "targets longer than the frames" 5 ./letters train $arrays --data said=said.npy
says "targets longer than the frames: says so" "loss"
status "a label that is none" 1 ./letters train $arrays --data said=wrong.npy
says "a label that is none: says so" "wrong.npy"
