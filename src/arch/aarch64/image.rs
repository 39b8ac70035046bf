//! The images that run here.

use crate::arch::relocation::Kind;
use object::elf;

/// What ELF headers call the machine.
pub const MACHINE: elf::Machine = elf::EM_AARCH64;
pub const WRONG_MACHINE: &str = "it is not a shared object for AArch64";

/// The type of the property that says whether code has landing pads, and its bit: `GNU_PROPERTY_AARCH64_FEATURE_1_BTI`.
pub const GUARD: Option<(u32, u32)> = Some((0xc000_0000, 1));

/// What memory of such code is mapped with, if the system knows it: `PROT_BTI`.
pub fn guard() -> u32 {
    const HWCAP2_BTI: u64 = 1 << 17;
    // SAFETY: any value may be asked for.
    let has = unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_BTI != 0;
    if has { 0x10 } else { 0 }
}

/// What a type of relocation means. `None`: images have none of it.
pub fn kind(relocation: elf::RelocationType) -> Option<Kind> {
    Some(match relocation {
        elf::R_AARCH64_NONE => Kind::None,
        elf::R_AARCH64_RELATIVE => Kind::Relative,
        elf::R_AARCH64_GLOB_DAT | elf::R_AARCH64_JUMP_SLOT | elf::R_AARCH64_ABS64 => {
            Kind::Symbol { has_addend: true }
        }
        elf::R_AARCH64_IRELATIVE => Kind::Indirect,
        elf::R_AARCH64_TLS_DTPMOD => Kind::TlsModule,
        elf::R_AARCH64_TLS_DTPREL => Kind::TlsOffset,
        elf::R_AARCH64_TLSDESC => Kind::TlsDescriptor,
        _ => return None,
    })
}

/// glibc's `__ifunc_arg_t`.
#[repr(C)]
struct Capabilities {
    size: usize,
    hwcap: u64,
    hwcap2: u64,
}

/// Says that there is a second argument.
const HAS_SECOND: u64 = 1 << 62;

/// Calls an indirect function's resolver, as the dynamic linker does.
///
/// # Safety
/// One is at the address, and may run.
pub unsafe fn call_resolver(address: usize) -> usize {
    // SAFETY: the caller vouches for it. One that takes fewer parameters does not see them.
    let resolver: extern "C" fn(u64, &Capabilities) -> usize =
        unsafe { std::mem::transmute(address) };
    // SAFETY: any value may be asked for.
    let value = |name| unsafe { libc::getauxval(name) };
    let capabilities = Capabilities {
        size: size_of::<Capabilities>(),
        hwcap: value(libc::AT_HWCAP),
        hwcap2: value(libc::AT_HWCAP2),
    };
    resolver(capabilities.hwcap | HAS_SECOND, &capabilities)
}
