//! The system's pages.

/// How long one is: on AArch64, 4, 16 or 64 KiB. It is asked of the C library, which knows without a system call.
pub fn page_size() -> usize {
    // SAFETY: it only returns a number.
    let len = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(len).unwrap_or(4096)
}
