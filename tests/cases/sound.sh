# SPDX-License-Identifier: MIT
# Sound through whole programs: a folder a class, a list with transcripts, features against numpy, other rates, FLAC,
# and what is said of bad clips.
. "$root/tests/lib.sh"

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "sound: $python has no numpy"
    exit 0
fi

# Tones of two heights, with noise; of another rate; none at all; too short a file.
cat >make.py <<'EOF'
import os, wave, numpy as np
r = np.random.default_rng(1)
def write(name, x, rate=8000):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with wave.open(name, "wb") as w:
        w.setnchannels(1); w.setsampwidth(2); w.setframerate(rate)
        w.writeframes((np.clip(x, -1, 1) * 32767).astype("<i2").tobytes())
def tone(hz, n, rate=8000):
    return 0.4 * np.sin(2 * np.pi * hz * np.arange(n) / rate + r.uniform(0, 6)) + 0.05 * r.standard_normal(n)
for split, count in ("train", 40), ("test", 10):
    for i in range(count):
        for name, hz in ("high", 1500), ("low", 400):
            write(f"{split}/{name}/{i:02}.wav", tone(hz * r.uniform(0.8, 1.2), int(r.integers(900, 1500))))
write("a.wav", tone(700, 1234))
write("other.wav", tone(700, 3000, 22050), 22050)
write("none.wav", np.zeros(0))
open("cut.wav", "wb").write(open("a.wav", "rb").read()[:1000])
EOF
"$python" make.py
cat >tones.yaml <<'EOF'
model: tones
inputs: {clip: {shape: [12, 20]}, kind: {classes: 2}, n: {shape: [1], dtype: i32}}
layers:
  - augment: [{time_mask: 2}, {freq_mask: 2}]
  - flatten
  - {name: scaled, expr: flatten / 10 + n / 1000}
  - dense: {units: 2, name: logits}
outputs: {probs: softmax(logits), features: clip, frames: n}
loss: softmax_cross_entropy(logits, kind)
metrics: {accuracy: "accuracy(logits, kind)"}
train: {batch: 16, epochs: 15, optimizer: {adam: {lr: 0.01}}}
data:
  train: {wav: {folder: train, rate: 8000, features: {log_mel: {n_fft: 200, n_mels: 20, f_min: 60}}, clip: clip, kind: class, lengths: {n: clip}}}
  test: {wav: {folder: test, clip: clip, kind: class, lengths: {n: clip}}}
EOF
sed -i 's/name: scaled, expr: flatten/name: scaled, expr: flatten_1/' tones.yaml
check "a program" "$nncc" tones.yaml -o tones
status "train" 0 ./tones train
says "clips that are cut are named" "are longer than the 12 frames of 'clip', and cut"
./tones eval >eval.txt
at_least "classes by folder are learnt" "$(value eval.txt accuracy)" 0.95
check "predict of a clip" ./tones predict --input clip=a.wav --output features=f.npy --output frames=n.npy
check "predict of a clip of another rate" ./tones predict --input clip=other.wav --output features=o.npy
check "predict of a folder" ./tones predict --input clip=test/low --output probs=p.npy
cat >compare.py <<'EOF'
import wave, numpy as np
def read(name):
    w = wave.open(name)
    return np.frombuffer(w.readframes(w.getnframes()), "<i2") / 32768
