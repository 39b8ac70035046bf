/*
 * libmgenjit: a cached compile server for LLVM IR.
 *
 * Give it LLVM IR; it returns native functions to call. What it compiles it keeps on disk, keyed by the IR's
 * hash, so that the next run, in any process, maps the code and calls it with no compiler in the process.
 *
 * Conventions
 *
 * - Every call that can fail returns a mgenjit_status: 0 for success, else one of MGENJIT_STATUS_…. Its last
 *   parameter is a mgenjit_error **, which may be NULL. On failure it receives an error that the caller frees
 *   with mgenjit_error_free; on success it is left alone. On failure no other out-parameter is written.
 * - Handles are opaque and reference-counted inside: free them in any order. Every …_free(NULL) does nothing.
 *   A module, an address and a function stay valid while any handle of their executor lives (the executor
 *   itself, one of its modules or functions), unless the module is removed: see mgenjit_module_remove.
 * - IR is a pointer and a length in bytes. Names and paths are NUL-terminated UTF-8. Strings that the library
 *   returns belong to the handle they were asked of and live as long as it does.
 * - Executors, modules and functions may be used from many threads at once. A configuration and an error
 *   belong to one thread at a time.
 * - The library prints nothing, installs no signal handler and leaves no child process to wait for. It may be
 *   used in a child after fork().
 *
 * Compiled code
 *
 * - It is a part of the process that calls it. The compile server is isolated, which protects the host from bad IR while
 *   it is compiled; nothing protects it from what the code does when it runs. A fault ends the process and an endless
 *   loop does not return, unless the host sees to it: examples-c/survive.c shows how, by a signal handler that leaves
 *   the code with siglongjmp, in a child process, and in an exported executable. By siglongjmp, leave only code that is
 *   called by its address, and no call of this library.
 * - A module that is linked keeps what it was linked to. If another module defines a function again, look-ups and
 *   modules that link from then on get the new one; callers that are linked go on to call the old one. To replace a
 *   function for them, let them call it through a pointer: examples-c/redefine.c.
 * - LLVM knows the functions of the C library by their names. It may compute a call of `sin` when it compiles, or make
 *   `puts` of `printf`, also where a module or the host defines a function of that name. The attribute `nobuiltin` on
 *   the call prevents that: examples-c/library_names.c. clang writes it with -fno-builtin.
 *
 * Linux on x86-64. This file is generated from src/capi by cbindgen.
 */

#ifndef MGENJIT_H
#define MGENJIT_H


#include <stddef.h>
#include <stdint.h>

#define MGENJIT_VERSION_MAJOR 0
#define MGENJIT_VERSION_MINOR 1
#define MGENJIT_VERSION_PATCH 0
/* What mgenjit_version_number() of the same version returns. */
#define MGENJIT_VERSION_NUMBER \
    (MGENJIT_VERSION_MAJOR * 1000000 + MGENJIT_VERSION_MINOR * 1000 + MGENJIT_VERSION_PATCH)


// Success.
#define MGENJIT_STATUS_OK 0

// A parameter is NULL, not UTF-8, or out of its range.
#define MGENJIT_STATUS_INVALID_ARGUMENT 1

// A file could not be read.
#define MGENJIT_STATUS_IO 2

// The input is neither IR text nor bitcode that this LLVM can read.
#define MGENJIT_STATUS_PARSE 3

// The IR breaks a rule of the language.
#define MGENJIT_STATUS_VERIFY 4

// The IR asks for another target or data layout than the one that is compiled for, or code of another target would
// have to run.
#define MGENJIT_STATUS_TARGET 5

// LLVM could not generate code for it.
#define MGENJIT_STATUS_CODEGEN 6

// The generated code could not be linked into an image.
#define MGENJIT_STATUS_LINK 7

// Symbols that the modules need are defined nowhere; mgenjit_error_symbol lists them.
#define MGENJIT_STATUS_UNRESOLVED 8

// There is no symbol of that name.
#define MGENJIT_STATUS_NOT_FOUND 9

// Arguments do not match the function's signature, or the function cannot be called this way.
#define MGENJIT_STATUS_TYPE 10

// The compile server was not found or could not be started. Code in the cache still runs.
#define MGENJIT_STATUS_SERVER_UNAVAILABLE 11

// The compile server died while it compiled this input. The next compile gets a new one.
#define MGENJIT_STATUS_SERVER_CRASHED 12

// The compile server that was found belongs to another version of this library.
#define MGENJIT_STATUS_SERVER_MISMATCH 13

// An image could not be mapped.
#define MGENJIT_STATUS_LOAD 14

// A shared library could not be loaded.
#define MGENJIT_STATUS_LIBRARY 15

// The module was removed from its executor.
#define MGENJIT_STATUS_REMOVED 16

// A defect of this library, caught at its boundary. Please report it.
#define MGENJIT_STATUS_PANIC 17

// This machine lacks features of the CPU that was chosen by mgenjit_config_set_cpu.
#define MGENJIT_STATUS_CPU 18

// An entry of the cache, or a bundle, is not whole.
#define MGENJIT_STATUS_DAMAGED 19

// An entry has no signature by a key that is trusted.
#define MGENJIT_STATUS_UNTRUSTED 20

// The cache cannot be used: its directory, its index, or another process that holds it for too long. Compiling
// never fails for this.
#define MGENJIT_STATUS_CACHE 21

// What was compiled again is not what the cache has.
#define MGENJIT_STATUS_DIFFERENT 22

// The linker that links what is exported is missing, failed, or did not end in time.
#define MGENJIT_STATUS_LINKER 23

// A target, or what was compiled, cannot be exported as that.
#define MGENJIT_STATUS_UNSUPPORTED 24

// A compile took longer than the limit, and was stopped; or a compile server did not answer or end in time.
#define MGENJIT_STATUS_TIMEOUT 25

// A compile took more memory than the limit, and was stopped; or this process may have no more memory or mappings of it.
#define MGENJIT_STATUS_MEMORY 26

// The inputs of a compile are larger than the limit.
#define MGENJIT_STATUS_TOO_LARGE 27

// The compile was cancelled.
#define MGENJIT_STATUS_CANCELLED 28

// A cache hit. `bytes`: its entry's length.
#define MGENJIT_EVENT_HIT 1

// A cache miss. `message`: why the cache was not used, if it was not.
#define MGENJIT_EVENT_MISS 2

// A compile server starts to compile. `bytes`: the IR's length.
#define MGENJIT_EVENT_COMPILE_STARTED 3

// It has compiled. `bytes`: the image's length.
#define MGENJIT_EVENT_COMPILED 4

// The code was stored in the cache. `bytes`: its entry's length.
#define MGENJIT_EVENT_STORED 5

// The code is mapped. It links when something is first looked up. `bytes`: of address space.
#define MGENJIT_EVENT_LOADED 6

// Something is wrong with the cache, and time is lost, but nothing else: `message` says what and where.
#define MGENJIT_EVENT_CACHE_TROUBLE 7

// What was compiled again is not what the cache has: see mgenjit_config_set_cache_verify. `bytes`: the image's
// length in the cache.
#define MGENJIT_EVENT_DIFFERENT 8

// The compile server could not be isolated as it should be: `message` says what this system lacks. Told once by each
// executor. IR that is not trusted might then read files, or worse if it finds a bug in LLVM.
#define MGENJIT_EVENT_NOT_ISOLATED 9

// The shared compile server could not be used, and time is lost, but nothing else: a private one does it. Or the log of
// a server that is started cannot be written. `message` says which, and why.
#define MGENJIT_EVENT_SERVER_TROUBLE 10

// A compile goes on. Told some ten times a second while it does, if it takes longer than that. `message`: what is
// being done, one of "queue" (another client's compile is waited for), "parse", "optimise", "codegen" and "link".
// `done` and `total`: how many functions of the module are done, or how many compiles are before this one in the queue.
#define MGENJIT_EVENT_PROGRESS 11

// The module is compiled, but something about its inputs is odd: `message` says what. Today: an input calls a function in
// a way that its definition in another one cannot follow. Told when it is compiled, not when the cache has it.
#define MGENJIT_EVENT_WARNING 12

// No optimisation.
#define MGENJIT_OPT_O0 0

// LLVM's standard pipeline O1.
#define MGENJIT_OPT_O1 1

// LLVM's standard pipeline O2, the default.
#define MGENJIT_OPT_O2 2

// LLVM's standard pipeline O3.
#define MGENJIT_OPT_O3 3

// LLVM's standard pipeline Os: O2, but smaller code.
#define MGENJIT_OPT_OS 4

// LLVM's standard pipeline Oz: as small as possible.
#define MGENJIT_OPT_OZ 5

// Look in the cache and store in it, the default.
#define MGENJIT_CACHE_READ_WRITE 0

// Look in the cache; store nothing.
#define MGENJIT_CACHE_READ_ONLY 1

// No cache: always compile.
#define MGENJIT_CACHE_OFF 2

// Each executor starts compile servers of its own, which end with it: the default.
#define MGENJIT_SERVER_PRIVATE 1

// All processes of a user that ask for it have one compile server together, which is warm when they need it and
// compiles once what several of them want at once. The first that needs it starts it.
#define MGENJIT_SERVER_SHARED 2

// The shared server's own limit.
#define MGENJIT_SERVER_DEFAULT UINT64_MAX

