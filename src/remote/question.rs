//! A question to one store. It can be put aside while there is no answer, and be taken up again by another thread.

use crate::cache::directory::Directory;
use crate::cache::file::{Changes, Temporary};
use crate::cache::key::Key;
use crate::process_limits::file_size;
use crate::protocol::storage::connection::{Connection, Room};
use crate::protocol::storage::upload::MAX_VALUE_LEN;
use crate::protocol::storage::wire::{Failure, Incoming, Value, WireKey};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

/// What a store is asked for.
#[derive(Debug)]
pub struct Question {
    pub key: Key,
    /// The key of the entry, and the file of the alias that leads there, once the store has told.
    pub target: Option<(Key, Vec<u8>)>,
    pub sent: Option<Sent>,
    /// The cache where a long value is written while it comes. `None`: values come into memory.
    pub cache: Option<Arc<Directory>>,
    /// What was written so, once the store has told.
    pub file: Option<Temporary>,
}

/// A file that a long value is written into while it comes. It gets a name in the cache once the value was checked.
#[derive(Debug)]
struct Receiver {
    cache: Option<Arc<Directory>>,
    file: Option<Temporary>,
}

/// A connection, over which a question is or will be sent.
#[derive(Debug)]
pub struct Sent {
    pub connection: Connection,
    /// Whether the connection was made for this question.
    pub is_new: bool,
    is_asked: bool,
    incoming: Incoming,
    /// Another connection has another file: this one may have been written in part.
    receiver: Receiver,
}

impl Question {
    /// Asks nothing yet.
    pub fn new(key: &Key, cache: Option<Arc<Directory>>) -> Question {
        Question {
            key: *key,
            target: None,
            sent: None,
            cache,
            file: None,
        }
    }

    /// What is asked for now: the key, or the entry that its alias leads to.
    pub fn wanted(&self) -> &Key {
        self.target.as_ref().map_or(&self.key, |(target, _)| target)
    }
}

impl Sent {
    pub fn new(connection: Connection, is_new: bool, cache: Option<Arc<Directory>>) -> Sent {
        Sent {
            connection,
            is_new,
            is_asked: false,
            incoming: Incoming::default(),
            receiver: Receiver { cache, file: None },
        }
    }

    /// Sends the question, if that was not done yet, and reads the answer. After [`Failure::TimedOut`], it can be called again.
    pub fn exchange(&mut self, name: &WireKey, end: Instant) -> Result<Option<Value>, Failure> {
        if !self.is_asked {
            // A request is one small packet: it is sent whole or not at all.
            self.connection.ask(name, end)?;
            self.is_asked = true;
        }
        self.connection
            .answer(&mut self.incoming, MAX_VALUE_LEN, end, &mut self.receiver)
    }

    /// The connection, and the file that was given away.
    pub fn into_parts(self) -> (Connection, Option<Temporary>) {
        (self.connection, self.receiver.file)
    }
}

impl Room for Receiver {
    fn file(&mut self, len: u64) -> Option<BorrowedFd<'_>> {
        // What this process may not write, it does not have written either.
        let may = file_size().is_none_or(|limit| len <= limit);
        if self.file.is_none() && may {
            let root = self.cache.as_ref()?.open().ok()??;
            self.file = Temporary::new(&root, Changes::Never).ok();
        }
        self.file.as_ref().map(|file| file.file.as_fd())
    }
}
