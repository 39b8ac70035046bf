//! Maintenance: folds the journal into the index, trims to the limits, and removes what killed processes left.
//!
//! A store does a slice of maintenance when enough has happened, unless another process is doing it. Nobody waits, and
//! a hit never does any.

use super::directory::{Directory, LOCKS, MAINTENANCE, OpenError, Root, TEMPORARY};
use super::index::{Index, IndexError};
use super::journal::{Journal, Kind};
use super::lock::is_unsupported;
use super::options::{Limits, Options};
use super::sources;
use super::warning::Warning;
use crate::fork;
use crate::process_limits::is_file_size_limited;
use rustix::fs::{AtFlags, Dir, FlockOperation, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The journal is folded when it has grown by this much: 1024 records.
const FOLD_AT: u64 = 64 << 10;

/// For how long a slice begins new work; the rest is left for the next slice. Finishing the work and closing the index
/// take about as long again, so a slice takes at most 20 ms.
const SLICE: Duration = Duration::from_millis(10);

/// How long the lock is waited for to remove a broken index.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// How old an unfinished file must be before it is removed, where there are no locks. Nothing takes that long to write.
const LEFTOVER_AGE: Duration = Duration::from_hours(1);

/// The same where its writer would hold a lock. Nothing takes that long between creating a file and locking it.
const UNLOCKED_AGE: Duration = Duration::from_mins(1);

/// Held by whoever maintains the cache. The kernel releases it when its holder dies.
pub struct Maintenance {
    file: File,
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        // Closing is not enough: a child that was forked meanwhile holds it as well.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

impl Maintenance {
    /// Takes the lock, waiting for at most `timeout`. `None` if another process still has it.
    pub fn acquire(root: &Root, timeout: Duration) -> Result<Option<Maintenance>, IndexError> {
        let open = || root.open_file(MAINTENANCE, OFlags::RDWR | OFlags::CREATE);
        let file = match open() {
            Err(error) if error.is_foreign() && root.discard(MAINTENANCE) => open(),
            other => other,
        }?;
        let deadline = Instant::now() + timeout;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Maintenance { file })),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            // Polled, because `flock` has no timeout.
            std::thread::sleep(Duration::from_millis(2).min(deadline - now));
        }
    }
}

/// Whether an index can be kept here: it needs locks, and files that may grow.
pub fn keeps_index(root: &Root) -> bool {
    if is_file_size_limited() {
        return false;
    }
    match root.open_file(MAINTENANCE, OFlags::RDWR | OFlags::CREATE) {
        Ok(file) => !rustix::fs::flock(&file, FlockOperation::Unlock).is_err_and(is_unsupported),
        Err(OpenError::Io(Errno::ROFS | Errno::ACCESS | Errno::PERM)) => false,
        // Whoever takes the lock reports the error.
        Err(_) => true,
    }
}

/// Whether enough has been recorded since the last fold, or the limits are exceeded.
pub fn is_due(journal: &Journal, limits: &Limits) -> bool {
    let Ok(Some(header)) = journal.header() else {
        return true;
    };
    let Ok(len) = journal.len() else {
        return false;
    };
    // A journal shorter than what was folded is a new one.
    if header.folded > len || len - header.folded >= FOLD_AT {
        return true;
    }
    if limits.max_bytes == 0 && limits.max_entries == 0 {
        return false;
    }
    // What was stored since is in the journal, whose rest is short.
    let (mut bytes, mut entries) = (header.bytes, header.entries);
    let read = journal.read(header.folded, FOLD_AT as usize, |record| {
        if matches!(record.kind, Kind::Store | Kind::Import) {
            bytes = bytes.saturating_add(record.bytes);
            entries += 1;
        }
    });
    read.is_ok() && limits.are_exceeded(bytes, entries)
}

/// Does a slice of the maintenance that is due, unless another process is doing it.
pub fn slice(
    directory: &Arc<Directory>,
    root: &Arc<Root>,
    journal: &Journal,
    options: &Options,
) -> Result<(), Warning> {
    let deadline = Instant::now() + SLICE;
    let warning = |error: IndexError| directory.warning_at(MAINTENANCE, error);
    if !keeps_index(root) {
        return Ok(());
    }
    let Some(_lock) = Maintenance::acquire(root, Duration::ZERO).map_err(warning)? else {
        return Ok(());
    };
    // A child must inherit neither SQLite's locks nor its memory of them, so `fork` waits for the slice.
    fork::guard(|| slice_of(directory, root, journal, options, deadline)).into_inner()?;
    sweep(root, SystemTime::now());
    Ok(())
}

