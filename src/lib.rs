//! A cached compile server for LLVM IR: IR in, native functions out, never compiled twice.
//!
//! `ARCHITECTURE.md` is the map. The public interface is the C API in `capi`; the modules that the compile
//! server shares with the library are public for it alone.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("libmgenjit runs on Linux only, on x86-64 and AArch64");

#[doc(hidden)]
pub mod arch;
#[doc(hidden)]
pub mod archive;
mod cache;
mod capi;
mod client;
mod clock;
mod config;
#[doc(hidden)]
pub mod cpu;
mod debug;
#[doc(hidden)]
pub mod environment;
mod error;
mod event;
mod executor;
mod export;
mod fork;
mod image;
#[doc(hidden)]
pub mod isolating;
mod outcome;
mod page;
mod process_limits;
#[doc(hidden)]
pub mod protocol;
mod prototype;
mod remote;
#[doc(hidden)]
mod sanitizer;
pub mod signature;
#[doc(hidden)]
pub mod storing;
mod threads;
#[doc(hidden)]
pub mod types;
#[doc(hidden)]
pub mod version;

/// What the targets below `fuzz/` call.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz {
    pub use crate::cache::bundle::fuzz::check as bundle;
    pub use crate::cache::entry::fuzz::check as entry;
    pub use crate::executor::isolated::fuzz::{page, run};
    pub use crate::protocol::fuzz::{reply, requests};
    pub use crate::protocol::storage::fuzz::answers;
}
