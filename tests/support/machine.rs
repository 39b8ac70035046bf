//! The machine that the tests run on, and another one, by the names that the library has for them.

// Every test crate that has this module uses a part of it.
#![allow(dead_code)]

pub const IS_AARCH64: bool = cfg!(target_arch = "aarch64");

/// As messages call it.
pub const NAME: &str = if IS_AARCH64 { "AArch64" } else { "x86-64" };

/// The CPU whose code all of its kind run.
pub const OLDEST_CPU: &str = if IS_AARCH64 { "generic" } else { "x86-64" };

/// What IR calls a C `long double`.
pub const LONG_DOUBLE: &str = if IS_AARCH64 { "fp128" } else { "x86_fp80" };

pub const DATA_LAYOUT: &str = if IS_AARCH64 {
    "e-m:e-p270:32:32-p271:32:32-p272:64:64-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128-Fn32"
} else {
    "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
};

/// What an image is aligned for.
pub const LONGEST_PAGE: u64 = if IS_AARCH64 { 65536 } else { 4096 };

/// As disassembly shows a call.
pub const CALL: &str = if IS_AARCH64 { "bl\t" } else { "call " };

/// As disassembly shows how a function begins that keeps its caller's frame.
pub const PUSH: &str = if IS_AARCH64 { "stp" } else { "pushq" };

pub const OTHER_NAME: &str = if IS_AARCH64 { "x86-64" } else { "AArch64" };

pub const OTHER_TRIPLE: &str = if IS_AARCH64 {
    "x86_64-linux-gnu"
} else {
    "aarch64-linux-gnu"
};

/// Whether an emulator runs the tests: `tests/aarch64/run.sh`.
pub fn is_emulated() -> bool {
    std::env::var_os("CHECK_EMULATED").is_some()
}
