//! Writes entries of a cache into a bundle.

use super::copy::{CHUNK_LEN, CopyError, Limited, Progress, cancelled, copy, digest_of};
use super::format::{
    COUNT_AT, Compression, END_MAGIC, FORMAT_VERSION, HEADER_LEN, Indexed, Item, MAGIC, RECORD_LEN,
    Record, VERSION_AT, content_at,
};
use crate::cache::directory::{OpenError, Root, alias_path, entry_path};
use crate::cache::entry::{self, Entry, EntryError, Kind, TAIL_LEN};
use crate::cache::key::Key;
use crate::cache::trust::{Signer, Trust};
use crate::error::{Error, Status, reason};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What an export wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    pub entries: u64,
    pub aliases: u64,
    /// The bundle's length.
    pub bytes: u64,
}

/// Writes the entries of `keys` into a bundle, all or none, with their `aliases` (pairs of an alias's key and its entry's).
/// A signer's signatures replace those of the entries.
///
/// Every entry is verified. A missing or damaged one is an error; an alias that is gone by now, or has another entry, is
/// left out. The same entries give the same bundle. `progress` gets how many of the entries' bytes were written.
pub fn export(
    root: &Root,
    keys: &[Key],
    aliases: &[(Key, Key)],
    trust: Option<&Trust>,
    signer: Option<&Signer>,
    out_path: &Path,
    progress: &mut Progress<'_>,
) -> Result<Exported, Error> {
    let keys: BTreeSet<&Key> = keys.iter().collect();
    let aliases: BTreeMap<&Key, &Key> = aliases
        .iter()
        .filter(|(_, target)| keys.contains(target))
        .map(|(alias, target)| (alias, target))
        .collect();
    let mut total = 0;
    for key in &keys {
        let file = open(root, key)?;
        let metadata = file
            .metadata()
            .map_err(|error| not_read(key, reason(&error)))?;
        total += metadata.len();
    }

    let output = Output::create(out_path)?;
    let mut writer = Writer {
        to: Limited::new(&output.file),
        buffer: vec![0; CHUNK_LEN],
        index: Vec::new(),
    };
    let failed = |error: CopyError| match error {
        CopyError::Read(error) | CopyError::Write(error) => not_written(out_path, &error),
        CopyError::Stopped => cancelled("the export", out_path),
    };
    if !progress(0, total) {
        return Err(failed(CopyError::Stopped));
    }
    writer
        .to
        .write_all(&[0; HEADER_LEN as usize])
        .map_err(|error| not_written(out_path, &error))?;
    let mut done = 0;
    for key in &keys {
        let entry = verified(root, key, trust)?;
        let tail = match signer {
            Some(signer) => entry.tail.signed(signer),
            None => *entry.tail.bytes(),
        };
        let item = Item {
            kind: Kind::Entry,
            key: **key,
            len: entry.part.len,
        };
        let body_len = entry.part.len - TAIL_LEN as u64;
        // An entry may have changed since all were counted.
        let mut so_far = |copied: u64| progress((done + copied).min(total), total);
        writer
            .write(&item, &entry.part.file, body_len, &tail, &mut so_far)
            .map_err(|error| match error {
                CopyError::Read(error) => not_read(key, reason(&error)),
                other => failed(other),
            })?;
        done += entry.part.len;
    }
    let entries = writer.index.len() as u64;
    for (alias, target) in aliases {
        if let Some(bytes) = alias_file(root, alias, target, trust, signer)? {
            writer.write_alias(alias, &bytes).map_err(failed)?;
        }
    }
    let aliases = writer.index.len() as u64 - entries;
    let bytes = writer.finish().map_err(failed)?;
    if !progress(total, total) {
        return Err(failed(CopyError::Stopped));
    }
    output
        .publish(out_path)
        .map_err(|error| not_written(out_path, &error))?;
    Ok(Exported {
        entries,
        aliases,
        bytes,
    })
}

/// An entry's file, all of it verified, signed by `signer`.
pub fn entry_file(
    root: &Root,
    key: &Key,
    trust: Option<&Trust>,
    signer: Option<&Signer>,
) -> Result<Vec<u8>, Error> {
    let entry = verified(root, key, trust)?;
    let mut bytes = vec![0; usize::try_from(entry.part.len).unwrap_or(usize::MAX)];
    entry
        .part
        .file
        .read_exact_at(&mut bytes, entry.part.at)
        .map_err(|error| not_read(key, reason(&error)))?;
    if let Some(signer) = signer {
        let at = bytes.len() - TAIL_LEN;
        bytes[at..].copy_from_slice(&entry.tail.signed(signer));
    }
    Ok(bytes)
}

fn open(root: &Root, key: &Key) -> Result<File, Error> {
    root.open_file(&entry_path(key), OFlags::RDONLY)
        .map_err(|error| match error {
            OpenError::Io(Errno::NOENT) => Error::new(
                Status::NotFound,
                format!(
                    "the cache has no entry {key} to export: compile it first, or leave it out"
                ),
            ),
            OpenError::Io(_) => not_read(key, error),
            OpenError::Untrusted(_) => Error::new(
                Status::Untrusted,
                format!("the entry {key} cannot be exported: {error}"),
            ),
        })
}

fn verified(root: &Root, key: &Key, trust: Option<&Trust>) -> Result<Entry, Error> {
    let file = open(root, key)?;
    Entry::verify(file, key, trust)
        .and_then(|entry| entry.verify_attachments().map(|()| entry))
        .map_err(|error| unusable("entry", key, error))
}

