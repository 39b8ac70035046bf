//! What a CPU can do, as far as it can change generated code.
//!
//! The client's process is asked what it can do, and what it answers goes into the key and with the request: a server
//! may see another CPU than its client does, for one of the two may run in an emulator or below a tool that hides
//! features. There is no LLVM in the client to ask; the names of features are LLVM's all the same.

mod detect;
mod features;
mod level;
mod model;
mod tuning;

pub use level::{Cpu, Level, missing};
pub use model::Model;
