//! The CPU features that can change generated code.
//!
//! They are detected in the client's process and become part of the key and the request. A server may see another
//! CPU: one of the two may run in an emulator, or under a tool that hides features. The client has no LLVM to ask,
//! but uses LLVM's names.

mod level;
mod model;

pub use level::{Cpu, Level, missing};
pub use model::Model;
