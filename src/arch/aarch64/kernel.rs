//! What the kernel gives by numbers: system calls, of which this machine has the new ones alone, and registers.

use libc::c_long;

/// How a filter of system calls knows this machine's.
pub const AUDIT: u32 = 0xc000_00b7;

/// What the C library makes of `alarm` and of `dup2`.
pub const FOR_COMPILING: &[c_long] = &[libc::SYS_setitimer, libc::SYS_dup3];

pub const FORKS: &[c_long] = &[];
pub const NEVER: &[c_long] = &[];
pub const FILES: &[c_long] = &[];
pub const CHANGES: &[c_long] = &[];
pub const OPENS: &[c_long] = &[];

/// Where a thread was that a signal has interrupted.
pub fn instruction(context: &libc::ucontext_t) -> u64 {
    context.uc_mcontext.pc
}
