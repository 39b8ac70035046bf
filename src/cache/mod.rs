//! The disk cache: immutable entry files, one for each key.
//!
//! Architecture Invariant: the cache maps nothing and runs nothing. It hands out entries that were verified,
//! as open files; `image` maps them.
//!
//! Architecture Invariant: a problem with the cache is never an error of a compile. It is a [`warning::Warning`],
//! which the executor passes to the event hook and otherwise treats as a miss.

pub mod admin;
pub mod arrived;
pub mod bundle;
mod bytes;
pub mod directory;
pub mod entry;
pub mod explain;
pub mod file;
pub mod index;
pub mod journal;
pub mod key;
mod layer;
pub mod list;
pub mod lock;
pub mod maintain;
pub mod manifest;
pub mod options;
pub mod policy;
pub mod sources;
pub mod store;
pub mod trust;
mod version;
pub mod warning;

#[cfg(test)]
#[path = "../../benches/cache/layers.rs"]
mod layers;
#[cfg(test)]
mod replay;
#[cfg(test)]
#[path = "../../benches/cache/scale.rs"]
mod scale;
#[cfg(test)]
mod tests;