// No value.
#define MGENJIT_TYPE_VOID 0

// i1, a truth value: 0 or 1.
#define MGENJIT_TYPE_I1 1

// i8
#define MGENJIT_TYPE_I8 2

// i16
#define MGENJIT_TYPE_I16 3

// i32
#define MGENJIT_TYPE_I32 4

// i64
#define MGENJIT_TYPE_I64 5

// float, 32 bits
#define MGENJIT_TYPE_FLOAT 6

// double, 64 bits
#define MGENJIT_TYPE_DOUBLE 7

// A pointer
#define MGENJIT_TYPE_POINTER 8

// Any other type: a function that has it can be called by its address only.
#define MGENJIT_TYPE_OTHER 9

// It was compiled by this call.
#define MGENJIT_ORIGIN_COMPILED 1

// It was in the cache.
#define MGENJIT_ORIGIN_CACHE 2

// As long as it takes.
#define MGENJIT_FOREVER UINT64_MAX

// A relocatable object. As with those of clang, what uses it may have to be linked with `-lm`, and for atomic operations
// on 16 bytes with `-latomic`.
#define MGENJIT_EXPORT_OBJECT 1

// A static archive, with a member for each module, and for each object that was linked into one. What it has to be
// linked with is as for an object.
#define MGENJIT_EXPORT_ARCHIVE 2

// A shared library. It is linked by the compile server, or by the linker if one was named, if there are libraries or
// flags, or if it needs what only a compiler knows where to find, such as what __builtin_cpu_supports reads.
#define MGENJIT_EXPORT_SHARED_LIBRARY 3

// An executable. `main` may return i8 to i64 or void, and may take its arguments as for mgenjit_executor_run_main.
// The libraries of mathematics and of atomic operations are linked if it needs them.
#define MGENJIT_EXPORT_EXECUTABLE 4

// The IR as it was after the optimiser, as bitcode. Objects that were linked into the module are not in it.
#define MGENJIT_EXPORT_BITCODE 5

// The same as text.
#define MGENJIT_EXPORT_IR 6

// Assembly text.
#define MGENJIT_EXPORT_ASSEMBLY 7

// A C header with a prototype for each function that C can declare.
#define MGENJIT_EXPORT_HEADER 8

// Bytes of a key's text: 64 hexadecimal digits and a NUL.
#define MGENJIT_KEY_SIZE 65

// The image: an ELF shared object. Empty if the entry is for another target.
#define MGENJIT_PART_IMAGE 1

// The relocatable object that it was linked from, or a GNU archive of all of them.
#define MGENJIT_PART_OBJECT 2

// The IR that was compiled, as it was given, if it was kept. Several inputs follow each other.
#define MGENJIT_PART_IR 3

// It is in the cache.
#define MGENJIT_VERDICT_HIT 1

// There is no entry of this name, and there never was one of this key, as far as the cache remembers. If one of
// this name is gone, mgenjit_explanation_time says when it went.
#define MGENJIT_VERDICT_NEVER 2

// There is an entry of this name whose key differs: mgenjit_explanation_differences.
#define MGENJIT_VERDICT_DIFFERS 3

// It was evicted, for room or for age: mgenjit_explanation_time.
#define MGENJIT_VERDICT_EVICTED 4

// Somebody removed it.
#define MGENJIT_VERDICT_REMOVED 5

// It is there and cannot be used.
#define MGENJIT_VERDICT_DAMAGED 6

// It is there, and no key that is trusted signed it.
#define MGENJIT_VERDICT_UNTRUSTED 7

// The IR differs, or another input, or which symbols are kept.
#define MGENJIT_DIFFERS_IR 1

// The optimisation level differs.
#define MGENJIT_DIFFERS_OPT_LEVEL 2

// The CPU differs, or the CPU level or target that was asked for.
#define MGENJIT_DIFFERS_CPU 4

// The version of LLVM differs.
#define MGENJIT_DIFFERS_LLVM 8

// The version of this library, or the build of its compile server, differs.
#define MGENJIT_DIFFERS_VERSION 16

// Some bytes. They are immutable and belong to the blob.
typedef struct mgenjit_blob mgenjit_blob;

// A cache's directory, open for people to look at and to change. It needs no executor and no compile server.
// The processes that use the cache go on meanwhile.
typedef struct mgenjit_cache mgenjit_cache;

// One entry, looked at. It stays as it was, whatever becomes of the cache.
typedef struct mgenjit_cache_entry mgenjit_cache_entry;

// Steps through the entries of a cache. It belongs to one thread at a time.
typedef struct mgenjit_cache_iterator mgenjit_cache_iterator;

// The configuration of an executor. It is copied when used: changing or freeing it later changes nothing
// that was made from it.
typedef struct mgenjit_config mgenjit_config;

// Why a call failed. It is immutable, belongs to the caller, and may move between threads.
typedef struct mgenjit_error mgenjit_error;

// A set of modules that link to each other, with the libraries and symbols they may use.
typedef struct mgenjit_executor mgenjit_executor;

// Why a module is found in the cache, or is not.
typedef struct mgenjit_explanation mgenjit_explanation;

// How a module is exported.
typedef struct mgenjit_export_options mgenjit_export_options;

// A function of a module, with its signature as the IR states it. It keeps its module mapped.
typedef struct mgenjit_function mgenjit_function;

// A module of an executor.
typedef struct mgenjit_module mgenjit_module;

// What is compiled into one module: IR text, bitcode, relocatable objects and static archives. All IR is linked into
// one module before it is optimised, so that functions of one input are inlined into those of another. Objects are
// linked into the same image, and of an archive the members that something refers to. All inputs have one key and
// one entry in the cache.
typedef struct mgenjit_source mgenjit_source;

// A compile in the background.
typedef struct mgenjit_task mgenjit_task;

// The result of a call: `MGENJIT_STATUS_OK` or what kind of error it was.
typedef int32_t mgenjit_status;

// Microseconds that the steps of a compile took; 0 for one that did not happen.
typedef struct mgenjit_times {
  // The size of this struct in the version of the library that wrote it.
  size_t size;
  // Hash the IR: the key.
  uint64_t hash;
  // Look for the entry and verify its digest.
  uint64_t find;
  // Wait for another thread or process that compiles the same code.
  uint64_t wait;
  // Start a compile server.
  uint64_t start;
  // In the server: parse and verify the IR, and make it canonical.
  uint64_t parse;
  // In the server: optimise.
  uint64_t optimise;
  // In the server: generate the object.
  uint64_t codegen;
  // In the server: link the object into an image.
  uint64_t link;
  // From the request to the server's reply, the four before included.
  uint64_t compile;
  // Store the entry in the cache.
  uint64_t store;
  // Map the image.
  uint64_t map;
  // Resolve its symbols, relocate, and run constructors; at the first look-up.
  uint64_t bind;
  // All of these together: parse, optimise, codegen and link are part of compile.
  uint64_t total;
} mgenjit_times;

// What happened. It and all it points to live until the hook returns.
typedef struct mgenjit_event {
  // The size of this struct in the version of the library that wrote it: a field at a larger offset is
  // not there.
  size_t size;
  // One of MGENJIT_EVENT_….
  int32_t kind;
  // The module's key, 64 hexadecimal digits.
  const char *key;
  // The module's name.
  const char *name;
  // More about it, or "".
  const char *message;
  // A number of bytes; each kind says of what.
  uint64_t bytes;
  // What the module's steps took so far.
  const struct mgenjit_times *times;
  // How much is done, of `total`; each kind says of what. Both are 0 if that is not known.
  uint64_t done;
  uint64_t total;
} mgenjit_event;

// A function that is told of events: see mgenjit_config_set_event_hook.
typedef void (*mgenjit_event_hook)(const struct mgenjit_event *event, void *user);

// The value of a mgenjit_value.
typedef union mgenjit_value_as {
  // For MGENJIT_TYPE_I1 to MGENJIT_TYPE_I64. A result is sign-extended from its type, an i1 is 0 or 1.
  int64_t integer;
  // For MGENJIT_TYPE_FLOAT.
  float single_precision;
  // For MGENJIT_TYPE_DOUBLE.
  double double_precision;
  // For MGENJIT_TYPE_POINTER.
  void *pointer;
} mgenjit_value_as;

// A value of one of the types that a checked call can pass. The functions at the end of this file, such as
// mgenjit_i64, make one.
typedef struct mgenjit_value {
  // One of MGENJIT_TYPE_…: which field of `as` holds the value.
  int32_t type;
  // The value.
  union mgenjit_value_as as;
} mgenjit_value;

// Called once when a task is done, on a thread of this library, on which all signals are blocked. It may use the
// executor and its modules, and must not wait for other tasks: they may need the thread.
typedef void (*mgenjit_task_callback)(void *user);

