//! A module's handle.

use super::call::{Function, Pin, Signature};
use super::core::Executor;
use super::entries::Unresolved;
use super::info::{Attachments, ModuleInfo, Origin};
use super::lookup::{check_live, removed};
use super::{profile, recompile, state};
use crate::cache::entry::{self, Entry, EntryError};
use crate::cache::key::Key;
use crate::cache::manifest::{About, UsedPiece};
use crate::error::{Error, Status};
use crate::event::Times;
use crate::protocol::messages::CompileRequest;
use crate::signature;
use crate::types::{Emit, OptLevel, Target};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A module's inputs and objects, for export.
pub struct Artifacts<'a> {
    pub about: About,
    pub functions: Vec<signature::Function>,
    kept: Kept<'a>,
}

enum Kept<'a> {
    Entry(Box<Entry>),
    Memory(&'a Attachments),
}

impl Artifacts<'_> {
    /// The target that it was compiled for.
    pub fn target(&self) -> Target {
        self.about.compiled_for()
    }

    /// The request to make something else of it than code.
    pub fn emit(&self, emit: Emit) -> Result<CompileRequest, Error> {
        recompile::request(&self.about, emit, "be exported as what it was compiled to")
    }

    /// The relocatable object, or a GNU archive of several.
    pub fn object(&self) -> Result<Vec<u8>, Error> {
        match &self.kept {
            Kept::Entry(entry) => entry.object(&self.about),
            Kept::Memory(kept) => entry::detach("object", &kept.object, self.about.object.as_ref()),
        }
        .map_err(|error| self.error(&error))
    }

    /// The bytes of each of `about.inputs`.
    pub fn inputs(&self) -> Result<Vec<Vec<u8>>, Error> {
        let all = match &self.kept {
            Kept::Entry(entry) => entry.input(&self.about),
            Kept::Memory(kept) => entry::detach("input", &kept.input, self.about.input.as_ref()),
        }
        .map_err(|error| self.error(&error))?;
        self.about
            .split_input(&all)
            .ok_or_else(|| self.error(&EntryError::Attachment("input")))
    }

    fn error(&self, error: &EntryError) -> Error {
        let name = &self.about.name;
        match error {
            EntryError::Missing("input") => Error::new(
                Status::NotFound,
                format!(
                    "the IR of {name} was not kept: compile it with a cache that keeps it \
                     (mgenjit_config_set_cache_keep_ir)"
                ),
            ),
            error => Error::new(Status::Damaged, format!("what is kept of {name}: {error}")),
        }
    }
}

/// A module of an executor, which it keeps alive.
pub struct Module {
    executor: Arc<Executor>,
    /// `None`: it is not for this machine's system, and was not loaded.
    id: Option<u64>,
    info: Arc<ModuleInfo>,
    /// For a module without an id.
    removed: AtomicBool,
}

impl Module {
    pub fn new(executor: Arc<Executor>, id: Option<u64>, info: Arc<ModuleInfo>) -> Module {
        Module {
            executor,
            id,
            info,
            removed: AtomicBool::new(false),
        }
    }

    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(super) fn executor_handle(&self) -> &Arc<Executor> {
        &self.executor
    }

    pub(super) fn id(&self) -> Option<u64> {
        self.id
    }

    /// Its inputs and objects, for export.
    pub fn artifacts(&self) -> Result<Artifacts<'_>, Error> {
        let info = &*self.info;
        let (manifest, kept) = match &info.attachments {
            Some(attachments) => (info.manifest.decode(), Kept::Memory(attachments)),
            None => {
                let entry = self.executor.kept_entry(info)?;
                (entry.manifest.decode(), Kept::Entry(entry))
            }
        };
        let manifest = manifest.map_err(|error| info.unreadable(&error))?;
        Ok(Artifacts {
            about: manifest.about,
            functions: manifest.functions,
            kept,
        })
    }

    pub fn name(&self) -> &str {
        &self.info.name
    }

    pub fn key(&self) -> Key {
        self.info.key
    }

    pub fn origin(&self) -> Origin {
        self.info.origin
    }

    pub fn level(&self) -> OptLevel {
        self.info.level()
    }

    pub fn times(&self) -> Times {
        *self.info.lock_times()
    }

    pub fn functions(&self) -> Result<&[signature::Function], Error> {
        self.info.functions()
    }

    /// The pieces that it was made of; none: it was compiled as one.
    pub fn pieces(&self) -> Result<Vec<UsedPiece>, Error> {
        let about = self.info.manifest.decode_about();
        Ok(about.map_err(|error| self.info.unreadable(&error))?.pieces)
    }

    /// The function at `index` of [`Module::functions`].
    pub fn function(&self, index: usize) -> Result<Function, Error> {
        let count = self.info.functions()?.len();
        if index >= count {
            return Err(Error::new(
                Status::NotFound,
                format!(
                    "{} has {count} functions: the index {index} is out of range",
                    self.name()
                ),
            ));
        }
        let pin = Pin::new(self.executor.clone(), self.id)?;
        Ok(Function::new(
            pin,
            self.info.clone(),
            Signature::Stated(index),
        ))
    }

    /// The address of a symbol that this module defines.
    pub fn lookup(&self, name: &str) -> Result<usize, Error> {
        match self.id {
            Some(id) => {
                // One that a function handle keeps mapped has no symbols any more.
                check_live(self.executor.lock().module(id))?;
                self.executor.module_symbol(id, name)
            }
            None => Err(self.executor.foreign(self.name())),
        }
    }

    /// What its code has counted until now, as an indexed profile.
    pub fn profile(&self) -> Result<Vec<u8>, Error> {
        let Some(id) = self.id else {
            return Err(self.executor.foreign(self.name()));
        };
        // Nobody unmaps what is read.
        let _pin = Pin::new(self.executor.clone(), Some(id))?;
        profile::of_module(&self.executor, id, self.name())
    }

    pub fn remove(&self) -> Result<(), Error> {
        let Some(id) = self.id else {
            return match self.removed.swap(true, Ordering::Relaxed) {
                true => Err(removed()),
                false => Ok(()),
            };
        };
        let (unused, unresolved) = {
            let mut state = self.executor.lock();
            check_live(state.module(id))?;
            let unused = state.remove(id).ok_or_else(removed)?;
            (unused, state.take_unresolved())
        };
        unresolved.into_iter().for_each(Unresolved::resolve);
        state::unload(unused);
        Ok(())
    }
}

impl Executor {
    /// The entry of a module that was stored.
    pub(super) fn kept_entry(&self, info: &ModuleInfo) -> Result<Box<Entry>, Error> {
        let found = match &self.store {
            Some(store) => store.look(&info.key),
            None => Ok(None),
        };
        match found {
            Ok(Some(entry)) => Ok(Box::new(entry)),
            Ok(None) => Err(Error::new(
                Status::NotFound,
                format!(
                    "the cache no longer has {}, it was removed or evicted: compile it again",
                    info.name
                ),
            )),
            Err((_, warning)) => Err(Error::new(Status::Damaged, warning.0)),
        }
    }
}
