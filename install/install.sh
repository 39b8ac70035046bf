#!/bin/sh
# Installs what `make` built, or removes it again: install/install.sh install|uninstall
#
# From the environment: PREFIX (/usr/local), DESTDIR, and the folders below, as the GNU coding standards name them. LIBDIR
# is PREFIX/lib; Debian's packages use PREFIX/lib/x86_64-linux-gnu. Modes do not depend on the umask.
set -eu
umask 022
cd "$(dirname "$0")/.."

PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
BINDIR=${BINDIR:-$PREFIX/bin}
LIBDIR=${LIBDIR:-$PREFIX/lib}
LIBEXECDIR=${LIBEXECDIR:-$PREFIX/libexec}
INCLUDEDIR=${INCLUDEDIR:-$PREFIX/include}
DATADIR=${DATADIR:-$PREFIX/share}
MANDIR=${MANDIR:-$DATADIR/man}
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME=libmgenjit.so.${VERSION%%.*}

fail() {
    echo "install: $*" >&2
    exit 1
}

action=${1:-}
case $action in
install | uninstall) ;;
*) fail "say install or uninstall" ;;
esac
for folder in "$PREFIX" "$BINDIR" "$LIBDIR" "$LIBEXECDIR" "$INCLUDEDIR" "$DATADIR" "$MANDIR"; do
    case $folder in
    /*) ;;
    *) fail "$folder: the folders to install to must be absolute paths" ;;
    esac
done
if [ "$action" = install ] && ! [ -e target/release/mgenjit-server ]; then
    fail "nothing is built: run make first"
fi

# put MODE SOURCE TARGET
put() {
    if [ "$action" = uninstall ]; then
        rm -f "$DESTDIR$3"
        return
    fi
    mkdir -p "$DESTDIR${3%/*}"
    # Anew, not in place: programs that run the old one keep it.
    install -m "$1" "$2" "$DESTDIR$3"
}

# put_link TEXT TARGET
put_link() {
    if [ "$action" = uninstall ]; then
        rm -f "$DESTDIR$2"
        return
    fi
    mkdir -p "$DESTDIR${2%/*}"
    ln -sfn "$1" "$DESTDIR$2"
}

# put_text TEMPLATE TARGET: with the folders filled in
put_text() {
    if [ "$action" = install ]; then
        awk -v prefix="$PREFIX" -v libdir="$LIBDIR" -v includedir="$INCLUDEDIR" -v version="$VERSION" \
            -v soname="$SONAME" '
            function fill(name, value,    at) {
                while (at = index($0, name))
                    $0 = substr($0, 1, at - 1) value substr($0, at + length(name))
            }
            {
                fill("@PREFIX@", prefix); fill("@LIBDIR@", libdir); fill("@INCLUDEDIR@", includedir)
                fill("@VERSION@", version); fill("@SONAME@", soname); print
            }' "$1" >"$work/text"
    fi
    put 644 "$work/text" "$2"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

server=target/release/mgenjit-server
if [ "$action" = install ] && command -v "${STRIP:-strip}" >/dev/null; then
    "${STRIP:-strip}" -o "$work/server" "$server"
    server=$work/server
fi

put 755 target/install/mgenjit "$BINDIR/mgenjit"
put 755 "$server" "$LIBEXECDIR/mgenjit/mgenjit-server"
put 755 target/release/libmgenjit.so "$LIBDIR/libmgenjit.so.$VERSION"
put_link "libmgenjit.so.$VERSION" "$LIBDIR/$SONAME"
put_link "$SONAME" "$LIBDIR/libmgenjit.so"
put 644 target/release/libmgenjit.a "$LIBDIR/libmgenjit.a"
# The library looks for its server in ../libexec and ../../libexec from where it is.
case $(realpath -m "$LIBEXECDIR") in
"$(realpath -m "$LIBDIR/../libexec")" | "$(realpath -m "$LIBDIR/../../libexec")") ;;
*) put_link "$LIBEXECDIR/mgenjit/mgenjit-server" "$LIBDIR/mgenjit/mgenjit-server" ;;
esac
put 644 include/mgenjit.h "$INCLUDEDIR/mgenjit.h"
put_text install/mgenjit.pc.in "$LIBDIR/pkgconfig/mgenjit.pc"
put_text install/mgenjit-config.cmake.in "$LIBDIR/cmake/mgenjit/mgenjit-config.cmake"
put_text install/mgenjit-config-version.cmake.in "$LIBDIR/cmake/mgenjit/mgenjit-config-version.cmake"
put 644 install/mgenjit.1 "$MANDIR/man1/mgenjit.1"
put 644 install/completions/mgenjit.bash "$DATADIR/bash-completion/completions/mgenjit"
put 644 install/completions/_mgenjit "$DATADIR/zsh/site-functions/_mgenjit"
for file in LICENSE-MIT LICENSE-APACHE THIRD-PARTY.md; do
    put 644 "$file" "$DATADIR/doc/mgenjit/$file"
done

if [ "$action" = uninstall ]; then
    # Folders that are this library's alone, if nothing else is in them.
    for folder in "$LIBEXECDIR/mgenjit" "$LIBDIR/mgenjit" "$LIBDIR/cmake/mgenjit" "$DATADIR/doc/mgenjit"; do
        rmdir "$DESTDIR$folder" 2>/dev/null || true
    done
fi

# Programs find the library once the dynamic linker's cache has it.
[ -z "$DESTDIR" ] || exit 0
export PATH="$PATH:/usr/sbin:/sbin"
searched=$({ ldconfig -N -v 2>/dev/null || true; } | sed -n 's,^\(/[^:]*\):.*,\1,p')
if printf '%s\n' "$searched" | grep -Fqx "$(realpath -m "$LIBDIR")"; then
    if [ "$(id -u)" = 0 ]; then
        ldconfig
    else
        echo "install: run ldconfig as root, so that programs find the library"
    fi
elif [ "$action" = install ]; then
    echo "install: the system does not look for libraries in $LIBDIR: link programs with -Wl,-rpath,$LIBDIR," \
        "or set LD_LIBRARY_PATH"
fi
