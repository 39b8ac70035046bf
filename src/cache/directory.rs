//! The cache's directory: its layout, and whether its files may be run.
//!
//! ```text
//! <root>/v4/entries/<first 2 digits>/<other 62 digits>.so      an entry
//! <root>/v4/entries/<first 2 digits>/<other 62 digits>.alias   another name of an entry
//! <root>/v4/pins/<64 digits>                                   that entry is not evicted
//! <root>/v4/ir/…                                              see `sources`
//! <root>/v4/locks/<64 digits>                                  held by whoever compiles the key
//! <root>/v4/maintenance                                        held by whoever folds, trims or clears
//! <root>/v4/journal                                            what happened since it was last folded into the index
//! <root>/v4/index.sqlite                                       what queries read
//! <root>/v4/tmp/…                                              files that are being written
//! ```
//!
//! The version is that of the layout and of the entries' format; a directory holds several side by side, and no
//! version touches a newer one's.

use super::key::Key;
use super::warning::Warning;
use crate::error::without_number;
use crate::fork;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use std::fs::{DirBuilder, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder of this version of the layout.
pub const VERSION: &str = "v4";
pub const ENTRIES: &str = "v4/entries";
pub const LOCKS: &str = "v4/locks";
pub const PINS: &str = "v4/pins";
pub const TEMPORARY: &str = "v4/tmp";
pub const MAINTENANCE: &str = "v4/maintenance";
pub const JOURNAL: &str = "v4/journal";
pub const INDEX: &str = "v4/index.sqlite";

/// How many folders the entries lie in: one for each value of a key's first byte.
pub const FOLDERS: u16 = 256;

/// A cache's directory. It is opened when it is first needed.
#[derive(Debug)]
pub struct Directory {
    path: Arc<Path>,
    owner: Owner,
    open: Mutex<Option<Arc<Root>>>,
}

/// Whose code may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    User,
    /// A layer may be installed for all users.
    UserOrRoot,
}

/// Whose files are trusted.
#[derive(Clone, Copy, Debug)]
struct Trusted {
    user: u32,
    root: bool,
}

impl Trusted {
    fn of(owner: Owner) -> Trusted {
        Trusted {
            user: rustix::process::geteuid().as_raw(),
            root: owner == Owner::UserOrRoot,
        }
    }
}

/// A directory that is open and trusted.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    trusted: Trusted,
    /// Its permissions. Whoever can read the directory can read what is created in it.
    mode: u32,
}

