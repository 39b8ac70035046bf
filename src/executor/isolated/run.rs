//! Starts a process that has an executor's modules, and tells how it ended.

use super::capture::Captured;
use super::options::{Options, Stream};
use crate::cache::entry::Entry;
use crate::client::{locate, runner};
use crate::debug::symbolize;
use crate::error::{Error, Status, reason};
use crate::executor::core::Executor;
use crate::executor::info::ModuleInfo;
use crate::executor::state::{Loaded, State};
use crate::image::Image;
use crate::outcome::{End, Fault, Limit, Outcome};
use crate::protocol::isolated::{self, Begin, Ended, Part, Program};
use crate::protocol::payload;
use crate::protocol::transport;
use rustix::fs::{MemfdFlags, OFlags, SeekFrom};
use rustix::pipe::{PipeFlags, pipe_with};
use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A module as the host has it.
#[derive(Clone)]
pub struct Held {
    pub info: Arc<ModuleInfo>,
    pub image: Arc<Image>,
}

impl Held {
    pub fn is(&self, other: &Held) -> bool {
        Arc::ptr_eq(&self.image, &other.image)
    }
}

/// A process that was told everything but what to do.
pub struct Begun {
    pub socket: UnixStream,
    pub held: Vec<Held>,
    /// How many libraries it loads.
    pub libraries: usize,
    /// Where what is kept of its output is read: pipes of a program, files of calls.
    pub outputs: [Option<OwnedFd>; 2],
}

impl Begun {
    /// It has ended by itself, if nobody listens: then its reply tells why.
    pub fn send(&self, part: &Part, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        ignore_end(send(&self.socket, part, file))
    }

    /// Whether that is what it has.
    pub fn has(&self, present: &Present) -> bool {
        let modules = &present.modules;
        self.libraries == present.libraries
            && self.held.len() == modules.len()
            && self
                .held
                .iter()
                .zip(modules)
                .all(|(one, other)| one.is(other))
    }
}

fn ignore_end(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.status == Status::ServerCrashed => Ok(()),
        result => result,
    }
}

fn present(state: &State) -> Vec<Held> {
    let is_present = |module: &&Loaded| !module.removed && !module.replaced;
    let held = |module: &Loaded| Held {
        info: module.info.clone(),
        image: module.image.clone(),
    };
    state.modules().filter(is_present).map(held).collect()
}

/// What an executor has now.
pub struct Present {
    pub modules: Vec<Held>,
    pub libraries: usize,
}

impl Executor {
    pub(super) fn present(&self) -> Present {
        let state = self.lock();
        Present {
            modules: present(&state),
            libraries: state.libraries.len(),
        }
    }

    /// Whether a module was replaced by a newer version that is there.
    pub(super) fn is_replaced(&self, held: &Held) -> bool {
        let state = self.lock();
        let is_it = |module: &Loaded| module.replaced && Arc::ptr_eq(&module.image, &held.image);
        state.modules().any(is_it)
    }

    /// Starts a process, and hands it the modules. `page`: it is to make calls, by this.
    pub(super) fn begin_isolated(
        &self,
        options: &Options,
        wall: Duration,
        page: Option<BorrowedFd<'_>>,
    ) -> Result<Begun, Error> {
        self.check_cpu()?;
        let several = options.processes > 1;
        if several && page.is_some() {
            return Err(Error::new(
                Status::InvalidArgument,
                "an isolate has one process: mgenjit_isolation_set_processes is for mgenjit_executor_run_isolated",
            ));
        }
        let (held, libraries) = {
            let state = self.lock();
            let paths = state.libraries.iter().map(|library| library.path());
            let paths: Vec<String> = paths.map(str::to_owned).collect();
            (present(&state), paths)
        };
        let library_count = libraries.len();
        let begin = Begin {
            wall: millis(wall),
            cpu: millis(options.cpu),
            calls: page.is_some(),
            several,
        };
        let configured = self.config().server_path.as_deref();
        let socket = runner::begin(&begin, page, || {
            locate::helper(configured, "run programs in processes of their own")
        })?;
        let limits = isolated::Limits {
            // They share it equally, so that all together stay below.
            memory: match options.memory {
                0 => 0,
                memory => (memory / options.processes.max(1)).max(1),
            },
            processes: options.processes,
            file: options.output,
            files: options.files,
            // Behind the monitor's, which is exact, where there is one process.
            cpu: millis(options.cpu)
                .div_ceil(1000)
                .saturating_add(u64::from(!options.cpu.is_zero() && !several)),
        };
        let (streams, outputs) = streams(&options.streams, page.is_some())?;
        let program = Program {
            arguments: options.arguments.clone(),
            environment: options.environment.clone(),
            directory: options.directory.clone(),
            libraries,
            access: options.access.clone(),
            limits,
            replaceable: self.config().replaceable,
            require: options.require,
        };
        let sent = send(&socket, &Part::Program(Box::new(program)), None)
            .and_then(|()| self.send_modules(&socket, &held))
            .and_then(|()| send_streams(&socket, &streams));
        ignore_end(sent)?;
        // The other ends of the pipes are the program's alone from here on.
        Ok(Begun {
            socket,
            held,
            libraries: library_count,
            outputs,
        })
    }

