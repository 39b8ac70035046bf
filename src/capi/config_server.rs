//! `mgenjit_config`: which compile servers there are.

use super::config::{invalid, mgenjit_config, optional_path};
use super::error::mgenjit_error;
use super::ffi;
use super::status::mgenjit_status;
use crate::client::options::{ServerLimits, ServerLog, ServerMode};
use std::ffi::c_char;
use std::path::Path;
use std::time::Duration;

/// Each executor starts compile servers of its own, which end with it: the default.
pub const MGENJIT_SERVER_PRIVATE: i32 = 1;
/// All processes of a user that ask for it have one compile server together, which is warm when they need it and
/// compiles once what several of them want at once. The first that needs it starts it.
pub const MGENJIT_SERVER_SHARED: i32 = 2;

/// The shared server's own limit.
pub const MGENJIT_SERVER_DEFAULT: u64 = u64::MAX;

/// Sets the path of the compile server's executable file. Default, NULL: $MGENJIT_SERVER, else
/// mgenjit-server beside this library, else ../libexec/mgenjit/mgenjit-server seen from this library's
/// folder, else mgenjit-server on $PATH. A path that is set, here or by the variable, is the only one tried.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_path(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.server_path = optional_path(path, "path")?;
            Ok(())
        })
    }
}

/// Sets how many compile servers an executor may run at once: so many misses are compiled in parallel.
/// Default, 0: the number of cores this process may use.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_max_servers(
    config: *mut mgenjit_config,
    count: u32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(config, "config")?.0.max_servers = count as usize;
            Ok(())
        })
    }
}

/// Sets whose compile servers are used: one of MGENJIT_SERVER_…. Default: what $MGENJIT_SERVER_MODE says, "private" or
/// "shared"; private if it is not set.
///
/// A shared server is found by a socket in $XDG_RUNTIME_DIR/mgenjit, else in /run/user/UID/mgenjit, else in
/// mgenjit-UID in $TMPDIR or /tmp. The folder must be the user's alone. It serves processes of the same user and of
/// the same build of this library; each build has its own. Where it cannot be used, a private one is, and the event
/// hook is told why: MGENJIT_EVENT_SERVER_TROUBLE.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_mode(
    config: *mut mgenjit_config,
    mode: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.server_mode = Some(match mode {
                MGENJIT_SERVER_PRIVATE => ServerMode::Private,
                MGENJIT_SERVER_SHARED => ServerMode::Shared,
                _ => return Err(invalid(format!("{mode} is not one of MGENJIT_SERVER_…"))),
            });
            Ok(())
        })
    }
}

/// Sets after how many milliseconds without a request a shared server ends. It counts for the server that is started
/// with this configuration, not for one that runs already. Default: 600000.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_idle_timeout(
    config: *mut mgenjit_config,
    milliseconds: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            if milliseconds == 0 {
                return Err(invalid("a server that waits 0 ms can serve nobody"));
            }
            config.0.server_idle_timeout = Duration::from_millis(milliseconds);
            Ok(())
        })
    }
}

/// Limits what one request may take of a shared server, whatever its client's own limits are
/// (mgenjit_config_set_compile_limits): milliseconds of the processor's time; bytes of memory, of which a link is not
/// limited; and milliseconds that it waits for one of the server's workers. 0 is no limit, and MGENJIT_SERVER_DEFAULT the
/// server's default: 600000, ten minutes; half of the machine's memory; and 10000, ten seconds. They count for the server
/// that is started with this configuration, not for one that runs already; mgenjit_server_status tells them.
///
/// What takes more is MGENJIT_STATUS_TIMEOUT or MGENJIT_STATUS_MEMORY. What waits for longer is compiled by a private
/// server, and the event hook is told: MGENJIT_EVENT_SERVER_TROUBLE. As many of these may be at once, for all of the
/// user's processes together, as the shared server has workers at work; the others wait on.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_limits(
    config: *mut mgenjit_config,
    processor_milliseconds: u64,
    memory_bytes: u64,
    queue_milliseconds: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let limit = |value| Some(value).filter(|value| *value != MGENJIT_SERVER_DEFAULT);
            ffi::borrow_mut(config, "config")?.0.server_limits = ServerLimits {
                time: limit(processor_milliseconds),
                memory: limit(memory_bytes),
                queue: limit(queue_milliseconds),
            };
            Ok(())
        })
    }
}

/// Sets a file to which compile servers that are started with this configuration add lines that say what they do: one
/// JSON object for each, with the time and, where it is about a compile, the module's key. "-" is this process's
/// standard error. Default, NULL: what $MGENJIT_SERVER_LOG says, in the same way; if that is not set, there is no log.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. If the file cannot be written when a server is started, the event hook is
/// told: MGENJIT_EVENT_SERVER_TROUBLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_server_log(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.server_log =
                optional_path(path, "path")?.map(|path| match path == Path::new("-") {
                    true => ServerLog::Stderr,
                    false => ServerLog::File(path),
                });
            Ok(())
        })
    }
}
