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

/// A leaf of CPUID: EAX, EBX, ECX and EDX.
type Registers = [u32; 4];

/// Reads a leaf that the C library has read when the process started, by its index in glibc's `sys/platform/x86.h`,
/// as far as it has it. In a virtual machine each CPUID is a trap of some microseconds, and a hit would wait for ten.
type Leaves = unsafe extern "C" fn(index: u32) -> *const Feature;

/// glibc's `struct cpuid_feature`.
#[repr(C)]
struct Feature {
    cpuid: Registers,
    _active: Registers,
}

/// glibc 2.33 and later has it.
fn leaves() -> Option<Leaves> {
    // SAFETY: the name is NUL-terminated.
    let found =
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__x86_get_cpuid_feature_leaf".as_ptr()) };
    // SAFETY: the function of this name has this type, and a null pointer becomes `None`.
    unsafe { std::mem::transmute::<*mut libc::c_void, Option<Leaves>>(found) }
}

fn read() -> Vec<u8> {
    read_with(leaves())
}

/// The bytes are the same with and without the C library's leaves: zeros for a leaf that this CPU has not.
fn read_with(leaves: Option<Leaves>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    let mut push = |registers: &[u32]| {
        for register in registers {
            bytes.extend_from_slice(&register.to_le_bytes());
        }
    };

    let vendor = __cpuid(0);
    let highest = vendor.eax;
    push(&[vendor.ebx, vendor.ecx, vendor.edx]);

    let highest_extended = Lazy::new(|| __cpuid(0x8000_0000).eax);
    let ask = |leaf: u32, subleaf: u32| -> Registers {
        let there = if leaf >= 0x8000_0000 {
            leaf <= *highest_extended
        } else {
            leaf <= highest
        };
        if !there {
            return [0; 4];
        }
        let found = __cpuid_count(leaf, subleaf);
        [found.eax, found.ebx, found.ecx, found.edx]
    };
    let get = |index: u32, leaf: u32, subleaf: u32| -> Registers {
        match leaves {
            Some(leaves) => {
                // SAFETY: any index may be asked for; what is returned is static, or null for one that is not known.
                let feature = unsafe { leaves(index).as_ref() };
                match feature {
                    Some(feature) if feature.cpuid != [0; 4] => feature.cpuid,
                    // The CPU has it not, or this C library does not know it.
                    _ => ask(leaf, subleaf),
                }
            }
            None => ask(leaf, subleaf),
        }
    };

    // Family, model and stepping; EBX is left out: it holds the APIC id of the core that runs this.
    let [eax, _, ecx, edx] = get(0, 1, 0);
    push(&[eax, ecx, edx]);
    const OSXSAVE: u32 = 1 << 27;
    if ecx & OSXSAVE != 0 {
        push(&[xcr0()]);
    }
    let [_, ebx, ecx, edx] = get(1, 7, 0);
    // EDX bit 15, "hybrid", and the microcode's mitigations in its upper bits change no code.
    push(&[ebx, ecx, edx & 0x03ff_7fff]);
    push(&get(6, 7, 1));
    push(&get(3, 0xd, 1)[..1]);
    push(&get(8, 0x14, 0)[1..2]);
    push(&get(7, 0x19, 0)[1..2]);
    // Newer ones, which few CPUs have.
    push(&ask(0x1e, 1)[..1]);
    push(&ask(0x24, 0)[1..2]);
    push(&get(2, 0x8000_0001, 0)[2..]);
    push(&get(5, 0x8000_0008, 0)[1..2]);
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
    fn the_c_library_says_what_the_cpu_says() {
        let found = super::leaves();
        assert_eq!(super::read_with(found), super::read_with(None));
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
