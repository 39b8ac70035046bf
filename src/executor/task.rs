//! Compiles in the background.
//!
//! An executor has as many threads for them as it may have servers.

use super::core::Executor;
use super::module::Module;
use super::queue;
use super::source::Source;
use crate::cache::options::CacheMode;
use crate::client::cancel::Cancel;
use crate::error::{Error, Status, reason};
use crate::fork;
use rustix::thread::futex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Called once when a task is done.
pub type Callback = Box<dyn FnOnce() + Send>;

/// A compile in the background. Dropping the handle does not cancel it.
pub struct Task {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    cancel: Cancel,
    result: Mutex<Option<Result<Module, Error>>>,
    /// A futex: one of the constants below.
    state: AtomicU32,
    /// The [`fork::generation`] in which it was begun. A forked child has no thread that works on it.
    generation: u32,
}

const UNDONE: u32 = 0;
const AWAITED: u32 = 1;
const DONE: u32 = 2;
const TAKEN: u32 = 3;

struct Job {
    source: Source<'static>,
    /// `None`: only the cache is to be filled.
    task: Option<Arc<Shared>>,
    callback: Option<Callback>,
    /// Keeps the executor.
    executor: Arc<Executor>,
}

impl Executor {
    /// Compiles a source in the background and adds it as a module.
    pub fn compile_async(
        self: &Arc<Self>,
        source: Source<'static>,
        callback: Option<Callback>,
    ) -> Result<Task, Error> {
        let shared = Arc::new(Shared {
            name: source.name.clone().into_owned(),
            cancel: Cancel::new(),
            result: Mutex::default(),
            state: AtomicU32::new(UNDONE),
            generation: fork::generation(),
        });
        self.enqueue(source, Some(shared.clone()), callback)?;
        Ok(Task { shared })
    }

    /// Compiles a source in the background, for the cache to have it.
    pub fn prefetch(self: &Arc<Self>, source: Source<'static>) -> Result<(), Error> {
        if self.store.is_none() || self.config.cache_mode != CacheMode::ReadWrite {
            return Ok(());
        }
        self.enqueue(source, None, None)
    }

    fn enqueue(
        self: &Arc<Self>,
        source: Source<'static>,
        task: Option<Arc<Shared>>,
        callback: Option<Callback>,
    ) -> Result<(), Error> {
        let job = Box::new(Job {
            source,
            task,
            callback,
            executor: self.clone(),
        });
        self.queue.push(job, self.pool.limit()).map_err(|error| {
            Error::new(
                Status::Io,
                format!("no thread can be started: {}", reason(&error)),
            )
        })
    }
}

impl queue::Job for Job {
    fn run(self: Box<Self>) {
        let Job {
            source,
            task,
            callback,
            executor,
        } = *self;
        let Some(task) = task else {
            // Whoever compiles it meets the same error.
            let _ = executor.fill_cache(source);
            return;
        };
        let compile = || {
            let compile = |()| executor.compile_unless(source, &task.cancel);
            let result = task.cancel.check(&task.name).and_then(compile);
            // Before anybody is told: destructors run where the last handle is freed, not here a moment later.
            drop(executor);
            // A module that nobody waits for any more.
            if let Err(Ok(module)) = task.finish(result) {
                let _ = module.remove();
            }
        };
        // Whatever happens, whoever waits for the task is told.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(compile)) {
            let _ = task.finish(Err(Error::of_panic(&*panic)));
        }
        if let Some(callback) = callback {
            callback();
        }
    }
}

impl Shared {
    /// Sets the result, unless there is one: then it comes back.
    fn finish(&self, result: Result<Module, Error>) -> Result<(), Result<Module, Error>> {
        {
            let mut place = self.lock();
            if self.is_done() {
                return Err(result);
            }
            *place = Some(result);
            if self.state.swap(DONE, Ordering::AcqRel) != AWAITED {
                return Ok(());
            }
        }
        let _ = futex::wake(&self.state, futex::Flags::PRIVATE, i32::MAX as u32);
        Ok(())
    }

