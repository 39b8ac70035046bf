#!/bin/bash
# Cargo runs this in the place of rustc, which is its first argument: what is built must not name the folders of whoever
# built it. Crates are called by their names, as is what their build scripts write. This package's own sources have
# paths below it anyway.
#
# With bash, for dash drops variables that have a hyphen, such as CARGO_BIN_EXE_mgenjit-server.
name=${CARGO_PKG_NAME:-}-${CARGO_PKG_VERSION:-}
if [ -n "${CARGO_MANIFEST_DIR:-}" ] && [ -z "${CARGO_PRIMARY_PACKAGE:-}" ]; then
    set -- "$@" --remap-path-prefix="$CARGO_MANIFEST_DIR=$name"
fi
if [ -n "${OUT_DIR:-}" ]; then
    set -- "$@" --remap-path-prefix="$OUT_DIR=$name/out"
fi
exec "$@"
