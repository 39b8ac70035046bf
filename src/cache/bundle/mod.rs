//! Bundles: selected entries of a cache in one file, for machines without a compile server. They are imported, or used in
//! place, as a layer.
//!
//! ```text
//! ┌────────┬─────────────────┬─────────────────┬─────┬───────┬──────┐
//! │ header │ record, content │ record, content │  …  │ index │ tail │
//! └────────┴─────────────────┴─────────────────┴─────┴───────┴──────┘
//!
//! header, 32 bytes, integers little-endian:
//!   0  magic "MGENJIT bundle\r\n"
//!  16  format version, u32
//!  20  zero, u32
//!  24  how many records there are, u64
//!
//! record, 56 bytes:
//!   0  kind, u32: 1 an entry, 2 an alias
//!   4  compression of the content, u32: 0 none; in version 1 also 1, one zstd frame
//!   8  key, 32 bytes
//!  40  the file's length, u64
//!  48  the content's length, u64
//!
//! index: of each record, sorted by key and kind, 56 bytes:
//!   0  kind, u32
//!   4  zero, u32
//!   8  key, 32 bytes
//!  40  the file's length, u64
//!  48  where its content begins in the bundle, u64
//!
//! tail, 48 bytes:
//!   0  BLAKE3 of all before, 32 bytes
//!  32  magic "bundle MGENJIT\r\n"
//! ```
//!
//! Zeros lie before an entry's content, so that it begins at a multiple of a page and its image can be mapped. Version 1 has
//! no such zeros and no index. It can be imported.
//!
//! The content is a whole entry file or alias file (see [`super::entry`]), which holds its own digest and signature. A
//! bundle has no file names, only keys: the importing cache decides where a file goes. An alias comes after its entry.
//!
//! Every later version keeps the version and the tail in these places, so that a newer bundle is not taken for a damaged
//! one.

mod copy;
mod export;
mod format;
mod import;
mod in_place;
mod read;

#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use export::{alias_file, entry_file, export};
pub use import::import;
pub use in_place::InPlace;
