//! Calls with arguments that are known only at run time, and the bottom of a stack.

pub use super::trampoline::{Frame, HAS_RESULT_POINTER};
use std::ffi::c_void;

unsafe extern "C-unwind" {
    fn mgenjit_call_with_registers(frame: *mut c_void, function: usize);
    fn mgenjit_run_bottom(
        run: unsafe extern "C-unwind" fn(*mut c_void) -> !,
        argument: *mut c_void,
    ) -> !;
}

/// Calls a function, and writes its result into the frame. An exception that it throws passes through.
///
/// # Safety
/// At `function` is one that takes the frame's arguments and returns at most one word.
pub unsafe fn call(frame: &mut Frame, function: usize) {
    // SAFETY: the caller vouches for the function, and the layout is what the assembly expects.
    unsafe { mgenjit_call_with_registers(std::ptr::from_mut(frame).cast(), function) };
}

/// Calls a function that does not return, with no frame below it. Whoever unwinds the stack finds its end here, as at the bottom of any
/// program: so an exception that nobody catches ends the program by `terminate`, and `pthread_exit` its thread.
///
/// # Safety
/// `run` may be called with `argument`.
pub unsafe fn run_at_bottom(
    run: unsafe extern "C-unwind" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> ! {
    // SAFETY: it calls `run` alone, which the caller vouches for.
    unsafe { mgenjit_run_bottom(run, argument) }
}
