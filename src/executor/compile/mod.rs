//! From IR to a mapped module: by the cache, or by a compile server.
//!
//! `find` looks in the cache; on a miss `obtain` takes the key's lock and has a server `answer`, and `store` keeps what
//! it compiled; `remote` asks what other machines compiled and tells them what was compiled here; `load` maps the code and adds the module. All are steps of one `work`.

mod answer;
mod fetch_pieces;
mod find;
mod load;
mod obtain;
mod pieces;
mod remote;
mod store;
mod tiers;
mod work;

use super::core::Executor;
use super::debug_ir;
use super::module::Module;
use super::profile;
use super::source::Source;
use crate::cache::key::{Key, KeyParts, Keys};
use crate::cache::manifest::Parts;
use crate::cache::store::Purpose;
use crate::client::cancel::Cancel;
use crate::clock::Stopwatch;
use crate::config::Config;
use crate::cpu::{Cpu, Level, missing};
use crate::error::{Error, Status, reason};
use crate::fork;
use crate::types::Target;
use std::path::PathBuf;
use std::sync::Arc;
use work::Work;

pub use load::Compiled;
pub use tiers::map_stored;

impl Executor {
    /// Compiles a source, or finds it in the cache, and adds it as a module that is still to be linked. A file is
    /// read whole only if it must be compiled.
    pub fn compile(self: &Arc<Self>, source: Source<'_>) -> Result<Module, Error> {
        self.compile_unless(source, &Cancel::default())
    }

    /// As [`Executor::compile`], until it is cancelled.
    pub fn compile_unless(
        self: &Arc<Self>,
        source: Source<'_>,
        cancel: &Cancel,
    ) -> Result<Module, Error> {
        let Compiled { image, info } = self.compile_to_image(source, cancel)?;
        let id = image.map(|image| self.lock().add(image, info.clone()));
        Ok(Module::new(self.clone(), id, info))
    }

    /// As [`Executor::compile_unless`], and adds nothing.
    pub(super) fn compile_to_image(
        self: &Arc<Self>,
        source: Source<'_>,
        cancel: &Cancel,
    ) -> Result<Compiled, Error> {
        self.check_cpu()?;
        let mut watch = Stopwatch::start();
        let mut source = profile::add(&self.config, source);
        self.add_source_paths(&mut source)?;
        let digest = source.digest()?;
        Work::new(self, &source, digest, &mut watch, cancel).run()
    }

    /// Compiles a source into the cache, and adds no module. An entry that is there already does not count as used.
    pub fn fill_cache(self: &Arc<Self>, source: Source<'_>) -> Result<(), Error> {
        let mut watch = Stopwatch::start();
        let mut source = profile::add(&self.config, source);
        self.add_source_paths(&mut source)?;
        let digest = source.digest()?;
        let cancel = Cancel::default();
        let mut work = Work::new(self, &source, digest, &mut watch, &cancel);
        work.purpose = Purpose::Fill;
        if work.find().is_some() {
            return Ok(());
        }
        let inputs = source.read()?;
        work.digest_again(&inputs);
        if self.config.background {
            return work.obtain_in_background(&inputs);
        }
        work.obtain(&inputs, false).map(drop)
    }

    /// Says where debuggers find the source, if they are to show the IR.
    fn add_source_paths(&self, source: &mut Source<'_>) -> Result<(), Error> {
        if !self.config.debug_ir {
            return Ok(());
        }
        let folder = match debug_ir::folder(&self.config, self.store.as_ref()) {
            Some(folder) => folder,
            None => self.sources_folder(&source.name)?,
        };
        debug_ir::add_paths(source, &folder)
    }

    /// A folder for sources that no cache keeps. `name`: what is compiled.
    fn sources_folder(&self, name: &str) -> Result<PathBuf, Error> {
        self.sources.folder().map_err(|why| {
            let why = reason(&why);
            let message = format!("there is no folder for the sources of {name}: {why}");
            Error::new(Status::Io, message)
        })
    }
}

/// What a source is called in caches.
pub struct Named {
    pub key: Key,
    /// What the key is made of.
    pub parts: Parts,
    /// For other CPUs that this machine can run code for: their names, and the keys.
    pub others: Vec<(&'static str, Key)>,
}

/// What a source is called for an executor of this configuration.
pub fn key_of(config: &Config, source: Source<'_>) -> Result<Named, Error> {
    let mut source = profile::add(config, source);
    if let Some(folder) = debug_ir::folder(config, config.store().as_ref()) {
        debug_ir::add_paths(&mut source, &folder)?;
    }
    let target = config.target();
    let parts = fork::guard(|| KeyParts::new(config.opt_level, &target, config.code_options()))
        .into_inner();
    let digest = source.digest()?;
    let mut others = Vec::new();
    if let Target::Host(own) = target {
        let levels = Level::ALL.into_iter().rev();
        let levels = levels.filter(|level| fork::guard(|| missing(*level)).into_inner().is_empty());
        let native = fork::guard(Cpu::native).into_inner();
        for cpu in std::iter::once(native).chain(levels.map(Cpu::Level)) {
            if cpu != own {
                let target = Target::Host(cpu);
                let parts = KeyParts::new(config.opt_level, &target, config.code_options());
                others.push((cpu.name(), Keys::new(parts).key(&digest)));
            }
        }
    }
    Ok(Named {
        key: Keys::new(parts).key(&digest),
        parts: parts.to_keep(&digest),
        others,
    })
}

/// What entries must be for that an executor of this configuration uses.
pub fn machine_of(config: &Config) -> String {
    let target = config.target();
    fork::guard(|| {
        KeyParts::new(config.opt_level, &target, config.code_options())
            .target
            .describe()
    })
    .into_inner()
}
