//! Which of LLVM's CPUs this one is most like, as `sys::getHostCPUName` finds it.

use crate::arch::features::Features;

const GENERIC: &str = "generic";

/// LLVM's names, the first of which is no CPU's. A request has the index of one, so that a server need not trust names.
pub const NAMES: [&str; 53] = [
    GENERIC,
    "core2",
    "penryn",
    "nehalem",
    "westmere",
    "sandybridge",
    "ivybridge",
    "haswell",
    "broadwell",
    "skylake",
    "rocketlake",
    "skylake-avx512",
    "cascadelake",
    "cooperlake",
    "cannonlake",
    "icelake-client",
    "icelake-server",
    "tigerlake",
    "alderlake",
    "gracemont",
    "raptorlake",
    "meteorlake",
    "arrowlake",
    "arrowlake-s",
    "lunarlake",
    "pantherlake",
    "graniterapids",
    "graniterapids-d",
    "sapphirerapids",
    "emeraldrapids",
    "bonnell",
    "silvermont",
    "goldmont",
    "goldmont-plus",
    "tremont",
    "sierraforest",
    "grandridge",
    "clearwaterforest",
    "nocona",
    "k8",
    "k8-sse3",
    "amdfam10",
    "btver1",
    "btver2",
    "bdver1",
    "bdver2",
    "bdver3",
    "bdver4",
    "znver1",
    "znver2",
    "znver3",
    "znver4",
    "znver5",
];

/// A name's index in [`NAMES`].
pub fn index(name: &str) -> u8 {
    let index = NAMES.iter().position(|known| *known == name);
    index
        .and_then(|index| u8::try_from(index).ok())
        .unwrap_or(0)
}

/// The name for a vendor, the EBX, EDX and ECX of CPUID's first leaf as text, and the EAX of its second.
pub fn name(vendor: &[u8; 12], signature: u32, features: Features) -> &'static str {
    let mut family = signature >> 8 & 0xf;
    let mut model = signature >> 4 & 0xf;
    if family == 6 || family == 0xf {
        model += (signature >> 16 & 0xf) << 4;
    }
    if family == 0xf {
        family += signature >> 20 & 0xff;
    }
    match vendor {
        b"GenuineIntel" => intel(family, model, features),
        b"AuthenticAMD" => amd(family, model, features),
        _ => GENERIC,
    }
}

fn intel(family: u32, model: u32, features: Features) -> &'static str {
    match (family, model) {
        (6, 0x0f | 0x16) => "core2",
        (6, 0x17 | 0x1d) => "penryn",
        (6, 0x1a | 0x1e | 0x1f | 0x2e) => "nehalem",
        (6, 0x25 | 0x2c | 0x2f) => "westmere",
        (6, 0x2a | 0x2d) => "sandybridge",
        (6, 0x3a | 0x3e) => "ivybridge",
        (6, 0x3c | 0x3f | 0x45 | 0x46) => "haswell",
        (6, 0x3d | 0x47 | 0x4f | 0x56) => "broadwell",
        (6, 0x4e | 0x5e | 0x8e | 0x9e | 0xa5 | 0xa6) => "skylake",
        (6, 0xa7) => "rocketlake",
        (6, 0x55) if features.has("avx512bf16") => "cooperlake",
        (6, 0x55) if features.has("avx512vnni") => "cascadelake",
        (6, 0x55) => "skylake-avx512",
        (6, 0x66) => "cannonlake",
        (6, 0x7d | 0x7e) => "icelake-client",
        (6, 0x8c | 0x8d) => "tigerlake",
        (6, 0x97 | 0x9a) => "alderlake",
        (6, 0xbe) => "gracemont",
        (6, 0xb7 | 0xba | 0xbf) => "raptorlake",
        (6, 0xaa | 0xac) => "meteorlake",
        (6, 0xc5 | 0xb5) => "arrowlake",
        (6, 0xc6) => "arrowlake-s",
        (6, 0xbd) => "lunarlake",
        (6, 0xcc) => "pantherlake",
        (6, 0xad) => "graniterapids",
        (6, 0xae) => "graniterapids-d",
        (6, 0x6a | 0x6c) => "icelake-server",
        (6, 0xcf) => "emeraldrapids",
        (6, 0x8f) => "sapphirerapids",
        (6, 0x1c | 0x26 | 0x27 | 0x35 | 0x36) => "bonnell",
        (6, 0x37 | 0x4a | 0x4d | 0x5a | 0x5d | 0x4c) => "silvermont",
        (6, 0x5c | 0x5f) => "goldmont",
        (6, 0x7a) => "goldmont-plus",
        (6, 0x86 | 0x8a | 0x96 | 0x9c) => "tremont",
        (6, 0xaf) => "sierraforest",
        (6, 0xb6) => "grandridge",
        (6, 0xdd) => "clearwaterforest",
        (6 | 18 | 19, _) => intel_by_features(features),
        (0xf, _) => "nocona",
        _ => GENERIC,
    }
}

