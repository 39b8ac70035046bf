//! Names that code may refer to and that neither modules nor the process define.

use super::library::{self, Library};
use crate::fork;
use crate::image::thread_exit::thread_atexit;
use crate::image::tls::tls_get_addr;
use once_cell::sync::Lazy;
use std::ffi::CStr;

/// Names that an image must get from this library, because it, and not the dynamic linker, loads images.
/// The second value: whether the image registers destructors that must keep it mapped.
pub fn required(name: &[u8]) -> Option<(usize, bool)> {
    match name {
        b"__tls_get_addr" => Some((tls_get_addr as *const () as usize, false)),
        b"__cxa_thread_atexit" | b"__cxa_thread_atexit_impl" => {
            Some((thread_atexit as *const () as usize, true))
        }
        _ => None,
    }
}

/// Names that a compiler may count on although the process does not have them: it need not be linked with the
/// mathematical library, or with that of atomic operations on what is larger than a register.
pub fn fallback(name: &CStr) -> Option<usize> {
    static SYSTEM: Lazy<Vec<Library>> = Lazy::new(|| {
        ["libm.so.6", "libgcc_s.so.1", "libatomic.so.1"]
            .into_iter()
            .filter_map(|name| Library::open(name).ok())
            .collect()
    });
    // These libraries have no constructors that could need the gate themselves.
    let system = fork::guard(|| Lazy::force(&SYSTEM)).into_inner();
    if let Some(address) = system.iter().find_map(|library| library.find(name)) {
        return Some(address);
    }
    match name.to_bytes() {
        // In libgcc_s under a version that a plain look-up does not see: programs link them statically.
        b"__cpu_model" | b"__cpu_indicator_init" => {
            library::find_version_in_process(name, c"GCC_4.8.0")
        }
        _ => None,
    }
}
