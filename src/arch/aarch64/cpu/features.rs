//! The features that can change generated code, by LLVM's names, and where the kernel tells of each.

use crate::arch::features::Features;

impl Features {
    pub fn has(self, name: &str) -> bool {
        let index = FEATURES.iter().position(|feature| feature.name == name);
        index.is_some_and(|index| self.has_bit(index))
    }
}

/// `AT_HWCAP` and `AT_HWCAP2`.
pub const WORDS: usize = 2;

/// A bit of one of them.
type Bit = (usize, u8);

/// A feature by LLVM's name.
pub struct Feature {
    pub name: &'static str,
    /// All of them are set if the CPU has the feature and the system lets programs use it.
    pub bits: &'static [Bit],
}

const fn feature(name: &'static str, bits: &'static [Bit]) -> Feature {
    Feature { name, bits }
}

/// What native code may use. Names of bits are those of Linux's `asm/hwcap.h`. The Scalable Matrix Extension is not in it:
/// code that is not written for it cannot use it.
#[rustfmt::skip]
pub const FEATURES: [Feature; 58] = [
    feature("fp-armv8", &[(0, 0)]),
    feature("neon", &[(0, 1)]),
    // AES and PMULL
    feature("aes", &[(0, 3), (0, 4)]),
    // SHA1 and SHA2
    feature("sha2", &[(0, 5), (0, 6)]),
    feature("crc", &[(0, 7)]),
    // ATOMICS
    feature("lse", &[(0, 8)]),
    // FPHP and ASIMDHP
    feature("fullfp16", &[(0, 9), (0, 10)]),
    feature("rdm", &[(0, 12)]),
    feature("jsconv", &[(0, 13)]),
    // FCMA
    feature("complxnum", &[(0, 14)]),
    feature("rcpc", &[(0, 15)]),
    // DCPOP
    feature("ccpp", &[(0, 16)]),
    // SHA3 and SHA512
    feature("sha3", &[(0, 17), (0, 21)]),
    // SM3 and SM4
    feature("sm4", &[(0, 18), (0, 19)]),
    feature("dotprod", &[(0, 20)]),
    feature("sve", &[(0, 22)]),
    // ASIMDFHM
    feature("fp16fml", &[(0, 23)]),
    feature("dit", &[(0, 24)]),
    // USCAT
    feature("lse2", &[(0, 25)]),
    // ILRCPC
    feature("rcpc-immo", &[(0, 26)]),
    feature("flagm", &[(0, 27)]),
    feature("ssbs", &[(0, 28)]),
    feature("sb", &[(0, 29)]),
    // PACA and PACG
    feature("pauth", &[(0, 30), (0, 31)]),
    feature("gcs", &[(0, 32)]),
    feature("cmpbr", &[(0, 33)]),
    feature("fprcvt", &[(0, 34)]),
    feature("f8f32mm", &[(0, 35)]),
    feature("f8f16mm", &[(0, 36)]),
    feature("sve-f16f32mm", &[(0, 37)]),
    feature("sve-bfscale", &[(0, 40)]),
    feature("sve2p2", &[(0, 41)]),
    // DCPODP
    feature("ccdp", &[(1, 0)]),
    feature("sve2", &[(1, 1)]),
    // SVEAES and SVEPMULL
    feature("sve-aes", &[(1, 2), (1, 3)]),
    feature("sve-bitperm", &[(1, 4)]),
    feature("sve-sha3", &[(1, 5)]),
    feature("sve-sm4", &[(1, 6)]),
    // FLAGM2
    feature("altnzcv", &[(1, 7)]),
    // FRINT
    feature("fptoint", &[(1, 8)]),
    feature("f32mm", &[(1, 10)]),
    feature("f64mm", &[(1, 11)]),
    feature("i8mm", &[(1, 13)]),
    feature("bf16", &[(1, 14)]),
    // RNG
    feature("rand", &[(1, 16)]),
    feature("bti", &[(1, 17)]),
    feature("mte", &[(1, 18)]),
    feature("wfxt", &[(1, 31)]),
    feature("cssc", &[(1, 34)]),
    feature("sve2p1", &[(1, 36)]),
    feature("mops", &[(1, 43)]),
    feature("hbc", &[(1, 44)]),
    feature("sve-b16b16", &[(1, 45)]),
    // LRCPC3
    feature("rcpc3", &[(1, 46)]),
    feature("lse128", &[(1, 47)]),
    feature("lut", &[(1, 49)]),
    feature("faminmax", &[(1, 50)]),
    feature("fp8", &[(1, 48), (1, 51)]),
];
