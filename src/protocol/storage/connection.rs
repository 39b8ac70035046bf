//! A connection to a storage helper. Every wait has a deadline.

use super::wire::{
    self, Capabilities, Collected, Failure, Incoming, Limits, Source, Value, WireKey,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    pub capabilities: Capabilities,
}

/// Reads from a socket until a deadline.
struct Reader<'a> {
    socket: &'a OwnedFd,
    deadline: Instant,
    room: Option<&'a mut dyn Room>,
}

/// Who may have a file for a long value.
pub trait Room {
    /// An empty file, which is open for writing; the same one each time.
    fn file(&mut self, len: u64) -> Option<BorrowedFd<'_>>;
}

impl Connection {
    /// Connects to a helper that listens at `path`, and reads its greeting. [`Failure::Io`]: nobody listens.
    pub fn open(path: &Path, deadline: Instant) -> Result<Connection, Failure> {
        let socket = connect(path, deadline)?;
        let user = crate::protocol::transport::peer(&socket)
            .map_err(|error| Failure::Io(error.into()))?
            .user;
        if user != rustix::process::geteuid().as_raw() {
            return Err(Failure::Malformed(format!("it is user {user}'s")));
        }
        let mut reader = Reader {
            socket: &socket,
            deadline,
            room: None,
        };
        let capabilities = wire::read_greeting(&mut reader)?;
        if !capabilities.basic {
            return Err(Failure::Malformed("it can neither get nor put".to_owned()));
        }
        Ok(Connection {
            socket,
            capabilities,
        })
    }

    /// The value of a key, of at most `limit` bytes.
    pub fn get(
        &mut self,
        key: &WireKey,
        limit: u64,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, Failure> {
        self.send(&wire::request(wire::GET, key), deadline)?;
        let mut incoming = Incoming::default();
        match wire::read_value(&mut self.reader(deadline), &mut incoming, limit)? {
            Some(Value::Bytes(value)) => Ok(Some(value)),
            Some(Value::Filled) => Err(Failure::Malformed("it filled no file".to_owned())),
            None => Ok(None),
        }
    }

    /// Asks for a value, which may be written into a file.
    pub fn ask(&mut self, key: &WireKey, deadline: Instant) -> Result<(), Failure> {
        let kind = match self.capabilities.fill {
            true => wire::FILL,
            false => wire::GET,
        };
        self.send(&wire::request(kind, key), deadline)
    }

    /// What [`Connection::ask`] asked for. After [`Failure::TimedOut`], it can be called again with what came.
    pub fn answer(
        &mut self,
        incoming: &mut Incoming,
        limit: u64,
        deadline: Instant,
        room: &mut dyn Room,
    ) -> Result<Option<Value>, Failure> {
        let mut reader = Reader {
            room: Some(room),
            ..self.reader(deadline)
        };
        wire::read_value(&mut reader, incoming, limit)
    }

    /// Stores a value. Returns whether it was stored: it may be there already.
    pub fn put(
        &mut self,
        key: &WireKey,
        value: &[u8],
        overwrite: bool,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        self.send(&wire::put(key, overwrite, value.len() as u64), deadline)?;
        self.send(value, deadline)?;
        wire::read_done(&mut self.reader(deadline))
    }

    /// Returns whether it was removed: it may not have been there.
    pub fn remove(&mut self, key: &WireKey, deadline: Instant) -> Result<bool, Failure> {
        self.send(&wire::request(wire::REMOVE, key), deadline)?;
        wire::read_done(&mut self.reader(deadline))
    }

    /// `None`: the helper cannot tell.
    pub fn exists(&mut self, key: &WireKey, deadline: Instant) -> Result<Option<bool>, Failure> {
        if !self.capabilities.exists {
            return Ok(None);
        }
        self.send(&wire::request(wire::EXISTS, key), deadline)?;
        wire::read_exists(&mut self.reader(deadline)).map(Some)
    }

    /// Who the helper is, and what it has to say; `None`: it does not tell.
    pub fn info(&mut self, deadline: Instant) -> Result<Option<(String, Vec<String>)>, Failure> {
        if !self.capabilities.info {
            return Ok(None);
        }
        self.send(&[wire::INFO], deadline)?;
        wire::read_info(&mut self.reader(deadline)).map(Some)
    }

    /// Removes values whose keys begin with `prefix`, which ends with a slash, until the rest is within limits. `None`: the
    /// helper cannot do that.
    pub fn collect(
        &mut self,
        prefix: &WireKey,
        limits: Limits,
        deadline: Instant,
    ) -> Result<Option<Collected>, Failure> {
        if !self.capabilities.collect || prefix.bytes().is_empty() {
            return Ok(None);
        }
        self.send(&wire::collect(prefix, limits), deadline)?;
        wire::read_collected(&mut self.reader(deadline)).map(Some)
    }

    /// Ends the helper.
    pub fn stop(mut self, deadline: Instant) -> Result<(), Failure> {
        self.send(&[wire::STOP], deadline)?;
        match wire::read_done(&mut self.reader(deadline)) {
            // The connection may end before the answer can be read.
            Ok(_) | Err(Failure::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Another descriptor of the same connection, to end it from another thread.
    pub fn copy(&self) -> std::io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    fn reader(&self, deadline: Instant) -> Reader<'_> {
        Reader {
            socket: &self.socket,
            deadline,
            room: None,
        }
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), Failure> {
        while !bytes.is_empty() {
            // NOSIGNAL: a helper that is gone must be an error here, not a SIGPIPE in the host.
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(&self.socket, bytes, flags) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN) => wait(&self.socket, PollFlags::OUT, deadline)?,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Failure::Closed),
                Err(error) => return Err(Failure::Io(error.into())),
            }
        }
        Ok(())
    }
}

