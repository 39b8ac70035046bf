//! Compiles and stores what nobody waits for, in a process that outlives this one.
//!
//! `hand_over` gives an `order` to that process; `work` is what it does.

mod hand_over;
mod order;
mod work;

pub use crate::client::storer::Outcome;
pub use hand_over::order;
pub use order::{Order, Said};
pub use work::Storing;
