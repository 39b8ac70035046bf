//! From IR to a mapped module: by the cache, or by a compile server.
//!
//! `find` looks in the cache; on a miss `obtain` takes the key's lock and has a server `answer`, and `store` keeps what
//! it compiled; `load` maps the code and adds the module. All are steps of one `work`.

mod answer;
mod find;
mod load;
mod obtain;
mod store;
mod work;

use super::core::Executor;
use super::module::Module;
use super::source::Source;
use crate::cache::key::{Key, KeyParts, Keys};
use crate::cache::manifest::Parts;
use crate::cache::store::Purpose;
use crate::client::cancel::Cancel;
use crate::clock::Stopwatch;
use crate::config::Config;
use crate::error::Error;
use crate::fork;
use std::sync::Arc;
use work::Work;

impl Executor {
    /// Compiles a source, or finds it in the cache, and adds it as a module that is still to be linked. A file is
    /// read whole only if it must be compiled.
    pub fn compile(self: &Arc<Self>, source: Source<'_>) -> Result<Module, Error> {
        self.compile_unless(source, &Cancel::default())
    }

    /// As [`Executor::compile`], until it is cancelled.
    pub fn compile_unless(
        self: &Arc<Self>,
        mut source: Source<'_>,
        cancel: &Cancel,
    ) -> Result<Module, Error> {
        self.check_cpu()?;
        let mut watch = Stopwatch::start();
        let digest = source.digest()?;
        Work::new(self, &source, digest, &mut watch, cancel).run()
    }

    /// Compiles a source into the cache, and adds no module. An entry that is there already does not count as used.
    pub fn fill_cache(self: &Arc<Self>, mut source: Source<'_>) -> Result<(), Error> {
        let mut watch = Stopwatch::start();
        let digest = source.digest()?;
        let cancel = Cancel::default();
        let mut work = Work::new(self, &source, digest, &mut watch, &cancel);
        work.purpose = Purpose::Fill;
        if work.find().is_some() {
            return Ok(());
        }
        let inputs = source.read()?;
        work.digest_again(&inputs);
        work.obtain(&inputs, false).map(drop)
    }
}

/// The key of a source for an executor of this configuration, and what it is made of.
pub fn key_of(config: &Config, mut source: Source<'_>) -> Result<(Key, Parts), Error> {
    let target = config.target();
    let parts = fork::guard(|| KeyParts::new(config.opt_level, &target)).into_inner();
    let digest = source.digest()?;
    Ok((Keys::new(parts).key(&digest), parts.to_keep(&digest)))
}
