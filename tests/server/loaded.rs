//! An image that runs.

use std::ffi::{CStr, CString, c_void};
use std::io::Write;

/// An image in this process, by the system's own dynamic linker: it is a shared object like any other.
pub struct Loaded {
    handle: *mut c_void,
}

impl Loaded {
    pub fn new(image: &[u8]) -> Loaded {
        let open = |path: &CStr, flags| {
            // SAFETY: the image's constructors are those of this file's IR.
            let handle = unsafe { libc::dlopen(path.as_ptr(), flags) };
            // SAFETY: `dlopen` has just failed, so there is a message.
            let why = || unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy();
            assert!(!handle.is_null(), "{}", why());
            handle
        };
        open(c"libstdc++.so.6", libc::RTLD_NOW | libc::RTLD_GLOBAL);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(image).unwrap();
        let path = CString::new(file.path().to_str().unwrap()).unwrap();
        Loaded {
            handle: open(&path, libc::RTLD_NOW | libc::RTLD_GLOBAL),
        }
    }

    pub fn symbol(&self, name: &str) -> *mut c_void {
        let name = CString::new(name).unwrap();
        // SAFETY: the handle is open and the name is NUL-terminated.
        unsafe { libc::dlsym(self.handle, name.as_ptr()) }
    }

    pub fn call(&self, name: &str) -> i32 {
        let symbol = self.symbol(name);
        assert!(!symbol.is_null(), "{name}");
        // SAFETY: the IR says `i32 ()`.
        let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(symbol) };
        function()
    }

    pub fn call_pointer(&self, name: &str) -> *mut c_void {
        let symbol = self.symbol(name);
        assert!(!symbol.is_null(), "{name}");
        // SAFETY: the IR says `ptr ()`.
        let function: extern "C" fn() -> *mut c_void = unsafe { std::mem::transmute(symbol) };
        function()
    }
}
