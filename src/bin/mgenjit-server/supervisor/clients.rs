//! What clients do, and what becomes of it.

use super::client::Client;
use super::connection::{Frame, Peer};
use super::job::{Asked, End, Job, Outcome};
use super::jobs::Left;
use super::schedule::Event;
use super::state::{Supervisor, frame};
use super::turn::{Ending, State};
use mgenjit::protocol::messages::{
    Decision, Failure, FailureKind, Hello, Phase, Progress, Reply, Request,
};
use mgenjit::protocol::transport::{self, TransportError};
use rustix::event::epoll::{self, EventFlags};
use serde_json::json;
use std::rc::Rc;
use std::time::Instant;

impl Supervisor {
    pub fn on_client(&mut self, id: u64, flags: EventFlags) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if flags.contains(EventFlags::OUT) && client.connection.flush().is_err() {
            return self.drop_client(id);
        }
        let gone = EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR;
        if !client.turn.may_speak() {
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
            if !client.turn.is_heard(client.connection.is_full()) {
                return;
            }
            let body = match client.connection.next() {
                Ok(Some(body)) => body,
                Ok(None) => return,
                Err(error) => return self.cut(id, &error),
            };
            let heard = match client.turn.state() {
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
            Request::Compile(_) | Request::Link(_) => match Asked::new(request, payload, body) {
                Ok(asked) => {
                    self.status.requests += 1;
                    self.admit(id, asked);
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
        let process = client.process;
        let same = self.jobs.same_as(&asked);
        let event = if same.is_some() { "joined" } else { "request" };
        self.log_of(event, &asked, process, &[]);
        if let Some(job) = same {
            self.set_state(id, State::Waiting(job));
            if let Some(started) = self.jobs.join(job, id) {
                self.tell_started(id, started);
            }
        } else {
            let job = self.new_id();
            self.jobs.insert(job, Job::new(asked, process, id));
            self.happened(Event::Asked { job, process });
            self.set_state(id, State::Waiting(job));
        }
    }

    fn on_decision(&mut self, id: u64, body: &[u8]) -> Result<(), TransportError> {
        let decision: Decision = transport::decode(body)?;
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        match client.turn.state().clone() {
            State::Deciding(job) => {
                if decision == Decision::Compile {
                    client.turn.decide();
                    self.set_state(id, State::Waiting(job));
                    self.happened(Event::GoOn { job });
                } else {
                    self.status.cancelled += 1;
                    // First, because it may ask for the same again at once.
                    self.leave(id, job);
                    self.release(id);
                }
            }
            State::Settling(outcome) => match decision {
                Decision::Compile => self.answer(id, outcome.frame.clone()),
                Decision::Stop => self.release(id),
            },
            _ => {}
        }
        Ok(())
    }

    /// A client does not wait for a job any more.
    pub fn leave(&mut self, id: u64, job: u64) {
        match self.jobs.leave(job, id) {
            Left::Nobody => self.happened(Event::Abandoned { job }),
            Left::Led(next) if !self.schedule.is_running(job) => {
                let next = self.clients.get(&next);
                if let Some(asked) = next.and_then(|client| client.asked.clone()) {
                    self.jobs.rename(job, asked);
                }
            }
            Left::Led(_) if self.schedule.awaits_decision(job) => self.ask(job),
            Left::Led(_) | Left::Others => {}
        }
    }

    /// Asks the first client of a job whether it is to go on.
    pub fn ask(&mut self, job: u64) {
        let Some(found) = self.jobs.get(job) else {
            return;
        };
        let (Some(digest), Some(id)) = (found.digest, found.clients.first().copied()) else {
            return;
        };
        let decided = |client: &Client| client.turn.has_decided();
        if self.clients.get(&id).is_some_and(decided) {
            return self.happened(Event::GoOn { job });
        }
        self.set_state(id, State::Deciding(job));
        self.reply(id, &Reply::Identified { digest });
    }

    /// Tells a client that what it asked for is being done.
    pub fn tell_started(&mut self, id: u64, frame: Frame) {
        if let Some(client) = self.clients.get_mut(&id)
            && client.turn.start()
        {
            self.send(id, frame);
        }
    }

    /// Gives the end of a job to all who wait for it. The job is what the first of them asked for, and the others have
    /// joined it: that is how they are counted, whatever they then make of it.
    pub fn settle(&mut self, job: Job, outcome: Outcome) {
        let outcome = Rc::new(outcome);
        for (index, id) in job.clients.iter().copied().enumerate() {
            let Some(client) = self.clients.get(&id) else {
                continue;
            };
            let asked = client.asked.clone();
            let same_names = |asked: &Rc<Asked>| asked.has_names_of(&job.asked);
            let same_names = asked.as_ref().is_none_or(same_names);
            let ending = client.turn.ending(&outcome, same_names);
            if let (Ending::Again, Some(asked)) = (&ending, asked) {
                // Whoever led before may have gone.
                self.submit(id, asked);
                continue;
            }
            let count = match outcome.end {
                _ if index > 0 => &mut self.status.joined,
                End::Compiled => &mut self.status.compiled,
                End::Failed => &mut self.status.failed,
                End::Died => &mut self.status.crashed,
            };
            *count += 1;
            match ending {
                // Its worker died meanwhile. What it says next is the decision, and no request.
                Ending::Settle => self.set_state(id, State::Settling(outcome.clone())),
                Ending::Identify(digest) => {
                    self.set_state(id, State::Settling(outcome.clone()));
                    self.reply(id, &Reply::Identified { digest });
                }
                Ending::Answer | Ending::Again => self.answer(id, outcome.frame.clone()),
            }
        }
    }

    /// Gives a client the end of what it asked for.
    fn answer(&mut self, id: u64, frame: Frame) {
        // If it is gone, there is nothing to cancel any more.
        self.set_state(id, State::Idle);
        self.send(id, frame);
        self.release(id);
    }

    /// Tells those who wait for a job, if they want to know, or must.
    pub fn tell_progress(&mut self, job: u64, progress: Progress, all: bool) {
        let Some(found) = self.jobs.get(job) else {
            return;
        };
        let Some(told) = frame(&Reply::Progress(progress)) else {
            return;
        };
        for id in found.clients.clone() {
            let wants = self.clients.get(&id).is_some_and(|client| {
                matches!(client.turn.state(), State::Waiting(_))
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

    /// A request that has just come waits for a worker, or, while too many do that, for its turn to.
    fn admit(&mut self, id: u64, asked: Asked) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let asked = Rc::new(asked);
        client.asked = Some(asked.clone());
        client.turn.ask(Instant::now());
        if self.schedule.has_room(client.process) {
            self.submit(id, asked);
        } else {
            self.held.push(id);
            self.set_state(id, State::Held);
        }
    }

    /// Has those wait for a worker for whom there is room now. Whether there was one.
    pub fn admit_held(&mut self) -> bool {
        let mut admitted = false;
        for id in std::mem::take(&mut self.held) {
            let Some(client) = self.clients.get(&id) else {
                continue;
            };
            if !self.schedule.has_room(client.process) {
                self.held.push(id);
            } else if let Some(asked) = client.asked.clone() {
                self.submit(id, asked);
                admitted = true;
            }
        }
        admitted
    }

    /// Those that are not in the queue yet hear how long it is.
    pub fn tell_held(&mut self) {
        let progress = Progress {
            phase: Phase::Queue,
            done: 0,
            total: self.schedule.queued() as u32,
        };
        let Some(told) = frame(&Reply::Progress(progress)) else {
            return;
        };
        for id in self.held.clone() {
            let reads = |client: &Client| !client.connection.is_full();
            if self.clients.get(&id).is_some_and(reads) {
                self.send(id, told.clone());
            }
        }
    }

    pub fn nobody_settles(&self) -> bool {
        let settles = |client: &Client| {
            matches!(client.turn.state(), State::Settling(_)) || client.connection.is_full()
        };
        !self.clients.values().any(settles)
    }

    pub fn set_state(&mut self, id: u64, state: State) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.turn.set(Instant::now(), state);
        }
        self.update_interest(id);
    }

    /// What is waited for from a client: what it may say now, its end, and that it reads.
    fn update_interest(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let mut interest = EventFlags::RDHUP;
        if client.turn.is_heard(client.connection.is_full()) {
            interest |= EventFlags::IN;
        }
        if client.connection.is_full() {
            interest |= EventFlags::OUT;
        }
        if interest != client.interest {
            if interest.contains(EventFlags::IN) && !client.interest.contains(EventFlags::IN) {
                client.connection.restart_part();
            }
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
            &Reply::Failed(Failure::new(FailureKind::Protocol, message)),
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
        self.set_accepting(true);
        let job = match client.turn.state() {
            State::Waiting(job) | State::Deciding(job) => Some(*job),
            State::Held => None,
            _ => return,
        };
        self.status.cancelled += 1;
        if let Some(asked) = &client.asked {
            self.log_of("cancelled", asked, client.process, &[]);
        }
        if let Some(job) = job {
            self.leave(id, job);
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
        all.extend(asked.step().map(|step| ("step", json!(step))));
        all.push(("name", json!(asked.request.name())));
        all.extend_from_slice(details);
        self.log.write(event, &all);
    }
}
