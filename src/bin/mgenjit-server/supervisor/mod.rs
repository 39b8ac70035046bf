//! The shared server: takes clients on a socket and gives their requests to workers, which are processes of this
//! program that compile for nobody else. It runs no LLVM and links nothing: what kills a worker costs one compile.
//!
//! One thread waits for all sockets at once, and waits for no single one. What it keeps for its clients is bounded: in
//! number by [`Options`], in time by its `patience`, and each client has one request at a time.
//!
//! Architecture Invariant: nothing that a client sends or leaves unsent, and nothing that happens to a worker, ends the
//! server or holds up another client for longer than a compile.

mod admission;
mod clients;
mod connection;
mod job;
mod limits;
mod listener;
mod queue;
mod worker;
mod workers;

use crate::process;
use crate::process::log::Log;
use clients::{Client, State};
use connection::Frame;
use job::Job;
use listener::Listener;
use mgenjit::protocol::messages::{Hello, Phase, Progress, Reply, ServerStatus};
use mgenjit::protocol::transport;
use queue::{Bounds, Queue};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use serde_json::json;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use worker::{Dying, Worker};

/// What the command line says of a shared server.
pub struct Options {
    /// Where clients find it.
    pub socket: PathBuf,
    /// How long it waits for a request before it ends.
    pub idle_timeout: Duration,
    /// How many workers may work at once; 0: as many as there are cores.
    pub workers: usize,
    /// Bytes of memory with which a worker is replaced when it has answered.
    pub worker_memory: u64,
    /// How long a client may take to say who it is, to send the rest of a frame, and to read what it is sent.
    pub patience: Duration,
    /// Processor time and bytes of memory that one request may take; 0: as much as there is.
    pub max_time: Duration,
    pub max_memory: u64,
    /// How long a request waits for a worker until its client may use a private server; 0: for ever.
    pub queue_timeout: Duration,
    /// How long a worker that has a request may take no processor time.
    pub silence: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            socket: PathBuf::new(),
            idle_timeout: Duration::from_secs(600),
            workers: 0,
            worker_memory: 512 << 20,
            patience: Duration::from_secs(10),
            max_time: Duration::from_secs(600),
            max_memory: limits::default_memory(),
            queue_timeout: Duration::from_secs(10),
            silence: Duration::from_secs(120),
        }
    }
}

/// How many requests may wait, of one process and of all.
const BOUNDS: Bounds = Bounds { each: 64, all: 512 };

/// How many clients there may be, where there may be enough open files: each has a socket, and a payload or two.
const MOST_CLIENTS: usize = 1024;
const FILES_FOR_CLIENT: u64 = 4;
const FILES_FOR_WORKER: u64 = 3;
const FILES_FOR_REST: u64 = 32;

/// Bytes of all clients' unfinished frames together.
const MOST_BUFFERED: usize = 256 << 20;

/// How often what takes too long is looked for, and those that wait are told that they are not forgotten.
const TICK: Duration = Duration::from_secs(1);

/// How often the status of processes that end is asked for.
const REAP: Duration = Duration::from_millis(2);

const LISTENER: u64 = 0;

/// Serves until it is told to stop, or nobody has wanted anything for long. Whoever started it is told when clients can
/// come.
pub fn run(
    starter: UnixStream,
    log: Log,
    options: Options,
    library_path: Option<OsString>,
) -> Result<(), String> {
    process::limits::lift_scheduling();
    let files = process::limits::lift()?;
    let Some(listener) = Listener::new(&options.socket)? else {
        // The starter finds the other one.
        return Ok(());
    };
    let mut supervisor = Supervisor::new(listener, log, options, files)?;
    supervisor.library_path = library_path;
    transport::send(&starter, &Hello::ours(), None).map_err(|error| error.to_string())?;
    drop(starter);
    let result = supervisor.serve();
    let details = match &result {
        Ok(()) => json!("idle or stopped"),
        Err(why) => json!(why),
    };
    supervisor.log.write("ended", &[("reason", details)]);
    result
}

struct Supervisor {
    options: Options,
    library_path: Option<OsString>,
    log: Log,
    epoll: OwnedFd,
    /// `None`: it takes no more clients.
    listener: Option<Listener>,
    /// Whether new connections are taken now.
    accepting: bool,
    started: Instant,
    /// When there was last something to do.
    active: Instant,
    next_id: u64,
    most_clients: usize,
    clients: HashMap<u64, Client>,
    jobs: HashMap<u64, Job>,
    queue: Queue<u64>,
    /// Clients whose requests wait for room in the queue, the first that came first.
    held: Vec<u64>,
    workers: HashMap<u64, Worker>,
    dying: Vec<Dying>,
    /// Workers that ended before they were of use, one after the other.
    failed_starts: u32,
    /// What the workers last said of their isolation.
    status: ServerStatus,
    /// Why it cannot go on.
    broken: Option<String>,
}

