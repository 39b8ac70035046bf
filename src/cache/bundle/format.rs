//! The layout of a bundle's header, records and tail.

use crate::cache::bytes::{array_at, u32_at, u64_at};
use crate::cache::entry::{self, Kind};
use crate::cache::key::Key;
use std::fmt::{self, Display};

/// The version of this format.
pub const FORMAT_VERSION: u32 = 1;

pub(super) const MAGIC: [u8; 16] = *b"MGENJIT bundle\r\n";
pub(super) const VERSION_AT: usize = 16;
pub(super) const COUNT_AT: usize = 24;
pub(super) const HEADER_LEN: u64 = 32;

const KIND_AT: usize = 0;
const COMPRESSION_AT: usize = 4;
pub(super) const KEY_AT: usize = 8;
const LEN_AT: usize = 40;
const STORED_AT: usize = 48;
pub(super) const RECORD_LEN: u64 = 56;

pub(super) const END_MAGIC: [u8; 16] = *b"bundle MGENJIT\r\n";
pub(super) const DIGEST_LEN: u64 = 32;
pub(super) const TAIL_LEN: u64 = 48;

/// How many times longer than its compressed content a file may be, so that a small bundle cannot fill a disk.
///
/// Entries are 2 to 12 times as long. One with tables of zeros can exceed the limit; it is stored uncompressed, so that
/// everything that is exported can be imported.
pub(super) const MAX_RATIO: u64 = 256;

/// What a bundle says about one of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub kind: Kind,
    pub key: Key,
    /// The file's length.
    pub len: u64,
}

impl Display for Item {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Entry => "entry",
            Kind::Alias => "alias",
        };
        write!(out, "the {kind} {}", self.key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None = 0,
    Zstd = 1,
}

/// A record with plausible lengths.
#[derive(Debug)]
pub(super) struct Record {
    pub item: Item,
    pub compression: Compression,
    /// The content's length.
    pub stored: u64,
    /// Where the content begins.
    pub at: u64,
}

impl Record {
    pub fn encode(&self) -> [u8; RECORD_LEN as usize] {
        let mut bytes = [0; RECORD_LEN as usize];
        bytes[KIND_AT..COMPRESSION_AT].copy_from_slice(&(self.item.kind as u32).to_le_bytes());
        bytes[COMPRESSION_AT..KEY_AT].copy_from_slice(&(self.compression as u32).to_le_bytes());
        bytes[KEY_AT..LEN_AT].copy_from_slice(&self.item.key.0);
        bytes[LEN_AT..STORED_AT].copy_from_slice(&self.item.len.to_le_bytes());
        bytes[STORED_AT..].copy_from_slice(&self.stored.to_le_bytes());
        bytes
    }

    /// `rest` is how much the bundle has left for the content.
    pub fn parse(bytes: &[u8; RECORD_LEN as usize], at: u64, rest: u64) -> Result<Record, String> {
        let kind = match u32_at(bytes, KIND_AT) {
            1 => Kind::Entry,
            2 => Kind::Alias,
            kind => return Err(format!("its kind is unknown ({kind})")),
        };
        let compression = match u32_at(bytes, COMPRESSION_AT) {
            0 => Compression::None,
            1 => Compression::Zstd,
            number => return Err(format!("its compression is unknown ({number})")),
        };
        let len = u64_at(bytes, LEN_AT);
        let stored = u64_at(bytes, STORED_AT);
        let possible = match kind {
            Kind::Entry => (entry::TAIL_LEN as u64..=entry::MAX_LEN).contains(&len),
            Kind::Alias => len == entry::ALIAS_LEN,
        };
        if !possible {
            return Err(format!("its length is impossible: {len} bytes"));
        }
        if stored > rest {
            return Err(format!(
                "its content of {stored} bytes does not fit into the bundle"
            ));
        }
        match compression {
            Compression::None if stored != len => {
                return Err(format!(
                    "it is not compressed, but its two lengths differ: {len} and {stored}"
                ));
            }
            // `stored` is no more than a file's length.
            Compression::Zstd if len > stored.saturating_mul(MAX_RATIO) => {
                return Err(format!(
                    "{stored} bytes are said to decompress to {len}, more than {MAX_RATIO} times as many"
                ));
            }
            _ => {}
        }
        let key = Key(array_at(bytes, KEY_AT));
        Ok(Record {
            item: Item { kind, key, len },
            compression,
            stored,
            at,
        })
    }
}
