//! A cache of its own for each test, whose entries hold arbitrary bytes.

use crate::cache::admin::Admin;
use crate::cache::index::{Filter, Stats};
use crate::cache::journal::MissReason;
use crate::cache::key::Key;
use crate::cache::manifest::Manifest;
use crate::cache::options::{Limits, Options};
use crate::cache::store::{Found, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub struct Cache {
    folder: Arc<TempDir>,
    pub options: Options,
    pub store: Store,
}

/// What the entries of [`Manifest::example`] are for.
pub const MACHINE: &str = "native 1";

impl Cache {
    pub fn new() -> Cache {
        Cache::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Options)) -> Cache {
        Cache::open(tempfile::tempdir().expect("a folder").into(), change)
    }

    /// The same cache, opened once more, with the usual options but for a change.
    pub fn again(&self, change: impl FnOnce(&mut Options)) -> Cache {
        Cache::open(self.folder.clone(), change)
    }

    fn open(folder: Arc<TempDir>, change: impl FnOnce(&mut Options)) -> Cache {
        let mut options = Options::example();
        change(&mut options);
        Cache {
            store: Store::new(folder.path().join("cache"), options.clone()),
            folder,
            options,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.store.directory().path().to_owned()
    }

    pub fn admin(&self) -> Admin {
        let store = Store::new(self.path(), self.options.clone());
        Admin::new(Some(store)).expect("the administration")
    }

    /// A miss, a compile of `cost` microseconds, and a store. The image has `len` bytes.
    pub fn put(&self, key: Key, name: &str, len: usize, cost: u64) {
        self.store.create_journal();
        self.store.record_miss(&key, MissReason::Absent);
        let mut manifest = manifest(name, key);
        manifest.about.times.optimise = cost;
        self.store
            .publish(&key, &vec![7; len], b"object", b"input", &mut manifest)
            .expect("it is stored");
        self.store.maintain().expect("no error");
    }

    pub fn hit(&self, key: &Key) -> bool {
        matches!(self.store.find(key, MACHINE), Found::Entry(_))
    }

    pub fn stats(&self) -> Stats {
        self.admin().stats().expect("statistics")
    }

    pub fn names(&self, filter: Filter) -> Vec<String> {
        let mut iter = self.admin().iter(filter).expect("a list");
        let mut names = Vec::new();
        while let Some(row) = iter.next().expect("an entry") {
            names.push(row.name);
        }
        names
    }
}

pub fn manifest(name: &str, key: Key) -> Manifest {
    let mut manifest = Manifest::example(name);
    manifest.about.parts.input = key.0;
    manifest
}

/// Puts a file of other bytes in the place of an entry, which is not to be written.
pub fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).expect("it was there");
    std::fs::write(path, bytes).expect("written");
}

pub fn key(number: u32) -> Key {
    // Spread over the folders.
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

pub fn nothing() -> Limits {
    Limits {
        max_bytes: 0,
        max_entries: 0,
        max_age: Duration::ZERO,
    }
}
