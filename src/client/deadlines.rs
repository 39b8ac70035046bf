//! Deadlines of a request: its time limit, and how long a server may be silent.

use super::listener::Listener;
use crate::protocol::messages::Reply;
use crate::protocol::transport::{self, TransportError};
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Serialize;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How many progress messages are read past the time limit, to find an answer behind them. A socket holds fewer.
const MAX_LATE: u32 = 1000;

pub struct Deadlines {
    /// The time limit; 0: for ever.
    time: Duration,
    /// `None`: for ever, or the time limit has not been started.
    deadline: Option<Instant>,
    /// How long the server may be silent; `None`: for ever.
    idle_timeout: Option<Duration>,
}

/// Why no reply came.
pub enum WaitError {
    /// The time limit was reached.
    TimeLimit,
    /// The server was silent for too long.
    Unresponsive,
    Transport(TransportError),
}

impl From<TransportError> for WaitError {
    fn from(error: TransportError) -> WaitError {
        WaitError::Transport(error)
    }
}

impl Deadlines {
    /// The time limit starts with [`Deadlines::start`].
    pub fn new(time: Duration, idle_timeout: Option<Duration>) -> Deadlines {
        Deadlines {
            time,
            deadline: None,
            idle_timeout,
        }
    }

    /// Starts the time limit. `spent` of it has already passed.
    pub fn start(&mut self, spent: Duration) {
        if !self.time.is_zero() {
            self.deadline = Instant::now().checked_add(self.time.saturating_sub(spent));
        }
    }

    /// The next reply other than progress. Progress does not extend the time limit.
    pub fn receive(
        &self,
        socket: &UnixStream,
        listener: &mut dyn Listener,
    ) -> Result<(Reply, Option<OwnedFd>), WaitError> {
        let mut late = 0;
        loop {
            let rest =
                (self.deadline).map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let is_over = rest.is_some_and(|rest| rest.is_zero());
            let progress = match transport::receive_by(socket, self.next_deadline()) {
                Ok((Reply::Progress(progress), _)) => progress,
                Ok(reply) => return Ok(reply),
                Err(error) => return Err(self.wait_error(error)),
            };
            // Only the newest progress is reported, so that a slow listener does not delay an answer that has arrived.
            let is_newest = !has_more(socket);
            late += u32::from(is_over);
            if is_over && (is_newest || late > MAX_LATE) {
                return Err(WaitError::TimeLimit);
            }
            if is_newest {
                listener.progress(progress);
            }
        }
    }

    /// Sends a message. The server may take as long to read it as to reply.
    pub fn send<T: Serialize>(
        &self,
        socket: &UnixStream,
        message: &T,
        payload: Option<BorrowedFd<'_>>,
    ) -> Result<(), WaitError> {
        transport::send_by(socket, message, payload, self.next_deadline())
            .map_err(|error| self.wait_error(error))
    }

    /// When the server must have done something.
    fn next_deadline(&self) -> Option<Instant> {
        let idle_timeout = self
            .idle_timeout
            .and_then(|idle_timeout| Instant::now().checked_add(idle_timeout));
        self.deadline.into_iter().chain(idle_timeout).min()
    }

    fn wait_error(&self, error: TransportError) -> WaitError {
        match (error.is_timeout(), self.is_over()) {
            (false, _) => WaitError::Transport(error),
            (true, true) => WaitError::TimeLimit,
            (true, false) => WaitError::Unresponsive,
        }
    }

    /// Runs `work`, which the server waits for. Its time does not count.
    pub fn pause<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.deadline =
            (self.deadline).and_then(|deadline| deadline.checked_add(started.elapsed()));
        result
    }

    fn is_over(&self) -> bool {
        match (self.deadline, self.idle_timeout) {
            (Some(deadline), Some(_)) => Instant::now() >= deadline,
            // There was no other deadline.
            (_, idle_timeout) => idle_timeout.is_none(),
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
    use std::sync::mpsc::{RecvTimeoutError, channel};

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
        let (tell, ended) = channel::<()>();
        let waiting = std::thread::spawn(move || {
            // Its end is told by what it drops.
            let _tell = tell;
            let mut deadlines = Deadlines::new(limit, None);
            deadlines.start(Duration::ZERO);
            let received = deadlines.receive(&ours, &mut ());
            // More than a socket holds, to one that does not read.
            let mut deadlines = Deadlines::new(Duration::ZERO, Some(limit));
            deadlines.start(Duration::ZERO);
            let long = "x".repeat(8 << 20);
            let sent = deadlines.send(&ours, &long, None);
            (received.err(), sent.err())
        });
        // Signals come more often than the limit, and for much longer.
        let pause = Duration::from_millis(5);
        let waits_on = (0..4000).all(|_| {
            // SAFETY: the thread was not joined yet.
            unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGURG) };
            ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
        });
        assert!(!waits_on, "it waits on");
        let ends = waiting.join().expect("no panic");
        assert!(matches!(
            ends,
            (Some(WaitError::TimeLimit), Some(WaitError::Unresponsive))
        ));
        drop(theirs);
    }
}
