//! Explanations
//!
//! A mgenjit_explanation tells why a module is found in the cache, or is not.
//!
//! ```c
//! mgenjit_cache *cache;
//! mgenjit_cache_open(NULL, &cache, NULL);
//! mgenjit_explanation *explanation;
//! mgenjit_cache_explain(cache, "add.ll", ir, strlen(ir), &explanation, NULL);
//! assert(mgenjit_explanation_verdict(explanation) == MGENJIT_VERDICT_HIT);
//! printf("add.ll: %s\n", mgenjit_explanation_message(explanation));
//! mgenjit_explanation_free(explanation);
//! mgenjit_cache_free(cache);
//! ```

use super::cache::mgenjit_cache;
use super::call::call;
use super::error::mgenjit_error;
use super::ffi::{self, Owned, free, get};
use super::source::mgenjit_source;
use super::status::mgenjit_status;
use crate::cache::explain::{self, Explanation};
use crate::cache::index::{Row, Verdict, Why};
use crate::cache::key::Key;
use crate::cache::manifest::{Part, Parts, describe_pieces};
use crate::error::Error;
use crate::executor::Named;
use crate::executor::source::Source;
use crate::remote::tier::Tier;
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// Why a module is or is not found in a cache.
#[allow(non_camel_case_types)]
pub struct mgenjit_explanation {
    verdict: i32,
    differences: u32,
    key: CString,
    nearest: Option<CString>,
    time: u64,
    /// For what CPU there is an entry that would serve.
    cpu: Option<CString>,
    /// The remote that has the entry.
    remote: Option<CString>,
    message: CString,
}

impl Owned for mgenjit_explanation {}

/// Cache hit.
pub const MGENJIT_VERDICT_HIT: i32 = 1;
/// There is no entry of this name, and as far as the cache remembers there was none of this key. If an entry of this name is
/// gone, mgenjit_explanation_time_us says since when.
pub const MGENJIT_VERDICT_NEVER: i32 = 2;
/// There is an entry of this name with another key: see mgenjit_explanation_differences.
pub const MGENJIT_VERDICT_DIFFERS: i32 = 3;
/// The entry was evicted, for its size or its age: see mgenjit_explanation_time_us.
pub const MGENJIT_VERDICT_EVICTED: i32 = 4;
/// The entry was removed.
pub const MGENJIT_VERDICT_REMOVED: i32 = 5;
/// The entry is damaged.
pub const MGENJIT_VERDICT_DAMAGED: i32 = 6;
/// The entry has no signature by a trusted key.
pub const MGENJIT_VERDICT_UNTRUSTED: i32 = 7;

/// The IR, another input, or the symbols to keep.
pub const MGENJIT_DIFFERS_IR: u32 = 1;
/// The optimisation level.
pub const MGENJIT_DIFFERS_OPT_LEVEL: u32 = 2;
/// The CPU, CPU level or target.
pub const MGENJIT_DIFFERS_CPU: u32 = 4;
/// The version of LLVM.
pub const MGENJIT_DIFFERS_LLVM: u32 = 8;
/// The version of this library, or the build of its compile server.
pub const MGENJIT_DIFFERS_VERSION: u32 = 16;
/// Another option of the code, such as the size of pieces.
pub const MGENJIT_DIFFERS_OPTIONS: u32 = 32;

/// Explains whether an executor of the cache's configuration would find the IR in the cache, and why. `name` is the module's
/// name. Free the explanation with mgenjit_explanation_free.
///
/// If it is not there, and the configuration has remotes that are read, they are asked: see mgenjit_explanation_remote.
///
/// Nothing is compiled. So this cannot see that new IR differs from an entry's only in what does not matter; a compile does,
/// after the compile server has read the IR.
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
    call!(error, handle cache, string name, bytes ir[length], out explanation => {
        explanation.give(explain(cache, Source::memory(name, ir))?)
    })
}

/// Explains the same for all inputs of a source: see mgenjit_cache_explain.
///
/// Thread-safe. Errors: MGENJIT_STATUS_IO if a file cannot be read, and those of mgenjit_cache_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_explain_source(
    cache: *mut mgenjit_cache,
    source: *const mgenjit_source,
    explanation: *mut *mut mgenjit_explanation,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle cache, handle source, out explanation => {
        explanation.give(explain(cache, source.0.borrowed())?)
    })
}

fn explain(cache: &mgenjit_cache, source: Source<'_>) -> Result<mgenjit_explanation, Error> {
    let name = source.name.clone();
    let Named { key, parts, others } = crate::executor::key_of(&cache.config, source)?;
    let found = explain::explain(&cache.admin, &key, &name, &parts)?;
    let is_missing = matches!(found, Explanation::Missing { .. });
    let mut explanation = tell(found, &name, &key.to_string(), &parts);
    if !is_missing {
        return Ok(explanation);
    }
    let mut more = Vec::new();
    let here = |key: &Key| matches!(cache.admin.store().look(key), Ok(Some(_)));
    let mut other = others
        .iter()
        .find(|(_, key)| here(key))
        .map(|(cpu, _)| (*cpu, "in the cache"));
    let tier = cache
        .config
        .tier(parts.machine.clone())
        .unwrap_or_else(|error| {
            more.push(error.message);
            None
        });
    if let Some(tier) = tier.filter(Tier::reads) {
        let report = tier.pull(&key);
        more.extend(report.problems);
        if let Some(found) = &report.found {
            let remote = tier.name(found.store);
            more.push(format!("a compile would fetch it from the remote {remote}"));
            explanation.remote = Some(ffi::c_string(remote));
            other = None;
        } else if other.is_none() {
            let there = |key: &Key| tier.has(key);
            other = others
                .iter()
                .find(|(_, key)| there(key))
                .map(|(cpu, _)| (*cpu, "in a remote"));
        }
    }
    if let Some((cpu, place)) = other {
        more.push(format!(
            "an entry for the CPU {cpu} is {place}, and this machine could run it: compile for {cpu} to use it"
        ));
        explanation.cpu = Some(ffi::c_string(cpu));
    }
    if !more.is_empty() {
        let message = explanation.message.to_string_lossy();
        let message = format!("{message}; {}", more.join("; "));
        explanation.message = ffi::c_string(message);
    }
    Ok(explanation)
}