fn slice_of(
    directory: &Arc<Directory>,
    root: &Arc<Root>,
    journal: &Journal,
    options: &Options,
    deadline: Instant,
) -> Result<(), Warning> {
    with_index(directory, root, |index| {
        let folded = index.fold_until(journal, Some(deadline))?;
        let limits = options.limits.with_room();
        while index.evict_some(&limits)? && Instant::now() < deadline {}
        // One folder for each FOLD_AT of the journal. In time, a round finds what the journal does not tell.
        if folded.start / FOLD_AT != folded.end / FOLD_AT {
            index.scan_next(Some(deadline))?;
        }
        while !index.is_complete()? && Instant::now() < deadline {
            index.scan_next(Some(deadline))?;
        }
        // The totals have changed.
        index.fold_until(journal, Some(deadline))?;
        Ok(())
    })
    .map_err(|error| directory.warning_at(super::directory::INDEX, error))
}

/// Runs `body` on the index. If the index is broken, it tries once more, and then with a new index. The caller holds the
/// lock.
pub fn with_index<T>(
    directory: &Arc<Directory>,
    root: &Arc<Root>,
    mut body: impl FnMut(&mut Index) -> Result<T, IndexError>,
) -> Result<T, IndexError> {
    let mut attempt = || Index::open(directory, root).and_then(|mut index| body(&mut index));
    // Twice, because a disk that fails once looks the same.
    for _ in 0..2 {
        match attempt() {
            Err(error) if error.is_corrupt() => {}
            other => return other,
        }
    }
    Index::remove(root);
    attempt()
}

/// Removes a broken index, so that the next one who needs it builds a new one. Returns whether it was removed: not while
/// another process holds the lock.
pub fn discard_index(root: &Root) -> bool {
    let lock = Maintenance::acquire(root, DISCARD_TIMEOUT);
    let is_mine = matches!(lock, Ok(Some(_)));
    if is_mine {
        Index::remove(root);
    }
    is_mine
}

/// Removes what was left by processes that were killed: files that were being written, and locks; and sources of entries
/// that are gone.
pub fn sweep(root: &Root, now: SystemTime) -> usize {
    sources::sweep(root, now);
    let mut removed = 0;
    for folder in [TEMPORARY, LOCKS] {
        let Ok(Some(folder_fd)) = root.existing_folder(folder) else {
            continue;
        };
        let Ok(files) = Dir::read_from(&folder_fd) else {
            continue;
        };
        for file in files.flatten() {
            let name = file.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&folder_fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let modified = SystemTime::UNIX_EPOCH
                + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
            let age = now.duration_since(modified).unwrap_or_default();
            if age <= UNLOCKED_AGE {
                continue;
            }
            // Held until the file is unlinked, which whoever opened it before can see.
            let lock = match take_lock(root, folder, name) {
                Taken::Yes(lock) => Some(lock),
                Taken::Unknown if age > LEFTOVER_AGE => None,
                Taken::Unknown | Taken::No => continue,
            };
            removed +=
                usize::from(rustix::fs::unlinkat(&folder_fd, name, AtFlags::empty()).is_ok());
            drop(lock);
        }
    }
    removed
}

/// What became of an attempt to take a lock.
enum Taken {
    Yes(File),
    /// Somebody holds it, or the file is gone.
    No,
    /// There are no locks here, or this is not a file with a lock.
    Unknown,
}

/// Takes the lock of a file, if nobody holds it.
fn take_lock(root: &Root, folder: &str, name: &std::ffi::CStr) -> Taken {
    let Ok(name) = name.to_str() else {
        return Taken::Unknown;
    };
    let open = |flags| root.open_file(&format!("{folder}/{name}"), flags);
    // Opened for writing, as its holder did: on an overlay, reading may open another file.
    let file = match open(OFlags::RDWR) {
        // An unfinished entry, whose permissions are read-only.
        Err(OpenError::Io(Errno::ACCESS)) => open(OFlags::RDONLY),
        other => other,
    };
    let file = match file {
        Ok(file) => file,
        Err(OpenError::Io(Errno::NOENT)) => return Taken::No,
        Err(_) => return Taken::Unknown,
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // Its holder may have removed it, and the next one created another.
        Ok(()) => match rustix::fs::fstat(&file) {
            Ok(stat) if stat.st_nlink > 0 => Taken::Yes(file),
            _ => Taken::No,
        },
        Err(error) if is_unsupported(error) => Taken::Unknown,
        Err(_) => Taken::No,
    }
}
