//! `mgenjit_cache`: what is in a cache, what it did, and how to change it.

use super::blob::mgenjit_blob;
use super::config::mgenjit_config;
use super::error::mgenjit_error;
use super::executor::copy_config;
use super::ffi::{self, Out, Owned, SizedStruct};
use super::status::mgenjit_status;
use crate::cache::admin::Catalog;
use crate::cache::index::{Filter, Row, Stats};
use crate::cache::key::Key;
use crate::cache::list::Iter;
use crate::client::pool::Pool;
use crate::config::Config;
use crate::error::{Error, Status};
use std::ffi::{CString, c_char, c_void};
use std::path::Path;
use std::ptr;

/// A cache's directory, open for people to look at and to change. It needs no executor and no compile server.
/// The processes that use the cache go on meanwhile.
#[allow(non_camel_case_types)]
pub struct mgenjit_cache {
    catalog: Catalog,
    config: Config,
    directory: CString,
    /// For what is compiled again; no server is started before.
    pool: Pool,
}

impl Owned for mgenjit_cache {}

/// Bytes of a key's text: 64 hexadecimal digits and a NUL.
pub const MGENJIT_KEY_SIZE: usize = 65;

/// What a cache holds, and what it did since its index was made. Times are in microseconds.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_statistics {
    /// The caller sets it to the size of this struct; the library writes how much it filled in.
    pub size: usize,
    /// Entries, and the bytes of their files.
    pub entries: u64,
    pub bytes: u64,
    /// Of the entries, those that are pinned.
    pub pinned: u64,
    /// Other keys that lead to entries: that of each one's canonical form, and those of modules that differ from it
    /// only in what does not matter.
    pub aliases: u64,
    /// The limits of the configuration that the cache was opened with; 0 for none. The age is in seconds.
    pub max_bytes: u64,
    pub max_entries: u64,
    pub max_age: u64,
    /// Compiles that found their code: under their own key, through an alias, in a layer below.
    pub hits: u64,
    pub hits_by_alias: u64,
    pub hits_in_layers: u64,
    /// Compiles that did not: because there never was such an entry, because it was evicted, because somebody
    /// removed it, because it was damaged, because no trusted key signed it.
    pub misses_new: u64,
    pub misses_evicted: u64,
    pub misses_removed: u64,
    pub misses_damaged: u64,
    pub misses_untrusted: u64,
    /// Entries that were compiled and stored, that were imported, that were evicted (for room or age) with their
    /// bytes, that somebody removed.
    pub stores: u64,
    pub imports: u64,
    pub evictions: u64,
    pub evicted_bytes: u64,
    pub removals: u64,
    /// What the stored entries took to compile, and what the hits would have taken.
    pub compile_time: u64,
    pub saved_time: u64,
    /// 1 if all from `hits` to `saved_time` is known, as far as it was recorded. 0 if the index that would tell is lost or
    /// cannot be read, and none can be made, as on a full disk: then these are 0. What comes before is counted from the
    /// files.
    pub has_history: u64,
}

// SAFETY: it is `repr(C)`, and `size` comes first.
unsafe impl SizedStruct for mgenjit_cache_statistics {}

/// Which entries an iterator yields: those that pass each test. All zeros but `size` lets everything through.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_filter {
    /// The size of this struct.
    pub size: usize,
    /// A pattern for module names, with *, ? and […], or NULL.
    pub name: *const c_char,
    /// 1: only pinned entries. 2: only ones that are not pinned.
    pub pinned: i32,
    /// Only entries that were last used before this time, in microseconds since 1970; 0: all.
    pub unused_since: u64,
    /// Only entries of at least so many bytes.
    pub min_bytes: u64,
}

// SAFETY: it is `repr(C)`, and `size` comes first.
unsafe impl SizedStruct for mgenjit_cache_filter {}

/// What is known of one entry. Strings belong to the iterator, until its next step, or to the entry that was asked.
/// Times are in microseconds.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_info {
    /// The caller sets it to the size of this struct; the library writes how much it filled in.
    pub size: usize,
    /// 64 hexadecimal digits.
    pub key: *const c_char,
    /// What the module was called when it was compiled.
    pub name: *const c_char,
    /// One of MGENJIT_OPT_….
    pub opt_level: i32,
    /// 1 if it is never evicted.
    pub pinned: i32,
    /// What LLVM generated code for.
    pub triple: *const c_char,
    pub cpu: *const c_char,
    /// Where the code runs: a CPU level such as "x86-64-v3", "native" and a digest of one machine's CPU, or another
    /// target such as "aarch64-linux-gnu cortex-a72".
    pub machine: *const c_char,
    /// The version of LLVM, of this library, and which build of the compile server it was.
    pub llvm_version: *const c_char,
    pub version: *const c_char,
    pub build: *const c_char,
    /// Bytes of the inputs, of the entry's file, and of the image in it: 0 for another target than this machine.
    pub ir_bytes: u64,
    pub bytes: u64,
    pub image_bytes: u64,
    /// What it took to compile.
    pub compile_time: u64,
    /// When it was compiled and last used, since 1970.
    pub created: u64,
    pub last_used: u64,
    /// How often it was used after that, and what that saved.
    pub hits: u64,
    pub saved_time: u64,
}

