//! How a process that ran compiled code ended.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug)]
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

/// The limit that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Wall,
    Cpu,
    Memory,
    Output,
}

/// What the kernel lacks of what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Landlock: paths are not kept apart.
    pub files: bool,
    /// Seccomp: system calls are not filtered.
    pub calls: bool,
}

/// Where a signal met it.
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

impl Outcome {
    /// In words.
    pub fn describe(&self) -> String {
        let limit = match self.limit {
            Some(Limit::Wall) => return "its time was up".to_owned(),
            Some(Limit::Cpu) => ", when its processor time was used up",
            Some(Limit::Memory) => ", when its memory was used up",
            Some(Limit::Output) => ", because it wrote too much",
            None => "",
        };
        let place = self.fault.as_ref().and_then(|fault| {
            let (module, offset) = fault.module.as_ref()?;
            Some(match &fault.function {
                Some(function) => format!(" in {function}+{:#x} of {module}", fault.offset),
                None => format!(" at {offset:#x} of {module}"),
            })
        });
        let place = place.unwrap_or_default();
        match self.end {
            End::Exit(status) => format!("it exited with status {status}{limit}"),
            End::Signal(signal) => format!("signal {signal} ended it{place}{limit}"),
        }
    }
}
