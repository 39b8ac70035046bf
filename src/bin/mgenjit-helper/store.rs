//! Compiles and stores what nobody waits for: `mgenjit-helper store`.
//!
//! One process does it for all programs of a user. Whoever holds the lock beside the socket is that one; one that does not hands
//! its connection over and ends. It reads what it is told at once and does it by and by, at the lowest priority, with compile
//! servers of that priority. It ends when nobody is connected and nothing is left to do.
//!
//! What it keeps is bounded: what there is no room for is refused, and ordered again by a later process.

#[path = "../mgenjit-server/supervisor/listener.rs"]
mod listener;
#[path = "../mgenjit-server/process/lower.rs"]
mod lower;

use listener::Listener;
use lower::lower;
use mgenjit::protocol::messages::Hello;
use mgenjit::protocol::transport;
use mgenjit::storing::{Order, Outcome, Said, Storing};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How many orders wait, and how many bytes of inputs all together have.
const MOST_WAITING: usize = 4096;
const MOST_BYTES: u64 = 1 << 30;

/// How many may be connected. Others wait until they are accepted.
const MOST_CONNECTIONS: usize = 256;

/// How many orders are worked on at a time: fewer, if there are fewer cores.
const MOST_WORKERS: usize = 4;

/// The longest error that is told, in characters.
const MOST_TOLD: usize = 4096;

/// How long it waits for something to do before it ends. Programs that follow each other find it.
const IDLE: Duration = Duration::from_secs(3);

/// How long one that is not needed tries to hand its connection over. The other one may get little processor time.
const HAND_OVER: Duration = Duration::from_mins(1);

pub fn serve(socket: UnixStream, at: &Path) -> Result<(), String> {
    let deadline = Instant::now() + HAND_OVER;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(listener) = Listener::new(at)? {
            // Not before others find it: at the lowest priority, that may take long.
            lower();
            return run(listener, at, socket);
        }
        if hand_over(&socket, at, deadline).is_ok() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!(
                "the process at {} takes no connection",
                at.display()
            ));
        }
        // Polled: the other one is about to listen, or to end.
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Gives a connection to the process that listens, and waits until it has taken it: one that is about to end does not.
fn hand_over(socket: &UnixStream, at: &Path, deadline: Instant) -> Result<(), String> {
    let other = UnixStream::connect(at).map_err(|error| error.to_string())?;
    transport::send(&other, &Hello::ours(), None)
        .and_then(|()| transport::send(&other, &Said::Adopt, Some(socket.as_fd())))
        .and_then(|()| transport::receive_by::<Hello>(&other, Some(deadline)).map(drop))
        .map_err(|error| error.to_string())
}

/// What all threads share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do.
    more: Condvar,
    storing: Storing,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    bytes: u64,
    /// What is worked on.
    running: Vec<Arc<Running>>,
    connections: usize,
}

struct Job {
    order: Order,
    payload: Option<OwnedFd>,
    askers: Vec<Arc<UnixStream>>,
}

struct Running {
    order: Order,
    /// Nobody is added once it is not in `State::running` any more.
    askers: Mutex<Vec<Arc<UnixStream>>>,
}