// SAFETY: it is `repr(C)`, and `size` comes first.
unsafe impl SizedStruct for mgenjit_cache_info {}

/// Told how much of how much is done, on the thread that made the call. `total` may be too large until all is done;
/// then it is `done`.
#[allow(non_camel_case_types)]
pub type mgenjit_progress = Option<unsafe extern "C" fn(done: u64, total: u64, user: *mut c_void)>;

/// The strings that a `mgenjit_cache_info` points to.
pub(super) struct InfoStrings {
    key: CString,
    name: CString,
    triple: CString,
    cpu: CString,
    machine: CString,
    llvm: CString,
    package: CString,
    build: CString,
}

impl InfoStrings {
    pub(super) fn new(row: &Row) -> InfoStrings {
        InfoStrings {
            key: ffi::c_string(row.key.to_string()),
            name: ffi::c_string(row.name.as_str()),
            triple: ffi::c_string(row.triple.as_str()),
            cpu: ffi::c_string(row.cpu.as_str()),
            machine: ffi::c_string(row.parts.machine.as_str()),
            llvm: ffi::c_string(row.parts.llvm.as_str()),
            package: ffi::c_string(row.parts.package.as_str()),
            build: ffi::c_string(row.parts.build.as_str()),
        }
    }

    /// The C struct of `row`, which points to these strings.
    pub(super) fn info(&self, row: &Row) -> mgenjit_cache_info {
        mgenjit_cache_info {
            size: size_of::<mgenjit_cache_info>(),
            key: self.key.as_ptr(),
            name: self.name.as_ptr(),
            opt_level: row.parts.opt_level as i32,
            pinned: i32::from(row.pinned),
            triple: self.triple.as_ptr(),
            cpu: self.cpu.as_ptr(),
            machine: self.machine.as_ptr(),
            llvm_version: self.llvm.as_ptr(),
            version: self.package.as_ptr(),
            build: self.build.as_ptr(),
            ir_bytes: row.input_len,
            bytes: row.bytes,
            image_bytes: row.image_bytes,
            compile_time: row.cost,
            created: row.created,
            last_used: row.used,
            hits: row.hits,
            saved_time: row.hits.saturating_mul(row.cost),
        }
    }
}

/// Opens the cache that a configuration names; NULL: the default one. Nothing is made yet. The configuration's
/// limits, layers, keys and optimisation level are those of mgenjit_cache_trim, _verify, _import and _explain.
///
/// Errors: MGENJIT_STATUS_CACHE if the configuration has no cache; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_open(
    config: *const mgenjit_config,
    cache: *mut *mut mgenjit_cache,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let out = Out::new(cache, "cache")?;
            let config = copy_config(config);
            let catalog = Catalog::new(config.store())?;
            let directory = ffi::c_string(catalog.path().to_string_lossy().into_owned());
            let pool = Pool::new(config.pool());
            out.write(
                mgenjit_cache {
                    catalog,
                    config,
                    directory,
                    pool,
                }
                .into_raw(),
            );
            Ok(())
        })
    }
}

/// Frees a cache's handle. What was made from it stays usable. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_free(cache: *mut mgenjit_cache) {
    // SAFETY: the caller passes NULL or a handle that it owns and will not use again.
    unsafe { mgenjit_cache::free(cache) };
}

/// The cache's directory, an absolute path. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_directory(cache: *const mgenjit_cache) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { cache.as_ref() }.map_or(ptr::null(), |cache| cache.directory.as_ptr())
}

/// Writes what the cache holds and did. `statistics->size` is to be set first.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there is no such directory yet, MGENJIT_STATUS_CACHE,
/// MGENJIT_STATUS_INVALID_ARGUMENT. The functions below have these errors too, and name only others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_stats(
    cache: *mut mgenjit_cache,
    statistics: *mut mgenjit_cache_statistics,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            ffi::check_sized(statistics, "statistics")?;
            ffi::write_sized(
                statistics,
                c_statistics(&cache.catalog, &cache.config)?,
                "statistics",
            )
        })
    }
}

