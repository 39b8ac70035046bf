//! The levels of x86-64, and what code may be generated for.

use super::detect;
use super::features::Features;
use super::model::Model;
use serde::{Deserialize, Serialize};

/// What code is generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cpu {
    /// The client's, with all that it can do: what the server itself runs on may be another one.
    Native(Model),
    /// Every machine of a level.
    Level(Level),
}

/// The levels of the x86-64 psABI, table 3.1, "Micro-Architecture Levels".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    V1,
    V2,
    V3,
    V4,
}

impl Cpu {
    /// As compilers call it after `-march=`.
    pub fn name(self) -> &'static str {
        match self {
            Cpu::Native(_) => "native",
            Cpu::Level(level) => level.name(),
        }
    }
}

impl Level {
    pub const ALL: [Level; 4] = [Level::V1, Level::V2, Level::V3, Level::V4];

    /// The psABI's name and LLVM's.
    pub fn name(self) -> &'static str {
        match self {
            Level::V1 => "x86-64",
            Level::V2 => "x86-64-v2",
            Level::V3 => "x86-64-v3",
            Level::V4 => "x86-64-v4",
        }
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

/// The features of a level that this process lacks: the CPU lacks them, or the system does not save their registers.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::features::named;

    #[test]
    fn a_level_needs_what_lower_levels_need() {
        fn check(level: Level, has: &[&[&str]], expect: &[&str]) {
            let features = named(&has.concat());
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
}
