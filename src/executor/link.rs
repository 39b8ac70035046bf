//! Links modules: gives their symbols a meaning, relocates them, and runs their constructors.

use super::builtins;
use super::library::{self, Library};
use super::state::{Found, State};
use super::{Executor, module::ModuleInfo};
use crate::compile::protocol::VERSION_MARK;
use crate::error::{Error, Status};
use crate::event::Stopwatch;
use crate::fork;
use crate::image::relocate::{self, Deferred, Target};
use crate::image::symbols::{Symbol, SymbolKind};
use crate::image::tls::{self, TlsIndex, tls_get_addr};
use crate::image::{Image, LoadError, thread_exit};
use rustix::thread::futex;
use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
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

/// What could not be linked.
#[derive(Default)]
pub struct Report {
    /// Names that are defined nowhere.
    missing: BTreeSet<Vec<u8>>,
    /// The modules that need them, directly or through others.
    blocked: Vec<String>,
}

/// A module about to be linked.
struct Job {
    id: u64,
    image: Arc<Image>,
    info: Arc<ModuleInfo>,
    /// The meaning of each symbol, by its index.
    targets: Vec<Option<Target>>,
    needs: Vec<u64>,
    deferred: Vec<Deferred>,
}

impl Executor {
    /// Links all pending modules, or says which symbols are missing.
    pub fn link(&self) -> Result<(), Error> {
        let report = self.link_pending()?;
        if report.is_complete() {
            Ok(())
        } else {
            Err(report.unresolved())
        }
    }

