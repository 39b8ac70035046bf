//! Reads parts of a file, all of them or none.

use super::error::EntryError;
use super::tail::{MAX_LEN, TAIL_LEN};
use rustix::fs::Stat;
use rustix::io::{Errno, pread};
use std::fs::File;

const SHRUNK: EntryError = EntryError::Malformed("it shrank while it was read");

/// Where an entry or an alias lies: it is a file of its own, or a part of a bundle.
#[derive(Debug)]
pub struct Part {
    pub file: File,
    /// The device and inode of the file.
    pub identity: [u64; 2],
    /// A multiple of a page if it is an entry, because its image is mapped.
    pub at: u64,
    pub len: u64,
}

impl Part {
    /// All of a file.
    pub fn whole(file: File) -> Result<Part, EntryError> {
        let stat = rustix::fs::fstat(&file)?;
        Part::examined(file, &stat)
    }

    /// As [`Part::whole`], of a file whose `stat` is known already, which saves a hit a system call.
    pub fn examined(file: File, stat: &Stat) -> Result<Part, EntryError> {
        Ok(Part {
            len: checked_len(stat)?,
            file,
            identity: [stat.st_dev, stat.st_ino],
            at: 0,
        })
    }

    /// Fills `buffer` with what lies at `at`, seen from its start.
    pub(super) fn read_exact(&self, buffer: &mut [u8], at: u64) -> Result<(), EntryError> {
        read_exact(&self.file, buffer, self.at + at)
    }

    pub(super) fn read_at(&self, at: u64, len: u64) -> Result<Vec<u8>, EntryError> {
        read_at(&self.file, self.at + at, len)
    }
}

/// The length of a regular file that is long enough to be an entry.
pub(super) fn checked_len(stat: &Stat) -> Result<u64, EntryError> {
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(EntryError::NotAFile);
    }
    u64::try_from(stat.st_size)
        .ok()
        .filter(|len| (TAIL_LEN as u64..=MAX_LEN).contains(len))
        .ok_or(EntryError::Malformed("it is shorter than a tail"))
}

pub(super) fn read_at(file: &File, at: u64, len: u64) -> Result<Vec<u8>, EntryError> {
    // The lengths were compared with the file's, so this is not more than the file holds.
    let len = len as usize;
    let mut bytes = with_capacity(len)?;
    while bytes.len() < len {
        let from = at + bytes.len() as u64;
        let missing = len - bytes.len();
        // Into memory that was not filled before.
        let room = &mut bytes.spare_capacity_mut()[..missing];
        let read = match pread(file, &mut *room, from) {
            Ok((read, _)) => read.len(),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if read == 0 {
            return Err(SHRUNK);
        }
        // SAFETY: so many bytes behind its end were read into.
        unsafe { bytes.set_len(bytes.len() + read) };
    }
    Ok(bytes)
}

pub(super) fn with_capacity(len: usize) -> Result<Vec<u8>, EntryError> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| EntryError::Malformed("it does not fit into memory"))?;
    Ok(bytes)
}

pub(super) fn read_exact(
    file: &File,
    mut buffer: &mut [u8],
    mut at: u64,
) -> Result<(), EntryError> {
    while !buffer.is_empty() {
        match pread(file, &mut *buffer, at) {
            Ok(0) => return Err(SHRUNK),
            Ok(read) => {
                buffer = &mut buffer[read..];
                at += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
