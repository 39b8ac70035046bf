//! Compiling on a miss: the protocol, and the client's half of it.
//!
//! Architecture Invariant: `protocol`, `driver` and `transport` are all that the server shares with this folder, and
//! nothing here knows LLVM.

pub(crate) mod cancel;
pub(crate) mod client;
pub(crate) mod drive;
pub mod driver;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod limits;
pub(crate) mod locate;
pub(crate) mod log;
pub(crate) mod patience;
pub(crate) mod pool;
pub mod protocol;
pub(crate) mod shared;
pub(crate) mod spawn;
pub(crate) mod status;
pub mod transport;
