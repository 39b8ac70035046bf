//! Stops a compile from another thread: because nobody wants it any more, or because something else was faster.

use crate::error::{Error, Status};
use crate::fork;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The default is never cancelled.
#[derive(Debug, Default)]
pub struct Cancel {
    may_be: bool,
    own: Switch,
    /// What may be faster.
    rival: Mutex<Option<Arc<Rival>>>,
}

/// Something that may be faster than the compile, and then stops it.
#[derive(Debug, Default)]
pub struct Rival(Switch);

/// Cuts connections, once.
#[derive(Debug, Default)]
struct Switch {
    is_off: AtomicBool,
    /// The connections to the servers that work on it. A place is free once its server is done.
    connections: Mutex<Vec<Option<UnixStream>>>,
}

impl Switch {
    fn turn_off(&self) {
        self.is_off.store(true, Ordering::SeqCst);
        for connection in lock(&self.connections).iter().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn is_off(&self) -> bool {
        self.is_off.load(Ordering::SeqCst)
    }

    /// Lets this cut a connection. Returns its place.
    fn add(&self, connection: &UnixStream) -> io::Result<usize> {
        let copy = connection.try_clone()?;
        let place = {
            let mut connections = lock(&self.connections);
            let free = connections.iter().position(Option::is_none);
            let place = free.unwrap_or(connections.len());
            match free {
                Some(free) => connections[free] = Some(copy),
                None => connections.push(Some(copy)),
            }
            place
        };
        if self.is_off() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        Ok(place)
    }

    fn remove(&self, place: usize) {
        lock(&self.connections)[place] = None;
    }
}

impl Rival {
    /// Cuts the connections: the servers end, and the threads that wait for them get errors.
    pub fn win(&self) {
        self.0.turn_off();
    }
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
        self.own.turn_off();
    }

    /// Lets a rival stop what is compiled from now on, until it is replaced.
    pub fn set_rival(&self, rival: Option<Arc<Rival>>) {
        *lock(&self.rival) = rival;
    }

    fn rival(&self) -> Option<Arc<Rival>> {
        lock(&self.rival).clone()
    }

    pub fn check(&self, name: &str) -> Result<(), Error> {
        let is_late = self.rival().is_some_and(|rival| rival.0.is_off());
        if !is_late && !self.own.is_off() {
            return Ok(());
        }
        Err(Error::new(
            Status::Cancelled,
            format!("the compile of {name} was cancelled"),
        ))
    }

    /// Lets `cancel` and a rival cut this connection until the result is dropped.
    pub fn guard(&self, connection: &UnixStream) -> io::Result<Guard<'_>> {
        let rival = self.rival();
        let place_there = match &rival {
            Some(rival) => rival.0.add(connection)?,
            None => 0,
        };
        let mut guard = Guard {
            cancel: self,
            place: None,
            rival: rival.map(|rival| (rival, place_there)),
        };
        if self.may_be {
            guard.place = Some(self.own.add(connection)?);
        }
        Ok(guard)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> fork::Guarded<MutexGuard<'_, T>> {
    fork::guard(|| mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

pub struct Guard<'a> {
    cancel: &'a Cancel,
    place: Option<usize>,
    rival: Option<(Arc<Rival>, usize)>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some((rival, place)) = &self.rival {
            rival.0.remove(*place);
        }
        if let Some(place) = self.place {
            self.cancel.own.remove(place);
        }
    }
}
