//! The process of one program: reads what it is to run, gives up what the program may not have, and runs it.

use super::fault::Page;
use super::{access, namespace};
use mgenjit::arch::call::run_at_bottom;
use mgenjit::isolating::{Channel, Program, share};
use mgenjit::protocol::isolated::{self, Failure, Limits, Missing, Part, Reply};
use mgenjit::protocol::transport::{self, TransportError};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, Signal};
use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

unsafe extern "C" {
    static mut environ: *const *const c_char;
}

/// The status of a program that could not be linked after all.
const CANNOT_RUN: i32 = 126;

/// What the process begins with.
pub struct Child<'a> {
    pub socket: UnixStream,
    pub program: &'a Program,
    pub page: &'a Page,
    /// It is to make calls, by this.
    pub channel: Option<Channel>,
    /// The process that started it.
    pub monitor: u32,
}

impl Child<'_> {
    /// Runs the program. The process ends here.
    pub fn run(mut self) -> ! {
        unsafe extern "C-unwind" fn begin(child: *mut c_void) -> ! {
            // SAFETY: `run` passes a child that outlives the process's use of it.
            let child = unsafe { &mut *child.cast::<Child<'_>>() };
            child.begin()
        }
        // SAFETY: as above.
        unsafe { run_at_bottom(begin, (&raw mut self).cast()) }
    }

    fn begin(&mut self) -> ! {
        // Whatever ends the monitor ends this, too, until the program changes that.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        if rustix::process::getppid().map(|pid| pid.as_raw_pid().cast_unsigned())
            != Some(self.monitor)
        {
            give_up();
        }
        let _ = rustix::process::setsid();
        self.close_others();
        let prepared = match self.prepare() {
            Ok(Some(prepared)) => prepared,
            // The host has given it up.
            Ok(None) => give_up(),
            Err(failure) => {
                let _ = transport::send(&self.socket, &Reply::Failed(failure), None);
                give_up()
            }
        };
        if prepared.waits && !matches!(transport::receive(&self.socket), Ok((Part::Go, None))) {
            give_up();
        }
        let (bases, missing) = (prepared.bases, prepared.missing);
        if transport::send(&self.socket, &Reply::Ready { bases, missing }, None).is_err() {
            give_up();
        }
        // From here on the program can do what it may. Nothing that speaks for this library is open.
        close_from(3);
        if let Some(channel) = self.channel.take() {
            self.program.serve(channel);
        }
        let arguments: Vec<&CStr> = prepared.arguments.iter().map(CString::as_c_str).collect();
        let main = self.program.prepare(&arguments).unwrap_or_else(|failure| {
            eprintln!("{}", failure.message);
            // SAFETY: it has no precondition.
            unsafe { libc::exit(CANNOT_RUN) }
        });
        let status = main.run();
        // SAFETY: it runs the program's handlers, as its return from `main` would.
        unsafe { libc::exit(status) }
    }

    /// Closes what the monitor has open for itself and for other runs.
    fn close_others(&self) {
        let own = self.socket.as_raw_fd().cast_unsigned();
        let close = |first: u32, last: u32| {
            if first <= last {
                // SAFETY: nothing in this process uses those descriptors any more.
                unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            }
        };
        close(3, own - 1);
        close(own + 1, u32::MAX);
    }

    /// Reads and maps everything, and takes away what the program may not have. `None`: the host has gone.
    fn prepare(&self) -> Result<Option<Prepared>, Failure> {
        let mut program = isolated::Program::default();
        let mut bases = Vec::new();
        let mut streams = [const { None }; 3];
        let waits = loop {
            let (part, file) = match transport::receive::<Part>(&self.socket) {
                Ok(received) => received,
                Err(TransportError::Closed) => return Ok(None),
                Err(error) => {
                    return Err(Failure::io(format!(
                        "the runner was told nonsense: {error}"
                    )));
                }
            };
            match part {
                Part::Go | Part::Wait if self.channel.is_none() => {
                    self.program.check_main()?;
                    break part == Part::Wait;
                }
                Part::Serve if self.channel.is_some() => break false,
                Part::Go | Part::Wait | Part::Serve | Part::Page => return Err(nonsense()),
                Part::Shared { address, len } => share(&needed(file)?, address, len)?,
                Part::Program(given) => {
                    program = *given;
                    if program.replaceable {
                        self.program.set_replaceable();
                    }
                    for library in &program.libraries {
                        self.program.load_library(library)?;
                    }
                }
                Part::Module {
                    name,
                    manifest,
                    len,
                    at,
                } => {
                    let file = File::from(needed(file)?);
                    let base = self.program.add(&name, manifest, &file, len, at)?;
                    bases.push(base);
                }
                Part::Stream(number) => {
                    let place = streams.get_mut(usize::from(number));
                    *place.ok_or_else(nonsense)? = Some(needed(file)?);
                }
            }
        };
        let arguments = strings(program.arguments)?;
        set_environment(strings(program.environment)?);
        let directory = match program.directory.as_slice() {
            b"" => Path::new("/"),
            directory => Path::new(OsStr::from_bytes(directory)),
        };
        rustix::process::chdir(directory).map_err(|error| {
            let directory = directory.display();
            Failure::io(format!(
                "the program cannot run in the folder {directory}: {error}"
            ))
        })?;
        set_streams(&streams);
        drop(streams);
        reset_signals();
        let limited = program.limits.memory != 0;
        let process = std::process::id();
        limit(program.limits);
        self.page.watch(program.limits.memory);
        let processes = program.limits.processes;
        let several = processes > 1;
        let missing = access::restrict(&program.access, limited, process, several)?;
        if several {
            if missing.calls {
                return Err(Failure::unsupported(
                    "a program of several processes needs a filter of system calls (seccomp), which this kernel lacks".to_owned(),
                ));
            }
            namespace::limit(processes)?;
        }
        if program.require && missing != Missing::default() {
            let what = match missing {
                Missing { calls: true, .. } => "system calls cannot be filtered (seccomp)",
                Missing { .. } => "access to files cannot be restricted (Landlock)",
            };
            return Err(Failure::unsupported(format!(
                "the program was not run, because this kernel lacks something that was required: {what}"
            )));
        }
        Ok(Some(Prepared {
            arguments,
            bases,
            missing,
            waits,
        }))
    }
}

