//! All remote stores of a configuration, in their order.

use super::question::Question;
use super::race::Cut;
use super::spec::Spec;
use super::store::{Asker, Budget, Fetched, Problem, Remote};
use super::upload::Uploader;
use crate::cache::directory::{Directory, JOURNAL, alias_path, entry_path};
use crate::cache::entry::ALIAS_LEN;
use crate::cache::journal::{Kind, Record, RemoteKind};
use crate::cache::key::Key;
use crate::cache::trust::Trust;
use crate::error::{Error, Status};
use crate::protocol::storage::breaker::End;
use crate::protocol::storage::endpoint::Endpoint;
use crate::protocol::storage::upload::Put;
use crate::threads;
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How long stores may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// To connect to a helper, which may have to be started.
    pub connect: Duration,
    /// For a whole look-up, in all stores.
    pub whole: Duration,
    /// After this, the module is compiled at the same time.
    pub hedge: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_millis(100),
            whole: Duration::from_secs(1),
            hedge: Duration::from_millis(10),
        }
    }
}

#[derive(Debug)]
pub struct Tier {
    pub(super) remotes: Vec<Remote>,
    timeouts: Timeouts,
    trust: Option<Arc<Trust>>,
    /// What entries must be for.
    machine: String,
    uploader: Uploader,
}

/// A file to put.
#[derive(Debug)]
pub struct Upload {
    pub key: Key,
    /// Below the cache's directory.
    pub path: String,
    pub len: u64,
}

impl Upload {
    pub fn entry(key: &Key, len: u64) -> Upload {
        Upload {
            key: *key,
            path: entry_path(key),
            len,
        }
    }

    pub fn alias(key: &Key) -> Upload {
        Upload {
            key: *key,
            path: alias_path(key),
            len: ALIAS_LEN,
        }
    }
}

/// The result of a look-up.
#[derive(Debug, Default)]
pub struct Report {
    pub found: Option<Found>,
    /// What was found.
    pub fetched: Option<Fetched>,
    /// What went wrong, with the name of the store.
    pub problems: Vec<String>,
    /// Whether a store said that it has nothing.
    pub absent: bool,
    /// How long it took.
    pub took: Duration,
}

/// What is told of an entry that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub key: Key,
    pub len: u64,
    /// Microseconds that its compile took.
    pub cost: u64,
    /// Which store had it.
    pub store: usize,
}

/// A look-up that goes on in a thread.
pub struct Pending {
    report: Receiver<Report>,
    cut: Arc<Cut>,
    tier: Arc<Tier>,
}

impl Tier {
    /// `trust` and `signs`: whether the configuration trusts and has keys. The error says, in plain words, why stores may not
    /// be used.
    pub fn new(
        specs: Vec<Spec>,
        timeouts: Timeouts,
        trust: Option<Arc<Trust>>,
        signs: bool,
        machine: String,
        server: Option<PathBuf>,
    ) -> Result<Tier, Error> {
        for spec in &specs {
            check(spec, trust.is_some(), signs)?;
        }
        Ok(Tier {
            remotes: specs
                .into_iter()
                .map(|spec| Remote::new(spec, server.clone()))
                .collect(),
            timeouts,
            trust,
            machine,
            uploader: Uploader::new(server),
        })
    }

    /// What a store is called in messages.
    pub fn name(&self, store: usize) -> String {
        self.remotes[store].spec.to_string()
    }

    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub fn reads(&self) -> bool {
        self.remotes.iter().any(|remote| remote.spec.mode.read)
    }

    /// Asks one store after the other, for at most this time.
    pub fn look(&self, key: &Key, whole: Duration, cut: &Cut) -> Report {
        let mut look = Look::new(key, None);
        let end = look.start + whole;
        self.go_on(&mut look, end, cut);
        look.report()
    }

    /// Asks, and does not wait for the answer. `cache`: where a long entry is written while it comes.
    pub fn ask(&self, key: &Key, cache: &Arc<Directory>) -> Look {
        let mut look = Look::new(key, Some(cache.clone()));
        let now = look.start;
        self.go_on_until(&mut look, now);
        look
    }

