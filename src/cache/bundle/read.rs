//! Reads a bundle from its start to its end.

use super::copy::{CHUNK_LEN, digest_of};
use super::format::{
    COUNT_AT, DIGEST_LEN, END_MAGIC, FORMAT_VERSION, HEADER_LEN, Indexed, Item, MAGIC, RECORD_LEN,
    Record, TAIL_LEN, VERSION_AT, WITHOUT_INDEX,
};
use crate::cache::bytes::{u32_at, u64_at};
use crate::cache::entry::{EntryError, Kind};
use crate::cache::key::Key;
use crate::error::{Error, Status, reason};
use std::collections::HashSet;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// A bundle that is being read from its start to its end.
pub(super) struct Bundle<'a> {
    pub path: &'a Path,
    pub source: Hashed,
    /// The whole file's length.
    pub len: u64,
    version: u32,
    /// Where the records end.
    end: u64,
    /// What the index must say, if there is one.
    index: Vec<Indexed>,
    /// Where the next record begins.
    at: u64,
    count: u64,
    /// How many records were begun.
    number: u64,
    /// The record that is being read, if any.
    in_record: bool,
    current: Option<Item>,
    pub seen: HashSet<(Kind, Key)>,
}

impl Bundle<'_> {
    pub fn open(path: &Path) -> Result<Bundle<'_>, Error> {
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
            // A FIFO must not block, and a terminal must not become the controlling terminal.
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
            version: 0,
            end: 0,
            index: Vec::new(),
            at: HEADER_LEN,
            count: 0,
            number: 0,
            in_record: false,
            current: None,
            seen: HashSet::new(),
        };
        if !metadata.is_file() {
            let message = format!(
                "{} is not a bundle: it is not a regular file",
                path.display()
            );
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
            return Err(bundle.damaged(
                "its end is not where it should be: it was truncated, or something was appended",
            ));
        }
        let version = u32_at(&header, VERSION_AT);
        if version != FORMAT_VERSION && version != WITHOUT_INDEX {
            if version == 0 || !bundle.is_as_written() {
                return Err(bundle.damaged("its format version is invalid"));
            }
            let message = format!(
                "the bundle {} has format version {version}; this library reads {FORMAT_VERSION} and earlier: import it \
                 with the library that exported it, or export it with this one",
                path.display()
            );
            return Err(Error::new(Status::InvalidArgument, message));
        }
        if u32_at(&header, VERSION_AT + 4) != 0 {
            return Err(bundle.damaged("its header has other bytes where zeros must be"));
        }
        bundle.count = u64_at(&header, COUNT_AT);
        let indexed_len = match version {
            WITHOUT_INDEX => 0,
            _ => RECORD_LEN,
        };
        if bundle.count > (len - HEADER_LEN - TAIL_LEN) / (RECORD_LEN + indexed_len) {
            let count = bundle.count;
            return Err(bundle.damaged(format!("it is too short for its {count} records")));
        }
        bundle.version = version;
        bundle.end = len - TAIL_LEN - bundle.count * indexed_len;
        Ok(bundle)
    }

    fn file(&self) -> &File {
        self.source.file.get_ref()
    }

    /// The next record. Its content must be read or skipped before the one after it.
    pub fn next(&mut self) -> Result<Option<Record>, Error> {
        self.current = None;
        self.in_record = self.number < self.count;
        if !self.in_record {
            return Ok(None);
        }
        self.number += 1;
        let rest = self.end - self.at;
        let Some(rest) = rest.checked_sub(RECORD_LEN) else {
            return Err(self.damaged("the bundle ends before it"));
        };
        let mut bytes = [0; RECORD_LEN as usize];
        self.read_exact(&mut bytes)?;
        let end = self.at + RECORD_LEN;
        let record =
            Record::parse(&bytes, self.version, end, rest).map_err(|why| self.damaged(why))?;
        self.current = Some(record.item);
        if !self.seen.insert((record.item.kind, record.item.key)) {
            return Err(self.damaged("it is in the bundle twice"));
        }
        let mut zeros = vec![0; (record.at - end) as usize];
        self.read_exact(&mut zeros)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.damaged("other bytes are where zeros must be"));
        }
        if self.version != WITHOUT_INDEX {
            self.index.push(Indexed {
                item: record.item,
                at: record.at,
            });
        }
        self.at = record.at + record.stored;
        Ok(Some(record))
    }

    #[cfg(any(test, fuzzing))]
    fn skip(&mut self, record: &Record) -> Result<(), Error> {
        // At most the file's length.
        let skipped = self.source.file.seek_relative(record.stored as i64);
        skipped.map_err(|error| self.unreadable(&error))
    }

    pub fn expect_end(&mut self) -> Result<(), Error> {
        match self.end - self.at {
            0 => Ok(()),
            more => Err(self.damaged(format!("{more} bytes follow its last record"))),
        }
    }

    /// Checks the end and the digest, when all contents were read.
    pub fn verify_end(&mut self) -> Result<(), Error> {
        self.expect_end()?;
        let mut index = std::mem::take(&mut self.index);
        index.sort_by_key(Indexed::order);
        for indexed in index {
            let mut bytes = [0; RECORD_LEN as usize];
            self.read_exact(&mut bytes)?;
            if bytes != indexed.encode() {
                return Err(self.damaged("its index does not list its records"));
            }
        }
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

    /// Whether the whole bundle matches its digest.
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

    pub fn damaged(&self, why: impl Display) -> Error {
        // An exporter's fault needs other advice than a copy that went wrong.
        let advice = if self.is_as_written() {
            "it was exported like this: export it again"
        } else {
            "it was changed or truncated since it was exported: copy it again"
        };
        Error::new(
            Status::Damaged,
            format!("{}: {why}; {advice}", self.place()),
        )
    }

    /// An error of reading the bundle.
    pub fn unreadable(&self, error: &io::Error) -> Error {
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
    pub fn unusable(&self, error: &EntryError) -> Error {
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
pub(super) struct Hashed {
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

/// Tells `each` what is in a bundle, for tests. Only the frame is checked: neither digests nor signatures.
#[cfg(any(test, fuzzing))]
pub(super) fn list(path: &Path, each: &mut dyn FnMut(Item)) -> Result<(), Error> {
    let mut bundle = Bundle::open(path)?;
    while let Some(record) = bundle.next()? {
        bundle.skip(&record)?;
        each(record.item);
    }
    bundle.expect_end()
}
