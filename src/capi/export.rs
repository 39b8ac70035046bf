//! Exports
//!
//! Compiled modules can be written as objects, libraries, executables and text.
//!
//! ```c
//! mgenjit_export_options *options;
//! mgenjit_export_options_new(&options, NULL);
//! mgenjit_export_options_set_soname(options, "libadd.so.1", NULL);
//! assert(mgenjit_module_export(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libadd.so", options, NULL)
//!        == MGENJIT_STATUS_OK);
//! mgenjit_export_options_free(options);
//! ```

use super::blob::mgenjit_blob;
use super::call::{call, set};
use super::error::mgenjit_error;
use super::ffi::{CBool, Owned, free, invalid};
use super::module::mgenjit_module;
use super::status::mgenjit_status;
use crate::error::Error;
use crate::executor::Module;
use crate::export::{self, Argument, Kind, Options};
use std::ffi::c_char;
use std::path::Path;

/// A relocatable object. As with clang's objects, what uses it may have to be linked with `-lm`, and with `-latomic` for atomic
/// operations on 16 bytes.
pub const MGENJIT_EXPORT_OBJECT: i32 = 1;
/// A static archive, with a member for each module and for each object linked into one. It needs the same libraries as an
/// object.
pub const MGENJIT_EXPORT_ARCHIVE: i32 = 2;
/// A shared library, linked by the compile server; or by the linker, if one was set, if there are libraries or flags, or if
/// the code needs what only a compiler can find, such as what x86-64's __builtin_cpu_supports reads.
pub const MGENJIT_EXPORT_SHARED_LIBRARY: i32 = 3;
/// An executable. `main` may return i8 to i64 or void, and takes its arguments as for mgenjit_executor_run_main. The maths
/// and atomics libraries are linked if needed.
pub const MGENJIT_EXPORT_EXECUTABLE: i32 = 4;
/// The optimised IR as bitcode, without objects that were linked into the module.
pub const MGENJIT_EXPORT_BITCODE: i32 = 5;
/// The optimised IR as text, without objects that were linked into the module.
pub const MGENJIT_EXPORT_IR: i32 = 6;
/// Assembly text.
pub const MGENJIT_EXPORT_ASSEMBLY: i32 = 7;
/// A C header with a prototype of each function that C can declare.
pub const MGENJIT_EXPORT_HEADER: i32 = 8;

/// Options of an export. They belong to one thread at a time.
#[allow(non_camel_case_types)]
pub struct mgenjit_export_options(Options);

impl Owned for mgenjit_export_options {}

/// Creates options with the defaults. Free them with mgenjit_export_options_free.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_new(
    options: *mut *mut mgenjit_export_options,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, out options => options.give(mgenjit_export_options(Options::default())))
}

/// Frees options. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_free(options: *mut mgenjit_export_options) {
    free!(options);
}

/// Sets a shared library's soname, such as "libanswer.so.1". Default, NULL: none.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_set_soname(
    options: *mut mgenjit_export_options,
    soname: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut options, optional_string soname => {
        if soname == Some("") {
            return Err(invalid("the soname is empty"));
        }
        options.0.soname = soname.map(str::to_owned);
        Ok(())
    })
}

/// Sets whether an executable is linked statically. Default: false, it is position-independent.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_set_static(
    options: *mut mgenjit_export_options,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut options => options.0.is_static = on.get())
}

/// Adds a library for executables and shared libraries: a name as after `-l`, such as "m", or a path with a slash. The linker
/// gets libraries and flags after the objects, in the order in which they were added.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_add_library(
    options: *mut mgenjit_export_options,
    library: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut options, string library => {
        if library.is_empty() {
            return Err(invalid("the library's name is empty"));
        }
        options.0.arguments.push(Argument::Library(library.to_owned()));
        Ok(())
    })
}

/// Adds one argument for the linker, such as "-Wl,-rpath,$ORIGIN" or "-g". No shell interprets it.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_add_flag(
    options: *mut mgenjit_export_options,
    flag: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut options, string flag => {
        options.0.arguments.push(Argument::Flag(flag.to_owned()));
    })
}

