//! Calls of functions in a process of their own.
//!
//! The process is started by the first call, with the modules that the executor has. One that has crashed, exited or was stopped is
//! started again by the next call, and so is one that lacks modules that were added since.

use super::arena::Arena;
use super::capture::{self, Captured};
use super::control::{Control, DONE};
use super::options::{End, Limit, Options, Outcome, Stream};
use super::run::{self, Begun};
use crate::error::{Error, Status, reason};
use crate::executor::core::Executor;
use crate::executor::value::Value;
use crate::fork;
use crate::protocol::isolated::{Missing, Part, Reply};
use crate::protocol::transport;
use crate::signature::Type;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a process may take to begin.
const START: Duration = Duration::from_secs(30);

/// How long a caller sleeps before it looks whether the process has ended.
const NAP: Duration = Duration::from_millis(2);

pub struct Isolate {
    executor: Arc<Executor>,
    options: Options,
    arena: Arena,
    /// Held during a call.
    live: Mutex<Option<Live>>,
    current: Mutex<Current>,
}

/// What another thread can stop.
#[derive(Default)]
struct Current {
    run: Option<Arc<UnixStream>>,
    is_calling: bool,
    is_cancelled: bool,
}

/// A process that makes calls.
struct Live {
    begun: Begun,
    socket: Arc<UnixStream>,
    control: Control,
    /// A forked child must not use its parent's.
    process: u32,
    /// It is ended because its time was up.
    is_late: bool,
    bases: Vec<u64>,
    missing: Missing,
}

impl Drop for Live {
    fn drop(&mut self) {
        // A forked child may still have the connection: to close it would not end the process, and a child must not.
        if self.process == std::process::id() {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }
}

impl Isolate {
    /// `shared`: bytes of memory that both sides see.
    pub fn new(executor: Arc<Executor>, options: Options, shared: u64) -> Result<Isolate, Error> {
        if options.streams[1..]
            .iter()
            .any(|stream| matches!(stream, Stream::Memory(_)))
        {
            return Err(Error::new(
                Status::InvalidArgument,
                "what is written by functions that are called in a process of their own cannot be captured: give a descriptor",
            ));
        }
        Ok(Isolate {
            executor,
            options,
            arena: Arena::new(shared)?,
            live: Mutex::default(),
            current: Mutex::default(),
        })
    }

    /// Memory that both sides have at this address, until the isolate is gone.
    pub fn alloc(&self, len: usize) -> Result<usize, Error> {
        self.arena.alloc(len)
    }

    /// Stops the call that is made now, if any, from another thread.
    pub fn cancel(&self) {
        let run = {
            let mut current = self.current();
            if !current.is_calling {
                return;
            }
            current.is_cancelled = true;
            current.run.clone()
        };
        if let Some(run) = run {
            let _ = run.shutdown(Shutdown::Write);
        }
    }

    pub fn call(
        &self,
        name: &str,
        arguments: &[Value],
        timeout: Option<Duration>,
    ) -> Result<Value, Error> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        // Its type is known here; the arguments are checked there.
        let expected = self
            .executor
            .lookup_function(name)?
            .signature()
            .result
            .clone();
        *self.current() = Current {
            is_calling: true,
            ..Current::default()
        };
        let result = self.call_live(&mut live, name, arguments, timeout);
        let is_cancelled = std::mem::take(&mut *self.current()).is_cancelled;
        let value = match result {
            Ok(Some(value)) => value,
            Ok(None) => {
                let ended = live.take();
                return Err(self.ended(name, ended, is_cancelled));
            }
            Err(error) => return Err(error),
        };
        match fits(&value, &expected) {
            true => Ok(value),
            // Only a process that somebody else has taken over does that.
            false => {
                *live = None;
                Err(Error::new(
                    Status::ServerCrashed,
                    format!("{name} was answered with a value of another type"),
                ))
            }
        }
    }

    /// `None`: the process has ended, or was ended.
    fn call_live(
        &self,
        live: &mut Option<Live>,
        name: &str,
        arguments: &[Value],
        timeout: Option<Duration>,
    ) -> Result<Option<Value>, Error> {
        let is_usable = |live: &Live| {
            live.process == std::process::id()
                && live.begun.is_current(&self.executor)
                && !is_readable(&live.socket)
        };
        if !live.as_ref().is_some_and(is_usable) {
            *live = None;
            *live = Some(self.start()?);
        }
        let Some(live) = live else {
            return Ok(None);
        };
        {
            let mut current = self.current();
            if current.is_cancelled {
                let _ = live.socket.shutdown(Shutdown::Write);
            }
            current.run = Some(live.socket.clone());
        }
        if !live.control.ask(name, arguments) {
            return Err(Error::new(
                Status::Type,
                format!(
                    "{name} has too long a name, or too many arguments, to be called in another process"
                ),
            ));
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let nap = rest.map_or(NAP, |rest| rest.min(NAP));
            if live.control.wait(DONE, Some(nap)) {
                let answer = live.control.answered();
                return answer
                    .map(Some)
                    .map_err(|(status, message)| Error::new(status, message));
            }
            if is_readable(&live.socket) {
                return Ok(None);
            }
            if rest.is_some_and(|rest| rest.is_zero()) {
                live.is_late = true;
                let _ = live.socket.shutdown(Shutdown::Write);
                return Ok(None);
            }
        }
    }

