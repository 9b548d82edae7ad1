# SPDX-License-Identifier: MIT
# What people look at: train --report and --tensorboard, nncc --emit=report as a page, --emit=dot.
. "$root/tests/lib.sh"
"$python" -c 'import json, zlib' 2>/dev/null || { skip "pages and event files: no $python"; exit 0; }
CC=$(quick_cc)
export CC

# Classes by name, and the names are hostile.
cat >words.yaml <<'END'
model: words
inputs: {x: {tokens: 24, shape: [6]}, kind: {classes: 3}}
layers:
  - embedding: {count: 24, dim: 4, input: x}
  - mean: {axis: 1}
  - dense: {units: 3, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, kind)
metrics: {accuracy: "accuracy(logits, kind)", auc: "auc(logits, kind)"}
train: {batch: 4, epochs: 3, clip_norm: 5, optimizer: {adam: {lr: 1e-2}}}
data: {train: {text: {file: words.tsv, tokenizer: words, classify: {x: what, kind: how}}}, validation: {split: 0.3}}
END
{
    printf 'what\thow\n'
    for i in 1 2 3 4 5 6 7 8; do
        printf 'a <b>bold</b> film & %s\t<script>alert(1)</script>\n' $i
        printf 'an "odd" one %s\t"><img src=x onerror=alert(2)>\n' $i
        printf "it's fine %s\t&amp;'\302\205\n" $i
    done
} >words.tsv
# Images, and their classes by number; the best weights are kept.
cat >images.yaml <<'END'
model: images
inputs: {image: {shape: [1, 28, 28], normalize: {std: 255}}, label: {classes: 10}}
layers: [flatten, dense: {units: 16, activation: relu, name: fc1}, dense: {units: 10, name: logits}]
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train:
  batch: 32
  epochs: 4
  optimizer: {sgd: {lr: 0.1, momentum: 0.9}}
  schedule: {cosine: {}}
  early_stopping: {patience: 4, monitor: val_accuracy}
data: {train: {synthetic: {generator: digits, count: 600}}, validation: {split: 0.25}}
END
# Numbers of a table.
cat >table.yaml <<'END'
model: table
inputs: {x: {shape: [2]}, y: {shape: []}}
layers: [dense: {units: 1, name: line}]
outputs: {out: "line[:, 0]"}
loss: mse(line[:, 0], y)
metrics: {rmse: "rmse(line[:, 0], y)"}
train: {batch: 8, epochs: 2, optimizer: {sgd: {lr: 0.01}}}
data: {train: {csv: {file: rows.csv, x: [width, height], y: area}}}
END
awk 'BEGIN { print "width,height,area"
    for (i = 0; i < 40; i++) print i % 7 - 3 "," i % 5 - 2 "," 2 * (i % 7 - 3) - i % 5 }' >rows.csv
# A sequence.
cat >letters.yaml <<'END'
model: letters
inputs: {x: {tokens: 40, shape: [12]}, y: {tokens: 40, shape: [12]}}
layers:
  - embedding: {count: 40, dim: 8, input: x}
  - gru: {hidden: 12}
  - dense: {units: 40, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, y)
metrics: {accuracy: "accuracy(logits, y)"}
train: {batch: 8, epochs: 2, optimizer: {adam: {lr: 1e-2}}}
data:
  train: {text: {generator: stories, count: 30, tokenizer: characters, next_token: {input: x, target: y, stride: 12}}}
  validation: {split: 0.2}
END

