//! Destructors of `thread_local` objects: `__cxa_thread_atexit` of images.
//!
//! They run when their thread ends, which may be after their module was removed. So each one that waits keeps
//! its image, and those that this one was linked to, as the dynamic linker does for the libraries that it loaded.
//! Those of the thread that removes a module run at once: this thread runs no code of the module any more.

use super::loaded::Image;
use super::run;
use crate::fork;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ops::Range;
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

type Place = (Range<usize>, Weak<Image>);

/// The images that register such destructors, and where each is.
static IMAGES: Mutex<Vec<Place>> = Mutex::new(Vec::new());

/// A destructor that waits for its thread to end.
struct Waiting {
    destructor: Destructor,
    object: *mut c_void,
    /// The one that it is of, and those that it may call. None: it has run.
    images: Vec<Arc<Image>>,
    /// The next in this thread's list.
    older: *mut Waiting,
}

thread_local! {
    /// This thread's destructors that wait, the newest first. Each is the system's, which calls `run` with it.
    static NEWEST: Cell<*mut Waiting> = const { Cell::new(ptr::null_mut()) };
}

/// Lets `image` register destructors by [`thread_atexit`].
pub fn watch(image: &Arc<Image>) {
    let mut images = lock();
    images.retain(|(_, other)| other.strong_count() > 0);
    let known = images
        .iter()
        .any(|(_, other)| ptr::eq(other.as_ptr(), Arc::as_ptr(image)));
    if !known {
        images.push((image.range(), Arc::downgrade(image)));
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
        .filter(|(range, _)| range.contains(&dso.addr()))
        .find_map(|(_, image)| image.upgrade());
    let Some(image) = image else {
        // SAFETY: the caller's own arguments.
        return unsafe { __cxa_thread_atexit_impl(destructor, object, dso) };
    };
    let waiting = Box::into_raw(Box::new(Waiting {
        destructor,
        object,
        images: image.with_needs(),
        older: NEWEST.get(),
    }));
    NEWEST.set(waiting);
    // SAFETY: `run` is a function of this library, which is never unloaded, and takes the box back.
    unsafe {
        __cxa_thread_atexit_impl(
            run,
            waiting.cast(),
            ptr::from_ref(&__dso_handle).cast_mut().cast(),
        )
    }
}

/// Called by the system when the thread ends.
unsafe extern "C" fn run(waiting: *mut c_void) {
    let waiting = waiting.cast::<Waiting>();
    // SAFETY: `thread_atexit` made the box for this one call, in this thread, whose list has it unless it has run.
    unsafe {
        run_now(waiting);
        drop(Box::from_raw(waiting));
    }
}

/// Runs the destructors of this thread's objects of `images`, the newest first.
pub fn run_own(images: &[Arc<Image>]) {
    loop {
        // One may register another: so the search begins anew.
        let mut waiting = NEWEST.get();
        // SAFETY: what is in the list is this thread's own and lives until `run`.
        unsafe {
            let is_of = |waiting: *mut Waiting| {
                let image = (*waiting).images.first();
                image.is_some_and(|image| images.iter().any(|other| Arc::ptr_eq(other, image)))
            };
            while !waiting.is_null() && !is_of(waiting) {
                waiting = (*waiting).older;
            }
            if waiting.is_null() {
                return;
            }
            run_now(waiting);
        }
    }
}

/// Takes a destructor out of this thread's list, runs it if it has not run, and gives up its images.
///
/// # Safety
///
/// It must be this thread's, and live.
unsafe fn run_now(waiting: *mut Waiting) {
    // SAFETY: the caller's; nobody but this thread touches its list, and no reference is kept while foreign code runs.
    unsafe {
        let images = std::mem::take(&mut (*waiting).images);
        if images.is_empty() {
            return;
        }
        let mut other = NEWEST.get();
        if other == waiting {
            NEWEST.set((*waiting).older);
        } else {
            while (*other).older != waiting {
                other = (*other).older;
            }
            (*other).older = (*waiting).older;
        }
        // The images that registered it, and what it needs, are mapped as long as `images` lives.
        ((*waiting).destructor)((*waiting).object);
        run::finalize_last(images);
    }
}

fn lock() -> fork::Guarded<MutexGuard<'static, Vec<Place>>> {
    fork::guard(|| IMAGES.lock().unwrap_or_else(PoisonError::into_inner))
}
