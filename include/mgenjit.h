/*
 * libmgenjit: a cached compile server for LLVM IR.
 *
 * Give it LLVM IR; it returns native functions to call. Compiled code is kept on disk, keyed by the IR's hash. The next run,
 * in any process, maps the code and calls it, with no compiler in the process.
 *
 * Conventions
 *
 * - A call that can fail returns a mgenjit_status: MGENJIT_STATUS_OK, which is 0, or another MGENJIT_STATUS_…. Its last
 *   parameter is a mgenjit_error **, which may be NULL. On failure it receives an error, which the caller frees with
 *   mgenjit_error_free. On success it is not written. On failure no other out-parameter is written.
 * - Handles are opaque and reference-counted inside: free them in any order. Every …_free(NULL) does nothing. A module, an
 *   address and a function stay valid while any handle of their executor exists (the executor itself, one of its modules
 *   or functions), unless the module is removed: see mgenjit_module_remove.
 * - IR is a pointer and a length in bytes. Names and paths are NUL-terminated UTF-8. A `const char *` that the library
 *   returns belongs to the handle it came from, and lives as long as that handle.
 * - Times are in milliseconds or microseconds, as the end of their names says: _ms or _us.
 * - Executors, modules and functions may be used by many threads at once. A configuration and an error belong to one
 *   thread at a time.
 * - The library prints nothing, installs no signal handler, and leaves no child process to wait for. It may be used in a
 *   child after fork().
 *
 * Compiled code
 *
 * - Compiled code is a part of the process that calls it. The compile server is isolated, so that bad IR cannot harm the
 *   host while it is compiled. Nothing protects the host from what the code does when it runs: a fault ends the process,
 *   and an endless loop does not return. examples-c/survive.c shows what a host can do about that: leave the code from a
 *   signal handler with siglongjmp, run it in a child process, or export it as an executable. Use siglongjmp only to leave
 *   code that was called by its address, never to leave a function of this library.
 * - A linked module keeps what it was linked to. If another module defines a function again, look-ups and modules linked
 *   later get the new one, while callers that are already linked keep calling the old one. To replace a function for its
 *   callers, let them call it through a pointer: examples-c/redefine.c.
 * - LLVM knows the functions of the C library by name. It may compute a call of `sin` at compile time, or turn `printf`
 *   into `puts`, even if a module or the host defines a function of that name. The attribute `nobuiltin` on a call
 *   prevents that: examples-c/library_names.c. clang's -fno-builtin writes it.
 *
 * Examples
 *
 * Each section opens with an example: statements of a C function. They use `ir`, the text of a module that defines
 * i64 @add(i64, i64); `executor`; and `module`, which the executor compiled from `ir` as "add.ll". Most pass NULL for the
 * error and do not look at each status, to be short.
 *
 * Other languages
 *
 * Define MGENJIT_DECLARATIONS_ONLY to leave out what parsers of other languages cannot read: standard headers, inline
 * functions and attributes. Python's cffi and LuaJIT's ffi.cdef read what
 *
 *     cpp -P -DMGENJIT_DECLARATIONS_ONLY mgenjit.h
 *
 * prints. bindgen reads the header as it is. The types used are those of C, bool, size_t, and intN_t and uintN_t of
 * stdint.h. Constants are enumerators, whose parameters, fields and results are int32_t or uint32_t. The preprocessor
 * removes the few macros: the version, and MGENJIT_FOREVER and MGENJIT_SERVER_DEFAULT, which are UINT64_MAX.
 *
 * Linux on x86-64 and, as a preview, AArch64. This file is generated from src/capi: `make header`.
 */

#ifndef MGENJIT_H
#define MGENJIT_H

#ifndef MGENJIT_DECLARATIONS_ONLY
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#define MGENJIT_VERSION_MAJOR 0
#define MGENJIT_VERSION_MINOR 2
#define MGENJIT_VERSION_PATCH 0
/* The value of mgenjit_version_number() in this version. */
#define MGENJIT_VERSION_NUMBER \
    (MGENJIT_VERSION_MAJOR * 1000000 + MGENJIT_VERSION_MINOR * 1000 + MGENJIT_VERSION_PATCH)

/* The type of constants: int32_t, where the compiler can be told. bindgen gives them this type. */
#if !defined(MGENJIT_DECLARATIONS_ONLY) && (defined(__clang__) || defined(__cplusplus))
#define MGENJIT_ENUM __extension__ enum : int32_t
#else
#define MGENJIT_ENUM enum
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Handles. */

// Why a call failed. It is immutable, belongs to the caller, and may move between threads.
typedef struct mgenjit_error mgenjit_error;

// How a process that ran compiled code ended. It does not change.
typedef struct mgenjit_outcome mgenjit_outcome;

// The configuration of executors. It belongs to one thread at a time.
typedef struct mgenjit_config mgenjit_config;

// The inputs of one module. It belongs to one thread at a time while it is changed.
typedef struct mgenjit_source mgenjit_source;

// A set of modules that link to each other.
typedef struct mgenjit_executor mgenjit_executor;

// What a program in a process of its own gets, and what it may do. One thread at a time may change it, and nobody while it is used.
typedef struct mgenjit_isolation mgenjit_isolation;

// A compiled module of an executor.
typedef struct mgenjit_module mgenjit_module;

// A function of a module, with its signature. It keeps its module mapped.
typedef struct mgenjit_function mgenjit_function;

// A process in which functions are called.
typedef struct mgenjit_isolate mgenjit_isolate;

// A compile in the background.
typedef struct mgenjit_task mgenjit_task;

// Immutable bytes.
typedef struct mgenjit_blob mgenjit_blob;

// Options of an export. They belong to one thread at a time.
typedef struct mgenjit_export_options mgenjit_export_options;

// A cache's directory, open for looking into it and changing it.
typedef struct mgenjit_cache mgenjit_cache;

// Steps through the entries of a cache. It belongs to one thread at a time.
typedef struct mgenjit_cache_iterator mgenjit_cache_iterator;

// One entry of a cache. It stays as it was when it was opened, whatever happens to the cache.
typedef struct mgenjit_cache_entry mgenjit_cache_entry;

// Why a module is or is not found in a cache.
typedef struct mgenjit_explanation mgenjit_explanation;

/*
 * Statuses and versions
 *
 *     printf("libmgenjit %s with LLVM %s\n", mgenjit_version_string(), mgenjit_llvm_version());
 *     assert(strcmp(mgenjit_status_name(MGENJIT_STATUS_PARSE), "MGENJIT_STATUS_PARSE") == 0);
 */

MGENJIT_ENUM {
  // Success.
  MGENJIT_STATUS_OK = 0,
  // A parameter is NULL, not UTF-8, or out of range.
  MGENJIT_STATUS_INVALID_ARGUMENT = 1,
  // A file could not be read or written.
  MGENJIT_STATUS_IO = 2,
  // The input is neither IR text nor bitcode that this version of LLVM can read.
  MGENJIT_STATUS_PARSE = 3,
  // The IR breaks a rule of the language.
  MGENJIT_STATUS_VERIFY = 4,
  // The IR is for another target or data layout than the one compiled for, or the call would run code of another
  // target.
  MGENJIT_STATUS_TARGET = 5,
  // LLVM could not generate code.
  MGENJIT_STATUS_CODEGEN = 6,
  // The generated code could not be linked into an image.
  MGENJIT_STATUS_LINK = 7,
  // Modules need symbols that are defined nowhere. mgenjit_error_symbol lists them.
  MGENJIT_STATUS_UNRESOLVED = 8,
  // There is no symbol of that name.
  MGENJIT_STATUS_NOT_FOUND = 9,
  // The arguments do not match the function's signature, or the function cannot be called this way. Or a new version of a
  // module lacks functions of the old one or changes their types.
  MGENJIT_STATUS_TYPE = 10,
  // The compile server was not found or could not be started. Code in the cache still runs.
  MGENJIT_STATUS_SERVER_UNAVAILABLE = 11,
  // The compile server died while it compiled this input. The next compile gets a new one.
  MGENJIT_STATUS_SERVER_CRASHED = 12,
  // The compile server that was found belongs to another version of this library.
  MGENJIT_STATUS_SERVER_MISMATCH = 13,
  // An image could not be mapped.
  MGENJIT_STATUS_LOAD = 14,
  // A shared library could not be loaded.
  MGENJIT_STATUS_LIBRARY = 15,
  // The module was removed from its executor, or replaced.
  MGENJIT_STATUS_REMOVED = 16,
  // A bug in this library, caught at its boundary. Please report it.
  MGENJIT_STATUS_PANIC = 17,
  // This machine lacks features of the CPU chosen with mgenjit_config_set_cpu.
  MGENJIT_STATUS_CPU = 18,
  // A cache entry or a bundle is damaged.
  MGENJIT_STATUS_DAMAGED = 19,
  // A cache entry has no signature by a trusted key.
  MGENJIT_STATUS_UNTRUSTED = 20,
  // The cache cannot be used: its directory or index is unusable, or another process holds it for too long.
  // Compiling never fails with this status.
  MGENJIT_STATUS_CACHE = 21,
  // Compiling again gave another result than the cache has.
  MGENJIT_STATUS_DIFFERENT = 22,
  // The linker for exports is missing, failed, or timed out.
  MGENJIT_STATUS_LINKER = 23,
  // The target or module cannot be exported as the requested kind.
  MGENJIT_STATUS_UNSUPPORTED = 24,
  // A compile exceeded its time limit and was stopped, or a compile server did not answer or end in time.
  MGENJIT_STATUS_TIMEOUT = 25,
  // A compile exceeded its memory limit and was stopped, or this process can get no more memory or mappings.
  MGENJIT_STATUS_MEMORY = 26,
  // The inputs of a compile exceed the size limit.
  MGENJIT_STATUS_TOO_LARGE = 27,
  // The compile was cancelled.
  MGENJIT_STATUS_CANCELLED = 28,
  // A function that was called in a process of its own ended that process: it crashed, exited or met a limit. mgenjit_error_outcome
  // tells how. The next call gets a new process.
  MGENJIT_STATUS_ENDED = 29
};

// The result of a call: MGENJIT_STATUS_OK, or the kind of error.
typedef int32_t mgenjit_status;

// The name of a status, such as "MGENJIT_STATUS_PARSE"; "unknown status" for other numbers. The string is static.
const char *mgenjit_status_name(mgenjit_status status);

// The version of the running library. MGENJIT_VERSION_NUMBER is that of the header.
uint32_t mgenjit_version_number(void);

// The version as text, such as "0.2.0". The string is static.
const char *mgenjit_version_string(void);

// The version of LLVM that compiles, such as "22.1.8". It is part of every key. The string is static.
const char *mgenjit_llvm_version(void);

// A digest of the sources that determine the generated code: 16 hexadecimal digits. A library uses only compile servers of
// its own build. It is part of every key. The string is static.
const char *mgenjit_build_id(void);

/*
 * Errors
 *
 * A call that fails gives the caller a mgenjit_error: what went wrong, where, and what to do.
 *
 *     const char *bad = "define i32 @f() {\n  ret i32 %missing\n}\n";
 *     mgenjit_error *error = NULL;
 *     if (mgenjit_executor_compile(executor, "bad.ll", bad, strlen(bad), NULL, &error) != MGENJIT_STATUS_OK) {
 *         fprintf(stderr, "%s\n", mgenjit_error_message(error)); // bad.ll:2:11: …
 *         assert(mgenjit_error_line(error) == 2);
 *         mgenjit_error_free(error);
 *     }
 */

// The status of the call that failed. MGENJIT_STATUS_OK for NULL.
mgenjit_status mgenjit_error_status(const mgenjit_error *error);

// What went wrong, in a sentence or a few lines, without a newline at the end. An error of a module begins with the
// module's name and the position, as in "demo.ll:3:7: …". "" for NULL.
const char *mgenjit_error_message(const mgenjit_error *error);

// The line in the IR text, from 1. 0 if the error has no position.
uint32_t mgenjit_error_line(const mgenjit_error *error);

// The column in that line, in bytes from 1. 0 if it is not known.
uint32_t mgenjit_error_column(const mgenjit_error *error);

// The text of that line. NULL if the error has no position.
const char *mgenjit_error_source_line(const mgenjit_error *error);

// How many symbols the error is about. For MGENJIT_STATUS_UNRESOLVED, these are all that are missing; for an error of
// mgenjit_module_replace, the functions that are gone or have changed.
size_t mgenjit_error_symbol_count(const mgenjit_error *error);

// The name of the symbol at `index`. NULL past the last.
const char *mgenjit_error_symbol(const mgenjit_error *error, size_t index);

// How the process ended that ran the code that the error is about. NULL if it is about something else, and for NULL. It belongs to
// the error.
const mgenjit_outcome *mgenjit_error_outcome(const mgenjit_error *error);

// Frees an error. NULL does nothing.
void mgenjit_error_free(mgenjit_error *error);

/*
 * Events
 *
 * An event hook is told what an executor does: see mgenjit_config_set_event_hook.
 *
 *     mgenjit_times times = {.size = sizeof times};
 *     mgenjit_module_times(module, &times, NULL);
 *     printf("%llu us in all, %llu us of them in the compile server\n", (unsigned long long)times.total_us,
 *            (unsigned long long)times.compile_us);
 */

MGENJIT_ENUM {
  // A cache hit. `bytes`: the size of the entry.
  MGENJIT_EVENT_HIT = 1,
  // A cache miss. `message`: why the cache was not used, if it was not.
  MGENJIT_EVENT_MISS = 2,
  // A compile server starts to compile. `bytes`: the size of the IR.
  MGENJIT_EVENT_COMPILE_STARTED = 3,
  // The module was compiled. `bytes`: the size of the image. `message`: the number of its pieces, and how many of these the cache
  // had, if it was compiled in pieces.
  MGENJIT_EVENT_COMPILED = 4,
  // The code was stored in the cache. `bytes`: the size of the entry.
  MGENJIT_EVENT_STORED = 5,
  // The code is mapped. It is linked at the first look-up. `bytes`: of address space.
  MGENJIT_EVENT_LOADED = 6,
  // Something is wrong with the cache. This costs only time. `message`: what is wrong, and where.
  MGENJIT_EVENT_CACHE_WARNING = 7,
  // Compiling again gave another result than the cache has: see mgenjit_config_set_cache_verify. `bytes`: the size of the
  // cached image.
  MGENJIT_EVENT_DIFFERENT = 8,
  // The compile server could not be fully isolated: untrusted IR might read files, or do worse if it finds a bug in LLVM.
  // `message`: what this system lacks. Sent once for each executor.
  MGENJIT_EVENT_NOT_ISOLATED = 9,
  // The shared compile server could not be used and a private one does the work, which costs only time; or the log of a new
  // server cannot be written. `message`: which, and why.
  MGENJIT_EVENT_SERVER_WARNING = 10,
  // Progress of a compile, about ten times a second. `message`: the current step: "queue" (waiting for compiles of other
  // clients), "parse", "optimise", "codegen", "link" or "pieces" (of a module that is compiled in pieces). `done` and `total`:
  // functions of the module, or its pieces; for "queue", `total` is how many compiles are ahead.
  MGENJIT_EVENT_PROGRESS = 11,
  // The module was compiled, but its inputs look wrong: one calls a function in a way that does not match its definition in
  // another. `message`: which. Sent when a module is compiled, not on a cache hit. Or perf cannot be told of the code: see
  // mgenjit_config_set_perf.
  MGENJIT_EVENT_WARNING = 12,
  // The entry was fetched from a remote, and is in the cache now. `message`: which remote. `bytes`: the entry's file. It is
  // sent instead of MGENJIT_EVENT_HIT, after MGENJIT_EVENT_MISS.
  MGENJIT_EVENT_REMOTE_HIT = 13,
  // A remote cannot be used, or has something that must not be: see mgenjit_config_set_remote. `message`: what is wrong.
  MGENJIT_EVENT_REMOTE_WARNING = 14,
  // The module's functions are now code of the second tier: see mgenjit_config_set_tiers. `key`: of that code. `message`: its
  // level. `bytes`: of address space. It is sent on a thread of the library's, or on one that looks something up.
  MGENJIT_EVENT_SWITCHED = 15
};

// What the steps of a compile took, in microseconds. 0 for a step that did not happen.
typedef struct mgenjit_times {
  // sizeof(mgenjit_times), in the version of the library that filled it in.
  size_t size;
  // Hash the IR, for the key.
  uint64_t hash_us;
  // Find the entry and verify its digest.
  uint64_t find_us;
  // Wait for another thread or process that compiles the same code.
  uint64_t wait_us;
  // Start a compile server.
  uint64_t start_us;
  // In the server: parse and verify the IR, and make it canonical.
  uint64_t parse_us;
  // In the server: optimise.
  uint64_t optimise_us;
  // In the server: generate the object.
  uint64_t codegen_us;
  // In the server: link the object into an image.
  uint64_t link_us;
  // From the request to the server's answer. Includes the four steps above.
  uint64_t compile_us;
  // Store the entry in the cache.
  uint64_t store_us;
  // Map the image.
  uint64_t map_us;
  // At the first look-up: resolve symbols, relocate, and run constructors.
  uint64_t bind_us;
  // The sum. parse, optimise, codegen and link are part of compile.
  uint64_t total_us;
  // Ask remotes, until something was found or the compile started. Part of the sum.
  uint64_t remote_us;
} mgenjit_times;

// One event. It and everything it points to live until the hook returns.
typedef struct mgenjit_event {
  // sizeof(mgenjit_event), in the version of the library that filled it in. Fields beyond it do not exist.
  size_t size;
  // One of MGENJIT_EVENT_….
  int32_t kind;
  // The module's key: 64 hexadecimal digits.
  const char *key;
  // The module's name.
  const char *name;
  // Details, or "".
  const char *message;
  // A number of bytes: see each kind.
  uint64_t bytes;
  // The times of the module's steps so far.
  const mgenjit_times *times;
  // Progress, `done` of `total`: see each kind. Both are 0 if it is not known.
  uint64_t done;
  uint64_t total;
} mgenjit_event;

