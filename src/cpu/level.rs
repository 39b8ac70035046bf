//! What code may be generated for.

use super::model::Model;
use crate::arch::cpu::{self, NAMED};
use crate::arch::features::{Features, Named};
use serde::{Deserialize, Serialize};

/// What code is generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cpu {
    /// The client's, with all that it can do: what the server itself runs on may be another one.
    Native(Model),
    /// Every machine of a level, or with a CPU like the one that is named.
    Level(Level),
}

/// One of the names that users may give, by its place in [`NAMED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Level(u8);

impl Cpu {
    /// All that the CPU of this process can do.
    pub fn native() -> Cpu {
        Cpu::Native(Model::native())
    }

    /// As compilers call it after `-march=`.
    pub fn name(self) -> &'static str {
        match self {
            Cpu::Native(_) => "native",
            Cpu::Level(level) => level.name(),
        }
    }

    /// The CPU and the features that LLVM is asked for.
    pub fn llvm_names(self) -> (&'static str, String) {
        match self {
            Cpu::Native(model) => (model.tuning(), model.llvm_features()),
            Cpu::Level(level) => (level.named().cpu, level.named().features.to_owned()),
        }
    }
}

impl Level {
    /// The first is what every machine of this architecture has.
    pub const ALL: [Level; NAMED.len()] = {
        let mut all = [Level(0); NAMED.len()];
        let mut index = 0;
        while index < all.len() {
            all[index] = Level(index as u8);
            index += 1;
        }
        all
    };

    /// The name that users give it.
    pub fn name(self) -> &'static str {
        self.named().name
    }

    fn named(self) -> &'static Named {
        static ALL: [Named; NAMED.len()] = NAMED;
        // No other value is made or read.
        &ALL[usize::from(self.0)]
    }
}

impl TryFrom<u8> for Level {
    type Error = &'static str;

    fn try_from(index: u8) -> Result<Level, &'static str> {
        let known = usize::from(index) < NAMED.len();
        known.then_some(Level(index)).ok_or("an unknown CPU")
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> u8 {
        level.0
    }
}

/// The features of a level that this process lacks: the CPU lacks them, or the system does not save their registers.
pub fn missing(level: Level) -> Vec<&'static str> {
    missing_from(level, cpu::native().features)
}

fn missing_from(level: Level, features: Features) -> Vec<&'static str> {
    level
        .named()
        .needs
        .iter()
        .flat_map(|names| names.iter().copied())
        .filter(|name| !features.has(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::model::named;

    #[test]
    fn a_level_needs_what_it_says() {
        for level in Level::ALL {
            let needs = level.named().needs.concat();
            assert_eq!(missing_from(level, Features::default()), needs);
            assert_eq!(missing_from(level, named(&needs)), [""; 0], "{level:?}");
            if let Some((first, others)) = needs.split_first() {
                assert_eq!(missing_from(level, named(others)), [*first], "{level:?}");
            }
        }
        assert_eq!(missing_from(Level::ALL[0], Features::default()), [""; 0]);
    }

    #[test]
    fn only_known_levels_are_read() {
        for (index, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(Level::try_from(index as u8), Ok(level));
        }
        Level::try_from(Level::ALL.len() as u8).expect_err("there is none");
    }
}
