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
    /// The connection to the server that works on it.
    connection: Mutex<Option<UnixStream>>,
}

impl Cancel {
    pub fn new() -> Cancel {
        Cancel {
            may_be: true,
            ..Cancel::default()
        }
    }

    /// Cuts the connection: the server ends, and the thread that waits for it gets an error.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        if let Some(connection) = &*self.lock() {
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
        *self.lock() = Some(connection.try_clone()?);
        if self.cancelled.load(Ordering::SeqCst) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        Ok(Guard(Some(self)))
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Option<UnixStream>>> {
        fork::guard(|| {
            self.connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        })
    }
}

pub struct Guard<'a>(Option<&'a Cancel>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(cancel) = self.0 {
            *cancel.lock() = None;
        }
    }
}
