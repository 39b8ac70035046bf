//! Bundles: chosen entries of a cache in one file, for machines that have no compile server.
//!
//! ```text
//! ┌────────┬─────────────────┬─────────────────┬─────┬──────┐
//! │ header │ record, content │ record, content │  …  │ tail │
//! └────────┴─────────────────┴─────────────────┴─────┴──────┘
//!
//! header, 32 bytes, integers little-endian:
//!   0  magic "MGENJIT bundle\r\n"
//!  16  format version, u32
//!  20  zero, u32
//!  24  how many records there are, u64
//!
//! record, 56 bytes:
//!   0  kind, u32: 1 an entry, 2 an alias
//!   4  compression of the content, u32: 0 none, 1 one zstd frame
//!   8  key, 32 bytes
//!  40  the file's length, u64
//!  48  the content's length, u64
//!
//! tail, 48 bytes:
//!   0  BLAKE3 of all before, 32 bytes
//!  32  magic "bundle MGENJIT\r\n"
//! ```
//!
//! The content is a whole entry file or alias file (see [`entry`]), which holds its own digest and signature. There
//! are no names of files in a bundle, only keys: where a file goes is the importing cache's business. An alias comes
//! behind the entry that it stands for.
//!
//! The version and the tail are where every later version keeps them, so that a bundle that is newer can be told
//! from one that is damaged.

mod export;
mod import;

#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use export::export;
pub use import::import;

use super::bytes::{array_at, u32_at, u64_at};
use super::entry::{self, Entry, EntryError, Kind};
use super::key::Key;
use super::trust::Trust;
use crate::error::{Error, Status, reason};
use crate::process_limits;
use rustix::io::Errno;
use std::collections::HashSet;
use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The version of this format.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 16] = *b"MGENJIT bundle\r\n";
const VERSION_AT: usize = 16;
const COUNT_AT: usize = 24;
const HEADER_LEN: u64 = 32;

const KIND_AT: usize = 0;
const COMPRESSION_AT: usize = 4;
const KEY_AT: usize = 8;
const LEN_AT: usize = 40;
const STORED_AT: usize = 48;
const RECORD_LEN: u64 = 56;

const END_MAGIC: [u8; 16] = *b"bundle MGENJIT\r\n";
const DIGEST_LEN: u64 = 32;
const TAIL_LEN: u64 = 48;

/// How many times longer than its content a file may be, so that a small bundle cannot fill a disk.
///
/// Entries are 2 to 12 times as long. One that holds tables of zeros can be more; it is not compressed then, so that
/// whatever is exported can be imported.
const MAX_RATIO: u64 = 256;

/// How far back a frame may refer: the memory that it takes to decompress it. What is exported uses less.
const MAX_WINDOW_LOG: u32 = 23;

/// How much is read at once.
const CHUNK_LEN: usize = 256 << 10;

/// Is told how much of how much is done, in bytes. It returns whether to go on.
pub type Progress<'a> = dyn FnMut(u64, u64) -> bool + 'a;

/// What a bundle says of one of its files.
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

/// Tells `each` what is in a bundle, for tests. Only the frame is checked: neither digests nor signatures.
#[cfg(any(test, fuzzing))]
pub fn list(path: &Path, each: &mut dyn FnMut(Item)) -> Result<(), Error> {
    let mut bundle = Bundle::open(path)?;
    while let Some(record) = bundle.next()? {
        bundle.skip(&record)?;
        each(record.item);
    }
    bundle.expect_end()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None = 0,
    Zstd = 1,
}

/// A record whose lengths are possible.
#[derive(Debug)]
struct Record {
    item: Item,
    compression: Compression,
    /// The content's length.
    stored: u64,
    /// Where the content begins.
    at: u64,
}

