//! The features that can change generated code, by LLVM's names, and where CPUID tells of each.

use crate::arch::features::Features;

impl Features {
    pub fn has(self, name: &str) -> bool {
        let index = FEATURES.iter().position(|feature| feature.name == name);
        index.is_some_and(|index| self.has_bit(index))
    }
}

/// Where CPUID tells of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
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

pub const LEAVES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    A,
    B,
    C,
    D,
}

/// The registers that a feature uses, and that the system must save for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    Always,
    Avx,
    Avx512,
    Amx,
}

/// A feature by LLVM's name.
pub struct Feature {
    pub name: &'static str,
    pub leaf: Leaf,
    pub register: Register,
    pub bit: u8,
    pub saved: Saved,
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
pub const FEATURES: [Feature; 88] = {
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
