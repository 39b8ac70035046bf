//! Compile servers
//!
//! ```c
//! char *path;
//! if (mgenjit_server_path(NULL, &path, NULL) == MGENJIT_STATUS_OK) {
//!     printf("the compile server is %s\n", path);
//!     mgenjit_string_free(path);
//! }
//! mgenjit_server_statistics statistics = {.size = sizeof statistics};
//! if (mgenjit_server_status(&statistics, NULL) == MGENJIT_STATUS_NOT_FOUND)
//!     puts("no shared server runs");
//! ```

use super::call::call;
use super::config::{self, mgenjit_config};
use super::error::mgenjit_error;
use super::ffi::{self, CBool, SizedStruct};
use super::status::mgenjit_status;
use super::task::MGENJIT_FOREVER;
use crate::client::{admin, locate, shared_server};
use crate::protocol::messages::ServerStatus;
use std::ffi::c_char;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

/// What the shared compile server does, and what it has done since it started.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_server_statistics {
    /// Set it to sizeof(mgenjit_server_statistics); the library writes how many bytes it filled in.
    pub size: usize,
    /// The server's process ID.
    pub process: u64,
    /// The time since the server started.
    pub uptime_ms: u64,
    /// The time without requests after which the server ends.
    pub idle_timeout_ms: u64,
    /// Whether it is ending: it answers the requests that it has, and takes no new clients.
    pub stopping: bool,
    /// Connections, including that of this call, and the number of processes that have them.
    pub connections: u64,
    pub clients: u64,
    /// Requests that wait for a worker, and requests being worked on.
    pub queued: u64,
    pub running: u64,
    /// Worker processes, how many of them are idle, and how many there may be.
    pub workers: u64,
    pub idle_workers: u64,
    pub max_workers: u64,
    /// Memory of the server's own process, and of all workers together, as /proc tells it.
    pub memory_bytes: u64,
    pub worker_memory_bytes: u64,
    /// Requests received. Of these: compiled, failed with an error of the module, answered with the result of another client's
    /// equal request, cancelled or abandoned by the client, and lost with a worker that died.
    pub requests: u64,
    pub compiled: u64,
    pub failed: u64,
    pub joined: u64,
    pub cancelled: u64,
    pub crashed: u64,
    /// Connections accepted, and connections refused or closed because they were too many, too slow, or invalid.
    pub accepted: u64,
    pub refused: u64,
    /// Workers started, and workers replaced because they had used much memory.
    pub started_workers: u64,
    pub recycled_workers: u64,
    /// The limits of one request: processor time and memory. 0: no limit. See mgenjit_config_set_server_limits.
    pub max_cpu_ms: u64,
    pub max_memory_bytes: u64,
    /// How long a request waits for a worker before a private server compiles it, 0: for ever; how many such private servers
    /// there are, and how many there may be.
    pub queue_timeout_ms: u64,
    pub private_servers: u64,
    pub max_private_servers: u64,
    /// Requests that exceeded a limit; unresponsive workers that were replaced; requests left to a private server because they
    /// had waited too long.
    pub limited: u64,
    pub hung_workers: u64,
    pub sent_away: u64,
}

// SAFETY: it is `repr(C)`, `size` comes first, and all fields are numbers or `bool`.
unsafe impl SizedStruct for mgenjit_server_statistics {}

/// Writes the statistics of the shared compile server of this build: see mgenjit_config_set_server_mode. Does not start one.
/// Set `statistics->size` first.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if no shared server runs; MGENJIT_STATUS_TIMEOUT if it does not answer within
/// some seconds; MGENJIT_STATUS_SERVER_UNAVAILABLE if it cannot be reached, or if there is no folder for its socket that only
/// this user can access; MGENJIT_STATUS_SERVER_CRASHED if its answer is invalid; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_status(
    statistics: *mut mgenjit_server_statistics,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, sized_out statistics => statistics.write(c_statistics(admin::status()?)))
}

/// Ends the shared compile server of this build. It takes no new clients, answers the requests that it has, and ends; with
/// `force`, it ends at once. No compile fails: clients that still need a server start another and send it their unanswered
/// requests.
///
/// Waits until the server has ended, for at most `timeout_ms`: 0 does not wait, MGENJIT_FOREVER waits as long as it takes.
///
/// Thread-safe. Errors: those of mgenjit_server_status; MGENJIT_STATUS_TIMEOUT also if it has not ended in time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_stop(
    force: CBool,
    timeout_ms: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let wait = match timeout_ms {
        MGENJIT_FOREVER => admin::Wait::ForEver,
        0 => admin::Wait::No,
        timeout_ms => admin::Wait::For(Duration::from_millis(timeout_ms)),
    };
    call!(error, => admin::stop(force.get(), wait))
}

/// Writes to `path` the absolute path of the socket of this build's shared compile server, whether it runs or not. Free it
/// with mgenjit_string_free.
///
/// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if there is no folder for the socket that only this user can access;
/// MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_socket(
    path: *mut *mut c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, out path => path.write(string(shared_server::socket_path()?)))
}

/// Writes to `path` the absolute path of the compile server that executors of this configuration start; NULL: of the default
/// configuration. Free it with mgenjit_string_free. The server is not started, so this does not tell whether it runs.
///
/// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if none is found, with the places that were searched;
/// MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_path(
    config: *const mgenjit_config,
    path: *mut *mut c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, optional_handle config, out path => {
        let found = locate::locate(config::copy(config).server_path.as_deref())?;
        path.write(string(found))
    })
}

/// A path for the caller, who frees it.
fn string(path: PathBuf) -> *mut c_char {
    ffi::c_string(path.into_os_string().into_vec()).into_raw()
}

fn c_statistics(status: ServerStatus) -> mgenjit_server_statistics {
    let ServerStatus {
        process,
        uptime,
        idle_timeout,
        stopping,
        connections,
        clients,
        queued,
        running,
        workers,
        idle_workers,
        max_workers,
        memory,
        worker_memory,
        requests,
        compiled,
        failed,
        joined,
        cancelled,
        crashed,
        accepted,
        refused,
        started_workers,
        recycled_workers,
        max_time,
        max_memory,
        queue_timeout,
        private_servers,
        max_private_servers,
        limited,
        hung_workers,
        sent_away,
    } = status;
    mgenjit_server_statistics {
        size: size_of::<mgenjit_server_statistics>(),
        process: process.into(),
        uptime_ms: uptime,
        idle_timeout_ms: idle_timeout,
        stopping,
        connections: connections.into(),
        clients: clients.into(),
        queued: queued.into(),
        running: running.into(),
        workers: workers.into(),
        idle_workers: idle_workers.into(),
        max_workers: max_workers.into(),
        memory_bytes: memory,
        worker_memory_bytes: worker_memory,
        requests,
        compiled,
        failed,
        joined,
        cancelled,
        crashed,
        accepted,
        refused,
        started_workers,
        recycled_workers,
        max_cpu_ms: max_time,
        max_memory_bytes: max_memory,
        queue_timeout_ms: queue_timeout,
        private_servers: private_servers.into(),
        max_private_servers: max_private_servers.into(),
        limited,
        hung_workers,
        sent_away,
    }
}
