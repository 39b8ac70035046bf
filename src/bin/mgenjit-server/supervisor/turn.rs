//! Where a client stands: what it may say next, how long it may take, and how it hears the end of what it asked for.
//! Without a socket and without a clock.
//!
//! ```text
//!               Hello           a request              room in the queue
//!   Greeting ─────────► Idle ──────────────► Held ──────────────────────► Waiting
//!                        ▲ ▲                  │ └──────────┐ too long      │  ▲ │
//!                        │ │                  │            ▼               │  │ │
//!                        │ │                  │        Elsewhere ◄─────────┘  │ │ Identified
//!                        │ │ the answer       │                      Compile  │ ▼
//!                        │ └──────────────────┼────────────────────────── Deciding
//!                        │                    │              Stop             │ its job ended
//!                        └────────────────────┴────────────── Settling ◄──────┘
//!                                Compile: the answer; Stop
//! ```

use super::job::{End, Outcome};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many times as long as for all else a client may take to decide: it may have to wait for a lock of the cache.
const DECISION_FACTOR: u32 = 12;

pub struct Turn {
    state: State,
    since: Instant,
    /// When it asked for what it waits for.
    came: Instant,
    /// Whether it has heard that this has begun, and has said that it is to go on. Neither comes twice, even if another
    /// job has to do it.
    started: bool,
    decided: bool,
}

#[derive(Clone)]
pub enum State {
    /// It has not said who it is.
    Greeting,
    /// It may ask for something.
    Idle,
    /// It waits until what it asks for may wait for a worker.
    Held,
    /// It waits for a job.
    Waiting(u64),
    /// It is asked whether its job is to go on.
    Deciding(u64),
    /// It is asked whether it wants what another client's job came to.
    Settling(Rc<Outcome>),
    /// A private server does what it asked for. It has that until it goes.
    Elsewhere,
    /// It waits for the server to end.
    Stopping,
}

/// How a client hears the end of a job.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// Not at all: the error has another client's names in it, and its own request is done again.
    Again,
    /// It was asked to decide already. What it says next settles it.
    Settle,
    /// It is asked to decide first.
    Identify([u8; 32]),
    Answer,
}

impl Turn {
    pub fn new(now: Instant) -> Turn {
        Turn {
            state: State::Greeting,
            since: now,
            came: now,
            started: false,
            decided: false,
        }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Since when it is in its state.
    pub fn since(&self) -> Instant {
        self.since
    }

    pub fn set(&mut self, now: Instant, state: State) {
        self.state = state;
        self.since = now;
    }

    /// It asks for something new.
    pub fn ask(&mut self, now: Instant) {
        self.came = now;
        self.started = false;
        self.decided = false;
    }

    /// Whether it is to hear that what it asked for has begun: it hears that once.
    pub fn start(&mut self) -> bool {
        !std::mem::replace(&mut self.started, true)
    }

    /// It has said that its job is to go on.
    pub fn decide(&mut self) {
        self.decided = true;
    }

    pub fn has_decided(&self) -> bool {
        self.decided
    }

    /// Whether it may say something.
    pub fn may_speak(&self) -> bool {
        match self.state {
            State::Greeting | State::Idle | State::Deciding(_) | State::Settling(_) => true,
            State::Held | State::Waiting(_) | State::Elsewhere | State::Stopping => false,
        }
    }

    /// Whether what it says is taken. One that `owes` it to read an answer asks for nothing else meanwhile.
    pub fn is_heard(&self, owes: bool) -> bool {
        self.may_speak() && !(owes && matches!(self.state, State::Idle))
    }

    /// Whether nothing is being done for it.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Greeting | State::Idle | State::Held)
    }

    /// Whether it takes longer to say something than it may.
    pub fn is_late(&self, now: Instant, timeout: Duration) -> bool {
        let timeout = match self.state {
            State::Greeting => timeout,
            State::Deciding(_) | State::Settling(_) => timeout * DECISION_FACTOR,
            _ => return false,
        };
        now.saturating_duration_since(self.since) >= timeout
    }

    /// For how long it has waited for a worker, if it may have a private server now. `is_queued`: whether no worker has a
    /// job.
    pub fn waits_too_long(
        &self,
        now: Instant,
        timeout: Duration,
        is_queued: impl Fn(u64) -> bool,
    ) -> Option<Duration> {
        let waits = match self.state {
            State::Held => true,
            // One that has heard that its request has begun does not expect this.
            State::Waiting(job) => !self.started && is_queued(job),
            _ => false,
        };
        let waited = now.saturating_duration_since(self.came);
        (waits && waited >= timeout).then_some(waited)
    }

    /// How it hears the end of the job that it waits for. `same_names`: whether what it asked for has the names of what the
    /// job did.
    pub fn ending(&self, outcome: &Outcome, same_names: bool) -> Ending {
        if outcome.end == End::Failed && !same_names {
            return Ending::Again;
        }
        let digest = outcome.digest.filter(|_| outcome.end == End::Compiled);
        match (&self.state, digest) {
            (State::Deciding(_), _) => Ending::Settle,
            (_, Some(digest)) if !self.decided => Ending::Identify(digest),
            _ => Ending::Answer,
        }
    }
}

/// Those who may have private servers, the one that has waited for longest first; `waiting`: for how long each has. There is
/// room for so many.
pub fn sent_away(
    waiting: impl Iterator<Item = (u64, Duration)>,
    room: usize,
) -> Vec<(u64, Duration)> {
    let mut late: Vec<_> = waiting.collect();
    late.sort_unstable_by_key(|(id, waited)| (std::cmp::Reverse(*waited), *id));
    late.truncate(room);
    late
}

#[cfg(test)]
mod tests;
