#!/bin/sh
# What the build and the tests need, and the Debian packages that have it.
#
#   setup.sh install build|demo|bench|aarch64|all   installs what is missing for it; does nothing if all is there
#   setup.sh check build|demo|bench|aarch64|all     fails and says what is missing, if something is
#   setup.sh cargo                                  prints how to run cargo

cd "$(dirname "$0")" || exit
prefix=${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
machine=$(uname -m)
missing=''

fail() {
    echo "setup: $*" >&2
    exit 1
}

# What is missing is named by its package. A package can be named twice.
miss() { case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac; }
program() { command -v "$1" >/dev/null || miss "$2"; }
file() { [ -e "$1" ] || miss "$2"; }
header() { echo "#include <$1>" | ${CC:-cc} -I/usr/include/libxml2 -E - >/dev/null 2>&1 || miss "$2"; }
# A tool of LLVM may also be on PATH, with -22 after its name.
llvm() { [ -x "$prefix/bin/$1" ] || program "$1-22" "$2"; }

need_build() {
    need_rust
    program cc gcc
    program g++ g++
    header stdio.h libc6-dev
    file /etc/ssl/certs/ca-certificates.crt ca-certificates
    llvm clang clang-22
    if [ "$prefix" = /usr/lib/llvm-22 ]; then
        file "$prefix/bin/llvm-config" llvm-22-dev
        file "$prefix/lib/libLLVMCore.a" llvm-22-dev
        file "$prefix/lib/libPolly.a" libpolly-22-dev
    elif [ ! -x "$prefix/bin/llvm-config" ]; then
        fail "LLVM_SYS_221_PREFIX is $prefix, but there is no $prefix/bin/llvm-config"
    fi
    # What LLVM is linked with, where that is known.
    libraries=$("$prefix/bin/llvm-config" --link-static --system-libs 2>/dev/null || echo '-lz -lzstd -lxml2 -lz3')
    case $libraries in *-lzstd*) header zstd.h libzstd-dev ;; esac
    case "$libraries " in *"-lz "*) header zlib.h zlib1g-dev ;; esac
    case $libraries in *xml2*) header libxml/xmlversion.h libxml2-dev ;; esac
    case $libraries in *z3*) header z3.h libz3-dev ;; esac
}

need_demo() {
    need_build
    llvm lli llvm-22
}

need_bench() {
    need_demo
    header ffi.h libffi-dev
    program strace strace
    program valgrind valgrind
}

# To build for AArch64 and to run it by qemu. `make test-aarch64` gets what is for AArch64 itself.
need_aarch64() {
    need_build
    program aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    program aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
    program qemu-aarch64 qemu-user
    program gdb-multiarch gdb-multiarch
    program unshare util-linux
}

need_all() {
    need_bench
    llvm ld.lld lld-22
    # Of clang's sanitizers; gcc brings its own.
    clang=$(command -v clang-22 || echo "$prefix/bin/clang")
    file "$("$clang" -print-file-name=libclang_rt.tsan-$machine.a 2>/dev/null)" libclang-rt-22-dev
    file "$("$clang" -print-file-name=libclang_rt.profile-$machine.a 2>/dev/null)" libclang-rt-22-dev
    llvm llvm-profdata llvm-22
    program openssl openssl
    # Stores that machines share, and what builds the program that talks to them.
    program redis-server redis-server
    program memcached memcached
    file /usr/lib/nginx/modules/ngx_http_dav_ext_module.so libnginx-mod-http-dav-ext
    file /usr/sbin/nginx nginx-light
    # What `mgenjit repl` edits lines with, where it is.
    file "/usr/lib/$machine-linux-gnu/libedit.so.2" libedit2
    program gdb gdb
    program lldb-22 lldb-22
    program perf linux-perf
    # An AArch64 machine's own compiler has this name too, and needs no other libraries.
    if [ "$machine" != aarch64 ]; then
        program aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
        file /usr/aarch64-linux-gnu/lib/crt1.o libc6-dev-arm64-cross
    fi
    program riscv64-linux-gnu-gcc gcc-riscv64-linux-gnu
    file /usr/riscv64-linux-gnu/lib/crt1.o libc6-dev-riscv64-cross
    program qemu-aarch64 qemu-user
    program qemu-riscv64 qemu-user
    program qemu-x86_64 qemu-user
    program node nodejs
    # Of the bindings. npm gets koffi.
    program npm npm
    program luajit luajit
    program go golang-go
    program python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || miss python3-venv
    program pkg-config pkg-config
    program cmake cmake
    program mandoc mandoc
    program zsh zsh
    # What reads the header for other languages.
    python3 -c 'import cffi' 2>/dev/null || /usr/bin/python3 -c 'import cffi' 2>/dev/null || miss python3-cffi
    program luajit luajit
    program bindgen bindgen
    # Debian 12's bindgen, 0.60, reads no anonymous enum with a newer libclang.
    case $(bindgen --version 2>/dev/null || apt-cache policy bindgen 2>/dev/null) in
    *' 0.60.'*) file /usr/lib/llvm-14/lib/libclang-14.so.1 libclang1-14 ;;
    esac
}