impl Record {
    fn encode(&self) -> [u8; RECORD_LEN as usize] {
        let mut bytes = [0; RECORD_LEN as usize];
        bytes[KIND_AT..COMPRESSION_AT].copy_from_slice(&(self.item.kind as u32).to_le_bytes());
        bytes[COMPRESSION_AT..KEY_AT].copy_from_slice(&(self.compression as u32).to_le_bytes());
        bytes[KEY_AT..LEN_AT].copy_from_slice(&self.item.key.0);
        bytes[LEN_AT..STORED_AT].copy_from_slice(&self.item.len.to_le_bytes());
        bytes[STORED_AT..].copy_from_slice(&self.stored.to_le_bytes());
        bytes
    }

    /// `rest` is how much the bundle has left for the content.
    fn parse(bytes: &[u8; RECORD_LEN as usize], at: u64, rest: u64) -> Result<Record, String> {
        let kind = match u32_at(bytes, KIND_AT) {
            1 => Kind::Entry,
            2 => Kind::Alias,
            kind => return Err(format!("it is of no known kind ({kind})")),
        };
        let compression = match u32_at(bytes, COMPRESSION_AT) {
            0 => Compression::None,
            1 => Compression::Zstd,
            number => return Err(format!("it is compressed in no known way ({number})")),
        };
        let len = u64_at(bytes, LEN_AT);
        let stored = u64_at(bytes, STORED_AT);
        let possible = match kind {
            Kind::Entry => (entry::TAIL_LEN as u64..=entry::MAX_LEN).contains(&len),
            Kind::Alias => len == entry::ALIAS_LEN,
        };
        if !possible {
            return Err(format!("no such file has {len} bytes"));
        }
        if stored > rest {
            return Err(format!(
                "its content of {stored} bytes does not fit into the bundle"
            ));
        }
        match compression {
            Compression::None if stored != len => {
                return Err(format!("it is not compressed, but {len} and {stored} long"));
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

/// A bundle that is being read from its start to its end.
struct Bundle<'a> {
    path: &'a Path,
    source: Hashed,
    /// The whole file's length.
    len: u64,
    /// Where the next record begins.
    at: u64,
    count: u64,
    /// How many records were begun.
    number: u64,
    /// Whether it is a record that is being read, and what it is.
    in_record: bool,
    current: Option<Item>,
    seen: HashSet<(Kind, Key)>,
}

impl Bundle<'_> {
    fn open(path: &Path) -> Result<Bundle<'_>, Error> {
        let io = |error: &io::Error| {
            let message = format!(
                "the bundle {} cannot be read: {}",
                path.display(),
                reason(error)
            );
            Error::new(Status::Io, message)
        };
        let file = OpenOptions::new()
            .read(true)
            // A FIFO must not block, a terminal not become this process's own.
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|error| io(&error))?;
        let metadata = file.metadata().map_err(|error| io(&error))?;
        let len = metadata.len();
        let mut bundle = Bundle {
            path,
            source: Hashed {
                file: BufReader::with_capacity(CHUNK_LEN, file),
                hasher: blake3::Hasher::new(),
            },
            len,
            at: HEADER_LEN,
            count: 0,
            number: 0,
            in_record: false,
            current: None,
            seen: HashSet::new(),
        };
        if !metadata.is_file() {
            let message = format!("{} is not a bundle, nor a file", path.display());
            return Err(Error::new(Status::InvalidArgument, message));
        }
        if len < HEADER_LEN + TAIL_LEN {
            return Err(bundle.damaged("it is shorter than any bundle"));
        }
        let mut header = [0; HEADER_LEN as usize];
        bundle.read_exact(&mut header)?;
        if header[..VERSION_AT] != MAGIC {
            let message = format!("{} is not a bundle", path.display());
            return Err(Error::new(Status::Damaged, message));
        }
        let mut end = [0; END_MAGIC.len()];
        let end_at = len - end.len() as u64;
        if let Err(error) = bundle.file().read_exact_at(&mut end, end_at) {
            return Err(bundle.unreadable(&error));
        }
        if end != END_MAGIC {
            return Err(bundle
                .damaged("its end is not where it should be: it was cut, or something was added"));
        }
        let version = u32_at(&header, VERSION_AT);
        if version != FORMAT_VERSION {
            if version == 0 || !bundle.is_as_written() {
                return Err(bundle.damaged("it has no version that there is"));
            }
            let message = format!(
                "the bundle {} has format version {version}; this library reads {FORMAT_VERSION}: import it with \
                 the library that exported it, or export it with this one",
                path.display()
            );
            return Err(Error::new(Status::InvalidArgument, message));
        }
        if u32_at(&header, VERSION_AT + 4) != 0 {
            return Err(bundle.damaged("there are other bytes where its header has zeros"));
        }
        bundle.count = u64_at(&header, COUNT_AT);
        if bundle.count > (len - HEADER_LEN - TAIL_LEN) / RECORD_LEN {
            let count = bundle.count;
            return Err(
                bundle.damaged(format!("it cannot hold the {count} records that it counts"))
            );
        }
        Ok(bundle)
    }

