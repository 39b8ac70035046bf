//! What the library and the server say to each other: messages, their frames on a socket, and the memfds that carry what
//! is large.

pub mod external_linker;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod greeting;
pub mod isolated;
pub mod last_words;
pub mod messages;
pub mod payload;
pub mod profile;
pub mod source_paths;
pub mod storage;
pub mod transport;
