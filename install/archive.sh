#!/bin/sh
# Makes the archive that cargo wrote fit for any program: install/archive.sh ARCHIVE
#
# What cargo writes has all that it was built of, with global names: SQLite, zstd, Rust's standard library, C's memcpy.
# They would take the place of the program's own. Here all becomes one object, in which the names of exports.txt alone
# are global. What these do not need is left out, and so is what is for debuggers and for LLVM's link-time optimiser:
# its plugin of another version makes `nm` and `ar` fail. An archive that is one object already is left alone.
set -e
LC_ALL=C
export LC_ALL
archive=$1
exports=$(dirname "$0")/../tests/exports.txt
linker=${LD:-$(command -v ld.bfd || echo ld)}

[ "$(${AR:-ar} t "$archive" | head -n 2)" != mgenjit.o ] || exit 0
work=$(mktemp -d "$archive.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Without --force-group-allocation, a group, which a linker keeps once of all that it links, would be shared with
# other Rust libraries.
$linker -r --gc-sections --force-group-allocation $(sed 's/^/-u /' "$exports") -o "$work/mgenjit.o" "$archive"
${OBJCOPY:-objcopy} --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd \
    --keep-global-symbols="$exports" "$work/mgenjit.o"
# What was left out leaves names behind that nothing else refers to.
${READELF:-readelf} -rW "$work/mgenjit.o" | awk '{ print $5 }' | sort -u >"$work/referred"
${NM:-nm} -u "$work/mgenjit.o" | awk '{ print $NF }' | sort -u | comm -23 - "$work/referred" >"$work/left"
${OBJCOPY:-objcopy} --strip-symbols="$work/left" "$work/mgenjit.o"
${AR:-ar} rcs "$work/libmgenjit.a" "$work/mgenjit.o"
# Cargo must not take it for one that was changed, and links the same file to two places.
chmod --reference="$archive" "$work/libmgenjit.a"
touch -r "$archive" "$work/libmgenjit.a"
twin=$(dirname "$archive")/deps/libmgenjit.a
if [ "$archive" -ef "$twin" ]; then
    ln -f "$work/libmgenjit.a" "$twin"
fi
mv "$work/libmgenjit.a" "$archive"
