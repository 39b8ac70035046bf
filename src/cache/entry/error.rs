//! Why a file is not a usable entry.

use crate::cache::key::Key;
use crate::cache::trust::Untrusted;
use crate::cache::version::FORMAT_VERSION;

#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("it cannot be read: {0}")]
    Io(#[from] rustix::io::Errno),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is not an entry, or is truncated: {0}")]
    Malformed(&'static str),
    #[error("it has format version {0}; this library reads {FORMAT_VERSION}")]
    Version(u32),
    #[error("it belongs to the key {0}")]
    WrongKey(Key),
    #[error("it is code for {theirs}, not for {ours}")]
    Machine { theirs: String, ours: String },
    #[error("its bytes do not match its digest")]
    Digest,
    #[error("its {0} does not match its digest")]
    Attachment(&'static str),
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("its inputs are not those that its manifest lists")]
    OtherInput,
    #[error("its content belongs to another module, which has the key {0}")]
    OtherContent(Key),
    #[error("it is not trusted: {0}")]
    Untrusted(#[from] Untrusted),
}

pub(super) const UNDECODABLE: EntryError = EntryError::Malformed("its manifest does not decode");