// Receives events: see mgenjit_config_set_event_hook.
typedef void (*mgenjit_event_hook)(const mgenjit_event *event, void *user);

/*
 * Configurations
 *
 * A mgenjit_config says how executors compile and where they cache. It is copied when it is used: changing or freeing it
 * later changes nothing that was made from it.
 *
 *     mgenjit_config *config;
 *     mgenjit_config_new(&config, NULL);
 *     mgenjit_config_set_opt_level(config, MGENJIT_OPT_O3, NULL);
 *     mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, NULL);
 *     mgenjit_executor *fast;
 *     assert(mgenjit_executor_new(config, &fast, NULL) == MGENJIT_STATUS_OK);
 *     mgenjit_config_free(config);
 *     mgenjit_executor_free(fast);
 */

MGENJIT_ENUM {
  // perf is told nothing.
  MGENJIT_PERF_OFF = 0,
  // Functions are listed in the file /tmp/perf-PID.map.
  MGENJIT_PERF_MAP = 1,
  // Functions and their code are written to a file jit-PID.dump.
  MGENJIT_PERF_JITDUMP = 2,
  // With one of the others, by |: also what is mapped from a file.
  MGENJIT_PERF_ALL = 4
};

MGENJIT_ENUM {
  // No optimisation.
  MGENJIT_OPT_O0 = 0,
  // LLVM's standard pipeline O1.
  MGENJIT_OPT_O1 = 1,
  // LLVM's standard pipeline O2, the default.
  MGENJIT_OPT_O2 = 2,
  // LLVM's standard pipeline O3.
  MGENJIT_OPT_O3 = 3,
  // LLVM's standard pipeline Os: like O2, but smaller code.
  MGENJIT_OPT_OS = 4,
  // LLVM's standard pipeline Oz: as small as possible.
  MGENJIT_OPT_OZ = 5
};

MGENJIT_ENUM {
  // Large modules are compiled in pieces, the default.
  MGENJIT_PARTITION_AUTOMATIC = 0,
  // Every module is compiled as one.
  MGENJIT_PARTITION_OFF = -1
};

MGENJIT_ENUM {
  // Read the cache and store in it, the default.
  MGENJIT_CACHE_READ_WRITE = 0,
  // Read the cache, store nothing.
  MGENJIT_CACHE_READ_ONLY = 1,
  // No cache: always compile.
  MGENJIT_CACHE_OFF = 2
};

// Creates a configuration with the defaults. Free it with mgenjit_config_free.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_new(mgenjit_config **config, mgenjit_error **error);

// Frees a configuration. NULL does nothing.
void mgenjit_config_free(mgenjit_config *config);

// Sets the optimisation level: one of MGENJIT_OPT_…. Default: MGENJIT_OPT_O2.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_opt_level(mgenjit_config *config,
                                            int32_t level,
                                            mgenjit_error **error);

// Sets whether large modules are compiled in pieces: MGENJIT_PARTITION_AUTOMATIC, MGENJIT_PARTITION_OFF, or the size of
// a piece in IR instructions, from 1 on. A size cuts small modules too. Default: $MGENJIT_PIECES,
// "auto", "off" or a size; if it is not set, MGENJIT_PARTITION_AUTOMATIC.
//
// A module with 8,000 IR instructions or more is large. Its pieces are compiled at the same time, by as many servers as
// mgenjit_config_set_max_servers allows. Each is an entry in the cache, so after an edit only the pieces that contain or
// inline what changed are compiled again. The image and the object are the same whatever the cache had. Compiled as one:
// replaceable modules, modules whose assembly names what only they can see, and code for other targets than ELF systems
// on x86-64, AArch64 and RISC-V.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_partition(mgenjit_config *config,
                                            int32_t size,
                                            mgenjit_error **error);

// Sets whether functions can be replaced while code runs: see "Replacement". Default: false.
//
// Then each function that others can see has a stable address, and calls of it go through a stub. It is neither inlined
// into other functions nor analysed for their sake. Functions that only their module sees are optimised as ever: make
// functions internal (`static` in C), or keep only some (mgenjit_source_keep). Modules are not compiled in pieces.
//
// What was inlined before the IR came here cannot be replaced: give IR that is not optimised yet, or that clang compiled
// with -fPIC -fsemantic-interposition. What the IR states of a function, such as `memory(none)` or `nounwind`, must be true of
// all its versions. In objects, those calls are redirected that neither the compiler nor the assembler has bound: compile
// them with -fPIC and default visibility. A function that the process has already as the same inline function of C++ is the
// process's. Code that is exported is what runs here, for ordinary linkers and loaders: its functions can be interposed,
// and nothing replaces them. The setting is part of the key.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_replaceable(mgenjit_config *config,
                                              bool on,
                                              mgenjit_error **error);

// Makes the IR itself the source that debuggers show, for functions that have no debug information. Debuggers then step
// through the IR text, break at its lines, and show arguments and values by name: `%x` as `x`, `%3` as `_3`, and an
// `alloca` as its content. Most values are visible at MGENJIT_OPT_O0. Default: false.
//
// If a text file was compiled, debuggers show that file. For IR in memory and for bitcode, the library writes the text to a
// file that is named after the module, "x.ll". It is in the cache directory, below v4/ir, and is removed after its entry.
// Without a writable cache, it is in a temporary folder that is removed with the executor. The code contains the path of
// the text: another file, module name or cache directory means another compile.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_debug_ir(mgenjit_config *config,
                                           bool on,
                                           mgenjit_error **error);

// Sets how the profiler perf learns of code that is not mapped from a file: MGENJIT_PERF_OFF, MGENJIT_PERF_MAP or
// MGENJIT_PERF_JITDUMP. Cached code needs neither, because perf reads its file; `| MGENJIT_PERF_ALL` adds it anyway.
// Default: $MGENJIT_PERF, which is "map" or "jitdump", with ",all" for MGENJIT_PERF_ALL; else MGENJIT_PERF_OFF.
//
// A jitdump also has source lines. Use it with `perf record -k 1` and `perf inject --jit`. It is in a new folder below
// .debug/jit, in $JITDUMPDIR, else $HOME, else the current directory. The library never deletes a map or a jitdump, and
// the removal of a module removes nothing from them.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. If a file cannot be written, the event hook gets MGENJIT_EVENT_WARNING.
mgenjit_status mgenjit_config_set_perf(mgenjit_config *config,
                                       int32_t kind,
                                       mgenjit_error **error);

// Sets the CPU that code is generated for. "native", the default, also if NULL: this machine, with all its features. Or a
// name for all machines that have certain features, so that different machines can share a cache. On x86-64 it is a level of
// the psABI, "x86-64", "x86-64-v2", "x86-64-v3" or "x86-64-v4". On AArch64 it is "generic", a level of the architecture,
// "armv8-a", "armv8.1-a" to "armv8.9-a" or "armv9-a" to "armv9.5-a", or a CPU by LLVM's name, such as "neoverse-n1" or
// "apple-m1". Functions with a "target-cpu" attribute are compiled for that CPU.
//
// On a machine that lacks features of the level or the CPU, every compile fails with MGENJIT_STATUS_CPU, cached or not.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cpu(mgenjit_config *config,
                                      const char *cpu,
                                      mgenjit_error **error);

// Sets a target other than this machine, for code that is exported and not run.
//
// `triple` is LLVM's, such as "aarch64-linux-gnu", "riscv64-linux-gnu", "x86_64-linux-gnu" or "wasm32-unknown-unknown".
// NULL resets the target to this machine: see mgenjit_config_set_cpu. `cpu` is LLVM's name, such as "cortex-a72" or
// "x86-64-v3"; NULL: the triple's generic CPU. `features` are added to those of the CPU, such as "+sve,-crc"; NULL: none.
//
// Modules for another target are compiled, cached and exported like all others. Functions that would run their code, such
// as mgenjit_module_lookup, fail with MGENJIT_STATUS_TARGET. A name that LLVM does not know is an error of the compile.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_target(mgenjit_config *config,
                                         const char *triple,
                                         const char *cpu,
                                         const char *features,
                                         mgenjit_error **error);

// Sets the program that links executables, and shared libraries with libraries or flags of their own: a C compiler driver
// such as "gcc", "clang-22" or "aarch64-linux-gnu-gcc", or a linker such as "wasm-ld". A name without a slash is looked up
// on $PATH when it is used. Default, also if NULL: $MGENJIT_CC, else "cc".
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_linker(mgenjit_config *config,
                                         const char *program,
                                         mgenjit_error **error);

// Sets the time after which a linker is stopped. 0: never. Default: 300,000 ms, five minutes.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_linker_timeout(mgenjit_config *config,
                                                 uint64_t timeout_ms,
                                                 mgenjit_error **error);

// Limits what one compile may take. 0, the default of each: no limit.
//
// `time_ms` is from the request to the answer. Waiting for a busy server counts, starting one does not. `memory_bytes` is
// beyond what an idle compile server and the inputs take. `input_bytes` is for all inputs together.
//
// A compile that exceeds a limit fails with MGENJIT_STATUS_TIMEOUT, MGENJIT_STATUS_MEMORY or MGENJIT_STATUS_TOO_LARGE. Its
// server is abandoned; another is started when needed.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_compile_limits(mgenjit_config *config,
                                                 uint64_t time_ms,
                                                 uint64_t memory_bytes,
                                                 uint64_t input_bytes,
                                                 mgenjit_error **error);

// Sets a folder for reproducers of compiles that crash the compile server or exceed a limit. It is created when needed.
// Each reproducer is a folder in it: the inputs, the options, the versions, and a script that repeats the compile with
// LLVM's own tools. The error's message names it. Default, NULL: none.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_reproducer_dir(mgenjit_config *config,
                                                 const char *path,
                                                 mgenjit_error **error);

// Sets the cache's directory. It is created, with mode 0700, when something is first stored. A directory that belongs to
// another user, or that others may write, is not used: code in a cache is run.
//
// An entry is verified each time it is used, and then mapped from its file. The library never changes an entry's file, and
// its mode is 0444. But anybody who may write to the directory can change it, and with it the code that runs from it; if
// the file is cut short, processes that run its code get a SIGBUS. Trusted keys prevent both: see
// mgenjit_config_add_cache_trusted_key.
//
// Default, also if NULL: $MGENJIT_CACHE_DIR, else $XDG_CACHE_HOME/mgenjit, else $HOME/.cache/mgenjit. If none of these
// variables is set, nothing is cached.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_dir(mgenjit_config *config,
                                            const char *path,
                                            mgenjit_error **error);

// Sets how the cache is used: one of MGENJIT_CACHE_…. Default: MGENJIT_CACHE_READ_WRITE.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_mode(mgenjit_config *config,
                                             int32_t mode,
                                             mgenjit_error **error);

// Adds a read-only cache below the cache: a directory, or a bundle (mgenjit_cache_export). On a cache miss, the layers are
// searched in the order in which they were added, and their entries used in place. A layer must belong to the user or to root,
// and others must not be able to write it; otherwise it is ignored and the event hook is told. A layer that does not exist is
// empty. Replace a bundle by renaming another one over it.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_add_cache_layer(mgenjit_config *config,
                                              const char *path,
                                              mgenjit_error **error);

// Limits the cache: its bytes, its entries, and how long ago an entry was last used. 0: no limit. Defaults: 5 GiB, no
// limit, no limit.
//
// When something is stored and a limit is exceeded, entries are evicted: first those that saved the least compile time for
// each byte and have not been used for a long time. Pinned ones stay. Eviction does a little at a time, so a limit may be
// exceeded for a moment.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_limits(mgenjit_config *config,
                                               uint64_t max_bytes,
                                               uint64_t max_entries,
                                               uint64_t max_age_ms,
                                               mgenjit_error **error);

// Sets whether an entry is written to disk (fsync) before it appears, so that a power cut cannot lose it. Default: false.
// Then an entry torn by a power cut is noticed by its digest, and compiled again.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_sync(mgenjit_config *config,
                                             bool on,
                                             mgenjit_error **error);

// Sets whether an entry keeps the IR that it was compiled from, compressed. Default: true. mgenjit_cache_verify can compile
// it again.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_keep_ir(mgenjit_config *config,
                                                bool on,
                                                mgenjit_error **error);

// Sets whether the cache has a journal and an index. Default: true. Without them there are no statistics, and only
// mgenjit_cache_trim evicts, by the age of the files. On network file systems, where locks and appends are not reliable,
// there are none in any case.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_index(mgenjit_config *config,
                                              bool on,
                                              mgenjit_error **error);

// Sets whether every hit is also compiled and compared with the cache. Default: false. If they differ, the compile fails
// with MGENJIT_STATUS_DIFFERENT, and the event hook gets MGENJIT_EVENT_DIFFERENT.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_verify(mgenjit_config *config,
                                               bool on,
                                               mgenjit_error **error);

// Sets whether code is announced to gdb and lldb. true: always, also for debuggers that attach later and for core files.
// Each module then takes as much more memory as its file has bytes, and the time to copy it. false: never. Use it if a
// program has thousands of modules: each takes a debugger longer than the one before. Default: $MGENJIT_DEBUG, where 0 means
// never and any other value always; if it is not set, code is announced if a debugger is present.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_debug(mgenjit_config *config,
                                        bool on,
                                        mgenjit_error **error);

// Sets the file of the key that signs what is stored. Default, NULL: nothing is signed. The file has an Ed25519 private key,
// as `openssl genpkey -algorithm ed25519` writes it, or a BLAKE3 secret, 64 hexadecimal digits, as `openssl rand -hex 32`
// does. It is read at once. Nobody else may be able to read it.
//
// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_signing_key(mgenjit_config *config,
                                                    const char *path,
                                                    mgenjit_error **error);

// Adds a trusted key. Once there is one, an entry that no trusted key signed is a miss, and the event hook is told; and
// nothing is stored unless mgenjit_config_set_cache_signing_key sets a trusted key.
//
// The file has an Ed25519 public key, as `openssl pkey -pubout` writes it, or the BLAKE3 secret. It is read at once. It must
// belong to this user or to root, and nobody else may be able to write it. Users with different keys replace each other's
// entries in a common directory: give each a directory.
//
// With trusted keys, an entry's code is copied into memory, verified there, and run from there: later changes of the file
// do not reach the code that runs. Processes then do not share that memory. Debuggers and profilers still find the file's
// name.
//
// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_add_cache_trusted_key(mgenjit_config *config,
                                                    const char *path,
                                                    mgenjit_error **error);

// Sets how long a miss waits for another thread or process that already compiles the same code, before it compiles for
// itself. Default: 60,000 ms.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_lock_timeout(mgenjit_config *config,
                                               uint64_t timeout_ms,
                                               mgenjit_error **error);

// Sets a function that is told what executors do: see mgenjit_event. It runs on the thread that made the call, before that
// call returns, and perhaps on several threads at once. It may call this library. It must not throw. NULL removes the hook.
//
// `user` is passed to each call of `hook`. `user_free`, if not NULL, is called with it when nothing uses it any more: when
// the configuration and everything made from it are freed, or the hook was replaced.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. Then `user_free` is not called.
mgenjit_status mgenjit_config_set_event_hook(mgenjit_config *config,
                                             mgenjit_event_hook hook,
                                             void *user,
                                             void (*user_free)(void *user),
                                             mgenjit_error **error);

/*
 * Configurations: remotes
 *
 * A remote is a store that several machines share: Redis, S3, a web server. It is asked when the cache of this machine has no
 * entry, and gets what is compiled here. What is fetched is stored in the cache, so each machine fetches once. A remote that
 * fails or is slow never makes a compile fail: the module is compiled, and the remote is left alone for a while.
 *
 *     mgenjit_config *config;
 *     mgenjit_config_new(&config, NULL);
 *     mgenjit_config_set_remote(config, "redis://cache.example.org", MGENJIT_REMOTE_READ | MGENJIT_REMOTE_UNSIGNED, NULL);
 *     mgenjit_config_set_remote_timeouts(config, 100, 1000, 10, NULL);
 *     mgenjit_config_free(config);
 */

MGENJIT_ENUM {
  // Fetch entries.
  MGENJIT_REMOTE_READ = 1,
  // Put entries that were compiled here.
  MGENJIT_REMOTE_WRITE = 2,
  // With one of the others, by |: entries that nobody signed are fetched and put. Whoever can write to the remote can then
  // have every program that reads from it run any code.
  MGENJIT_REMOTE_UNSIGNED = 4
};

// Sets the remotes. `url` is one, or several with spaces between them, which are asked in this order; "" is none. Default,
// also if NULL: $MGENJIT_REMOTE. `mode`: MGENJIT_REMOTE_READ, MGENJIT_REMOTE_WRITE, or both by |.
//
// What a remote has is used only if a trusted key signed it, see mgenjit_config_add_cache_trusted_key, and nothing is put
// there without a key that signs, see mgenjit_config_set_cache_signing_key; both unless MGENJIT_REMOTE_UNSIGNED is given.
// A remote that may not be used for this reason is an error of mgenjit_executor_new. If it is of $MGENJIT_REMOTE, the event
// hook is told.
//
// The library starts a process that talks to the remote, one for all programs of the user, which ends when it is not used:
// mgenjit-remote, which knows s3://BUCKET/PREFIX, gcs://, azblob://, redis://HOST, rediss://, redis+unix:///SOCKET, memcached://HOST,
// http://, https:// (WebDAV), and file:///PATH; or a storage helper of ccache 4.13 and later, ccache-storage-SCHEME. crsh:/PATH is
// the socket of one that already runs.
//
// Attributes may follow a URL, each after a |: `read`, `write`, `read-write` and `unsigned` in the place of `mode`, which is
// `read` for $MGENJIT_REMOTE; `namespace=NAME` keeps the entries of several teams apart; `helper=/PATH` is the program to
// start; `@NAME=VALUE` is passed to it. User names, passwords and queries of URLs, and attributes, are never shown.
//
// Remotes need a cache that is read and written. They are not used for modules with mgenjit_config_set_debug_ir.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_remote(mgenjit_config *config,
                                         const char *url,
                                         int32_t mode,
                                         mgenjit_error **error);

