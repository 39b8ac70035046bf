//! The shared server as a process: many clients, workers that die, and how it begins and ends.

mod beginning;
mod joining;
mod server;
mod workers;
