//! The boundary: every raw pointer of the C API becomes Rust here.
//!
//! The functions that read a parameter take the pointer and the parameter's name, which is for the error if it is NULL.
//! `call!` calls them by their names.

use crate::error::{Error, Status};
use crate::sanitizer::Stay;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;

/// A `bool` parameter. Rust's `bool` must be 0 or 1, and not every language that calls C makes sure of that.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct CBool(u8);

impl CBool {
    pub(super) fn get(self) -> bool {
        self.0 != 0
    }
}

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
        let _stay = Stay::begin();
        // SAFETY: the pointer came from `into_raw` and is given up by the caller.
        let handle = unsafe { Box::from_raw(handle) };
        // A panic while dropping leaks what is left, which is the best that can be done without a status.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(handle)));
    }
}

/// The body of a `…_free` function.
macro_rules! free {
    ($handle:ident) => {{
        // SAFETY: the header asks for NULL or a handle that the caller owns and does not use again.
        unsafe { $crate::capi::ffi::Owned::free($handle) }
    }};
}
pub(super) use free;

/// The body of a function that only asks a handle and cannot fail: `get!(handle else value for NULL => value)`.
macro_rules! get {
    ($handle:ident else $fallback:expr => $body:expr) => {{
        // SAFETY: the header asks for NULL or a live handle.
        let handle = unsafe { $handle.as_ref() };
        $crate::capi::ffi::query(handle, $fallback, |$handle| $body)
    }};
}
pub(super) use get;

/// What `body` makes of a handle; `fallback` if there is none, and if it panics.
pub(super) fn query<H, T>(handle: Option<&H>, fallback: T, body: impl FnOnce(&H) -> T) -> T {
    let _stay = Stay::begin();
    match handle {
        Some(handle) => catch_unwind(AssertUnwindSafe(|| body(handle))).unwrap_or(fallback),
        None => fallback,
    }
}

/// Borrows a handle.
///
/// # Safety
/// `pointer` is NULL or points to a live `T` for as long as `'a`.
pub(super) unsafe fn handle<'a, T>(pointer: *const T, what: &str) -> Result<&'a T, Error> {
    // SAFETY: the caller vouches for a pointer that is not NULL.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// Borrows a handle, or none.
///
/// # Safety
/// As [`handle`].
pub(super) unsafe fn optional_handle<'a, T>(
    pointer: *const T,
    _what: &str,
) -> Result<Option<&'a T>, Error> {
    // SAFETY: the caller vouches for a pointer that is not NULL.
    Ok(unsafe { pointer.as_ref() })
}

/// Borrows a handle to change it.
///
/// # Safety
/// `pointer` is NULL or points to a live `T` that nobody else uses for as long as `'a`.
pub(super) unsafe fn handle_mut<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T, Error> {
    // SAFETY: the caller vouches for a pointer that is not NULL.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(what))
}

/// A place that receives a result.
pub(super) struct Out<T>(*mut T);

impl<T> Out<T> {
    pub(super) fn write(self, value: T) -> Result<(), Error> {
        // SAFETY: `out` was told that the place may be written.
        unsafe { self.0.write(value) };
        Ok(())
    }
}

impl<T: Owned> Out<*mut T> {
    /// Gives a handle to the caller.
    pub(super) fn give(self, value: T) -> Result<(), Error> {
        self.write(value.into_raw())
    }
}

/// A place for a result.
///
/// # Safety
/// `place` is NULL or may be written until the call returns.
pub(super) unsafe fn out<T>(place: *mut T, what: &str) -> Result<Out<T>, Error> {
    match place.is_null() {
        true => Err(null(what)),
        false => Ok(Out(place)),
    }
}

/// A place for a result that the caller may not want.
///
/// # Safety
/// As [`out`].
pub(super) unsafe fn optional_out<T>(place: *mut T, _what: &str) -> Result<Option<Out<T>>, Error> {
    Ok((!place.is_null()).then_some(Out(place)))
}

/// A struct of the C API whose first field, `size`, says how much of it there is.
///
/// # Safety
/// The type is `repr(C)`, its first field is a `usize`, its size, and all zeros are a value of it.
pub(super) unsafe trait SizedStruct: Copy {
    fn zeros() -> Self {
        // SAFETY: all zeros are a value of the type.
        unsafe { std::mem::zeroed() }
    }
}

/// How many bytes the library and the caller both know of a struct, whose size the caller has set.
///
/// # Safety
/// `place` is NULL or points to a struct whose first field is its size.
unsafe fn known_bytes<T: SizedStruct>(place: *const T, what: &str) -> Result<usize, Error> {
    // SAFETY: the caller vouches for a place that is not NULL.
    let size = unsafe { *handle(place.cast::<usize>(), what)? };
    if size < size_of::<usize>() {
        return Err(Error::new(
            Status::InvalidArgument,
            format!("`{what}->size` is {size}: set it to the size of the struct"),
        ));
    }
    Ok(size.min(size_of::<T>()))
}

/// A caller's struct, which may be an older, shorter one.
pub(super) struct SizedOut<T> {
    place: *mut T,
    bytes: usize,
}

impl<T: SizedStruct> SizedOut<T> {
    /// Writes as much of `value` as there is room for, and to `size` how much that is.
    pub(super) fn write(self, value: T) -> Result<(), Error> {
        let from = ptr::from_ref(&value).cast::<u8>();
        // SAFETY: so many bytes are there on both sides.
        unsafe { ptr::copy_nonoverlapping(from, self.place.cast::<u8>(), self.bytes) };
        // SAFETY: the size comes first, and there is room for it.
        unsafe { self.place.cast::<usize>().write(self.bytes) };
        Ok(())
    }
}

