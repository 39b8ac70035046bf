//! The remote tier: stores that several machines share, asked when this machine's cache has no entry.
//!
//! The library has no network code. It talks to a storage helper, a process of the user's that knows one kind of store
//! (`protocol::storage`): ccache's, or `mgenjit-remote`. `spec` is what a user writes about a store, `place` finds or
//! starts its helper, `key` and `value` are what is stored there. `store` asks one store a `question`, `tier` all of them in
//! their order, `race` while a compile may already run, and `upload` hands what was compiled to the uploader. `admin` is what people ask for.
//!
//! Architecture Invariant: nothing that a store says is believed. What is returned was checked, signature first.
//!
//! Architecture Invariant: a problem with a store is never an error of a compile. It is told to the event hook.

mod absent;
mod admin;
mod key;
mod place;
mod question;
pub mod race;
pub mod spec;
pub mod store;
pub mod tier;
mod upload;
mod value;
