//! The processes that compile: started ahead of need, warmed up, given one job at a time, and replaced.

use super::connection::{Frame, Peer};
use super::job::{Asked, End, Outcome};
use super::limits::is_out_of_memory;
use super::schedule::{Action, Event};
use super::state::{Supervisor, frame};
use super::worker::{self, Dying, Worker};
use mgenjit::protocol::last_words;
use mgenjit::protocol::messages::{Cause, Death, Decision, Hello, Reply};
use mgenjit::protocol::transport::{self, TransportError};
use rustix::event::epoll::{self, EventFlags};
use serde_json::json;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Instant;

impl Supervisor {
    /// Tells the schedule what happened, and does what it then says.
    pub fn happened(&mut self, event: Event) {
        for action in self.schedule.handle(Instant::now(), event) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Give { job, worker } => self.give(job, worker),
            Action::Start(count) => self.start_workers(count),
            Action::WarmUp { worker } => {
                self.send_worker(worker, worker::warm_up().map_err(io::Error::other));
            }
            Action::Continue { worker } => {
                if let Some(found) = self.workers.get_mut(&worker) {
                    found.usage.go_on(Instant::now());
                }
                self.decide(worker, Decision::Compile);
            }
            Action::Stop { worker } => self.decide(worker, Decision::Stop),
            Action::End { worker, cause } => self.end_worker(worker, cause),
            // Only `bury` knows of what.
            Action::Died { .. } => {}
            Action::StartFailed { why, times } => {
                let details = [("reason", json!(why)), ("times", json!(times))];
                self.log.write("worker_failed", &details);
            }
            Action::GiveUp { why } => {
                self.broken = Some(format!("no worker can be started: {why}"));
            }
        }
    }

    /// Gives the jobs that wait to workers, and starts workers for the others.
    pub fn dispatch(&mut self) {
        loop {
            self.happened(Event::Round);
            // Whatever was given to a worker or is wanted no more has left room.
            if !self.admit_held() {
                return;
            }
        }
    }

    fn start_workers(&mut self, count: usize) {
        for _ in 0..count {
            let started = Worker::start(self.library_path.as_deref()).and_then(|worker| {
                let id = self.new_id();
                match self.watch(id, worker.connection.socket(), worker.interest) {
                    Ok(()) => Ok((id, worker)),
                    Err(error) => {
                        self.dying.push(Dying::new(id, worker, Cause::Unknown));
                        Err(error.into())
                    }
                }
            });
            match started {
                Ok((id, worker)) => {
                    self.status.started_workers += 1;
                    let details = [("worker", json!(worker.child.id()))];
                    self.log.write("worker_started", &details);
                    self.workers.insert(id, worker);
                    self.happened(Event::Started { worker: id });
                }
                Err(error) => {
                    let why = error.to_string();
                    return self.happened(Event::NotStarted { why });
                }
            }
        }
    }

    fn give(&mut self, job: u64, worker: u64) {
        let Some(asked) = self.jobs.get(job).map(|job| job.asked.clone()) else {
            return;
        };
        if let Some(chosen) = self.workers.get_mut(&worker) {
            chosen.usage = chosen.usage_now();
        }
        let max_memory = self.options.max_memory;
        self.send_worker(worker, asked.frame(max_memory).map_err(io::Error::other));
    }

    /// Tells a worker what was decided about its job.
    fn decide(&mut self, worker: u64, decision: Decision) {
        self.send_worker(
            worker,
            Frame::new(&decision, None).map_err(io::Error::other),
        );
    }

    /// Sends a worker what it is to do. If that cannot be, it is lost.
    fn send_worker(&mut self, id: u64, frame: io::Result<Frame>) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        match frame.and_then(|frame| worker.connection.send(frame)) {
            Ok(()) => self.watch_worker(id),
            Err(_) => self.lose(id, Cause::Unknown),
        }
    }

    /// A worker that has ended, or that is to end, for this reason if it has not.
    pub fn lose(&mut self, worker: u64, cause: Cause) {
        self.happened(Event::Lost { worker, cause });
    }

    pub fn on_worker(&mut self, id: u64, flags: EventFlags) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        if flags.contains(EventFlags::OUT) && worker.connection.flush().is_err() {
            return self.lose(id, Cause::Unknown);
        }
        loop {
            let Some(worker) = self.workers.get_mut(&id) else {
                return;
            };
            let Ok(peer) = worker.connection.read() else {
                return self.lose(id, Cause::Unknown);
            };
            match worker.connection.next() {
                Ok(Some(body)) => {
                    if self.on_worker_body(id, &body).is_err() {
                        return self.lose(id, Cause::OutOfStep);
                    }
                }
                Ok(None) if peer == Peer::Gone => return self.lose(id, Cause::Unknown),
                Ok(None) => break,
                Err(_) => return self.lose(id, Cause::OutOfStep),
            }
        }
        self.watch_worker(id);
    }

    /// An error is a worker that is out of step.
    fn on_worker_body(&mut self, id: u64, body: &[u8]) -> Result<(), TransportError> {
        if self.schedule.is_starting(id) {
            let theirs: Hello = transport::decode(body)?;
            if theirs != Hello::ours() {
                self.broken = Some("another build was installed".to_owned());
                return Ok(());
            }
            self.happened(Event::Greeted { worker: id });
            return Ok(());
        }
        let Some(worker) = self.workers.get_mut(&id) else {
            return Ok(());
        };
        let reply: Reply = transport::decode(body)?;
        let payload = match reply {
            Reply::Compiled(_) | Reply::Cut(_) | Reply::Piece { .. } | Reply::Emitted { .. } => {
                worker.connection.take_descriptor()
            }
            _ => None,
        };
        let Some(job) = self.schedule.job_of(id) else {
            if !matches!(reply, Reply::Started { .. } | Reply::Progress(_)) {
                self.happened(Event::Warmed { worker: id });
            }
            return Ok(());
        };
        match reply {
            Reply::Started { .. } => self.on_started(job, Frame::of_body(body, None)),
            Reply::Progress(progress) => {
                if let Some(found) = self.jobs.get_mut(job) {
                    found.progress = progress;
                }
                self.tell_progress(job, progress, false);
            }
            Reply::Identified { digest } => {
                self.happened(Event::Identified { worker: id });
                if let Some(found) = self.jobs.get_mut(job) {
                    found.digest = Some(digest);
                }
                self.ask(job);
            }
            Reply::Compiled(_)
            | Reply::Cut(_)
            | Reply::Piece { .. }
            | Reply::Emitted { .. }
            | Reply::Failed(_) => {
                let failed = matches!(reply, Reply::Failed(_));
                let frame = Frame::of_body(body, payload.map(Rc::new));
                self.on_done(id, job, frame, failed);
            }
            Reply::Died(_) | Reply::Elsewhere { .. } | Reply::Status(_) | Reply::Stopping => {
                return Err(TransportError::Closed);
            }
        }
        Ok(())
    }

    fn on_started(&mut self, job: u64, frame: Frame) {
        let Some(found) = self.jobs.get_mut(job) else {
            return;
        };
        // Another worker may have begun before this one.
        if found.started.replace(frame.clone()).is_some() {
            return;
        }
        let clients = found.clients.clone();
        self.happened(Event::Begun { job });
        for client in clients {
            self.tell_started(client, frame.clone());
        }
    }

    fn on_done(&mut self, worker: u64, job: u64, frame: Frame, failed: bool) {
        self.happened(Event::Done { worker });
        self.recycle(worker);
        let Some(done) = self.jobs.remove(job) else {
            return;
        };
        self.active = Instant::now();
        let (end, event) = match failed {
            true => (End::Failed, "failed"),
            false => (End::Compiled, "compiled"),
        };
        let time = done.since.elapsed().as_micros() as u64;
        let clients = done.clients.len();
        let details = [("time_us", json!(time)), ("clients", json!(clients))];
        self.log_of(event, &done.asked, done.process, &details);
        let digest = done.digest;
        self.settle(done, Outcome { end, frame, digest });
    }

    /// Replaces a worker that has taken much memory and might not give it back.
    fn recycle(&mut self, id: u64) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let memory = worker.memory();
        if memory <= self.options.worker_memory {
            return;
        }
        self.status.recycled_workers += 1;
        self.log.write(
            "worker_recycled",
            &[
                ("worker", json!(worker.child.id())),
                ("memory", json!(memory)),
            ],
        );
        self.happened(Event::Retired { worker: id });
    }

    fn end_worker(&mut self, id: u64, cause: Cause) {
        if let Some(worker) = self.workers.remove(&id) {
            self.dying.push(Dying::new(id, worker, cause));
        }
    }

    /// Takes the status of those that have ended.
    pub fn reap(&mut self) {
        let mut index = 0;
        while index < self.dying.len() {
            match self.dying[index].child.try_wait() {
                Ok(None) => index += 1,
                Ok(Some(status)) => {
                    let dead = self.dying.swap_remove(index);
                    self.bury(dead, status);
                }
                Err(_) => {
                    let dead = self.dying.swap_remove(index);
                    self.bury(dead, ExitStatus::from_raw(0));
                }
            }
        }
    }

    fn bury(&mut self, dead: Dying, status: ExitStatus) {
        let words = last_words::read(&dead.words).unwrap_or_default();
        let worker = dead.id;
        let why = format!("it ended with {status}: {words}");
        let actions = (self.schedule).handle(Instant::now(), Event::Ended { worker, why });
        for action in actions {
            match action {
                Action::Died { job } => self.tell_died(job, status, dead.cause, &words),
                other => self.act(other),
            }
        }
    }

    fn tell_died(&mut self, job: u64, status: ExitStatus, cause: Cause, words: &str) {
        let Some(job) = self.jobs.remove(job) else {
            return;
        };
        let max_memory = self.options.max_memory;
        let death = Death {
            signal: status.signal().unwrap_or_default(),
            cause: match (status.signal(), cause) {
                (Some(libc::SIGKILL), cause) => cause,
                // It ended by itself.
                _ if job.asked.is_limited_by(max_memory) && is_out_of_memory(words) => {
                    Cause::Memory(max_memory)
                }
                _ => Cause::Unknown,
            },
            words: words.to_owned(),
        };
        if let Cause::Time(_) | Cause::Memory(_) = death.cause {
            self.status.limited += 1;
        }
        self.log_died(&job.asked, job.process, &death);
        if let Some(frame) = frame(&Reply::Died(death)) {
            let (end, digest) = (End::Died, None);
            self.settle(job, Outcome { end, frame, digest });
        }
    }

    fn log_died(&self, asked: &Asked, process: u32, death: &Death) {
        let details = [
            ("signal", json!(death.signal)),
            ("words", json!(death.words)),
            ("reason", json!(told(death.cause))),
        ];
        self.log_of("died", asked, process, &details);
    }

    /// What is waited for from a worker.
    fn watch_worker(&mut self, id: u64) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let mut interest = EventFlags::IN;
        if worker.connection.is_full() {
            interest |= EventFlags::OUT;
        }
        if interest == worker.interest {
            return;
        }
        worker.interest = interest;
        let data = epoll::EventData::new_u64(id);
        if epoll::modify(&self.epoll, worker.connection.socket(), data, interest).is_err() {
            self.lose(id, Cause::Unknown);
        }
    }
}

/// Why a worker ended, for the log.
fn told(cause: Cause) -> String {
    match cause {
        Cause::Unknown => "it ended by itself, or something else ended it".to_owned(),
        Cause::Time(limit) => {
            format!("it took more than {limit} ms of processor time, the server's limit")
        }
        Cause::Memory(limit) => {
            format!("it took more than {limit} bytes of memory, the server's limit")
        }
        Cause::Hung(time) => format!("it was stopped or hung: it did nothing for {time} ms"),
        Cause::OutOfStep => "it could not be understood".to_owned(),
    }
}
