//! Frames on a stream socket.
//!
//! ```text
//! ┌────────────────────────┬───────────────────────────┐
//! │ body's length, u32, LE │ body, encoded by postcard │
//! └────────────────────────┴───────────────────────────┘
//! ```
//!
//! At most one descriptor travels with the first byte of a frame: a payload. The peer is not trusted to be well-formed:
//! memory for a body grows with what has arrived, never to the length that was claimed.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The longest body that is accepted. Signatures of a large module are the largest messages: some 100 bytes
/// for each function.
pub const MAX_BODY_LEN: u32 = 64 << 20;

/// How long a descriptor waits until it may be sent, where nothing else limits that.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("the connection was closed")]
    Closed,
    #[error("the connection ended inside a frame")]
    Truncated,
    #[error("a frame claims {0} bytes; the limit is {MAX_BODY_LEN}")]
    TooLong(u64),
    #[error("a frame does not decode: {0}")]
    Malformed(postcard::Error),
    #[error("a frame has {0} bytes after its message")]
    TrailingBytes(usize),
    #[error("a payload of {expected} bytes was announced, but {found}")]
    BadPayload { expected: u64, found: String },
    #[error(
        "a descriptor that came could not be taken in: this process may have no more open files"
    )]
    NoDescriptor,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl TransportError {
    /// Whether the other side is gone.
    pub fn is_end(&self) -> bool {
        match self {
            TransportError::Closed | TransportError::Truncated => true,
            TransportError::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ),
            _ => false,
        }
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        match self {
            TransportError::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
            _ => false,
        }
    }
}

/// Sends `message`, with `payload` if there is one.
pub fn send<T: Serialize>(
    socket: &UnixStream,
    message: &T,
    payload: Option<BorrowedFd<'_>>,
) -> Result<(), TransportError> {
    send_by(socket, message, payload, None)
}

