//! Compile servers: which program they are; what the shared one does, and how to end it.

use super::blob::mgenjit_blob;
use super::config::mgenjit_config;
use super::error::mgenjit_error;
use super::executor::copy_config;
use super::ffi::{self, Out, Owned, SizedStruct};
use super::status::mgenjit_status;
use super::task::MGENJIT_FOREVER;
use crate::client::{admin, locate, shared_server};
use crate::protocol::messages::ServerStatus;
use std::ffi::c_int;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// What a shared compile server does, and what it has done since it started. Times are in milliseconds.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(non_camel_case_types)]
pub struct mgenjit_server_statistics {
    /// The caller sets it to the size of this struct; the library writes how much it filled in.
    pub size: usize,
    /// The id of the server's process.
    pub process: u64,
    /// Since it started.
    pub uptime: u64,
    /// Without a request for so long, it ends.
    pub idle_timeout: u64,
    /// 1 if it takes no more clients and ends when it has answered the requests that it has.
    pub stopping: u64,
    /// Connections now, with that of this call, and the processes that have them.
    pub connections: u64,
    pub clients: u64,
    /// Requests that wait for a worker, and those that are worked on.
    pub queued: u64,
    pub running: u64,
    /// The worker processes, how many of them wait for a request, and how many there may be at once.
    pub workers: u64,
    pub idle_workers: u64,
    pub max_workers: u64,
    /// Bytes of memory of the server's own process, and of all workers together, as far as /proc tells.
    pub memory: u64,
    pub worker_memory: u64,
    /// Requests that came, and those of them that had a result; an error of the module; the result of an equal request
    /// of another client; a client that was gone or wanted no more; a worker that died.
    pub requests: u64,
    pub compiled: u64,
    pub failed: u64,
    pub joined: u64,
    pub cancelled: u64,
    pub crashed: u64,
    /// Connections that came, and those that were refused or cut: too many, too slow, or not understood.
    pub accepted: u64,
    pub refused: u64,
    /// Workers that were started, and those that were replaced because they had taken much memory.
    pub started_workers: u64,
    pub recycled_workers: u64,
    /// What one request may take, see mgenjit_config_set_server_limits: milliseconds of the processor's time, and bytes of
    /// memory. 0: as much as there is.
    pub max_time: u64,
    pub max_memory: u64,
    /// Milliseconds that a request waits for a worker until a private server compiles it, 0: for ever; how many such
    /// servers there are now, and how many there may be.
    pub queue_timeout: u64,
    pub private_servers: u64,
    pub max_private_servers: u64,
    /// Requests that took more than one may; workers that were replaced because they were stopped or hung; requests that
    /// a private server was to compile because they had waited for too long.
    pub limited: u64,
    pub hung_workers: u64,
    pub sent_away: u64,
}

// SAFETY: it is `repr(C)`, and `size` comes first.
unsafe impl SizedStruct for mgenjit_server_statistics {}

/// Writes what the shared compile server of this build does: see mgenjit_config_set_server_mode. It starts none.
/// `statistics->size` is to be set first.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there is no such server; MGENJIT_STATUS_TIMEOUT if it does not
/// answer within some seconds; MGENJIT_STATUS_SERVER_UNAVAILABLE if it cannot be reached, or there is no folder for its
/// socket that is this user's alone; MGENJIT_STATUS_SERVER_CRASHED if it cannot be understood;
/// MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_status(
    statistics: *mut mgenjit_server_statistics,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::check_sized(statistics, "statistics")?;
            ffi::write_sized(statistics, c_statistics(admin::status()?), "statistics")
        })
    }
}

/// Ends the shared compile server of this build. It takes no more clients at once, and ends when it has answered the
/// requests that it has; if `force` is not 0, without that. Clients that need a server then start another one, and
/// give it what they have no answer to: no compile fails for this.
///
/// Waits until it has ended, at most `milliseconds`; 0 is not at all, MGENJIT_FOREVER as long as it takes.
///
/// Thread-safe. Errors: those of mgenjit_server_status; MGENJIT_STATUS_TIMEOUT also if it has not ended by then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_stop(
    force: c_int,
    milliseconds: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or a place for an error, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let wait = match milliseconds {
                MGENJIT_FOREVER => admin::Wait::ForEver,
                0 => admin::Wait::No,
                milliseconds => admin::Wait::For(Duration::from_millis(milliseconds)),
            };
            admin::stop(force != 0, wait)
        })
    }
}

/// Writes to `path` where the socket of the shared compile server of this build is, or would be: a blob whose bytes are
/// an absolute path and a NUL, to be freed with mgenjit_blob_free.
///
/// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if there is no folder for it that is this user's alone;
/// MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_socket(
    path: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let out = Out::new(path, "path")?;
            let mut bytes = shared_server::socket_path()?.into_os_string().into_vec();
            bytes.push(0);
            out.write(mgenjit_blob(bytes).into_raw());
            Ok(())
        })
    }
}

/// Writes to `path` which program is the compile server that executors of this configuration start, NULL for the
/// default one: a blob whose bytes are an absolute path and a NUL, to be freed with mgenjit_blob_free. It is not started:
/// whether it runs, a compile shows.
///
/// Thread-safe. Errors: MGENJIT_STATUS_SERVER_UNAVAILABLE if none is found, with the places that were looked at;
/// MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_server_path(
    config: *const mgenjit_config,
    path: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let out = Out::new(path, "path")?;
            let config = copy_config(config);
            let path = locate::locate(config.server_path.as_deref())?;
            let mut bytes = path.into_os_string().into_vec();
            bytes.push(0);
            out.write(mgenjit_blob(bytes).into_raw());
            Ok(())
        })
    }
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
        uptime,
        idle_timeout,
        stopping: stopping.into(),
        connections: connections.into(),
        clients: clients.into(),
        queued: queued.into(),
        running: running.into(),
        workers: workers.into(),
        idle_workers: idle_workers.into(),
        max_workers: max_workers.into(),
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
        private_servers: private_servers.into(),
        max_private_servers: max_private_servers.into(),
        limited,
        hung_workers,
        sent_away,
    }
}
