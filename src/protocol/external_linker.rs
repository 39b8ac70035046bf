//! What the library says to the process that runs a linker: `mgenjit-helper link`.
//!
//! It is framed as the compile server's protocol is, and begins with the same [`Hello`](crate::protocol::messages::Hello)s. The
//! client then sends one [`DriverRequest`] with its inputs, laid out as a compile's are, and gets one [`DriverReply`].
//! A linker is foreign code that wants files and an environment, and the host must have no child: so it is a process
//! of its own that runs it, and no compile server.

use crate::types::Input;
use serde::{Deserialize, Serialize};

/// A linker to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverRequest {
    /// A path, or a name to look for on the environment's `PATH`.
    pub program: Vec<u8>,
    pub arguments: Vec<Argument>,
    /// Each as `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Where it runs, so that relative paths mean what they mean to the host.
    pub folder: Vec<u8>,
    /// Milliseconds after which it is killed; 0: never.
    pub timeout: u64,
    /// Relocatable objects.
    pub inputs: Vec<Input>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Argument {
    Text(Vec<u8>),
    /// The path of an input, by its index.
    Input(u32),
    /// The path at which the linker is to write.
    Output,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriverReply {
    /// What was linked follows as a sealed memfd.
    Linked { len: u64 },
    Failed {
        failure: DriverFailure,
        /// What the linker wrote, with the inputs called by their names. At most [`MAX_OUTPUT`] bytes and a line that
        /// says what was left out.
        output: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriverFailure {
    /// There is no such program.
    NotFound,
    /// It exited with another status than 0.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    TimedOut,
    /// It ended well and wrote nothing.
    NoOutput,
    /// It could not be run, for a reason in words.
    NotRun(String),
}

/// How much of a linker's output is kept.
pub const MAX_OUTPUT: usize = 64 << 10;
