#!/bin/sh
# Runs each target, or those that are named, for FUZZ_SECONDS (default: 60). cargo-fuzz does the same and needs a nightly compiler;
# this needs none. What is found lies in target/fuzz/found, what was learnt in target/fuzz/corpus.
set -eu
cd "$(dirname "$0")"
here=$PWD/../target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# Sanitizers are not stable yet.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 -Cpasses=sancov-module
 -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
 -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
CARGO_TARGET_DIR=$here "${CARGO:-cargo}" build --release --target "$host"
[ $# -gt 0 ] || set -- $(cd targets && ls *.rs | sed 's/\.rs$//')
for target in "$@"; do
    mkdir -p "$here/corpus/$target" "$here/found"
    [ ! -d "seeds/$target" ] || cp "seeds/$target"/* "$here/corpus/$target"
    echo "$target:"
    "$here/$host/release/$target" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=25 -rss_limit_mb=3000 -verbosity=0 \
        -artifact_prefix="$here/found/$target-" "$here/corpus/$target"
done
