//! Administration of a cache: lists, statistics, and changes. Needs no executor and no server.

use super::bundle;
use super::directory::{Directory, INDEX, OpenError, Root, VERSION, pin_path};
use super::entry::{Entry, EntryError, Kind, check_origin};
use super::file;
use super::index::{Filter, Index, IndexError, Row, Stats, Why};
use super::journal::{Journal, MissReason};
use super::key::Key;
use super::list::Iter;
use super::maintain::{self, Maintenance};
use super::manifest::Manifest;
use super::options::{Limits, Options};
use super::store::Store;
use super::warning::Warning;
use crate::error::{Error, Status};
use crate::fork;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a change waits for another process to finish its own.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a query waits for the lock. Without it, the query is answered from what was folded last.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// Progress callback: `done` of `total`. Returns whether to go on.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// A cache to ask about and to change.
pub struct Admin {
    store: Store,
}

/// Entries, and aliases with their entries.
pub type Chosen = (Vec<Key>, Vec<(Key, Key)>);

/// Everything known about one entry.
#[derive(Debug)]
pub struct Details {
    pub row: Row,
    pub manifest: Manifest,
    pub aliases: Vec<Key>,
    pub entry: Entry,
}

impl Admin {
    /// Administers the cache that a configuration asks for, if it asks for one.
    pub fn new(store: Option<Store>) -> Result<Admin, Error> {
        let store = store.ok_or_else(|| {
            Error::new(
                Status::Cache,
                "there is no cache: its mode is off, or none of MGENJIT_CACHE_DIR, XDG_CACHE_HOME and HOME is set",
            )
        })?;
        Ok(Admin { store })
    }