/// Exports a module as `kind`, one of MGENJIT_EXPORT_…, to the file at `path`. `options` may be NULL for the defaults.
///
/// The file appears, or is replaced, only when it is complete. A symbolic link is followed. A pipe or device is written to.
/// Executables and shared libraries are executable for whom the umask allows. Equal modules give equal bytes.
///
/// Objects, archives, shared libraries, executables and headers are made from the cache's entry, without generating code.
/// Archives and headers need no other process, nor do objects of modules without other objects. Other objects and shared
/// libraries are linked by the compile server; executables, and shared libraries with libraries or flags, by the
/// configuration's linker, which the compile server's program starts. For bitcode, IR and assembly, the compile server
/// compiles the IR again.
///
/// Thread-safe.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_UNSUPPORTED if the target or module cannot be exported as `kind`;
/// MGENJIT_STATUS_NOT_FOUND if the cache lost the module or did not keep its IR; MGENJIT_STATUS_LINK if modules conflict;
/// MGENJIT_STATUS_LINKER with the linker's message; MGENJIT_STATUS_UNRESOLVED if an executable lacks symbols;
/// MGENJIT_STATUS_IO if the file cannot be written; MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_SERVER_UNAVAILABLE, _SERVER_CRASHED
/// and _SERVER_MISMATCH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_export(
    module: *mut mgenjit_module,
    kind: i32,
    path: *const c_char,
    options: *const mgenjit_export_options,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, string path, optional_handle options => {
        export::to_file(&[&module.module], kind_of(kind)?, &of(options), Path::new(path))
    })
}

/// Exports a module to a blob: see mgenjit_module_export. Free it with mgenjit_blob_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_export_blob(
    module: *mut mgenjit_module,
    kind: i32,
    options: *const mgenjit_export_options,
    blob: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, optional_handle options, out blob => {
        let bytes = export::to_bytes(&[&module.module], kind_of(kind)?, &of(options))?;
        blob.give(mgenjit_blob(bytes))
    })
}

/// Exports `count` modules together, as an archive, a shared library, an executable or a header: see mgenjit_module_export.
/// They must have one target and may belong to several executors. If two define the same symbol, the error names both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_modules_export(
    modules: *const *mut mgenjit_module,
    count: usize,
    kind: i32,
    path: *const c_char,
    options: *const mgenjit_export_options,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handles modules[count], string path, optional_handle options => {
        export::to_file(&all(&modules)?, kind_of(kind)?, &of(options), Path::new(path))
    })
}

/// Exports `count` modules together to a blob: see mgenjit_modules_export. Free it with mgenjit_blob_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_modules_export_blob(
    modules: *const *mut mgenjit_module,
    count: usize,
    kind: i32,
    options: *const mgenjit_export_options,
    blob: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handles modules[count], optional_handle options, out blob => {
        let bytes = export::to_bytes(&all(&modules)?, kind_of(kind)?, &of(options))?;
        blob.give(mgenjit_blob(bytes))
    })
}

fn all<'a>(modules: &[&'a mgenjit_module]) -> Result<Vec<&'a Module>, Error> {
    if modules.is_empty() {
        return Err(invalid("there are no modules to export"));
    }
    Ok(modules.iter().map(|module| &module.module).collect())
}

fn of(options: Option<&mgenjit_export_options>) -> Options {
    options.map_or_else(Options::default, |options| options.0.clone())
}

fn kind_of(kind: i32) -> Result<Kind, Error> {
    Ok(match kind {
        MGENJIT_EXPORT_OBJECT => Kind::Object,
        MGENJIT_EXPORT_ARCHIVE => Kind::Archive,
        MGENJIT_EXPORT_SHARED_LIBRARY => Kind::SharedLibrary,
        MGENJIT_EXPORT_EXECUTABLE => Kind::Executable,
        MGENJIT_EXPORT_BITCODE => Kind::Bitcode,
        MGENJIT_EXPORT_IR => Kind::Ir,
        MGENJIT_EXPORT_ASSEMBLY => Kind::Assembly,
        MGENJIT_EXPORT_HEADER => Kind::Header,
        _ => {
            return Err(invalid(format!(
                "{kind} is nothing that a module can be exported as: use MGENJIT_EXPORT_OBJECT (1) to \
                 MGENJIT_EXPORT_HEADER (8)"
            )));
        }
    })
}