/// Sends `message`, all of it by the deadline, if there is one. The error is otherwise [`io::ErrorKind::TimedOut`].
pub fn send_by<T: Serialize>(
    socket: &UnixStream,
    message: &T,
    payload: Option<BorrowedFd<'_>>,
    deadline: Option<Instant>,
) -> Result<(), TransportError> {
    let flags = match deadline {
        Some(_) => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        None => SendFlags::NOSIGNAL,
    };
    let frame = encode(message)?;
    let fds: Vec<BorrowedFd<'_>> = payload.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    let room_by = deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
    let sent = loop {
        wait_for(socket, PollFlags::OUT, deadline)?;
        // NOSIGNAL: a peer that is gone must be an error here, not a SIGPIPE in the host.
        match rustix::net::sendmsg(socket, &[IoSlice::new(&frame)], &mut control, flags) {
            Ok(sent) => break sent,
            // The user's processes have more descriptors on their way than this one may have open (unix(7)): for a while.
            Err(rustix::io::Errno::TOOMANYREFS) if Instant::now() < room_by => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) if is_for_now(error, deadline) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    };
    let mut rest = &frame[sent..];
    while !rest.is_empty() {
        wait_for(socket, PollFlags::OUT, deadline)?;
        match rustix::net::send(socket, rest, flags) {
            Ok(sent) => rest = &rest[sent..],
            Err(error) if is_for_now(error, deadline) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    Ok(())
}

/// Whether it is to be tried again.
fn is_for_now(error: rustix::io::Errno, deadline: Option<Instant>) -> bool {
    match error {
        rustix::io::Errno::INTR => true,
        rustix::io::Errno::AGAIN => deadline.is_some(),
        _ => false,
    }
}

/// The frame of a message.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, TransportError> {
    let body = postcard::to_stdvec(message).map_err(TransportError::Malformed)?;
    let len = u32::try_from(body.len())
        .ok()
        .filter(|len| *len <= MAX_BODY_LEN)
        .ok_or(TransportError::TooLong(body.len() as u64))?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The message that a frame's body is.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, TransportError> {
    let (message, rest) = postcard::take_from_bytes(body).map_err(TransportError::Malformed)?;
    match rest.len() {
        0 => Ok(message),
        len => Err(TransportError::TrailingBytes(len)),
    }
}

/// Sends a short message if there is room for it now, else not at all. Returns whether it was sent.
pub fn send_at_once<T: Serialize>(
    socket: &UnixStream,
    message: &T,
) -> Result<bool, TransportError> {
    let mut frame = [0; SHORT_FRAME];
    let (header, body) = frame.split_at_mut(size_of::<u32>());
    let len = postcard::to_slice(message, body)
        .map_err(TransportError::Malformed)?
        .len();
    header.copy_from_slice(&(len as u32).to_le_bytes());
    let frame = &frame[..size_of::<u32>() + len];
    loop {
        // A frame that is as short as this goes into one buffer of the kernel, so it is never cut.
        match rustix::net::send(socket, frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) if sent == frame.len() => return Ok(true),
            Ok(_) => return Err(TransportError::Truncated),
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

/// Sends a message if there is room for it now, else not at all. Returns whether it was sent. It must be shorter than what
/// the kernel takes in one buffer, some 30 KB.
pub fn send_if_room<T: Serialize>(
    socket: &UnixStream,
    message: &T,
) -> Result<bool, TransportError> {
    let frame = encode(message)?;
    loop {
        match rustix::net::send(socket, &frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) if sent == frame.len() => return Ok(true),
            Ok(_) => return Err(TransportError::Truncated),
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

/// The longest frame that is sent at once or not at all.
const SHORT_FRAME: usize = 64;

/// Receives one message, and the payload that came with it.
pub fn receive<T: DeserializeOwned>(
    socket: &UnixStream,
) -> Result<(T, Option<OwnedFd>), TransportError> {
    receive_by(socket, None)
}

/// Receives one message, whole by the deadline, if there is one. The error is otherwise [`io::ErrorKind::TimedOut`].
pub fn receive_by<T: DeserializeOwned>(
    socket: &UnixStream,
    deadline: Option<Instant>,
) -> Result<(T, Option<OwnedFd>), TransportError> {
    let mut reader = Reader { socket, deadline };
    let mut header = [0u8; 4];
    wait_for(socket, PollFlags::IN, deadline)?;
    let (mut filled, payload) = receive_first(socket, &mut header)?;
    while filled < header.len() {
        match reader.read(&mut header[filled..]) {
            Ok(0) => return Err(TransportError::Truncated),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let len = u32::from_le_bytes(header);
    if len > MAX_BODY_LEN {
        return Err(TransportError::TooLong(len.into()));
    }
    let mut body = Vec::new();
    reader.take(len.into()).read_to_end(&mut body)?;
    if body.len() < len as usize {
        return Err(TransportError::Truncated);
    }
    Ok((decode(&body)?, payload))
}

/// Reads until a deadline.
struct Reader<'a> {
    socket: &'a UnixStream,
    deadline: Option<Instant>,
}

impl Read for Reader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        wait_for(self.socket, PollFlags::IN, self.deadline)?;
        self.socket.read(bytes)
    }
}

/// Waits until a socket can be read or written, or has ended, but not past the deadline. A timeout of the socket itself
/// would begin anew with each signal that the host gets.
fn wait_for(socket: &UnixStream, what: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
    let Some(deadline) = deadline else {
        return Ok(());
    };
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        // So long a time is for ever.
        let timeout = Timespec::try_from(rest).ok();
        match rustix::event::poll(&mut [PollFd::new(socket, what)], timeout.as_ref()) {
            Ok(0) if rest.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads the first bytes of a frame together with the descriptor attached to them.
fn receive_first(
    socket: &UnixStream,
    header: &mut [u8; 4],
) -> Result<(usize, Option<OwnedFd>), TransportError> {
    // Room for more than one descriptor, so that a peer that sends several has them closed here, not leaked.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match rustix::net::recvmsg(
            socket,
            &mut [IoSliceMut::new(header)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    };
    let mut payload = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            for fd in fds {
                payload.get_or_insert(fd);
            }
        }
    }
    if received.bytes == 0 {
        return Err(TransportError::Closed);
    }
    // The kernel has cut the control data: there was no number left for a descriptor.
    if payload.is_none() && received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(TransportError::NoDescriptor);
    }
    Ok((received.bytes, payload))
}

/// Who is at the other end of a connection: who called `connect`, `listen` or `socketpair`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// 0 if it is of another namespace.
    pub process: u32,
    pub user: u32,
}

pub fn peer(socket: impl AsFd) -> rustix::io::Result<Peer> {
    let mut credentials = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // Not rustix's function: its type cannot hold the process 0.
    // SAFETY: the kernel writes at most `len` bytes, which the struct has.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    };
    if result < 0 {
        return Err(
            rustix::io::Errno::from_io_error(&io::Error::last_os_error())
                .unwrap_or(rustix::io::Errno::INVAL),
        );
    }
    Ok(Peer {
        process: credentials.pid.cast_unsigned(),
        user: credentials.uid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Cpu, Level};
    use crate::protocol::messages::{CompileRequest, Hello, Reply, Request, Step};
    use crate::protocol::payload::{check_payload, seal};
    use crate::types::{Emit, Input, OptLevel, Target};
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    /// What the other side makes of `bytes`, after which the connection ends.
    fn received<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, TransportError> {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // The receiver may hang up first.
                let _ = (&ours).write_all(bytes);
            });
            let result = receive(&theirs).map(|(message, _)| message);
            drop(theirs);
            result
        })
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = (body.len() as u32).to_le_bytes().to_vec();
        frame.extend_from_slice(body);
        frame
    }

    #[test]
    fn what_is_sent_is_received() {
        let request = Request::Compile(CompileRequest {
            name: "m".to_owned(),
            key: [1; 32],
            opt_level: OptLevel::Oz,
            target: Target::Host(Cpu::Level(Level::ALL[2])),
            identify: true,
            progress: true,
            inputs: vec![Input {
                name: "i".to_owned(),
                len: 3,
            }],
            keep: Some(vec!["main".to_owned()]),
            emit: Emit::Code,
            step: Step::Whole,
            replaceable: false,
            switchable: false,
            max_memory: 0,
        });
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let payload = seal(&[b"a", b"", b"bc"]).expect("a memfd");
        send(&ours, &request, Some(payload.as_fd())).expect("sent");
        send(&ours, &Hello::ours(), None).expect("sent");
        let (message, payload): (Request, _) = receive(&theirs).expect("received");
        assert_eq!(message, request);
        let mut bytes = [0; 3];
        let file = check_payload(payload, 3).expect("a sealed memfd");
        file.read_exact_at(&mut bytes, 0).expect("read");
        assert_eq!(&bytes, b"abc");
        let (hello, payload): (Hello, _) = receive(&theirs).expect("received");
        assert_eq!(hello, Hello::ours());
        assert!(payload.is_none());
    }

    #[test]
    fn malformed_frames_are_errors() {
        // The number of `Reply::Failed`.
        const FAILED: u8 = 7;
        fn check(bytes: &[u8], expect: &str) {
            let result: Result<Reply, _> = received(bytes);
            let error = result.expect_err("a malformed frame").to_string();
            assert!(error.contains(expect), "{bytes:?}: {error}");
        }
        check(b"", "was closed");
        check(&[1], "inside a frame");
        check(&[1, 0, 0], "inside a frame");
        check(&[1, 0, 0, 0], "inside a frame");
        check(&[5, 0, 0, 0, 0, 0], "inside a frame");
        check(&[0xff; 4], "4294967295 bytes");
        check(&[0xff; 4096], "4294967295 bytes");
        check(&(MAX_BODY_LEN + 1).to_le_bytes(), "the limit is");
        // The longest that is allowed, claimed and not sent: it must not be allocated.
        check(&MAX_BODY_LEN.to_le_bytes(), "inside a frame");
        check(&frame(b""), "does not decode");
        // No variant of this number.
        check(&frame(&[0x7f]), "does not decode");
        // A string that claims 2^64 - 1 bytes.
        check(
            &frame(&[
                FAILED, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ]),
            "does not decode",
        );
        // Failed, with an empty message, no input and no position, and one byte more.
        check(&frame(&[FAILED, 0, 0, 0, 0, 7]), "1 bytes after");
    }

    #[test]
    fn every_cut_of_a_frame_is_an_error() {
        let body = postcard::to_stdvec(&Hello::ours()).expect("it encodes");
        let whole = frame(&body);
        assert_eq!(received::<Hello>(&whole).expect("whole"), Hello::ours());
        for len in 0..whole.len() {
            received::<Hello>(&whole[..len]).expect_err("a cut frame");
        }
    }

    #[test]
    fn more_descriptors_than_one_are_closed() {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let fds = [writer.as_fd(), writer.as_fd(), writer.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        let hello = frame(&postcard::to_stdvec(&Hello::ours()).expect("it encodes"));
        rustix::net::sendmsg(
            &ours,
            &[IoSlice::new(&hello)],
            &mut control,
            SendFlags::empty(),
        )
        .expect("sent");
        drop(writer);
        let (_, payload): (Hello, _) = receive(&theirs).expect("received");
        assert!(payload.expect("the first").as_raw_fd() >= 0);
        // No copy of the writing end is left: the pipe is at its end.
        let mut rest = Vec::new();
        (&reader).read_to_end(&mut rest).expect("read");
        assert!(rest.is_empty());
    }
}