    fn start(&self) -> Result<Live, Error> {
        let failed = |error: std::io::Error| {
            let why = reason(&error);
            Error::new(
                Status::Io,
                format!("no process can be started for calls: {why}"),
            )
        };
        let (control, file) = Control::new().map_err(failed)?;
        let begun = self
            .executor
            .begin_isolated(&self.options, Duration::ZERO)?;
        let socket = Arc::new(begun.socket.try_clone().map_err(failed)?);
        begun.send(&self.arena.part(), Some(self.arena.file()))?;
        begun.send(&Part::Serve, Some(file.as_fd()))?;
        let deadline = Some(Instant::now() + START);
        let mut captured = Captured::default();
        loop {
            match transport::receive_by::<Reply>(&socket, deadline) {
                Ok((Reply::Ready { bases, missing }, _)) => {
                    return Ok(Live {
                        begun,
                        socket,
                        control,
                        process: std::process::id(),
                        is_late: false,
                        bases,
                        missing,
                    });
                }
                Ok((Reply::Failed(failure), _)) => captured.failure = Some(failure),
                Ok((Reply::Ended(ended), _)) => {
                    captured.ended = Some(ended);
                    let why = run::outcome(captured, &begun.held).map(|outcome| tell(&outcome));
                    return Err(match why {
                        Ok(why) => Error::new(Status::ServerCrashed, why),
                        Err(error) => error,
                    });
                }
                Err(error) => {
                    let message = format!("the runner was lost: {error}");
                    return Err(Error::new(Status::ServerCrashed, message));
                }
            }
        }
    }

    /// What became of a process in the middle of a call.
    fn ended(&self, name: &str, live: Option<Live>, is_cancelled: bool) -> Error {
        let Some(mut live) = live else {
            return Error::new(Status::ServerCrashed, format!("{name} was not called"));
        };
        let captured = capture::follow(&live.socket, [None, None], 0);
        let outcome = captured
            .map_err(|error| capture::lost(&error))
            .and_then(|captured| {
                let captured = Captured {
                    ready: Some((std::mem::take(&mut live.bases), live.missing)),
                    ..captured
                };
                run::outcome(captured, &live.begun.held).map_err(|error| error.message)
            });
        let (status, what) = match outcome {
            _ if is_cancelled => (Status::Cancelled, "it was cancelled".to_owned()),
            // It was killed here.
            Ok(Outcome {
                end: End::Signal(libc::SIGKILL),
                limit: None,
                ..
            }) if live.is_late => (Status::Timeout, "its time was up".to_owned()),
            Ok(outcome) => {
                let status = match outcome.limit {
                    Some(Limit::Cpu | Limit::Wall) => Status::Timeout,
                    Some(Limit::Memory) => Status::Memory,
                    Some(Limit::Output) | None => Status::ServerCrashed,
                };
                (status, tell(&outcome))
            }
            Err(why) => (Status::ServerCrashed, why),
        };
        Error::new(
            status,
            format!("the call of {name} ended its process: {what}"),
        )
    }

    fn current(&self) -> fork::Guarded<MutexGuard<'_, Current>> {
        fork::guard(|| self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How a process ended, in words.
fn tell(outcome: &Outcome) -> String {
    let limit = match outcome.limit {
        Some(Limit::Wall | Limit::Cpu) => ", when its time was used up",
        Some(Limit::Memory) => ", when its memory was used up",
        Some(Limit::Output) => ", because it wrote too much",
        None => "",
    };
    let place = outcome.fault.as_ref().and_then(|fault| {
        let (module, offset) = fault.module.as_ref()?;
        Some(match &fault.function {
            Some(function) => format!(" in {function}+{:#x} of {module}", fault.offset),
            None => format!(" at {offset:#x} of {module}"),
        })
    });
    let place = place.unwrap_or_default();
    match outcome.end {
        End::Exit(status) => format!("it exited with status {status}{limit}"),
        End::Signal(signal) => format!("signal {signal} ended it{place}{limit}"),
    }
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

fn fits(value: &Value, ty: &Type) -> bool {
    matches!(
        (value, ty),
        (Value::Void, Type::Void)
            | (Value::I1(_), Type::I1)
            | (Value::I8(_), Type::I8)
            | (Value::I16(_), Type::I16)
            | (Value::I32(_), Type::I32)
            | (Value::I64(_), Type::I64)
            | (Value::Float(_), Type::Float)
            | (Value::Double(_), Type::Double)
            | (Value::Pointer(_), Type::Pointer)
    )
}
