//! Calls of functions in a process of their own.
//!
//! The process is started by the first call, with the modules that the executor has; what is added later reaches it before the
//! next call. One that has crashed, exited or was stopped is started again by the next call.

use super::arena::Arena;
use super::host::{HostFunction, fits};
use super::live::{self, Live};
use super::options::Options;
use super::run::Present;
use super::talk::{Answer, Order};
use crate::error::{Error, Status, reason};
use crate::executor::batch::this_thread;
use crate::executor::core::Executor;
use crate::executor::value::Value;
use crate::fork;
use rustix::fs::FallocateFlags;
use std::fs::File;
use std::net::Shutdown;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much of what was written is read at once.
const MOST_OUTPUT: u64 = 16 << 20;

pub struct Isolate {
    executor: Arc<Executor>,
    options: Options,
    arena: Arena,
    /// Held during a call.
    live: Mutex<Option<Live>>,
    current: Mutex<Current>,
    functions: Mutex<Vec<HostFunction>>,
    /// Processes that were started ahead of need.
    spares: Mutex<Vec<Live>>,
    outputs: Mutex<[Output; 2]>,
    /// A forked child has no use of it.
    generation: u32,
}

/// What another thread can stop.
#[derive(Default)]
struct Current {
    run: Option<Arc<UnixStream>>,
    /// The thread that makes a call, by [`this_thread`].
    caller: Option<usize>,
    is_cancelled: bool,
}

/// What the process writes to a stream that is kept, and how much of it was read.
#[derive(Default)]
struct Output {
    file: Option<File>,
    read: u64,
}

impl Isolate {
    /// `shared`: bytes of memory that both sides see.
    pub fn new(executor: Arc<Executor>, options: Options, shared: u64) -> Result<Isolate, Error> {
        let isolate = Isolate {
            executor,
            options,
            arena: Arena::new(shared)?,
            live: Mutex::default(),
            current: Mutex::default(),
            functions: Mutex::default(),
            spares: Mutex::default(),
            outputs: Mutex::default(),
            generation: fork::guard(fork::generation).into_inner(),
        };
        isolate.fill();
        Ok(isolate)
    }

    /// Memory that both sides have at this address, until it is freed or the isolate is gone.
    pub fn alloc(&self, len: usize) -> Result<usize, Error> {
        self.check()?;
        self.arena.alloc(len)
    }

    pub fn free_memory(&self, address: usize) -> Result<(), Error> {
        self.check()?;
        self.arena.free(address)
    }

    /// Lets code of the process call a function of the host's.
    pub fn define(&self, function: HostFunction) {
        self.functions().push(function);
    }

