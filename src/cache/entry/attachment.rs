//! An entry's attachments: the object and the input, each compressed by zstd.

use super::error::EntryError;
use crate::cache::manifest::{Manifest, Stored};
use rustix::io::pread;
use std::fs::File;
use std::io::Read;

/// The largest attachment, uncompressed. The code of one object has to fit into 2 GiB.
const MAX_ATTACHMENT_LEN: u64 = 1 << 32;

/// A low level: an object is written on every miss and read only for export, so time matters more than size.
const ZSTD_LEVEL: i32 = 1;

/// Compresses the object and the input, and notes them in `manifest.about`.
pub fn attach(
    object: &[u8],
    input: Option<&[u8]>,
    manifest: &mut Manifest,
) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let compress = |bytes: &[u8]| -> std::io::Result<(Vec<u8>, Stored)> {
        let compressed = zstd::bulk::compress(bytes, ZSTD_LEVEL)?;
        let stored = Stored {
            len: bytes.len() as u64,
            digest: *blake3::hash(&compressed).as_bytes(),
        };
        Ok((compressed, stored))
    };
    let (object, stored) = compress(object)?;
    manifest.about.object = Some(stored);
    let (input, stored) = match input.map(compress).transpose()? {
        Some((input, stored)) => (input, Some(stored)),
        None => (Vec::new(), None),
    };
    manifest.about.input = stored;
    Ok((object, input))
}

/// Decompresses what [`attach`] compressed.
pub fn detach(
    what: &'static str,
    compressed: &[u8],
    stored: Option<&Stored>,
) -> Result<Vec<u8>, EntryError> {
    let stored = stored.ok_or(EntryError::Missing(what))?;
    if blake3::hash(compressed).as_bytes() != &stored.digest {
        return Err(EntryError::Attachment(what));
    }
    // Its digest was verified, so its length is right.
    decompress(compressed, stored.len).ok_or(EntryError::Attachment(what))
}

/// `None` if it is not zstd, or has another length.
fn decompress(compressed: &[u8], len: u64) -> Option<Vec<u8>> {
    let len = usize::try_from(len)
        .ok()
        .filter(|len| *len as u64 <= MAX_ATTACHMENT_LEN)?;
    let mut bytes = Vec::new();
    let mut decoder = zstd::stream::Decoder::new(compressed).ok()?;
    // One byte more, to notice content that is too long.
    decoder
        .by_ref()
        .take(len as u64 + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() == len).then_some(bytes)
}

/// A part of a file, to be read from its start.
#[derive(Clone)]
pub(super) struct Range<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl<'a> Range<'a> {
    pub(super) fn new(file: &'a File, at: u64, len: u64) -> Range<'a> {
        Range {
            file,
            at,
            end: at + len,
        }
    }

    /// Checks that the bytes of an attachment are those that the manifest names.
    pub(super) fn verify_digest(
        &self,
        what: &'static str,
        stored: Option<&Stored>,
    ) -> Result<(), EntryError> {
        let Some(stored) = stored else {
            return if self.at == self.end {
                Ok(())
            } else {
                Err(EntryError::Malformed(
                    "it has content that its manifest does not list",
                ))
            };
        };
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_reader(self.clone())
            .map_err(|error| damaged(what, &error))?;
        if hasher.finalize().as_bytes() != &stored.digest || stored.len > MAX_ATTACHMENT_LEN {
            return Err(EntryError::Attachment(what));
        }
        Ok(())
    }

    /// As [`Range::verify_digest`], and that it can be decompressed.
    pub(super) fn verify(
        self,
        what: &'static str,
        stored: Option<&Stored>,
    ) -> Result<(), EntryError> {
        self.verify_digest(what, stored)?;
        let Some(stored) = stored else {
            return Ok(());
        };
        let damaged = |error: std::io::Error| damaged(what, &error);
        let decoder = zstd::stream::read::Decoder::new(self).map_err(damaged)?;
        // One byte more, to notice content that is too long.
        let len = std::io::copy(&mut decoder.take(stored.len + 1), &mut std::io::sink());
        if len.map_err(damaged)? == stored.len {
            Ok(())
        } else {
            Err(EntryError::Attachment(what))
        }
    }
}

fn damaged(what: &'static str, error: &std::io::Error) -> EntryError {
    match rustix::io::Errno::from_io_error(error) {
        Some(error) => EntryError::Io(error),
        None => EntryError::Attachment(what),
    }
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let len = buffer.len().min(rest);
        let read = pread(self.file, &mut buffer[..len], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
