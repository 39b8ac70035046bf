//! The shared server as a process: many clients, workers that die, and how it begins and ends.

mod beginning;
mod crowds;
#[path = "../../src/compile/fuzz/frames.rs"]
mod frames;
mod full;
mod hostile;
mod joining;
mod limits;
#[path = "../../src/compile/fuzz/mutate.rs"]
mod mutate;
mod mutated;
mod resources;
mod server;
#[path = "../support/slow.rs"]
mod slow;
mod workers;
