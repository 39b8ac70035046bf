//! Writes a long value into a file of whoever asks for it, while it arrives.

use super::store::Store;
use super::value::Value;
use bytes::Buf;
use mgenjit::protocol::storage::wire;
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;

/// Requests are short, and read at once.
pub type Client = BufReader<UnixStream>;

/// From this length on, a file costs less than to pass the value on twice.
const LONG: u64 = 256 << 10;

/// What came of an offer.
pub enum Offered {
    /// The file has the value, and that was said.
    Filled,
    /// There is no file for it: it is short, or the client has none.
    Declined(Value),
    /// The file could not be written, or not all of the value came.
    Failed,
}

/// Offers a long value for a file.
pub async fn offer(client: &mut Client, value: Value, store: &Store) -> io::Result<Offered> {
    let len = value.len();
    if len < LONG {
        return Ok(Offered::Declined(value));
    }
    let mut offer = vec![wire::ROOM];
    offer.extend_from_slice(&len.to_ne_bytes());
    client.write_all(&offer).await?;
    let Some(file) = file_of(client).await? else {
        return Ok(Offered::Declined(value));
    };
    match store.limited(fill(file, value)).await {
        Ok(Ok(())) => client.write_all(&[wire::FILLED]).await?,
        _ => return Ok(Offered::Failed),
    }
    Ok(Offered::Filled)
}

async fn fill(mut file: File, value: Value) -> io::Result<()> {
    match value {
        Value::Whole(mut value) => {
            while value.has_remaining() {
                let written = file.write(value.chunk())?;
                value.advance(written);
            }
        }
        Value::Arriving(mut value) => {
            loop {
                let part = value.next().await?;
                if part.is_empty() {
                    break;
                }
                file.write_all(part)?;
            }
            value.end().await?;
        }
    }
    Ok(())
}

/// The client's answer to an offer: one byte, with a file or without.
async fn file_of(client: &mut Client) -> io::Result<Option<File>> {
    let stream = client.get_ref();
    stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let received = rustix::net::recvmsg(
                stream,
                &mut [IoSliceMut::new(&mut byte)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
            )
            .map_err(|error| match error {
                Errno::AGAIN => io::ErrorKind::WouldBlock.into(),
                error => io::Error::from(error),
            })?;
            if received.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let file = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut files) => files.next(),
                _ => None,
            });
            // A write into anything else could wait for ever.
            let is_regular = |file: &OwnedFd| {
                rustix::fs::fstat(file).is_ok_and(|stat| {
                    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                })
            };
            Ok(file.filter(is_regular).map(File::from))
        })
        .await
}
