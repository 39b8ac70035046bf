//! Which of LLVM's CPUs this one is, as `sys::getHostCPUName` finds it.

const GENERIC: &str = "generic";

/// LLVM's names, the first of which is no CPU's. A request has the index of one, so that a server need not trust names.
#[rustfmt::skip]
pub const NAMES: [&str; 61] = [
    GENERIC,
    "a64fx", "ampere1", "ampere1a", "ampere1b", "apple-m1", "apple-m2", "apple-m3", "carmel", "cortex-a320", "cortex-a34",
    "cortex-a35", "cortex-a510", "cortex-a520", "cortex-a520ae", "cortex-a53", "cortex-a55", "cortex-a57", "cortex-a65",
    "cortex-a65ae", "cortex-a710", "cortex-a715", "cortex-a72", "cortex-a720", "cortex-a720ae", "cortex-a725", "cortex-a73",
    "cortex-a75", "cortex-a76", "cortex-a76ae", "cortex-a77", "cortex-a78", "cortex-a78ae", "cortex-a78c", "cortex-r82",
    "cortex-r82ae", "cortex-x1", "cortex-x1c", "cortex-x2", "cortex-x3", "cortex-x4", "cortex-x925", "exynos-m3", "exynos-m4",
    "falkor", "fujitsu-monaka", "kryo", "neoverse-e1", "neoverse-n1", "neoverse-n2", "neoverse-n3", "neoverse-v1",
    "neoverse-v2", "neoverse-v3", "neoverse-v3ae", "olympus", "oryon-1", "saphira", "thunderx2t99", "thunderxt88", "tsv110",
];

/// A name's index in [`NAMES`].
pub fn index(name: &str) -> u8 {
    let index = NAMES.iter().position(|known| *known == name);
    index
        .and_then(|index| u8::try_from(index).ok())
        .unwrap_or(0)
}

/// The name for what the main ID register says: who made the CPU, and which part it is.
pub fn name(midr: u64) -> &'static str {
    let implementer = midr >> 24 & 0xff;
    let variant = midr >> 20 & 0xf;
    let part = midr >> 4 & 0xfff;
    match implementer {
        0x41 => arm(part),
        0x42 | 0x43 => match part {
            0x516 | 0x0af => "thunderx2t99",
            0x0a1 => "thunderxt88",
            _ => GENERIC,
        },
        0x46 => match part {
            0x001 => "a64fx",
            0x003 => "fujitsu-monaka",
            _ => GENERIC,
        },
        0x48 if part == 0xd01 => "tsv110",
        0x4e => match part {
            0x004 => "carmel",
            0x010 => "olympus",
            _ => GENERIC,
        },
        0x51 => match part {
            0x001 => "oryon-1",
            0x201 | 0x205 | 0x211 => "kryo",
            0x800 | 0x801 => "cortex-a73",
            0x802 | 0x803 => "cortex-a75",
            0x804 | 0x805 => "cortex-a76",
            0xc00 => "falkor",
            0xc01 => "saphira",
            _ => GENERIC,
        },
        0x53 if variant == 1 && part == 0x003 => "exynos-m4",
        0x53 => "exynos-m3",
        0x61 => match part {
            0x020..=0x025 | 0x028 | 0x029 => "apple-m1",
            0x030..=0x035 | 0x038 | 0x039 => "apple-m2",
            0x048 | 0x049 => "apple-m3",
            _ => GENERIC,
        },
        // Microsoft's Cobalt 100.
        0x6d if part == 0xd49 => "neoverse-n2",
        0xc0 => match part {
            0xac3 => "ampere1",
            0xac4 => "ampere1a",
            0xac5 => "ampere1b",
            _ => GENERIC,
        },
        _ => GENERIC,
    }
}

fn arm(part: u64) -> &'static str {
    match part {
        0xd02 => "cortex-a34",
        0xd03 => "cortex-a53",
        0xd04 => "cortex-a35",
        0xd05 => "cortex-a55",
        0xd06 => "cortex-a65",
        0xd07 => "cortex-a57",
        0xd08 => "cortex-a72",
        0xd09 => "cortex-a73",
        0xd0a => "cortex-a75",
        0xd0b => "cortex-a76",
        0xd0c => "neoverse-n1",
        0xd0d => "cortex-a77",
        0xd0e => "cortex-a76ae",
        0xd14 => "cortex-r82ae",
        0xd15 => "cortex-r82",
        0xd40 => "neoverse-v1",
        0xd41 => "cortex-a78",
        0xd42 => "cortex-a78ae",
        0xd43 => "cortex-a65ae",
        0xd44 => "cortex-x1",
        0xd46 => "cortex-a510",
        0xd47 => "cortex-a710",
        0xd48 => "cortex-x2",
        0xd49 => "neoverse-n2",
        0xd4a => "neoverse-e1",
        0xd4b => "cortex-a78c",
        0xd4c => "cortex-x1c",
        0xd4d => "cortex-a715",
        0xd4e => "cortex-x3",
        0xd4f => "neoverse-v2",
        0xd80 => "cortex-a520",
        0xd81 => "cortex-a720",
        0xd82 => "cortex-x4",
        0xd83 => "neoverse-v3ae",
        0xd84 => "neoverse-v3",
        0xd85 => "cortex-x925",
        0xd87 => "cortex-a725",
        0xd88 => "cortex-a520ae",
        0xd89 => "cortex-a720ae",
        0xd8e => "neoverse-n3",
        0xd8f => "cortex-a320",
        _ => GENERIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn parts_have_llvms_names() {
        let check = |midr, expect| {
            assert_eq!(name(midr), expect, "{midr:x}");
            assert_eq!(NAMES[usize::from(index(name(midr)))], expect);
        };
        check(0x413f_d0c1, "neoverse-n1");
        check(0x411f_d402, "neoverse-v1");
        check(0x410f_d083, "cortex-a72");
        check(0x610f_0220, "apple-m1");
        check(0x461f_0010, "a64fx");
        check(0x531f_0030, "exynos-m4");
        check(0x530f_0010, "exynos-m3");
        check(0xc00f_ac30, "ampere1");
        // An emulator's, and one that is not known.
        check(0x000f_0510, "generic");
        check(0x410f_fff0, "generic");
        check(0, "generic");
    }

    #[test]
    fn all_names_are_in_the_list() {
        let different: HashSet<_> = NAMES.iter().collect();
        assert_eq!(different.len(), NAMES.len());
        let mut found = HashSet::from([GENERIC]);
        for implementer in 0..=0xff {
            for part in 0..0x1000 {
                for variant in [0, 1] {
                    let name = name(implementer << 24 | variant << 20 | part << 4);
                    assert!(name == GENERIC || index(name) != 0, "{name}");
                    found.insert(name);
                }
            }
        }
        assert_eq!(found.len(), NAMES.len());
    }
}