fn c_statistics(catalog: &Catalog, config: &Config) -> Result<mgenjit_cache_statistics, Error> {
    let Stats {
        has_history,
        entries,
        bytes,
        pinned,
        aliases,
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
        spent,
        saved,
    } = catalog.stats()?;
    let limits = &config.cache_limits;
    Ok(mgenjit_cache_statistics {
        size: size_of::<mgenjit_cache_statistics>(),
        entries,
        bytes,
        pinned,
        aliases,
        max_bytes: limits.max_bytes,
        max_entries: limits.max_entries,
        max_age: limits.max_age.as_secs(),
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
        compile_time: spent,
        saved_time: saved,
        has_history: u64::from(has_history),
    })
}

/// Steps through the entries of a cache. It belongs to one thread at a time.
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_iterator {
    iter: Iter,
    strings: Option<InfoStrings>,
}

impl Owned for mgenjit_cache_iterator {}

/// Makes an iterator over the entries that pass `filter`, in the order of their keys; NULL: over all. It reads as
/// it goes: entries that are stored or removed meanwhile are yielded or not. To be freed with
/// mgenjit_cache_iterator_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_iterate(
    cache: *mut mgenjit_cache,
    filter: *const mgenjit_cache_filter,
    iterator: *mut *mut mgenjit_cache_iterator,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let out = Out::new(iterator, "iterator")?;
            let filter = if filter.is_null() {
                Filter::default()
            } else {
                rust_filter(filter)?
            };
            let iter = cache.catalog.iter(filter)?;
            out.write(
                mgenjit_cache_iterator {
                    iter,
                    strings: None,
                }
                .into_raw(),
            );
            Ok(())
        })
    }
}

/// Reads a filter.
///
/// # Safety
/// As [`ffi::read_sized`]; the name in it is NULL or a string.
unsafe fn rust_filter(filter: *const mgenjit_cache_filter) -> Result<Filter, Error> {
    let all = mgenjit_cache_filter {
        size: 0,
        name: ptr::null(),
        pinned: 0,
        unused_since: 0,
        min_bytes: 0,
    };
    // SAFETY: the caller's.
    let filter = unsafe { ffi::read_sized(filter, all, "filter")? };
    Ok(Filter {
        name: if filter.name.is_null() {
            None
        } else {
            // SAFETY: the caller vouches for the string.
            Some(unsafe { ffi::string(filter.name, "filter->name")? }.to_owned())
        },
        pinned: match filter.pinned {
            0 => None,
            1 => Some(true),
            2 => Some(false),
            other => {
                return Err(Error::new(
                    Status::InvalidArgument,
                    format!("`filter->pinned` is {other}: use 0, 1 or 2"),
                ));
            }
        },
        unused_since: Some(filter.unused_since).filter(|time| *time > 0),
        min_bytes: filter.min_bytes,
    })
}

/// Writes the next entry; behind the last one, `info->key` is NULL. `info->size` is to be set first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_iterator_next(
    iterator: *mut mgenjit_cache_iterator,
    info: *mut mgenjit_cache_info,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let iterator = ffi::borrow_mut(iterator, "iterator")?;
            // First: an entry that cannot be told is not skipped.
            ffi::check_sized(info, "info")?;
            match iterator.iter.next()? {
                Some(row) => {
                    let strings = iterator.strings.insert(InfoStrings::new(&row));
                    ffi::write_sized(info, strings.info(&row), "info")
                }
                None => {
                    let end = std::mem::zeroed::<mgenjit_cache_info>();
                    ffi::write_sized(info, end, "info")
                }
            }
        })
    }
}

/// Frees an iterator. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_iterator_free(iterator: *mut mgenjit_cache_iterator) {
    // SAFETY: the caller passes NULL or a handle that it owns and will not use again.
    unsafe { mgenjit_cache_iterator::free(iterator) };
}

/// Finds the one entry whose key begins with the digits of `prefix`, or, if there is none, to which a key leads that
/// does; and writes the entry's whole key, MGENJIT_KEY_SIZE bytes.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if there is none; MGENJIT_STATUS_INVALID_ARGUMENT if there are
/// several, or if these are no hexadecimal digits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_resolve(
    cache: *mut mgenjit_cache,
    prefix: *const c_char,
    key: *mut c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let prefix = ffi::string(prefix, "prefix")?;
            let out = Out::new(key.cast::<[u8; MGENJIT_KEY_SIZE]>(), "key")?;
            let mut text = [0; MGENJIT_KEY_SIZE];
            let digits = cache.catalog.resolve(prefix)?.to_string();
            text[..digits.len()].copy_from_slice(digits.as_bytes());
            out.write(text);
            Ok(())
        })
    }
}

/// Removes an entry, also a pinned one. Code from it that is mapped runs on.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_remove(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            cache.catalog.remove(&whole_key(key)?)
        })
    }
}