// What a cache holds, and what it did since its index was made. Times are in microseconds.
typedef struct mgenjit_cache_statistics {
  // The caller sets it to the size of this struct; the library writes how much it filled in.
  size_t size;
  // Entries, and the bytes of their files.
  uint64_t entries;
  uint64_t bytes;
  // Of the entries, those that are pinned.
  uint64_t pinned;
  // Other keys that lead to entries: that of each one's canonical form, and those of modules that differ from it
  // only in what does not matter.
  uint64_t aliases;
  // The limits of the configuration that the cache was opened with; 0 for none. The age is in seconds.
  uint64_t max_bytes;
  uint64_t max_entries;
  uint64_t max_age;
  // Compiles that found their code: under their own key, through an alias, in a layer below.
  uint64_t hits;
  uint64_t hits_by_alias;
  uint64_t hits_in_layers;
  // Compiles that did not: because there never was such an entry, because it was evicted, because somebody
  // removed it, because it was damaged, because no trusted key signed it.
  uint64_t misses_new;
  uint64_t misses_evicted;
  uint64_t misses_removed;
  uint64_t misses_damaged;
  uint64_t misses_untrusted;
  // Entries that were compiled and stored, that were imported, that were evicted (for room or age) with their
  // bytes, that somebody removed.
  uint64_t stores;
  uint64_t imports;
  uint64_t evictions;
  uint64_t evicted_bytes;
  uint64_t removals;
  // What the stored entries took to compile, and what the hits would have taken.
  uint64_t compile_time;
  uint64_t saved_time;
  // 1 if all from `hits` to `saved_time` is known, as far as it was recorded. 0 if the index that would tell is lost or
  // cannot be read, and none can be made, as on a full disk: then these are 0. What comes before is counted from the
  // files.
  uint64_t has_history;
} mgenjit_cache_statistics;

// Which entries an iterator yields: those that pass each test. All zeros but `size` lets everything through.
typedef struct mgenjit_cache_filter {
  // The size of this struct.
  size_t size;
  // A pattern for module names, with *, ? and […], or NULL.
  const char *name;
  // 1: only pinned entries. 2: only ones that are not pinned.
  int32_t pinned;
  // Only entries that were last used before this time, in microseconds since 1970; 0: all.
  uint64_t unused_since;
  // Only entries of at least so many bytes.
  uint64_t min_bytes;
} mgenjit_cache_filter;

// What is known of one entry. Strings belong to the iterator, until its next step, or to the entry that was asked.
// Times are in microseconds.
typedef struct mgenjit_cache_info {
  // The caller sets it to the size of this struct; the library writes how much it filled in.
  size_t size;
  // 64 hexadecimal digits.
  const char *key;
  // What the module was called when it was compiled.
  const char *name;
  // One of MGENJIT_OPT_….
  int32_t opt_level;
  // 1 if it is never evicted.
  int32_t pinned;
  // What LLVM generated code for.
  const char *triple;
  const char *cpu;
  // Where the code runs: a CPU level such as "x86-64-v3", "native" and a digest of one machine's CPU, or another
  // target such as "aarch64-linux-gnu cortex-a72".
  const char *machine;
  // The version of LLVM, of this library, and which build of the compile server it was.
  const char *llvm_version;
  const char *version;
  const char *build;
  // Bytes of the inputs, of the entry's file, and of the image in it: 0 for another target than this machine.
  uint64_t ir_bytes;
  uint64_t bytes;
  uint64_t image_bytes;
  // What it took to compile.
  uint64_t compile_time;
  // When it was compiled and last used, since 1970.
  uint64_t created;
  uint64_t last_used;
  // How often it was used after that, and what that saved.
  uint64_t hits;
  uint64_t saved_time;
} mgenjit_cache_info;

// Told how much of how much is done, on the thread that made the call. `total` may be too large until all is done;
// then it is `done`.
typedef void (*mgenjit_progress)(uint64_t done, uint64_t total, void *user);

// What a shared compile server does, and what it has done since it started. Times are in milliseconds.
typedef struct mgenjit_server_statistics {
  // The caller sets it to the size of this struct; the library writes how much it filled in.
  size_t size;
  // The id of the server's process.
  uint64_t process;
  // Since it started.
  uint64_t uptime;
  // Without a request for so long, it ends.
  uint64_t idle_timeout;
  // 1 if it takes no more clients and ends when it has answered the requests that it has.
  uint64_t stopping;
  // Connections now, with that of this call, and the processes that have them.
  uint64_t connections;
  uint64_t clients;
  // Requests that wait for a worker, and those that are worked on.
  uint64_t queued;
  uint64_t running;
  // The worker processes, how many of them wait for a request, and how many there may be at once.
  uint64_t workers;
  uint64_t idle_workers;
  uint64_t max_workers;
  // Bytes of memory of the server's own process, and of all workers together, as far as /proc tells.
  uint64_t memory;
  uint64_t worker_memory;
  // Requests that came, and those of them that had a result; an error of the module; the result of an equal request
  // of another client; a client that was gone or wanted no more; a worker that died.
  uint64_t requests;
  uint64_t compiled;
  uint64_t failed;
  uint64_t joined;
  uint64_t cancelled;
  uint64_t crashed;
  // Connections that came, and those that were refused or cut: too many, too slow, or not understood.
  uint64_t accepted;
  uint64_t refused;
  // Workers that were started, and those that were replaced because they had taken much memory.
  uint64_t started_workers;
  uint64_t recycled_workers;
  // What one request may take, see mgenjit_config_set_server_limits: milliseconds of the processor's time, and bytes of
  // memory. 0: as much as there is.
  uint64_t max_time;
  uint64_t max_memory;
  // Milliseconds that a request waits for a worker until a private server compiles it, 0: for ever; how many such
  // servers there are now, and how many there may be.
  uint64_t queue_timeout;
  uint64_t private_servers;
  uint64_t max_private_servers;
  // Requests that took more than one may; workers that were replaced because they were stopped or hung; requests that
  // a private server was to compile because they had waited for too long.
  uint64_t limited;
  uint64_t hung_workers;
  uint64_t sent_away;
} mgenjit_server_statistics;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The name of a status, such as "MGENJIT_STATUS_PARSE", or "unknown status" for another number. The string
// is static.
const char *mgenjit_status_name(mgenjit_status status);

// The version of the library that is running, as MGENJIT_VERSION_NUMBER computes it.
uint32_t mgenjit_version_number(void);

// The version as text, such as "0.1.0". The string is static.
const char *mgenjit_version_string(void);

// The version of LLVM that compiles, such as "22.1.8". It is part of every key. The string is static.
const char *mgenjit_llvm_version(void);

// A digest of the sources that decide what code comes out, 16 hexadecimal digits. A compile server is used by libraries
// of its own build alone. It is part of every key. The string is static.
const char *mgenjit_build_id(void);

// The status of the call that failed. MGENJIT_STATUS_OK for NULL.
mgenjit_status mgenjit_error_status(const struct mgenjit_error *error);

// What went wrong, in a sentence or a few lines, without a newline at the end. It begins with the module's name
// if it is about one, and with the place in it, as in "demo.ll:3:7: …". "" for NULL. The string belongs to the
// error.
const char *mgenjit_error_message(const struct mgenjit_error *error);

// The line of the IR text that is wrong, from 1. 0 if the error has no place in the text.
uint32_t mgenjit_error_line(const struct mgenjit_error *error);

// The column in that line, in bytes from 1. 0 if it is not known.
uint32_t mgenjit_error_column(const struct mgenjit_error *error);

// The text of that line, or NULL if the error has no place in the text. The string belongs to the error.
const char *mgenjit_error_source_line(const struct mgenjit_error *error);

// How many symbols the error is about: for MGENJIT_STATUS_UNRESOLVED, all that are missing.
size_t mgenjit_error_symbol_count(const struct mgenjit_error *error);

// The name of the symbol at `index`, or NULL past the last. The string belongs to the error.
const char *mgenjit_error_symbol(const struct mgenjit_error *error, size_t index);

// Frees an error. NULL does nothing.
void mgenjit_error_free(struct mgenjit_error *error);

// Makes a configuration with the defaults. Never NULL. Free it with mgenjit_config_free.
struct mgenjit_config *mgenjit_config_new(void);

// Frees a configuration. NULL does nothing.
void mgenjit_config_free(struct mgenjit_config *config);

// Sets how far code is optimised: one of MGENJIT_OPT_…. Default: MGENJIT_OPT_O2.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_opt_level(struct mgenjit_config *config,
                                            int32_t level,
                                            struct mgenjit_error **error);

// Sets what code is generated for: "native", which is this machine with all that it can do and the default,
// also for NULL; or a level of the x86-64 psABI, "x86-64", "x86-64-v2", "x86-64-v3" or "x86-64-v4", whose code
// runs on every machine of that level, so that different machines can use one cache. Functions whose IR names a
// "target-cpu" of their own are compiled for that one.
//
// A machine may lack features of a level. Then every compile is MGENJIT_STATUS_CPU there, also if the cache has
// the code.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cpu(struct mgenjit_config *config,
                                      const char *cpu,
                                      struct mgenjit_error **error);

// Sets another target than this machine, to export code for and not to run it: an LLVM target triple such as
// "aarch64-linux-gnu", "riscv64-linux-gnu", "x86_64-linux-gnu" or "wasm32-unknown-unknown"; a CPU by LLVM's name,
// such as "cortex-a72" or "x86-64-v3", NULL for the triple's generic one; and features, such as "+sve,-crc", beyond
// those of the CPU, NULL for none. A `triple` of NULL sets this machine again, see mgenjit_config_set_cpu.
//
// Modules of another target are compiled, cached and exported like all others. What would run their code, such as
// mgenjit_module_lookup, is MGENJIT_STATUS_TARGET. What LLVM does not know is an error of the compile.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_target(struct mgenjit_config *config,
                                         const char *triple,
                                         const char *cpu,
                                         const char *features,
                                         struct mgenjit_error **error);

