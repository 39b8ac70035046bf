#!/bin/bash
# Cargo runs this in the place of rustc: what is built must not name the folders of whoever built it. Crates are
# called by their names; this package's own sources have paths below it anyway.
#
# With bash, for dash drops variables that have a hyphen, such as CARGO_BIN_EXE_mgenjit-server.
rustc=$1
shift
if [ -n "${CARGO_MANIFEST_DIR:-}" ] && [ -z "${CARGO_PRIMARY_PACKAGE:-}" ]; then
    exec "$rustc" --remap-path-prefix="$CARGO_MANIFEST_DIR=$CARGO_PKG_NAME-$CARGO_PKG_VERSION" "$@"
fi
exec "$rustc" "$@"
