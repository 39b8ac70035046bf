//! Caches
//!
//! A mgenjit_cache is for looking into a cache's directory and changing it. It needs no executor and no compile server. Other
//! processes can use the cache at the same time.
//!
//! ```c
//! mgenjit_cache *cache;
//! mgenjit_cache_open(NULL, &cache, NULL);
//! mgenjit_cache_statistics statistics = {.size = sizeof statistics};
//! assert(mgenjit_cache_stats(cache, &statistics, NULL) == MGENJIT_STATUS_OK);
//! printf("%llu entries, %llu bytes\n", (unsigned long long)statistics.entries,
//!        (unsigned long long)statistics.bytes);
//! mgenjit_cache_free(cache);
//! ```

use super::call::call;
use super::config::{self, mgenjit_config};
use super::error::mgenjit_error;
use super::ffi::{self, CBool, Owned, SizedStruct, free, get, invalid};
use super::status::mgenjit_status;
use crate::cache::admin::Admin;
use crate::cache::index::Stats;
use crate::cache::key::Key;
use crate::client::pool::Pool;
use crate::config::Config;
use crate::error::Error;
use std::ffi::{CString, c_char, c_void};
use std::path::Path;
use std::ptr;

/// A cache's directory, open for looking into it and changing it.
#[allow(non_camel_case_types)]
pub struct mgenjit_cache {
    pub(super) admin: Admin,
    pub(super) config: Config,
    directory: CString,
    /// For what is compiled again; no server is started before.
    pool: Pool,
}

impl Owned for mgenjit_cache {}

/// The size of a key as text: 64 hexadecimal digits and a NUL.
pub const MGENJIT_KEY_SIZE: usize = 65;

/// What a cache holds, and what has happened since its index was created.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_statistics {
    /// Set it to sizeof(mgenjit_cache_statistics); the library writes how many bytes it filled in.
    pub size: usize,
    /// Entries, and the bytes of their files.
    pub entries: u64,
    pub bytes: u64,
    /// Pinned entries.
    pub pinned: u64,
    /// Other keys that lead to entries: an entry's canonical key, and those of modules that differ from it only in what does
    /// not matter.
    pub aliases: u64,
    /// The limits of the configuration that the cache was opened with. 0: none.
    pub max_bytes: u64,
    pub max_entries: u64,
    pub max_age_ms: u64,
    /// Cache hits: under the module's own key, through an alias, in a layer below.
    pub hits: u64,
    pub hits_by_alias: u64,
    pub hits_in_layers: u64,
    /// Cache misses: there never was an entry, it was evicted, it was removed, it was damaged, it had no trusted signature.
    pub misses_new: u64,
    pub misses_evicted: u64,
    pub misses_removed: u64,
    pub misses_damaged: u64,
    pub misses_untrusted: u64,
    /// Entries that were compiled and stored, that were imported, that were evicted (and their bytes), and that were removed.
    pub stores: u64,
    pub imports: u64,
    pub evictions: u64,
    pub evicted_bytes: u64,
    pub removals: u64,
    /// Compile time of the stored entries, and compile time that hits saved.
    pub compile_us: u64,
    pub saved_us: u64,
    /// Whether `hits` to `saved_us`, `piece_hits` and `piece_stores` are known. If not, they are 0: the index is lost or
    /// unreadable, and no new one can be created, for example on a full disk. The other fields are counted from the files.
    pub has_history: bool,
    /// Entries that are pieces of modules, see mgenjit_config_set_partition. `entries` and `bytes` include them.
    pub pieces: u64,
    /// Pieces that were found when a module was compiled, and that were compiled and stored. `hits` and `stores` do not
    /// include them.
    pub piece_hits: u64,
    pub piece_stores: u64,
    /// Remotes: entries that were fetched and their bytes; questions that were answered with "not there"; questions that
    /// failed, and answers that could not be used. Known if `has_history` is.
    pub remote_hits: u64,
    pub remote_bytes: u64,
    pub remote_misses: u64,
    pub remote_errors: u64,
    /// Compile time that fetched entries saved, less the time to fetch them; time that was spent on the other answers.
    pub remote_saved_us: u64,
    pub remote_lost_us: u64,
    /// Files that were put into remotes or were there already, their bytes, and those that could not be put.
    pub remote_puts: u64,
    pub remote_put_bytes: u64,
    pub remote_put_errors: u64,
}

// SAFETY: it is `repr(C)`, `size` comes first, and all fields are numbers or `bool`.
unsafe impl SizedStruct for mgenjit_cache_statistics {}

