//! The monitor: starts a process for each run, ends it when its time is up or nobody wants it any more, and tells how it ended.
//!
//! Architecture Invariant: it runs no code of a program, reads nothing that a program wrote but the numbers in its page, and waits
//! for nobody but in `poll`. When its host has ended, so has every program.

use super::child::Child;
use super::fault::Page;
use super::namespace;
use super::process::Process;
use mgenjit::isolating::{Channel, Program};
use mgenjit::protocol::isolated::{Begin, Ended, Failure, Limit, Part, Reply};
use mgenjit::protocol::messages::Hello;
use mgenjit::protocol::transport::{self, TransportError};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How often processor time is looked at, at most.
const SHORTEST: Duration = Duration::from_millis(1);

/// A program that runs.
struct Run {
    process: Process,
    socket: UnixStream,
    page: Page,
    /// Where its host waits for the answers of calls.
    channel: Option<Channel>,
    /// Where the first process of several tells how the program ended.
    told: Option<OwnedFd>,
    began: Instant,
    wall: Option<Duration>,
    cpu: Option<Duration>,
    is_killed: bool,
    /// Why it was killed, if that was a limit.
    limit: Option<Limit>,
}

/// `host`: a pidfd.
pub fn serve(socket: &UnixStream, host: Option<&OwnedFd>) -> Result<(), String> {
    match transport::receive::<Hello>(socket) {
        Ok(_) => {}
        Err(TransportError::Closed) => return Ok(()),
        Err(error) => return Err(format!("no greeting came: {error}")),
    }
    transport::send(socket, &Hello::ours(), None)
        .map_err(|error| format!("the greeting could not be sent: {error}"))?;
    // No program may look into this process.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let program = Program::new();
    let mut runs: Vec<Run> = Vec::new();
    let mut is_open = true;
    // Forked children of the host may hold its connections open, and programs may hold nothing.
    while is_open || !runs.is_empty() {
        let ready = poll(is_open.then_some(socket), host, &runs)?;
        if ready.host {
            break;
        }
        let mut states = ready.runs.into_iter();
        runs.retain_mut(|run| {
            let state = states.next().unwrap_or_default();
            match state.has_ended {
                true => run.tell(),
                false => run.check(state.is_given_up),
            }
            !state.has_ended
        });
        if ready.socket {
            match transport::receive::<Begin>(socket) {
                Ok((wanted, Some(own))) => {
                    runs.extend(begin(&program, wanted, UnixStream::from(own)));
                }
                Ok((_, None)) => {}
                Err(_) => is_open = false,
            }
        }
    }
    for run in &runs {
        run.process.kill();
    }
    Ok(())
}

/// Starts a program. `None`: it cannot be, and whoever wants it was told.
fn begin(program: &Program, wanted: Begin, socket: UnixStream) -> Option<Run> {
    let monitor = match wanted.several {
        true => namespace::FIRST,
        false => std::process::id(),
    };
    let failed = |error| Failure::io(format!("no process can be started: {error}"));
    let started = || -> Result<_, Failure> {
        let channel = wanted.calls.then(|| channel(&socket)).transpose();
        let channel = channel.map_err(failed)?;
        let page = Page::new().map_err(failed)?;
        let process = match wanted.several {
            true => namespace::fork(&socket)
                .map_err(|error| namespace::refused(&error))?
                .map(|(process, told)| (process, Some(told))),
            false => Process::fork()
                .map_err(failed)?
                .map(|process| (process, None)),
        };
        Ok((process, page, channel))
    };
    let ((process, told), page, channel) = match started() {
        Ok((Some(process), page, channel)) => (process, page, channel),
        Ok((None, page, channel)) => {
            let child = Child {
                socket,
                program,
                page: &page,
                channel,
                monitor,
            };
            child.run()
        }
        Err(failure) => {
            let _ = transport::send_if_room(&socket, &Reply::Failed(failure));
            let _ = transport::send_if_room(&socket, &Reply::Ended(Ended::default()));
            return None;
        }
    };
    // Programs that begin later see nothing of this one's.
    page.keep();
    if let Some(channel) = &channel {
        channel.keep();
    }
    let millis = |millis| (millis != 0).then(|| Duration::from_millis(millis));
    Some(Run {
        process,
        socket,
        page,
        channel,
        told,
        began: Instant::now(),
        wall: millis(wanted.wall),
        // Of several processes, the kernel limits each.
        cpu: millis(wanted.cpu).filter(|_| !wanted.several),
        is_killed: false,
        limit: None,
    })
}

