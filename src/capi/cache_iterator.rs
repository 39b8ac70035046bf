//! Lists of cache entries
//!
//! ```c
//! mgenjit_cache *cache;
//! mgenjit_cache_open(NULL, &cache, NULL);
//! mgenjit_cache_iterator *iterator;
//! mgenjit_cache_iterate(cache, NULL, &iterator, NULL);
//! mgenjit_cache_info info = {.size = sizeof info};
//! while (mgenjit_cache_iterator_next(iterator, &info, NULL) == MGENJIT_STATUS_OK && info.key != NULL)
//!     printf("%s %s\n", info.key, info.name);
//! mgenjit_cache_iterator_free(iterator);
//! mgenjit_cache_free(cache);
//! ```

use super::cache::mgenjit_cache;
use super::call::call;
use super::error::mgenjit_error;
use super::ffi::{self, Owned, SizedStruct, free, invalid};
use super::status::mgenjit_status;
use crate::cache::index::{Filter, Row};
use crate::cache::list::Iter;
use crate::error::Error;
use std::ffi::{CString, c_char};

/// All entries.
pub const MGENJIT_PINNED_ANY: i32 = 0;
/// Only pinned entries.
pub const MGENJIT_PINNED_ONLY: i32 = 1;
/// Only entries that are not pinned.
pub const MGENJIT_PINNED_NOT: i32 = 2;

/// All entries.
pub const MGENJIT_PIECES_ANY: i32 = 0;
/// Only pieces of modules: see mgenjit_config_set_partition.
pub const MGENJIT_PIECES_ONLY: i32 = 1;
/// Only modules.
pub const MGENJIT_PIECES_NOT: i32 = 2;

/// Which entries an iterator yields: those that pass every test. If all fields but `size` are 0, all entries pass.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_filter {
    /// Set it to sizeof(mgenjit_cache_filter).
    pub size: usize,
    /// A pattern for module names, with *, ? and […], or NULL.
    pub name: *const c_char,
    /// One of MGENJIT_PINNED_….
    pub pinned: i32,
    /// Only entries that were last used before this time, in microseconds since 1970. 0: all.
    pub unused_since_us: u64,
    /// Only entries of at least so many bytes.
    pub min_bytes: u64,
    /// One of MGENJIT_PIECES_….
    pub pieces: i32,
}

// SAFETY: it is `repr(C)`, `size` comes first, and all fields are numbers or pointers.
unsafe impl SizedStruct for mgenjit_cache_filter {}

/// What is known of one entry. The strings belong to the iterator, until its next step, or to the entry that was asked.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_info {
    /// Set it to sizeof(mgenjit_cache_info); the library writes how many bytes it filled in.
    pub size: usize,
    /// 64 hexadecimal digits.
    pub key: *const c_char,
    /// The module's name when it was compiled. Of a piece, also what is in it, such as "x.ll (piece with `f`)".
    pub name: *const c_char,
    /// One of MGENJIT_OPT_….
    pub opt_level: i32,
    /// Whether it is never evicted.
    pub pinned: bool,
    /// The target and CPU that LLVM generated code for.
    pub triple: *const c_char,
    pub cpu: *const c_char,
    /// Where the code runs: a CPU level such as "x86-64-v3"; "native" and a digest of a machine's CPU; or another target such
    /// as "aarch64-linux-gnu cortex-a72".
    pub machine: *const c_char,
    /// The versions of LLVM and of this library, and the build of the compile server.
    pub llvm_version: *const c_char,
    pub version: *const c_char,
    pub build: *const c_char,
    /// Bytes of the inputs, of the entry's file, and of its image, which is 0 for a target other than this machine.
    pub ir_bytes: u64,
    pub bytes: u64,
    pub image_bytes: u64,
    /// Compile time.
    pub compile_us: u64,
    /// When it was compiled and last used, in microseconds since 1970.
    pub created_us: u64,
    pub last_used_us: u64,
    /// Hits, and the compile time that they saved.
    pub hits: u64,
    pub saved_us: u64,
    /// Whether this is a piece of a module. It is found when a module that has this piece is compiled, which counts as a hit.
    pub is_piece: bool,
    /// How many pieces it was made of, see mgenjit_cache_entry_piece. 0: it was compiled as one. 1, itself, for a piece.
    pub pieces: u64,
}

