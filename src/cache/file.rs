//! Files that appear whole or not at all.

use super::directory::{Root, TEMPORARY};
use crate::process_limits::check_file_size;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file under a temporary name. It is removed when dropped, unless it was published.
///
/// It is locked while it is written, so that a leftover of a killed process can be recognised.
#[derive(Debug)]
pub struct Temporary {
    folder: OwnedFd,
    name: String,
    pub file: File,
    kept: bool,
}

/// Whether a file changes once it has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Its permissions are read-only, so that only root can open it for writing by mistake. Its folders decide who may
    /// read it.
    Never,
    InPlace,
}

impl Temporary {
    pub fn new(root: &Root, changes: Changes) -> Result<Temporary, Errno> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let folder = root.folder(TEMPORARY)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = match changes {
            Changes::Never => Mode::from_raw_mode(0o444),
            Changes::InPlace => root.file_mode(),
        };
        loop {
            // Process ids repeat, over time and across containers. EXCL notices, and the next number is tried.
            let name = format!(
                "{}-{}",
                std::process::id(),
                COUNTER.fetch_add(1, Ordering::Relaxed)
            );
            match rustix::fs::openat(&folder, name.as_str(), flags, mode) {
                Ok(file) => {
                    // Where there are no locks, only its age tells a leftover.
                    let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
                    return Ok(Temporary {
                        folder,
                        name,
                        file: File::from(file),
                        kept: false,
                    });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub fn write(&mut self, parts: &[&[u8]]) -> std::io::Result<()> {
        check_file_size(parts)?;
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::writev(&self.file, rest) {
                Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Leaves the file under its temporary name, for the caller to rename or to unlink.
    pub fn leave(mut self) -> String {
        self.kept = true;
        std::mem::take(&mut self.name)
    }

    /// Renames the file to `path`, replacing what is there. With `sync`, it survives a power cut from then on.
    pub fn publish(self, root: &Root, path: &str, sync: bool) -> std::io::Result<()> {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let folder = root.folder(folder)?;
        self.publish_at(folder.as_fd(), name, sync)
    }

    pub fn publish_at(
        mut self,
        folder: std::os::fd::BorrowedFd<'_>,
        name: &str,
        sync: bool,
    ) -> std::io::Result<()> {
        if sync {
            rustix::fs::fsync(&self.file)?;
        }
        match rustix::fs::renameat(&self.folder, self.name.as_str(), folder, name) {
            // Some network file systems cannot rename over a file.
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
                rustix::fs::renameat(&self.folder, self.name.as_str(), folder, name)?;
            }
            other => other?,
        }
        self.kept = true;
        if sync {
            rustix::fs::fsync(folder)?;
        }
        Ok(())
    }
}

impl Temporary {
    /// Renames the file to `path`; `EXIST` if there is something.
    pub fn publish_new(mut self, root: &Root, path: &str) -> Result<(), Errno> {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let folder = root.folder(folder)?;
        let from = self.name.as_str();
        let renamed =
            rustix::fs::renameat_with(&self.folder, from, &folder, name, RenameFlags::NOREPLACE);
        if let Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) = renamed {
            match rustix::fs::linkat(&self.folder, from, &folder, name, AtFlags::empty()) {
                // No hard links either. Of two that come at once, both believe that they created it.
                Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    rustix::fs::renameat(&self.folder, from, &folder, name)?;
                    self.kept = true;
                }
                // Dropping `self` removes the temporary name.
                other => other?,
            }
        } else {
            renamed?;
            self.kept = true;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = rustix::fs::unlinkat(&self.folder, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Writes a file that never changes, and publishes it.
pub fn publish(root: &Root, path: &str, parts: &[&[u8]], sync: bool) -> std::io::Result<()> {
    let mut temporary = Temporary::new(root, Changes::Never)?;
    temporary.write(parts)?;
    temporary.publish(root, path, sync)
}
