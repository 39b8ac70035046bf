//! Remotes of a cache
//!
//! What people and scripts ask of the remotes that the cache's configuration has, see mgenjit_config_set_remote. Compiles need
//! none of this: they fetch and put by themselves.
//!
//! ```c
//! mgenjit_cache *cache;
//! mgenjit_cache_open(NULL, &cache, NULL);
//! mgenjit_remote_status status = {.size = sizeof status};
//! for (size_t i = 0; mgenjit_cache_remote_status(cache, i, &status, NULL) == MGENJIT_STATUS_OK; i++)
//!     printf("%s: %s\n", status.url, status.answers ? "it answers" : status.problem);
//! mgenjit_cache_free(cache);
//! ```

use super::cache::{mgenjit_cache, mgenjit_progress, reporter, whole_key};
use super::call::call;
use super::error::mgenjit_error;
use super::ffi::SizedStruct;
use super::status::mgenjit_status;
use super::symbol::copy;
use crate::cache::bundle;
use crate::cache::journal::RemoteKind;
use crate::cache::key::Key;
use crate::error::{Error, Status};
use crate::protocol::storage::wire::Limits;
use crate::remote::tier::Tier;
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// How a remote is used, and how it does. Texts end with a NUL; what is longer than its field is cut.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_remote_status {
    /// Set it to sizeof(mgenjit_remote_status); the library writes how many bytes it filled in.
    pub size: usize,
    /// How long it took to ask for something that it does not have.
    pub answer_us: u64,
    /// For how much longer compiles leave it alone, and after how many failures in a row. 0: they ask it.
    pub paused_ms: u64,
    pub failures: u32,
    /// Whether it is asked, is put to, and may have entries that nobody signed.
    pub reads: bool,
    pub writes: bool,
    pub accepts_unsigned: bool,
    /// Whether it answered. If not, `problem` says why.
    pub answers: bool,
    /// Without user, password, query and attributes.
    pub url: [c_char; 256],
    /// What its helper calls itself. Empty: it does not say.
    pub helper: [c_char; 256],
    pub problem: [c_char; 512],
}

// SAFETY: it is `repr(C)`, starts with its size, and has numbers, `bool` and texts alone.
unsafe impl SizedStruct for mgenjit_remote_status {}

/// Asks the remote of that index whether it is there, and writes how it does. Its helper is started if need be. The indexes
/// count the configuration's remotes from 0 on.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there are no more, MGENJIT_STATUS_UNTRUSTED if the remotes may not be used as
/// they are configured, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_remote_status(
    cache: *mut mgenjit_cache,
    index: usize,
    status: *mut mgenjit_remote_status,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, sized_out status => status.write(status_of(cache, index)?))
}

fn status_of(cache: &mgenjit_cache, index: usize) -> Result<mgenjit_remote_status, Error> {
    let tier = tier(cache)?;
    let Some(remote) = tier.remote(index) else {
        let message = format!(
            "there are {} remotes, and none of index {index}",
            tier.len()
        );
        return Err(Error::new(Status::NotFound, message));
    };
    let health = tier.health(remote);
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut status = mgenjit_remote_status {
        reads: remote.spec.mode.read,
        writes: remote.spec.mode.write,
        accepts_unsigned: remote.spec.mode.unsigned,
        ..mgenjit_remote_status::zeros()
    };
    copy(&remote.spec.to_string(), &mut status.url);
    copy(
        health.helper.as_deref().unwrap_or_default(),
        &mut status.helper,
    );
    if let Some((rest, failures)) = health.paused {
        (status.paused_ms, status.failures) = (milliseconds(rest).max(1), failures);
    }
    match health.answer {
        Some(Ok(took)) => {
            status.answers = true;
            status.answer_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        }
        Some(Err(why)) => copy(&why, &mut status.problem),
        None => {}
    }
    Ok(status)
}

/// Puts the entries of `count` keys, and their aliases, into all remotes that are written, and waits for that. If the
/// configuration has a signing key, they are signed with it. `pushed`, which may be NULL, receives how many entries a remote did
/// not have. `progress`, which may be NULL, counts entries.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED, MGENJIT_STATUS_IO if a remote
/// does not take them, MGENJIT_STATUS_INVALID_ARGUMENT if none is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_remote_push(
    cache: *mut mgenjit_cache,
    keys: *const *const c_char,
    count: usize,
    pushed: *mut u64,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, strings keys[count], optional_out pushed => {
        let keys = keys.into_iter().map(whole_key).collect::<Result<Vec<Key>, Error>>()?;
        let done = push(cache, &keys, &mut reporter(progress, user))?;
        pushed.map_or(Ok(()), |pushed| pushed.write(done))
    })
}

