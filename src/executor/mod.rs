//! Modules, symbols and calls: what the C API's executor does.
//!
//! Architecture Invariant: `Executor::state` is locked for short steps only. No code of a module, no hook and no
//! server is waited for while it is held; so a constructor may use its own executor, and `fork` need not wait.

mod address;
mod batch;
mod builtins;
mod call;
mod compile;
mod core;
mod debug_ir;
mod entries;
mod failed;
mod functions;
mod info;
pub mod isolated;
mod library;
mod link;
mod listen;
mod lookup;
mod main_call;
mod module;
mod output;
mod outside;
mod perf;
mod pieces;
mod profile;
mod queue;
mod recompile;
mod redirect;
mod registers;
mod replace;
mod report;
mod reproducer;
mod resolve;
mod second;
pub mod source;
mod state;
mod storing;
mod switch;
mod task;
#[cfg(test)]
mod tests;
mod value;
mod watch;

pub use self::core::Executor;
pub use call::{Call, Function};
pub use compile::{Named, key_of, machine_of};
pub use info::Origin;
pub use main_call::check_main;
pub use module::{Artifacts, Module};
pub use profile::merge as merge_profiles;
pub use recompile::recompile;
pub use replace::{Allow, OldCode};
pub use storing::{Order, Outcome, Said, Storing};
pub use task::{Callback, Task};
pub use value::Value;
