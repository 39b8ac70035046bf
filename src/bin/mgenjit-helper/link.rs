//! Runs a linker for the library: `mgenjit-helper link`.
//!
//! The linker works in a temporary folder of its own, and in a process group of its own, which is killed when it takes
//! too long or when nobody is left to answer. What is left of the folder goes in any case.

use mgenjit::protocol::external_linker::{
    Argument, DriverFailure, DriverReply, DriverRequest, MAX_OUTPUT,
};
use mgenjit::protocol::greeting::greet;
use mgenjit::protocol::messages::Hello;
use mgenjit::protocol::payload;
use mgenjit::protocol::transport::{self, TransportError};
use mgenjit::types;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, kill_process_group, pidfd_open,
    set_parent_process_death_signal,
};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Answers one request. An error is a connection that cannot go on.
pub fn serve(socket: &UnixStream, client: Option<&OwnedFd>) -> Result<(), String> {
    greet(socket, Hello::ours())?;
    let (request, payload) = match transport::receive::<DriverRequest>(socket) {
        Ok(message) => message,
        Err(TransportError::Closed) => return Ok(()),
        Err(error) => return Err(format!("no request came: {error}")),
    };
    let peers = Peers { socket, client };
    let (reply, payload) = match link(&request, payload, &peers) {
        Ok(Some(linked)) => linked,
        // Nobody is left to be told.
        Ok(None) => return Ok(()),
        Err(error) => (not_run(error.to_string()), None),
    };
    transport::send(socket, &reply, payload.as_ref().map(AsFd::as_fd))
        .map_err(|error| format!("the reply could not be sent: {error}"))
}

/// Who waits for the answer.
struct Peers<'a> {
    socket: &'a UnixStream,
    /// A pidfd: a forked child of the client may hold the connection open.
    client: Option<&'a OwnedFd>,
}

type Answer = (DriverReply, Option<OwnedFd>);

