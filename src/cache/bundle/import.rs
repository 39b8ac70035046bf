//! Imports the entries of a bundle into a cache.

use super::copy::{CHUNK_LEN, CopyError, Limited, Progress, cancelled, copy};
use super::format::{Compression, Item, Record};
use super::read::Bundle;
use crate::cache::directory::{Root, TEMPORARY, alias_path, entry_path};
use crate::cache::entry::{self, Entry, EntryError, Kind};
use crate::cache::file::{Changes, Temporary};
use crate::cache::key::Key;
use crate::cache::trust::Trust;
use crate::error::{Error, Status, reason};
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    /// What is new in the cache, in the bundle's order.
    pub new: Vec<Item>,
    /// What was there before, and was left as it is.
    pub present: Vec<Item>,
    /// The length of all that is new.
    pub bytes: u64,
}

/// Imports all of a bundle or nothing: no file gets its name in the cache before the whole bundle is verified. If the
/// process is killed while it renames the files, some of the entries are there, each complete.
///
/// What the cache has already, complete and trusted, stays. `root` must have its folders. With `sync`, what is new survives
/// a power cut. `progress` gets how much of the bundle was read.
pub fn import(
    path: &Path,
    root: &Root,
    trust: Option<&Trust>,
    sync: bool,
    progress: &mut Progress<'_>,
) -> Result<Imported, Error> {
    let mut bundle = Bundle::open(path)?;
    let mut staging = Staging::new(root).map_err(|error| not_written(path, error.into()))?;
    let mut imported = Imported::default();
    let mut buffer = vec![0; CHUNK_LEN];
    let total = bundle.len;
    if !progress(0, total) {
        return Err(cancelled("the import", path));
    }
    while let Some(record) = bundle.next()? {
        let temporary = Temporary::new(root, Changes::Never)
            .map_err(|error| not_written(path, error.into()))?;
        let mut so_far = |copied: u64| {
            // The share that is decompressed stands for the share that was read.
            let part = u128::from(record.stored) * u128::from(copied.min(record.item.len))
                / u128::from(record.item.len);
            progress(record.at + part as u64, total)
        };
        unpack(&mut bundle, &record, &temporary, &mut buffer, &mut so_far)?;

        let item = record.item;
        let file = temporary
            .file
            .try_clone()
            .map_err(|error| not_written(path, error))?;
        let target = verify(file, &item, trust).map_err(|error| bundle.unusable(&error))?;
        if target.is_some_and(|target| !bundle.seen.contains(&(Kind::Entry, target))) {
            return Err(bundle.damaged("its entry does not come before it"));
        }
        if is_present(root, &item, target.as_ref(), trust) {
            imported.present.push(item);
        } else {
            staging.files.push((temporary.leave(), item));
        }
    }
    bundle.verify_end()?;
    if !progress(total, total) {
        return Err(cancelled("the import", path));
    }
    imported.new = staging.publish(sync).map_err(|(error, published, all)| {
        let message = format!(
            "the import of the bundle {} stopped after {published} of {all} files, which are complete: {}; import it \
             again once that is fixed",
            path.display(),
            reason(&error)
        );
        Error::new(Status::Cache, message)
    })?;
    imported.bytes = imported.new.iter().map(|item| item.len).sum();
    Ok(imported)
}

