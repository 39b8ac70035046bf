//! Links modules: resolves their symbols, relocates them, and runs their constructors.

use super::batch::{Batch, this_thread};
use super::core::Executor;
use super::entries::Unresolved;
use super::lookup::removed;
use super::replace::Successor;
use super::report::Report;
use super::resolve::{self, Job};
use super::state::State;
use crate::clock::Stopwatch;
use crate::error::{Error, reason};
use crate::fork;
use std::collections::HashMap;
use std::sync::Arc;

impl Executor {
    /// Links all pending modules, or says which cannot be linked.
    pub fn link(&self) -> Result<(), Error> {
        self.link_pending().error().map_or(Ok(()), Err)
    }

    /// Links the pending modules that can be linked, and returns when their constructors have run. A module that
    /// cannot be linked waits and does not keep others from linking.
    pub(super) fn link_pending(&self) -> Report {
        // Without a successor there is no error.
        self.link_with(None).unwrap_or_default().0
    }

    /// As `link_pending`, and puts a module in the place of another one. If it cannot be linked, nothing has happened.
    /// Returns its id.
    pub(super) fn link_with(
        &self,
        mut successor: Option<Successor>,
    ) -> Result<(Report, Option<u64>), Error> {
        let me = this_thread();
        let (report, batch, jobs, arguments, id, has_entries) = loop {
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
            if state.pending().is_empty() && successor.is_none() {
                return Ok((Report::default(), None));
            }
            let id = match successor.take() {
                Some(successor) => Some(successor.add(&mut state)?),
                None => None,
            };
            let (jobs, report) = relocate(&mut state);
            if let Some((id, old)) = id
                && jobs.iter().all(|job| job.id != id)
            {
                state.set_replaced(old, false);
                let withdrawn = state.withdraw(id);
                drop(state);
                drop(withdrawn);
                let error = report.error_of(id);
                return Err(error.unwrap_or_else(removed));
            }
            if jobs.is_empty() {
                return Ok((report, None));
            }
            let mut jobs = in_order_of_need(jobs);
            for job in &mut jobs {
                let uses = std::mem::take(&mut job.uses);
                let elsewhere = std::mem::take(&mut job.elsewhere);
                state.set_linked(job.id, job.needs.clone(), uses, elsewhere);
                if self.first.is_some() {
                    state.keep_targets(job.id, std::mem::take(&mut job.targets));
                }
            }
            for job in &jobs {
                state.redirect(job.id, true);
            }
            let batch = Arc::new(Batch::new(me));
            state.batches.push(batch.clone());
            let id = id.map(|(id, _)| id);
            let has_entries = state.entries.is_some();
            break (report, batch, jobs, state.arguments(), id, has_entries);
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
        if has_entries {
            self.redirect(&jobs);
        }
        for job in &jobs {
            job.image.begin();
        }
        for job in &jobs {
            job.image.construct(arguments);
            job.info.set_bind_time(watch.lap());
        }
        drop(running);
        if self.first.is_some() {
            self.switch_ready();
        }
        Ok((report, id))
    }

    /// Has all callers call what was linked just now.
    fn redirect(&self, jobs: &[Job]) {
        let unresolved = {
            let mut state = self.lock();
            for job in jobs {
                state.redirect(job.id, false);
            }
            for job in jobs {
                state.set_needs(job.id);
            }
            state.take_unresolved()
        };
        unresolved.into_iter().for_each(Unresolved::resolve);
    }
}

/// Resolves and relocates the pending modules that can be linked.
fn relocate(state: &mut State) -> (Vec<Job>, Report) {
    let mut faults = HashMap::new();
    for id in state.pending().to_vec() {
        if let Err(errno) = state.add_entries(id)
            && let Some(module) = state.module(id)
        {
            let why = reason(&errno.into());
            let fault = format!(
                "{} cannot be linked: there is no memory for its functions' entries: {why}",
                module.info.name()
            );
            faults.insert(id, fault);
        }
    }
    let state = &*state;
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
        self.batch.end();
    }
}

/// Puts modules behind those that they need.
pub(super) fn in_order_of_need(jobs: Vec<Job>) -> Vec<Job> {
    let needs: Vec<(u64, &[u64])> = jobs
        .iter()
        .map(|job| (job.id, job.needs.as_slice()))
        .collect();
    let order = order_of_need(&needs);
    let mut jobs: Vec<Option<Job>> = jobs.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|place| jobs[place].take())
        .collect()
}

/// The places of modules, given with what each needs, so that each comes behind those that it needs, else in the order
/// they were added; in a circle, the one that was added first comes last, as it is reached first.
fn order_of_need(modules: &[(u64, &[u64])]) -> Vec<usize> {
    let places: HashMap<u64, usize> = (0..)
        .zip(modules)
        .map(|(place, (id, _))| (*id, place))
        .collect();
    let mut order = Vec::with_capacity(modules.len());
    let mut seen = vec![false; modules.len()];
    for start in 0..modules.len() {
        // Depth first, with a stack of our own: a chain of modules may be long.
        let mut stack = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((place, next)) = stack.last_mut() {
            match modules[*place].1.get(*next) {
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
    order
}

#[cfg(test)]
mod tests;