/// `None`: the client is gone.
fn link(
    request: &DriverRequest,
    payload: Option<OwnedFd>,
    peers: &Peers<'_>,
) -> io::Result<Option<Answer>> {
    let Some(program) = find_program(request) else {
        return Ok(Some(failed(DriverFailure::NotFound, Vec::new())));
    };
    let folder = Folder::new(&temporary_folder(request))?;
    unpack(&folder, &request.inputs, payload)?;
    let output_path = folder.0.join(OUTPUT);
    let mut command = Command::new(program);
    for argument in &request.arguments {
        match argument {
            Argument::Text(text) => command.arg(OsStr::from_bytes(text)),
            Argument::Input(index) => command.arg(folder.input(*index as usize)),
            Argument::Output => command.arg(&output_path),
        };
    }
    let (reader, writer) = io::pipe()?;
    command
        .env_clear()
        .envs(variables(request))
        // Linkers are asked for messages that can be read here.
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        // And to call symbols by their own names: GNU's do not demangle then.
        .env("COLLECT_NO_DEMANGLE", "1")
        // What the linker leaves behind when it is killed goes with the folder.
        .env("TMPDIR", &folder.0)
        .current_dir(OsStr::from_bytes(&request.folder))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let parent = getpid();
    // SAFETY: the closure makes two system calls and nothing else in the new process.
    unsafe {
        command.pre_exec(move || {
            // A linker that hangs must not stay when this process is killed.
            set_parent_process_death_signal(Some(Signal::KILL))?;
            if getppid() == Some(parent) {
                Ok(())
            } else {
                Err(Errno::SRCH.into())
            }
        })
    };
    let Some((end, said)) = run(command, request.timeout, reader, peers)? else {
        return Ok(None);
    };
    let said = with_names(said, &folder, request);
    let failure = match end {
        End::TimedOut => DriverFailure::TimedOut,
        End::Status(status) => match (status.code(), status.signal()) {
            (Some(0), _) => match std::fs::read(&output_path) {
                Ok(bytes) => {
                    let payload = payload::seal(&[&bytes])?;
                    let len = bytes.len() as u64;
                    return Ok(Some((DriverReply::Linked { len }, Some(payload))));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => DriverFailure::NoOutput,
                Err(error) => return Err(error),
            },
            (Some(code), _) => DriverFailure::Exit(code),
            (None, signal) => DriverFailure::Signal(signal.unwrap_or(0)),
        },
    };
    Ok(Some(failed(failure, said)))
}

/// The name of the output, which some linkers write into it: it must be the same each time.
const OUTPUT: &str = "output";

enum End {
    Status(std::process::ExitStatus),
    TimedOut,
}

/// Runs a command to its end or to its deadline, and takes in what it writes to `reader`. `None`: the client is gone.
fn run(
    mut command: Command,
    timeout: u64,
    reader: PipeReader,
    peers: &Peers<'_>,
) -> io::Result<Option<(End, Vec<u8>)>> {
    // Far-off deadlines are none.
    let deadline = match timeout {
        0 => None,
        timeout => Instant::now().checked_add(Duration::from_millis(timeout)),
    };
    rustix::io::ioctl_fionbio(&reader, true)?;
    let mut child = command.spawn()?;
    // The pipe's other end, so that it ends with the linker.
    drop(command);
    let group = Pid::from_child(&child);
    let mut said = Said::default();
    let end = wait(group, deadline, &reader, &mut said, peers);
    // Also what the linker itself has started, and left. The group is its own until it is waited for.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait()?;
    said.take(&reader);
    Ok(match end? {
        Wait::Ended => Some((End::Status(status), said.finish())),
        Wait::TimedOut => Some((End::TimedOut, said.finish())),
        Wait::Alone => None,
    })
}

enum Wait {
    Ended,
    TimedOut,
    /// The client is gone.
    Alone,
}

fn wait(
    process: Pid,
    deadline: Option<Instant>,
    reader: &PipeReader,
    said: &mut Said,
    peers: &Peers<'_>,
) -> io::Result<Wait> {
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let mut pipe_ended = false;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(Wait::TimedOut);
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = vec![
            PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN),
            // No event is asked for: a hang-up is reported all the same.
            PollFd::from_borrowed_fd(peers.socket.as_fd(), PollFlags::empty()),
        ];
        if let Some(client) = peers.client {
            fds.push(PollFd::from_borrowed_fd(client.as_fd(), PollFlags::IN));
        }
        let peers_end = fds.len();
        if !pipe_ended {
            fds.push(PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let happened: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if happened[1..peers_end].contains(&true) {
            return Ok(Wait::Alone);
        }
        if happened[0] {
            return Ok(Wait::Ended);
        }
        if happened.get(peers_end) == Some(&true) {
            pipe_ended = said.take(reader);
        }
    }
}

/// What the linker said: its first and its last words, if it was too much.
#[derive(Default)]
struct Said {
    first: Vec<u8>,
    last: Vec<u8>,
    lost: usize,
}

impl Said {
    const HALF: usize = MAX_OUTPUT / 2;

    /// Takes in what there is to read. Returns whether it was all that there will ever be.
    fn take(&mut self, mut reader: &PipeReader) -> bool {
        let mut chunk = [0; 16 << 10];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return true,
                Ok(len) => self.add(&chunk[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = Said::HALF.saturating_sub(self.first.len()).min(bytes.len());
        let (first, last) = bytes.split_at(room);
        self.first.extend_from_slice(first);
        self.last.extend_from_slice(last);
        let surplus = self.last.len().saturating_sub(Said::HALF);
        self.last.drain(..surplus);
        self.lost += surplus;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.lost > 0 {
            let gap = format!("\n[… {} bytes left out …]\n", self.lost);
            self.first.extend_from_slice(gap.as_bytes());
        }
        self.first.append(&mut self.last);
        self.first
    }
}

/// A private folder, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> io::Result<Folder> {
        let template = parent.join("mgenjit-link-XXXXXX").into_os_string();
        let mut template = CString::new(template.into_vec())?.into_bytes_with_nul();
        // SAFETY: the template is a string that may be written, and ends with six X.
        let made = unsafe { libc::mkdtemp(template.as_mut_ptr().cast()) };
        if made.is_null() {
            let error = io::Error::last_os_error();
            return Err(io::Error::other(format!(
                "no temporary folder can be made in {}: {error}",
                parent.display()
            )));
        }
        template.pop();
        Ok(Folder(PathBuf::from(OsString::from_vec(template))))
    }

    fn input(&self, index: usize) -> PathBuf {
        self.0.join(format!("{index}.o"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::fs::remove_dir_all(&self.0).is_err() {
            // The linker may have left folders in which nothing can be removed.
            allow_removal(&self.0);
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Gives the owner all rights to a folder and to those in it.
fn allow_removal(folder: &Path) {
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // No link is followed.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            allow_removal(&entry.path());
        }
    }
}

/// Writes the inputs, which lie in a memfd, to files.
fn unpack(folder: &Folder, inputs: &[types::Input], payload: Option<OwnedFd>) -> io::Result<()> {
    let (offsets, len) = types::layout(inputs)
        .ok_or_else(|| io::Error::other("the objects would be larger than memory"))?;
    let payload = payload::check_payload(payload, len).map_err(io::Error::other)?;
    for (index, (input, offset)) in inputs.iter().zip(offsets).enumerate() {
        let mut bytes = vec![0; input.len as usize];
        payload.read_exact_at(&mut bytes, offset)?;
        let path = folder.input(index);
        let written = File::create(&path).and_then(|file| file.write_all_at(&bytes, 0));
        written.map_err(|error| {
            io::Error::other(format!("{} cannot be written: {error}", path.display()))
        })?;
    }
    Ok(())
}

fn variables(request: &DriverRequest) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    request.environment.iter().filter_map(|variable| {
        // A name may begin with `=`, on no system that matters; an empty one cannot be set.
        let place = variable.iter().position(|byte| *byte == b'=')?;
        (place > 0).then(|| {
            let (name, value) = variable.split_at(place);
            (OsStr::from_bytes(name), OsStr::from_bytes(&value[1..]))
        })
    })
}

fn variable<'a>(request: &'a DriverRequest, name: &str) -> Option<&'a OsStr> {
    variables(request)
        .find(|(one, _)| *one == name)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

fn temporary_folder(request: &DriverRequest) -> PathBuf {
    let folder = variable(request, "TMPDIR").unwrap_or(OsStr::new("/tmp"));
    Path::new(OsStr::from_bytes(&request.folder)).join(folder)
}

/// As a shell finds it, but for folders on `PATH` that are relative: anybody may have put a file there.
fn find_program(request: &DriverRequest) -> Option<PathBuf> {
    let name = OsStr::from_bytes(&request.program);
    if request.program.contains(&b'/') {
        let path = Path::new(OsStr::from_bytes(&request.folder)).join(name);
        return is_program(&path).then_some(path);
    }
    let path = variable(request, "PATH").unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Calls the inputs by their names: nobody knows the temporary files.
fn with_names(mut said: Vec<u8>, folder: &Folder, request: &DriverRequest) -> Vec<u8> {
    for (index, input) in request.inputs.iter().enumerate() {
        let path = folder.input(index).into_os_string().into_vec();
        said = replace(&said, &path, input.name.as_bytes());
        // Names may be long, and said often.
        said.truncate(2 * MAX_OUTPUT);
    }
    said
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        if let Some(behind) = rest.strip_prefix(from) {
            result.extend_from_slice(to);
            rest = behind;
        } else {
            result.push(*first);
            rest = &rest[1..];
        }
    }
    result
}

fn failed(failure: DriverFailure, output: Vec<u8>) -> Answer {
    (DriverReply::Failed { failure, output }, None)
}

fn not_run(what: String) -> DriverReply {
    DriverReply::Failed {
        failure: DriverFailure::NotRun(what),
        output: Vec::new(),
    }
}
