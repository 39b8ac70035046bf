//! The shared server as a process: many clients, workers that die, and how it begins and ends.

mod beginning;
mod crowds;
#[path = "../../src/protocol/fuzz/frames.rs"]
mod frames;
mod full;
mod hostile;
mod joining;
mod limits;
#[path = "../../src/protocol/fuzz/mutate.rs"]
mod mutate;
mod mutated;
mod resources;
mod server;
#[path = "../support/slow.rs"]
mod slow;
#[path = "../support/wait.rs"]
mod wait;
mod workers;
