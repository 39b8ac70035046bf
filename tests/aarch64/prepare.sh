#!/bin/sh
# Makes what builds for AArch64 Linux and runs it by qemu, from Debian's packages: prepare.sh CARGO.
#
# All of it lies in target/aarch64, and nothing else of the system changes: apt has lists and a cache of its own there, and
# packages are unpacked, not installed. What is there already is used again.
#
#   root/          an arm64 system: libraries, headers, LLVM, and Rust's standard library
#   rust/          the rustc that this standard library is of, unless the one that is used has its own
#   tools/         compilers by the names that tests call them by
#   emulator       what the kernel runs AArch64 programs with
#   environment    what to set so that cargo builds for AArch64: a script for sh

set -e
cd "$(dirname "$0")/../.."
target=$PWD/target/aarch64
root=$target/root
cargo=$1
triple=aarch64-unknown-linux-gnu

fail() {
    echo "aarch64: $*" >&2
    exit 1
}

# What LLVM is linked with, what C and C++ programs need, and what the tests load.
packages='libc6-dev libgcc-12-dev libstdc++-12-dev libffi-dev
    llvm-22-dev libpolly-22-dev libclang-rt-22-dev libzstd-dev zlib1g-dev libxml2-dev libz3-dev libedit2'

# Whether the Rust that is used can build for AArch64 as it is, as rustup's can with its target installed.
has_target() {
    rustc=$1
    folder=$($rustc --print target-libdir --target $triple 2>/dev/null) &&
        [ -n "$(find "$folder" -name 'libstd-*.rlib' 2>/dev/null)" ]
}

write_apt_configuration() {
    mkdir -p "$target/apt/state/lists/partial" "$target/apt/cache/archives/partial"
    : >"$target/apt/status"
    cat >"$target/apt/configuration" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Dir::State "$target/apt/state";
Dir::State::status "$target/apt/status";
Dir::Cache "$target/apt/cache";
Acquire::Languages "none";
END
}

private_apt() { APT_CONFIG=$target/apt/configuration apt-get -qq "$@"; }

# unpack FOLDER PACKAGE...: with all that they depend on.
unpack() {
    folder=$1
    shift
    rm -f "$target"/apt/cache/archives/*.deb
    private_apt install --yes --download-only "$@" >"$target/apt/log" 2>&1 || {
        cat "$target/apt/log" >&2
        fail "apt could not get $*"
    }
    mkdir -p "$folder"
    for archive in "$target"/apt/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$folder" --no-same-owner
    done
    rm -f "$target"/apt/cache/archives/*.deb
}

make_root() {
    [ -e "$root.ready" ] && [ "$(cat "$root.ready")" = "$packages" ] && return
    echo 'aarch64: getting an arm64 system of Debian packages: 250 MB'
    rm -rf "$root" "$root.ready"
    write_apt_configuration
    # A source that has nothing for arm64 is no failure: what is missing is told later.
    private_apt update || true
    # The status file is empty, so what is essential is among what they depend on, or is not needed.
    # shellcheck disable=SC2086
    unpack "$root" $packages
    # What links name from the root of a system is in this one.
    find "$root" -type l -lname '/*' | while read -r link; do
        ln -sfnr "$root$(readlink "$link")" "$link"
    done
    # The program says where it lies; what the system has is elsewhere.
    real=$root/usr/lib/llvm-22/bin/llvm-config
    mv "$real" "$real.aarch64"
    cat >"$real" <<END
#!/bin/sh
qemu-aarch64 -L '$root' '$real.aarch64' "\$@" | sed 's# /usr/lib/aarch64-linux-gnu/# $root&#g; s# $root /usr# $root/usr#g'
END
    chmod +x "$real"
    echo "$packages" >"$root.ready"
}

# Rust's own, of the same version on both architectures.
make_rust() {
    has_target "${RUSTC:-rustc}" && return
    [ -e "$target/rust.ready" ] && return
    echo 'aarch64: getting rustc and its standard libraries of Debian packages: 250 MB'
    rm -rf "$target/rust"
    unpack "$target/rust" rustc-web:amd64 libstd-rust-web-dev:amd64
    rust=$(ls -d "$target"/rust/usr/lib/rustlib)
    unpack "$target/rust-arm64" libstd-rust-web-dev:arm64
    mv "$target/rust-arm64/usr/lib/rustlib/$triple" "$rust/"
    rm -rf "$target/rust-arm64"
    cat >"$target/rust/rustc" <<END
#!/bin/sh
LD_LIBRARY_PATH='$target/rust/usr/lib/x86_64-linux-gnu' exec '$target/rust/usr/bin/rustc' "\$@"
END
    chmod +x "$target/rust/rustc"
    : >"$target/rust.ready"
}

# tool NAME COMMAND...: a program by that name.
tool() {
    name=$1
    shift
    printf '#!/bin/sh\nexec %s "$@"\n' "$*" >"$target/tools/$name"
    chmod +x "$target/tools/$name"
}

make_tools() {
    rm -rf "$target/tools"
    mkdir -p "$target/tools"
    for name in cc gcc; do tool $name "aarch64-linux-gnu-gcc --sysroot='$root'"; done
    for name in c++ g++; do tool $name "aarch64-linux-gnu-g++ --sysroot='$root'"; done
    for name in ar nm objcopy objdump ranlib readelf strip; do tool $name aarch64-linux-gnu-$name; done
    # The headers of this machine's clang, and what its programs are linked with there.
    mkdir -p "$target/clang"
    program=$(command -v clang-22 || echo "${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}/bin/clang")
    ln -sfn "$("$program" -print-resource-dir)/include" "$target/clang/include"
    ln -sfn "$root/usr/lib/llvm-22/lib/clang/22/lib" "$target/clang/lib"
    for name in clang clang++; do
        program=$(command -v $name-22 || echo "${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}/bin/$name")
        for called in $name $name-22; do
            tool $called "'$program' --target=aarch64-linux-gnu --sysroot='$root' -resource-dir '$target/clang'"
        done
    done
    real=$target/rust/rustc
    has_target "${RUSTC:-rustc}" && real=$("${RUSTC:-rustc}" --print sysroot)/bin/rustc
    # Cargo says for what it is.
    cat >"$target/tools/rustc" <<END
#!/bin/sh
case " \$* " in *' --target '*) exec '$real' "\$@" ;; esac
exec '$real' --target $triple "\$@"
END
    chmod +x "$target/tools/rustc"
    ${CC:-cc} -O2 -Wall -Wextra -Werror -DROOT="\"$root\"" -DQEMU="\"$(command -v qemu-aarch64)\"" \
        -o "$target/emulator" tests/aarch64/emulator.c
}

write_environment() {
    rust=''
    has_target "${RUSTC:-rustc}" || rust="export RUSTC='$target/rust/rustc'"
    cat >"$target/environment" <<END
export CARGO_TARGET_DIR='$target/build' CARGO_BUILD_TARGET=$triple
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER='$target/tools/cc'
export CC_aarch64_unknown_linux_gnu='$target/tools/cc' CXX_aarch64_unknown_linux_gnu='$target/tools/c++'
export LLVM_SYS_221_PREFIX='$root/usr/lib/llvm-22'
$rust
cargo='${cargo##* }'
END
}

make_root
make_rust
make_tools
write_environment
