//! Takes in what a program writes, while it waits for how the program ends.

use crate::error::reason;
use crate::protocol::isolated::{Ended, Failure, Missing, Reply};
use crate::protocol::transport;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How much is read at once.
const CHUNK_LEN: usize = 64 << 10;

/// What was said of a run, and what it wrote.
#[derive(Default)]
pub struct Captured {
    pub ready: Option<(Vec<u64>, Missing)>,
    pub failure: Option<Failure>,
    pub ended: Option<Ended>,
    pub output: [Vec<u8>; 2],
    /// It wrote more than it may, and was stopped.
    pub too_much: bool,
    /// Its time was up here, and it was stopped.
    pub is_late: bool,
}

/// Follows a run to its end. `pipes`: of standard output and standard error, if they are kept, and not blocking. `most`: bytes of
/// both, 0 for no limit. `limit`: how long it may take from now on, if that is not the monitor's to watch.
pub fn follow(
    socket: &UnixStream,
    mut pipes: [Option<OwnedFd>; 2],
    most: u64,
    limit: Option<Duration>,
) -> io::Result<Captured> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut captured = Captured::default();
    let mut chunk = vec![0; CHUNK_LEN];
    let mut is_killed = false;
    while captured.ended.is_none() {
        let mut polled = vec![PollFd::new(socket, PollFlags::IN)];
        // What is too much is not read: the pipe stays as it is until the program was killed.
        let is_read = |at: &usize| pipes[*at].is_some() && !captured.too_much;
        let open: Vec<usize> = (0..2).filter(is_read).collect();
        let watched = open.iter().filter_map(|at| pipes[*at].as_ref());
        polled.extend(watched.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let rest = deadline
            .filter(|_| !is_killed)
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = rest.and_then(|rest| Timespec::try_from(rest).ok());
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let is_ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (place, at) in open.into_iter().enumerate() {
            if is_ready[place + 1] {
                captured.read(&mut pipes[at], at, most, &mut chunk)?;
            }
        }
        captured.is_late |= rest.is_some_and(|rest| rest.is_zero());
        if (captured.too_much || captured.is_late) && !is_killed {
            // It is killed, and its end is told as any other.
            is_killed = true;
            let _ = socket.shutdown(Shutdown::Write);
        }
        if is_ready[0] {
            let (reply, _) = transport::receive::<Reply>(socket)
                .map_err(|error| io::Error::other(error.to_string()))?;
            match reply {
                Reply::Ready { bases, missing } => captured.ready = Some((bases, missing)),
                Reply::Failed(failure) => captured.failure = Some(failure),
                Reply::Ended(ended) => captured.ended = Some(ended),
            }
        }
    }
    // What it wrote last. Nobody writes any more.
    for (at, pipe) in pipes.iter_mut().enumerate() {
        captured.read(pipe, at, most, &mut chunk)?;
    }
    Ok(captured)
}

impl Captured {
    /// Reads what is there now, and closes the pipe at its end.
    fn read(
        &mut self,
        pipe: &mut Option<OwnedFd>,
        at: usize,
        most: u64,
        chunk: &mut [u8],
    ) -> io::Result<()> {
        while let Some(open) = &*pipe
            && !self.too_much
        {
            match rustix::io::read(open, &mut *chunk) {
                Ok(0) => *pipe = None,
                Ok(count) => {
                    let kept: usize = self.output.iter().map(Vec::len).sum();
                    let room = match most {
                        0 => usize::MAX,
                        most => (most as usize).saturating_sub(kept),
                    };
                    let into = &mut self.output[at];
                    into.try_reserve(count.min(room)).map_err(|_| {
                        io::Error::new(io::ErrorKind::OutOfMemory, "its output takes too much")
                    })?;
                    into.extend_from_slice(&chunk[..count.min(room)]);
                    self.too_much = count > room;
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// What a run's connection said last, in words.
pub fn lost(error: &io::Error) -> String {
    format!("the runner was lost: {}", reason(error))
}