impl Source for Reader<'_> {
    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Failure> {
        while !buffer.is_empty() {
            // Most answers are there by the time they are asked for a second byte: no wait before the first try.
            match rustix::net::recv(self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Err(Failure::Closed),
                Ok((_, received)) => buffer = &mut buffer[received..],
                Err(Errno::AGAIN) => wait(self.socket, PollFlags::IN, self.deadline)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::Io(error.into())),
            }
            // A peer that sends byte by byte must not hold this up.
            if !buffer.is_empty() && Instant::now() >= self.deadline {
                return Err(Failure::TimedOut);
            }
        }
        Ok(())
    }

    fn append(&mut self, bytes: &mut Vec<u8>, most: usize) -> Result<(), Failure> {
        // A peer that sends byte by byte must not hold this up.
        if Instant::now() >= self.deadline {
            return Err(Failure::TimedOut);
        }
        loop {
            let len = bytes.len();
            // Into memory that was not filled before.
            let room = &mut bytes.spare_capacity_mut()[..most];
            match rustix::net::recv(self.socket, &mut *room, RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Err(Failure::Closed),
                Ok((_, received)) => {
                    // SAFETY: so many bytes behind its end were received.
                    unsafe { bytes.set_len(len + received) };
                    return Ok(());
                }
                Err(Errno::AGAIN) => wait(self.socket, PollFlags::IN, self.deadline)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::Io(error.into())),
            }
        }
    }

    fn give_room(&mut self, len: u64) -> Result<(), Failure> {
        let room = self.room.as_mut();
        let files: Vec<BorrowedFd<'_>> = room.and_then(|room| room.file(len)).into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&files));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        loop {
            match rustix::net::sendmsg(self.socket, &[IoSlice::new(&[0])], &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN) => wait(self.socket, PollFlags::OUT, self.deadline)?,
                Err(Errno::INTR) => {}
                // As in `transport.rs`.
                Err(Errno::TOOMANYREFS) if Instant::now() < self.deadline => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Failure::Closed),
                Err(error) => return Err(Failure::Io(error.into())),
            }
        }
    }
}

fn connect(path: &Path, deadline: Instant) -> Result<OwnedFd, Failure> {
    let io = |error: Errno| Failure::Io(error.into());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(io)?;
    let address = SocketAddrUnix::new(path).map_err(io)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            Err(Errno::INTR) => {}
            // Too many others wait to be accepted, and nothing tells when they are fewer.
            Err(Errno::AGAIN) if Instant::now() < deadline => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Err(Errno::AGAIN) => return Err(Failure::TimedOut),
            Err(error) => return Err(io(error)),
        }
    }
}