// Sets how long remotes may take: to connect to the process that talks to one, which may have to be started; for a whole
// look-up in all of them; and the time after which the module is compiled while they are still asked, when whichever comes
// first is used. 0: no time. Defaults: 100 ms, 1000 ms, 10 ms.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_remote_timeouts(mgenjit_config *config,
                                                  uint64_t connect_ms,
                                                  uint64_t whole_ms,
                                                  uint64_t hedge_ms,
                                                  mgenjit_error **error);

/*
 * Configurations: compile servers
 *
 * A compile server is a process with LLVM in it. By default, each executor starts its own when it has to compile.
 *
 *     mgenjit_config *config;
 *     mgenjit_config_new(&config, NULL);
 *     mgenjit_config_set_server_mode(config, MGENJIT_SERVER_PRIVATE, NULL);
 *     mgenjit_config_set_max_servers(config, 2, NULL);
 *     mgenjit_config_free(config);
 */

MGENJIT_ENUM {
  // Each executor starts its own compile servers, which end with it. The default.
  MGENJIT_SERVER_PRIVATE = 1,
  // A user's processes share one compile server. It is already warm, and compiles once what several of them want at the same
  // time. The first process that needs it starts it.
  MGENJIT_SERVER_SHARED = 2
};

// The shared server's own limit. The value is 18446744073709551615, all bits set.
#define MGENJIT_SERVER_DEFAULT UINT64_MAX

// Sets the path of the compile server's executable, which is then the only one tried. Default, also if NULL: $MGENJIT_SERVER,
// which is then the only one tried; else the first that exists of: mgenjit-server beside this library,
// ../libexec/mgenjit/mgenjit-server relative to the library's folder, mgenjit-server on $PATH.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_server_path(mgenjit_config *config,
                                              const char *path,
                                              mgenjit_error **error);

// Sets how many compile servers an executor may run at once, which is how many misses compile in parallel. Default, 0: the
// number of cores this process may use.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_max_servers(mgenjit_config *config,
                                              uint32_t count,
                                              mgenjit_error **error);

// Sets which compile servers are used: one of MGENJIT_SERVER_…. Default: $MGENJIT_SERVER_MODE, "private" or "shared"; if it
// is not set, private.
//
// A shared server has a socket in $XDG_RUNTIME_DIR/mgenjit, else in /run/user/UID/mgenjit, else in mgenjit-UID in $TMPDIR or
// /tmp. No other user may have access to that folder. It serves processes of the same user and the same build of this
// library; each build has its own. If it cannot be used, a private server is used instead, and the event hook is told why:
// MGENJIT_EVENT_SERVER_WARNING.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_server_mode(mgenjit_config *config,
                                              int32_t mode,
                                              mgenjit_error **error);

// Sets how long a shared server without requests stays. Applies to a server that this configuration starts, not to one that
// already runs. Default: 600,000 ms, ten minutes.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also for 0.
mgenjit_status mgenjit_config_set_server_idle_timeout(mgenjit_config *config,
                                                      uint64_t timeout_ms,
                                                      mgenjit_error **error);

// Limits what one request may take of a shared server, in addition to its client's own limits
// (mgenjit_config_set_compile_limits). 0: no limit. MGENJIT_SERVER_DEFAULT: the default. Applies to a server that this
// configuration starts, not to one that already runs; mgenjit_server_status tells a server's limits.
//
// `cpu_ms` is processor time; default 600,000, ten minutes. `memory_bytes` does not apply to a link; default: half of the
// machine's memory. A request that takes more fails with MGENJIT_STATUS_TIMEOUT or MGENJIT_STATUS_MEMORY.
//
// `queue_ms` is how long a request waits for one of the server's workers; default 10,000, ten seconds. Then a private
// server compiles it, and the event hook is told: MGENJIT_EVENT_SERVER_WARNING. A user's processes together run at most as
// many of these private servers as the shared server has busy workers; other requests keep waiting.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_server_limits(mgenjit_config *config,
                                                uint64_t cpu_ms,
                                                uint64_t memory_bytes,
                                                uint64_t queue_ms,
                                                mgenjit_error **error);

// Sets a log file for compile servers that this configuration starts. Each line is a JSON object that says what the server
// does, with the time and, for a compile, the module's key. "-" is this process's standard error. Default, also if NULL:
// $MGENJIT_SERVER_LOG, with the same meaning; if it is not set, there is no log. If the file cannot be written when a server
// starts, the event hook is told: MGENJIT_EVENT_SERVER_WARNING.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_server_log(mgenjit_config *config,
                                             const char *path,
                                             mgenjit_error **error);

/*
 * Configurations: tiers
 *
 * Tiers give a first result soon: what the cache lacks is compiled twice, first at a low level, which is what the caller
 * gets, and then at a high one, which nobody waits for. The second is stored in the cache under its own key, so every later
 * process finds it, whether it has tiers or not.
 *
 *     mgenjit_config *soon;
 *     mgenjit_config_new(&soon, NULL);
 *     mgenjit_config_set_tiers(soon, MGENJIT_OPT_O0, MGENJIT_OPT_O2, NULL);
 *     mgenjit_executor *host;
 *     assert(mgenjit_executor_new(soon, &host, NULL) == MGENJIT_STATUS_OK);
 *     mgenjit_config_free(soon);
 *
 *     const char *twice = "define i32 @twice(i32 %x) {\n"
 *                         "  %y = add i32 %x, %x\n"
 *                         "  ret i32 %y\n"
 *                         "}\n";
 *     mgenjit_module *compiled;
 *     mgenjit_executor_compile(host, "twice.ll", twice, strlen(twice), &compiled, NULL);
 *     int32_t (*call)(int32_t);
 *     mgenjit_executor_lookup(host, "twice", (void **)&call, NULL);
 *     printf("%d, by code of the level %d\n", call(21), mgenjit_module_opt_level(compiled));
 *     mgenjit_module_free(compiled);
 *     mgenjit_executor_free(host);
 */

// Sets two optimisation levels, each one of MGENJIT_OPT_…. A compile looks in the cache for code of the level `second`, and
// then of the level `first`. If it has neither, the module is compiled at `first`, stored and handed over. Whenever code of
// the level `first` is handed over, the module is compiled at `second` in the background, and stored. Equal levels: no tiers,
// as mgenjit_config_set_opt_level does. Default: $MGENJIT_TIERS, as in "O0,O2", if neither function was called; if it is not
// set, no tiers.
//
// The background compile is done by a process of the library's, mgenjit-helper, one for all programs of the user. It takes
// the caches, limits and keys of this configuration, and goes on after this process has ended. It and its compile servers,
// which it does not share, have the lowest priority. Without a cache that is read and written, nothing is compiled in the
// background, and nothing is switched.
//
// This process uses the code of the level `second` too, as soon as it is stored, where nobody can tell that there are two codes:
// if the module defines no variables but constants, no constructors, thread-locals, aliases and weak or inline functions, takes
// no address of its own functions (unless they are unnamed_addr), compares none of its constants, and has no assembly. Such a
// module's functions are called through an address that stays, also by each other, and are switched while they run: a call goes
// on in the code in which it began, and what it calls is new. MGENJIT_EVENT_SWITCHED tells of it. Both codes stay mapped until
// the module is removed. All other modules go on as they are, and a later process has their optimised code.
//
// Not for modules with mgenjit_config_set_debug_ir, mgenjit_config_set_target or a profile, which are compiled at `second`. What is
// exported of a module is what it runs: to export, use mgenjit_config_set_opt_level.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_tiers(mgenjit_config *config,
                                        int32_t first,
                                        int32_t second,
                                        mgenjit_error **error);

// The optimisation level of the code that calls of the module's functions arrive in now: one of MGENJIT_OPT_…. -1 for NULL.
//
// Thread-safe.
int32_t mgenjit_module_opt_level(const mgenjit_module *module);

/*
 * Sources
 *
 * A mgenjit_source is several inputs that are compiled into one module: IR text, bitcode, relocatable objects and static
 * archives. All IR is linked before it is optimised, so that functions of one input are inlined into another. Objects are
 * linked into the same image, and so are the archive members that something refers to. The inputs together have one key
 * and one entry in the cache.
 *
 *     const char *caller = "declare i64 @add(i64, i64)\n"
 *                          "define i64 @twice(i64 %x) {\n"
 *                          "  %sum = call i64 @add(i64 %x, i64 %x)\n"
 *                          "  ret i64 %sum\n"
 *                          "}\n";
 *     mgenjit_source *source;
 *     mgenjit_source_new("program", &source, NULL);
 *     mgenjit_source_add(source, "add.ll", ir, strlen(ir), NULL);
 *     mgenjit_source_add(source, "twice.ll", caller, strlen(caller), NULL);
 *     mgenjit_source_keep(source, "twice", NULL); // and inline add
 *     mgenjit_module *program;
 *     assert(mgenjit_executor_compile_source(executor, source, &program, NULL) == MGENJIT_STATUS_OK);
 *     mgenjit_module_free(program);
 *     mgenjit_source_free(source);
 */

// Creates a source without inputs. Free it with mgenjit_source_free. `name` is the module's name in messages; it is not part
// of the key.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_source_new(const char *name,
                                  mgenjit_source **source,
                                  mgenjit_error **error);

// Frees a source. Modules compiled from it stay. NULL does nothing.
void mgenjit_source_free(mgenjit_source *source);

// Adds an input: `length` bytes at `bytes`, which are copied. The format is detected from the first bytes: IR text, bitcode,
// an ELF relocatable object, or a static archive of these. `name` is the input's name in messages.
//
// The order of archives matters, as for a linker: if several define a symbol, the first is used. If all inputs are archives
// and no symbol is kept, nothing refers to their members, and all are linked.
//
// Functions of objects have no signatures. Look them up by address.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. Bad contents are an error of the compile.
mgenjit_status mgenjit_source_add(mgenjit_source *source,
                                  const char *name,
                                  const void *bytes,
                                  size_t length,
                                  mgenjit_error **error);

// Adds a file as an input: see mgenjit_source_add. It is read each time the source is compiled, and in full only on a cache
// miss.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A file that cannot be read is an error of the compile.
mgenjit_status mgenjit_source_add_file(mgenjit_source *source,
                                       const char *path,
                                       mgenjit_error **error);

// Keeps a symbol, which is a function or variable. Once a symbol is kept, all others that the inputs define become internal
// to the module: the optimiser may inline, change and drop them, and nothing outside sees them. If none is kept, all
// external symbols stay external.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A symbol that no input defines is an error of the compile.
mgenjit_status mgenjit_source_keep(mgenjit_source *source,
                                   const char *symbol,
                                   mgenjit_error **error);

/*
 * Executors
 *
 * A mgenjit_executor is a set of modules that link to each other, with the libraries and symbols they may use.
 *
 *     mgenjit_executor *executor;
 *     mgenjit_executor_new(NULL, &executor, NULL);
 *     mgenjit_executor_compile(executor, "add.ll", ir, strlen(ir), NULL, NULL);
 *     int64_t (*add)(int64_t, int64_t);
 *     mgenjit_executor_lookup(executor, "add", (void **)&add, NULL);
 *     assert(add(40, 2) == 42);
 *     mgenjit_executor_free(executor);
 */

// Creates an executor. Free it with mgenjit_executor_free. `config` may be NULL for the defaults. No process is started and
// no file is opened yet.
//
// Errors: MGENJIT_STATUS_UNTRUSTED if a remote may not be used as it is configured: see mgenjit_config_set_remote;
// MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_new(const mgenjit_config *config,
                                    mgenjit_executor **executor,
                                    mgenjit_error **error);

// Frees an executor's handle. When the handles of its modules and functions are freed as well, its destructors and atexit
// handlers run, newest module first, and its code is unmapped: no thread may be running the code then. Before that,
// destructors of thread_local objects run: those of this thread at once, those of another thread when it ends, and that
// module is unmapped then. NULL does nothing.
void mgenjit_executor_free(mgenjit_executor *executor);

// Compiles a module, or finds it in the cache, and adds it to the executor. `ir` is `length` bytes of IR text, bitcode, or an
// object or archive as for mgenjit_source_add.
//
// The module is linked at the first look-up, together with all modules added so far, so that modules may refer to each other
// in any order. If it defines a symbol again, look-ups and modules linked later get the new definition; callers that are
// already linked keep the old one, unless the executor is replaceable (mgenjit_config_set_replaceable): then all call the
// new one.
//
// `name` is the module's name in messages, "<memory>" if NULL; it is not part of the key. `module` receives a handle, which
// mgenjit_module_free frees. If `module` is NULL, the module stays in the executor without a handle.
//
// Thread-safe. Several calls compile in parallel.
//
// Errors: MGENJIT_STATUS_PARSE, _VERIFY, _TARGET, _CODEGEN or _LINK if the module is bad; _SERVER_UNAVAILABLE,
// _SERVER_CRASHED or _SERVER_MISMATCH if it could not be compiled; _LOAD, _INVALID_ARGUMENT. The executor stays usable.
mgenjit_status mgenjit_executor_compile(mgenjit_executor *executor,
                                        const char *name,
                                        const void *ir,
                                        size_t length,
                                        mgenjit_module **module,
                                        mgenjit_error **error);

// Compiles the file at `path`, which is also the module's name: see mgenjit_executor_compile.
//
// Errors: MGENJIT_STATUS_IO if the file cannot be read, and those of mgenjit_executor_compile.
mgenjit_status mgenjit_executor_compile_file(mgenjit_executor *executor,
                                             const char *path,
                                             mgenjit_module **module,
                                             mgenjit_error **error);

// Compiles all inputs of a source into one module: see mgenjit_executor_compile. The source stays the caller's, who may
// compile it again, and must not change it during the call.
//
// Errors: MGENJIT_STATUS_IO if a file cannot be read; MGENJIT_STATUS_LINK if inputs conflict (two define a symbol, targets
// differ) or cannot be linked; MGENJIT_STATUS_NOT_FOUND if no input defines a symbol to keep; and those of
// mgenjit_executor_compile.
mgenjit_status mgenjit_executor_compile_source(mgenjit_executor *executor,
                                               const mgenjit_source *source,
                                               mgenjit_module **module,
                                               mgenjit_error **error);

// Defines a symbol. Modules linked from now on that refer to `name` get `address`, before any other definition. A later call
// for the same name replaces it. What `address` points to must live as long as modules use it.
//
// In a statically linked program (-static), nothing of the process can be found by name. Define what modules refer to; only
// what compilers rely on, such as memcpy, is defined already.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also for a NULL address.
mgenjit_status mgenjit_executor_define(mgenjit_executor *executor,
                                       const char *name,
                                       const void *address,
                                       mgenjit_error **error);

// Loads a shared library for the executor's modules, as dlopen does: by a path with a slash, or by a name such as "libm.so.6"
// that the system finds. Its symbols come after those of the modules and before those of the process. It stays loaded as
// long as the executor lives.
//
// Thread-safe. Errors: MGENJIT_STATUS_LIBRARY, with dlopen's message; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_load_library(mgenjit_executor *executor,
                                             const char *path,
                                             mgenjit_error **error);

// Links all modules that are not linked yet and runs their static constructors, as the first look-up would. A module that
// cannot be linked stays pending, and so do modules that need it; the others are linked.
//
// Thread-safe. Errors: MGENJIT_STATUS_UNRESOLVED, with all symbols that are missing: define them, add a module or load a
// library that has them, or remove the module, and try again. MGENJIT_STATUS_LOAD if two modules conflict; both are named.
mgenjit_status mgenjit_executor_link(mgenjit_executor *executor,
                                     mgenjit_error **error);

// Looks up the address of a function or variable: first among the symbols of mgenjit_executor_define, then in the modules,
// newest first, in the loaded libraries, and in the process. Links what is not linked yet. For a thread_local variable, it is
// the calling thread's.
//
// Hidden symbols of modules are found, after those that are not hidden. If a library or the process already had a symbol
// that a module defines as linkonce_odr or weak_odr and not hidden, it is found there. If the newest module that defines the
// name cannot be linked, that is an error, even if an older module defines it.
//
// ISO C cannot convert the address to a function pointer. Write it into one, as for dlsym:
// `int (*f)(int); … mgenjit_executor_lookup(executor, "f", (void **)&f, &error)`.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND; MGENJIT_STATUS_UNRESOLVED or MGENJIT_STATUS_LOAD, as for
// mgenjit_executor_link, if the module that defines it cannot be linked.
mgenjit_status mgenjit_executor_lookup(mgenjit_executor *executor,
                                       const char *name,
                                       void **address,
                                       mgenjit_error **error);

// Looks up a function of the modules together with its signature, for checked calls. Free the handle with
// mgenjit_function_free. Does not link.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, also for functions of libraries and of the process, whose signatures are
// unknown: use mgenjit_executor_lookup, or call them from a module that declares them.
mgenjit_status mgenjit_executor_lookup_function(mgenjit_executor *executor,
                                                const char *name,
                                                mgenjit_function **function,
                                                mgenjit_error **error);

// Sets the program's arguments: `argc` strings at `argv`, where argv[0] is the program's name. Static constructors of modules
// linked from now on get them and the environment, as with glibc. Default: the arguments of this process.
// mgenjit_executor_run_main sets its own. The strings are copied; the copies live as long as the executor.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_set_arguments(mgenjit_executor *executor,
                                              int argc,
                                              const char *const *argv,
                                              mgenjit_error **error);

