//! A cache of its own for each test, and bundles made by hand.

use super::super::export::{Exported, export};
use super::super::format::{Item, MAGIC, TAIL_LEN, WITHOUT_INDEX};
use super::super::fuzz::seal;
use super::super::import::{Imported, import};
use super::super::read::list;
use crate::cache::directory::{Directory, Owner, Root, TEMPORARY, alias_path, entry_path};
use crate::cache::entry::{self, Kind};
use crate::cache::file;
use crate::cache::key::Key;
use crate::cache::manifest::Manifest;
use crate::cache::trust::{Signer, Trust};
use crate::error::{Error, Status};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A cache in a folder of its own, which bundles may lie in too.
pub(in crate::cache::bundle) struct Cache {
    pub folder: tempfile::TempDir,
    pub root: Arc<Root>,
}

impl Cache {
    pub fn new() -> Cache {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path().join("cache"), Owner::User);
        let root = directory.create().expect("a cache");
        Cache { folder, root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path("cache").join(path)).ok()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        file::publish(&self.root, path, &[bytes], false).expect("it is written");
    }

    pub fn add(&self, number: u8, signer: Option<&Signer>) -> Key {
        let (key, bytes) = entry_file(number, signer);
        self.write(&entry_path(&key), &bytes);
        key
    }

    pub fn add_alias(&self, number: u8, target: &Key) -> Key {
        let key = Key([number; 32]);
        self.write(&alias_path(&key), &entry::encode_alias(&key, target, None));
        key
    }

    pub fn import(&self, name: &str, trust: Option<&Trust>) -> Result<Imported, Error> {
        import(&self.path(name), &self.root, trust, false, &mut |_, _| true)
    }

    pub fn export(
        &self,
        keys: &[Key],
        aliases: &[(Key, Key)],
        signer: Option<&Signer>,
    ) -> Exported {
        let to = self.path("bundle");
        export(&self.root, keys, aliases, None, signer, &to, &mut |_, _| {
            true
        })
        .expect("an export")
    }

    /// How many files there are, and how many of them have no name yet.
    pub fn count(&self) -> (usize, usize) {
        let count = |path: PathBuf| std::fs::read_dir(path).expect("a folder").count();
        let entries = self.path("cache").join("v4/entries");
        let folders = std::fs::read_dir(entries).expect("a folder");
        let files = folders.flatten().map(|folder| count(folder.path())).sum();
        (files, count(self.path("cache").join(TEMPORARY)))
    }

    /// Imports what must not be, and checks that nothing is left of it.
    #[track_caller]
    pub fn refuse(&self, bytes: &[u8], status: Status, says: &[&str]) -> String {
        // Some file systems wait for the disk when a file is cut and written again.
        let _ = std::fs::remove_file(self.path("bad"));
        std::fs::write(self.path("bad"), bytes).expect("write");
        let before = self.count();
        let error = self.import("bad", None).expect_err("it is refused");
        assert_eq!(self.count(), before, "{error}");
        let message = error.message;
        assert_eq!(error.status, status, "{message}");
        for part in says {
            assert!(message.contains(part), "`{message}` does not say `{part}`");
        }
        let path = self.path("bad");
        assert!(message.contains(&path.display().to_string()), "{message}");
        message
    }
}

/// An entry file. Its image does not shrink to nothing.
pub(in crate::cache::bundle) fn entry_file(number: u8, signer: Option<&Signer>) -> (Key, Vec<u8>) {
    let key = Key([number; 32]);
    let mut image = vec![number; 100];
    blake3::Hasher::new()
        .update(&[number])
        .finalize_xof()
        .fill(&mut image[20..]);
    (key, entry_file_of(&key, &image, signer))
}

pub(in crate::cache::bundle) fn entry_file_of(
    key: &Key,
    image: &[u8],
    signer: Option<&Signer>,
) -> Vec<u8> {
    let mut manifest = Manifest::example("m");
    let encoded = entry::encode(key, image, b"object", Some(b"input"), &mut manifest, signer);
    let entry::Encoded {
        manifest,
        object,
        input,
        tail,
    } = encoded.expect("an entry encodes");
    [image, &manifest, &object, &input, &tail].concat()
}

/// A record with everything as it is told.
pub(in crate::cache::bundle) fn record(
    kind: u32,
    compression: u32,
    key: &Key,
    lens: (u64, u64),
    content: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&compression.to_le_bytes());
    bytes.extend_from_slice(&key.0);
    bytes.extend_from_slice(&lens.0.to_le_bytes());
    bytes.extend_from_slice(&lens.1.to_le_bytes());
    bytes.extend_from_slice(content);
    bytes
}

pub(in crate::cache::bundle) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("it compresses")
}

/// A record as an export of the first version wrote it.
pub(in crate::cache::bundle) fn honest(kind: Kind, key: &Key, file: &[u8]) -> Vec<u8> {
    let content = zstd(file);
    let lens = (file.len() as u64, content.len() as u64);
    record(kind as u32, 1, key, lens, &content)
}

/// A bundle of the first version, with a digest that is right.
pub(in crate::cache::bundle) fn bundle(count: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&WITHOUT_INDEX.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&records.concat());
    bytes.extend_from_slice(&[0; TAIL_LEN as usize]);
    seal(&mut bytes);
    bytes
}

pub(in crate::cache::bundle) fn items(path: &Path) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    list(path, &mut |item| items.push(item)).map(|()| items)
}
