//! What a CPU can do, as far as it can change generated code.
//!
//! The client's process is asked what it can do, and what it answers goes into the key and with the request: a server
//! may see another CPU than its client does, for one of the two may run in an emulator or below a tool that hides
//! features. There is no LLVM in the client to ask; the names of features are LLVM's all the same.

mod detect;
mod tuning;

use crate::compile::protocol::{Cpu, Level};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A set of features, with a bit for each in the order of [`FEATURES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Features(u128);

/// A CPU that code is generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Model {
    pub features: Features,
    /// Of the names in [`tuning::NAMES`], the one of the CPU that code shall be fast on. It adds no instructions.
    tuning: u8,
}

impl Features {
    fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    pub fn has(self, name: &str) -> bool {
        let index = FEATURES.iter().position(|feature| feature.name == name);
        index.is_some_and(|index| self.has_bit(index))
    }

    fn has_bit(self, index: usize) -> bool {
        self.0 >> index & 1 != 0
    }
}

impl Model {
    /// Some model, for tests.
    #[cfg(test)]
    pub const fn from_bits(features: u128, tuning: u8) -> Model {
        Model {
            features: Features(features),
            tuning,
        }
    }

    /// LLVM's name of the CPU that code is tuned for.
    pub fn tuning(self) -> &'static str {
        let name = tuning::NAMES.get(usize::from(self.tuning));
        name.copied().unwrap_or(tuning::GENERIC)
    }

    /// What LLVM is to add to the oldest CPU of this architecture, and then what it is to take away: some features
    /// imply others, and what is taken away last is not there, nor is what implies it.
    pub fn llvm_features(self) -> String {
        let mut text = String::with_capacity(1024);
        for (sign, wanted) in [('+', true), ('-', false)] {
            for (index, feature) in FEATURES.iter().enumerate() {
                if self.features.has_bit(index) == wanted {
                    let comma = if text.is_empty() { "" } else { "," };
                    // To a string, which cannot fail.
                    let _ = write!(text, "{comma}{sign}{}", feature.name);
                }
            }
        }
        text
    }

    /// All that matters for code, for a key.
    pub fn bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&self.features.0.to_le_bytes());
        bytes[16] = self.tuning;
        bytes
    }
}

impl Cpu {
    /// All that the CPU of this process can do.
    pub fn native() -> Cpu {
        Cpu::Native(detect::native())
    }

    /// The CPU and the features that LLVM is asked for.
    pub fn llvm_names(self) -> (&'static str, String) {
        match self {
            Cpu::Native(model) => (model.tuning(), model.llvm_features()),
            Cpu::Level(level) => (level.name(), String::new()),
        }
    }
}

/// The features of a level that this process lacks, be it that the CPU has them not or that the system does not save
/// their registers.
pub fn missing(level: Level) -> Vec<&'static str> {
    missing_from(level, detect::native().features)
}

/// What each level adds to the one before: x86-64 psABI, table 3.1, "Micro-Architecture Levels". What the first
/// has, this library is compiled with.
const ADDED: [(Level, &[&str]); 3] = [
    (
        Level::V2,
        &[
            "cx16", "sahf", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3",
        ],
    ),
    (
        Level::V3,
        &[
            "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave",
        ],
    ),
    (
        Level::V4,
        &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
    ),
];

fn missing_from(level: Level, features: Features) -> Vec<&'static str> {
    ADDED
        .iter()
        .filter(|(added, _)| *added <= level)
        .flat_map(|(_, names)| names.iter().copied())
        .filter(|name| !features.has(name))
        .collect()
}

/// Where CPUID tells of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaf {
    /// 1
    Basic,
    /// 7
    Extended,
    /// 7, subleaf 1
    Extended1,
    /// 0xd, subleaf 1
    Save,
    /// 0x14
    Trace,
    /// 0x19
    KeyLocker,
    /// 0x8000_0001
    Amd,
    /// 0x8000_0008
    Amd8,
}

const LEAVES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    A,
    B,
    C,
    D,
}

/// The registers that a feature uses, and that the system must save for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saved {
    Always,
    Avx,
    Avx512,
    Amx,
}

/// A feature by LLVM's name.
struct Feature {
    name: &'static str,
    leaf: Leaf,
    register: Register,
    bit: u8,
    saved: Saved,
}

const fn feature(
    name: &'static str,
    leaf: Leaf,
    register: Register,
    bit: u8,
    saved: Saved,
) -> Feature {
    Feature {
        name,
        leaf,
        register,
        bit,
        saved,
    }
}

/// What native code may use, as LLVM's `sys::getHostCPUFeatures` finds it. What every x86-64 has is not in it, nor are
/// the newest ones (APX, AVX10 and some of AMX), which native code does without.
#[rustfmt::skip]
const FEATURES: [Feature; 88] = {
    use Leaf::*;
    use Register::*;
    use Saved::{Always, Amx, Avx, Avx512};
    [
        feature("sse3", Basic, C, 0, Always),
        feature("pclmul", Basic, C, 1, Always),
        feature("ssse3", Basic, C, 9, Always),
        feature("fma", Basic, C, 12, Avx),
        feature("cx16", Basic, C, 13, Always),
        feature("sse4.1", Basic, C, 19, Always),
        feature("sse4.2", Basic, C, 20, Always),
        feature("crc32", Basic, C, 20, Always),
        feature("movbe", Basic, C, 22, Always),
        feature("popcnt", Basic, C, 23, Always),
        feature("aes", Basic, C, 25, Always),
        feature("xsave", Basic, C, 26, Avx),
        feature("avx", Basic, C, 28, Avx),
        feature("f16c", Basic, C, 29, Avx),
        feature("rdrnd", Basic, C, 30, Always),
        feature("sahf", Amd, C, 0, Always),
        feature("lzcnt", Amd, C, 5, Always),
        feature("sse4a", Amd, C, 6, Always),
        feature("prfchw", Amd, C, 8, Always),
        feature("xop", Amd, C, 11, Avx),
        feature("lwp", Amd, C, 15, Always),
        feature("fma4", Amd, C, 16, Avx),
        feature("tbm", Amd, C, 21, Always),
        feature("mwaitx", Amd, C, 29, Always),
        feature("clzero", Amd8, B, 0, Always),
        feature("rdpru", Amd8, B, 4, Always),
        feature("wbnoinvd", Amd8, B, 9, Always),
        feature("fsgsbase", Extended, B, 0, Always),
        feature("sgx", Extended, B, 2, Always),
        feature("bmi", Extended, B, 3, Always),
        feature("avx2", Extended, B, 5, Avx),
        feature("bmi2", Extended, B, 8, Always),
        feature("invpcid", Extended, B, 10, Always),
        feature("rtm", Extended, B, 11, Always),
        feature("avx512f", Extended, B, 16, Avx512),
        feature("avx512dq", Extended, B, 17, Avx512),
        feature("rdseed", Extended, B, 18, Always),
        feature("adx", Extended, B, 19, Always),
        feature("avx512ifma", Extended, B, 21, Avx512),
        feature("clflushopt", Extended, B, 23, Always),
        feature("clwb", Extended, B, 24, Always),
        feature("avx512cd", Extended, B, 28, Avx512),
        feature("sha", Extended, B, 29, Always),
        feature("avx512bw", Extended, B, 30, Avx512),
        feature("avx512vl", Extended, B, 31, Avx512),
        feature("avx512vbmi", Extended, C, 1, Avx512),
        feature("pku", Extended, C, 4, Always),
        feature("waitpkg", Extended, C, 5, Always),
        feature("avx512vbmi2", Extended, C, 6, Avx512),
        feature("shstk", Extended, C, 7, Always),
        feature("gfni", Extended, C, 8, Always),
        feature("vaes", Extended, C, 9, Avx),
        feature("vpclmulqdq", Extended, C, 10, Avx),
        feature("avx512vnni", Extended, C, 11, Avx512),
        feature("avx512bitalg", Extended, C, 12, Avx512),
        feature("avx512vpopcntdq", Extended, C, 14, Avx512),
        feature("rdpid", Extended, C, 22, Always),
        feature("kl", Extended, C, 23, Always),
        feature("cldemote", Extended, C, 25, Always),
        feature("movdiri", Extended, C, 27, Always),
        feature("movdir64b", Extended, C, 28, Always),
        feature("enqcmd", Extended, C, 29, Always),
        feature("uintr", Extended, D, 5, Always),
        feature("avx512vp2intersect", Extended, D, 8, Avx512),
        feature("serialize", Extended, D, 14, Always),
        feature("tsxldtrk", Extended, D, 16, Always),
        feature("pconfig", Extended, D, 18, Always),
        feature("amx-bf16", Extended, D, 22, Amx),
        feature("avx512fp16", Extended, D, 23, Avx512),
        feature("amx-tile", Extended, D, 24, Amx),
        feature("amx-int8", Extended, D, 25, Amx),
        feature("sha512", Extended1, A, 0, Avx),
        feature("sm3", Extended1, A, 1, Avx),
        feature("sm4", Extended1, A, 2, Avx),
        feature("avxvnni", Extended1, A, 4, Avx),
        feature("avx512bf16", Extended1, A, 5, Avx512),
        feature("cmpccxadd", Extended1, A, 7, Always),
        feature("avxifma", Extended1, A, 23, Avx),
        feature("avxvnniint8", Extended1, D, 4, Avx),
        feature("avxneconvert", Extended1, D, 5, Avx),
        feature("amx-complex", Extended1, D, 8, Amx),
        feature("avxvnniint16", Extended1, D, 10, Avx),
        feature("prefetchi", Extended1, D, 14, Always),
        feature("xsaveopt", Save, A, 0, Avx),
        feature("xsavec", Save, A, 1, Avx),
        feature("xsaves", Save, A, 3, Avx),
        feature("ptwrite", Trace, B, 4, Always),
        feature("widekl", KeyLocker, B, 2, Always),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    fn features(names: &[&str]) -> Features {
        let mut features = Features::default();
        for name in names {
            let index = FEATURES.iter().position(|feature| feature.name == *name);
            features.insert(index.expect(name));
        }
        features
    }

    #[test]
    fn a_level_needs_what_lower_levels_need() {
        fn check(level: Level, has: &[&[&str]], expect: &[&str]) {
            let features = features(&has.concat());
            assert_eq!(missing_from(level, features), expect, "{level:?}");
        }
        let [(_, v2), (_, v3), (_, v4)] = ADDED;
        check(Level::V1, &[], &[]);
        check(Level::V2, &[], v2);
        check(Level::V2, &[v2], &[]);
        check(Level::V3, &[v2], v3);
        check(Level::V3, &[v2, v3], &[]);
        check(Level::V4, &[v2, v3], v4);
        check(Level::V4, &[v2, v3, v4], &[]);
        check(
            Level::V4,
            &[&v2[1..], &v3[1..], &v4[1..]],
            &["cx16", "avx", "avx512f"],
        );
    }

    #[test]
    fn what_is_there_comes_before_what_is_not() {
        let model = Model {
            features: features(&["avx", "sse3", "widekl"]),
            tuning: 0,
        };
        let text = model.llvm_features();
        assert!(
            text.starts_with("+sse3,+avx,+widekl,-pclmul,-ssse3,"),
            "{text}"
        );
        assert_eq!(text.split(',').count(), FEATURES.len());
        let names: std::collections::HashSet<_> = FEATURES.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), FEATURES.len());
    }

    #[test]
    fn every_bit_of_a_model_is_in_its_bytes() {
        let model = Model::from_bits;
        let mut all: Vec<_> = (0..128).map(|bit| model(1 << bit, 0).bytes()).collect();
        all.extend((0..=255).map(|tuning| model(0, tuning).bytes()));
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        // A name that this build does not know is none.
        assert_eq!(model(0, 255).tuning(), "generic");
    }
}
