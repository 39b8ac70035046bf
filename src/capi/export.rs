//! Export: what was compiled leaves as objects, libraries, executables and text.

use super::blob::mgenjit_blob;
use super::error::mgenjit_error;
use super::ffi::{self, Out, Owned};
use super::module::mgenjit_module;
use super::status::mgenjit_status;
use crate::error::{Error, Status};
use crate::executor::Module;
use crate::export::{self, Argument, Kind, Options};
use std::ffi::{c_char, c_int};
use std::path::Path;

/// A relocatable object. As with those of clang, what uses it may have to be linked with `-lm`, and for atomic operations
/// on 16 bytes with `-latomic`.
pub const MGENJIT_EXPORT_OBJECT: i32 = 1;
/// A static archive, with a member for each module, and for each object that was linked into one. What it has to be
/// linked with is as for an object.
pub const MGENJIT_EXPORT_ARCHIVE: i32 = 2;
/// A shared library. It is linked by the compile server, or by the linker if one was named, if there are libraries or
/// flags, or if it needs what only a compiler knows where to find, such as what __builtin_cpu_supports reads.
pub const MGENJIT_EXPORT_SHARED_LIBRARY: i32 = 3;
/// An executable. `main` may return i8 to i64 or void, and may take its arguments as for mgenjit_executor_run_main.
/// The libraries of mathematics and of atomic operations are linked if it needs them.
pub const MGENJIT_EXPORT_EXECUTABLE: i32 = 4;
/// The IR as it was after the optimiser, as bitcode. Objects that were linked into the module are not in it.
pub const MGENJIT_EXPORT_BITCODE: i32 = 5;
/// The same as text.
pub const MGENJIT_EXPORT_IR: i32 = 6;
/// Assembly text.
pub const MGENJIT_EXPORT_ASSEMBLY: i32 = 7;
/// A C header with a prototype for each function that C can declare.
pub const MGENJIT_EXPORT_HEADER: i32 = 8;

/// How a module is exported.
#[allow(non_camel_case_types)]
pub struct mgenjit_export_options(Options);

impl Owned for mgenjit_export_options {}

/// Makes options with the defaults. Never NULL. Free them with mgenjit_export_options_free.
#[unsafe(no_mangle)]
pub extern "C" fn mgenjit_export_options_new() -> *mut mgenjit_export_options {
    mgenjit_export_options(Options::default()).into_raw()
}

/// Frees options. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_free(options: *mut mgenjit_export_options) {
    // SAFETY: the caller passes NULL or options that it owns and will not use again.
    unsafe { mgenjit_export_options::free(options) };
}

/// Sets a shared library's soname, such as "libanswer.so.1". NULL: none, the default.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_set_soname(
    options: *mut mgenjit_export_options,
    soname: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let options = ffi::borrow_mut(options, "options")?;
            options.0.soname = match ffi::optional_string(soname, "soname")? {
                Some("") => return Err(invalid("the soname is empty")),
                soname => soname.map(str::to_owned),
            };
            Ok(())
        })
    }
}

/// Sets whether an executable is linked statically. Default: no, it is position-independent.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_set_static(
    options: *mut mgenjit_export_options,
    on: c_int,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(options, "options")?.0.is_static = on != 0;
            Ok(())
        })
    }
}

/// Adds a library that an executable or a shared library is linked with: a name as after `-l`, such as "m", or a path
/// if it has a slash. Libraries and flags reach the linker in the order in which they were added, behind the objects.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_add_library(
    options: *mut mgenjit_export_options,
    library: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let options = ffi::borrow_mut(options, "options")?;
            let library = ffi::string(library, "library")?;
            if library.is_empty() {
                return Err(invalid("the library's name is empty"));
            }
            let library = Argument::Library(library.to_owned());
            options.0.arguments.push(library);
            Ok(())
        })
    }
}

/// Adds one argument for the linker, such as "-Wl,-rpath,$ORIGIN" or "-g", as it is: no shell sees it.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_export_options_add_flag(
    options: *mut mgenjit_export_options,
    flag: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let options = ffi::borrow_mut(options, "options")?;
            let flag = ffi::string(flag, "flag")?.to_owned();
            options.0.arguments.push(Argument::Flag(flag));
            Ok(())
        })
    }
}