    /// What was written to a stream that is kept, from where it was read last.
    pub fn output(&self, stream: usize) -> Result<Vec<u8>, Error> {
        self.check()?;
        let mut outputs = self.outputs();
        let Output {
            file: Some(file),
            read,
        } = &mut outputs[stream]
        else {
            return Ok(Vec::new());
        };
        let failed = |error: std::io::Error| {
            let why = reason(&error);
            Error::new(
                Status::Io,
                format!("what was written cannot be read: {why}"),
            )
        };
        let len = file.metadata().map_err(failed)?.len();
        let mut bytes = vec![0; len.saturating_sub(*read).min(MOST_OUTPUT) as usize];
        // The process may have made it shorter by now.
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], *read + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        bytes.truncate(filled);
        *read += filled as u64;
        // What was read takes no memory any more.
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = rustix::fs::fallocate(&*file, flags, 0, (*read).max(1));
        Ok(bytes)
    }

    /// Stops the call that is made now, if any, from another thread.
    pub fn cancel(&self) -> Result<(), Error> {
        self.check()?;
        let run = {
            let mut current = self.current();
            if current.caller.is_none() {
                return Ok(());
            }
            current.is_cancelled = true;
            current.run.clone()
        };
        if let Some(run) = run {
            let _ = run.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    pub fn call(
        &self,
        name: &str,
        arguments: Vec<Value>,
        timeout: Option<Duration>,
    ) -> Result<Value, Error> {
        self.check()?;
        if self.current().caller == Some(this_thread()) {
            return Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "{name} cannot be called by a function that the isolate itself has called: its process waits for that one"
                ),
            ));
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        // Its type is known here; the arguments are checked there.
        let expected = self
            .executor
            .lookup_function(name)?
            .signature()
            .result
            .clone();
        *self.current() = Current {
            caller: Some(this_thread()),
            ..Current::default()
        };
        let result = self.call_live(&mut live, name, arguments, timeout);
        let is_cancelled = std::mem::take(&mut *self.current()).is_cancelled;
        let value = match result {
            // Who is cancelled is ended, also when it has just returned.
            Ok(Some(answer)) if !is_cancelled => live::returned(answer).and_then(|value| {
                let is_one = fits(&value, &expected);
                is_one.then_some(value).ok_or_else(live::nonsense)
            }),
            Ok(_) => return Err(ended(name, live.take(), is_cancelled)),
            Err(error) => Err(error),
        };
        // Whatever it is that makes no sense, the process is not used again.
        if value
            .as_ref()
            .is_err_and(|error| error.status == Status::Ended)
        {
            *live = None;
        }
        value
    }

    /// `None`: the process has ended, or was ended.
    fn call_live(
        &self,
        live: &mut Option<Live>,
        name: &str,
        arguments: Vec<Value>,
        timeout: Option<Duration>,
    ) -> Result<Option<Answer>, Error> {
        let present = self.executor.present();
        let live = self.usable(live, &present)?;
        let run = live.run.clone();
        {
            let mut current = self.current();
            if current.is_cancelled {
                live.end();
            }
            current.run = Some(run.clone());
        }
        let functions = self.functions().clone();
        let patience = Live::patience(&run, timeout);
        let updated = live.update(&self.executor, &present, &functions, &patience)?;
        match updated {
            Some(()) => live.order(&Order::Call { name, arguments }, &functions, &patience),
            None => Ok(None),
        }
    }

    /// A process that can make calls.
    fn usable<'a>(
        &self,
        live: &'a mut Option<Live>,
        present: &Present,
    ) -> Result<&'a mut Live, Error> {
        if live
            .as_ref()
            .is_some_and(|live| !live.is_usable(&self.executor, present))
        {
            *live = None;
        }
        match live {
            Some(live) => Ok(live),
            None => {
                let mut started = match self.take_spare(present) {
                    Some(spare) => spare,
                    None => {
                        let mut started = Live::begin(&self.executor, &self.options, &self.arena)?;
                        started.await_ready()?;
                        started
                    }
                };
                self.fill();
                let outputs = std::mem::take(&mut started.outputs);
                *self.outputs() = outputs.map(|file| Output {
                    file: file.map(File::from),
                    read: 0,
                });
                Ok(live.insert(started))
            }
        }
    }

    /// One that is ready and can make calls.
    fn take_spare(&self, present: &Present) -> Option<Live> {
        loop {
            let mut spare = self.spares().pop()?;
            if spare.await_ready().is_ok() && spare.is_usable(&self.executor, present) {
                return Some(spare);
            }
        }
    }

    /// Starts as many processes as are to be ready, and waits for none. If that fails, the call that needs one says why.
    fn fill(&self) {
        while self.spares().len() < self.options.pool {
            match Live::begin(&self.executor, &self.options, &self.arena) {
                Ok(started) => self.spares().push(started),
                Err(_) => return,
            }
        }
    }

    fn spares(&self) -> fork::Guarded<MutexGuard<'_, Vec<Live>>> {
        fork::guard(|| self.spares.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A forked child has no use of it.
    pub fn check(&self) -> Result<(), Error> {
        match self.generation == fork::generation() {
            true => Ok(()),
            false => Err(Error::new(
                Status::InvalidArgument,
                "this process was forked from the one that made the isolate: make an isolate of its own",
            )),
        }
    }

    fn current(&self) -> fork::Guarded<MutexGuard<'_, Current>> {
        fork::guard(|| self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn functions(&self) -> fork::Guarded<MutexGuard<'_, Vec<HostFunction>>> {
        fork::guard(|| {
            self.functions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        })
    }

    fn outputs(&self) -> fork::Guarded<MutexGuard<'_, [Output; 2]>> {
        fork::guard(|| self.outputs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What became of a process in the middle of a call.
fn ended(name: &str, live: Option<Live>, is_cancelled: bool) -> Error {
    let outcome = match live.map(Live::outcome) {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => return error,
        None => return live::nonsense(),
    };
    let (status, what) = match is_cancelled {
        true => (Status::Cancelled, "it was cancelled".to_owned()),
        false => (Status::Ended, outcome.describe()),
    };
    Error {
        outcome: Some(Arc::new(outcome)),
        ..Error::new(
            status,
            format!("the call of {name} ended its process: {what}"),
        )
    }
}
