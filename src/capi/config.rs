//! `mgenjit_config`: how an executor compiles and where it caches.

use super::error::mgenjit_error;
use super::event::mgenjit_event_hook;
use super::ffi::{self, Owned};
use super::status::mgenjit_status;
use crate::cache::options::{CacheMode, Limits};
use crate::cache::trust::{Signer, Trust};
use crate::client;
use crate::config::Config;
use crate::cpu::Level;
use crate::error::{Error, Status};
use crate::types::{OptLevel, TargetSpec};
use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The configuration of an executor. It is copied when used: changing or freeing it later changes nothing
/// that was made from it.
#[allow(non_camel_case_types)]
pub struct mgenjit_config(pub(super) Config);

impl Owned for mgenjit_config {}

/// No optimisation.
pub const MGENJIT_OPT_O0: i32 = 0;
/// LLVM's standard pipeline O1.
pub const MGENJIT_OPT_O1: i32 = 1;
/// LLVM's standard pipeline O2, the default.
pub const MGENJIT_OPT_O2: i32 = 2;
/// LLVM's standard pipeline O3.
pub const MGENJIT_OPT_O3: i32 = 3;
/// LLVM's standard pipeline Os: O2, but smaller code.
pub const MGENJIT_OPT_OS: i32 = 4;
/// LLVM's standard pipeline Oz: as small as possible.
pub const MGENJIT_OPT_OZ: i32 = 5;

/// Look in the cache and store in it, the default.
pub const MGENJIT_CACHE_READ_WRITE: i32 = 0;
/// Look in the cache; store nothing.
pub const MGENJIT_CACHE_READ_ONLY: i32 = 1;
/// No cache: always compile.
pub const MGENJIT_CACHE_OFF: i32 = 2;

/// Makes a configuration with the defaults. Never NULL. Free it with mgenjit_config_free.
#[unsafe(no_mangle)]
pub extern "C" fn mgenjit_config_new() -> *mut mgenjit_config {
    mgenjit_config(Config::default()).into_raw()
}

/// Frees a configuration. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_free(config: *mut mgenjit_config) {
    // SAFETY: the caller passes NULL or a configuration that it owns and will not use again.
    unsafe { mgenjit_config::free(config) };
}

/// Sets how far code is optimised: one of MGENJIT_OPT_…. Default: MGENJIT_OPT_O2.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_opt_level(
    config: *mut mgenjit_config,
    level: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.opt_level = match level {
                MGENJIT_OPT_O0 => OptLevel::O0,
                MGENJIT_OPT_O1 => OptLevel::O1,
                MGENJIT_OPT_O2 => OptLevel::O2,
                MGENJIT_OPT_O3 => OptLevel::O3,
                MGENJIT_OPT_OS => OptLevel::Os,
                MGENJIT_OPT_OZ => OptLevel::Oz,
                _ => {
                    return Err(invalid(format!(
                        "{level} is not an optimisation level: use MGENJIT_OPT_O0 (0) to MGENJIT_OPT_OZ (5)"
                    )));
                }
            };
            Ok(())
        })
    }
}

/// Sets what code is generated for: "native", which is this machine with all that it can do and the default,
/// also for NULL; or a level of the x86-64 psABI, "x86-64", "x86-64-v2", "x86-64-v3" or "x86-64-v4", whose code
/// runs on every machine of that level, so that different machines can use one cache. Functions whose IR names a
/// "target-cpu" of their own are compiled for that one.
///
/// A machine may lack features of a level. Then every compile is MGENJIT_STATUS_CPU there, also if the cache has
/// the code.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cpu(
    config: *mut mgenjit_config,
    cpu: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            let name = if cpu.is_null() {
                "native"
            } else {
                ffi::string(cpu, "cpu")?
            };
            let level = Level::ALL.into_iter().find(|level| level.name() == name);
            if level.is_none() && name != "native" {
                let names = Level::ALL.map(|level| format!("\"{}\"", level.name()));
                return Err(invalid(format!(
                    "\"{name}\" is no CPU that code can be generated for: use one of \"native\", {}",
                    names.join(", ")
                )));
            }
            config.0.level = level;
            Ok(())
        })
    }
}

