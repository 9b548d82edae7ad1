# SPDX-License-Identifier: MIT
# What a model draws: NAME_sample in an app, `sample` of programs, `train --samples`.
. "$root/tests/lib.sh"
models=$root/tests/models

# refused NAME STATUS TEXT COMMAND...: status and text.
refused()
{
    name=$1 wanted=$2 text=$3
    shift 3
    status "$name" "$wanted" timeout 60 "$@"
    says "$name: says it" "$text"
}

cp "$models/sample.yaml" "$models/drawn.c" "$models/check.h" .
"$python" - <<'EOP' || { skip "sampling: no numpy"; exit 0; }
import numpy as np
r = np.random.default_rng(1)
label = r.integers(0, 3, 96).astype("i4")
image = np.tanh(r.normal(size=(96, 1, 4, 4)) * 0.2 + label[:, None, None, None] - 1).astype("f4")
np.savez("t.npz", x=r.normal(size=(96, 6)).astype("f4"), label=label, image=image)
np.save("one.npy", np.array([2], "i4"))
np.save("bad.npy", np.array([3], "i4"))
EOP

# --- a program
CC=$(quick_cc) check "a program" "$nncc" sample.yaml -o drawn
check "train" ./drawn train --samples shots --samples-every 5 --report page.html
mv drawn.safetensors kept.safetensors
check "train without pictures" ./drawn train
check "training is the same with pictures" same kept.safetensors drawn.safetensors
[ "$(ls shots | grep -c 'image_of_noise-0000.*png')" = 5 ] && ok "a picture every 5 steps, at first, at the end" ||
    bad "pictures: $(ls shots)"
[ "$(ls shots | grep -c '^noise')" = 0 ] && ok "no picture of six numbers" || bad "pictures: $(ls shots)"
[ "$(grep -o 'data:image/png' page.html | wc -l)" -ge 6 ] && grep -q 'step 18<' page.html &&
    ok "the report: first, middle, last" || bad "the report: $(grep -o 'step [0-9]*<' page.html | tr '\n' ' ')"
all="--output image_of_noise=image.npy --output noise=noise.npy --output point=point.npy"
check "sample" ./drawn sample --seed 7 --count 40 $all
for file in image noise point; do cp $file.npy $file.40; done
check "sample: one thread" ./drawn sample --seed 7 --count 40 --threads 1 $all
for file in image noise point; do check "one thread, the same bits: $file" same $file.npy $file.40; done
check "sample: fewer" ./drawn sample --seed 7 --count 17 $all
check "sample i is the same however many there are" "$python" - <<'EOP'
import numpy as np
for name in ("image", "noise", "point"):
    a, b = np.load(name + ".npy"), np.load(open(name + ".40", "rb"))
    assert len(a) == 17 and len(b) == 40 and np.array_equal(a, b[:17]), name
    assert len(np.unique(b, axis=0)) == 40
assert abs(b).max() < 6 and 0.5 < b.std() < 1.5
EOP
check "the last picture is what sample draws" ./drawn sample --output image_of_noise=last.png
check "the same file" same last.png shots/image_of_noise-000018.png
check "other seed" ./drawn sample --seed 8 --count 40 $all
same noise.npy noise.40 >/dev/null 2>&1 && bad "another seed draws the same" || ok "another seed draws others"
check "of one class" ./drawn sample --input label=one.npy --count 5 --output image_of_noise=- --output point=p.png
[ "$(wc -l <"$tmp/said")" = 5 ] && ok "printed: a line a sample" || bad "printed: $(head "$tmp/said")"
check "as many as are given" ./drawn sample --input label=one.npy --output image_of_noise=-
[ "$(wc -l <"$tmp/said")" = 1 ] && ok "as many as --input has" || bad "printed: $(head "$tmp/said")"
check "a range" ./drawn sample --range=-0.5,0.5 --output image_of_noise=r.png --output point=q.png
check "pictures are as they should be" "$python" - <<'EOP'
import struct, zlib
import numpy as np
def png(path):
    b, at, data = open(path, "rb").read(), 8, b""
    assert b[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(b):
        n, kind = struct.unpack(">I4s", b[at:at + 8])
        assert zlib.crc32(b[at + 4:at + 8 + n]) == struct.unpack(">I", b[at + 8 + n:at + 12 + n])[0]
        if kind == b"IHDR":
            w, h, bits, colour = struct.unpack(">IIBB", b[at + 8:at + 18])
        data += b[at + 8:at + 8 + n] if kind == b"IDAT" else b""
        at += n + 12
    channels = {0: 1, 2: 3}[colour]
    rows = np.frombuffer(zlib.decompress(data), "u1").reshape(h, 1 + w * channels)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].reshape(h, w, channels)
