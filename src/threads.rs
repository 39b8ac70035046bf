//! Threads of the library, which the host does not notice.

use std::io;
use std::mem::MaybeUninit;
use std::thread::Builder;

/// Starts a thread with all signals blocked: their handlers are the host's.
pub fn start<T>(start: impl FnOnce(Builder) -> io::Result<T>) -> io::Result<T> {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: the sets are written before they are read; the call changes this thread's mask alone.
    let before = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    };
    let builder = Builder::new().name("mgenjit".to_owned());
    let started = start(builder.stack_size(1 << 20));
    // SAFETY: restores the mask that was found.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    started
}