// Sets the program that links executables, and shared libraries that have libraries or flags of their own: a C
// compiler driver such as "gcc", "clang-22" or "aarch64-linux-gnu-gcc", or a linker such as "wasm-ld". A name without
// a slash is looked for on $PATH when it is used. NULL sets the default: $MGENJIT_CC, else "cc".
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_linker(struct mgenjit_config *config,
                                         const char *program,
                                         struct mgenjit_error **error);

// Sets after how many milliseconds a linker that has not ended is stopped. Default: 300,000, five minutes. 0: never.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_linker_timeout(struct mgenjit_config *config,
                                                 uint64_t milliseconds,
                                                 struct mgenjit_error **error);

// Limits what one compile may take: milliseconds from the request to the answer, in which the wait for a busy server
// counts and the start of one does not; bytes of memory beyond what an idle
// compile server has and what holds the inputs, and bytes of all inputs together. 0 is no limit, and the default of
// each.
//
// A compile that exceeds one is MGENJIT_STATUS_TIMEOUT, MGENJIT_STATUS_MEMORY or MGENJIT_STATUS_TOO_LARGE. Its server is
// given up, and another one started when there is need.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_compile_limits(struct mgenjit_config *config,
                                                 uint64_t milliseconds,
                                                 uint64_t memory_bytes,
                                                 uint64_t input_bytes,
                                                 struct mgenjit_error **error);

// Sets a folder, which is made when there is need, for what reproduces compiles that a compile server does not survive
// or that exceed a limit: below it a folder for each, with the inputs, what was asked for, the versions and a script that
// does it again with LLVM's own tools. The error's message names it. NULL: none, the default.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_reproducer_dir(struct mgenjit_config *config,
                                                 const char *path,
                                                 struct mgenjit_error **error);

// Sets the cache's directory. It is made, with mode 0700, when something is first stored. A directory that
// belongs to another user, or that others may write, is not used: what is in a cache is run.
//
// An entry is checked each time it is used, and then mapped from its file. Nothing changes a file that has its name, and
// its permissions say so (mode 0444). But whoever may write to the directory can: then code that runs from the file changes
// as well, and a file that is cut short is a SIGBUS in the process that runs it. Keys that are trusted rule that out
// (mgenjit_config_add_cache_trusted_key).
//
// Default: $MGENJIT_CACHE_DIR, else $XDG_CACHE_HOME/mgenjit, else $HOME/.cache/mgenjit. If there is none of
// these, nothing is cached. NULL sets the default again.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_dir(struct mgenjit_config *config,
                                            const char *path,
                                            struct mgenjit_error **error);

// Sets what the cache is used for: one of MGENJIT_CACHE_…. Default: MGENJIT_CACHE_READ_WRITE.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_mode(struct mgenjit_config *config,
                                             int32_t mode,
                                             struct mgenjit_error **error);

// Adds a directory below the cache: a read-only cache, such as one that an administrator fills for all users, or
// one that an application brings. What the cache has not is looked for in these, in the order in which they were
// added, and used in place. A layer may belong to the user or to root, and others must not write it; the event hook
// is told of one that is not used for that. One that is not there is empty.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_add_cache_layer(struct mgenjit_config *config,
                                              const char *path,
                                              struct mgenjit_error **error);

// Sets how much the cache may hold: bytes and number of entries, and seconds since an entry was last used; 0 for
// no limit. Defaults: 5 GiB, no limit, no limit. When something is stored and a limit is exceeded, those entries
// go that saved the least compile time for each byte and were not used for long; pinned ones stay. That is done
// a little at a time, so that a limit may be exceeded for a moment.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_limits(struct mgenjit_config *config,
                                               uint64_t max_bytes,
                                               uint64_t max_entries,
                                               uint64_t max_age,
                                               struct mgenjit_error **error);

// Sets whether an entry is on the disk before it gets its name (fsync), so that a power cut cannot lose it.
// Default: 0. Without it, an entry that a power cut tore is noticed by its digest and compiled anew.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_sync(struct mgenjit_config *config,
                                             int32_t on,
                                             struct mgenjit_error **error);

// Sets whether an entry keeps the IR that it was compiled from, compressed. Default: 1. It is what
// mgenjit_cache_verify compiles again.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_keep_ir(struct mgenjit_config *config,
                                                int32_t on,
                                                struct mgenjit_error **error);

// Sets whether the cache keeps a journal and an index. Default: 1. Without them there are no statistics, and the
// cache is trimmed by mgenjit_cache_trim alone, by the age of its files. On a network file system, where locks
// and appending cannot be relied on, there are none in any case.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_index(struct mgenjit_config *config,
                                              int32_t on,
                                              struct mgenjit_error **error);

// Sets whether a hit is compiled all the same and compared with what the cache has. Default: 0. If they differ,
// the compile fails with MGENJIT_STATUS_DIFFERENT, and the event hook gets MGENJIT_EVENT_DIFFERENT.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_verify(struct mgenjit_config *config,
                                               int32_t on,
                                               struct mgenjit_error **error);

// Sets the file of the key that signs what is stored; NULL: nothing is signed, the default. The file holds an
// Ed25519 private key, as `openssl genpkey -algorithm ed25519` writes it, or a secret for BLAKE3, 64 hexadecimal
// digits, as `openssl rand -hex 32` does. It is read at once, and nobody else must be able to read it.
//
// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_cache_signing_key(struct mgenjit_config *config,
                                                    const char *path,
                                                    struct mgenjit_error **error);

// Adds a key to those that are trusted: from the first one on, an entry that none of them signed is a miss, and
// the event hook is told. Nothing is stored then unless mgenjit_config_set_cache_signing_key names a key that is
// trusted. Users of one directory with different keys replace each other's entries: give each a directory. The file
// holds an Ed25519 public key, as `openssl pkey -pubout` writes it, or the secret for BLAKE3. It is read at once. It must
// belong to this user or to root, and nobody else may write it.
//
// With trusted keys, an entry's code is read into memory of the process, checked there, and run from there: whatever is
// done to the file later, what runs is what was signed. Processes then do not share its memory. Debuggers and profilers
// find the file's name all the same.
//
// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_add_cache_trusted_key(struct mgenjit_config *config,
                                                    const char *path,
                                                    struct mgenjit_error **error);

// Sets how long a miss waits, in milliseconds, for another process or thread that compiles the same code
// already, before it compiles for itself. Default: 60000.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_lock_timeout(struct mgenjit_config *config,
                                               uint32_t milliseconds,
                                               struct mgenjit_error **error);

// Sets a function that is told what the executor does: see mgenjit_event. It runs on the thread that made
// the call it tells of, before that call returns, perhaps on several threads at once. It may call this
// library. It must not throw.
//
// `user` is handed to each call of `hook`. `user_free`, if not NULL, is called with it once nothing uses it
// any more: the configuration and all that was made from it are freed, or the hook was replaced. A NULL
// `hook` removes the hook.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; `user_free` is not called then.
mgenjit_status mgenjit_config_set_event_hook(struct mgenjit_config *config,
                                             mgenjit_event_hook hook,
                                             void *user,
                                             void (*user_free)(void *user),
                                             struct mgenjit_error **error);

// Sets the path of the compile server's executable file. Default, NULL: $MGENJIT_SERVER, else
// mgenjit-server beside this library, else ../libexec/mgenjit/mgenjit-server seen from this library's
// folder, else mgenjit-server on $PATH. A path that is set, here or by the variable, is the only one tried.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_server_path(struct mgenjit_config *config,
                                              const char *path,
                                              struct mgenjit_error **error);

// Sets how many compile servers an executor may run at once: so many misses are compiled in parallel.
// Default, 0: the number of cores this process may use.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_max_servers(struct mgenjit_config *config,
                                              uint32_t count,
                                              struct mgenjit_error **error);

// Sets whose compile servers are used: one of MGENJIT_SERVER_…. Default: what $MGENJIT_SERVER_MODE says, "private" or
// "shared"; private if it is not set.
//
// A shared server is found by a socket in $XDG_RUNTIME_DIR/mgenjit, else in /run/user/UID/mgenjit, else in
// mgenjit-UID in $TMPDIR or /tmp. The folder must be the user's alone. It serves processes of the same user and of
// the same build of this library; each build has its own. Where it cannot be used, a private one is, and the event
// hook is told why: MGENJIT_EVENT_SERVER_TROUBLE.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_server_mode(struct mgenjit_config *config,
                                              int32_t mode,
                                              struct mgenjit_error **error);

// Sets after how many milliseconds without a request a shared server ends. It counts for the server that is started
// with this configuration, not for one that runs already. Default: 600000.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also for 0.
mgenjit_status mgenjit_config_set_server_idle_timeout(struct mgenjit_config *config,
                                                      uint64_t milliseconds,
                                                      struct mgenjit_error **error);

