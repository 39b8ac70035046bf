//! Executors
//!
//! A mgenjit_executor is a set of modules that link to each other, with the libraries and symbols they may use.
//!
//! ```c
//! mgenjit_executor *executor;
//! mgenjit_executor_new(NULL, &executor, NULL);
//! mgenjit_executor_compile(executor, "add.ll", ir, strlen(ir), NULL, NULL);
//! int64_t (*add)(int64_t, int64_t);
//! mgenjit_executor_lookup(executor, "add", (void **)&add, NULL);
//! assert(add(40, 2) == 42);
//! mgenjit_executor_free(executor);
//! ```

use super::call::{call, set};
use super::config::{self, mgenjit_config};
use super::error::mgenjit_error;
use super::ffi::{Owned, free, invalid};
use super::function::mgenjit_function;
use super::module::{give_module, mgenjit_module};
use super::source::mgenjit_source;
use super::status::mgenjit_status;
use crate::executor::Executor;
use crate::executor::source::Source;
use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::sync::Arc;

/// A set of modules that link to each other.
#[allow(non_camel_case_types)]
pub struct mgenjit_executor(pub(super) Arc<Executor>);

impl Owned for mgenjit_executor {}

/// Creates an executor. Free it with mgenjit_executor_free. `config` may be NULL for the defaults. No process is started and
/// no file is opened yet.
///
/// Errors: MGENJIT_STATUS_UNTRUSTED if a remote may not be used as it is configured: see mgenjit_config_set_remote;
/// MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_new(
    config: *const mgenjit_config,
    executor: *mut *mut mgenjit_executor,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, out executor, optional_handle config => {
        let config = config::resolved(config)?;
        let has_remotes = config.remotes.is_some();
        let made = Executor::new(config);
        // Those of the environment are told to the event hook: this program did not ask for them.
        if has_remotes && let Some(refused) = made.take_refused() {
            return Err(refused);
        }
        executor.give(mgenjit_executor(made))
    })
}

/// Frees an executor's handle. When the handles of its modules and functions are freed as well, its destructors and atexit
/// handlers run, newest module first, and its code is unmapped: no thread may be running the code then. Before that,
/// destructors of thread_local objects run: those of this thread at once, those of another thread when it ends, and that
/// module is unmapped then. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_free(executor: *mut mgenjit_executor) {
    free!(executor);
}

/// Compiles a module, or finds it in the cache, and adds it to the executor. `ir` is `length` bytes of IR text, bitcode, or an
/// object or archive as for mgenjit_source_add.
///
/// The module is linked at the first look-up, together with all modules added so far, so that modules may refer to each other
/// in any order. If it defines a symbol again, look-ups and modules linked later get the new definition; callers that are
/// already linked keep the old one, unless the executor is replaceable (mgenjit_config_set_replaceable): then all call the
/// new one.
///
/// `name` is the module's name in messages, "<memory>" if NULL; it is not part of the key. `module` receives a handle, which
/// mgenjit_module_free frees. If `module` is NULL, the module stays in the executor without a handle.
///
/// Thread-safe. Several calls compile in parallel.
///
/// Errors: MGENJIT_STATUS_PARSE, _VERIFY, _TARGET, _CODEGEN or _LINK if the module is bad; _SERVER_UNAVAILABLE,
/// _SERVER_CRASHED or _SERVER_MISMATCH if it could not be compiled; _LOAD, _INVALID_ARGUMENT. The executor stays usable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_compile(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    ir: *const c_void,
    length: usize,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(
        error,
        handle executor, optional_string name, bytes ir[length], optional_out module => {
            let source = Source::memory(name.unwrap_or("<memory>"), ir);
            give_module(module, executor.0.compile(source)?)
        }
    )
}

/// Compiles the file at `path`, which is also the module's name: see mgenjit_executor_compile.
///
/// Errors: MGENJIT_STATUS_IO if the file cannot be read, and those of mgenjit_executor_compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_compile_file(
    executor: *mut mgenjit_executor,
    path: *const c_char,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, string path, optional_out module => {
        give_module(module, executor.0.compile(Source::file(Path::new(path)))?)
    })
}

/// Compiles all inputs of a source into one module: see mgenjit_executor_compile. The source stays the caller's, who may
/// compile it again, and must not change it during the call.
///
/// Errors: MGENJIT_STATUS_IO if a file cannot be read; MGENJIT_STATUS_LINK if inputs conflict (two define a symbol, targets
/// differ) or cannot be linked; MGENJIT_STATUS_NOT_FOUND if no input defines a symbol to keep; and those of
/// mgenjit_executor_compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_compile_source(
    executor: *mut mgenjit_executor,
    source: *const mgenjit_source,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, handle source, optional_out module => {
        give_module(module, executor.0.compile(source.0.borrowed())?)
    })
}

/// Defines a symbol. Modules linked from now on that refer to `name` get `address`, before any other definition. A later call
/// for the same name replaces it. What `address` points to must live as long as modules use it.
///
/// In a statically linked program (-static), nothing of the process can be found by name. Define what modules refer to; only
/// what compilers rely on, such as memcpy, is defined already.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also for a NULL address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_define(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    address: *const c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, string name => {
        if name.is_empty() || address.is_null() {
            return Err(invalid(
                "a symbol needs a name that is not empty and an address that is not NULL",
            ));
        }
        executor.0.define(name, address.addr());
        Ok(())
    })
}

