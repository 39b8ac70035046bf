//! Where the sources are of IR that debuggers see: `Config::debug_ir`.
//!
//! A text that is a file stays there. Others are written to the cache's folder, or to one for temporary files if nothing is
//! stored; debug information has their paths. See `protocol::source_paths` for what the server is told.

use super::source::{Content, Source};
use crate::cache::sources::SOURCES;
use crate::cache::store::Store;
use crate::config::Config;
use crate::environment::variable;
use crate::error::Error;
use crate::fork;
use crate::protocol::source_paths::{self, SourcePaths, file_name};
use crate::version::BUILD_ID;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The folder that a configuration has its sources in, if it asks for them.
pub fn folder(config: &Config, store: Option<&Store>) -> Option<PathBuf> {
    let store = store.filter(|_| config.debug_ir)?;
    Some(store.directory().path().join(SOURCES))
}

/// Adds the input that says where the sources are.
pub fn add_paths(source: &mut Source<'_>, folder: &Path) -> Result<(), Error> {
    let digest = source.digest()?;
    let inputs: Vec<String> = source
        .inputs
        .iter()
        .map(|input| match &input.content {
            // A pipe was read just now.
            Content::File(path) => std::path::absolute(path)
                .ok()
                .and_then(|path| path.to_str().map(str::to_owned))
                .unwrap_or_else(|| file_name(&input.name)),
            Content::Memory(_) => file_name(&input.name),
        })
        .collect();
    // What is printed may differ from build to build.
    let mut hasher = blake3::Hasher::new_derive_key("libmgenjit 2026 source paths");
    hasher.update(digest.as_bytes());
    for text in inputs.iter().map(String::as_str).chain([BUILD_ID]) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let folder = folder.join(hasher.finalize().to_hex().as_str());
    let paths = SourcePaths {
        folder: folder.to_string_lossy().into_owned(),
        inputs,
    };
    let content = Content::Memory(Cow::Owned(paths.encode()));
    source.add(source_paths::NAME, content);
    Ok(())
}

/// The input that says where the sources are.
pub fn paths(inputs: &[Cow<'_, [u8]>]) -> Option<SourcePaths> {
    SourcePaths::decode(inputs.last()?)
}

/// The last part of the path of a unit's folder.
pub fn folder_name(paths: &SourcePaths) -> &str {
    let (_, name) = paths.folder.rsplit_once('/').unwrap_or_default();
    name
}

/// A folder for the sources of what is not stored. It goes with the executor, or when the process ends.
#[derive(Default)]
pub struct Temporary(Mutex<Option<(u32, PathBuf)>>);

/// The folders that are there, each with the process that made it: a forked child leaves its parent's alone.
static FOLDERS: Mutex<BTreeSet<(u32, PathBuf)>> = Mutex::new(BTreeSet::new());

fn folders() -> fork::Guarded<MutexGuard<'static, BTreeSet<(u32, PathBuf)>>> {
    fork::guard(|| FOLDERS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Removes what executors left that nobody freed.
extern "C" fn remove_at_exit() {
    let left = std::mem::take(&mut *folders());
    for (owner, path) in left {
        if owner == std::process::id() {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

impl Temporary {
    /// The folder, which is made when it is first needed.
    pub fn folder(&self) -> io::Result<PathBuf> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        static AT_EXIT: AtomicBool = AtomicBool::new(false);
        let process = std::process::id();
        let mut known = self.lock();
        // A forked child has its own.
        if let Some((owner, path)) = &*known
            && *owner == process
        {
            return Ok(path.clone());
        }
        let parent = variable(c"TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let parent = std::path::absolute(&parent)?;
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("mgenjit-ir-{process}-{number}"));
            // Others may have put something there: only a new one is ours alone.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    if !AT_EXIT.swap(true, Ordering::Relaxed) {
                        // SAFETY: the function may be called at any time. Of a library that is unloaded, it is called then.
                        unsafe { libc::atexit(remove_at_exit) };
                    }
                    *known = Some((process, path.clone()));
                    drop(known);
                    folders().insert((process, path.clone()));
                    return Ok(path);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Temporary {
    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Option<(u32, PathBuf)>>> {
        fork::guard(|| self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let known = self.lock().take();
        if let Some(known) = known
            && folders().remove(&known)
            && known.0 == std::process::id()
        {
            let _ = std::fs::remove_dir_all(known.1);
        }
    }
}

/// Writes texts to a folder below one that is the user's alone.
pub fn write(folder: &Path, texts: &[(String, Vec<u8>)]) -> io::Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    for (name, text) in texts {
        let path = folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        // Whoever compiled the same before has written the same.
        match options.write(true).create_new(true).mode(0o400).open(path) {
            Ok(mut file) => file.write_all(text)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
