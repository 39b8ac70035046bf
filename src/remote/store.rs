//! One remote store, asked by way of its helper.

use super::absent::Absent;
use super::key::Names;
use super::place;
use super::race::Cut;
use super::spec::Spec;
use super::value::unpack;
use crate::cache::directory::VERSION;
use crate::cache::entry::{self, Received, Whole};
use crate::cache::key::Key;
use crate::cache::trust::Trust;
use crate::fork;
use crate::protocol::storage::breaker::{Breaker, End};
use crate::protocol::storage::connection::Connection;
use crate::protocol::storage::endpoint::Endpoint;
use crate::protocol::storage::upload::MAX_VALUE_LEN;
use crate::protocol::storage::wire::Failure;
use once_cell::sync::OnceCell;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    pub entry: Box<Whole>,
    /// The file of the alias that it was found by.
    pub alias: Option<Vec<u8>>,
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

    /// The entry of a key, checked; `None`: the store has none.
    pub fn get(
        &self,
        key: &Key,
        machine: &str,
        trust: Option<&Trust>,
        budget: Budget,
        cut: &Cut,
    ) -> Result<Option<Fetched>, Problem> {
        if self.lock().absent.has(key, Instant::now()) {
            return Ok(None);
        }
        let (endpoint, breaker) = self
            .place()
            .map_err(|why| Problem::Failed(why.to_owned()))?;
        if !breaker.ask() {
            return Err(Problem::LeftAlone);
        }
        let found = self.fetch(endpoint, key, budget, cut);
        // Whoever cut it says how it ended.
        if !cut.is_cut() {
            breaker.ended(match &found {
                Ok(_) | Err(Failure::TooLong(..)) => End::Answered,
                Err(_) => End::Failed,
            });
        }
        let unusable = |why: String| Problem::Unusable(format!("the entry {key}: {why}"));
        let value = match found {
            Ok(Some(value)) => value,
            Ok(None) => {
                self.lock().absent.add(*key, Instant::now());
                return Ok(None);
            }
            Err(failure @ Failure::TooLong(..)) => return Err(unusable(failure.to_string())),
            Err(failure) => return Err(Problem::Failed(failure.to_string())),
        };
        let file = unpack(value).map_err(unusable)?;
        let copy = (file.len() as u64 == entry::ALIAS_LEN).then(|| file.clone());
        let target = match entry::receive(file, key, trust) {
            Ok(Received::Entry(entry)) => return fit(entry, None, machine).map_err(unusable),
            Ok(Received::Alias(target)) => target,
            Err(error) => return Err(unusable(error.to_string())),
        };
        let value = self
            .fetch(endpoint, &target, budget, cut)
            .map_err(|failure| Problem::Failed(failure.to_string()))?;
        // An alias whose entry is gone counts as absent.
        let Some(value) = value else {
            return Ok(None);
        };
        let file = unpack(value).map_err(unusable)?;
        match entry::receive(file, &target, trust) {
            Ok(Received::Entry(entry)) => fit(entry, copy, machine).map_err(unusable),
            Ok(Received::Alias(_)) => Err(unusable("its alias leads to another alias".to_owned())),
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    /// The value of a key.
    fn fetch(
        &self,
        endpoint: &Endpoint,
        key: &Key,
        budget: Budget,
        cut: &Cut,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let name = self.names.of(key);
        loop {
            let (mut connection, is_new) = match self.idle() {
                Some(connection) => (connection, false),
                None => (self.connect(endpoint, budget)?, true),
            };
            let guard = cut.guard(&connection)?;
            let value = connection.get(&name, MAX_VALUE_LEN, budget.end);
            drop(guard);
            match value {
                Ok(value) => {
                    self.keep(connection);
                    return Ok(value);
                }
                // Its helper ended while it was idle. Each retry uses up a connection, so this ends.
                Err(Failure::Closed) if !is_new && !cut.is_cut() => {}
                Err(failure @ Failure::Refused(_)) => {
                    self.keep(connection);
                    return Err(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
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

/// What can run here.
fn fit(
    entry: Box<Whole>,
    alias: Option<Vec<u8>>,
    machine: &str,
) -> Result<Option<Fetched>, String> {
    match entry.expect_machine(machine) {
        Ok(()) => Ok(Some(Fetched { entry, alias })),
        Err(error) => Err(error.to_string()),
    }
}