/// Exports a module as `kind`, one of MGENJIT_EXPORT_…, to the file at `path`. `options` may be NULL for the defaults.
///
/// The file appears, or is replaced, only whole; a link is followed, and what is no file (a pipe, a device) is written
/// to. Executables and shared libraries can be executed by whoever the umask lets.
///
/// Objects, archives, shared libraries, executables and headers are made of what the cache has: no code is generated.
/// Archives, headers and, of modules into which no other objects were linked, objects take no other process; other
/// objects and shared libraries are linked by the compile server; executables, and shared libraries with libraries or
/// flags, by the configuration's linker, which the compile server's program starts and watches. Bitcode, IR and assembly
/// are what the compile server makes of the IR once more. Equal modules give equal bytes.
///
/// Thread-safe.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_UNSUPPORTED if the target, or what was compiled, cannot be
/// exported as that; MGENJIT_STATUS_NOT_FOUND if the cache has lost the module or has not kept its IR;
/// MGENJIT_STATUS_LINK if modules contradict each other; MGENJIT_STATUS_LINKER with what the linker said;
/// MGENJIT_STATUS_UNRESOLVED for symbols that an executable lacks, MGENJIT_STATUS_IO if the file cannot be written;
/// MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_SERVER_UNAVAILABLE, _SERVER_CRASHED and _SERVER_MISMATCH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_export(
    module: *mut mgenjit_module,
    kind: i32,
    path: *const c_char,
    options: *const mgenjit_export_options,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let module = ffi::borrow(module, "module")?;
            let path = Path::new(ffi::string(path, "path")?);
            export::to_file(&[&module.module], kind_of(kind)?, &of(options), path)
        })
    }
}

/// As mgenjit_module_export, to a blob that is to be freed with mgenjit_blob_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_export_blob(
    module: *mut mgenjit_module,
    kind: i32,
    options: *const mgenjit_export_options,
    blob: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let module = ffi::borrow(module, "module")?;
            let out = Out::new(blob, "blob")?;
            let bytes = export::to_bytes(&[&module.module], kind_of(kind)?, &of(options))?;
            out.write(mgenjit_blob(bytes).into_raw());
            Ok(())
        })
    }
}

/// As mgenjit_module_export, of `count` modules together, which must be of one target and may be of several executors:
/// an archive, a shared library, an executable or a header. Two that define one symbol are an error that names both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_modules_export(
    modules: *const *mut mgenjit_module,
    count: usize,
    kind: i32,
    path: *const c_char,
    options: *const mgenjit_export_options,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let modules = all(modules, count)?;
            let path = Path::new(ffi::string(path, "path")?);
            export::to_file(&modules, kind_of(kind)?, &of(options), path)
        })
    }
}

/// As mgenjit_modules_export, to a blob that is to be freed with mgenjit_blob_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_modules_export_blob(
    modules: *const *mut mgenjit_module,
    count: usize,
    kind: i32,
    options: *const mgenjit_export_options,
    blob: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let modules = all(modules, count)?;
            let out = Out::new(blob, "blob")?;
            let bytes = export::to_bytes(&modules, kind_of(kind)?, &of(options))?;
            out.write(mgenjit_blob(bytes).into_raw());
            Ok(())
        })
    }
}

/// The modules of an array.
///
/// # Safety
/// `modules` is NULL or points to `count` pointers, each NULL or a live module.
unsafe fn all<'a>(
    modules: *const *mut mgenjit_module,
    count: usize,
) -> Result<Vec<&'a Module>, Error> {
    // SAFETY: the caller's.
    unsafe {
        let modules = ffi::slice(modules, count, "modules")?;
        if modules.is_empty() {
            return Err(invalid("there are no modules to export"));
        }
        let borrow = |module: &*mut mgenjit_module| Ok(&ffi::borrow(*module, "modules[…]")?.module);
        modules.iter().map(borrow).collect()
    }
}

/// # Safety
/// `options` is NULL or live.
unsafe fn of(options: *const mgenjit_export_options) -> Options {
    // SAFETY: the caller's.
    unsafe { options.as_ref() }.map_or_else(Options::default, |options| options.0.clone())
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

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidArgument, message)
}
