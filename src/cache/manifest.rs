//! What an entry says about itself.

use crate::compile::protocol::{CompileTimes, OptLevel};
use crate::signature::Function;
use serde::{Deserialize, Serialize};

/// Lies between the image and the footer, encoded by postcard. A hit does not decode it; a checked call does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the module was called when it was compiled.
    pub name: String,
    pub opt_level: OptLevel,
    pub input_len: u64,
    pub triple: String,
    pub cpu: String,
    pub features: String,
    pub llvm: String,
    pub package: String,
    pub build: String,
    /// Seconds since 1970.
    pub created: u64,
    pub times: CompileTimes,
    pub functions: Vec<Function>,
    /// The relocatable object beside the entry, if it could be kept.
    pub object: Option<StoredObject>,
}

/// The object file beside an entry, compressed by zstd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    pub len: u64,
    pub compressed_len: u64,
    /// BLAKE3 of the compressed bytes.
    pub digest: [u8; 32],
}
