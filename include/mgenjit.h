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

// The IR asks for another target or data layout than this machine's.
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

// A bundle, or an entry of the cache that was asked for, is not whole or was changed.
#define MGENJIT_STATUS_DAMAGED 19

// What has no signature by a trusted key was refused.
#define MGENJIT_STATUS_UNTRUSTED 20

// The cache had the code. `bytes`: its entry's length.
#define MGENJIT_EVENT_HIT 1

// The cache had it not. `message`: why the cache was not used, if it was not.
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

// The configuration of an executor. It is copied when used: changing or freeing it later changes nothing
// that was made from it.
typedef struct mgenjit_config mgenjit_config;

// Why a call failed. It is immutable, belongs to the caller, and may move between threads.
typedef struct mgenjit_error mgenjit_error;

// A set of modules that link to each other, with the libraries and symbols they may use.
typedef struct mgenjit_executor mgenjit_executor;

// A function of a module, with its signature as the IR states it. It keeps its module mapped.
typedef struct mgenjit_function mgenjit_function;

// A module of an executor.
typedef struct mgenjit_module mgenjit_module;

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
  // In the server: parse and verify the IR.
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

// Sets the cache's directory. It is made, with mode 0700, when something is first stored. A directory that
// belongs to another user, or that others may write, is not used: what is in a cache is run.
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

// Makes an executor. `config` may be NULL for the defaults. Nothing is started and no file is opened yet.
//
// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_executor_new(const struct mgenjit_config *config,
                                    struct mgenjit_executor **executor,
                                    struct mgenjit_error **error);

// Gives up the executor's handle. Once the handles of its modules and functions are freed as well, its
// destructors and atexit handlers run, newest module first, and its code is unmapped: no thread may be
// running it then. NULL does nothing.
void mgenjit_executor_free(struct mgenjit_executor *executor);

// Compiles a module of IR text or bitcode, `length` bytes at `ir`, or finds it in the cache, and adds it to
// the executor. It links when something is first looked up, together with all modules added until then: they
// may refer to each other in any order.
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

// Defines a symbol: modules that link from now on and refer to `name` get `address`, before any other
// definition. A later definition of the same name replaces an earlier one. What `address` points to must
// live as long as modules use it.
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

// Links all modules that are not linked yet and runs their static constructors, as the first look-up would.
//
// Thread-safe. Errors: MGENJIT_STATUS_UNRESOLVED, with every symbol that is missing: define it, add a module
// or load a library that has it, and try again, or remove the module. MGENJIT_STATUS_LOAD.
mgenjit_status mgenjit_executor_link(struct mgenjit_executor *executor, struct mgenjit_error **error);

// Looks up a function or variable and returns its address: among the symbols defined with
// mgenjit_executor_define, the modules (the one added last wins), the loaded libraries, and the process, in
// this order. Links first what is not linked yet. For a thread_local variable, the calling thread's.
//
// ISO C has no conversion of the address to a function pointer; write it into one instead, as for dlsym:
// `int (*f)(int); … mgenjit_executor_lookup(executor, "f", (void **)&f, &error)`.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, and those of mgenjit_executor_link.
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

// Calls the function `main` of the modules, and flushes stdout and stderr when it returns.
//
// `argv` has `argc` arguments, argv[0] the program's name; it may be NULL if `argc` is 0. `main` may return
// i8 to i64 or void and take nothing, (argc), (argc, argv) or (argc, argv, envp). `exit_status` receives its
// result, 0 for void; it may be NULL. If the program calls exit, the process ends.
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
// modules that linked to it, function handles, thread_local destructors that wait for their threads to end),
// its destructors and atexit handlers run and its memory is returned: no thread may be running its code then,
// and its addresses are no longer valid. The handle stays, to be freed.
//
// Thread-safe. Errors: MGENJIT_STATUS_REMOVED if it was removed before; MGENJIT_STATUS_INVALID_ARGUMENT.
mgenjit_status mgenjit_module_remove(struct mgenjit_module *module, struct mgenjit_error **error);

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

// As mgenjit_executor_lookup, among the symbols that this module defines.
//
// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_REMOVED, and those of mgenjit_executor_link.
mgenjit_status mgenjit_module_lookup(struct mgenjit_module *module,
                                     const char *name,
                                     void **address,
                                     struct mgenjit_error **error);

// How many functions the module defines that others can see. 0 for NULL.
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
