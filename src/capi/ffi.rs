//! The boundary: every raw pointer of the C API becomes Rust here, and every panic stops here.

use super::error::mgenjit_error;
use super::status::{self, MGENJIT_STATUS_OK, mgenjit_status};
use crate::error::{Error, Status};
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A handle that the caller owns as a raw pointer to a box.
pub(super) trait Owned: Sized {
    /// Gives the handle to the caller.
    fn into_raw(self) -> *mut Self {
        Box::into_raw(Box::new(self))
    }

    /// Takes the handle back and drops it. NULL does nothing, and no panic leaves.
    ///
    /// # Safety
    /// `handle` is NULL or came from [`Owned::into_raw`] and is not used again.
    unsafe fn free(handle: *mut Self) {
        if handle.is_null() {
            return;
        }
        // SAFETY: the pointer came from `into_raw` and is given up by the caller.
        let handle = unsafe { Box::from_raw(handle) };
        // A panic while dropping leaks what is left, which is the best that can be done without a status.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(handle)));
    }
}

/// Runs a call's body, and turns its error or panic into a status and an error object.
///
/// # Safety
/// `error` is NULL or points to a place for a pointer.
pub(super) unsafe fn guard(
    error: *mut *mut mgenjit_error,
    body: impl FnOnce() -> Result<(), Error>,
) -> mgenjit_status {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return MGENJIT_STATUS_OK,
        Ok(Err(failure)) => failure,
        Err(panic) => Error::of_panic(&*panic),
    };
    let number = status::number(failure.status);
    if !error.is_null() {
        // SAFETY: the caller of `guard` vouches for a non-null `error`.
        unsafe { error.write(mgenjit_error::from(failure).into_raw()) };
    }
    number
}

/// Runs a body that cannot fail, for the queries that return a value; `fallback` if it panics.
pub(super) fn guard_value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// Borrows a handle.
///
/// # Safety
/// `handle` is NULL or points to a live `T` for as long as `'a`.
pub(super) unsafe fn borrow<'a, T>(handle: *const T, what: &str) -> Result<&'a T, Error> {
    // SAFETY: the caller vouches for a non-null handle.
    unsafe { handle.as_ref() }.ok_or_else(|| null(what))
}

/// Borrows a handle to change it.
///
/// # Safety
/// `handle` is NULL or points to a live `T` that nobody else uses for as long as `'a`.
pub(super) unsafe fn borrow_mut<'a, T>(handle: *mut T, what: &str) -> Result<&'a mut T, Error> {
    // SAFETY: the caller vouches for a non-null handle.
    unsafe { handle.as_mut() }.ok_or_else(|| null(what))
}

/// A place that receives a result.
pub(super) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Checks that there is a place.
    ///
    /// # Safety
    /// `place` is NULL or may be written until the call returns.
    pub(super) unsafe fn new(place: *mut T, what: &str) -> Result<Out<T>, Error> {
        if place.is_null() {
            return Err(null(what));
        }
        Ok(Out(place))
    }

    pub(super) fn write(self, value: T) {
        // SAFETY: `new` was told that the place may be written.
        unsafe { self.0.write(value) };
    }
}

/// A struct of the C API whose first field, `size`, says how much of it there is.
///
/// # Safety
/// The type is `repr(C)`, and its first field is a `usize`, its size.
pub(super) unsafe trait SizedStruct: Copy {}

/// The size that the caller's struct says it has: at least that of the field that says so.
///
/// # Safety
/// `place` is NULL or points to a struct whose first field is its size.
pub(super) unsafe fn check_sized<T: SizedStruct>(
    place: *const T,
    what: &str,
) -> Result<usize, Error> {
    // SAFETY: the caller vouches for a non-null place.
    let size = unsafe { *borrow(place.cast::<usize>(), what)? };
    if size < size_of::<usize>() {
        return Err(Error::new(
            Status::InvalidArgument,
            format!("`{what}->size` is {size}: set it to the size of the struct"),
        ));
    }
    Ok(size)
}

