//! What clients do, and what becomes of it.

use super::connection::{Connection, Frame, Peer};
use super::job::{Asked, Job, Outcome};
use super::{MOST_BUFFERED, Supervisor, frame};
use mgenjit::compile::protocol::{Decision, Failure, FailureKind, Hello, Progress, Reply, Request};
use mgenjit::compile::transport::{self, TransportError};
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use serde_json::json;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub struct Client {
    pub connection: Connection,
    /// 0 if it is of another namespace.
    pub process: u32,
    pub state: State,
    since: Instant,
    interest: EventFlags,
    /// What it waits for.
    asked: Option<Rc<Asked>>,
}

pub enum State {
    /// It has not said who it is.
    Greeting,
    /// It may ask for something.
    Idle,
    /// It waits for a job.
    Waiting(u64),
    /// It is asked whether its job is to go on.
    Deciding(u64),
    /// It is asked whether it wants what another client's job came to.
    Settling(Rc<Outcome>),
    /// It waits for the server to end.
    Stopping,
}

/// After so many new connections, what the others say is heard.
const ACCEPTED_AT_ONCE: usize = 64;

/// How many times as long as for all else a client may take to decide: it may have to wait for a lock of the cache.
const DECISION_PATIENCE: u32 = 12;

impl Supervisor {
    /// Takes connections that wait. More of them are an event again.
    pub fn accept(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
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
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                    if !self.make_room() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    fn take_client(&mut self, socket: OwnedFd, process: u32) {
        if self.clients.len() >= self.most_clients && !self.make_room() {
            self.refuse(process, "too many clients wait");
            return;
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
        let idle = self
            .clients
            .iter()
            .filter(|(_, client)| matches!(client.state, State::Greeting | State::Idle));
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

    fn refuse(&mut self, process: u32, why: &str) {
        self.status.refused += 1;
        self.log.write(
            "refused",
            &[("client", json!(process)), ("reason", json!(why))],
        );
    }

    pub fn on_client(&mut self, id: u64, flags: EventFlags) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if flags.contains(EventFlags::OUT) && client.connection.flush().is_err() {
            return self.drop_client(id);
        }
        let gone = EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR;
        let reads = matches!(
            client.state,
            State::Greeting | State::Idle | State::Deciding(_) | State::Settling(_)
        );
        if !reads {
            // It has nothing to say now, but that it wants no more.
            if flags.intersects(gone) {
                return self.drop_client(id);
            }
            return self.update_interest(id);
        }
        let peer = match client.connection.read() {
            Ok(peer) => peer,
            Err(error) => return self.cut(id, &error),
        };
        self.hear(id);
        // Nobody would read an answer to what it said last.
        if peer == Peer::Gone || flags.intersects(gone) {
            self.drop_client(id);
        } else {
            self.update_interest(id);
            self.bound_buffers();
        }
    }

    /// Takes what a client has said, as far as it may say something now.
    fn hear(&mut self, id: u64) {
        while let Some(client) = self.clients.get_mut(&id) {
            let may = match client.state {
                State::Greeting | State::Deciding(_) | State::Settling(_) => true,
                State::Idle => self.queue.has_room(client.process) && !client.connection.is_full(),
                State::Waiting(_) | State::Stopping => false,
            };
            if !may {
                return;
            }
            let body = match client.connection.next() {
                Ok(Some(body)) => body,
                Ok(None) => return,
                Err(error) => return self.cut(id, &error),
            };
            let heard = match client.state {
                State::Greeting => self.greet(id, &body),
                State::Idle => self.on_request(id, &body),
                _ => self.on_decision(id, &body),
            };
            if let Err(error) = heard {
                return self.cut(id, &error);
            }
        }
    }

    fn greet(&mut self, id: u64, body: &[u8]) -> Result<(), TransportError> {
        let theirs: Hello = transport::decode(body)?;
        if theirs != Hello::ours() {
            let message = format!(
                "the client is mgenjit {} (build {}), and this server another: each build has its own",
                theirs.package, theirs.build
            );
            self.fail(id, message);
            self.drop_client(id);
            return Ok(());
        }
        self.set_state(id, State::Idle);
        Ok(())
    }

    fn on_request(&mut self, id: u64, body: &[u8]) -> Result<(), TransportError> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        let payload = client.connection.take_descriptor();
        let request = match transport::decode::<Request>(body) {
            Ok(request) => request,
            // The whole frame was read, so the next one can be.
            Err(error) => {
                self.fail(id, error.to_string());
                return Ok(());
            }
        };
        match request {
            Request::Status => {
                let status = Reply::Status(Box::new(self.status()));
                self.reply(id, &status);
            }
            Request::Stop { force } => {
                self.set_state(id, State::Stopping);
                // Whoever hears the answer does not find this server any more.
                self.stop("asked to");
                self.reply(id, &Reply::Stopping);
                if force {
                    self.broken = Some("asked to end at once".to_owned());
                }
            }
            Request::Compile(_) | Request::Link(_) => match Asked::new(request, payload) {
                Ok(asked) => {
                    self.status.requests += 1;
                    self.submit(id, Rc::new(asked));
                }
                Err(error) => self.fail(id, error.to_string()),
            },
        }
        Ok(())
    }

    /// Has a client wait for what it asks for, together with others that ask for the same.
    pub fn submit(&mut self, id: u64, asked: Rc<Asked>) {
        self.active = Instant::now();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.asked = Some(asked.clone());
        let process = client.process;
        let same = self
            .jobs
            .iter()
            .find(|(_, job)| job.asked.is_same(&asked))
            .map(|(job, _)| *job);
        let event = if same.is_some() { "joined" } else { "request" };
        self.log_of(event, &asked, process, &[]);
        if let Some(job) = same {
            self.set_state(id, State::Waiting(job));
            if let Some(found) = self.jobs.get_mut(&job) {
                found.clients.push(id);
                if let Some(started) = found.started.clone() {
                    self.send(id, started);
                }
            }
        } else {
            let job = self.new_id();
            self.jobs.insert(job, Job::new(asked, process, id));
            self.queue.push(process, job);
            self.set_state(id, State::Waiting(job));
        }
    }

    fn on_decision(&mut self, id: u64, body: &[u8]) -> Result<(), TransportError> {
        let decision: Decision = transport::decode(body)?;
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        match &client.state {
            State::Deciding(job) => {
                let job = *job;
                if decision == Decision::Compile {
                    self.set_state(id, State::Waiting(job));
                    self.go_on(job, Decision::Compile);
                } else {
                    self.status.cancelled += 1;
                    self.release(id);
                    self.leave(id, job);
                }
            }
            State::Settling(outcome) => {
                let outcome = outcome.clone();
                // Without a digest it is a death.
                self.status.joined += u64::from(outcome.digest.is_some());
                if decision == Decision::Compile {
                    self.send(id, outcome.frame.clone());
                }
                self.release(id);
            }
            _ => {}
        }
        Ok(())
    }

    /// A client does not wait for a job any more.
    fn leave(&mut self, id: u64, job: u64) {
        let Some(found) = self.jobs.get_mut(&job) else {
            return;
        };
        let led = found.clients.first() == Some(&id);
        found.clients.retain(|client| *client != id);
        let Some(next) = found.clients.first().copied() else {
            return self.abandon(job);
        };
        if !led {
            return;
        }
        if found.worker.is_none() {
            // Messages are to have the names of somebody who waits.
            if let Some(asked) = self
                .clients
                .get(&next)
                .and_then(|client| client.asked.clone())
            {
                found.asked = asked;
            }
        } else if self.awaits_decision(job) {
            self.ask(job);
        }
    }

    /// Asks the first client of a job whether it is to go on.
    pub fn ask(&mut self, job: u64) {
        let Some(found) = self.jobs.get(&job) else {
            return;
        };
        if let (Some(digest), Some(id)) = (found.digest, found.clients.first().copied()) {
            self.set_state(id, State::Deciding(job));
            self.reply(id, &Reply::Identified { digest });
        }
    }

    /// Gives the end of a job to all who wait for it. `failed`: it is an error with names in it.
    pub fn settle(&mut self, job: Job, outcome: Outcome, failed: bool) {
        let outcome = Rc::new(outcome);
        for (index, id) in job.clients.iter().copied().enumerate() {
            let Some(asked) = self
                .clients
                .get(&id)
                .and_then(|client| client.asked.clone())
            else {
                continue;
            };
            if self.is_deciding(id) {
                // Its worker died meanwhile. What it says next is the decision, and no request.
                self.set_state(id, State::Settling(outcome.clone()));
            } else if failed && !asked.has_names_of(&job.asked) {
                // Whoever led before may have gone.
                self.submit(id, asked);
            } else if index == 0 {
                self.send(id, outcome.frame.clone());
                self.release(id);
            } else if let Some(digest) = outcome.digest.filter(|_| !failed) {
                self.set_state(id, State::Settling(outcome.clone()));
                self.reply(id, &Reply::Identified { digest });
            } else {
                self.status.joined += 1;
                self.send(id, outcome.frame.clone());
                self.release(id);
            }
        }
    }

    fn is_deciding(&self, id: u64) -> bool {
        self.clients
            .get(&id)
            .is_some_and(|client| matches!(client.state, State::Deciding(_)))
    }

    /// Tells those who wait for a job, if they want to know, or must.
    pub fn tell_progress(&mut self, job: u64, progress: Progress, all: bool) {
        let Some(found) = self.jobs.get(&job) else {
            return;
        };
        let Some(told) = frame(&Reply::Progress(progress)) else {
            return;
        };
        for id in found.clients.clone() {
            let wants = self.clients.get(&id).is_some_and(|client| {
                matches!(client.state, State::Waiting(_))
                    && !client.connection.is_full()
                    && (all
                        || client
                            .asked
                            .as_ref()
                            .is_some_and(|asked| asked.wants_progress()))
            });
            if wants {
                self.send(id, told.clone());
            }
        }
    }

    /// A client that has its answer may ask for something else.
    fn release(&mut self, id: u64) {
        self.set_state(id, State::Idle);
        if let Some(client) = self.clients.get_mut(&id) {
            client.asked = None;
        }
        if self.listener.is_none()
            && self
                .clients
                .get(&id)
                .is_some_and(|client| !client.connection.is_full())
        {
            // It goes on with another server.
            return self.drop_client(id);
        }
        // It may have asked already.
        self.hear(id);
        self.update_interest(id);
    }

    /// Those who could not ask because too many wait.
    pub fn hear_waiting(&mut self) {
        let ids: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                matches!(client.state, State::Idle)
                    && (!client.interest.contains(EventFlags::IN)
                        || client.connection.is_whole().unwrap_or(true))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.hear(id);
            self.update_interest(id);
        }
    }

