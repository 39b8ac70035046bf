//! Profile-guided optimisation: code that counts what it does, and code that is optimised by such counts.
//!
//! `raw` is the face of the C++ files, which `profile.h` explains. `warnings` makes a few sentences of what LLVM says of a
//! profile.

mod raw;
mod warnings;

pub use raw::{Task, is_about, is_annotated, merge, note_names, optimise};
pub use warnings::summarise;
