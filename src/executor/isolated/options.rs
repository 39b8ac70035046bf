//! How a program is run in a process of its own.

use crate::protocol::isolated::Access;
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

impl PartialEq for Stream {
    fn eq(&self, other: &Stream) -> bool {
        match (self, other) {
            (Stream::None, Stream::None) => true,
            (Stream::Descriptor(one), Stream::Descriptor(other)) => Arc::ptr_eq(one, other),
            (Stream::Memory(one), Stream::Memory(other)) => one == other,
            _ => false,
        }
    }
}

/// Zero: no limit.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Processes and threads together; 0 and 1: one process.
    pub processes: u64,
    pub require: bool,
    /// How many processes are kept ready.
    pub pool: usize,
}
