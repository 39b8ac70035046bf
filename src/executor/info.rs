//! What is known of a module.

use crate::cache::entry::{EntryError, RawManifest};
use crate::cache::key::Key;
use crate::error::{Error, Status};
use crate::event::Times;
use crate::fork;
use crate::signature;
use crate::types::OptLevel;
use once_cell::sync::OnceCell;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Where a module's code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Compiled,
    Cache,
}

/// The parts of a module that no cache has; the object and the input compressed.
pub struct Attachments {
    pub image: Vec<u8>,
    pub object: Vec<u8>,
    pub input: Vec<u8>,
}

/// What is known of a module, for as long as anybody asks.
pub struct ModuleInfo {
    pub(super) name: Arc<str>,
    pub(super) key: Key,
    pub(super) origin: Origin,
    pub(super) level: OptLevel,
    /// The level to which its functions were switched.
    pub(super) switched: OnceLock<OptLevel>,
    pub(super) times: Mutex<Times>,
    pub(super) manifest: RawManifest,
    /// `None`: the cache has them.
    pub(super) attachments: Option<Attachments>,
    /// Decoded when a signature is first asked for.
    pub(super) functions: OnceCell<Vec<signature::Function>>,
}

impl ModuleInfo {
    pub fn new(
        name: Arc<str>,
        key: Key,
        origin: Origin,
        level: OptLevel,
        times: Times,
        manifest: RawManifest,
        attachments: Option<Attachments>,
    ) -> ModuleInfo {
        ModuleInfo {
            name,
            key,
            origin,
            level,
            switched: OnceLock::new(),
            times: Mutex::new(times),
            manifest,
            attachments,
            functions: OnceCell::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The level of the code that runs now.
    pub fn level(&self) -> OptLevel {
        self.switched.get().copied().unwrap_or(self.level)
    }

    /// The manifest cannot be decoded.
    pub fn unreadable(&self, error: &EntryError) -> Error {
        let what = format!("what is known of {} cannot be read: {error}", self.name);
        Error::new(Status::Load, what)
    }

    pub fn functions(&self) -> Result<&[signature::Function], Error> {
        fork::guard(|| {
            self.functions
                .get_or_try_init(|| self.manifest.decode().map(|manifest| manifest.functions))
        })
        .into_inner()
        .map(Vec::as_slice)
        .map_err(|error: EntryError| {
            Error::new(
                Status::Load,
                format!("the signatures of {} cannot be read: {error}", self.name),
            )
        })
    }

    /// The functions. [`ModuleInfo::functions`] must have succeeded before.
    pub fn decoded_functions(&self) -> &[signature::Function] {
        self.functions.get().map_or(&[], Vec::as_slice)
    }

    pub fn lock_times(&self) -> fork::Guarded<MutexGuard<'_, Times>> {
        fork::guard(|| self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set_bind_time(&self, micros: u64) {
        self.lock_times().bind = micros;
    }
}
