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
        "the index has version {0} and belongs to a newer libmgenjit: statistics, lists and trimming need that one"
    )]
    Newer(i32),
}

impl IndexError {
    /// Whether the database is broken and must be rebuilt. That is every error of SQLite, except those that the system or
    /// another process causes: damage shows in many ways, such as a missing table, a value of another type, invalid text,
    /// or a violated constraint.
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

    /// Whether the database cannot be written or reached, or is not ours. Then the work is done without it.
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

/// The file is not an index that this library wrote, or no longer one.
pub(super) fn not_ours(why: Option<String>) -> IndexError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
    rusqlite::Error::SqliteFailure(code, why).into()
}
