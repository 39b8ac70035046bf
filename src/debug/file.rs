//! An image's file as it was linked: all of its symbols and debug information, of which memory has only a part.

use super::label::File;
use super::registry::Record;
use super::symbols::Source;
use object::LittleEndian as LE;
use object::elf::{FileHeader64, PF_X, PT_LOAD, ProgramHeader64};
use object::pod;
use rustix::fs::{Mode, OFlags};
use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// The longest path that the system takes, with its terminator.
const PATH_MAX: usize = 4096;

/// Where an image's file lies. No reader needs to stay while it is opened and read, which may take long.
pub struct FilePath {
    /// With a terminator.
    path: [u8; PATH_MAX],
    /// Its device and inode.
    identity: [u64; 2],
    at: u64,
}

impl FilePath {
    /// Of an image that was mapped from a file. It allocates nothing.
    pub fn new(file: &File) -> Option<FilePath> {
        let mut path = [0; PATH_MAX];
        let mut len = 0;
        let directory = file.directory.as_os_str().as_bytes();
        for part in [directory, b"/", file.path.as_bytes(), b"\0"] {
            path.get_mut(len..len + part.len())?.copy_from_slice(part);
            len += part.len();
        }
        Some(FilePath {
            path,
            identity: file.identity,
            at: file.at,
        })
    }

    /// `None`: the file is gone, or is another one by now.
    pub fn open(&self) -> Option<OpenFile> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let path = CStr::from_bytes_until_nul(&self.path).ok()?;
        let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let is_it = self.identity == [stat.st_dev, stat.st_ino];
        is_it.then_some(OpenFile { file, at: self.at })
    }
}

/// The file that an image was mapped from. Offsets are from the image's start.
pub struct OpenFile {
    file: OwnedFd,
    at: u64,
}

impl Source for OpenFile {
    fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        let mut done = 0;
        // Offsets come from the file's own headers.
        let Some(at) = self.at.checked_add(offset) else {
            return false;
        };
        while done < into.len() {
            match rustix::io::pread(&self.file, &mut into[done..], at + done as u64) {
                Ok(0) => return false,
                Ok(count) => done += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// The file of an image that was mapped from none: the mapped segments, and what the record keeps.
pub struct Pieces<'a>(pub &'a Record);

impl Source for Pieces<'_> {
    fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        pieces(self.0).any(|(start, piece)| {
            offset
                .checked_sub(start)
                .is_some_and(|offset| piece.read(offset, into))
        })
    }
}

/// All of an image's file.
pub fn bytes(record: &Record) -> Option<Vec<u8>> {
    match record.file() {
        Some(file) => bytes_of_file(&FilePath::new(file)?, record.file_len),
        None => bytes_of_pieces(record),
    }
}

/// All of an image's file, if it was mapped from one.
pub fn bytes_of_file(path: &FilePath, len: u64) -> Option<Vec<u8>> {
    let file = path.open()?;
    let mut bytes = zeros(len)?;
    file.read(0, &mut bytes).then_some(bytes)
}

/// All of an image's file, if it was mapped from none.
pub fn bytes_of_pieces(record: &Record) -> Option<Vec<u8>> {
    let mut bytes = zeros(record.file_len)?;
    // What lies between the pieces is padding.
    for (offset, piece) in pieces(record) {
        let room = bytes.get_mut(usize::try_from(offset).ok()?..)?;
        let len = piece.len().min(room.len());
        room[..len].copy_from_slice(&piece[..len]);
    }
    Some(bytes)
}

fn zeros(len: u64) -> Option<Vec<u8>> {
    let len = usize::try_from(len).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}

/// An image's memory.
fn memory(record: &Record) -> &[u8] {
    // SAFETY: the image is mapped as long as a reader has the record. Only its segments are read, all of which are readable.
    // What a program does to its own variables meanwhile may tear a value, which nothing here relies on.
    unsafe { std::slice::from_raw_parts(record.base as *const u8, record.len) }
}

/// The headers of the segments that are loaded.
fn segments(record: &Record) -> impl Iterator<Item = &ProgramHeader64<LE>> {
    let memory = memory(record);
    let headers = pod::from_bytes::<FileHeader64<LE>>(memory)
        .ok()
        .and_then(|(header, _)| {
            let table = memory.get(usize::try_from(header.e_phoff.get(LE)).ok()?..)?;
            let count = header.e_phnum.get(LE).into();
            let (headers, _) = pod::slice_from_bytes::<ProgramHeader64<LE>>(table, count).ok()?;
            Some(headers)
        })
        .unwrap_or_default();
    headers
        .iter()
        .filter(|header| header.p_type.get(LE) == PT_LOAD)
}

/// The segment of code that an address lies in, both from the image's base on.
pub fn code(record: &Record, address: u64) -> Option<Range<u64>> {
    segments(record)
        .filter(|header| header.p_flags.get(LE).0 & PF_X.0 != 0)
        .map(|header| {
            let start = header.p_vaddr.get(LE);
            start..start.saturating_add(header.p_memsz.get(LE))
        })
        .find(|range| range.contains(&address))
}

/// The parts of the file, each with its offset.
fn pieces(record: &Record) -> impl Iterator<Item = (u64, &[u8])> {
    let segments = segments(record).filter_map(move |header| {
        let start = usize::try_from(header.p_vaddr.get(LE)).ok()?;
        let end = start.checked_add(usize::try_from(header.p_filesz.get(LE)).ok()?)?;
        Some((header.p_offset.get(LE), memory(record).get(start..end)?))
    });
    segments.chain(std::iter::once((record.rest_offset, record.rest())))
}

/// The dynamic symbols, which are in memory whatever became of the file. Offsets are addresses.
pub struct Memory<'a>(pub &'a Record);

impl Source for Memory<'_> {
    fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        let Memory(record) = self;
        offset
            .checked_sub(record.base as u64)
            .is_some_and(|offset| memory(record).read(offset, into))
    }
}