/// Loads a shared library for the executor's modules, as dlopen does: by a path with a slash, or by a name such as "libm.so.6"
/// that the system finds. Its symbols come after those of the modules and before those of the process. It stays loaded as
/// long as the executor lives.
///
/// Thread-safe. Errors: MGENJIT_STATUS_LIBRARY, with dlopen's message; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_load_library(
    executor: *mut mgenjit_executor,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, string path => executor.0.load_library(path))
}

/// Links all modules that are not linked yet and runs their static constructors, as the first look-up would. A module that
/// cannot be linked stays pending, and so do modules that need it; the others are linked.
///
/// Thread-safe. Errors: MGENJIT_STATUS_UNRESOLVED, with all symbols that are missing: define them, add a module or load a
/// library that has them, or remove the module, and try again. MGENJIT_STATUS_LOAD if two modules conflict; both are named.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_link(
    executor: *mut mgenjit_executor,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor => executor.0.link())
}

/// Looks up the address of a function or variable: first among the symbols of mgenjit_executor_define, then in the modules,
/// newest first, in the loaded libraries, and in the process. Links what is not linked yet. For a thread_local variable, it is
/// the calling thread's.
///
/// Hidden symbols of modules are found, after those that are not hidden. If a library or the process already had a symbol
/// that a module defines as linkonce_odr or weak_odr and not hidden, it is found there. If the newest module that defines the
/// name cannot be linked, that is an error, even if an older module defines it.
///
/// ISO C cannot convert the address to a function pointer. Write it into one, as for dlsym:
/// `int (*f)(int); … mgenjit_executor_lookup(executor, "f", (void **)&f, &error)`.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND; MGENJIT_STATUS_UNRESOLVED or MGENJIT_STATUS_LOAD, as for
/// mgenjit_executor_link, if the module that defines it cannot be linked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_lookup(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    address: *mut *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, string name, out address => {
        address.write(executor.0.lookup(name)? as *mut c_void)
    })
}

/// Looks up a function of the modules together with its signature, for checked calls. Free the handle with
/// mgenjit_function_free. Does not link.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, also for functions of libraries and of the process, whose signatures are
/// unknown: use mgenjit_executor_lookup, or call them from a module that declares them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_lookup_function(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    function: *mut *mut mgenjit_function,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, string name, out function => {
        function.give(mgenjit_function::new(executor.0.lookup_function(name)?))
    })
}

/// Sets the program's arguments: `argc` strings at `argv`, where argv[0] is the program's name. Static constructors of modules
/// linked from now on get them and the environment, as with glibc. Default: the arguments of this process.
/// mgenjit_executor_run_main sets its own. The strings are copied; the copies live as long as the executor.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_set_arguments(
    executor: *mut mgenjit_executor,
    argc: c_int,
    argv: *const *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle executor, arguments argv[argc] => {
        executor.0.set_arguments(&argv.unwrap_or_default());
    })
}

/// Calls the function `main` of the modules, and flushes stdout and stderr when it returns.
///
/// `argv` has `argc` arguments, where argv[0] is the program's name. If `argc` is 0 and `argv` NULL, the arguments are those of
/// mgenjit_executor_set_arguments, or none. `main` may return i8 to i64 or void, and take nothing, (argc), (argc, argv) or
/// (argc, argv, envp). A `main` of an object file is called as `int main(int, char **, char **)`. `exit_status`, which may be
/// NULL, receives the result; 0 for void.
///
/// If the program calls exit, the process ends. A host that should end as the program would calls exit with the result and
/// does not free the executor: then destructors and handlers run in their usual order, and threads of the program keep their
/// code.
///
/// Errors: MGENJIT_STATUS_NOT_FOUND if no module defines main, MGENJIT_STATUS_TYPE if main has another form, and those of
/// mgenjit_executor_link.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mgenjit_executor_run_main(
    executor: *mut mgenjit_executor,
    argc: c_int,
    argv: *const *const c_char,
    exit_status: *mut c_int,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let mut run = None;
    let status = call!(error, handle executor, arguments argv[argc], optional_out exit_status => {
        run = Some((executor.0.prepare_main(argv.as_deref())?, exit_status));
        Ok(())
    });
    // Outside the frame, so that an exception can pass to a host that catches it.
    if let Some((main, exit_status)) = run {
        let result = main.run();
        exit_status.map(|place| place.write(result));
    }
    status
}

/// Compiles the file at `path`, or finds it in the cache, and runs its `main`, in an executor of its own. The arguments are as
/// for mgenjit_executor_run_main. `config` may be NULL for the defaults; its event hook is told what happens.
///
/// Errors: those of mgenjit_executor_compile_file and mgenjit_executor_run_main.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mgenjit_run_file(
    path: *const c_char,
    argc: c_int,
    argv: *const *const c_char,
    config: *const mgenjit_config,
    exit_status: *mut c_int,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let mut run = None;
    let status = call!(
        error,
        string path, optional_handle config, arguments argv[argc], optional_out exit_status => {
            let executor = Executor::new(config::resolved(config)?);
            executor.compile(Source::file(Path::new(path)))?;
            run = Some((executor.prepare_main(argv.as_deref())?, exit_status));
            Ok(())
        }
    );
    if let Some((main, exit_status)) = run {
        let result = main.run();
        exit_status.map(|place| place.write(result));
    }
    status
}
