//! An entry file: one compiled module.
//!
//! ```text
//! ┌──────────────────────────────┬──────────┬───────┬────────┐
//! │ image: an ELF shared object  │ manifest │ zeros │ footer │
//! └──────────────────────────────┴──────────┴───────┴────────┘
//!
//! footer, 96 bytes, integers little-endian:
//!   0  magic "MGENJIT\n"
//!   8  format version, u32
//!  12  zero, u32
//!  16  image's length, u64
//!  24  manifest's length, u64
//!  32  the entry's key, 32 bytes
//!  64  BLAKE3 of all bytes before this one, 32 bytes
//! ```
//!
//! The zeros make what is hashed a multiple of 8 KiB: BLAKE3 hashes 8 or 16 pieces of 1 KiB in the time of one, so
//! that 8192 bytes take a third of the time of 7900.
//!
//! ELF tools read the headers at the start and ignore the tail, so that an entry is a shared object to `objdump`,
//! `gdb` and `perf`. An entry file never changes once it has its name.

use super::key::Key;
use super::manifest::Manifest;
use rustix::io::pread;
use std::fs::File;

/// The version of this format. Entries of other versions are misses.
pub const FORMAT_VERSION: u32 = 1;

/// How much of an image's start an [`Entry`] keeps: the ELF header and program headers lie there.
pub const HEADER_LEN: usize = 4096;

const MAGIC: [u8; 8] = *b"MGENJIT\n";
const VERSION_AT: usize = 8;
const RESERVED_AT: usize = 12;
const IMAGE_LEN_AT: usize = 16;
const MANIFEST_LEN_AT: usize = 24;
const KEY_AT: usize = 32;
const DIGEST_AT: usize = 64;
const FOOTER_LEN: usize = 96;

/// What is hashed is a multiple of this.
const HASH_UNIT: usize = 8 << 10;

/// How much is read and hashed at once: it stays in the second-level cache.
const CHUNK_LEN: usize = 256 << 10;

/// A verified entry, open.
#[derive(Debug)]
pub struct Entry {
    /// The file that was verified. The image starts at its first byte.
    pub file: File,
    pub image_len: u64,
    /// The whole file's length.
    pub len: u64,
    /// The first bytes of the image, at most [`HEADER_LEN`].
    pub header: Vec<u8>,
    pub manifest: RawManifest,
}

/// A manifest, not decoded yet: a hit does not need it.
#[derive(Debug)]
pub struct RawManifest(Vec<u8>);

impl RawManifest {
    pub fn encode(manifest: &Manifest) -> Result<RawManifest, postcard::Error> {
        postcard::to_stdvec(manifest).map(RawManifest)
    }

