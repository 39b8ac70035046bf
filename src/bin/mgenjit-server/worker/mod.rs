//! One client's requests, one after the other: what a private server is, and a worker of a shared one.

pub mod compile;
pub mod link;
pub mod pieces;
pub mod serve;
pub mod sources;
pub mod unit;
