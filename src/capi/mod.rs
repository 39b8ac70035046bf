//! The C ABI, a file for each handle. Raw pointers become Rust in `ffi` and nowhere else.
//!
//! The comments here are the header's: cbindgen copies them into `include/mgenjit.h`, which is committed.

// The header states each function's contract once, for C; a `# Safety` section would say it again.
#![allow(clippy::missing_safety_doc)]

mod blob;
mod cache;
mod cache_entry;
mod config;
mod config_server;
mod error;
mod event;
mod executor;
mod export;
mod ffi;
mod function;
mod module;
mod server;
mod source;
mod status;
mod task;
mod value;
