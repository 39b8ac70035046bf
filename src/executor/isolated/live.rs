//! A process that makes calls, as its host knows it.

use super::arena::Arena;
use super::capture::{self, Captured};
use super::channel::{Channel, Side};
use super::host::HostFunction;
use super::options::Options;
use super::run::{self, Begun, Held, Present};
use super::talk::{Answer, Order, encode};
use crate::error::{Error, Status, reason};
use crate::executor::core::Executor;
use crate::executor::value::Value;
use crate::fork;
use crate::outcome::{Missing, Outcome};
use crate::protocol::isolated::{Failure, Part, Reply};
use crate::protocol::transport;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a process may take to begin.
const START: Duration = Duration::from_secs(30);

/// How long a caller sleeps at most. The monitor wakes it when the process has ended, but not when the monitor itself has.
const NAP: Duration = Duration::from_secs(1);

/// The longest answer that is taken in.
const MOST: u64 = 16 << 20;

pub struct Live {
    /// What stops it.
    pub run: Arc<UnixStream>,
    channel: Channel,
    /// A forked child must not end its parent's.
    generation: u32,
    /// The modules that it was given, and where they are. Those that were removed are none.
    held: Vec<Option<Held>>,
    bases: Vec<u64>,
    libraries: usize,
    /// How many of the host's functions it has.
    defined: usize,
    /// It has begun, and lacks this.
    ready: Option<Missing>,
    /// It is ended because its time was up.
    is_late: bool,
    /// It is being ended.
    is_ended: bool,
    /// Where what it writes is read.
    pub outputs: [Option<OwnedFd>; 2],
}

impl Drop for Live {
    fn drop(&mut self) {
        // A forked child may still have the connection: to close it would not end the process, and a child must not.
        if self.generation == fork::generation() {
            let _ = self.run.shutdown(Shutdown::Write);
        }
    }
}

/// Until when a process may take.
pub struct Patience<'a> {
    run: &'a UnixStream,
    deadline: Option<Instant>,
}

impl Patience<'_> {
    fn rest(&self) -> Option<Duration> {
        let rest = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline.map(rest)
    }

    fn is_over(&self) -> bool {
        self.rest().is_some_and(|rest| rest.is_zero())
    }

    /// How long to sleep now.
    fn nap(&self) -> Option<Duration> {
        if is_readable(self.run) || self.is_over() {
            return None;
        }
        Some(self.rest().map_or(NAP, |rest| rest.min(NAP)))
    }
}

impl Live {
    /// Starts a process, and waits for nothing.
    pub fn begin(executor: &Executor, options: &Options, arena: &Arena) -> Result<Live, Error> {
        let (channel, file) = Channel::new().map_err(failed)?;
        let begun = executor.begin_isolated(options, Duration::ZERO, Some(file.as_fd()))?;
        begun.send(&arena.part(), Some(arena.file()))?;
        begun.send(&Part::Serve, None)?;
        let Begun {
            socket,
            held,
            libraries,
            outputs,
        } = begun;
        Ok(Live {
            run: Arc::new(socket),
            channel,
            generation: fork::generation(),
            held: held.into_iter().map(Some).collect(),
            bases: Vec::new(),
            libraries,
            defined: 0,
            ready: None,
            is_late: false,
            is_ended: false,
            outputs,
        })
    }

    /// Waits until it has begun, and nothing of its modules has run.
    pub fn await_ready(&mut self) -> Result<(), Error> {
        let deadline = Some(Instant::now() + START);
        let mut captured = Captured::default();
        while self.ready.is_none() {
            match transport::receive_by::<Reply>(&self.run, deadline) {
                Ok((Reply::Ready { bases, missing }, _)) => {
                    self.bases = bases;
                    self.ready = Some(missing);
                }
                Ok((Reply::Failed(failure), _)) => captured.failure = Some(failure),
                Ok((Reply::Ended(ended), _)) => {
                    captured.ended = Some(ended);
                    return Err(match run::outcome(captured, &self.held) {
                        Ok(outcome) => Error::new(Status::ServerCrashed, outcome.describe()),
                        Err(error) => error,
                    });
                }
                Err(error) => {
                    let message = format!("the runner was lost: {error}");
                    return Err(Error::new(Status::ServerCrashed, message));
                }
            }
        }
        Ok(())
    }

    /// Whether it can still make calls, and what the executor has can be added to what it has.
    pub fn is_usable(&self, executor: &Executor, present: &Present) -> bool {
        let is_replaced = |held: &Held| {
            !present.modules.iter().any(|module| module.is(held)) && executor.is_replaced(held)
        };
        let has_ended = self.is_ended || (self.ready.is_some() && is_readable(&self.run));
        self.libraries == present.libraries
            && !has_ended
            && !self.held.iter().flatten().any(is_replaced)
    }

