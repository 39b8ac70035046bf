//! Programs in a process of their own, which the host survives.
//!
//! `run` is the host's side: it hands the modules of an executor to the runner, and tells what became of the program. `program` is
//! what the runner's processes are made of: an executor that compiles nothing and is given images.

mod capture;
pub mod options;
pub mod program;
mod run;
