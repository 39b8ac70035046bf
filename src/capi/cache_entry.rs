//! Cache entries
//!
//! ```c
//! mgenjit_cache *cache;
//! mgenjit_cache_open(NULL, &cache, NULL);
//! mgenjit_cache_entry *entry;
//! assert(mgenjit_cache_entry_open(cache, mgenjit_module_key(module), &entry, NULL) == MGENJIT_STATUS_OK);
//! printf("%s\n", mgenjit_cache_entry_prototype(entry, 0)); // int64_t add(int64_t, int64_t);
//! mgenjit_cache_entry_free(entry);
//! mgenjit_cache_free(cache);
//! ```

use super::blob::mgenjit_blob;
use super::cache::{mgenjit_cache, whole_key};
use super::cache_iterator::{InfoStrings, mgenjit_cache_info};
use super::call::call;
use super::error::mgenjit_error;
use super::ffi::{self, Owned, free, get, invalid};
use super::piece_strings::CPieces;
use super::status::mgenjit_status;
use crate::cache::admin::Details;
use crate::cache::entry::EntryError;
use crate::error::{Error, Status};
use crate::protocol::profile::Profile;
use crate::prototype::c_prototype;
use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;

/// One entry of a cache. It stays as it was when it was opened, whatever happens to the cache.
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_entry {
    details: Details,
    strings: InfoStrings,
    features: CString,
    options: CString,
    path: CString,
    aliases: Vec<CString>,
    inputs: Vec<CString>,
    pub(super) pieces: CPieces,
    signatures: Vec<CString>,
    prototypes: Vec<Option<CString>>,
}

impl Owned for mgenjit_cache_entry {}

impl mgenjit_cache_entry {
    fn new(details: Details, path: &Path) -> mgenjit_cache_entry {
        let about = &details.manifest.about;
        let functions = details.manifest.functions.iter();
        let aliases = details.aliases.iter();
        mgenjit_cache_entry {
            strings: InfoStrings::new(&details.row),
            features: ffi::c_string(about.features.as_str()),
            options: ffi::c_string(about.parts.options.as_str()),
            path: ffi::c_string(path.to_string_lossy().into_owned()),
            aliases: aliases.map(|key| ffi::c_string(key.to_string())).collect(),
            inputs: about
                .given()
                .iter()
                .map(|input| ffi::c_string(input.name.as_str()))
                .collect(),
            pieces: CPieces::of_entry(about, details.row.key),
            signatures: functions
                .clone()
                .map(|function| ffi::c_string(function.to_string()))
                .collect(),
            prototypes: functions
                .map(|function| c_prototype(function).map(ffi::c_string))
                .collect(),
            details,
        }
    }
}

/// The image: an ELF shared object. Empty if the entry is for another target, or is a piece.
pub const MGENJIT_PART_IMAGE: i32 = 1;
/// The relocatable object that the image was linked from; if there are several, a GNU archive of them. Of a piece, what the
/// compile server keeps of it, in a form of its own.
pub const MGENJIT_PART_OBJECT: i32 = 2;
/// The inputs as they were given, one after the other, if they were kept. Those of pieces are not.
pub const MGENJIT_PART_IR: i32 = 3;
/// The profile that the code was optimised by (mgenjit_config_set_profile_use), if the IR was kept.
pub const MGENJIT_PART_PROFILE: i32 = 4;

/// Opens the entry of a key, 64 hexadecimal digits, and verifies it. Free it with mgenjit_cache_entry_free.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_open(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    entry: *mut *mut mgenjit_cache_entry,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, out entry, string key => {
        let details = cache.admin.details(&whole_key(key)?)?;
        let path = cache.admin.entry_path(&details.row.key);
        entry.give(mgenjit_cache_entry::new(details, &path))
    })
}

/// Frees an entry. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_free(entry: *mut mgenjit_cache_entry) {
    free!(entry);
}

/// Writes what is known of the entry. Set `info->size` first.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_info(
    entry: *const mgenjit_cache_entry,
    info: *mut mgenjit_cache_info,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle entry, sized_out info => info.write(entry.strings.info(&entry.details.row)))
}

