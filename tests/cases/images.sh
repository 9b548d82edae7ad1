# SPDX-License-Identifier: MIT
# Images through whole programs: a folder a class, a list with rows chosen, masks, sizes brought alike, what is said of bad
# files; the same bits whatever reads them.
. "$root/tests/lib.sh"

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "images: $python has no numpy"
    exit 0
fi

# PNG images of every kind, and raw pixels for the JPEG writer.
cat >make.py <<'EOS'
import os, struct, zlib, numpy as np
r = np.random.default_rng(1)
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(name, x, palette=None, bits=8):
    h, w = x.shape[:2]
    c = 1 if x.ndim == 2 else x.shape[2]
    kind = 3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[c]
    flat = (x.astype(">u2").tobytes() if bits == 16 else x.astype("u1").tobytes())
    n = w * c * bits // 8
    rows = b"".join(b"\0" + flat[i * n:(i + 1) * n] for i in range(h))
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    open(name, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, kind, 0, 0, 0)) +
        (chunk(b"PLTE", palette) if palette is not None else b"") + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
def blob(bright):
    x = r.integers(0, 60, (12, 12, 3))
    x[2:10, 2:10, 0 if bright else 2] += 150
    return x
rows = {"train": [], "test": []}
for split, n in ("train", 40), ("test", 10):
    for i in range(n):
        for name in "blue", "red":
            x = blob(name == "red")
            png(f"{split}/{name}/{i:02}.png", x)
            rows[split].append((f"{split}/{name}/{i:02}.png", name, split, x))
with open("list.csv", "w") as f:
    f.write("file,colour,split,redness\n")
    for row in rows["test"] + rows["train"]:
        f.write(f"{row[0]},{row[1]},{row[2]},{row[3][:, :, 0].mean():.4f}\n")
rows["train"].sort(key=lambda row: row[0])  # as a folder's are
np.save("x.npy", np.stack([row[3] for row in rows["train"]]).transpose(0, 3, 1, 2).astype("f4"))
np.save("y.npy", np.array([row[1] == "red" for row in rows["train"]]).astype("i4"))
x = r.integers(0, 256, (12, 12, 3))
png("rgb.png", x)
png("alpha.png", np.concatenate([x, r.integers(0, 256, (12, 12, 1))], 2))
png("wide.png", x * 257, bits=16)
palette = r.integers(0, 256, (256, 3)).astype("u1")
index = r.integers(0, 256, (12, 12))
png("palette.png", index, palette.tobytes())
png("grey.png", x[:, :, 0])
png("large.png", r.integers(0, 256, (30, 48, 3)))
np.savez("truth.npz", rgb=x, palette=palette[index], grey=np.repeat(x[:, :, :1], 3, 2))
whole = open("rgb.png", "rb").read()
open("cut.png", "wb").write(whole[:-30])
open("flipped.png", "wb").write(whole[:60] + bytes([whole[60] ^ 4]) + whole[61:])
open("text.png", "w").write("no image at all")
for i in range(6):
    png(f"pair/{i}.png", x)
    png(f"masks/{i}.png", r.integers(0, 3, (12, 12)), palette.tobytes())
os.makedirs("raw", exist_ok=True)
y, z = np.mgrid[0:60, 0:80]
open("raw/smooth", "wb").write(np.stack([y * 4, z * 3, y + z], 2).astype("u1").tobytes())
np.save("smooth.npy", np.stack([y * 4, z * 3, y + z], 2))
EOS
"$python" make.py
cat >net.yaml <<'EOS'
model: net
vars: {resize: stretch}
inputs: {image: {shape: [3, 12, 12], dtype: u8, normalize: {mean: 60, std: 60}}, label: {classes: 2}}
layers:
  - augment: [flip, {crop: 1}, {brightness: 0.1}]
  - conv2d: {out: 4, kernel: 3, activation: relu}
  - global_avgpool
  - dense: {units: 2, name: logits}
outputs: {probs: softmax(logits), pixels: image * 60 + 60}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train: {batch: 16, epochs: 6, optimizer: {adam: {lr: 0.02}}}
data:
  train: {images: {folder: train, image: image, label: class, resize: $resize}}
  test: {images: {folder: test, image: image, label: class}}
