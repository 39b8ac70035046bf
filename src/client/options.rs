//! Which servers are used, and how new ones are started.

use super::limits::Limits;
use std::path::PathBuf;
use std::time::Duration;

/// The options of a pool.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's program. `None`: look for it, see [`super::locate`].
    pub path: Option<PathBuf>,
    /// How many servers may run at once. 0: as many as there are cores.
    pub max_servers: usize,
    /// The limits of one compile.
    pub limits: Limits,
    /// `None`: `$MGENJIT_SERVER_MODE`, else private.
    pub mode: Option<ServerMode>,
    /// How long a shared server that is started waits for a request before it ends.
    pub idle_timeout: Duration,
    /// The limits of one request, for a shared server that is started.
    pub server_limits: ServerLimits,
    /// Where servers that are started write their log. `None`: `$MGENJIT_SERVER_LOG`, else nowhere.
    pub log: Option<ServerLog>,
    /// Nobody waits for what they do: they are private, and have the lowest priority.
    pub background: bool,
}

/// Whose servers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMode {
    /// Each executor has servers of its own.
    Private,
    /// All processes of a user share one server.
    Shared,
}

/// `None`: the server's default. 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerLimits {
    /// Milliseconds of processor time.
    pub time: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Milliseconds that a request waits for a worker before its client uses a private server.
    pub queue: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerLog {
    /// The standard error of the process that starts the server.
    Stderr,
    File(PathBuf),
}
