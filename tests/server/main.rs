//! The compile server as a process: what it answers, and that nothing it is given ends it in silence.

mod client;
mod code;
mod failures;
mod images;
mod inputs;
mod loaded;
mod process;
mod protocol;