    pub fn path(&self) -> &Path {
        self.store.directory().path()
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The path of an entry's file.
    pub fn entry_path(&self, key: &Key) -> PathBuf {
        self.path().join(super::directory::entry_path(key))
    }

    /// Writes entries and their aliases to a bundle. A key may be an alias.
    pub fn export(&self, path: &Path, keys: &[Key], progress: Progress<'_>) -> Result<(), Error> {
        // The bundle is renamed into place, which would replace a device or a link by a file.
        if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::new(
                Status::Io,
                format!(
                    "{} exists and is not a regular file: nothing was written",
                    path.display()
                ),
            ));
        }
        let root = self.root()?;
        let (entries, aliases) = self.chosen(&root, keys)?;
        let Options { trust, signer, .. } = self.store.options();
        // Only what is trusted here is passed on, perhaps with our signature.
        let (trust, signer) = (trust.as_deref(), signer.as_deref());
        bundle::export(&root, &entries, &aliases, trust, signer, path, progress)?;
        Ok(())
    }

    /// The entries of keys, each once, and their aliases: each with its entry.
    pub fn chosen(&self, root: &Root, keys: &[Key]) -> Result<Chosen, Error> {
        let mut entries = Vec::new();
        let mut aliases = HashSet::new();
        let mut seen = HashSet::new();
        for key in keys {
            let target = self.target(root, key)?;
            if target != *key {
                aliases.insert((*key, target));
            }
            if !seen.insert(target) {
                continue;
            }
            entries.push(target);
        }
        let others = self.ask(|index| {
            let of_each = entries
                .iter()
                .map(|target| Ok((*target, index.aliases(target)?)));
            of_each.collect::<Result<Vec<_>, IndexError>>()
        })?;
        for (target, others) in others {
            aliases.extend(others.into_iter().map(|alias| (alias, target)));
        }
        let mut aliases: Vec<(Key, Key)> = aliases.into_iter().collect();
        // The same entries make the same bundle.
        aliases.sort_unstable();
        Ok((entries, aliases))
    }

    /// Stores a bundle's entries. Returns how many.
    pub fn import(&self, path: &Path, progress: Progress<'_>) -> Result<u64, Error> {
        self.check_writable()?;
        let root = self
            .directory()
            .create()
            .map_err(|warning| self.warning(&warning))?;
        self.store.create_journal();
        let options = self.store.options();
        // Keeps a sweep from removing unpacked files that have no name in the cache yet.
        let lock = match self.place(&root) {
            Place::Memory => None,
            Place::Disk => Some(
                self.lock(&root, CHANGE_TIMEOUT)?
                    .ok_or_else(|| self.is_busy())?,
            ),
        };
        let imported = bundle::import(
            path,
            &root,
            options.trust.as_deref(),
            options.sync,
            progress,
        )?;
        let mut count = 0;
        for item in &imported.new {
            match item.kind {
                Kind::Entry => {
                    count += 1;
                    self.store.record_import(&item.key, item.len);
                }
                Kind::Alias => self.store.record_alias(&item.key),
            }
        }
        drop(lock);
        self.store
            .maintain()
            .map_err(|warning| self.warning(&warning))?;
        Ok(count)
    }

    /// The key itself if it has an entry, else the key that it is an alias of.
    fn target(&self, root: &Root, key: &Key) -> Result<Key, Error> {
        match root.open_file(&super::directory::entry_path(key), OFlags::RDONLY) {
            Err(OpenError::Io(Errno::NOENT)) => {}
            _ => return Ok(*key),
        }
        let path = super::directory::alias_path(key);
        match root.open_file(&path, OFlags::RDONLY) {
            Ok(file) => {
                let trust = self.store.options().trust.as_deref();
                super::entry::read_alias(&file, key, trust)
                    .map_err(|error| self.damaged(key, &error))
            }
            Err(_) => Err(self.no_entry(key)),
        }
    }

    pub fn stats(&self) -> Result<Stats, Error> {
        self.ask(Index::stats)
    }

    /// The index, for queries. The journal was folded into it.
    pub fn index(&self) -> Result<Index, Error> {
        let root = self.root()?;
        if let Some(lock) = self.lock(&root, QUERY_TIMEOUT)? {
            // Opened again after the lock is released: queries need no lock.
            let index = self
                .with_index(&root, &lock, |_| Ok(()))
                .and_then(|()| Index::open_existing(self.directory(), &root));
            return match index {
                // The disk is full: most can be read from the files.
                Err(error) if error.is_unwritable() => Index::in_memory(self.directory(), &root),
                other => other,
            }
            .map_err(|error| self.error(&error));
        }
        let index = match self.place(&root) {
            // Another process holds the lock for long: use what was folded last, or the files.
            Place::Disk => Index::open_existing(self.directory(), &root)
                .or_else(|_| Index::in_memory(self.directory(), &root)),
            Place::Memory => Index::in_memory(self.directory(), &root),
        };
        index.map_err(|error| self.error(&error))
    }

    /// Runs a query. If the index turns out to be broken, the query is repeated with a new one.
    pub(super) fn ask<T>(
        &self,
        body: impl Fn(&Index) -> Result<T, IndexError>,
    ) -> Result<T, Error> {
        match body(&self.index()?) {
            Err(error) if error.is_corrupt() => {
                let root = self.root()?;
                if maintain::discard_index(&root) {
                    body(&self.index()?)
                } else {
                    Index::of_files(self.directory(), &root).and_then(|index| body(&index))
                }
            }
            other => other,
        }
        .map_err(|error| self.error(&error))
    }

    /// The entries that a filter lets through, in the order of their keys.
    pub fn iter(&self, filter: Filter) -> Result<Iter, Error> {
        let index = self.index()?;
        let directory = self.directory().clone();
        Ok(Iter::new(index, directory, self.root()?, filter))
    }

    /// The only entry whose key begins with these digits; if there is none, the only one with such an alias.
    pub fn resolve(&self, prefix: &str) -> Result<Key, Error> {
        let range = Key::range(prefix).filter(|_| !prefix.is_empty());
        let Some((first, last)) = range else {
            return Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "`{prefix}` is not a key: give its 64 hexadecimal digits, or the first of them"
                ),
            ));
        };
        let keys = self.ask(|index| {
            let keys = index.keys_between(&first, &last)?;
            if keys.is_empty() {
                return index.targets_between(&first, &last);
            }
            Ok(keys)
        })?;
        match keys[..] {
            [key] => Ok(key),
            [] => Err(Error::new(
                Status::NotFound,
                format!(
                    "{} has no entry whose key begins with {prefix}",
                    self.path().display()
                ),
            )),
            [one, other, ..] => Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "more than one key begins with {prefix}, such as {one} and {other}: give more digits"
                ),
            )),
        }
    }

    /// Looks at an entry, by its key or by an alias.
    pub fn details(&self, key: &Key) -> Result<Details, Error> {
        let key = &self.target(&*self.root()?, key)?;
        let (row, aliases) = self.ask(|index| Ok((index.entry(key)?, index.aliases(key)?)))?;
        let entry = self.open_entry(key)?;
        let (Some(row), Some(entry)) = (row, entry) else {
            return Err(self.no_entry(key));
        };
        let manifest = entry
            .manifest
            .decode()
            .map_err(|error| self.damaged(key, &error))?;
        Ok(Details {
            row,
            manifest,
            aliases,
            entry,
        })
    }

    fn open_entry(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.store.reopen(key).map_err(|(reason, warning)| {
            let status = match reason {
                MissReason::Untrusted => Status::Untrusted,
                _ => Status::Damaged,
            };
            Error::new(status, warning.0)
        })
    }

    /// Removes an entry, given its key or an alias.
    pub fn remove(&self, key: &Key) -> Result<(), Error> {
        let key = &self.target(&*self.root()?, key)?;
        let removed = self.change(|index| index.remove_entry(key, Why::Removed))?;
        if !removed {
            return Err(self.no_entry(key));
        }
        Ok(())
    }

    /// A pinned entry is not evicted, whatever the limits.
    pub fn pin(&self, key: &Key, pinned: bool) -> Result<(), Error> {
        self.check_writable()?;
        let root = self.root()?;
        let key = &self.target(&root, key)?;
        if pinned && self.open_entry(key)?.is_none() {
            return Err(self.no_entry(key));
        }
        // A file, so that a rebuilt index knows it.
        let path = pin_path(key);
        let mark = || {
            if pinned {
                file::publish(&root, &path, &[], self.store.options().sync)
            } else {
                match root.unlink(&path) {
                    Ok(()) | Err(Errno::NOENT) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
        };
        let mut marked = Ok(());
        // Under the lock, so that the entry is not evicted in between.
        let known = self.change(|index| {
            marked = mark();
            index.set_pinned(key, pinned)
        })?;
        marked.map_err(|error| self.warning(&self.directory().warning_at(&path, error)))?;
        if !known && self.open_entry(key)?.is_none() {
            return Err(self.no_entry(key));
        }
        Ok(())
    }

    /// Removes entries until the limits hold. Pinned ones stay.
    pub fn trim(&self, limits: &Limits, progress: Progress<'_>) -> Result<(), Error> {
        let root = self.root()?;
        self.change(|index| {
            index.finish_scan()?;
            let (_, before) = index.totals()?;
            loop {
                let more = index.evict_some(limits)?;
                let (_, left) = index.totals()?;
                let removed = before.saturating_sub(left);
                // Only at the end is it known how many had to go.
                if !progress(removed, if more { before } else { removed }) || !more {
                    break;
                }
            }
            // Under the lock, so that nobody else imports: unpacked files would look like leftovers.
            maintain::sweep(&root, SystemTime::now());
            Ok(())
        })
    }

    /// Removes all entries except pinned ones, and the folders of older versions of this library.
    pub fn clear(&self, pinned_too: bool, progress: Progress<'_>) -> Result<(), Error> {
        let root = self.root()?;
        self.change(|index| {
            index.clear(pinned_too, progress)?;
            maintain::sweep(&root, SystemTime::now());
            Ok(())
        })?;
        self.remove_older_versions();
        Ok(())
    }

    /// Folders of newer versions are left alone.
    fn remove_older_versions(&self) {
        let ours: u32 = VERSION.trim_start_matches('v').parse().unwrap_or(0);
        for version in 1..ours {
            let _ = std::fs::remove_dir_all(self.path().join(format!("v{version}")));
        }
    }

    /// Rebuilds the index from the entries. The counters are kept if they can be read.
    pub fn rebuild(&self, progress: Progress<'_>) -> Result<(), Error> {
        self.check_writable()?;
        let root = self.root()?;
        if let Ok(None) = root.existing_folder(VERSION) {
            return Ok(());
        }
        let lock = self.lock(&root, CHANGE_TIMEOUT)?;
        let Some(lock) = lock else {
            return Err(Error::new(
                Status::Cache,
                format!(
                    "{} has no index: it is read-only or on a network file system, or the configuration turns the index off",
                    self.path().display()
                ),
            ));
        };
        let mut counters = None;
        maintain::with_index(self.directory(), &root, |index| {
            let known = index.counters().unwrap_or_default();
            match &counters {
                None => counters = Some(known),
                // The index was broken, and this is a new one.
                Some(counters) if known.is_empty() => index.set_counters(counters)?,
                Some(_) => {}
            }
            index.reset()?;
            index.scan_all(progress)?;
            index.restore_uses()?;
            index.fold(&Journal::open_or_create(&root)?)
        })
        .map_err(|error| self.error(&error))?;
        drop(lock);
        Ok(())
    }

    /// Checks all bytes of an entry, attachments included, and that its content has its key.
    pub fn verify(&self, key: &Key) -> Result<(), Error> {
        let key = &self.target(&*self.root()?, key)?;
        let entry = self.open_entry(key)?.ok_or_else(|| self.no_entry(key))?;
        entry
            .verify_attachments()
            .and_then(|()| entry.manifest.decode_about())
            .and_then(|about| fork::guard(|| check_origin(&entry, &about)).into_inner())
            .map_err(|error| self.damaged(key, &error))
    }

    fn directory(&self) -> &Arc<Directory> {
        self.store.directory()
    }

    pub fn root(&self) -> Result<Arc<Root>, Error> {
        self.open_root()?.ok_or_else(|| {
            Error::new(
                Status::NotFound,
                format!(
                    "there is no cache at {}: nothing was stored there yet",
                    self.path().display()
                ),
            )
        })
    }

    pub(super) fn open_root(&self) -> Result<Option<Arc<Root>>, Error> {
        // The open directory may have been deleted and created again.
        self.directory().close();
        self.directory()
            .open()
            .map_err(|warning| self.warning(&warning))
    }

    fn place(&self, root: &Root) -> Place {
        let options = self.store.options();
        if !options.index || !options.writable || root.is_remote() {
            return Place::Memory;
        }
        // If nothing was stored yet, there is no index either.
        let there = root
            .existing_folder(VERSION)
            .is_ok_and(|folder| folder.is_some());
        if there && maintain::keeps_index(root) {
            Place::Disk
        } else {
            Place::Memory
        }
    }

    /// The lock for maintenance; `None` if this cache has no index on disk, or if the wait timed out.
    fn lock(&self, root: &Root, timeout: Duration) -> Result<Option<Maintenance>, Error> {
        match self.place(root) {
            Place::Memory => Ok(None),
            Place::Disk => Maintenance::acquire(root, timeout).map_err(|error| self.error(&error)),
        }
    }

    /// Runs `body` on the index. The journal is folded before and after.
    fn with_index<T>(
        &self,
        root: &Arc<Root>,
        _lock: &Maintenance,
        mut body: impl FnMut(&mut Index) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        maintain::with_index(self.directory(), root, |index| {
            let journal = Journal::open_or_create(root)?;
            index.fold(&journal)?;
            index.finish_scan()?;
            index.catch_up()?;
            let result = body(index)?;
            index.fold(&journal)?;
            Ok(result)
        })
    }

    /// As [`Admin::with_index`], and takes the lock. Where there is no index on disk, it uses a temporary one in memory.
    fn change<T>(
        &self,
        mut body: impl FnMut(&mut Index) -> Result<T, IndexError>,
    ) -> Result<T, Error> {
        self.check_writable()?;
        let root = self.root()?;
        match self.place(&root) {
            Place::Memory => Index::in_memory(self.directory(), &root)
                .and_then(|mut index| body(&mut index))
                .map_err(|error| self.error(&error)),
            Place::Disk => match self.lock(&root, CHANGE_TIMEOUT)? {
                Some(lock) => match self.with_index(&root, &lock, &mut body) {
                    // Room can be made even if the disk is full.
                    Err(error) if error.is_unwritable() => {
                        Index::in_memory(self.directory(), &root)
                            .and_then(|mut index| body(&mut index))
                    }
                    other => other,
                }
                .map_err(|error| self.error(&error)),
                None => Err(self.is_busy()),
            },
        }
    }

    fn check_writable(&self) -> Result<(), Error> {
        if self.store.options().writable {
            return Ok(());
        }
        Err(Error::new(
            Status::Cache,
            format!(
                "{} cannot be changed: the configuration's cache mode is read-only",
                self.path().display()
            ),
        ))
    }

    fn is_busy(&self) -> Error {
        Error::new(
            Status::Cache,
            format!(
                "another process has been working on {} for {} seconds: try again later",
                self.path().display(),
                CHANGE_TIMEOUT.as_secs()
            ),
        )
    }

    fn error(&self, error: &IndexError) -> Error {
        self.warning(&self.directory().warning_at(INDEX, error))
    }

    fn warning(&self, warning: &Warning) -> Error {
        Error::new(Status::Cache, warning.0.clone())
    }

    fn damaged(&self, key: &Key, error: &EntryError) -> Error {
        let path = super::directory::entry_path(key);
        Error::new(Status::Damaged, self.directory().warning_at(&path, error).0)
    }

    fn no_entry(&self, key: &Key) -> Error {
        Error::new(
            Status::NotFound,
            format!("{} has no entry with the key {key}", self.path().display()),
        )
    }
}

/// Where a cache's index is.
enum Place {
    Disk,
    /// Nowhere: it is made of the files when it is needed.
    Memory,
}
