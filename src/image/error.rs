//! Why an image cannot be loaded.

use crate::error::{Status, reason};
use rustix::io::Errno;

/// Why an image cannot be loaded. A verified image can only be so if the server that made it is defective.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    #[error("it has {0}, which images do not have")]
    Unsupported(String),
    #[error("the system refuses: {}", reason(&(*.0).into()))]
    System(#[from] Errno),
}

impl LoadError {
    /// Which kind of error it is.
    pub fn status(&self) -> Status {
        match self {
            // The second: it would be locked into memory, of which there may be only so much.
            LoadError::System(Errno::NOMEM | Errno::AGAIN) => Status::Memory,
            _ => Status::Load,
        }
    }
}
