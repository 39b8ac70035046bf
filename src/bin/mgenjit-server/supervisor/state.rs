//! What the supervisor has: descriptors and processes, and what they are for.

use super::client::Client;
use super::connection::Frame;
use super::jobs::Jobs;
use super::listener::Listener;
use super::options::Options;
use super::queue::Bounds;
use super::schedule::{self, Schedule};
use super::worker::{self, Dying, Worker};
use crate::process::log::Log;
use mgenjit::protocol::messages::{Reply, ServerStatus};
use rustix::event::epoll;
use rustix::io::Errno;
use serde_json::json;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

/// How many requests may wait, of one process and of all.
const BOUNDS: Bounds = Bounds { each: 64, all: 512 };

/// How many clients there may be, where there may be enough open files: each has a socket, and a payload or two.
const MOST_CLIENTS: usize = 1024;
const FILES_FOR_CLIENT: u64 = 4;
const FILES_FOR_WORKER: u64 = 3;
const FILES_FOR_REST: u64 = 32;

pub const LISTENER: u64 = 0;

pub struct Supervisor {
    pub options: Options,
    pub library_path: Option<OsString>,
    pub log: Log,
    pub epoll: OwnedFd,
    /// `None`: it takes no more clients.
    pub listener: Option<Listener>,
    /// Whether new connections are taken now.
    pub accepting: bool,
    pub started: Instant,
    /// When there was last something to do.
    pub active: Instant,
    pub next_id: u64,
    pub most_clients: usize,
    pub clients: HashMap<u64, Client>,
    pub jobs: Jobs,
    /// Which worker does which job.
    pub schedule: Schedule,
    /// Clients whose requests wait for room in the queue, the first that came first.
    pub held: Vec<u64>,
    pub workers: HashMap<u64, Worker>,
    pub dying: Vec<Dying>,
    /// What the workers last said of their isolation.
    pub status: ServerStatus,
    /// Why it cannot go on.
    pub broken: Option<String>,
}

impl Supervisor {
    pub fn new(
        listener: Listener,
        log: Log,
        options: Options,
        files: u64,
    ) -> Result<Supervisor, String> {
        let failed = |error: Errno| format!("events cannot be waited for: {error}");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        epoll::add(
            &epoll,
            listener.socket(),
            epoll::EventData::new_u64(LISTENER),
            epoll::EventFlags::IN,
        )
        .map_err(failed)?;
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
        let for_workers = FILES_FOR_WORKER * schedule::most(workers) as u64;
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
            jobs: Jobs::default(),
            schedule: Schedule::new(workers, BOUNDS),
            held: Vec::new(),
            workers: HashMap::new(),
            dying: Vec::new(),
            broken: None,
        })
    }

    /// What of this changes all the time is counted now.
    pub fn status(&self) -> ServerStatus {
        let processes: std::collections::HashSet<u32> =
            self.clients.values().map(|client| client.process).collect();
        ServerStatus {
            uptime: self.started.elapsed().as_millis() as u64,
            connections: self.clients.len() as u32,
            clients: processes.len() as u32,
            queued: (self.schedule.queued() + self.held.len()) as u32,
            running: self
                .jobs
                .iter()
                .filter(|(job, _)| self.schedule.is_running(*job))
                .count() as u32,
            workers: self.schedule.workers() as u32,
            idle_workers: self.schedule.idle() as u32,
            memory: worker::resident("self"),
            private_servers: self.sent_away() as u32,
            worker_memory: self.workers.values().map(Worker::memory).sum(),
            ..self.status.clone()
        }
    }

    pub fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub fn watch(
        &self,
        id: u64,
        socket: BorrowedFd<'_>,
        flags: epoll::EventFlags,
    ) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(id), flags)
    }
}

/// A reply's frame. None of ours is too long.
pub fn frame(reply: &Reply) -> Option<Frame> {
    Frame::new(reply, None).ok()
}