/// Sets another target than this machine, to export code for and not to run it: an LLVM target triple such as
/// "aarch64-linux-gnu", "riscv64-linux-gnu", "x86_64-linux-gnu" or "wasm32-unknown-unknown"; a CPU by LLVM's name,
/// such as "cortex-a72" or "x86-64-v3", NULL for the triple's generic one; and features, such as "+sve,-crc", beyond
/// those of the CPU, NULL for none. A `triple` of NULL sets this machine again, see mgenjit_config_set_cpu.
///
/// Modules of another target are compiled, cached and exported like all others. What would run their code, such as
/// mgenjit_module_lookup, is MGENJIT_STATUS_TARGET. What LLVM does not know is an error of the compile.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_target(
    config: *mut mgenjit_config,
    triple: *const c_char,
    cpu: *const c_char,
    features: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            let cpu = ffi::optional_string(cpu, "cpu")?.unwrap_or_default();
            let features = ffi::optional_string(features, "features")?.unwrap_or_default();
            config.0.target = match ffi::optional_string(triple, "triple")? {
                None if cpu.is_empty() && features.is_empty() => None,
                None => {
                    return Err(invalid(
                        "a CPU or features were given without a triple: for this machine's system, use \
                         mgenjit_config_set_cpu",
                    ));
                }
                Some("") => return Err(invalid("the triple is empty")),
                Some(triple) => Some(TargetSpec {
                    triple: triple.to_owned(),
                    cpu: cpu.to_owned(),
                    features: features.to_owned(),
                }),
            };
            Ok(())
        })
    }
}

/// Sets the program that links executables, and shared libraries that have libraries or flags of their own: a C
/// compiler driver such as "gcc", "clang-22" or "aarch64-linux-gnu-gcc", or a linker such as "wasm-ld". A name without
/// a slash is looked for on $PATH when it is used. NULL sets the default: $MGENJIT_CC, else "cc".
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_linker(
    config: *mut mgenjit_config,
    program: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.linker = match ffi::optional_string(program, "program")? {
                Some("") => return Err(invalid("the linker's name is empty")),
                program => program.map(PathBuf::from),
            };
            Ok(())
        })
    }
}

/// Sets after how many milliseconds a linker that has not ended is stopped. Default: 300,000, five minutes. 0: never.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_linker_timeout(
    config: *mut mgenjit_config,
    milliseconds: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.linker_timeout = Duration::from_millis(milliseconds);
            Ok(())
        })
    }
}

/// Limits what one compile may take: milliseconds from the request to the answer, in which the wait for a busy server
/// counts and the start of one does not; bytes of memory beyond what an idle
/// compile server has and what holds the inputs, and bytes of all inputs together. 0 is no limit, and the default of
/// each.
///
/// A compile that exceeds one is MGENJIT_STATUS_TIMEOUT, MGENJIT_STATUS_MEMORY or MGENJIT_STATUS_TOO_LARGE. Its server is
/// given up, and another one started when there is need.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_compile_limits(
    config: *mut mgenjit_config,
    milliseconds: u64,
    memory_bytes: u64,
    input_bytes: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.limits = client::limits::Limits {
                time: Duration::from_millis(milliseconds),
                memory: memory_bytes,
                input: input_bytes,
            };
            Ok(())
        })
    }
}

/// Sets a folder, which is made when there is need, for what reproduces compiles that a compile server does not survive
/// or that exceed a limit: below it a folder for each, with the inputs, what was asked for, the versions and a script that
/// does it again with LLVM's own tools. The error's message names it. NULL: none, the default.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_reproducer_dir(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.reproducers = match ffi::optional_string(path, "path")? {
                Some("") => return Err(invalid("the path is empty")),
                path => path.map(PathBuf::from),
            };
            Ok(())
        })
    }
}

