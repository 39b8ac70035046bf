//! `mgenjit_executor`: compile modules, and look up what they define.

use super::config::mgenjit_config;
use super::error::mgenjit_error;
use super::ffi::{self, Out, Owned};
use super::function::mgenjit_function;
use super::module::mgenjit_module;
use super::source::mgenjit_source;
use super::status::mgenjit_status;
use crate::config::Config;
use crate::error::{Error, Status};
use crate::executor::Executor;
use crate::executor::source::Source;
use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::sync::Arc;

/// A set of modules that link to each other, with the libraries and symbols they may use.
#[allow(non_camel_case_types)]
pub struct mgenjit_executor(pub(super) Arc<Executor>);

impl Owned for mgenjit_executor {}

/// Makes an executor. `config` may be NULL for the defaults. Nothing is started and no file is opened yet.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_new(
    config: *const mgenjit_config,
    executor: *mut *mut mgenjit_executor,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let out = Out::new(executor, "executor")?;
            out.write(mgenjit_executor(Executor::new(copy_config(config))).into_raw());
            Ok(())
        })
    }
}

/// Gives up the executor's handle. Once the handles of its modules and functions are freed as well, its
/// destructors and atexit handlers run, newest module first, and its code is unmapped: no thread may be
/// running it then. The destructors of thread_local objects run before: those of this thread now, those of others when
/// their threads end, and the module with them. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_free(executor: *mut mgenjit_executor) {
    // SAFETY: the caller passes NULL or an executor that it owns and will not use again.
    unsafe { mgenjit_executor::free(executor) };
}

/// Compiles a module of IR text or bitcode, `length` bytes at `ir`, or finds it in the cache, and adds it to
/// the executor. A relocatable object or a static archive is taken as well, see mgenjit_source_add. It links when
/// something is first looked up, together with all modules added until then: they may refer to each other in any
/// order. What it defines again, it defines for look-ups and for modules that link later: callers that are linked
/// already keep the function that they have.
///
/// `name` is what messages call the module; NULL: "<memory>". It is no part of the key. `module` receives a
/// handle, to be freed with mgenjit_module_free; it may be NULL if none is wanted: the module stays.
///
/// Thread-safe; several calls compile in parallel.
///
/// Errors: MGENJIT_STATUS_PARSE, _VERIFY, _TARGET, _CODEGEN, _LINK: the module is bad.
/// _SERVER_UNAVAILABLE, _SERVER_CRASHED, _SERVER_MISMATCH: it could not be compiled. _LOAD, _INVALID_ARGUMENT.
/// The executor stays usable after each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_compile(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    ir: *const c_void,
    length: usize,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let name = if name.is_null() {
                "<memory>"
            } else {
                ffi::string(name, "name")?
            };
            let ir = ffi::slice(ir.cast::<u8>(), length, "ir")?;
            let compiled = executor.0.compile(Source::memory(name, ir))?;
            if !module.is_null() {
                module.write(mgenjit_module::new(compiled).into_raw());
            }
            Ok(())
        })
    }
}

/// As mgenjit_executor_compile, with the IR text or bitcode in the file at `path`, which is the module's name
/// too.
///
/// Errors: MGENJIT_STATUS_IO if the file cannot be read, and those of mgenjit_executor_compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_compile_file(
    executor: *mut mgenjit_executor,
    path: *const c_char,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let path = ffi::string(path, "path")?;
            let compiled = executor.0.compile(Source::file(Path::new(path)))?;
            if !module.is_null() {
                module.write(mgenjit_module::new(compiled).into_raw());
            }
            Ok(())
        })
    }
}

/// As mgenjit_executor_compile, of all inputs of a source together. The source stays the caller's, who may compile it
/// again, and must not change it meanwhile.
///
/// Errors: MGENJIT_STATUS_IO if a file cannot be read; MGENJIT_STATUS_LINK if inputs contradict each other (two define
/// a symbol, targets differ) or cannot be linked; MGENJIT_STATUS_NOT_FOUND for a symbol to keep that no input
/// defines; and those of mgenjit_executor_compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_compile_source(
    executor: *mut mgenjit_executor,
    source: *const mgenjit_source,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let source = ffi::borrow(source, "source")?;
            let compiled = executor.0.compile(source.0.borrowed())?;
            if !module.is_null() {
                module.write(mgenjit_module::new(compiled).into_raw());
            }
            Ok(())
        })
    }
}

