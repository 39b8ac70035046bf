//! What an executor tells of its work.

use crate::cache::key::Key;
use crate::protocol::messages::Progress;
use crate::types::CompileTimes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A function that is told of events, on the thread that caused them.
pub type Hook = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

pub struct Event<'a> {
    pub kind: EventKind,
    pub key: Key,
    pub name: &'a str,
    pub message: &'a str,
    pub bytes: u64,
    pub times: &'a Times,
    /// How far the compile is, if that is what is told.
    pub progress: Option<Progress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Hit,
    Miss,
    CompileStarted,
    Compiled,
    Stored,
    Loaded,
    CacheTrouble,
    Different,
    NotIsolated,
    ServerTrouble,
    Progress,
    Warning,
}

/// Microseconds that the steps of a compile took. The C API says what each is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub hash: u64,
    pub find: u64,
    pub wait: u64,
    pub start: u64,
    pub server: CompileTimes,
    pub compile: u64,
    pub store: u64,
    pub map: u64,
    pub bind: u64,
}

/// Measures one step after the other.
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Microseconds since the start or the last lap.
    pub fn lap(&mut self) -> u64 {
        let now = Instant::now();
        micros(now - std::mem::replace(&mut self.0, now))
    }
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
