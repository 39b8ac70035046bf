//! The images that run here.

use crate::arch::relocation::Kind;
use object::elf;

/// What ELF headers call the machine.
pub const MACHINE: elf::Machine = elf::EM_X86_64;
pub const WRONG_MACHINE: &str = "it is not a shared object for x86-64";

/// The type of the property that says whether code has landing pads, and its bit. Linux checks none in programs.
pub const GUARD: Option<(u32, u32)> = None;

/// What memory of such code is mapped with.
pub fn guard() -> u32 {
    0
}

/// What a type of relocation means. `None`: images have none of it.
pub fn kind(relocation: elf::RelocationType) -> Option<Kind> {
    Some(match relocation {
        elf::R_X86_64_NONE => Kind::None,
        elf::R_X86_64_RELATIVE => Kind::Relative,
        // The ABI gives them no addend.
        elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT => Kind::Symbol { has_addend: false },
        elf::R_X86_64_64 => Kind::Symbol { has_addend: true },
        elf::R_X86_64_IRELATIVE => Kind::Indirect,
        elf::R_X86_64_DTPMOD64 => Kind::TlsModule,
        elf::R_X86_64_DTPOFF64 => Kind::TlsOffset,
        _ => return None,
    })
}

/// Calls an indirect function's resolver.
///
/// # Safety
/// One is at the address, and may run.
pub unsafe fn call_resolver(address: usize) -> usize {
    // SAFETY: the caller vouches for a function without parameters that returns an address.
    let resolver: extern "C" fn() -> usize = unsafe { std::mem::transmute(address) };
    resolver()
}
