//! What an entry says about itself.

use super::key::Key;
use crate::compile::protocol::{CompileTimes, OptLevel};
use crate::signature::Function;
use serde::{Deserialize, Serialize};

/// Lies behind the image, encoded by postcard. A hit does not decode it; a checked call does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub about: About,
    pub functions: Vec<Function>,
}

/// All but the functions. It comes first, so that it can be decoded alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What the module was called when it was compiled.
    pub name: String,
    /// The parts of the key: when a module misses, they tell what differs.
    pub parts: Parts,
    /// The key of the canonical module, if the server told it.
    pub canonical: Option<Key>,
    pub input_len: u64,
    pub triple: String,
    pub cpu: String,
    pub features: String,
    /// Microseconds since 1970.
    pub created: u64,
    pub times: CompileTimes,
    /// The relocatable object.
    pub object: Option<Stored>,
    /// The IR, as it was given.
    pub input: Option<Stored>,
}

/// What a key was made of, short enough to keep and to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// BLAKE3 of the IR.
    pub input: [u8; 32],
    pub opt_level: OptLevel,
    /// The level that was asked for, or "native" and a digest of what this machine's CPU is.
    pub machine: String,
    pub llvm: String,
    pub package: String,
    pub build: String,
}

/// A part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Input,
    OptLevel,
    Machine,
    Llvm,
    /// The version of this library, or the build of its server.
    Package,
}

impl Parts {
    /// What differs, in the order in which it is worth telling.
    pub fn differences(&self, other: &Parts) -> Vec<Part> {
        let Parts {
            input,
            opt_level,
            machine,
            llvm,
            package,
            build,
        } = self;
        [
            (*input != other.input, Part::Input),
            (*opt_level != other.opt_level, Part::OptLevel),
            (*machine != other.machine, Part::Machine),
            (*llvm != other.llvm, Part::Llvm),
            (
                *package != other.package || *build != other.build,
                Part::Package,
            ),
        ]
        .into_iter()
        .filter_map(|(differs, part)| differs.then_some(part))
        .collect()
    }
}

/// An attachment of an entry, compressed by zstd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub len: u64,
    /// BLAKE3 of the compressed bytes.
    pub digest: [u8; 32],
}

#[cfg(test)]
impl Manifest {
    /// Some manifest, for tests.
    pub fn example(name: &str) -> Manifest {
        Manifest {
            about: About {
                name: name.to_owned(),
                parts: Parts {
                    input: [1; 32],
                    opt_level: OptLevel::O2,
                    machine: "native 1".to_owned(),
                    llvm: "1".to_owned(),
                    package: "2".to_owned(),
                    build: "3".to_owned(),
                },
                canonical: None,
                input_len: 3,
                triple: "t".to_owned(),
                cpu: "c".to_owned(),
                features: String::new(),
                created: 1,
                times: CompileTimes::default(),
                object: None,
                input: None,
            },
            functions: Vec::new(),
        }
    }
}
