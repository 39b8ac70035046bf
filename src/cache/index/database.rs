//! The database: its schema, its counters, and how it is opened.

use super::error::{IndexError, Result, not_ours};
use crate::cache::directory::{Directory, INDEX, OpenError, Root};
use crate::cache::warning::Warning;
use crate::fork;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;
use std::sync::Arc;
use std::time::Duration;

/// The version of the schema. An older index is rebuilt.
pub(super) const VERSION: i32 = 3;

/// No version is higher than this.
const MOST_LATER_VERSIONS: i32 = 100;

const SCHEMA: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) WITHOUT ROWID;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    -- What many entries have in common.
    CREATE TABLE compiler (
        id INTEGER PRIMARY KEY,
        triple TEXT NOT NULL, cpu TEXT NOT NULL, machine TEXT NOT NULL,
        options TEXT NOT NULL,       -- of code
        llvm TEXT NOT NULL, package TEXT NOT NULL, build TEXT NOT NULL,
        UNIQUE (triple, cpu, machine, options, llvm, package, build)
    );
    CREATE TABLE entry (
        key BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        compiler INTEGER NOT NULL,
        opt_level INTEGER NOT NULL,
        input BLOB NOT NULL,         -- BLAKE3 of the IR
        input_len INTEGER NOT NULL,
        bytes INTEGER NOT NULL,      -- of the file
        image_bytes INTEGER NOT NULL,
        cost INTEGER NOT NULL,       -- microseconds to compile it
        created INTEGER NOT NULL,    -- microseconds since 1970, as the next one
        used INTEGER NOT NULL,
        hits INTEGER NOT NULL,
        pinned INTEGER NOT NULL,
        pieces INTEGER NOT NULL,     -- how many it was made of; 0: it was compiled as one; -1: it is a piece
        priority REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX entry_by_priority ON entry (priority) WHERE NOT pinned;
    CREATE INDEX entry_by_use ON entry (used) WHERE NOT pinned;
    CREATE INDEX entry_by_name ON entry (name, created);
    CREATE INDEX entry_pinned ON entry (key) WHERE pinned;
    CREATE TABLE alias (key BLOB PRIMARY KEY, target BLOB NOT NULL) WITHOUT ROWID;
    CREATE INDEX alias_by_target ON alias (target);
    -- Entries that were removed, the newest of them.
    CREATE TABLE gone (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        why INTEGER NOT NULL,
        time INTEGER NOT NULL,
        cost INTEGER NOT NULL
    );
";

/// The counters of what there is, which a scan computes.
const OF_FILES: &str = "'bytes', 'entries', 'aliases', 'pieces'";

/// An open index.
pub struct Index {
    pub(super) db: Connection,
    pub(super) directory: Arc<Directory>,
    pub(super) root: Arc<Root>,
    /// Whether it knows the counters. An index made from the files alone does not.
    pub(super) has_history: bool,
}

impl Index {
    /// Opens the index, or creates an empty one. The caller holds the lock for maintenance.
    pub fn open(directory: &Arc<Directory>, root: &Arc<Root>) -> Result<Index> {
        check_files(root)?;
        Index::open_file(directory, root)
    }

    fn open_file(directory: &Arc<Directory>, root: &Arc<Root>) -> Result<Index> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // SQLite opens by path, while everything else uses the directory that was opened and is trusted.
        if !root.is_at(directory.path()) {
            return Err(Errno::STALE.into());
        }
        // SQLite's own locks are not to be held by another thread when a process forks.
        fork::guard(|| {
            let db = Connection::open_with_flags(directory.path().join(INDEX), flags)?;
            // The writer holds the lock for maintenance, so others are in the way only for moments.
            db.busy_timeout(Duration::from_secs(1))?;
            // Nothing waits for the disk: if a power cut costs the index, it is rebuilt.
            db.execute_batch("PRAGMA synchronous = OFF;")?;
            let index = Index::prepare(db, directory, root)?;
            if index.db.is_readonly("main")? && is_writable(root) {
                return Err(not_ours(None));
            }
            Ok(index)
        })
        .into_inner()
    }

    /// Opens an index for queries. The caller need not hold the lock.
    pub fn open_existing(directory: &Arc<Directory>, root: &Arc<Root>) -> Result<Index> {
        check_files(root)?;
        Index::open_file(directory, root)
    }

    pub(super) fn prepare(
        db: Connection,
        directory: &Arc<Directory>,
        root: &Arc<Root>,
    ) -> Result<Index> {
        db.execute_batch(
            "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -8000; PRAGMA mmap_size = 0;",
        )?;
        // A file that somebody else wrote must not make SQLite run anything.
        for (option, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        ] {
            db.set_db_config(option, on)?;
        }
        // Not WAL: its index is shared memory, and a signal in the host when the disk is full. Each connection asks.
        let _: String = db.query_row("PRAGMA journal_mode = TRUNCATE", [], |row| row.get(0))?;
        let version: i32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if (VERSION + 1..=VERSION + MOST_LATER_VERSIONS).contains(&version) {
            return Err(IndexError::Newer(version));
        }
        if version != VERSION {
            let tables: i64 =
                db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables > 0 {
                // Of another version, or only half created.
                return Err(not_ours(None));
            }
            db.execute_batch(&format!(
                "BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"
            ))?;
        }
        db.set_prepared_statement_cache_capacity(64);
        Ok(Index {
            db,
            directory: directory.clone(),
            root: root.clone(),
            has_history: true,
        })
    }

    /// Forgets what a scan finds, so that the next scan starts from nothing. The counters and the position in the journal
    /// stay. It is one transaction, so nothing is lost or counted twice if the process is killed.
    ///
    /// The file stays, because others may have it open. A broken one is an error.
    pub fn reset(&mut self) -> Result<()> {
        let state: String = self
            .db
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if state != "ok" {
            return Err(not_ours(Some(state)));
        }
        // Saved, because the files do not tell when they were used.
        self.db.execute_batch(
            "DROP TABLE IF EXISTS temp.uses;
             CREATE TEMP TABLE uses (key BLOB PRIMARY KEY, used INTEGER, hits INTEGER, priority REAL) WITHOUT ROWID;
             INSERT INTO uses SELECT key, used, hits, priority FROM entry;",
        )?;
        self.transaction(|index| {
            index.db.execute_batch(
                "DELETE FROM entry; DELETE FROM alias; DELETE FROM compiler;
                 DELETE FROM meta WHERE name IN ('scanned', 'scan_next');",
            )?;
            index
                .db
                .execute_batch(&format!("DELETE FROM counter WHERE name IN ({OF_FILES})"))?;
            Ok(())
        })
    }

    /// Restores the uses that [`Index::reset`] saved, for the entries that were found again.
    pub fn restore_uses(&mut self) -> Result<()> {
        self.transaction(|index| {
            index.db.execute_batch(
                "UPDATE entry SET used = uses.used, hits = uses.hits, priority = uses.priority
                     FROM temp.uses WHERE uses.key = entry.key;",
            )?;
            Ok(())
        })?;
        self.db.execute_batch("DROP TABLE temp.uses;")?;
        Ok(())
    }

    /// Removes the index, so that it is rebuilt. The caller holds the lock for maintenance.
    pub fn remove(root: &Root) {
        remove_files(root);
    }

    pub(super) fn meta<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<Option<T>> {
        let mut select = self
            .db
            .prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        let mut rows = select.query([name])?;
        Ok(match rows.next()? {
            Some(row) => Some(row.get(0)?),
            None => None,
        })
    }

    pub(super) fn set_meta(&self, name: &str, value: impl rusqlite::ToSql) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
            .execute(rusqlite::params![name, value])?;
        Ok(())
    }

    pub(super) fn counter(&self, name: &str) -> Result<u64> {
        let mut select = self
            .db
            .prepare_cached("SELECT value FROM counter WHERE name = ?1")?;
        let mut rows = select.query([name])?;
        Ok(match rows.next()? {
            Some(row) => unsigned(row.get(0)?),
            None => 0,
        })
    }

    pub(super) fn count(&self, name: &str, by: i64) -> Result<()> {
        if by != 0 {
            self.db
                .prepare_cached(
                    "INSERT INTO counter VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                )?
                .execute(rusqlite::params![name, by])?;
        }
        Ok(())
    }

    /// The counters, except those that a scan computes.
    pub fn counters(&self) -> Result<Vec<(String, i64)>> {
        let mut select = self.db.prepare_cached(&format!(
            "SELECT name, value FROM counter WHERE name NOT IN ({OF_FILES})"
        ))?;
        let counters = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(counters.collect::<std::result::Result<_, _>>()?)
    }

    pub fn set_counters(&mut self, counters: &[(String, i64)]) -> Result<()> {
        self.transaction(|index| {
            counters
                .iter()
                .try_for_each(|(name, value)| index.count(name, *value))
        })
    }

    /// How many bytes and entries there are.
    pub fn totals(&self) -> Result<(u64, u64)> {
        Ok((self.counter("bytes")?, self.counter("entries")?))
    }

    /// Runs `body` as one transaction.
    pub(super) fn transaction<T>(&mut self, body: impl FnOnce(&Index) -> Result<T>) -> Result<T> {
        // A forked child must not inherit SQLite's locks.
        let _pass = fork::guard(|| ());
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let result = body(self);
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        match (result, self.db.execute_batch(end)) {
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(error)) => {
                let _ = self.db.execute_batch("ROLLBACK");
                Err(error.into())
            }
            (Err(error), _) => Err(error),
        }
    }

    pub fn warning(&self, error: &IndexError) -> Warning {
        self.directory.warning_at(INDEX, error)
    }
}

/// Whether the system lets this process write the index. Nothing is opened: see [`Root::check_own_file`].
fn is_writable(root: &Root) -> bool {
    let (folder, name) = INDEX.rsplit_once('/').unwrap_or((".", INDEX));
    root.existing_folder(folder).is_ok_and(|folder| {
        folder.is_some_and(|folder| {
            rustix::fs::accessat(folder, name, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
        })
    })
}

/// SQLite stores signed integers. No length or time here is too large for one.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The database and the files that SQLite puts beside it.
const FILES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Removes what is not a file of ours, because SQLite would follow a link.
fn check_files(root: &Root) -> Result<()> {
    for suffix in FILES {
        let path = format!("{INDEX}{suffix}");
        match root.check_own_file(&path) {
            Ok(()) | Err(OpenError::Io(Errno::NOENT)) => {}
            Err(error) if error.is_foreign() && root.discard(&path) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn remove_files(root: &Root) {
    for suffix in FILES {
        let _ = root.unlink(&format!("{INDEX}{suffix}"));
    }
}
