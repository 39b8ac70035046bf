//! Conversations that go wrong, or are made to: frames with lengths that lie and descriptors of every kind.

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::fs::File;
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// A frame as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// How long its header says that the body is.
    pub claimed: u32,
    pub body: Vec<u8>,
    pub descriptor: Descriptor,
}

/// What comes with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor {
    Nothing,
    /// What should come: a sealed memfd.
    Sealed,
    /// One that is shorter.
    Short,
    /// One that claims to be large.
    Sparse,
    /// One that may still be written.
    Unsealed,
    /// One that may still shrink.
    HalfSealed,
    NoMemfd,
    /// More than one, the first as it should be.
    Several,
}

impl Descriptor {
    pub const ALL: [Descriptor; 8] = [
        Descriptor::Nothing,
        Descriptor::Sealed,
        Descriptor::Short,
        Descriptor::Sparse,
        Descriptor::Unsealed,
        Descriptor::HalfSealed,
        Descriptor::NoMemfd,
        Descriptor::Several,
    ];

    fn open(self, payload: &[u8]) -> Vec<OwnedFd> {
        let grow = SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        let all = grow | SealFlags::SHRINK;
        let (reader, _) = rustix::pipe::pipe().expect("a pipe");
        match self {
            Descriptor::Nothing => Vec::new(),
            Descriptor::Sealed => vec![memfd(payload, 0, all)],
            Descriptor::Short => vec![memfd(&payload[..payload.len() / 2], 0, all)],
            Descriptor::Sparse => vec![memfd(payload, 1 << 40, all)],
            Descriptor::Unsealed => vec![memfd(payload, 0, SealFlags::empty())],
            Descriptor::HalfSealed => vec![memfd(payload, 0, grow)],
            Descriptor::NoMemfd => vec![reader],
            Descriptor::Several => vec![memfd(payload, 0, all), memfd(b"", 0, all), reader],
        }
    }
}

fn memfd(bytes: &[u8], len: u64, seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("frames", flags).expect("a memfd"));
    (&file).write_all(bytes).expect("memory");
    if len > 0 {
        file.set_len(len).expect("a sparse file");
    }
    rustix::fs::fcntl_add_seals(&file, seals).expect("seals");
    file.into()
}

impl Frame {
    #[cfg(test)]
    pub fn new(body: Vec<u8>, descriptor: Descriptor) -> Frame {
        Frame {
            claimed: body.len() as u32,
            body,
            descriptor,
        }
    }

    /// Sends it, with what `payload` is made of. `false`: the peer is gone, or takes no more.
    pub fn send(&self, socket: &UnixStream, payload: &[u8]) -> bool {
        let descriptors = self.descriptor.open(payload);
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let header = self.claimed.to_le_bytes();
        let parts = [IoSlice::new(&header), IoSlice::new(&self.body)];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(socket, &parts, &mut control, flags)
            .is_ok_and(|sent| sent == header.len() + self.body.len())
    }
}
