//! `mgenjit_cache_entry` and `mgenjit_explanation`: one entry, and why there is none.

use super::blob::mgenjit_blob;
use super::cache::{InfoStrings, blob, mgenjit_cache, mgenjit_cache_info, whole_key};
use super::error::mgenjit_error;
use super::ffi::{self, Out, Owned};
use super::source::mgenjit_source;
use super::status::mgenjit_status;
use crate::cache::admin::{Details, Explanation};
use crate::cache::index::{Verdict, Why};
use crate::cache::manifest::{Part, Parts};
use crate::error::{Error, Status};
use crate::executor::source::Source;
use crate::prototype::c_prototype;
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// One entry, looked at. It stays as it was, whatever becomes of the cache.
#[allow(non_camel_case_types)]
pub struct mgenjit_cache_entry {
    details: Details,
    strings: InfoStrings,
    features: CString,
    path: CString,
    aliases: Vec<CString>,
    inputs: Vec<CString>,
    signatures: Vec<CString>,
    prototypes: Vec<Option<CString>>,
}

impl Owned for mgenjit_cache_entry {}

/// The image: an ELF shared object. Empty if the entry is for another target.
pub const MGENJIT_PART_IMAGE: i32 = 1;
/// The relocatable object that it was linked from, or a GNU archive of all of them.
pub const MGENJIT_PART_OBJECT: i32 = 2;
/// The IR that was compiled, as it was given, if it was kept. Several inputs follow each other.
pub const MGENJIT_PART_IR: i32 = 3;

/// Looks at the entry of a key, 64 hexadecimal digits, and verifies what is in it. To be freed with
/// mgenjit_cache_entry_free.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND, MGENJIT_STATUS_DAMAGED, MGENJIT_STATUS_UNTRUSTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_open(
    cache: *mut mgenjit_cache,
    key: *const c_char,
    entry: *mut *mut mgenjit_cache_entry,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let catalog = ffi::borrow(cache, "cache")?.catalog();
            let out = Out::new(entry, "entry")?;
            let details = catalog.details(&whole_key(key)?)?;
            let path = catalog.entry_path(&details.row.key);
            let functions = &details.manifest.functions;
            out.write(
                mgenjit_cache_entry {
                    strings: InfoStrings::new(&details.row),
                    features: ffi::c_string(details.manifest.about.features.as_str()),
                    path: ffi::c_string(path.to_string_lossy().into_owned()),
                    aliases: details
                        .aliases
                        .iter()
                        .map(|key| ffi::c_string(key.to_string()))
                        .collect(),
                    inputs: details
                        .manifest
                        .about
                        .inputs
                        .iter()
                        .map(|input| ffi::c_string(input.name.as_str()))
                        .collect(),
                    signatures: functions
                        .iter()
                        .map(|function| ffi::c_string(function.to_string()))
                        .collect(),
                    prototypes: functions
                        .iter()
                        .map(|function| c_prototype(function).map(ffi::c_string))
                        .collect(),
                    details,
                }
                .into_raw(),
            );
            Ok(())
        })
    }
}

/// Frees an entry. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_free(entry: *mut mgenjit_cache_entry) {
    // SAFETY: the caller passes NULL or a handle that it owns and will not use again.
    unsafe { mgenjit_cache_entry::free(entry) };
}

/// Writes what is known of the entry. `info->size` is to be set first.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_info(
    entry: *const mgenjit_cache_entry,
    info: *mut mgenjit_cache_info,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let entry = ffi::borrow(entry, "entry")?;
            ffi::write_sized(info, entry.strings.info(&entry.details.row), "info")
        })
    }
}

/// The features of the CPU that LLVM generated code for, as "+avx2,-avx512f". NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_features(
    entry: *const mgenjit_cache_entry,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }.map_or(ptr::null(), |entry| entry.features.as_ptr())
}

/// The path of the entry's file, which is an ELF shared object to tools such as objdump. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_path(
    entry: *const mgenjit_cache_entry,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }.map_or(ptr::null(), |entry| entry.path.as_ptr())
}