# Two classes a pixel, and a pixel of 2 does not count; one number for two classes.
cat >masks.yaml <<'END'
model: masks
inputs: {image: {shape: [1, 8, 9]}, mask: {classes: 3, shape: [8, 9]}}
layers: [conv2d: {out: 3, kernel: 3, padding: 1, name: logits}]
outputs: {probs: "softmax(logits, axis=1)"}
loss: softmax_cross_entropy(logits, mask, axis=1, ignore=2)
train: {batch: 4, epochs: 1, optimizer: {sgd: {lr: 0.1}}}
data: {train: {npy: {image: image.npy, mask: mask.npy}}}
END
cat >yesno.yaml <<'END'
model: yesno
inputs: {x: {shape: [2]}, y: {classes: 2}}
layers: [dense: {units: 1, name: line}]
outputs: {p: "sigmoid(line[:, 0])"}
loss: bce(sigmoid(line[:, 0]), y)
train: {batch: 8, epochs: 2, optimizer: {sgd: {lr: 0.5}}}
data: {train: {csv: {file: yesno.csv, x: [a, b], y: c}}}
END
awk 'BEGIN { print "a,b,c"; for (i = 0; i < 30; i++) print i % 7 - 3 "," i % 5 "," (i % 7 > 3) }' >yesno.csv
"$python" - <<'END'
import struct
def npy(path, kind, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (kind, shape)
    head += ' ' * (63 - (len(head) + 10) % 64) + chr(10)
    open(path, 'wb').write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode() + data)
pixels = [(i * 37 % 101) / 101 for i in range(6 * 72)]
npy('image.npy', '<f4', (6, 1, 8, 9), struct.pack('<432f', *pixels))
npy('mask.npy', '<i4', (6, 8, 9), struct.pack('<432i', *[2 if p > 0.9 else int(p > 0.5) for p in pixels]))
END

cat >page.py <<'END'
"""page.py FILE: the page is XML and HTML, whole in itself; gives the text of its elements."""
import base64, html.parser, re, struct, sys, xml.etree.ElementTree as ET, zlib

