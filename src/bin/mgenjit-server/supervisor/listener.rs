//! The socket that clients find the server by. One server has it at a time: whoever holds the lock beside it.

use mgenjit::protocol::transport::{self, Peer};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// As many as the kernel keeps: clients come in crowds.
const BACKLOG: i32 = 4096;

pub struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// The device and the inode of the file at `path`.
    identity: (u64, u64),
    _lock: OwnedFd,
}

impl Listener {
    /// `None`: another server has the lock.
    pub fn new(path: &Path) -> Result<Option<Listener>, String> {
        let failed = |what: &str, error: Errno| {
            let error = std::io::Error::from(error);
            format!("{} cannot be {what}: {error}", path.display())
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::open(path.with_extension("lock"), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| failed("locked", error))?;
        // Whatever the umask of the process that started this one.
        let _ = rustix::fs::fchmod(&lock, Mode::RUSR | Mode::WUSR);
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(failed("locked", error)),
        }
        let (socket, identity) = listen(path).map_err(|error| failed("listened at", error))?;
        Ok(Some(Listener {
            socket,
            path: path.to_owned(),
            identity,
            _lock: lock,
        }))
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// A new connection that does not block; `None` if none waits.
    pub fn accept(&self) -> rustix::io::Result<Option<(OwnedFd, Peer)>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        loop {
            match rustix::net::accept_with(&self.socket, flags) {
                Ok(socket) => {
                    let peer = transport::peer(&socket)?;
                    return Ok(Some((socket, peer)));
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Has nobody find it any more. Those who have connected can still be accepted.
    pub fn withdraw(&self) {
        if self.is_found() {
            let _ = rustix::fs::unlink(&self.path);
        }
    }

    /// Whether clients still find it: somebody may have removed the file.
    pub fn is_found(&self) -> bool {
        identity(&self.path).is_ok_and(|found| found == self.identity)
    }
}

impl Drop for Listener {
    /// Before the lock is given up, so that it is not another server's file that goes.
    fn drop(&mut self) {
        self.withdraw();
    }
}

fn listen(path: &Path) -> rustix::io::Result<(OwnedFd, (u64, u64))> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Of a server that was killed: nobody listens there, or the lock would be taken.
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
    let identity = identity(path)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, identity))
}

fn identity(path: &Path) -> rustix::io::Result<(u64, u64)> {
    let stat = rustix::fs::lstat(path)?;
    Ok((stat.st_dev, stat.st_ino))
}
