//! The jobs that clients wait for, and who waits for each: requests that are equal are one job.

use super::connection::Frame;
use super::job::{Asked, Job};
use std::collections::HashMap;
use std::rc::Rc;

#[derive(Default)]
pub struct Jobs(HashMap<u64, Job>);

/// Who waits for a job when a client has left it.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// Nobody: the job is gone.
    Nobody,
    /// This client leads it now: it is asked what is to be decided, and errors have its names.
    Led(u64),
    /// Who led it before; or there is no such job.
    Others,
}

impl Jobs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Job)> {
        self.0.iter().map(|(id, job)| (*id, job))
    }

    pub fn get(&self, id: u64) -> Option<&Job> {
        self.0.get(&id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Job> {
        self.0.get_mut(&id)
    }

    pub fn insert(&mut self, id: u64, job: Job) {
        self.0.insert(id, job);
    }

    pub fn remove(&mut self, id: u64) -> Option<Job> {
        self.0.remove(&id)
    }

    /// The job that does what is asked.
    pub fn same_as(&self, asked: &Asked) -> Option<u64> {
        let mut same = self.iter().filter(|(_, job)| job.asked.is_same(asked));
        same.next().map(|(id, _)| id)
    }

    /// Has a client wait for a job with those that do already. Returns what it is to hear, if the job has begun.
    pub fn join(&mut self, id: u64, client: u64) -> Option<Frame> {
        let job = self.0.get_mut(&id)?;
        job.clients.push(client);
        job.started.clone()
    }

    /// A client does not wait for a job any more.
    pub fn leave(&mut self, id: u64, client: u64) -> Left {
        let Some(job) = self.0.get_mut(&id) else {
            return Left::Others;
        };
        let led = job.clients.first() == Some(&client);
        job.clients.retain(|other| *other != client);
        match job.clients.first() {
            None => {
                self.0.remove(&id);
                Left::Nobody
            }
            Some(next) if led => Left::Led(*next),
            Some(_) => Left::Others,
        }
    }

    /// Has a job that no worker has yet do what its new first client asked for: messages are to have the names of somebody
    /// who waits.
    pub fn rename(&mut self, id: u64, asked: Rc<Asked>) {
        if let Some(job) = self.0.get_mut(&id) {
            job.asked = asked;
        }
    }
}

#[cfg(test)]
mod tests;
