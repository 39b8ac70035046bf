//! Remote stores on request: whether they answer, and what is put there, taken and removed because somebody asked for it.
//! Here people wait, so there is more time than in a compile, and a store that is left alone is asked all the same.

use super::race::Cut;
use super::store::{Budget, Remote};
use super::tier::{Report, Tier};
use crate::cache::key::Key;
use crate::error::{Error, Status};
use crate::protocol::storage::breaker::End;
use crate::protocol::storage::connection::Connection;
use crate::protocol::storage::upload::{MAX_VALUE_LEN, compressed};
use crate::protocol::storage::wire::{Collected, Failure, Limits};
use std::time::{Duration, Instant};

/// What a person waits for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a store may take to remove what is too old or too much.
const COLLECTION: Duration = Duration::from_mins(30);

/// How a store does.
#[derive(Debug, Default)]
pub struct Health {
    /// What its helper calls itself.
    pub helper: Option<String>,
    /// How long it took to ask for something that it does not have; or why there was no answer.
    pub answer: Option<Result<Duration, String>>,
    /// For how long it is left alone, and after how many failures.
    pub paused: Option<(Duration, u32)>,
}

impl Tier {
    pub fn len(&self) -> usize {
        self.remotes.len()
    }

    pub fn remote(&self, store: usize) -> Option<&Remote> {
        self.remotes.get(store)
    }

    /// Those that are written. The error says that there are none.
    fn written(&self) -> Result<Vec<&Remote>, Error> {
        let written: Vec<&Remote> = self
            .remotes
            .iter()
            .filter(|remote| remote.spec.mode.write)
            .collect();
        if written.is_empty() {
            return Err(Error::new(
                Status::InvalidArgument,
                "none of the remotes is written to: add |write or |read-write to one",
            ));
        }
        Ok(written)
    }

    /// Asks a store whether it is there.
    pub fn health(&self, remote: &Remote) -> Health {
        let mut health = Health::default();
        match remote.place() {
            Err(why) => health.answer = Some(Err(why.to_owned())),
            Ok((_, breaker)) => {
                health.paused = breaker.paused();
                health.answer = Some(remote.ask_anyway(|connection, deadline| {
                    if let Some((name, _)) = connection.info(deadline)? {
                        health.helper = Some(name);
                    }
                    // Its helper may be well, and the store not. Nothing has this key.
                    let start = Instant::now();
                    connection.get(&remote.names.of(&Key([0; 32])), 0, deadline)?;
                    Ok(start.elapsed())
                }));
            }
        }
        health
    }

    /// Puts a file into all stores that are written. Returns into how many it was put: others have it already.
    pub fn push(&self, key: &Key, file: &[u8]) -> Result<usize, Error> {
        let compressed = compressed(file);
        let value = compressed.as_deref().unwrap_or(file);
        let mut put = 0;
        for remote in self.written()? {
            let name = remote.names.of(key);
            let done = remote.ask_anyway(|connection, deadline| {
                if connection.exists(&name, deadline)? == Some(true) {
                    return Ok(false);
                }
                connection.put(&name, value, false, deadline)
            });
            put += usize::from(done.map_err(|why| failed(remote, &why))?);
        }
        Ok(put)
    }

    /// The entry of a key from the first store that has one.
    pub fn pull(&self, key: &Key) -> Report {
        self.look(key, PATIENCE, &Cut::default())
    }

    /// Whether a store that is read has something of a key, whatever it is. Stores that failed just now are not asked again.
    pub fn has(&self, key: &Key) -> bool {
        let has = |remote: &Remote| {
            let name = remote.names.of(key);
            remote.ask_anyway(
                |connection, deadline| match connection.exists(&name, deadline)? {
                    Some(there) => Ok(there),
                    None => Ok(connection.get(&name, MAX_VALUE_LEN, deadline)?.is_some()),
                },
            )
        };
        let is_well = |remote: &Remote| {
            let place = remote.place();
            place.is_ok_and(|(_, breaker)| breaker.paused().is_none())
        };
        self.remotes
            .iter()
            .filter(|remote| remote.spec.mode.read && is_well(remote))
            .any(|remote| has(remote).unwrap_or(false))
    }

    /// Removes from all stores that are written what was put there too long ago, and then the oldest until the rest fits.
    pub fn collect(&self, limits: Limits) -> Result<Collected, Error> {
        let mut all = Collected::default();
        for remote in self.written()? {
            let name = remote.names.prefix();
            let collected = remote
                .connect_anyway()
                .and_then(|mut connection| {
                    connection.collect(&name, limits, Instant::now() + COLLECTION)
                })
                .map_err(|failure| failed(remote, &failure.to_string()))?;
            let Some(collected) = collected else {
                return Err(failed(
                    remote,
                    "its helper cannot list what is there: limit it in the store itself, as with Redis' maxmemory",
                ));
            };
            all.removed += collected.removed;
            all.removed_bytes += collected.removed_bytes;
            all.left += collected.left;
            all.left_bytes += collected.left_bytes;
        }
        Ok(all)
    }
}

impl Remote {
    /// Whatever is known of it.
    fn connect_anyway(&self) -> Result<Connection, Failure> {
        let (endpoint, _) = self
            .place()
            .map_err(|why| Failure::Malformed(why.to_owned()))?;
        let now = Instant::now();
        self.connect(
            endpoint,
            Budget {
                connect: PATIENCE,
                end: now + PATIENCE,
            },
        )
    }

    fn ask_anyway<T>(
        &self,
        ask: impl FnOnce(&mut Connection, Instant) -> Result<T, Failure>,
    ) -> Result<T, String> {
        let mut connection = self
            .connect_anyway()
            .map_err(|failure| failure.to_string())?;
        let answer = ask(&mut connection, Instant::now() + PATIENCE);
        if let (Ok(_), Ok((_, breaker))) = (&answer, self.place()) {
            breaker.ended(End::Answered);
        }
        answer.map_err(|failure| failure.to_string())
    }
}

fn failed(remote: &Remote, why: &str) -> Error {
    Error::new(Status::Io, format!("the remote {}: {why}", remote.spec))
}