    pub fn decode(&self) -> Result<Manifest, EntryError> {
        postcard::from_bytes(&self.0)
            .map_err(|_| EntryError::Malformed("its manifest does not decode"))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("it cannot be read: {0}")]
    Io(#[from] rustix::io::Errno),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is not an entry, or is cut short: {0}")]
    Malformed(&'static str),
    #[error("it has format version {0}; this library reads {FORMAT_VERSION}")]
    Version(u32),
    #[error("it belongs to the key {0}")]
    WrongKey(Key),
    #[error("its bytes do not match its digest")]
    Digest,
}

impl Entry {
    /// Reads the whole of `file` and checks that it is a whole and unchanged entry for `key`.
    pub fn verify(file: File, key: &Key) -> Result<Entry, EntryError> {
        let stat = rustix::fs::fstat(&file)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Err(EntryError::NotAFile);
        }
        let len = usize::try_from(stat.st_size)
            .ok()
            .filter(|len| *len >= FOOTER_LEN)
            .ok_or(EntryError::Malformed("it is shorter than a footer"))?;

        // A small entry is read at once, a large one piece by piece with its footer first.
        let mut buffer = vec![0; len.min(CHUNK_LEN)];
        let mut footer = [0; FOOTER_LEN];
        let whole = len <= CHUNK_LEN;
        if whole {
            read_exact(&file, &mut buffer, 0)?;
            footer.copy_from_slice(&buffer[len - FOOTER_LEN..]);
        } else {
            read_exact(&file, &mut footer, len - FOOTER_LEN)?;
        }
        let (image_len, manifest_len) = check_footer(&footer, len, key)?;

        let hashed_len = len - (FOOTER_LEN - DIGEST_AT);
        let (header, manifest, digest) = if whole {
            (
                buffer[..image_len.min(HEADER_LEN)].to_vec(),
                buffer[image_len..image_len + manifest_len].to_vec(),
                blake3::hash(&buffer[..hashed_len]),
            )
        } else {
            let mut hasher = blake3::Hasher::new();
            let mut header = Vec::new();
            let mut manifest = Vec::with_capacity(manifest_len);
            let mut at = 0;
            while at < hashed_len {
                let chunk_len = buffer.len().min(hashed_len - at);
                let chunk = &mut buffer[..chunk_len];
                read_exact(&file, chunk, at)?;
                hasher.update(chunk);
                if at == 0 {
                    header.extend_from_slice(&chunk[..image_len.min(HEADER_LEN)]);
                }
                // The part of the manifest that lies in this chunk.
                let start = image_len.clamp(at, at + chunk_len) - at;
                let end = (image_len + manifest_len).clamp(at, at + chunk_len) - at;
                manifest.extend_from_slice(&chunk[start..end]);
                at += chunk_len;
            }
            (header, manifest, hasher.finalize())
        };
        if digest.as_bytes() != &footer[DIGEST_AT..] {
            return Err(EntryError::Digest);
        }
        Ok(Entry {
            file,
            image_len: image_len as u64,
            len: len as u64,
            header,
            manifest: RawManifest(manifest),
        })
    }
}

/// What follows the image in an entry's file: the manifest and the footer.
pub fn tail(key: &Key, image: &[u8], manifest: &Manifest) -> Result<Vec<u8>, postcard::Error> {
    let RawManifest(mut tail) = RawManifest::encode(manifest)?;
    let manifest_len = tail.len() as u64;
    tail.resize(tail.len() + padding(image.len() + tail.len()), 0);
    tail.extend_from_slice(&MAGIC);
    tail.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    tail.extend_from_slice(&0u32.to_le_bytes());
    tail.extend_from_slice(&(image.len() as u64).to_le_bytes());
    tail.extend_from_slice(&manifest_len.to_le_bytes());
    tail.extend_from_slice(&key.0);
    let mut hasher = blake3::Hasher::new();
    hasher.update(image);
    hasher.update(&tail);
    tail.extend_from_slice(hasher.finalize().as_bytes());
    Ok(tail)
}

/// Checks all of a footer but its digest. Returns the lengths of the image and the manifest.
fn check_footer(
    footer: &[u8; FOOTER_LEN],
    len: usize,
    key: &Key,
) -> Result<(usize, usize), EntryError> {
    if footer[..VERSION_AT] != MAGIC {
        return Err(EntryError::Malformed("its footer's magic is wrong"));
    }
    let version = u32_at(footer, VERSION_AT);
    if version != FORMAT_VERSION {
        return Err(EntryError::Version(version));
    }
    if u32_at(footer, RESERVED_AT) != 0 {
        return Err(EntryError::Malformed("its footer's reserved bytes are set"));
    }
    if footer[KEY_AT..DIGEST_AT] != key.0 {
        let mut other = [0; 32];
        other.copy_from_slice(&footer[KEY_AT..DIGEST_AT]);
        return Err(EntryError::WrongKey(Key(other)));
    }
    let lengths = [IMAGE_LEN_AT, MANIFEST_LEN_AT].map(|at| {
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7].map(|index: usize| footer[at + index]);
        usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    });
    let sum = lengths[0].checked_add(lengths[1]);
    let whole = sum.and_then(|sum| sum.checked_add(padding(sum) + FOOTER_LEN));
    if whole != Some(len) {
        return Err(EntryError::Malformed("its lengths do not add up"));
    }
    Ok((lengths[0], lengths[1]))
}

