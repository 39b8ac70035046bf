//! Detects what this process's CPU and system support.

use super::features::{self, FEATURES};
use super::tuning;
use crate::arch::features::{Detected, Features};
use once_cell::sync::Lazy;

/// The CPU as this process sees it.
pub fn native() -> Detected {
    static DETECTED: Lazy<Detected> = Lazy::new(|| {
        let capabilities = [auxiliary(libc::AT_HWCAP), auxiliary(libc::AT_HWCAP2)];
        detected(capabilities, midr(capabilities[0]))
    });
    *DETECTED
}

fn detected(capabilities: [u64; features::WORDS], midr: Option<u64>) -> Detected {
    let mut features = Features::default();
    for (index, feature) in FEATURES.iter().enumerate() {
        let has = |(word, bit): &(usize, u8)| capabilities[*word] >> bit & 1 != 0;
        if feature.bits.iter().all(has) {
            features.insert(index);
        }
    }
    Detected {
        features,
        tuning: tuning::index(tuning::name(midr.unwrap_or_default())),
    }
}

fn auxiliary(name: u64) -> u64 {
    // SAFETY: any value may be asked for.
    unsafe { libc::getauxval(name) }
}

/// The main ID register, of the first core: on some machines not all cores are the same, and what is compiled for one is to be
/// found on each. Where the system does not tell, that of this core, which the kernel lets programs read.
fn midr(capabilities: u64) -> Option<u64> {
    const CPUID: u64 = 1 << 11;
    let first =
        std::fs::read_to_string("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1");
    let first = first.ok().and_then(|text| number(&text));
    first.or_else(|| {
        (capabilities & CPUID != 0).then(|| {
            let midr: u64;
            // SAFETY: the kernel says that it may be read, and emulates it.
            unsafe {
                std::arch::asm!(
                    "mrs {}, midr_el1",
                    out(reg) midr,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            midr
        })
    })
}

/// As the kernel writes it: `0x00000000413fd0c1`.
fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_there_if_all_its_bits_are() {
        let check = |capabilities, there: &[&str], missing: &[&str]| {
            let features = detected(capabilities, None).features;
            for name in there {
                assert!(features.has(name), "{name} {capabilities:x?}");
            }
            for name in missing {
                assert!(!features.has(name), "{name} {capabilities:x?}");
            }
        };
        check([0, 0], &[], &["neon", "sve2"]);
        check([0b11, 0], &["fp-armv8", "neon"], &["aes", "sve2", "ccdp"]);
        check([1 << 3, 0], &[], &["aes"]);
        check([0b11 << 3, 0], &["aes"], &["sha2"]);
        check([1 << 9, 0], &[], &["fullfp16"]);
        check([0b11 << 9, 0], &["fullfp16"], &[]);
        check([0, 0b10], &["sve2"], &["neon", "ccdp"]);
        // Of a Neoverse N1.
        let features = detected([0x0011_9fff, 0], None).features;
        assert!(
            ["lse", "rdm", "rcpc", "ccpp", "dotprod"]
                .iter()
                .all(|name| features.has(name))
        );
    }

    #[test]
    fn the_kernel_lists_the_same() {
        let info = std::fs::read_to_string("/proc/cpuinfo").expect("/proc/cpuinfo");
        let listed = info.lines().find_map(|line| line.strip_prefix("Features"));
        // An emulator may show the file of the machine that it runs on.
        let Some(listed) = listed else { return };
        let flags: Vec<&str> = listed.split_whitespace().collect();
        let features = native().features;
        for (name, flag) in [
            ("fp-armv8", "fp"),
            ("neon", "asimd"),
            ("crc", "crc32"),
            ("lse", "atomics"),
            ("rdm", "asimdrdm"),
            ("dotprod", "asimddp"),
            ("sve", "sve"),
            ("sve2", "sve2"),
            ("lse2", "uscat"),
            ("i8mm", "i8mm"),
            ("bf16", "bf16"),
            ("bti", "bti"),
        ] {
            assert_eq!(features.has(name), flags.contains(&flag), "{name}");
        }
    }

    #[test]
    fn the_kernels_numbers_are_read() {
        assert_eq!(number("0x00000000413fd0c1\n"), Some(0x413f_d0c1));
        assert_eq!(number("413fd0c1"), None);
        assert_eq!(number(""), None);
    }
}
