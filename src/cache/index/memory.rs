//! An index in memory, for a cache that keeps none on disk.

use super::database::{Index, VERSION};
use super::error::{IndexError, Result};
use crate::cache::directory::{Directory, INDEX, OpenError, Root, VERSION as VERSION_FOLDER};
use crate::cache::journal::{HEADER_LEN, Journal};
use crate::fork;
use rusqlite::Connection;
use rustix::io::Errno;
use std::sync::Arc;

impl Index {
    /// An index in memory, for where none can be kept on disk or written. The counters come from an index on disk, if it
    /// can be read; the entries come from the files.
    pub fn in_memory(directory: &Arc<Directory>, root: &Arc<Root>) -> Result<Index> {
        let copied = || {
            let mut index = Index::prepare(Connection::open_in_memory()?, directory, root)?;
            index.read_disk()?;
            index.scan_all(&mut |_, _| true)?;
            Ok(index)
        };
        copied().or_else(|_: IndexError| Index::of_files(directory, root))
    }

    /// An index in memory, made from the files alone.
    pub fn of_files(directory: &Arc<Directory>, root: &Arc<Root>) -> Result<Index> {
        let mut index = Index::prepare(Connection::open_in_memory()?, directory, root)?;
        index.has_history = false;
        index.scan_all(&mut |_, _| true)?;
        Ok(index)
    }

    /// Copies the index on disk, and adds what the journal recorded since. Neither is written.
    fn read_disk(&mut self) -> Result<()> {
        let is_there = match self.root.check_own_file(INDEX) {
            Ok(()) => true,
            Err(OpenError::Io(Errno::NOENT)) => false,
            Err(error) => return Err(error.into()),
        };
        if is_there {
            self.copy_disk()?;
        }
        let Some(journal) = Journal::open_to_read(&self.root)? else {
            // Without either, the history is known only if the cache was never used.
            return match self.root.existing_folder(VERSION_FOLDER)? {
                Some(_) if !is_there => Err(Errno::NOENT.into()),
                _ => Ok(()),
            };
        };
        let (header, _) = self.take_in(&journal, None)?;
        // If nothing of the journal was ever folded, it has the whole history.
        if is_there || header.folded == HEADER_LEN {
            Ok(())
        } else {
            Err(Errno::NOENT.into())
        }
    }

    fn copy_disk(&self) -> Result<()> {
        // SQLite opens by path.
        if !self.root.is_at(self.directory.path()) {
            return Err(Errno::STALE.into());
        }
        let path = self.directory.path().join(INDEX);
        // A forked child must not inherit SQLite's locks.
        fork::guard(|| {
            self.db
                .execute("ATTACH ?1 AS disk", [path.to_str().ok_or(Errno::ILSEQ)?])?;
            self.db.execute_batch("BEGIN")?;
            let version: i32 = self
                .db
                .query_row("PRAGMA disk.user_version", [], |row| row.get(0))?;
            if version != VERSION {
                return Err(IndexError::Newer(version));
            }
            for table in ["meta", "counter", "compiler", "entry", "alias", "gone"] {
                self.db.execute_batch(&format!(
                    "INSERT INTO main.{table} SELECT * FROM disk.{table}"
                ))?;
            }
            self.db.execute_batch("COMMIT; DETACH disk")?;
            Ok(())
        })
        .into_inner()
    }
}