struct Prepared {
    arguments: Vec<CString>,
    bases: Vec<u64>,
    missing: Missing,
    /// It was made ahead of need, and is told when to begin.
    waits: bool,
}

/// Ends the process before it has begun.
fn give_up() -> ! {
    // SAFETY: it has no precondition.
    unsafe { libc::_exit(1) }
}

fn nonsense() -> Failure {
    Failure::invalid("the runner was told nonsense".to_owned())
}

fn needed(file: Option<OwnedFd>) -> Result<OwnedFd, Failure> {
    file.ok_or_else(nonsense)
}

fn strings(texts: Vec<Vec<u8>>) -> Result<Vec<CString>, Failure> {
    texts
        .into_iter()
        .map(|text| CString::new(text).map_err(|_| nonsense()))
        .collect()
}

fn set_environment(variables: Vec<CString>) {
    let mut pointers: Vec<*const c_char> = Vec::with_capacity(variables.len() + 1);
    // They live as long as the process.
    pointers.extend(variables.leak().iter().map(|variable| variable.as_ptr()));
    pointers.push(std::ptr::null());
    // SAFETY: this is the only thread. The C library copies the array before it changes it.
    unsafe { environ = pointers.leak().as_ptr() };
}

/// Puts the streams where the program finds them; /dev/null where there is none.
fn set_streams(streams: &[Option<OwnedFd>; 3]) {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok();
    for (number, stream) in (0..).zip(streams) {
        match stream.as_ref().or(null.as_ref()) {
            // SAFETY: the streams of this process are the program's from now on.
            Some(stream) => unsafe { libc::dup2(stream.as_raw_fd(), number) },
            // SAFETY: as above.
            None => unsafe { libc::close(number) },
        };
    }
}

/// What the runner ignores, the program does not.
fn reset_signals() {
    for signal in [libc::SIGXFSZ, libc::SIGPIPE] {
        // SAFETY: no handler of ours runs.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

fn limit(limits: Limits) {
    let set = |resource, most: u64| {
        let now = rustix::process::getrlimit(resource);
        let most = now.maximum.map_or(most, |maximum| maximum.min(most));
        let both = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        let _ = rustix::process::setrlimit(resource, both);
    };
    // All processes of a user have these together: the program leaves an eighth of them to others.
    for resource in [Resource::Nproc, Resource::Sigpending] {
        if let Some(all) = rustix::process::getrlimit(resource).maximum {
            set(resource, all - all / 8);
        }
    }
    if limits.files != 0 {
        set(Resource::Nofile, limits.files);
    }
    if limits.file != 0 {
        set(Resource::Fsize, limits.file);
    }
    if limits.cpu != 0 {
        set(Resource::Cpu, limits.cpu);
    }
    if limits.memory != 0 {
        set(Resource::As, size().saturating_add(limits.memory));
    }
}

/// The address space that this process has now.
fn size() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').next().and_then(|pages| pages.parse().ok());
    pages.map_or(USUAL_SIZE, |pages: u64| {
        pages * rustix::param::page_size() as u64
    })
}

/// Where there is no /proc.
const USUAL_SIZE: u64 = 32 << 20;

fn close_from(first: u32) {
    // SAFETY: nothing in this process uses those descriptors any more.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}
