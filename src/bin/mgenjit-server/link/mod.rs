//! libwild's part: objects become an image, or a shared library for export.

#[cfg(test)]
mod assembly;
mod atomics;
pub mod blame;
pub mod cpu_features;
pub mod crt;
pub mod headers;
pub mod helpers;
pub mod images;
pub mod loadable;
pub mod mend;
pub mod merge;
pub mod object_archive;
pub mod objects;
pub mod piece;
pub mod tls;
pub mod visibility;
