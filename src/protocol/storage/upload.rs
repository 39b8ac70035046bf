//! What the library tells the uploader, `mgenjit-helper upload`: which files to put into which stores.
//!
//! It is framed as the compile server's protocol is, and begins with the same [`Hello`](crate::protocol::messages::Hello)s.
//! The uploader answers nothing: the library never waits for it. When the connection ends, it finishes what it was told
//! and ends.

use super::endpoint::Endpoint;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// The stores that puts name by their index.
    Stores(Vec<Endpoint>),
    Put(Put),
}

/// A file to put into a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Put {
    pub store: u32,
    pub key: Vec<u8>,
    /// The path of an entry or an alias.
    pub path: Vec<u8>,
    /// The path of the cache's journal, and what is appended to it when the put ended well, was not needed, or failed.
    pub journal: Vec<u8>,
    pub records: [Vec<u8>; 2],
}

/// How much of a value is compared with its compressed form: smaller ones go as they are.
pub const COMPRESSED_FROM: u64 = 1 << 20;

/// The largest value that is put or taken.
pub const MAX_VALUE_LEN: u64 = 1 << 30;
