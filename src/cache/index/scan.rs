//! Compares the index with the files, folder by folder. The two disagree after a kill or a power cut, or if somebody
//! deleted or copied files by hand.

use super::database::Index;
use super::error::Result;
use super::evict::Why;
use crate::cache::directory::{ENTRIES, FOLDERS, OpenError, alias_path, entry_path};
use crate::cache::entry::{self, EntryError};
use crate::cache::key::Key;
use crate::clock;
use rustix::fs::{AtFlags, OFlags, Stat};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashSet};
use std::ffi::CStr;
use std::time::Instant;

/// Which of a folder's aliases are read. Reading all of them takes as long as everything else together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aliases {
    All,
    /// Those that are not in the index.
    Unknown,
}

/// With a folder's name appended: the row in `meta` that holds the folder's time when it was last compared.
const FOLDER: &str = "folder ";

/// A change this much later, in nanoseconds, gets another time than the one before, even where times are full seconds.
const SETTLED: i64 = 2_000_000_000;

/// How many folders one transaction compares.
const STEP: u16 = 16;

impl Index {
    /// Compares the next folder, and returns whether it was the last of a round. If there were more unknown entries than
    /// `deadline` left time for, the next call goes on with the same folder.
    pub fn scan_next(&mut self, deadline: Option<Instant>) -> Result<bool> {
        let folder: i64 = self.meta("scan_next")?.unwrap_or(0);
        let folder = u8::try_from(folder).unwrap_or(0);
        let last = u16::from(folder) == FOLDERS - 1;
        self.transaction(|index| {
            if !index.scan_folder(folder, deadline, Aliases::All)? {
                return Ok(false);
            }
            index.set_meta("scan_next", folder.wrapping_add(1))?;
            if last {
                index.set_meta("scanned", 1)?;
            }
            Ok(last)
        })
    }

    /// Whether every folder was compared since the index was created.
    pub fn is_complete(&self) -> Result<bool> {
        Ok(self.meta::<i64>("scanned")?.is_some())
    }

    /// Compares the folders that were not compared since the index was created.
    pub fn finish_scan(&mut self) -> Result<()> {
        while !self.is_complete()? {
            self.scan_next(None)?;
        }
        Ok(())
    }

    /// Compares the folders that changed since they were last compared, because files may come and go without a record. So
    /// answers match what is there.
    pub fn catch_up(&mut self) -> Result<()> {
        let mut changed: BTreeMap<u8, Option<i64>> = BTreeMap::new();
        let mut known = self.folder_times()?;
        if let Some(entries) = self.root.existing_folder(ENTRIES)? {
            for folder in rustix::fs::Dir::read_from(&entries)? {
                let folder = folder?;
                let name = folder.file_name();
                let Some(number) = folder_number(name) else {
                    continue;
                };
                let time = match rustix::fs::statat(&entries, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => modified(&stat),
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                };
                if known.remove(&number) != Some(time) {
                    changed.insert(number, Some(time));
                }
            }
        }
        // Those that were removed.
        changed.extend(known.into_keys().map(|folder| (folder, None)));
        for (folder, time) in changed {
            let before = i64::try_from(clock::now())
                .unwrap_or(i64::MAX)
                .saturating_mul(1000);
            self.transaction(|index| {
                index.scan_folder(folder, None, Aliases::Unknown)?;
                let name = format!("{FOLDER}{folder:02x}");
                let Some(time) = time else {
                    let mut delete = index
                        .db
                        .prepare_cached("DELETE FROM meta WHERE name = ?1")?;
                    delete.execute([name])?;
                    return Ok(());
                };
                // A change so shortly after another one may not change the time.
                let is_settled = time.saturating_add(SETTLED) < before;
                index.set_meta(&name, if is_settled { time } else { 0 })
            })?;
        }
        Ok(())
    }

