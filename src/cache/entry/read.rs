//! Reads entries and aliases, and checks what is read.

use super::attachment::{Range, detach};
use super::error::{EntryError, UNDECODABLE};
use super::io::{Part, checked_len, read_at, read_exact, with_capacity};
use super::manifest_format::RawManifest;
use super::tail::{ALIAS_LEN, HASH_UNIT, Kind, TAIL_LEN, Tail};
use crate::cache::key::Key;
use crate::cache::manifest::{About, Stored};
use crate::cache::trust::Trust;
use object::elf::{ELFMAG, FileHeader64, SHT_NOBITS, SectionHeader64};
use object::{LittleEndian as LE, pod};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// How much of an image's start an [`Entry`] keeps at least: the ELF header and program headers lie there.
pub const HEADER_LEN: usize = 4096;

/// The length that takes some 10 ms to hash. Longer images are first compared with their own headers.
const LARGE_IMAGE_LEN: usize = 16 << 20;

/// How much is read and hashed at once: it stays in the second-level cache.
pub(super) const CHUNK_LEN: usize = 256 << 10;

/// A verified entry, open.
#[derive(Debug)]
pub struct Entry {
    /// What was verified. The image starts at its first byte.
    pub part: Part,
    pub tail: Tail,
    /// The directory that it was found in, if it was, and its path there.
    pub directory: Option<Arc<Path>>,
    pub path: String,
    /// The first bytes of the image, as they were hashed: [`HEADER_LEN`] if it has so many, or more.
    pub header: Vec<u8>,
    /// Where keys are trusted, the bytes of the image that were hashed: the file may change afterwards.
    pub copy: Option<Vec<u8>>,
    pub manifest: RawManifest,
}

impl Entry {
    /// Reads all of `file` that runs. Checks that it is a whole and unchanged entry for `key`, with a signature that
    /// `trust` accepts.
    pub fn verify(file: File, key: &Key, trust: Option<&Trust>) -> Result<Entry, EntryError> {
        Entry::verify_part(Part::whole(file)?, key, trust)
    }

    /// As [`Entry::verify`], of what may be a part of a file.
    pub fn verify_part(part: Part, key: &Key, trust: Option<&Trust>) -> Result<Entry, EntryError> {
        let len = part.len;
        // A small entry is read at once. Of a large one, the tail is read first, then the rest in pieces.
        let whole = len as usize <= CHUNK_LEN;
        let mut tail = [0; TAIL_LEN];
        let mut buffer = if whole {
            let buffer = part.read_at(0, len)?;
            tail.copy_from_slice(&buffer[buffer.len() - TAIL_LEN..]);
            buffer
        } else {
            part.read_exact(&mut tail, len - TAIL_LEN as u64)?;
            vec![0; CHUNK_LEN]
        };
        let tail = Tail::parse(tail, len)?;
        tail.expect(Kind::Entry, key)?;
        tail.trusted(trust)?;

        let hashed_len = tail.hashed_len as usize;
        let image_len = tail.image_len as usize;
        let manifest_len = tail.manifest_len as usize;
        let (header, manifest, digest, copy) = if whole {
            let manifest = buffer[image_len..image_len + manifest_len].to_vec();
            let digest = blake3::hash(&buffer[..hashed_len]);
            buffer.truncate(image_len);
            let (header, copy) = match trust {
                Some(_) => (buffer[..image_len.min(HEADER_LEN)].to_vec(), Some(buffer)),
                None => (buffer, None),
            };
            (header, manifest, digest, copy)
        } else {
            let mut hasher = blake3::Hasher::new();
            let mut header = Vec::new();
            let mut copy = match trust {
                Some(_) => Some(with_capacity(image_len)?),
                None => None,
            };
            let mut manifest = Vec::new();
            let mut at = 0;
            while at < hashed_len {
                let chunk_len = buffer.len().min(hashed_len - at);
                let chunk = &mut buffer[..chunk_len];
                part.read_exact(chunk, at as u64)?;
                if at == 0 && image_len > LARGE_IMAGE_LEN {
                    check_image_len(chunk, tail.image_len)?;
                }
                hasher.update(chunk);
                if at == 0 {
                    header.extend_from_slice(&chunk[..image_len.min(HEADER_LEN).min(chunk_len)]);
                }
                // The part of the manifest that lies in this chunk.
                let start = image_len.clamp(at, at + chunk_len) - at;
                let end = (image_len + manifest_len).clamp(at, at + chunk_len) - at;
                manifest.extend_from_slice(&chunk[start..end]);
                if let Some(copy) = &mut copy {
                    copy.extend_from_slice(&chunk[..start]);
                }
                at += chunk_len;
            }
            (header, manifest, hasher.finalize(), copy)
        };
        if digest.as_bytes() != tail.digest() {
            return Err(EntryError::Digest);
        }
        let manifest = RawManifest::new(manifest);
        if !manifest.is_decodable() {
            return Err(UNDECODABLE);
        }
        Ok(Entry {
            part,
            directory: None,
            path: String::new(),
            tail,
            header,
            copy,
            manifest,
        })
    }

