# SPDX-License-Identifier: MIT
# make bench, at its shortest: the smallest network on one thread gives a table, JSON and a picture.
. "$root/tests/lib.sh"

if ! "$python" -c 'import json' 2>/dev/null; then
    skip "bench: no Python"
    exit 0
fi
export PYTHONDONTWRITEBYTECODE=1 THREADS=1 ROUNDS=1 SECONDS_EACH=0.01 PATIENCE=0.1
bench() { "$python" "$root/bench/bench.py" "$nncc" "$tmp/made" toy_2_3_1; }
mkdir made
export SYSTEMS=eager
check "bench: runs" bench
cp said table.txt
for row in 'toy_2_3_1 *train *4 ' 'toy_2_3_1 *predict *1 ' 'toy_2_3_1 *predict *4 ' '^Compiling'; do
    grep -q "$row" table.txt && ok "bench: prints $row" || bad "bench: does not print $row"
done
cat >judge.py <<'EOF'
import json, sys, xml.etree.ElementTree as tree
b = json.load(open('made/bench.json'))
assert [(r['phase'], r['batch'], r['threads']) for r in b['rows']] == [('train', 4, 1), ('predict', 1, 1), ('predict', 4, 1)]
assert all(0 < r['systems']['nncc']['ms'] < 1 and r['flop'] > 0 for r in b['rows'])
assert b['limits']['1']['gflops'] > 1 and b['limits']['1']['read_gbs'] > 0.1
assert b['compiles'][0]['c_bytes'] > 1000 and b['compiles'][0]['nncc_ms'] > 0
for r in b['rows']:  # where PyTorch is here, it is the same network and its ratio is that of the times
    if 'eager' in r['systems']:
        assert abs(r['to']['eager'] - r['systems']['eager']['ms'] / r['systems']['nncc']['ms']) < 1e-9
assert not b['rows'][0]['failed'], b['rows'][0]['failed']
picture = tree.parse('made/roofline.svg').getroot()
titles = [t.text for t in picture.iter('{http://www.w3.org/2000/svg}title')]
assert any(t.startswith('toy_2_3_1 train 4') and 'GFLOP/s' in t for t in titles), titles
EOF
check "bench: JSON and picture" "$python" judge.py
cat >more.py <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
import batch_rows, neighbour_rows, report
from compiles import compile_workload
class Bench:
    rounds, seconds, log = 1, 0.01, sys.stderr
made = compile_workload(sys.argv[2], 'toy_2_3_1', 'made')
row, = neighbour_rows.rows_of(made, 1, {}, Bench)
report.print_neighbour(row)
assert row['system'] == 'nncc' and row['ratio'] == row['beside_ms'] / row['idle_ms'] > 0, row
rows = list(batch_rows.rows_of('toy_2_3_1', batch_rows.program_of('toy_2_3_1', sys.argv[2], 'made'), 1, {}, Bench))
for row in rows:
    report.print_batches(row, batch_rows.BATCHES)
    assert not row['failed'] and set(row['ms_a_sample']) == set(batch_rows.BATCHES) and row['apart'] >= 1, row
assert [row['phase'] for row in rows] == ['train', 'predict']
EOF
check "bench: beside a busy program, in other batches" "$python" more.py "$root/bench" "$nncc"
export SYSTEMS=nonesuch
status "bench: a system that there is not" 1 bench
says "bench: says so" "no system \"nonesuch\""