/// Writes as much of `value` as the caller's struct, which may be an older, shorter one, has room for, and how
/// much that is.
///
/// # Safety
/// `place` is NULL or points to a struct whose first field says how many bytes may be written.
pub(super) unsafe fn write_sized<T: SizedStruct>(
    place: *mut T,
    value: T,
    what: &str,
) -> Result<(), Error> {
    // SAFETY: the caller's.
    let len = unsafe { check_sized(place, what)? }.min(size_of::<T>());
    let place: *mut usize = place.cast();
    // SAFETY: `len` bytes are there on both sides, and the size comes first in each.
    unsafe {
        std::ptr::copy_nonoverlapping(
            std::ptr::from_ref(&value).cast::<u8>(),
            place.cast::<u8>(),
            len,
        );
        place.write(len);
    }
    Ok(())
}

/// Reads as much of a struct as the caller's has; the rest is as in `value`.
///
/// # Safety
/// `place` is NULL or points to a struct whose first field says how many bytes may be read.
pub(super) unsafe fn read_sized<T: SizedStruct>(
    place: *const T,
    mut value: T,
    what: &str,
) -> Result<T, Error> {
    // SAFETY: the caller's.
    let len = unsafe { check_sized(place, what)? }.min(size_of::<T>());
    // SAFETY: `len` bytes are there on both sides.
    unsafe {
        std::ptr::copy_nonoverlapping(
            place.cast::<u8>(),
            std::ptr::from_mut(&mut value).cast::<u8>(),
            len,
        );
    }
    Ok(value)
}

/// Reads a NUL-terminated UTF-8 string.
///
/// # Safety
/// `text` is NULL or NUL-terminated and unchanged for as long as `'a`.
pub(super) unsafe fn string<'a>(text: *const c_char, what: &str) -> Result<&'a str, Error> {
    if text.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller vouches for a non-null string.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| {
        Error::new(
            Status::InvalidArgument,
            format!(
                "\"{}\" is not UTF-8, which the {what} has to be",
                text.to_bytes().escape_ascii()
            ),
        )
    })
}

/// As [`string`]; NULL is none.
///
/// # Safety
/// As for [`string`].
pub(super) unsafe fn optional_string<'a>(
    text: *const c_char,
    what: &str,
) -> Result<Option<&'a str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's.
    unsafe { string(text, what) }.map(Some)
}

/// Borrows `len` elements. NULL is allowed when `len` is 0.
///
/// # Safety
/// `data` is NULL or points to `len` elements that nobody changes for as long as `'a`.
pub(super) unsafe fn slice<'a, T>(
    data: *const T,
    len: usize,
    what: &str,
) -> Result<&'a [T], Error> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null(what));
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Error::new(
            Status::InvalidArgument,
            format!("the length of `{what}`, {len}, is more than memory can hold"),
        ));
    }
    // SAFETY: the caller vouches for the elements; the length was checked against what a slice may have.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// A C string of `text`, cut at the first NUL, which no name and no message has.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> CString {
    let mut bytes = text.into();
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    CString::new(bytes).unwrap_or_default()
}

fn null(what: &str) -> Error {
    Error::new(Status::InvalidArgument, format!("`{what}` is NULL"))
}

/// A caller's `user`, freed when the last copy of what it is handed to goes.
pub(super) struct User {
    pointer: *mut c_void,
    free: Option<unsafe extern "C" fn(*mut c_void)>,
}

impl User {
    pub(super) fn new(
        pointer: *mut c_void,
        free: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> User {
        User { pointer, free }
    }

    pub(super) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

// SAFETY: the header tells that callbacks and `user_free` run on any thread that uses the executor, or on its own.
unsafe impl Send for User {}
// SAFETY: as above; the pointer is only handed through.
unsafe impl Sync for User {}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the caller gave `free` for exactly this pointer, and this is the last use of it.
            unsafe { free(self.pointer) };
        }
    }
}