/// Defines a symbol: modules that link from now on and refer to `name` get `address`, before any other
/// definition. A later definition of the same name replaces an earlier one. What `address` points to must
/// live as long as modules use it.
///
/// In a program that is linked statically (-static), nothing can be found by name: what modules refer to is defined so,
/// but for what compilers count on, such as memcpy.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT (also for a NULL address).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_define(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    address: *const c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let name = ffi::string(name, "name")?;
            if name.is_empty() || address.is_null() {
                return Err(Error::new(
                    Status::InvalidArgument,
                    "a symbol needs a name that is not empty and an address that is not NULL",
                ));
            }
            executor.0.define(name, address.addr());
            Ok(())
        })
    }
}

/// Loads a shared library for the executor's modules, as dlopen does (a path with a slash, or a name such as
/// "libm.so.6" that the system finds). Its symbols come after those of the modules and before those of the
/// process. It stays loaded as long as the executor.
///
/// Thread-safe. Errors: MGENJIT_STATUS_LIBRARY, with what dlopen said; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_load_library(
    executor: *mut mgenjit_executor,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            executor.0.load_library(ffi::string(path, "path")?)
        })
    }
}

/// Links all modules that are not linked yet and runs their static constructors, as the first look-up would. A module
/// that cannot be linked waits, and so do those that need it; the others are linked.
///
/// Thread-safe. Errors: MGENJIT_STATUS_UNRESOLVED, with every symbol that is missing: define it, add a module
/// or load a library that has it, and try again, or remove the module. MGENJIT_STATUS_LOAD: a module contradicts
/// another one, which are both named.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_link(
    executor: *mut mgenjit_executor,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe { ffi::guard(error, || ffi::borrow(executor, "executor")?.0.link()) }
}

/// Looks up a function or variable and returns its address: among the symbols defined with
/// mgenjit_executor_define, the modules (the one added last wins), the loaded libraries, and the process, in
/// this order. Links first what is not linked yet. For a thread_local variable, the calling thread's.
///
/// Hidden symbols of modules are found, after those that are not hidden. A weak definition of which all are the same
/// (linkonce_odr, weak_odr) and that a library or the process had when its module was linked is found there, unless it is
/// hidden. If the module that was added last cannot be linked, that is an error, although an older one may define the name.
///
/// ISO C has no conversion of the address to a function pointer; write it into one instead, as for dlsym:
/// `int (*f)(int); … mgenjit_executor_lookup(executor, "f", (void **)&f, &error)`.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND; MGENJIT_STATUS_UNRESOLVED or MGENJIT_STATUS_LOAD, as of
/// mgenjit_executor_link, if the module that defines it cannot be linked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_lookup(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    address: *mut *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let name = ffi::string(name, "name")?;
            let out = Out::new(address, "address")?;
            out.write(executor.0.lookup(name)? as *mut c_void);
            Ok(())
        })
    }
}

/// Looks up a function of the modules together with its signature, for checked calls. The handle is to be
/// freed with mgenjit_function_free. Does not link yet.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, also for functions of libraries and of the process, whose
/// signatures are not known: declare them in a module that calls them, or use mgenjit_executor_lookup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_lookup_function(
    executor: *mut mgenjit_executor,
    name: *const c_char,
    function: *mut *mut mgenjit_function,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let name = ffi::string(name, "name")?;
            let out = Out::new(function, "function")?;
            out.write(mgenjit_function::new(executor.0.lookup_function(name)?).into_raw());
            Ok(())
        })
    }
}

/// Sets the arguments of the program that the modules are: `argc` strings at `argv`, argv[0] the program's name. Static
/// constructors of modules that link from now on are called with them, and with the environment, as glibc does it;
/// without them, with those of this process. mgenjit_executor_run_main sets its own. The strings are copied, and the
/// copies live as long as the executor.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_set_arguments(
    executor: *mut mgenjit_executor,
    argc: c_int,
    argv: *const *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            executor.0.set_arguments(&arguments(argc, argv)?);
            Ok(())
        })
    }
}

