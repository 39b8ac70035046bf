//! Bytes that are copied where no tool looks.

use std::ffi::c_void;

/// Copies bytes. Not by `memcpy`: ThreadSanitizer replaces it, does not see the system calls that map memory, and takes what
/// was here before for the same memory.
///
/// # Safety
/// There is room for them at `to`.
pub unsafe fn copy(bytes: &[u8], to: *mut c_void) {
    let (pairs, rest) = (bytes.len() / 16, bytes.len() % 16);
    // SAFETY: the caller vouches for the room.
    unsafe {
        std::arch::asm!(
            "cbz {pairs}, 3f",
            "2:",
            "ldp {one}, {other}, [{from}], #16",
            "stp {one}, {other}, [{to}], #16",
            "sub {pairs}, {pairs}, #1",
            "cbnz {pairs}, 2b",
            "3:",
            "cbz {rest}, 5f",
            "4:",
            "ldrb {one:w}, [{from}], #1",
            "strb {one:w}, [{to}], #1",
            "sub {rest}, {rest}, #1",
            "cbnz {rest}, 4b",
            "5:",
            pairs = inout(reg) pairs => _,
            rest = inout(reg) rest => _,
            from = inout(reg) bytes.as_ptr() => _,
            to = inout(reg) to => _,
            one = out(reg) _,
            other = out(reg) _,
            options(nostack, preserves_flags)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_copied_and_no_others() {
        let bytes: Vec<u8> = (1..=100).collect();
        for len in 0..bytes.len() {
            for skew in 0..16 {
                let mut room = [0; 128];
                // SAFETY: there is room.
                unsafe { copy(&bytes[..len], room[skew..].as_mut_ptr().cast()) };
                assert_eq!(room[skew..skew + len], bytes[..len]);
                assert!(room[..skew].iter().all(|byte| *byte == 0));
                assert!(room[skew + len..].iter().all(|byte| *byte == 0));
            }
        }
    }
}