/// Sets the cache's directory. It is made, with mode 0700, when something is first stored. A directory that
/// belongs to another user, or that others may write, is not used: what is in a cache is run.
///
/// An entry is checked each time it is used, and then mapped from its file. Nothing changes a file that has its name, and
/// its permissions say so (mode 0444). But whoever may write to the directory can: then code that runs from the file changes
/// as well, and a file that is cut short is a SIGBUS in the process that runs it. Keys that are trusted rule that out
/// (mgenjit_config_add_cache_trusted_key).
///
/// Default: $MGENJIT_CACHE_DIR, else $XDG_CACHE_HOME/mgenjit, else $HOME/.cache/mgenjit. If there is none of
/// these, nothing is cached. NULL sets the default again.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_dir(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.cache_dir = optional_path(path, "path")?;
            Ok(())
        })
    }
}

/// Sets what the cache is used for: one of MGENJIT_CACHE_…. Default: MGENJIT_CACHE_READ_WRITE.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_mode(
    config: *mut mgenjit_config,
    mode: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.cache_mode = match mode {
                MGENJIT_CACHE_READ_WRITE => CacheMode::ReadWrite,
                MGENJIT_CACHE_READ_ONLY => CacheMode::ReadOnly,
                MGENJIT_CACHE_OFF => CacheMode::Off,
                _ => {
                    return Err(invalid(format!(
                        "{mode} is not a cache mode: use MGENJIT_CACHE_READ_WRITE (0), \
                         MGENJIT_CACHE_READ_ONLY (1) or MGENJIT_CACHE_OFF (2)"
                    )));
                }
            };
            Ok(())
        })
    }
}

/// Adds a directory below the cache: a read-only cache, such as one that an administrator fills for all users, or
/// one that an application brings. What the cache has not is looked for in these, in the order in which they were
/// added, and used in place. A layer may belong to the user or to root, and others must not write it; the event hook
/// is told of one that is not used for that. One that is not there is empty.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_add_cache_layer(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            let path = required_path(path)?;
            config.0.cache_layers.push(path);
            Ok(())
        })
    }
}

/// Sets how much the cache may hold: bytes and number of entries, and seconds since an entry was last used; 0 for
/// no limit. Defaults: 5 GiB, no limit, no limit. When something is stored and a limit is exceeded, those entries
/// go that saved the least compile time for each byte and were not used for long; pinned ones stay. That is done
/// a little at a time, so that a limit may be exceeded for a moment.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_limits(
    config: *mut mgenjit_config,
    max_bytes: u64,
    max_entries: u64,
    max_age: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(config, "config")?.0.cache_limits = Limits {
                max_bytes,
                max_entries,
                max_age: Duration::from_secs(max_age),
            };
            Ok(())
        })
    }
}

/// Sets whether an entry is on the disk before it gets its name (fsync), so that a power cut cannot lose it.
/// Default: 0. Without it, an entry that a power cut tore is noticed by its digest and compiled anew.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_sync(
    config: *mut mgenjit_config,
    on: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(config, "config")?.0.cache_sync = on != 0;
            Ok(())
        })
    }
}

/// Sets whether an entry keeps the IR that it was compiled from, compressed. Default: 1. It is what
/// mgenjit_cache_verify compiles again.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_keep_ir(
    config: *mut mgenjit_config,
    on: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(config, "config")?.0.cache_keep_input = on != 0;
            Ok(())
        })
    }
}

/// Sets whether the cache keeps a journal and an index. Default: 1. Without them there are no statistics, and the
/// cache is trimmed by mgenjit_cache_trim alone, by the age of its files. On a network file system, where locks
/// and appending cannot be relied on, there are none in any case.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_index(
    config: *mut mgenjit_config,
    on: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(config, "config")?.0.cache_index = on != 0;
            Ok(())
        })
    }
}

