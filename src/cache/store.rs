//! Find and publish entries.

use super::directory::{Directory, TEMPORARY, entry_path, object_path};
use super::entry::{self, Entry};
use super::key::Key;
use super::lock::{Lock, Outcome};
use super::manifest::{Manifest, StoredObject};
use crate::compile::transport;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Something is wrong with the cache. It costs time, never a result.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

/// How much an object may shrink is worth less than the time it takes: it is written on every miss, and read
/// only for export.
const ZSTD_LEVEL: i32 = 1;

/// A cache on disk.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
}

impl Store {
    pub fn new(path: PathBuf) -> Store {
        Store {
            directory: Directory::new(path),
        }
    }

    /// The entry of `key`, verified just now; `None` if there is none.
    pub fn find(&self, key: &Key) -> Result<Option<Entry>, Trouble> {
        let Some(root) = self.directory.open()? else {
            return Ok(None);
        };
        let path = entry_path(key);
        // NONBLOCK: a FIFO in an entry's place must not block.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&*root, path.as_str(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.trouble(&path, error)),
        };
        Entry::verify(File::from(file), key)
            .map(Some)
            .map_err(|error| self.trouble(&path, error))
    }

    /// Takes the lock that whoever compiles `key` holds.
    pub fn lock(&self, key: &Key, timeout: Duration) -> Result<Outcome, Trouble> {
        Lock::acquire(&self.directory, key, timeout)
    }

    /// Stores an image and the object it was made of. Returns the entry's length.
    pub fn publish(
        &self,
        key: &Key,
        image: &[u8],
        object: &[u8],
        manifest: &mut Manifest,
    ) -> Result<u64, Trouble> {
        let root = self.directory.create(key)?;
        let compressed = zstd::bulk::compress(object, ZSTD_LEVEL)
            .map_err(|error| self.trouble("an object", error))?;
        // The object first: an entry that names an object finds it.
        self.write(root.as_fd(), &object_path(key), &[&compressed])?;
        manifest.object = Some(StoredObject {
            len: object.len() as u64,
            compressed_len: compressed.len() as u64,
            digest: *blake3::hash(&compressed).as_bytes(),
        });
        let tail =
            entry::tail(key, image, manifest).map_err(|error| self.trouble("a manifest", error))?;
        self.write(root.as_fd(), &entry_path(key), &[image, &tail])?;
        Ok((image.len() + tail.len()) as u64)
    }

    /// Writes a file under a temporary name and gives it its own once it is whole.
    fn write(
        &self,
        root: std::os::fd::BorrowedFd<'_>,
        path: &str,
        parts: &[&[u8]],
    ) -> Result<(), Trouble> {
        let (temporary, file) = self.create_temporary(root)?;
        let written = write_all(file, parts).and_then(|()| {
            rustix::fs::renameat(root, temporary.as_str(), root, path).map_err(Into::into)
        });
        if let Err(error) = written {
            let _ = rustix::fs::unlinkat(root, temporary.as_str(), AtFlags::empty());
            return Err(self.trouble(path, error));
        }
        Ok(())
    }

    fn create_temporary(
        &self,
        root: std::os::fd::BorrowedFd<'_>,
    ) -> Result<(String, OwnedFd), Trouble> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        loop {
            // Process ids repeat, in time and across containers; EXCL and another number settle that.
            let path = format!(
                "{TEMPORARY}/{}-{}",
                std::process::id(),
                COUNTER.fetch_add(1, Ordering::Relaxed)
            );
            match rustix::fs::openat(root, path.as_str(), flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok((path, file)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.trouble(&path, error)),
            }
        }
    }

    fn trouble(&self, path: &str, why: impl std::fmt::Display) -> Trouble {
        Trouble(format!(
            "{}: {why}",
            self.directory.path().join(path).display()
        ))
    }
}

fn write_all(file: OwnedFd, parts: &[&[u8]]) -> std::io::Result<()> {
    transport::check_file_size(parts)?;
    let mut file = File::from(file);
    parts.iter().try_for_each(|part| file.write_all(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::protocol::{CompileTimes, OptLevel};
    use std::os::unix::fs::PermissionsExt;

    const KEY: Key = Key([9; 32]);

    fn manifest() -> Manifest {
        Manifest {
            name: "m".to_owned(),
            opt_level: OptLevel::O0,
            input_len: 0,
            triple: String::new(),
            cpu: String::new(),
            features: String::new(),
            llvm: String::new(),
            package: String::new(),
            build: String::new(),
            created: 0,
            times: CompileTimes::default(),
            functions: Vec::new(),
            object: None,
        }
    }

    #[test]
    fn what_is_published_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().join("a/b"));
        assert!(store.find(&KEY).expect("no trouble").is_none());
        let mut written = manifest();
        store
            .publish(&KEY, b"image", b"object", &mut written)
            .expect("published");
        let entry = store.find(&KEY).expect("no trouble").expect("an entry");
        assert_eq!(entry.header, b"image");
        assert_eq!(entry.manifest.decode().expect("it decodes"), written);
        assert!(store.find(&Key([1; 32])).expect("no trouble").is_none());

        // The whole cache is deleted under an open store.
        std::fs::remove_dir_all(folder.path().join("a")).expect("deleted");
        assert!(store.find(&KEY).expect("no trouble").is_none());
        store
            .publish(&KEY, b"image", b"object", &mut written)
            .expect("published again");
        assert!(store.find(&KEY).expect("no trouble").is_some());
    }

    #[test]
    fn the_directory_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache");
        let store = Store::new(path.clone());
        store
            .publish(&KEY, b"", b"", &mut manifest())
            .expect("published");
        let mode = std::fs::metadata(&path).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);

        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).expect("chmod");
        let trouble = Store::new(path).find(&KEY).expect_err("it is refused");
        assert!(trouble.to_string().contains("chmod go-w"), "{trouble}");
    }

    #[test]
    fn a_link_or_a_fifo_in_an_entrys_place_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().to_owned());
        store
            .publish(&KEY, b"image", b"object", &mut manifest())
            .expect("published");
        let entry = folder.path().join(entry_path(&KEY));
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&entry, &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, &entry).expect("a link");
        store.find(&KEY).expect_err("a link");
        std::fs::remove_file(&entry).expect("removed");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &entry,
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .expect("a FIFO");
        store.find(&KEY).expect_err("a FIFO");
    }
}
