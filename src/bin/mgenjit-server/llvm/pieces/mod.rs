//! Cuts a module into pieces, each of which is optimised, compiled and cached by itself.
//!
//! `facts` reads what the module is made of, `plan` decides which piece gets what, `names` gives names to what several
//! pieces share, and `arrange.cpp` writes the pieces. `cut` leads.

mod cut;
mod facts;
mod names;
mod plan;
#[cfg(test)]
mod tests;

pub use cut::{cut, is_large};
pub use names::{DIRECT, SUFFIX};
