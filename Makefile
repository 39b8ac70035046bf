# `make help` lists what there is to make.

CARGO ?= cargo
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
C_STANDARD := -std=c99 -Wall -Wextra -pedantic -Werror

# Everything is built below this folder, wherever the environment would have cargo build.
export CARGO_TARGET_DIR := $(CURDIR)/target
export LLVM_SYS_221_PREFIX ?= /usr/lib/llvm-22

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p;' Cargo.toml | head -n 1)
SONAME := libmgenjit.so.$(firstword $(subst ., ,$(VERSION)))

EXAMPLES := quickstart run build cache server compare runtime
compiling := $(patsubst %,examples-c/common/%.c,events level line list report setup unit)
printing := $(patsubst %,examples-c/common/%.c,json table text units)
measuring := $(patsubst %,examples-c/common/%.c,files measure)
quickstart_sources := examples-c/quickstart.c
run_sources := $(wildcard examples-c/run/*.c) $(compiling)
build_sources := $(wildcard examples-c/build/*.c) $(compiling)
cache_sources := $(wildcard examples-c/cache/*.c) $(printing) $(patsubst %,examples-c/common/%.c,level line list)
server_sources := $(wildcard examples-c/server/*.c) $(printing)
compare_sources := examples-c/compare.c $(measuring)
runtime_sources := $(wildcard examples-c/runtime/*.c) $(compiling) $(measuring)

# The runtime library of examples-c/runtime: as bitcode that is not optimised yet, as an archive, as a shared library.
RUNTIME := $(patsubst %,target/runtime/%,vector.bc map.bc fail.bc libruntime.a libruntime.so)
CLANG := $(shell command -v clang-22 || echo $(LLVM_SYS_221_PREFIX)/bin/clang)

BENCHES := bench first_call_mgenjit first_call_dlopen in_process calls compile_many
bench_sources := $(patsubst %,benches/%.c,bench export harness parallel servers trace) $(measuring)
first_call_mgenjit_sources := benches/first_call_mgenjit.c benches/memory.c examples-c/common/measure.c
first_call_dlopen_sources := benches/first_call_dlopen.c benches/memory.c examples-c/common/measure.c
compile_many_sources := benches/compile_many.c
in_process_sources := benches/in_process.c examples-c/common/measure.c
calls_sources := benches/calls.c examples-c/common/measure.c
measure_sources := benches/eviction/measure.c
workload_sources := benches/eviction/workload.c

HEADERS := include/mgenjit.h $(wildcard examples-c/*/*.h benches/*.h)

.PHONY: all library setup demo test check-c lint header bench bench-cache bench-scale record-trace install uninstall clean help
.DELETE_ON_ERROR:

all: library $(EXAMPLES:%=target/examples-c/%) $(RUNTIME) ## build the library, the compile server and the examples (default)

library:
	$(CARGO) build --release
	@ln -sfn libmgenjit.so target/release/$(SONAME)

.SECONDEXPANSION:

target/examples-c/%: $$($$*_sources) $(HEADERS) | library
	@mkdir -p $(@D)
	$(CC) $(C_STANDARD) $(CFLAGS) -Iinclude -Iexamples-c -o $@ $($*_sources) \
	    -Wl,--as-needed -Ltarget/release -lmgenjit -Wl,-rpath,'$$ORIGIN/../release'

RUNTIME_CFLAGS := $(C_STANDARD) -O2 -fPIC

target/runtime/%.bc: examples-c/runtime/library/%.c examples-c/runtime/library/runtime.h
	@mkdir -p $(@D)
	$(CLANG) $(RUNTIME_CFLAGS) -Xclang -disable-llvm-passes -emit-llvm -c -o $@ $<

target/runtime/%.o: examples-c/runtime/library/%.c examples-c/runtime/library/runtime.h
	@mkdir -p $(@D)
	$(CC) $(RUNTIME_CFLAGS) -c -o $@ $<

target/runtime/libruntime.a: $(patsubst %,target/runtime/%.o,vector map fail)
	@rm -f $@
	$(AR) rcs $@ $^

target/runtime/libruntime.so: $(patsubst %,target/runtime/%.o,vector map fail)
	$(CC) -shared -o $@ $^

target/benches/%: $$($$*_sources) $(HEADERS) | library
	@mkdir -p $(@D)
	$(CC) $(C_STANDARD) $(CFLAGS) -Iinclude -Iexamples-c -Ibenches -o $@ $($*_sources) \
	    -Wl,--as-needed -Ltarget/release -lmgenjit -lffi -ldl -Wl,-rpath,'$$ORIGIN/../release'

# What the build and the tests need, and the Debian package that has it. A tool may also be on PATH with -22
# after its name. $SETUP_FOR is demo where other targets than this machine are not needed.
define setup_script
missing=''
prefix=$$LLVM_SYS_221_PREFIX
tool() { [ -x "$$prefix/bin/$$1" ] || command -v "$$1-22" >/dev/null || missing="$$missing $$2"; }
header() { echo "#include <$$1>" | $(CC) -I/usr/include/libxml2 -E - >/dev/null 2>&1 || missing="$$missing $$2"; }
if [ "$$prefix" = /usr/lib/llvm-22 ]; then
    [ -x "$$prefix/bin/llvm-config" ] && [ -e "$$prefix/lib/libLLVMCore.a" ] || missing="$$missing llvm-22-dev"
    [ -e "$$prefix/lib/libPolly.a" ] || missing="$$missing libpolly-22-dev"
elif [ ! -x "$$prefix/bin/llvm-config" ]; then
    echo "setup: LLVM_SYS_221_PREFIX is $$prefix, but there is no $$prefix/bin/llvm-config" >&2
    exit 1
fi
tool llc llvm-22
tool clang clang-22
tool ld.lld lld-22
header zstd.h libzstd-dev
header zlib.h zlib1g-dev
header libxml/xmlversion.h libxml2-dev
header z3.h libz3-dev
header ffi.h libffi-dev
command -v g++ >/dev/null || missing="$$missing g++"
command -v strace >/dev/null || missing="$$missing strace"
if [ "$$SETUP_FOR" != demo ]; then
    command -v aarch64-linux-gnu-gcc >/dev/null || missing="$$missing gcc-aarch64-linux-gnu"
    [ -e /usr/aarch64-linux-gnu/lib/crt1.o ] || missing="$$missing libc6-dev-arm64-cross"
    command -v riscv64-linux-gnu-gcc >/dev/null || missing="$$missing gcc-riscv64-linux-gnu"
    [ -e /usr/riscv64-linux-gnu/lib/crt1.o ] || missing="$$missing libc6-dev-riscv64-cross"
    command -v qemu-aarch64 >/dev/null && command -v qemu-riscv64 >/dev/null || missing="$$missing qemu-user"
    command -v node >/dev/null || missing="$$missing nodejs"
fi
if ! command -v $(CARGO) >/dev/null; then
    echo "setup: $(CARGO) is not on PATH: install Rust 1.95 or later, for example with rustup" >&2
    exit 1
fi
[ -n "$$missing" ] || exit 0

echo "setup: missing:$$missing"
if ! command -v apt-get >/dev/null; then
    echo "setup: there is no apt-get here: install what these Debian packages have by other means; for LLVM" \
        "elsewhere than in /usr/lib/llvm-22, set LLVM_SYS_221_PREFIX" >&2
    exit 1
fi
if [ "$$(id -u)" = 0 ]; then
    as_root='env'
elif command -v sudo >/dev/null; then
    as_root='sudo'
else
    echo "setup: this needs root. As root, run: apt-get update && apt-get install$$missing" >&2
    exit 1
fi
$$as_root apt-get update -qq || exit
for package in $$missing; do
    if [ -z "$$(apt-cache show "$$package" 2>/dev/null)" ]; then
        echo "setup: apt knows no package $$package. For LLVM 22, add a source that has it, such as" \
            "the LLVM project's own, or set LLVM_SYS_221_PREFIX to where it is installed" >&2
        exit 1
    fi
done
echo "setup: installing"
$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
endef
export setup_script

setup: ## install what is missing (Debian); does nothing if all is there
	@sh -c "$$setup_script"

DEMO_RUN := target/examples-c/run --time --cache-dir target/demo-cache
DEMO_BUILD := target/examples-c/build --time --cache-dir target/demo-cache

demo: export SETUP_FOR := demo
demo: setup ## set up, build, and see it work
	@$(MAKE) --no-print-directory all
	@rm -rf target/demo-cache target/demo-runtime && mkdir -m 700 target/demo-runtime
	@set -e; show() { printf '\n$$ %s\n' "$$*"; "$$@"; }; \
	show target/examples-c/quickstart; \
	for program in fibonacci quicksort matrix; do \
	    show $(DEMO_RUN) examples-c/programs/$$program.ll; \
	    show $(DEMO_RUN) examples-c/programs/$$program.ll; \
	done; \
	show $(DEMO_RUN) --call 'fibonacci(40)' examples-c/programs/fibonacci.ll; \
	show target/examples-c/compare; \
	show $(DEMO_BUILD) -o target/demo-quicksort examples-c/programs/quicksort.ll; \
	show target/demo-quicksort; \
	for time in first second; do \
	    show $(DEMO_BUILD) -o target/demo-program --keep main examples-c/runtime/program.ll $(filter %.bc,$(RUNTIME)); \
	done; \
	show target/demo-program; \
	show target/examples-c/runtime; \
	show target/examples-c/cache stats --cache-dir target/demo-cache; \
	show target/examples-c/cache list --cache-dir target/demo-cache; \
	export MGENJIT_SERVER_MODE=shared XDG_RUNTIME_DIR=$(CURDIR)/target/demo-runtime; \
	show target/examples-c/run --no-cache examples-c/programs/quicksort.ll; \
	show target/examples-c/run --no-cache examples-c/programs/matrix.ll; \
	show target/examples-c/server status; \
	show target/examples-c/server stop

test: setup ## set up, build, and test everything
	@$(MAKE) --no-print-directory all check-c
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --check; fi
	$(CARGO) test --release

check-c: ## check the examples and the header with gcc and clang
	@set -e; \
	for compiler in gcc $(CLANG); do \
	    for source in examples-c/*.c examples-c/*/*.c examples-c/*/*/*.c; do \
	        $$compiler $(C_STANDARD) -O2 -Iinclude -Iexamples-c -c -o /dev/null $$source; \
	    done; \
	    for standard in c99 c11 c++11 c++17; do \
	        printf '#include "mgenjit.h"\n#include "mgenjit.h"\nint unused;\n' | $$compiler -x $${standard%%[0-9]*} \
	            -std=$$standard -Wall -Wextra -pedantic -Werror -Iinclude -fsyntax-only -; \
	    done; \
	done

lint: check-c ## check the style of all code
	$(CARGO) fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings

header: ## write include/mgenjit.h from src/capi
	MGENJIT_WRITE_HEADER=1 $(CARGO) test --release --test header

bench: all $(BENCHES:%=target/benches/%) ## measure against other ways to do the same
	@benches/prepare.sh target/benches
	@target/benches/bench

bench-cache: ## what eviction saves on a recorded trace, beside LRU and others
	$(CARGO) test --release --lib cache::replay -- --nocapture

bench-scale: ## a cache of a million entries beside one of a thousand: 13 GB of disk, a quarter of an hour
	$(CARGO) test --release --lib cache::scale -- --ignored --nocapture

record-trace: all target/benches/measure target/benches/workload ## record the trace of bench-cache anew
	@benches/eviction/record.sh $(CURDIR)/target/eviction

INSTALL_TO := $(DESTDIR)$(PREFIX)

install: ## install below PREFIX (/usr/local), or below DESTDIR/PREFIX, what `make` built
	@test -e target/release/mgenjit-server || { echo "install: run make first" >&2; exit 1; }
	install -d $(INSTALL_TO)/include $(INSTALL_TO)/lib/pkgconfig $(INSTALL_TO)/libexec/mgenjit
	install -m 644 include/mgenjit.h $(INSTALL_TO)/include/
	install -m 755 target/release/libmgenjit.so $(INSTALL_TO)/lib/libmgenjit.so.$(VERSION)
	ln -sfn libmgenjit.so.$(VERSION) $(INSTALL_TO)/lib/$(SONAME)
	ln -sfn $(SONAME) $(INSTALL_TO)/lib/libmgenjit.so
	install -m 644 target/release/libmgenjit.a $(INSTALL_TO)/lib/
	install -m 755 target/release/mgenjit-server $(INSTALL_TO)/libexec/mgenjit/
	@printf '%s\n' 'prefix=$(PREFIX)' 'Name: mgenjit' 'Description: Cached compile server for LLVM IR' \
	    'Version: $(VERSION)' 'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lmgenjit' \
	    'Libs.private: -lgcc_s -lpthread -lm -ldl' > $(INSTALL_TO)/lib/pkgconfig/mgenjit.pc

uninstall: ## remove what `make install` installed
	rm -f $(INSTALL_TO)/include/mgenjit.h $(INSTALL_TO)/lib/libmgenjit.so.$(VERSION) $(INSTALL_TO)/lib/$(SONAME) \
	    $(INSTALL_TO)/lib/libmgenjit.so $(INSTALL_TO)/lib/libmgenjit.a $(INSTALL_TO)/lib/pkgconfig/mgenjit.pc
	rm -rf $(INSTALL_TO)/libexec/mgenjit

clean: ## remove all that was built
	$(CARGO) clean

help: ## list these
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
	    printf '  %-16s %s\n' "$$name" "$$what"; done
