//! The texts that debug information of IR refers to.
//!
//! ```text
//! <root>/v4/ir/<64 digits>/<name>.ll     a text; the digits are those of a digest of the inputs
//! <root>/v4/ir/<64 digits>/<64 digits>   empty: the texts are there that this entry refers to
//! ```
//!
//! Debuggers read them by their paths, which are in the entries. They go when their entries are gone.

use super::directory::{Root, entry_path};
use super::file;
use super::key::Key;
use rustix::fs::{AtFlags, Dir, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

/// The folder of all texts.
pub const SOURCES: &str = "v4/ir";

/// How old it must be before it is removed: the texts are there before their entry is.
const SETTLED: Duration = Duration::from_mins(1);

/// Whether the texts are there that an entry refers to.
pub fn are_there(root: &Root, folder: &str, key: &Key) -> bool {
    let path = format!("{SOURCES}/{folder}/{key}");
    root.open_file(&path, OFlags::RDONLY).is_ok()
}

/// Writes the texts that an entry refers to, by the names of their files.
pub fn publish(
    root: &Root,
    folder: &str,
    key: &Key,
    texts: &[(String, Vec<u8>)],
) -> io::Result<()> {
    root.folder(SOURCES)?;
    let folder = format!("{SOURCES}/{folder}");
    root.folder(&folder)?;
    for (name, text) in texts {
        file::publish(root, &format!("{folder}/{name}"), &[text], false)?;
    }
    file::publish(root, &format!("{folder}/{key}"), &[], false)
}

/// Removes texts that no entry refers to any more.
pub fn sweep(root: &Root, now: SystemTime) {
    let Ok(Some(folders)) = root.existing_folder(SOURCES) else {
        return;
    };
    for name in names(&folders) {
        let Ok(Some(folder)) = root.existing_folder(&format!("{SOURCES}/{name}")) else {
            continue;
        };
        let files = names(&folder);
        let mut keys = files.iter().filter_map(|name| Key::parse(name));
        let is_there = |key: Key| root.open_at(&entry_path(&key), OFlags::PATH).is_ok();
        if keys.any(is_there) || !is_older(&folder, now) {
            continue;
        }
        for file in files {
            let _ = rustix::fs::unlinkat(&folder, file.as_str(), AtFlags::empty());
        }
        // One in which there is something again stays.
        let _ = rustix::fs::unlinkat(&folders, name.as_str(), AtFlags::REMOVEDIR);
    }
}

fn is_older(folder: &OwnedFd, now: SystemTime) -> bool {
    let Ok(stat) = rustix::fs::fstat(folder) else {
        return false;
    };
    let changed = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    let age = now.duration_since(SystemTime::UNIX_EPOCH + changed);
    age.is_ok_and(|age| age > SETTLED)
}

fn names(folder: &OwnedFd) -> Vec<String> {
    let Ok(files) = Dir::read_from(folder) else {
        return Vec::new();
    };
    let names = files
        .flatten()
        .filter_map(|file| Some(file.file_name().to_str().ok()?.to_owned()));
    names.filter(|name| name != "." && name != "..").collect()
}
