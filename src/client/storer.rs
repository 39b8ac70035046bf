//! Finds and starts the storing process, `mgenjit-helper store`: one for all programs of a user, which compiles and stores what
//! nobody waits for.
//!
//! It is not waited for. Who finds none starts one, and hands it what it has to do. Of several that start at once, one stays, and
//! the others give it what they were given.

use super::handshake;
use super::shared_server::socket_named;
use super::spawn::Launch;
use crate::environment;
use crate::error::{Error, Status, reason};
use crate::protocol::messages::Hello;
use crate::protocol::transport;
use crate::version::{BUILD_ID, PACKAGE_VERSION};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many of the build id's digits are in the socket's name.
const DIGITS: usize = 16;

/// How long it may take to take in what it is told. It reads at once, so this passes only where it is stopped.
const TIMEOUT: Duration = Duration::from_millis(500);

/// What a process that is started needs of the environment: where sockets are.
const VARIABLES: [&CStr; 2] = [c"XDG_RUNTIME_DIR", c"TMPDIR"];

/// The answer to an order.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    pub key: [u8; 32],
    /// Why the module was not stored. Empty: it was.
    pub error: String,
}

/// Gives the storing process a message with a payload, on a connection that is known, or on a new one, which it returns. `locate`
/// finds the helper.
pub fn tell<T: Serialize>(
    message: &T,
    payload: &OwnedFd,
    known: Option<&UnixStream>,
    locate: impl Fn() -> Result<PathBuf, Error>,
) -> Result<Option<UnixStream>, Error> {
    let deadline = Some(Instant::now() + TIMEOUT);
    if let Some(socket) = known {
        return match transport::send_by(socket, message, Some(payload.as_fd()), deadline) {
            Ok(()) => Ok(None),
            Err(error) => Err(unavailable(&format!(
                "the storing process takes in nothing more: {error}"
            ))),
        };
    }
    // It would be the caller's, who chose where sockets are.
    if !environment::is_trusted() {
        return Err(unavailable(
            "a set-user-ID program has nothing compiled in the background",
        ));
    }
    let name = format!("store-{PACKAGE_VERSION}-{}.socket", &BUILD_ID[..DIGITS]);
    let path = socket_named(&name, "the storing process's")?;
    let socket = match connect(&path)? {
        Some(socket) => socket,
        None => start(&locate()?, &path)?,
    };
    let deadline = Some(Instant::now() + TIMEOUT);
    transport::send_by(&socket, &Hello::ours(), None, deadline)
        .and_then(|()| transport::send_by(&socket, message, Some(payload.as_fd()), deadline))
        .map_err(|error| {
            unavailable(&format!(
                "the storing process at {} takes in nothing: {error}",
                path.display()
            ))
        })?;
    Ok(Some(socket))
}

/// `None`: there is none.
fn connect(path: &Path) -> Result<Option<UnixStream>, Error> {
    let failed = |error: Errno| {
        unavailable(&format!(
            "the storing process at {} cannot be reached: {}",
            path.display(),
            reason(&error.into())
        ))
    };
    // Where too many others wait to be accepted, this fails at once.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(failed)?;
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let peer = transport::peer(&socket).map_err(failed)?;
    if peer.user != rustix::process::geteuid().as_raw() {
        return Err(unavailable(&format!(
            "the storing process at {} is user {}'s",
            path.display(),
            peer.user
        )));
    }
    let socket = UnixStream::from(socket);
    socket
        .set_nonblocking(false)
        .map_err(|error| unavailable(&reason(&error)))?;
    Ok(Some(socket))
}

/// Starts one, at the other end of the connection.
fn start(program: &Path, path: &Path) -> Result<UnixStream, Error> {
    let at = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| unavailable("the path of its socket has a NUL in it"))?;
    let set = |name: &&CStr| {
        let value = environment::variable(name)?;
        CString::new([name.to_bytes(), b"=", value.as_bytes()].concat()).ok()
    };
    let environment: Vec<CString> = VARIABLES.iter().filter_map(set).collect();
    let helper = handshake::spawn(
        program,
        &Launch {
            what: "helper",
            arguments: &[c"store".to_owned(), c"--at".to_owned(), at],
            outlives: true,
            environment: &environment,
            ..Launch::default()
        },
    )?;
    Ok(helper.socket)
}

fn unavailable(message: &str) -> Error {
    Error::new(Status::ServerUnavailable, message.to_owned())
}