/// Progress callback: `done` of `total`. It runs on the thread that made the call. `total` may be too large until the end; then
/// it is `done`.
#[allow(non_camel_case_types)]
pub type mgenjit_progress = Option<unsafe extern "C" fn(done: u64, total: u64, user: *mut c_void)>;

/// Opens the cache of a configuration; NULL: the default cache. Free it with mgenjit_cache_free. Nothing is created yet.
/// mgenjit_cache_trim, _verify, _import and _explain use the configuration's limits, layers, keys and optimisation level.
///
/// Errors: MGENJIT_STATUS_CACHE if the configuration has no cache; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_open(
    config: *const mgenjit_config,
    cache: *mut *mut mgenjit_cache,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, out cache, optional_handle config => {
        let config = config::resolved(config)?;
        let admin = Admin::new(config.store())?;
        cache.give(mgenjit_cache {
            directory: ffi::c_string(admin.path().to_string_lossy().into_owned()),
            pool: Pool::new(config.pool()),
            admin,
            config,
        })
    })
}

/// Frees a cache's handle. What was made from it stays usable. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_free(cache: *mut mgenjit_cache) {
    free!(cache);
}

/// The absolute path of the cache's directory. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_directory(cache: *const mgenjit_cache) -> *const c_char {
    get!(cache else ptr::null() => cache.directory.as_ptr())
}

/// Writes the cache's statistics. Set `statistics->size` first.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if the directory does not exist yet, MGENJIT_STATUS_CACHE,
/// MGENJIT_STATUS_INVALID_ARGUMENT. The functions below have these errors, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_stats(
    cache: *mut mgenjit_cache,
    statistics: *mut mgenjit_cache_statistics,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, sized_out statistics => {
        statistics.write(c_statistics(&cache.admin, &cache.config)?)
    })
}

fn c_statistics(admin: &Admin, config: &Config) -> Result<mgenjit_cache_statistics, Error> {
    let Stats {
        has_history,
        entries,
        bytes,
        pinned,
        aliases,
        pieces,
        hits,
        hits_by_alias,
        hits_in_layers,
        piece_hits,
        misses_new,
        misses_evicted,
        misses_removed,
        misses_damaged,
        misses_untrusted,
        stores,
        piece_stores,
        imports,
        evictions,
        evicted_bytes,
        removals,
        spent,
        saved,
        remote_hits,
        remote_misses,
        remote_errors,
        remote_bytes,
        remote_saved,
        remote_lost,
        remote_puts,
        remote_put_bytes,
        remote_put_errors,
    } = admin.stats()?;
    let limits = &config.cache_limits;
    Ok(mgenjit_cache_statistics {
        size: size_of::<mgenjit_cache_statistics>(),
        entries,
        bytes,
        pinned,
        aliases,
        max_bytes: limits.max_bytes,
        max_entries: limits.max_entries,
        max_age_ms: u64::try_from(limits.max_age.as_millis()).unwrap_or(u64::MAX),
        hits,
        hits_by_alias,
        hits_in_layers,
        misses_new,
        misses_evicted,
        misses_removed,
        misses_damaged,
        misses_untrusted,
        stores,
        imports,
        evictions,
        evicted_bytes,
        removals,
        compile_us: spent,
        saved_us: saved,
        has_history,
        pieces,
        piece_hits,
        piece_stores,
        remote_hits,
        remote_bytes,
        remote_misses,
        remote_errors,
        remote_saved_us: remote_saved,
        remote_lost_us: remote_lost,
        remote_puts,
        remote_put_bytes,
        remote_put_errors,
    })
}

/// Finds the entry whose key begins with the digits of `prefix`; if there is none, the entry of an alias that does. Writes the
/// entry's whole key to `key`, which has `key_bytes` bytes: at least MGENJIT_KEY_SIZE.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND; MGENJIT_STATUS_INVALID_ARGUMENT if several entries match, if `prefix` is not
/// hexadecimal digits, or if `key` is too small.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_resolve(
    cache: *mut mgenjit_cache,
    prefix: *const c_char,
    key: *mut c_char,
    key_bytes: usize,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let key = key.cast::<[u8; MGENJIT_KEY_SIZE]>();
    call!(error, handle cache, string prefix, out key => {
        if key_bytes < MGENJIT_KEY_SIZE {
            return Err(invalid(format!(
                "`key_bytes` is {key_bytes}: a key takes {MGENJIT_KEY_SIZE}, MGENJIT_KEY_SIZE"
            )));
        }
        let mut text = [0; MGENJIT_KEY_SIZE];
        let digits = cache.admin.resolve(prefix)?.to_string();
        text[..digits.len()].copy_from_slice(digits.as_bytes());
        key.write(text)
    })
}

