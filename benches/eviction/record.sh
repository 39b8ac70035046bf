#!/usr/bin/env bash
# Records benches/eviction/trace.zst: compiles real sources to measure what each module costs and takes, and has
# workload.c write the order in which a simulated developer asks for them. Takes some minutes, in the folder $1.
# `make record-trace` calls it, with $CARGO, how to run cargo.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
bin=${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}/bin
EDITS=3

# compile PROJECT SOURCE FLAGS…: the IR of a source and of its edits, which add one function each.
compile() {
    local project=$1 source=$2 name language=c edit
    shift 2
    name=$(basename "$source")
    case $name in *.cpp) language=c++ ;; esac
    for ((edit = 0; edit < EDITS; edit++)); do
        local ir=$out/$project.$name.$edit.ll
        if [ ! -s "$ir" ]; then
            # As a front end emits it: for the optimiser, but not optimised.
            { printf '#include "%s"\n' "$source"
              [ $edit = 0 ] || printf 'int mgenjit_edit(int x) { for (int i = 0; i < x; i++) x = x * %d + i; return x; }\n' $edit
            } | "$bin/clang" -x $language -O2 -Xclang -disable-llvm-passes -fPIC -w -S -emit-llvm -o "$ir" "$@" - \
                2>/dev/null || { rm -f "$ir"; echo "record: left out: $source" >&2; break; }
        fi
        echo "$project/$name/$edit $ir"
    done
}

zstd=$(benches/crate.sh zstd-sys)/zstd/lib
blake3=$(benches/crate.sh blake3)/c
sqlite=$(benches/crate.sh libsqlite3-sys)/sqlite3
# Not a dependency: used if cargo has it for something else.
fuzzer=$(ls -d "$(dirname "$(benches/crate.sh blake3)")"/libfuzzer-sys-*/libfuzzer 2>/dev/null | head -n 1 || true)

mkdir -p "$out/repl"
{
    for source in "$zstd"/{common,compress,decompress,dictBuilder}/*.c; do
        compile zstd "$source" -DZSTD_MULTITHREAD -DZSTD_DISABLE_ASM -I"$zstd" -I"$zstd/common"
    done
    for source in "$blake3"/blake3{,_dispatch,_portable}.c; do
        compile blake3 "$source"
    done
    compile blake3 "$blake3/blake3_sse2.c" -msse2
    compile blake3 "$blake3/blake3_sse41.c" -msse4.1
    compile blake3 "$blake3/blake3_avx2.c" -mavx2
    compile blake3 "$blake3/blake3_avx512.c" -mavx512f -mavx512vl
    compile sqlite "$sqlite/sqlite3.c" -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_THREADSAFE=0
    [ -z "$fuzzer" ] || for source in "$fuzzer"/*.cpp; do
        compile fuzzer "$source" -std=c++17
    done
    for source in tests/programs/*.c tests/programs/*.cpp; do
        compile programs "$PWD/$source"
    done
    # What is typed into a REPL: one small function each.
    for ((line = 0; line < 40; line++)); do
        source=$out/repl/line$line.c
        {
            echo '#include <math.h>'
            echo "double line$line(double x) { double y = x;"
            for ((i = 0; i < line % 10; i++)); do
                echo "y = y * sin(x * $i + $line) + sqrt(fabs(y - $i)); for (int i = 0; i < $line; i++) y += i * x;"
            done
            echo "return y; }"
        } >"$source"
        EDITS=1 compile repl "$source"
    done
} >"$out/list"
echo "record: $(wc -l <"$out/list") modules, each at four levels" >&2
target/benches/measure "$out/cache" <"$out/list" | LC_ALL=C sort >"$out/measured"
target/benches/workload <"$out/measured" | zstd -19 -q -f -o benches/eviction/trace.zst