fn push(
    cache: &mgenjit_cache,
    keys: &[Key],
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<u64, Error> {
    let (tier, admin) = (tier(cache)?, &cache.admin);
    let root = admin.root()?;
    let (entries, aliases) = admin.chosen(&root, keys)?;
    let options = admin.store().options();
    // As an export: only what is trusted here is passed on, perhaps with our signature.
    let (trust, signer) = (options.trust.as_deref(), options.signer.as_deref());
    let mut pushed = 0;
    let total = entries.len() as u64;
    progress(0, total);
    for (done, key) in (1..).zip(&entries) {
        let file = bundle::entry_file(&root, key, trust, signer)?;
        let put = tier.push(key, &file)?;
        pushed += u64::from(put > 0);
        // An alias must not come before its entry.
        for (alias, target) in aliases.iter().filter(|(_, target)| target == key) {
            if let Some(file) = bundle::alias_file(&root, alias, target, trust, signer)? {
                tier.push(alias, &file)?;
            }
        }
        progress(done, total);
    }
    Ok(pushed)
}

/// Fetches the entries of `count` keys from the remotes that are read, and stores those that the cache does not have. They are
/// checked as in a compile. `pulled`, which may be NULL, receives how many were stored. `progress`, which may be NULL, counts keys.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if no remote has one, after all others were fetched; MGENJIT_STATUS_UNTRUSTED,
/// MGENJIT_STATUS_CACHE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_remote_pull(
    cache: *mut mgenjit_cache,
    keys: *const *const c_char,
    count: usize,
    pulled: *mut u64,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, strings keys[count], optional_out pulled => {
        let keys = keys.into_iter().map(whole_key).collect::<Result<Vec<Key>, Error>>()?;
        let (done, result) = pull(cache, &keys, &mut reporter(progress, user))?;
        pulled.map_or(Ok(()), |pulled| pulled.write(done))?;
        result
    })
}

/// How many were stored, and what was wrong with the first of the others.
fn pull(
    cache: &mgenjit_cache,
    keys: &[Key],
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(u64, Result<(), Error>), Error> {
    let (tier, store) = (tier(cache)?, cache.admin.store());
    let (mut pulled, mut result) = (0, Ok(()));
    let total = keys.len() as u64;
    store.create_journal();
    progress(0, total);
    for (done, key) in (1..).zip(keys) {
        if !matches!(store.look(key), Ok(Some(_))) {
            let report = tier.pull(key);
            match report.fetched {
                Some(fetched) => {
                    let alias = fetched.alias.as_deref().map(|alias| (key, alias));
                    let len = fetched.entry.len();
                    let stored = store.promote(fetched.entry, alias);
                    stored.map_err(|(warning, _)| Error::new(Status::Cache, warning.0))?;
                    store.record_remote(key, RemoteKind::Hit, len, 0);
                    pulled += 1;
                }
                None if result.is_ok() => {
                    let why = match report.problems.first() {
                        Some(problem) => problem.clone(),
                        None => format!("no remote has an entry {key}"),
                    };
                    result = Err(Error::new(Status::NotFound, why));
                }
                None => {}
            }
        }
        progress(done, total);
    }
    Ok((pulled, result))
}

/// What mgenjit_cache_remote_gc did, in all remotes together.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_remote_collection {
    /// Set it to sizeof(mgenjit_remote_collection); the library writes how many bytes it filled in.
    pub size: usize,
    /// Files that were removed, entries and aliases, and their bytes; those that are left, and theirs.
    pub removed: u64,
    pub removed_bytes: u64,
    pub left: u64,
    pub left_bytes: u64,
}

// SAFETY: it is `repr(C)`, `size` comes first, and all fields are numbers.
unsafe impl SizedStruct for mgenjit_remote_collection {}

/// Removes from all remotes that are written what was put there more than `max_age_ms` ago, and then what was put first until the
/// rest has at most `max_bytes`. 0: no such limit. Only what is in the configuration's namespace, and of this version's format,
/// counts. Redis tells when an entry was last used, not when it was put, and that counts there. What is removed is compiled, and
/// put, again by whoever needs it.
///
/// Remotes that cannot list what they have are an error: memcached, which has a limit of its own, and those with other helpers
/// than mgenjit-remote.
///
/// Thread-safe. Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_UNTRUSTED, MGENJIT_STATUS_INVALID_ARGUMENT if none is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_remote_gc(
    cache: *mut mgenjit_cache,
    max_bytes: u64,
    max_age_ms: u64,
    collection: *mut mgenjit_remote_collection,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, sized_out collection => {
        let limits = Limits {
            age: max_age_ms.div_ceil(1000),
            bytes: max_bytes,
        };
        let done = tier(cache)?.collect(limits)?;
        collection.write(mgenjit_remote_collection {
            size: 0,
            removed: done.removed,
            removed_bytes: done.removed_bytes,
            left: done.left,
            left_bytes: done.left_bytes,
        })
    })
}

/// The remotes of the configuration. The error says that there are none, or may be none.
pub(super) fn tier(cache: &mgenjit_cache) -> Result<Tier, Error> {
    let tier = cache
        .config
        .tier(crate::executor::machine_of(&cache.config))?;
    tier.ok_or_else(|| {
        Error::new(
            Status::NotFound,
            "there is no remote: set one by mgenjit_config_set_remote or $MGENJIT_REMOTE, and a cache that is written",
        )
    })
}
