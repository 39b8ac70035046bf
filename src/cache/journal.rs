//! What happened to a cache, appended record by record, and folded into the index later.
//!
//! ```text
//! header, 64 bytes, integers little-endian:        record, 64 bytes:
//!   0  magic "MGENJRNL"                              0  check, u32
//!   8  this journal's id, 16 random bytes            4  kind, u8
//!  24  folded: where the index goes on, u64          5  detail, u8
//!  32  bytes of all entries up to there, u64         6  zero, u16
//!  40  number of entries up to there, u64            8  time, microseconds since 1970, u64
//!  48  zero, 8 bytes                                16  bytes, u64
//!  56  check, u64                                   24  cost: microseconds, u64
//!                                                   32  key, 32 bytes
//! ```
//!
//! A check is the start of BLAKE3 of the other bytes. A hit appends one record, with one system call and no lock, and
//! writes nothing else. A short write puts what follows out of step. So a reader skips byte by byte until it finds the
//! next whole record.
//!
//! Folded records become a hole in the file. Offsets never change, so a process may append while another one folds.

use super::bytes::u64_at;
use super::directory::{JOURNAL, OpenError, Root};
use super::file::{Changes, Temporary};
use super::key::Key;
use crate::clock;
use crate::process_limits::is_file_size_limited;
use rustix::fs::{FallocateFlags, OFlags, SeekFrom};
use rustix::io::Errno;
use std::fs::File;

const MAGIC: [u8; 8] = *b"MGENJRNL";
pub const HEADER_LEN: u64 = 64;
const RECORD_LEN: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Hit = 1,
    Miss = 2,
    Store = 3,
    Alias = 4,
    /// Stored from a bundle.
    Import = 5,
    /// Asked of a remote store, or put there: see [`RemoteKind`].
    Remote = 6,
}

/// How a remote store took part. A record's cost is the compile time that a hit saved, or the time that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteKind {
    /// Fetched from there, and stored.
    Hit = 0,
    Miss = 1,
    /// It could not be asked, or what it had could not be used.
    Error = 2,
    Put = 3,
    PutError = 4,
}

/// How an entry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitKind {
    Direct = 0,
    /// By the canonical module, through an alias.
    Alias = 1,
    /// In a layer below, which has an index of its own.
    Layer = 2,
    /// A piece of a module that is compiled.
    Piece = 3,
    PieceInLayer = 4,
}

/// What was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Module = 0,
    Piece = 1,
}