# 66 samples: a row has one of each class; images of 4 x 4 are enlarged 12 times
a, b = png("last.png"), png("r.png")
assert a.shape == b.shape == (22 * 50 + 2, 3 * 50 + 2, 1), a.shape
assert b.std() > a.std() and png("q.png").shape == (480, 480, 3) and png("p.png").min() < 200
EOP
check "numbers are levels" "$python" - <<'EOP'
import subprocess, struct, zlib
import numpy as np
subprocess.run(["./drawn", "sample", "--count", "66", "--output", "image_of_noise=i.npy"], check=True)
b = open("last.png", "rb").read()
at = b.index(b"IDAT")
rows = np.frombuffer(zlib.decompress(b[at + 4:]), "u1").reshape(1102, 153)[:, 1:]
x = np.load("i.npy")[4, 0, 1, 2]          # row 1, column 1 of the grid; pixel 1, 2
level = rows[2 + 50 + 12 + 6, 2 + 50 + 2 * 12 + 6]
assert abs(float(level) - (x + 1) / 2 * 255) <= 0.51, (level, x)
EOP
check "info tells of samples" sh -c './drawn info | grep -q "^sample: image_of_noise f32 \[1, 4, 4\]"'

# --- wrong calls
refused "no output" 2 "--output image_of_noise=FILE" ./drawn sample
refused "unknown sample" 2 "did you mean 'point'" ./drawn sample --output pont=a.npy
refused "twice" 2 "given twice" ./drawn sample --output point=a.npy --output point=b.npy
refused "count" 2 "--count" ./drawn sample --count 0 --output point=a.npy
refused "no picture" 2 "'noise' is no image" ./drawn sample --output noise=a.png
refused "range" 2 "LOW,HIGH" ./drawn sample --range 1,0 --output point=a.png
refused "range of no picture" 2 "for pictures" ./drawn sample --range 0,1 --output point=a.npy
refused "no weights" 3 "nowhere" ./drawn sample --weights nowhere --output point=a.npy
refused "no folder" 3 "nowhere" ./drawn sample --output point=nowhere/a.npy
refused "a class that is none" 1 "label" ./drawn sample --input label=bad.npy --output image_of_noise=a.npy
refused "every without where" 2 "--samples DIR" ./drawn train --samples-every 3
refused "both" 2 "only one" ./drawn train --samples d --samples-every 3 --samples-every-epochs 2
refused "no place for pictures" 3 "t.npz" ./drawn train --samples t.npz/d
[ ! -e a.npy ] && [ ! -e a.png ] && ok "no file is left of what was wrong" || bad "a file is left"
cat >plain.yaml <<'EOP'
model: plain
inputs: {x: {shape: [4]}, y: {shape: [4]}}
layers: [dense: {units: 4, name: h}]
outputs: {h: h}
sample: {near: "normal(h, 0.1)", far: "normal(0, 1, shape=[2])"}
loss: mse(h, y)
train: {batch: 4, optimizer: {sgd: {lr: 0.1}}}
EOP
CC=$(quick_cc) check "an input of numbers: a program" "$nncc" plain.yaml -o plain
check "weights" ./plain init -o plain.safetensors
refused "an input that must be given" 2 "--input x=FILE" ./plain sample --output near=a.npy
check "a sample that does not need it" ./plain sample --output far=-
CC=$(quick_cc) check "no sample in the file: a program" "$nncc" "$models/kept.yaml" -o kept
refused "no sample in the file" 2 "no 'sample'" ./kept sample --output a=b.npy
refused "nor in training" 2 "" ./kept train --samples d

# --- an app: the same bits from two compilers, on two threads and without OpenMP
# app NAME COMPILER FLAGS NNCC-FLAGS...
app()
{
    name=$1 cc=$2 flags=$3
    shift 3
    check "an app, $name: nncc" "$nncc" sample.yaml -o drawn.c "$@"
    case " $* " in *" --no-train "*) trains= ;; *) trains=-DTRAINS ;; esac
    case " $* " in *" --single-file "*) headers= library= ;; *) headers=-I$BUILD/include library="$BUILD/libnnrt.a -lz" ;; esac
    check "an app, $name: compiles without a warning" $cc -std=gnu11 -Wall -Wextra -Werror -O2 -march=native \
        -fno-math-errno -fno-trapping-math $flags $trains drawn.c -c -o net.o $headers
    check "an app, $name: links" $cc -std=gnu11 -O1 $flags $trains -I. app.c net.o $library -lm -o app
    check "an app, $name: runs" ./app "$name.bits"
}
mv drawn.c app.c
compilers=
for cc in gcc clang; do usable $cc && compilers="$compilers $cc"; done
for cc in $compilers; do
    OMP_NUM_THREADS=2 app $cc-2 $cc -fopenmp --target=native
    OMP_NUM_THREADS=1 app $cc-1 $cc -fopenmp --target=native
    app $cc-serial $cc "" --target=native
done
first=$(ls ./*.bits | head -n 1)
for bits in *.bits; do check "the same bits: $bits" same "$first" "$bits"; done
app single "${compilers##* }" -fopenmp --single-file
app inference "${compilers##* }" -fopenmp --no-train
app plain "${compilers##* }" -fopenmp -O0
