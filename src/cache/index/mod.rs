//! The index: what people query, and what decides which entry goes first.
//!
//! It is a SQLite database that can be lost at any time: the entries are the truth, and it is built from them again.
//! No hit opens it. Whoever writes it holds the lock for maintenance, so that there is one writer.
//!
//! - `database` opens it and keeps counters and totals in it.
//! - `error` says why it cannot be used.
//! - `fold` takes in what the journal tells.
//! - `scan` compares it with the files, folder by folder.
//! - `evict` removes entries.
//! - `query` answers.
//! - `memory` makes one in memory, where none can be kept on disk.

mod database;
mod error;
mod evict;
mod fold;
mod memory;
mod query;
mod scan;

pub use database::Index;
pub use error::IndexError;
pub use evict::{Gone, Why};
pub use query::{Filter, Row, Stats, Verdict};
