//! Programs in a process of their own, which the host survives.
//!
//! `run` is the host's side: it hands the modules of an executor to the runner, and tells what became of them; `whole` runs programs
//! so, for which `spares` has processes ready. `program` is
//! what the runner's processes are made of: an executor that compiles nothing and is given images.
//!
//! `isolate` has functions called in such a process, which is a `live` one while it is there. Both sides speak by a page of memory
//! that they share, `channel`; what they say is `talk`, and what lies in `arena` both see. `serve` is the other side, where functions
//! of the host's (`host`) are `closures`.

mod arena;
mod capture;
pub mod channel;
mod closures;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
pub mod host;
pub mod isolate;
mod live;
pub mod options;
pub mod program;
mod run;
pub mod serve;
pub mod spares;
mod talk;
mod whole;
