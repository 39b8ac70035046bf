//! A module's handle, and what is known of it.

use super::call::Function;
use super::link;
use super::{Executor, state};
use crate::cache::entry::{EntryError, RawManifest};
use crate::cache::key::Key;
use crate::error::{Error, Status};
use crate::event::Times;
use crate::fork;
use crate::signature;
use once_cell::sync::OnceCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a module's code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Compiled,
    Cache,
}

/// What is known of a module, for as long as anybody asks.
pub struct ModuleInfo {
    name: String,
    key: Key,
    origin: Origin,
    times: Mutex<Times>,
    manifest: RawManifest,
    /// Decoded when a signature is first asked for.
    functions: OnceCell<Vec<signature::Function>>,
}

impl ModuleInfo {
    pub fn new(
        name: &str,
        key: Key,
        origin: Origin,
        times: Times,
        manifest: RawManifest,
    ) -> ModuleInfo {
        ModuleInfo {
            name: name.to_owned(),
            key,
            origin,
            times: Mutex::new(times),
            manifest,
            functions: OnceCell::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
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

    /// The functions, which somebody has asked for before.
    pub fn decoded_functions(&self) -> &[signature::Function] {
        self.functions.get().map_or(&[], Vec::as_slice)
    }

    fn lock_times(&self) -> fork::Guarded<MutexGuard<'_, Times>> {
        fork::guard(|| self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set_bind_time(&self, micros: u64) {
        self.lock_times().bind = micros;
    }
}

/// A module of an executor, which it keeps alive.
pub struct Module {
    executor: Arc<Executor>,
    id: u64,
    info: Arc<ModuleInfo>,
}

impl Module {
    pub fn new(executor: Arc<Executor>, id: u64, info: Arc<ModuleInfo>) -> Module {
        Module { executor, id, info }
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

    pub fn times(&self) -> Times {
        *self.info.lock_times()
    }

    pub fn functions(&self) -> Result<&[signature::Function], Error> {
        self.info.functions()
    }

    /// The function at `index` of [`Module::functions`].
    pub fn function(&self, index: usize) -> Result<Function, Error> {
        let count = self.info.functions()?.len();
        if index >= count {
            return Err(Error::new(
                Status::NotFound,
                format!(
                    "{} has {count} functions; there is none at {index}",
                    self.name()
                ),
            ));
        }
        Function::new(self.executor.clone(), self.id, self.info.clone(), index)
    }

    /// The address of a symbol that this module defines.
    pub fn lookup(&self, name: &str) -> Result<usize, Error> {
        self.executor.module_symbol(self.id, name)
    }

    pub fn remove(&self) -> Result<(), Error> {
        let unused = self.executor.lock().remove(self.id).ok_or_else(removed)?;
        state::unload(unused);
        Ok(())
    }
}

impl Executor {
    /// The address of a symbol that one module defines. Links first.
    pub(super) fn module_symbol(&self, id: u64, name: &str) -> Result<usize, Error> {
        let report = self.link_pending()?;
        let target = {
            let state = self.lock();
            // A removed module is still there while a function handle needs it.
            let module = state.module(id).ok_or_else(removed)?;
            if !module.is_linked() {
                return Err(report.unresolved());
            }
            let symbol = module.image.find(name.as_bytes()).ok_or_else(|| {
                Error::new(
                    Status::NotFound,
                    format!("{} defines no symbol `{name}`", module.info.name),
                )
            })?;
            state::Found { id, symbol }.target(&state)
        };
        target
            .map(link::evaluate)
            .ok_or_else(|| Error::new(Status::Load, format!("`{name}` has no address")))
    }
}

pub fn removed() -> Error {
    Error::new(
        Status::Removed,
        "the module was removed from its executor: compile it again to use it",
    )
}
