//! The levels of the x86-64 psABI, table 3.1, "Micro-Architecture Levels".

use crate::arch::features::Named;

/// What each level adds to the one before. What the first has, this library is compiled with.
const V2: &[&str] = &[
    "cx16", "sahf", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3",
];
const V3: &[&str] = &[
    "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave",
];
const V4: &[&str] = &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

/// The psABI's names, which are LLVM's as well.
pub const NAMED: [Named; 4] = [
    level("x86-64", &[]),
    level("x86-64-v2", &[V2]),
    level("x86-64-v3", &[V2, V3]),
    level("x86-64-v4", &[V2, V3, V4]),
];

const fn level(name: &'static str, needs: &'static [&'static [&'static str]]) -> Named {
    Named {
        name,
        cpu: name,
        features: "",
        needs,
    }
}
