//! Compiles at a low level what somebody waits for, and has the rest done in the background.

use super::load::{Compiled, LookUp};
use super::remote::Asked;
use super::work::Work;
use crate::cache::key::Key;
use crate::cache::lock::Outcome;
use crate::cache::options::CacheMode;
use crate::client::cancel::Cancel;
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::event::EventKind;
use crate::executor::compile::answer::{Answer, Mode};
use crate::executor::core::Executor;
use crate::executor::source::Source;
use crate::executor::storing;
use crate::image::Image;
use crate::types::OptLevel;
use std::borrow::Cow;
use std::os::unix::net::UnixStream;
use std::time::Duration;

impl Work<'_> {
    /// Finds or compiles code of the level `first`: the cache has none of the other level, which is compiled in the background.
    pub fn run_tiers(mut self, first: OptLevel) -> Result<Compiled, Error> {
        let (executor, source) = (self.executor, self.source);
        let mut later = Later {
            executor,
            source,
            key: self.key,
        };
        self.set_level(first);
        let (mut work, unusable) = match executor.store {
            None => (self, false),
            Some(_) => match self.look_up()? {
                LookUp::Hit(compiled) => {
                    // Without its source it runs all the same.
                    if let Ok(inputs) = source.read() {
                        later.order(&inputs, &compiled);
                    }
                    return Ok(compiled);
                }
                LookUp::Miss(work, unusable) => (work, unusable),
            },
        };
        let inputs = source.read()?;
        work.digest_again(&inputs);
        later.key = executor.keys.key(&work.digest);
        let compiled = work.compile(&inputs, unusable)?;
        later.order(&inputs, &compiled);
        Ok(compiled)
    }

    /// Compiles and stores what nobody waits for.
    pub fn obtain_in_background(&mut self, inputs: &[Cow<'_, [u8]>]) -> Result<(), Error> {
        let Some(store) = &self.executor.store else {
            return Ok(());
        };
        store.create_journal();
        // Whoever has the lock compiles it for somebody, and stores it. It is not kept: somebody might wait for it.
        if let Ok(Outcome::TimedOut) = store.lock(&self.key, Duration::ZERO) {
            return Ok(());
        }
        let look = self.ask_remotes(store, false);
        let pending = match self.hear_remotes(look, store) {
            Asked::Found(_) => return Ok(()),
            Asked::Pending(pending) => Some(pending),
            Asked::Nothing => None,
        };
        let answer = self.ask(inputs, Mode::Background(store));
        if let Some(pending) = pending
            && self.compare_with(pending, &answer, store).is_some()
        {
            return Ok(());
        }
        if !matches!(answer, Ok(Answer::Known(_))) {
            store.record_miss(&self.key, self.missed);
        }
        self.keep(answer?, inputs, Some(store))?;
        let _ = store.maintain();
        Ok(())
    }
}

/// What is to be compiled in the background.
struct Later<'a> {
    executor: &'a Executor,
    source: &'a Source<'a>,
    /// That of its code.
    key: Key,
}

impl Later<'_> {
    /// Has it compiled and stored, and the module switched to it where that is sound. If that cannot be, a later process tries
    /// again.
    fn order(&self, inputs: &[Cow<'_, [u8]>], compiled: &Compiled) {
        let executor = self.executor;
        if executor.store.is_none() || executor.config.cache_mode != CacheMode::ReadWrite {
            return;
        }
        let order = |known: Option<&UnixStream>| {
            storing::order(executor, self.source, inputs, &self.key, known)
        };
        let is_switchable = compiled.image.as_ref().is_some_and(Image::is_switchable);
        let ordered = match is_switchable {
            true => {
                let then = executor.switch_when_stored(compiled.info.clone(), self.key);
                executor.watch.order(self.key.0, then, order)
            }
            false => order(None).map(drop),
        };
        if let Err(error) = ordered {
            executor.tell(
                EventKind::ServerWarning,
                &self.key,
                &self.source.name,
                &error.message,
            );
        }
    }
}

/// Maps code of the executor's level that was stored under this key.
pub fn map_stored(executor: &Executor, name: &str, key: Key) -> Result<Image, Error> {
    let (source, cancel) = (Source::new(name), Cancel::default());
    let digest = blake3::Hash::from_bytes([0; 32]);
    let mut work = Work::new(executor, &source, digest, &mut Stopwatch::start(), &cancel);
    work.key = key;
    work.map_again()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::manifest::Manifest;
    use crate::config::Config;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    /// Nobody would see in the background that it cannot be run.
    #[test]
    fn what_is_stored_and_cannot_be_mapped_is_compiled_again_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let begun = Arc::new(Mutex::new(Vec::new()));
        let seen = begun.clone();
        let mut config = Config {
            cache_dir: Some(folder.path().join("cache")),
            server_path: Some(PathBuf::from("/nowhere/mgenjit-server")),
            hook: Some(Arc::new(move |event| {
                if event.kind == EventKind::CompileStarted {
                    seen.lock().expect("no panic").push(event.key);
                }
            })),
            ..Config::default()
        };
        config.set_tiers(OptLevel::O0, OptLevel::O2);
        let executor = Executor::new(config);
        let source = || Source::memory("m.ll", b"define void @f() {\n  ret void\n}\n");
        let digest = source().digest().expect("a digest");
        let (first, then) = (executor.keys_at(OptLevel::O0), &executor.keys);
        let (first, then) = (first.key(&digest), then.key(&digest));
        assert!(executor.compile(source()).is_err(), "there is no server");

        let store = executor.store.as_ref().expect("a cache");
        let mut manifest = Manifest::example("m.ll");
        manifest.about.parts.machine.clone_from(&executor.machine);
        store.create_journal();
        store
            .publish(&then, &[7; 100], b"object", b"input", &mut manifest)
            .expect("it is stored");
        assert!(executor.compile(source()).is_err(), "there is no server");
        assert_eq!(*begun.lock().expect("no panic"), [first.0, then.0]);
    }
}
