#!/bin/sh
# Builds library, server and tests for AArch64 Linux and runs the tests by qemu: run.sh CARGO [ARGUMENT...]. The arguments
# are those of `cargo test`, such as `--test c_programs calls`; without any, all that is tested runs. Names of tests are whole
# ones. Then what both machines make is compared. `skipped` names what cannot be tested by qemu, and why.

cd "$(dirname "$0")/../.." || exit
target=$PWD/target/aarch64
host=$1
tests/aarch64/prepare.sh "$host" || exit
shift
(
    # shellcheck disable=SC1091
    . "$target/environment"
    export CHECK_EMULATED=1
    # What tests start finds compilers for AArch64. What builds them does not. The tools of LLVM are this machine's.
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="env -u LLVM_SYS_221_PREFIX PATH=$target/tools:$PATH"
    skip=$(sed -n 's/^\([a-z_:]*\): .*/--skip \1/p' tests/aarch64/skipped)
    $cargo build --release || exit
    $cargo test --release --no-run --test c_programs || exit
    tools='--test build_tool --test cache_tool --test mgenjit_tool --test repl_tool --test run_tool --test server_tool'
    # shellcheck disable=SC2086
    [ $# -gt 0 ] || set -- --no-fail-fast --test c_programs --test debuggers --test server $tools
    # shellcheck disable=SC2086
    exec tests/aarch64/within.sh "$cargo" test --release "$@" -- --exact $skip
)
status=$?
if [ $# = 0 ]; then
    $host test --release --test aarch64 -- --include-ignored || status=1
    echo
    echo 'Skipped:'
    sed 's/^/  /' tests/aarch64/skipped
fi
exit $status
