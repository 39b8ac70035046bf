//! How many clients there are, how long each may take, and how much is kept for all: who goes when it is too much.

use super::client::{Client, State};
use super::connection::{Connection, Frame};
use super::state::{LISTENER, Supervisor};
use mgenjit::protocol::messages::Hello;
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use serde_json::json;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// After so many new connections, what the others say is heard.
const ACCEPTED_AT_ONCE: usize = 64;

/// Bytes of all clients' unfinished frames together.
const MOST_BUFFERED: usize = 256 << 20;

/// How many times as long as for all else a client may take to decide: it may have to wait for a lock of the cache.
const DECISION_FACTOR: u32 = 12;

impl Supervisor {
    fn has_idle(&self) -> bool {
        self.clients.values().any(Client::is_idle)
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
            state: State::Greeting,
            since: Instant::now(),
            interest,
            asked: None,
            came: Instant::now(),
            started: false,
            decided: false,
        };
        self.clients.insert(id, client);
        if let Ok(hello) = Frame::new(&Hello::ours(), None) {
            self.send(id, hello);
        }
    }

    /// Cuts the connection that was longest of no use, of the process that has the most. Whether there was one.
    fn make_room(&mut self) -> bool {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for client in self.clients.values() {
            *counts.entry(client.process).or_default() += 1;
        }
        let idle = self.clients.iter().filter(|(_, client)| client.is_idle());
        let chosen = idle.min_by_key(|(_, client)| {
            let count = counts.get(&client.process).copied().unwrap_or_default();
            (std::cmp::Reverse(count), client.since)
        });
        let Some((id, client)) = chosen.map(|(id, client)| (*id, client.process)) else {
            return false;
        };
        self.refuse(
            client,
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
        let client_timeout = self.options.client_timeout;
        let is_over = |since: Instant, client_timeout: Duration| since.elapsed() >= client_timeout;
        let slow: Vec<(u64, u32)> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                // What is not read now, it does not owe.
                let is_read = client.interest.contains(EventFlags::IN);
                let owes = client.connection.owes_since(is_read);
                owes.is_some_and(|since| is_over(since, client_timeout))
                    || match client.state {
                        State::Greeting => is_over(client.since, client_timeout),
                        State::Deciding(_) | State::Settling(_) => {
                            is_over(client.since, client_timeout * DECISION_FACTOR)
                        }
                        _ => false,
                    }
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
        loop {
            let buffered = |client: &Client| {
                client.connection.buffered() + client.asked.as_ref().map_or(0, |asked| asked.size)
            };
            let all: usize = self.clients.values().map(buffered).sum();
            if all <= MOST_BUFFERED {
                return;
            }
            let largest = self
                .clients
                .iter()
                .max_by_key(|(_, client)| buffered(client));
            let Some((id, client)) = largest else {
                return;
            };
            let (id, process) = (*id, client.process);
            self.refuse(process, "too much to keep");
            self.drop_client(id);
        }
    }
}
