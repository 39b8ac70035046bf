//! Handles what the server says before its answer.

use super::core::Executor;
use crate::cache::entry::Entry;
use crate::cache::key::{Key, Keys};
use crate::cache::lock::{Lock, Outcome};
use crate::cache::store::{Found, Purpose, Store};
use crate::cache::warning::Warning;
use crate::client::listener;
use crate::event::{Event, EventKind, Times};
use crate::protocol::messages::{Decision, Progress};
use crate::remote::store::Fetched;
use crate::remote::tier::{Look, Report, Tier};
use std::time::Instant;

pub struct Listener<'a> {
    pub executor: &'a Executor,
    /// Those of the level that is compiled.
    pub keys: &'a Keys,
    pub name: &'a str,
    pub key: Key,
    pub times: Times,
    pub purpose: Purpose,
    /// The cache to look into, if any, for the module by another key.
    pub store: Option<&'a Store>,
    /// Until when the canonical module's lock is waited for; `None`: it is not taken.
    pub lock_until: Option<Instant>,
    /// The canonical module's key, its lock, its entry, and what was wrong with these: once the module is identified.
    pub canonical: Option<Key>,
    pub held: Option<Lock>,
    pub known: Option<Box<Entry>>,
    pub warning: Option<Warning>,
    /// The last warning that was told: one that repeats is told once.
    pub told: String,
    /// The remotes to ask for the canonical module, and what they answered.
    pub remote: Option<&'a Tier>,
    pub report: Option<Report>,
}

impl<'a> Listener<'a> {
    fn tell(&self, kind: EventKind, message: &str, progress: Option<Progress>) {
        if let Some(hook) = &self.executor.config.hook {
            hook(&Event {
                kind,
                key: self.key.0,
                name: self.name,
                message,
                bytes: 0,
                times: &self.times,
                progress,
            });
        }
    }

    /// Asks the remotes for the canonical module, if this cache lacks it, and does not wait for their answer.
    fn ask_remotes(&mut self, store: &Store, key: &Key) -> Option<(&'a Tier, Look)> {
        // Once: another server asks again.
        let tier = self.remote.take()?;
        let is_here = matches!(store.look(key), Ok(Some(_)));
        (!is_here).then(|| (tier, tier.ask(key, store.directory())))
    }

    /// The entry of the canonical module from a remote, stored here. The server waits for this, so it takes no longer than a
    /// compile waits for a remote.
    fn fetch(&mut self, store: &Store, key: &Key, tier: &Tier, look: Look) -> Option<Box<Entry>> {
        let mut report = tier.glance(look);
        let fetched = report.fetched.take();
        self.report = Some(report);
        let Fetched { entry, alias } = fetched?;
        match store.promote(entry, alias.as_deref().map(|alias| (key, alias))) {
            Ok(entry) => Some(entry),
            Err((warning, _)) => {
                self.warning = Some(warning);
                None
            }
        }
    }
}

impl listener::Listener for Listener<'_> {
    fn identified(&mut self, digest: &[u8; 32]) -> Decision {
        let key = self.keys.canonical(digest);
        self.canonical = Some(key);
        let Some(store) = self.store else {
            return Decision::Compile;
        };
        // What else there is to do is done while they answer.
        let asked = self.ask_remotes(store, &key);
        // The lock that was taken for a server that is gone still holds.
        if let Some(deadline) = self.lock_until.filter(|_| self.held.is_none()) {
            let timeout = deadline.saturating_duration_since(Instant::now());
            // This process holds the first key's lock and takes the second's: always in this order.
            match store.lock(&key, timeout) {
                Ok(Outcome::Held(lock)) => self.held = Some(lock),
                Ok(Outcome::TimedOut) => self.warning = Some(too_long()),
                Err(error) => self.warning = Some(error),
            }
        }
        match store.find_for(&key, &self.executor.machine, self.purpose) {
            Found::Entry(entry) => {
                self.known = Some(entry);
                Decision::Stop
            }
            Found::Nothing | Found::Unusable(..) => {
                self.known = asked.and_then(|(tier, look)| self.fetch(store, &key, tier, look));
                match self.known {
                    Some(_) => Decision::Stop,
                    None => Decision::Compile,
                }
            }
        }
    }

    fn progress(&mut self, progress: Progress) {
        self.tell(EventKind::Progress, progress.phase.name(), Some(progress));
    }

    fn cache_warning(&mut self, why: &str) {
        if self.told != why {
            why.clone_into(&mut self.told);
            self.tell(EventKind::CacheWarning, why, None);
        }
    }

    fn warning(&mut self, why: &str) {
        self.tell(EventKind::ServerWarning, why, None);
    }
}

pub fn too_long() -> Warning {
    Warning(
        "another thread or process has been compiling this for so long that it is compiled here as well"
            .to_owned(),
    )
}
