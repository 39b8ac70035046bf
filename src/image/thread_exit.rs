//! Destructors of `thread_local` objects: `__cxa_thread_atexit` of images.
//!
//! They run when their thread ends, which may be after their module was removed. So each one that waits keeps
//! its image mapped, and those that this one was linked to, as the dynamic linker does for the libraries that it loaded.

use super::Image;
use crate::fork;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type Destructor = unsafe extern "C" fn(*mut c_void);

unsafe extern "C" {
    fn __cxa_thread_atexit_impl(
        destructor: Destructor,
        object: *mut c_void,
        dso: *mut c_void,
    ) -> c_int;
    static __dso_handle: u8;
}

/// The images that register such destructors.
static IMAGES: Mutex<Vec<Weak<Image>>> = Mutex::new(Vec::new());

/// A destructor that waits for its thread to end.
struct Waiting {
    destructor: Destructor,
    object: *mut c_void,
    /// The one that it is of, and those that it may call.
    _images: Vec<Arc<Image>>,
}

/// Lets `image` register destructors by [`thread_atexit`].
pub fn watch(image: &Arc<Image>) {
    let mut images = lock();
    images.retain(|other| other.strong_count() > 0);
    let known = images
        .iter()
        .any(|other| ptr::eq(other.as_ptr(), Arc::as_ptr(image)));
    if !known {
        images.push(Arc::downgrade(image));
    }
}

/// `__cxa_thread_atexit` and `__cxa_thread_atexit_impl` of images: `dso` is the `__dso_handle` of the one that
/// calls.
pub unsafe extern "C" fn thread_atexit(
    destructor: Destructor,
    object: *mut c_void,
    dso: *mut c_void,
) -> c_int {
    let image = lock()
        .iter()
        .filter_map(Weak::upgrade)
        .find(|image| image.range().contains(&dso.addr()));
    let Some(image) = image else {
        // SAFETY: the caller's own arguments.
        return unsafe { __cxa_thread_atexit_impl(destructor, object, dso) };
    };
    let waiting = Box::into_raw(Box::new(Waiting {
        destructor,
        object,
        _images: image.with_needs(),
    }));
    // SAFETY: `run` is a function of this library, which is never unloaded, and takes the box back.
    unsafe {
        __cxa_thread_atexit_impl(
            run,
            waiting.cast(),
            ptr::from_ref(&__dso_handle).cast_mut().cast(),
        )
    }
}

unsafe extern "C" fn run(waiting: *mut c_void) {
    // SAFETY: `thread_atexit` made the box for this one call.
    let waiting = unsafe { Box::from_raw(waiting.cast::<Waiting>()) };
    // SAFETY: the image that registered the destructor, and what it needs, are mapped as long as the box lives.
    unsafe { (waiting.destructor)(waiting.object) };
}

fn lock() -> fork::Guarded<MutexGuard<'static, Vec<Weak<Image>>>> {
    fork::guard(|| IMAGES.lock().unwrap_or_else(PoisonError::into_inner))
}