/// How many other keys lead to the entry. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_alias_count(
    entry: *const mgenjit_cache_entry,
) -> usize {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }.map_or(0, |entry| entry.aliases.len())
}

/// One of these keys, or NULL past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_alias(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }
        .and_then(|entry| entry.aliases.get(index))
        .map_or(ptr::null(), |alias| alias.as_ptr())
}

/// How many inputs the entry was compiled from. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_input_count(
    entry: *const mgenjit_cache_entry,
) -> usize {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }.map_or(0, |entry| entry.inputs.len())
}

/// What the input at `index` was called, or NULL past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_input_name(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }
        .and_then(|entry| entry.inputs.get(index))
        .map_or(ptr::null(), |name| name.as_ptr())
}

/// How many bytes the input at `index` has, 0 past the last. In MGENJIT_PART_IR it lies behind those before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_input_size(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> u64 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }
        .and_then(|entry| entry.details.manifest.about.inputs.get(index))
        .map_or(0, |input| input.len)
}

/// How many functions the entry's module defines that others can see. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_function_count(
    entry: *const mgenjit_cache_entry,
) -> usize {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }.map_or(0, |entry| entry.signatures.len())
}

/// The signature of the function at `index` as IR writes it, such as "i64 @add(i64, i64)", or NULL past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_signature(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }
        .and_then(|entry| entry.signatures.get(index))
        .map_or(ptr::null(), |signature| signature.as_ptr())
}

/// The function at `index` as C declares it, such as "int64_t add(int64_t, int64_t);". NULL past the last, and for
/// a function that C cannot declare: for its name, its calling convention, or a type such as a vector. The IR does
/// not say which integers are unsigned, and what pointers point to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_prototype(
    entry: *const mgenjit_cache_entry,
    index: usize,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { entry.as_ref() }
        .and_then(|entry| entry.prototypes.get(index)?.as_ref())
        .map_or(ptr::null(), |prototype| prototype.as_ptr())
}

/// Reads a part of the entry, one of MGENJIT_PART_…, into a blob that is to be freed with mgenjit_blob_free.
///
/// Errors: MGENJIT_STATUS_NOT_FOUND if the IR was not kept, MGENJIT_STATUS_DAMAGED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_read(
    entry: *const mgenjit_cache_entry,
    part: i32,
    bytes: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let entry = ffi::borrow(entry, "entry")?;
            let out = Out::new(bytes, "bytes")?;
            let Details {
                manifest, entry, ..
            } = &entry.details;
            let read = match part {
                MGENJIT_PART_IMAGE => entry.image(),
                MGENJIT_PART_OBJECT => entry.object(&manifest.about),
                MGENJIT_PART_IR => entry.input(&manifest.about),
                _ => {
                    return Err(Error::new(
                        Status::InvalidArgument,
                        format!(
                            "{part} is no part of an entry: use MGENJIT_PART_IMAGE, _OBJECT or _IR"
                        ),
                    ));
                }
            };
            let read = read.map_err(|error| {
                let status = match error {
                    crate::cache::entry::EntryError::Missing(_) => Status::NotFound,
                    _ => Status::Damaged,
                };
                Error::new(status, format!("the entry: {error}"))
            })?;
            out.write(blob(read));
            Ok(())
        })
    }
}

/// Why a module is found in the cache, or is not.
#[allow(non_camel_case_types)]
pub struct mgenjit_explanation {
    verdict: i32,
    differences: u32,
    key: CString,
    nearest: Option<CString>,
    time: u64,
    message: CString,
}

impl Owned for mgenjit_explanation {}

/// It is in the cache.
pub const MGENJIT_VERDICT_HIT: i32 = 1;
/// There is no entry of this name, and there never was one of this key, as far as the cache remembers. If one of
/// this name is gone, mgenjit_explanation_time says when it went.
pub const MGENJIT_VERDICT_NEVER: i32 = 2;
/// There is an entry of this name whose key differs: mgenjit_explanation_differences.
pub const MGENJIT_VERDICT_DIFFERS: i32 = 3;
/// It was evicted, for room or for age: mgenjit_explanation_time.
pub const MGENJIT_VERDICT_EVICTED: i32 = 4;
/// Somebody removed it.
pub const MGENJIT_VERDICT_REMOVED: i32 = 5;
/// It is there and cannot be used.
pub const MGENJIT_VERDICT_DAMAGED: i32 = 6;
/// It is there, and no key that is trusted signed it.
pub const MGENJIT_VERDICT_UNTRUSTED: i32 = 7;

