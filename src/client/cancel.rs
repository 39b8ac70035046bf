//! Stops a compile from another thread.

use crate::error::{Error, Status};
use crate::fork;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The default is never cancelled.
#[derive(Debug, Default)]
pub struct Cancel {
    may_be: bool,
    cancelled: AtomicBool,
    /// The connections to the servers that work on it. A place is free once its server is done.
    connections: Mutex<Vec<Option<UnixStream>>>,
}

impl Cancel {
    pub fn new() -> Cancel {
        Cancel {
            may_be: true,
            ..Cancel::default()
        }
    }

    /// Cuts the connections: the servers end, and the threads that wait for them get errors.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        for connection in self.lock().iter().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub fn check(&self, name: &str) -> Result<(), Error> {
        if !self.cancelled.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Error::new(
            Status::Cancelled,
            format!("the compile of {name} was cancelled"),
        ))
    }

    /// Lets `cancel` cut this connection until the result is dropped.
    pub fn guard(&self, connection: &UnixStream) -> io::Result<Guard<'_>> {
        if !self.may_be {
            return Ok(Guard(None));
        }
        let connection_to_cut = connection.try_clone()?;
        let place = {
            let mut connections = self.lock();
            let free = connections.iter().position(Option::is_none);
            let place = free.unwrap_or(connections.len());
            match free {
                Some(free) => connections[free] = Some(connection_to_cut),
                None => connections.push(Some(connection_to_cut)),
            }
            place
        };
        if self.cancelled.load(Ordering::SeqCst) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        Ok(Guard(Some((self, place))))
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Vec<Option<UnixStream>>>> {
        fork::guard(|| {
            self.connections
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        })
    }
}

pub struct Guard<'a>(Option<(&'a Cancel, usize)>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some((cancel, place)) = self.0 {
            cancel.lock()[place] = None;
        }
    }
}
