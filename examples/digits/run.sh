#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles the model, trains it and evaluates it. BUILD: where nncc is; what is made goes to BUILD/demo.
set -e
here=$(cd "$(dirname "$0")" && pwd)
cd "${BUILD:-$here/../../build}"
mkdir -p demo
run()
{
    echo "\$ $*"
    "$@"
}
run ./nncc "$here/model.yaml" -o demo/digits
cd demo
run ./digits train
run ./digits eval
