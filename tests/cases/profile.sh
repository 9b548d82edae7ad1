# SPDX-License-Identifier: MIT
# bench --profile: what it prints, and that the functions with marks compute what those without do.
. "$root/tests/lib.sh"
include="-I$BUILD/include"

for net in mixed image; do
    "$nncc" "$root/tests/models/$net.yaml" -o $net.c --main || { bad "$net: nncc --main"; continue; }
    for cc in gcc clang; do
        usable $cc || { skip "$net: profile under $cc: it does not link OpenMP programs here"; continue; }
        for openmp in "" -fopenmp; do
            [ "$net$cc$openmp" = mixedgcc ] || [ -n "$openmp" ] || continue
            check "$net: $cc $openmp: the forms with marks compile" $cc -std=gnu11 -O1 -march=native -Wall -Wextra -Werror \
                $openmp -fno-math-errno "-DNET_C=\"$net.c\"" -DNET=$net $include -I. "$root/tests/models/noted.c" \
                "$BUILD/libnnrt.a" -fopenmp -lz -lm -o noted
            for threads in 1 2 3; do
                check "$net: $cc $openmp: the same bits with marks, $threads threads" env OMP_NUM_THREADS=$threads ./noted
            done
        done
    done
done

"$nncc" "$root/tests/models/mixed.yaml" -o mixed || bad "mixed: a program"

# profile NAME OPTION...: the JSON of a short run, in NAME.json.
profile()
{
    file=$1
    shift
    check "bench --profile --json $*" sh -c './mixed bench --profile --json --seconds 0.05 "$@" >'"$file.json" - "$@"
}
profile train
profile predict --predict
profile one --predict --batch 1
profile alone --train --threads 1

cat >look.py <<'END'
import json, sys
read = {name: json.load(open(name + '.json')) for name in ('train', 'predict', 'one', 'alone')}
source = open('mixed.c').read()
for name, r in read.items():
    assert r['phase'] == ('predict' if name in ('predict', 'one') else 'train'), name
    assert r['median_ms'] > 0 and r['peak_gflops'] > 0 and r['peak_gbytes_s'] >= 0, name
    assert r['kernels'], name
    for k in r['kernels']:
        assert set(k) == {'name', 'calls', 'ms', 'gflop', 'mbytes', 'limit'}, k
        assert k['name'] + '(n, ' in source, k
        assert k['calls'] > 0 and k['ms'] >= 0 and k['gflop'] >= 0 and k['mbytes'] > 0 and k['limit'] >= 0, k
    names = [k['name'] for k in r['kernels']]
    assert len(set(names)) == len(names), names
    times = [k['ms'] for k in r['kernels']]
    assert times == sorted(times, reverse=True) and sum(times) > 0, times
assert read['one']['batch'] == 1 and read['alone']['threads'] == 1
# A kernel whose work is all of samples costs a 48th for one; weights do not become fewer.
full = {k['name']: k for k in read['predict']['kernels']}
one = {k['name']: k for k in read['one']['kernels']}
assert set(full) == set(one)
gflop = lambda r: sum(k['gflop'] for k in r['kernels'])
assert abs(gflop(read['predict']) / gflop(read['one']) - 48) < 1, (gflop(read['predict']), gflop(read['one']))
assert all(full[k]['mbytes'] / 48 <= one[k]['mbytes'] <= full[k]['mbytes'] for k in full)
assert any(one[k]['mbytes'] > full[k]['mbytes'] / 10 for k in full)
# Two calls of train_step are an optimiser step: its kernels are called every other time.
calls = {k['calls'] for k in read['train']['kernels']}
assert 0.5 in calls, calls
# A step is its kernels: loosely, since it is timed without marks.
assert 0.02 < sum(k['ms'] for k in read['train']['kernels']) / read['train']['median_ms'] < 50
END
if "$python" -c 'import json' 2>/dev/null; then
    check "the JSON of bench --profile" "$python" look.py
else
    skip "the JSON of bench --profile: no $python"
fi

./mixed bench --profile --seconds 0.05 >table.txt
check "the table names its columns" grep -q '^kernel  *calls  *ms  *share  *GFLOP/s  *GB/s  *limit$' table.txt
check "the table has a kernel" grep -q '^mixed_fc2_.* [0-9.]*%  *[0-9.e+]*  *[0-9.e+]*  *[0-9]*%$' table.txt
check "the table has a sum" grep -q '^all .* 100.0% ' table.txt
check "the table has limits" grep -q '^limits: [0-9.]* GFLOP/s, [0-9.]* GB/s$' table.txt
./mixed bench --seconds 0.05 >plain.txt
[ "$(wc -l <plain.txt)" -eq 1 ] && ok "bench alone prints one line" || bad "bench alone prints $(wc -l <plain.txt) lines"
status "--profile belongs to bench" 2 ./mixed train --profile
./mixed bench --help >help.txt
check "--help of bench tells it" grep -q -- --profile help.txt

"$nncc" "$root/tests/models/mixed.yaml" -o library.c
if grep -q 'nnrt_mark\|nnrt_kernel\|nnrt_profile\|_noted' library.c; then
    bad "a file without main has marks"
else
    ok "a file without main has no marks"
fi
"$nncc" "$root/tests/models/mixed.yaml" -o single.c --main --single-file
check "a single file compiles" "${CC:-cc}" -O1 -march=native -fopenmp -w single.c -o single -lm
check "a single file profiles" ./single bench --profile --json --seconds 0.05
