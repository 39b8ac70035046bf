//! Background jobs and their threads.
//!
//! Threads start when there is something to do and end when there is nothing. The host's signals do not reach them.

use crate::fork;
use crate::threads;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// Something to do. Dropping it leaves it undone.
pub trait Job: Send {
    fn run(self: Box<Self>);
}

/// The jobs that wait.
#[derive(Clone, Default)]
pub struct Queue(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Job>>,
    workers: usize,
    generation: u32,
}

impl Queue {
    /// Has a job done by one of at most `limit` threads. An error: there is none, and none can be started.
    pub fn push(&self, job: Box<dyn Job>, limit: usize) -> io::Result<()> {
        // Dropped outside the lock, as what is refused below: it frees what the host gave with it.
        let abandoned;
        let refused = {
            let mut waiting = self.lock();
            abandoned = waiting.forget_parent();
            waiting.jobs.push_back(job);
            if waiting.workers >= limit {
                return Ok(());
            }
            match start_worker(self.clone()) {
                Ok(()) => {
                    waiting.workers += 1;
                    None
                }
                // The others come to it.
                Err(_) if waiting.workers > 0 => None,
                Err(error) => Some((error, waiting.jobs.pop_back())),
            }
        };
        drop(abandoned);
        match refused {
            None => Ok(()),
            Some((error, _job)) => Err(error),
        }
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Waiting>> {
        fork::guard(|| self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Waiting {
    /// In a forked child, takes out the parent's jobs: they are not done here.
    fn forget_parent(&mut self) -> VecDeque<Box<dyn Job>> {
        let generation = fork::generation();
        if self.generation == generation {
            return VecDeque::new();
        }
        self.generation = generation;
        self.workers = 0;
        std::mem::take(&mut self.jobs)
    }
}

fn start_worker(queue: Queue) -> io::Result<()> {
    let start = |builder: Builder| builder.spawn(move || work(&queue));
    threads::start(start).map(drop)
}

fn work(queue: &Queue) {
    loop {
        let job = {
            let mut waiting = queue.lock();
            match waiting.jobs.pop_front() {
                Some(job) => job,
                None => {
                    waiting.workers -= 1;
                    return;
                }
            }
        };
        // The thread goes on with the others, and is counted until it ends.
        let _ = catch_unwind(AssertUnwindSafe(|| job.run()));
    }
}
