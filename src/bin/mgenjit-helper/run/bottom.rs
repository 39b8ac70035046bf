//! The bottom of a program's stack. Whoever unwinds a program's stack finds its end here, as at the bottom of any program, and no
//! frame of the runner: so an exception that nobody catches ends the program by `terminate`, and `pthread_exit` its thread.

use mgenjit::arch::call::run_at_bottom;
use std::ffi::c_void;

/// Runs what does not return, with no frame below it.
///
/// # Safety
/// `run` may be called with `argument`.
pub unsafe fn run(run: unsafe extern "C-unwind" fn(*mut c_void) -> !, argument: *mut c_void) -> ! {
    // SAFETY: the caller vouches for it.
    unsafe { run_at_bottom(run, argument) }
}
