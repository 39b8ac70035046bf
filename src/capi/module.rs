//! Modules
//!
//! ```c
//! mgenjit_module *again;
//! mgenjit_executor_compile(executor, "add.ll", ir, strlen(ir), &again, NULL);
//! printf("%s has the key %s\n", mgenjit_module_name(again), mgenjit_module_key(again));
//! assert(mgenjit_module_origin(again) == MGENJIT_ORIGIN_CACHE); // `module` is the same and was first
//! mgenjit_module_free(again);
//! ```

use super::call::call;
use super::error::mgenjit_error;
use super::event::{c_times, mgenjit_times};
use super::ffi::{self, Out, Owned, free, get};
use super::function::mgenjit_function;
use super::piece_strings::CPieces;
use super::status::mgenjit_status;
use crate::error::Error;
use crate::executor::{Module, Origin};
use crate::fork;
use once_cell::sync::OnceCell;
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// A compiled module of an executor.
#[allow(non_camel_case_types)]
pub struct mgenjit_module {
    pub(super) module: Module,
    name: CString,
    key: CString,
    /// Made when they are first asked for.
    pieces: OnceCell<CPieces>,
}

impl Owned for mgenjit_module {}

impl mgenjit_module {
    pub(super) fn pieces(&self) -> Result<&CPieces, Error> {
        fork::guard(|| {
            self.pieces
                .get_or_try_init(|| self.module.pieces().map(CPieces::new))
        })
        .into_inner()
    }
}

/// Gives a module's handle to a caller who wants it.
pub(super) fn give_module(
    place: Option<Out<*mut mgenjit_module>>,
    module: Module,
) -> Result<(), Error> {
    let Some(place) = place else {
        return Ok(());
    };
    place.give(mgenjit_module {
        name: ffi::c_string(module.name()),
        key: ffi::c_string(module.key().to_string()),
        pieces: OnceCell::new(),
        module,
    })
}

/// It was compiled by this call.
pub const MGENJIT_ORIGIN_COMPILED: i32 = 1;
/// It was in the cache.
pub const MGENJIT_ORIGIN_CACHE: i32 = 2;

/// Frees a module's handle. The module stays in its executor. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_free(module: *mut mgenjit_module) {
    free!(module);
}

/// Removes the module from its executor: its symbols are no longer found. When nothing else needs it, its destructors and
/// atexit handlers run and its memory is returned. No thread may be running its code then, and its addresses are no longer
/// valid. What can need it: modules that linked to it, function handles, and thread_local destructors of other threads that
/// have not ended; those of this thread run at once. The handle stays valid until it is freed.
///
/// Thread-safe. Errors: MGENJIT_STATUS_REMOVED if it was removed before; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_remove(
    module: *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module => module.module.remove())
}

/// The module's name: what it was compiled with, or its path. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_name(module: *const mgenjit_module) -> *const c_char {
    get!(module else ptr::null() => module.name.as_ptr())
}

/// The module's key in the cache: 64 hexadecimal digits. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_key(module: *const mgenjit_module) -> *const c_char {
    get!(module else ptr::null() => module.key.as_ptr())
}

/// Where the module came from: one of MGENJIT_ORIGIN_…. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_origin(module: *const mgenjit_module) -> i32 {
    get!(module else 0 => match module.module.origin() {
        Origin::Compiled => MGENJIT_ORIGIN_COMPILED,
        Origin::Cache => MGENJIT_ORIGIN_CACHE,
    })
}

/// Writes what the module's steps took. Set `times->size` to sizeof(mgenjit_times) first. The library fills in the fields that
/// both sides know, and sets `size` to their bytes.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_times(
    module: *const mgenjit_module,
    times: *mut mgenjit_times,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, sized_out times => times.write(c_times(&module.module.times())))
}

/// Looks up a symbol that this module defines: see mgenjit_executor_lookup. A removed module defines none, even while a
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
    call!(error, handle module, string name, out address => {
        address.write(module.module.lookup(name)? as *mut c_void)
    })
}

/// How many functions the module defines that other modules can find, including hidden ones. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_function_count(module: *const mgenjit_module) -> usize {
    // Why the list cannot be read is an error of mgenjit_module_function.
    get!(module else 0 => module.module.functions().map_or(0, <[_]>::len))
}

/// Creates a handle of the function at `index`, in the order of the IR. Free it with mgenjit_function_free. Does not link.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_REMOVED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_function(
    module: *mut mgenjit_module,
    index: usize,
    function: *mut *mut mgenjit_function,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, out function => {
        function.give(mgenjit_function::new(module.module.function(index)?))
    })
}
