//! Frames on a socket that is never waited for: what has come is kept until it is whole, and what is to go until the
//! peer takes it. Who uses it bounds both by what it reads and sends, and by time.

use mgenjit::protocol::transport::{MAX_BODY_LEN, TransportError, encode};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

/// What is read at once.
const CHUNK: usize = 16 << 10;

/// Descriptors that came and were not asked for yet. Each request has one, and no peer sends two requests at once.
const MOST_DESCRIPTORS: usize = 4;

pub struct Connection {
    socket: OwnedFd,
    incoming: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    outgoing: VecDeque<Outgoing>,
    /// Since when a frame is awaited of which a part came, and since when the peer takes nothing.
    part_since: Option<Instant>,
    full_since: Option<Instant>,
}

/// A frame, which several peers may get.
#[derive(Clone)]
pub struct Frame {
    bytes: Rc<[u8]>,
    payload: Option<Rc<OwnedFd>>,
}

struct Outgoing {
    frame: Frame,
    sent: usize,
}

/// Whether the peer may send more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    There,
    Gone,
}

impl Frame {
    pub fn new<T: Serialize>(
        message: &T,
        payload: Option<Rc<OwnedFd>>,
    ) -> Result<Frame, TransportError> {
        Ok(Frame {
            bytes: encode(message)?.into(),
            payload,
        })
    }

    /// Of a body that came, to be passed on.
    pub fn of_body(body: &[u8], payload: Option<Rc<OwnedFd>>) -> Frame {
        let mut bytes = Vec::with_capacity(4 + body.len());
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(body);
        Frame {
            bytes: bytes.into(),
            payload,
        }
    }
}

impl Connection {
    /// The socket must not block.
    pub fn new(socket: OwnedFd) -> Connection {
        Connection {
            socket,
            incoming: Vec::new(),
            descriptors: VecDeque::new(),
            outgoing: VecDeque::new(),
            part_since: None,
            full_since: None,
        }
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads what has come, up to one frame and a chunk.
    pub fn read(&mut self) -> Result<Peer, TransportError> {
        let peer = loop {
            if self.is_whole()? {
                break Peer::There;
            }
            match self.read_chunk() {
                Ok(0) => break Peer::Gone,
                Ok(_) => {}
                Err(Errno::AGAIN) => break Peer::There,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => break Peer::Gone,
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
            if self.descriptors.len() > MOST_DESCRIPTORS {
                return Err(TransportError::BadPayload {
                    expected: 0,
                    found: "more descriptors came than are asked for".to_owned(),
                });
            }
        };
        self.note_part();
        Ok(peer)
    }

    fn read_chunk(&mut self) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let before = self.incoming.len();
        self.incoming.resize(before + CHUNK, 0);
        let received = rustix::net::recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut self.incoming[before..])],
            &mut control,
            RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
        );
        let len = received.as_ref().map_or(0, |received| received.bytes);
        self.incoming.truncate(before + len);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        received.map(|received| received.bytes)
    }

    /// The next frame's body, if it is there whole.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        let body = match self.body_len()? {
            Some(len) if self.incoming.len() >= 4 + len => {
                let rest = self.incoming.split_off(4 + len);
                let mut frame = std::mem::replace(&mut self.incoming, rest);
                frame.drain(..4);
                // What is left belongs to the next one.
                self.part_since = None;
                Some(frame)
            }
            _ => None,
        };
        self.note_part();
        Ok(body)
    }

    /// The first descriptor that came and was not taken yet.
    pub fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    /// Sends a frame, or as much of it as the peer takes now. An error is a peer that is gone.
    pub fn send(&mut self, frame: Frame) -> std::io::Result<()> {
        self.outgoing.push_back(Outgoing { frame, sent: 0 });
        self.flush()
    }

    /// Sends what is left.
    pub fn flush(&mut self) -> std::io::Result<()> {
        while let Some(next) = self.outgoing.front_mut() {
            let rest = &next.frame.bytes[next.sent..];
            let payload = next.frame.payload.as_ref().filter(|_| next.sent == 0);
            let descriptors: Vec<BorrowedFd<'_>> =
                payload.map(|payload| payload.as_fd()).into_iter().collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&descriptors));
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::sendmsg(&self.socket, &[IoSlice::new(rest)], &mut control, flags) {
                Ok(sent) => {
                    next.sent += sent;
                    self.full_since = None;
                    if next.sent == next.frame.bytes.len() {
                        self.outgoing.pop_front();
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // Too many descriptors are on their way to peers that do not read: for a while.
                Err(Errno::TOOMANYREFS) => break,
                Err(error) => return Err(error.into()),
            }
        }
        match self.outgoing.is_empty() {
            true => self.full_since = None,
            false => {
                self.full_since.get_or_insert_with(Instant::now);
            }
        }
        Ok(())
    }

    /// Whether something is left to send.
    pub fn is_full(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Since when the peer owes something: the rest of a frame, if what it sends `is_read`, or to read.
    pub fn owes_since(&self, is_read: bool) -> Option<Instant> {
        // A whole frame waits because it is not its turn, which is not the peer's fault.
        let part = self
            .part_since
            .filter(|_| is_read && !matches!(self.is_whole(), Ok(true)));
        part.into_iter().chain(self.full_since).min()
    }

    /// The peer is read again, and may send the rest of a frame from now on.
    pub fn restart_part(&mut self) {
        self.part_since = self.part_since.map(|_| Instant::now());
    }

    /// Bytes that are kept for the peer.
    pub fn buffered(&self) -> usize {
        self.incoming.capacity()
    }

    /// Whether a whole frame waits to be taken.
    pub fn is_whole(&self) -> Result<bool, TransportError> {
        Ok(self
            .body_len()?
            .is_some_and(|len| self.incoming.len() >= 4 + len))
    }

    fn body_len(&self) -> Result<Option<usize>, TransportError> {
        let Some(header) = self.incoming.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes(*header);
        if len > MAX_BODY_LEN {
            return Err(TransportError::TooLong(len.into()));
        }
        Ok(Some(len as usize))
    }

    fn note_part(&mut self) {
        if self.incoming.is_empty() {
            self.part_since = None;
            // There may be a thousand peers that say nothing.
            self.incoming = Vec::new();
        } else {
            self.part_since.get_or_insert_with(Instant::now);
        }
    }
}
