//! An entry file: one compiled module. Its small sibling, an alias file: the name of another entry.
//!
//! ```text
//! ┌──────────────────────────────┬──────────┬───────┬──────────────┬─────────────┬──────┐
//! │ image: an ELF shared object  │ manifest │ zeros │ object, zstd │ input, zstd │ tail │
//! └──────────────────────────────┴──────────┴───────┴──────────────┴─────────────┴──────┘
//!
//! tail, 200 bytes, integers little-endian:
//!   0  image's length, u64
//!   8  manifest's length, u64
//!  16  object's length, u64
//!  24  input's length, u64; 0 if it was not kept
//!  32  the entry's key, 32 bytes
//!  64  digest: BLAKE3 of the image, the manifest and the zeros, 32 bytes
//!  96  kind, u32: 1 an entry, 2 an alias
//! 100  signature's scheme, u32: 0 none, 1 BLAKE3 with a key, 2 Ed25519
//! 104  signature of bytes 0 to 99, 64 bytes; zeros behind a shorter one
//! 168  check: the first 16 bytes of BLAKE3 of bytes 0 to 167 and 184 to 191
//! 184  format version, u32
//! 188  zero, u32
//! 192  magic "MGENJIT\n"
//! ```
//!
//! The zeros make what is hashed a multiple of 8 KiB: BLAKE3 hashes 8 or 16 pieces of 1 KiB in the time of one, so
//! that 8192 bytes take a third of the time of 7900. The object and the input, which a hit does not need, have
//! digests of their own in the manifest, and are checked when they are read.
//!
//! ELF tools read the headers at the start and ignore the rest, so that an entry is a shared object to `objdump`,
//! `gdb` and `perf`. An entry file never changes once it has its name.
//!
//! An alias has neither image nor zeros, object or input, and its manifest is the 32 bytes of another key.
//!
//! The version and the magic are where every later version keeps them, so that each can tell what it may touch.

use super::bytes::{array_at, u32_at, u64_at};
use super::key::Key;
use super::manifest::{self, About, Manifest, Stored};
use super::trust::{Signature, Signer, Trust, Untrusted};
use crate::types::OptLevel;
use object::elf::{ELFMAG, FileHeader64, SHT_NOBITS, SectionHeader64};
use object::{LittleEndian as LE, pod};
use rustix::fs::Stat;
use rustix::io::pread;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

/// The version of this format. Entries of other versions are misses.
pub const FORMAT_VERSION: u32 = 3;

/// How much of an image's start an [`Entry`] keeps: the ELF header and program headers lie there.
pub const HEADER_LEN: usize = 4096;

/// More than any compiler makes, and far from where sums of lengths could overflow.
pub const MAX_LEN: u64 = 1 << 40;

/// The code of one image has to fit into 2 GiB, and its data lies beside it.
const MAX_IMAGE_LEN: u64 = 1 << 32;

/// What takes some 10 ms to hash. Longer images are first compared with what their own headers say.
const LARGE_IMAGE_LEN: usize = 16 << 20;

/// A manifest is read into memory whole, and takes some 100 bytes for each function.
const MAX_MANIFEST_LEN: u64 = 1 << 28;

/// Of an object or an input when it is not compressed. The code of one object has to fit into 2 GiB.
const MAX_ATTACHMENT_LEN: u64 = 1 << 32;

const IMAGE_LEN_AT: usize = 0;
const MANIFEST_LEN_AT: usize = 8;
const OBJECT_LEN_AT: usize = 16;
const INPUT_LEN_AT: usize = 24;
const KEY_AT: usize = 32;
const DIGEST_AT: usize = 64;
const KIND_AT: usize = 96;
const SCHEME_AT: usize = 100;
const SIGNATURE_AT: usize = 104;
const CHECK_AT: usize = 168;
const VERSION_AT: usize = 184;
const MAGIC_AT: usize = 192;
pub const TAIL_LEN: usize = 200;

/// The length of an alias file.
pub const ALIAS_LEN: u64 = 32 + TAIL_LEN as u64;

const MAGIC: [u8; 8] = *b"MGENJIT\n";

/// What is hashed is a multiple of this.
const HASH_UNIT: usize = 8 << 10;

/// How much is read and hashed at once: it stays in the second-level cache.
const CHUNK_LEN: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Entry = 1,
    Alias = 2,
}

/// A tail that agrees with itself and with its file's length.
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

