//! What a server compiled.

use crate::cache::entry::{Entry, EntryError};
use crate::client::connection::Output;
use crate::error::{Error, Status};
use std::io;
use std::os::unix::fs::FileExt;

/// The image and the object. The memfd's position is wherever the server left it.
pub fn read(output: &Output) -> io::Result<(Vec<u8>, Vec<u8>)> {
    // The lengths were checked against the memfd's.
    let mut image = vec![0; output.compiled.image_len as usize];
    let mut object = vec![0; output.compiled.object_len as usize];
    output.payload.read_exact_at(&mut image, 0)?;
    output
        .payload
        .read_exact_at(&mut object, output.compiled.image_len)?;
    Ok((image, object))
}

/// Texts for debuggers, by the names of their files.
pub fn sources(output: &Output) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut offset = output.compiled.image_len + output.compiled.object_len;
    let mut sources = Vec::new();
    for source in &output.compiled.sources {
        // It becomes a file in a folder, and nothing else.
        if source.name.contains('/') || source.name.starts_with('.') || source.name.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut text = vec![0; source.len as usize];
        output.payload.read_exact_at(&mut text, offset)?;
        offset += source.len;
        sources.push((source.name.clone(), text));
    }
    Ok(sources)
}

/// Compares newly compiled code with an entry's, byte by byte.
pub fn compare(entry: &Entry, image: &[u8], object: &[u8]) -> Result<(), Error> {
    let unreadable = |error: EntryError| {
        Error::new(
            Status::Damaged,
            format!("the entry {} cannot be compared: {error}", entry.tail.key()),
        )
    };
    let about = entry.manifest.decode_about().map_err(unreadable)?;
    let theirs = entry.image().map_err(unreadable)?;
    let their_object = entry.object(&about).map_err(unreadable)?;
    for (what, theirs, ours) in [
        ("image", &theirs[..], image),
        ("object", &their_object, object),
    ] {
        if theirs != ours {
            let place = theirs
                .iter()
                .zip(ours)
                .position(|(one, other)| one != other)
                .unwrap_or(theirs.len().min(ours.len()));
            return Err(Error::new(
                Status::Different,
                format!(
                    "compiled again, the {what} differs from that of the entry {} at byte {place}; it has {} bytes in the \
                     cache and {} now",
                    entry.tail.key(),
                    theirs.len(),
                    ours.len()
                ),
            ));
        }
    }
    Ok(())
}
