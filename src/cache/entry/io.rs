//! Reads parts of a file, all of them or none.

use super::error::EntryError;
use super::tail::{MAX_LEN, TAIL_LEN};
use rustix::fs::Stat;
use rustix::io::pread;
use std::fs::File;

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
    let mut bytes = with_capacity(len as usize)?;
    bytes.resize(len as usize, 0);
    read_exact(file, &mut bytes, at)?;
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
            Ok(0) => return Err(EntryError::Malformed("it shrank while it was read")),
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