/// The CPU features that LLVM generated code for, such as "+avx2,-avx512f". NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_features(
    entry: *const mgenjit_cache_entry,
) -> *const c_char {
    get!(entry else ptr::null() => entry.features.as_ptr())
}

/// What decided about the code beside the level and the target, where it is not the default, with spaces between:
/// "pieces=off" or "pieces=" and a number, "replaceable=yes", "switchable=yes" for code of a first tier, "profile=generate" for code
/// that counts, "profile=use" for code that was optimised by a profile. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_options(
    entry: *const mgenjit_cache_entry,
) -> *const c_char {
    get!(entry else ptr::null() => entry.options.as_ptr())
}

/// The path of the entry's file. Tools such as objdump read it as an ELF shared object. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_path(
    entry: *const mgenjit_cache_entry,
) -> *const c_char {
    get!(entry else ptr::null() => entry.path.as_ptr())
}

/// How many aliases, other keys, lead to the entry. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_alias_count(
    entry: *const mgenjit_cache_entry,
) -> usize {
    get!(entry else 0 => entry.aliases.len())
}

/// The alias at `index`. NULL past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_alias(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    get!(entry else ptr::null() => ffi::pointer(entry.aliases.get(index)))
}

/// How many inputs the entry was compiled from. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_input_count(
    entry: *const mgenjit_cache_entry,
) -> usize {
    get!(entry else 0 => entry.inputs.len())
}

/// The name of the input at `index`. NULL past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_input_name(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    get!(entry else ptr::null() => ffi::pointer(entry.inputs.get(index)))
}

/// The bytes of the input at `index`, 0 past the last. In MGENJIT_PART_IR, it follows the inputs before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_input_size(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> u64 {
    get!(entry else 0 => {
        let input = entry.details.manifest.about.given().get(index);
        input.map_or(0, |input| input.len)
    })
}

/// How many functions the module defines that others can see. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_function_count(
    entry: *const mgenjit_cache_entry,
) -> usize {
    get!(entry else 0 => entry.signatures.len())
}

/// The signature of the function at `index` as IR text, such as "i64 @add(i64, i64)". NULL past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_signature(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    get!(entry else ptr::null() => ffi::pointer(entry.signatures.get(index)))
}

/// The C declaration of the function at `index`, such as "int64_t add(int64_t, int64_t);". IR does not say which integers are
/// unsigned or what pointers point to. NULL past the last, and for a function that C cannot declare because of its name, its
/// calling convention, or a type such as a vector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_prototype(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    get!(entry else ptr::null() => {
        ffi::pointer(entry.prototypes.get(index).and_then(Option::as_ref))
    })
}

/// Reads a part of the entry, one of MGENJIT_PART_…, into a blob. Free it with mgenjit_blob_free.
///
/// Errors: MGENJIT_STATUS_NOT_FOUND if the IR was not kept or no profile was used, MGENJIT_STATUS_DAMAGED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_read(
    entry: *const mgenjit_cache_entry,
    part: i32,
    bytes: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle entry, out bytes => {
        let about = &entry.details.manifest.about;
        let entry = &entry.details.entry;
        let read = match part {
            MGENJIT_PART_IMAGE => entry.image(),
            MGENJIT_PART_OBJECT => entry.object(about),
            MGENJIT_PART_IR => entry.input(about).map(|mut inputs| {
                let given = about.given().iter().map(|input| input.len);
                inputs.truncate(usize::try_from(given.sum::<u64>()).unwrap_or(usize::MAX));
                inputs
            }),
            MGENJIT_PART_PROFILE => entry.input(about).and_then(|inputs| {
                let profile = about.profile().and_then(|place| inputs.get(place));
                match profile.and_then(Profile::decode) {
                    Some(Profile::Use(bytes)) => Ok(bytes.to_vec()),
                    _ => Err(EntryError::Missing("profile")),
                }
            }),
            _ => {
                return Err(invalid(format!(
                    "{part} is no part of an entry: use MGENJIT_PART_IMAGE, _OBJECT, _IR or _PROFILE"
                )));
            }
        };
        let read = read.map_err(|error| {
            let status = match error {
                EntryError::Missing(_) => Status::NotFound,
                _ => Status::Damaged,
            };
            Error::new(status, format!("the entry: {error}"))
        })?;
        bytes.give(mgenjit_blob(read))
    })
}
