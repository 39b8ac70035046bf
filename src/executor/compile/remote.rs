//! Asks remote stores what other machines compiled, while the compile may already run, and tells them what was compiled
//! here.

use super::answer::Answer;
use super::store::Code;
use super::work::Work;
use crate::cache::entry::{RawManifest, Whole};
use crate::cache::journal::RemoteKind;
use crate::cache::key::Key;
use crate::cache::store::Store;
use crate::client::cancel::Rival;
use crate::error::{Error, Status};
use crate::event::EventKind;
use crate::executor::info::Attachments;
use crate::remote::tier::{Found, Pending, Report, Tier, Upload};
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
    /// Asks the remotes. `anew`: what there is of this module is of no use.
    pub fn ask_remotes(&mut self, store: &Store, anew: bool) -> Asked {
        if let Some(refused) = self.executor.take_refused() {
            self.tell(EventKind::RemoteWarning, &refused.message, 0);
        }
        let Some(tier) = self.readable() else {
            return Asked::Nothing;
        };
        if anew {
            return Asked::Nothing;
        }
        let start = Instant::now();
        let rival = Arc::new(Rival::default());
        let winner = rival.clone();
        let answer = tier.race(&self.key, move || winner.win());
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
        let Found {
            fetched,
            store: which,
        } = report.found?;
        let entry = fetched.entry;
        let key = entry.tail.key();
        let alias = fetched.alias.as_deref().map(|alias| (&self.key, alias));
        match store.promote(&entry, alias) {
            Ok(()) => {
                self.fill_earlier(store, &entry, which);
                match store.reopen(&key) {
                    Ok(Some(opened)) => {
                        let mut image = entry.bytes;
                        image.truncate(entry.tail.image_len as usize);
                        return Some(Code::Stored {
                            entry: Box::new(opened),
                            image: Some(image),
                        });
                    }
                    Ok(None) => {}
                    Err((_, warning)) => self.warn(&warning),
                }
            }
            Err(warning) => self.warn(&warning),
        }
        Some(unstored(*entry))
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
        if let Some(Found { fetched, store }) = &report.found {
            let Whole {
                tail,
                bytes,
                manifest,
            } = &*fetched.entry;
            let compile = manifest
                .decode_about()
                .map_or(0, |about| about.times.total());
            let saved = compile.saturating_sub(took);
            record(&tail.key(), RemoteKind::Hit, bytes.len() as u64, saved);
            if let Some(tier) = &self.executor.remote {
                self.tell(EventKind::RemoteHit, &tier.name(*store), bytes.len() as u64);
            }
        } else if !report.problems.is_empty() {
            record(&self.key, RemoteKind::Error, 0, took);
        } else if report.absent {
            record(&self.key, RemoteKind::Miss, 0, took);
        }
    }

    /// Has the stores that were asked before the one that had an entry get it, too.
    fn fill_earlier(&self, store: &Store, entry: &Whole, which: usize) {
        let file = Upload::entry(&entry.tail.key(), entry.bytes.len() as u64);
        self.upload(store, &[file], Some(which));
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
        manifest: RawManifest::new(
            entry.bytes[entry.tail.image_len as usize..][..entry.tail.manifest_len as usize]
                .to_vec(),
        ),
    }
}
