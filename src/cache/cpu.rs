//! What CPU this is, as far as it can change generated code.

use once_cell::sync::Lazy;
use std::arch::x86_64::{__cpuid, __cpuid_count};

/// Bytes that are equal on machines for which LLVM generates equal code for the "native" CPU.
///
/// They are the CPUID leaves from which LLVM takes the model and the features (`llvm/lib/TargetParser/Host.cpp`,
/// LLVM 22), and the register state that the system saves (XCR0), without the bits that differ from core to
/// core. There is no LLVM in this process to ask; the server names the CPU.
pub fn identity() -> &'static [u8] {
    static IDENTITY: Lazy<Vec<u8>> = Lazy::new(read);
    &IDENTITY
}

fn read() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    let mut push = |registers: &[u32]| {
        for register in registers {
            bytes.extend_from_slice(&register.to_le_bytes());
        }
    };

    let vendor = __cpuid(0);
    let highest = vendor.eax;
    push(&[vendor.ebx, vendor.ecx, vendor.edx]);

    // Family, model and stepping; EBX is left out: it holds the APIC id of the core that runs this.
    let features = __cpuid(1);
    push(&[features.eax, features.ecx, features.edx]);
    const OSXSAVE: u32 = 1 << 27;
    if features.ecx & OSXSAVE != 0 {
        push(&[xcr0()]);
    }
    if highest >= 7 {
        let extended = __cpuid_count(7, 0);
        // EDX bit 15, "hybrid", and the microcode's mitigations in its upper bits change no code.
        push(&[extended.ebx, extended.ecx, extended.edx & 0x03ff_7fff]);
        if extended.eax >= 1 {
            let more = __cpuid_count(7, 1);
            push(&[more.eax, more.ebx, more.ecx, more.edx]);
        }
    }
    if highest >= 0xd {
        push(&[__cpuid_count(0xd, 1).eax]);
    }
    if highest >= 0x14 {
        push(&[__cpuid_count(0x14, 0).ebx]);
    }
    if highest >= 0x19 {
        push(&[__cpuid(0x19).ebx]);
    }
    if highest >= 0x24 {
        push(&[__cpuid_count(0x24, 0).ebx]);
    }
    let highest_extended = __cpuid(0x8000_0000).eax;
    if highest_extended >= 0x8000_0001 {
        let amd = __cpuid(0x8000_0001);
        push(&[amd.ecx, amd.edx]);
    }
    if highest_extended >= 0x8000_0008 {
        push(&[__cpuid(0x8000_0008).ebx]);
    }
    bytes
}

/// The low half of the extended control register 0.
fn xcr0() -> u32 {
    let low: u32;
    // SAFETY: OSXSAVE was checked, so that XGETBV may be executed; it reads a register and nothing else.
    unsafe {
        std::arch::asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") low,
            out("edx") _,
            options(nomem, nostack, preserves_flags)
        );
    }
    low
}

#[cfg(test)]
mod tests {
    #[test]
    fn identity_is_stable_across_cores() {
        let expect = super::read();
        for _ in 0..50 {
            std::thread::yield_now();
            assert_eq!(super::read(), expect);
        }
    }
}
