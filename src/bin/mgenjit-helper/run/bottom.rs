//! The bottom of a program's stack. Whoever unwinds a program's stack finds its end here, as at the bottom of any program, and no
//! frame of the runner: so an exception that nobody catches ends the program by `terminate`, and `pthread_exit` its thread.

use std::arch::global_asm;
use std::ffi::c_void;

global_asm!(
    ".pushsection .text.mgenjit_run_bottom, \"ax\", @progbits",
    ".type mgenjit_run_bottom, @function",
    "mgenjit_run_bottom:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "xor ebp, ebp",
    "sub rsp, 8",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "ud2",
    ".cfi_endproc",
    ".size mgenjit_run_bottom, . - mgenjit_run_bottom",
    ".popsection",
);

unsafe extern "C-unwind" {
    fn mgenjit_run_bottom(
        run: unsafe extern "C-unwind" fn(*mut c_void) -> !,
        argument: *mut c_void,
    ) -> !;
}

/// Runs what does not return, with no frame below it.
///
/// # Safety
/// `run` may be called with `argument`.
pub unsafe fn run(run: unsafe extern "C-unwind" fn(*mut c_void) -> !, argument: *mut c_void) -> ! {
    // SAFETY: it calls `run` alone, which the caller vouches for.
    unsafe { mgenjit_run_bottom(run, argument) }
}