/// A verified entry, open.
#[derive(Debug)]
pub struct Entry {
    /// The file that was verified. The image starts at its first byte.
    pub file: File,
    pub tail: Tail,
    /// The whole file's length.
    pub len: u64,
    /// The first bytes of the image, at most [`HEADER_LEN`].
    pub header: Vec<u8>,
    /// Where keys are trusted, the very bytes of the image that were hashed: the file may change after that.
    pub copy: Option<Vec<u8>>,
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
        postcard::from_bytes(&self.0).map_err(|_| UNDECODABLE)
    }

    /// What the code was compiled for, see [`Parts::machine`](super::manifest::Parts). A hit asks: nothing is copied.
    pub fn machine(&self) -> Result<&str, EntryError> {
        // The fields before it, in their order.
        type Start<'a> = (&'a str, [u8; 32], OptLevel, &'a str);
        match postcard::take_from_bytes::<Start<'_>>(&self.0) {
            Ok(((_name, _input, _level, machine), _)) => Ok(machine),
            Err(_) => Err(UNDECODABLE),
        }
    }

    /// Whether [`RawManifest::decode`] would succeed, without allocating anything.
    fn is_decodable(&self) -> bool {
        postcard::from_bytes::<manifest::Checked<'_>>(&self.0).is_ok()
    }

    /// All but the functions, of which there may be thousands.
    pub fn decode_about(&self) -> Result<About, EntryError> {
        match postcard::take_from_bytes(&self.0) {
            Ok((about, _functions)) => Ok(about),
            Err(_) => Err(UNDECODABLE),
        }
    }
}

const UNDECODABLE: EntryError = EntryError::Malformed("its manifest does not decode");

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
    #[error("it is code for {theirs}, not for {ours}")]
    Machine { theirs: String, ours: String },
    #[error("its bytes do not match its digest")]
    Digest,
    #[error("the {0} in it does not match its digest")]
    Attachment(&'static str),
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("the inputs in it are not those that it says it was compiled from")]
    OtherInput,
    #[error("what it was compiled from has the key {0}: its content is another module's")]
    OtherContent(Key),
    #[error("it is not trusted: {0}")]
    Untrusted(#[from] Untrusted),
}

