//! Statuses and versions
//!
//! ```c
//! printf("libmgenjit %s with LLVM %s\n", mgenjit_version_string(), mgenjit_llvm_version());
//! assert(strcmp(mgenjit_status_name(MGENJIT_STATUS_PARSE), "MGENJIT_STATUS_PARSE") == 0);
//! ```

use crate::error::Status;
use std::ffi::c_char;

/// The result of a call: MGENJIT_STATUS_OK, or the kind of error.
#[allow(non_camel_case_types)]
pub type mgenjit_status = i32;

/// Success.
pub const MGENJIT_STATUS_OK: i32 = 0;
/// A parameter is NULL, not UTF-8, or out of range.
pub const MGENJIT_STATUS_INVALID_ARGUMENT: i32 = 1;
/// A file could not be read or written.
pub const MGENJIT_STATUS_IO: i32 = 2;
/// The input is neither IR text nor bitcode that this version of LLVM can read.
pub const MGENJIT_STATUS_PARSE: i32 = 3;
/// The IR breaks a rule of the language.
pub const MGENJIT_STATUS_VERIFY: i32 = 4;
/// The IR is for another target or data layout than the one compiled for, or the call would run code of another
/// target.
pub const MGENJIT_STATUS_TARGET: i32 = 5;
/// LLVM could not generate code.
pub const MGENJIT_STATUS_CODEGEN: i32 = 6;
/// The generated code could not be linked into an image.
pub const MGENJIT_STATUS_LINK: i32 = 7;
/// Modules need symbols that are defined nowhere. mgenjit_error_symbol lists them.
pub const MGENJIT_STATUS_UNRESOLVED: i32 = 8;
/// There is no symbol of that name.
pub const MGENJIT_STATUS_NOT_FOUND: i32 = 9;
/// The arguments do not match the function's signature, or the function cannot be called this way. Or a new version of a
/// module lacks functions of the old one or changes their types.
pub const MGENJIT_STATUS_TYPE: i32 = 10;
/// The compile server was not found or could not be started. Code in the cache still runs.
pub const MGENJIT_STATUS_SERVER_UNAVAILABLE: i32 = 11;
/// The compile server died while it compiled this input. The next compile gets a new one.
pub const MGENJIT_STATUS_SERVER_CRASHED: i32 = 12;
/// The compile server that was found belongs to another version of this library.
pub const MGENJIT_STATUS_SERVER_MISMATCH: i32 = 13;
/// An image could not be mapped.
pub const MGENJIT_STATUS_LOAD: i32 = 14;
/// A shared library could not be loaded.
pub const MGENJIT_STATUS_LIBRARY: i32 = 15;
/// The module was removed from its executor, or replaced.
pub const MGENJIT_STATUS_REMOVED: i32 = 16;
/// A bug in this library, caught at its boundary. Please report it.
pub const MGENJIT_STATUS_PANIC: i32 = 17;
/// This machine lacks features of the CPU chosen with mgenjit_config_set_cpu.
pub const MGENJIT_STATUS_CPU: i32 = 18;
/// A cache entry or a bundle is damaged.
pub const MGENJIT_STATUS_DAMAGED: i32 = 19;
/// A cache entry has no signature by a trusted key.
pub const MGENJIT_STATUS_UNTRUSTED: i32 = 20;
/// The cache cannot be used: its directory or index is unusable, or another process holds it for too long.
/// Compiling never fails with this status.
pub const MGENJIT_STATUS_CACHE: i32 = 21;
/// Compiling again gave another result than the cache has.
pub const MGENJIT_STATUS_DIFFERENT: i32 = 22;
/// The linker for exports is missing, failed, or timed out.
pub const MGENJIT_STATUS_LINKER: i32 = 23;
/// The target or module cannot be exported as the requested kind.
pub const MGENJIT_STATUS_UNSUPPORTED: i32 = 24;
/// A compile exceeded its time limit and was stopped, or a compile server did not answer or end in time.
pub const MGENJIT_STATUS_TIMEOUT: i32 = 25;
/// A compile exceeded its memory limit and was stopped, or this process can get no more memory or mappings.
pub const MGENJIT_STATUS_MEMORY: i32 = 26;
/// The inputs of a compile exceed the size limit.
pub const MGENJIT_STATUS_TOO_LARGE: i32 = 27;
/// The compile was cancelled.
pub const MGENJIT_STATUS_CANCELLED: i32 = 28;
/// A function that was called in a process of its own ended that process: it crashed, exited or met a limit. mgenjit_error_outcome
/// tells how. The next call gets a new process.
pub const MGENJIT_STATUS_ENDED: i32 = 29;

