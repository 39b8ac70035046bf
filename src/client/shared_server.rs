//! Finds and starts the compile server that all processes of a user share.
//!
//! Its socket lies in a folder that is the user's alone, under a name that has the build in it. Two more files lie
//! there: `.lock` is held by the server for as long as it lives, `.start` by the client that starts it.

use super::handshake::{self, mismatch};
use super::options::ServerLimits;
use super::spawn::{self, COMPILE_SERVER, Launch, Server};
use crate::environment;
use crate::error::{Error, Status, reason};
use crate::protocol::last_words;
use crate::protocol::messages::Hello;
use crate::protocol::transport::{self, TransportError};
use crate::version::{BUILD_ID, PACKAGE_VERSION};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt::Timeout;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::CString;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a running server may take to accept a connection and send its greeting.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to try to find or start a server.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How many of the build id's digits are in the socket's name.
const DIGITS: usize = 16;

/// What a path of a socket may have (`sun_path` of `unix(7)`, with its terminating NUL).
const LONGEST_PATH: usize = 107;

/// A server to start.
pub struct Start<'a> {
    pub idle_timeout: Duration,
    /// 0: as many as there are cores.
    pub workers: usize,
    pub limits: ServerLimits,
    /// Opens the server's log.
    pub log: &'a mut dyn FnMut() -> Option<OwnedFd>,
}

/// A connection to the server of this user and build, which is started if it does not run. `locate` finds its program. The
/// error says why a private server has to be used.
pub fn connect(
    start: &mut Start<'_>,
    locate: impl Fn() -> Result<PathBuf, Error>,
) -> Result<UnixStream, Error> {
    // A set-group-ID program would be served by its caller's server, whose code it must not run.
    if !environment::is_trusted() {
        return Err(unavailable(
            "a set-user-ID program cannot use a shared compile server".to_owned(),
        ));
    }
    let path = socket_path()?;
    let deadline = Instant::now() + START_TIMEOUT;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(socket) = try_connect(&path)? {
            return Ok(socket);
        }
        if let Some(_lock) = StartLock::try_take(&path.with_extension("start"))? {
            // It may have been started since.
            if let Some(socket) = try_connect(&path)? {
                return Ok(socket);
            }
            launch(&path, start, &locate()?)?;
        }
        if Instant::now() > deadline {
            return Err(unavailable(format!(
                "the shared compile server at {} could be neither reached nor started within {} s",
                path.display(),
                START_TIMEOUT.as_secs()
            )));
        }
        // Polled: nothing tells when the client that holds the lock has started a server, or when one that ends is gone.
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(20));
    }
}

/// A connection to the server of this user and build; `None`: it does not run.
pub fn find() -> Result<Option<UnixStream>, Error> {
    try_connect(&socket_path()?)
}

/// The path of the server's socket, whose folder exists.
pub fn socket_path() -> Result<PathBuf, Error> {
    let name = format!("{PACKAGE_VERSION}-{}.socket", &BUILD_ID[..DIGITS]);
    socket_named(&name, "the shared compile server's")
}

/// The path of a socket of this name in a folder that is the user's alone, and exists. `whose`: for messages.
pub fn socket_named(name: &str, whose: &str) -> Result<PathBuf, Error> {
    let user = rustix::process::geteuid().as_raw();
    let mut tried = Vec::new();
    for folder in candidates(user) {
        let path = folder.join(name);
        let usable = match path.as_os_str().len() > LONGEST_PATH {
            true => Err(format!("a socket's path has {LONGEST_PATH} bytes at most")),
            false => prepare(&folder, user),
        };
        match usable {
            Ok(()) => return Ok(path),
            Err(why) => tried.push(format!("{}: {why}", folder.display())),
        }
    }
    Err(unavailable(format!(
        "there is no folder for {whose} socket; tried:\n  {}",
        tried.join("\n  ")
    )))
}

