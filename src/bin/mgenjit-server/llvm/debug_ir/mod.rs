//! Debug information of IR that has none: the IR itself is the source.
//!
//! `tokens` and `text` find the instructions of a text, `places` those of a module in it; `annotate` writes line tables and
//! variables, whose `types` are LLVM's; `facts` is what it asks of values.

mod annotate;
mod facts;
mod places;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod types;

pub use annotate::{File, annotate};
