#!/bin/sh
# Installs what `make` built, or removes it again: install/install.sh install|uninstall
#
# From the environment: PREFIX (/usr/local), DESTDIR, and the folders below, as the GNU coding standards name them. LIBDIR
# is PREFIX/lib; Debian's packages use PREFIX/lib/x86_64-linux-gnu, or aarch64-linux-gnu. Modes do not depend on the umask.
# CC and LDFLAGS link the tool; STRIP strips it, the server and the helper, unless it is empty.
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
for file in target/release/mgenjit-server target/release/mgenjit-helper target/release/libmgenjit.a target/install/mgenjit.o; do
    [ "$action" = uninstall ] || [ -e "$file" ] || fail "there is no $file: run make first"
done

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
        # It may be another version's.
        [ "$(readlink "$DESTDIR$2")" != "$1" ] || rm -f "$DESTDIR$2"
        return
    fi
    mkdir -p "$DESTDIR${2%/*}"
    ln -sfn "$1" "$DESTDIR$2"
}

# put_text TEMPLATE TARGET: with the folders filled in. Those of PC_ are for pkg-config, which can be told another prefix.
put_text() {
    if [ "$action" = install ]; then
        prefix=$PREFIX libdir=$LIBDIR includedir=$INCLUDEDIR libexecdir=$LIBEXECDIR version=$VERSION soname=$SONAME awk '
            function fill(name, value,    at) {
                while (at = index($0, name))
                    $0 = substr($0, 1, at - 1) value substr($0, at + length(name))
            }
            function below(path,    prefix) {
                prefix = ENVIRON["prefix"] "/"
                return index(path, prefix) == 1 ? "${prefix}/" substr(path, length(prefix) + 1) : path
            }
            {
                fill("@PREFIX@", ENVIRON["prefix"]); fill("@LIBDIR@", ENVIRON["libdir"])
                fill("@INCLUDEDIR@", ENVIRON["includedir"]); fill("@LIBEXECDIR@", ENVIRON["libexecdir"])
                fill("@PC_LIBDIR@", below(ENVIRON["libdir"])); fill("@PC_INCLUDEDIR@", below(ENVIRON["includedir"]))
                fill("@PC_LIBEXECDIR@", below(ENVIRON["libexecdir"]))
                fill("@VERSION@", ENVIRON["version"]); fill("@SONAME@", ENVIRON["soname"]); print
            }' "$1" >"$work/text"
    fi
    put 644 "$work/text" "$2"
}

# Links the tool so that it finds the library, also where the system does not look.
link_tool() {
    case $LIBDIR in
    /usr/lib | /usr/lib64 | "/usr/lib/$(uname -m)-linux-gnu") set -- ;;
    *) set -- -Xlinker -rpath -Xlinker "\$ORIGIN/$(realpath -m --relative-to="$BINDIR" "$LIBDIR")" ;;
    esac
    ${CC:-cc} ${LDFLAGS:-} -o "$work/mgenjit" -Wl,-z,now target/install/mgenjit.o -Ltarget/release -lmgenjit "$@"
}

programs='mgenjit-server mgenjit-helper'
# Built by `make remote`, which not everybody needs.
[ "$action" = install ] && [ ! -e target/release/mgenjit-remote ] || programs="$programs mgenjit-remote"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$action" = install ]; then
    link_tool
    for program in $programs; do cp "target/release/$program" "$work"; done
    strip=${STRIP-strip}
    [ -z "$strip" ] || (cd "$work" && $strip mgenjit $programs)
fi

put 755 "$work/mgenjit" "$BINDIR/mgenjit"
for program in $programs; do
    put 755 "$work/$program" "$LIBEXECDIR/mgenjit/$program"
done
put 755 target/release/libmgenjit.so "$LIBDIR/libmgenjit.so.$VERSION"
put_link "libmgenjit.so.$VERSION" "$LIBDIR/$SONAME"
put_link "$SONAME" "$LIBDIR/libmgenjit.so"
put 644 target/release/libmgenjit.a "$LIBDIR/libmgenjit.a"
# The library looks for both in ../libexec and ../../libexec from where it is.
case $(realpath -m "$LIBEXECDIR") in
"$(realpath -m "$LIBDIR/../libexec")" | "$(realpath -m "$LIBDIR/../../libexec")") ;;
*)
    for program in $programs; do
        put_link "$LIBEXECDIR/mgenjit/$program" "$LIBDIR/mgenjit/$program"
    done
    ;;
esac
put 644 include/mgenjit.h "$INCLUDEDIR/mgenjit.h"
put_text install/mgenjit.pc.in "$LIBDIR/pkgconfig/mgenjit.pc"
put_text install/mgenjit-config.cmake.in "$LIBDIR/cmake/mgenjit/mgenjit-config.cmake"
put_text install/mgenjit-config-version.cmake.in "$LIBDIR/cmake/mgenjit/mgenjit-config-version.cmake"
put 644 install/mgenjit.1 "$MANDIR/man1/mgenjit.1"
put 644 install/completions/mgenjit.bash "$DATADIR/bash-completion/completions/mgenjit"
put 644 install/completions/_mgenjit "$DATADIR/zsh/site-functions/_mgenjit"
# Where gdb looks by itself, if it was installed below the same prefix.
put 644 install/mgenjit-gdb.py "$DATADIR/mgenjit/mgenjit-gdb.py"
put_link "$DATADIR/mgenjit/mgenjit-gdb.py" "$DATADIR/gdb/auto-load$(realpath -m "$LIBDIR")/libmgenjit.so.$VERSION-gdb.py"
for file in LICENSE-MIT LICENSE-APACHE THIRD-PARTY.md; do
    put 644 "$file" "$DATADIR/doc/mgenjit/$file"
done
put 644 install/helgrind.supp "$DATADIR/doc/mgenjit/helgrind.supp"

if [ "$action" = uninstall ]; then
    # Folders that are this library's alone, if nothing else is in them.
    for folder in "$LIBEXECDIR/mgenjit" "$LIBDIR/mgenjit" "$LIBDIR/cmake/mgenjit" "$DATADIR/doc/mgenjit" \
        "$DATADIR/mgenjit"; do
        rmdir "$DESTDIR$folder" 2>/dev/null || true
    done
fi

# Programs find the library once the dynamic linker's cache has it.
[ -z "$DESTDIR" ] || exit 0
export PATH="$PATH:/usr/sbin:/sbin"
is_searched() {
    { ldconfig -N -v 2>/dev/null || true; } | sed -n 's,^\(/[^:]*\):.*,\1,p' | while read -r folder; do
        # Debian's /lib is /usr/lib.
        if [ "$(realpath -m "$folder")" = "$(realpath -m "$LIBDIR")" ]; then
            echo yes
        fi
    done | grep -q yes
}
if is_searched; then
    if [ "$(id -u)" = 0 ]; then
        ldconfig
    else
        echo "install: run ldconfig as root, so that programs find the library"
    fi
elif [ "$action" = install ]; then
    echo "install: the system does not look for libraries in $LIBDIR: link programs with -Wl,-rpath,'$LIBDIR'," \
        "or set LD_LIBRARY_PATH"
fi
