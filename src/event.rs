//! What an executor tells of its work.

use crate::protocol::messages::Progress;
use crate::types::CompileTimes;
use std::sync::Arc;

/// A function that is told of events, on the thread that caused them.
pub type Hook = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

pub struct Event<'a> {
    pub kind: EventKind,
    /// The key of the module's entry.
    pub key: [u8; 32],
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
    CacheWarning,
    Different,
    NotIsolated,
    ServerWarning,
    Progress,
    Warning,
    RemoteHit,
    RemoteWarning,
    Switched,
}

/// Microseconds that the steps of a compile took. The C API says what each is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub hash: u64,
    pub find: u64,
    pub wait: u64,
    pub remote: u64,
    pub start: u64,
    pub server: CompileTimes,
    pub compile: u64,
    pub store: u64,
    pub map: u64,
    pub bind: u64,
}
