//! Why the index cannot be used.

use crate::cache::directory::OpenError;
use crate::cache::entry::EntryError;
use rustix::io::Errno;

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the index cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Io(#[from] Errno),
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Entry(#[from] EntryError),
    #[error(
        "the index has version {0}, of a later version of this library, which this one does not touch: statistics, \
         lists and trimming need that one"
    )]
    Newer(i32),
}

impl IndexError {
    /// Whether the database is broken, so that it must be built anew: whatever SQLite says, unless it is the system's fault
    /// or another process is in the way. A broken one shows in many ways, as a table that is missing, a value of another
    /// type, text that is none, or a constraint that does not hold.
    pub fn is_corrupt(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        match self {
            IndexError::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => !matches!(
                error.code,
                Code::CannotOpen
                    | Code::DatabaseBusy
                    | Code::DatabaseLocked
                    | Code::DiskFull
                    | Code::FileLockingProtocolFailed
                    | Code::NoLargeFileSupport
                    | Code::OperationAborted
                    | Code::OperationInterrupted
                    | Code::OutOfMemory
                    | Code::PermissionDenied
                    | Code::ReadOnly
                    | Code::SystemIoFailure
            ),
            IndexError::Sqlite(_) => true,
            _ => false,
        }
    }

    /// Whether there is no room for the database, no way to it, or it is not ours: what must be done can be done without.
    pub fn is_unwritable(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        match self {
            IndexError::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => matches!(
                error.code,
                CannotOpen | DiskFull | ReadOnly | SystemIoFailure
            ),
            IndexError::Newer(_) => true,
            IndexError::Io(error) | IndexError::Open(OpenError::Io(error)) => {
                [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO].contains(error)
            }
            _ => false,
        }
    }
}

pub type Result<T> = std::result::Result<T, IndexError>;

/// What is there is no index that this library wrote, or no longer one.
pub(super) fn not_ours(why: Option<String>) -> IndexError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
    rusqlite::Error::SqliteFailure(code, why).into()
}
