//! Links modules: gives their symbols a meaning, relocates them, and runs their constructors.

use super::Executor;
use super::builtins;
use super::library::{self, Library};
use super::report::Report;
use super::resolve::{self, Job};
use super::state::{Found, State};
use crate::error::Error;
use crate::event::Stopwatch;
use crate::fork;
use crate::image::Image;
use crate::image::relocate::{self, Target};
use crate::image::tls::{TlsIndex, tls_get_addr};
use crate::protocol::messages::VERSION_MARK;
use rustix::thread::futex;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Modules that were linked together and whose constructors run.
pub struct Batch {
    /// The [`this_thread`] of the one that runs them.
    owner: usize,
    /// The [`fork::generation`] in which it runs.
    generation: u32,
    /// A futex, for threads that wait for it: one of the constants below.
    state: AtomicU32,
}

const RUNNING: u32 = 0;
const AWAITED: u32 = 1;
const DONE: u32 = 2;

/// A number that no other running thread has. The standard library's thread ids would allocate for each thread that
/// it did not start.
fn this_thread() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

impl Executor {
    /// Links all pending modules, or says which cannot be linked.
    pub fn link(&self) -> Result<(), Error> {
        self.link_pending().error().map_or(Ok(()), Err)
    }

    /// Links the pending modules that can be linked, and returns when their constructors have run. A module that
    /// cannot be linked waits and does not keep others from linking.
    pub(super) fn link_pending(&self) -> Report {
        let me = this_thread();
        let (report, batch, jobs, arguments) = loop {
            let mut state = self.lock();
            if !state.batches.is_empty() {
                // In a forked child, the other threads' batches have nobody to end them.
                let generation = fork::generation();
                state
                    .batches
                    .retain(|batch| batch.generation == generation || batch.owner == me);
            }
            // A constructor that looks something up must not wait for its own batch; nor for another thread's,
            // which may be waiting for this one.
            let inside = state.batches.iter().any(|batch| batch.owner == me);
            if let Some(batch) = state.batches.first().filter(|_| !inside).cloned() {
                drop(state);
                batch.wait();
                continue;
            }
            if state.pending().is_empty() {
                return Report::default();
            }
            let (jobs, report) = relocate(&state);
            if jobs.is_empty() {
                return report;
            }
            let mut jobs = in_order_of_need(jobs);
            for job in &mut jobs {
                let elsewhere = std::mem::take(&mut job.elsewhere);
                state.set_linked(job.id, job.needs.clone(), elsewhere);
            }
            let batch = Arc::new(Batch {
                owner: me,
                generation: fork::generation(),
                state: AtomicU32::new(RUNNING),
            });
            state.batches.push(batch.clone());
            break (report, batch, jobs, state.arguments());
        };

        // From here on foreign code runs: outside the lock. Whatever it does, nobody may wait for this batch
        // for ever. And nothing may fail: others are linked to these modules.
        let running = Running {
            executor: self,
            batch,
        };
        let mut watch = Stopwatch::start();
        for job in &jobs {
            job.image.finish_relocation(&job.deferred);
        }
        for job in &jobs {
            job.image.begin();
        }
        for job in &jobs {
            job.image.construct(arguments);
            job.info.set_bind_time(watch.lap());
        }
        drop(running);
        report
    }
}

/// Resolves and relocates the pending modules that can be linked.
fn relocate(state: &State) -> (Vec<Job>, Report) {
    let mut faults = HashMap::new();
    loop {
        let (mut jobs, report) = resolve::plan(state, &faults);
        let count = faults.len();
        for job in &mut jobs {
            match job.image.relocate(&job.targets) {
                Ok(deferred) => job.deferred = deferred,
                Err(why) => {
                    faults.insert(job.id, job.fault(&why.to_string()));
                }
            }
        }
        // Without a fault this is it. Else what was written into the others is written anew.
        if faults.len() == count {
            return (jobs, report);
        }
    }
}

/// Ends its batch when dropped.
struct Running<'a> {
    executor: &'a Executor,
    batch: Arc<Batch>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.executor
            .lock()
            .batches
            .retain(|other| !Arc::ptr_eq(other, &self.batch));
        if self.batch.state.swap(DONE, Ordering::AcqRel) == AWAITED {
            let _ = futex::wake(&self.batch.state, futex::Flags::PRIVATE, i32::MAX as u32);
        }
    }
}

impl Batch {
    fn wait(&self) {
        let state = &self.state;
        let _ = state.compare_exchange(RUNNING, AWAITED, Ordering::AcqRel, Ordering::Acquire);
        while state.load(Ordering::Acquire) != DONE {
            let _ = futex::wait(state, futex::Flags::PRIVATE, AWAITED, None);
        }
    }
}

/// Where a symbol is.
pub struct Address {
    target: Target,
    /// What must stay mapped until the address is known.
    _image: Option<Arc<Image>>,
}

impl Address {
    pub fn of(found: &Found, state: &State) -> Option<Address> {
        let meaning = found.meaning(state)?;
        let module = match meaning.target {
            Target::Address(_) => None,
            _ => meaning.module.and_then(|id| state.module(id)),
        };
        Some(Address {
            target: meaning.target,
            _image: module.map(|module| module.image.clone()),
        })
    }

    /// The address that the symbol has for the calling thread.
    pub fn evaluate(self) -> usize {
        match self.target {
            Target::Address(address) => address,
            Target::Indirect(resolver) => relocate::call_resolver(resolver),
            Target::ThreadLocal { module, offset } => {
                tls_get_addr(&TlsIndex { module, offset }).addr()
            }
        }
    }
}

/// A symbol of the libraries or of the process, or what a compiler may count on although there is none.
pub fn find_outside(libraries: &[Arc<Library>], name: &[u8]) -> Option<usize> {
    if let Some(at) = name.iter().position(|byte| *byte == VERSION_MARK) {
        let version = CString::new(&name[at + 1..]).ok()?;
        let name = CString::new(&name[..at]).ok()?;
        return libraries
            .iter()
            .find_map(|library| library.find_version(&name, &version))
            .or_else(|| library::find_version_in_process(&name, &version));
    }
    let name = CString::new(name).ok()?;
    find_loaded(libraries, &name).or_else(|| builtins::fallback(&name))
}

/// A symbol of the libraries or of the process.
pub fn find_loaded(libraries: &[Arc<Library>], name: &CStr) -> Option<usize> {
    libraries
        .iter()
        .find_map(|library| library.find(name))
        .or_else(|| library::find_in_process(name))
}

/// Puts modules behind those that they need, else in the order they were added; in a circle, the one that was
/// added first comes last, as it is reached first.
fn in_order_of_need(jobs: Vec<Job>) -> Vec<Job> {
    let places: HashMap<u64, usize> = jobs
        .iter()
        .enumerate()
        .map(|(place, job)| (job.id, place))
        .collect();
    let mut order = Vec::with_capacity(jobs.len());
    let mut seen = vec![false; jobs.len()];
    for start in 0..jobs.len() {
        // Depth first, with a stack of our own: a chain of modules may be long.
        let mut stack = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((place, next)) = stack.last_mut() {
            match jobs[*place].needs.get(*next) {
                Some(need) => {
                    *next += 1;
                    if let Some(need) = places.get(need)
                        && !std::mem::replace(&mut seen[*need], true)
                    {
                        stack.push((*need, 0));
                    }
                }
                None => {
                    order.push(*place);
                    stack.pop();
                }
            }
        }
    }
    let mut jobs: Vec<Option<Job>> = jobs.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|place| jobs[place].take())
        .collect()
}
