#!/bin/sh
# Builds library, server and tests for AArch64 Linux and runs the tests by qemu: run.sh CARGO [ARGUMENT...]. The arguments
# are cargo's, such as `--test c_programs calls`; without any, all that is tested.

cd "$(dirname "$0")/../.." || exit
target=$PWD/target/aarch64
tests/aarch64/prepare.sh "$1" || exit
shift
# shellcheck disable=SC1091
. "$target/environment"
# What tests start finds compilers for AArch64. What builds them does not.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="env PATH=$target/tools:$PATH"

$cargo build --release || exit
exec tests/aarch64/within.sh "$cargo" test --release --no-fail-fast "$@"
