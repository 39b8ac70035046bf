//! The compile server as a process: what it answers, and that nothing it is given ends it in silence.

mod canonical;
mod client;
mod code;
mod cpu;
mod driver;
mod entry_point;
mod failures;
#[path = "../support/fatal.rs"]
mod fatal;
#[path = "../../src/protocol/fuzz/frames.rs"]
mod frames;
mod images;
mod inputs;
mod isolation;
mod link;
mod loaded;
mod log;
#[path = "../support/machine.rs"]
mod machine;
mod memory;
#[path = "../../src/protocol/fuzz/mutate.rs"]
mod mutate;
mod mutated;
mod pieces;
mod process;
mod progress;
mod protocol;
#[path = "../support/skips.rs"]
mod skips;
#[path = "../support/slow.rs"]
mod slow;
mod targets;
mod tools;
mod units;
#[path = "../support/wait.rs"]
mod wait;
