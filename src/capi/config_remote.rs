//! Configurations: remotes
//!
//! A remote is a store that several machines share: Redis, S3, a web server. It is asked when the cache of this machine has no
//! entry, and gets what is compiled here. What is fetched is stored in the cache, so each machine fetches once. A remote that
//! fails or is slow never makes a compile fail: the module is compiled, and the remote is left alone for a while.
//!
//! ```c
//! mgenjit_config *config;
//! mgenjit_config_new(&config, NULL);
//! mgenjit_config_set_remote(config, "redis://cache.example.org", MGENJIT_REMOTE_READ | MGENJIT_REMOTE_UNSIGNED, NULL);
//! mgenjit_config_set_remote_timeouts(config, 100, 1000, 10, NULL);
//! mgenjit_config_free(config);
//! ```

use super::call::{call, set};
use super::config::mgenjit_config;
use super::error::mgenjit_error;
use super::ffi::invalid;
use super::status::mgenjit_status;
use crate::error::Error;
use crate::remote::spec::{self, Mode};
use crate::remote::tier::Timeouts;
use std::ffi::c_char;
use std::time::Duration;

/// Fetch entries.
pub const MGENJIT_REMOTE_READ: i32 = 1;
/// Put entries that were compiled here.
pub const MGENJIT_REMOTE_WRITE: i32 = 2;
/// With one of the others, by |: entries that nobody signed are fetched and put. Whoever can write to the remote can then
/// have every program that reads from it run any code.
pub const MGENJIT_REMOTE_UNSIGNED: i32 = 4;

/// Sets the remotes. `url` is one, or several with spaces between them, which are asked in this order; "" is none. Default,
/// also if NULL: $MGENJIT_REMOTE. `mode`: MGENJIT_REMOTE_READ, MGENJIT_REMOTE_WRITE, or both by |.
///
/// What a remote has is used only if a trusted key signed it, see mgenjit_config_add_cache_trusted_key, and nothing is put
/// there without a key that signs, see mgenjit_config_set_cache_signing_key; both unless MGENJIT_REMOTE_UNSIGNED is given.
/// A remote that may not be used for this reason is an error of mgenjit_executor_new. If it is of $MGENJIT_REMOTE, the event
/// hook is told.
///
/// The library starts a process that talks to the remote, one for all programs of the user, which ends when it is not used:
/// mgenjit-remote, which knows s3://BUCKET/PREFIX, gcs://, azblob://, redis://HOST, rediss://, redis+unix:///SOCKET, memcached://HOST,
/// http://, https:// (WebDAV), and file:///PATH; or a storage helper of ccache 4.13 and later, ccache-storage-SCHEME. crsh:/PATH is
/// the socket of one that already runs.
///
/// Attributes may follow a URL, each after a |: `read`, `write`, `read-write` and `unsigned` in the place of `mode`, which is
/// `read` for $MGENJIT_REMOTE; `namespace=NAME` keeps the entries of several teams apart; `helper=/PATH` is the program to
/// start; `@NAME=VALUE` is passed to it. User names, passwords and queries of URLs, and attributes, are never shown.
///
/// Remotes need a cache that is read and written. They are not used for modules with mgenjit_config_set_debug_ir.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_remote(
    config: *mut mgenjit_config,
    url: *const c_char,
    mode: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut config, optional_string url => {
        let mode = remote_mode(mode)?;
        config.0.remotes = url.map(|url| spec::parse(url, mode)).transpose()?;
        Ok(())
    })
}

fn remote_mode(mode: i32) -> Result<Mode, Error> {
    let has = |bit: i32| mode & bit != 0;
    let known = MGENJIT_REMOTE_READ | MGENJIT_REMOTE_WRITE | MGENJIT_REMOTE_UNSIGNED;
    if mode & !known != 0 || !(has(MGENJIT_REMOTE_READ) || has(MGENJIT_REMOTE_WRITE)) {
        return Err(invalid(format!(
            "{mode} is no way to use a remote: use MGENJIT_REMOTE_READ (1), MGENJIT_REMOTE_WRITE (2) or both (3), each perhaps \
             with MGENJIT_REMOTE_UNSIGNED (4)"
        )));
    }
    Ok(Mode {
        read: has(MGENJIT_REMOTE_READ),
        write: has(MGENJIT_REMOTE_WRITE),
        unsigned: has(MGENJIT_REMOTE_UNSIGNED),
    })
}

/// Sets how long remotes may take: to connect to the process that talks to one, which may have to be started; for a whole
/// look-up in all of them; and the time after which the module is compiled while they are still asked, when whichever comes
/// first is used. 0: no time. Defaults: 100 ms, 1000 ms, 10 ms.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_remote_timeouts(
    config: *mut mgenjit_config,
    connect_ms: u64,
    whole_ms: u64,
    hedge_ms: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // So that a sum with the time of day is one.
    let time = |ms: u64| Duration::from_millis(ms.min(86_400_000));
    set!(error, handle_mut config => config.0.remote_timeouts = Timeouts {
        connect: time(connect_ms),
        whole: time(whole_ms),
        hedge: time(hedge_ms),
    })
}
