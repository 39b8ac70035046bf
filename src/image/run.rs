//! Runs the constructors and destructors of images.

use super::arguments::Arguments;
use super::error::LoadError;
use super::lifecycle::{FINALIZED, INITIALISED};
use super::loaded::Image;
use crate::fork;
use std::cmp::Reverse;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

unsafe extern "C" {
    fn __cxa_atexit(
        handler: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
        dso: *mut c_void,
    ) -> c_int;
    fn __cxa_finalize(dso: *mut c_void);
    static environ: *const *const c_char;
}

impl Image {
    /// Registers the destructors, to run at `finalize` or when the process exits. All images that link together are
    /// begun before any constructor runs: so handlers that constructors register run before any destructor, as in one
    /// program. The image must not move afterwards.
    pub fn begin(&self) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let lifecycle = &self.lifecycle;
        let order = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        lifecycle.order.store(order, Ordering::Relaxed);
        lifecycle.state.store(INITIALISED, Ordering::Release);
        if lifecycle.fini != 0 || lifecycle.fini_array.1 != 0 {
            // SAFETY: the image stays where it is, and `finalize` takes the handler back before it goes.
            unsafe {
                __cxa_atexit(
                    run_destructors,
                    ptr::from_ref(self).cast_mut().cast(),
                    lifecycle.dso as *mut c_void,
                )
            };
        }
    }

    /// Runs the constructors.
    pub fn construct(&self, arguments: Arguments) {
        let lifecycle = &self.lifecycle;
        // `Lifecycle::new` has checked where the arrays are.
        let array = |place| self.array(place).unwrap_or_default();
        for address in array(lifecycle.preinit_array) {
            call_constructor(*address as usize, arguments);
        }
        if lifecycle.init != 0 {
            call_constructor(lifecycle.init, arguments);
        }
        for address in array(lifecycle.init_array) {
            call_constructor(*address as usize, arguments);
        }
    }

    /// Runs the `atexit` handlers and the destructors, if they have not run yet, last registered first.
    pub fn finalize(&self) {
        let lifecycle = &self.lifecycle;
        let before = lifecycle.state.swap(FINALIZED, Ordering::AcqRel);
        if before == INITIALISED && lifecycle.has_handlers {
            // SAFETY: handlers registered under this value are the image's own, which is still mapped.
            unsafe { __cxa_finalize(lifecycle.dso as *mut c_void) };
        }
    }

    fn array(&self, (at, count): (usize, usize)) -> Result<&[u64], LoadError> {
        self.mapping.slice(at, count)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.finalize();
        self.close_stubs();
    }
}

/// Drops images, and unloads those that nobody else holds.
pub fn finalize_last(images: Vec<Arc<Image>>) {
    let mut last = give_up(images);
    // Without room of its own: a process that may have no more memory can still give back what it has. Those that have
    // no place in the order have nothing to be called either.
    last.sort_unstable_by_key(|image| Reverse(image.lifecycle.order.load(Ordering::Relaxed)));
    for image in &last {
        image.finalize();
    }
}

/// Drops images, each of which is listed once. Returns those that nobody else holds.
fn give_up(images: Vec<Arc<Image>>) -> Vec<Arc<Image>> {
    /// If two threads drop the same image, one of them must see that it is the last.
    static LOCK: Mutex<()> = Mutex::new(());
    let _lock = fork::guard(|| LOCK.lock().unwrap_or_else(PoisonError::into_inner));
    images
        .into_iter()
        .filter(|image| Arc::strong_count(image) == 1)
        .collect()
}

/// Calls a constructor as the dynamic linker does.
fn call_constructor(address: usize, arguments: Arguments) {
    // SAFETY: the image's initialisation array holds functions of this kind.
    unsafe {
        let constructor: extern "C" fn(c_int, *const *const c_char, *const *const c_char) =
            std::mem::transmute(address);
        constructor(arguments.argc, arguments.argv, environ);
    }
}

unsafe extern "C" fn run_destructors(image: *mut c_void) {
    // SAFETY: `begin` registered the image, and it is mapped until its handlers are taken back.
    let image = unsafe { &*image.cast::<Image>() };
    let destructors = image.array(image.lifecycle.fini_array).unwrap_or_default();
    let last = image.lifecycle.fini as u64;
    for address in destructors.iter().rev().chain([&last]) {
        if *address != 0 {
            // SAFETY: the image's finalisation array holds functions of this kind.
            let destructor: extern "C" fn() = unsafe { std::mem::transmute(*address as usize) };
            destructor();
        }
    }
}
