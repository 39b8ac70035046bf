//! Features of a CPU, and what is known of one.

use serde::{Deserialize, Serialize};

/// A set of features, with a bit for each in the order of the machine's `FEATURES`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Features(pub u128);

impl Features {
    pub fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    pub fn has_bit(self, index: usize) -> bool {
        self.0 >> index & 1 != 0
    }
}

/// A CPU that was detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    pub features: Features,
    /// LLVM's name of the CPU to tune for, as an index into the machine's `TUNINGS`.
    pub tuning: u8,
}

/// What a user may name to generate code for: a CPU, or all CPUs of a level.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    pub name: &'static str,
    /// The CPU and the features that LLVM is asked for.
    pub cpu: &'static str,
    pub features: &'static str,
    /// The features that code for it may use, in groups: names of the machine's `FEATURES`.
    pub needs: &'static [&'static [&'static str]],
}
