//! The environment. Whoever starts a set-user-ID program chooses it, so nothing of it is read there (`AT_SECURE` of
//! `getauxval(3)`).
//!
//! Architecture Invariant: nothing else reads the environment. Compiled programs get it as it is.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

/// What an external linker gets where the environment is not trusted.
const SAFE_PATH: &[u8] = b"PATH=/usr/bin:/bin";

unsafe extern "C" {
    // The `libc` crate does not declare it.
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// Whether this process has no more rights than the one that started it.
pub fn is_trusted() -> bool {
    // SAFETY: the call reads what the kernel told this process when it started.
    unsafe { libc::getauxval(libc::AT_SECURE) == 0 }
}

/// The value of a variable. `None`: it is not set, it is empty, or the environment is not trusted.
pub fn variable(name: &CStr) -> Option<OsString> {
    // SAFETY: the name is terminated. The value is copied before anything else of this library can change it.
    let value = unsafe {
        let value = secure_getenv(name.as_ptr());
        if value.is_null() {
            return None;
        }
        CStr::from_ptr(value).to_bytes().to_vec()
    };
    Some(OsString::from_vec(value)).filter(|value| !value.is_empty())
}

/// Overwrites the values of the variables whose names begin so: `ps` and `/proc` show them as long as the process lives.
///
/// # Safety
///
/// No other thread may run yet.
pub unsafe fn forget(names: &[&str]) {
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    // SAFETY: the environment is a list of strings that ends with NULL, which nothing changes meanwhile. The strings are the
    // process's own, and may be written up to their ends.
    unsafe {
        let mut variable = environ;
        while !variable.is_null() && !(*variable).is_null() {
            let text = CStr::from_ptr(*variable).to_bytes();
            if names.iter().any(|name| text.starts_with(name.as_bytes()))
                && let Some(at) = text.iter().position(|byte| *byte == b'=')
            {
                let len = text.len();
                (*variable).add(at + 1).write_bytes(0, len - at - 1);
            }
            variable = variable.add(1);
        }
    }
}

/// What an external linker is given: `NAME=value` each.
pub fn of_linkers() -> Vec<Vec<u8>> {
    if !is_trusted() {
        return vec![SAFE_PATH.to_vec()];
    }
    let join = |(name, value): (OsString, OsString)| {
        [name.as_bytes(), b"=", OsStr::as_bytes(&value)].concat()
    };
    std::env::vars_os().map(join).collect()
}

/// Whether the caller of a set-user-ID program may have made or changed a file. False where the environment is trusted.
pub fn may_be_the_callers(file: &Metadata) -> bool {
    if is_trusted() {
        return false;
    }
    let effective = rustix::process::geteuid();
    // In a set-group-ID program, the effective user is the caller.
    let is_own = file.uid() == effective.as_raw() && effective != rustix::process::getuid();
    !(file.uid() == 0 || is_own) || file.mode() & 0o022 != 0
}
