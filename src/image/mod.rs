//! Maps an image into the process, relocates it, and runs its life cycle.
//!
//! An image is the ELF shared object that the compile server links from a module. It is mapped from the file
//! that was verified, so that processes that run the same entry share its code.
//!
//! Architecture Invariant: nothing here knows of modules, caches or servers. `executor` decides what each symbol
//! resolves to, and passes it to `Image::relocate`.
//!
//! Architecture Invariant: raw addresses of an image are read and written through [`map::Mapping`] alone, which
//! checks that they lie in it.

pub mod arguments;
mod dynamic;
mod elf;
mod error;
mod lifecycle;
mod loaded;
pub mod map;
pub mod relocate;
mod relocations;
mod run;
pub mod stubs;
pub mod symbols;
pub mod thread_exit;
pub mod tls;
mod unload;
mod unwind;

pub use loaded::Image;
pub use unload::unload;