// Calls the function `main` of the modules, and flushes stdout and stderr when it returns.
//
// `argv` has `argc` arguments, where argv[0] is the program's name. If `argc` is 0 and `argv` NULL, the arguments are those of
// mgenjit_executor_set_arguments, or none. `main` may return i8 to i64 or void, and take nothing, (argc), (argc, argv) or
// (argc, argv, envp). A `main` of an object file is called as `int main(int, char **, char **)`. `exit_status`, which may be
// NULL, receives the result; 0 for void.
//
// If the program calls exit, the process ends. A host that should end as the program would calls exit with the result and
// does not free the executor: then destructors and handlers run in their usual order, and threads of the program keep their
// code.
//
// Errors: MGENJIT_STATUS_NOT_FOUND if no module defines main, MGENJIT_STATUS_TYPE if main has another form, and those of
// mgenjit_executor_link.
mgenjit_status mgenjit_executor_run_main(mgenjit_executor *executor,
                                         int argc,
                                         const char *const *argv,
                                         int *exit_status,
                                         mgenjit_error **error);

// Compiles the file at `path`, or finds it in the cache, and runs its `main`, in an executor of its own. The arguments are as
// for mgenjit_executor_run_main. `config` may be NULL for the defaults; its event hook is told what happens.
//
// Errors: those of mgenjit_executor_compile_file and mgenjit_executor_run_main.
mgenjit_status mgenjit_run_file(const char *path,
                                int argc,
                                const char *const *argv,
                                const mgenjit_config *config,
                                int *exit_status,
                                mgenjit_error **error);

/*
 * Programs in processes of their own
 *
 * Runs the `main` of an executor's modules in another process, which may crash, loop for ever or be hostile without harm to this
 * one. What the program may do is what a mgenjit_isolation says: by default no files, no network, no other processes.
 *
 *     mgenjit_isolation *isolation;
 *     mgenjit_isolation_new(&isolation, NULL);
 *     mgenjit_isolation_set_timeout(isolation, 5000, NULL);
 *     mgenjit_isolation_set_memory(isolation, 256 << 20, NULL);
 *     mgenjit_isolation_capture(isolation, 1, NULL);
 *     mgenjit_outcome *outcome;
 *     if (mgenjit_executor_run_isolated(executor, isolation, &outcome, NULL) == MGENJIT_STATUS_OK) {
 *         size_t size;
 *         const void *output = mgenjit_outcome_output(outcome, 1, &size);
 *         fwrite(output, 1, size, stdout);
 *         printf("exit status %d\n", mgenjit_outcome_exit_status(outcome));
 *         mgenjit_outcome_free(outcome);
 *     }
 *     mgenjit_isolation_free(isolation);
 */

MGENJIT_ENUM {
  // A path may be read: a file, or all that a folder has.
  MGENJIT_ACCESS_READ = 0,
  // A path may be read and written. Files may be made and removed in a folder.
  MGENJIT_ACCESS_WRITE = 1
};

// Creates an isolation. Free it with mgenjit_isolation_free. The program gets no arguments and no environment, its streams are
// /dev/null, and it runs in the folder `/`. It may open no file and no socket, and start no process. Times, memory and output are
// not limited.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_new(mgenjit_isolation **isolation,
                                     mgenjit_error **error);

// Frees an isolation. NULL does nothing.
void mgenjit_isolation_free(mgenjit_isolation *isolation);

// Sets the arguments of `main`: `argc` strings at `argv`, where argv[0] is the program's name.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_arguments(mgenjit_isolation *isolation,
                                               int argc,
                                               const char *const *argv,
                                               mgenjit_error **error);

// Sets the environment: `count` strings at `variables`, each as "NAME=value". By default it is empty, because the host's may have
// secrets.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_environment(mgenjit_isolation *isolation,
                                                 int count,
                                                 const char *const *variables,
                                                 mgenjit_error **error);

// Sets the folder in which the program runs. A relative path is one from this process's folder. To open files there, the program
// also needs mgenjit_isolation_allow_path.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_directory(mgenjit_isolation *isolation,
                                               const char *path,
                                               mgenjit_error **error);

// Makes `descriptor` of this process the program's standard input (0), output (1) or error (2). It is duplicated. -1: /dev/null.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also if it is not open.
mgenjit_status mgenjit_isolation_set_stream(mgenjit_isolation *isolation,
                                            int stream,
                                            int descriptor,
                                            mgenjit_error **error);

// Makes `size` bytes at `data` the program's standard input. They are copied.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_input(mgenjit_isolation *isolation,
                                           const void *data,
                                           size_t size,
                                           mgenjit_error **error);

// Keeps what the program writes to standard output (1) or standard error (2) for mgenjit_outcome_output.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_capture(mgenjit_isolation *isolation,
                                         int stream,
                                         mgenjit_error **error);

// Sets after how many milliseconds the program is killed. 0: never.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_timeout(mgenjit_isolation *isolation,
                                             uint64_t milliseconds,
                                             mgenjit_error **error);

// Sets how many milliseconds of processor time all threads of the program may use together. 0: as many as they want.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_cpu_time(mgenjit_isolation *isolation,
                                              uint64_t milliseconds,
                                              mgenjit_error **error);

// Sets how many bytes of memory the program may have: its address space, used or not, beyond what its process starts with.
// Allocations beyond it fail. With a limit, the program cannot make memory that the kernel does not count for it (memfd_create).
// 0: no limit.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_memory(mgenjit_isolation *isolation,
                                            uint64_t bytes,
                                            mgenjit_error **error);

// Sets how many bytes the program may write to all captured streams together, and how long each file may become that it writes.
// Beyond it, the program is killed. 0: no limit.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_output(mgenjit_isolation *isolation,
                                            uint64_t bytes,
                                            mgenjit_error **error);

// Sets how many descriptors the program may have open. 0: as many as this process may.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_open_files(mgenjit_isolation *isolation,
                                                uint64_t count,
                                                mgenjit_error **error);

// Sets how many processes the program may be at a time, the first one included; each thread counts as one. 0 or 1, the default: one
// process, with any number of threads: a hostile program may make all that the system has, so limit them by 2 or more. Then
// `fork` works, and fails with EAGAIN beyond that many. When the first one ends or is killed, so are all others, whatever they did to
// outlive it. They can send signals to each other, and cannot start programs (`exec`).
//
// Such a program has a namespace of users and one of process ids, where this user may make them; else the run is
// MGENJIT_STATUS_UNSUPPORTED, required or not. In a program of root, `getuid` and `access` see another user than `geteuid`, by which
// files are opened. Each process may have an equal share of the memory, `bytes / count`. The limit of processor time is one of each
// process, in whole seconds: set a timeout, too. An isolate has one process: with more, its calls are
// MGENJIT_STATUS_INVALID_ARGUMENT.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_processes(mgenjit_isolation *isolation,
                                               uint64_t count,
                                               mgenjit_error **error);

// Lets the program use the file or folder at `path`, which must exist when the program starts: `access` is MGENJIT_ACCESS_READ or
// _WRITE. A relative path is one from this process's folder.
//
// Once any path is allowed, the program can ask whether other files exist; it still cannot open them. The kernel cannot restrict by
// path who changes modes, owners, times and attributes of files or watches them, so the program cannot do that at all.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_allow_path(mgenjit_isolation *isolation,
                                            const char *path,
                                            int32_t access,
                                            mgenjit_error **error);

// Lets the program open all files that this process may open, or not.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_allow_all_files(mgenjit_isolation *isolation,
                                                 bool allowed,
                                                 mgenjit_error **error);

// Lets the program use the network, and the sockets of other programs, as this process may, or not.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_allow_network(mgenjit_isolation *isolation,
                                               bool allowed,
                                               mgenjit_error **error);

// Makes it an error if the kernel cannot forbid what is to be forbidden; by default the program runs, and
// mgenjit_outcome_missing tells what was missing.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_require(mgenjit_isolation *isolation,
                                         bool required,
                                         mgenjit_error **error);

// Keeps `size` processes ready ahead of need, at most 256: each has its modules mapped, is restricted, and runs once. They serve
// mgenjit_executor_run_isolated with this isolation, as long as the executor's modules and the isolation stay the same, from the
// second run on; and each isolate that is made with it, whose first call finds one ready, and which goes on at once after its process
// has ended. 0, the default: none.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolation_set_pool(mgenjit_isolation *isolation,
                                          size_t size,
                                          mgenjit_error **error);

// Runs `main` of the executor's modules in a process of its own, and waits for its end. The modules are linked there, and their
// constructors and destructors run there; nothing of them runs here. They find each other, the libraries of
// mgenjit_executor_load_library, which are loaded there before anything is forbidden, and the C library. What
// mgenjit_executor_define defined, and functions of this program, are not there.
//
// `isolation` may be NULL for the defaults. `outcome` receives how the program ended, whatever that was. Free it with
// mgenjit_outcome_free.
//
// The process is made by a helper program that stays for the next run and ends with this process, together with all programs
// that run then. No child of this process is made, and no signal comes. The program may have threads, and
// other processes by mgenjit_isolation_set_processes.
//
// Thread-safe: many programs may run at once. Errors: MGENJIT_STATUS_NOT_FOUND if there is no `main`, or the cache has lost a
// module; MGENJIT_STATUS_UNRESOLVED; MGENJIT_STATUS_LOAD or _LIBRARY; MGENJIT_STATUS_TYPE if it is not a main;
// MGENJIT_STATUS_UNSUPPORTED if the kernel lacks something that is required; MGENJIT_STATUS_IO if a path that is allowed is not
// there, or no process can be started; MGENJIT_STATUS_SERVER_UNAVAILABLE, _SERVER_MISMATCH or _SERVER_CRASHED if the helper
// cannot be used; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_run_isolated(mgenjit_executor *executor,
                                             const mgenjit_isolation *isolation,
                                             mgenjit_outcome **outcome,
                                             mgenjit_error **error);

/*
 * Outcomes
 *
 * How a process ended that ran a program, or functions that were called in it.
 *
 *     mgenjit_outcome *outcome;
 *     if (mgenjit_executor_run_isolated(executor, NULL, &outcome, NULL) == MGENJIT_STATUS_OK) {
 *         if (mgenjit_outcome_signal(outcome) != 0)
 *             printf("signal %d\n", mgenjit_outcome_signal(outcome));
 *         mgenjit_outcome_free(outcome);
 *     }
 */

MGENJIT_ENUM {
  // No limit ended the program.
  MGENJIT_LIMIT_NONE = 0,
  // Its time was up: mgenjit_isolation_set_timeout.
  MGENJIT_LIMIT_TIME = 1,
  // It had used its processor time: mgenjit_isolation_set_cpu_time.
  MGENJIT_LIMIT_CPU_TIME = 2,
  // It crashed when it had used its memory: mgenjit_isolation_set_memory.
  MGENJIT_LIMIT_MEMORY = 3,
  // It wrote too much: mgenjit_isolation_set_output.
  MGENJIT_LIMIT_OUTPUT = 4
};

MGENJIT_ENUM {
  // The kernel cannot keep paths apart (Landlock, Linux 5.13): the program could reach other files, too.
  MGENJIT_MISSING_FILES = 1,
  // The kernel cannot filter system calls (seccomp): the program could start processes and use the network.
  MGENJIT_MISSING_CALLS = 2
};

// What a program used.
typedef struct mgenjit_usage {
  // Set it to sizeof(mgenjit_usage); the library writes how many bytes it filled in.
  size_t size;
  // Microseconds from its start to its end.
  uint64_t wall_us;
  // Microseconds of processor time in the program.
  uint64_t user_us;
  // Microseconds of processor time in the kernel.
  uint64_t system_us;
  // The most bytes that were in memory, with those of the runner's own code.
  uint64_t memory;
} mgenjit_usage;

// Where a program crashed. Texts end with a NUL; what is longer than its field is cut. The address is the program's own word,
// which a hostile program may choose.
typedef struct mgenjit_fault {
  // Set it to sizeof(mgenjit_fault); the library writes how many bytes it filled in.
  size_t size;
  // The address that the code tried to use, in that process.
  uint64_t address;
  // Where the instruction is in the module's image.
  uint64_t module_offset;
  // Where it is from the start of the function.
  uint64_t function_offset;
  // The module's name. Empty: it is in a library.
  char module[255];
  // The function's name, as in the IR. Empty: no symbol covers the address.
  char function[1024];
} mgenjit_fault;

// Frees an outcome of mgenjit_executor_run_isolated. NULL does nothing.
void mgenjit_outcome_free(mgenjit_outcome *outcome);

// The program's exit status, 0 to 255. -1: a signal ended it, or `outcome` is NULL.
int mgenjit_outcome_exit_status(const mgenjit_outcome *outcome);

// The signal that ended the program. 0: it exited by itself, or `outcome` is NULL.
int mgenjit_outcome_signal(const mgenjit_outcome *outcome);

// The limit that ended the program, one of MGENJIT_LIMIT_*.
int32_t mgenjit_outcome_limit(const mgenjit_outcome *outcome);

// What the kernel could not do, as bits: MGENJIT_MISSING_*. 0: everything was done.
int32_t mgenjit_outcome_missing(const mgenjit_outcome *outcome);

// What the program wrote to standard output (1) or standard error (2), if that was captured: the first byte, and in `size`, which
// may be NULL, how many there are. They live as long as the outcome. NULL if `outcome` is NULL or there is no such stream.
const void *mgenjit_outcome_output(const mgenjit_outcome *outcome,
                                   int stream,
                                   size_t *size);

// Writes what the program used.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_outcome_usage(const mgenjit_outcome *outcome,
                                     mgenjit_usage *usage,
                                     mgenjit_error **error);

// Writes where the program crashed. Returns false if it did not, or if it did not say where, as when its stack ran out in a thread
// or it handled the signal itself.
bool mgenjit_outcome_fault(const mgenjit_outcome *outcome,
                           mgenjit_fault *fault);

/*
 * Modules
 *
 *     mgenjit_module *again;
 *     mgenjit_executor_compile(executor, "add.ll", ir, strlen(ir), &again, NULL);
 *     printf("%s has the key %s\n", mgenjit_module_name(again), mgenjit_module_key(again));
 *     assert(mgenjit_module_origin(again) == MGENJIT_ORIGIN_CACHE); // `module` is the same and was first
 *     mgenjit_module_free(again);
 */

MGENJIT_ENUM {
  // It was compiled by this call.
  MGENJIT_ORIGIN_COMPILED = 1,
  // It was in the cache.
  MGENJIT_ORIGIN_CACHE = 2
};

// Frees a module's handle. The module stays in its executor. NULL does nothing.
void mgenjit_module_free(mgenjit_module *module);

// Removes the module from its executor: its symbols are no longer found. When nothing else needs it, its destructors and
// atexit handlers run and its memory is returned. No thread may be running its code then, and its addresses are no longer
// valid. What can need it: modules that linked to it, function handles, and thread_local destructors of other threads that
// have not ended; those of this thread run at once. The handle stays valid until it is freed.
//
// Thread-safe. Errors: MGENJIT_STATUS_REMOVED if it was removed before; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_module_remove(mgenjit_module *module,
                                     mgenjit_error **error);

// The module's name: what it was compiled with, or its path. NULL for NULL.
const char *mgenjit_module_name(const mgenjit_module *module);

// The module's key in the cache: 64 hexadecimal digits. NULL for NULL.
const char *mgenjit_module_key(const mgenjit_module *module);

// Where the module came from: one of MGENJIT_ORIGIN_…. 0 for NULL.
int32_t mgenjit_module_origin(const mgenjit_module *module);

// Writes what the module's steps took. Set `times->size` to sizeof(mgenjit_times) first. The library fills in the fields that
// both sides know, and sets `size` to their bytes.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_module_times(const mgenjit_module *module,
                                    mgenjit_times *times,
                                    mgenjit_error **error);

// Looks up a symbol that this module defines: see mgenjit_executor_lookup. A removed module defines none, even while a
// function handle keeps it mapped.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_REMOVED, and those of mgenjit_executor_link.
mgenjit_status mgenjit_module_lookup(mgenjit_module *module,
                                     const char *name,
                                     void **address,
                                     mgenjit_error **error);

// How many functions the module defines that other modules can find, including hidden ones. 0 for NULL.
size_t mgenjit_module_function_count(const mgenjit_module *module);

// Creates a handle of the function at `index`, in the order of the IR. Free it with mgenjit_function_free. Does not link.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_REMOVED.
mgenjit_status mgenjit_module_function(mgenjit_module *module,
                                       size_t index,
                                       mgenjit_function **function,
                                       mgenjit_error **error);

/*
 * Values
 *
 * A mgenjit_value is an argument or result of a checked call, together with its type.
 *
 *     mgenjit_value answer = mgenjit_i64(42);
 *     assert(answer.kind == MGENJIT_TYPE_I64 && answer.of.integer == 42);
 */

MGENJIT_ENUM {
  // No value.
  MGENJIT_TYPE_VOID = 0,
  // i1: 0 or 1.
  MGENJIT_TYPE_I1 = 1,
  // i8.
  MGENJIT_TYPE_I8 = 2,
  // i16.
  MGENJIT_TYPE_I16 = 3,
  // i32.
  MGENJIT_TYPE_I32 = 4,
  // i64.
  MGENJIT_TYPE_I64 = 5,
  // float, 32 bits.
  MGENJIT_TYPE_FLOAT = 6,
  // double, 64 bits.
  MGENJIT_TYPE_DOUBLE = 7,
  // A pointer.
  MGENJIT_TYPE_POINTER = 8,
  // Any other type. A function with such a type can only be called by its address.
  MGENJIT_TYPE_OTHER = 9
};

