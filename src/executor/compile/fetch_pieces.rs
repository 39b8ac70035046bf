//! Fetches pieces of a module from remotes, while those that are not there yet are compiled.
//!
//! Few threads ask, each for one piece after the other over a connection that is kept. They begin with the pieces that would
//! be compiled last. After the first answers, if all were "not there", the rest is not asked for: most modules are either new
//! to a remote or little changed.

use crate::cache::key::Key;
use crate::remote::race::Cut;
use crate::remote::tier::{Report, Tier};
use crate::threads;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How many ask at the same time.
const THREADS: usize = 4;

/// After as many answers, none of which had anything, no more is asked for.
const ENOUGH: usize = 8;

/// Pieces that are fetched. Dropping it ends that.
pub struct Fetching(Arc<Shared>);

struct Shared {
    tier: Arc<Tier>,
    /// By index, the last one first.
    wanted: Vec<(usize, Key)>,
    next: AtomicUsize,
    /// Those that somebody compiles by now, by their place in `wanted`.
    compiled: Vec<AtomicBool>,
    cuts: [Cut; THREADS],
    /// Nobody waits for what is asked any more.
    is_over: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What was found and not yet taken, by index.
    found: HashMap<usize, Report>,
    asking: usize,
    /// What went wrong, and how often something was found.
    problems: Vec<String>,
    hits: usize,
    misses: usize,
}

impl Fetching {
    /// Asks for `wanted`, of which the first are compiled first. Waits for all of them for at most the time after which a
    /// compile begins.
    pub fn start(tier: &Arc<Tier>, wanted: &[(usize, Key)]) -> Fetching {
        let shared = Arc::new(Shared {
            tier: tier.clone(),
            wanted: wanted.iter().rev().copied().collect(),
            next: AtomicUsize::new(0),
            compiled: wanted.iter().map(|_| AtomicBool::new(false)).collect(),
            cuts: std::array::from_fn(|_| Cut::new()),
            is_over: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        for number in 0..THREADS.min(wanted.len()) {
            let thread = shared.clone();
            shared.lock().asking += 1;
            // Without a thread, all is compiled.
            if threads::start(|builder| builder.spawn(move || thread.ask(number))).is_err() {
                shared.lock().asking -= 1;
                break;
            }
        }
        let hedge = tier.timeouts().hedge;
        let state = shared.lock();
        let waited = shared
            .changed
            .wait_timeout_while(state, hedge, |state| state.asking > 0);
        drop(waited);
        Fetching(shared)
    }

    /// What was found of a piece, which is compiled otherwise.
    pub fn take(&self, index: usize) -> Option<Report> {
        let found = self.0.lock().found.remove(&index);
        let place = self.0.wanted.iter().position(|(other, _)| *other == index);
        if let Some(place) = place.filter(|_| found.is_none()) {
            self.0.compiled[place].store(true, Ordering::Relaxed);
        }
        found
    }

    /// What went wrong.
    pub fn problems(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().problems)
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        let is_slow = {
            let state = self.0.lock();
            state.asking > 0 && state.hits + state.misses == 0
        };
        for cut in &self.0.cuts {
            cut.cut();
        }
        if is_slow {
            self.0.tier.was_slow();
        }
    }
}

impl Shared {
    fn ask(&self, number: usize) {
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((index, key)) = self.wanted.get(place) else {
                break;
            };
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            if self.compiled[place].load(Ordering::Relaxed) {
                continue;
            }
            let whole = self.tier.timeouts().whole;
            let mut report = self.tier.look(key, whole, &self.cuts[number]);
            let mut state = self.lock();
            let is_wrong = !report.problems.is_empty();
            // What fails for one piece fails for all: told once.
            if is_wrong && state.problems.is_empty() {
                state.problems = std::mem::take(&mut report.problems);
            }
            let is_left_alone = report.found.is_none() && !report.absent;
            if report.found.is_some() {
                state.hits += 1;
                state.found.insert(*index, report);
            } else {
                state.misses += 1;
            }
            if is_wrong || is_left_alone || (state.hits == 0 && state.misses >= ENOUGH) {
                break;
            }
        }
        self.lock().asking -= 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
