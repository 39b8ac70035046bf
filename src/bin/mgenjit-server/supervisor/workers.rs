//! The processes that compile: started ahead of need, warmed up, given one job at a time, and replaced.

use super::connection::{Frame, Peer};
use super::job::{Asked, End, Outcome};
use super::limits::{self, Usage};
use super::worker::{self, Dying, State, Worker};
use super::{Supervisor, frame};
use mgenjit::protocol::last_words;
use mgenjit::protocol::messages::{Cause, Death, Decision, Hello, Reply};
use mgenjit::protocol::transport::{self, TransportError};
use rustix::event::epoll::{self, EventFlags};
use serde_json::json;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many there may be for each that may work: those that wait for a decision do not work.
const WORKERS_PER_CORE: usize = 4;

/// How long a worker may take to be ready, and to say that it has begun with a job.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a worker more than one may be idle.
const SPARE: Duration = Duration::from_secs(10);

/// How often a job is given to another worker because one died before it had it.
const MOST_LOSSES: u32 = 3;

/// After so many workers that ended before they were of use there will be none that is.
const MOST_FAILED_STARTS: u32 = 5;

/// How many workers there may be if so many may work at once.
pub fn most(working: usize) -> usize {
    WORKERS_PER_CORE * working + 1
}

impl Supervisor {
    /// Gives the jobs that wait to workers, as many as may work at once.
    pub fn dispatch(&mut self) {
        loop {
            while !self.queue.is_empty() && self.working() < self.status.max_workers as usize {
                let idle = self.workers.iter().find(|(_, worker)| worker.is_idle());
                let Some(worker) = idle.map(|(id, _)| *id) else {
                    break;
                };
                if let Some(job) = self.queue.pop() {
                    self.give(job, worker);
                }
            }
            // Whatever was given to a worker or is wanted no more has left room.
            if !self.admit_held() {
                break;
            }
        }
        self.provide_workers();
    }

    /// How many workers need a core.
    fn working(&self) -> usize {
        self.workers
            .values()
            .filter(|worker| worker.is_working())
            .count()
    }

    /// Starts workers for what waits, and one more, so that the next client need not wait for it.
    pub fn provide_workers(&mut self) {
        if self.listener.is_none() && self.jobs.is_empty()
            || self.failed_starts >= MOST_FAILED_STARTS
        {
            return;
        }
        let working = self.working();
        let ready = self
            .workers
            .values()
            .filter(|worker| worker.job().is_none())
            .count();
        let could = (self.status.max_workers as usize).saturating_sub(working);
        let wanted = self.queue.len().min(could).max(1);
        let most = most(self.status.max_workers as usize);
        let room = most.saturating_sub(self.workers.len());
        for _ in (ready..wanted).take(room) {
            match Worker::start(self.library_path.as_deref()) {
                Ok(worker) => self.add_worker(worker),
                Err(error) => {
                    self.failed_start(&error.to_string());
                    return;
                }
            }
        }
    }

    fn add_worker(&mut self, worker: Worker) {
        let id = self.new_id();
        if let Err(error) = self.watch(id, worker.connection.socket(), worker.interest) {
            self.kill(worker, None, Cause::Unknown);
            return self.failed_start(&error.to_string());
        }
        self.status.started_workers += 1;
        self.log
            .write("worker_started", &[("worker", json!(worker.child.id()))]);
        self.workers.insert(id, worker);
    }

    fn failed_start(&mut self, why: &str) {
        self.failed_starts += 1;
        self.log.write(
            "worker_failed",
            &[("reason", json!(why)), ("times", json!(self.failed_starts))],
        );
        // What the others work on is not lost for this.
        if self.failed_starts >= MOST_FAILED_STARTS && self.working() == 0 {
            self.broken = Some(format!("no worker can be started: {why}"));
        }
    }

    /// Where too many starts have failed, one more may be tried.
    pub fn start_again(&mut self) {
        self.failed_starts = self.failed_starts.min(MOST_FAILED_STARTS - 1);
    }