// The value of a mgenjit_value.
typedef union mgenjit_value_of {
  // For MGENJIT_TYPE_I1 to MGENJIT_TYPE_I64. Results are sign-extended; an i1 is 0 or 1.
  int64_t integer;
  // For MGENJIT_TYPE_FLOAT.
  float single_precision;
  // For MGENJIT_TYPE_DOUBLE.
  double double_precision;
  // For MGENJIT_TYPE_POINTER.
  void *pointer;
} mgenjit_value_of;

// A value of a type that a checked call can pass. In C and C++, the functions at the end of this file make one, such as
// mgenjit_i64; elsewhere, set both fields.
typedef struct mgenjit_value {
  // One of MGENJIT_TYPE_…: which field of `of` holds the value.
  int32_t kind;
  // The value.
  union mgenjit_value_of of;
} mgenjit_value;

/*
 * Functions
 *
 * A mgenjit_function knows its signature, as the IR states it, and can be called with arguments that are checked against it.
 *
 *     mgenjit_function *add;
 *     mgenjit_executor_lookup_function(executor, "add", &add, NULL);
 *     printf("%s\n", mgenjit_function_signature(add)); // i64 @add(i64, i64)
 *     mgenjit_value arguments[] = {mgenjit_i64(40), mgenjit_i64(2)}, sum;
 *     mgenjit_function_call(add, arguments, 2, &sum, NULL);
 *     assert(sum.of.integer == 42);
 *     mgenjit_function_free(add);
 */

// Frees a function's handle. NULL does nothing.
void mgenjit_function_free(mgenjit_function *function);

// The function's name. NULL for NULL.
const char *mgenjit_function_name(const mgenjit_function *function);

// The signature as IR text, such as "i64 @add(i64, i64)". NULL for NULL.
const char *mgenjit_function_signature(const mgenjit_function *function);

// The type of the result: one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL.
int32_t mgenjit_function_result_type(const mgenjit_function *function);

// How many parameters the function has, without "...". 0 for NULL.
size_t mgenjit_function_parameter_count(const mgenjit_function *function);

// The type of the parameter at `index`: one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL and past the last. On AArch64, the
// address of a result in memory (`sret`) is MGENJIT_TYPE_OTHER: it has a register of its own, so a pointer to a function with
// that parameter would pass it wrongly. Calls take a value of MGENJIT_TYPE_POINTER for it.
int32_t mgenjit_function_parameter_type(const mgenjit_function *function,
                                        size_t index);

// Whether the function takes more arguments than its parameters ("..."). false for NULL.
bool mgenjit_function_is_variadic(const mgenjit_function *function);

// Writes the function's address. Links what is not linked yet.
//
// Thread-safe. Errors: those of mgenjit_executor_link.
mgenjit_status mgenjit_function_address(mgenjit_function *function,
                                        void **address,
                                        mgenjit_error **error);

// Calls the function with `count` arguments. Each is checked against its parameter: the types must be the same, and an
// integer must fit its type, signed or unsigned. Arguments for "..." may be i1 to i64, float, double and pointer; they are
// promoted as in C (i1, i8 and i16 to i32, float to double). `result`, which may be NULL, receives the result with its type;
// for void only the type. Links what is not linked yet.
//
// Thread-safe if the function is. An exception that the function throws passes through.
//
// Errors: MGENJIT_STATUS_TYPE, also for a function with a type (a struct, a vector, i128) or calling convention that cannot
// be called this way: use its address. Those of mgenjit_executor_link.
mgenjit_status mgenjit_function_call(mgenjit_function *function,
                                     const mgenjit_value *arguments,
                                     size_t count,
                                     mgenjit_value *result,
                                     mgenjit_error **error);

// Calls the function without checking types. `arguments` has `count` pointers, one to each argument, which has exactly its
// parameter's type; NULL if there are none. `result` has `result_bytes` bytes, enough for a result of exactly its type (an i1
// is one byte); NULL and 0 for void, or if the result is not wanted. Functions with "..." get their fixed parameters only.
//
// Thread-safe if the function is. An exception that the function throws passes through.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT if `result` is too small; MGENJIT_STATUS_TYPE, also for another number of
// arguments; and those of mgenjit_function_call.
mgenjit_status mgenjit_function_call_raw(mgenjit_function *function,
                                         const void *const *arguments,
                                         size_t count,
                                         void *result,
                                         size_t result_bytes,
                                         mgenjit_error **error);

/*
 * Calls in processes of their own
 *
 * A mgenjit_isolate calls functions of an executor's modules in another process. If one crashes, exits or takes too long, the call
 * is an error that says what happened, and the next call gets a new process. What the functions may do there is what a
 * mgenjit_isolation says.
 *
 *     mgenjit_isolate *isolate;
 *     mgenjit_isolate_new(executor, NULL, 1 << 20, &isolate, NULL);
 *     mgenjit_value arguments[] = {mgenjit_integer(MGENJIT_TYPE_I64, 40), mgenjit_integer(MGENJIT_TYPE_I64, 2)}, sum;
 *     if (mgenjit_isolate_call(isolate, "add", arguments, 2, 1000, &sum, NULL) == MGENJIT_STATUS_OK)
 *         assert(sum.of.integer == 42);
 *     mgenjit_isolate_free(isolate);
 */

// A function of this process that code in an isolate may call. It gets what mgenjit_isolate_define was given as `user`, and `count`
// arguments. `result` has the type that was given, and 0 as its value: set the value. An integer may be signed or unsigned: it
// reaches the caller as it is. NULL for no function.
typedef void (*mgenjit_isolate_function)(void *user,
                                         const mgenjit_value *arguments,
                                         size_t count,
                                         mgenjit_value *result);

// Creates an isolate for an executor's modules. Free it with mgenjit_isolate_free. The process is started by the first call.
//
// `isolation` may be NULL for the defaults; it is copied. Its time limit does not count here, as each call has one; its processor
// time is that of all calls of one process. `shared` is how many bytes mgenjit_isolate_alloc may give out.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_MEMORY.
mgenjit_status mgenjit_isolate_new(mgenjit_executor *executor,
                                   const mgenjit_isolation *isolation,
                                   size_t shared,
                                   mgenjit_isolate **isolate,
                                   mgenjit_error **error);

// Ends an isolate's process, and unmaps its memory. No call may be running. NULL does nothing.
void mgenjit_isolate_free(mgenjit_isolate *isolate);

// Writes to `memory` the address of `size` bytes, of zeros and aligned to 64, that this process and the isolate's both see at that
// address: pass pointers to them. They stay, with what is in them, when the process is started again, until
// mgenjit_isolate_free_memory or mgenjit_isolate_free. The functions can write there at any time, also what you have just checked:
// copy what you rely on.
//
// Thread-safe. Errors: MGENJIT_STATUS_MEMORY if so much is not left in one piece; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolate_alloc(mgenjit_isolate *isolate,
                                     size_t size,
                                     void **memory,
                                     mgenjit_error **error);

// Frees memory of mgenjit_isolate_alloc, so that it can be given out again. NULL does nothing.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also if this isolate did not give it out or it was freed before.
mgenjit_status mgenjit_isolate_free_memory(mgenjit_isolate *isolate,
                                           void *memory,
                                           mgenjit_error **error);

// Lets code in the isolate's process call `function` of this process as `name`, which modules declare. Modules that are linked
// later find it. Nothing else of this process is there.
//
// `parameters` are `count` types, MGENJIT_TYPE_I1 to MGENJIT_TYPE_POINTER, and `result` is such a type or MGENJIT_TYPE_VOID. The
// arguments always are values of these types. What they say may be anything: check them as input from a stranger, above all
// pointers. The function runs on the thread that makes the call (mgenjit_isolate_call), whose time goes on, while the code waits. It
// must return, and must not call its own isolate, except for mgenjit_isolate_alloc, _free_memory, _output and _cancel. A thread of
// the code that calls it between two calls waits for the next call.
//
// `user_free`, if not NULL, is called with `user` when the isolate is freed.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; then `user_free` is not called.
mgenjit_status mgenjit_isolate_define(mgenjit_isolate *isolate,
                                      const char *name,
                                      mgenjit_isolate_function function,
                                      int32_t result,
                                      const int32_t *parameters,
                                      size_t count,
                                      void *user,
                                      void (*user_free)(void *user),
                                      mgenjit_error **error);

// Creates a blob of what functions have written to standard output (1) or standard error (2) since this was asked last, at most 16
// MB; it is empty if that is all. Free it with mgenjit_blob_free. The isolation must capture the stream
// (mgenjit_isolation_capture). Its limit of output is one of each process and each stream. What was not read when the next process is
// started is lost.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO.
mgenjit_status mgenjit_isolate_output(mgenjit_isolate *isolate,
                                      int stream,
                                      mgenjit_blob **output,
                                      mgenjit_error **error);

// Calls the function `name` of the executor's modules in the isolate's process with `count` arguments. They are checked
// and passed as mgenjit_function_call does. Pointers mean something there only if they are to memory of mgenjit_isolate_alloc. If
// the call takes more than `timeout_ms`, the process is ended; MGENJIT_FOREVER: it may take as long as it wants. `result` may be
// NULL.
//
// The process has the executor's modules, linked to each other, to its libraries, to what mgenjit_isolate_define gave and to the C
// library. Modules that were added or removed since the last call are added and removed there, and variables keep their values. They
// begin anew when the process is started again: after it has ended, after a module was replaced (mgenjit_module_replace), or a
// library loaded. A module that cannot be linked fails the calls that need it alone. When a call has returned, what it wrote to the C
// library's stdout has been written.
//
// Thread-safe: calls of one isolate wait for each other; use several for several at once. In a forked child, an isolate of its
// parent's is MGENJIT_STATUS_INVALID_ARGUMENT.
//
// Errors: MGENJIT_STATUS_ENDED if the function crashed, exited or met a limit, with how and where in the message and in
// mgenjit_error_outcome, where MGENJIT_LIMIT_TIME is `timeout_ms`; MGENJIT_STATUS_CANCELLED; MGENJIT_STATUS_TYPE or _NOT_FOUND as for
// a call in this process; MGENJIT_STATUS_UNRESOLVED, also for what only this process defines; and those of
// mgenjit_executor_run_isolated for a process that cannot be started.
mgenjit_status mgenjit_isolate_call(mgenjit_isolate *isolate,
                                    const char *name,
                                    const mgenjit_value *arguments,
                                    size_t count,
                                    uint64_t timeout_ms,
                                    mgenjit_value *result,
                                    mgenjit_error **error);

// Ends the call that another thread is making, if any: it becomes MGENJIT_STATUS_CANCELLED, and the next call gets a new process.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_isolate_cancel(mgenjit_isolate *isolate,
                                      mgenjit_error **error);

/*
 * Replacement
 *
 * In an executor that was made for it (mgenjit_config_set_replaceable), functions can be replaced while other threads call them.
 * Each function that others can see has one address for as long as the executor lives: a stub, which jumps to the
 * definition that counts. What look-ups give, what other modules call and what code itself takes as a function's address is
 * the stub, so a new definition reaches all callers, and pointers to functions stay valid.
 *
 * There are two ways. A module that is compiled and defines a function again takes it over: all callers call the new
 * definition once the module is linked. mgenjit_module_replace replaces a whole module by a new version of it.
 *
 *     mgenjit_config *live;
 *     mgenjit_config_new(&live, NULL);
 *     mgenjit_config_set_replaceable(live, true, NULL);
 *     mgenjit_executor *host;
 *     mgenjit_executor_new(live, &host, NULL);
 *
 *     const char *one = "@calls = global i64 0\n"
 *                       "@version = global i64 1\n"
 *                       "define i64 @run() {\n"
 *                       "  %calls = load i64, ptr @calls\n"
 *                       "  %more = add i64 %calls, 1\n"
 *                       "  store i64 %more, ptr @calls\n"
 *                       "  %version = load i64, ptr @version\n"
 *                       "  ret i64 %version\n"
 *                       "}\n";
 *     mgenjit_module *first;
 *     mgenjit_executor_compile(host, "one.ll", one, strlen(one), &first, NULL);
 *     int64_t (*run)(void), *calls;
 *     mgenjit_executor_lookup(host, "run", (void **)&run, NULL);
 *     mgenjit_executor_lookup(host, "calls", (void **)&calls, NULL);
 *     assert(run() == 1 && *calls == 1);
 *
 *     // A new version: it keeps @calls, which it declares, and begins @version anew, which it defines.
 *     const char *two = "@calls = external global i64\n"
 *                       "@version = global i64 2\n"
 *                       "define i64 @run() {\n"
 *                       "  %calls = load i64, ptr @calls\n"
 *                       "  %more = add i64 %calls, 10\n"
 *                       "  store i64 %more, ptr @calls\n"
 *                       "  %version = load i64, ptr @version\n"
 *                       "  ret i64 %version\n"
 *                       "}\n";
 *     mgenjit_source *edited;
 *     mgenjit_source_new("two.ll", &edited, NULL);
 *     mgenjit_source_add(edited, "two.ll", two, strlen(two), NULL);
 *     mgenjit_module *second;
 *     assert(mgenjit_module_replace(first, edited, MGENJIT_ALLOW_NOTHING, &second, NULL) == MGENJIT_STATUS_OK);
 *     assert(run() == 2 && *calls == 11); // the same pointers
 *
 *     // No thread is in the old code any more. It stays mapped, because @calls is its own.
 *     bool unmapped;
 *     mgenjit_module_retire(first, &unmapped, NULL);
 *     assert(!unmapped);
 *     mgenjit_module_free(first);
 *     mgenjit_module_free(second);
 *     mgenjit_source_free(edited);
 *     mgenjit_executor_free(host);
 *     mgenjit_config_free(live);
 */

MGENJIT_ENUM {
  // A new version defines all functions of the old one, with the same types.
  MGENJIT_ALLOW_NOTHING = 0,
  // It need not define all. Callers of one that it lacks call the old one, which keeps the old version mapped.
  MGENJIT_ALLOW_VANISHED = 1,
  // Functions may change their types. Callers that were compiled for the old type must not call them.
  MGENJIT_ALLOW_CHANGED = 2
};

// Code that is still mapped although it was replaced or removed: see mgenjit_executor_old_code.
typedef struct mgenjit_old_code {
  // sizeof(mgenjit_old_code), set by the caller; then the bytes that were written.
  size_t size;
  // Modules that were replaced and wait for mgenjit_module_retire.
  uint64_t waiting;
  uint64_t waiting_bytes;
  // Modules that were retired or removed and that something needs: their variables, functions that nothing defines
  // anew, or function handles.
  uint64_t kept;
  uint64_t kept_bytes;
} mgenjit_old_code;

// Compiles a new version of a module, or finds it in the cache, links it, and has all callers of the module's functions call
// it. Its executor must be replaceable. `allow` is MGENJIT_ALLOW_NOTHING, or MGENJIT_ALLOW_VANISHED and
// MGENJIT_ALLOW_CHANGED, combined by |. `replacement`, which may be NULL, receives a handle of the new version. The handle of
// the old one is then good for its name and key and for mgenjit_module_retire.
//
// Other threads may call meanwhile. Each call runs one version of its function, whole. But functions are switched one after
// the other: a thread may call the new version of one and then the old version of another.
//
// Variables: the new version has what it defines, with its initial values. What it only declares (`external` in IR, `extern`
// in C) and the old version defines is the old one's, with its value: that is how state is kept. Then the type must be
// the same, which nobody checks. A weak variable (an inline one of C++, a common one of C) is shared by all modules, and so
// is kept. Pointers into the old version's own variables stay valid until it is unmapped.
//
// Constructors of the new version run when its functions are in place and before this function returns: they call new
// functions. Other threads may do so even before: so do not rely on constructors for what they need, or call an
// initialisation function of your own. Destructors and atexit handlers of the old version run when it is unmapped; functions
// that they call by name are the new ones. So keep objects that live as long as the program in variables that are
// declared, not defined, by later versions.
//
// On an error, nothing has changed: the old version goes on.
//
// Thread-safe. Errors: MGENJIT_STATUS_TYPE if functions are gone or have other types, which mgenjit_error_symbol names;
// MGENJIT_STATUS_UNRESOLVED and _LOAD if it cannot be linked; MGENJIT_STATUS_REMOVED if the module was removed or replaced
// before; MGENJIT_STATUS_INVALID_ARGUMENT; and those of mgenjit_executor_compile_source.
mgenjit_status mgenjit_module_replace(mgenjit_module *module,
                                      const mgenjit_source *source,
                                      int32_t allow,
                                      mgenjit_module **replacement,
                                      mgenjit_error **error);

// Says that no thread runs in a module any more that was replaced, and that none will: calls that began before it was
// replaced have returned. It is unmapped when nothing needs it. `unmapped`, which may be NULL, tells whether that is now.
// Without this call, old code stays until the executor is freed. mgenjit_module_free does not retire a module.
//
// What can need it: a later version or another module that uses its variables, a function that nothing defines anew and that
// other modules call, a function handle, thread_local objects of other threads. mgenjit_executor_old_code counts what is
// left. It goes when the last module that needs it is retired or removed.
//
// Thread-safe. Errors: MGENJIT_STATUS_REMOVED if it was retired or removed before; MGENJIT_STATUS_INVALID_ARGUMENT, also if it
// was not replaced.
mgenjit_status mgenjit_module_retire(mgenjit_module *module,
                                     bool *unmapped,
                                     mgenjit_error **error);

// Counts the code that is still mapped although it was replaced or removed. Set `old_code->size` to sizeof(mgenjit_old_code)
// first. The library fills in the fields that both sides know, and sets `size` to their bytes.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_old_code(mgenjit_executor *executor,
                                         mgenjit_old_code *old_code,
                                         mgenjit_error **error);

