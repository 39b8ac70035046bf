#!/usr/bin/env bash
# Prints the folder of the source of the crate $1, a dependency. $CARGO is how to run cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

# Not --offline: cargo lists no dependency unless it has all, and a build alone fetches none of the tests'.
metadata=$(${CARGO:-cargo} metadata --format-version 1 --filter-platform "$(uname -m)-unknown-linux-gnu")
folder=$(tr ',' '\n' <<<"$metadata" | sed -n "s|.*\"manifest_path\":\"\(.*/$1-[0-9][^/]*\)/Cargo.toml\".*|\1|p")
[ -d "$folder" ] || { echo "bench: cargo has no source of $1 here" >&2; exit 1; }
echo "$folder"