EOS
CC=$(quick_cc)
export CC
check "a program" "$nncc" net.yaml -o net
if ldd ./net | grep -q libpng; then ok "it is linked with libpng"; else
    skip "images: nncc was built without libpng"
    exit 0
fi
check "train from a folder" ./net train --out folder.safetensors --report page.html
grep -q 'is blue, taken for ' page.html && ok "the page names classes as folders are" || bad "the page: no names"
./net eval --weights folder.safetensors >eval.txt
at_least "classes by folder are learnt" "$(value eval.txt accuracy)" 0.95
check "the names of classes are kept" grep -q 'nncc.labels.label.*blue.*red' folder.safetensors

# In memory, from files, on one thread and two: the same bits.
for t in 1 2; do
    OMP_NUM_THREADS=$t ./net train --out "files$t.safetensors" >/dev/null 2>&1
    OMP_NUM_THREADS=$t ./net train --data image=x.npy --data label=y.npy --out "memory$t.safetensors" >/dev/null 2>&1
done
check "one thread and two give the same bits" same files1.safetensors files2.safetensors
cat >weights.py <<'EOS'
import json, sys
def tensors(name):
    b = open(name, "rb").read()
    n = int.from_bytes(b[:8], "little")
    head = json.loads(b[8:8 + n])
    return {k: b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in head.items() if k != "__metadata__"}
assert tensors(sys.argv[1]) == tensors(sys.argv[2])
EOS
check "files and memory give the same weights" "$python" weights.py files2.safetensors memory2.safetensors
check "memory: one thread and two" same memory1.safetensors memory2.safetensors
OMP_NUM_THREADS=2 ./net train --steps 7 --checkpoint c --out half.safetensors >/dev/null 2>&1
OMP_NUM_THREADS=2 ./net train --resume c --epochs 6 --out resumed.safetensors >/dev/null 2>&1
check "resumed in the middle of an epoch: the same bits" "$python" weights.py files2.safetensors resumed.safetensors

# Ctrl-C in the middle: the threads end with the program.
if int_ignored; then
    skip "Ctrl-C: it is ignored here"
else
    status "Ctrl-C" 130 timeout --preserve-status -s INT 2 ./net train --epochs 1000000 --out broken-off.safetensors
    check "weights are there" test -s broken-off.safetensors
fi

# Every kind of PNG: the pixels that it says.
for f in rgb alpha wide palette grey; do
    check "predict of $f.png" ./net predict --weights folder.safetensors --input "image=$f.png" --output "pixels=$f.npy"
done
cat >pixels.py <<'EOS'
import numpy as np
t = np.load("truth.npz")
for f, of in ("rgb", "rgb"), ("alpha", "rgb"), ("wide", "rgb"), ("palette", "palette"), ("grey", "grey"):
    assert np.abs(np.load(f + ".npy")[0] - t[of].transpose(2, 0, 1)).max() < 1e-3, f
EOS
check "the pixels are those of the files" "$python" pixels.py
check "a folder of images" ./net predict --weights folder.safetensors --input image=test/red --output probs=p.npy
check "its size" "$python" -c "import numpy as np; p = np.load('p.npy'); assert p.shape == (10, 2) and p[:, 1].mean() > 0.8"

# Sizes: a triangle filter as wide as a pixel of the smaller image, as PIL and torchvision have it (numpy, in double).
cat >fit.py <<'EOS'
import sys, struct, zlib, numpy as np
def matrix(n, to, whole, offset):
    m, scale = np.zeros((to, n)), n / whole
    wide = max(scale, 1)
    for i in range(to):
        at = i - offset
        if not 0 <= at < whole:
            continue
        centre = (at + 0.5) * scale
        low, high = max(int(centre - wide + 0.5), 0), min(int(centre + wide + 0.5), n)
        k = np.maximum(1 - np.abs((np.arange(low, high) + 0.5 - centre) / wide), 0)
        m[i, low:high] = k / k.sum()
    return m
b, at = open("large.png", "rb").read(), 8
while b[at + 4:at + 8] != b"IDAT":
    at += 12 + struct.unpack(">I", b[at:at + 4])[0]
