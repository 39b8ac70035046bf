//! Copies files into bundles and out of them.

use crate::error::{Error, Status};
use crate::process_limits;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much is read at once.
pub(super) const CHUNK_LEN: usize = 256 << 10;

/// Progress callback: `done` of `total` bytes. Returns whether to go on.
pub(super) type Progress<'a> = dyn FnMut(u64, u64) -> bool + 'a;

/// Writes a file up to the process's limit: the system ends a process that writes further.
pub(super) struct Limited<'a> {
    pub file: &'a File,
    pub len: u64,
    pub limit: u64,
}

impl Limited<'_> {
    pub fn new(file: &File) -> Limited<'_> {
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
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    /// The caller stopped it.
    Stopped,
}

/// Copies all of `from`, and reports the bytes copied so far to `progress`. Returns how many there were.
pub(super) fn copy(
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

/// BLAKE3 of the first `len` bytes.
pub(super) fn digest_of(file: &File, len: u64) -> io::Result<blake3::Hash> {
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

pub(super) fn cancelled(what: &str, path: &Path) -> Error {
    let path = path.display();
    Error::new(
        Status::Io,
        format!("{what} of the bundle {path} was cancelled: nothing was written"),
    )
}
