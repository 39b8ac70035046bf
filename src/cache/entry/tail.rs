//! The tail of a file: its layout, its check and its signature.

use super::error::EntryError;
use crate::cache::bytes::{array_at, u32_at, u64_at};
use crate::cache::key::Key;
use crate::cache::trust::{Signature, Signer, Trust};
use crate::cache::version::FORMAT_VERSION;

/// More than any compiler makes, and small enough that sums of lengths cannot overflow.
pub const MAX_LEN: u64 = 1 << 40;

/// The code of one image has to fit into 2 GiB, and its data lies beside it.
const MAX_IMAGE_LEN: u64 = 1 << 32;

/// A manifest is read into memory whole, and takes some 100 bytes for each function.
const MAX_MANIFEST_LEN: u64 = 1 << 28;

pub(super) const IMAGE_LEN_AT: usize = 0;
pub(super) const MANIFEST_LEN_AT: usize = 8;
pub(super) const OBJECT_LEN_AT: usize = 16;
pub(super) const INPUT_LEN_AT: usize = 24;
pub(super) const KEY_AT: usize = 32;
pub(super) const DIGEST_AT: usize = 64;
pub(super) const KIND_AT: usize = 96;
pub(super) const SCHEME_AT: usize = 100;
pub(super) const SIGNATURE_AT: usize = 104;
pub(super) const CHECK_AT: usize = 168;
pub(super) const VERSION_AT: usize = 184;
pub(super) const MAGIC_AT: usize = 192;
pub const TAIL_LEN: usize = 200;

/// The length of an alias file.
pub const ALIAS_LEN: u64 = 32 + TAIL_LEN as u64;

pub(super) const MAGIC: [u8; 8] = *b"MGENJIT\n";

/// What is hashed is a multiple of this.
pub(super) const HASH_UNIT: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Entry = 1,
    Alias = 2,
}

/// A tail that is consistent with itself and with the length of its file.
#[derive(Clone, Debug)]
pub struct Tail {
    bytes: [u8; TAIL_LEN],
    pub kind: Kind,
    pub image_len: u64,
    pub manifest_len: u64,
    pub object_len: u64,
    pub input_len: u64,
    /// The length of what the digest covers: the image, the manifest and the zeros.
    pub hashed_len: u64,
}

impl Tail {
    /// Parses a tail. Checks everything except its signature.
    pub(super) fn parse(bytes: [u8; TAIL_LEN], file_len: u64) -> Result<Tail, EntryError> {
        if bytes[MAGIC_AT..] != MAGIC {
            return Err(EntryError::Malformed(
                "it does not end with the magic bytes",
            ));
        }
        let version = u32_at(&bytes, VERSION_AT);
        if version != FORMAT_VERSION {
            return Err(EntryError::Version(version));
        }
        if check_of(&bytes) != bytes[CHECK_AT..VERSION_AT] {
            return Err(EntryError::Malformed(
                "its tail does not match its checksum",
            ));
        }
        let kind = match u32_at(&bytes, KIND_AT) {
            1 => Kind::Entry,
            2 => Kind::Alias,
            _ => return Err(EntryError::Malformed("its kind is unknown")),
        };
        let len = |at| Some(u64_at(&bytes, at)).filter(|len| *len <= MAX_LEN);
        let (Some(image_len), Some(manifest_len), Some(object_len), Some(input_len)) = (
            len(IMAGE_LEN_AT),
            len(MANIFEST_LEN_AT),
            len(OBJECT_LEN_AT),
            len(INPUT_LEN_AT),
        ) else {
            return Err(EntryError::Malformed("a length in it is out of range"));
        };
        if image_len > MAX_IMAGE_LEN || manifest_len > MAX_MANIFEST_LEN {
            return Err(EntryError::Malformed("a length in it is out of range"));
        }
        let hashed_len = match kind {
            Kind::Entry => (image_len + manifest_len).next_multiple_of(HASH_UNIT as u64),
            Kind::Alias => image_len + manifest_len,
        };
        // Before anything is hashed: a file with holes can be huge at no cost to its author.
        if file_len != hashed_len + object_len + input_len + TAIL_LEN as u64 {
            return Err(EntryError::Malformed(
                "its lengths do not add up to the file's",
            ));
        }
        Ok(Tail {
            bytes,
            kind,
            image_len,
            manifest_len,
            object_len,
            input_len,
            hashed_len,
        })
    }

