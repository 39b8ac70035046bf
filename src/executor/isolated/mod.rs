//! Programs in a process of their own, which the host survives.
//!
//! `run` is the host's side: it hands the modules of an executor to the runner, and tells what became of the program. `program` is
//! what the runner's processes are made of: an executor that compiles nothing and is given images.
//!
//! `isolate` has functions called in such a process, by a page of memory that is shared, `control`; `serve` is its other side.

mod arena;
mod capture;
mod control;
pub mod isolate;
pub mod options;
pub mod program;
mod run;
pub mod serve;
