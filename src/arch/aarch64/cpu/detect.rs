//! Detects what this process's CPU and system support.

use super::features::{self, FEATURES};
use crate::arch::features::{Detected, Features};

/// The CPU as this process sees it.
pub fn native() -> Detected {
    // SAFETY: any value may be asked for.
    let value = |name| unsafe { libc::getauxval(name) };
    detected([value(libc::AT_HWCAP), value(libc::AT_HWCAP2)])
}

fn detected(capabilities: [u64; features::WORDS]) -> Detected {
    let mut features = Features::default();
    for (index, feature) in FEATURES.iter().enumerate() {
        let has = |(word, bit): &(usize, u8)| capabilities[*word] >> bit & 1 != 0;
        if feature.bits.iter().all(has) {
            features.insert(index);
        }
    }
    Detected {
        features,
        tuning: 0,
    }
}