/// Writes a record's content to a file as it was before the export.
fn unpack(
    bundle: &mut Bundle<'_>,
    record: &Record,
    temporary: &Temporary,
    buffer: &mut [u8],
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<(), Error> {
    let len = record.item.len;
    let mut to = Limited::new(&temporary.file);
    let mut content = (&mut bundle.source).take(record.stored);
    let copied = match record.compression {
        Compression::None => copy(&mut content, &mut to, buffer, progress),
        Compression::Zstd => {
            decoder(&mut content)
                .map_err(CopyError::Read)
                .and_then(|mut decoder| {
                    // One byte more, to notice content that is too long.
                    let mut decompressed = decoder.by_ref().take(len + 1);
                    copy(&mut decompressed, &mut to, buffer, progress)
                })
        }
    };
    let rest = content.limit();
    match copied {
        Ok(copied) if copied > len => Err(bundle.damaged(format!(
            "it decompresses to more than its record's {len} bytes"
        ))),
        Ok(copied) if copied < len => Err(bundle.damaged(format!(
            "it decompresses to {copied} bytes, not to its record's {len}"
        ))),
        Ok(_) if rest > 0 => {
            Err(bundle.damaged(format!("{rest} bytes follow its compressed content")))
        }
        Ok(_) => Ok(()),
        Err(CopyError::Read(error)) => Err(bundle.unreadable(&error)),
        Err(CopyError::Write(error)) => Err(not_written(bundle.path, error)),
        Err(CopyError::Stopped) => Err(cancelled("the import", bundle.path)),
    }
}

/// How far back a frame may refer, which is the memory to decompress it. Exported frames use less.
const MAX_WINDOW_LOG: u32 = 23;

fn decoder<R: BufRead>(content: R) -> io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(content)?.single_frame();
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

/// Checks all of an entry file or alias file. Returns the entry's key of an alias.
pub(super) fn verify(
    file: File,
    item: &Item,
    trust: Option<&Trust>,
) -> Result<Option<Key>, EntryError> {
    match item.kind {
        Kind::Entry => Entry::verify(file, &item.key, trust)?
            .verify_attachments()
            .map(|()| None),
        Kind::Alias => entry::read_alias(&file, &item.key, trust).map(Some),
    }
}

/// Whether the cache has a complete and trusted file that makes this one unnecessary.
fn is_present(root: &Root, item: &Item, target: Option<&Key>, trust: Option<&Trust>) -> bool {
    let Ok(file) = root.open_file(&path_of(item), OFlags::RDONLY) else {
        return false;
    };
    match verify(file, item, trust) {
        // An alias of another entry will do, unless that entry is gone.
        Ok(Some(other)) => {
            target == Some(&other) || root.open_file(&entry_path(&other), OFlags::RDONLY).is_ok()
        }
        Ok(None) => true,
        Err(_) => false,
    }
}

fn path_of(item: &Item) -> String {
    match item.kind {
        Kind::Entry => entry_path(&item.key),
        Kind::Alias => alias_path(&item.key),
    }
}

fn not_written(path: &Path, error: io::Error) -> Error {
    let message = format!(
        "the bundle {} cannot be unpacked into the cache: {}; nothing was imported",
        path.display(),
        reason(&error)
    );
    Error::new(Status::Io, message)
}

/// Files under temporary names. They are closed, because there may be more of them than a process may have open. Those
/// that are not published are removed.
struct Staging<'a> {
    root: &'a Root,
    folder: OwnedFd,
    files: Vec<(String, Item)>,
    published: usize,
}

impl Staging<'_> {
    fn new(root: &Root) -> Result<Staging<'_>, Errno> {
        Ok(Staging {
            root,
            folder: root.folder(TEMPORARY)?,
            files: Vec::new(),
            published: 0,
        })
    }

    /// Renames all files. An error comes with the numbers of files that were renamed and of all.
    fn publish(mut self, sync: bool) -> Result<Vec<Item>, (io::Error, usize, usize)> {
        // Once for all files: waiting for the disk for each of a thousand takes seconds.
        let wait = || {
            if sync {
                rustix::fs::syncfs(&self.folder)
            } else {
                Ok(())
            }
        };
        wait().map_err(|error| self.failed(error))?;
        while let Some((temporary, item)) = self.files.get(self.published) {
            let path = path_of(item);
            let (folder, name) = path.rsplit_once('/').unwrap_or((".", &path));
            self.root
                .folder(folder)
                .and_then(|to| rustix::fs::renameat(&self.folder, temporary, &to, name))
                .map_err(|error| self.failed(error))?;
            self.published += 1;
        }
        wait().map_err(|error| self.failed(error))?;
        Ok(self.files.iter().map(|(_, item)| *item).collect())
    }

    fn failed(&self, error: Errno) -> (io::Error, usize, usize) {
        (error.into(), self.published, self.files.len())
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        for (name, _) in self.files.iter().skip(self.published) {
            let _ = rustix::fs::unlinkat(&self.folder, name, AtFlags::empty());
        }
    }
}
