# SPDX-License-Identifier: MIT
# lib.sh: what the scripts of tests/cases share. Each check prints one line: ok, not ok or skip.
set -u
nncc=$BUILD/nncc
tmp=$(mktemp -d) || exit 3
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 3
python=${PYTHON:-/usr/bin/python3}
# Threads that wait sleep: a busy machine would slow spinning ones down by far.
export OMP_WAIT_POLICY=passive

ok() { echo "ok $*"; }
bad() { echo "not ok $*"; }
skip() { echo "skip $*"; }

# check NAME COMMAND...: passes where the command succeeds; shows what it printed where not.
check()
{
    name=$1
    shift
    if "$@" >"$tmp/said" 2>&1; then
        ok "$name"
    else
        bad "$name: $* gave $?"
        sed 's/^/    /' "$tmp/said" | tail -n 20
    fi
}

# status NAME WANTED COMMAND...: the exit status; standard error is left in $tmp/said.
status()
{
    name=$1 wanted=$2
    shift 2
    "$@" >"$tmp/out" 2>"$tmp/said"
    got=$?
    if [ "$got" = "$wanted" ]; then
        ok "$name"
    else
        bad "$name: status $got, not $wanted"
        sed 's/^/    /' "$tmp/said" | tail -n 5
    fi
}

# says NAME TEXT: the last command's standard error holds the text.
says()
{
    if grep -qF -- "$2" "$tmp/said"; then
        ok "$1"
    else
        bad "$1: does not say '$2'"
        sed 's/^/    /' "$tmp/said" | tail -n 5
    fi
}

same() { cmp "$1" "$2"; }

# A compiler that links OpenMP programs.
usable()
{
    command -v "$1" >/dev/null 2>&1 || return 1
    echo 'int main(void) { return 0; }' >"$tmp/try.c"
    "$1" -fopenmp "$tmp/try.c" -o "$tmp/try" >/dev/null 2>&1
}

# quick_cc: the name of a compiler that optimises little, whatever nncc asks of it: for what another program has at -O3.
quick_cc()
{
    real=${CC:-}
    for c in clang gcc cc; do [ -n "$real" ] || ! usable $c || real=$c; done
    printf '#!/bin/sh\nexec %s "$@" -O1\n' "${real:-cc}" >"$tmp/quick-cc"
    chmod 755 "$tmp/quick-cc"
    echo "$tmp/quick-cc"
}

# Whether SIGINT was ignored when this shell began (a job in the background): its children cannot get it.
int_ignored()
{
    mask=$(sed -n 's/^SigIgn:[^0-9a-f]*0*//p' /proc/self/status)
    case $mask in *[2367abef]) return 0 ;; *) return 1 ;; esac
}

# value FILE KEY: the number of a "key: number" line.
value() { sed -n "s/^$2: //p" "$1"; }

# at_least NAME NUMBER BOUND, at_most NAME NUMBER BOUND
at_least() { if [ -n "$2" ] && awk "BEGIN { exit !($2 >= $3) }"; then ok "$1 ($2)"; else bad "$1: '$2' is under $3"; fi; }
at_most() { if [ -n "$2" ] && awk "BEGIN { exit !($2 <= $3) }"; then ok "$1 ($2)"; else bad "$1: '$2' is over $3"; fi; }
