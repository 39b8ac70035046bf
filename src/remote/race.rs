//! Ends what a remote store is asked when something else was faster.

use crate::fork;
use crate::protocol::storage::connection::Connection;
use crate::protocol::storage::wire::Failure;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Cuts a look-up from another thread. The default is never cut.
#[derive(Debug, Default)]
pub struct Cut {
    may_be: bool,
    is_cut: AtomicBool,
    connection: Mutex<Option<OwnedFd>>,
}

impl Cut {
    pub fn new() -> Cut {
        Cut {
            may_be: true,
            ..Cut::default()
        }
    }

    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        if let Some(connection) = &*self.lock() {
            let _ = rustix::net::shutdown(connection, rustix::net::Shutdown::Both);
        }
    }

    /// Lets `cut` end this connection until the result is dropped.
    pub fn guard(&self, connection: &Connection) -> Result<Guard<'_>, Failure> {
        if !self.may_be {
            return Ok(Guard(None));
        }
        let copy = connection.copy().map_err(Failure::Io)?;
        *self.lock() = Some(copy);
        if self.is_cut() {
            self.cut();
        }
        Ok(Guard(Some(self)))
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Option<OwnedFd>>> {
        fork::guard(|| {
            self.connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        })
    }
}

pub struct Guard<'a>(Option<&'a Cut>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(cut) = self.0 {
            *cut.lock() = None;
        }
    }
}