/// Calls the function `main` of the modules, and flushes stdout and stderr when it returns.
///
/// `argv` has `argc` arguments, argv[0] the program's name. It may be NULL if `argc` is 0: then they are those of
/// mgenjit_executor_set_arguments, or none. `main` may return
/// i8 to i64 or void and take nothing, (argc), (argc, argv) or (argc, argv, envp). `exit_status` receives its
/// result, 0 for void; it may be NULL. A `main` that an object file defines is taken to be `int main(int, char **, char
/// **)`. If the program calls exit, the process ends. A host that is to end as the program would calls exit with the
/// result, and leaves the executor as it is: then destructors and handlers run in their usual order, and threads that
/// the program has left still have their code.
///
/// Errors: MGENJIT_STATUS_NOT_FOUND if no module defines main, MGENJIT_STATUS_TYPE if it has another form, and
/// those of mgenjit_executor_link.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mgenjit_executor_run_main(
    executor: *mut mgenjit_executor,
    argc: c_int,
    argv: *const *const c_char,
    exit_status: *mut c_int,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let mut prepared = None;
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    let status = unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let arguments = arguments(argc, argv)?;
            let given = (!argv.is_null()).then_some(arguments.as_slice());
            prepared = Some(executor.0.prepare_main(given)?);
            Ok(())
        })
    };
    if let Some(main) = prepared {
        // Outside the guard, so that an exception may pass to a host frame that can catch it.
        let result = main.run();
        if !exit_status.is_null() {
            // SAFETY: a non-null `exit_status` may be written, as the header asks.
            unsafe { exit_status.write(result) };
        }
    }
    status
}

/// Compiles the file at `path`, or finds it in the cache, and runs its `main`: an executor for one program.
/// `argv` is as for mgenjit_executor_run_main. `config` may be NULL for the defaults; its event hook tells
/// what happens.
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
    let mut prepared = None;
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    let status = unsafe {
        ffi::guard(error, || {
            let path = ffi::string(path, "path")?;
            let executor = Executor::new(copy_config(config));
            executor.compile(Source::file(Path::new(path)))?;
            let arguments = arguments(argc, argv)?;
            let given = (!argv.is_null()).then_some(arguments.as_slice());
            prepared = Some(executor.prepare_main(given)?);
            Ok(())
        })
    };
    if let Some(main) = prepared {
        let result = main.run();
        if !exit_status.is_null() {
            // SAFETY: a non-null `exit_status` may be written, as the header asks.
            unsafe { exit_status.write(result) };
        }
    }
    status
}

/// Copies a configuration, or makes the default one.
///
/// # Safety
/// `config` is NULL or live.
pub(super) unsafe fn copy_config(config: *const mgenjit_config) -> Config {
    // SAFETY: the caller vouches for a non-null configuration.
    unsafe { config.as_ref() }.map_or_else(Config::default, |config| config.0.clone())
}

/// Reads an argument vector.
///
/// # Safety
/// `argv` is NULL or has `argc` strings.
unsafe fn arguments<'a>(
    argc: c_int,
    argv: *const *const c_char,
) -> Result<Vec<&'a std::ffi::CStr>, Error> {
    let count = usize::try_from(argc).map_err(|_| {
        Error::new(
            Status::InvalidArgument,
            format!("`argc` is {argc}; it must not be negative"),
        )
    })?;
    // SAFETY: the caller vouches for `argc` strings.
    let pointers = unsafe { ffi::slice(argv, count, "argv")? };
    pointers
        .iter()
        .enumerate()
        .map(|(index, pointer)| {
            if pointer.is_null() {
                return Err(Error::new(
                    Status::InvalidArgument,
                    format!("`argv[{index}]` is NULL"),
                ));
            }
            // SAFETY: the caller vouches for NUL-terminated strings.
            Ok(unsafe { std::ffi::CStr::from_ptr(*pointer) })
        })
        .collect()
}
