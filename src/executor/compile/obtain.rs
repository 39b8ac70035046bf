//! Compiles on a miss, unless somebody else does so first.

use super::answer::{Answer, Mode};
use super::remote::Asked;
use super::store::Code;
use super::work::Work;
use crate::cache::lock::Outcome;
use crate::cache::options::CacheMode;
use crate::cache::store::Found;
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::executor::debug_ir;
use crate::executor::info::Origin;
use crate::executor::listen::too_long;
use crate::protocol::source_paths::SourcePaths;
use std::borrow::Cow;
use std::time::Instant;

impl Work<'_> {
    /// Compiles, unless somebody else does so first, and stores. `anew`: what the cache has is of no use.
    pub fn obtain(
        &mut self,
        inputs: &[Cow<'_, [u8]>],
        anew: bool,
    ) -> Result<(Code, Origin), Error> {
        let writable = self.executor.config.cache_mode == CacheMode::ReadWrite;
        let executor = self.executor;
        let store = executor.store.as_ref();
        let Some(writable) = store.filter(|_| writable) else {
            let mode = match store {
                Some(store) if !anew => Mode::Look(store),
                _ => Mode::Compile,
            };
            let inputs = self.sources_elsewhere(inputs)?;
            let answer = self.ask(&inputs, mode)?;
            return self.keep(answer, &inputs, None);
        };
        let mut watch = Stopwatch::start();
        // Both locks together are waited for no longer than one.
        let deadline = Instant::now() + executor.config.lock_timeout;
        let mut held = None;
        match writable.lock(&self.key, executor.config.lock_timeout) {
            Ok(Outcome::Held(lock)) => {
                held = Some(lock);
                self.times.wait += watch.lap();
                // Whoever held it before may have stored it.
                if !anew && let Found::Entry(entry) = self.look(writable) {
                    return Ok((Code::Stored { entry, image: None }, Origin::Cache));
                }
            }
            Ok(Outcome::TimedOut) => {
                self.times.wait += watch.lap();
                self.warn(&too_long());
            }
            // Compiled without the lock: at worst twice.
            Err(warning) => self.warn(&warning),
        }
        let mode = match anew {
            true => Mode::Compile,
            false => Mode::Store(writable, deadline),
        };
        // What else there is to do is done while they answer.
        let look = self.ask_remotes(writable, anew);
        writable.create_journal();
        let pending = match self.hear_remotes(look, writable) {
            Asked::Found(code) => return Ok((code, Origin::Cache)),
            Asked::Pending(pending) => Some(pending),
            Asked::Nothing => None,
        };
        let answer = self.ask(inputs, mode);
        if let Some(pending) = pending
            && let Some(code) = self.compare_with(pending, &answer, writable)
        {
            return Ok((code, Origin::Cache));
        }
        if !matches!(answer, Ok(Answer::Known(_))) {
            writable.record_miss(&self.key, self.missed);
        }
        let kept = self.keep(answer?, inputs, Some(writable))?;
        drop(held);
        if let Err(warning) = writable.maintain() {
            self.warn(&warning);
        }
        Ok(kept)
    }

    /// The inputs, which name another folder for sources if the cache that they name is not written.
    fn sources_elsewhere<'b>(
        &mut self,
        inputs: &'b [Cow<'b, [u8]>],
    ) -> Result<Cow<'b, [Cow<'b, [u8]>]>, Error> {
        let executor = self.executor;
        let is_elsewhere = !executor.config.debug_ir || executor.store.is_none();
        let Some(paths) = debug_ir::paths(inputs).filter(|_| !is_elsewhere) else {
            return Ok(Cow::Borrowed(inputs));
        };
        let folder = executor.sources_folder(&self.source.name)?;
        let mut inputs = inputs.to_vec();
        inputs.pop();
        let moved = folder.join(debug_ir::folder_name(&paths));
        let moved = SourcePaths {
            folder: moved.to_string_lossy().into_owned(),
            ..paths
        };
        inputs.push(Cow::Owned(moved.encode()));
        self.digest_again(&inputs);
        Ok(Cow::Owned(inputs))
    }
}