/// Waits until the socket is ready.
fn wait(socket: impl AsFd, flags: PollFlags, deadline: Instant) -> Result<(), Failure> {
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(rest).ok();
        let mut polled = [PollFd::new(&socket, flags)];
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) if rest.is_zero() => return Err(Failure::TimedOut),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(Failure::Io(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::Duration;

    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(30);

    /// Has `ask` talk to a helper that accepts one connection and does `answer`.
    fn check<T>(answer: impl FnOnce(UnixStream) + Send, ask: impl FnOnce(&Path) -> T) -> T {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        std::thread::scope(|scope| {
            scope.spawn(|| answer(listener.accept().expect("a connection").0));
            ask(&path)
        })
    }

    #[test]
    fn a_value_is_stored_and_found() {
        let key = WireKey::new(b"key".to_vec()).expect("a key");
        check(
            |mut socket| {
                socket.write_all(&wire::greeting(&[0, 2])).expect("said");
                let mut put = vec![0; wire::put(&key, false, 3).len() + 3];
                socket.read_exact(&mut put).expect("a put");
                assert_eq!(&put[put.len() - 3..], b"abc");
                socket.write_all(&[wire::OK]).expect("said");
                let mut get = vec![0; 5];
                socket.read_exact(&mut get).expect("a get");
                let answer = [&[wire::OK][..], &3_u64.to_ne_bytes(), b"abc"].concat();
                // However it is cut.
                for byte in answer {
                    socket.write_all(&[byte]).expect("said");
                }
            },
            |path| {
                let deadline = Instant::now() + LATE;
                let mut connection = Connection::open(path, deadline).expect("connected");
                assert!(
                    connection
                        .put(&key, b"abc", false, deadline)
                        .expect("stored")
                );
                let value = connection.get(&key, 3, deadline).expect("an answer");
                assert_eq!(value.as_deref(), Some(&b"abc"[..]));
                let end = connection.get(&key, 3, deadline).expect_err("it is gone");
                assert!(matches!(end, Failure::Closed), "{end}");
                assert_eq!(connection.info(deadline).expect("not asked"), None);
            },
        );
    }

    #[test]
    fn a_helper_that_is_silent_costs_its_budget() {
        let (done, ended) = std::sync::mpsc::channel::<()>();
        check(
            move |socket| {
                let _ = ended.recv();
                drop(socket);
            },
            |path| {
                let silent = Connection::open(path, Instant::now() + SOON).expect_err("silent");
                assert!(matches!(silent, Failure::TimedOut), "{silent}");
                drop(done);
            },
        );
    }

    #[test]
    fn a_helper_that_drips_costs_its_budget() {
        check(
            |mut socket| {
                // A length of 2^40 at one byte a millisecond.
                let _ = socket.write_all(&wire::greeting(&[0]));
                let _ = socket.write_all(&[wire::OK]);
                let _ = socket.write_all(&(1_u64 << 30).to_ne_bytes());
                while socket.write_all(&[0]).is_ok() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            },
            |path| {
                let mut connection =
                    Connection::open(path, Instant::now() + LATE).expect("connected");
                let key = WireKey::new(Vec::new()).expect("a key");
                let end = connection
                    .get(&key, 1 << 40, Instant::now() + SOON)
                    .expect_err("too slow");
                assert!(matches!(end, Failure::TimedOut), "{end}");
            },
        );
    }

    #[test]
    fn nobody_is_an_error_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let deadline = Instant::now() + LATE;
        let none = Connection::open(&path, deadline).expect_err("nobody");
        assert!(matches!(none, Failure::Io(_)), "{none}");
        drop(UnixListener::bind(&path).expect("a socket"));
        let stale = Connection::open(&path, deadline).expect_err("nobody");
        assert!(matches!(stale, Failure::Io(_)), "{stale}");
    }
}