/*
 * Addresses
 *
 * Finds the function and source line of an address in compiled code, for crash handlers, profilers and stack traces.
 * dladdr(), backtrace_symbols() and dl_iterate_phdr() do not know compiled code, because the system's loader did not load
 * it. examples-c/backtrace.c prints the stack of a crash.
 *
 *     void *add;
 *     mgenjit_symbol symbol = {.size = sizeof symbol};
 *     mgenjit_executor_lookup(executor, "add", &add, NULL);
 *     assert(mgenjit_symbolize(add, &symbol));
 *     assert(strcmp(symbol.function, "add") == 0 && strcmp(symbol.module, "add.ll") == 0);
 *     assert(symbol.function_address == add);
 */

// What an address in compiled code is. Texts end with a NUL; what is longer than its field is cut.
typedef struct mgenjit_symbol {
  // Set it to sizeof(mgenjit_symbol); the library writes how many bytes it filled in.
  size_t size;
  // Where the module's image lies.
  const void *base;
  // Where the function starts. NULL: no symbol covers the address.
  const void *function_address;
  // The module's key, 64 hexadecimal digits.
  char key[65];
  // The module's name.
  char module[255];
  // The function's name, as in the IR. Empty: no symbol covers the address.
  char function[1024];
} mgenjit_symbol;

// A place in a source file. Texts end with a NUL; what is longer than its field is cut.
typedef struct mgenjit_location {
  // Set it to sizeof(mgenjit_location); the library writes how many bytes it filled in.
  size_t size;
  // The line, from 1 on. 0: not known.
  uint32_t line;
  // The column, from 1 on. 0: not known.
  uint32_t column;
  // Whether the function was inlined: the next frame is where it was called.
  bool inlined;
  // The function, as in the debug information: a mangled name, where the language mangles them. Empty: not known.
  char function[1024];
  // The path of the source file, as the compiler wrote it. Empty: not known.
  char file[1024];
} mgenjit_location;

// Finds the module and function that contain an address, in all executors of the process. Returns false if the address is
// not in compiled code or a parameter is NULL. For a return address, pass the address minus 1: the call may be the
// function's last instruction. On AArch64, a return address may be signed (pointer authentication), here and in the two
// functions that follow.
//
// Names of functions that other modules cannot see are read from the cached file. If it is gone, they have no name.
//
// Thread-safe, and async-signal-safe: it takes no lock, allocates nothing and keeps errno. It uses 8 KiB of the stack.
bool mgenjit_symbolize(const void *address,
                       mgenjit_symbol *symbol);

// Like mgenjit_symbolize, but only for the code of one executor. Do not call it in a signal handler: on failure it allocates
// an error.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_symbolize(mgenjit_executor *executor,
                                          const void *address,
                                          mgenjit_symbol *symbol,
                                          mgenjit_error **error);

// Finds the source location of an address, if the code has debug information. Inlining can put an address in several
// functions, each inlined into the next: `frame` counts them from 0, the innermost.
//
// Thread-safe. Allocates and takes locks: call it after a crash, not in the signal handler, unless the process ends anyway.
// Errors: MGENJIT_STATUS_NOT_FOUND if the address is not in compiled code, has no debug information, or has no such frame;
// MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_source_location(const void *address,
                                       size_t frame,
                                       mgenjit_location *location,
                                       mgenjit_error **error);

/*
 * Tasks
 *
 * A mgenjit_task is a compile in the background.
 *
 *     mgenjit_source *source;
 *     mgenjit_source_new("add.ll", &source, NULL);
 *     mgenjit_source_add(source, "add.ll", ir, strlen(ir), NULL);
 *     mgenjit_task *task;
 *     mgenjit_executor_compile_async(executor, source, NULL, NULL, NULL, &task, NULL);
 *     mgenjit_source_free(source);
 *     mgenjit_module *compiled; // … do something else, then:
 *     assert(mgenjit_task_result(task, &compiled, NULL) == MGENJIT_STATUS_OK);
 *     mgenjit_module_free(compiled);
 *     mgenjit_task_free(task);
 */

// As long as it takes. The value is 18446744073709551615, all bits set.
#define MGENJIT_FOREVER UINT64_MAX

// Called once when a task is done, on a thread of this library. All signals are blocked there but those of faults (SIGSEGV,
// SIGBUS, SIGILL, SIGFPE, SIGTRAP and SIGSYS). It may use the executor and its modules. It must not wait for other tasks:
// they may need the thread.
typedef void (*mgenjit_task_callback)(void *user);

// Starts to compile a source, as mgenjit_executor_compile_source does, and returns. `task` receives a handle, which
// mgenjit_task_free frees. The source is copied; files are read when the compile starts.
//
// An executor runs as many compiles at once as it may have servers (mgenjit_config_set_max_servers); the others wait their
// turn. Its threads start when there is work and end when there is none. The executor lives until its tasks are done: if its
// handles are freed before, its destructors run on one of these threads.
//
// `callback` may be NULL. `user` is passed to it. `user_free`, if not NULL, is called with `user` when the task is done, and
// also if this call fails. A forked child does not continue its parent's tasks.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if no thread can be started. Errors of the compile
// are the task's.
mgenjit_status mgenjit_executor_compile_async(mgenjit_executor *executor,
                                              const mgenjit_source *source,
                                              mgenjit_task_callback callback,
                                              void *user,
                                              void (*user_free)(void*),
                                              mgenjit_task **task,
                                              mgenjit_error **error);

// Starts to compile a source for the cache only. A later compile of it finds it there, or waits for it. Errors surface in
// that later compile. Does nothing if the executor does not store in a cache.
//
// If the cache already has the code, nothing happens: it does not count as a hit, and there is no event.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if no thread can be started.
mgenjit_status mgenjit_executor_prefetch(mgenjit_executor *executor,
                                         const mgenjit_source *source,
                                         mgenjit_error **error);

// Frees a task's handle. The compile continues, and its module is added. NULL does nothing.
void mgenjit_task_free(mgenjit_task *task);

// Waits for a task for at most `timeout_ms`: 0 does not wait, MGENJIT_FOREVER waits as long as it takes. Writes to `is_done`
// whether it is done.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also in a child that was forked since.
mgenjit_status mgenjit_task_wait(const mgenjit_task *task,
                                 uint64_t timeout_ms,
                                 bool *is_done,
                                 mgenjit_error **error);

// Waits until a task is done, and takes its result, which can be taken once: what mgenjit_executor_compile_source would have
// returned. `module` receives a handle, which mgenjit_module_free frees. If `module` is NULL, the module stays in the
// executor without a handle.
//
// Thread-safe. Errors: those of mgenjit_executor_compile_source; MGENJIT_STATUS_CANCELLED; MGENJIT_STATUS_INVALID_ARGUMENT
// if the result was taken before.
mgenjit_status mgenjit_task_result(mgenjit_task *task,
                                   mgenjit_module **module,
                                   mgenjit_error **error);

// Cancels a task. If it is not done, its result is MGENJIT_STATUS_CANCELLED from now on, its compile server is abandoned, and
// its callback is called soon.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_task_cancel(mgenjit_task *task,
                                   mgenjit_error **error);

/*
 * Blobs and strings that the caller frees
 *
 *     mgenjit_blob *assembly;
 *     if (mgenjit_module_export_blob(module, MGENJIT_EXPORT_ASSEMBLY, NULL, &assembly, NULL) == MGENJIT_STATUS_OK) {
 *         fwrite(mgenjit_blob_data(assembly), 1, mgenjit_blob_size(assembly), stdout);
 *         mgenjit_blob_free(assembly);
 *     }
 */

// The first byte. Not NULL, even if the blob is empty. NULL for NULL.
const void *mgenjit_blob_data(const mgenjit_blob *blob);

// The number of bytes. 0 for NULL.
size_t mgenjit_blob_size(const mgenjit_blob *blob);

// Frees a blob. NULL does nothing.
void mgenjit_blob_free(mgenjit_blob *blob);

// Frees a string that a function of this library wrote to a `char **`. NULL does nothing.
void mgenjit_string_free(char *string);

/*
 * Profiles
 *
 * Code can be compiled again with what it did: which branches were taken, how often functions ran, and where loops end. First
 * it is compiled to count (mgenjit_config_set_profile_generate) and runs. Then its counters are read
 * (mgenjit_module_profile), also while it runs. Last it is compiled once more, with what was counted
 * (mgenjit_config_set_profile_use). The counters are LLVM's own: llvm-profdata reads and merges these profiles, and those of
 * clang's -fprofile-generate can be used. Neither the program nor its code needs a run-time library for this.
 *
 *     mgenjit_config *counting;
 *     mgenjit_config_new(&counting, NULL);
 *     mgenjit_config_set_profile_generate(counting, true, NULL);
 *     mgenjit_executor *counter;
 *     mgenjit_executor_new(counting, &counter, NULL);
 *     mgenjit_module *counted;
 *     mgenjit_executor_compile(counter, "add.ll", ir, strlen(ir), &counted, NULL);
 *     int64_t (*count)(int64_t, int64_t);
 *     mgenjit_module_lookup(counted, "add", (void **)&count, NULL);
 *     assert(count(1, 2) == 3);
 *     mgenjit_blob *profile;
 *     assert(mgenjit_module_profile(counted, &profile, NULL) == MGENJIT_STATUS_OK);
 *     mgenjit_config_set_profile_use(counting, mgenjit_blob_data(profile), mgenjit_blob_size(profile), NULL);
 *     // An executor of this configuration optimises for what was counted.
 *     mgenjit_blob_free(profile);
 *     mgenjit_module_free(counted);
 *     mgenjit_executor_free(counter);
 *     mgenjit_config_free(counting);
 */

// Sets whether code counts what it does. Default: false. Turns mgenjit_config_set_profile_use off.
//
// The code is what clang -fprofile-generate makes: slower and larger, with a key of its own. It counts how often its
// parts run, where indirect calls lead and how much memory functions copy; of such values, up to eight in each place. Threads
// count without locks, so a few counts may be lost where several run the same code. Each module is compiled as one, not in
// pieces, because its counters are found by one table. What is exported counts too: linked by clang with -fprofile-generate, it
// writes its profile to a file, without these values; without, it counts for nobody. Of other targets than ELF systems, nothing
// can be read.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_profile_generate(mgenjit_config *config,
                                                   bool on,
                                                   mgenjit_error **error);

// Has code optimised by a profile, which is copied and is part of the key. With a length of 0, there is none, the default.
// Turns mgenjit_config_set_profile_generate off.
//
// The profile is of mgenjit_module_profile or mgenjit_profile_merge; of a program that clang compiled with -fprofile-generate, with
// or without llvm-profdata merge; or a sample profile that LLVM reads, for IR with debug information. Counts are found by the
// functions' names, those of local ones with their source file's, and belong to IR as it was when they were counted: clang's to
// what `clang -Xclang -disable-llvm-passes -emit-llvm` writes at the same optimisation level. A large module is compiled in
// pieces (mgenjit_config_set_partition), once the profile was matched to the whole of it.
//
// A profile that does not fit is no error: the event hook gets MGENJIT_EVENT_WARNING when a module is compiled and the profile
// cannot be read, knows none of its functions, or has counts of other code for some, which are named. LLVM's reader does not
// survive every damaged profile: then the compile fails with MGENJIT_STATUS_SERVER_CRASHED and names the profile.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_profile_use(mgenjit_config *config,
                                              const void *profile,
                                              size_t length,
                                              mgenjit_error **error);

// Creates a profile of what the module's code has counted since it was loaded. Free it with mgenjit_blob_free. Its code may be
// running: each counter is then as it was at some time during the call; loops add what they counted when they end. A removed
// module has no profile any more.
//
// A compile server makes the profile of the counters: an indexed profile of LLVM's, as llvm-profdata merge writes it.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if its executor was not created with mgenjit_config_set_profile_generate;
// MGENJIT_STATUS_REMOVED, those of mgenjit_executor_link, and of a compile those that concern the server.
mgenjit_status mgenjit_module_profile(const mgenjit_module *module,
                                      mgenjit_blob **profile,
                                      mgenjit_error **error);

// Creates the sum of two profiles: of two modules, runs or processes. Free it with mgenjit_blob_free. Each may be anything
// that llvm-profdata merges, and is not changed. The sum of more is made one after the other. `config` says which
// compile server does it; NULL stands for the defaults.
//
// Thread-safe. Errors: MGENJIT_STATUS_PARSE if one is no profile, is damaged, or is of another kind than the other;
// MGENJIT_STATUS_INVALID_ARGUMENT, and of a compile those that concern the server.
mgenjit_status mgenjit_profile_merge(const mgenjit_config *config,
                                     const void *one,
                                     size_t one_length,
                                     const void *other,
                                     size_t other_length,
                                     mgenjit_blob **sum,
                                     mgenjit_error **error);

/*
 * Exports
 *
 * Compiled modules can be written as objects, libraries, executables and text.
 *
 *     mgenjit_export_options *options;
 *     mgenjit_export_options_new(&options, NULL);
 *     mgenjit_export_options_set_soname(options, "libadd.so.1", NULL);
 *     assert(mgenjit_module_export(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libadd.so", options, NULL)
 *            == MGENJIT_STATUS_OK);
 *     mgenjit_export_options_free(options);
 */

MGENJIT_ENUM {
  // A relocatable object. As with clang's objects, what uses it may have to be linked with `-lm`, and with `-latomic` for atomic
  // operations on 16 bytes.
  MGENJIT_EXPORT_OBJECT = 1,
  // A static archive, with a member for each module and for each object linked into one. It needs the same libraries as an
  // object.
  MGENJIT_EXPORT_ARCHIVE = 2,
  // A shared library, linked by the compile server; or by the linker, if one was set, if there are libraries or flags, or if
  // the code needs what only a compiler can find, such as what x86-64's __builtin_cpu_supports reads.
  MGENJIT_EXPORT_SHARED_LIBRARY = 3,
  // An executable. `main` may return i8 to i64 or void, and takes its arguments as for mgenjit_executor_run_main. The maths
  // and atomics libraries are linked if needed.
  MGENJIT_EXPORT_EXECUTABLE = 4,
  // The optimised IR as bitcode, without objects that were linked into the module.
  MGENJIT_EXPORT_BITCODE = 5,
  // The optimised IR as text, without objects that were linked into the module.
  MGENJIT_EXPORT_IR = 6,
  // Assembly text.
  MGENJIT_EXPORT_ASSEMBLY = 7,
  // A C header with a prototype of each function that C can declare.
  MGENJIT_EXPORT_HEADER = 8
};

// Creates options with the defaults. Free them with mgenjit_export_options_free.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_new(mgenjit_export_options **options, mgenjit_error **error);

// Frees options. NULL does nothing.
void mgenjit_export_options_free(mgenjit_export_options *options);

// Sets a shared library's soname, such as "libanswer.so.1". Default, NULL: none.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_set_soname(mgenjit_export_options *options,
                                                 const char *soname,
                                                 mgenjit_error **error);

// Sets whether an executable is linked statically. Default: false, it is position-independent.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_set_static(mgenjit_export_options *options,
                                                 bool on,
                                                 mgenjit_error **error);

// Adds a library for executables and shared libraries: a name as after `-l`, such as "m", or a path with a slash. The linker
// gets libraries and flags after the objects, in the order in which they were added.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_add_library(mgenjit_export_options *options,
                                                  const char *library,
                                                  mgenjit_error **error);

// Adds one argument for the linker, such as "-Wl,-rpath,$ORIGIN" or "-g". No shell interprets it.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_add_flag(mgenjit_export_options *options,
                                               const char *flag,
                                               mgenjit_error **error);

// Exports a module as `kind`, one of MGENJIT_EXPORT_…, to the file at `path`. `options` may be NULL for the defaults.
//
// The file appears, or is replaced, only when it is complete. A symbolic link is followed. A pipe or device is written to.
// Executables and shared libraries are executable for whom the umask allows. Equal modules give equal bytes.
//
// Objects, archives, shared libraries, executables and headers are made from the cache's entry, without generating code.
// Archives and headers need no other process, nor do objects of modules without other objects. Other objects and shared
// libraries are linked by the compile server; executables, and shared libraries with libraries or flags, by the
// configuration's linker, which the compile server's program starts. For bitcode, IR and assembly, the compile server
// compiles the IR again.
//
// Thread-safe.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_UNSUPPORTED if the target or module cannot be exported as `kind`;
// MGENJIT_STATUS_NOT_FOUND if the cache lost the module or did not keep its IR; MGENJIT_STATUS_LINK if modules conflict;
// MGENJIT_STATUS_LINKER with the linker's message; MGENJIT_STATUS_UNRESOLVED if an executable lacks symbols;
// MGENJIT_STATUS_IO if the file cannot be written; MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_SERVER_UNAVAILABLE, _SERVER_CRASHED
// and _SERVER_MISMATCH.
mgenjit_status mgenjit_module_export(mgenjit_module *module,
                                     int32_t kind,
                                     const char *path,
                                     const mgenjit_export_options *options,
                                     mgenjit_error **error);

// Exports a module to a blob: see mgenjit_module_export. Free it with mgenjit_blob_free.
mgenjit_status mgenjit_module_export_blob(mgenjit_module *module,
                                          int32_t kind,
                                          const mgenjit_export_options *options,
                                          mgenjit_blob **blob,
                                          mgenjit_error **error);

// Exports `count` modules together, as an archive, a shared library, an executable or a header: see mgenjit_module_export.
// They must have one target and may belong to several executors. If two define the same symbol, the error names both.
mgenjit_status mgenjit_modules_export(mgenjit_module *const *modules,
                                      size_t count,
                                      int32_t kind,
                                      const char *path,
                                      const mgenjit_export_options *options,
                                      mgenjit_error **error);

