//! One process that compiles: how it is started, and what it is given first.

use super::connection::{Connection, Frame};
use super::usage::Usage;
use mgenjit::cpu::Cpu;
use mgenjit::protocol::last_words;
use mgenjit::protocol::messages::{Cause, CompileRequest, Hello, Request, Step};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport::TransportError;
use mgenjit::types::{Emit, Input, OptLevel, Target};
use rustix::event::epoll::EventFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

pub struct Worker {
    pub connection: Connection,
    pub child: Child,
    /// Its standard error.
    pub words: File,
    /// What is waited for from it.
    pub interest: EventFlags,
    /// What it has taken of the processor.
    pub usage: Usage,
}

/// A worker that has ended or was killed, and is still to be waited for.
pub struct Dying {
    pub id: u64,
    pub child: Child,
    pub words: File,
    pub cause: Cause,
}

impl Dying {
    /// Ends a worker.
    pub fn new(id: u64, worker: Worker, cause: Cause) -> Dying {
        let Worker {
            mut child, words, ..
        } = worker;
        // It may have ended by itself, which is what is then told.
        let _ = child.kill();
        Dying {
            id,
            child,
            words,
            cause,
        }
    }
}

/// What a worker compiles first.
const WARM_UP: &str = include_str!("warm_up.ll");

impl Worker {
    /// What it has taken of the processor until now, from where its next job is counted.
    pub fn usage_now(&self) -> Usage {
        Usage::new(Instant::now(), self.processor_time().unwrap_or_default())
    }

    pub fn processor_time(&self) -> Option<Duration> {
        processor_time(self.child.id())
    }

    /// Bytes that it has in memory.
    pub fn memory(&self) -> u64 {
        resident(&self.child.id().to_string())
    }

    pub fn start(library_path: Option<&OsStr>) -> io::Result<Worker> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let words = last_words::file()?;
        // Also after another build was installed in its place.
        let this = Path::new("/proc/self/exe");
        let program = match this.exists() {
            true => this.to_owned(),
            false => std::env::args_os()
                .next()
                .map(PathBuf::from)
                .unwrap_or_default(),
        };
        let child = Command::new(program)
            .arg0("mgenjit-server")
            .stdin(Stdio::from(theirs))
            // There may be no /dev/null.
            .stdout(Stdio::from(words.try_clone()?))
            .stderr(Stdio::from(words.try_clone()?))
            .envs(library_path.map(|path| ("LD_LIBRARY_PATH", path)))
            .spawn()?;
        let mut connection = Connection::new(ours);
        let hello = Frame::new(&Hello::ours(), None).map_err(io::Error::other)?;
        // One that has ended already is noticed as every other.
        let _ = connection.send(hello);
        Ok(Worker {
            connection,
            usage: Usage::new(
                Instant::now(),
                processor_time(child.id()).unwrap_or_default(),
            ),
            child,
            words,
            interest: EventFlags::IN,
        })
    }
}

/// Bytes that a process has in memory; 0 where there is no /proc.
pub fn resident(process: &str) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages: Option<u64> = statm.split(' ').nth(1).and_then(|field| field.parse().ok());
    pages.unwrap_or_default() * rustix::param::page_size() as u64
}

/// Processor time that a child has taken, of all its threads.
fn processor_time(process: u32) -> Option<Duration> {
    let process = libc::pid_t::try_from(process).ok()?;
    // SAFETY: the clock and the time are written before they are read; all zeros is valid.
    let time = unsafe {
        let mut clock = 0;
        let mut time: libc::timespec = std::mem::zeroed();
        let known = libc::clock_getcpuclockid(process, &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0;
        known.then_some(time)?
    };
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).ok()?);
    Some(seconds + Duration::from_nanos(u64::try_from(time.tv_nsec).ok()?))
}

/// The request that warms a worker up.
pub fn warm_up() -> Result<Frame, TransportError> {
    let request = Request::Compile(CompileRequest {
        name: "warm-up".to_owned(),
        key: [0; 32],
        opt_level: OptLevel::O2,
        target: Target::Host(Cpu::native()),
        identify: false,
        progress: false,
        inputs: vec![Input {
            name: "warm-up".to_owned(),
            len: WARM_UP.len() as u64,
        }],
        keep: None,
        emit: Emit::Code,
        step: Step::Whole,
        replaceable: false,
        switchable: false,
        max_memory: 0,
    });
    let payload = payload::seal(&[WARM_UP.as_bytes()])?;
    Frame::new(&request, Some(Rc::new(payload)))
}