    /// Refuses code for another CPU or system than `machine`.
    pub fn expect_machine(&self, machine: &str) -> Result<(), EntryError> {
        self.manifest.expect_machine(machine)
    }

    /// The image's bytes, as they were when the entry was verified.
    pub fn image(&self) -> Result<Vec<u8>, EntryError> {
        if let Some(copy) = &self.copy {
            return Ok(copy.clone());
        }
        // The file may have changed since. Only bytes that were hashed are returned.
        let mut bytes = self.part.read_at(0, self.tail.hashed_len)?;
        if blake3::hash(&bytes).as_bytes() != self.tail.digest() {
            return Err(EntryError::Digest);
        }
        bytes.truncate(self.tail.image_len as usize);
        Ok(bytes)
    }

    /// Microseconds that its compile took; 0: it does not say.
    pub fn cost(&self) -> u64 {
        let about = self.manifest.decode_about();
        about.map_or(0, |about| about.times.total())
    }

    /// The relocatable object that the image was linked from.
    pub fn object(&self, about: &About) -> Result<Vec<u8>, EntryError> {
        let at = self.tail.hashed_len;
        self.attachment("object", at, self.tail.object_len, about.object.as_ref())
    }

    /// The IR that was compiled.
    pub fn input(&self, about: &About) -> Result<Vec<u8>, EntryError> {
        let at = self.tail.hashed_len + self.tail.object_len;
        self.attachment("input", at, self.tail.input_len, about.input.as_ref())
    }

    fn attachment(
        &self,
        what: &'static str,
        at: u64,
        compressed_len: u64,
        stored: Option<&Stored>,
    ) -> Result<Vec<u8>, EntryError> {
        if stored.is_none() {
            return Err(EntryError::Missing(what));
        }
        let compressed = self.part.read_at(at, compressed_len)?;
        detach(what, &compressed, stored)
    }

    /// Checks what a hit does not: the manifest, the object and the input. The attachments are not held in memory.
    pub fn verify_attachments(&self) -> Result<(), EntryError> {
        let about = self.manifest.decode()?.about;
        let [object, input] = self.attachments();
        object.verify("object", about.object.as_ref())?;
        input.verify("input", about.input.as_ref())
    }

    /// Checks that all bytes of the object and the input are those that the manifest names.
    pub fn verify_attached_bytes(&self) -> Result<(), EntryError> {
        let about = self.manifest.decode_about()?;
        let [object, input] = self.attachments();
        object.verify_digest("object", about.object.as_ref())?;
        input.verify_digest("input", about.input.as_ref())
    }

    /// The object and the input.
    fn attachments(&self) -> [Range<'_>; 2] {
        let Tail {
            object_len,
            input_len,
            hashed_len,
            ..
        } = self.tail;
        let start = self.part.at + hashed_len;
        [
            Range::new(&self.part.file, start, object_len),
            Range::new(&self.part.file, start + object_len, input_len),
        ]
    }
}