impl Supervisor {
    fn new(
        listener: Listener,
        log: Log,
        options: Options,
        files: u64,
    ) -> Result<Supervisor, String> {
        let trouble = |error: Errno| format!("events cannot be waited for: {error}");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(trouble)?;
        epoll::add(
            &epoll,
            listener.socket(),
            epoll::EventData::new_u64(LISTENER),
            epoll::EventFlags::IN,
        )
        .map_err(trouble)?;
        let workers = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        log.write(
            "listening",
            &[
                ("socket", json!(options.socket.to_string_lossy())),
                ("workers", json!(workers)),
                (
                    "idle_timeout_ms",
                    json!(options.idle_timeout.as_millis() as u64),
                ),
                ("max_time_ms", json!(options.max_time.as_millis() as u64)),
                ("max_memory", json!(options.max_memory)),
                (
                    "queue_timeout_ms",
                    json!(options.queue_timeout.as_millis() as u64),
                ),
            ],
        );
        let for_workers = FILES_FOR_WORKER * workers::most(workers) as u64;
        let clients = files.saturating_sub(FILES_FOR_REST + for_workers) / FILES_FOR_CLIENT;
        Ok(Supervisor {
            status: ServerStatus {
                process: std::process::id(),
                idle_timeout: options.idle_timeout.as_millis() as u64,
                max_workers: workers as u32,
                max_time: options.max_time.as_millis() as u64,
                max_memory: options.max_memory,
                queue_timeout: options.queue_timeout.as_millis() as u64,
                max_private_servers: workers as u32,
                ..ServerStatus::default()
            },
            options,
            library_path: None,
            log,
            epoll,
            listener: Some(listener),
            accepting: true,
            started: Instant::now(),
            active: Instant::now(),
            next_id: LISTENER + 1,
            most_clients: MOST_CLIENTS.min(clients as usize).max(1),
            clients: HashMap::new(),
            jobs: HashMap::new(),
            queue: Queue::new(BOUNDS),
            held: Vec::new(),
            workers: HashMap::new(),
            dying: Vec::new(),
            failed_starts: 0,
            broken: None,
        })
    }

    fn serve(&mut self) -> Result<(), String> {
        let mut events = Vec::with_capacity(256);
        let mut ticked = Instant::now();
        self.provide_workers();
        loop {
            let pause = match self.dying.is_empty() {
                true => TICK.saturating_sub(ticked.elapsed()),
                false => REAP,
            };
            let pause = Timespec::try_from(pause).ok();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), pause.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(format!("events cannot be waited for: {error}")),
            }
            for event in events.drain(..) {
                let id = event.data.u64();
                // What an earlier event of this round has ended is not there any more.
                if id == LISTENER {
                    self.accept();
                } else if self.clients.contains_key(&id) {
                    self.on_client(id, event.flags);
                } else if self.workers.contains_key(&id) {
                    self.on_worker(id, event.flags);
                }
            }
            self.reap();
            self.dispatch();
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick();
            }
            if let Some(why) = self.broken.take() {
                return Err(why);
            }
            if self.listener.is_none() && self.jobs.is_empty() && self.nobody_settles() {
                return Ok(());
            }
        }
    }

    fn tick(&mut self) {
        self.cut_slow_clients();
        self.lose_late_workers();
        self.end_limited_workers();
        self.send_away();
        self.end_idle_workers();
        self.tell_waiting();
        self.tell_held();
        self.set_accepting(true);
        self.start_again();
        if !self.jobs.is_empty() {
            self.active = Instant::now();
        }
        if self.active.elapsed() >= self.options.idle_timeout {
            self.stop("idle");
        }
        if let Some(listener) = &self.listener
            && !listener.is_found()
        {
            self.stop("the socket was removed");
        }
    }

    /// Takes no more clients. Those that wait are still served; the others go elsewhere.
    fn stop(&mut self, why: &str) {
        let Some(listener) = self.listener.take() else {
            return;
        };
        self.log.write("stopping", &[("reason", json!(why))]);
        self.status.stopping = true;
        let _ = epoll::delete(&self.epoll, listener.socket());
        drop(listener);
        let idle: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| matches!(client.state, State::Greeting | State::Idle))
            .map(|(id, _)| *id)
            .collect();
        for id in idle {
            self.drop_client(id);
        }
    }

    /// Those that wait hear that, and how many come first.
    fn tell_waiting(&mut self) {
        let order: Vec<u64> = self.queue.order().into_iter().copied().collect();
        let mut told = Vec::new();
        for (before, job) in order.iter().enumerate() {
            let progress = Progress {
                phase: Phase::Queue,
                done: 0,
                total: before as u32,
            };
            told.push((*job, progress));
        }
        // A link has no progress of its own.
        let running = self.jobs.iter().filter(|(_, job)| job.worker.is_some());
        told.extend(running.map(|(id, job)| (*id, job.progress)));
        for (job, progress) in told {
            self.tell_progress(job, progress, true);
        }
    }

    /// What of this changes all the time is counted now.
    fn status(&self) -> ServerStatus {
        let processes: std::collections::HashSet<u32> =
            self.clients.values().map(|client| client.process).collect();
        ServerStatus {
            uptime: self.started.elapsed().as_millis() as u64,
            connections: self.clients.len() as u32,
            clients: processes.len() as u32,
            queued: (self.queue.len() + self.held.len()) as u32,
            running: self
                .jobs
                .values()
                .filter(|job| job.worker.is_some())
                .count() as u32,
            workers: self.workers.len() as u32,
            idle_workers: self
                .workers
                .values()
                .filter(|worker| worker.is_idle())
                .count() as u32,
            memory: worker::resident("self"),
            private_servers: self.sent_away() as u32,
            worker_memory: self.workers.values().map(Worker::memory).sum(),
            ..self.status.clone()
        }
    }

    fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn watch(
        &self,
        id: u64,
        socket: BorrowedFd<'_>,
        flags: epoll::EventFlags,
    ) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(id), flags)
    }
}

/// A reply's frame. None of ours is too long.
fn frame(reply: &Reply) -> Option<Frame> {
    Frame::new(reply, None).ok()
}