    /// The digest of the image, the manifest and the zeros.
    pub(super) fn digest(&self) -> &[u8] {
        &self.bytes[DIGEST_AT..KIND_AT]
    }

    pub fn key(&self) -> Key {
        Key(array_at(&self.bytes, KEY_AT))
    }

    pub(super) fn expect(&self, kind: Kind, key: &Key) -> Result<(), EntryError> {
        if self.kind != kind {
            return Err(EntryError::Malformed(
                "its kind is not the one that its name says",
            ));
        }
        if self.key() != *key {
            return Err(EntryError::WrongKey(self.key()));
        }
        Ok(())
    }

    /// What is signed: what the file says it is, and the digest of its content.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.bytes[..SCHEME_AT]
    }

    pub fn signature(&self) -> Signature {
        Signature {
            scheme: u32_at(&self.bytes, SCHEME_AT),
            bytes: array_at(&self.bytes, SIGNATURE_AT),
        }
    }

    pub fn bytes(&self) -> &[u8; TAIL_LEN] {
        &self.bytes
    }

    /// The same tail with another signature, for its file's copy.
    pub fn signed(&self, signer: &Signer) -> [u8; TAIL_LEN] {
        seal(self.bytes, Some(signer))
    }

    pub(super) fn trusted(&self, trust: Option<&Trust>) -> Result<(), EntryError> {
        match trust {
            Some(trust) => Ok(trust.check(self.signed_bytes(), &self.signature())?),
            None => Ok(()),
        }
    }
}

/// A signed tail of these contents.
pub(super) fn tail(
    kind: Kind,
    key: &Key,
    lens: [usize; 4],
    digest: blake3::Hash,
    signer: Option<&Signer>,
) -> [u8; TAIL_LEN] {
    let mut bytes = [0; TAIL_LEN];
    for (place, len) in bytes[..KEY_AT].chunks_exact_mut(8).zip(lens) {
        place.copy_from_slice(&(len as u64).to_le_bytes());
    }
    bytes[KEY_AT..DIGEST_AT].copy_from_slice(&key.0);
    bytes[DIGEST_AT..KIND_AT].copy_from_slice(digest.as_bytes());
    bytes[KIND_AT..SCHEME_AT].copy_from_slice(&(kind as u32).to_le_bytes());
    bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[MAGIC_AT..].copy_from_slice(&MAGIC);
    seal(bytes, signer)
}

/// Signs a tail, and computes its check.
pub(super) fn seal(mut bytes: [u8; TAIL_LEN], signer: Option<&Signer>) -> [u8; TAIL_LEN] {
    let signature = signer.map_or(Signature::NONE, |signer| signer.sign(&bytes[..SCHEME_AT]));
    bytes[SCHEME_AT..SIGNATURE_AT].copy_from_slice(&signature.scheme.to_le_bytes());
    bytes[SIGNATURE_AT..CHECK_AT].copy_from_slice(&signature.bytes);
    let check = check_of(&bytes);
    bytes[CHECK_AT..VERSION_AT].copy_from_slice(&check);
    bytes
}

pub(super) fn check_of(bytes: &[u8; TAIL_LEN]) -> [u8; VERSION_AT - CHECK_AT] {
    let mut covered = [0; CHECK_AT + TAIL_LEN - VERSION_AT];
    covered[..CHECK_AT].copy_from_slice(&bytes[..CHECK_AT]);
    covered[CHECK_AT..].copy_from_slice(&bytes[VERSION_AT..]);
    array_at(blake3::hash(&covered).as_bytes(), 0)
}

/// How many zeros follow an image and a manifest of `len` bytes.
pub(super) fn padding(len: usize) -> usize {
    len.next_multiple_of(HASH_UNIT) - len
}
