//! `mgenjit_error`: what went wrong, where, and what to do.

use super::ffi::{self, Owned};
use super::status::{self, mgenjit_status};
use crate::error::Error;
use std::ffi::{CString, c_char};
use std::ptr;

/// Why a call failed. It is immutable, belongs to the caller, and may move between threads.
#[allow(non_camel_case_types)]
pub struct mgenjit_error {
    status: mgenjit_status,
    message: CString,
    line: u32,
    column: u32,
    source_line: Option<CString>,
    symbols: Vec<CString>,
}

impl Owned for mgenjit_error {}

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
        }
    }
}

/// The status of the call that failed. MGENJIT_STATUS_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_status(error: *const mgenjit_error) -> mgenjit_status {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { error.as_ref() }.map_or(status::MGENJIT_STATUS_OK, |error| error.status)
}

/// What went wrong, in a sentence or a few lines, without a newline at the end. It begins with the module's name
/// if it is about one, and with the place in it, as in "demo.ll:3:7: …". "" for NULL. The string belongs to the
/// error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_message(error: *const mgenjit_error) -> *const c_char {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The line of the IR text that is wrong, from 1. 0 if the error has no place in the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_line(error: *const mgenjit_error) -> u32 {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { error.as_ref() }.map_or(0, |error| error.line)
}

/// The column in that line, in bytes from 1. 0 if it is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_column(error: *const mgenjit_error) -> u32 {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { error.as_ref() }.map_or(0, |error| error.column)
}

/// The text of that line, or NULL if the error has no place in the text. The string belongs to the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_source_line(error: *const mgenjit_error) -> *const c_char {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { error.as_ref() }
        .and_then(|error| error.source_line.as_ref())
        .map_or(ptr::null(), |line| line.as_ptr())
}

/// How many symbols the error is about: for MGENJIT_STATUS_UNRESOLVED, all that are missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_symbol_count(error: *const mgenjit_error) -> usize {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { error.as_ref() }.map_or(0, |error| error.symbols.len())
}

/// The name of the symbol at `index`, or NULL past the last. The string belongs to the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_symbol(
    error: *const mgenjit_error,
    index: usize,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { error.as_ref() }
        .and_then(|error| error.symbols.get(index))
        .map_or(ptr::null(), |symbol| symbol.as_ptr())
}

/// Frees an error. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_error_free(error: *mut mgenjit_error) {
    // SAFETY: the caller passes NULL or an error that it owns and will not use again.
    unsafe { mgenjit_error::free(error) };
}
