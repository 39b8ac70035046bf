use crate::{string, sys};
use std::ffi::CString;
use std::fmt;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: i32,
    message: String,
    line: u32,
    column: u32,
    source_line: Option<String>,
    symbols: Vec<String>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// `MGENJIT_STATUS_INVALID_ARGUMENT` and `MGENJIT_STATUS_TYPE`, which this crate itself finds, and
    /// `MGENJIT_STATUS_NOT_FOUND`.
    pub(crate) const INVALID_ARGUMENT: i32 = 1;
    pub(crate) const NOT_FOUND: i32 = 9;
    pub(crate) const TYPE: i32 = 10;

    pub(crate) fn new(status: i32, message: String) -> Error {
        Error {
            status,
            message,
            line: 0,
            column: 0,
            source_line: None,
            symbols: Vec::new(),
        }
    }

    /// The number of a `MGENJIT_STATUS_…`.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// The name of the status, such as `"MGENJIT_STATUS_PARSE"`.
    pub fn status_name(&self) -> String {
        // SAFETY: any number may be asked for, and the string is static.
        unsafe { string(sys::mgenjit_status_name(self.status)) }
    }

    /// The line of the IR text that is wrong, from 1.
    pub fn line(&self) -> Option<u32> {
        (self.line != 0).then_some(self.line)
    }

    /// The column in that line, in bytes from 1.
    pub fn column(&self) -> Option<u32> {
        (self.column != 0).then_some(self.column)
    }

    /// The text of that line.
    pub fn source_line(&self) -> Option<&str> {
        self.source_line.as_deref()
    }

    /// The symbols that are defined nowhere, for `MGENJIT_STATUS_UNRESOLVED`.
    pub fn missing(&self) -> &[String] {
        &self.symbols
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Makes a call of the library that can fail.
pub(crate) fn check(
    call: impl FnOnce(*mut *mut sys::mgenjit_error) -> sys::mgenjit_status,
) -> Result<()> {
    let mut error = std::ptr::null_mut();
    let status = call(&mut error);
    if status == sys::MGENJIT_STATUS_OK {
        return Ok(());
    }
    // SAFETY: the call failed, so that `error` is one of its own, which is freed here, after its strings were copied.
    unsafe {
        let source_line = sys::mgenjit_error_source_line(error);
        let owned = Error {
            status,
            message: string(sys::mgenjit_error_message(error)),
            line: sys::mgenjit_error_line(error),
            column: sys::mgenjit_error_column(error),
            source_line: (!source_line.is_null()).then(|| string(source_line)),
            symbols: (0..sys::mgenjit_error_symbol_count(error))
                .map(|index| string(sys::mgenjit_error_symbol(error, index)))
                .collect(),
        };
        sys::mgenjit_error_free(error);
        Err(owned)
    }
}

/// Text for C.
pub(crate) fn c_string(text: impl Into<Vec<u8>>, what: &str) -> Result<CString> {
    CString::new(text).map_err(|_| {
        Error::new(
            Error::INVALID_ARGUMENT,
            format!("{what} has a NUL byte in it"),
        )
    })
}
