//! Modules, symbols and calls: what the C API's executor does.
//!
//! Architecture Invariant: `Executor::state` is locked for short steps only. No code of a module, no hook and no
//! server is waited for while it is held; so a constructor may use its own executor, and `fork` need not wait.

mod builtins;
mod call;
mod compile;
mod failed;
mod library;
mod link;
mod listen;
mod main_call;
mod module;
mod recompile;
mod registers;
mod report;
mod reproducer;
mod resolve;
pub mod source;
mod state;
mod task;
mod value;

pub use call::{Call, Function};
use call::{Pin, Signature};
pub use compile::key_of;
pub use main_call::check_main;
pub use module::{Artifacts, Module, Origin};
pub use recompile::recompile;
pub use task::{Callback, Task};
pub use value::Value;

use crate::cache::key::{KeyParts, Keys};
use crate::cache::store::Store;
use crate::client::pool::Pool;
use crate::config::Config;
use crate::cpu;
use crate::cpu::Cpu;
use crate::error::{Error, Status};
use crate::fork;
use crate::signature;
use crate::types::Target;
use library::Library;
use link::Address;
use state::State;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub struct Executor {
    config: Config,
    keys: Keys,
    /// The configuration's.
    target: Target,
    /// `None`: nothing is cached.
    store: Option<Store>,
    /// What entries say that they were compiled for, if it is what this compiles for.
    machine: String,
    pool: Pool,
    told_not_isolated: AtomicBool,
    /// Features of the CPU that is compiled for and that this machine lacks: then nothing may run.
    missing: Vec<&'static str>,
    state: Mutex<State>,
    queue: Mutex<task::Queue>,
}

impl Executor {
    pub fn new(config: Config) -> Arc<Executor> {
        let target = config.target();
        let parts = fork::guard(|| KeyParts::new(config.opt_level, &target)).into_inner();
        Arc::new(Executor {
            keys: Keys::new(parts),
            machine: parts.target.describe(),
            store: config.store(),
            pool: Pool::new(&config),
            told_not_isolated: AtomicBool::new(false),
            missing: match target {
                Target::Host(Cpu::Level(level)) => cpu::missing(level),
                Target::Host(Cpu::Native(_)) | Target::Other(_) => Vec::new(),
            },
            target,
            state: Mutex::default(),
            queue: Mutex::default(),
            config,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What the keys are made of, but for the digest.
    fn key_parts(&self) -> KeyParts<'_> {
        fork::guard(|| KeyParts::new(self.config.opt_level, &self.target)).into_inner()
    }

    /// Code for features that the CPU lacks would end the process when it runs.
    fn check_cpu(&self) -> Result<(), Error> {
        let (false, Target::Host(cpu)) = (self.missing.is_empty(), &self.target) else {
            return Ok(());
        };
        Err(Error::new(
            Status::Cpu,
            format!(
                "code for {} cannot run on this machine, which lacks {}: choose a lower level, or \"native\"; to export code for \
                 other machines, set a target",
                cpu.name(),
                self.missing.join(", ")
            ),
        ))
    }

    /// Defines a symbol for the modules that link from now on.
    pub fn define(&self, name: &str, address: usize) {
        self.lock()
            .definitions
            .insert(name.as_bytes().into(), address);
    }

    pub fn load_library(&self, path: &str) -> Result<(), Error> {
        // Outside the lock: the library's constructors run here.
        let library = Library::open(path)?;
        self.lock().libraries.push(Arc::new(library));
        Ok(())
    }

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
        link::find_outside(&libraries, symbol).ok_or_else(|| {
            self.not_found(
                name,
                format!(
                    "there is no symbol `{name}`: no module or library of this executor defines it, nor does \
                     the process, and it was not defined"
                ),
            )
        })
    }

    /// A function of the modules, with its signature.
    pub fn lookup_function(self: &Arc<Self>, name: &str) -> Result<Function, Error> {
        self.find_function(name, None)
    }

    /// As `lookup_function`; `assumed` is the signature of one that no IR states, because an object has it.
    fn find_function(
        self: &Arc<Self>,
        name: &str,
        assumed: Option<signature::Function>,
    ) -> Result<Function, Error> {
        let found = {
            let mut state = self.lock();
            // Found and pinned at once: another thread may remove the module.
            state.find(name.as_bytes(), |_, _| true).and_then(|found| {
                let module = state.pin(found.id)?;
                Some((found.id, module.info.clone(), found.symbol.object))
            })
        };
        let Some((id, info, is_variable)) = found else {
            return Err(self.not_found(
                name,
                format!("no module of this executor defines a function `{name}`"),
            ));
        };
        let pin = Pin::taken(self.clone(), id);
        let index = info
            .functions()?
            .iter()
            .position(|function| function.name == name);
        let signature = match (index, assumed) {
            (Some(index), _) => Signature::Stated(index),
            (None, Some(assumed)) if !is_variable => Signature::Assumed(Box::new(assumed)),
            (None, _) => {
                return Err(Error::new(
                    Status::NotFound,
                    format!(
                        "`{name}` is no function with a known signature: it is a variable, or an object file has it. Look up its address"
                    ),
                ));
            }
        };
        Ok(Function::new(pin, info, signature))
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, State>> {
        fork::guard(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let modules = self.lock().take_all();
        // Foreign code runs here: outside the lock.
        state::unload(modules);
    }
}
