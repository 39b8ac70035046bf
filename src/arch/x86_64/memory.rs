//! Bytes that are copied where no tool looks.

use std::ffi::c_void;

/// Copies bytes. Not by `memcpy`: ThreadSanitizer replaces it, does not see the system calls that map memory, and takes what
/// was here before for the same memory.
///
/// # Safety
/// There is room for them at `to`.
pub unsafe fn copy(bytes: &[u8], to: *mut c_void) {
    // SAFETY: the caller vouches for the room.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") bytes.len() => _,
            inout("rsi") bytes.as_ptr() => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}
