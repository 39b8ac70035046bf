//! Where a storage helper listens, and how it is started.

use super::connection::Connection;
use super::wire::Failure;
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// A helper, one for all processes of a user that use the same store in the same way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The path of its socket.
    pub socket: Vec<u8>,
    /// The path of its program. Empty: it is not started.
    pub program: Vec<u8>,
    /// What it is told, `NAME=value` each. There are credentials in it: it is never shown.
    pub environment: Vec<Vec<u8>>,
}

impl Endpoint {
    pub fn socket(&self) -> PathBuf {
        std::ffi::OsString::from_vec(self.socket.clone()).into()
    }

    pub fn program(&self) -> PathBuf {
        std::ffi::OsString::from_vec(self.program.clone()).into()
    }

    /// A connection to the helper, which is started by `start` if it does not run.
    pub fn connect(
        &self,
        deadline: Instant,
        start: impl FnOnce(&Endpoint) -> Result<(), Failure>,
    ) -> Result<Connection, Failure> {
        let socket = self.socket();
        let mut start = Some(start).filter(|_| !self.program.is_empty());
        let mut pause = Duration::from_micros(500);
        // Held by whoever starts it, so that a crowd starts one.
        let mut lock = None;
        loop {
            let none = match Connection::open(&socket, deadline) {
                Err(Failure::Io(error)) if is_nobody(&error) => Failure::Io(error),
                other => return other,
            };
            if self.program.is_empty() || Instant::now() >= deadline {
                return Err(none);
            }
            if lock.is_none() && start.is_some() {
                lock = self.lock();
                // Somebody else may have started it before.
                if lock.is_some() {
                    continue;
                }
            } else if let Some(start) = start.take_if(|_| lock.as_ref().is_some_and(may_start)) {
                // What is left of one that was killed would be in the way of the new one's.
                let _ = std::fs::remove_file(&socket);
                start(self)?;
            }
            // Polled: nothing tells when a helper listens.
            std::thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
            pause = (pause * 3 / 2).min(Duration::from_millis(10));
        }
    }

    fn lock(&self) -> Option<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.socket().with_extension("start");
        let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).ok()?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(file.into())
    }
}

/// How long a helper that was started may take to listen, on a machine that is busy.
const STARTING: Duration = Duration::from_secs(3);

/// Whether nobody started a helper just now, who then gave up waiting for it. Notes that it is started, if so. `lock`: the
/// locked file, which has the time.
fn may_start(lock: &File) -> bool {
    let mut lock = lock;
    let last = lock
        .metadata()
        .and_then(|metadata| Ok((metadata.len(), metadata.modified()?)));
    let just_now = |at: SystemTime| at.elapsed().is_ok_and(|since| since < STARTING);
    if last.is_ok_and(|(len, at)| len > 0 && just_now(at)) {
        return false;
    }
    // Without the note, at worst two are started, of which one finds the socket in use.
    let _ = lock
        .seek(SeekFrom::Start(0))
        .and_then(|_| lock.write_all(b"1"));
    true
}

/// Whether nobody listens: there is no socket, or its helper is gone.
fn is_nobody(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused
    )
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (socket, program) = (self.socket(), self.program());
        write!(out, "Endpoint({}, {})", socket.display(), program.display())
    }
}