/// What a file says about itself, unverified: for lists, not to run it.
pub struct Peeked {
    pub tail: Tail,
    pub about: About,
    pub len: u64,
}

/// Reads an entry's tail and manifest.
pub fn peek(file: &File, key: &Key) -> Result<Peeked, EntryError> {
    let (tail, len) = read_tail(file)?;
    tail.expect(Kind::Entry, key)?;
    let manifest = RawManifest::new(read_at(file, tail.image_len, tail.manifest_len)?);
    let about = manifest.decode_about()?;
    Ok(Peeked { tail, about, len })
}

/// Reads an alias of `key`: the key that it stands for.
pub fn read_alias(file: &File, key: &Key, trust: Option<&Trust>) -> Result<Key, EntryError> {
    let len = checked_len(&rustix::fs::fstat(file)?)?;
    read_alias_in(file, 0, len, key, trust)
}

/// As [`read_alias`], of what may be a part of a file.
pub fn read_alias_at(part: &Part, key: &Key, trust: Option<&Trust>) -> Result<Key, EntryError> {
    read_alias_in(&part.file, part.at, part.len, key, trust)
}

fn read_alias_in(
    file: &File,
    at: u64,
    len: u64,
    key: &Key,
    trust: Option<&Trust>,
) -> Result<Key, EntryError> {
    let tail = tail_of(file, at, len)?;
    tail.expect(Kind::Alias, key)?;
    tail.trusted(trust)?;
    let mut target = [0; 32];
    let Tail {
        image_len,
        manifest_len,
        hashed_len,
        ..
    } = tail;
    if image_len != 0 || manifest_len != 32 || hashed_len != 32 || len != ALIAS_LEN {
        return Err(EntryError::Malformed(
            "its lengths are not those of an alias",
        ));
    }
    read_exact(file, &mut target, at)?;
    if blake3::hash(&target).as_bytes() != tail.digest() {
        return Err(EntryError::Digest);
    }
    Ok(Key(target))
}

/// Reads a file's tail. Also returns the file's length.
fn read_tail(file: &File) -> Result<(Tail, u64), EntryError> {
    let len = checked_len(&rustix::fs::fstat(file)?)?;
    Ok((tail_of(file, 0, len)?, len))
}

fn tail_of(file: &File, at: u64, len: u64) -> Result<Tail, EntryError> {
    let mut bytes = [0; TAIL_LEN];
    read_exact(file, &mut bytes, at + len - TAIL_LEN as u64)?;
    Tail::parse(bytes, len)
}

/// Refuses an image whose own headers account for less than `len` bytes. `start` is its first piece, where the linker puts
/// all headers; a table elsewhere is ignored.
fn check_image_len(start: &[u8], len: u64) -> Result<(), EntryError> {
    let end = match pod::from_bytes::<FileHeader64<LE>>(start) {
        Ok((header, _)) if header.e_ident.magic == ELFMAG => {
            let at = usize::try_from(header.e_shoff.get(LE)).unwrap_or(usize::MAX);
            let count = usize::from(header.e_shnum.get(LE));
            let table = start
                .get(at..)
                .and_then(|table| pod::slice_from_bytes::<SectionHeader64<LE>>(table, count).ok());
            let Some((sections, _)) = table else {
                return Ok(());
            };
            let end = |section: &SectionHeader64<LE>| {
                let is_in_file = section.sh_type.get(LE) != SHT_NOBITS;
                let len = if is_in_file {
                    section.sh_size.get(LE)
                } else {
                    0
                };
                section.sh_offset.get(LE).saturating_add(len)
            };
            sections.iter().map(end).max().unwrap_or(0)
        }
        _ => 0,
    };
    // Padding may follow.
    if len > end.saturating_add(HASH_UNIT as u64) {
        return Err(EntryError::Malformed(
            "its image is longer than its headers say",
        ));
    }
    Ok(())
}
