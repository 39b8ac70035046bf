//! Detects what this process's CPU and system support.

use super::features::{FEATURES, LEAVES, Leaf, Register, Saved};
use super::tuning;
use crate::arch::features::{Detected, Features};
use once_cell::sync::Lazy;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::ptr;

/// The CPU as this process sees it.
pub fn native() -> Detected {
    static DETECTED: Lazy<Detected> = Lazy::new(|| detected(&read(leaves())));
    *DETECTED
}

/// What CPUID and XGETBV report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    vendor: [u8; 12],
    /// EAX of leaf 1: family, model and stepping.
    signature: u32,
    /// The register state that the system saves; 0 if programs cannot ask for it.
    xcr0: u32,
    /// By [`Leaf`]; zeros for a leaf that this CPU lacks.
    leaves: [Registers; LEAVES],
}

fn detected(facts: &Facts) -> Detected {
    const AVX: u32 = 0b110;
    const AVX512: u32 = 0b1110_0110;
    const AMX: u32 = 0b11 << 17;
    const AVX_BIT: u32 = 1 << 28;
    let has_avx = facts.leaves[Leaf::Basic as usize][2] & AVX_BIT != 0;
    let mut features = Features::default();
    for (index, feature) in FEATURES.iter().enumerate() {
        let register = facts.leaves[feature.leaf as usize][match feature.register {
            Register::A => 0,
            Register::B => 1,
            Register::C => 2,
            Register::D => 3,
        }];
        let state = match feature.saved {
            Saved::Always => 0,
            Saved::Avx => AVX,
            Saved::Avx512 => AVX512,
            Saved::Amx => AMX,
        };
        let needs_avx = matches!(feature.saved, Saved::Avx | Saved::Avx512);
        if register >> feature.bit & 1 != 0
            && facts.xcr0 & state == state
            && (has_avx || !needs_avx)
        {
            features.insert(index);
        }
    }
    let name = tuning::name(&facts.vendor, facts.signature, features);
    Detected {
        features,
        tuning: tuning::index(name),
    }
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

/// The same with and without the C library's leaves.
fn read(leaves: Option<Leaves>) -> Facts {
    let first = __cpuid(0);
    let highest = first.eax;
    let mut vendor = [0; 12];
    for (place, register) in vendor
        .chunks_exact_mut(4)
        .zip([first.ebx, first.edx, first.ecx])
    {
        place.copy_from_slice(&register.to_le_bytes());
    }

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
    // SAFETY: any index may be asked for; what is returned is static, or null.
    let look = |index| leaves.and_then(|leaves| unsafe { leaves(index).as_ref() });
    // What it returns for an index that it does not know.
    let unknown = look(u32::MAX).map(ptr::from_ref);
    let get = |index: u32, leaf: u32, subleaf: u32| -> Registers {
        match look(index) {
            // Zeros are a leaf that the CPU has not.
            Some(feature) if Some(ptr::from_ref(feature)) != unknown => feature.cpuid,
            _ => ask(leaf, subleaf),
        }
    };

    let basic = get(0, 1, 0);
    const OSXSAVE: u32 = 1 << 27;
    let extended = get(1, 7, 0);
    let found = |leaf| match leaf {
        Leaf::Basic => basic,
        Leaf::Extended => extended,
        // EAX of subleaf 0 is the highest subleaf: some CPUs answer for a higher one with something else.
        Leaf::Extended1 if extended[0] == 0 => [0; 4],
        Leaf::Extended1 => get(6, 7, 1),
        Leaf::Save => get(3, 0xd, 1),
        Leaf::Trace => get(8, 0x14, 0),
        Leaf::KeyLocker => get(7, 0x19, 0),
        Leaf::Amd => get(2, 0x8000_0001, 0),
        Leaf::Amd8 => get(5, 0x8000_0008, 0),
    };
    Facts {
        vendor,
        signature: basic[0],
        xcr0: if basic[2] & OSXSAVE != 0 { xcr0() } else { 0 },
        leaves: ALL_LEAVES.map(found),
    }
}

const ALL_LEAVES: [Leaf; LEAVES] = [
    Leaf::Basic,
    Leaf::Extended,
    Leaf::Extended1,
    Leaf::Save,
    Leaf::Trace,
    Leaf::KeyLocker,
    Leaf::Amd,
    Leaf::Amd8,
];

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

    /// The kernel lists what the CPU has and it lets programs use, by names of its own.
    #[test]
    fn the_kernel_lists_the_same() {
        let info = std::fs::read_to_string("/proc/cpuinfo").expect("/proc/cpuinfo");
        let flags: Vec<&str> = info
            .lines()
            .find_map(|line| line.strip_prefix("flags"))
            .expect("flags")
            .split_whitespace()
            .collect();
        let features = native().features;
        for (name, flag) in [
            ("cx16", "cx16"),
            ("sahf", "lahf_lm"),
            ("popcnt", "popcnt"),
            ("sse3", "pni"),
            ("sse4.1", "sse4_1"),
            ("sse4.2", "sse4_2"),
            ("ssse3", "ssse3"),
            ("avx", "avx"),
            ("avx2", "avx2"),
            ("bmi", "bmi1"),
            ("bmi2", "bmi2"),
            ("f16c", "f16c"),
            ("fma", "fma"),
            ("lzcnt", "abm"),
            ("movbe", "movbe"),
            ("avx512f", "avx512f"),
            ("avx512bw", "avx512bw"),
            ("avx512cd", "avx512cd"),
            ("avx512dq", "avx512dq"),
            ("avx512vl", "avx512vl"),
            ("vaes", "vaes"),
            ("avxvnni", "avx_vnni"),
            ("avx512bf16", "avx512_bf16"),
            ("amx-tile", "amx_tile"),
        ] {
            assert_eq!(features.has(name), flags.contains(&flag), "{name}");
        }
    }

    #[test]
    fn the_system_must_save_the_registers() {
        let facts = |basic: u32, xcr0| Facts {
            vendor: *b"GenuineIntel",
            signature: 0,
            xcr0,
            leaves: ALL_LEAVES.map(|leaf| match leaf {
                Leaf::Basic => [0, 0, basic, 0],
                _ => [u32::MAX; 4],
            }),
        };
        fn check(facts: &Facts, there: &[&str], missing: &[&str]) {
            let features = detected(facts).features;
            for name in there {
                assert!(features.has(name), "{name} {:x}", facts.xcr0);
            }
            for name in missing {
                assert!(!features.has(name), "{name} {:x}", facts.xcr0);
            }
        }
        let all = u32::MAX;
        check(
            &facts(all, 0),
            &["sse4.2", "bmi2"],
            &["avx", "avx2", "fma", "xsave", "avx512f"],
        );
        check(
            &facts(all, 7),
            &["avx2", "fma", "vaes"],
            &["avx512f", "avx512bf16", "amx-tile"],
        );
        check(
            &facts(all, 0xe7),
            &["avx2", "avx512f", "avx512fp16"],
            &["amx-tile"],
        );
        check(&facts(all, 0x600e7), &["avx512f", "amx-tile"], &[]);
        // AVX is hidden, what builds on it is not.
        check(
            &facts(all & !(1 << 28), 0xe7),
            &["bmi"],
            &["avx", "avx2", "avx512f", "fma"],
        );
    }

    #[test]
    fn the_c_library_says_what_the_cpu_says() {
        assert_eq!(detected(&read(leaves())), detected(&read(None)));
    }

    #[test]
    fn all_cores_are_the_same() {
        for _ in 0..50 {
            std::thread::yield_now();
            assert_eq!(detected(&read(None)), native());
        }
    }
}
