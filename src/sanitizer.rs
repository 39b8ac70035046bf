//! A host's LeakSanitizer: it looks for pointers to what was allocated in the variables of libraries that the system
//! loaded, which images are not. So it is told of theirs; what compiled code keeps there would be reported as lost.

use std::arch::asm;
use std::ffi::c_void;

type Hook = unsafe extern "C" fn(*const c_void, usize);

/// A function of the sanitizer, or none if the process has no sanitizer. It is one of the library's own undefined
/// symbols, and weak, so that it costs a hit nothing.
macro_rules! hook {
    ($name:literal) => {{
        let address: usize;
        // SAFETY: reads what the linker, or the dynamic linker, wrote into the global offset table.
        unsafe {
            asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        // SAFETY: 0, or the address of a function of this type: the names are the sanitizers' public interface.
        unsafe { std::mem::transmute::<usize, Option<Hook>>(address) }
    }};
}

/// Reports variables.
///
/// # Safety
///
/// They are mapped until [`forget`] is called with the same values.
pub unsafe fn tell(variables: *const c_void, len: usize) {
    if let Some(tell) = hook!("__lsan_register_root_region") {
        // SAFETY: the sanitizer reads them until it is told that they go.
        unsafe { tell(variables, len) };
    }
}

/// Takes the report back.
///
/// # Safety
///
/// The sanitizer was told of them.
pub unsafe fn forget(variables: *const c_void, len: usize) {
    if let Some(forget) = hook!("__lsan_unregister_root_region") {
        // SAFETY: the sanitizer knows them.
        unsafe { forget(variables, len) };
    }
}
