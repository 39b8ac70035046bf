//! How many clients there are, how long each may take, and how much is kept for all: who goes when it is too much.

use super::client::Client;
use super::connection::{Connection, Frame};
use super::state::{LISTENER, Supervisor};
use super::turn::Turn;
use mgenjit::protocol::messages::Hello;
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// After so many new connections, what the others say is heard.
const ACCEPTED_AT_ONCE: usize = 64;

/// Bytes of all clients' unfinished frames together.
const MOST_BUFFERED: usize = 256 << 20;

impl Supervisor {
    fn has_idle(&self) -> bool {
        self.clients.values().any(|client| client.turn.is_idle())
    }

    /// Takes connections that wait. More of them are an event again.
    pub fn accept(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            // Those that come now wait until somebody leaves.
            if self.clients.len() >= self.most_clients && !self.has_idle() {
                return self.set_accepting(false);
            }
            let Some(listener) = &self.listener else {
                return;
            };
            match listener.accept() {
                Ok(Some((socket, peer))) => {
                    if peer.user != rustix::process::geteuid().as_raw() {
                        self.refuse(peer.process, "another user's");
                        continue;
                    }
                    self.take_client(socket, peer.process);
                }
                Ok(None) => return,
                // No more files, for all the room that was left: somebody has to go.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
                    if self.make_room() => {}
                Err(_) => return self.set_accepting(false),
            }
        }
    }

    fn take_client(&mut self, socket: OwnedFd, process: u32) {
        if self.clients.len() >= self.most_clients {
            self.make_room();
        }
        let id = self.new_id();
        let interest = EventFlags::IN | EventFlags::RDHUP;
        let connection = Connection::new(socket);
        if self.watch(id, connection.socket(), interest).is_err() {
            self.refuse(process, "cannot be watched");
            return;
        }
        self.status.accepted += 1;
        let client = Client {
            connection,
            process,
            turn: Turn::new(Instant::now()),
            interest,
            asked: None,
        };
        self.clients.insert(id, client);
        if let Ok(hello) = Frame::new(&Hello::ours(), None) {
            self.send(id, hello);
        }
    }

    /// Cuts an idle connection, to have room for another. Whether there was one.
    fn make_room(&mut self) -> bool {
        let all = self.clients.iter().map(|(id, client)| Seen {
            id: *id,
            process: client.process,
            idle_since: client.turn.is_idle().then(|| client.turn.since()),
        });
        let Some(Seen { id, process, .. }) = least_needed(all.collect()) else {
            return false;
        };
        self.refuse(
            process,
            "too many connections: the one that was idle for longest",
        );
        self.drop_client(id);
        true
    }

    pub fn refuse(&mut self, process: u32, why: &str) {
        self.status.refused += 1;
        self.log.write(
            "refused",
            &[("client", json!(process)), ("reason", json!(why))],
        );
    }

    /// While nothing can be taken, connections that wait would be an event again and again.
    pub fn set_accepting(&mut self, accepting: bool) {
        if self.accepting == accepting {
            return;
        }
        if let Some(listener) = &self.listener {
            let flags = match accepting {
                true => EventFlags::IN,
                false => EventFlags::empty(),
            };
            let data = epoll::EventData::new_u64(LISTENER);
            if epoll::modify(&self.epoll, listener.socket(), data, flags).is_ok() {
                self.accepting = accepting;
            }
        }
    }

    pub fn cut_slow_clients(&mut self) {
        let (now, timeout) = (Instant::now(), self.options.client_timeout);
        let slow: Vec<(u64, u32)> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                // What is not read now, it does not owe.
                let is_read = client.interest.contains(EventFlags::IN);
                let owes = client.connection.owes_since(is_read);
                owes.is_some_and(|since| now.saturating_duration_since(since) >= timeout)
                    || client.turn.is_late(now, timeout)
            })
            .map(|(id, client)| (*id, client.process))
            .collect();
        for (id, process) in slow {
            self.refuse(process, "too slow");
            self.drop_client(id);
        }
    }

    /// Cuts whoever has sent the most of what is kept, if it is too much in all.
    pub fn bound_buffers(&mut self) {
        let buffered = |client: &Client| {
            client.connection.buffered() + client.asked.as_ref().map_or(0, |asked| asked.size)
        };
        while let Some(id) = largest(
            self.clients
                .iter()
                .map(|(id, client)| (*id, buffered(client))),
            MOST_BUFFERED,
        ) {
            let process = self.clients.get(&id).map_or(0, |client| client.process);
            self.refuse(process, "too much to keep");
            self.drop_client(id);
        }
    }
}

/// What decides whose connection is cut when there are too many.
#[derive(Clone, Copy)]
struct Seen {
    id: u64,
    process: u32,
    /// `None`: something is done for it.
    idle_since: Option<Instant>,
}

/// The connection that was idle for longest, of the process that has the most.
fn least_needed(all: Vec<Seen>) -> Option<Seen> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for one in &all {
        *counts.entry(one.process).or_default() += 1;
    }
    all.into_iter()
        .filter(|one| one.idle_since.is_some())
        .min_by_key(|one| (Reverse(counts[&one.process]), one.idle_since, one.id))
}

/// Who has the most bytes, if all have more than `bound` together.
fn largest(buffered: impl Iterator<Item = (u64, usize)>, bound: usize) -> Option<u64> {
    let (mut all, mut most) = (0_usize, None);
    for (id, size) in buffered {
        all = all.saturating_add(size);
        most = most.max(Some((size, Reverse(id))));
    }
    most.filter(|_| all > bound).map(|(_, Reverse(id))| id)
}

#[cfg(test)]
mod tests;
