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

/// How long a file must be to be compressed: smaller ones go as they are.
const COMPRESSED_FROM: usize = 1 << 20;

const ZSTD_LEVEL: i32 = 3;

/// What a reader takes: a file that is longer by more than this goes as it is.
const MAX_RATIO: usize = 256;

/// The largest value that is put or taken.
pub const MAX_VALUE_LEN: u64 = 1 << 30;

/// A large file as a zstd frame, if that is shorter by a quarter. Objects and inputs in it are compressed already; what is left
/// to save is often less than the time to decompress it is worth.
pub fn compressed(file: &[u8]) -> Option<Vec<u8>> {
    if file.len() < COMPRESSED_FROM {
        return None;
    }
    let frame = zstd::bulk::compress(file, ZSTD_LEVEL).ok()?;
    let is_taken = frame.len() < file.len() / 4 * 3 && file.len() / MAX_RATIO < frame.len();
    is_taken.then_some(frame)
}
