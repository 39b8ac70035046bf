//! A host's sanitizers, which know only what libraries that they instrumented do.
//!
//! LeakSanitizer looks for pointers to what was allocated in the variables of libraries that the system loaded, which images
//! are not. So it is told of theirs; what compiled code keeps there would be reported as lost.
//!
//! ThreadSanitizer does not see the locks and counters of this library. So each thread that leaves it or one of its locks hands
//! over what it did to each that enters after it.

use crate::arch::weak_address;
use std::ffi::c_void;

type OfRegion = unsafe extern "C" fn(*const c_void, usize);
type OfPlace = unsafe extern "C" fn(*const c_void);

/// A function of the sanitizer, or none if the process has no sanitizer. It is one of the library's own undefined
/// symbols, and weak, so that it costs a hit nothing.
macro_rules! hook {
    ($name:literal, $ty:ty) => {{
        let address = weak_address!($name);
        // SAFETY: 0, or the address of a function of this type: the names are the sanitizers' public interface.
        unsafe { std::mem::transmute::<usize, Option<$ty>>(address) }
    }};
}

/// Reports variables.
///
/// # Safety
///
/// They are mapped until [`forget`] is called with the same values.
pub unsafe fn tell(variables: *const c_void, len: usize) {
    if let Some(tell) = hook!("__lsan_register_root_region", OfRegion) {
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
    if let Some(forget) = hook!("__lsan_unregister_root_region", OfRegion) {
        // SAFETY: the sanitizer knows them.
        unsafe { forget(variables, len) };
    }
}

/// What all threads hand over at.
static PLACE: u8 = 0;

/// Takes over what all threads did that have handed over.
fn acquire() {
    if let Some(acquire) = hook!("__tsan_acquire", OfPlace) {
        // SAFETY: the sanitizer takes the address for a name.
        unsafe { acquire((&raw const PLACE).cast()) };
    }
}

/// Hands over what this thread did.
fn release() {
    if let Some(release) = hook!("__tsan_release", OfPlace) {
        // SAFETY: as above.
        unsafe { release((&raw const PLACE).cast()) };
    }
}

/// A stay of a thread: what others did before is known to it, and what it does to those that come after.
pub struct Stay(());

impl Stay {
    pub fn begin() -> Stay {
        acquire();
        Stay(())
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        release();
    }
}
