//! Runs compiled code apart from its host: `mgenjit-helper run`.
//!
//! `monitor` is the process that the host starts: it runs no code of anybody's. For each run it forks a process, which `child`
//! makes ready: it reads what is to be run, and gives up what the program may not have, by `access` and `filter`, whose lists are
//! `calls`. `fault` is what
//! both share about a crash. `namespace` starts a program of several processes.

mod access;
mod calls;
mod child;
mod fault;
mod filter;
mod monitor;
mod namespace;
mod process;

pub use monitor::serve;