    fn is_done(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), DONE | TAKEN)
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Option<Result<Module, Error>>>> {
        fork::guard(|| self.result.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Task {
    /// Waits for at most this time. Returns whether the task is done.
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let state = &self.shared.state;
        loop {
            let _ = state.compare_exchange(UNDONE, AWAITED, Ordering::AcqRel, Ordering::Acquire);
            if self.shared.is_done() {
                return Ok(true);
            }
            if self.shared.generation != fork::generation() {
                return Err(Error::new(
                    Status::InvalidArgument,
                    format!(
                        "the compile of {} was begun before fork and belongs to the parent process: start it again",
                        self.shared.name
                    ),
                ));
            }
            let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if rest.is_some_and(|rest| rest.is_zero()) {
                return Ok(false);
            }
            let rest = rest.and_then(|rest| rustix::fs::Timespec::try_from(rest).ok());
            let _ = futex::wait(state, futex::Flags::PRIVATE, AWAITED, rest.as_ref());
        }
    }

    /// Waits for the result and takes it. It can be taken once.
    pub fn take(&self) -> Result<Module, Error> {
        while !self.wait(Duration::MAX)? {}
        let result = {
            let mut place = self.shared.lock();
            self.shared.state.store(TAKEN, Ordering::Release);
            place.take()
        };
        result.unwrap_or_else(|| {
            Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "the result of the compile of {} was taken before",
                    self.shared.name
                ),
            ))
        })
    }

    /// Ends it with an error, unless it is done.
    pub fn cancel(&self) {
        self.shared.cancel.cancel();
        if let Err(error) = self.shared.cancel.check(&self.shared.name) {
            let _ = self.shared.finish(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::event::EventKind;
    use std::path::PathBuf;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_mins(1);

    /// An executor with one thread and no server, in which a compile panics when it tells that the cache has nothing.
    fn executor(cache: Option<PathBuf>, panics: Arc<AtomicBool>) -> Arc<Executor> {
        let config = Config {
            cache_mode: match cache {
                Some(_) => CacheMode::ReadWrite,
                None => CacheMode::Off,
            },
            cache_dir: cache,
            server_path: Some(PathBuf::from("/nowhere/mgenjit-server")),
            max_servers: 1,
            hook: Some(Arc::new(move |event| {
                assert!(
                    event.kind != EventKind::Miss || !panics.load(Ordering::SeqCst),
                    "injected"
                );
            })),
            ..Config::default()
        };
        Executor::new(config)
    }

    fn source() -> Source<'static> {
        Source::memory("the task", b"define void @f() {\n  ret void\n}\n")
    }

    fn status(task: &Task) -> Option<Status> {
        assert!(task.wait(LONG).expect("no fork"));
        task.take().err().map(|error| error.status)
    }

    #[test]
    fn a_panic_ends_its_task_and_no_other() {
        let panics = Arc::new(AtomicBool::new(true));
        let executor = executor(None, panics.clone());
        let (called, calls) = channel();
        for expect in [Status::Panic, Status::Panic, Status::ServerUnavailable] {
            panics.store(expect == Status::Panic, Ordering::SeqCst);
            let called = called.clone();
            // It panics, too.
            let callback = move || {
                called.send(()).expect("the test waits");
                panic!("injected");
            };
            let task = executor
                .compile_async(source(), Some(Box::new(callback)))
                .expect("begun");
            assert_eq!(status(&task), Some(expect));
            calls.recv_timeout(LONG).expect("the callback is called");
        }
    }

    #[test]
    fn a_task_that_is_done_does_not_keep_its_executor() {
        for panics in [false, true] {
            let executor = executor(None, Arc::new(AtomicBool::new(panics)));
            for _ in 0..50 {
                let task = executor.compile_async(source(), None).expect("begun");
                assert!(status(&task).is_some());
                assert_eq!(Arc::strong_count(&executor), 1);
            }
        }
    }

    #[test]
    fn a_panic_while_the_cache_is_filled_does_not_end_what_comes_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let panics = Arc::new(AtomicBool::new(true));
        let executor = executor(Some(folder.path().join("cache")), panics);
        for _ in 0..3 {
            executor.prefetch(source()).expect("begun");
        }
        let task = executor.compile_async(source(), None).expect("begun");
        assert_eq!(status(&task), Some(Status::Panic));
    }
}