    fn give(&mut self, job: u64, worker: u64) {
        let (Some(found), Some(chosen)) = (self.jobs.get_mut(&job), self.workers.get_mut(&worker))
        else {
            return;
        };
        found.worker = Some(worker);
        chosen.set_state(State::Working(job));
        chosen.usage = Usage::now(chosen.child.id());
        let sent = found
            .asked
            .frame(self.options.max_memory)
            .map_err(|error| error.to_string())
            .and_then(|frame| {
                chosen
                    .connection
                    .send(frame)
                    .map_err(|error| error.to_string())
            });
        if sent.is_err() {
            self.lose(worker, Cause::Unknown);
        } else {
            self.watch_worker(worker);
        }
    }

    /// Whether a worker waits for a decision about a job.
    pub fn awaits_decision(&self, job: u64) -> bool {
        self.worker_of(job)
            .and_then(|id| self.workers.get(&id))
            .is_some_and(|worker| worker.state == State::Deciding(job))
    }

    fn worker_of(&self, job: u64) -> Option<u64> {
        self.jobs.get(&job)?.worker
    }

    /// Tells a job's worker what was decided.
    pub fn go_on(&mut self, job: u64, decision: Decision) {
        let Some(id) = self.worker_of(job) else {
            return;
        };
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.usage.go_on();
        worker.set_state(match decision {
            Decision::Compile => State::Working(job),
            Decision::Stop => State::Idle,
        });
        let sent = Frame::new(&decision, None)
            .map_err(io::Error::other)
            .and_then(|frame| worker.connection.send(frame));
        match sent {
            Ok(()) => self.watch_worker(id),
            Err(_) => self.lose(id, Cause::Unknown),
        }
    }

