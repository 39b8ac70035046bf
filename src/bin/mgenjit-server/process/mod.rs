//! The server as a process: what it inherits, what it may do, how it ends, and what it leaves in its log.
//!
//! Nothing here knows LLVM's modules, the linker or the requests.

pub mod crash;
pub mod heap;
pub mod inherited;
pub mod isolate;
pub mod limits;
pub mod log;
pub mod lower;
pub mod memory;
pub mod passes;
pub mod prefault;
pub mod progress;
pub mod record;
pub mod watch;
