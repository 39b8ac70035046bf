//! One CPU: its features, and the name that LLVM tunes for.

use crate::arch::cpu::{self, FEATURES, TUNINGS};
use crate::arch::features::Features;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A CPU that code is generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Model {
    pub features: Features,
    /// The CPU to tune for, an index into [`TUNINGS`]. Tuning adds no instructions.
    tuning: u8,
}

impl Model {
    /// That of this process.
    pub fn native() -> Model {
        let detected = cpu::native();
        Model {
            features: detected.features,
            tuning: detected.tuning,
        }
    }

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
        let name = TUNINGS.get(usize::from(self.tuning));
        name.copied().unwrap_or(TUNINGS[0])
    }

    /// The features to add to the baseline CPU, then those to remove. Removal comes last, because some features imply
    /// others.
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

/// The set of these features, by name.
#[cfg(test)]
pub(super) fn named(names: &[&str]) -> Features {
    let mut features = Features::default();
    for name in names {
        let index = FEATURES.iter().position(|feature| feature.name == *name);
        features.insert(index.expect(name));
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_before_what_is_not() {
        let (first, second) = (FEATURES[0].name, FEATURES[1].name);
        let last = FEATURES[FEATURES.len() - 1].name;
        let model = Model {
            features: named(&[last, second]),
            tuning: 0,
        };
        let text = model.llvm_features();
        assert!(
            text.starts_with(&format!("+{second},+{last},-{first},")),
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
