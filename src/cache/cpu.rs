//! What CPU this is, as far as it can change generated code.

use crate::compile::protocol::Level;
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

/// The features of a level that this machine lacks, be it that the CPU has them not or that the system does not
/// save their registers.
pub fn missing(level: Level) -> Vec<&'static str> {
    missing_from(level, has)
}

/// What each level adds to the one before: x86-64 psABI, table 3.1, "Micro-Architecture Levels". What the first
/// has, this library is compiled with.
const ADDED: [(Level, &[&str]); 3] = [
    (
        Level::V2,
        &[
            "cmpxchg16b",
            "lahf",
            "popcnt",
            "sse3",
            "sse4.1",
            "sse4.2",
            "ssse3",
        ],
    ),
    (
        Level::V3,
        &[
            "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave",
        ],
    ),
    (
        Level::V4,
        &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
    ),
];

fn missing_from(level: Level, has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    ADDED
        .iter()
        .filter(|(added, _)| *added <= level)
        .flat_map(|(_, features)| features.iter().copied())
        .filter(|feature| !has(feature))
        .collect()
}

/// Whether this machine has a feature and the system lets programs use it. One that is not known it has not.
fn has(feature: &str) -> bool {
    macro_rules! detect {
        ($($name:tt)*) => {
            match feature {
                "lahf" => has_lahf(),
                $($name => is_x86_feature_detected!($name),)*
                _ => false,
            }
        };
    }
    detect! {
        "cmpxchg16b" "popcnt" "sse3" "sse4.1" "sse4.2" "ssse3"
        "avx" "avx2" "bmi1" "bmi2" "f16c" "fma" "lzcnt" "movbe" "xsave"
        "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl"
    }
}

/// The standard library does not ask for it.
fn has_lahf() -> bool {
    const LAHF_IN_64_BIT_MODE: u32 = 1;
    __cpuid(0x8000_0000).eax >= 0x8000_0001 && __cpuid(0x8000_0001).ecx & LAHF_IN_64_BIT_MODE != 0
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
    if highest >= 0x1e {
        push(&[__cpuid_count(0x1e, 1).eax]);
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
    use super::*;

    #[test]
    fn a_level_needs_what_lower_levels_need() {
        fn check(level: Level, has: impl Fn(&str) -> bool, expect: &[&str]) {
            assert_eq!(missing_from(level, has), expect, "{level:?}");
        }
        let nehalem = |feature: &str| ADDED[0].1.contains(&feature);
        let haswell = |feature: &str| nehalem(feature) || ADDED[1].1.contains(&feature);
        check(Level::V1, |_| false, &[]);
        check(Level::V2, |_| false, ADDED[0].1);
        check(Level::V2, nehalem, &[]);
        check(Level::V3, nehalem, ADDED[1].1);
        check(Level::V3, haswell, &[]);
        check(Level::V3, |feature| feature != "movbe", &["movbe"]);
        check(Level::V4, haswell, ADDED[2].1);
        check(Level::V4, |_| true, &[]);
        check(
            Level::V4,
            |feature| !["popcnt", "fma", "avx512vl"].contains(&feature),
            &["popcnt", "fma", "avx512vl"],
        );
    }

    /// The kernel lists what the CPU has and it lets programs use, by names of its own.
    #[test]
    fn what_is_missing_is_what_the_kernel_does_not_list() {
        let info = std::fs::read_to_string("/proc/cpuinfo").expect("/proc/cpuinfo");
        let flags: Vec<&str> = info
            .lines()
            .find_map(|line| line.strip_prefix("flags"))
            .expect("flags")
            .split_whitespace()
            .collect();
        for feature in ADDED.iter().flat_map(|(_, features)| *features) {
            let flag = match *feature {
                "cmpxchg16b" => "cx16",
                "lahf" => "lahf_lm",
                "sse3" => "pni",
                "sse4.1" => "sse4_1",
                "sse4.2" => "sse4_2",
                "lzcnt" => "abm",
                other => other,
            };
            assert_eq!(has(feature), flags.contains(&flag), "{feature}");
        }
    }

    #[test]
    fn identity_is_stable_across_cores() {
        let expect = super::read();
        for _ in 0..50 {
            std::thread::yield_now();
            assert_eq!(super::read(), expect);
        }
    }
}
