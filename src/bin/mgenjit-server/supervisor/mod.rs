//! The shared server: takes clients on a socket and gives their requests to workers, which are processes of this
//! program that compile for nobody else. It runs no LLVM and links nothing: what kills a worker costs one compile.
//!
//! One thread waits for all sockets at once, and waits for no single one. What it keeps for its clients is bounded: in
//! number by [`Options`], in time by its `client_timeout`, and each client has one request at a time.
//!
//! Architecture Invariant: nothing that a client sends or leaves unsent, and nothing that happens to a worker, ends the
//! server or holds up another client for longer than a compile.
//!
//! ```text
//!   epoll ──► serve ──► clients, admission ──┐ Event              Action ┌──► workers
//!                  └──► workers ─────────────┴──────► schedule ──────────┘
//! ```
//!
//! What decides has no descriptors, no processes and no clock, and is tested alone: `schedule` (which worker does which
//! job, and how many workers there are), `turn` (where a client stands), `jobs` (who waits for what, and which requests are
//! one), `queue` and `usage`. The others read, write, start and kill, on what `state` has. A write that fails drops its
//! client at once, in the middle of whatever is being done: that is why clients are no state machine of events and actions
//! as the workers are.

mod admission;
mod client;
mod clients;
mod connection;
mod job;
mod jobs;
mod limits;
mod listener;
mod options;
mod queue;
mod schedule;
mod serve;
mod state;
mod turn;
mod usage;
mod worker;
mod workers;

pub use options::Options;
pub use serve::run;