fn run(listener: Listener, at: &Path, first: UnixStream) -> Result<(), String> {
    let shared = Arc::new(Shared::default());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..cores.min(MOST_WORKERS) {
        let shared = shared.clone();
        Builder::new()
            .spawn(move || shared.work())
            .map_err(|error| format!("a thread could not be started: {error}"))?;
    }
    Shared::connect(&shared, first);
    // `None`: another process listens.
    let mut listener = Some(listener);
    let mut idle_since = Instant::now();
    loop {
        let (is_idle, is_full) = {
            let state = shared.lock();
            (state.is_idle(), state.connections >= MOST_CONNECTIONS)
        };
        if !is_idle {
            idle_since = Instant::now();
        }
        match &listener {
            None if is_idle => return Ok(()),
            Some(found) if is_idle && (idle_since.elapsed() > IDLE || !found.is_found()) => {
                // Whoever has connected by now is served. Others do not find the socket any more, and start a process.
                found.withdraw();
                if !accept(found, &shared)? {
                    return Ok(());
                }
                drop(listener.take());
                listener = Listener::new(at)?;
            }
            Some(found) if !is_full => {
                wait(found).map_err(|error| error.to_string())?;
                accept(found, &shared)?;
            }
            None | Some(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Takes in those who have connected. Returns whether anybody had.
fn accept(listener: &Listener, shared: &Arc<Shared>) -> Result<bool, String> {
    let mut any = false;
    while let Some((socket, peer)) = listener.accept().map_err(|error| error.to_string())? {
        any = true;
        let socket = UnixStream::from(socket);
        let is_own = peer.user == rustix::process::geteuid().as_raw();
        if is_own && socket.set_nonblocking(false).is_ok() {
            Shared::connect(shared, socket);
        }
    }
    Ok(any)
}

/// Waits for a connection, for a while.
fn wait(listener: &Listener) -> io::Result<()> {
    let socket = listener.socket();
    let mut sockets = [PollFd::new(&socket, PollFlags::IN)];
    let timeout = Timespec::try_from(Duration::from_millis(500)).map_err(io::Error::other)?;
    match rustix::event::poll(&mut sockets, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.connections == 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what somebody says, in a thread of its own.
    fn connect(this: &Arc<Shared>, socket: UnixStream) {
        this.lock().connections += 1;
        let shared = this.clone();
        let started = Builder::new().spawn(move || {
            let socket = Arc::new(socket);
            let _ = catch_unwind(AssertUnwindSafe(|| Shared::listen(&shared, &socket)));
            shared.lock().connections -= 1;
        });
        if started.is_err() {
            this.lock().connections -= 1;
        }
    }

    fn listen(this: &Arc<Shared>, socket: &Arc<UnixStream>) {
        match transport::receive::<Hello>(socket) {
            Ok((theirs, _)) if theirs == Hello::ours() => {}
            _ => return,
        }
        while let Ok((said, payload)) = transport::receive::<Said>(socket) {
            match said {
                Said::Order(order) => this.take(*order, payload, socket),
                Said::Adopt => {
                    if let Some(connection) = payload {
                        Shared::connect(this, UnixStream::from(connection));
                        let _ = transport::send_if_room(socket, &Hello::ours());
                    }
                }
            }
        }
    }

    fn take(&self, order: Order, payload: Option<OwnedFd>, asker: &Arc<UnixStream>) {
        let mut state = self.lock();
        let running = state.running.iter().find(|job| job.order.is_same(&order));
        if let Some(running) = running {
            let mut askers = running
                .askers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            return askers.push(asker.clone());
        }
        let waits = |job: &&mut Job| job.order.is_same(&order);
        if let Some(job) = state.waiting.iter_mut().find(waits) {
            return job.askers.push(asker.clone());
        }
        let len = order.input_len().unwrap_or(u64::MAX);
        let bytes = state.bytes.saturating_add(len);
        if state.waiting.len() >= MOST_WAITING || bytes > MOST_BYTES {
            drop(state);
            return answer(
                asker,
                &order,
                "too much waits to be compiled in the background",
            );
        }
        state.bytes = bytes;
        state.waiting.push_back(Job {
            order,
            payload,
            askers: vec![asker.clone()],
        });
        drop(state);
        self.more.notify_one();
    }

    fn work(&self) {
        loop {
            let (running, payload) = {
                let mut state = self.lock();
                let job = loop {
                    match state.waiting.pop_front() {
                        Some(job) => break job,
                        None => {
                            state = self
                                .more
                                .wait(state)
                                .unwrap_or_else(PoisonError::into_inner);
                        }
                    }
                };
                let len = job.order.input_len().unwrap_or(u64::MAX);
                state.bytes = state.bytes.saturating_sub(len);
                let running = Arc::new(Running {
                    order: job.order,
                    askers: Mutex::new(job.askers),
                });
                state.running.push(running.clone());
                (running, job.payload)
            };
            let order = &running.order;
            let result = catch_unwind(AssertUnwindSafe(|| self.storing.run(order, payload)));
            let error = match result {
                Ok(Ok(())) => String::new(),
                Ok(Err(message)) => message,
                Err(_) => {
                    "the process that stores it has a bug: a thread of it panicked".to_owned()
                }
            };
            self.lock()
                .running
                .retain(|other| !Arc::ptr_eq(other, &running));
            let askers = std::mem::take(
                &mut *running
                    .askers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            for asker in askers {
                answer(&asker, order, &error);
            }
        }
    }
}

/// Whoever does not read it does not want it.
fn answer(asker: &UnixStream, order: &Order, error: &str) {
    let outcome = Outcome {
        key: order.key,
        error: error.chars().take(MOST_TOLD).collect(),
    };
    let _ = transport::send_if_room(asker, &outcome);
}