def png(uri):
    """Width, height and channels of a PNG, all of its checksums held against its bytes."""
    b = base64.b64decode(uri.split(',', 1)[1], validate=True)
    assert b[:8] == b'\x89PNG\r\n\x1a\n'
    at, data, head = 8, b'', None
    while at < len(b):
        n, kind = struct.unpack('>I4s', b[at:at + 8])
        body = b[at + 8:at + 8 + n]
        assert struct.unpack('>I', b[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + body)
        head = struct.unpack('>IIBBBBB', body) if kind == b'IHDR' else head
        data += body if kind == b'IDAT' else b''
        at += 12 + n
    assert kind == b'IEND'
    channels = {0: 1, 2: 3}[head[3]]
    assert len(zlib.decompress(data)) == head[1] * (head[0] * channels + 1)
    return head[0], head[1], channels

def read(path):
    text = open(path, encoding='utf-8').read()
    assert text.startswith('<!DOCTYPE html>')
    tree = ET.fromstring(text.split('\n', 1)[1])
    for e in tree.iter():
        e.tag = e.tag.split('}')[-1]
    class Parser(html.parser.HTMLParser):
        open = []
        void = {'meta', 'br', 'img'}
        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.open.append(tag)
        def handle_endtag(self, tag):
            assert self.open.pop() == tag, tag
        def handle_startendtag(self, tag, attrs):
            pass
    p = Parser(convert_charrefs=True)
    p.feed(text)
    p.close()
    assert not p.open
    tags = {e.tag for e in tree.iter()}
    assert not tags & {'script', 'link', 'iframe', 'object', 'embed', 'form'}, tags
    for e in tree.iter():
        assert not [a for a in e.attrib if a.startswith('on')], e.attrib
        for a in ('src', 'href'):
            assert e.attrib.get(a, 'data:image/png').startswith(('data:image/png', '#')), e.attrib
    assert not re.search(r'@import|url\(', text)
    assert '\x00' not in text and 'nan' not in [t.strip() for t in ''.join(tree.itertext()).split()]
    # each number of a picture is one
    for e in tree.iter():
        for a in ('x', 'y', 'x1', 'y1', 'x2', 'y2', 'width', 'height', 'cx', 'cy', 'r', 'd', 'points'):
            for n in re.findall(r'[-+a-z0-9.]+', e.attrib.get(a, '')) if e.tag != 'img' else []:
                assert re.fullmatch(r'[A-Za-z]?(-?[0-9.]+([a-zA-Z]-?[0-9.]+)*[a-zA-Z]?)?', n), (e.tag, a, n)
    return tree

def sections(tree):
    return [e.attrib['id'] for e in tree.iter('section')]

def words(e):
    return ' '.join(''.join(e.itertext()).split())
END

# run NAME OPTION...: a program of NAME.yaml, trained with a report, a log and events.
run()
{
    net=$1
    shift
    check "$net: a program" "$nncc" $net.yaml -o $net
    check "$net: trains with a report" ./$net train --report $net.html --log $net.csv --tensorboard board/$net "$@"
}

cat >look.py <<'END'
"""look.py NAME SECTION...: the report of NAME has these sections, and the numbers of the log."""
import csv, sys
import page
name, wanted = sys.argv[1], sys.argv[2:]
tree = page.read(name + '.html')
assert page.sections(tree) == wanted, page.sections(tree)
log = list(csv.reader(open(name + '.csv')))
table = next(e for e in tree.iter('table') if e.attrib.get('id') == 'log')
rows = [[''.join(c.itertext()) for c in r] for r in table.iter('tr')]
assert rows[0] == log[0], (rows[0], log[0])
drop = log[0].index('time')
keep = lambda rows: [[c for i, c in enumerate(r) if i != drop] for r in rows]
assert keep(rows) == keep(log), (rows, log)
# The curves have a tooltip a point, with the same numbers.
titles = [''.join(e.itertext()) for e in tree.iter('title')]
loss = log[0].index('loss')
for r in log[1:]:
    assert 'training, epoch %s: %.6g' % (r[0], float(r[loss])) in titles, r
cards = [c for c in tree.iter('div') if c.attrib.get('class') == 'card']
cards = {page.words(c.find('span')): page.words(c.find('b')) for c in cards}
assert cards['training loss'] == '%.4g' % float(log[-1][loss]), cards
END

sections="curves confusion samples weights memory settings kernels"
run words && check "words: the page" "$python" look.py words $sections
run images && check "images: the page" "$python" look.py images $sections
run table && check "table: the page" "$python" look.py table curves answers samples weights memory settings kernels
run masks && check "masks: the page" "$python" look.py masks $sections
run yesno && check "yesno: the page" "$python" look.py yesno $sections
run letters && check "letters: the page" "$python" look.py letters $sections

cat >each.py <<'END'
import csv, re
import page
# Hostile names are text, wherever they stand, and what no text may hold is gone.
tree = page.read('words.html')
text = ''.join(tree.itertext())
for name in ('<script>alert(1)</script>', '"><img src=x onerror=alert(2)>', "&amp;'\ufffd"):
    assert text.count(name) >= 3, name
assert not list(tree.iter('img')), 'an image that no sample has'
assert 'adam: lr 0.01, betas 0.9 0.999, eps 1e-08' in text and 'clip_norm' in text
# The matrix counts what the validation set has: 7 of 24; its share on the diagonal is the accuracy of the log.
log = list(csv.DictReader(open('words.csv')))
right, of = map(int, re.search(r'(\d+) of (\d+) right', text).groups())
assert of == 7 and abs(right / of - float(log[-1]['val_accuracy'])) < 1e-6
# Wrong samples come first.
tree = page.read('images.html')
cards = [page.words(e) for e in tree.iter('div') if e.attrib.get('class') == 'sample']
kinds = ['wrong' if 'wrong' in c else 'right' for c in cards]
assert kinds == sorted(kinds, reverse=True) and 6 <= len(cards) <= 24, kinds
assert {page.png(e.attrib['src']) for e in tree.iter('img')} == {(28, 28, 1)}
# The weights that are shown are those that were saved: of the best epoch.
log = list(csv.DictReader(open('images.csv')))
right, of = map(int, re.search(r'(\d+) of (\d+) right', ''.join(tree.itertext())).groups())
best = max(float(r['val_accuracy']) for r in log)
assert of == 150 and abs(right / of - best) < 1e-6, (right, of, best)
confusion = [e for e in tree.iter('section') if e.attrib['id'] == 'confusion'][0]
cells = [''.join(e.itertext()) for e in confusion.iter('title')]
cells = [re.match(r'(\d+) of (\d+), is (\d), taken for (\d)', c).groups() for c in cells]
assert len(cells) == 100 and sum(int(c[0]) for c in cells if c[2] == c[3]) == right
assert sum(int(c[0]) for c in cells) == 150
# A table's numbers stand with the names of their columns.
text = page.words(page.read('table.html'))
assert 'width' in text and 'height' in text
# A mask is an image beside the one that it should be; what does not count is in no cell.
tree = page.read('masks.html')
assert {page.png(e.attrib['src']) for e in tree.iter('img')} == {(9, 8, 1)}
assert len(list(tree.iter('img'))) == 3 * 6
text = ''.join(tree.itertext())
counted = sum(not (i * 37 % 101) / 101 > 0.9 for i in range(6 * 72))
assert re.search(r'\d+ of %d right' % counted, text), counted
# One number: what the matrix counts is what the table says.
text = ''.join(page.read('yesno.html').itertext())
assert re.search(r'\d+ of 30 right', text) and 'taken for' in text
# What a sequence says is marked where it is wrong.
tree = page.read('letters.html')
assert list(tree.iter('mark')) and 'is' in page.words(tree)
# Kernels and buffers are those of the program.
for name in ('words', 'images', 'table', 'letters'):
    tree = page.read(name + '.html')
    part = {e.attrib['id']: e for e in tree.iter('section')}
    kernels = [page.words(r.find('th')) for r in part['kernels'].iter('tr')][1:]
    assert kernels and all(k.startswith(name + '_') for k in kernels), kernels
    assert list(part['memory'].iter('rect'))
END
check "what each page shows" "$python" each.py

# --- event files

cat >events.py <<'END'
"""The event files hold what the log holds, read by a reader of its own."""
import csv, glob, os, struct

def table():
    out = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        out.append(i)
    return out
TABLE = table()
def crc(b):
    c = 0xffffffff
    for x in b:
        c = TABLE[(c ^ x) & 255] ^ c >> 8
    return c ^ 0xffffffff
assert crc(b'123456789') == 0xe3069283
def masked(b):
    c = crc(b)
    return ((c >> 15 | c << 17) + 0xa282ead8) & 0xffffffff

def records(path):
    b, at = open(path, 'rb').read(), 0
    while at < len(b):
        n, head = struct.unpack('<QI', b[at:at + 12])
        assert head == masked(b[at:at + 8])
        data = b[at + 12:at + 12 + n]
        assert struct.unpack('<I', b[at + 12 + n:at + 16 + n])[0] == masked(data)
        at += 16 + n
        yield data
    assert at == len(b)

def varint(b, at):
    v = shift = 0
    while True:
        v |= (b[at] & 127) << shift
        at += 1
        if b[at - 1] < 128:
            return v, at
        shift += 7

def fields(b):
    at = 0
    while at < len(b):
        key, at = varint(b, at)
        if key & 7 == 0:
            v, at = varint(b, at)
        elif key & 7 == 2:
            n, at = varint(b, at)
            v, at = b[at:at + n], at + n
            assert len(v) == n
        else:
            n = {1: 8, 5: 4}[key & 7]
            v, at = struct.unpack('<d' if n == 8 else '<f', b[at:at + n])[0], at + n
        yield key >> 3, v

def events(folder):
    paths = glob.glob(folder + '/*')
    assert len(paths) == 1 and 'tfevents' in os.path.basename(paths[0]), paths
    all = [dict(fields(r)) for r in records(paths[0])]
    assert all[0][3] == b'brain.Event:2'
    scalars, histograms = {}, {}
    for e in all[1:]:
        value = dict(fields(dict(fields(e[5]))[1]))
        tag, step = value[1].decode(), e.get(2, 0)
        if 2 in value:
            scalars.setdefault(tag, []).append((step, value[2]))
        else:
            histograms.setdefault(tag, []).append((step, dict(fields(value[5]))))
    return scalars, histograms

def f32(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]

known = {'words': {'embedding_1.weight': 96}, 'images': {'fc1.weight': 12544, 'logits.bias': 10},
         'table': {}, 'letters': {}}
for name, weights in known.items():
    scalars, histograms = events('board/' + name)
    log = list(csv.DictReader(open(name + '.csv')))
    for column in log[0]:
        if column in ('time', 'step'):
            continue
        tag = 'val/' + column[4:] if column.startswith('val_') else 'train/' + column
        tag = column if column in ('lr', 'epoch') else tag
        got = scalars.pop(tag)
        assert [s for s, _ in got] == [int(r['step']) for r in log], (tag, got)
        for (_, value), r in zip(got, log):
            assert abs(value - float(r[column])) <= 1e-6 * max(1, abs(value)), (tag, value, r[column])
    assert set(scalars) <= {'batch/loss'}, scalars
    assert histograms and all(t.startswith('weights/') for t in histograms)
    for tag, of in histograms.items():
        assert len(of) == len(log)
        for _, h in of:
            limit = struct.unpack('<%dd' % (len(h[6]) // 8), h[6])
            count = struct.unpack('<%dd' % (len(h[7]) // 8), h[7])
            assert len(limit) == len(count) and sum(count) == h[3] and list(limit) == sorted(limit)
            assert h[1] <= h[2] == limit[-1] and h[5] >= 0
    for weight, n in weights.items():
        assert histograms['weights/' + weight][0][1][3] == n, weight
END
check "event files hold the log's numbers" "$python" events.py

cat >board.py <<'END'
import csv, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator('board/images', size_guidance={'scalars': 0, 'histograms': 0})
a.Reload()
log = list(csv.DictReader(open('images.csv')))
got = a.Scalars('val/accuracy')
assert [e.step for e in got] == [int(r['step']) for r in log]
assert all(abs(e.value - float(r['val_accuracy'])) < 1e-6 for e, r in zip(got, log))
tags = a.Tags()
count = len(a.Histograms('weights/fc1.weight')) if tags['histograms'] else len(a.Tensors('weights/fc1.weight'))
assert count == len(log)
END
found=no
for p in "$python" ${TENSORBOARD_PYTHON:-}; do
    "$p" -c 'import tensorboard' 2>/dev/null || continue
    found=yes
    check "TensorBoard reads the events" "$p" board.py
done
[ $found = yes ] || skip "TensorBoard reads the events: no tensorboard in $python or \$TENSORBOARD_PYTHON"

# --- what goes wrong

./images train --epochs 2 --seed 3 --out plain.safetensors >plain.txt 2>/dev/null
./images train --epochs 2 --seed 3 --out seen.safetensors --report seen.html --tensorboard b/c/d >seen.txt 2>/dev/null
check "the same weights with report and events" same plain.safetensors seen.safetensors
check "the same results" same plain.txt seen.txt
check "a resumed run has a report" sh -c './images train --epochs 2 --checkpoint c.ckpt --out r.safetensors &&
    ./images train --epochs 3 --resume c.ckpt --report r.html --out r.safetensors'
check "its page says so" grep -q 'checkpoint that the run went on from' r.html
echo before >kept.html
status "a report into a missing folder" 3 ./images train --report none/r.html
says "a report into a missing folder names it" "none/r.html"
: >file
status "events below a file" 3 ./images train --tensorboard file/x
says "events below a file names it" "file/x"
(
    ulimit -f 40
    ./images train --epochs 1 --out full.safetensors --report kept.html >/dev/null 2>said.txt
)
[ "$(cat kept.html)" = before ] && ok "a report that does not fit leaves the old file" ||
    bad "a report that does not fit: $(head -c 60 kept.html)"
status "--report belongs to train" 2 ./images eval --report x.html

# --- nncc's own pages

cat >own.py <<'END'
import re, subprocess, sys
import page
tree = page.read('own.html')
ids = page.sections(tree)
assert ids == ['layers', 'predict', 'eval', 'train', 'variables'], ids
text = open('own.txt').read()
part = {e.attrib['id']: e for e in tree.iter('section')}
for fn in ('predict', 'eval', 'train'):
    # The kernels of the text, in order, with what they cost.
    block = re.search(r'^%s: .*?(?=^\w+:)' % fn, text, re.S | re.M).group()
    names = re.findall(r'^ +\d+ (images_\w+)  \(', block, re.M)
    rows = [r for r in part[fn].iter('tr')][1:]
    assert [page.words(r.find('th')).split()[0] for r in rows] == names, fn
    # And the buffers, where the text has them.
    boxes = [re.match(r'(\w+): .*kernels (\d+) to (\d+)', ''.join(e.itertext())) for e in part[fn].iter('title')]
    boxes = sorted(m.groups() for m in boxes if m)
    buffers = re.findall(r'^    (\w+) +[1-9]\d* +\d+  (\d+)-(\d+)', block, re.M)
    # what is kept for the next call lives past the last kernel of this one
    buffers = sorted((b, first, str(min(int(last), len(names)))) for b, first, last in buffers)
    assert boxes == buffers, (fn, boxes, buffers)
boxes = [page.words(e) for e in part['layers'].iter('title')]
assert len(boxes) >= 4 and any(b.startswith('dense') and 'fc1' in b and '12.6 k weights' in b for b in boxes), boxes
assert any('image' in b for b in boxes) and any('probs' in b for b in boxes), boxes
END
check "--emit=report as a page" "$nncc" images.yaml --emit=report -o own.html --target=x86-64-v3
check "--emit=report as text" "$nncc" images.yaml --emit=report -o own.txt --target=x86-64-v3
check "both say the same" "$python" own.py
check "--emit=report again" "$nncc" images.yaml --emit=report -o again.html --target=x86-64-v3
check "the page is the same each time" same own.html again.html
for net in decode_mt recurrent image; do
    check "$net: a page" "$nncc" "$root/tests/models/$net.yaml" --emit=report -o $net.html
    check "$net: is well formed" "$python" -c 'import page, sys; page.read(sys.argv[1])' $net.html
done
cat >blocks.py <<'END'
# Each copy of a block has boxes of its own, one a layer, activations with their layers.
import re
import page
tree = page.read('repeat.html')
layers = [e for e in tree.iter('section') if e.attrib['id'] == 'layers'][0]
boxes = [''.join(e.itertext()) for e in layers.iter('title')]
# tokens, embed, logits and three copies of layernorm, attn, x, cell, dense, mlp and add (dropout does nothing here)
assert len(boxes) == 3 + 3 * 7, boxes
assert sum(b.startswith('dense, gelu') for b in boxes) == 3, boxes
# and each edge goes down
edges = [e.attrib['d'] for e in layers.iter('path') if e.attrib['class'] == 'edge']
edges = [list(map(float, re.findall(r'-?[0-9.]+', d))) for d in edges]
assert len(edges) >= len(boxes) - 1 and all(e[-1] > e[1] for e in edges), edges
END
check "repeat: a page" "$nncc" "$root/tests/models/repeat.yaml" -D blocks=3 --emit=report -o repeat.html
check "repeat: a box a layer" "$python" blocks.py
check "--emit=dot" "$nncc" images.yaml --emit=dot -o own.dot
check "a layer is a cluster" grep -q 'subgraph cluster_' own.dot
check "shapes are on the edges" grep -q 'n[0-9]* -> n[0-9]* \[label="\[N, 10\]"\]' own.dot
if command -v dot >/dev/null 2>&1; then
    check "Graphviz draws it" sh -c 'dot -Tsvg own.dot >own.svg && grep -q "<svg" own.svg'
else
    skip "Graphviz draws it: no dot"
fi