def log_mel(x, rate=8000, n_fft=200, hop=100, mels=20, f_min=60., frames=12):
    x = np.concatenate([x, np.zeros(frames * hop)])[:(frames - 1) * hop]
    x = np.pad(x, n_fft // 2, mode="reflect")
    w = np.hanning(n_fft + 1)[:-1]
    power = np.abs(np.fft.rfft(np.stack([x[i * hop:i * hop + n_fft] * w for i in range(frames)]))) ** 2
    hz = np.linspace(0, rate // 2, n_fft // 2 + 1)
    m = np.linspace(2595 * np.log10(1 + f_min / 700), 2595 * np.log10(1 + rate / 2 / 700), mels + 2)
    f = 700 * (10 ** (m / 2595) - 1)
    bank = np.maximum(0, np.minimum((hz[:, None] - f[:-2]) / (f[1:-1] - f[:-2]), (f[2:] - hz[:, None]) / (f[2:] - f[1:-1])))
    return np.log(power @ bank + 1e-6)
got, want = np.load("f.npy")[0], log_mel(read("a.wav"))
assert got.shape == want.shape and np.abs(got - want).max() < 1e-4, np.abs(got - want).max()
assert np.load("n.npy") == 12 and np.load("p.npy").shape == (10, 2)
# of another rate: the tone stands in the same filter
assert (np.load("o.npy")[0].mean(0).argmax() == want.mean(0).argmax())
EOF
check "features are numpy's" "$python" compare.py
status "a clip of no samples" 1 ./tones predict --input clip=none.wav --output probs=p.npy
says "a clip of no samples: says it" "none.wav: a clip of no samples"
status "a truncated clip" 1 ./tones predict --input clip=cut.wav --output probs=p.npy
says "a truncated clip: says it" "cut.wav: byte"
status "no clip" 3 ./tones predict --input clip=nothing.wav --output probs=p.npy
cp none.wav train/low/zz.wav
status "a bad clip of a folder" 1 ./tones train
says "a bad clip of a folder: which" "train/low/zz.wav: a clip of no samples"
rm train/low/zz.wav
sed 's/f_min: 60/f_min: 61/' tones.yaml >others.yaml
check "a program of other features" "$nncc" others.yaml -o others
status "weights of other features" 1 ./others eval --weights tones.safetensors
says "weights of other features: says it" "trained on other features of 'clip'"

# The same without any library, from one file.
check "single file: the C" "$nncc" --main --single-file --target=x86-64-v3 tones.yaml -o one.c
cc=$(command -v clang || command -v gcc)
check "single file: compiles without a warning" "$cc" -Wall -Wextra -Werror -O1 -march=x86-64-v3 one.c -lm -o one
check "single file: predict of a clip" ./one predict --weights tones.safetensors --input clip=a.wav --output features=g.npy
check "single file: the same features" "$python" -c 'import numpy as n; assert n.allclose(n.load("f.npy"), n.load("g.npy"), atol=1e-5)'

# FLAC, where libsndfile is.
cat >flac.c <<'EOF'
#include <math.h>
#include <sndfile.h>
int main(void)
{
    SF_INFO info = {.samplerate = 8000, .channels = 1, .format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16};
    SF_INFO wav = {.samplerate = 8000, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    SNDFILE *f = sf_open("t.flac", SFM_WRITE, &info), *w = sf_open("t.wav", SFM_WRITE, &wav);
    for (int i = 0; f && w && i < 1200; i++) {
        short x = (short)(9000 * sin(0.5 * i));
        sf_writef_short(f, &x, 1);
        sf_writef_short(w, &x, 1);
    }
    return !f || !w || sf_close(f) || sf_close(w);
}
EOF
if "$cc" flac.c -o flac -lsndfile -lm 2>/dev/null && ./flac; then
    check "FLAC" ./tones predict --input clip=t.flac --output features=a.npy
    check "the same as WAV" ./tones predict --input clip=t.wav --output features=b.npy
    check "FLAC and WAV: the same bits" same a.npy b.npy
    status "single file: FLAC is refused" 3 ./one predict --weights tones.safetensors --input clip=t.flac --output features=g.npy
    says "single file: FLAC is refused by name" "libsndfile"
else
    skip "FLAC: libsndfile is not here"
fi
# A program without sound is not linked with it.
if command -v ldd >/dev/null 2>&1; then
    "$nncc" "$root/tests/models/digits_linear.yaml" -o plain
    ldd ./plain | grep -q sndfile && bad "a program without sound is linked with libsndfile" || ok "a program without sound needs no libsndfile"
fi