    /// Nobody waits for a job any more.
    pub fn abandon(&mut self, job: u64) {
        if self.awaits_decision(job) {
            self.go_on(job, Decision::Stop);
            self.jobs.remove(&job);
            return;
        }
        let Some(found) = self.jobs.remove(&job) else {
            return;
        };
        match found.worker {
            None => self.queue.remove(found.process, &job),
            Some(id) => {
                if let Some(worker) = self.workers.remove(&id) {
                    self.kill(worker, None, Cause::Unknown);
                }
            }
        }
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
            let peer = match worker.connection.read() {
                Ok(peer) => peer,
                Err(_) => return self.lose(id, Cause::Unknown),
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
        let Some(worker) = self.workers.get_mut(&id) else {
            return Ok(());
        };
        if worker.state == State::Starting {
            let theirs: Hello = transport::decode(body)?;
            if theirs != Hello::ours() {
                self.broken = Some("another build was installed".to_owned());
                return Ok(());
            }
            return self.warm_up(id);
        }
        let reply: Reply = transport::decode(body)?;
        let payload = match reply {
            Reply::Compiled(_) | Reply::Emitted { .. } => worker.connection.take_descriptor(),
            _ => None,
        };
        let Some(job) = worker.job() else {
            if !matches!(reply, Reply::Started { .. } | Reply::Progress(_)) {
                worker.set_state(State::Idle);
                self.failed_starts = 0;
            }
            return Ok(());
        };
        match reply {
            Reply::Started { .. } => self.on_started(job, Frame::of_body(body, None)),
            Reply::Progress(progress) => {
                if let Some(found) = self.jobs.get_mut(&job) {
                    found.progress = progress;
                }
                self.tell_progress(job, progress, false);
            }
            Reply::Identified { digest } => {
                worker.set_state(State::Deciding(job));
                if let Some(found) = self.jobs.get_mut(&job) {
                    found.digest = Some(digest);
                }
                self.ask(job);
            }
            Reply::Compiled(_) | Reply::Emitted { .. } | Reply::Failed(_) => {
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

    /// Has a new worker compile something, so that its first client finds LLVM's tables made and its pages there.
    /// If clients wait already, theirs is the first.
    fn warm_up(&mut self, id: u64) -> Result<(), TransportError> {
        let Some(worker) = self.workers.get_mut(&id) else {
            return Ok(());
        };
        worker.set_state(State::Idle);
        if !self.queue.is_empty() {
            return Ok(());
        }
        worker.set_state(State::Warming);
        worker.connection.send(worker::warm_up()?)?;
        self.watch_worker(id);
        Ok(())
    }

    fn on_started(&mut self, job: u64, frame: Frame) {
        let Some(found) = self.jobs.get_mut(&job) else {
            return;
        };
        // Another worker may have begun before this one.
        if found.started.replace(frame.clone()).is_some() {
            return;
        }
        for client in found.clients.clone() {
            self.tell_started(client, frame.clone());
        }
    }

    fn on_done(&mut self, worker: u64, job: u64, frame: Frame, failed: bool) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.set_state(State::Idle);
            self.failed_starts = 0;
        }
        self.recycle(worker);
        let Some(done) = self.jobs.remove(&job) else {
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
        if let Some(worker) = self.workers.remove(&id) {
            self.kill(worker, None, Cause::Unknown);
        }
    }

    /// A worker that has ended, or that is to end, for this reason if it has not.
    pub fn lose(&mut self, id: u64, cause: Cause) {
        if let Some(worker) = self.workers.remove(&id) {
            let job = worker.job();
            self.kill(worker, job, cause);
        }
    }

    /// Ends a worker. `job`: who waits for that is told when it has ended.
    fn kill(&mut self, worker: Worker, job: Option<u64>, cause: Cause) {
        let Worker {
            mut child,
            words,
            state,
            ..
        } = worker;
        // It may have ended by itself, which is what is then told.
        let _ = child.kill();
        self.dying.push(Dying {
            child,
            words,
            job,
            was_of_use: !matches!(state, State::Starting | State::Warming),
            cause,
        });
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
        if !dead.was_of_use {
            return self.failed_start(&format!("it ended with {status}: {words}"));
        }
        let Some(job) = dead.job else {
            return;
        };
        let Some(found) = self.jobs.get_mut(&job) else {
            return;
        };
        found.worker = None;
        if found.started.is_none() && found.losses < MOST_LOSSES {
            found.losses += 1;
            let process = found.process;
            self.queue.push_first(process, job);
            return;
        }
        let Some(job) = self.jobs.remove(&job) else {
            return;
        };
        let max_memory = self.options.max_memory;
        let death = Death {
            signal: status.signal().unwrap_or_default(),
            cause: match (status.signal(), dead.cause) {
                (Some(libc::SIGKILL), cause) => cause,
                // It ended by itself.
                _ if job.asked.is_limited_by(max_memory) && limits::is_out_of_memory(&words) => {
                    Cause::Memory(max_memory)
                }
                _ => Cause::Unknown,
            },
            words,
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

    /// Those that say nothing although they have nothing to do first.
    pub fn lose_late_workers(&mut self) {
        let owes = |worker: &Worker| match worker.state {
            State::Starting | State::Warming => true,
            State::Working(job) => {
                let found = self.jobs.get(&job);
                found.is_some_and(|found| found.started.is_none())
            }
            State::Idle | State::Deciding(_) => false,
        };
        let late = |worker: &Worker| owes(worker) && worker.since.elapsed() >= START_TIMEOUT;
        let late: Vec<u64> = self
            .workers
            .iter()
            .filter(|(_, worker)| late(worker))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.lose(id, Cause::Hung(START_TIMEOUT.as_millis() as u64));
        }
    }

    /// One is kept warm; more were for more to do.
    pub fn end_idle_workers(&mut self) {
        let mut idle: Vec<(Instant, u64)> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.is_idle())
            .map(|(id, worker)| (worker.since, *id))
            .collect();
        idle.sort_unstable();
        idle.pop();
        for (since, id) in idle {
            if since.elapsed() >= SPARE
                && let Some(worker) = self.workers.remove(&id)
            {
                self.kill(worker, None, Cause::Unknown);
            }
        }
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