    fn send_modules(&self, socket: &UnixStream, held: &[Held]) -> Result<(), Error> {
        for Held { info, .. } in held {
            let part = |len: u64, at| Part::Module {
                name: info.name().to_owned(),
                manifest: info.manifest.bytes().to_vec(),
                len,
                at,
            };
            let copied = |image: &[u8]| {
                let sealed = payload::seal(&[image]).map_err(|error| {
                    let why = reason(&error);
                    let what = format!("{} cannot be handed to the runner: {why}", info.name());
                    Error::new(Status::Io, what)
                })?;
                let part = part(image.len() as u64, None);
                send(socket, &part, Some(sealed.as_fd()))
            };
            match self.bytes(info)? {
                Bytes::Attached(image) => copied(image)?,
                Bytes::Kept(entry) => match &entry.copy {
                    Some(image) => copied(image)?,
                    None => {
                        let part = part(entry.tail.image_len, Some(entry.part.at));
                        send(socket, &part, Some(entry.part.file.as_fd()))?;
                    }
                },
            }
        }
        Ok(())
    }

    /// All bytes of a module's image.
    pub(super) fn image_bytes<'a>(&self, info: &'a ModuleInfo) -> Result<Cow<'a, [u8]>, Error> {
        let entry = match self.bytes(info)? {
            Bytes::Attached(image) => return Ok(Cow::Borrowed(image)),
            Bytes::Kept(entry) => entry,
        };
        if let Some(image) = &entry.copy {
            return Ok(Cow::Owned(image.clone()));
        }
        let mut image = vec![0; entry.tail.image_len as usize];
        let read = entry.part.file.read_exact_at(&mut image, entry.part.at);
        read.map_err(|error| {
            let why = reason(&error);
            Error::new(Status::Io, format!("{} cannot be read: {why}", info.name()))
        })?;
        Ok(Cow::Owned(image))
    }

    fn bytes<'a>(&self, info: &'a ModuleInfo) -> Result<Bytes<'a>, Error> {
        match &info.attachments {
            Some(attachments) => Ok(Bytes::Attached(&attachments.image)),
            None => self.kept_entry(info).map(Bytes::Kept),
        }
    }
}

/// Where an image's bytes are.
enum Bytes<'a> {
    Attached(&'a [u8]),
    Kept(Box<Entry>),
}

fn send(socket: &UnixStream, part: &Part, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
    transport::send(socket, part, file).map_err(|error| {
        // The process may have ended in the middle.
        let status = match error.is_end() {
            true => Status::ServerCrashed,
            false => Status::Io,
        };
        Error::new(
            status,
            format!("a program cannot be handed to the runner: {error}"),
        )
    })
}

fn send_streams(socket: &UnixStream, streams: &[Option<Given<'_>>; 3]) -> Result<(), Error> {
    for (number, stream) in (0..).zip(streams) {
        if let Some(stream) = stream {
            send(socket, &Part::Stream(number), Some(stream.as_fd()))?;
        }
    }
    Ok(())
}

/// What a stream becomes.
enum Given<'a> {
    Made(OwnedFd),
    Caller(&'a OwnedFd),
}

impl AsFd for Given<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Given::Made(descriptor) => descriptor.as_fd(),
            Given::Caller(descriptor) => descriptor.as_fd(),
        }
    }
}

/// What the program gets, and where what is kept of it is read.
type Streams<'a> = ([Option<Given<'a>>; 3], [Option<OwnedFd>; 2]);