// SAFETY: it is `repr(C)`, `size` comes first, and all fields are numbers, pointers or `bool`.
unsafe impl SizedStruct for mgenjit_cache_info {}

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
            pinned: row.pinned,
            triple: self.triple.as_ptr(),
            cpu: self.cpu.as_ptr(),
            machine: self.machine.as_ptr(),
            llvm_version: self.llvm.as_ptr(),
            version: self.package.as_ptr(),
            build: self.build.as_ptr(),
            ir_bytes: row.input_len,
            bytes: row.bytes,
            image_bytes: row.image_bytes,
            compile_us: row.cost,
            created_us: row.created,
            last_used_us: row.used,
            hits: row.hits,
            saved_us: row.hits.saturating_mul(row.cost),
            is_piece: row.is_piece(),
            pieces: row.pieces.unsigned_abs(),
        }
    }
}

/// Steps through the entries of a cache. It belongs to one thread at a time.
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_iterator {
    iter: Iter,
    strings: Option<InfoStrings>,
}

impl Owned for mgenjit_cache_iterator {}

/// Creates an iterator over the entries that pass `filter`, in the order of their keys; NULL: over all. Free it with
/// mgenjit_cache_iterator_free. It reads as it goes: entries stored or removed meanwhile may or may not appear.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_iterate(
    cache: *mut mgenjit_cache,
    filter: *const mgenjit_cache_filter,
    iterator: *mut *mut mgenjit_cache_iterator,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, out iterator, optional_sized filter => {
        let name = filter.name;
        // SAFETY: the header asks for NULL or a string.
        let name = unsafe { ffi::optional_string(name, "filter->name") }?;
        iterator.give(mgenjit_cache_iterator {
            iter: cache.admin.iter(rust_filter(&filter, name)?)?,
            strings: None,
        })
    })
}

fn rust_filter(filter: &mgenjit_cache_filter, name: Option<&str>) -> Result<Filter, Error> {
    Ok(Filter {
        name: name.map(str::to_owned),
        pinned: match filter.pinned {
            MGENJIT_PINNED_ANY => None,
            MGENJIT_PINNED_ONLY => Some(true),
            MGENJIT_PINNED_NOT => Some(false),
            other => {
                return Err(invalid(format!(
                    "`filter->pinned` is {other}: use 0, 1 or 2, one of MGENJIT_PINNED_…"
                )));
            }
        },
        pieces: match filter.pieces {
            MGENJIT_PIECES_ANY => None,
            MGENJIT_PIECES_ONLY => Some(true),
            MGENJIT_PIECES_NOT => Some(false),
            other => {
                return Err(invalid(format!(
                    "`filter->pieces` is {other}: use 0, 1 or 2, one of MGENJIT_PIECES_…"
                )));
            }
        },
        unused_since: Some(filter.unused_since_us).filter(|time| *time > 0),
        min_bytes: filter.min_bytes,
    })
}

/// Writes the next entry. After the last one, `info->key` is NULL. Set `info->size` first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_iterator_next(
    iterator: *mut mgenjit_cache_iterator,
    info: *mut mgenjit_cache_info,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // The place is checked first: an entry that cannot be written is not skipped.
    call!(error, handle_mut iterator, sized_out info => match iterator.iter.next()? {
        Some(row) => {
            let strings = iterator.strings.insert(InfoStrings::new(&row));
            info.write(strings.info(&row))
        }
        None => info.write(mgenjit_cache_info::zeros()),
    })
}

/// Frees an iterator. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_iterator_free(iterator: *mut mgenjit_cache_iterator) {
    free!(iterator);
}
