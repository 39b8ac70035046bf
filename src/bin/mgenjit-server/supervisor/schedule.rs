//! Which worker does which job, and how many workers there are: the part of the supervisor that decides.
//!
//! It is a state machine. It has no descriptors, no processes and no clock: [`Schedule::handle`] takes what happened, and
//! when, and returns what is to be done, in this order. What a job is, and who waits for it, it does not know.
//!
//! A worker:
//!
//! ```text
//!            Started            Greeted             Warmed
//!     Start ────────► Starting ────────► Warming ─────────┐
//!                        │                                ▼        Give
//!                        └── Greeted, if jobs wait ────► Idle ─────────────► Working ◄──┐
//!                                                         ▲ ▲      Done        │  │     │ GoOn:
//!                                                         │ └──────────────────┘  │     │ Continue
//!                                                         │              Identified     │
//!                                                         │                       ▼     │
//!                                                         └───────────────────── Deciding
//!                                                           Abandoned: Stop
//!
//!     any ── Lost, Retired, late, idle for long: End ──► dying ── Ended ──► gone
//! ```
//!
//! A job:
//!
//! ```text
//!           Asked          Give                 Done
//!     new ─────────► queue ─────► with a worker ──────► gone
//!                      ▲               │ Ended
//!                      ├───────────────┤
//!                      │ not Begun     │ Begun, or lost too often: Died
//!                                      ▼
//!                                     gone
//! ```

use super::queue::{Bounds, Queue};
use mgenjit::protocol::messages::Cause;
use std::collections::HashMap;
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

