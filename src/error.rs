//! The one error of the library: what kind it is, what went wrong, and where.

use crate::outcome::Outcome;
use crate::process_limits;
use crate::types::Position;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::sync::Arc;

/// The kinds of error that a caller can tell apart. The C API documents each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InvalidArgument,
    Io,
    Parse,
    Verify,
    Target,
    Codegen,
    Link,
    Unresolved,
    NotFound,
    Type,
    ServerUnavailable,
    ServerCrashed,
    ServerMismatch,
    Load,
    Library,
    Removed,
    Damaged,
    Untrusted,
    Cache,
    Different,
    Panic,
    Cpu,
    Linker,
    Unsupported,
    Timeout,
    Memory,
    TooLarge,
    Cancelled,
    Ended,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub status: Status,
    pub message: String,
    /// Where in the IR, if it has a place there.
    pub position: Option<Position>,
    /// The symbols it is about.
    pub symbols: Vec<String>,
    /// It would end so again, however busy the machine is and whatever else it does.
    pub repeats: bool,
    /// It is about what one compile took or did, so that what reproduces it is of use.
    pub reproduces: bool,
    /// How the process ended that ran the code.
    pub outcome: Option<Arc<Outcome>>,
}

/// What the system said, in words: without the error's number, and with the limit that was met if memory ran out.
pub fn reason(error: &std::io::Error) -> String {
    let words = without_number(error.to_string());
    let limit = (error.kind() == std::io::ErrorKind::OutOfMemory)
        .then(process_limits::of_memory)
        .flatten();
    match limit {
        Some(limit) => format!("{words}: {limit}"),
        None => words,
    }
}

/// A message without the number that the standard library and rustix put at the end of an error of the system.
pub fn without_number(mut message: String) -> String {
    if message.ends_with(')')
        && let Some(at) = message.rfind(" (os error ")
    {
        message.truncate(at);
    }
    message
}

impl Error {
    pub fn new(status: Status, message: impl Into<String>) -> Error {
        Error {
            status,
            message: message.into(),
            position: None,
            symbols: Vec::new(),
            repeats: false,
            reproduces: false,
            outcome: None,
        }
    }

    /// Of a panic that was caught.
    pub fn of_panic(panic: &(dyn Any + Send)) -> Error {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Error::new(
            Status::Panic,
            format!("a defect in libmgenjit was caught; please report it: {text}"),
        )
    }
}
