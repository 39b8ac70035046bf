//! Processes that were made ahead of need, with the modules of a program: each runs it once.

use super::options::Options;
use super::run::{Begun, Present};
use crate::error::Error;
use crate::executor::core::Executor;
use crate::fork;
use crate::protocol::isolated::Part;
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of one isolation.
#[derive(Default)]
pub struct Spares(Mutex<Vec<Spare>>);

struct Spare {
    options: Options,
    /// `None`: it was taken.
    begun: Option<Begun>,
    /// A forked child must not use its parent's.
    generation: u32,
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(begun) = &self.begun
            && self.generation == fork::generation()
        {
            // A forked child may still have the connection.
            let _ = begun.socket.shutdown(Shutdown::Write);
        }
    }
}

impl Spares {
    /// One that has what the executor has now, under these options.
    pub(super) fn take(&self, present: &Present, options: &Options) -> Option<Begun> {
        let is_fit = |spare: &Spare| {
            spare.generation == fork::generation()
                && spare.options == *options
                && spare.begun.as_ref().is_some_and(|begun| begun.has(present))
        };
        // Those that do not fit are of no use any more, and end when no lock is held.
        let mut all = std::mem::take(&mut *self.lock());
        all.retain(is_fit);
        let mut taken = all.pop();
        self.lock().append(&mut all);
        taken.as_mut().and_then(|spare| spare.begun.take())
    }

    /// Makes as many as the options say, and waits for none.
    pub(super) fn fill(&self, executor: &Executor, options: &Options) -> Result<(), Error> {
        while self.lock().len() < options.pool {
            let begun = executor.begin_isolated(options, Duration::ZERO, None)?;
            begun.send(&Part::Wait, None)?;
            self.lock().push(Spare {
                options: options.clone(),
                begun: Some(begun),
                generation: fork::generation(),
            });
        }
        Ok(())
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Vec<Spare>>> {
        fork::guard(|| self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
