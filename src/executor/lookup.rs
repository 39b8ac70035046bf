//! Looks up symbols by name, for callers of the API.

use super::address::Address;
use super::core::Executor;
use super::outside;
use super::state::{self, Loaded};
use crate::error::{Error, Status};
use crate::types::TargetSpec;

impl Executor {
    /// The address of a symbol: of the definitions, the modules, the libraries, or the process.
    pub fn lookup(&self, name: &str) -> Result<usize, Error> {
        let symbol = name.as_bytes();
        let (found, libraries) = loop {
            let report = self.link_pending();
            let state = self.lock();
            if let Some(address) = state.definitions.get(symbol) {
                return Ok(*address);
            }
            let found = state
                .find(symbol, |_, module| module.is_linked())
                .or_else(|| state.find(symbol, |_, _| true));
            let Some(found) = found else {
                break (None, state.libraries.clone());
            };
            let module = state.module(found.id);
            if module.is_some_and(|module| !module.is_linked()) {
                match report.error_of(found.id) {
                    Some(error) => return Err(error),
                    // Another thread has just added the module that defines it.
                    None => continue,
                }
            }
            break (Address::of(&found, &state), Vec::new());
        };
        if let Some(found) = found {
            return Ok(found.evaluate());
        }
        outside::find_outside(&libraries, symbol).ok_or_else(|| {
            self.not_found(
                name,
                format!(
                    "there is no symbol `{name}`: no module or library of this executor defines it, nor does \
                     the process, and it was not defined"
                ),
            )
        })
    }

    /// The error for running a module of another system.
    pub(super) fn foreign(&self, name: &str) -> Error {
        let target = self.config.target.as_ref();
        let target = target.map_or_else(String::new, TargetSpec::describe);
        Error::new(
            Status::Target,
            format!(
                "{name} was compiled for {target}: it can be exported, not run here; to run it, compile it without \
                 mgenjit_config_set_target"
            ),
        )
    }

    /// The error for a name that is not found. An executor for another target says so.
    pub(super) fn not_found(&self, name: &str, message: String) -> Error {
        match &self.config.target {
            None => Error::new(Status::NotFound, message),
            Some(target) => Error::new(
                Status::Target,
                format!(
                    "`{name}` cannot be run here: the executor compiles for {}, to export it; to run it, compile it \
                     without mgenjit_config_set_target",
                    target.describe()
                ),
            ),
        }
    }

    /// The address of a symbol that one module defines, which may be removed and pinned. Links first.
    pub(super) fn module_symbol(&self, id: u64, name: &str) -> Result<usize, Error> {
        let address = loop {
            let report = self.link_pending();
            let state = self.lock();
            let module = state.module(id).ok_or_else(removed)?;
            if !module.is_linked() {
                match report.error_of(id) {
                    Some(error) => return Err(error),
                    // Another thread has just added it.
                    None => continue,
                }
            }
            let symbol = module.image.find(name.as_bytes()).ok_or_else(|| {
                Error::new(
                    Status::NotFound,
                    format!("{} defines no symbol `{name}`", module.info.name),
                )
            })?;
            break Address::of(&state::Found { id, symbol }, &state);
        };
        address
            .map(Address::evaluate)
            .ok_or_else(|| Error::new(Status::Load, format!("`{name}` has no address")))
    }
}

pub fn removed() -> Error {
    Error::new(
        Status::Removed,
        "the module was removed from its executor: compile it again to use it",
    )
}

/// A module that was neither removed nor replaced.
pub fn check_live(module: Option<&Loaded>) -> Result<&Loaded, Error> {
    match module {
        Some(module) if module.replaced => Err(replaced()),
        Some(module) if !module.removed => Ok(module),
        _ => Err(removed()),
    }
}

/// The error for using a version that is not the current one.
fn replaced() -> Error {
    Error::new(
        Status::Removed,
        "the module was replaced: use the handle of its new version, which mgenjit_module_replace gave",
    )
}