/// The IR differs, or another input, or which symbols are kept.
pub const MGENJIT_DIFFERS_IR: u32 = 1;
/// The optimisation level differs.
pub const MGENJIT_DIFFERS_OPT_LEVEL: u32 = 2;
/// The CPU differs, or the CPU level or target that was asked for.
pub const MGENJIT_DIFFERS_CPU: u32 = 4;
/// The version of LLVM differs.
pub const MGENJIT_DIFFERS_LLVM: u32 = 8;
/// The version of this library, or the build of its compile server, differs.
pub const MGENJIT_DIFFERS_VERSION: u32 = 16;

/// Tells why the IR would be found in the cache, or would not, by an executor of the cache's configuration. `name`
/// is what the module was or would be called. To be freed with mgenjit_explanation_free.
///
/// It compiles nothing. So it does not notice IR that is new, but differs from an entry's in nothing that matters: a
/// compile server does, when it has read it.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_explain(
    cache: *mut mgenjit_cache,
    name: *const c_char,
    ir: *const c_void,
    length: usize,
    explanation: *mut *mut mgenjit_explanation,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let name = ffi::string(name, "name")?;
            let ir = ffi::slice(ir.cast::<u8>(), length, "ir")?;
            let out = Out::new(explanation, "explanation")?;
            out.write(explain(cache, Source::memory(name, ir))?.into_raw());
            Ok(())
        })
    }
}

/// As mgenjit_cache_explain, of all inputs of a source together.
///
/// Thread-safe. Errors: MGENJIT_STATUS_IO if a file cannot be read, and those of mgenjit_cache_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_explain_source(
    cache: *mut mgenjit_cache,
    source: *const mgenjit_source,
    explanation: *mut *mut mgenjit_explanation,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let cache = ffi::borrow(cache, "cache")?;
            let source = ffi::borrow(source, "source")?;
            let out = Out::new(explanation, "explanation")?;
            out.write(explain(cache, source.0.borrowed())?.into_raw());
            Ok(())
        })
    }
}

fn explain(cache: &mgenjit_cache, source: Source<'_>) -> Result<mgenjit_explanation, Error> {
    let name = source.name.clone();
    let (key, parts) = crate::executor::key_of(cache.config(), source)?;
    let found = cache.catalog().explain(&key, &name, &parts)?;
    Ok(tell(found, &name, &key.to_string(), &parts))
}

