//! How long a reply is waited for.

use super::listener::Listener;
use crate::protocol::messages::Reply;
use crate::protocol::transport::{self, TransportError};
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Serialize;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// More progress than a socket holds: how much of it is read past the time limit to find the answer behind it.
const MAX_LATE: u32 = 1000;

pub struct Patience {
    /// The time limit; 0: for ever.
    time: Duration,
    /// `None`: for ever, or the time does not run yet.
    deadline: Option<Instant>,
    /// How long the server may say nothing at all.
    silence: Option<Duration>,
}

/// Why there is no reply.
pub enum Silence {
    /// The time is over.
    TimeLimit,
    /// The server has said nothing for too long.
    Hangs,
    Transport(TransportError),
}

impl From<TransportError> for Silence {
    fn from(error: TransportError) -> Silence {
        Silence::Transport(error)
    }
}

impl Patience {
    /// The time begins to run with [`Patience::start`].
    pub fn new(time: Duration, silence: Option<Duration>) -> Patience {
        Patience {
            time,
            deadline: None,
            silence,
        }
    }

    /// Starts the time limit. `spent` of it has already passed.
    pub fn start(&mut self, spent: Duration) {
        if !self.time.is_zero() {
            self.deadline = Instant::now().checked_add(self.time.saturating_sub(spent));
        }
    }

    /// The next reply that is no progress. That does not make the wait longer.
    pub fn receive(
        &self,
        socket: &UnixStream,
        listener: &mut dyn Listener,
    ) -> Result<(Reply, Option<OwnedFd>), Silence> {
        let mut late = 0;
        loop {
            let rest =
                (self.deadline).map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let is_over = rest.is_some_and(|rest| rest.is_zero());
            let progress = match transport::receive_by(socket, self.next_deadline()) {
                Ok((Reply::Progress(progress), _)) => progress,
                Ok(reply) => return Ok(reply),
                Err(error) => return Err(self.silence_of(error)),
            };
            // A slow listener gets only the newest progress, so that it does not delay an answer that has arrived.
            let is_newest = !has_more(socket);
            late += u32::from(is_over);
            if is_over && (is_newest || late > MAX_LATE) {
                return Err(Silence::TimeLimit);
            }
            if is_newest {
                listener.progress(progress);
            }
        }
    }

    /// Sends a message, for which the server may take as long as for a reply.
    pub fn send<T: Serialize>(
        &self,
        socket: &UnixStream,
        message: &T,
        payload: Option<BorrowedFd<'_>>,
    ) -> Result<(), Silence> {
        transport::send_by(socket, message, payload, self.next_deadline())
            .map_err(|error| self.silence_of(error))
    }

    /// Until when the server is to do something.
    fn next_deadline(&self) -> Option<Instant> {
        let silence = self
            .silence
            .and_then(|silence| Instant::now().checked_add(silence));
        self.deadline.into_iter().chain(silence).min()
    }

    fn silence_of(&self, error: TransportError) -> Silence {
        match (error.is_timeout(), self.is_over()) {
            (false, _) => Silence::Transport(error),
            (true, true) => Silence::TimeLimit,
            (true, false) => Silence::Hangs,
        }
    }

    /// Does what the server waits for.
    pub fn pause<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.deadline =
            (self.deadline).and_then(|deadline| deadline.checked_add(started.elapsed()));
        result
    }

    fn is_over(&self) -> bool {
        match (self.deadline, self.silence) {
            (Some(deadline), Some(_)) => Instant::now() >= deadline,
            // There was nothing else to wait for.
            (_, silence) => silence.is_none(),
        }
    }
}

/// Whether something can be read at once, be it the end.
fn has_more(socket: &UnixStream) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::thread::JoinHandleExt;

    extern "C" fn nothing(_signal: libc::c_int) {}

    #[test]
    fn signals_of_the_host_do_not_make_the_wait_longer() {
        // SAFETY: the handler does nothing, and nothing else here uses the signal.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut());
        }
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let limit = Duration::from_millis(100);
        let waiting = std::thread::spawn(move || {
            let mut patience = Patience::new(limit, None);
            patience.start(Duration::ZERO);
            let received = patience.receive(&ours, &mut ());
            // More than a socket holds, to one that does not read.
            let mut patience = Patience::new(Duration::ZERO, Some(limit));
            patience.start(Duration::ZERO);
            let long = "x".repeat(8 << 20);
            let sent = patience.send(&ours, &long, None);
            (received.err(), sent.err())
        });
        // More often than the limit, and for much longer.
        for _ in 0..4000 {
            if waiting.is_finished() {
                break;
            }
            // SAFETY: the thread was not joined yet.
            unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGURG) };
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(waiting.is_finished(), "it waits on");
        let ends = waiting.join().expect("no panic");
        assert!(matches!(
            ends,
            (Some(Silence::TimeLimit), Some(Silence::Hangs))
        ));
        drop(theirs);
    }
}