// Exports `count` modules together to a blob: see mgenjit_modules_export. Free it with mgenjit_blob_free.
mgenjit_status mgenjit_modules_export_blob(mgenjit_module *const *modules,
                                           size_t count,
                                           int32_t kind,
                                           const mgenjit_export_options *options,
                                           mgenjit_blob **blob,
                                           mgenjit_error **error);

/*
 * Caches
 *
 * A mgenjit_cache is for looking into a cache's directory and changing it. It needs no executor and no compile server. Other
 * processes can use the cache at the same time.
 *
 *     mgenjit_cache *cache;
 *     mgenjit_cache_open(NULL, &cache, NULL);
 *     mgenjit_cache_statistics statistics = {.size = sizeof statistics};
 *     assert(mgenjit_cache_stats(cache, &statistics, NULL) == MGENJIT_STATUS_OK);
 *     printf("%llu entries, %llu bytes\n", (unsigned long long)statistics.entries,
 *            (unsigned long long)statistics.bytes);
 *     mgenjit_cache_free(cache);
 */

MGENJIT_ENUM {
  // The size of a key as text: 64 hexadecimal digits and a NUL.
  MGENJIT_KEY_SIZE = 65
};

// What a cache holds, and what has happened since its index was created.
typedef struct mgenjit_cache_statistics {
  // Set it to sizeof(mgenjit_cache_statistics); the library writes how many bytes it filled in.
  size_t size;
  // Entries, and the bytes of their files.
  uint64_t entries;
  uint64_t bytes;
  // Pinned entries.
  uint64_t pinned;
  // Other keys that lead to entries: an entry's canonical key, and those of modules that differ from it only in what does
  // not matter.
  uint64_t aliases;
  // The limits of the configuration that the cache was opened with. 0: none.
  uint64_t max_bytes;
  uint64_t max_entries;
  uint64_t max_age_ms;
  // Cache hits: under the module's own key, through an alias, in a layer below.
  uint64_t hits;
  uint64_t hits_by_alias;
  uint64_t hits_in_layers;
  // Cache misses: there never was an entry, it was evicted, it was removed, it was damaged, it had no trusted signature.
  uint64_t misses_new;
  uint64_t misses_evicted;
  uint64_t misses_removed;
  uint64_t misses_damaged;
  uint64_t misses_untrusted;
  // Entries that were compiled and stored, that were imported, that were evicted (and their bytes), and that were removed.
  uint64_t stores;
  uint64_t imports;
  uint64_t evictions;
  uint64_t evicted_bytes;
  uint64_t removals;
  // Compile time of the stored entries, and compile time that hits saved.
  uint64_t compile_us;
  uint64_t saved_us;
  // Whether `hits` to `saved_us`, `piece_hits` and `piece_stores` are known. If not, they are 0: the index is lost or
  // unreadable, and no new one can be created, for example on a full disk. The other fields are counted from the files.
  bool has_history;
  // Entries that are pieces of modules, see mgenjit_config_set_partition. `entries` and `bytes` include them.
  uint64_t pieces;
  // Pieces that were found when a module was compiled, and that were compiled and stored. `hits` and `stores` do not
  // include them.
  uint64_t piece_hits;
  uint64_t piece_stores;
  // Remotes: entries that were fetched and their bytes; questions that were answered with "not there"; questions that
  // failed, and answers that could not be used. Known if `has_history` is.
  uint64_t remote_hits;
  uint64_t remote_bytes;
  uint64_t remote_misses;
  uint64_t remote_errors;
  // Compile time that fetched entries saved, less the time to fetch them; time that was spent on the other answers.
  uint64_t remote_saved_us;
  uint64_t remote_lost_us;
  // Files that were put into remotes or were there already, their bytes, and those that could not be put.
  uint64_t remote_puts;
  uint64_t remote_put_bytes;
  uint64_t remote_put_errors;
} mgenjit_cache_statistics;

// Progress callback: `done` of `total`. It runs on the thread that made the call. `total` may be too large until the end; then
// it is `done`.
typedef void (*mgenjit_progress)(uint64_t done, uint64_t total, void *user);

// Opens the cache of a configuration; NULL: the default cache. Free it with mgenjit_cache_free. Nothing is created yet.
// mgenjit_cache_trim, _verify, _import and _explain use the configuration's limits, layers, keys and optimisation level.
//
// Errors: MGENJIT_STATUS_CACHE if the configuration has no cache; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_cache_open(const mgenjit_config *config,
                                  mgenjit_cache **cache,
                                  mgenjit_error **error);

// Frees a cache's handle. What was made from it stays usable. NULL does nothing.
void mgenjit_cache_free(mgenjit_cache *cache);

// The absolute path of the cache's directory. NULL for NULL.
const char *mgenjit_cache_directory(const mgenjit_cache *cache);

// Writes the cache's statistics. Set `statistics->size` first.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if the directory does not exist yet, MGENJIT_STATUS_CACHE,
// MGENJIT_STATUS_INVALID_ARGUMENT. The functions below have these errors, too.
mgenjit_status mgenjit_cache_stats(mgenjit_cache *cache,
                                   mgenjit_cache_statistics *statistics,
                                   mgenjit_error **error);

// Finds the entry whose key begins with the digits of `prefix`; if there is none, the entry of an alias that does. Writes the
// entry's whole key to `key`, which has `key_bytes` bytes: at least MGENJIT_KEY_SIZE.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND; MGENJIT_STATUS_INVALID_ARGUMENT if several entries match, if `prefix` is not
// hexadecimal digits, or if `key` is too small.
mgenjit_status mgenjit_cache_resolve(mgenjit_cache *cache,
                                     const char *prefix,
                                     char *key,
                                     size_t key_bytes,
                                     mgenjit_error **error);

// Removes an entry, even a pinned one. Its code stays valid where it is mapped. The pieces that a module was made of stay: they
// have keys of their own, and other modules may have them too.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
mgenjit_status mgenjit_cache_remove(mgenjit_cache *cache,
                                    const char *key,
                                    mgenjit_error **error);

// Pins an entry, so that it is never evicted; false unpins it. A module needs no pieces to be found, so they are not pinned
// with it.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
mgenjit_status mgenjit_cache_pin(mgenjit_cache *cache,
                                 const char *key,
                                 bool pinned,
                                 mgenjit_error **error);

// Evicts entries until the limits of the cache's configuration hold, and removes what killed processes left. Entries that
// saved the least compile time for each byte and have not been used for a long time go first. Storing does the same, a
// little at a time. `progress` may be NULL.
//
// Thread-safe.
mgenjit_status mgenjit_cache_trim(mgenjit_cache *cache,
                                  mgenjit_progress progress,
                                  void *user,
                                  mgenjit_error **error);

// Removes all entries; pinned ones only if `pinned_too`. Also removes what older versions of this library left, but not what
// newer ones did. `progress` may be NULL.
//
// Thread-safe.
mgenjit_status mgenjit_cache_clear(mgenjit_cache *cache,
                                   bool pinned_too,
                                   mgenjit_progress progress,
                                   void *user,
                                   mgenjit_error **error);

// Verifies an entry: its code, as a hit does; what is attached to it; and, if its inputs were kept, that they and the options
// have its key. With `recompile`, also compiles the inputs again and compares. That needs an entry with inputs that this
// version of the library compiled, for this machine or another target. A piece is compiled again, and compared, with a module
// that was made of it; by itself, it is MGENJIT_STATUS_NOT_FOUND.
//
// If the inputs were not kept, only compiling the module again can tell whether the entry is what its key says. The same holds
// for an alias, except the key of the canonical form, which `recompile` checks.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED; with `recompile` also
// MGENJIT_STATUS_DIFFERENT, MGENJIT_STATUS_TARGET if it cannot be compiled here, and those of mgenjit_executor_compile.
mgenjit_status mgenjit_cache_verify(mgenjit_cache *cache,
                                    const char *key,
                                    bool recompile,
                                    mgenjit_error **error);

// Creates the index anew from the entries. Counts and times of use are kept if the old index can be read; nothing else can be
// lost with an index. `progress` may be NULL.
//
// Thread-safe.
mgenjit_status mgenjit_cache_rebuild(mgenjit_cache *cache,
                                     mgenjit_progress progress,
                                     void *user,
                                     mgenjit_error **error);

// Writes the entries of `count` keys, and their aliases, to a file, a bundle, to be imported or to be used as a layer
// (mgenjit_config_add_cache_layer). Pieces are written only if their own keys are given. The file appears only when it is complete. If
// the configuration has a signing key, the entries are signed with it. `progress` may be NULL.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_IO.
mgenjit_status mgenjit_cache_export(mgenjit_cache *cache,
                                    const char *path,
                                    const char *const *keys,
                                    size_t count,
                                    mgenjit_progress progress,
                                    void *user,
                                    mgenjit_error **error);

// Stores the entries of a bundle. All are verified before the first is stored. Entries that the cache already has, whole and
// signed as the configuration asks, stay as they are. `imported`, which may be NULL, receives how many were stored. `progress`
// may be NULL.
//
// If the configuration has trusted keys, each entry must be signed with one. If not, the entries are checked for damage, but
// nothing shows that their code is what their keys stand for. So import unsigned bundles only from where you would run a
// program from. mgenjit_cache_verify with `recompile` finds entries that differ from what this machine compiles.
//
// Thread-safe. Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED if an entry has no signature by a
// trusted key.
mgenjit_status mgenjit_cache_import(mgenjit_cache *cache,
                                    const char *path,
                                    uint64_t *imported,
                                    mgenjit_progress progress,
                                    void *user,
                                    mgenjit_error **error);

/*
 * Lists of cache entries
 *
 *     mgenjit_cache *cache;
 *     mgenjit_cache_open(NULL, &cache, NULL);
 *     mgenjit_cache_iterator *iterator;
 *     mgenjit_cache_iterate(cache, NULL, &iterator, NULL);
 *     mgenjit_cache_info info = {.size = sizeof info};
 *     while (mgenjit_cache_iterator_next(iterator, &info, NULL) == MGENJIT_STATUS_OK && info.key != NULL)
 *         printf("%s %s\n", info.key, info.name);
 *     mgenjit_cache_iterator_free(iterator);
 *     mgenjit_cache_free(cache);
 */

MGENJIT_ENUM {
  // All entries.
  MGENJIT_PINNED_ANY = 0,
  // Only pinned entries.
  MGENJIT_PINNED_ONLY = 1,
  // Only entries that are not pinned.
  MGENJIT_PINNED_NOT = 2
};

MGENJIT_ENUM {
  // All entries.
  MGENJIT_PIECES_ANY = 0,
  // Only pieces of modules: see mgenjit_config_set_partition.
  MGENJIT_PIECES_ONLY = 1,
  // Only modules.
  MGENJIT_PIECES_NOT = 2
};

// Which entries an iterator yields: those that pass every test. If all fields but `size` are 0, all entries pass.
typedef struct mgenjit_cache_filter {
  // Set it to sizeof(mgenjit_cache_filter).
  size_t size;
  // A pattern for module names, with *, ? and […], or NULL.
  const char *name;
  // One of MGENJIT_PINNED_….
  int32_t pinned;
  // Only entries that were last used before this time, in microseconds since 1970. 0: all.
  uint64_t unused_since_us;
  // Only entries of at least so many bytes.
  uint64_t min_bytes;
  // One of MGENJIT_PIECES_….
  int32_t pieces;
} mgenjit_cache_filter;

// What is known of one entry. The strings belong to the iterator, until its next step, or to the entry that was asked.
typedef struct mgenjit_cache_info {
  // Set it to sizeof(mgenjit_cache_info); the library writes how many bytes it filled in.
  size_t size;
  // 64 hexadecimal digits.
  const char *key;
  // The module's name when it was compiled. Of a piece, also what is in it, such as "x.ll (piece with `f`)".
  const char *name;
  // One of MGENJIT_OPT_….
  int32_t opt_level;
  // Whether it is never evicted.
  bool pinned;
  // The target and CPU that LLVM generated code for.
  const char *triple;
  const char *cpu;
  // Where the code runs: a CPU level such as "x86-64-v3"; "native" and a digest of a machine's CPU; or another target such
  // as "aarch64-linux-gnu cortex-a72".
  const char *machine;
  // The versions of LLVM and of this library, and the build of the compile server.
  const char *llvm_version;
  const char *version;
  const char *build;
  // Bytes of the inputs, of the entry's file, and of its image, which is 0 for a target other than this machine.
  uint64_t ir_bytes;
  uint64_t bytes;
  uint64_t image_bytes;
  // Compile time.
  uint64_t compile_us;
  // When it was compiled and last used, in microseconds since 1970.
  uint64_t created_us;
  uint64_t last_used_us;
  // Hits, and the compile time that they saved.
  uint64_t hits;
  uint64_t saved_us;
  // Whether this is a piece of a module. It is found when a module that has this piece is compiled, which counts as a hit.
  bool is_piece;
  // How many pieces it was made of, see mgenjit_cache_entry_piece. 0: it was compiled as one. 1, itself, for a piece.
  uint64_t pieces;
} mgenjit_cache_info;

// Creates an iterator over the entries that pass `filter`, in the order of their keys; NULL: over all. Free it with
// mgenjit_cache_iterator_free. It reads as it goes: entries stored or removed meanwhile may or may not appear.
mgenjit_status mgenjit_cache_iterate(mgenjit_cache *cache,
                                     const mgenjit_cache_filter *filter,
                                     mgenjit_cache_iterator **iterator,
                                     mgenjit_error **error);

// Writes the next entry. After the last one, `info->key` is NULL. Set `info->size` first.
mgenjit_status mgenjit_cache_iterator_next(mgenjit_cache_iterator *iterator,
                                           mgenjit_cache_info *info,
                                           mgenjit_error **error);

// Frees an iterator. NULL does nothing.
void mgenjit_cache_iterator_free(mgenjit_cache_iterator *iterator);

/*
 * Cache entries
 *
 *     mgenjit_cache *cache;
 *     mgenjit_cache_open(NULL, &cache, NULL);
 *     mgenjit_cache_entry *entry;
 *     assert(mgenjit_cache_entry_open(cache, mgenjit_module_key(module), &entry, NULL) == MGENJIT_STATUS_OK);
 *     printf("%s\n", mgenjit_cache_entry_prototype(entry, 0)); // int64_t add(int64_t, int64_t);
 *     mgenjit_cache_entry_free(entry);
 *     mgenjit_cache_free(cache);
 */

MGENJIT_ENUM {
  // The image: an ELF shared object. Empty if the entry is for another target, or is a piece.
  MGENJIT_PART_IMAGE = 1,
  // The relocatable object that the image was linked from; if there are several, a GNU archive of them. Of a piece, what the
  // compile server keeps of it, in a form of its own.
  MGENJIT_PART_OBJECT = 2,
  // The inputs as they were given, one after the other, if they were kept. Those of pieces are not.
  MGENJIT_PART_IR = 3,
  // The profile that the code was optimised by (mgenjit_config_set_profile_use), if the IR was kept.
  MGENJIT_PART_PROFILE = 4
};

// Opens the entry of a key, 64 hexadecimal digits, and verifies it. Free it with mgenjit_cache_entry_free.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED.
mgenjit_status mgenjit_cache_entry_open(mgenjit_cache *cache,
                                        const char *key,
                                        mgenjit_cache_entry **entry,
                                        mgenjit_error **error);

// Frees an entry. NULL does nothing.
void mgenjit_cache_entry_free(mgenjit_cache_entry *entry);

// Writes what is known of the entry. Set `info->size` first.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_cache_entry_info(const mgenjit_cache_entry *entry,
                                        mgenjit_cache_info *info,
                                        mgenjit_error **error);

// The CPU features that LLVM generated code for, such as "+avx2,-avx512f". NULL for NULL.
const char *mgenjit_cache_entry_features(const mgenjit_cache_entry *entry);

// What decided about the code beside the level and the target, where it is not the default, with spaces between:
// "pieces=off" or "pieces=" and a number, "replaceable=yes", "switchable=yes" for code of a first tier, "profile=generate" for code
// that counts, "profile=use" for code that was optimised by a profile. NULL for NULL.
const char *mgenjit_cache_entry_options(const mgenjit_cache_entry *entry);

// The path of the entry's file. Tools such as objdump read it as an ELF shared object. NULL for NULL.
const char *mgenjit_cache_entry_path(const mgenjit_cache_entry *entry);

// How many aliases, other keys, lead to the entry. 0 for NULL.
size_t mgenjit_cache_entry_alias_count(const mgenjit_cache_entry *entry);

// The alias at `index`. NULL past the last.
const char *mgenjit_cache_entry_alias(const mgenjit_cache_entry *entry, size_t index);

// How many inputs the entry was compiled from. 0 for NULL.
size_t mgenjit_cache_entry_input_count(const mgenjit_cache_entry *entry);

// The name of the input at `index`. NULL past the last.
const char *mgenjit_cache_entry_input_name(const mgenjit_cache_entry *entry, size_t index);

// The bytes of the input at `index`, 0 past the last. In MGENJIT_PART_IR, it follows the inputs before it.
uint64_t mgenjit_cache_entry_input_size(const mgenjit_cache_entry *entry, size_t index);

// How many functions the module defines that others can see. 0 for NULL.
size_t mgenjit_cache_entry_function_count(const mgenjit_cache_entry *entry);

// The signature of the function at `index` as IR text, such as "i64 @add(i64, i64)". NULL past the last.
const char *mgenjit_cache_entry_signature(const mgenjit_cache_entry *entry, size_t index);

// The C declaration of the function at `index`, such as "int64_t add(int64_t, int64_t);". IR does not say which integers are
// unsigned or what pointers point to. NULL past the last, and for a function that C cannot declare because of its name, its
// calling convention, or a type such as a vector.
const char *mgenjit_cache_entry_prototype(const mgenjit_cache_entry *entry,
                                          size_t index);

