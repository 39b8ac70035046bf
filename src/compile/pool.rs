//! The compile servers of one executor: as many as compile at once, up to a limit, kept for later.

use super::cancel::Cancel;
use super::client::{Answer, Client, Listener, RequestError};
use super::limits::Limits;
use super::locate::locate;
use super::protocol::Request;
use crate::error::{Error, Status, reason};
use crate::event::{Stopwatch, Times};
use crate::fork;
use once_cell::sync::OnceCell;
use rustix::thread::futex;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub struct Pool {
    path: Option<PathBuf>,
    max: usize,
    limits: Limits,
    cores: OnceCell<usize>,
    state: Mutex<State>,
    /// What kept a server from being isolated as it should be.
    not_isolated: OnceCell<String>,
    /// Counts how often a server became idle or ended. A futex: whoever waits for it holds no lock, which a fork
    /// would have to wait for.
    freed: AtomicU32,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Client>,
    /// Servers that run, idle ones included.
    running: usize,
    /// The process that started them. A forked child must not use its parent's.
    owner: u32,
}

/// A place among the running servers. Dropping it gives the place back, and the server with it if there is one.
struct Slot<'a> {
    pool: &'a Pool,
    client: Option<Client>,
    owner: u32,
}

impl Pool {
    /// Starts nothing yet. `max` 0: as many as there are cores that this process may use.
    pub fn new(path: Option<PathBuf>, max: usize, limits: Limits) -> Pool {
        Pool {
            path,
            max,
            limits,
            cores: OnceCell::new(),
            state: Mutex::default(),
            not_isolated: OnceCell::new(),
            freed: AtomicU32::new(0),
        }
    }

    /// Has an idle server do it, or a new one. Waits for one if all that may run are busy.
    pub fn request(
        &self,
        request: &Request,
        inputs: &[&[u8]],
        times: &mut Times,
        cancel: &Cancel,
        listener: &mut dyn Listener,
    ) -> Result<Answer, Error> {
        let len = inputs.iter().map(|input| input.len() as u64).sum();
        self.limits.check_input(request.name(), len)?;
        let mut request = Cow::Borrowed(request);
        if self.limits.memory > 0
            && let Request::Compile(request) = request.to_mut()
        {
            request.max_memory = self.limits.memory;
        }
        let request = &*request;
        loop {
            let mut watch = Stopwatch::start();
            let mut slot = self.slot();
            times.wait += watch.lap();
            cancel.check(request.name())?;
            let (mut client, idle) = match slot.client.take() {
                Some(client) => (client, true),
                None => {
                    let client = Client::start(&locate(self.path.as_deref())?)?;
                    times.start += watch.lap();
                    (client, false)
                }
            };
            let guard = cancel.guard(client.connection()).map_err(|error| {
                Error::new(
                    Status::Io,
                    format!("{} cannot be compiled: {}", request.name(), reason(&error)),
                )
            })?;
            let result = client.request(request, inputs, &self.limits, listener);
            drop(guard);
            times.compile = watch.lap();
            cancel.check(request.name())?;
            if !client.not_isolated.is_empty() {
                let _ = self.not_isolated.set(client.not_isolated.clone());
            }
            match result {
                Ok(output) => {
                    slot.client = Some(client);
                    return Ok(output);
                }
                Err(RequestError::Module(error)) => {
                    slot.client = Some(client);
                    return Err(error);
                }
                // It died while it was idle. There are only so many of these.
                Err(RequestError::Unheard(_)) if idle => {}
                Err(RequestError::Unheard(error) | RequestError::Server(error)) => {
                    return Err(error);
                }
            }
        }
    }

    /// What keeps servers from being isolated as they should be, once one has said so.
    pub fn not_isolated(&self) -> Option<&str> {
        self.not_isolated.get().map(String::as_str)
    }

    fn slot(&self) -> Slot<'_> {
        let owner = std::process::id();
        loop {
            let freed = self.freed.load(Ordering::Acquire);
            {
                let mut state = self.lock();
                if state.owner != owner {
                    // Closes this process's copies of the parent's connections; the parent keeps its own.
                    *state = State {
                        owner,
                        ..State::default()
                    };
                }
                if let Some(client) = state.idle.pop() {
                    return Slot {
                        pool: self,
                        client: Some(client),
                        owner,
                    };
                }
                if state.running < self.limit() {
                    state.running += 1;
                    return Slot {
                        pool: self,
                        client: None,
                        owner,
                    };
                }
            }
            // Returns at once if a server became free since `freed` was read; also for no reason, now and then.
            let _ = futex::wait(&self.freed, futex::Flags::PRIVATE, freed, None);
        }
    }

    /// How many servers may run at once.
    pub fn limit(&self) -> usize {
        match self.max {
            // Asked once: it reads the files of control groups.
            0 => *self
                .cores
                .get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from)),
            max => max,
        }
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, State>> {
        fork::guard(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        // In a child that forked in the middle of a compile, which only its parent goes on with.
        if state.owner == self.owner {
            match self.client.take() {
                Some(client) => state.idle.push(client),
                None => state.running -= 1,
            }
        }
        drop(state);
        self.pool.freed.fetch_add(1, Ordering::Release);
        let _ = futex::wake(&self.pool.freed, futex::Flags::PRIVATE, 1);
    }
}
