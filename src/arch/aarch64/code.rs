//! Instructions that are written at run time.

use std::arch::asm;
use std::ops::Range;

/// The length of a stub, and of its cell.
pub const STUB_SIZE: usize = 16;

/// `bti c`: calls, and jumps by x16 or x17, may lead here where that is checked.
const LANDING_PAD: u32 = 0xd503_245f;
/// `udf #0`
const UNDEFINED: u32 = 0;

/// What a stub is called for that leads nowhere.
pub const TRAP: [u8; STUB_SIZE] = instructions([LANDING_PAD, UNDEFINED, UNDEFINED, UNDEFINED]);

/// A stub that jumps to what its cell says, which lies `len` bytes behind it, less than 1 MiB.
pub fn stub(len: usize) -> [u8; STUB_SIZE] {
    // adr x16, .+len-4: in units of four bytes.
    let address = 0x1000_0010 | ((len - 4) as u32 >> 2) << 5;
    // ldar x16, [x16]: what is read after the jump is as new as what was read here.
    let load = 0xc8df_fe10;
    // br x16
    let jump = 0xd61f_0200;
    instructions([LANDING_PAD, address, load, jump])
}

const fn instructions(words: [u32; STUB_SIZE / 4]) -> [u8; STUB_SIZE] {
    let mut code = [0; STUB_SIZE];
    let mut at = 0;
    while at < STUB_SIZE {
        code[at] = (words[at / 4] >> (at % 4 * 8)) as u8;
        at += 1;
    }
    code
}

/// Lets instructions run that were written just now: writes the data cache back, and empties the instruction cache.
///
/// # Safety
/// The range is mapped.
pub unsafe fn make_coherent(written: Range<usize>) {
    let types: usize;
    // SAFETY: the caller vouches for the range, and neither changes what is in memory.
    unsafe {
        asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack, preserves_flags));
        // Bits 28 and 29 say that it is not needed.
        if types >> 28 & 1 == 0 {
            for line in lines(&written, 4 << (types >> 16 & 15)) {
                asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags));
            }
        }
        asm!("dsb ish", options(nostack, preserves_flags));
        if types >> 29 & 1 == 0 {
            for line in lines(&written, 4 << (types & 15)) {
                asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags));
            }
        }
        asm!("dsb ish", "isb", options(nostack, preserves_flags));
    }
}

/// The lines of a cache that a range touches.
fn lines(range: &Range<usize>, len: usize) -> impl Iterator<Item = usize> {
    (range.start / len * len..range.end).step_by(len)
}

/// Whether a debugger has set a breakpoint at a function's start: `brk`.
///
/// # Safety
/// It is the address of a function.
pub unsafe fn has_breakpoint(function: *const u8) -> bool {
    const BREAKPOINT: u32 = 0xd420_0000;
    const NUMBER: u32 = 0xffff << 5;
    // SAFETY: it is a function's first instruction, in four bytes.
    let instruction = unsafe { function.cast::<[u8; 4]>().read_volatile() };
    u32::from_le_bytes(instruction) & !NUMBER == BREAKPOINT
}

/// An address of code without its signature: a return address may have one, which is in the bits that no address uses.
pub fn stripped(mut address: usize) -> usize {
    // SAFETY: `xpaclri` changes x30 alone. CPUs without signatures take it for a `nop`.
    unsafe {
        asm!("hint 7", inout("x30") address, options(pure, nomem, nostack, preserves_flags));
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_stripped() {
        let address = signatures_are_stripped as *const () as usize;
        let mut signed = address;
        // SAFETY: `pacia1716` signs x17, or does nothing.
        unsafe {
            asm!("hint 8", inout("x17") signed, in("x16") 77, options(nomem, nostack, preserves_flags));
        }
        assert_eq!(stripped(signed), address);
        assert_eq!(stripped(address), address);
    }

    #[test]
    fn breakpoints_are_seen() {
        // SAFETY: it is as long as an instruction.
        let check = |code: [u8; 4]| unsafe { has_breakpoint(code.as_ptr()) };
        assert!(check([0, 0, 0x20, 0xd4]));
        // With a number.
        assert!(check([0xe0, 0xff, 0x3f, 0xd4]));
        assert!(!check([0x5f, 0x24, 0x03, 0xd5]));
    }
}