/// The bytes of an alias file, signed by `signer`. `None` if there is no such alias any more, or it is not trusted: our
/// signature must not vouch for it.
pub fn alias_file(
    root: &Root,
    alias: &Key,
    target: &Key,
    trust: Option<&Trust>,
    signer: Option<&Signer>,
) -> Result<Option<Vec<u8>>, Error> {
    let file = match root.open_file(&alias_path(alias), OFlags::RDONLY) {
        Ok(file) => file,
        Err(OpenError::Io(Errno::NOENT)) => return Ok(None),
        Err(error) => return Err(not_read(alias, error)),
    };
    let found = match entry::read_alias(&file, alias, trust) {
        Ok(found) => found,
        Err(EntryError::Untrusted(_)) => return Ok(None),
        Err(error) => return Err(unusable("alias", alias, error)),
    };
    if found != *target {
        return Ok(None);
    }
    if signer.is_some() {
        return Ok(Some(entry::encode_alias(alias, target, signer)));
    }
    // Its length was checked.
    let mut bytes = Vec::new();
    (&file)
        .take(entry::ALIAS_LEN)
        .read_to_end(&mut bytes)
        .map_err(|error| not_read(alias, reason(&error)))?;
    Ok(Some(bytes))
}

fn unusable(what: &str, key: &Key, error: EntryError) -> Error {
    match error {
        EntryError::Io(error) => not_read(key, error),
        EntryError::Untrusted(_) => Error::new(
            Status::Untrusted,
            format!("the {what} {key} of the cache is not exported: {error}"),
        ),
        error => Error::new(
            Status::Damaged,
            format!(
                "the {what} {key} of the cache cannot be exported: {error}; remove it, so that it is compiled again, \
                 or leave it out"
            ),
        ),
    }
}

fn not_read(key: &Key, why: impl Display) -> Error {
    Error::new(
        Status::Io,
        format!("the cache's file for {key} cannot be read: {why}"),
    )
}

fn not_written(path: &Path, error: &io::Error) -> Error {
    let why = reason(error);
    let message = format!("the bundle {} cannot be written: {why}", path.display());
    Error::new(Status::Io, message)
}

struct Writer<'a> {
    to: Limited<'a>,
    buffer: Vec<u8>,
    index: Vec<Indexed>,
}

impl Writer<'_> {
    /// Writes a record with the first `body_len` bytes of `file`, and `tail`.
    fn write(
        &mut self,
        item: &Item,
        file: &File,
        body_len: u64,
        tail: &[u8],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), CopyError> {
        self.begin(item)?;
        copy_start(file, body_len, &mut self.to, &mut self.buffer, progress)?;
        self.write_all(tail)
    }

    fn write_alias(&mut self, alias: &Key, bytes: &[u8]) -> Result<(), CopyError> {
        self.begin(&Item {
            kind: Kind::Alias,
            key: *alias,
            len: bytes.len() as u64,
        })?;
        self.write_all(bytes)
    }

    /// Writes a record, and zeros up to where its content begins.
    fn begin(&mut self, item: &Item) -> Result<(), CopyError> {
        let end = self.to.len + RECORD_LEN;
        let at = content_at(item.kind, end);
        let record = Record {
            item: *item,
            compression: Compression::None,
            stored: item.len,
            at,
        };
        self.write_all(&record.encode())?;
        self.write_all(&vec![0; (at - end) as usize])?;
        self.index.push(Indexed { item: *item, at });
        Ok(())
    }

    /// Writes the header, the index and the tail. Returns the bundle's length.
    fn finish(mut self) -> Result<u64, CopyError> {
        let count = self.index.len() as u64;
        self.index.sort_by_key(Indexed::order);
        let index: Vec<u8> = self.index.iter().flat_map(Indexed::encode).collect();
        self.write_all(&index)?;
        let mut header = [0; HEADER_LEN as usize];
        header[..VERSION_AT].copy_from_slice(&MAGIC);
        header[VERSION_AT..VERSION_AT + 4].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        header[COUNT_AT..].copy_from_slice(&count.to_le_bytes());
        self.to
            .file
            .write_all_at(&header, 0)
            .map_err(CopyError::Write)?;
        // Read again, because the header was written after what follows it.
        let digest = digest_of(self.to.file, self.to.len).map_err(CopyError::Write)?;
        self.write_all(digest.as_bytes())?;
        self.write_all(&END_MAGIC)?;
        Ok(self.to.len)
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        self.to.write_all(bytes).map_err(CopyError::Write)
    }
}

/// Copies the first `len` bytes of a file.
fn copy_start(
    file: &File,
    len: u64,
    to: &mut impl Write,
    buffer: &mut [u8],
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<(), CopyError> {
    let mut file = file;
    file.rewind().map_err(CopyError::Read)?;
    match copy(&mut file.take(len), to, buffer, progress)? {
        copied if copied == len => Ok(()),
        _ => Err(CopyError::Read(ErrorKind::UnexpectedEof.into())),
    }
}

/// A temporary file beside its target. It is removed when dropped, unless it was published.
struct Output {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Output {
    fn create(target: &Path) -> Result<Output, Error> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        if target.file_name().is_none() {
            let message = format!("{} cannot be the name of a bundle", target.display());
            return Err(Error::new(Status::InvalidArgument, message));
        }
        loop {
            let mut name = OsString::from(format!(".mgenjit-{}-", std::process::id()));
            name.push(COUNTER.fetch_add(1, Ordering::Relaxed).to_string());
            let path = target.with_file_name(name);
            // RDWR, because it is read again to be hashed.
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o644)
                .open(&path);
            match opened {
                Ok(file) => {
                    return Ok(Output {
                        file,
                        path,
                        kept: false,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(not_written(target, &error)),
            }
        }
    }

    /// Renames it to its target, replacing what is there. It survives a power cut from then on.
    fn publish(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, target)?;
        self.kept = true;
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Some file systems cannot sync a folder. The bundle is there all the same.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