/// Pins an entry, so that it is never evicted, or (`pinned` 0) does so no more.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_pin(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    pinned: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            cache.catalog.pin(&whole_key(key)?, pinned != 0)
        })
    }
}

/// Removes entries until the limits of the cache's configuration hold, and what killed processes left. Those go
/// first that saved the least compile time for each byte, and were not used for long. Storing does this by itself,
/// a little at a time. `progress` may be NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_trim(
    cache: *mut mgenjit_cache,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let limits = cache.config.cache_limits;
            cache.catalog.trim(&limits, &mut teller(progress, user))
        })
    }
}

/// Removes all entries; pinned ones only if `pinned_too` is not 0. What older versions of this library left there
/// goes too, what newer ones did stays. `progress` may be NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_clear(
    cache: *mut mgenjit_cache,
    pinned_too: i32,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            cache
                .catalog
                .clear(pinned_too != 0, &mut teller(progress, user))
        })
    }
}

/// Checks an entry: its code as a hit does, what is attached to it, and that what it was compiled from has its key: its
/// inputs, if they were kept, and its options. With `recompile`, compiles its inputs once more and compares: for entries that
/// this version of the library compiled, for this machine or another target, and whose inputs were kept.
///
/// Of an entry whose inputs were not kept, only compiling the module again tells whether it is what its key says; so it is
/// of another key that leads to the entry, unless that is the one of its canonical form, which `recompile` checks too.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED; with
/// `recompile` also MGENJIT_STATUS_DIFFERENT, MGENJIT_STATUS_TARGET if it cannot be compiled here, and those of
/// mgenjit_executor_compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_verify(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    recompile: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let key = whole_key(key)?;
            if recompile == 0 {
                return cache.catalog.verify(&key);
            }
            crate::executor::recompile(&cache.catalog, &cache.pool, &key)
        })
    }
}

/// Makes the index anew from the entries. Nothing but what was counted, and when entries were used, can be lost with
/// an index, and that is kept if the old one can be read. `progress` may be NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_rebuild(
    cache: *mut mgenjit_cache,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            cache.catalog.rebuild(&mut teller(progress, user))
        })
    }
}

/// Writes the entries of `count` keys, with what else leads to them, to one file, a bundle: whole or not at all.
/// A configuration with a signing key signs them anew. `progress` may be NULL.
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
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let path = ffi::string(path, "path")?;
            let keys = ffi::slice(keys, count, "keys")?
                .iter()
                .map(|key| whole_key(*key))
                .collect::<Result<Vec<Key>, Error>>()?;
            cache
                .catalog
                .export(Path::new(path), &keys, &mut teller(progress, user))
        })
    }
}

/// Stores the entries of a bundle: all are verified before the first one is. Those that are there already, whole and
/// signed as the configuration asks, stay as they are.
///
/// If the configuration trusts keys, each entry must be signed with one. If it does not, the bundle itself is trusted as the
/// cache's directory is: its entries are found undamaged, but that their code is what their keys stand for is not known. So
/// import unsigned bundles from where you would run a program from; mgenjit_cache_verify with `recompile` tells which
/// entries are not what this machine compiles. `imported`, which may be NULL, receives how many were stored.
/// `progress` may be NULL.
///
/// Thread-safe. Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED if the configuration
/// trusts keys of which none signed an entry.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_import(
    cache: *mut mgenjit_cache,
    path: *const c_char,
    imported: *mut u64,
    progress: mgenjit_progress,
    user: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let path = ffi::string(path, "path")?;
            let count = cache
                .catalog
                .import(Path::new(path), &mut teller(progress, user))?;
            if !imported.is_null() {
                imported.write(count);
            }
            Ok(())
        })
    }
}

/// Reads a whole key.
///
/// # Safety
/// As [`ffi::string`].
pub(super) unsafe fn whole_key(key: *const c_char) -> Result<Key, Error> {
    // SAFETY: the caller vouches for the string.
    let text = unsafe { ffi::string(key, "key")? };
    Key::parse(text).ok_or_else(|| {
        Error::new(
            Status::InvalidArgument,
            format!(
                "`{text}` is no key: a key is 64 hexadecimal digits; mgenjit_cache_resolve finds one by its first"
            ),
        )
    })
}

fn teller(progress: mgenjit_progress, user: *mut c_void) -> impl FnMut(u64, u64) -> bool {
    move |done, total| {
        if let Some(progress) = progress {
            // SAFETY: the caller gave it to be called with `user` until the call returns.
            unsafe { progress(done, total, user) };
        }
        true
    }
}

impl mgenjit_cache {
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

pub(super) fn blob(bytes: Vec<u8>) -> *mut mgenjit_blob {
    mgenjit_blob(bytes).into_raw()
}