    fn file(&self) -> &File {
        self.source.file.get_ref()
    }

    /// The next record. Its content must be read or skipped before the one after it.
    fn next(&mut self) -> Result<Option<Record>, Error> {
        self.current = None;
        self.in_record = self.number < self.count;
        if !self.in_record {
            return Ok(None);
        }
        self.number += 1;
        let rest = self.len - TAIL_LEN - self.at;
        let Some(rest) = rest.checked_sub(RECORD_LEN) else {
            return Err(self.damaged("the bundle ends before it"));
        };
        let mut bytes = [0; RECORD_LEN as usize];
        self.read_exact(&mut bytes)?;
        let record =
            Record::parse(&bytes, self.at + RECORD_LEN, rest).map_err(|why| self.damaged(why))?;
        self.current = Some(record.item);
        if !self.seen.insert((record.item.kind, record.item.key)) {
            return Err(self.damaged("it is in the bundle twice"));
        }
        self.at = record.at + record.stored;
        Ok(Some(record))
    }

    #[cfg(any(test, fuzzing))]
    fn skip(&mut self, record: &Record) -> Result<(), Error> {
        // No more than the file's length.
        let skipped = self.source.file.seek_relative(record.stored as i64);
        skipped.map_err(|error| self.unreadable(&error))
    }

    fn expect_end(&mut self) -> Result<(), Error> {
        match self.len - TAIL_LEN - self.at {
            0 => Ok(()),
            more => Err(self.damaged(format!("{more} bytes lie behind its last record"))),
        }
    }

