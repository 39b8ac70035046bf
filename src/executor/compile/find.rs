//! Looks in the cache.

use super::work::Work;
use crate::cache::entry::Entry;
use crate::cache::options::{self, CacheMode};
use crate::cache::store::{Found, Store};
use crate::clock::Stopwatch;
use crate::event::EventKind;
use crate::executor::debug_ir;
use crate::executor::source::Content;
use crate::protocol::source_paths::SourcePaths;

impl Work<'_> {
    /// The entry in the cache, if it can be used.
    pub fn find(&mut self) -> Option<Box<Entry>> {
        let Some(store) = &self.executor.store else {
            let off = self.executor.config.cache_mode == CacheMode::Off;
            self.tell(
                EventKind::Miss,
                if off {
                    "the cache is off"
                } else {
                    options::no_default_cache_dir()
                },
                0,
            );
            return None;
        };
        match self.look(store) {
            Found::Entry(entry) => return Some(entry),
            Found::Nothing => self.tell(EventKind::Miss, "", 0),
            Found::Unusable(reason, warning) => {
                self.missed = reason;
                self.warn(&warning);
                self.tell(EventKind::Miss, "its entry cannot be used", 0);
            }
        }
        None
    }

    /// Looks in the cache, and reports a hit.
    pub fn look(&mut self, store: &Store) -> Found {
        if !self.has_sources(store) {
            return Found::Nothing;
        }
        let mut watch = Stopwatch::start();
        let found = store.find_for(&self.key, &self.executor.machine, self.purpose);
        self.times.find += watch.lap();
        if let Found::Entry(entry) = &found {
            self.tell_hit("", entry);
        }
        found
    }

    /// Whether debuggers would find the sources of an entry, if they are to.
    fn has_sources(&self, store: &Store) -> bool {
        if !self.executor.config.debug_ir {
            return true;
        }
        let Some(Content::Memory(bytes)) = self.source.inputs.last().map(|input| &input.content)
        else {
            return false;
        };
        SourcePaths::decode(bytes)
            .is_some_and(|paths| store.has_sources(debug_ir::folder_name(&paths), &self.key))
    }
}
