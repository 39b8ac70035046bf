//! How long a reply is waited for.

use super::client::Listener;
use super::protocol::Reply;
use super::transport::{self, TransportError};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io;
use std::os::fd::OwnedFd;
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

    /// Lets the time run, if it does not run yet.
    pub fn start(&mut self) {
        if self.deadline.is_none() && !self.time.is_zero() {
            self.deadline = Instant::now().checked_add(self.time);
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
            let wait = rest.into_iter().chain(self.silence).min();
            // 0 would be for ever.
            let wait = wait.map(|wait| wait.max(Duration::from_millis(1)));
            socket
                .set_read_timeout(wait)
                .map_err(TransportError::from)?;
            let progress = match transport::receive(socket) {
                Ok((Reply::Progress(progress), _)) => progress,
                Ok(reply) => return Ok(reply),
                Err(error) if is_timeout(&error) => {
                    return Err(match self.is_over() {
                        true => Silence::TimeLimit,
                        false => Silence::Hangs,
                    });
                }
                Err(error) => return Err(error.into()),
            };
            // Whoever listens slowly hears the newest alone, and does not hold up the answer that is there already.
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

pub fn is_timeout(error: &TransportError) -> bool {
    match error {
        TransportError::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ),
        _ => false,
    }
}
