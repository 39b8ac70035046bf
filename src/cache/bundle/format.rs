//! The layout of a bundle's header, records and tail.

use crate::cache::bytes::{array_at, u32_at, u64_at};
use crate::cache::entry::{self, Kind};
use crate::cache::key::Key;
use std::fmt::{self, Display};

/// The version of this format.
pub const FORMAT_VERSION: u32 = 2;

/// An earlier version, which is read: it has no index.
pub(super) const WITHOUT_INDEX: u32 = 1;

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

/// Records of the index have the same length.
const AT_AT: usize = 48;

/// What an entry's content begins at a multiple of.
const PAGE: u64 = 4096;

pub(super) const END_MAGIC: [u8; 16] = *b"bundle MGENJIT\r\n";
pub(super) const DIGEST_LEN: u64 = 32;
pub(super) const TAIL_LEN: u64 = 48;

/// How many times longer than its compressed content a file may be, so that a small bundle cannot fill a disk.
///
/// Entries are 2 to 12 times as long.
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

    /// `end` is where the record ends, and `rest` how much the bundle has left behind it.
    pub fn parse(
        bytes: &[u8; RECORD_LEN as usize],
        version: u32,
        end: u64,
        rest: u64,
    ) -> Result<Record, String> {
        let kind = match u32_at(bytes, KIND_AT) {
            1 => Kind::Entry,
            2 => Kind::Alias,
            kind => return Err(format!("its kind is unknown ({kind})")),
        };
        let compression = match u32_at(bytes, COMPRESSION_AT) {
            0 => Compression::None,
            1 if version == WITHOUT_INDEX => Compression::Zstd,
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
        let at = match version {
            WITHOUT_INDEX => end,
            _ => content_at(kind, end),
        };
        if rest.checked_sub(at - end).is_none_or(|rest| stored > rest) {
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

/// Where the content begins whose record ends at `end`.
pub(super) fn content_at(kind: Kind, end: u64) -> u64 {
    match kind {
        Kind::Entry => end.next_multiple_of(PAGE),
        Kind::Alias => end,
    }
}

/// A record of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub item: Item,
    /// Where the content begins.
    pub at: u64,
}

impl Indexed {
    pub fn encode(&self) -> [u8; RECORD_LEN as usize] {
        let mut bytes = [0; RECORD_LEN as usize];
        bytes[KIND_AT..COMPRESSION_AT].copy_from_slice(&(self.item.kind as u32).to_le_bytes());
        bytes[KEY_AT..LEN_AT].copy_from_slice(&self.item.key.0);
        bytes[LEN_AT..AT_AT].copy_from_slice(&self.item.len.to_le_bytes());
        bytes[AT_AT..].copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    /// `None`: there cannot be such a part of a bundle of `len` bytes.
    pub fn parse(bytes: &[u8; RECORD_LEN as usize], len: u64) -> Option<Indexed> {
        let kind = match u32_at(bytes, KIND_AT) {
            1 => Kind::Entry,
            2 => Kind::Alias,
            _ => return None,
        };
        let item = Item {
            kind,
            key: Key(array_at(bytes, KEY_AT)),
            len: u64_at(bytes, LEN_AT),
        };
        let at = u64_at(bytes, AT_AT);
        let is_long_enough = item.len >= entry::TAIL_LEN as u64;
        let fits = at.checked_add(item.len).is_some_and(|end| end <= len);
        let is_aligned = content_at(kind, at) == at;
        (is_long_enough && fits && is_aligned).then_some(Indexed { item, at })
    }

    /// What the index is sorted by.
    pub fn order(&self) -> (Key, u32) {
        (self.item.key, self.item.kind as u32)
    }
}