/// `is_for_calls`: what is written is kept in files, because nobody reads while no call is made.
fn streams(streams: &[Stream; 3], is_for_calls: bool) -> Result<Streams<'_>, Error> {
    let failed = |error: std::io::Error| {
        let why = reason(&error);
        Error::new(
            Status::Io,
            format!("a program's streams cannot be made: {why}"),
        )
    };
    let mut theirs = [const { None }; 3];
    let mut ours = [const { None }; 2];
    for (number, stream) in streams.iter().enumerate() {
        theirs[number] = match stream {
            Stream::None => None,
            Stream::Descriptor(descriptor) => Some(Given::Caller(descriptor)),
            Stream::Memory(bytes) if number == 0 => {
                Some(Given::Made(input(bytes).map_err(failed)?))
            }
            Stream::Memory(_) if is_for_calls => {
                let file = output().map_err(failed)?;
                ours[number - 1] = Some(file.try_clone().map_err(failed)?);
                Some(Given::Made(file))
            }
            Stream::Memory(_) => {
                let (reader, writer) =
                    pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
                rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK)
                    .map_err(|error| failed(error.into()))?;
                ours[number - 1] = Some(reader);
                Some(Given::Made(writer))
            }
        };
    }
    Ok((theirs, ours))
}

/// A file that is read from its start, and written by nobody.
fn input(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let sealed = payload::seal(&[bytes])?;
    rustix::fs::seek(&sealed, SeekFrom::Start(0))?;
    Ok(sealed)
}

/// A file to whose end is written.
fn output() -> std::io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("mgenjit-output", MemfdFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND | OFlags::RDWR)?;
    Ok(file)
}

fn millis(time: Duration) -> u64 {
    match u64::try_from(time.as_millis()) {
        // As short as can be, and not for ever.
        Ok(0) => u64::from(!time.is_zero()),
        Ok(millis) => millis,
        Err(_) => 0,
    }
}

pub fn outcome(captured: Captured, held: &[Option<Held>]) -> Result<Outcome, Error> {
    if let Some(failure) = captured.failure {
        return Err(failure.into());
    }
    let ended = captured.ended.unwrap_or_default();
    let Some((bases, missing)) = captured.ready else {
        return Err(Error::new(
            Status::ServerCrashed,
            format!(
                "the process that was to run the program ended before it began ({})",
                match end(ended.status) {
                    End::Exit(status) => format!("status {status}"),
                    End::Signal(signal) => format!("signal {signal}"),
                }
            ),
        ));
    };
    let limit = match ended.limit {
        _ if captured.too_much => Some(Limit::Output),
        None if captured.is_late && end(ended.status) == End::Signal(libc::SIGKILL) => {
            Some(Limit::Wall)
        }
        Some(isolated::Limit::Wall) => Some(Limit::Wall),
        Some(isolated::Limit::Cpu) => Some(Limit::Cpu),
        Some(isolated::Limit::Memory) => Some(Limit::Memory),
        Some(isolated::Limit::File) => Some(Limit::Output),
        None => None,
    };
    Ok(Outcome {
        end: end(ended.status),
        limit,
        user: Duration::from_micros(ended.user),
        system: Duration::from_micros(ended.system),
        wall: Duration::from_micros(ended.wall),
        memory: ended.memory,
        missing,
        output: captured.output,
        fault: fault(&ended, &bases, held),
    })
}

fn end(status: i32) -> End {
    match libc::WIFSIGNALED(status) {
        true => End::Signal(libc::WTERMSIG(status)),
        false => End::Exit(libc::WEXITSTATUS(status)),
    }
}

/// What a fault's address is, by this process's own copies of the images: the program's word counts for the address alone.
fn fault(ended: &Ended, bases: &[u64], held: &[Option<Held>]) -> Option<Fault> {
    let fault = ended.fault?;
    if end(ended.status) != End::Signal(fault.signal) {
        return None;
    }
    let mut told = Fault {
        address: fault.address,
        module: None,
        function: None,
        offset: 0,
    };
    for (base, held) in bases.iter().zip(held) {
        let Some(Held { info, image }) = held else {
            continue;
        };
        let Some(offset) = fault.instruction.checked_sub(*base) else {
            continue;
        };
        if offset >= image.mapped_len() as u64 {
            continue;
        }
        told.module = Some((info.name().to_owned(), offset));
        told.offset = offset;
        let here = image.address(offset);
        let mut name = [0; 1024];
        let mut found = symbolize::Found {
            module: &mut [],
            function: &mut name,
        };
        let place = symbolize::symbolize(here, None, &mut found);
        if let Some(start) = place.and_then(|place| place.function) {
            let len = name.iter().position(|byte| *byte == 0).unwrap_or(0);
            told.function = Some(String::from_utf8_lossy(&name[..len]).into_owned());
            told.offset = (here - start) as u64;
        }
    }
    Some(told)
}
