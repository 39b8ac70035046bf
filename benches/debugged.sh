#!/bin/sh
# How long gdb takes for a program with many modules: debugged.sh COUNT (from the repository's folder, after `make library`)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -O1 -Iinclude -o "$folder/debugged" benches/debugged.c -Ltarget/release -lmgenjit -Wl,-rpath,"$PWD/target/release"
export MGENJIT_CACHE_DIR="$folder/cache"
"$folder/debugged" "$1" >"$folder/cold"
echo "without gdb:"
"$folder/debugged" "$1"
echo "below gdb:"
gdb -nx -q -batch -ex run --args "$folder/debugged" "$1" 2>&1 | grep modules
echo "announced, without gdb:"
MGENJIT_DEBUG=1 "$folder/debugged" "$1"
