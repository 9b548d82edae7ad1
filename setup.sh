#!/bin/sh
# SPDX-License-Identifier: MIT
# setup.sh build|test: sees what is missing here, and installs it with apt-get where that needs no password.
# Where it does, and something needed is missing, prints the line to run and exits with 3.
set -u
what=${1:-build}

cc=
for c in ${CC:-} cc gcc clang; do
    command -v "$c" >/dev/null 2>&1 && { cc=$c; break; }
done
needed=
wanted=
need() { needed="$needed $*"; }
want() { wanted="$wanted $*"; }
has() { command -v "$1" >/dev/null 2>&1; }
header() { [ -n "$cc" ] && echo "#include <$1>" | "$cc" -E -x c - >/dev/null 2>&1; }
header_after_stdio() {
    [ -n "$cc" ] && printf '#include <stdio.h>\n#include <%s>\n' "$1" | "$cc" -E -x c - >/dev/null 2>&1
}
openmp()
{
    t=$(mktemp -d) || return 1
    echo 'int main(void) { return 0; }' >"$t/a.c"
    "$1" -fopenmp -o "$t/a" "$t/a.c" >/dev/null 2>&1
    status=$?
    rm -rf "$t"
    return $status
}

find_missing()
{
    needed= wanted=
    has make || need make
    [ -n "$cc" ] && has "$cc" || need gcc
    header stdio.h || need libc6-dev
    header yaml.h || need libyaml-dev
    header zlib.h || need zlib1g-dev
    header sndfile.h || want libsndfile1-dev
    header png.h || want libpng-dev
    header_after_stdio jpeglib.h || want libjpeg-dev
    [ "$what" = test ] || return 0
    header criterion/criterion.h || need libcriterion-dev
    [ -z "$cc" ] || { has gcc && openmp gcc; } || want gcc
    has clang && openmp clang || want clang libomp-dev
    has g++ || want g++
    has pkg-config || want pkg-config
    /usr/bin/python3 -c 'import numpy' 2>/dev/null || want python3-numpy
    /usr/bin/python3 -c 'import torch' 2>/dev/null || want python3-torch
}

find_missing
[ -z "$needed$wanted" ] && exit 0
line="apt-get install -y --no-install-recommends$needed$wanted"
root=
if [ "$(id -u)" != 0 ]; then
    root=sudo
    has sudo && sudo -n true 2>/dev/null || root=none
fi
if [ "$root" != none ] && has apt-get; then
    echo "setup: $root $line"
    $root apt-get update -qq >&2
    # One by one where all at once fails: a package that this release lacks must not stop the rest.
    $root env DEBIAN_FRONTEND=noninteractive $line >&2 ||
        for p in $needed $wanted; do
            $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$p" >&2
        done
    for c in ${CC:-} cc gcc clang; do
        has "$c" && { cc=$c; break; }
    done
    find_missing
fi
if [ -n "$needed" ]; then
    echo "setup: these packages are missing:$needed. Run this, then again what you ran:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y$needed$wanted" >&2
    exit 3
fi
[ -n "$wanted" ] &&
    echo "setup: without$wanted, some tests are skipped (libsndfile1-dev: and sound is WAV alone; libpng-dev, libjpeg-dev: and such images are not read)" >&2
exit 0
