//! The cache's directory: where it is, and whether what is in it may be run.
//!
//! ```text
//! <root>/v1/entries/<first 2 digits>/<other 62 digits>.so      an entry
//! <root>/v1/entries/<first 2 digits>/<other 62 digits>.o.zst   its object
//! <root>/v1/locks/<64 digits>                                  held by whoever compiles that key
//! <root>/v1/tmp/…                                              files that are being written
//! ```
//!
//! The version is that of the layout and of the entries' format; a directory holds several side by side.

use super::key::Key;
use super::store::Trouble;
use crate::fork;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub const LOCKS: &str = "v1/locks";
pub const TEMPORARY: &str = "v1/tmp";
const ENTRIES: &str = "v1/entries";

/// A cache's root. It is opened when it is first needed.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    open: Mutex<Option<Arc<OwnedFd>>>,
}

impl Directory {
    pub fn new(path: PathBuf) -> Directory {
        Directory {
            path,
            open: Mutex::new(None),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open root, or `None` if there is none yet.
    pub fn open(&self) -> Result<Option<Arc<OwnedFd>>, Trouble> {
        let mut open = self.lock();
        if let Some(fd) = &*open {
            return Ok(Some(fd.clone()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.trouble("cannot be opened", error)),
        };
        self.check_trust(&fd)?;
        let fd = Arc::new(fd);
        *open = Some(fd.clone());
        Ok(Some(fd))
    }

    /// The open root with all folders that `key` needs; makes what is missing.
    pub fn create(&self, key: &Key) -> Result<Arc<OwnedFd>, Trouble> {
        // What is open may have been deleted since: look at the path anew.
        *self.lock() = None;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.path)
            .map_err(|error| self.trouble("cannot be made", error))?;
        let root = self
            .open()?
            .ok_or_else(|| self.trouble("cannot be used", "it was deleted"))?;
        for folder in [
            "v1",
            ENTRIES,
            &format!("{ENTRIES}/{}", &key.hex().as_ref()[..2]),
            LOCKS,
            TEMPORARY,
        ] {
            match rustix::fs::mkdirat(&root, folder, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => {
                    return Err(self.trouble(&format!("cannot hold the folder {folder}"), error));
                }
            }
        }
        Ok(root)
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Option<Arc<OwnedFd>>>> {
        fork::guard(|| self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A [`Trouble`] with this directory.
    pub fn trouble(&self, what: &str, why: impl std::fmt::Display) -> Trouble {
        Trouble(format!(
            "the cache directory {} {what}: {why}",
            self.path.display()
        ))
    }

    /// Refuses a directory in which somebody else can put code.
    fn check_trust(&self, fd: &OwnedFd) -> Result<(), Trouble> {
        let stat =
            rustix::fs::fstat(fd).map_err(|error| self.trouble("cannot be examined", error))?;
        let user = rustix::process::geteuid().as_raw();
        if stat.st_uid != user {
            return Err(self.trouble(
                "is not used, because what is in a cache is run",
                format!(
                    "it belongs to user {}, this process to user {user}",
                    stat.st_uid
                ),
            ));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(self.trouble(
                "is not used, because what is in a cache is run",
                format!(
                    "others may write it (mode {:03o}): `chmod go-w` it",
                    stat.st_mode & 0o777
                ),
            ));
        }
        Ok(())
    }
}

/// Where a key's entry lies, seen from the root.
pub fn entry_path(key: &Key) -> String {
    path(key, ".so")
}

/// Where a key's object lies, seen from the root.
pub fn object_path(key: &Key) -> String {
    path(key, ".o.zst")
}

fn path(key: &Key, extension: &str) -> String {
    let hex = key.hex();
    let (folder, file) = hex.as_ref().split_at(2);
    [ENTRIES, "/", folder, "/", file, extension].concat()
}