/// The number of zeros behind `len` bytes of image and manifest.
fn padding(len: usize) -> usize {
    let rest = len.wrapping_add(DIGEST_AT) % HASH_UNIT;
    (HASH_UNIT - rest) % HASH_UNIT
}

fn u32_at(footer: &[u8; FOOTER_LEN], at: usize) -> u32 {
    u32::from_le_bytes([footer[at], footer[at + 1], footer[at + 2], footer[at + 3]])
}

fn read_exact(file: &File, mut buffer: &mut [u8], at: usize) -> Result<(), EntryError> {
    let mut at = at as u64;
    while !buffer.is_empty() {
        match pread(file, &mut *buffer, at) {
            Ok(0) => return Err(EntryError::Malformed("it became shorter while it was read")),
            Ok(read) => {
                buffer = &mut buffer[read..];
                at += read as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::protocol::{CompileTimes, OptLevel};
    use std::io::Write;

    const KEY: Key = Key([7; 32]);

    fn manifest() -> Manifest {
        Manifest {
            name: "m".to_owned(),
            opt_level: OptLevel::O2,
            input_len: 3,
            triple: "t".to_owned(),
            cpu: "c".to_owned(),
            features: String::new(),
            llvm: "l".to_owned(),
            package: "p".to_owned(),
            build: "b".to_owned(),
            created: 1,
            times: CompileTimes::default(),
            functions: Vec::new(),
            object: None,
        }
    }

    fn bytes(image: &[u8]) -> Vec<u8> {
        let mut bytes = image.to_vec();
        bytes.extend(tail(&KEY, image, &manifest()).expect("a manifest encodes"));
        bytes
    }

    fn verify(bytes: &[u8], key: &Key) -> Result<Entry, EntryError> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("write");
        Entry::verify(file, key)
    }

    #[test]
    fn what_is_written_is_read() {
        // Around the length up to which an entry is read at once, and with the manifest across two chunks.
        for len in [
            0,
            1,
            HEADER_LEN,
            CHUNK_LEN - 200,
            CHUNK_LEN - 100,
            CHUNK_LEN,
            3 * CHUNK_LEN,
        ] {
            let image: Vec<u8> = (0..len).map(|index| (index * 7) as u8).collect();
            let entry = verify(&bytes(&image), &KEY).expect("a whole entry");
            assert_eq!(entry.image_len, len as u64);
            assert_eq!(entry.header, image[..len.min(HEADER_LEN)]);
            assert_eq!(entry.manifest.decode().expect("it decodes"), manifest());
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let whole = bytes(b"an image");
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut broken = whole.clone();
                broken[at] ^= 1 << bit;
                assert!(verify(&broken, &KEY).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn every_cut_and_every_addition_is_noticed() {
        let whole = bytes(b"an image");
        for len in 0..whole.len() {
            assert!(verify(&whole[..len], &KEY).is_err(), "cut to {len}");
        }
        for extra in [1, 95, 96, 97, 4096] {
            let mut longer = whole.clone();
            longer.resize(whole.len() + extra, 0);
            assert!(verify(&longer, &KEY).is_err(), "{extra} bytes added");
        }
        let mut large = bytes(&vec![1; 2 * CHUNK_LEN]);
        large[CHUNK_LEN + 5] ^= 1;
        assert!(matches!(verify(&large, &KEY), Err(EntryError::Digest)));
    }

    #[test]
    fn another_key_or_version_is_told_apart() {
        let whole = bytes(b"an image");
        assert!(matches!(
            verify(&whole, &Key([8; 32])),
            Err(EntryError::WrongKey(Key(key))) if key == KEY.0
        ));
        let mut newer = whole.clone();
        let at = newer.len() - FOOTER_LEN + VERSION_AT;
        newer[at] = 2;
        assert!(matches!(verify(&newer, &KEY), Err(EntryError::Version(2))));
    }
}
