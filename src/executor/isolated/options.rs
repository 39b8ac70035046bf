//! How a program is run in a process of its own, and what became of it.

use crate::protocol::isolated::{Access, Missing};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// What becomes one of the program's standard streams.
#[derive(Clone, Debug, Default)]
pub enum Stream {
    /// /dev/null.
    #[default]
    None,
    Descriptor(Arc<OwnedFd>),
    /// Of standard input: what is read. Of the others: what is written is kept.
    Memory(Vec<u8>),
}

/// Zero: no limit.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub arguments: Vec<Vec<u8>>,
    /// Each as `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    pub directory: Vec<u8>,
    pub streams: [Stream; 3],
    pub access: Access,
    pub wall: Duration,
    pub cpu: Duration,
    pub memory: u64,
    /// Of what is captured together, and of each file.
    pub output: u64,
    pub files: u64,
    pub require: bool,
}

/// How a program ended.
#[derive(Debug)]
pub struct Outcome {
    pub end: End,
    pub limit: Option<Limit>,
    /// Of processor time, in the program and in the kernel.
    pub user: Duration,
    pub system: Duration,
    pub wall: Duration,
    /// The most bytes that were in memory.
    pub memory: u64,
    pub missing: Missing,
    /// What was written to standard output and to standard error, as far as it was to be kept.
    pub output: [Vec<u8>; 2],
    pub fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Wall,
    Cpu,
    Memory,
    Output,
}

/// Where a signal met the program.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What it wanted to reach.
    pub address: u64,
    /// The module that ran, and where in its image. `None`: code of a library.
    pub module: Option<(String, u64)>,
    pub function: Option<String>,
    /// From the function's start.
    pub offset: u64,
}