/// Jobs and workers are called by numbers.
pub enum Event {
    /// Somebody of this process wants a job that nobody wanted yet.
    Asked { job: u64, process: u32 },
    /// Nobody waits for a job any more.
    Abandoned { job: u64 },
    /// A worker was started.
    Started { worker: u64 },
    /// One could not be started.
    NotStarted { why: String },
    /// A new worker has said who it is.
    Greeted { worker: u64 },
    /// A worker has compiled what no client waits for.
    Warmed { worker: u64 },
    /// A worker has begun with its job, which can then be at fault for what becomes of the worker.
    Begun { job: u64 },
    /// A worker asks whether its job is to go on.
    Identified { worker: u64 },
    /// A job is to go on.
    GoOn { job: u64 },
    /// A worker has answered.
    Done { worker: u64 },
    /// A worker is to be replaced, and has no job.
    Retired { worker: u64 },
    /// A worker has ended, or must.
    Lost { worker: u64, cause: Cause },
    /// The process of a worker that was to end has ended.
    Ended { worker: u64, why: String },
    /// All that happened at one time was told.
    Round,
    /// Time has passed.
    Tick,
    /// No more clients come.
    Stopping,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give a job to a worker.
    Give {
        job: u64,
        worker: u64,
    },
    /// Start so many workers, up to the first that cannot be started.
    Start(usize),
    /// Have a worker compile something that nobody waits for.
    WarmUp {
        worker: u64,
    },
    /// Tell a worker that its job is to go on, or that it is to stop.
    Continue {
        worker: u64,
    },
    Stop {
        worker: u64,
    },
    /// End a worker's process; `cause`: why, if it has not ended by itself.
    End {
        worker: u64,
        cause: Cause,
    },
    /// Tell those who wait for a job that its worker died.
    Died {
        job: u64,
    },
    /// Note that a start has failed, the how many-th in a row.
    StartFailed {
        why: String,
        times: u32,
    },
    /// End the server: no worker can be started.
    GiveUp {
        why: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has not said who it is.
    Starting,
    /// It compiles something to have compiled once.
    Warming,
    Idle,
    Working(u64),
    /// It waits for a client to decide about its job, and takes no core meanwhile.
    Deciding(u64),
}

struct Worker {
    state: State,
    since: Instant,
}

struct Job {
    /// Whose turn it was when it came.
    process: u32,
    worker: Option<u64>,
    begun: bool,
    /// How many workers died before they had it.
    losses: u32,
}

/// A worker whose process was told to end, and is still to be waited for.
struct Dying {
    job: Option<u64>,
    was_of_use: bool,
}

pub struct Schedule {
    /// How many workers may work at once.
    max_working: usize,
    jobs: HashMap<u64, Job>,
    queue: Queue<u64>,
    workers: HashMap<u64, Worker>,
    dying: HashMap<u64, Dying>,
    /// Workers that ended before they were of use, one after the other.
    failed_starts: u32,
    stopping: bool,
}

impl Schedule {
    pub fn new(max_working: usize, bounds: Bounds) -> Schedule {
        Schedule {
            max_working,
            jobs: HashMap::new(),
            queue: Queue::new(bounds),
            workers: HashMap::new(),
            dying: HashMap::new(),
            failed_starts: 0,
            stopping: false,
        }
    }

    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Asked { job, process } => {
                let new = Job {
                    process,
                    worker: None,
                    begun: false,
                    losses: 0,
                };
                self.jobs.insert(job, new);
                self.queue.push(process, job);
            }
            Event::Abandoned { job } => return self.abandon(now, job),
            Event::Started { worker } => {
                let state = State::Starting;
                self.workers.insert(worker, Worker { state, since: now });
            }
            Event::NotStarted { why } => return self.failed_start(why),
            Event::Greeted { worker } => return self.greeted(now, worker),
            Event::Warmed { worker } => {
                self.set(now, worker, State::Idle);
                self.failed_starts = 0;
            }
            Event::Begun { job } => {
                if let Some(job) = self.jobs.get_mut(&job) {
                    job.begun = true;
                }
            }
            Event::Identified { worker } => {
                if let Some(job) = self.job_of(worker) {
                    self.set(now, worker, State::Deciding(job));
                }
            }
            Event::GoOn { job } => {
                if let Some(worker) = self.worker_of(job) {
                    self.set(now, worker, State::Working(job));
                    return vec![Action::Continue { worker }];
                }
            }
            Event::Done { worker } => {
                if let Some(job) = self.job_of(worker) {
                    self.jobs.remove(&job);
                }
                self.set(now, worker, State::Idle);
                self.failed_starts = 0;
            }
            Event::Retired { worker } => return self.end(worker, Cause::Unknown),
            Event::Lost { worker, cause } => return self.end(worker, cause),
            Event::Ended { worker, why } => return self.ended(worker, why),
            Event::Round => return self.give(now),
            Event::Tick => return self.tick(now),
            Event::Stopping => self.stopping = true,
        }
        Vec::new()
    }

    /// Whether one more job of a process may wait.
    pub fn has_room(&self, process: u32) -> bool {
        self.queue.has_room(process)
    }

    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The jobs that wait, in the order in which workers will have them.
    pub fn order(&self) -> Vec<u64> {
        self.queue.order().into_iter().copied().collect()
    }

    pub fn is_running(&self, job: u64) -> bool {
        self.jobs.get(&job).is_some_and(|job| job.worker.is_some())
    }

    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    pub fn idle(&self) -> usize {
        let idle = |worker: &&Worker| worker.state == State::Idle;
        self.workers.values().filter(idle).count()
    }

    pub fn is_starting(&self, worker: u64) -> bool {
        self.state(worker) == Some(State::Starting)
    }

    /// Whether a worker has something to do, be it to start.
    pub fn has_to_work(&self, worker: u64) -> bool {
        !matches!(
            self.state(worker),
            None | Some(State::Idle | State::Deciding(_))
        )
    }

    /// Whether a worker waits for a decision about a job.
    pub fn awaits_decision(&self, job: u64) -> bool {
        self.worker_of(job)
            .is_some_and(|worker| self.state(worker) == Some(State::Deciding(job)))
    }

    pub fn job_of(&self, worker: u64) -> Option<u64> {
        match self.state(worker)? {
            State::Working(job) | State::Deciding(job) => Some(job),
            State::Starting | State::Warming | State::Idle => None,
        }
    }

    /// The worker that has a job, unless it is to end.
    fn worker_of(&self, job: u64) -> Option<u64> {
        let worker = self.jobs.get(&job)?.worker?;
        self.workers.contains_key(&worker).then_some(worker)
    }

    fn state(&self, worker: u64) -> Option<State> {
        self.workers.get(&worker).map(|worker| worker.state)
    }

    fn set(&mut self, now: Instant, worker: u64, state: State) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            *worker = Worker { state, since: now };
        }
    }

    /// How many workers need a core.
    fn working(&self) -> usize {
        let works = |worker: &&Worker| matches!(worker.state, State::Working(_));
        self.workers.values().filter(works).count()
    }

    fn abandon(&mut self, now: Instant, job: u64) -> Vec<Action> {
        if self.awaits_decision(job)
            && let Some(worker) = self.worker_of(job)
        {
            self.jobs.remove(&job);
            self.set(now, worker, State::Idle);
            return vec![Action::Stop { worker }];
        }
        let worker = self.worker_of(job);
        let Some(found) = self.jobs.remove(&job) else {
            return Vec::new();
        };
        if found.worker.is_none() {
            self.queue.remove(found.process, &job);
        }
        worker.map_or_else(Vec::new, |worker| self.end(worker, Cause::Unknown))
    }

    /// It warms up, so that its first client finds LLVM's tables made and its pages there. If jobs wait already, the first
    /// of them does that.
    fn greeted(&mut self, now: Instant, worker: u64) -> Vec<Action> {
        if self.queue.is_empty() {
            self.set(now, worker, State::Warming);
            vec![Action::WarmUp { worker }]
        } else {
            self.set(now, worker, State::Idle);
            Vec::new()
        }
    }

    /// A job that it has goes on when its process has ended.
    fn end(&mut self, worker: u64, cause: Cause) -> Vec<Action> {
        let job = self.job_of(worker);
        let Some(found) = self.workers.remove(&worker) else {
            return Vec::new();
        };
        let was_of_use = !matches!(found.state, State::Starting | State::Warming);
        self.dying.insert(worker, Dying { job, was_of_use });
        vec![Action::End { worker, cause }]
    }

    fn ended(&mut self, worker: u64, why: String) -> Vec<Action> {
        let Some(dead) = self.dying.remove(&worker) else {
            return Vec::new();
        };
        if !dead.was_of_use {
            return self.failed_start(why);
        }
        // It may be wanted no more.
        let Some((id, job)) = dead.job.and_then(|id| Some((id, self.jobs.get_mut(&id)?))) else {
            return Vec::new();
        };
        job.worker = None;
        if !job.begun && job.losses < MOST_LOSSES {
            job.losses += 1;
            self.queue.push_first(job.process, id);
            return Vec::new();
        }
        self.jobs.remove(&id);
        vec![Action::Died { job: id }]
    }

    fn failed_start(&mut self, why: String) -> Vec<Action> {
        self.failed_starts += 1;
        let times = self.failed_starts;
        // What the others work on is not lost for this.
        let gives_up = times >= MOST_FAILED_STARTS && self.working() == 0;
        let failed = Action::StartFailed {
            why: why.clone(),
            times,
        };
        match gives_up {
            true => vec![failed, Action::GiveUp { why }],
            false => vec![failed],
        }
    }

    /// Gives the jobs that wait to workers, as many as may work at once.
    fn give(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.working() < self.max_working {
            let idle = self.workers.iter_mut();
            let Some((worker, found)) = idle.into_iter().find(|(_, one)| one.state == State::Idle)
            else {
                break;
            };
            let Some(job) = self.queue.pop() else {
                break;
            };
            let worker = *worker;
            *found = Worker {
                state: State::Working(job),
                since: now,
            };
            if let Some(job) = self.jobs.get_mut(&job) {
                job.worker = Some(worker);
            }
            actions.push(Action::Give { job, worker });
        }
        let missing = self.missing();
        if missing > 0 {
            actions.push(Action::Start(missing));
        }
        actions
    }

    /// How many workers are to be started: for what waits, and one more, so that the next client need not wait for it.
    fn missing(&self) -> usize {
        if self.stopping && self.jobs.is_empty() || self.failed_starts >= MOST_FAILED_STARTS {
            return 0;
        }
        let ready = self
            .workers
            .keys()
            .filter(|worker| self.job_of(**worker).is_none())
            .count();
        let could = self.max_working.saturating_sub(self.working());
        let wanted = self.queue.len().min(could).max(1);
        let room = most(self.max_working).saturating_sub(self.workers.len());
        wanted.saturating_sub(ready).min(room)
    }

    fn tick(&mut self, now: Instant) -> Vec<Action> {
        // Where too many starts have failed, one more may be tried.
        self.failed_starts = self.failed_starts.min(MOST_FAILED_STARTS - 1);
        let late = Cause::Hung(START_TIMEOUT.as_millis() as u64);
        let late = self.late(now).into_iter().map(|worker| (worker, late));
        let spare = self.spare(now).into_iter();
        let spare = spare.map(|worker| (worker, Cause::Unknown));
        let ended: Vec<(u64, Cause)> = late.chain(spare).collect();
        ended
            .into_iter()
            .flat_map(|(worker, cause)| self.end(worker, cause))
            .collect()
    }

    /// Those that say nothing although they have nothing to do first.
    fn late(&self, now: Instant) -> Vec<u64> {
        let owes = |worker: &Worker| match worker.state {
            State::Starting | State::Warming => true,
            State::Working(job) => self.jobs.get(&job).is_some_and(|job| !job.begun),
            State::Idle | State::Deciding(_) => false,
        };
        self.workers
            .iter()
            .filter(|(_, worker)| owes(worker) && now - worker.since >= START_TIMEOUT)
            .map(|(id, _)| *id)
            .collect()
    }

    /// One is kept warm; more were for more to do.
    fn spare(&self, now: Instant) -> Vec<u64> {
        let mut idle: Vec<(Instant, u64)> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.state == State::Idle)
            .map(|(id, worker)| (worker.since, *id))
            .collect();
        idle.sort_unstable();
        idle.pop();
        idle.into_iter()
            .filter(|(since, _)| now - *since >= SPARE)
            .map(|(_, id)| id)
            .collect()
    }
}

#[cfg(test)]
mod tests;