/// Why an entry was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// There was none. The index knows whether there once was one.
    Absent = 0,
    /// There was one that could not be read or was damaged.
    Damaged = 1,
    /// There was one without a signature that is trusted.
    Untrusted = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub kind: Kind,
    pub detail: u8,
    /// Microseconds since 1970.
    pub time: u64,
    /// The entry's length.
    pub bytes: u64,
    /// Microseconds that a hit in a layer saved, or that what was stored took to compile; of a remote, see [`RemoteKind`].
    pub cost: u64,
    pub key: Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub id: [u8; 16],
    pub folded: u64,
    pub bytes: u64,
    pub entries: u64,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens the journal to append to it and to read it; `None` if there is none.
    pub fn open(root: &Root) -> Result<Option<Journal>, OpenError> {
        match root.open_own_file(JOURNAL, OFlags::RDWR | OFlags::APPEND) {
            Ok(file) => Ok(Some(Journal(file))),
            Err(OpenError::Io(Errno::NOENT)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Journal::open`], only to read it.
    pub fn open_to_read(root: &Root) -> Result<Option<Journal>, OpenError> {
        match root.open_own_file(JOURNAL, OFlags::RDONLY) {
            Ok(file) => Ok(Some(Journal(file))),
            Err(OpenError::Io(Errno::NOENT)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Journal::open`], and makes it if there is none.
    pub fn open_or_create(root: &Root) -> Result<Journal, OpenError> {
        match Journal::open(root) {
            Ok(Some(journal)) => return Ok(journal),
            Ok(None) => {}
            Err(error) if error.is_foreign() && root.discard(JOURNAL) => {}
            Err(error) => return Err(error),
        }
        let mut id = [0; 16];
        // If the id is not random, the index of a deleted journal may be taken for this one's, and no more.
        let _ = rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::NONBLOCK);
        let header = Header {
            id,
            folded: HEADER_LEN,
            bytes: 0,
            entries: 0,
        };
        let mut temporary = Temporary::new(root, Changes::InPlace)?;
        temporary
            .write(&[&header.encode()])
            .map_err(|error| errno(&error))?;
        // Another process may have created it first.
        match temporary.publish_new(root, JOURNAL) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Journal::open(root)?.ok_or(OpenError::Io(Errno::NOENT))
    }

    pub fn append(&self, record: &Record) -> Result<(), Errno> {
        if is_file_size_limited() {
            return Err(Errno::FBIG);
        }
        let bytes = record.encode();
        loop {
            match rustix::io::write(&self.0, &bytes) {
                Ok(RECORD_LEN) => return Ok(()),
                // The reader skips the part that was written.
                Ok(_) => return Err(Errno::NOSPC),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub fn header(&self) -> Result<Option<Header>, Errno> {
        let mut bytes = [0; HEADER_LEN as usize];
        let read = rustix::io::pread(&self.0, &mut bytes, 0)?;
        Ok((read == bytes.len())
            .then(|| Header::decode(&bytes))
            .flatten())
    }

    /// Writes the header. The caller holds the lock for maintenance.
    pub fn set_header(&self, root: &Root, header: &Header) -> Result<(), OpenError> {
        if let Some(file) = self.reopen(root)? {
            rustix::io::pwrite(&file, &header.encode(), 0)?;
        }
        Ok(())
    }

    /// Opens this journal to write at any offset: a file opened to append appends everything. `None` if it was deleted and
    /// another one is in its place.
    fn reopen(&self, root: &Root) -> Result<Option<File>, OpenError> {
        let file = root.open_own_file(JOURNAL, OFlags::WRONLY)?;
        let (mine, its) = (rustix::fs::fstat(&self.0)?, rustix::fs::fstat(&file)?);
        let same = (mine.st_dev, mine.st_ino) == (its.st_dev, its.st_ino);
        Ok(same.then_some(file))
    }

    pub fn len(&self) -> Result<u64, Errno> {
        rustix::fs::fstat(&self.0).map(|stat| stat.st_size as u64)
    }

    /// Reads at most `max_len` bytes of records from `from` on. Returns where to go on: `from` if there are no more.
    pub fn read(
        &self,
        from: u64,
        max_len: usize,
        mut each: impl FnMut(Record),
    ) -> Result<u64, Errno> {
        // There is a hole where a lost index had folded records.
        let from = match rustix::fs::seek(&self.0, SeekFrom::Data(from.max(HEADER_LEN))) {
            Ok(data) => data.max(from),
            Err(Errno::NXIO) => return Ok(from.max(HEADER_LEN)),
            Err(_) => from.max(HEADER_LEN),
        };
        let mut bytes = vec![0; max_len];
        let mut filled = 0;
        while filled < bytes.len() {
            match rustix::io::pread(&self.0, &mut bytes[filled..], from + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        let bytes = &bytes[..filled];
        let mut at = 0;
        while let Some(window) = bytes.get(at..at + RECORD_LEN) {
            match Record::decode(window) {
                Some(record) => {
                    each(record);
                    at += RECORD_LEN;
                }
                None => at += 1,
            }
        }
        // The rest may be a record that is just being written.
        Ok(from + at as u64)
    }

    /// Makes a hole of what lies before `folded`, if the file system can.
    pub fn punch(&self, root: &Root, folded: u64) {
        const BLOCK: u64 = 4096;
        let end = folded / BLOCK * BLOCK;
        if end > BLOCK
            && let Ok(Some(file)) = self.reopen(root)
        {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // The first block holds the header.
            let _ = rustix::fs::fallocate(&file, flags, BLOCK, end - BLOCK);
        }
    }
}

impl Record {
    pub fn now(kind: Kind, detail: u8, bytes: u64, key: Key) -> Record {
        Record {
            kind,
            detail,
            time: clock::now(),
            bytes,
            cost: 0,
            key,
        }
    }

    pub fn encode(&self) -> [u8; RECORD_LEN] {
        let Record {
            kind,
            detail,
            time,
            bytes,
            cost,
            key,
        } = self;
        let mut record = [0; RECORD_LEN];
        record[4] = *kind as u8;
        record[5] = *detail;
        record[8..16].copy_from_slice(&time.to_le_bytes());
        record[16..24].copy_from_slice(&bytes.to_le_bytes());
        record[24..32].copy_from_slice(&cost.to_le_bytes());
        record[32..].copy_from_slice(&key.0);
        let check = blake3::hash(&record[4..]);
        record[..4].copy_from_slice(&check.as_bytes()[..4]);
        record
    }

    fn decode(record: &[u8]) -> Option<Record> {
        let kind = match record[4] {
            1 => Kind::Hit,
            2 => Kind::Miss,
            3 => Kind::Store,
            4 => Kind::Alias,
            5 => Kind::Import,
            6 => Kind::Remote,
            _ => return None,
        };
        if blake3::hash(&record[4..]).as_bytes()[..4] != record[..4] {
            return None;
        }
        Some(Record {
            kind,
            detail: record[5],
            time: u64_at(record, 8),
            bytes: u64_at(record, 16),
            cost: u64_at(record, 24),
            key: Key(record[32..RECORD_LEN].try_into().ok()?),
        })
    }
}

impl Header {
    fn encode(&self) -> [u8; HEADER_LEN as usize] {
        let mut header = [0; HEADER_LEN as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8..24].copy_from_slice(&self.id);
        for (at, value) in [(24, self.folded), (32, self.bytes), (40, self.entries)] {
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let check = blake3::hash(&header[..56]);
        header[56..].copy_from_slice(&check.as_bytes()[..8]);
        header
    }

    fn decode(header: &[u8; HEADER_LEN as usize]) -> Option<Header> {
        let whole =
            header[..8] == MAGIC && blake3::hash(&header[..56]).as_bytes()[..8] == header[56..];
        whole.then(|| Header {
            id: header[8..24].try_into().unwrap_or_default(),
            folded: u64_at(header, 24),
            bytes: u64_at(header, 32),
            entries: u64_at(header, 40),
        })
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::super::directory::{Directory, Owner};
    use super::*;
    use std::io::Write;

    fn record(number: u64) -> Record {
        Record {
            kind: Kind::Hit,
            detail: 0,
            time: number,
            bytes: number * 2,
            cost: number * 3,
            key: Key([number as u8; 32]),
        }
    }

    fn times(journal: &Journal, from: u64, max_len: usize) -> (Vec<u64>, u64) {
        let mut times = Vec::new();
        let end = journal
            .read(from, max_len, |record| times.push(record.time))
            .expect("it can be read");
        (times, end)
    }

    #[test]
    fn what_is_appended_is_read_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path().join("cache"), Owner::User);
        let root = directory.create().expect("a cache");
        assert!(Journal::open(&root).expect("no error").is_none());
        let journal = Journal::open_or_create(&root).expect("a journal");
        let second = Journal::open_or_create(&root).expect("the same journal");
        for number in 1..=200 {
            let journal = if number % 2 == 0 { &journal } else { &second };
            journal.append(&record(number)).expect("appended");
        }
        let (all, end) = times(&journal, 0, 1 << 20);
        assert_eq!(all, (1..=200).collect::<Vec<u64>>());
        assert_eq!(times(&journal, end, 1 << 20), (Vec::new(), end));
        let (first, middle) = times(&journal, 0, 1000);
        let (rest, _) = times(&journal, middle, 1 << 20);
        assert_eq!([first, rest].concat(), all);

        let header = journal.header().expect("no error").expect("a header");
        let changed = Header {
            folded: middle,
            bytes: 7,
            entries: 8,
            ..header
        };
        journal.set_header(&root, &changed).expect("written");
        assert_eq!(second.header().expect("no error"), Some(changed));
        journal.punch(&root, end);
        assert_eq!(journal.header().expect("no error"), Some(changed));
        assert_eq!(times(&journal, end, 1 << 20).0, [0; 0]);
        journal.append(&record(201)).expect("appended");
        assert_eq!(times(&journal, end, 1 << 20).0, [201]);
        // A reader that comes from before the hole does not read it byte by byte.
        assert_eq!(times(&journal, 4096, 64 * 100).0.last(), Some(&201));
    }

    #[test]
    fn a_torn_record_costs_itself_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path().join("cache"), Owner::User);
        let root = directory.create().expect("a cache");
        let mut journal = Journal::open_or_create(&root).expect("a journal");
        journal.append(&record(1)).expect("appended");
        journal
            .0
            .write_all(&record(2).encode()[..33])
            .expect("a short write");
        journal.append(&record(3)).expect("appended");
        journal.0.write_all(&[0; 5000]).expect("zeros");
        journal.append(&record(4)).expect("appended");
        assert_eq!(times(&journal, 0, 1 << 20).0, [1, 3, 4]);
        journal
            .0
            .write_all(&record(5).encode()[..63])
            .expect("a start");
        let (_, end) = times(&journal, 0, 1 << 20);
        journal
            .0
            .write_all(&record(5).encode()[63..])
            .expect("its end");
        assert_eq!(times(&journal, end, 1 << 20).0, [5]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = record(7).encode();
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes;
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&broken), None, "bit {bit}");
        }
    }
}