fn candidates(user: u32) -> Vec<PathBuf> {
    let variable = |name| {
        environment::variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let temporary = variable(c"TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
    let mut candidates = Vec::new();
    candidates.extend(variable(c"XDG_RUNTIME_DIR").map(|path| path.join("mgenjit")));
    candidates.push(PathBuf::from(format!("/run/user/{user}/mgenjit")));
    candidates.push(temporary.join(format!("mgenjit-{user}")));
    candidates
}

/// Creates the folder if it is missing, and checks that nobody else can put a socket into it.
fn prepare(folder: &Path, user: u32) -> Result<(), String> {
    let is_new = match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(reason(&error)),
    };
    let system = |error: Errno| reason(&error.into());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(folder, flags, Mode::empty()).map_err(system)?;
    let mut stat = rustix::fs::fstat(&fd).map_err(system)?;
    if is_new && stat.st_uid == user && stat.st_mode & 0o777 != 0o700 {
        // The host's umask took permissions from the user. By the descriptor, because the name may lead elsewhere by now.
        let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
        rustix::fs::chmod(name, Mode::RWXU).map_err(system)?;
        stat = rustix::fs::fstat(&fd).map_err(system)?;
    }
    if stat.st_uid != user {
        return Err(format!("it belongs to user {}", stat.st_uid));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(format!(
            "others may use it: its permissions are {:o} and must be 700",
            stat.st_mode & 0o777
        ));
    }
    Ok(())
}

/// `None`: there is no server, or one that is about to end.
fn try_connect(path: &Path) -> Result<Option<UnixStream>, Error> {
    let failed = |what: &str, error: Errno| {
        unavailable(format!(
            "the shared compile server at {} {what}: {}",
            path.display(),
            reason(&error.into())
        ))
    };
    let socket = match open(path) {
        Ok(socket) => socket,
        Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
        Err(Errno::AGAIN) => {
            return Err(unavailable(format!(
                "the shared compile server at {} accepted no connection for {} s: it is stopped, or very busy",
                path.display(),
                GREETING_TIMEOUT.as_secs()
            )));
        }
        Err(error) => return Err(failed("cannot be reached", error)),
    };
    let peer = transport::peer(&socket)
        .map_err(|error| failed("does not tell which user it runs as", error))?;
    if peer.user != rustix::process::geteuid().as_raw() {
        return Err(unavailable(format!(
            "the shared compile server at {} is user {}'s",
            path.display(),
            peer.user
        )));
    }
    let socket = UnixStream::from(socket);
    let ours = Hello::ours();
    let deadline = Some(Instant::now() + GREETING_TIMEOUT);
    let theirs: Result<(Hello, _), TransportError> =
        transport::send_by(&socket, &ours, None, deadline)
            .and_then(|()| transport::receive_by(&socket, deadline));
    match theirs {
        Ok((theirs, _)) if theirs == ours => {}
        Ok((theirs, _)) => return Err(mismatch(COMPILE_SERVER, path, &ours, &theirs)),
        Err(error) if error.is_end() => return Ok(None),
        Err(error) if error.is_timeout() => {
            return Err(unavailable(format!(
                "the shared compile server at {} does not answer: it is stopped, or hangs",
                path.display()
            )));
        }
        Err(error) => {
            return Err(unavailable(format!(
                "{} does not answer as a compile server: {error}",
                path.display()
            )));
        }
    }
    socket
        .set_write_timeout(None)
        .map_err(|error| unavailable(reason(&error)))?;
    Ok(Some(socket))
}

/// Connects, with a timeout.
fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // It applies to `connect` as well, which would block while too many others wait to be accepted.
    rustix::net::sockopt::set_socket_timeout(&socket, Timeout::Send, Some(GREETING_TIMEOUT))?;
    let address = SocketAddrUnix::new(path)?;
    let deadline = Instant::now() + GREETING_TIMEOUT;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            // The timeout starts again.
            Err(Errno::INTR) if Instant::now() >= deadline => return Err(Errno::AGAIN),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Starts a server. Waits until it can be reached, or has ended because there is one already.
fn launch(path: &Path, start: &mut Start<'_>, program: &Path) -> Result<(), Error> {
    let number = |number: u128| CString::new(number.to_string()).unwrap_or_default();
    let socket = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| unavailable(format!("{} has a NUL in it", path.display())))?;
    let mut arguments = vec![
        c"--shared".to_owned(),
        socket,
        c"--idle-timeout".to_owned(),
        number(start.idle_timeout.as_millis()),
        c"--workers".to_owned(),
        number(start.workers as u128),
    ];
    let ServerLimits {
        time,
        memory,
        queue,
    } = start.limits;
    for (option, limit) in [
        (c"--max-time", time),
        (c"--max-memory", memory),
        (c"--queue-timeout", queue),
    ] {
        if let Some(limit) = limit {
            arguments.extend([option.to_owned(), number(limit.into())]);
        }
    }
    let log = (start.log)();
    let server = handshake::spawn(
        program,
        &Launch {
            arguments: &arguments,
            outlives: true,
            log: log.as_ref().map(AsFd::as_fd),
            ..Launch::default()
        },
    )?;
    let Server { socket, .. } = &server;
    let ours = Hello::ours();
    let deadline = Some(Instant::now() + spawn::HANDSHAKE_TIMEOUT);
    let theirs: Result<(Hello, _), TransportError> = transport::receive_by(socket, deadline);
    match theirs {
        Ok((theirs, _)) if theirs == ours => Ok(()),
        Ok((theirs, _)) => Err(mismatch(COMPILE_SERVER, program, &ours, &theirs)),
        Err(error) => match last_words::read(&server.last_words) {
            // Another server was faster.
            None if error.is_end() => Ok(()),
            words => Err(unavailable(format!(
                "the shared compile server does not start ({error}){}",
                handshake::tell(words.as_deref(), program)
            ))),
        },
    }
}

/// Held by the client that starts a server, so that only one does at a time.
struct StartLock(OwnedFd);

impl StartLock {
    fn try_take(path: &Path) -> Result<Option<StartLock>, Error> {
        let failed = |error: Errno| {
            unavailable(format!(
                "{} cannot be locked, which starting a shared compile server needs: {}",
                path.display(),
                reason(&error.into())
            ))
        };
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::open(path, flags, mode).map_err(failed)?;
        let _ = rustix::fs::fchmod(&file, mode);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(StartLock(file))),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Drop for StartLock {
    fn drop(&mut self) {
        // A forked child of the host may have a copy of the descriptor, which would hold the lock.
        let _ = rustix::fs::flock(self.0.as_fd(), FlockOperation::Unlock);
    }
}

fn unavailable(message: String) -> Error {
    Error::new(Status::ServerUnavailable, message)
}