    /// Waits for the answer no longer than a compile waits to begin. That it takes longer is no failure.
    pub fn glance(&self, mut look: Look) -> Report {
        // Since it was asked, a lock may have been waited for: the store did not take that time.
        look.start = Instant::now();
        let end = look.start + self.timeouts.hedge.min(self.timeouts.whole);
        if !self.go_on_until(&mut look, end) {
            self.was_slow();
        }
        look.report()
    }

    /// Waits for the answer until a compile begins. `overtake`: runs in a thread when something is found after that.
    pub fn race(
        self: &Arc<Tier>,
        mut look: Look,
        overtake: impl FnOnce() + Send + 'static,
    ) -> Result<Report, Pending> {
        let Timeouts { whole, hedge, .. } = self.timeouts;
        let key = look.key;
        let (start, hedge) = (look.start, hedge.min(whole));
        // Most answers come so soon that there need be no thread.
        if self.go_on_until(&mut look, start + hedge) {
            return Ok(look.report());
        }
        let (tier, cut) = (self.clone(), Arc::new(Cut::new()));
        let (sender, report) = sync_channel(1);
        let thread_cut = cut.clone();
        let go_on = move || {
            tier.go_on(&mut look, start + whole, &thread_cut);
            let report = look.report();
            let found = report.found.is_some();
            // Nobody waits for it any more: it was cut.
            if sender.send(report).is_ok() && found {
                overtake();
            }
        };
        let rest = (start + hedge).saturating_duration_since(Instant::now());
        if threads::start(|builder| builder.spawn(go_on)).is_err() {
            // No thread can be had. Then the compile waits no longer than it would with one.
            return Ok(self.look(&key, rest, &Cut::default()));
        }
        let pending = Pending {
            report,
            cut,
            tier: self.clone(),
        };
        pending.wait(rest).ok_or(pending)
    }

    fn asker(&self) -> Asker<'_> {
        Asker {
            machine: &self.machine,
            trust: self.trust.as_deref(),
        }
    }

    /// Goes on with a look-up until it ends, for at most this time.
    fn go_on(&self, look: &mut Look, end: Instant, cut: &Cut) {
        let budget = Budget {
            connect: self.timeouts.connect,
            end,
        };
        while let Some(remote) = look.store(self).filter(|_| !cut.is_cut()) {
            let answer = match look.question(remote) {
                Ok(Some(question)) => remote.answer(question, &self.asker(), budget, cut),
                Ok(None) => Ok(None),
                Err(problem) => Err(problem),
            };
            look.note(remote, answer);
        }
    }

    /// As [`Tier::go_on`], as long as helpers that run answer by this time. Returns whether the look-up has ended.
    fn go_on_until(&self, look: &mut Look, end: Instant) -> bool {
        while let Some(remote) = look.store(self) {
            let answer = match look.question(remote) {
                Ok(Some(question)) => remote.answer_by(question, &self.asker(), end),
                Ok(None) => Some(Ok(None)),
                Err(problem) => Some(Err(problem)),
            };
            let Some(answer) = answer else {
                return false;
            };
            look.note(remote, answer);
        }
        true
    }

    /// Takes note that a compile was faster.
    pub fn was_slow(&self) {
        for remote in self.remotes.iter().filter(|remote| remote.spec.mode.read) {
            if let Ok((_, breaker)) = remote.place() {
                breaker.ended(End::TooSlow);
            }
        }
    }

    /// Puts files of a cache into all stores that are written; `before`: into those before this one, which did not have them.
    /// Waits for nothing. Returns what went wrong.
    pub fn upload(&self, from: &Path, files: &[Upload], before: Option<usize>) -> Option<String> {
        let mut puts = Vec::new();
        for (store, remote) in self.remotes.iter().enumerate() {
            let is_wanted = before.is_none_or(|before| store < before);
            // What is wrong with its helper was told when it was asked.
            if !remote.spec.mode.write || !is_wanted || remote.place().is_err() {
                continue;
            }
            puts.extend(files.iter().map(|file| {
                let record = |kind: RemoteKind| {
                    Record::now(Kind::Remote, kind as u8, file.len, file.key)
                        .encode()
                        .to_vec()
                };
                Put {
                    store: store as u32,
                    key: remote.names.of(&file.key).bytes().to_vec(),
                    path: from.join(&file.path).into_os_string().into_vec(),
                    journal: from.join(JOURNAL).into_os_string().into_vec(),
                    records: [record(RemoteKind::Put), record(RemoteKind::PutError)],
                }
            }));
        }
        if puts.is_empty() {
            return None;
        }
        let stores = || {
            let endpoint = |remote: &Remote| match remote.place() {
                Ok((endpoint, _)) => endpoint.clone(),
                Err(_) => Endpoint {
                    socket: Vec::new(),
                    program: Vec::new(),
                    environment: Vec::new(),
                },
            };
            self.remotes.iter().map(endpoint).collect()
        };
        self.uploader
            .put(&stores, puts)
            .err()
            .map(|why| format!("nothing is put into remotes: {why}"))
    }
}