/// A place for a struct.
///
/// # Safety
/// `place` is NULL or points to a struct whose first field says how many bytes may be written until the call returns.
pub(super) unsafe fn sized_out<T: SizedStruct>(
    place: *mut T,
    what: &str,
) -> Result<SizedOut<T>, Error> {
    // SAFETY: the caller vouches for the same.
    let bytes = unsafe { known_bytes(place, what) }?;
    Ok(SizedOut { place, bytes })
}

/// Reads a struct; what the caller's lacks is zero, and so is all for NULL.
///
/// # Safety
/// `place` is NULL or points to a struct whose first field says how many bytes may be read.
pub(super) unsafe fn optional_sized<T: SizedStruct>(
    place: *const T,
    what: &str,
) -> Result<T, Error> {
    let mut value = T::zeros();
    if !place.is_null() {
        // SAFETY: the caller vouches for the same.
        let bytes = unsafe { known_bytes(place, what) }?;
        let to = ptr::from_mut(&mut value).cast::<u8>();
        // SAFETY: so many bytes are there on both sides.
        unsafe { ptr::copy_nonoverlapping(place.cast::<u8>(), to, bytes) };
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
    // SAFETY: the caller vouches for a string that is not NULL.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| {
        invalid(format!(
            "\"{}\" is not UTF-8, which the {what} has to be",
            text.to_bytes().escape_ascii()
        ))
    })
}

/// As [`string`]; NULL is none.
///
/// # Safety
/// As [`string`].
pub(super) unsafe fn optional_string<'a>(
    text: *const c_char,
    what: &str,
) -> Result<Option<&'a str>, Error> {
    match text.is_null() {
        true => Ok(None),
        // SAFETY: the caller vouches for the same.
        false => unsafe { string(text, what) }.map(Some),
    }
}

/// Reads a path, which is not empty.
///
/// # Safety
/// As [`string`].
pub(super) unsafe fn path<'a>(text: *const c_char, what: &str) -> Result<&'a Path, Error> {
    // SAFETY: the caller vouches for the same.
    match unsafe { string(text, what) }? {
        "" => Err(invalid(format!("`{what}` is empty"))),
        text => Ok(Path::new(text)),
    }
}

/// As [`path`]; NULL is none.
///
/// # Safety
/// As [`string`].
pub(super) unsafe fn optional_path<'a>(
    text: *const c_char,
    what: &str,
) -> Result<Option<&'a Path>, Error> {
    match text.is_null() {
        true => Ok(None),
        // SAFETY: the caller vouches for the same.
        false => unsafe { path(text, what) }.map(Some),
    }
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
        return Err(invalid(format!(
            "the length of `{what}`, {len}, is more than memory can hold"
        )));
    }
    // SAFETY: the caller vouches for the elements; the length was checked against what a slice may have.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// Borrows `len` bytes.
///
/// # Safety
/// As [`slice`].
pub(super) unsafe fn bytes<'a>(
    data: *const c_void,
    len: usize,
    what: &str,
) -> Result<&'a [u8], Error> {
    // SAFETY: the caller vouches for the same.
    unsafe { slice(data.cast(), len, what) }
}

/// Reads `len` handles.
///
/// # Safety
/// As [`slice`]; each element is NULL or points to a live `T` for as long as `'a`.
pub(super) unsafe fn handles<'a, T>(
    data: *const *mut T,
    len: usize,
    what: &str,
) -> Result<Vec<&'a T>, Error> {
    // SAFETY: the caller vouches for the same.
    let pointers = unsafe { slice(data, len, what) }?;
    pointers
        .iter()
        // SAFETY: the caller vouches for the same.
        .map(|pointer| unsafe { pointer.as_ref() }.ok_or_else(|| null(&format!("{what}[…]"))))
        .collect()
}

/// Reads `len` strings.
///
/// # Safety
/// As [`slice`]; each element is as for [`string`].
pub(super) unsafe fn strings<'a>(
    data: *const *const c_char,
    len: usize,
    what: &str,
) -> Result<Vec<&'a str>, Error> {
    // SAFETY: the caller vouches for the same.
    let pointers = unsafe { slice(data, len, what) }?;
    pointers
        .iter()
        // SAFETY: the caller vouches for the same.
        .map(|pointer| unsafe { string(*pointer, what) })
        .collect()
}

/// Reads the arguments of a `main`, which need not be UTF-8: none if `argv` is NULL and `argc` is 0.
///
/// # Safety
/// `argv` is NULL or has `argc` strings.
pub(super) unsafe fn arguments<'a>(
    argv: *const *const c_char,
    argc: c_int,
    what: &str,
) -> Result<Option<Vec<&'a CStr>>, Error> {
    let count = usize::try_from(argc)
        .map_err(|_| invalid(format!("`argc` is {argc}; it must not be negative")))?;
    // SAFETY: the caller vouches for `argc` strings.
    let pointers = unsafe { slice(argv, count, what) }?;
    let argument = |(index, pointer): (usize, &*const c_char)| match pointer.is_null() {
        true => Err(null(&format!("argv[{index}]"))),
        // SAFETY: the caller vouches for NUL-terminated strings.
        false => Ok(unsafe { CStr::from_ptr(*pointer) }),
    };
    let arguments: Vec<&CStr> = pointers
        .iter()
        .enumerate()
        .map(argument)
        .collect::<Result<_, _>>()?;
    Ok((!argv.is_null()).then_some(arguments))
}

/// A C string of `text`, cut at the first NUL, which no name and no message has.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> CString {
    let mut bytes = text.into();
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    CString::new(bytes).unwrap_or_default()
}

/// The pointer to a string that the library keeps, or NULL.
pub(super) fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidArgument, message)
}

fn null(what: &str) -> Error {
    invalid(format!("`{what}` is NULL"))
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
