//! Instructions that are written at run time.

use std::ops::Range;

/// The length of a stub, and of its cell.
pub const STUB_SIZE: usize = 16;

/// What a stub is called for that leads nowhere: `endbr64`, so that it may be called through a pointer where that is
/// checked, and `ud2`.
pub const TRAP: [u8; STUB_SIZE] = {
    let mut code = [0xcc; STUB_SIZE];
    let (endbr, ud2) = ([0xf3, 0x0f, 0x1e, 0xfa], [0x0f, 0x0b]);
    let mut at = 0;
    while at < 4 {
        code[at] = endbr[at];
        at += 1;
    }
    (code[4], code[5]) = (ud2[0], ud2[1]);
    code
};

/// A stub that jumps to what its cell says, which lies `len` bytes behind it: `endbr64`, and `jmp *(%rip + …)`.
pub fn stub(len: usize) -> [u8; STUB_SIZE] {
    // From the end of both instructions on.
    const END: usize = 10;
    let mut code = TRAP;
    (code[4], code[5]) = (0xff, 0x25);
    code[6..END].copy_from_slice(&((len - END) as u32).to_le_bytes());
    code
}

/// Lets instructions run that were written just now: here, the CPU sees to it.
///
/// # Safety
/// The range is mapped.
pub unsafe fn make_coherent(_written: Range<usize>) {}

/// Whether a debugger has set a breakpoint at a function's start: `int3`.
///
/// # Safety
/// It is the address of a function.
pub unsafe fn has_breakpoint(function: *const u8) -> bool {
    const BREAKPOINT: u8 = 0xcc;
    // SAFETY: it is a function's first byte.
    unsafe { function.read_volatile() == BREAKPOINT }
}

/// An address of code without its signature: none is signed.
pub fn stripped(address: usize) -> usize {
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breakpoints_are_seen() {
        // SAFETY: it is as long as an instruction.
        let check = |code: [u8; 4]| unsafe { has_breakpoint(code.as_ptr()) };
        assert!(check([0xcc, 0, 0, 0]));
        assert!(!check([0xf3, 0x0f, 0x1e, 0xfa]));
    }
}