// Limits what one request may take of a shared server, whatever its client's own limits are
// (mgenjit_config_set_compile_limits): milliseconds of the processor's time; bytes of memory, of which a link is not
// limited; and milliseconds that it waits for one of the server's workers. 0 is no limit, and MGENJIT_SERVER_DEFAULT the
// server's default: 600000, ten minutes; half of the machine's memory; and 10000, ten seconds. They count for the server
// that is started with this configuration, not for one that runs already; mgenjit_server_status tells them.
//
// What takes more is MGENJIT_STATUS_TIMEOUT or MGENJIT_STATUS_MEMORY. What waits for longer is compiled by a private
// server, and the event hook is told: MGENJIT_EVENT_SERVER_TROUBLE. As many of these may be at once, for all of the
// user's processes together, as the shared server has workers at work; the others wait on.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_config_set_server_limits(struct mgenjit_config *config,
                                                uint64_t processor_milliseconds,
                                                uint64_t memory_bytes,
                                                uint64_t queue_milliseconds,
                                                struct mgenjit_error **error);

// Sets a file to which compile servers that are started with this configuration add lines that say what they do: one
// JSON object for each, with the time and, where it is about a compile, the module's key. "-" is this process's
// standard error. Default, NULL: what $MGENJIT_SERVER_LOG says, in the same way; if that is not set, there is no log.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. If the file cannot be written when a server is started, the event hook is
// told: MGENJIT_EVENT_SERVER_TROUBLE.
mgenjit_status mgenjit_config_set_server_log(struct mgenjit_config *config,
                                             const char *path,
                                             struct mgenjit_error **error);

// Makes a source without inputs, to be freed with mgenjit_source_free. `name` is what messages call the module; it is
// no part of the key.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_source_new(const char *name,
                                  struct mgenjit_source **source,
                                  struct mgenjit_error **error);

// Frees a source. Modules that were compiled from it stay. NULL does nothing.
void mgenjit_source_free(struct mgenjit_source *source);

// Adds an input of `length` bytes at `bytes`, which are copied. What it is, its first bytes tell: IR text, bitcode, an
// ELF relocatable object, or a static archive of such. `name` is what messages call it.
//
// The order counts for archives, as for a linker: of several that define a symbol, the first is used. If all inputs
// are archives and no symbol is to be kept, nothing refers to their members, and all of them are linked.
//
// The functions of objects have no signatures: they are looked up by their addresses.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. What is wrong with the bytes is an error of the compile.
mgenjit_status mgenjit_source_add(struct mgenjit_source *source,
                                  const char *name,
                                  const void *bytes,
                                  size_t length,
                                  struct mgenjit_error **error);

// As mgenjit_source_add, of a file, which is read whenever the source is compiled: whole only if the cache has not
// got the code.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A file that cannot be read is an error of the compile.
mgenjit_status mgenjit_source_add_file(struct mgenjit_source *source,
                                       const char *path,
                                       struct mgenjit_error **error);

// Keeps a symbol, a function or variable. Once one is kept, all others that the inputs define become internal to the
// module: the optimiser may inline, change and drop them, and nobody else sees them. Without a call, all that are
// external stay so.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A symbol that no input defines is an error of the compile.
mgenjit_status mgenjit_source_keep(struct mgenjit_source *source,
                                   const char *symbol,
                                   struct mgenjit_error **error);

// Makes an executor. `config` may be NULL for the defaults. Nothing is started and no file is opened yet.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_new(const struct mgenjit_config *config,
                                    struct mgenjit_executor **executor,
                                    struct mgenjit_error **error);

// Gives up the executor's handle. Once the handles of its modules and functions are freed as well, its
// destructors and atexit handlers run, newest module first, and its code is unmapped: no thread may be
// running it then. The destructors of thread_local objects run before: those of this thread now, those of others when
// their threads end, and the module with them. NULL does nothing.
void mgenjit_executor_free(struct mgenjit_executor *executor);

// Compiles a module of IR text or bitcode, `length` bytes at `ir`, or finds it in the cache, and adds it to
// the executor. A relocatable object or a static archive is taken as well, see mgenjit_source_add. It links when
// something is first looked up, together with all modules added until then: they may refer to each other in any
// order. What it defines again, it defines for look-ups and for modules that link later: callers that are linked
// already keep the function that they have.
//
// `name` is what messages call the module; NULL: "<memory>". It is no part of the key. `module` receives a
// handle, to be freed with mgenjit_module_free; it may be NULL if none is wanted: the module stays.
//
// Thread-safe; several calls compile in parallel.
//
// Errors: MGENJIT_STATUS_PARSE, _VERIFY, _TARGET, _CODEGEN, _LINK: the module is bad.
// _SERVER_UNAVAILABLE, _SERVER_CRASHED, _SERVER_MISMATCH: it could not be compiled. _LOAD, _INVALID_ARGUMENT.
// The executor stays usable after each.
mgenjit_status mgenjit_executor_compile(struct mgenjit_executor *executor,
                                        const char *name,
                                        const void *ir,
                                        size_t length,
                                        struct mgenjit_module **module,
                                        struct mgenjit_error **error);

// As mgenjit_executor_compile, with the IR text or bitcode in the file at `path`, which is the module's name
// too.
//
// Errors: MGENJIT_STATUS_IO if the file cannot be read, and those of mgenjit_executor_compile.
mgenjit_status mgenjit_executor_compile_file(struct mgenjit_executor *executor,
                                             const char *path,
                                             struct mgenjit_module **module,
                                             struct mgenjit_error **error);

// As mgenjit_executor_compile, of all inputs of a source together. The source stays the caller's, who may compile it
// again, and must not change it meanwhile.
//
// Errors: MGENJIT_STATUS_IO if a file cannot be read; MGENJIT_STATUS_LINK if inputs contradict each other (two define
// a symbol, targets differ) or cannot be linked; MGENJIT_STATUS_NOT_FOUND for a symbol to keep that no input
// defines; and those of mgenjit_executor_compile.
mgenjit_status mgenjit_executor_compile_source(struct mgenjit_executor *executor,
                                               const struct mgenjit_source *source,
                                               struct mgenjit_module **module,
                                               struct mgenjit_error **error);

// Defines a symbol: modules that link from now on and refer to `name` get `address`, before any other
// definition. A later definition of the same name replaces an earlier one. What `address` points to must
// live as long as modules use it.
//
// In a program that is linked statically (-static), nothing can be found by name: what modules refer to is defined so,
// but for what compilers count on, such as memcpy.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT (also for a NULL address).
mgenjit_status mgenjit_executor_define(struct mgenjit_executor *executor,
                                       const char *name,
                                       const void *address,
                                       struct mgenjit_error **error);

// Loads a shared library for the executor's modules, as dlopen does (a path with a slash, or a name such as
// "libm.so.6" that the system finds). Its symbols come after those of the modules and before those of the
// process. It stays loaded as long as the executor.
//
// Thread-safe. Errors: MGENJIT_STATUS_LIBRARY, with what dlopen said; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_load_library(struct mgenjit_executor *executor,
                                             const char *path,
                                             struct mgenjit_error **error);

// Links all modules that are not linked yet and runs their static constructors, as the first look-up would. A module
// that cannot be linked waits, and so do those that need it; the others are linked.
//
// Thread-safe. Errors: MGENJIT_STATUS_UNRESOLVED, with every symbol that is missing: define it, add a module
// or load a library that has it, and try again, or remove the module. MGENJIT_STATUS_LOAD: a module contradicts
// another one, which are both named.
mgenjit_status mgenjit_executor_link(struct mgenjit_executor *executor,
                                     struct mgenjit_error **error);

// Looks up a function or variable and returns its address: among the symbols defined with
// mgenjit_executor_define, the modules (the one added last wins), the loaded libraries, and the process, in
// this order. Links first what is not linked yet. For a thread_local variable, the calling thread's.
//
// Hidden symbols of modules are found, after those that are not hidden. A weak definition of which all are the same
// (linkonce_odr, weak_odr) and that a library or the process had when its module was linked is found there, unless it is
// hidden. If the module that was added last cannot be linked, that is an error, although an older one may define the name.
//
// ISO C has no conversion of the address to a function pointer; write it into one instead, as for dlsym:
// `int (*f)(int); … mgenjit_executor_lookup(executor, "f", (void **)&f, &error)`.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND; MGENJIT_STATUS_UNRESOLVED or MGENJIT_STATUS_LOAD, as of
// mgenjit_executor_link, if the module that defines it cannot be linked.
mgenjit_status mgenjit_executor_lookup(struct mgenjit_executor *executor,
                                       const char *name,
                                       void **address,
                                       struct mgenjit_error **error);

// Looks up a function of the modules together with its signature, for checked calls. The handle is to be
// freed with mgenjit_function_free. Does not link yet.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, also for functions of libraries and of the process, whose
// signatures are not known: declare them in a module that calls them, or use mgenjit_executor_lookup.
mgenjit_status mgenjit_executor_lookup_function(struct mgenjit_executor *executor,
                                                const char *name,
                                                struct mgenjit_function **function,
                                                struct mgenjit_error **error);

// Sets the arguments of the program that the modules are: `argc` strings at `argv`, argv[0] the program's name. Static
// constructors of modules that link from now on are called with them, and with the environment, as glibc does it;
// without them, with those of this process. mgenjit_executor_run_main sets its own. The strings are copied, and the
// copies live as long as the executor.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_set_arguments(struct mgenjit_executor *executor,
                                              int argc,
                                              const char *const *argv,
                                              struct mgenjit_error **error);