/// For models that are newer than this, and for emulated machines.
fn intel_by_features(features: Features) -> &'static str {
    let guesses = [
        ("avx512vp2intersect", "tigerlake"),
        ("avx512vbmi2", "icelake-client"),
        ("avx512vbmi", "cannonlake"),
        ("avx512bf16", "cooperlake"),
        ("avx512vnni", "cascadelake"),
        ("avx512vl", "skylake-avx512"),
        (
            "clflushopt",
            if features.has("sha") {
                "goldmont"
            } else {
                "skylake"
            },
        ),
        ("adx", "broadwell"),
        ("avx2", "haswell"),
        ("avx", "sandybridge"),
        (
            "sse4.2",
            if features.has("movbe") {
                "silvermont"
            } else {
                "nehalem"
            },
        ),
        ("sse4.1", "penryn"),
        (
            "ssse3",
            if features.has("movbe") {
                "bonnell"
            } else {
                "core2"
            },
        ),
    ];
    let guess = guesses
        .into_iter()
        .find(|(feature, _)| features.has(feature));
    guess.map_or("core2", |(_, name)| name)
}

fn amd(family: u32, model: u32, features: Features) -> &'static str {
    match (family, model) {
        (15, _) if features.has("sse3") => "k8-sse3",
        (15, _) => "k8",
        (16, _) => "amdfam10",
        (20, _) => "btver1",
        (21, 0x60..=0x7f) => "bdver4",
        (21, 0x30..=0x3f) => "bdver3",
        (21, 0x02 | 0x10..=0x1f) => "bdver2",
        (21, _) => "bdver1",
        (22, _) => "btver2",
        (23, 0x30..=0x3f | 0x47 | 0x60..=0x6f | 0x71 | 0x90..=0x9f | 0xa0..=0xaf) => "znver2",
        (23, _) => "znver1",
        (25, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf) => "znver4",
        (25, _) => "znver3",
        (26, _) => "znver5",
        _ => GENERIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::cpu::FEATURES;

    #[test]
    fn models_have_llvms_names() {
        fn check(vendor: &[u8; 12], signature: u32, has: &[&str], expect: &str) {
            let mut features = Features::default();
            for (index, feature) in FEATURES.iter().enumerate() {
                if has.contains(&feature.name) {
                    features.insert(index);
                }
            }
            let name = name(vendor, signature, features);
            assert_eq!(name, expect, "{signature:x} {has:?}");
            assert_eq!(NAMES[usize::from(index(name))], expect);
        }
        let (intel, amd) = (b"GenuineIntel", b"AuthenticAMD");
        check(intel, 0x0005_0657, &["avx512vnni"], "cascadelake");
        check(intel, 0x0005_0654, &[], "skylake-avx512");
        check(intel, 0x000c_06f2, &[], "emeraldrapids");
        check(intel, 0x0003_06c4, &[], "haswell");
        // Newer than all that are known.
        check(intel, 0x000f_06f2, &["avx2", "avx", "sse4.1"], "haswell");
        check(intel, 0x000f_06f2, &[], "core2");
        check(intel, 0x0000_0f41, &[], "nocona");
        check(amd, 0x00a1_0f11, &[], "znver4");
        check(amd, 0x00a0_0f11, &[], "znver3");
        check(amd, 0x00b0_0f21, &[], "znver5");
        check(amd, 0x0080_0f11, &[], "znver1");
        check(amd, 0x0083_0f10, &[], "znver2");
        check(amd, 0x00ff_0fff, &[], "generic");
        check(b"HygonGenuine", 0x0090_0f11, &["avx2"], "generic");
    }

    #[test]
    fn all_names_are_in_the_list() {
        let features = [0, u128::MAX].map(Features);
        for family in [6, 0xf] {
            for extended in 0..0x20 {
                for model in 0..0x100 {
                    let signature =
                        family << 8 | extended << 20 | (model & 0xf) << 4 | (model >> 4) << 16;
                    for vendor in [b"GenuineIntel", b"AuthenticAMD"] {
                        for features in features {
                            let name = name(vendor, signature, features);
                            assert!(name == GENERIC || index(name) != 0, "{name}");
                        }
                    }
                }
            }
        }
    }
}
