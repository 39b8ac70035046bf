//! The executor: what it was configured to be, its servers, and its modules.

use super::debug_ir;
use super::library::Library;
use super::perf;
use super::queue::Queue;
use super::state::{self, State};
use super::watch::Watch;
use crate::cache::key::{Key, KeyParts, Keys};
use crate::cache::store::Store;
use crate::client::pool::Pool;
use crate::config::{Config, Perf};
use crate::cpu::{self, Cpu};
use crate::debug::Announce;
use crate::error::{Error, Status};
use crate::event::{Event, EventKind, Times};
use crate::fork;
use crate::remote::tier::Tier;
use crate::types::{CodeOptions, OptLevel, Target};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub struct Executor {
    /// Itself.
    pub(super) me: Weak<Executor>,
    pub(super) watch: Watch,
    pub(super) config: Config,
    pub(super) keys: Keys,
    /// The level at which a miss is compiled and handed over, if it is another one, and its keys.
    pub(super) first: Option<(OptLevel, Keys)>,
    /// From the configuration.
    pub(super) target: Target,
    /// `None`: nothing is cached.
    pub(super) store: Option<Store>,
    /// The stores that machines share; `None`: there are none, or they may not be used.
    pub(super) remote: Option<Arc<Tier>>,
    /// Why they may not be used, until that was told.
    pub(super) remote_refused: Mutex<Option<Error>>,
    /// The machine that entries must name to be used here.
    pub(super) machine: String,
    pub(super) pool: Pool,
    pub(super) told_not_isolated: AtomicBool,
    /// Features of the CPU that is compiled for and that this machine lacks: then nothing may run.
    pub(super) missing: Vec<&'static str>,
    pub(super) state: Mutex<State>,
    pub(super) queue: Queue,
    pub(super) sources: debug_ir::Temporary,
    pub(super) perf: Perf,
    pub(super) announce: Announce,
}

impl Executor {
    pub fn new(config: Config) -> Arc<Executor> {
        let target = config.target();
        let parts_at = |level| {
            let options = config.code_options_at(level);
            fork::guard(|| KeyParts::new(level, &target, options)).into_inner()
        };
        let parts = parts_at(config.opt_level);
        let first = config
            .first_tier()
            .map(|first| (first, Keys::new(parts_at(first))));
        let (remote, refused) = match config.tier(parts.target.describe()) {
            Ok(tier) => (tier.map(Arc::new), None),
            Err(error) => (None, Some(error)),
        };
        let (keys, machine) = (Keys::new(parts), parts.target.describe());
        Arc::new_cyclic(|me| Executor {
            me: me.clone(),
            watch: Watch::default(),
            remote,
            remote_refused: Mutex::new(refused),
            keys,
            first,
            machine,
            store: config.store(),
            pool: Pool::new(config.pool()),
            told_not_isolated: AtomicBool::new(false),
            missing: match target {
                Target::Host(Cpu::Level(level)) => cpu::missing(level),
                Target::Host(Cpu::Native(_)) | Target::Other(_) => Vec::new(),
            },
            target,
            state: Mutex::new(State::new(config.replaceable)),
            queue: Queue::default(),
            sources: debug_ir::Temporary::default(),
            perf: config.perf.unwrap_or_else(perf::of_environment),
            announce: config.announce(),
            config,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Why the configured remotes may not be used: once.
    pub fn take_refused(&self) -> Option<Error> {
        fork::guard(|| {
            self.remote_refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        })
        .into_inner()
    }

    /// What the keys are made of, but for the digest.
    pub(super) fn key_parts(&self, level: OptLevel) -> KeyParts<'_> {
        let options = self.code_options(level);
        fork::guard(|| KeyParts::new(level, &self.target, options)).into_inner()
    }

    /// What decides about code of a level.
    pub(super) fn code_options(&self, level: OptLevel) -> CodeOptions {
        self.config.code_options_at(level)
    }

    /// The keys of code of a level.
    pub(super) fn keys_at(&self, level: OptLevel) -> &Keys {
        match &self.first {
            Some((first, keys)) if *first == level => keys,
            _ => &self.keys,
        }
    }

    /// Code for features that the CPU lacks would end the process when it runs.
    pub(super) fn check_cpu(&self) -> Result<(), Error> {
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

    /// Tells of what no compile is at work on.
    pub(super) fn tell(&self, kind: EventKind, key: &Key, name: &str, message: &str) {
        if let Some(hook) = &self.config.hook {
            hook(&Event {
                kind,
                key: key.0,
                name,
                message,
                bytes: 0,
                times: &Times::default(),
                progress: None,
            });
        }
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

    pub(super) fn lock(&self) -> fork::Guarded<MutexGuard<'_, State>> {
        fork::guard(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.watch.close();
        let modules = self.lock().take_all();
        // Foreign code runs here: outside the lock.
        state::unload(modules);
    }
}
