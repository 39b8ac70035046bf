//! Modules that were linked together, while their constructors run.

use crate::fork;
use rustix::thread::futex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Modules that were linked together, while their constructors run.
pub struct Batch {
    /// The thread that runs the constructors, by [`this_thread`].
    pub owner: usize,
    /// The [`fork::generation`] in which it runs.
    pub generation: u32,
    /// A futex that other threads wait on: one of the constants below.
    state: AtomicU32,
}

const RUNNING: u32 = 0;
const AWAITED: u32 = 1;
const DONE: u32 = 2;

/// A number that no other running thread has. The standard library's thread ids would allocate for each thread that
/// it did not start.
pub fn this_thread() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

impl Batch {
    pub fn new(owner: usize) -> Batch {
        Batch {
            owner,
            generation: fork::generation(),
            state: AtomicU32::new(RUNNING),
        }
    }

    /// Marks it as done and wakes the threads that wait for it.
    pub fn end(&self) {
        if self.state.swap(DONE, Ordering::AcqRel) == AWAITED {
            let _ = futex::wake(&self.state, futex::Flags::PRIVATE, i32::MAX as u32);
        }
    }

    pub fn wait(&self) {
        let state = &self.state;
        let _ = state.compare_exchange(RUNNING, AWAITED, Ordering::AcqRel, Ordering::Acquire);
        while state.load(Ordering::Acquire) != DONE {
            let _ = futex::wait(state, futex::Flags::PRIVATE, AWAITED, None);
        }
    }
}
