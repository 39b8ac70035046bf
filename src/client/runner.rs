//! Starts the process that runs compiled code apart from this one, `mgenjit-helper run`: one for all runs of this process.

use super::handshake;
use super::spawn::{Launch, Server};
use crate::error::{Error, Status, reason};
use crate::fork;
use crate::protocol::isolated::{Begin, Part};
use crate::protocol::transport;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A runner that was started.
struct Runner {
    path: PathBuf,
    /// A forked child must not use its parent's.
    process: u32,
    server: Server,
}

/// Begins a run, and returns its own connection. `page`: that by which calls are made. `locate` finds the helper.
pub fn begin(
    begin: &Begin,
    page: Option<BorrowedFd<'_>>,
    locate: impl Fn() -> Result<PathBuf, Error>,
) -> Result<UnixStream, Error> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(
            |error| {
                let why = reason(&error.into());
                Error::new(Status::Io, format!("no program can be run apart: {why}"))
            },
        )?;
    let (ours, path) = (UnixStream::from(ours), locate()?);
    if page.is_some() {
        transport::send(&ours, &Part::Page, page).map_err(|error| {
            Error::new(Status::Io, format!("no calls can be made apart: {error}"))
        })?;
    }
    let runner = runner(&path, None)?;
    let sent = transport::send(&runner.server.socket, begin, Some(theirs.as_fd()));
    if sent.is_err() {
        // It has ended. What has not begun can begin anew.
        let runner = self::runner(&path, Some(&runner))?;
        transport::send(&runner.server.socket, begin, Some(theirs.as_fd())).map_err(|error| {
            Error::new(
                Status::ServerUnavailable,
                format!("the runner {} takes no program: {error}", path.display()),
            )
        })?;
    }
    Ok(ours)
}

/// The runner of this process, another one than `ended`.
fn runner(path: &Path, ended: Option<&Arc<Runner>>) -> Result<Arc<Runner>, Error> {
    static RUNNER: Mutex<Option<Arc<Runner>>> = Mutex::new(None);
    let lock = || fork::guard(|| RUNNER.lock().unwrap_or_else(PoisonError::into_inner));
    let process = std::process::id();
    let is_usable = |runner: &&Arc<Runner>| {
        runner.path == path
            && runner.process == process
            && ended.is_none_or(|ended| !Arc::ptr_eq(ended, runner))
    };
    if let Some(runner) = lock().as_ref().filter(is_usable) {
        return Ok(runner.clone());
    }
    let server = handshake::start(
        path,
        &Launch {
            what: "helper",
            arguments: &[c"run".to_owned()],
            ..Launch::default()
        },
    )?;
    let started = Arc::new(Runner {
        path: path.to_owned(),
        process,
        server,
    });
    let mut kept = lock();
    // Of two threads that start one at once, both use the first.
    if let Some(runner) = kept.as_ref().filter(is_usable) {
        return Ok(runner.clone());
    }
    let replaced = kept.replace(started.clone());
    drop(kept);
    drop(replaced);
    Ok(started)
}