/// Sets whether a hit is compiled all the same and compared with what the cache has. Default: 0. If they differ,
/// the compile fails with MGENJIT_STATUS_DIFFERENT, and the event hook gets MGENJIT_EVENT_DIFFERENT.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_verify(
    config: *mut mgenjit_config,
    on: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(config, "config")?.0.cache_verify = on != 0;
            Ok(())
        })
    }
}

/// Sets the file of the key that signs what is stored; NULL: nothing is signed, the default. The file holds an
/// Ed25519 private key, as `openssl genpkey -algorithm ed25519` writes it, or a secret for BLAKE3, 64 hexadecimal
/// digits, as `openssl rand -hex 32` does. It is read at once, and nobody else must be able to read it.
///
/// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_signing_key(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.signer = match optional_path(path, "path")? {
                Some(path) => Some(Arc::new(Signer::read(&path)?)),
                None => None,
            };
            Ok(())
        })
    }
}

/// Adds a key to those that are trusted: from the first one on, an entry that none of them signed is a miss, and
/// the event hook is told. Nothing is stored then unless mgenjit_config_set_cache_signing_key names a key that is
/// trusted. Users of one directory with different keys replace each other's entries: give each a directory. The file
/// holds an Ed25519 public key, as `openssl pkey -pubout` writes it, or the secret for BLAKE3. It is read at once. It must
/// belong to this user or to root, and nobody else may write it.
///
/// With trusted keys, an entry's code is read into memory of the process, checked there, and run from there: whatever is
/// done to the file later, what runs is what was signed. Processes then do not share its memory. Debuggers and profilers
/// find the file's name all the same.
///
/// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_add_cache_trusted_key(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            let mut keys = config.0.trusted_keys.clone();
            keys.push(required_path(path)?);
            config.0.trust = Some(Arc::new(Trust::read(&keys)?));
            config.0.trusted_keys = keys;
            Ok(())
        })
    }
}

/// Sets how long a miss waits, in milliseconds, for another process or thread that compiles the same code
/// already, before it compiles for itself. Default: 60000.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_lock_timeout(
    config: *mut mgenjit_config,
    milliseconds: u32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow_mut(config, "config")?.0.lock_timeout =
                Duration::from_millis(milliseconds.into());
            Ok(())
        })
    }
}

/// Sets a function that is told what the executor does: see mgenjit_event. It runs on the thread that made
/// the call it tells of, before that call returns, perhaps on several threads at once. It may call this
/// library. It must not throw.
///
/// `user` is handed to each call of `hook`. `user_free`, if not NULL, is called with it once nothing uses it
/// any more: the configuration and all that was made from it are freed, or the hook was replaced. A NULL
/// `hook` removes the hook.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; `user_free` is not called then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_event_hook(
    config: *mut mgenjit_config,
    hook: mgenjit_event_hook,
    user: *mut c_void,
    user_free: Option<unsafe extern "C" fn(user: *mut c_void)>,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let config = ffi::borrow_mut(config, "config")?;
            config.0.hook = super::event::rust_hook(hook, user, user_free);
            Ok(())
        })
    }
}

/// Reads a path.
///
/// # Safety
/// As [`ffi::string`].
unsafe fn required_path(path: *const c_char) -> Result<PathBuf, Error> {
    // SAFETY: the caller vouches for the string.
    unsafe { optional_path(path, "path")? }.ok_or_else(|| invalid("`path` is NULL".to_owned()))
}

/// Reads a path that may be NULL.
///
/// # Safety
/// As [`ffi::string`].
pub(super) unsafe fn optional_path(
    path: *const c_char,
    what: &str,
) -> Result<Option<PathBuf>, Error> {
    if path.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for the string.
    let path = unsafe { ffi::string(path, what)? };
    if path.is_empty() {
        return Err(invalid(format!("`{what}` is empty")));
    }
    Ok(Some(PathBuf::from(path)))
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidArgument, message)
}
