//! Asks remote stores what other machines compiled, while the compile may already run, and tells them what was compiled
//! here.

use super::answer::Answer;
use super::store::Code;
use super::work::Work;
use crate::cache::entry::Whole;
use crate::cache::journal::RemoteKind;
use crate::cache::key::Key;
use crate::cache::store::Store;
use crate::client::cancel::Rival;
use crate::error::{Error, Status};
use crate::event::EventKind;
use crate::executor::info::Attachments;
use crate::remote::tier::{Look, Pending, Report, Tier, Upload};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What remotes said in the time that a compile waits for them.
pub enum Asked {
    Found(Code),
    /// They are still asked.
    Pending(Pending),
    Nothing,
}

impl Work<'_> {
    /// Asks the remotes, and does not wait for their answer. `anew`: what there is of this module is of no use.
    pub fn ask_remotes(&self, store: &Store, anew: bool) -> Option<Look> {
        if let Some(refused) = self.executor.take_refused() {
            self.tell(EventKind::RemoteWarning, &refused.message, 0);
        }
        let tier = self.readable().filter(|_| !anew)?;
        Some(tier.ask(&self.key, store.directory()))
    }

    /// Waits for the remotes' answer until a compile begins.
    pub fn hear_remotes(&mut self, look: Option<Look>, store: &Store) -> Asked {
        let (Some(tier), Some(look)) = (self.readable(), look) else {
            return Asked::Nothing;
        };
        let start = Instant::now();
        let rival = Arc::new(Rival::default());
        let winner = rival.clone();
        let answer = tier.race(look, move || winner.win());
        self.times.remote += start.elapsed().as_micros() as u64;
        let report = match answer {
            Ok(report) => report,
            Err(pending) => {
                self.cancel.set_rival(Some(rival));
                return Asked::Pending(pending);
            }
        };
        self.ask_for_canonical = report.absent && report.problems.is_empty();
        match self.take(report, store) {
            Some(code) => Asked::Found(code),
            None => Asked::Nothing,
        }
    }

    /// Whether a look-up was faster than the compile that ended with `answer`: then what it found. Else it is given up.
    pub fn compare_with(
        &mut self,
        pending: Pending,
        answer: &Result<Answer, Error>,
        store: &Store,
    ) -> Option<Code> {
        self.cancel.set_rival(None);
        // Without a server, a remote is all that is left: then it has the time that it may take.
        let has_no_server = answer
            .as_ref()
            .is_err_and(|error| error.status == Status::ServerUnavailable);
        let patience = match has_no_server {
            true => pending.whole(),
            false => Duration::ZERO,
        };
        match pending.wait(patience) {
            Some(report) if answer.is_err() => self.take(report, store),
            Some(report) => {
                self.note_report(&report, Some(store));
                None
            }
            None => {
                pending.abandon();
                None
            }
        }
    }

    /// The remotes, if they may have this module.
    pub fn readable(&self) -> Option<Arc<Tier>> {
        // The sources that debuggers are to show lie in this machine's cache.
        let may = !self.executor.config.debug_ir;
        self.executor
            .remote
            .as_ref()
            .filter(|tier| may && tier.reads())
            .cloned()
    }

    /// Stores what was found, and opens it as every later run will.
    fn take(&mut self, report: Report, store: &Store) -> Option<Code> {
        self.note_report(&report, Some(store));
        let (found, fetched) = (report.found?, report.fetched?);
        let file = Upload::entry(&found.key, found.len);
        let alias = fetched.alias.as_deref().map(|alias| (&self.key, alias));
        match store.promote(fetched.entry, alias) {
            Ok(entry) => {
                // The stores that were asked before this one get it, too.
                self.upload(store, &[file], Some(found.store));
                Some(Code::Stored { entry, image: None })
            }
            Err((warning, entry)) => {
                self.warn(&warning);
                entry.into_memory().ok().map(|entry| unstored(*entry))
            }
        }
    }

    /// Tells and records what remotes said.
    pub fn note_report(&self, report: &Report, store: Option<&Store>) {
        for problem in &report.problems {
            self.tell(EventKind::RemoteWarning, problem, 0);
        }
        let took = report.took.as_micros() as u64;
        let record = |key: &Key, kind, bytes, cost| {
            if let Some(store) = store {
                store.record_remote(key, kind, bytes, cost);
            }
        };
        if let Some(found) = &report.found {
            let saved = found.cost.saturating_sub(took);
            record(&found.key, RemoteKind::Hit, found.len, saved);
            if let Some(tier) = &self.executor.remote {
                self.tell(EventKind::RemoteHit, &tier.name(found.store), found.len);
            }
        } else if !report.problems.is_empty() {
            record(&self.key, RemoteKind::Error, 0, took);
        } else if report.absent {
            record(&self.key, RemoteKind::Miss, 0, took);
        }
    }

    /// Has the uploader put files of the cache into the remotes.
    pub fn upload(&self, store: &Store, files: &[Upload], before: Option<usize>) {
        let Some(tier) = self
            .executor
            .remote
            .as_ref()
            .filter(|_| !self.executor.config.debug_ir)
        else {
            return;
        };
        if let Some(why) = tier.upload(store.directory().path(), files, before) {
            self.tell(EventKind::RemoteWarning, &why, 0);
        }
    }
}

/// Code that the cache cannot store.
fn unstored(entry: Whole) -> Code {
    Code::Unstored {
        attachments: Attachments {
            image: entry.image().to_vec(),
            object: entry.object().to_vec(),
            input: entry.input().to_vec(),
        },
        manifest: entry.manifest,
    }
}