/// The page of a run that makes calls. Its host has sent it before the monitor heard of the run.
fn channel(socket: &UnixStream) -> io::Result<Channel> {
    let now = Some(Instant::now());
    match transport::receive_by::<Part>(socket, now) {
        Ok((Part::Page, Some(file))) => Channel::map(&file),
        _ => Err(io::Error::other("no page for calls came with it")),
    }
}

impl Run {
    /// Kills it if its time is up, or if it is given up.
    fn check(&mut self, is_given_up: bool) {
        let over =
            |time: Duration, limit: Option<Duration>| limit.is_some_and(|limit| time >= limit);
        let limit = if over(self.began.elapsed(), self.wall) {
            Some(Limit::Wall)
        } else if self.cpu.is_some() && over(self.process.used().unwrap_or_default(), self.cpu) {
            Some(Limit::Cpu)
        } else {
            None
        };
        if !self.is_killed && (is_given_up || limit.is_some()) {
            self.process.kill();
            self.is_killed = true;
            self.limit = limit;
        }
    }

    /// When to check again; `None`: when something happens.
    fn next_check(&self) -> Option<Duration> {
        if self.is_killed {
            return None;
        }
        let wall = (self.wall).map(|wall| wall.saturating_sub(self.began.elapsed()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        // No sooner can all of its threads together use up what is left.
        let cpu = self.cpu.map(|cpu| {
            let left = cpu.saturating_sub(self.process.used().unwrap_or_default());
            (left / cores).max(SHORTEST)
        });
        wall.into_iter().chain(cpu).min()
    }

    /// Tells how it ended.
    fn tell(&mut self) {
        let (status, usage) = self.process.reap();
        let status = (self.told.as_ref().and_then(namespace::status)).unwrap_or(status);
        let wall = self.began.elapsed();
        let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
        let (user, system) = (micros(usage.ru_utime), micros(usage.ru_stime));
        let (fault, is_exhausted) = self.page.read();
        let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
        let used = Duration::from_micros(user + system);
        let limit = match signal {
            Some(libc::SIGKILL) if self.limit.is_some() => self.limit,
            Some(libc::SIGXCPU) => Some(Limit::Cpu),
            Some(libc::SIGKILL) if self.cpu.is_some_and(|cpu| used >= cpu) => Some(Limit::Cpu),
            Some(libc::SIGXFSZ) => Some(Limit::File),
            Some(_) if is_exhausted => Some(Limit::Memory),
            _ => None,
        };
        let ended = Ended {
            status,
            limit,
            user,
            system,
            wall: wall.as_micros() as u64,
            memory: usage.ru_maxrss as u64 * 1024,
            fault: fault.filter(|fault| Some(fault.signal) == signal),
        };
        // Whoever has gone does not want it.
        let _ = transport::send_if_room(&self.socket, &Reply::Ended(ended));
        if let Some(channel) = &self.channel {
            channel.end();
        }
    }
}

/// What has happened.
struct Ready {
    host: bool,
    socket: bool,
    runs: Vec<State>,
}

#[derive(Default)]
struct State {
    has_ended: bool,
    is_given_up: bool,
}

fn poll(
    socket: Option<&UnixStream>,
    host: Option<&OwnedFd>,
    runs: &[Run],
) -> Result<Ready, String> {
    let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(2 + 2 * runs.len());
    let watch = PollFd::from_borrowed_fd;
    for run in runs {
        polled.push(watch(run.process.pidfd.as_fd(), PollFlags::IN));
        // Once is enough.
        let given_up = match run.is_killed {
            true => run.process.pidfd.as_fd(),
            false => run.socket.as_fd(),
        };
        polled.push(watch(given_up, PollFlags::RDHUP));
    }
    polled.extend(host.map(|host| watch(host.as_fd(), PollFlags::IN)));
    polled.extend(socket.map(|socket| watch(socket.as_fd(), PollFlags::IN)));
    let timeout = runs.iter().filter_map(Run::next_check).min();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(format!("the programs cannot be watched: {error}")),
    }
    let mut happened = polled.iter().map(|fd| !fd.revents().is_empty());
    let mut next = || happened.next().unwrap_or(false);
    let runs = runs
        .iter()
        .map(|_| State {
            has_ended: next(),
            is_given_up: next(),
        })
        .collect();
    Ok(Ready {
        runs,
        host: host.is_some() && next(),
        socket: socket.is_some() && next(),
    })
}
