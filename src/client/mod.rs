//! The client's half of a compile: finds or starts a server, talks to it, and enforces the time limits.
//!
//! Nothing here knows LLVM.

pub mod admin;
pub mod cancel;
pub mod connection;
pub mod deadlines;
pub mod external_linker;
pub mod failures;
mod handshake;
pub mod limits;
pub mod listener;
pub mod locate;
pub mod log;
pub mod options;
pub mod pool;
pub mod runner;
pub mod shared_server;
pub mod spawn;
pub mod storer;
pub mod uploader;