fn tell(found: Explanation, name: &str, key: &str, parts: &Parts) -> mgenjit_explanation {
    let mut explanation = mgenjit_explanation {
        verdict: MGENJIT_VERDICT_NEVER,
        differences: 0,
        key: ffi::c_string(key),
        nearest: None,
        time: 0,
        cpu: None,
        remote: None,
        message: CString::default(),
    };
    let message = match found {
        Explanation::Hit { entry, pieces } => {
            explanation.verdict = MGENJIT_VERDICT_HIT;
            explanation.nearest = Some(ffi::c_string(entry.to_string()));
            match &*describe_pieces(&pieces) {
                "" => "it is in the cache".to_owned(),
                how => format!("it is in the cache, and was made of pieces: {how}"),
            }
        }
        Explanation::Damaged(warning) => {
            explanation.verdict = MGENJIT_VERDICT_DAMAGED;
            format!("its entry cannot be used, and it would be compiled again: {warning}")
        }
        Explanation::Untrusted(warning) => {
            explanation.verdict = MGENJIT_VERDICT_UNTRUSTED;
            format!("its entry is not trusted, and it would be compiled again: {warning}")
        }
        Explanation::Missing { verdict, pieces } => match verdict {
            Verdict::Never(Some(gone)) => {
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
            Verdict::Never(None) => format!(
                "no module of the name {name} was ever stored here, as far as the cache remembers"
            ),
            Verdict::Gone(gone) => {
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
            Verdict::Differs(row) => {
                explanation.verdict = MGENJIT_VERDICT_DIFFERS;
                explanation.nearest = Some(ffi::c_string(row.key.to_string()));
                explanation.time = row.created;
                let (bits, texts): (Vec<u32>, Vec<String>) = parts
                    .differences(&row.parts)
                    .into_iter()
                    .map(|part| difference(part, &row.parts, parts))
                    .unzip();
                explanation.differences = bits.into_iter().fold(0, |all, bit| all | bit);
                let what = match &texts[..] {
                    [] => "the same parts of a key, but another format".to_owned(),
                    texts => texts.join("; "),
                };
                format!(
                    "the nearest entry of the name {name} has {what}{}",
                    unchanged(&row, pieces)
                )
            }
        },
    };
    explanation.message = ffi::c_string(message);
    explanation
}

/// What a compile would save because the nearest entry was made of pieces, `here` of which the cache has.
fn unchanged(row: &Row, here: usize) -> String {
    match (row.pieces, here) {
        (all, 1..) => format!(
            ". It was made of {all} pieces, of which {here} are in the cache: those that are the same in this module \
             would not be compiled"
        ),
        _ => String::new(),
    }
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
        Part::Options => (
            MGENJIT_DIFFERS_OPTIONS,
            format!(
                "code with {}, not {}",
                options(&theirs.options),
                options(&ours.options)
            ),
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

fn options(text: &str) -> String {
    match text {
        "" => "the default options".to_owned(),
        text => format!("the options {text}"),
    }
}

/// Frees an explanation. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_free(explanation: *mut mgenjit_explanation) {
    free!(explanation);
}

/// One of MGENJIT_VERDICT_…. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_verdict(
    explanation: *const mgenjit_explanation,
) -> i32 {
    get!(explanation else 0 => explanation.verdict)
}

/// What differs: a sum of MGENJIT_DIFFERS_…. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_differences(
    explanation: *const mgenjit_explanation,
) -> u32 {
    get!(explanation else 0 => explanation.differences)
}

/// The module's key: 64 hexadecimal digits. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_key(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    get!(explanation else ptr::null() => explanation.key.as_ptr())
}

/// For MGENJIT_VERDICT_HIT, the key of the entry. For MGENJIT_VERDICT_DIFFERS, the key of the nearest entry of the same name.
/// Otherwise NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_nearest(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    get!(explanation else ptr::null() => ffi::pointer(explanation.nearest.as_ref()))
}

/// When the entry was evicted or removed, or when the nearest entry was compiled, in microseconds since 1970. 0 if unknown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_time_us(
    explanation: *const mgenjit_explanation,
) -> u64 {
    get!(explanation else 0 => explanation.time)
}

/// A CPU or level that this machine could run code for, if there is an entry for it that differs in nothing else:
/// mgenjit_config_set_cpu with this name would find it. Otherwise NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_cpu(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    get!(explanation else ptr::null() => ffi::pointer(explanation.cpu.as_ref()))
}

/// The remote that has an entry which the cache does not have: a compile would fetch it. Otherwise NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_remote(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    get!(explanation else ptr::null() => ffi::pointer(explanation.remote.as_ref()))
}

/// The explanation in words. "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_explanation_message(
    explanation: *const mgenjit_explanation,
) -> *const c_char {
    get!(explanation else c"".as_ptr() => explanation.message.as_ptr())
}
