//! Addresses
//!
//! Finds the function and source line of an address in compiled code, for crash handlers, profilers and stack traces.
//! dladdr(), backtrace_symbols() and dl_iterate_phdr() do not know compiled code, because the system's loader did not load
//! it. examples-c/backtrace.c prints the stack of a crash.
//!
//! ```c
//! void *add;
//! mgenjit_symbol symbol = {.size = sizeof symbol};
//! mgenjit_executor_lookup(executor, "add", &add, NULL);
//! assert(mgenjit_symbolize(add, &symbol));
//! assert(strcmp(symbol.function, "add") == 0 && strcmp(symbol.module, "add.ll") == 0);
//! assert(symbol.function_address == add);
//! ```

use super::call::call;
use super::error::mgenjit_error;
use super::executor::mgenjit_executor;
use super::ffi::{self, SizedStruct};
use super::status::mgenjit_status;
use crate::cache::key::Key;
use crate::debug::lines::{self, Location};
use crate::debug::symbolize::{Found, symbolize};
use crate::error::{Error, Status};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// What an address in compiled code is. Texts end with a NUL; what is longer than its field is cut.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_symbol {
    /// Set it to sizeof(mgenjit_symbol); the library writes how many bytes it filled in.
    pub size: usize,
    /// Where the module's image lies.
    pub base: *const c_void,
    /// Where the function starts. NULL: no symbol covers the address.
    pub function_address: *const c_void,
    /// The module's key, 64 hexadecimal digits.
    pub key: [c_char; 65],
    /// The module's name.
    pub module: [c_char; 255],
    /// The function's name, as in the IR. Empty: no symbol covers the address.
    pub function: [c_char; 1024],
}

// SAFETY: it is `repr(C)`, starts with its size, and has numbers, pointers and texts alone.
unsafe impl SizedStruct for mgenjit_symbol {}

/// A place in a source file. Texts end with a NUL; what is longer than its field is cut.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_location {
    /// Set it to sizeof(mgenjit_location); the library writes how many bytes it filled in.
    pub size: usize,
    /// The line, from 1 on. 0: not known.
    pub line: u32,
    /// The column, from 1 on. 0: not known.
    pub column: u32,
    /// Whether the function was inlined: the next frame is where it was called.
    pub inlined: bool,
    /// The function, as in the debug information: a mangled name, where the language mangles them. Empty: not known.
    pub function: [c_char; 1024],
    /// The path of the source file, as the compiler wrote it. Empty: not known.
    pub file: [c_char; 1024],
}

// SAFETY: as above.
unsafe impl SizedStruct for mgenjit_location {}

/// Finds the module and function that contain an address, in all executors of the process. Returns false if the address is
/// not in compiled code or a parameter is NULL. For a return address, pass the address minus 1: the call may be the
/// function's last instruction. On AArch64, a return address may be signed (pointer authentication), here and in the two
/// functions that follow.
///
/// Names of functions that other modules cannot see are read from the cached file. If it is gone, they have no name.
///
/// Thread-safe, and async-signal-safe: it takes no lock, allocates nothing and keeps errno. It uses 8 KiB of the stack.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_symbolize(
    address: *const c_void,
    symbol: *mut mgenjit_symbol,
) -> bool {
    if symbol.is_null() {
        return false;
    }
    // SAFETY: the header asks for a struct whose size is set.
    let place = unsafe { ffi::sized_out(symbol, "symbol") };
    place.is_ok_and(|place| find(address, None).is_some_and(|found| place.write(found).is_ok()))
}

/// Like mgenjit_symbolize, but only for the code of one executor. Do not call it in a signal handler: on failure it allocates
/// an error.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_symbolize(
    executor: *mut mgenjit_executor,
    address: *const c_void,
    symbol: *mut mgenjit_symbol,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, sized_out symbol => {
        let owner = Arc::as_ptr(&executor.0) as usize;
        match find(address, Some(owner)) {
            Some(found) => symbol.write(found),
            None => Err(no_code(address, "of this executor")),
        }
    })
}

/// Finds the source location of an address, if the code has debug information. Inlining can put an address in several
/// functions, each inlined into the next: `frame` counts them from 0, the innermost.
///
/// Thread-safe. Allocates and takes locks: call it after a crash, not in the signal handler, unless the process ends anyway.
/// Errors: MGENJIT_STATUS_NOT_FOUND if the address is not in compiled code, has no debug information, or has no such frame;
/// MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_location(
    address: *const c_void,
    frame: usize,
    location: *mut mgenjit_location,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, sized_out location => {
        let frames = lines::locations(address as usize);
        match frames.get(frame) {
            Some(found) => location.write(c_location(found)),
            None if frames.is_empty() => Err(no_code(address, "with debug information")),
            None => Err(Error::new(
                Status::NotFound,
                format!(
                    "{address:p} has {} frames: there is no frame {frame}",
                    frames.len()
                ),
            )),
        }
    })
}

fn no_code(address: *const c_void, what: &str) -> Error {
    Error::new(
        Status::NotFound,
        format!("{address:p} is not in compiled code {what}"),
    )
}

fn find(address: *const c_void, owner: Option<usize>) -> Option<mgenjit_symbol> {
    let mut symbol = mgenjit_symbol::zeros();
    let mut found = Found {
        module: bytes(&mut symbol.module),
        function: bytes(&mut symbol.function),
    };
    let place = symbolize(address as usize, owner, &mut found)?;
    symbol.base = place.base as *const c_void;
    symbol.function_address = place.function.unwrap_or_default() as *const c_void;
    copy(Key(place.key).hex().as_ref(), &mut symbol.key);
    Some(symbol)
}

fn c_location(found: &Location) -> mgenjit_location {
    let mut location = mgenjit_location {
        line: found.line,
        column: found.column,
        inlined: found.inlined,
        ..mgenjit_location::zeros()
    };
    copy(&found.function, &mut location.function);
    copy(&found.file, &mut location.file);
    location
}

fn bytes(field: &mut [c_char]) -> &mut [u8] {
    let len = field.len();
    // SAFETY: the types differ in their sign alone.
    unsafe { std::slice::from_raw_parts_mut(field.as_mut_ptr().cast::<u8>(), len) }
}

/// Copies as much as fits, with a terminator.
pub(super) fn copy(text: &str, field: &mut [c_char]) {
    let field = bytes(field);
    let len = text.floor_char_boundary(field.len() - 1);
    field[..len].copy_from_slice(&text.as_bytes()[..len]);
    field[len] = 0;
}