/// The name of a status, such as "MGENJIT_STATUS_PARSE"; "unknown status" for other numbers. The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn mgenjit_status_name(status: mgenjit_status) -> *const c_char {
    let name = match status {
        MGENJIT_STATUS_OK => c"MGENJIT_STATUS_OK",
        MGENJIT_STATUS_INVALID_ARGUMENT => c"MGENJIT_STATUS_INVALID_ARGUMENT",
        MGENJIT_STATUS_IO => c"MGENJIT_STATUS_IO",
        MGENJIT_STATUS_PARSE => c"MGENJIT_STATUS_PARSE",
        MGENJIT_STATUS_VERIFY => c"MGENJIT_STATUS_VERIFY",
        MGENJIT_STATUS_TARGET => c"MGENJIT_STATUS_TARGET",
        MGENJIT_STATUS_CODEGEN => c"MGENJIT_STATUS_CODEGEN",
        MGENJIT_STATUS_LINK => c"MGENJIT_STATUS_LINK",
        MGENJIT_STATUS_UNRESOLVED => c"MGENJIT_STATUS_UNRESOLVED",
        MGENJIT_STATUS_NOT_FOUND => c"MGENJIT_STATUS_NOT_FOUND",
        MGENJIT_STATUS_TYPE => c"MGENJIT_STATUS_TYPE",
        MGENJIT_STATUS_SERVER_UNAVAILABLE => c"MGENJIT_STATUS_SERVER_UNAVAILABLE",
        MGENJIT_STATUS_SERVER_CRASHED => c"MGENJIT_STATUS_SERVER_CRASHED",
        MGENJIT_STATUS_SERVER_MISMATCH => c"MGENJIT_STATUS_SERVER_MISMATCH",
        MGENJIT_STATUS_LOAD => c"MGENJIT_STATUS_LOAD",
        MGENJIT_STATUS_LIBRARY => c"MGENJIT_STATUS_LIBRARY",
        MGENJIT_STATUS_REMOVED => c"MGENJIT_STATUS_REMOVED",
        MGENJIT_STATUS_PANIC => c"MGENJIT_STATUS_PANIC",
        MGENJIT_STATUS_CPU => c"MGENJIT_STATUS_CPU",
        MGENJIT_STATUS_DAMAGED => c"MGENJIT_STATUS_DAMAGED",
        MGENJIT_STATUS_UNTRUSTED => c"MGENJIT_STATUS_UNTRUSTED",
        MGENJIT_STATUS_CACHE => c"MGENJIT_STATUS_CACHE",
        MGENJIT_STATUS_DIFFERENT => c"MGENJIT_STATUS_DIFFERENT",
        MGENJIT_STATUS_LINKER => c"MGENJIT_STATUS_LINKER",
        MGENJIT_STATUS_UNSUPPORTED => c"MGENJIT_STATUS_UNSUPPORTED",
        MGENJIT_STATUS_TIMEOUT => c"MGENJIT_STATUS_TIMEOUT",
        MGENJIT_STATUS_MEMORY => c"MGENJIT_STATUS_MEMORY",
        MGENJIT_STATUS_TOO_LARGE => c"MGENJIT_STATUS_TOO_LARGE",
        MGENJIT_STATUS_CANCELLED => c"MGENJIT_STATUS_CANCELLED",
        MGENJIT_STATUS_ENDED => c"MGENJIT_STATUS_ENDED",
        _ => c"unknown status",
    };
    name.as_ptr()
}

/// The C API's number of a kind of error.
pub(super) fn number(status: Status) -> mgenjit_status {
    match status {
        Status::InvalidArgument => MGENJIT_STATUS_INVALID_ARGUMENT,
        Status::Io => MGENJIT_STATUS_IO,
        Status::Parse => MGENJIT_STATUS_PARSE,
        Status::Verify => MGENJIT_STATUS_VERIFY,
        Status::Target => MGENJIT_STATUS_TARGET,
        Status::Codegen => MGENJIT_STATUS_CODEGEN,
        Status::Link => MGENJIT_STATUS_LINK,
        Status::Unresolved => MGENJIT_STATUS_UNRESOLVED,
        Status::NotFound => MGENJIT_STATUS_NOT_FOUND,
        Status::Type => MGENJIT_STATUS_TYPE,
        Status::ServerUnavailable => MGENJIT_STATUS_SERVER_UNAVAILABLE,
        Status::ServerCrashed => MGENJIT_STATUS_SERVER_CRASHED,
        Status::ServerMismatch => MGENJIT_STATUS_SERVER_MISMATCH,
        Status::Load => MGENJIT_STATUS_LOAD,
        Status::Library => MGENJIT_STATUS_LIBRARY,
        Status::Removed => MGENJIT_STATUS_REMOVED,
        Status::Panic => MGENJIT_STATUS_PANIC,
        Status::Cpu => MGENJIT_STATUS_CPU,
        Status::Damaged => MGENJIT_STATUS_DAMAGED,
        Status::Untrusted => MGENJIT_STATUS_UNTRUSTED,
        Status::Cache => MGENJIT_STATUS_CACHE,
        Status::Different => MGENJIT_STATUS_DIFFERENT,
        Status::Linker => MGENJIT_STATUS_LINKER,
        Status::Unsupported => MGENJIT_STATUS_UNSUPPORTED,
        Status::Timeout => MGENJIT_STATUS_TIMEOUT,
        Status::Memory => MGENJIT_STATUS_MEMORY,
        Status::TooLarge => MGENJIT_STATUS_TOO_LARGE,
        Status::Cancelled => MGENJIT_STATUS_CANCELLED,
        Status::Ended => MGENJIT_STATUS_ENDED,
    }
}

/// The version of the running library. MGENJIT_VERSION_NUMBER is that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn mgenjit_version_number() -> u32 {
    const fn number(text: &str) -> u32 {
        let mut value = 0;
        let mut index = 0;
        while index < text.len() {
            value = value * 10 + (text.as_bytes()[index] - b'0') as u32;
            index += 1;
        }
        value
    }
    const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    NUMBER
}

/// The version as text, such as "0.2.0". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn mgenjit_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of LLVM that compiles, such as "22.1.8". It is part of every key. The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn mgenjit_llvm_version() -> *const c_char {
    concat!(env!("MGENJIT_LLVM_VERSION"), "\0").as_ptr().cast()
}

/// A digest of the sources that determine the generated code: 16 hexadecimal digits. A library uses only compile servers of
/// its own build. It is part of every key. The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn mgenjit_build_id() -> *const c_char {
    concat!(env!("MGENJIT_BUILD_ID"), "\0").as_ptr().cast()
}
