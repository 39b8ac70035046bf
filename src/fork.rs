//! Keeps the library usable in a child after `fork`.
//!
//! A child has only the thread that forked: a lock that another thread held would stay locked. So every short lock of
//! this library is taken inside a gate, and `fork` waits until the gate is empty.

use crate::sanitizer::Stay;
use std::cell::Cell;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// A lock's guard, held inside the gate.
pub struct Guarded<G> {
    // Each is dropped before the next one.
    _stay: Stay,
    guard: G,
    _pass: Pass,
}

/// Takes a lock inside the gate, or does something short that takes one. No foreign code may run, and no other process be waited for, while it is held.
pub fn guard<G>(lock: impl FnOnce() -> G) -> Guarded<G> {
    let pass = Pass::new();
    let guard = lock();
    Guarded {
        _stay: Stay::begin(),
        guard,
        _pass: pass,
    }
}

impl<G> Guarded<G> {
    /// Leaves the gate with a value that isn't a lock's guard.
    pub fn into_inner(self) -> G {
        self.guard
    }
}

impl<G: Deref> Deref for Guarded<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Guarded<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

/// A stay in the gate.
struct Pass(());

struct Gate(UnsafeCell<libc::pthread_rwlock_t>);

// SAFETY: the lock is used through its own functions, which any thread may call.
unsafe impl Sync for Gate {}

/// A lock of the C library, because the standard library's cannot be released by hand, in another process.
static GATE: Gate = Gate(UnsafeCell::new(libc::PTHREAD_RWLOCK_INITIALIZER));

thread_local! {
    /// How many passes this thread has: only the first one takes the lock, so that a waiting `fork` cannot come
    /// between two of them.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

impl Pass {
    fn new() -> Pass {
        static HANDLERS: Once = Once::new();
        HANDLERS.call_once(|| {
            // SAFETY: the handlers are functions of this library, which is never unloaded.
            unsafe {
                libc::pthread_atfork(
                    Some(before_fork),
                    Some(after_fork),
                    Some(after_fork_in_child),
                )
            };
        });
        let depth = DEPTH.get();
        if depth == 0 {
            // SAFETY: the lock is initialised.
            unsafe { libc::pthread_rwlock_rdlock(GATE.0.get()) };
        }
        DEPTH.set(depth + 1);
        Pass(())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            // SAFETY: this thread holds the lock for reading.
            unsafe { libc::pthread_rwlock_unlock(GATE.0.get()) };
        }
    }
}

unsafe extern "C" fn before_fork() {
    // SAFETY: the lock is initialised, and this thread, which calls `fork`, is not in the gate.
    unsafe { libc::pthread_rwlock_wrlock(GATE.0.get()) };
}

unsafe extern "C" fn after_fork() {
    // SAFETY: `before_fork` took it.
    unsafe { libc::pthread_rwlock_unlock(GATE.0.get()) };
}

/// A number that changes when this process is forked: in the child.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Threads that are in the middle of something that takes no lock. Of those, a child has none.
pub static READERS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

unsafe extern "C" fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for readers in &READERS {
        readers.store(0, Ordering::SeqCst);
    }
    // A new lock: the old one may count threads that wait for it, which the child does not have. Whoever watches locks sees
    // that this thread has let it go.
    // SAFETY: the only thread of the child is this one, and `before_fork` took the lock in its name.
    unsafe {
        libc::pthread_rwlock_unlock(GATE.0.get());
        *GATE.0.get() = libc::PTHREAD_RWLOCK_INITIALIZER;
    };
}