    /// Checks the end and the digest, when all contents were read.
    fn verify_end(&mut self) -> Result<(), Error> {
        self.expect_end()?;
        let digest = self.source.hasher.finalize();
        let mut written = [0; DIGEST_LEN as usize];
        self.read_exact(&mut written)?;
        if written == *digest.as_bytes() {
            Ok(())
        } else {
            Err(self.damaged("its bytes do not match its digest"))
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.source
            .read_exact(buffer)
            .map_err(|error| self.unreadable(&error))
    }

    /// Whether all of it matches its digest.
    fn is_as_written(&self) -> bool {
        let Some(len) = self.len.checked_sub(TAIL_LEN) else {
            return false;
        };
        let mut digest = [0; DIGEST_LEN as usize];
        self.file().read_exact_at(&mut digest, len).is_ok()
            && digest_of(self.file(), len).is_ok_and(|own| own == digest)
    }

    /// The bundle, and the record that is being read.
    fn place(&self) -> String {
        let bundle = format!("the bundle {}", self.path.display());
        let Bundle { number, count, .. } = self;
        match &self.current {
            Some(item) => format!("{bundle}: record {number} of {count}, {item}"),
            None if self.in_record => {
                format!("{bundle}: record {number} of {count}")
            }
            None => bundle,
        }
    }

    fn damaged(&self, why: impl Display) -> Error {
        // Whoever made it is told apart from what happened to it since.
        let advice = if self.is_as_written() {
            "it was made so: export it again"
        } else {
            "it was changed or cut since it was exported: copy it again"
        };
        Error::new(
            Status::Damaged,
            format!("{}: {why}; {advice}", self.place()),
        )
    }

    /// An error of reading the bundle.
    fn unreadable(&self, error: &io::Error) -> Error {
        match error.raw_os_error() {
            Some(_) => {
                let message = format!("{} cannot be read: {}", self.place(), reason(error));
                Error::new(Status::Io, message)
            }
            None if error.kind() == ErrorKind::UnexpectedEof => self.damaged("it ends too early"),
            None => self.damaged(error),
        }
    }

    /// An entry of the bundle that is not whole, or not trusted.
    fn unusable(&self, error: &EntryError) -> Error {
        let (status, advice) = match error {
            EntryError::Io(_) => (Status::Io, "nothing was imported"),
            EntryError::Untrusted(_) => (
                Status::Untrusted,
                "export it again with a key that is trusted here, or trust the key that it was signed with",
            ),
            EntryError::Version(_) if self.is_as_written() => (
                Status::InvalidArgument,
                "import it with the library that exported it, or export it with this one",
            ),
            _ => return self.damaged(error),
        };
        Error::new(status, format!("{}: {error}; {advice}", self.place()))
    }
}

/// Reads a file and hashes what was read.
struct Hashed {
    file: BufReader<File>,
    hasher: blake3::Hasher,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Hashed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        let buffered = self.file.buffer();
        self.hasher.update(&buffered[..len.min(buffered.len())]);
        self.file.consume(len);
    }
}

/// Writes a file as far as the process may: the system ends a process that writes further.
struct Limited<'a> {
    file: &'a File,
    len: u64,
    limit: u64,
}

impl Limited<'_> {
    fn new(file: &File) -> Limited<'_> {
        Limited {
            file,
            len: 0,
            limit: process_limits::file_size().unwrap_or(u64::MAX),
        }
    }
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.limit.saturating_sub(self.len) {
            return Err(Errno::FBIG.into());
        }
        let written = self.file.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why something was not copied from one file to another.
enum CopyError {
    Read(io::Error),
    Write(io::Error),
    /// The caller said so.
    Stopped,
}

/// Copies all of `from`, and tells `progress` how much was copied. Returns how much it was.
fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    buffer: &mut [u8],
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, CopyError> {
    let mut copied = 0;
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => {
                to.write_all(&buffer[..read]).map_err(CopyError::Write)?;
                copied += read as u64;
                if !progress(copied) {
                    return Err(CopyError::Stopped);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

/// Checks all of an entry file or alias file. Returns what an alias stands for.
fn verify(file: File, item: &Item, trust: Option<&Trust>) -> Result<Option<Key>, EntryError> {
    match item.kind {
        Kind::Entry => Entry::verify(file, &item.key, trust)?
            .verify_attachments()
            .map(|()| None),
        Kind::Alias => entry::read_alias(&file, &item.key, trust).map(Some),
    }
}

/// BLAKE3 of the first `len` bytes.
fn digest_of(file: &File, len: u64) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK_LEN.min(usize::try_from(len).unwrap_or(CHUNK_LEN))];
    let mut at = 0;
    while at < len {
        let chunk_len = buffer
            .len()
            .min(usize::try_from(len - at).unwrap_or(usize::MAX));
        let chunk = &mut buffer[..chunk_len];
        file.read_exact_at(chunk, at)?;
        hasher.update(chunk);
        at += chunk_len as u64;
    }
    Ok(hasher.finalize())
}

fn cancelled(what: &str, path: &Path) -> Error {
    let path = path.display();
    Error::new(
        Status::Io,
        format!("{what} of the bundle {path} was cancelled: nothing was written"),
    )
}
