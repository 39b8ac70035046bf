//! The inputs of a request as they are: IR, objects and archives in memory, and the names that they define and use.

pub mod align;
pub mod archive;
pub mod buffer;
pub mod conflicts;
pub mod object_file;
pub mod old_compression;
pub mod symbols;