impl Directory {
    pub fn new(path: PathBuf, owner: Owner) -> Directory {
        Directory {
            path: path.into(),
            owner,
            open: Mutex::new(None),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path, for those who keep it.
    pub fn shared_path(&self) -> Arc<Path> {
        self.path.clone()
    }

    /// The open root, or `None` if there is none yet.
    pub fn open(&self) -> Result<Option<Arc<Root>>, Warning> {
        let mut open = self.lock();
        if let Some(root) = &*open {
            return Ok(Some(root.clone()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(&*self.path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.warning("cannot be opened", error)),
        };
        let stat =
            rustix::fs::fstat(&fd).map_err(|error| self.warning("cannot be examined", error))?;
        let trusted = Trusted::of(self.owner);
        check_trust(&stat, trusted)
            .map_err(|why| self.warning("is not used, because what is in a cache is run", why))?;
        let root = Arc::new(Root {
            fd,
            trusted,
            mode: stat.st_mode,
        });
        *open = Some(root.clone());
        Ok(Some(root))
    }

    /// The open root with all its folders. Creates the missing ones.
    pub fn create(&self) -> Result<Arc<Root>, Warning> {
        // The open directory may have been deleted since: look at the path again.
        *self.lock() = None;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.path)
            .map_err(|error| self.warning("cannot be created", error))?;
        let root = self
            .open()?
            .ok_or_else(|| self.warning("cannot be used", "it was deleted"))?;
        let cannot_hold =
            |folder: &str, error| self.warning(&format!("cannot hold the folder {folder}"), error);
        let version = root
            .folder(VERSION)
            .map_err(|error| cannot_hold(VERSION, error))?;
        for folder in [ENTRIES, LOCKS, PINS, TEMPORARY] {
            let name = folder.trim_start_matches(VERSION).trim_start_matches('/');
            root.make_folder_at(version.as_fd(), name)
                .map_err(|error| cannot_hold(folder, error))?;
        }
        Ok(root)
    }

    /// Closes the directory, so that the path is looked at again.
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Option<Arc<Root>>>> {
        fork::guard(|| self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A [`Warning`] with this directory.
    pub fn warning(&self, what: &str, why: impl std::fmt::Display) -> Warning {
        Warning(without_number(format!(
            "the cache directory {} {what}: {why}",
            self.path.display()
        )))
    }

    /// A [`Warning`] with something in this directory.
    pub fn warning_at(&self, path: &str, why: impl std::fmt::Display) -> Warning {
        Warning(without_number(format!(
            "{}: {why}",
            self.path.join(path).display()
        )))
    }
}

impl Root {
    /// Opens a regular file without following a link on the way, and checks that nobody else could have written
    /// what is in it.
    pub fn open_file(&self, path: &str, flags: OFlags) -> Result<File, OpenError> {
        self.open_examined(path, flags).map(|(file, _)| file)
    }

    /// As [`Root::open_file`], with what was seen of the file.
    pub fn open_examined(&self, path: &str, flags: OFlags) -> Result<(File, Stat), OpenError> {
        // NONBLOCK: a FIFO in a file's place must not block.
        let file = File::from(self.open_at(path, flags | OFlags::NONBLOCK)?);
        let stat = rustix::fs::fstat(&file)?;
        check_file(&stat, self.trusted)?;
        Ok((file, stat))
    }

    /// As [`Root::open_file`], for a file that is written in place. One with a second name is refused: its owner would
    /// not expect the change.
    pub fn open_own_file(&self, path: &str, flags: OFlags) -> Result<File, OpenError> {
        let file = self.open_file(path, flags)?;
        check_single(&rustix::fs::fstat(&file)?)?;
        Ok(file)
    }

    /// As [`Root::open_own_file`], but does not open it: closing a file drops all of the process's `fcntl` locks on it,
    /// SQLite's included.
    pub fn check_own_file(&self, path: &str) -> Result<(), OpenError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let folder = self.existing_folder(folder)?.ok_or(Errno::NOENT)?;
        let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        check_file(&stat, self.trusted)?;
        check_single(&stat)
    }

    /// Whether this is what lies at the path now.
    pub fn is_at(&self, path: &Path) -> bool {
        match (rustix::fs::fstat(&self.fd), rustix::fs::stat(path)) {
            (Ok(ours), Ok(theirs)) => (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino),
            _ => false,
        }
    }

    /// Opens a folder. Creates it if it is missing.
    pub fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.open_at(path, flags) {
            Err(Errno::NOENT) => {
                self.make_folder(path)?;
                self.open_at(path, flags)
            }
            other => other,
        }
    }

    /// Opens a folder; `None` if there is none.
    pub fn existing_folder(&self, path: &str) -> Result<Option<OwnedFd>, Errno> {
        match self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Creates a folder in an existing one.
    fn make_folder(&self, path: &str) -> Result<(), Errno> {
        match path.rsplit_once('/') {
            Some((parent, name)) => {
                let parent = self.open_at(parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
                self.make_folder_at(parent.as_fd(), name)
            }
            None => self.make_folder_at(self.fd.as_fd(), path),
        }
    }

    /// `name` has no slash: the kernel would follow links on the way.
    fn make_folder_at(&self, parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(0o700 | self.mode & 0o055);
        match rustix::fs::mkdirat(parent, name, mode) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens without following a link, neither at the end nor on the way.
    pub fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        /// Old kernels, and sandboxes that do not know the call, have no `openat2`.
        static PLAIN: AtomicBool = AtomicBool::new(false);
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // The kernel takes a mode only with CREATE.
        let mode = if flags.contains(OFlags::CREATE) {
            self.file_mode()
        } else {
            Mode::empty()
        };
        if !PLAIN.load(Ordering::Relaxed) {
            let open =
                || rustix::fs::openat2(&self.fd, path, flags, mode, ResolveFlags::NO_SYMLINKS);
            // File systems that ask a server may be interrupted by the host's signals.
            match retry_on_intr(open) {
                Err(error @ (Errno::NOSYS | Errno::PERM)) => {
                    // Some files are refused, and some sandboxes refuse the call.
                    let known = rustix::fs::openat2(
                        &self.fd,
                        ".",
                        OFlags::RDONLY | OFlags::CLOEXEC,
                        Mode::empty(),
                        ResolveFlags::NO_SYMLINKS,
                    );
                    if known.is_ok() {
                        return Err(error);
                    }
                    PLAIN.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        let mut folder: Option<OwnedFd> = None;
        let mut rest = path;
        while let Some((first, behind)) = rest.split_once('/') {
            let parent = folder.as_ref().map_or(self.fd.as_fd(), |fd| fd.as_fd());
            let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = Some(rustix::fs::openat(parent, first, through, Mode::empty())?);
            rest = behind;
        }
        let parent = folder.as_ref().map_or(self.fd.as_fd(), |fd| fd.as_fd());
        retry_on_intr(|| rustix::fs::openat(parent, rest, flags, mode))
    }

    /// The permissions of new files.
    pub fn file_mode(&self) -> Mode {
        Mode::from_raw_mode(0o600 | self.mode & 0o044)
    }

    pub fn unlink(&self, path: &str) -> Result<(), Errno> {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let Some(folder) = self.existing_folder(folder)? else {
            return Err(Errno::NOENT);
        };
        rustix::fs::unlinkat(&folder, name, AtFlags::empty())
    }

    /// Removes something else that is in the place of one of our files. Returns whether the place is free.
    pub fn discard(&self, path: &str) -> bool {
        match self.unlink(path) {
            Ok(()) | Err(Errno::NOENT) => true,
            Err(Errno::ISDIR | Errno::PERM) => {
                // A folder is removed only if it is empty.
                let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
                let Ok(Some(folder)) = self.existing_folder(folder) else {
                    return false;
                };
                rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR).is_ok()
            }
            Err(_) => false,
        }
    }

    /// Whether locks, shared memory and appending cannot be relied on here.
    pub fn is_remote(&self) -> bool {
        /// As in `linux/magic.h` and the file systems' own sources: NFS, SMB in three versions, FUSE, 9P, Ceph,
        /// AFS, Coda, Lustre, GPFS, OCFS2, GFS2, BeeGFS.
        const REMOTE: [u32; 13] = [
            0x6969,
            0x517b,
            0xff53_4d42,
            0xfe53_4d42,
            0x6573_5546,
            0x0102_1997,
            0x00c3_6400,
            0x5346_414f,
            0x7375_7245,
            0x0bd0_0bd0,
            0x4750_4653,
            0x7461_636f,
            0x1983_0326,
        ];
        rustix::fs::fstatfs(&self.fd).is_ok_and(|stat| REMOTE.contains(&(stat.f_type as u32)))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("it cannot be opened: {0}")]
    Io(#[from] Errno),
    #[error("{0}")]
    Untrusted(String),
}

impl OpenError {
    /// Whether something lies there that this library did not put there.
    pub fn is_foreign(&self) -> bool {
        match self {
            OpenError::Untrusted(_) => true,
            OpenError::Io(error) => is_foreign(*error),
        }
    }
}

/// Whether an error says that a link, a folder or a socket is in a file's place.
pub fn is_foreign(error: Errno) -> bool {
    [Errno::LOOP, Errno::ISDIR, Errno::NXIO].contains(&error)
}

/// Refuses what somebody else could put code into.
fn check_trust(stat: &Stat, trusted: Trusted) -> Result<(), String> {
    let user = trusted.user;
    if stat.st_uid != user && !(trusted.root && stat.st_uid == 0) {
        return Err(format!(
            "it belongs to user {}, this process to user {user}",
            stat.st_uid
        ));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(format!(
            "others may write it (mode {:03o}): `chmod go-w` it",
            stat.st_mode & 0o777
        ));
    }
    Ok(())
}

fn check_file(stat: &Stat, trusted: Trusted) -> Result<(), OpenError> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(OpenError::Untrusted("it is not a regular file".to_owned()));
    }
    check_trust(stat, trusted).map_err(OpenError::Untrusted)
}

fn check_single(stat: &Stat) -> Result<(), OpenError> {
    if stat.st_nlink > 1 {
        return Err(OpenError::Untrusted(
            "it has another name as well".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses a file of a layer that somebody else could put code into.
pub fn check_owner(stat: &Stat, owner: Owner) -> Result<(), OpenError> {
    check_file(stat, Trusted::of(owner))
}

/// Where a key's entry lies, seen from the root.
pub fn entry_path(key: &Key) -> String {
    path(key, ".so")
}

/// Where a key's alias lies, seen from the root.
pub fn alias_path(key: &Key) -> String {
    path(key, ".alias")
}

fn path(key: &Key, extension: &str) -> String {
    let hex = key.hex();
    let (folder, file) = hex.as_ref().split_at(2);
    [ENTRIES, "/", folder, "/", file, extension].concat()
}

/// Where the mark lies that keeps a key's entry from being evicted, seen from the root.
pub fn pin_path(key: &Key) -> String {
    [PINS, "/", key.hex().as_ref()].concat()
}
