//! The C library's shared objects, as this process has them or would load them.

use crate::arch::system::DYNAMIC_LINKER;
use crate::fork;
use once_cell::sync::Lazy;
use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

/// The libraries that a C compiler links by default. With them, a library names what it needs, with versions.
const NAMES: [&CStr; 4] = [c"libc.so.6", c"libm.so.6", c"libgcc_s.so.1", DYNAMIC_LINKER];

/// libatomic. Not every system has it.
const ATOMIC: &CStr = c"libatomic.so.1";

/// The files, in order; missing ones are left out.
pub fn of_this_system(with_atomic: bool) -> Vec<(String, Vec<u8>)> {
    static PATHS: Lazy<Vec<(&CStr, PathBuf)>> = Lazy::new(|| find_all(&NAMES));
    static ATOMIC_PATH: Lazy<Vec<(&CStr, PathBuf)>> = Lazy::new(|| find_all(&[ATOMIC]));
    // A child that is forked while the dynamic linker is at work could not load a library, or end, ever after.
    let paths = fork::guard(|| {
        let atomic = with_atomic.then(|| ATOMIC_PATH.iter());
        let atomic = atomic.into_iter().flatten();
        PATHS.iter().chain(atomic).collect::<Vec<_>>()
    })
    .into_inner();
    paths
        .into_iter()
        .filter_map(|(name, path)| {
            let bytes = std::fs::read(path).ok()?;
            Some((name.to_string_lossy().into_owned(), bytes))
        })
        .collect()
}

fn find_all(names: &[&'static CStr]) -> Vec<(&'static CStr, PathBuf)> {
    let paths = names.iter().map(|name| Some((*name, find(name)?)));
    paths.flatten().collect()
}

/// As much of glibc's `struct link_map` as is public.
#[repr(C)]
struct LinkMap {
    address: usize,
    name: *const c_char,
}

/// Where the dynamic linker finds a library, which it then need not load.
fn find(name: &CStr) -> Option<PathBuf> {
    // SAFETY: these libraries' constructors do nothing that the host could notice, and most hosts have run them.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return None;
    }
    let mut map: *const LinkMap = ptr::null();
    // SAFETY: the handle is open, and this request writes a pointer to the library's link map, which lives as long as
    // the handle is open. Its name is a string.
    let path = unsafe {
        let found = libc::dlinfo(
            handle,
            libc::RTLD_DI_LINKMAP,
            (&raw mut map).cast::<c_void>(),
        );
        let path = (found == 0 && !map.is_null() && !(*map).name.is_null()).then(|| {
            let name = CStr::from_ptr((*map).name);
            Path::new(OsStr::from_bytes(name.to_bytes())).to_owned()
        });
        libc::dlclose(handle);
        path
    };
    path.filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_c_library_is_found() {
        let libraries = super::of_this_system(false);
        let (name, bytes) = libraries.first().expect("a library");
        assert_eq!(name, "libc.so.6");
        assert!(bytes.starts_with(b"\x7fELF"));
    }
}
