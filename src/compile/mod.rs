//! Compiling on a miss: the protocol, and the client's half of it.

pub mod protocol;
pub mod transport;