// Reads a part of the entry, one of MGENJIT_PART_…, into a blob. Free it with mgenjit_blob_free.
//
// Errors: MGENJIT_STATUS_NOT_FOUND if the IR was not kept or no profile was used, MGENJIT_STATUS_DAMAGED.
mgenjit_status mgenjit_cache_entry_read(const mgenjit_cache_entry *entry,
                                        int32_t part,
                                        mgenjit_blob **bytes,
                                        mgenjit_error **error);

/*
 * Remotes of a cache
 *
 * What people and scripts ask of the remotes that the cache's configuration has, see mgenjit_config_set_remote. Compiles need
 * none of this: they fetch and put by themselves.
 *
 *     mgenjit_cache *cache;
 *     mgenjit_cache_open(NULL, &cache, NULL);
 *     mgenjit_remote_status status = {.size = sizeof status};
 *     for (size_t i = 0; mgenjit_cache_remote_status(cache, i, &status, NULL) == MGENJIT_STATUS_OK; i++)
 *         printf("%s: %s\n", status.url, status.answers ? "it answers" : status.problem);
 *     mgenjit_cache_free(cache);
 */

// How a remote is used, and how it does. Texts end with a NUL; what is longer than its field is cut.
typedef struct mgenjit_remote_status {
  // Set it to sizeof(mgenjit_remote_status); the library writes how many bytes it filled in.
  size_t size;
  // How long it took to ask for something that it does not have.
  uint64_t answer_us;
  // For how much longer compiles leave it alone, and after how many failures in a row. 0: they ask it.
  uint64_t paused_ms;
  uint32_t failures;
  // Whether it is asked, is put to, and may have entries that nobody signed.
  bool reads;
  bool writes;
  bool accepts_unsigned;
  // Whether it answered. If not, `problem` says why.
  bool answers;
  // Without user, password, query and attributes.
  char url[256];
  // What its helper calls itself. Empty: it does not say.
  char helper[256];
  char problem[512];
} mgenjit_remote_status;

// What mgenjit_cache_remote_gc did, in all remotes together.
typedef struct mgenjit_remote_collection {
  // Set it to sizeof(mgenjit_remote_collection); the library writes how many bytes it filled in.
  size_t size;
  // Files that were removed, entries and aliases, and their bytes; those that are left, and theirs.
  uint64_t removed;
  uint64_t removed_bytes;
  uint64_t left;
  uint64_t left_bytes;
} mgenjit_remote_collection;

// Asks the remote of that index whether it is there, and writes how it does. Its helper is started if need be. The indexes
// count the configuration's remotes from 0 on.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there are no more, MGENJIT_STATUS_UNTRUSTED if the remotes may not be used as
// they are configured, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_cache_remote_status(mgenjit_cache *cache,
                                           size_t index,
                                           mgenjit_remote_status *status,
                                           mgenjit_error **error);

// Puts the entries of `count` keys, and their aliases, into all remotes that are written, and waits for that. If the
// configuration has a signing key, they are signed with it. `pushed`, which may be NULL, receives how many entries a remote did
// not have. `progress`, which may be NULL, counts entries.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED, MGENJIT_STATUS_IO if a remote
// does not take them, MGENJIT_STATUS_INVALID_ARGUMENT if none is written.
mgenjit_status mgenjit_cache_remote_push(mgenjit_cache *cache,
                                         const char *const *keys,
                                         size_t count,
                                         uint64_t *pushed,
                                         mgenjit_progress progress,
                                         void *user,
                                         mgenjit_error **error);

// Fetches the entries of `count` keys from the remotes that are read, and stores those that the cache does not have. They are
// checked as in a compile. `pulled`, which may be NULL, receives how many were stored. `progress`, which may be NULL, counts keys.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if no remote has one, after all others were fetched; MGENJIT_STATUS_UNTRUSTED,
// MGENJIT_STATUS_CACHE.
mgenjit_status mgenjit_cache_remote_pull(mgenjit_cache *cache,
                                         const char *const *keys,
                                         size_t count,
                                         uint64_t *pulled,
                                         mgenjit_progress progress,
                                         void *user,
                                         mgenjit_error **error);

// Removes from all remotes that are written what was put there more than `max_age_ms` ago, and then what was put first until the
// rest has at most `max_bytes`. 0: no such limit. Only what is in the configuration's namespace, and of this version's format,
// counts. Redis tells when an entry was last used, not when it was put, and that counts there. What is removed is compiled, and
// put, again by whoever needs it.
//
// Remotes that cannot list what they have are an error: memcached, which has a limit of its own, and those with other helpers
// than mgenjit-remote.
//
// Thread-safe. Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_UNTRUSTED, MGENJIT_STATUS_INVALID_ARGUMENT if none is written.
mgenjit_status mgenjit_cache_remote_gc(mgenjit_cache *cache,
                                       uint64_t max_bytes,
                                       uint64_t max_age_ms,
                                       mgenjit_remote_collection *collection,
                                       mgenjit_error **error);

/*
 * Pieces
 *
 * A large module is compiled in pieces, see mgenjit_config_set_partition. A module and its entry know which.
 *
 *     for (size_t i = 0; i < mgenjit_module_piece_count(module); i++) {
 *         mgenjit_piece piece = {.size = sizeof piece};
 *         mgenjit_module_piece(module, i, &piece, NULL);
 *         printf("%s: %u functions, %s\n", piece.name, piece.functions, piece.compiled ? "compiled" : "found");
 *     }
 */

// A piece of a module. The strings belong to the module's or the entry's handle.
typedef struct mgenjit_piece {
  // Set it to sizeof(mgenjit_piece); the library writes how many bytes it filled in.
  size_t size;
  // A function that it has, or a variable if it has none.
  const char *name;
  // The key of its entry in the cache: 64 hexadecimal digits. The entry may be gone.
  const char *key;
  // The functions that it defines, and their IR instructions, before it was optimised.
  uint32_t functions;
  uint32_t instructions;
  // Whether it was compiled for this module. Otherwise the cache had it.
  bool compiled;
  // What its compile took, whenever that was.
  uint64_t compile_us;
} mgenjit_piece;

// How many pieces the module was made of when it was compiled, perhaps by another process. 0: it was compiled as one. 0 for
// NULL.
size_t mgenjit_module_piece_count(const mgenjit_module *module);

// Writes what is known of the module's piece at `index`. Set `piece->size` first.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_module_piece(const mgenjit_module *module,
                                    size_t index,
                                    mgenjit_piece *piece,
                                    mgenjit_error **error);

// How many pieces the entry's module was made of. 0: it was compiled as one. 1 if the entry is a piece: itself. 0 for NULL.
size_t mgenjit_cache_entry_piece_count(const mgenjit_cache_entry *entry);

// Writes what is known of the entry's piece at `index`. Set `piece->size` first.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_cache_entry_piece(const mgenjit_cache_entry *entry,
                                         size_t index,
                                         mgenjit_piece *piece,
                                         mgenjit_error **error);

/*
 * Explanations
 *
 * A mgenjit_explanation tells why a module is found in the cache, or is not.
 *
 *     mgenjit_cache *cache;
 *     mgenjit_cache_open(NULL, &cache, NULL);
 *     mgenjit_explanation *explanation;
 *     mgenjit_cache_explain(cache, "add.ll", ir, strlen(ir), &explanation, NULL);
 *     assert(mgenjit_explanation_verdict(explanation) == MGENJIT_VERDICT_HIT);
 *     printf("add.ll: %s\n", mgenjit_explanation_message(explanation));
 *     mgenjit_explanation_free(explanation);
 *     mgenjit_cache_free(cache);
 */

MGENJIT_ENUM {
  // Cache hit.
  MGENJIT_VERDICT_HIT = 1,
  // There is no entry of this name, and as far as the cache remembers there was none of this key. If an entry of this name is
  // gone, mgenjit_explanation_time_us says since when.
  MGENJIT_VERDICT_NEVER = 2,
  // There is an entry of this name with another key: see mgenjit_explanation_differences.
  MGENJIT_VERDICT_DIFFERS = 3,
  // The entry was evicted, for its size or its age: see mgenjit_explanation_time_us.
  MGENJIT_VERDICT_EVICTED = 4,
  // The entry was removed.
  MGENJIT_VERDICT_REMOVED = 5,
  // The entry is damaged.
  MGENJIT_VERDICT_DAMAGED = 6,
  // The entry has no signature by a trusted key.
  MGENJIT_VERDICT_UNTRUSTED = 7
};

MGENJIT_ENUM {
  // The IR, another input, or the symbols to keep.
  MGENJIT_DIFFERS_IR = 1,
  // The optimisation level.
  MGENJIT_DIFFERS_OPT_LEVEL = 2,
  // The CPU, CPU level or target.
  MGENJIT_DIFFERS_CPU = 4,
  // The version of LLVM.
  MGENJIT_DIFFERS_LLVM = 8,
  // The version of this library, or the build of its compile server.
  MGENJIT_DIFFERS_VERSION = 16,
  // Another option of the code, such as the size of pieces.
  MGENJIT_DIFFERS_OPTIONS = 32
};

// Explains whether an executor of the cache's configuration would find the IR in the cache, and why. `name` is the module's
// name. Free the explanation with mgenjit_explanation_free.
//
// If it is not there, and the configuration has remotes that are read, they are asked: see mgenjit_explanation_remote.
//
// Nothing is compiled. So this cannot see that new IR differs from an entry's only in what does not matter; a compile does,
// after the compile server has read the IR.
//
// Thread-safe.
mgenjit_status mgenjit_cache_explain(mgenjit_cache *cache,
                                     const char *name,
                                     const void *ir,
                                     size_t length,
                                     mgenjit_explanation **explanation,
                                     mgenjit_error **error);

// Explains the same for all inputs of a source: see mgenjit_cache_explain.
//
// Thread-safe. Errors: MGENJIT_STATUS_IO if a file cannot be read, and those of mgenjit_cache_explain.
mgenjit_status mgenjit_cache_explain_source(mgenjit_cache *cache,
                                            const mgenjit_source *source,
                                            mgenjit_explanation **explanation,
                                            mgenjit_error **error);

// Frees an explanation. NULL does nothing.
void mgenjit_explanation_free(mgenjit_explanation *explanation);

// One of MGENJIT_VERDICT_…. 0 for NULL.
int32_t mgenjit_explanation_verdict(const mgenjit_explanation *explanation);

// What differs: a sum of MGENJIT_DIFFERS_…. 0 for NULL.
uint32_t mgenjit_explanation_differences(const mgenjit_explanation *explanation);

// The module's key: 64 hexadecimal digits. NULL for NULL.
const char *mgenjit_explanation_key(const mgenjit_explanation *explanation);

// For MGENJIT_VERDICT_HIT, the key of the entry. For MGENJIT_VERDICT_DIFFERS, the key of the nearest entry of the same name.
// Otherwise NULL.
const char *mgenjit_explanation_nearest(const mgenjit_explanation *explanation);

// When the entry was evicted or removed, or when the nearest entry was compiled, in microseconds since 1970. 0 if unknown.
uint64_t mgenjit_explanation_time_us(const mgenjit_explanation *explanation);

// A CPU or level that this machine could run code for, if there is an entry for it that differs in nothing else:
// mgenjit_config_set_cpu with this name would find it. Otherwise NULL.
const char *mgenjit_explanation_cpu(const mgenjit_explanation *explanation);

// The remote that has an entry which the cache does not have: a compile would fetch it. Otherwise NULL.
const char *mgenjit_explanation_remote(const mgenjit_explanation *explanation);

// The explanation in words. "" for NULL.
const char *mgenjit_explanation_message(const mgenjit_explanation *explanation);

/*
 * Compile servers
 *
 *     char *path;
 *     if (mgenjit_server_path(NULL, &path, NULL) == MGENJIT_STATUS_OK) {
 *         printf("the compile server is %s\n", path);
 *         mgenjit_string_free(path);
 *     }
 *     mgenjit_server_statistics statistics = {.size = sizeof statistics};
 *     if (mgenjit_server_status(&statistics, NULL) == MGENJIT_STATUS_NOT_FOUND)
 *         puts("no shared server runs");
 */

// What the shared compile server does, and what it has done since it started.
typedef struct mgenjit_server_statistics {
  // Set it to sizeof(mgenjit_server_statistics); the library writes how many bytes it filled in.
  size_t size;
  // The server's process ID.
  uint64_t process;
  // The time since the server started.
  uint64_t uptime_ms;
  // The time without requests after which the server ends.
  uint64_t idle_timeout_ms;
  // Whether it is ending: it answers the requests that it has, and takes no new clients.
  bool stopping;
  // Connections, including that of this call, and the number of processes that have them.
  uint64_t connections;
  uint64_t clients;
  // Requests that wait for a worker, and requests being worked on.
  uint64_t queued;
  uint64_t running;
  // Worker processes, how many of them are idle, and how many there may be.
  uint64_t workers;
  uint64_t idle_workers;
  uint64_t max_workers;
  // Memory of the server's own process, and of all workers together, as /proc tells it.
  uint64_t memory_bytes;
  uint64_t worker_memory_bytes;
  // Requests received. Of these: compiled, failed with an error of the module, answered with the result of another client's
  // equal request, cancelled or abandoned by the client, and lost with a worker that died.
  uint64_t requests;
  uint64_t compiled;
  uint64_t failed;
  uint64_t joined;
  uint64_t cancelled;
  uint64_t crashed;
  // Connections accepted, and connections refused or closed because they were too many, too slow, or invalid.
  uint64_t accepted;
  uint64_t refused;
  // Workers started, and workers replaced because they had used much memory.
  uint64_t started_workers;
  uint64_t recycled_workers;
  // The limits of one request: processor time and memory. 0: no limit. See mgenjit_config_set_server_limits.
  uint64_t max_cpu_ms;
  uint64_t max_memory_bytes;
  // How long a request waits for a worker before a private server compiles it, 0: for ever; how many such private servers
  // there are, and how many there may be.
  uint64_t queue_timeout_ms;
  uint64_t private_servers;
  uint64_t max_private_servers;
  // Requests that exceeded a limit; unresponsive workers that were replaced; requests left to a private server because they
  // had waited too long.
  uint64_t limited;
  uint64_t hung_workers;
  uint64_t sent_away;
} mgenjit_server_statistics;

// Writes the statistics of the shared compile server of this build: see mgenjit_config_set_server_mode. Does not start one.
// Set `statistics->size` first.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if no shared server runs; MGENJIT_STATUS_TIMEOUT if it does not answer within
// some seconds; MGENJIT_STATUS_SERVER_UNAVAILABLE if it cannot be reached, or if there is no folder for its socket that only
// this user can access; MGENJIT_STATUS_SERVER_CRASHED if its answer is invalid; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_server_status(mgenjit_server_statistics *statistics,
                                     mgenjit_error **error);

// Ends the shared compile server of this build. It takes no new clients, answers the requests that it has, and ends; with
// `force`, it ends at once. No compile fails: clients that still need a server start another and send it their unanswered
// requests.
//
// Waits until the server has ended, for at most `timeout_ms`: 0 does not wait, MGENJIT_FOREVER waits as long as it takes.
//
// Thread-safe. Errors: those of mgenjit_server_status; MGENJIT_STATUS_TIMEOUT also if it has not ended in time.
mgenjit_status mgenjit_server_stop(bool force,
                                   uint64_t timeout_ms,
                                   mgenjit_error **error);

// Writes to `path` the absolute path of the socket of this build's shared compile server, whether it runs or not. Free it
// with mgenjit_string_free.
//
// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if there is no folder for the socket that only this user can access;
// MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_server_socket(char **path,
                                     mgenjit_error **error);

// Writes to `path` the absolute path of the compile server that executors of this configuration start; NULL: of the default
// configuration. Free it with mgenjit_string_free. The server is not started, so this does not tell whether it runs.
//
// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if none is found, with the places that were searched;
// MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_server_path(const mgenjit_config *config,
                                   char **path,
                                   mgenjit_error **error);
#ifndef MGENJIT_DECLARATIONS_ONLY

/* Makes a mgenjit_value. For the integer types; `integer` must fit the type. */
static inline mgenjit_value mgenjit_integer(int32_t kind, int64_t integer)
{
    mgenjit_value value;
    value.kind = kind;
    value.of.integer = integer;
    return value;
}

static inline mgenjit_value mgenjit_i1(bool on) { return mgenjit_integer(MGENJIT_TYPE_I1, on); }
static inline mgenjit_value mgenjit_i8(int8_t integer) { return mgenjit_integer(MGENJIT_TYPE_I8, integer); }
static inline mgenjit_value mgenjit_i16(int16_t integer) { return mgenjit_integer(MGENJIT_TYPE_I16, integer); }
static inline mgenjit_value mgenjit_i32(int32_t integer) { return mgenjit_integer(MGENJIT_TYPE_I32, integer); }
static inline mgenjit_value mgenjit_i64(int64_t integer) { return mgenjit_integer(MGENJIT_TYPE_I64, integer); }

static inline mgenjit_value mgenjit_float(float number)
{
    mgenjit_value value;
    value.kind = MGENJIT_TYPE_FLOAT;
    value.of.single_precision = number;
    return value;
}

static inline mgenjit_value mgenjit_double(double number)
{
    mgenjit_value value;
    value.kind = MGENJIT_TYPE_DOUBLE;
    value.of.double_precision = number;
    return value;
}

/* The callee may fill the memory in, so the compiler must not warn that it is not initialised. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
__attribute__((access(none, 1)))
#endif
static inline mgenjit_value mgenjit_pointer(const void *pointer)
{
    mgenjit_value value;
    value.kind = MGENJIT_TYPE_POINTER;
    value.of.pointer = (void *)pointer;
    return value;
}

#endif /* MGENJIT_DECLARATIONS_ONLY */

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MGENJIT_H */
