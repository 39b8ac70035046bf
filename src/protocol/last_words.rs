//! What a process that the library or a shared server starts says last: its standard error is a memfd, which whoever
//! started it reads once it is gone.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

/// What is read of them, at the end.
const MOST: u64 = 4096;

/// An empty file, to be a process's standard error.
pub fn file() -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(rustix::fs::memfd_create("mgenjit-server-stderr", flags)?.into())
}

/// What was written to the file last, if anything.
pub fn read(file: &File) -> Option<String> {
    let len = file.metadata().ok()?.len();
    let kept = len.min(MOST);
    let mut bytes = vec![0; kept as usize];
    // Not by its position, which the process that writes has too.
    file.read_exact_at(&mut bytes, len - kept).ok()?;
    let words = String::from_utf8_lossy(&bytes);
    Some(words.trim().to_owned()).filter(|words| !words.is_empty())
}

/// Empties standard error if it is a memfd, so that what is found there after a crash belongs to the request
/// that crashed, and so that it does not grow for ever. Any other file is left alone: it is somebody's log.
pub fn forget() {
    // SAFETY: standard error is open for the whole life of the process (Rust's start-up makes sure).
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    if let Ok(stat) = rustix::fs::fstat(stderr)
        && stat.st_nlink == 0
        && rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
        && rustix::fs::ftruncate(stderr, 0).is_ok()
    {
        let _ = rustix::fs::seek(stderr, rustix::fs::SeekFrom::Start(0));
    }
}
