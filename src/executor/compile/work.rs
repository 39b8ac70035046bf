//! One compile and its events.

use crate::cache::entry::Entry;
use crate::cache::journal::MissReason;
use crate::cache::key::Key;
use crate::cache::store::Purpose;
use crate::cache::warning::Warning;
use crate::client::cancel::Cancel;
use crate::clock::Stopwatch;
use crate::error::{Error, Status};
use crate::event::{Event, EventKind, Times};
use crate::executor::core::Executor;
use crate::executor::source::Source;
use crate::types::OptLevel;
use std::borrow::Cow;
use std::cell::RefCell;

/// One compile and its events.
pub struct Work<'a> {
    pub executor: &'a Executor,
    pub source: &'a Source<'a>,
    pub cancel: &'a Cancel,
    /// [`Source::digest`]
    pub digest: blake3::Hash,
    /// The level of the code that is looked for and compiled.
    pub level: OptLevel,
    pub key: Key,
    pub purpose: Purpose,
    pub times: Times,
    /// Whether remotes are asked for the canonical module: they said at once that they lack the module itself.
    pub ask_for_canonical: bool,
    /// Why the cache missed.
    pub missed: MissReason,
    /// The last warning that was told: one that repeats is told once.
    pub told: RefCell<String>,
}

impl<'a> Work<'a> {
    pub fn new(
        executor: &'a Executor,
        source: &'a Source<'a>,
        digest: blake3::Hash,
        watch: &mut Stopwatch,
        cancel: &'a Cancel,
    ) -> Work<'a> {
        Work {
            executor,
            source,
            cancel,
            digest,
            level: executor.config.opt_level,
            key: executor.keys.key(&digest),
            purpose: Purpose::Run,
            times: Times {
                hash: watch.lap(),
                ..Times::default()
            },
            ask_for_canonical: false,
            missed: MissReason::Absent,
            told: RefCell::default(),
        }
    }

    /// A file may have changed since it was hashed.
    pub fn digest_again(&mut self, inputs: &[Cow<'_, [u8]>]) {
        if self.source.is(inputs) {
            return;
        }
        let digest = self.source.digest_of(inputs);
        if digest != self.digest {
            self.digest = digest;
            self.set_level(self.level);
        }
    }

    /// Code of this level is looked for and compiled from now on.
    pub fn set_level(&mut self, level: OptLevel) {
        self.level = level;
        self.key = self.executor.keys_at(level).key(&self.digest);
        self.missed = MissReason::Absent;
    }

    pub fn warn(&self, warning: &Warning) {
        if *self.told.borrow() != warning.0 {
            self.told.borrow_mut().clone_from(&warning.0);
            self.tell(EventKind::CacheWarning, &warning.0, 0);
        }
    }

    pub fn tell(&self, kind: EventKind, message: &str, bytes: u64) {
        if let Some(hook) = &self.executor.config.hook {
            hook(&Event {
                kind,
                key: self.key.0,
                name: &self.source.name,
                message,
                bytes,
                times: &self.times,
                progress: None,
            });
        }
    }

    pub fn bad_code(&self, what: &str, why: &dyn std::fmt::Display) -> Error {
        Error::new(
            Status::Load,
            format!("the compiled code of {} {what}: {why}", self.source.name),
        )
    }

    pub fn tell_hit(&self, how: &str, entry: &Entry) {
        if self.purpose == Purpose::Run {
            self.tell(EventKind::Hit, how, entry.part.len);
        }
    }
}
