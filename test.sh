#!/bin/sh
# SPDX-License-Identifier: MIT
# sh test.sh: builds nncc and runs all tests. The last line is "N passed, N failed, N skipped".
set -e
cd "$(dirname "$0")"
sh setup.sh test
make -j"$(getconf _NPROCESSORS_ONLN)" ${CC:+CC="$CC"}
make --no-print-directory test ${CC:+CC="$CC"}
