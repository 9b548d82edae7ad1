#!/bin/sh
# SPDX-License-Identifier: MIT
# sh demo.sh: builds nncc, compiles examples/digits/model.yaml, trains it and prints its accuracy on unseen images.
set -e
cd "$(dirname "$0")"
sh setup.sh build
make -j"$(getconf _NPROCESSORS_ONLN)" ${CC:+CC="$CC"}
make --no-print-directory demo ${CC:+CC="$CC"}
