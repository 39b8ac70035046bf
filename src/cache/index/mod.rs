//! The index: answers queries, and decides which entry is evicted first.
//!
//! It is a SQLite database that may be lost at any time, because it can be rebuilt from the entries. A hit never opens it.
//! Its writer holds the lock for maintenance, so there is only one.
//!
//! - `database` opens it and keeps counters and totals in it.
//! - `error` says why it cannot be used.
//! - `fold` adds what the journal recorded.
//! - `scan` compares it with the files, folder by folder.
//! - `evict` removes entries.
//! - `query` answers queries.
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
