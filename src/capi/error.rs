//! Errors
//!
//! A call that fails gives the caller a mgenjit_error: what went wrong, where, and what to do.
//!
//! ```c
//! const char *bad = "define i32 @f() {\n  ret i32 %missing\n}\n";
//! mgenjit_error *error = NULL;
//! if (mgenjit_executor_compile(executor, "bad.ll", bad, strlen(bad), NULL, &error) != MGENJIT_STATUS_OK) {
//!     fprintf(stderr, "%s\n", mgenjit_error_message(error)); // bad.ll:2:11: …
//!     assert(mgenjit_error_line(error) == 2);
//!     mgenjit_error_free(error);
//! }
//! ```

use super::ffi::{self, Owned, free, get};
use super::status::{self, MGENJIT_STATUS_OK, mgenjit_status};
use crate::error::Error;
use crate::outcome::Outcome;
use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

/// Why a call failed. It is immutable, belongs to the caller, and may move between threads.
#[allow(non_camel_case_types)]
pub struct mgenjit_error {
    status: mgenjit_status,
    message: CString,
    line: u32,
    column: u32,
    source_line: Option<CString>,
    symbols: Vec<CString>,
    outcome: Option<mgenjit_outcome>,
}

impl Owned for mgenjit_error {}

/// How a process that ran compiled code ended. It does not change.
#[allow(non_camel_case_types)]
pub struct mgenjit_outcome(pub(super) Arc<Outcome>);

impl Owned for mgenjit_outcome {}

impl From<Error> for mgenjit_error {
    fn from(error: Error) -> mgenjit_error {
        let (line, column, source_line) = match error.position {
            Some(position) => (
                position.line,
                position.column,
                Some(ffi::c_string(position.source_line)),
            ),
            None => (0, 0, None),
        };
        mgenjit_error {
            status: status::number(error.status),
            message: ffi::c_string(error.message),
            line,
            column,
            source_line,
            symbols: error.symbols.into_iter().map(ffi::c_string).collect(),
            outcome: error.outcome.map(mgenjit_outcome),
        }
    }
}

/// The status of the call that failed. MGENJIT_STATUS_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_status(error: *const mgenjit_error) -> mgenjit_status {
    get!(error else MGENJIT_STATUS_OK => error.status)
}

/// What went wrong, in a sentence or a few lines, without a newline at the end. An error of a module begins with the
/// module's name and the position, as in "demo.ll:3:7: …". "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_message(error: *const mgenjit_error) -> *const c_char {
    get!(error else c"".as_ptr() => error.message.as_ptr())
}

/// The line in the IR text, from 1. 0 if the error has no position.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_line(error: *const mgenjit_error) -> u32 {
    get!(error else 0 => error.line)
}

/// The column in that line, in bytes from 1. 0 if it is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_column(error: *const mgenjit_error) -> u32 {
    get!(error else 0 => error.column)
}

/// The text of that line. NULL if the error has no position.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_source_line(error: *const mgenjit_error) -> *const c_char {
    get!(error else ptr::null() => ffi::pointer(error.source_line.as_ref()))
}

/// How many symbols the error is about. For MGENJIT_STATUS_UNRESOLVED, these are all that are missing; for an error of
/// mgenjit_module_replace, the functions that are gone or have changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_symbol_count(error: *const mgenjit_error) -> usize {
    get!(error else 0 => error.symbols.len())
}

/// The name of the symbol at `index`. NULL past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_symbol(
    error: *const mgenjit_error,
    index: usize,
) -> *const c_char {
    get!(error else ptr::null() => ffi::pointer(error.symbols.get(index)))
}

/// How the process ended that ran the code that the error is about. NULL if it is about something else, and for NULL. It belongs to
/// the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_outcome(
    error: *const mgenjit_error,
) -> *const mgenjit_outcome {
    get!(error else ptr::null() => error.outcome.as_ref().map_or(ptr::null(), ptr::from_ref))
}

/// Frees an error. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_free(error: *mut mgenjit_error) {
    free!(error);
}
