//! One remote store, asked by way of its helper.

use super::absent::Absent;
use super::key::Names;
use super::place;
use super::question::{Question, Sent};
use super::race::Cut;
use super::spec::Spec;
use super::value::{compressed, unpack};
use crate::cache::arrived::Arrived;
use crate::cache::directory::{Directory, VERSION};
use crate::cache::entry::{self, EntryError, Received};
use crate::cache::key::Key;
use crate::cache::trust::Trust;
use crate::fork;
use crate::protocol::storage::breaker::{Breaker, End};
use crate::protocol::storage::connection::Connection;
use crate::protocol::storage::endpoint::Endpoint;
use crate::protocol::storage::wire::{Failure, Value};
use once_cell::sync::OnceCell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Remote {
    pub spec: Spec,
    pub names: Names,
    server: Option<PathBuf>,
    place: OnceCell<Result<(Endpoint, Breaker), String>>,
    kept: Mutex<Kept>,
}

/// What one look-up leaves for the next.
#[derive(Debug, Default)]
struct Kept {
    idle: Vec<Connection>,
    absent: Absent,
    /// The process that made the connections: a forked child must not use its parent's.
    owner: u32,
}

/// How many connections are kept.
const MOST_IDLE: usize = 8;

/// An entry that a store had.
#[derive(Debug)]
pub struct Fetched {
    pub entry: Arrived,
    /// The file of the alias that it was found by.
    pub alias: Option<Vec<u8>>,
}

/// For whom a store is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// What entries must be for.
    pub machine: &'a str,
    pub trust: Option<&'a Trust>,
}

/// Until when a look-up may take.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub connect: Duration,
    pub end: Instant,
}

/// Why a store was of no use.
#[derive(Debug)]
pub enum Problem {
    /// It is left alone, because it failed before.
    LeftAlone,
    /// It failed now.
    Failed(String),
    /// What it has must not be used.
    Unusable(String),
}

impl Remote {
    pub fn new(spec: Spec, server: Option<PathBuf>) -> Remote {
        Remote {
            names: Names::new(VERSION, &spec.namespace, spec.has_short_keys()),
            spec,
            server,
            place: OnceCell::new(),
            kept: Mutex::default(),
        }
    }

    /// Where its helper is, and whether it is left alone.
    pub fn place(&self) -> Result<&(Endpoint, Breaker), &str> {
        let find = || {
            let endpoint = place::find(&self.spec, self.server.as_deref())?;
            let breaker = Breaker::of(&endpoint.socket());
            Ok((endpoint, breaker))
        };
        match self.place.get() {
            Some(place) => place,
            // Outside the gate, because programs are looked for; two that come at once find the same.
            None => {
                let found = find();
                fork::guard(|| self.place.get_or_init(|| found)).into_inner()
            }
        }
        .as_ref()
        .map_err(String::as_str)
    }

    /// Asks nothing yet. `None`: the store said just now that it lacks this key.
    /// `cache`: where a long value is written while it comes.
    pub fn question(
        &self,
        key: &Key,
        cache: Option<Arc<Directory>>,
    ) -> Result<Option<Question>, Problem> {
        if self.lock().absent.has(key, Instant::now()) {
            return Ok(None);
        }
        let (_, breaker) = self
            .place()
            .map_err(|why| Problem::Failed(why.to_owned()))?;
        match breaker.ask() {
            true => Ok(Some(Question::new(key, cache))),
            false => Err(Problem::LeftAlone),
        }
    }

    /// The entry that a question is about, checked; `None`: the store has none.
    pub fn answer(
        &self,
        question: &mut Question,
        asker: &Asker<'_>,
        budget: Budget,
        cut: &Cut,
    ) -> Result<Option<Fetched>, Problem> {
        loop {
            let value = self.value(question, budget, cut);
            if let Some(answer) = self.conclude(question, value, asker, cut) {
                return answer;
            }
        }
    }

    /// As [`Remote::answer`], if the answer comes by this time from a helper that runs. `None`: the question goes on, and nothing
    /// is wrong.
    pub fn answer_by(
        &self,
        question: &mut Question,
        asker: &Asker<'_>,
        end: Instant,
    ) -> Option<Result<Option<Fetched>, Problem>> {
        let cut = Cut::default();
        loop {
            let value = self.value_by(question, end);
            if let Err(Failure::TimedOut | Failure::Closed) = value {
                return None;
            }
            if let Some(answer) = self.conclude(question, value, asker, &cut) {
                return Some(answer);
            }
        }
    }

