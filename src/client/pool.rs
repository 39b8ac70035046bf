//! The compile servers of one executor: one for each compile at a time, up to a limit, kept for later ones.

use super::cancel::{self, Cancel};
use super::connection::{Answer, Client, RequestError};
use super::failures::out_of_step;
use super::listener::Listener;
use super::locate::locate;
use super::log;
use super::options::{Options, ServerLog, ServerMode};
use super::shared_server::{self, Start};
use crate::clock::Stopwatch;
use crate::environment;
use crate::error::{Error, Status, reason};
use crate::event::Times;
use crate::fork;
use crate::protocol::messages::Request;
use crate::protocol::payload;
use once_cell::sync::OnceCell;
use rustix::event::Timespec;
use rustix::thread::futex;
use std::borrow::Cow;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Selects private or shared servers where the configuration does not.
const MODE_VARIABLE: &CStr = c"MGENJIT_SERVER_MODE";

/// How many shared servers a request may lose before it goes to a private one.
const MOST_LOST: u32 = 5;

/// How long the shared server is not tried again after it failed.
const GIVE_UP: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Pool {
    options: Options,
    /// Until then, no shared server is tried.
    private_until: Mutex<Option<Instant>>,
    cores: OnceCell<usize>,
    state: Mutex<State>,
    /// Why a server is not fully isolated.
    not_isolated: OnceCell<String>,
    /// Counts how often a server became idle or ended. A futex, so that waiting holds no lock that a fork would have to
    /// wait for.
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

/// A place among the running servers. Dropping it returns the place, and the server if there is one.
struct Slot<'a> {
    pool: &'a Pool,
    client: Option<Client>,
    owner: u32,
}

impl Pool {
    /// Starts nothing yet.
    pub fn new(options: Options) -> Pool {
        Pool {
            options,
            private_until: Mutex::new(None),
            cores: OnceCell::new(),
            state: Mutex::default(),
            not_isolated: OnceCell::new(),
            freed: AtomicU32::new(0),
        }
    }

    /// Gives a request to an idle server, or to a new one. Waits if as many as may run are busy. `spent`: how much of the
    /// time limit has passed.
    pub fn request(
        &self,
        request: &Request,
        inputs: &[&[u8]],
        mut spent: Duration,
        times: &mut Times,
        cancel: &Cancel,
        listener: &mut dyn Listener,
    ) -> Result<Answer, Error> {
        let len = inputs.iter().map(|input| input.len() as u64).sum();
        self.options.limits.check_input(request.name(), len)?;
        let mut request = Cow::Borrowed(request);
        if self.options.limits.memory > 0
            && let Request::Compile(request) = request.to_mut()
        {
            request.max_memory = self.options.limits.memory;
        }
        let request = &*request;
        let mut lost = 0;
        loop {
            let mut watch = Stopwatch::start();
            let since = Instant::now();
            let limit = Some(self.options.limits.time).filter(|time| !time.is_zero());
            let rest = limit.map(|time| time.saturating_sub(spent));
            let Some(mut slot) = self.slot(rest) else {
                let busy = format!("the {} compile servers of this executor", self.limit());
                return Err(self.options.limits.time_waited(request.name(), &busy));
            };
            spent += since.elapsed();
            times.wait += watch.lap();
            cancel.check(request.name())?;
            let (mut client, idle) = match slot.client.take() {
                Some(client) => (client, true),
                None => {
                    let client = self.start(listener)?;
                    times.start += watch.lap();
                    (client, false)
                }
            };
            let guard = self.guard(cancel, &client, request.name())?;
            let since = Instant::now();
            let mut result = client.request(request, inputs, &self.options.limits, spent, listener);
            spent += since.elapsed();
            drop(guard);
            // The open connection is the permit for a private server.
            let permit = match result {
                Err(RequestError::Elsewhere(waited)) => {
                    listener.warning(&went_elsewhere(request.name(), waited));
                    let private = self.start_private(listener)?;
                    let shared = std::mem::replace(&mut client, private);
                    let guard = self.guard(cancel, &client, request.name())?;
                    result = client.request(request, inputs, &self.options.limits, spent, listener);
                    drop(guard);
                    Some(shared)
                }
                _ => None,
            };
            times.compile = watch.lap();
            cancel.check(request.name())?;
            if !client.not_isolated.is_empty() {
                let _ = self.not_isolated.set(client.not_isolated.clone());
            }
            // A private server that the shared one permitted ends with its request.
            let kept = permit.is_none().then_some(client);
            let is_shared = kept.as_ref().is_some_and(Client::is_shared);
            match result {
                Ok(output) => {
                    slot.client = kept;
                    return Ok(output);
                }
                Err(RequestError::Module(error)) => {
                    slot.client = kept;
                    return Err(error);
                }
                // It died while it was idle. Each retry uses up one of these servers, so this ends.
                Err(RequestError::Lost(_)) if idle && permit.is_none() => {}
                // It was lost for all its clients, so this request is not to blame.
                Err(RequestError::Lost(error)) if is_shared => {
                    lost += 1;
                    if lost == MOST_LOST {
                        self.give_up_shared(&error, listener);
                    }
                }
                Err(RequestError::Lost(error) | RequestError::Server(error)) => {
                    return Err(error);
                }
                // A private server never sends this.
                Err(RequestError::Elsewhere(_)) => {
                    return Err(out_of_step(request.name()));
                }
            }
        }
    }

