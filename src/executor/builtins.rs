//! Names that code may refer to and that neither modules nor the process define.

use super::library::{self, Library};
use crate::fork;
use crate::image::thread_exit::thread_atexit;
use crate::image::tls::{self, tls_get_addr};
use once_cell::sync::Lazy;
use std::ffi::{CStr, c_int, c_void};

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
    if !tls::has_dynamic_linker() {
        return linked_in(name);
    }
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

/// What every compiler counts on, and this library has been linked with. A statically linked program can be asked for
/// nothing, and the system's libraries, if they are there, would be another C library beside the program's own.
fn linked_in(name: &CStr) -> Option<usize> {
    unsafe extern "C" {
        fn __cxa_atexit(
            function: unsafe extern "C" fn(*mut c_void),
            argument: *mut c_void,
            dso: *mut c_void,
        ) -> c_int;
        fn __cxa_finalize(dso: *mut c_void);
        safe fn abort();
        safe fn bcmp();
        safe fn memcmp();
        safe fn memcpy();
        safe fn memmove();
        safe fn memset();
        safe fn strlen();
    }
    // rustc's own code calls it, too: declared as one that does not unwind, it would end the process there.
    unsafe extern "C-unwind" {
        safe fn _Unwind_Resume();
    }
    // Their addresses alone are taken: so most are declared without their types.
    let address = match name.to_bytes() {
        b"__cxa_atexit" => __cxa_atexit as *const (),
        b"__cxa_finalize" => __cxa_finalize as *const (),
        b"_Unwind_Resume" => _Unwind_Resume as *const (),
        b"abort" => abort as *const (),
        b"bcmp" => bcmp as *const (),
        b"memcmp" => memcmp as *const (),
        b"memcpy" => memcpy as *const (),
        b"memmove" => memmove as *const (),
        b"memset" => memset as *const (),
        b"strlen" => strlen as *const (),
        _ => return None,
    };
    Some(address.addr())
}
