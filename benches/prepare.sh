#!/usr/bin/env bash
# Makes, in the folder $1, what the benchmarks run: IR, and shared libraries built from it ahead of time. What
# is there already stays. $CARGO is how to run cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
bin=${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}/bin

tool() {
    if [ -x "$bin/$1" ]; then
        echo "$bin/$1"
    else
        command -v "$1-22" || { echo "bench: $1 of LLVM 22 is missing: what needs it is skipped" >&2; return 1; }
    fi
}

# The .so has the code that the compile server makes: the same pipeline, then the same code generator.
build_ahead() {
    local opt llc
    opt=$(tool opt) && llc=$(tool llc) || return 0
    [ "$out/$1.so" -nt "$out/$1.ll" ] && return
    "$opt" -O2 -mtriple="$(uname -m)-pc-linux-gnu" -mcpu=native -o "$out/$1.bc" "$out/$1.ll"
    "$llc" -O2 -mcpu=native -filetype=obj -relocation-model=pic -o "$out/$1.o" "$out/$1.bc"
    cc -shared -o "$out/$1.so" "$out/$1.o"
}

mkdir -p "$out"
cp -u examples-c/programs/quicksort.ll "$out/small.ll"
cp -u benches/add.ll "$out/add.ll"
build_ahead small
build_ahead add

# Programs with enough work to compare the code.
cp -u examples-c/programs/fibonacci.ll "$out/work-fibonacci.ll"
sed 's/ret i64 50000$/ret i64 3000000/' examples-c/programs/quicksort.ll >"$out/work-quicksort.ll"
sed 's/^define double @"multiply"/define double @"multiply_once"/' examples-c/programs/matrix.ll \
    | cat - benches/multiply_often.ll >"$out/work-matrix.ll"

if [ ! -e "$out/sqlite.ll" ] && clang=$(tool clang); then
    if sqlite=$(benches/crate.sh libsqlite3-sys)/sqlite3; then
        # As a front end emits it: for the optimiser, but not optimised.
        "$clang" -O2 -Xclang -disable-llvm-passes -fPIC -w -S -emit-llvm -I"$sqlite" -DSQLITE_OMIT_LOAD_EXTENSION \
            -DSQLITE_THREADSAFE=0 -o "$out/sqlite.ll" benches/sqlite.c
    else
        echo "bench: without libsqlite3-sys, SQLite is skipped" >&2
    fi
fi
if [ -e "$out/sqlite.ll" ]; then
    build_ahead sqlite
fi