    /// The time of each folder when it was last compared, in nanoseconds since 1970.
    fn folder_times(&self) -> Result<BTreeMap<u8, i64>> {
        let mut select = self
            .db
            .prepare_cached("SELECT name, value FROM meta WHERE name BETWEEN ?1 AND ?1 || 'z'")?;
        let mut rows = select.query([FOLDER])?;
        let mut times = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let digits = name.trim_start_matches(FOLDER);
            if let Ok(folder) = u8::from_str_radix(digits, 16) {
                times.insert(folder, row.get(1)?);
            }
        }
        Ok(times)
    }

    /// Removes all entries; pinned ones only if `pinned_too`. `progress` is as for [`Index::scan_all`].
    pub fn clear(
        &mut self,
        pinned_too: bool,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<()> {
        self.each_folder(progress, |index, folder| {
            index.scan_folder(folder, None, Aliases::All)?;
            for key in index.keys_in(folder, "entry")? {
                let pinned = index.entry(&key)?.is_some_and(|row| row.pinned);
                if pinned_too || !pinned {
                    index.take(&key, Why::Removed)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Compares all folders. `progress` gets the numbers of folders that are done and of all; it returns whether to go on.
    pub fn scan_all(&mut self, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<()> {
        if self.each_folder(progress, |index, folder| {
            index.scan_folder(folder, None, Aliases::All).map(drop)
        })? {
            self.set_meta("scanned", 1)?;
        }
        Ok(())
    }

    /// Runs `body` on each folder, on several in each transaction. Returns whether it reached the last.
    fn each_folder(
        &mut self,
        progress: &mut dyn FnMut(u64, u64) -> bool,
        body: impl Fn(&Index, u8) -> Result<()>,
    ) -> Result<bool> {
        for first in (0..FOLDERS).step_by(STEP.into()) {
            let end = first + STEP;
            self.transaction(|index| {
                (first..end).try_for_each(|folder| body(index, folder as u8))
            })?;
            if !progress(end.into(), FOLDERS.into()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether all was compared before the deadline.
    fn scan_folder(&self, folder: u8, deadline: Option<Instant>, checked: Aliases) -> Result<bool> {
        let mut missing: HashSet<Key> = self.keys_in(folder, "entry")?;
        let mut missing_aliases: HashSet<Key> = self.keys_in(folder, "alias")?;
        let mut aliases = Vec::new();
        if let Some(directory) = self
            .root
            .existing_folder(&format!("{ENTRIES}/{folder:02x}"))?
        {
            let mut files = rustix::fs::Dir::new(directory)?;
            while let Some(file) = files.read() {
                let file = file?;
                let Some((name, extension)) = file
                    .file_name()
                    .to_str()
                    .ok()
                    .and_then(|name| name.split_once('.'))
                else {
                    continue;
                };
                // Files with other names are left alone.
                let Some(key) = Key::parse(&format!("{folder:02x}{name}")) else {
                    continue;
                };
                match extension {
                    "so" if !missing.remove(&key) => {
                        self.adopt_or_remove(&key)?;
                        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                            return Ok(false);
                        }
                    }
                    "alias" if !missing_aliases.remove(&key) || checked == Aliases::All => {
                        aliases.push(key);
                    }
                    _ => {}
                }
            }
        }
        for key in &missing {
            self.forget_as(key, Why::Vanished)?;
        }
        for key in &missing_aliases {
            self.forget_alias(key)?;
        }
        for key in &aliases {
            self.check_alias(key)?;
        }
        Ok(true)
    }

    /// Handles a file that the index does not know: an entry, or what a power cut left of one.
    fn adopt_or_remove(&self, key: &Key) -> Result<()> {
        let path = entry_path(key);
        let Ok(file) = self.root.open_file(&path, OFlags::RDONLY) else {
            return Ok(());
        };
        match entry::peek(&file, key) {
            Ok(_) => {
                self.adopt(key, 0, None)?;
            }
            // Of another version, or on a disk that cannot be read: it is left alone.
            Err(EntryError::Version(_) | EntryError::Io(_)) => {}
            Err(_) => {
                let _ = self.root.unlink(&path);
            }
        }
        Ok(())
    }

    /// Removes an alias without an entry.
    fn check_alias(&self, key: &Key) -> Result<()> {
        let path = alias_path(key);
        let Ok(file) = self.root.open_file(&path, OFlags::RDONLY) else {
            return Ok(());
        };
        let target = match entry::read_alias(&file, key, None) {
            Ok(target) => Some(target),
            Err(EntryError::Version(_) | EntryError::Io(_)) => return Ok(()),
            Err(_) => None,
        };
        let gone = |target: &Key| {
            matches!(
                self.root.open_file(&entry_path(target), OFlags::RDONLY),
                Err(OpenError::Io(Errno::NOENT))
            )
        };
        if target.as_ref().is_none_or(gone) {
            let _ = self.root.unlink(&path);
            return self.forget_alias(key);
        }
        self.adopt_alias(key)
    }

    fn forget_alias(&self, key: &Key) -> Result<()> {
        let removed = self
            .db
            .prepare_cached("DELETE FROM alias WHERE key = ?1")?
            .execute([&key.0])?;
        self.count("aliases", -(removed as i64))
    }

    /// The keys of a table that begin with this byte.
    fn keys_in(&self, folder: u8, table: &str) -> Result<HashSet<Key>> {
        let mut first = [0; 32];
        let mut last = [0xff; 32];
        (first[0], last[0]) = (folder, folder);
        let mut select = self.db.prepare_cached(&format!(
            "SELECT key FROM {table} WHERE key BETWEEN ?1 AND ?2"
        ))?;
        let keys = select
            .query_map([&first, &last], |row| row.get(0).map(Key))?
            .collect::<std::result::Result<_, _>>()?;
        Ok(keys)
    }
}

fn folder_number(name: &CStr) -> Option<u8> {
    let name = name.to_str().ok().filter(|name| name.len() == 2)?;
    u8::from_str_radix(name, 16).ok()
}

/// Nanoseconds since 1970.
fn modified(stat: &Stat) -> i64 {
    stat.st_mtime
        .saturating_mul(1_000_000_000)
        .saturating_add(stat.st_mtime_nsec as i64)
}
