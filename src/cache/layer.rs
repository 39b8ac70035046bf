//! A read-only cache below the writable one: a folder, or a bundle.

use super::bundle::InPlace;
use super::directory::{Directory, OpenError, Owner, Root, alias_path, entry_path};
use super::entry::{EntryError, Kind, Part};
use super::key::Key;
use super::warning::Warning;
use crate::error::without_number;
use crate::fork;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub struct Layer {
    folder: Directory,
    /// Set if there is a bundle in the folder's place.
    bundle: Mutex<Option<Arc<InPlace>>>,
}

/// Where entries are: a folder of files, or a bundle.
pub enum Place<'a> {
    Folder(&'a Directory, Arc<Root>),
    Bundle(&'a Layer, Arc<InPlace>),
}

impl Layer {
    pub fn new(path: PathBuf) -> Layer {
        Layer {
            folder: Directory::new(path, Owner::UserOrRoot),
            bundle: Mutex::default(),
        }
    }

    /// `None`: there is nothing yet.
    pub fn open(&self) -> Result<Option<Place<'_>>, Warning> {
        if let Some(bundle) = &*self.lock() {
            return Ok(Some(Place::Bundle(self, bundle.clone())));
        }
        match self.folder.open() {
            Ok(root) => Ok(root.map(|root| Place::Folder(&self.folder, root))),
            Err(_) if self.path().metadata().is_ok_and(|found| !found.is_dir()) => {
                let bundle = InPlace::open(self.path(), Owner::UserOrRoot)
                    .map(Arc::new)
                    .map_err(|why| self.warning(why))?;
                *self.lock() = Some(bundle.clone());
                Ok(Some(Place::Bundle(self, bundle)))
            }
            Err(warning) => Err(warning),
        }
    }

    /// As [`Layer::open`], if what was opened is not what is there by now.
    pub fn open_if_changed(&self, opened: &InPlace) -> Option<Result<Option<Place<'_>>, Warning>> {
        opened.has_changed(self.path()).then(|| {
            *self.lock() = None;
            self.open()
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn warning(&self, why: String) -> Warning {
        let path = self.path().display();
        Warning(without_number(format!(
            "the layer {path} is not used: {why}"
        )))
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Option<Arc<InPlace>>>> {
        fork::guard(|| self.bundle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Place<'_> {
    /// The file of an entry or an alias, and its path in the directory.
    pub fn open(&self, kind: Kind, key: &Key) -> Result<Option<(Part, String)>, PlaceError> {
        match self {
            Place::Folder(_, root) => {
                let path = path(kind, key);
                match root.open_examined(&path, OFlags::RDONLY) {
                    Ok((file, stat)) => Ok(Some((Part::examined(file, &stat)?, path))),
                    Err(OpenError::Io(Errno::NOENT)) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
            Place::Bundle(layer, bundle) => {
                let part = bundle.find(kind, key).map_err(|error| {
                    OpenError::Io(Errno::from_io_error(&error).unwrap_or(Errno::IO))
                })?;
                let name = layer.path().file_name().unwrap_or_default();
                Ok(part.map(|part| (part, name.to_string_lossy().into_owned())))
            }
        }
    }

    /// The directory that its files lie in.
    pub fn directory(&self) -> Arc<Path> {
        match self {
            Place::Folder(directory, _) => directory.shared_path(),
            Place::Bundle(layer, _) => {
                let path = layer.path();
                path.parent().unwrap_or(path).into()
            }
        }
    }

    /// A [`Warning`] about one of its files.
    pub fn warning_at(&self, kind: Kind, key: &Key, why: impl std::fmt::Display) -> Warning {
        match self {
            Place::Folder(directory, _) => directory.warning_at(&path(kind, key), why),
            Place::Bundle(layer, _) => {
                let what = match kind {
                    Kind::Entry => "entry",
                    Kind::Alias => "alias",
                };
                let path = layer.path().display();
                Warning(without_number(format!(
                    "the layer {path}: its {what} {key}: {why}"
                )))
            }
        }
    }
}

/// Why a file of a place cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Entry(#[from] EntryError),
}

fn path(kind: Kind, key: &Key) -> String {
    match kind {
        Kind::Entry => entry_path(key),
        Kind::Alias => alias_path(key),
    }
}
