//! An entry file holds one compiled module. An alias file, its small sibling, holds the key of another entry.
//!
//! ```text
//! ┌──────────────────────────────┬──────────┬───────┬──────────────┬─────────────┬──────┐
//! │ image: an ELF shared object  │ manifest │ zeros │ object, zstd │ input, zstd │ tail │
//! └──────────────────────────────┴──────────┴───────┴──────────────┴─────────────┴──────┘
//!
//! tail, 200 bytes, integers little-endian:
//!   0  image's length, u64
//!   8  manifest's length, u64
//!  16  object's length, u64
//!  24  input's length, u64; 0 if it was not kept
//!  32  the entry's key, 32 bytes
//!  64  digest: BLAKE3 of the image, the manifest and the zeros, 32 bytes
//!  96  kind, u32: 1 an entry, 2 an alias
//! 100  signature's scheme, u32: 0 none, 1 BLAKE3 with a key, 2 Ed25519
//! 104  signature of bytes 0 to 99, 64 bytes; zeros behind a shorter one
//! 168  check: the first 16 bytes of BLAKE3 of bytes 0 to 167 and 184 to 191
//! 184  format version, u32
//! 188  zero, u32
//! 192  magic "MGENJIT\n"
//! ```
//!
//! The zeros make what is hashed a multiple of 8 KiB: BLAKE3 hashes 8 or 16 pieces of 1 KiB in the time of one, so 8192
//! bytes take a third of the time of 7900. A hit does not need the object and the input. So they have digests of their
//! own in the manifest, which are checked when they are read.
//!
//! ELF tools read the headers at the start and ignore the rest, so to `objdump`, `gdb` and `perf` an entry is a shared
//! object. An entry file never changes once it has its name.
//!
//! An alias has neither image nor zeros, object or input, and its manifest is the 32 bytes of another key.
//!
//! Every later version keeps the version and the magic in these places, so that each can recognise the others' files.

mod attachment;
mod error;
mod hash;
mod io;
mod manifest_format;
mod origin;
mod read;
mod received;
mod tail;
mod write;

#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use attachment::{attach, detach};
pub use error::EntryError;
pub use io::Part;
pub use manifest_format::RawManifest;
pub use origin::check_origin;
pub use read::{Entry, Peeked, peek, read_alias, read_alias_at};
pub use received::{Received, Whole, receive};
pub use tail::{ALIAS_LEN, Kind, MAX_LEN, TAIL_LEN};
pub use write::{Encoded, encode, encode_alias};