    /// A server that is ready for a request.
    fn start(&self, listener: &mut dyn Listener) -> Result<Client, Error> {
        let locate = || locate(self.options.path.as_deref());
        if self.mode()? == ServerMode::Shared && !self.has_given_up_shared() {
            let mut start = Start {
                idle_timeout: self.options.idle_timeout,
                workers: self.options.max_servers,
                limits: self.options.server_limits,
                log: &mut || self.open_log(listener),
            };
            match shared_server::connect(&mut start, locate) {
                Ok(socket) => return Ok(Client::of_shared(socket)),
                Err(error) => self.give_up_shared(&error, listener),
            }
        }
        self.start_private(listener)
    }

    fn start_private(&self, listener: &mut dyn Listener) -> Result<Client, Error> {
        let path = locate(self.options.path.as_deref())?;
        let log = self.open_log(listener);
        Client::start(
            &path,
            log.as_ref().map(AsFd::as_fd),
            self.options.background,
        )
    }

    /// Lets the compile be cancelled until the result is dropped.
    fn guard<'a>(
        &self,
        cancel: &'a Cancel,
        client: &Client,
        name: &str,
    ) -> Result<cancel::Guard<'a>, Error> {
        cancel.guard(client.connection()).map_err(|error| {
            Error::new(
                Status::Io,
                format!("{name} cannot be compiled: {}", reason(&error)),
            )
        })
    }

    /// The log of a server that is started. Without a log, if it cannot be opened.
    fn open_log(&self, listener: &mut dyn Listener) -> Option<OwnedFd> {
        log::open(self.options.log.as_ref()).unwrap_or_else(|error| {
            listener.warning(&error.message);
            None
        })
    }

    /// The program of its servers.
    pub fn program(&self) -> Result<PathBuf, Error> {
        locate(self.options.path.as_deref())
    }

    /// Where servers that are started write their log.
    pub fn log(&self) -> Option<ServerLog> {
        log::selected(self.options.log.as_ref())
    }

    /// Whose servers are used, if they can be.
    pub fn mode(&self) -> Result<ServerMode, Error> {
        if self.options.background {
            return Ok(ServerMode::Private);
        }
        if let Some(mode) = self.options.mode {
            return Ok(mode);
        }
        let value = environment::variable(MODE_VARIABLE).unwrap_or_default();
        match value.to_str() {
            Some("" | "private") => Ok(ServerMode::Private),
            Some("shared") => Ok(ServerMode::Shared),
            _ => Err(Error::new(
                Status::ServerUnavailable,
                format!(
                    "${} is \"{}\": set it to \"private\" or \"shared\"",
                    MODE_VARIABLE.to_string_lossy(),
                    value.display()
                ),
            )),
        }
    }

    /// The bytes that a server makes for a request that is no compile, which nobody is told of.
    pub fn emit(&self, request: &Request, inputs: &[&[u8]]) -> Result<Vec<u8>, Error> {
        let answer = self.request(
            request,
            inputs,
            Duration::ZERO,
            &mut Times::default(),
            &Cancel::default(),
            &mut (),
        )?;
        let Answer::Emitted(file, len) = answer else {
            return Err(out_of_step(request.name()));
        };
        payload::read_payload(&file, len).map_err(|error| {
            let name = request.name();
            Error::new(
                Status::Io,
                format!("what the compile server made of {name} cannot be read: {error}"),
            )
        })
    }

    /// Uses private servers for a while, because each attempt costs time.
    fn give_up_shared(&self, why: &Error, listener: &mut dyn Listener) {
        *self.lock_private_until() = Instant::now().checked_add(GIVE_UP);
        listener.warning(&why.message);
    }

    fn has_given_up_shared(&self) -> bool {
        self.lock_private_until()
            .is_some_and(|until| Instant::now() < until)
    }

    fn lock_private_until(&self) -> fork::Guarded<MutexGuard<'_, Option<Instant>>> {
        fork::guard(|| {
            self.private_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        })
    }

    /// Why servers are not fully isolated, once one has said so.
    pub fn not_isolated(&self) -> Option<&str> {
        self.not_isolated.get().map(String::as_str)
    }

    /// `None`: there was none within this time.
    fn slot(&self, timeout: Option<Duration>) -> Option<Slot<'_>> {
        let owner = std::process::id();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
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
                    return Some(Slot {
                        pool: self,
                        client: Some(client),
                        owner,
                    });
                }
                if state.running < self.limit() {
                    state.running += 1;
                    return Some(Slot {
                        pool: self,
                        client: None,
                        owner,
                    });
                }
            }
            // Returns at once if a server became free since `freed` was read, and sometimes for no reason.
            let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if rest.is_some_and(|rest| rest.is_zero()) {
                return None;
            }
            let rest = rest.and_then(|rest| Timespec::try_from(rest).ok());
            let _ = futex::wait(&self.freed, futex::Flags::PRIVATE, freed, rest.as_ref());
        }
    }

    /// How many servers may run at once.
    pub fn limit(&self) -> usize {
        match self.options.max_servers {
            // Asked once: it reads the files of control groups.
            0 => fork::guard(|| {
                let count = || std::thread::available_parallelism().map_or(1, usize::from);
                *self.cores.get_or_init(count)
            })
            .into_inner(),
            max => max,
        }
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, State>> {
        fork::guard(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn went_elsewhere(name: &str, waited: Duration) -> String {
    format!(
        "the shared compile server had no free worker for {name} within {} ms, so a private server compiles it: \
         mgenjit_server_status shows what the shared one is doing",
        waited.as_millis()
    )
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
