//! Waits until code of the second tier is stored.
//!
//! A connection to the storing process says so. A thread of the library's reads it, as long as something is waited for.

use super::batch::{Batch, this_thread};
use crate::client::storer::Outcome;
use crate::error::{Error, Status, reason};
use crate::fork;
use crate::protocol::transport;
use crate::threads;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// Called once with what came of an order. What it returns is called then: it must not use the executor, which may be freed by it.
pub type Then = Box<dyn FnOnce(Result<(), String>) -> Tell + Send>;
pub type Tell = Box<dyn FnOnce()>;

/// The orders of which the outcome is waited for.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    generation: u32,
    all: Vec<Line>,
    /// Threads that are calling somebody.
    busy: Vec<Arc<Batch>>,
    closed: bool,
    next: u64,
}

/// A connection.
struct Line {
    number: u64,
    socket: Arc<UnixStream>,
    /// Somebody writes to it.
    taken: bool,
    waiting: Vec<Waiting>,
}

struct Waiting {
    key: [u8; 32],
    then: Then,
}

impl Watch {
    /// Gives an order by `tell`, on a connection that is there if there is one, and calls `then` when it was carried out.
    pub fn order(
        &self,
        key: [u8; 32],
        then: Then,
        tell: impl Fn(Option<&UnixStream>) -> Result<Option<UnixStream>, Error>,
    ) -> Result<(), Error> {
        let mut waiting = Waiting { key, then };
        let abandoned;
        let free = {
            let mut lines = self.lock();
            abandoned = lines.forget_parent();
            let free = lines.all.iter_mut().find(|line| !line.taken);
            match free {
                Some(line) => {
                    line.taken = true;
                    line.waiting.push(waiting);
                    Ok((line.number, line.socket.clone()))
                }
                None => Err(waiting),
            }
        };
        drop(abandoned);
        waiting = match free {
            Err(waiting) => waiting,
            Ok((number, socket)) => {
                let told = tell(Some(&socket));
                let mut lines = self.lock();
                let Some(line) = lines.find(number) else {
                    // Its thread has told of it that the process has ended.
                    return Ok(());
                };
                line.taken = false;
                if told.is_ok() {
                    return Ok(());
                }
                let place = line.waiting.iter().rposition(|one| one.key == key);
                let Some(place) = place else { return Ok(()) };
                line.waiting.remove(place)
            }
        };
        let Some(socket) = tell(None)? else {
            return Ok(());
        };
        let socket = Arc::new(socket);
        let mut lines = self.lock();
        lines.next += 1;
        let number = lines.next;
        let (watch, listened) = (self.clone(), socket.clone());
        let start = |builder: Builder| builder.spawn(move || watch.listen(number, &listened));
        threads::start(start).map_err(|why| {
            let why = reason(&why);
            let what = format!("no thread can be started that waits for optimised code: {why}");
            Error::new(Status::Io, what)
        })?;
        lines.all.push(Line {
            number,
            socket,
            taken: false,
            waiting: vec![waiting],
        });
        Ok(())
    }

    fn listen(&self, number: u64, socket: &UnixStream) {
        let batch = Arc::new(Batch::new(this_thread()));
        loop {
            let outcome = transport::receive::<Outcome>(socket);
            let has_ended = outcome.is_err();
            let (done, result) = {
                let mut lines = self.lock();
                let Some(line) = lines.find(number) else {
                    return;
                };
                match outcome {
                    Ok((Outcome { key, error }, _)) => {
                        let is_done = |one: &mut Waiting| one.key == key;
                        let done = line.waiting.extract_if(.., is_done).collect();
                        (done, if error.is_empty() { Ok(()) } else { Err(error) })
                    }
                    Err(_) => {
                        let done = std::mem::take(&mut line.waiting);
                        lines.all.retain(|line| line.number != number);
                        let why = "the process that stores it has ended: a later one compiles it";
                        (done, Err(why.to_owned()))
                    }
                }
            };
            self.call(done, &result, &batch);
            let mut lines = self.lock();
            match lines.find(number) {
                Some(line) if !line.waiting.is_empty() || line.taken => {}
                _ => {
                    lines.all.retain(|line| line.number != number);
                    return;
                }
            }
            if has_ended {
                return;
            }
        }
    }

    /// Calls all, unless the executor is freed.
    fn call(&self, all: Vec<Waiting>, result: &Result<(), String>, batch: &Arc<Batch>) {
        for waiting in all {
            {
                let mut lines = self.lock();
                if lines.closed {
                    break;
                }
                lines.busy.push(batch.clone());
            }
            // Whatever happens, nobody may wait for this thread for ever.
            let _ = catch_unwind(AssertUnwindSafe(|| (waiting.then)(result.clone())()));
            self.lock().busy.retain(|other| !Arc::ptr_eq(other, batch));
        }
        batch.end();
    }

    /// Before the executor is freed: nothing is waited for any more. Waits for those who are called, unless that is this thread.
    pub fn close(&self) {
        let (lines, busy) = {
            let mut lines = self.lock();
            lines.closed = true;
            if lines.generation != fork::generation() {
                return;
            }
            (std::mem::take(&mut lines.all), lines.busy.clone())
        };
        for line in lines {
            // Its thread reads until then.
            let _ = line.socket.shutdown(Shutdown::Both);
        }
        let me = this_thread();
        for batch in busy.iter().filter(|batch| batch.owner != me) {
            batch.wait();
        }
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Lines>> {
        fork::guard(|| self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lines {
    fn find(&mut self, number: u64) -> Option<&mut Line> {
        self.all.iter_mut().find(|line| line.number == number)
    }

    /// In a forked child, takes out the parent's connections, for which it has no threads.
    fn forget_parent(&mut self) -> Vec<Line> {
        let generation = fork::generation();
        if self.generation == generation {
            return Vec::new();
        }
        self.generation = generation;
        self.busy.clear();
        std::mem::take(&mut self.all)
    }
}
