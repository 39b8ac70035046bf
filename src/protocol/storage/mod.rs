//! What is said to a storage helper, the process that talks to a remote store: the protocol of ccache's remote storage
//! helpers, version 1, over a local socket.
//!
//! `wire` is the bytes, without I/O. `connection` is a socket and its deadlines. `endpoint` says where a helper listens and
//! how it is started. `breaker` leaves a store alone that failed. The library, the uploader and `mgenjit-remote` share
//! this room.

pub mod breaker;
pub mod connection;
pub mod endpoint;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod upload;
pub mod wire;