    pub fn nobody_settles(&self) -> bool {
        !self
            .clients
            .values()
            .any(|client| matches!(client.state, State::Settling(_)) || client.connection.is_full())
    }

    pub fn set_state(&mut self, id: u64, state: State) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.state = state;
            client.since = Instant::now();
        }
        self.update_interest(id);
    }

    /// What is waited for from a client: what it may say now, its end, and that it reads.
    fn update_interest(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let mut interest = EventFlags::RDHUP;
        interest |= match client.state {
            State::Greeting | State::Deciding(_) | State::Settling(_) => EventFlags::IN,
            State::Idle if self.queue.has_room(client.process) && !client.connection.is_full() => {
                EventFlags::IN
            }
            _ => EventFlags::empty(),
        };
        if client.connection.is_full() {
            interest |= EventFlags::OUT;
        }
        if interest != client.interest {
            client.interest = interest;
            let data = epoll::EventData::new_u64(id);
            let socket = client.connection.socket();
            if epoll::modify(&self.epoll, socket, data, interest).is_err() {
                self.drop_client(id);
            }
        }
    }

    fn reply(&mut self, id: u64, reply: &Reply) {
        if let Some(frame) = frame(reply) {
            self.send(id, frame);
        }
    }

    pub fn send(&mut self, id: u64, frame: Frame) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        match client.connection.send(frame) {
            Ok(()) => self.update_interest(id),
            Err(_) => self.drop_client(id),
        }
    }

    /// The request itself was malformed.
    fn fail(&mut self, id: u64, message: String) {
        let process = self.clients.get(&id).map_or(0, |client| client.process);
        self.refuse(process, &message);
        self.reply(
            id,
            &Reply::Failed(Failure {
                kind: FailureKind::Protocol,
                message,
                input: None,
                position: None,
            }),
        );
    }

    /// Ends a connection that is out of step.
    fn cut(&mut self, id: u64, error: &TransportError) {
        self.fail(id, format!("the connection is out of step: {error}"));
        self.drop_client(id);
    }

    /// Forgets a client, and stops what is done for it alone.
    pub fn drop_client(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        if let State::Waiting(job) | State::Deciding(job) = client.state {
            self.status.cancelled += 1;
            if let Some(asked) = &client.asked {
                self.log_of("cancelled", asked, client.process, &[]);
            }
            self.leave(id, job);
        }
    }

    pub fn cut_slow_clients(&mut self) {
        let patience = self.options.patience;
        let is_over = |since: Instant, patience: Duration| since.elapsed() >= patience;
        let slow: Vec<(u64, u32)> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                let owes = client.connection.owes_since();
                owes.is_some_and(|since| is_over(since, patience))
                    || match client.state {
                        State::Greeting => is_over(client.since, patience),
                        State::Deciding(_) | State::Settling(_) => {
                            is_over(client.since, patience * DECISION_PATIENCE)
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

    /// Cuts whoever has sent the most of what is not whole, if it is too much in all.
    fn bound_buffers(&mut self) {
        loop {
            let buffered = |client: &Client| client.connection.buffered();
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
            self.refuse(process, "too much that is not whole");
            self.drop_client(id);
        }
    }

    /// Writes what is done for a client to the log.
    pub fn log_of(
        &self,
        event: &str,
        asked: &Asked,
        process: u32,
        details: &[(&str, serde_json::Value)],
    ) {
        if !self.log.is_on() {
            return;
        }
        let mut all = vec![("client", json!(process))];
        all.extend(asked.key().map(|key| ("key", json!(key))));
        all.push(("name", json!(asked.request.name())));
        all.extend_from_slice(details);
        self.log.write(event, &all);
    }
}
