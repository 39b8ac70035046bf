//! The C ABI, a file for each section of the header.
//!
//! `ffi` turns raw pointers into Rust, and `call` turns errors and panics into statuses. The other files declare the API.
//! Their comments are the header's: `make header` copies them into `include/mgenjit.h`, which is committed. The `//!` text
//! of a file opens its section, and `tests/header_examples.rs` runs the example in it.

// The header states each function's contract once, for C; a `# Safety` section would say it again.
#![allow(clippy::missing_safety_doc)]
// The `//!` texts are C comments, and what they name is C.
#![allow(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

mod blob;
mod cache;
mod cache_entry;
mod cache_iterator;
mod cache_remote;
mod call;
mod config;
mod config_remote;
mod config_server;
mod config_tiers;
mod error;
mod event;
mod executor;
mod explanation;
mod export;
mod ffi;
mod function;
mod isolate;
mod isolated;
mod module;
mod outcome;
mod piece;
mod piece_strings;
mod profile;
mod replace;
mod server;
mod source;
mod status;
mod symbol;
mod task;
mod value;
