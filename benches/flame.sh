#!/usr/bin/env bash
# Draws benches/flame.svg: where SQLite's time goes, as IR that the cache has. perf sees the functions of the entry's file.
# $1: a folder for what is made. $CARGO is how to run cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
run=target/examples-c/run
mkdir -p "$out"

if [ ! -e "$out/flame.ll" ]; then
    sqlite=$(benches/crate.sh libsqlite3-sys)/sqlite3
    clang=$(command -v clang-22 || echo "${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}/bin/clang")
    # With frame pointers, by which perf finds the callers.
    "$clang" -O2 -Xclang -disable-llvm-passes -fPIC -fno-omit-frame-pointer -w -S -emit-llvm -I"$sqlite" \
        -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_THREADSAFE=0 -o "$out/flame.ll" benches/flame.c
fi
"$run" --cache-dir "$out/flame-cache" "$out/flame.ll"
# A clock of the system's: virtual machines have no counters.
perf record -q -e cpu-clock -F 2000 --call-graph fp -o "$out/flame.data" -- \
    "$run" --cache-dir "$out/flame-cache" "$out/flame.ll"
perf script -i "$out/flame.data" -F comm,ip,sym 2>/dev/null | benches/flame.py
