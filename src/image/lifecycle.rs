//! Constructors and destructors of an image.

use super::arguments::Arguments;
use super::elf::Dynamic;
use super::map::Mapping;
use super::symbols::Symbols;
use super::{Image, LoadError, thread_exit};
use std::cmp::Reverse;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The symbol by which the server's linker names an image's `__dso_handle`, if it has one.
const DSO_HANDLE: &[u8] = b"__mgenjit_dso_handle";

const MAPPED: u8 = 0;
const INITIALISED: u8 = 1;
const FINALIZED: u8 = 2;

unsafe extern "C" {
    fn __cxa_atexit(
        handler: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
        dso: *mut c_void,
    ) -> c_int;
    fn __cxa_finalize(dso: *mut c_void);
    static environ: *const *const c_char;
}

/// What is to be called when. Addresses are absolute; 0 where there is none.
#[derive(Debug)]
pub struct Lifecycle {
    preinit_array: (usize, usize),
    init: usize,
    init_array: (usize, usize),
    fini: usize,
    fini_array: (usize, usize),
    /// What this image's handlers are registered under: its `__dso_handle`, else its base.
    dso: usize,
    /// Whether it can have handlers at all.
    has_handlers: bool,
    state: AtomicU8,
    /// The place in the order in which images were begun.
    order: AtomicU64,
}

impl Lifecycle {
    pub fn new(
        mapping: &Mapping,
        dynamic: &Dynamic,
        symbols: &Symbols,
    ) -> Result<Lifecycle, LoadError> {
        let absolute = |address: usize| match address {
            0 => 0,
            address => mapping.base() + address,
        };
        let word = size_of::<usize>();
        let preinit_array = (dynamic.preinit_array, dynamic.preinit_array_len / word);
        let init_array = (dynamic.init_array, dynamic.init_array_len / word);
        let fini_array = (dynamic.fini_array, dynamic.fini_array_len / word);
        for (at, count) in [preinit_array, init_array, fini_array] {
            mapping.slice::<u64>(at, count)?;
        }
        let handle = symbols
            .find(mapping, DSO_HANDLE)?
            .map(|symbol| mapping.base() + symbol.value as usize);
        let fini = absolute(dynamic.fini);
        Ok(Lifecycle {
            preinit_array,
            init: absolute(dynamic.init),
            init_array,
            fini,
            fini_array,
            dso: handle.unwrap_or(mapping.base()),
            has_handlers: handle.is_some() || fini != 0 || fini_array.1 != 0,
            state: AtomicU8::new(MAPPED),
            order: AtomicU64::new(0),
        })
    }
}

impl Image {
    /// Has the destructors run at the process's end, or at `finalize`. Of images that are linked together all are begun
    /// before a constructor runs: so the handlers that constructors and the program register run before any destructor, as
    /// in one program. The image must not move afterwards.
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
    }
}

/// Unloads images that nobody can reach any more: runs the destructors of this thread's `thread_local` objects, then
/// those of the images, of the one that was begun last first, and then unmaps them all: until then they may need each
/// other.
///
/// As with libraries of the system, an image that has `thread_local` objects in other threads stays, with what it needs: its
/// destructors run when the last of these objects has ended, which may use what they destroy.
pub fn unload(images: Vec<Arc<Image>>) {
    thread_exit::run_own(&images);
    finalize_last(images);
}

/// Gives up images, and unloads those that nobody else has.
pub fn finalize_last(images: Vec<Arc<Image>>) {
    let mut last = thread_exit::give_up(images);
    // Without room of its own: a process that may have no more memory can still give back what it has. Those that have
    // no place in the order have nothing to be called either.
    last.sort_unstable_by_key(|image| Reverse(image.lifecycle.order.load(Ordering::Relaxed)));
    for image in &last {
        image.finalize();
    }
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
