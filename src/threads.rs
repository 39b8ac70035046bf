//! Threads of the library, which the host does not notice.

use std::io;
use std::mem::MaybeUninit;
use std::thread::Builder;

/// What the kernel sends to the thread that caused it. Where such a signal is blocked, the kernel ends the process, and the
/// host's handler is not called.
const FAULTS: [libc::c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Starts a thread with all signals blocked but those of faults: their handlers are the host's.
pub fn start<T>(start: impl FnOnce(Builder) -> io::Result<T>) -> io::Result<T> {
    let mut others = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: the sets are written before they are read; the calls change this thread's mask alone.
    let before = unsafe {
        libc::sigfillset(others.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(others.as_mut_ptr(), fault);
        }
        // What this thread has blocked stays so.
        libc::pthread_sigmask(libc::SIG_BLOCK, others.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    };
    let builder = Builder::new().name("mgenjit".to_owned());
    let started = start(builder.stack_size(1 << 20));
    // SAFETY: restores the mask that was found.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    started
}