impl Tail {
    /// Checks all of a tail but its signature.
    fn parse(bytes: [u8; TAIL_LEN], file_len: u64) -> Result<Tail, EntryError> {
        if bytes[MAGIC_AT..] != MAGIC {
            return Err(EntryError::Malformed("its last bytes are not the magic"));
        }
        let version = u32_at(&bytes, VERSION_AT);
        if version != FORMAT_VERSION {
            return Err(EntryError::Version(version));
        }
        if check_of(&bytes) != bytes[CHECK_AT..VERSION_AT] {
            return Err(EntryError::Malformed("its tail does not match its check"));
        }
        let kind = match u32_at(&bytes, KIND_AT) {
            1 => Kind::Entry,
            2 => Kind::Alias,
            _ => return Err(EntryError::Malformed("it is of no known kind")),
        };
        let len = |at| Some(u64_at(&bytes, at)).filter(|len| *len <= MAX_LEN);
        let (Some(image_len), Some(manifest_len), Some(object_len), Some(input_len)) = (
            len(IMAGE_LEN_AT),
            len(MANIFEST_LEN_AT),
            len(OBJECT_LEN_AT),
            len(INPUT_LEN_AT),
        ) else {
            return Err(EntryError::Malformed("a length in it is absurd"));
        };
        if image_len > MAX_IMAGE_LEN || manifest_len > MAX_MANIFEST_LEN {
            return Err(EntryError::Malformed("a length in it is absurd"));
        }
        let hashed_len = match kind {
            Kind::Entry => (image_len + manifest_len).next_multiple_of(HASH_UNIT as u64),
            Kind::Alias => image_len + manifest_len,
        };
        // Before anything is hashed: a file with holes is large at no cost to whoever made it.
        if file_len != hashed_len + object_len + input_len + TAIL_LEN as u64 {
            return Err(EntryError::Malformed(
                "its lengths are not those of the file",
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

    fn read(file: &File) -> Result<(Tail, u64), EntryError> {
        let len = file_len(file)?;
        let mut bytes = [0; TAIL_LEN];
        read_exact(file, &mut bytes, len - TAIL_LEN as u64)?;
        Ok((Tail::parse(bytes, len)?, len))
    }

    pub fn key(&self) -> Key {
        Key(array_at(&self.bytes, KEY_AT))
    }

    fn expect(&self, kind: Kind, key: &Key) -> Result<(), EntryError> {
        if self.kind != kind {
            return Err(EntryError::Malformed(
                "it is of another kind than its name says",
            ));
        }
        if self.key() != *key {
            return Err(EntryError::WrongKey(self.key()));
        }
        Ok(())
    }

    /// What a signature is of: all that says what the file is, and the digest of what is in it.
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

    fn trusted(&self, trust: Option<&Trust>) -> Result<(), EntryError> {
        match trust {
            Some(trust) => Ok(trust.check(self.signed_bytes(), &self.signature())?),
            None => Ok(()),
        }
    }
}

impl Entry {
    /// Reads all of `file` that runs, and checks that it is a whole and unchanged entry for `key`, with a signature
    /// that `trust` asks for.
    pub fn verify(file: File, key: &Key, trust: Option<&Trust>) -> Result<Entry, EntryError> {
        let stat = rustix::fs::fstat(&file)?;
        Entry::verify_examined(file, &stat, key, trust)
    }

    /// As [`Entry::verify`], of a file that was examined when it was opened: a hit asks the system once.
    pub fn verify_examined(
        file: File,
        stat: &Stat,
        key: &Key,
        trust: Option<&Trust>,
    ) -> Result<Entry, EntryError> {
        let len = checked_len(stat)?;
        // A small entry is read at once, a large one piece by piece with its tail first.
        let mut buffer = vec![0; (len as usize).min(CHUNK_LEN)];
        let whole = len as usize <= CHUNK_LEN;
        let mut tail = [0; TAIL_LEN];
        if whole {
            read_exact(&file, &mut buffer, 0)?;
            tail.copy_from_slice(&buffer[buffer.len() - TAIL_LEN..]);
        } else {
            read_exact(&file, &mut tail, len - TAIL_LEN as u64)?;
        }
        let tail = Tail::parse(tail, len)?;
        tail.expect(Kind::Entry, key)?;
        tail.trusted(trust)?;

        let hashed_len = tail.hashed_len as usize;
        let image_len = tail.image_len as usize;
        let manifest_len = tail.manifest_len as usize;
        let (header, manifest, digest, copy) = if whole {
            let header = buffer[..image_len.min(HEADER_LEN)].to_vec();
            let manifest = buffer[image_len..image_len + manifest_len].to_vec();
            let digest = blake3::hash(&buffer[..hashed_len]);
            let copy = trust.is_some().then(|| {
                buffer.truncate(image_len);
                buffer
            });
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
                read_exact(&file, chunk, at as u64)?;
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
        if digest.as_bytes()[..] != tail.bytes[DIGEST_AT..KIND_AT] {
            return Err(EntryError::Digest);
        }
        let manifest = RawManifest(manifest);
        if !manifest.is_decodable() {
            return Err(UNDECODABLE);
        }
        Ok(Entry {
            file,
            tail,
            len,
            header,
            copy,
            manifest,
        })
    }

    /// Refuses code for another CPU or system than `machine`.
    pub fn expect_machine(&self, machine: &str) -> Result<(), EntryError> {
        match self.manifest.machine()? {
            theirs if theirs == machine => Ok(()),
            theirs => Err(EntryError::Machine {
                theirs: theirs.to_owned(),
                ours: machine.to_owned(),
            }),
        }
    }

    /// The image's bytes, as they were when the entry was verified.
    pub fn image(&self) -> Result<Vec<u8>, EntryError> {
        if let Some(copy) = &self.copy {
            return Ok(copy.clone());
        }
        // The file may have changed since: what is handed out is what was hashed.
        let mut bytes = read_at(&self.file, 0, self.tail.hashed_len)?;
        if blake3::hash(&bytes).as_bytes()[..] != self.tail.bytes[DIGEST_AT..KIND_AT] {
            return Err(EntryError::Digest);
        }
        bytes.truncate(self.tail.image_len as usize);
        Ok(bytes)
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
        let compressed = read_at(&self.file, at, compressed_len)?;
        detach(what, &compressed, stored)
    }

    /// Checks what a hit does not: that the manifest decodes, the object and the input. They are not held in memory.
    pub fn verify_attachments(&self) -> Result<(), EntryError> {
        let about = self.manifest.decode()?.about;
        let Tail {
            object_len,
            input_len,
            hashed_len,
            ..
        } = self.tail;
        let object = Range::new(&self.file, hashed_len, object_len);
        object.verify("object", about.object.as_ref())?;
        let input = Range::new(&self.file, hashed_len + object_len, input_len);
        input.verify("input", about.input.as_ref())
    }
}

/// A part of a file, to be read from its start.
#[derive(Clone)]
struct Range<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl<'a> Range<'a> {
    fn new(file: &'a File, at: u64, len: u64) -> Range<'a> {
        Range {
            file,
            at,
            end: at + len,
        }
    }

    /// Checks that an attachment is what the manifest says.
    fn verify(self, what: &'static str, stored: Option<&Stored>) -> Result<(), EntryError> {
        let damaged = |error: std::io::Error| match rustix::io::Errno::from_io_error(&error) {
            Some(error) => EntryError::Io(error),
            None => EntryError::Attachment(what),
        };
        let Some(stored) = stored else {
            return if self.at == self.end {
                Ok(())
            } else {
                Err(EntryError::Malformed(
                    "there is something that its manifest does not know",
                ))
            };
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(self.clone()).map_err(damaged)?;
        if hasher.finalize().as_bytes() != &stored.digest || stored.len > MAX_ATTACHMENT_LEN {
            return Err(EntryError::Attachment(what));
        }
        let decoder = zstd::stream::read::Decoder::new(self).map_err(damaged)?;
        // One byte more, so that what is longer is seen to be.
        let len = std::io::copy(&mut decoder.take(stored.len + 1), &mut std::io::sink());
        if len.map_err(damaged)? == stored.len {
            Ok(())
        } else {
            Err(EntryError::Attachment(what))
        }
    }
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let len = buffer.len().min(rest);
        let read = pread(self.file, &mut buffer[..len], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// What a file says of itself, unverified: for lists, not for running.
pub struct Peeked {
    pub tail: Tail,
    pub about: About,
    pub len: u64,
}

/// Reads an entry's tail and manifest.
pub fn peek(file: &File, key: &Key) -> Result<Peeked, EntryError> {
    let (tail, len) = Tail::read(file)?;
    tail.expect(Kind::Entry, key)?;
    let manifest = RawManifest(read_at(file, tail.image_len, tail.manifest_len)?);
    let about = manifest.decode_about()?;
    Ok(Peeked { tail, about, len })
}

/// Reads an alias of `key`: the key that it stands for.
pub fn read_alias(file: &File, key: &Key, trust: Option<&Trust>) -> Result<Key, EntryError> {
    let (tail, len) = Tail::read(file)?;
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
        return Err(EntryError::Malformed("an alias has other lengths"));
    }
    read_exact(file, &mut target, 0)?;
    if blake3::hash(&target).as_bytes()[..] != tail.bytes[DIGEST_AT..KIND_AT] {
        return Err(EntryError::Digest);
    }
    Ok(Key(target))
}

/// An entry's bytes behind its image.
pub struct Encoded {
    pub manifest: Vec<u8>,
    pub object: Vec<u8>,
    pub input: Vec<u8>,
    pub tail: [u8; TAIL_LEN],
}

impl Encoded {
    pub fn len(&self, image: &[u8]) -> u64 {
        let Encoded {
            manifest,
            object,
            input,
            tail,
        } = self;
        (image.len() + manifest.len() + object.len() + input.len() + tail.len()) as u64
    }
}

/// Encodes an entry. `manifest.about.object` and `.input` are filled in.
pub fn encode(
    key: &Key,
    image: &[u8],
    object: &[u8],
    input: Option<&[u8]>,
    manifest: &mut Manifest,
    signer: Option<&Signer>,
) -> std::io::Result<Encoded> {
    let (object, input) = attach(object, input, manifest)?;
    let RawManifest(mut manifest) = RawManifest::encode(manifest).map_err(std::io::Error::other)?;
    let manifest_len = manifest.len();
    manifest.resize(manifest_len + padding(image.len() + manifest_len), 0);
    let mut hasher = blake3::Hasher::new();
    hasher.update(image);
    hasher.update(&manifest);
    let lens = [image.len(), manifest_len, object.len(), input.len()];
    let tail = tail(Kind::Entry, key, lens, hasher.finalize(), signer);
    Ok(Encoded {
        manifest,
        object,
        input,
        tail,
    })
}

/// Compresses what an entry has besides its image: the object and the input. `manifest.about` is told of them.
pub fn attach(
    object: &[u8],
    input: Option<&[u8]>,
    manifest: &mut Manifest,
) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let compress = |bytes: &[u8]| -> std::io::Result<(Vec<u8>, Stored)> {
        let compressed = zstd::bulk::compress(bytes, ZSTD_LEVEL)?;
        let stored = Stored {
            len: bytes.len() as u64,
            digest: *blake3::hash(&compressed).as_bytes(),
        };
        Ok((compressed, stored))
    };
    let (object, stored) = compress(object)?;
    manifest.about.object = Some(stored);
    let (input, stored) = match input.map(compress).transpose()? {
        Some((input, stored)) => (input, Some(stored)),
        None => (Vec::new(), None),
    };
    manifest.about.input = stored;
    Ok((object, input))
}

/// What [`attach`] has compressed.
pub fn detach(
    what: &'static str,
    compressed: &[u8],
    stored: Option<&Stored>,
) -> Result<Vec<u8>, EntryError> {
    let stored = stored.ok_or(EntryError::Missing(what))?;
    if blake3::hash(compressed).as_bytes() != &stored.digest {
        return Err(EntryError::Attachment(what));
    }
    // What is compressed has been verified, so that its length is what was compressed.
    decompress(compressed, stored.len).ok_or(EntryError::Attachment(what))
}

/// An alias file: `key` stands for `target`.
pub fn encode_alias(key: &Key, target: &Key, signer: Option<&Signer>) -> Vec<u8> {
    let lens = [0, target.0.len(), 0, 0];
    let tail = tail(Kind::Alias, key, lens, blake3::hash(&target.0), signer);
    [&target.0[..], &tail].concat()
}

/// How much an object may shrink is worth less than the time it takes: it is written on every miss, and read
/// only for export.
const ZSTD_LEVEL: i32 = 1;

/// `None` if it is not zstd, or not of this length.
fn decompress(compressed: &[u8], len: u64) -> Option<Vec<u8>> {
    let len = usize::try_from(len)
        .ok()
        .filter(|len| *len as u64 <= MAX_ATTACHMENT_LEN)?;
    let mut bytes = Vec::new();
    let mut decoder = zstd::stream::Decoder::new(compressed).ok()?;
    // One byte more, so that what is longer is seen to be.
    decoder
        .by_ref()
        .take(len as u64 + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() == len).then_some(bytes)
}

fn tail(
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
fn seal(mut bytes: [u8; TAIL_LEN], signer: Option<&Signer>) -> [u8; TAIL_LEN] {
    let signature = signer.map_or(Signature::NONE, |signer| signer.sign(&bytes[..SCHEME_AT]));
    bytes[SCHEME_AT..SIGNATURE_AT].copy_from_slice(&signature.scheme.to_le_bytes());
    bytes[SIGNATURE_AT..CHECK_AT].copy_from_slice(&signature.bytes);
    let check = check_of(&bytes);
    bytes[CHECK_AT..VERSION_AT].copy_from_slice(&check);
    bytes
}

fn check_of(bytes: &[u8; TAIL_LEN]) -> [u8; VERSION_AT - CHECK_AT] {
    let mut covered = [0; CHECK_AT + TAIL_LEN - VERSION_AT];
    covered[..CHECK_AT].copy_from_slice(&bytes[..CHECK_AT]);
    covered[CHECK_AT..].copy_from_slice(&bytes[VERSION_AT..]);
    array_at(blake3::hash(&covered).as_bytes(), 0)
}

/// How many zeros follow an image and a manifest of `len` bytes.
fn padding(len: usize) -> usize {
    len.next_multiple_of(HASH_UNIT) - len
}

/// The length of a regular file that is long enough to be an entry.
fn file_len(file: impl AsFd) -> Result<u64, EntryError> {
    checked_len(&rustix::fs::fstat(file)?)
}

fn checked_len(stat: &Stat) -> Result<u64, EntryError> {
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(EntryError::NotAFile);
    }
    u64::try_from(stat.st_size)
        .ok()
        .filter(|len| (TAIL_LEN as u64..=MAX_LEN).contains(len))
        .ok_or(EntryError::Malformed("it is shorter than a tail"))
}

/// Refuses an image whose own headers know of less than `len` bytes. `start` is its first piece, in which the linker puts
/// all headers; a table that lies behind it says nothing.
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
    // What aligns its end may follow.
    if len > end.saturating_add(HASH_UNIT as u64) {
        return Err(EntryError::Malformed(
            "its image is longer than its headers say",
        ));
    }
    Ok(())
}

fn read_at(file: &File, at: u64, len: u64) -> Result<Vec<u8>, EntryError> {
    // The lengths were compared with the file's, so that this is no more than there is.
    let mut bytes = with_capacity(len as usize)?;
    bytes.resize(len as usize, 0);
    read_exact(file, &mut bytes, at)?;
    Ok(bytes)
}

fn with_capacity(len: usize) -> Result<Vec<u8>, EntryError> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| EntryError::Malformed("it is longer than memory"))?;
    Ok(bytes)
}

fn read_exact(file: &File, mut buffer: &mut [u8], mut at: u64) -> Result<(), EntryError> {
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
mod tests;
