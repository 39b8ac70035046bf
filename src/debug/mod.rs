//! Compiled code as debuggers, profilers and crash handlers see it.
//!
//! The system's loader knows nothing of an image, so neither `dladdr` nor a debugger finds it. `registry` lists all
//! images of the process; signal handlers and debuggers read that list while it changes. `symbolize` tells what an
//! address is, and `lines` its source line. `jit` announces images to gdb and lldb, as copies that `rebase` moves to
//! where the image lies.

mod file;
mod jit;
mod label;
pub mod lines;
mod rebase;
mod registry;
mod stubs;
pub mod symbolize;
mod symbols;
mod visible;

pub use label::{Announce, File, Image, Label, Symbols};
pub use stubs::VisibleStubs;
pub use visible::Visible;
