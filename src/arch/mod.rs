//! What differs between the machines that the library runs on. Each has a folder with the same files, and this module is the
//! folder of the one that is compiled for: nothing else of the sources asks for the machine.
//!
//! - `closure`: functions that are made at run time
//! - `code`: instructions that are written at run time, and what is done so that they can run
//! - `cpu`: the CPU of this process, and those that users name
//! - `float`: the floating-point state
//! - `image`: the images that run here: their relocations
//! - `kernel`: what the kernel gives by numbers: system calls, and registers
//! - `memory`: bytes that are copied where no tool looks
//! - `system`: how the system and LLVM call this machine
//! - `tls`: how code finds thread-local variables
//! - `assembly`, for tests: instructions in assembly, by the same names
//! - `trampoline`: the assembly of calls, and of the bottom of a stack
//! - `weak_address!`: where a function is that need not exist

pub mod call;
pub mod features;
pub mod frame;
pub mod relocation;
pub mod resolvers;

#[cfg(test)]
mod tests;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;