fn tell(found: Explanation, name: &str, key: &str, parts: &Parts) -> mgenjit_explanation {
    let mut explanation = mgenjit_explanation {
        verdict: MGENJIT_VERDICT_NEVER,
        differences: 0,
        key: ffi::c_string(key),
        nearest: None,
        time: 0,
        message: CString::default(),
    };
    let message = match found {
        Explanation::Hit(entry) => {
            explanation.verdict = MGENJIT_VERDICT_HIT;
            explanation.nearest = Some(ffi::c_string(entry.to_string()));
            "it is in the cache".to_owned()
        }
        Explanation::Damaged(trouble) => {
            explanation.verdict = MGENJIT_VERDICT_DAMAGED;
            format!("its entry cannot be used, and would be compiled anew: {trouble}")
        }
        Explanation::Untrusted(trouble) => {
            explanation.verdict = MGENJIT_VERDICT_UNTRUSTED;
            format!("its entry is not trusted, and would be compiled anew: {trouble}")
        }
        Explanation::Missing(Verdict::Never(Some(gone))) => {
            explanation.time = gone.time;
            format!(
                "no module of the name {name} is here now; one of that name, perhaps another one, {}",
                if gone.evicted() {
                    "was evicted"
                } else {
                    "was removed"
                }
            )
        }
        Explanation::Missing(Verdict::Never(None)) => {
            format!(
                "no module of the name {name} was ever stored here, as far as the cache remembers"
            )
        }
        Explanation::Missing(Verdict::Gone(gone)) => {
            explanation.verdict = if gone.evicted() {
                MGENJIT_VERDICT_EVICTED
            } else {
                MGENJIT_VERDICT_REMOVED
            };
            explanation.time = gone.time;
            match gone.why {
                Why::Evicted => "it was evicted, because the cache was full",
                Why::Aged => {
                    "it was evicted, because it was not used for longer than the age limit"
                }
                Why::Removed => "it was removed, because somebody asked for that",
                Why::Vanished => "its file was deleted, by something else than this library",
            }
            .to_owned()
        }
        Explanation::Missing(Verdict::Differs(row)) => {
            explanation.verdict = MGENJIT_VERDICT_DIFFERS;
            explanation.nearest = Some(ffi::c_string(row.key.to_string()));
            explanation.time = row.created;
            let mut texts = Vec::new();
            for part in parts.differences(&row.parts) {
                let (bit, text) = difference(part, &row.parts, parts);
                explanation.differences |= bit;
                texts.push(text);
            }
            format!(
                "the nearest entry of the name {name} has {}",
                if texts.is_empty() {
                    "the same parts of a key, but another format".to_owned()
                } else {
                    texts.join("; ")
                }
            )
        }
    };
    explanation.message = ffi::c_string(message);
    explanation
}

fn difference(part: Part, theirs: &Parts, ours: &Parts) -> (u32, String) {
    match part {
        Part::Input => (
            MGENJIT_DIFFERS_IR,
            "other IR, other objects, or other symbols to keep".to_owned(),
        ),
        Part::OptLevel => (
            MGENJIT_DIFFERS_OPT_LEVEL,
            format!(
                "the optimisation level {}, not {}",
                theirs.opt_level.name(),
                ours.opt_level.name()
            ),
        ),
        Part::Machine => (
            MGENJIT_DIFFERS_CPU,
            format!("code for {}, not {}", theirs.machine, ours.machine),
        ),
        Part::Llvm => (
            MGENJIT_DIFFERS_LLVM,
            format!("code of LLVM {}, not {}", theirs.llvm, ours.llvm),
        ),
        Part::Package => (
            MGENJIT_DIFFERS_VERSION,
            format!(
                "code of libmgenjit {} (build {}), not {} (build {})",
                theirs.package, theirs.build, ours.package, ours.build
            ),
        ),
    }
}

/// Frees an explanation. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_free(explanation: *mut mgenjit_explanation) {
    // SAFETY: the caller passes NULL or a handle that it owns and will not use again.
    unsafe { mgenjit_explanation::free(explanation) };
}

/// One of MGENJIT_VERDICT_…. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_verdict(
    explanation: *const mgenjit_explanation,
) -> i32 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { explanation.as_ref() }.map_or(0, |explanation| explanation.verdict)
}

/// What differs: a sum of MGENJIT_DIFFERS_…. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_differences(
    explanation: *const mgenjit_explanation,
) -> u32 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { explanation.as_ref() }.map_or(0, |explanation| explanation.differences)
}

/// The key that was looked for, 64 hexadecimal digits. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_key(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { explanation.as_ref() }.map_or(ptr::null(), |explanation| explanation.key.as_ptr())
}

/// The key of the entry that is found, for MGENJIT_VERDICT_HIT, or of the nearest one of the same name, for
/// MGENJIT_VERDICT_DIFFERS; else NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_nearest(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { explanation.as_ref() }
        .and_then(|explanation| explanation.nearest.as_ref())
        .map_or(ptr::null(), |key| key.as_ptr())
}

/// When the entry went, or when the nearest one was compiled: microseconds since 1970; 0 if neither is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_time(explanation: *const mgenjit_explanation) -> u64 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { explanation.as_ref() }.map_or(0, |explanation| explanation.time)
}

/// The same in words. "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_message(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { explanation.as_ref() }.map_or(c"".as_ptr(), |explanation| explanation.message.as_ptr())
}
