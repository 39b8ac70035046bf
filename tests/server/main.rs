//! The compile server as a process: what it answers, and that nothing it is given ends it in silence.

mod canonical;
mod client;
mod code;
mod cpu;
mod failures;
mod images;
mod inputs;
mod loaded;
mod process;
mod protocol;
mod units;