/// A look-up in all stores, as far as it came.
pub struct Look {
    key: Key,
    cache: Option<Arc<Directory>>,
    start: Instant,
    /// The store that is asked, and what.
    store: usize,
    question: Option<Question>,
    report: Report,
}

impl Look {
    fn new(key: &Key, cache: Option<Arc<Directory>>) -> Look {
        Look {
            key: *key,
            cache,
            start: Instant::now(),
            store: 0,
            question: None,
            report: Report::default(),
        }
    }

    /// The store to ask next, if nothing was found yet.
    fn store<'a>(&mut self, tier: &'a Tier) -> Option<&'a Remote> {
        if self.report.found.is_some() {
            return None;
        }
        let rest = tier.remotes.get(self.store..)?;
        let next = rest.iter().position(|remote| remote.spec.mode.read)?;
        self.store += next;
        Some(&rest[next])
    }

    /// What that store is asked. `None`: it lacks the key.
    fn question(&mut self, remote: &Remote) -> Result<Option<&mut Question>, Problem> {
        if self.question.is_none() {
            self.question = remote.question(&self.key, self.cache.clone())?;
        }
        Ok(self.question.as_mut())
    }

    /// Takes note of its answer, and goes to the next store.
    fn note(&mut self, remote: &Remote, answer: Result<Option<Fetched>, Problem>) {
        let report = &mut self.report;
        match answer {
            Ok(Some(fetched)) => {
                report.found = Some(Found {
                    key: fetched.entry.key(),
                    len: fetched.entry.len(),
                    cost: fetched.entry.cost(),
                    store: self.store,
                });
                report.fetched = Some(fetched);
            }
            Ok(None) => report.absent = true,
            Err(Problem::LeftAlone) => {}
            Err(Problem::Failed(why)) => report.problems.push(format!(
                "the remote {} cannot be asked: {why}; it is left alone for a while",
                remote.spec
            )),
            Err(Problem::Unusable(why)) => report.problems.push(format!(
                "the remote {} has something that is not used: {why}",
                remote.spec
            )),
        }
        self.store += 1;
        self.question = None;
    }

    fn report(mut self) -> Report {
        self.report.took = self.start.elapsed();
        self.report
    }
}

impl Pending {
    /// The longest that it takes.
    pub fn whole(&self) -> Duration {
        self.tier.timeouts.whole
    }

    /// Waits for at most this time. `None`: it goes on.
    pub fn wait(&self, time: Duration) -> Option<Report> {
        match self.report.recv_timeout(time) {
            Ok(report) => Some(report),
            Err(RecvTimeoutError::Timeout) => None,
            // Its thread is gone.
            Err(RecvTimeoutError::Disconnected) => Some(Report::default()),
        }
    }

    /// Gives it up, if it goes on: something else was faster.
    pub fn abandon(self) {
        if self.wait(Duration::ZERO).is_none() {
            self.cut.cut();
            self.tier.was_slow();
        }
    }
}

/// Whether a store may be used as it is configured.
fn check(spec: &Spec, trusts: bool, signs: bool) -> Result<(), Error> {
    let mode = spec.mode;
    let why = if mode.read && !trusts && !mode.unsigned {
        "whoever can write to it could have this program run any code, because no key is trusted: trust the public key of \
         those who fill it, or allow unsigned entries if you trust everybody who can write to it"
    } else if mode.write && !signs && !mode.unsigned {
        "entries would be put there that nobody signed, and others would refuse them: set a key that signs, only read, or \
         allow unsigned entries"
    } else {
        return Ok(());
    };
    Err(Error::new(
        Status::Untrusted,
        format!("the remote {spec} is not used: {why}"),
    ))
}