// Calls the function `main` of the modules, and flushes stdout and stderr when it returns.
//
// `argv` has `argc` arguments, argv[0] the program's name. It may be NULL if `argc` is 0: then they are those of
// mgenjit_executor_set_arguments, or none. `main` may return
// i8 to i64 or void and take nothing, (argc), (argc, argv) or (argc, argv, envp). `exit_status` receives its
// result, 0 for void; it may be NULL. A `main` that an object file defines is taken to be `int main(int, char **, char
// **)`. If the program calls exit, the process ends. A host that is to end as the program would calls exit with the
// result, and leaves the executor as it is: then destructors and handlers run in their usual order, and threads that
// the program has left still have their code.
//
// Errors: MGENJIT_STATUS_NOT_FOUND if no module defines main, MGENJIT_STATUS_TYPE if it has another form, and
// those of mgenjit_executor_link.
mgenjit_status mgenjit_executor_run_main(struct mgenjit_executor *executor,
                                         int argc,
                                         const char *const *argv,
                                         int *exit_status,
                                         struct mgenjit_error **error);

// Compiles the file at `path`, or finds it in the cache, and runs its `main`: an executor for one program.
// `argv` is as for mgenjit_executor_run_main. `config` may be NULL for the defaults; its event hook tells
// what happens.
//
// Errors: those of mgenjit_executor_compile_file and mgenjit_executor_run_main.
mgenjit_status mgenjit_run_file(const char *path,
                                int argc,
                                const char *const *argv,
                                const struct mgenjit_config *config,
                                int *exit_status,
                                struct mgenjit_error **error);

// Frees a module's handle. The module stays in its executor. NULL does nothing.
void mgenjit_module_free(struct mgenjit_module *module);

// Removes the module from its executor: its symbols are no longer found. Once nothing else needs it (other
// modules that linked to it, function handles, thread_local destructors that wait for other threads to end; those of
// this thread run now), its destructors and atexit handlers run and its memory is returned: no thread may be running its code then,
// and its addresses are no longer valid. The handle stays, to be freed.
//
// Thread-safe. Errors: MGENJIT_STATUS_REMOVED if it was removed before; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_module_remove(struct mgenjit_module *module,
                                     struct mgenjit_error **error);

// The module's name: what it was compiled with, or its path. NULL for NULL.
const char *mgenjit_module_name(const struct mgenjit_module *module);

// The module's key in the cache, 64 hexadecimal digits. NULL for NULL.
const char *mgenjit_module_key(const struct mgenjit_module *module);

// Where the module came from: one of MGENJIT_ORIGIN_…. 0 for NULL.
int32_t mgenjit_module_origin(const struct mgenjit_module *module);

// Writes what the module's steps took. The caller sets `times->size` to sizeof(mgenjit_times) first; as many
// bytes are written as both sides know, and `size` says how many.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_module_times(const struct mgenjit_module *module,
                                    struct mgenjit_times *times,
                                    struct mgenjit_error **error);

// As mgenjit_executor_lookup, among the symbols that this module defines. A removed module defines none, also while a
// function handle keeps it mapped.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_REMOVED, and those of mgenjit_executor_link.
mgenjit_status mgenjit_module_lookup(struct mgenjit_module *module,
                                     const char *name,
                                     void **address,
                                     struct mgenjit_error **error);

// How many functions the module defines that other modules can find, hidden ones included. 0 for NULL.
size_t mgenjit_module_function_count(const struct mgenjit_module *module);

// Makes a handle of the function at `index`, in the order of the IR, to be freed with mgenjit_function_free.
// Does not link yet.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_REMOVED.
mgenjit_status mgenjit_module_function(struct mgenjit_module *module,
                                       size_t index,
                                       struct mgenjit_function **function,
                                       struct mgenjit_error **error);

// Frees a function's handle. NULL does nothing.
void mgenjit_function_free(struct mgenjit_function *function);

// The function's name. NULL for NULL.
const char *mgenjit_function_name(const struct mgenjit_function *function);

// The function's signature as IR writes it, such as "i64 @add(i64, i64)". NULL for NULL.
const char *mgenjit_function_signature(const struct mgenjit_function *function);

// The type of its result, one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL.
int32_t mgenjit_function_result_type(const struct mgenjit_function *function);

// How many parameters it has, without those after "...". 0 for NULL.
size_t mgenjit_function_parameter_count(const struct mgenjit_function *function);

// The type of the parameter at `index`, one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL and past the last.
int32_t mgenjit_function_parameter_type(const struct mgenjit_function *function,
                                        size_t index);

// 1 if it takes more arguments than its parameters ("..."), else 0.
int32_t mgenjit_function_is_variadic(const struct mgenjit_function *function);

// The function's address, to be called as what it is. Links first what is not linked yet.
//
// Thread-safe. Errors: those of mgenjit_executor_link.
mgenjit_status mgenjit_function_address(struct mgenjit_function *function,
                                        void **address,
                                        struct mgenjit_error **error);

// Calls the function with `count` arguments, each checked against its parameter: the types must be the same,
// and an integer must fit its type, signed or unsigned. Arguments for "..." may be i1 to i64, float, double
// and pointer, and are widened as C does (i1, i8 and i16 to i32, float to double). Links first what is not
// linked yet. `result`, which may be NULL, receives the result with its type; for void only the type.
//
// Thread-safe, as far as the function is. An exception that the function throws passes through.
//
// Errors: MGENJIT_STATUS_TYPE, also for a function with a type (a struct, a vector, i128) or a calling
// convention that cannot be called this way: use its address. Those of mgenjit_executor_link.
mgenjit_status mgenjit_function_call(struct mgenjit_function *function,
                                     const struct mgenjit_value *arguments,
                                     size_t count,
                                     struct mgenjit_value *result,
                                     struct mgenjit_error **error);

// Calls the function unchecked. `arguments` has a pointer to each argument, of exactly its parameter's type;
// NULL if there are none. `result` points to room for the result, of exactly its type (an i1 is one byte);
// NULL for void, or if it is not wanted. Functions with "..." are called with their fixed parameters alone.
//
// Thread-safe, as far as the function is. An exception that the function throws passes through.
//
// Errors: as mgenjit_function_call.
mgenjit_status mgenjit_function_call_raw(struct mgenjit_function *function,
                                         const void *const *arguments,
                                         void *result,
                                         struct mgenjit_error **error);

// Begins to compile a source, as mgenjit_executor_compile_source does, and returns. `task` receives a handle, to be
// freed with mgenjit_task_free. The source is copied; files are read when the compile begins.
//
// An executor compiles as many at once as it may have servers (mgenjit_config_set_max_servers); the others wait their
// turn. Its threads start when there is something to do and end when there is nothing. It lives until its tasks are
// done: if its handles are freed before, its destructors run on one of these threads.
//
// `callback` may be NULL. `user` is handed to it; `user_free`, if not NULL, is called with `user` when the task is done,
// also if this call fails. A forked child does not do what its parent has begun.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if there can be no thread. Those of the
// compile are the task's.
mgenjit_status mgenjit_executor_compile_async(struct mgenjit_executor *executor,
                                              const struct mgenjit_source *source,
                                              mgenjit_task_callback callback,
                                              void *user,
                                              void (*user_free)(void*),
                                              struct mgenjit_task **task,
                                              struct mgenjit_error **error);

// Begins to compile a source for the cache alone: a later compile of it finds it there, or waits until it is. Whatever
// goes wrong, that compile tells. Nothing is done if there is no cache that is written.
//
// It is no use of what the cache has already: that is left as it is, counts as no hit, and is no event.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if there can be no thread.
mgenjit_status mgenjit_executor_prefetch(struct mgenjit_executor *executor,
                                         const struct mgenjit_source *source,
                                         struct mgenjit_error **error);

// Frees a task's handle. The compile goes on, and its module is added. NULL does nothing.
void mgenjit_task_free(struct mgenjit_task *task);

// Waits at most `milliseconds` for a task, 0 not at all, MGENJIT_FOREVER as long as it takes, and writes to `is_done` 1
// if it is done and else 0.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also in a child that was forked since.
mgenjit_status mgenjit_task_wait(const struct mgenjit_task *task,
                                 uint64_t milliseconds,
                                 int *is_done,
                                 struct mgenjit_error **error);

// Takes a task's result, once: waits until it is done, and returns what mgenjit_executor_compile_source would have.
// `module` receives a handle, to be freed with mgenjit_module_free; it may be NULL if none is wanted: the module stays.
//
// Thread-safe. Errors: those of mgenjit_executor_compile_source; MGENJIT_STATUS_CANCELLED;
// MGENJIT_STATUS_INVALID_ARGUMENT if the result was taken before.
mgenjit_status mgenjit_task_result(struct mgenjit_task *task,
                                   struct mgenjit_module **module,
                                   struct mgenjit_error **error);

// Cancels a task: if it is not done, its result is MGENJIT_STATUS_CANCELLED from now on, and its compile server is given
// up. Its callback is called soon after.
//
// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_task_cancel(struct mgenjit_task *task,
                                   struct mgenjit_error **error);

// The first byte; not NULL, even if there are none. NULL for NULL.
const void *mgenjit_blob_data(const struct mgenjit_blob *blob);

// How many bytes there are. 0 for NULL.
size_t mgenjit_blob_size(const struct mgenjit_blob *blob);

// Frees a blob. NULL does nothing.
void mgenjit_blob_free(struct mgenjit_blob *blob);

// Makes options with the defaults. Never NULL. Free them with mgenjit_export_options_free.
struct mgenjit_export_options *mgenjit_export_options_new(void);

