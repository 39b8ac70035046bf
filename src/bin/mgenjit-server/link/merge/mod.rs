//! The objects of a module's pieces become the module's object, as `ld -r` would make it.
//!
//! `part` reads an object, `frames` takes dropped functions out of its unwind information, `layout` says which section of the
//! result has which of the objects' sections, `symbols` which symbol is which, and `write` writes the result. All of what
//! pieces are and other objects are not is in `symbols`: names that only the pieces share become local again.
//!
//! libwild's own merging would not do: it knows no local symbols that several objects share, and loses common ones.

mod frames;
mod layout;
mod part;
mod pieces;
mod symbols;
mod write;

pub use pieces::merge;

#[cfg(test)]
mod tests;
