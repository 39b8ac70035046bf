//! Symbols of shared libraries and of the process.

use crate::error::{Error, Status};
use std::ffi::{CStr, CString, c_void};
use std::ptr::NonNull;

/// A shared library that the dynamic linker loaded for an executor.
#[derive(Debug)]
pub struct Library {
    handle: NonNull<c_void>,
    /// What another process opens it by.
    path: String,
}

// SAFETY: handles of the dynamic linker may be used from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    pub fn open(path: &str) -> Result<Library, Error> {
        let failed = |why: &str| {
            Error::new(
                Status::Library,
                format!("the shared library {path} cannot be loaded: {why}"),
            )
        };
        let c_path = CString::new(path).map_err(|_| failed("its name has a NUL byte"))?;
        // SAFETY: `dlopen` runs the library's constructors, which is what the caller asks for.
        let handle = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        let opened = |handle| Library {
            handle,
            path: absolute(path),
        };
        NonNull::new(handle).map(opened).ok_or_else(|| {
            // SAFETY: `dlerror` returns NULL or a string that lives until this thread's next call of its kind.
            let why = unsafe { libc::dlerror() };
            if why.is_null() {
                return failed("the dynamic linker does not say why");
            }
            // SAFETY: not NULL, so a string.
            failed(&unsafe { CStr::from_ptr(why) }.to_string_lossy())
        })
    }

    pub fn find(&self, name: &CStr) -> Option<usize> {
        find(self.handle.as_ptr(), name)
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// One version of a symbol.
    pub fn find_version(&self, name: &CStr, version: &CStr) -> Option<usize> {
        find_version(self.handle.as_ptr(), name, version)
    }
}

/// The same name wherever it is used. One without a slash is looked for in the system's folders.
fn absolute(path: &str) -> String {
    match path.contains('/') {
        true => std::path::absolute(path)
            .ok()
            .and_then(|path| path.into_os_string().into_string().ok())
            .unwrap_or_else(|| path.to_owned()),
        false => path.to_owned(),
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the handle was opened once and is closed once; the modules that used it are unmapped.
        unsafe { libc::dlclose(self.handle.as_ptr()) };
    }
}

/// A symbol of the process: of the program and of the libraries that it started with or loaded globally.
pub fn find_in_process(name: &CStr) -> Option<usize> {
    find(libc::RTLD_DEFAULT, name)
}

/// As [`find_in_process`], one version of it.
pub fn find_version_in_process(name: &CStr, version: &CStr) -> Option<usize> {
    find_version(libc::RTLD_DEFAULT, name, version)
}

fn find_version(handle: *mut c_void, name: &CStr, version: &CStr) -> Option<usize> {
    // SAFETY: the handle is open, or the constant for all of the process.
    let address = unsafe { libc::dlvsym(handle, name.as_ptr(), version.as_ptr()) };
    (!address.is_null()).then(|| address.addr())
}

fn find(handle: *mut c_void, name: &CStr) -> Option<usize> {
    // SAFETY: the handle is open, or the constant for all of the process.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    (!address.is_null()).then(|| address.addr())
}