    /// What follows from an answer. `None`: it was an alias, and now the question is about its entry.
    fn conclude(
        &self,
        question: &mut Question,
        value: Result<Option<Value>, Failure>,
        asker: &Asker<'_>,
        cut: &Cut,
    ) -> Option<Result<Option<Fetched>, Problem>> {
        // Whoever cut it says how it ended.
        if let Ok((_, breaker)) = self.place()
            && !cut.is_cut()
        {
            breaker.ended(match &value {
                Ok(_) | Err(Failure::TooLong(..)) => End::Answered,
                Err(_) => End::Failed,
            });
        }
        let key = question.key;
        let unusable =
            |why: String| Some(Err(Problem::Unusable(format!("the entry {key}: {why}"))));
        let value = match value {
            Ok(Some(value)) => value,
            // An alias whose entry is gone counts as absent.
            Ok(None) => {
                if question.target.is_none() {
                    self.lock().absent.add(key, Instant::now());
                }
                return Some(Ok(None));
            }
            Err(failure @ Failure::TooLong(..)) => return unusable(failure.to_string()),
            Err(failure) => return Some(Err(Problem::Failed(failure.to_string()))),
        };
        match (check(value, question, asker.trust), &question.target) {
            (Ok(Checked::Entry(entry)), _) => {
                match entry.manifest().expect_machine(asker.machine) {
                    Ok(()) => Some(Ok(Some(Fetched {
                        entry,
                        alias: question.target.take().map(|(_, alias)| alias),
                    }))),
                    Err(error) => unusable(error.to_string()),
                }
            }
            (Ok(Checked::Alias(target, alias)), None) => {
                question.target = Some((target, alias));
                None
            }
            (Ok(Checked::Alias(..)), Some(_)) => {
                unusable("its alias leads to another alias".to_owned())
            }
            (Err(why), _) => unusable(why),
        }
    }

    /// The value that is asked for now.
    fn value(
        &self,
        question: &mut Question,
        budget: Budget,
        cut: &Cut,
    ) -> Result<Option<Value>, Failure> {
        loop {
            if question.sent.is_none() {
                let (connection, is_new) = match self.idle() {
                    Some(connection) => (connection, false),
                    None => {
                        let (endpoint, _) = self
                            .place()
                            .map_err(|why| Failure::Malformed(why.to_owned()))?;
                        (self.connect(endpoint, budget)?, true)
                    }
                };
                question.sent = Some(Sent::new(connection, is_new, question.cache.clone()));
            }
            let Some(sent) = &mut question.sent else {
                continue;
            };
            let is_new = sent.is_new;
            let guard = cut.guard(&sent.connection)?;
            let value = self.exchange(question, budget.end);
            drop(guard);
            match value {
                // Its helper ended while it was idle. Each retry uses up a connection, so this ends.
                Err(Failure::Closed) if !is_new && !cut.is_cut() => {}
                other => return other,
            }
        }
    }

    /// As [`Remote::value`], from a helper that runs.
    fn value_by(&self, question: &mut Question, end: Instant) -> Result<Option<Value>, Failure> {
        if question.sent.is_none() {
            let (connection, is_new) = match (self.idle(), self.place()) {
                (Some(connection), _) => (connection, false),
                (None, Ok((endpoint, _))) if Instant::now() < end => {
                    match Connection::open(&endpoint.socket(), end) {
                        Ok(connection) => (connection, true),
                        // Whoever goes on may start one.
                        Err(_) => return Err(Failure::Closed),
                    }
                }
                (None, _) => return Err(Failure::Closed),
            };
            question.sent = Some(Sent::new(connection, is_new, question.cache.clone()));
        }
        self.exchange(question, end)
    }

    /// Sends what is asked for, and reads the answer.
    fn exchange(&self, question: &mut Question, end: Instant) -> Result<Option<Value>, Failure> {
        let name = self.names.of(question.wanted());
        let Some(sent) = &mut question.sent else {
            return Err(Failure::Closed);
        };
        let value = sent.exchange(&name, end);
        match &value {
            Ok(_) | Err(Failure::Refused(_)) => {
                if let Some(sent) = question.sent.take() {
                    let (connection, file) = sent.into_parts();
                    question.file = file;
                    self.keep(connection);
                }
            }
            // It can go on.
            Err(Failure::TimedOut) => {}
            Err(_) => question.sent = None,
        }
        value
    }

    pub fn connect(&self, endpoint: &Endpoint, budget: Budget) -> Result<Connection, Failure> {
        let deadline = (Instant::now() + budget.connect).min(budget.end);
        endpoint.connect(deadline, place::start)
    }

    fn idle(&self) -> Option<Connection> {
        self.lock().idle.pop()
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.lock();
        if kept.idle.len() < MOST_IDLE {
            kept.idle.push(connection);
        }
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Kept>> {
        let mut kept = fork::guard(|| self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let owner = std::process::id();
        if kept.owner != owner {
            *kept = Kept {
                owner,
                ..Kept::default()
            };
        }
        kept
    }
}

/// What a value is, once it was checked.
enum Checked {
    Entry(Arrived),
    /// The key of the entry, and the alias's file.
    Alias(Key, Vec<u8>),
}

fn check(value: Value, question: &mut Question, trust: Option<&Trust>) -> Result<Checked, String> {
    let words = |error: EntryError| error.to_string();
    let bytes = match value {
        Value::Bytes(bytes) => bytes,
        Value::Filled => {
            let file = question.file.take().ok_or("it is in no file")?;
            match compressed(&file.file)? {
                Some(bytes) => bytes,
                None => {
                    return Arrived::check_file(file, question.wanted(), trust)
                        .map(Checked::Entry)
                        .map_err(words);
                }
            }
        }
    };
    let file = unpack(bytes)?;
    let copy = (file.len() as u64 == entry::ALIAS_LEN).then(|| file.clone());
    let received = entry::receive(file, question.wanted(), trust).map_err(words)?;
    Ok(match received {
        Received::Entry(entry) => Checked::Entry(Arrived::Memory(entry)),
        Received::Alias(target) => Checked::Alias(target, copy.unwrap_or_default()),
    })
}