// Frees options. NULL does nothing.
void mgenjit_export_options_free(struct mgenjit_export_options *options);

// Sets a shared library's soname, such as "libanswer.so.1". NULL: none, the default.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_set_soname(struct mgenjit_export_options *options,
                                                 const char *soname,
                                                 struct mgenjit_error **error);

// Sets whether an executable is linked statically. Default: no, it is position-independent.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_set_static(struct mgenjit_export_options *options,
                                                 int on,
                                                 struct mgenjit_error **error);

// Adds a library that an executable or a shared library is linked with: a name as after `-l`, such as "m", or a path
// if it has a slash. Libraries and flags reach the linker in the order in which they were added, behind the objects.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_add_library(struct mgenjit_export_options *options,
                                                  const char *library,
                                                  struct mgenjit_error **error);

// Adds one argument for the linker, such as "-Wl,-rpath,$ORIGIN" or "-g", as it is: no shell sees it.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_export_options_add_flag(struct mgenjit_export_options *options,
                                               const char *flag,
                                               struct mgenjit_error **error);

// Exports a module as `kind`, one of MGENJIT_EXPORT_…, to the file at `path`. `options` may be NULL for the defaults.
//
// The file appears, or is replaced, only whole; a link is followed, and what is no file (a pipe, a device) is written
// to. Executables and shared libraries can be executed by whoever the umask lets.
//
// Objects, archives, shared libraries, executables and headers are made of what the cache has: no code is generated.
// Archives, headers and, of modules into which no other objects were linked, objects take no other process; other
// objects and shared libraries are linked by the compile server; executables, and shared libraries with libraries or
// flags, by the configuration's linker, which the compile server's program starts and watches. Bitcode, IR and assembly
// are what the compile server makes of the IR once more. Equal modules give equal bytes.
//
// Thread-safe.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_UNSUPPORTED if the target, or what was compiled, cannot be
// exported as that; MGENJIT_STATUS_NOT_FOUND if the cache has lost the module or has not kept its IR;
// MGENJIT_STATUS_LINK if modules contradict each other; MGENJIT_STATUS_LINKER with what the linker said;
// MGENJIT_STATUS_UNRESOLVED for symbols that an executable lacks, MGENJIT_STATUS_IO if the file cannot be written;
// MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_SERVER_UNAVAILABLE, _SERVER_CRASHED and _SERVER_MISMATCH.
mgenjit_status mgenjit_module_export(struct mgenjit_module *module,
                                     int32_t kind,
                                     const char *path,
                                     const struct mgenjit_export_options *options,
                                     struct mgenjit_error **error);

// As mgenjit_module_export, to a blob that is to be freed with mgenjit_blob_free.
mgenjit_status mgenjit_module_export_blob(struct mgenjit_module *module,
                                          int32_t kind,
                                          const struct mgenjit_export_options *options,
                                          struct mgenjit_blob **blob,
                                          struct mgenjit_error **error);

// As mgenjit_module_export, of `count` modules together, which must be of one target and may be of several executors:
// an archive, a shared library, an executable or a header. Two that define one symbol are an error that names both.
mgenjit_status mgenjit_modules_export(struct mgenjit_module *const *modules,
                                      size_t count,
                                      int32_t kind,
                                      const char *path,
                                      const struct mgenjit_export_options *options,
                                      struct mgenjit_error **error);

// As mgenjit_modules_export, to a blob that is to be freed with mgenjit_blob_free.
mgenjit_status mgenjit_modules_export_blob(struct mgenjit_module *const *modules,
                                           size_t count,
                                           int32_t kind,
                                           const struct mgenjit_export_options *options,
                                           struct mgenjit_blob **blob,
                                           struct mgenjit_error **error);

// Opens the cache that a configuration names; NULL: the default one. Nothing is made yet. The configuration's
// limits, layers, keys and optimisation level are those of mgenjit_cache_trim, _verify, _import and _explain.
//
// Errors: MGENJIT_STATUS_CACHE if the configuration has no cache; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_cache_open(const struct mgenjit_config *config,
                                  struct mgenjit_cache **cache,
                                  struct mgenjit_error **error);

// Frees a cache's handle. What was made from it stays usable. NULL does nothing.
void mgenjit_cache_free(struct mgenjit_cache *cache);

// The cache's directory, an absolute path. NULL for NULL.
const char *mgenjit_cache_directory(const struct mgenjit_cache *cache);

// Writes what the cache holds and did. `statistics->size` is to be set first.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there is no such directory yet, MGENJIT_STATUS_CACHE,
// MGENJIT_STATUS_INVALID_ARGUMENT. The functions below have these errors too, and name only others.
mgenjit_status mgenjit_cache_stats(struct mgenjit_cache *cache,
                                   struct mgenjit_cache_statistics *statistics,
                                   struct mgenjit_error **error);

// Makes an iterator over the entries that pass `filter`, in the order of their keys; NULL: over all. It reads as
// it goes: entries that are stored or removed meanwhile are yielded or not. To be freed with
// mgenjit_cache_iterator_free.
mgenjit_status mgenjit_cache_iterate(struct mgenjit_cache *cache,
                                     const struct mgenjit_cache_filter *filter,
                                     struct mgenjit_cache_iterator **iterator,
                                     struct mgenjit_error **error);

// Writes the next entry; behind the last one, `info->key` is NULL. `info->size` is to be set first.
mgenjit_status mgenjit_cache_iterator_next(struct mgenjit_cache_iterator *iterator,
                                           struct mgenjit_cache_info *info,
                                           struct mgenjit_error **error);

// Frees an iterator. NULL does nothing.
void mgenjit_cache_iterator_free(struct mgenjit_cache_iterator *iterator);

// Finds the one entry whose key begins with the digits of `prefix`, or, if there is none, to which a key leads that
// does; and writes the entry's whole key, MGENJIT_KEY_SIZE bytes.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there is none; MGENJIT_STATUS_INVALID_ARGUMENT if there are
// several, or if these are no hexadecimal digits.
mgenjit_status mgenjit_cache_resolve(struct mgenjit_cache *cache,
                                     const char *prefix,
                                     char *key,
                                     struct mgenjit_error **error);

// Removes an entry, also a pinned one. Code from it that is mapped runs on.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
mgenjit_status mgenjit_cache_remove(struct mgenjit_cache *cache,
                                    const char *key,
                                    struct mgenjit_error **error);

// Pins an entry, so that it is never evicted, or (`pinned` 0) does so no more.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
mgenjit_status mgenjit_cache_pin(struct mgenjit_cache *cache,
                                 const char *key,
                                 int32_t pinned,
                                 struct mgenjit_error **error);

// Removes entries until the limits of the cache's configuration hold, and what killed processes left. Those go
// first that saved the least compile time for each byte, and were not used for long. Storing does this by itself,
// a little at a time. `progress` may be NULL.
//
// Thread-safe.
mgenjit_status mgenjit_cache_trim(struct mgenjit_cache *cache,
                                  mgenjit_progress progress,
                                  void *user,
                                  struct mgenjit_error **error);

// Removes all entries; pinned ones only if `pinned_too` is not 0. What older versions of this library left there
// goes too, what newer ones did stays. `progress` may be NULL.
//
// Thread-safe.
mgenjit_status mgenjit_cache_clear(struct mgenjit_cache *cache,
                                   int32_t pinned_too,
                                   mgenjit_progress progress,
                                   void *user,
                                   struct mgenjit_error **error);

// Checks an entry: its code as a hit does, what is attached to it, and that what it was compiled from has its key: its
// inputs, if they were kept, and its options. With `recompile`, compiles its inputs once more and compares: for entries that
// this version of the library compiled, for this machine or another target, and whose inputs were kept.
//
// Of an entry whose inputs were not kept, only compiling the module again tells whether it is what its key says; so it is
// of another key that leads to the entry, unless that is the one of its canonical form, which `recompile` checks too.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED; with
// `recompile` also MGENJIT_STATUS_DIFFERENT, MGENJIT_STATUS_TARGET if it cannot be compiled here, and those of
// mgenjit_executor_compile.
mgenjit_status mgenjit_cache_verify(struct mgenjit_cache *cache,
                                    const char *key,
                                    int32_t recompile,
                                    struct mgenjit_error **error);

// Makes the index anew from the entries. Nothing but what was counted, and when entries were used, can be lost with
// an index, and that is kept if the old one can be read. `progress` may be NULL.
//
// Thread-safe.
mgenjit_status mgenjit_cache_rebuild(struct mgenjit_cache *cache,
                                     mgenjit_progress progress,
                                     void *user,
                                     struct mgenjit_error **error);

// Writes the entries of `count` keys, with what else leads to them, to one file, a bundle: whole or not at all.
// A configuration with a signing key signs them anew. `progress` may be NULL.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_IO.
mgenjit_status mgenjit_cache_export(struct mgenjit_cache *cache,
                                    const char *path,
                                    const char *const *keys,
                                    size_t count,
                                    mgenjit_progress progress,
                                    void *user,
                                    struct mgenjit_error **error);

