//! The server's life: it begins, waits for events, and ends.

use super::listener::Listener;
use super::options::Options;
use super::schedule::Event;
use super::state::{LISTENER, Supervisor};
use super::turn::State;
use crate::process;
use crate::process::log::Log;
use mgenjit::protocol::messages::{Hello, Phase, Progress};
use mgenjit::protocol::transport;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How often what takes too long is looked for, and those that wait are told that they are not forgotten.
const TICK: Duration = Duration::from_secs(1);

/// How often the status of processes that end is asked for.
const REAP: Duration = Duration::from_millis(2);

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

impl Supervisor {
    fn serve(&mut self) -> Result<(), String> {
        let mut events = Vec::with_capacity(256);
        let mut ticked = Instant::now();
        self.dispatch();
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
        self.end_limited_workers();
        self.send_away();
        self.happened(Event::Tick);
        self.tell_waiting();
        self.tell_held();
        self.set_accepting(true);
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
    pub fn stop(&mut self, why: &str) {
        let Some(listener) = self.listener.take() else {
            return;
        };
        self.log.write("stopping", &[("reason", json!(why))]);
        self.status.stopping = true;
        self.happened(Event::Stopping);
        let _ = epoll::delete(&self.epoll, listener.socket());
        drop(listener);
        let idle: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| matches!(client.turn.state(), State::Greeting | State::Idle))
            .map(|(id, _)| *id)
            .collect();
        for id in idle {
            self.drop_client(id);
        }
    }

    /// Those that wait hear that, and how many come first.
    fn tell_waiting(&mut self) {
        let order = self.schedule.order();
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
        let running = self.jobs.iter();
        let running = running.filter(|(id, _)| self.schedule.is_running(*id));
        told.extend(running.map(|(id, job)| (id, job.progress)));
        for (job, progress) in told {
            self.tell_progress(job, progress, true);
        }
    }
}
