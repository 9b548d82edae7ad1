# SPDX-License-Identifier: MIT
# Boxes of a list's images through whole programs: found by name, scaled with the image, classes by name; what is said of
# bad ones.
. "$root/tests/lib.sh"

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "boxes: $python has no numpy"
    exit 0
fi
cat >make.py <<'EOS'
import os, struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
os.makedirs("png")
for name, w, h in ("a", 32, 16), ("b", 16, 16), ("c", 16, 32):
    rows = b"".join(b"\0" + bytes(range(3 * w)) for _ in range(h))
    open(f"png/{name}.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) +
        chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
EOS
"$python" make.py
cat >list.csv <<'EOS'
name,split
b,train
a,train
c,train
EOS
cat >good.csv <<'EOS'
left,image,what,top,right,bottom
0,a,red,0,32,8
1,elsewhere,green,1,0,0
4,b,blue,4,12,16
24,a,blue,8,32,16
EOS
cat >net.yaml <<'EOS'
model: net
vars: {resize: stretch, longer: error}
inputs: {image: {shape: [3, 8, 8], dtype: u8}, boxes: {shape: [2, 5]}}
layers:
  - augment: {input: [image, boxes], transforms: [flip]}
  - flatten
  - dense: {units: 1, name: seen}
outputs: {seen: seen}
loss: mean(boxes) + 0 * mean(seen)
metrics:
  m00: "mae(slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=0, end=1) + 1, 0 * slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=0, end=1))"
  m01: "mae(slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=1, end=2) + 1, 0 * slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=1, end=2))"
  m02: "mae(slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=2, end=3) + 1, 0 * slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=2, end=3))"
  m03: "mae(slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=3, end=4) + 1, 0 * slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=3, end=4))"
  m04: "mae(slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=4, end=5) + 1, 0 * slice(slice(boxes, axis=1, start=0, end=1), axis=2, start=4, end=5))"
  m10: "mae(slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=0, end=1) + 1, 0 * slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=0, end=1))"
  m11: "mae(slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=1, end=2) + 1, 0 * slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=1, end=2))"
  m12: "mae(slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=2, end=3) + 1, 0 * slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=2, end=3))"
  m13: "mae(slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=3, end=4) + 1, 0 * slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=3, end=4))"
  m14: "mae(slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=4, end=5) + 1, 0 * slice(slice(boxes, axis=1, start=1, end=2), axis=2, start=4, end=5))"
train: {batch: 3, steps: 1, optimizer: {sgd: {lr: 0.1}}}
data:
  train:
    images:
      list: list.csv
      path: png/{}.png
      where: {split: train}
      resize: $resize
      image: name
      boxes: {file: boxes.csv, image: image, class: what, corners: [left, top, right, bottom], classes: 2, longer: $longer}
EOS
CC=$(quick_cc)
export CC
check "a program" "$nncc" net.yaml -o net
if ! ldd ./net | grep -q libpng; then
    skip "boxes: nncc was built without libpng"
    exit 0
fi
cp good.csv boxes.csv
check "train" ./net train --out w.safetensors
check "names of classes are kept, of the list's images alone" grep -q 'nncc.labels.boxes[^]]*blue[^]]*red[^]]*\]' w.safetensors
grep -q green w.safetensors && bad "a class of another image is kept" || ok "boxes of other images are passed over"

# boxes_of LIST: the ten numbers of its one image.
boxes_of()
{
    printf 'name,split\n%s,x\n' "$1" >one.csv
    "./$2" eval --data one.csv --weights w.safetensors 2>&1 | awk '/^m[0-9]+: / { printf "%g ", $2 - 1 }'
}
# expect NAME WANTED IMAGE PROGRAM
expect()
{
    is=$(boxes_of "$3" "$4")
    if [ "$is" = "$2 " ]; then ok "$1"; else bad "$1: '$is', not '$2'"; fi
}
# 32 x 16 to 8 x 8: x by 1/4, y by 1/2; red is class 1.
expect "two boxes, stretched" "1 0 0 8 4 0 6 4 8 8" a net
expect "one box" "0 2 2 6 8 -1 0 0 0 0" b net
expect "an image without boxes" "-1 0 0 0 0 -1 0 0 0 0" c net
# by 1/2 both; the middle 16 pixels of 32 are left: of red half, of blue nothing.
"$nncc" net.yaml -D resize=crop -o cropped
expect "cropped" "1 0 0 8 4 -1 0 0 0 0" a cropped
# by 1/4 both, two rows above
"$nncc" net.yaml -D resize=pad -o padded
expect "padded" "1 0 2 8 4 0 6 4 8 6" a padded

# wrong NAME ROW MESSAGE: a row behind the good ones.
wrong()
{
    { cat good.csv; echo "$2"; } >boxes.csv
    status "$1" 1 ./net train
    says "its row" "boxes.csv:6$3"
}
wrong "no area" 4,b,blue,4,4,16 ": expected a box of some area of 16 x 16 pixels, found 4, 4 to 4, 16"
wrong "outside of its image" 4,b,blue,4,12,16.5 ": expected a box within its image of 16 x 16 pixels"
wrong "below 0" -1,b,blue,4,12,16 ": expected a box within its image"
wrong "text for a number" 4,b,blue,x,12,16 ":10: expected a number in column 'top', found 'x'"
wrong "a class too many" 4,b,pink,4,12,16 ": 'pink' is one class more than the 2 of 'boxes'"
wrong "too many boxes" 4,a,blue,4,12,16 ": a box more of its image than the 2 of 'boxes'"
"$nncc" net.yaml -D longer=cut -o cut
check "longer: cut" ./cut train
says "how many" "boxes.csv: 1 boxes more than the 2 an image of 'boxes'"
echo 4,b,blue,4,12,160 >>boxes.csv
status "--keep-going" 0 ./cut train --keep-going
says "the first is named" "skipped: boxes.csv:7: expected a box within its image"
says "its image is left out" "1 of 3 images are bad and left out"
cp good.csv boxes.csv
echo b,train >>list.csv
status "an image twice" 1 ./net train
says "which" "the list has 'b' twice"
sed 's/right, bottom/right/' net.yaml >three.yaml
status "three corners" 1 "$nncc" three.yaml -o three
says "where" "corners: expected four columns"
sed 's/longer: $longer/longer: most/' net.yaml >three.yaml
status "a word that is none" 1 "$nncc" three.yaml -o three
says "the words" "longer: expected error or cut, saw 'most'"
sed 's/\[2, 5\]/[2, 4]/' net.yaml >three.yaml
status "an input that holds no boxes" 1 "$nncc" three.yaml -o three
says "what it would be" "boxes are f32 of [M, 5]"
sed 's|png/{}.png|png|' net.yaml >three.yaml
status "a path without a place" 1 "$nncc" three.yaml -o three
says "what is missing" "path: expected one {}"
sed 's/image: name/size: name/; s/^inputs: {/inputs: {size: {shape: [1]}, /; s/^loss: /loss: mean(size) + /' net.yaml >three.yaml
status "boxes of no image" 1 "$nncc" three.yaml -o three
says "what they are of" "'boxes' holds boxes, but nothing feeds an image that they are of"