# Whether a version, or nothing, is one of Rust that is new enough.
is_recent() {
    case $1 in [0-9]*) [ "$(printf '%s\n' "$rust" "$1" | sort -V | head -n 1)" = "$rust" ] ;; *) false ;; esac
}

# Whether cargo ($1) and rustc ($2) are there and new enough.
is_rust() {
    for command in "$1" "$2"; do
        is_recent "$($command --version 2>/dev/null | sed -n '1s/^[a-z]* //p')" || return 1
    done
}

# Rust that is too old counts as none: Debian's goes beside it.
find_cargo() {
    if [ -n "$CARGO" ]; then
        cargo=$CARGO
        is_rust "$CARGO" "${RUSTC:-rustc}"
    elif is_rust cargo rustc; then
        cargo=cargo
    else
        cargo='env RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc /usr/bin/cargo'
        is_rust /usr/bin/cargo /usr/bin/rustc
    fi
}

need_rust() {
    find_cargo && return
    [ -z "$CARGO" ] || fail "$CARGO and the rustc that it runs must be of Rust $rust or later"
    miss rustc-web
    miss cargo-web
}

can_install() {
    case $1 in
    *-22 | *-22-dev)
        [ -n "$(apt-cache show "$1" 2>/dev/null)" ] || fail "apt knows no package $1. For LLVM 22, add a source that" \
            "has it, such as the LLVM project's own, or set LLVM_SYS_221_PREFIX to where it is installed"
        ;;
    rustc-web | cargo-web)
        candidate=$(LC_ALL=C apt-cache policy "$1" | sed -n 's/^ *Candidate: *//p')
        is_recent "$candidate" || fail "Rust $rust or later is" \
            "needed, and apt has none: install it, for example with rustup. (Debian 12 has it in its security archive.)"
        ;;
    *)
        [ -n "$(apt-cache show "$1" 2>/dev/null)" ] || fail "apt knows no package $1"
        ;;
    esac
}

install() {
    echo "setup: missing:$missing"
    command -v apt-get >/dev/null || fail "there is no apt-get here: install what these Debian packages have by" \
        "other means; for LLVM elsewhere than in /usr/lib/llvm-22, set LLVM_SYS_221_PREFIX"
    if [ "$(id -u)" = 0 ]; then
        as_root='env'
    elif command -v sudo >/dev/null; then
        as_root='sudo'
    else
        fail "this needs root. As root, run: apt-get update && apt-get install$missing"
    fi
    echo "setup: installing with apt-get:$missing"
    $as_root apt-get update -qq || exit
    for package in $missing; do
        can_install "$package"
    done
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

case "$1 $2" in
"install build" | "install demo" | "install bench" | "install aarch64" | "install all")
    "need_$2"
    [ -z "$missing" ] || install
    ;;
"check build" | "check demo" | "check bench" | "check aarch64" | "check all")
    "need_$2"
    [ -z "$missing" ] || fail "missing:$missing. Run \`make setup\`"
    ;;
"cargo ")
    find_cargo
    echo "$cargo"
    ;;
*)
    fail "usage: setup.sh install|check build|demo|bench|aarch64|all, or setup.sh cargo"
    ;;
esac