// Stores the entries of a bundle: all are verified before the first one is. Those that are there already, whole and
// signed as the configuration asks, stay as they are.
//
// If the configuration trusts keys, each entry must be signed with one. If it does not, the bundle itself is trusted as the
// cache's directory is: its entries are found undamaged, but that their code is what their keys stand for is not known. So
// import unsigned bundles from where you would run a program from; mgenjit_cache_verify with `recompile` tells which
// entries are not what this machine compiles. `imported`, which may be NULL, receives how many were stored.
// `progress` may be NULL.
//
// Thread-safe. Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED if the configuration
// trusts keys of which none signed an entry.
mgenjit_status mgenjit_cache_import(struct mgenjit_cache *cache,
                                    const char *path,
                                    uint64_t *imported,
                                    mgenjit_progress progress,
                                    void *user,
                                    struct mgenjit_error **error);

// Looks at the entry of a key, 64 hexadecimal digits, and verifies what is in it. To be freed with
// mgenjit_cache_entry_free.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED.
mgenjit_status mgenjit_cache_entry_open(struct mgenjit_cache *cache,
                                        const char *key,
                                        struct mgenjit_cache_entry **entry,
                                        struct mgenjit_error **error);

// Frees an entry. NULL does nothing.
void mgenjit_cache_entry_free(struct mgenjit_cache_entry *entry);

// Writes what is known of the entry. `info->size` is to be set first.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_cache_entry_info(const struct mgenjit_cache_entry *entry,
                                        struct mgenjit_cache_info *info,
                                        struct mgenjit_error **error);

// The features of the CPU that LLVM generated code for, as "+avx2,-avx512f". NULL for NULL.
const char *mgenjit_cache_entry_features(const struct mgenjit_cache_entry *entry);

// The path of the entry's file, which is an ELF shared object to tools such as objdump. NULL for NULL.
const char *mgenjit_cache_entry_path(const struct mgenjit_cache_entry *entry);

// How many other keys lead to the entry. 0 for NULL.
size_t mgenjit_cache_entry_alias_count(const struct mgenjit_cache_entry *entry);

// One of these keys, or NULL past the last.
const char *mgenjit_cache_entry_alias(const struct mgenjit_cache_entry *entry, size_t index);

// How many inputs the entry was compiled from. 0 for NULL.
size_t mgenjit_cache_entry_input_count(const struct mgenjit_cache_entry *entry);

// What the input at `index` was called, or NULL past the last.
const char *mgenjit_cache_entry_input_name(const struct mgenjit_cache_entry *entry, size_t index);

// How many bytes the input at `index` has, 0 past the last. In MGENJIT_PART_IR it lies behind those before it.
uint64_t mgenjit_cache_entry_input_size(const struct mgenjit_cache_entry *entry,
                                        size_t index);

// How many functions the entry's module defines that others can see. 0 for NULL.
size_t mgenjit_cache_entry_function_count(const struct mgenjit_cache_entry *entry);

// The signature of the function at `index` as IR writes it, such as "i64 @add(i64, i64)", or NULL past the last.
const char *mgenjit_cache_entry_signature(const struct mgenjit_cache_entry *entry,
                                          size_t index);

// The function at `index` as C declares it, such as "int64_t add(int64_t, int64_t);". NULL past the last, and for
// a function that C cannot declare: for its name, its calling convention, or a type such as a vector. The IR does
// not say which integers are unsigned, and what pointers point to.
const char *mgenjit_cache_entry_prototype(const struct mgenjit_cache_entry *entry,
                                          size_t index);

// Reads a part of the entry, one of MGENJIT_PART_…, into a blob that is to be freed with mgenjit_blob_free.
//
// Errors: MGENJIT_STATUS_NOT_FOUND if the IR was not kept, MGENJIT_STATUS_DAMAGED.
mgenjit_status mgenjit_cache_entry_read(const struct mgenjit_cache_entry *entry,
                                        int32_t part,
                                        struct mgenjit_blob **bytes,
                                        struct mgenjit_error **error);

// Tells why the IR would be found in the cache, or would not, by an executor of the cache's configuration. `name`
// is what the module was or would be called. To be freed with mgenjit_explanation_free.
//
// It compiles nothing. So it does not notice IR that is new, but differs from an entry's in nothing that matters: a
// compile server does, when it has read it.
//
// Thread-safe.
mgenjit_status mgenjit_cache_explain(struct mgenjit_cache *cache,
                                     const char *name,
                                     const void *ir,
                                     size_t length,
                                     struct mgenjit_explanation **explanation,
                                     struct mgenjit_error **error);

// As mgenjit_cache_explain, of all inputs of a source together.
//
// Thread-safe. Errors: MGENJIT_STATUS_IO if a file cannot be read, and those of mgenjit_cache_explain.
mgenjit_status mgenjit_cache_explain_source(struct mgenjit_cache *cache,
                                            const struct mgenjit_source *source,
                                            struct mgenjit_explanation **explanation,
                                            struct mgenjit_error **error);

// Frees an explanation. NULL does nothing.
void mgenjit_explanation_free(struct mgenjit_explanation *explanation);

// One of MGENJIT_VERDICT_…. 0 for NULL.
int32_t mgenjit_explanation_verdict(const struct mgenjit_explanation *explanation);

// What differs: a sum of MGENJIT_DIFFERS_…. 0 for NULL.
uint32_t mgenjit_explanation_differences(const struct mgenjit_explanation *explanation);

// The key that was looked for, 64 hexadecimal digits. NULL for NULL.
const char *mgenjit_explanation_key(const struct mgenjit_explanation *explanation);

// The key of the entry that is found, for MGENJIT_VERDICT_HIT, or of the nearest one of the same name, for
// MGENJIT_VERDICT_DIFFERS; else NULL.
const char *mgenjit_explanation_nearest(const struct mgenjit_explanation *explanation);

// When the entry went, or when the nearest one was compiled: microseconds since 1970; 0 if neither is known.
uint64_t mgenjit_explanation_time(const struct mgenjit_explanation *explanation);

// The same in words. "" for NULL.
const char *mgenjit_explanation_message(const struct mgenjit_explanation *explanation);

// Writes what the shared compile server of this build does: see mgenjit_config_set_server_mode. It starts none.
// `statistics->size` is to be set first.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there is no such server; MGENJIT_STATUS_TIMEOUT if it does not
// answer within some seconds; MGENJIT_STATUS_SERVER_UNAVAILABLE if it cannot be reached, or there is no folder for its
// socket that is this user's alone; MGENJIT_STATUS_SERVER_CRASHED if it cannot be understood;
// MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_server_status(struct mgenjit_server_statistics *statistics,
                                     struct mgenjit_error **error);

// Ends the shared compile server of this build. It takes no more clients at once, and ends when it has answered the
// requests that it has; if `force` is not 0, without that. Clients that need a server then start another one, and
// give it what they have no answer to: no compile fails for this.
//
// Waits until it has ended, at most `milliseconds`; 0 is not at all, MGENJIT_FOREVER as long as it takes.
//
// Thread-safe. Errors: those of mgenjit_server_status; MGENJIT_STATUS_TIMEOUT also if it has not ended by then.
mgenjit_status mgenjit_server_stop(int force,
                                   uint64_t milliseconds,
                                   struct mgenjit_error **error);

// Writes to `path` where the socket of the shared compile server of this build is, or would be: a blob whose bytes are
// an absolute path and a NUL, to be freed with mgenjit_blob_free.
//
// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if there is no folder for it that is this user's alone;
// MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_server_socket(struct mgenjit_blob **path,
                                     struct mgenjit_error **error);

// Writes to `path` which program is the compile server that executors of this configuration start, NULL for the
// default one: a blob whose bytes are an absolute path and a NUL, to be freed with mgenjit_blob_free. It is not started:
// whether it runs, a compile shows.
//
// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if none is found, with the places that were looked at;
// MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_server_path(const struct mgenjit_config *config,
                                   struct mgenjit_blob **path,
                                   struct mgenjit_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a mgenjit_value: the integer types take `integer`, which must fit the type. */
static inline mgenjit_value mgenjit_integer(int32_t type, int64_t integer)
{
    mgenjit_value value;
    value.type = type;
    value.as.integer = integer;
    return value;
}

static inline mgenjit_value mgenjit_i1(int on) { return mgenjit_integer(MGENJIT_TYPE_I1, on != 0); }
static inline mgenjit_value mgenjit_i8(int8_t integer) { return mgenjit_integer(MGENJIT_TYPE_I8, integer); }
static inline mgenjit_value mgenjit_i16(int16_t integer) { return mgenjit_integer(MGENJIT_TYPE_I16, integer); }
static inline mgenjit_value mgenjit_i32(int32_t integer) { return mgenjit_integer(MGENJIT_TYPE_I32, integer); }
static inline mgenjit_value mgenjit_i64(int64_t integer) { return mgenjit_integer(MGENJIT_TYPE_I64, integer); }

static inline mgenjit_value mgenjit_float(float number)
{
    mgenjit_value value;
    value.type = MGENJIT_TYPE_FLOAT;
    value.as.single_precision = number;
    return value;
}

static inline mgenjit_value mgenjit_double(double number)
{
    mgenjit_value value;
    value.type = MGENJIT_TYPE_DOUBLE;
    value.as.double_precision = number;
    return value;
}

/* A function may be handed a buffer that it is to fill: the compiler must not warn that it is not. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
__attribute__((access(none, 1)))
#endif
static inline mgenjit_value mgenjit_pointer(const void *pointer)
{
    mgenjit_value value;
    value.type = MGENJIT_TYPE_POINTER;
    value.as.pointer = (void *)pointer;
    return value;
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MGENJIT_H */
