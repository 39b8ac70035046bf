//! Entries and aliases that came from elsewhere, as bytes: checked before any of them is written.

use super::error::{EntryError, UNDECODABLE};
use super::manifest_format::RawManifest;
use super::read::Entry;
use super::tail::{ALIAS_LEN, Kind, TAIL_LEN, Tail};
use crate::cache::bytes::array_at;
use crate::cache::key::Key;
use crate::cache::manifest::Stored;
use crate::cache::trust::Trust;
use std::ops::Range;

/// Something that is whole, has a signature that is trusted, and is what was asked for.
#[derive(Debug)]
pub enum Received {
    Entry(Box<Whole>),
    /// The key of the entry.
    Alias(Key),
}

/// All bytes of an entry.
#[derive(Debug)]
pub struct Whole {
    pub tail: Tail,
    pub bytes: Vec<u8>,
    pub manifest: RawManifest,
}

impl Whole {
    pub fn image(&self) -> &[u8] {
        &self.bytes[..self.tail.image_len as usize]
    }

    pub fn object(&self) -> &[u8] {
        &self.bytes[object_range(&self.tail)]
    }

    pub fn input(&self) -> &[u8] {
        &self.bytes[input_range(&self.tail)]
    }
}

impl Entry {
    /// All of its bytes, if they are still those that were verified.
    pub fn to_memory(&self) -> Result<Box<Whole>, EntryError> {
        let bytes = self.part.read_at(0, self.part.len)?;
        match receive(bytes, &self.tail.key(), None)? {
            Received::Entry(whole) if whole.tail.digest() == self.tail.digest() => Ok(whole),
            _ => Err(EntryError::Digest),
        }
    }
}

fn object_range(tail: &Tail) -> Range<usize> {
    let start = tail.hashed_len as usize;
    start..start + tail.object_len as usize
}

fn input_range(tail: &Tail) -> Range<usize> {
    let start = object_range(tail).end;
    start..start + tail.input_len as usize
}

/// Checks all that came for `key`, attachments included.
pub fn receive(bytes: Vec<u8>, key: &Key, trust: Option<&Trust>) -> Result<Received, EntryError> {
    let len = bytes.len() as u64;
    let Some(tail) = bytes.last_chunk::<TAIL_LEN>() else {
        return Err(EntryError::Malformed("it is too short"));
    };
    let tail = Tail::parse(*tail, len)?;
    tail.expect(tail.kind, key)?;
    tail.trusted(trust)?;
    if blake3::hash(&bytes[..tail.hashed_len as usize]).as_bytes() != tail.digest() {
        return Err(EntryError::Digest);
    }
    if tail.kind == Kind::Alias {
        if tail.manifest_len != 32 || tail.image_len != 0 || len != ALIAS_LEN {
            return Err(EntryError::Malformed(
                "its lengths are not those of an alias",
            ));
        }
        return Ok(Received::Alias(Key(array_at(&bytes, 0))));
    }
    let start = tail.image_len as usize;
    let manifest = RawManifest::new(bytes[start..start + tail.manifest_len as usize].to_vec());
    if !manifest.is_decodable() {
        return Err(UNDECODABLE);
    }
    let about = manifest.decode_about()?;
    let verify = |what, range: Range<usize>, stored: Option<&Stored>| {
        let bytes = &bytes[range];
        match stored {
            Some(stored) if blake3::hash(bytes).as_bytes() == &stored.digest => Ok(()),
            None if bytes.is_empty() => Ok(()),
            _ => Err(EntryError::Attachment(what)),
        }
    };
    verify("object", object_range(&tail), about.object.as_ref())?;
    verify("input", input_range(&tail), about.input.as_ref())?;
    Ok(Received::Entry(Box::new(Whole {
        tail,
        bytes,
        manifest,
    })))
}
