//! `mgenjit_module`: one compiled module of an executor.

use super::error::mgenjit_error;
use super::event::{c_times, mgenjit_times};
use super::ffi::{self, Out, Owned};
use super::function::mgenjit_function;
use super::status::mgenjit_status;
use crate::executor::{Module, Origin};
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// A module of an executor.
#[allow(non_camel_case_types)]
pub struct mgenjit_module {
    pub(super) module: Module,
    name: CString,
    key: CString,
}

impl Owned for mgenjit_module {}

impl mgenjit_module {
    pub(super) fn new(module: Module) -> mgenjit_module {
        mgenjit_module {
            name: ffi::c_string(module.name()),
            key: ffi::c_string(module.key().to_string()),
            module,
        }
    }
}

/// It was compiled by this call.
pub const MGENJIT_ORIGIN_COMPILED: i32 = 1;
/// It was in the cache.
pub const MGENJIT_ORIGIN_CACHE: i32 = 2;

/// Frees a module's handle. The module stays in its executor. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_free(module: *mut mgenjit_module) {
    // SAFETY: the caller passes NULL or a handle that it owns and will not use again.
    unsafe { mgenjit_module::free(module) };
}

/// Removes the module from its executor: its symbols are no longer found. Once nothing else needs it (other
/// modules that linked to it, function handles, thread_local destructors that wait for other threads to end; those of
/// this thread run now), its destructors and atexit handlers run and its memory is returned: no thread may be running its code then,
/// and its addresses are no longer valid. The handle stays, to be freed.
///
/// Thread-safe. Errors: MGENJIT_STATUS_REMOVED if it was removed before; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_remove(
    module: *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe { ffi::guard(error, || ffi::borrow(module, "module")?.module.remove()) }
}

/// The module's name: what it was compiled with, or its path. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_name(module: *const mgenjit_module) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { module.as_ref() }.map_or(ptr::null(), |module| module.name.as_ptr())
}

/// The module's key in the cache, 64 hexadecimal digits. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_key(module: *const mgenjit_module) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { module.as_ref() }.map_or(ptr::null(), |module| module.key.as_ptr())
}

/// Where the module came from: one of MGENJIT_ORIGIN_…. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_origin(module: *const mgenjit_module) -> i32 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { module.as_ref() }.map_or(0, |module| match module.module.origin() {
        Origin::Compiled => MGENJIT_ORIGIN_COMPILED,
        Origin::Cache => MGENJIT_ORIGIN_CACHE,
    })
}

/// Writes what the module's steps took. The caller sets `times->size` to sizeof(mgenjit_times) first; as many
/// bytes are written as both sides know, and `size` says how many.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_times(
    module: *const mgenjit_module,
    times: *mut mgenjit_times,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let module = ffi::borrow(module, "module")?;
            ffi::write_sized(times, c_times(&module.module.times()), "times")
        })
    }
}

/// As mgenjit_executor_lookup, among the symbols that this module defines. A removed module defines none, also while a
/// function handle keeps it mapped.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_REMOVED, and those of mgenjit_executor_link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_lookup(
    module: *mut mgenjit_module,
    name: *const c_char,
    address: *mut *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let module = ffi::borrow(module, "module")?;
            let name = ffi::string(name, "name")?;
            let out = Out::new(address, "address")?;
            out.write(module.module.lookup(name)? as *mut c_void);
            Ok(())
        })
    }
}

/// How many functions the module defines that other modules can find, hidden ones included. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_function_count(module: *const mgenjit_module) -> usize {
    ffi::guard_value(0, || {
        // SAFETY: the caller passes NULL or a live handle.
        let module = unsafe { module.as_ref() };
        module.map_or(0, |module| {
            // What keeps the list from being read is an error of mgenjit_module_function.
            module.module.functions().map_or(0, <[_]>::len)
        })
    })
}

/// Makes a handle of the function at `index`, in the order of the IR, to be freed with mgenjit_function_free.
/// Does not link yet.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_REMOVED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_function(
    module: *mut mgenjit_module,
    index: usize,
    function: *mut *mut mgenjit_function,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let module = ffi::borrow(module, "module")?;
            let out = Out::new(function, "function")?;
            out.write(mgenjit_function::new(module.module.function(index)?).into_raw());
            Ok(())
        })
    }
}
