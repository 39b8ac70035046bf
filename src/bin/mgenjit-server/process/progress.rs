//! Sends the client progress, on a thread of its own.
//!
//! Architecture Invariant: progress changes no answer. It is sent only while a request is worked on: not while the
//! client's decision is awaited, and not after the answer.

use crate::process::crash::{self, Phase};
use mgenjit::protocol::messages::{self, PROGRESS_INTERVAL, Progress, Reply};
use mgenjit::protocol::transport;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Who tells it.
pub struct Teller {
    socket: Arc<UnixStream>,
    /// Held while sending, which never waits for the client.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When to send next. `None`: not now.
    next: Option<Instant>,
    ended: bool,
}

/// Progress is sent until this is dropped.
pub struct Telling<'a>(Option<&'a Teller>);

/// The teller's thread ends when this is dropped.
pub struct End(pub Arc<Teller>);

impl Teller {
    pub fn new(socket: Arc<UnixStream>) -> Teller {
        Teller {
            socket,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Sends progress, until the [`End`].
    pub fn run(&self) {
        let mut state = self.lock();
        while !state.ended {
            state = match state.next {
                None => wait(self.changed.wait(state)),
                Some(next) => match next.checked_duration_since(Instant::now()) {
                    Some(rest) if !rest.is_zero() => wait(self.changed.wait_timeout(state, rest)).0,
                    _ => {
                        self.tell();
                        state.next = Some(Instant::now() + PROGRESS_INTERVAL);
                        state
                    }
                },
            };
        }
    }

    /// Starts sending progress, if the client asked for it.
    pub fn start(&self, wanted: bool) -> Telling<'_> {
        if !wanted {
            return Telling(None);
        }
        WANTED.store(true, Ordering::Relaxed);
        self.lock().next = Some(Instant::now() + PROGRESS_INTERVAL);
        self.changed.notify_one();
        Telling(Some(self))
    }

    /// Stops sending. Everything before has been sent.
    pub fn stop(&self) {
        WANTED.store(false, Ordering::Relaxed);
        self.lock().next = None;
    }

    /// Progress that the client has no room for is dropped.
    fn tell(&self) {
        if let Some(progress) = progress() {
            let _ = transport::send_at_once(&self.socket, &Reply::Progress(progress));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        wait(self.state.lock())
    }
}

/// A thread that panics has left the state whole: it is changed by single assignments.
fn wait<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if let Some(teller) = self.0 {
            teller.stop();
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

/// Whether anybody wants to know.
static WANTED: AtomicBool = AtomicBool::new(false);
/// How many functions code is generated for, and for how many of these there is code.
static TOTAL: AtomicU32 = AtomicU32::new(0);
static DONE: AtomicU32 = AtomicU32::new(0);

/// Whether functions need to be counted.
pub fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Code is about to be generated for so many functions.
pub fn begin(functions: u32) {
    DONE.store(0, Ordering::Relaxed);
    TOTAL.store(functions, Ordering::Release);
}

/// There is code for one more.
pub fn add_one() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// The request's progress. `None`: there is no request.
fn progress() -> Option<Progress> {
    let phase = match crash::phase() {
        Phase::Wait => return None,
        Phase::Parse | Phase::Verify | Phase::Canonical => messages::Phase::Parse,
        Phase::Prepare | Phase::Optimise => messages::Phase::Optimise,
        Phase::Codegen => messages::Phase::Codegen,
        Phase::Link => messages::Phase::Link,
    };
    let (mut done, mut total) = (0, 0);
    if phase == messages::Phase::Codegen {
        // Before what is done: `begin` sets that first.
        total = TOTAL.load(Ordering::Acquire);
        // LLVM may make functions of its own.
        done = DONE.load(Ordering::Relaxed).min(total);
    }
    Some(Progress { phase, done, total })
}
