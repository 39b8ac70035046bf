//! The cache as a whole, without a compiler: entries of arbitrary bytes.

mod contents;
mod files;
mod index;
mod pieces;
pub mod support;