    pub fn patience(run: &UnixStream, timeout: Option<Duration>) -> Patience<'_> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Patience { run, deadline }
    }

    /// Gives it what it lacks of modules and of the host's functions, and takes from it what was removed. `None`: it has ended, or
    /// was ended.
    pub fn update(
        &mut self,
        executor: &Executor,
        present: &Present,
        functions: &[HostFunction],
        patience: &Patience<'_>,
    ) -> Result<Option<()>, Error> {
        for place in self.defined..functions.len() {
            let function = &functions[place];
            let order = Order::Define {
                name: &function.name,
                parameters: function.parameters.clone(),
            };
            let Some(answer) = self.order(&order, functions, patience)? else {
                return Ok(None);
            };
            check(answer)?;
            self.defined += 1;
        }
        let now = self.held.iter().flatten();
        if now.clone().count() == present.modules.len()
            && now.zip(&present.modules).all(|(one, other)| one.is(other))
        {
            return Ok(Some(()));
        }
        for place in 0..self.held.len() {
            let is_gone = |held: &Held| !present.modules.iter().any(|module| module.is(held));
            if self.held[place].as_ref().is_some_and(is_gone) {
                let order = Order::Remove(place as u32);
                let Some(answer) = self.order(&order, functions, patience)? else {
                    return Ok(None);
                };
                check(answer)?;
                self.held[place] = None;
            }
        }
        for module in &present.modules {
            if self.held.iter().flatten().any(|held| held.is(module)) {
                continue;
            }
            let image = executor.image_bytes(&module.info)?;
            let order = Order::Add {
                name: module.info.name(),
                manifest: module.info.manifest.bytes(),
                image: &image,
            };
            match self.order(&order, functions, patience)? {
                Some(Answer::Added(base)) => {
                    self.held.push(Some(module.clone()));
                    self.bases.push(base);
                }
                Some(answer) => return check(answer).and_then(|()| Err(nonsense())),
                None => return Ok(None),
            }
        }
        Ok(Some(()))
    }

    /// Has it do something, and runs the functions of the host that are called meanwhile. `None`: it has ended, or was ended.
    pub fn order(
        &mut self,
        order: &Order<'_>,
        functions: &[HostFunction],
        patience: &Patience<'_>,
    ) -> Result<Option<Answer>, Error> {
        let mut message = encode(order);
        loop {
            let Some(answer) = self.exchange(&message, patience) else {
                // Whatever it is that makes no sense, the process is not used again.
                self.is_late = patience.is_over() && !is_readable(&self.run);
                self.end();
                return Ok(None);
            };
            let Answer::Asks { number, arguments } = answer else {
                return Ok(Some(answer));
            };
            let function = functions.get(number as usize).filter(|_| {
                // What it does not have it cannot ask for.
                (number as usize) < self.defined
            });
            let returned = function.and_then(|function| function.call(&arguments));
            if patience.is_over() {
                self.is_late = true;
                self.end();
                return Ok(None);
            }
            match returned {
                Some(Ok(value)) => message = encode(&Order::Return(value)),
                Some(Err(error)) => {
                    self.end();
                    return Err(error);
                }
                None => {
                    self.end();
                    return Ok(None);
                }
            }
        }
    }

    fn exchange(&self, message: &[u8], patience: &Patience<'_>) -> Option<Answer> {
        let nap = &mut || patience.nap();
        if !self.channel.send(Side::Host, message, nap) {
            return None;
        }
        let answer = self.channel.receive(Side::Host, MOST, nap)?;
        postcard::from_bytes(&answer).ok()
    }

    /// Ends it.
    pub fn end(&mut self) {
        self.is_ended = true;
        let _ = self.run.shutdown(Shutdown::Write);
    }

    /// What became of one that has ended, or was ended.
    pub fn outcome(mut self) -> Result<Outcome, Error> {
        let lost = |error: &std::io::Error| Error::new(Status::ServerCrashed, capture::lost(error));
        let captured =
            capture::follow(&self.run, [None, None], 0, None).map_err(|error| lost(&error))?;
        let captured = Captured {
            ready: Some((
                std::mem::take(&mut self.bases),
                self.ready.unwrap_or_default(),
            )),
            is_late: self.is_late,
            ..captured
        };
        run::outcome(captured, &self.held)
    }
}

/// The value that a call returned.
pub fn returned(answer: Answer) -> Result<Value, Error> {
    match answer {
        Answer::Returned(value) => Ok(value),
        answer => check(answer).and_then(|()| Err(nonsense())),
    }
}

fn check(answer: Answer) -> Result<(), Error> {
    match answer {
        Answer::Done => Ok(()),
        Answer::Failed(failure) => Err(error(failure)),
        _ => Err(nonsense()),
    }
}

/// An error of a process, which may say anything.
fn error(failure: Failure) -> Error {
    let known = [
        Status::Load,
        Status::Type,
        Status::NotFound,
        Status::Unresolved,
        Status::Memory,
        Status::Library,
    ];
    let status = match known.contains(&failure.status) {
        true => failure.status,
        false => Status::Load,
    };
    Error {
        status,
        ..Error::from(failure)
    }
}

/// Only a process that somebody else has taken over does that.
pub fn nonsense() -> Error {
    Error::new(
        Status::Ended,
        "the process of the calls was ended: it gave an answer that makes no sense",
    )
}

fn failed(error: std::io::Error) -> Error {
    let why = reason(&error);
    Error::new(
        Status::Io,
        format!("no process can be started for calls: {why}"),
    )
}

/// Whether something was said, or the other side has gone.
fn is_readable(socket: &UnixStream) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(rustix::event::poll(&mut polled, Some(&now)), Ok(1..))
}