raw = zlib.decompress(b[at + 8:at + 8 + struct.unpack(">I", b[at:at + 4])[0]])
x = np.frombuffer(raw, "u1").reshape(30, 1 + 48 * 3)[:, 1:].reshape(30, 48, 3).astype(float)
# 48 x 30 to 12 x 12: stretched; to 19 x 12, 3 cut off on the left (the larger part on the right); to 12 x 8 (7.5), 2 above.
rows, columns = {"stretch": ((12, 0), (12, 0)), "crop": ((12, 0), (19, -4)), "pad": ((8, 2), (12, 0))}[sys.argv[1]]
want = np.einsum("ih,hwc,jw->cij", matrix(30, 12, *rows), x, matrix(48, 12, *columns))
assert np.abs(np.load("fitted.npy")[0] - want).max() < 0.52, np.abs(np.load("fitted.npy")[0] - want).max()
EOS
for how in stretch crop pad; do
    "$nncc" net.yaml -D "resize=$how" -o fits &&
        ./fits predict --weights folder.safetensors --input image=large.png --output pixels=fitted.npy
    check "resize: $how" "$python" fit.py "$how"
done

# A list: rows chosen, names of classes, numbers.
sed 's/label: {classes: 2}/label: {classes: 2}, redness: {shape: [1]}/; s/^model: net/model: listed/
s/^loss:.*/loss: "softmax_cross_entropy(logits, label) + 0 * mean(redness)"/
s/^metrics:.*/metrics: {accuracy: "accuracy(logits, label)", red: "mean(redness)"}/
s/train: {images.*/train: {images: {list: list.csv, where: {split: train}, image: file, label: colour, redness: redness}}/
s/test: {images.*/test: {images: {list: list.csv, where: {split: test}, image: file, label: colour, redness: redness}}/' net.yaml >listed.yaml
sed -i 's/, red: "mean(redness)"//' listed.yaml
check "a program that reads a list" "$nncc" listed.yaml -o listed
check "train from a list" ./listed train --epochs 2
says "its rows alone" " 80 samples"
sed 's/split: train/split: valid/' listed.yaml >none.yaml
"$nncc" none.yaml -o none && status "rows that are not there" 1 ./none train
says "their line" "list.csv: no row where split is valid"
head -n 12 list.csv | sed '7s/[^,]*/gone.png/' >short.csv
sed 's/list.csv, where: {split: train}/short.csv/' listed.yaml >short.yaml
"$nncc" short.yaml -o short && status "a file that is not there" 3 ./short train
says "its line in the list" "short.csv:7: gone.png: cannot open"
sed '9s/[^,]*//' list.csv >short.csv
status "a row without an image" 1 ./short train
says "its line" "short.csv:9: expected an image, found none"

# Masks.
cat >masked.yaml <<'EOS'
model: masked
inputs: {image: {shape: [3, 12, 12]}, mask: {shape: [12, 12], classes: 3}}
layers:
  - augment: {input: [image, mask], transforms: [flip, {rotate: 10}, {noise: 3}]}
  - conv2d: {out: 3, kernel: 3, padding: 1, name: logits}
outputs: {logits: logits}
loss: softmax_cross_entropy(logits / 100, mask)
train: {batch: 4, steps: 3, optimizer: {sgd: {lr: 0.001}}}
data: {train: {images: {folder: pair, masks: masks, image: image, mask: mask}}}
EOS
check "a program with masks" "$nncc" masked.yaml -o masked
check "train with masks" ./masked train
check "predict needs no mask" ./masked predict --input image=rgb.png --output logits=l.npy
mv masks/3.png away.png
status "an image without its mask" 1 ./masked train
says "its name" "pair/3.png: an image without its mask"
cp away.png masks/9.png
cp away.png masks/3.png
status "a mask without its image" 1 ./masked train
says "its name too" "masks/9.png: a mask without its image"
rm masks/9.png
cp palette.png masks/3.png
status "a mask of other classes" 1 ./masked train
says "where" "masks/3.png: pixel"
cp large.png masks/3.png
status "a mask of another size" 1 ./masked train
says "both sizes" "masks/3.png: an image of 48 x 30 pixels, 'mask' is 12 x 12"

# With --keep-going bad ones are left out.
cp cut.png train/red/05.png
cp text.png train/blue/07.png
status "--keep-going" 0 ./net train --keep-going --epochs 1
says "the first is named" "skipped: train/blue/07.png: expected a PNG or JPEG image"
says "how many" "2 of 80 images are bad and left out"
says "the others are trained on" " 78 samples"
cp rgb.png train/blue/07.png

# Bad images: one line, with the file.
for f in cut flipped text; do
    cp "$f.png" train/red/05.png
    status "train: $f.png" 1 ./net train
    [ "$(grep -c '05.png' "$tmp/said")" = 1 ] && ok "one line names it: $f" || bad "one line names it: $f"
    status "predict: $f.png" 1 ./net predict --weights folder.safetensors --input "image=$f.png" --output probs=q.npy
done
sed 's/, resize: $resize//' net.yaml >strict.yaml
cp large.png train/red/05.png
"$nncc" strict.yaml -o strict && status "an image of another size" 1 ./strict train
says "both sizes are named" "train/red/05.png: an image of 48 x 30 pixels, 'image' is 12 x 12"
status "a folder that is not there" 3 ./net train --data-dir /nowhere
cp rgb.png train/red/05.png

# JPEG, where libjpeg is: grey, colour, progressive; at a part of its size.
cat >jpeg.c <<'EOS'
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
int main(int argc, char **argv)
{
    static unsigned char pixels[60 * 80 * 3];
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr e;
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    if (argc != 4 || !in || !out || fread(pixels, 1, sizeof pixels, in) != sizeof pixels)
        return 1;
    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, out);
    c.image_width = 80, c.image_height = 60, c.input_components = 3, c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    if (argv[3][0] == 'g')
        jpeg_set_colorspace(&c, JCS_GRAYSCALE);
    jpeg_set_quality(&c, 98, TRUE);
    if (argv[3][0] == 'p')
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < 60) {
        JSAMPROW row = pixels + c.next_scanline * 240;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    return fclose(out);
}
EOS
if ldd ./net | grep -q libjpeg && cc jpeg.c -o jpeg -ljpeg 2>/dev/null; then
    for k in colour progressive grey; do ./jpeg raw/smooth "$k.jpg" "$k"; done
    sed 's/12, 12\]/60, 80]/' net.yaml >big.yaml
    "$nncc" big.yaml -o big
    for k in colour progressive grey; do
        check "predict of $k.jpg" \
            ./big predict --weights folder.safetensors --input "image=$k.jpg" --output "pixels=$k.npy"
    done
    cat >jpeg.py <<'EOS'
import numpy as np
x = np.load("smooth.npy").transpose(2, 0, 1).astype(float)
for k in "colour", "progressive":
    assert np.abs(np.load(k + ".npy")[0] - x).mean() < 2, k
g = np.load("grey.npy")[0]
assert (g[0] == g[2]).all() and np.abs(g[0] - (0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2])).mean() < 1
small = x.reshape(3, 12, 5, 16, 5).mean((2, 4))
EOS
    check "JPEG: the pixels, nearly" "$python" jpeg.py
    sed 's/12, 12\]/30, 40]/' net.yaml >half.yaml
    "$nncc" half.yaml -o half &&
        ./half predict --weights folder.safetensors --input image=colour.jpg --output pixels=half.npy
    check "JPEG read at half its size" "$python" -c "
import numpy as np
x = np.load('smooth.npy').transpose(2, 0, 1).astype(float).reshape(3, 30, 2, 40, 2).mean((2, 4))
assert np.abs(np.load('half.npy')[0] - x).mean() < 2"
    head -c 900 colour.jpg >cut.jpg
    status "a JPEG image that is cut" 1 \
        ./big predict --weights folder.safetensors --input image=cut.jpg --output probs=q.npy
    says "it is named" "cut.jpg: a broken JPEG image"
else
    skip "JPEG: libjpeg is not here"
fi

# A program without images is linked with no library of them; in one file they are refused by name.
"$nncc" net.yaml --single-file -o single
status "single file: PNG is refused" 2 ./single train
says "by name" "libpng"
"$nncc" "$root/examples/digits/model.yaml" -o plain
ldd ./plain | grep -q 'libpng\|libjpeg' && bad "a program without images is linked with libpng" ||
    ok "a program without images needs no libpng"
status "an image for it" 2 ./plain predict --input image=rgb.png --output probs=q.npy
says "is refused" "names no source of images"