    /// Links the pending modules that can be linked, and returns when their constructors have run. A module that
    /// lacks a symbol waits for it and does not keep others from linking.
    pub(super) fn link_pending(&self) -> Result<Report, Error> {
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
                return Ok(Report::default());
            }
            let (mut jobs, report) = plan(&state)?;
            if jobs.is_empty() {
                return Ok(report);
            }
            for job in &mut jobs {
                job.deferred = job
                    .image
                    .relocate(&job.targets)
                    .map_err(|why| job.error(&why))?;
            }
            let jobs = in_order_of_need(jobs);
            for job in &jobs {
                state.set_linked(job.id, job.needs.clone());
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
        // for ever.
        let running = Running {
            executor: self,
            batch,
        };
        let mut watch = Stopwatch::start();
        for job in &jobs {
            let finished = job.image.finish_relocation(&job.deferred);
            finished.map_err(|why| job.error(&why))?;
        }
        for job in &jobs {
            job.image.begin();
        }
        for job in &jobs {
            job.image
                .construct(arguments)
                .map_err(|why| job.error(&why))?;
            job.info.set_bind_time(watch.lap());
        }
        drop(running);
        Ok(report)
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

impl Report {
    /// Whether everything was linked.
    pub fn is_complete(&self) -> bool {
        self.blocked.is_empty()
    }

    pub fn unresolved(&self) -> Error {
        let symbols: Vec<String> = self
            .missing
            .iter()
            .map(|name| String::from_utf8_lossy(name).replace(char::from(VERSION_MARK), "@"))
            .collect();
        let is_static = !tls::has_dynamic_linker();
        let mut message = format!(
            "{} not defined, which {} to: {}\n{} {}, or add a module that does{}",
            if symbols.len() == 1 {
                "a symbol is".to_owned()
            } else {
                format!("{} symbols are", symbols.len())
            },
            match self.blocked.as_slice() {
                [one] => format!("{one} refers"),
                all => format!("{} refer", all.join(", ")),
            },
            symbols.join(", "),
            if is_static {
                "this program is statically linked: its own functions and variables, and those of its libraries, cannot \
                 be found by name; define"
            } else {
                "define"
            },
            if symbols.len() == 1 { "it" } else { "them" },
            if is_static {
                ""
            } else {
                ", or load a library that does"
            },
        );
        let cpp = |name: &String| {
            name.starts_with("_ZNS")
                || name.starts_with("_ZS")
                || name.starts_with("__cxa_")
                || name.starts_with("__gxx_")
                || name.starts_with("_ZTVN10__cxxabiv")
        };
        if !is_static && symbols.iter().any(cpp) {
            message.push_str(" (for the C++ runtime: libstdc++.so.6)");
        }
        Error {
            symbols,
            ..Error::new(Status::Unresolved, message)
        }
    }
}

impl Job {
    fn error(&self, why: &LoadError) -> Error {
        Error::new(
            why.status(),
            format!("{} cannot be linked: {why}", self.info.name()),
        )
    }
}

/// Resolves every symbol of the pending modules. Modules that lack one are left out, then those that need these,
/// and so on.
fn plan(state: &State) -> Result<(Vec<Job>, Report), Error> {
    let mut report = Report::default();
    let mut blocked: BTreeSet<u64> = BTreeSet::new();
    loop {
        let mut jobs = Vec::new();
        let blocked_before = blocked.len();
        for id in state.pending() {
            if blocked.contains(id) {
                continue;
            }
            let Some(module) = state.module(*id) else {
                continue;
            };
            let mut job = Job {
                id: *id,
                image: module.image.clone(),
                info: module.info.clone(),
                targets: Vec::new(),
                needs: Vec::new(),
                deferred: Vec::new(),
            };
            let missing = job
                .resolve(state, &blocked)
                .map_err(|why| job.error(&why))?;
            if missing.is_empty() {
                jobs.push(job);
            } else {
                // A name that a blocked module defines is not missing: what that module lacks is.
                report.missing.extend(
                    missing
                        .into_iter()
                        .filter(|name| state.find(name, |_, _| true).is_none()),
                );
                report.blocked.push(job.info.name().to_owned());
                blocked.insert(*id);
            }
        }
        if blocked.len() == blocked_before {
            return Ok((jobs, report));
        }
    }
}

impl Job {
    /// Gives every symbol a meaning. Returns the names that have none.
    fn resolve(
        &mut self,
        state: &State,
        blocked: &BTreeSet<u64>,
    ) -> Result<Vec<Vec<u8>>, LoadError> {
        let image = self.image.clone();
        let mut missing = Vec::new();
        for symbol in image.references()? {
            let name = image.name(&symbol)?;
            let target = self.meaning(state, blocked, &symbol, name);
            if target.is_none() {
                missing.push(name.to_vec());
            }
            let at = symbol.index as usize;
            if self.targets.len() <= at {
                self.targets.resize(at + 1, None);
            }
            self.targets[at] = target;
        }
        Ok(missing)
    }

    /// What a symbol means: a definition of the user, of a module, of a library, of the process.
    fn meaning(
        &mut self,
        state: &State,
        blocked: &BTreeSet<u64>,
        symbol: &Symbol,
        name: &[u8],
    ) -> Option<Target> {
        if let Some((address, keeps_mapped)) = builtins::required(name) {
            if keeps_mapped {
                thread_exit::watch(&self.image);
            }
            return Some(Target::Address(address));
        }
        if let Some(address) = state.definitions.get(name) {
            return Some(Target::Address(*address));
        }
        let own = Found {
            id: self.id,
            symbol: *symbol,
        };
        let found = if symbol.defined && !symbol.weak {
            // A strong definition is what its own module means by the name.
            Some(own)
        } else {
            state
                .find(name, |id, _| !blocked.contains(&id))
                .or_else(|| symbol.defined.then_some(own))
        };
        if let Some(found) = found {
            if found.id != self.id && !self.needs.contains(&found.id) {
                self.needs.push(found.id);
            }
            return found.target(state);
        }
        find_outside(&state.libraries, name)
            .and_then(|address| match symbol.kind {
                SymbolKind::ThreadLocal => tls::of_the_system(address)
                    .map(|TlsIndex { module, offset }| Target::ThreadLocal { module, offset }),
                SymbolKind::Plain | SymbolKind::Indirect => Some(Target::Address(address)),
            })
            .or_else(|| symbol.weak.then_some(Target::Address(0)))
    }
}

/// A symbol of the libraries or of the process.
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
    libraries
        .iter()
        .find_map(|library| library.find(&name))
        .or_else(|| library::find_in_process(&name))
        .or_else(|| builtins::fallback(&name))
}

/// The address that a symbol has for the calling thread.
pub fn evaluate(target: Target) -> usize {
    match target {
        Target::Address(address) => address,
        Target::Indirect(resolver) => relocate::call_resolver(resolver),
        Target::ThreadLocal { module, offset } => tls_get_addr(&TlsIndex { module, offset }).addr(),
    }
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