/// Removes an entry, even a pinned one. Its code stays valid where it is mapped. The pieces that a module was made of stay: they
/// have keys of their own, and other modules may have them too.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_remove(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, string key => cache.admin.remove(&whole_key(key)?))
}

/// Pins an entry, so that it is never evicted; false unpins it. A module needs no pieces to be found, so they are not pinned
/// with it.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_pin(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    pinned: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, string key => cache.admin.pin(&whole_key(key)?, pinned.get()))
}

/// Evicts entries until the limits of the cache's configuration hold, and removes what killed processes left. Entries that
/// saved the least compile time for each byte and have not been used for a long time go first. Storing does the same, a
/// little at a time. `progress` may be NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_trim(
    cache: *mut mgenjit_cache,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache => {
        let limits = cache.config.cache_limits;
        cache.admin.trim(&limits, &mut reporter(progress, user))
    })
}

/// Removes all entries; pinned ones only if `pinned_too`. Also removes what older versions of this library left, but not what
/// newer ones did. `progress` may be NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_clear(
    cache: *mut mgenjit_cache,
    pinned_too: CBool,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache => {
        cache.admin.clear(pinned_too.get(), &mut reporter(progress, user))
    })
}

/// Verifies an entry: its code, as a hit does; what is attached to it; and, if its inputs were kept, that they and the options
/// have its key. With `recompile`, also compiles the inputs again and compares. That needs an entry with inputs that this
/// version of the library compiled, for this machine or another target. A piece is compiled again, and compared, with a module
/// that was made of it; by itself, it is MGENJIT_STATUS_NOT_FOUND.
///
/// If the inputs were not kept, only compiling the module again can tell whether the entry is what its key says. The same holds
/// for an alias, except the key of the canonical form, which `recompile` checks.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED; with `recompile` also
/// MGENJIT_STATUS_DIFFERENT, MGENJIT_STATUS_TARGET if it cannot be compiled here, and those of mgenjit_executor_compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_verify(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    recompile: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, string key => {
        let key = whole_key(key)?;
        match recompile.get() {
            false => cache.admin.verify(&key),
            true => crate::executor::recompile(&cache.admin, &cache.pool, &key),
        }
    })
}

/// Creates the index anew from the entries. Counts and times of use are kept if the old index can be read; nothing else can be
/// lost with an index. `progress` may be NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_rebuild(
    cache: *mut mgenjit_cache,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache => cache.admin.rebuild(&mut reporter(progress, user)))
}

/// Writes the entries of `count` keys, and their aliases, to a file, a bundle, to be imported or to be used as a layer
/// (mgenjit_config_add_cache_layer). Pieces are written only if their own keys are given. The file appears only when it is complete. If
/// the configuration has a signing key, the entries are signed with it. `progress` may be NULL.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_export(
    cache: *mut mgenjit_cache,
    path: *const c_char,
    keys: *const *const c_char,
    count: usize,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, string path, strings keys[count] => {
        let keys = keys.into_iter().map(whole_key).collect::<Result<Vec<Key>, Error>>()?;
        cache.admin.export(Path::new(path), &keys, &mut reporter(progress, user))
    })
}

/// Stores the entries of a bundle. All are verified before the first is stored. Entries that the cache already has, whole and
/// signed as the configuration asks, stay as they are. `imported`, which may be NULL, receives how many were stored. `progress`
/// may be NULL.
///
/// If the configuration has trusted keys, each entry must be signed with one. If not, the entries are checked for damage, but
/// nothing shows that their code is what their keys stand for. So import unsigned bundles only from where you would run a
/// program from. mgenjit_cache_verify with `recompile` finds entries that differ from what this machine compiles.
///
/// Thread-safe. Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED if an entry has no signature by a
/// trusted key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_import(
    cache: *mut mgenjit_cache,
    path: *const c_char,
    imported: *mut u64,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, string path, optional_out imported => {
        let count = cache.admin.import(Path::new(path), &mut reporter(progress, user))?;
        imported.map_or(Ok(()), |imported| imported.write(count))
    })
}

/// Reads a whole key.
pub(super) fn whole_key(text: &str) -> Result<Key, Error> {
    Key::parse(text).ok_or_else(|| {
        invalid(format!(
            "`{text}` is not a key: a key is 64 hexadecimal digits; mgenjit_cache_resolve finds one by its first"
        ))
    })
}

/// Reports progress, and goes on.
pub(super) fn reporter(
    progress: mgenjit_progress,
    user: *mut c_void,
) -> impl FnMut(u64, u64) -> bool {
    move |done, total| {
        if let Some(progress) = progress {
            // SAFETY: the caller gave it to be called with `user` until the call returns.
            unsafe { progress(done, total, user) };
        }
        true
    }
}
