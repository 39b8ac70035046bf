//! A question to one store. It can be put aside while there is no answer, and be taken up again by another thread.

use crate::cache::key::Key;
use crate::protocol::storage::connection::Connection;
use crate::protocol::storage::upload::MAX_VALUE_LEN;
use crate::protocol::storage::wire::{Failure, Incoming, WireKey};
use std::time::Instant;

/// What a store is asked for.
#[derive(Debug)]
pub struct Question {
    pub key: Key,
    /// The key of the entry, and the file of the alias that leads there, once the store has told.
    pub target: Option<(Key, Vec<u8>)>,
    pub sent: Option<Sent>,
}

/// A connection, over which a question is or will be sent.
#[derive(Debug)]
pub struct Sent {
    pub connection: Connection,
    /// Whether the connection was made for this question.
    pub is_new: bool,
    is_asked: bool,
    incoming: Incoming,
}

impl Question {
    /// Asks nothing yet.
    pub fn new(key: &Key) -> Question {
        Question {
            key: *key,
            target: None,
            sent: None,
        }
    }

    /// What is asked for now: the key, or the entry that its alias leads to.
    pub fn wanted(&self) -> &Key {
        self.target.as_ref().map_or(&self.key, |(target, _)| target)
    }
}

impl Sent {
    pub fn new(connection: Connection, is_new: bool) -> Sent {
        Sent {
            connection,
            is_new,
            is_asked: false,
            incoming: Incoming::default(),
        }
    }

    /// Sends the question, if that was not done yet, and reads the answer. After [`Failure::TimedOut`], it can be called again.
    pub fn exchange(&mut self, name: &WireKey, end: Instant) -> Result<Option<Vec<u8>>, Failure> {
        if !self.is_asked {
            // A request is one small packet: it is sent whole or not at all.
            self.connection.ask(name, end)?;
            self.is_asked = true;
        }
        self.connection
            .answer(&mut self.incoming, MAX_VALUE_LEN, end)
    }
}
