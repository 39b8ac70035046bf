//! Configurations: compile servers
//!
//! A compile server is a process with LLVM in it. By default, each executor starts its own when it has to compile.
//!
//! ```c
//! mgenjit_config *config;
//! mgenjit_config_new(&config, NULL);
//! mgenjit_config_set_server_mode(config, MGENJIT_SERVER_PRIVATE, NULL);
//! mgenjit_config_set_max_servers(config, 2, NULL);
//! mgenjit_config_free(config);
//! ```

use super::call::{call, set};
use super::config::mgenjit_config;
use super::error::mgenjit_error;
use super::ffi::invalid;
use super::status::mgenjit_status;
use crate::client::options::{ServerLimits, ServerLog, ServerMode};
use crate::error::Error;
use std::ffi::c_char;
use std::path::Path;
use std::time::Duration;

/// Each executor starts its own compile servers, which end with it. The default.
pub const MGENJIT_SERVER_PRIVATE: i32 = 1;
/// A user's processes share one compile server. It is already warm, and compiles once what several of them want at the same
/// time. The first process that needs it starts it.
pub const MGENJIT_SERVER_SHARED: i32 = 2;

/// The shared server's own limit. The value is 18446744073709551615, all bits set.
pub const MGENJIT_SERVER_DEFAULT: u64 = u64::MAX;

/// Sets the path of the compile server's executable, which is then the only one tried. Default, also if NULL: $MGENJIT_SERVER,
/// which is then the only one tried; else the first that exists of: mgenjit-server beside this library,
/// ../libexec/mgenjit/mgenjit-server relative to the library's folder, mgenjit-server on $PATH.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_path(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, optional_path path => config.0.server_path = path.map(Path::to_owned))
}

/// Sets how many compile servers an executor may run at once, which is how many misses compile in parallel. Default, 0: the
/// number of cores this process may use.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_max_servers(
    config: *mut mgenjit_config,
    count: u32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.max_servers = count as usize)
}

/// Sets which compile servers are used: one of MGENJIT_SERVER_…. Default: $MGENJIT_SERVER_MODE, "private" or "shared"; if it
/// is not set, private.
///
/// A shared server has a socket in $XDG_RUNTIME_DIR/mgenjit, else in /run/user/UID/mgenjit, else in mgenjit-UID in $TMPDIR or
/// /tmp. No other user may have access to that folder. It serves processes of the same user and the same build of this
/// library; each build has its own. If it cannot be used, a private server is used instead, and the event hook is told why:
/// MGENJIT_EVENT_SERVER_WARNING.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_mode(
    config: *mut mgenjit_config,
    mode: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.server_mode = Some(server_mode(mode)?))
}

fn server_mode(mode: i32) -> Result<ServerMode, Error> {
    match mode {
        MGENJIT_SERVER_PRIVATE => Ok(ServerMode::Private),
        MGENJIT_SERVER_SHARED => Ok(ServerMode::Shared),
        _ => Err(invalid(format!(
            "{mode} is not a server mode: use MGENJIT_SERVER_PRIVATE (1) or MGENJIT_SERVER_SHARED (2)"
        ))),
    }
}

/// Sets how long a shared server without requests stays. Applies to a server that this configuration starts, not to one that
/// already runs. Default: 600,000 ms, ten minutes.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_idle_timeout(
    config: *mut mgenjit_config,
    timeout_ms: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut config => {
        if timeout_ms == 0 {
            return Err(invalid("a server that waits 0 ms can serve nobody"));
        }
        config.0.server_idle_timeout = Duration::from_millis(timeout_ms);
        Ok(())
    })
}

/// Limits what one request may take of a shared server, in addition to its client's own limits
/// (mgenjit_config_set_compile_limits). 0: no limit. MGENJIT_SERVER_DEFAULT: the default. Applies to a server that this
/// configuration starts, not to one that already runs; mgenjit_server_status tells a server's limits.
///
/// `cpu_ms` is processor time; default 600,000, ten minutes. `memory_bytes` does not apply to a link; default: half of the
/// machine's memory. A request that takes more fails with MGENJIT_STATUS_TIMEOUT or MGENJIT_STATUS_MEMORY.
///
/// `queue_ms` is how long a request waits for one of the server's workers; default 10,000, ten seconds. Then a private
/// server compiles it, and the event hook is told: MGENJIT_EVENT_SERVER_WARNING. A user's processes together run at most as
/// many of these private servers as the shared server has busy workers; other requests keep waiting.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_limits(
    config: *mut mgenjit_config,
    cpu_ms: u64,
    memory_bytes: u64,
    queue_ms: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let limit = |value| Some(value).filter(|value| *value != MGENJIT_SERVER_DEFAULT);
    set!(error, handle_mut config => config.0.server_limits = ServerLimits {
        time: limit(cpu_ms),
        memory: limit(memory_bytes),
        queue: limit(queue_ms),
    })
}

/// Sets a log file for compile servers that this configuration starts. Each line is a JSON object that says what the server
/// does, with the time and, for a compile, the module's key. "-" is this process's standard error. Default, also if NULL:
/// $MGENJIT_SERVER_LOG, with the same meaning; if it is not set, there is no log. If the file cannot be written when a server
/// starts, the event hook is told: MGENJIT_EVENT_SERVER_WARNING.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_log(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, optional_path path => {
        config.0.server_log = path.map(|path| match path == Path::new("-") {
            true => ServerLog::Stderr,
            false => ServerLog::File(path.to_owned()),
        });
    })
}
